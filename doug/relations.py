"""Whom one server knows, as its settings have it: trunks, phones, and who may call at all.

Lives here: making and ending them together. Not here: what each does (doug.trunking,
doug.admission, shtoom.agent.registrar).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from doug.admission import Admission
from doug.bindings import BindingStore
from doug.trunking import Trunking
from shtoom.agent.fork import Flow
from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.agent.registrar import Registrar
from shtoom.exceptions import CallNotAnswered, MalformedMessage
from shtoom.sip.shown import shown
from shtoom.sip.transport import Peer
from shtoom.sip.uri import parseURI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from doug.settings import Settings
    from shtoom.agent.agent import UserAgent

__all__ = ["Relations"]


class Relations:
    """trunking: the trunks. admission: who may call. registrar: of phones; None without phones.

    wallTime: seconds since 1970, by which registrations outlive a restart. isOurs: do that host and
    port lead to this server? Raises OSError if the file of settings.registrations cannot be had.
    """

    def __init__(
        self,
        agent: UserAgent,
        settings: Settings,
        rng: Random,
        deferToThread: Callable[..., Deferred[Any]],
        *,
        wallTime: Callable[[], float],
        isOurs: Callable[[str, int], bool],
    ) -> None:
        phones, now = settings.phones, agent.reactor.seconds
        self._agent, self._phones, self._realm = agent, phones, settings.realm
        self._isOurs = isOurs
        self.trunking = Trunking(agent, settings.trunks.values())
        self.registrar: Registrar | None = None
        self._store: BindingStore | None = None
        gatekeeper = None
        if phones:
            if settings.registrations is not None:
                self._store = BindingStore(Path(settings.registrations), deferToThread)
            passwords = {user: phone.password for user, phone in phones.items()}
            gatekeeper = Gatekeeper(
                settings.realm, passwords.get, rng.randbytes(32), settings.digest
            )
            self.registrar = Registrar(gatekeeper, phones.get, self._store, now, wallTime)
        self.admission = Admission(
            self.trunking,
            gatekeeper,
            phones.__contains__,
            now,
            anonymous=settings.anonymous,
            allow=settings.allow,
            deny=settings.deny,
        )
        agent.admit, agent.registrar = self.admission.admit, self.registrar

    def start(self) -> None:
        """The ports are open: trunks register."""
        self.trunking.start()

    def flowsTo(self, address: str) -> tuple[Flow, ...]:
        """Where a phone of ours is that has that address; () for another's address.

        Raises CallFailed (480) for a phone that is not registered now.
        """
        try:
            uri = parseURI(address.strip())
        except MalformedMessage:  # the user agent tells what is wrong with it
            return ()
        user = uri.user or ""
        if self.registrar is None or user not in self._phones:
            return ()
        if uri.host.lower() != self._realm.lower() and not self._isOurs(uri.host, uri.port or 5060):
            return ()
        agent = self._agent
        found = []
        for binding in self.registrar.bindings(user):
            transport = agent.transportFor(binding.transport, binding.host)
            if transport is not None:
                peer, *elsewhere = [Peer(transport, place) for place in binding.places()]
                found.append(Flow(binding.contact, peer, tuple(elsewhere), binding.path))
        if not found:
            raise CallNotAnswered(f"{shown(user)} is not registered", 480)
        return tuple(found)

    def timers(self) -> list[IDelayedCall]:
        """Those that run as long as the server does."""
        return [call for trunk in self.trunking.trunks.values() for call in trunk.timers()]

    async def stop(self, limit: float) -> None:
        """Trunks unregister, within `limit` seconds or not at all; bindings are on the disk."""
        await self.trunking.stop(limit)
        if self._store is not None:
            await self._store.close()
