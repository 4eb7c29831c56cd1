"""Whom one server knows, as its settings have it: trunks, phones, and who may call at all.

Lives here: making and ending them together. Not here: what each does (doug.trunking,
doug.admission, shtoom.agent.registrar).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
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
    from shtoom.agent.registrar import Phone
    from shtoom.sip.uri import URI

__all__ = ["Relations"]


class Relations:
    """trunking: the trunks. admission: who may call. refusals: how many it refused, by rule.

    wallTime: seconds since 1970, by which registrations outlive a restart. isOurs: do that host and
    port lead to this server? refused: told of a host that was refused, and as which user.
    trunkChanged: told of a trunk's name, and how it stands now. Raises OSError if the file of
    settings.registrations cannot be had.
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
        refused: Callable[[str, str], None] = lambda host, user: None,
        trunkChanged: Callable[[str, str], None] = lambda name, state: None,
    ) -> None:
        self._refused, self.refusals = refused, Counter[str]()
        self._agent, self._rng, self._deferToThread = agent, rng, deferToThread
        self._wallTime, self._isOurs = wallTime, isOurs
        self._phones: Mapping[str, Phone] = {}
        self._realm = settings.realm
        self._gatekeeper: Gatekeeper | None = None
        self._registrar: Registrar | None = None
        self._store: BindingStore | None = None
        self.trunking = Trunking(
            agent,
            settings.trunks.values(),
            lambda trunk: trunkChanged(trunk.trunk.name, trunk.state()),
        )
        self._take(settings, self._storeFor(settings))

    @property
    def registrar(self) -> Registrar | None:
        """Of phones; None without phones."""
        return self._registrar if self._phones else None

    def reload(self, settings: Settings) -> None:
        """Other trunks, phones and lists from now on. Raises OSError, with nothing changed."""
        store = self._storeFor(settings)
        self.trunking.reload(settings.trunks.values())
        self._take(settings, store)

    def _storeFor(self, settings: Settings) -> BindingStore | None:
        """Where bindings are kept. Raises OSError."""
        if self._store is not None or settings.registrations is None or not settings.phones:
            return self._store
        try:
            return BindingStore(Path(settings.registrations), self._deferToThread)
        except OSError as e:
            said = settings.said("registrations", settings.registrations)
            raise OSError(f"{said}: registrations cannot be kept there: {e.strerror}") from e

    def _take(self, settings: Settings, store: BindingStore | None) -> None:
        """All but the trunks. Bindings of a phone that is gone stay where they are, and do not
        count.
        """
        agent, now = self._agent, self._agent.reactor.seconds
        guarded = [t for t in settings.trunks.values() if t.inbound == "password"]
        if (settings.phones or guarded) and self._gatekeeper is None:
            self._gatekeeper = Gatekeeper(settings.realm, self._passwordOf, self._rng.randbytes(32))
        if settings.phones and self._registrar is None and self._gatekeeper is not None:
            self._store = store
            self._registrar = Registrar(
                self._gatekeeper, self._phoneOf, self._store, now, self._wallTime
            )
            self._registrar.onRefused = self._refused
        self._phones, self._realm = settings.phones, settings.realm
        if self._gatekeeper is not None:
            self._gatekeeper.realm, self._gatekeeper.qops = settings.realm, settings.qop
            self._gatekeeper.algorithms = settings.digest
        self.admission = Admission(
            self.trunking,
            self._gatekeeper if self._phones or guarded else None,
            self._phones.__contains__,
            now,
            isOurs=self._isOfAPhone,
            anonymous=settings.anonymous,
            allow=settings.allow,
            deny=settings.deny,
            refused=self._refused,
            refusals=self.refusals,
        )
        agent.admit, agent.registrar = self.admission.admit, self.registrar

    def isKnown(self, host: str) -> bool:
        """Does a trunk send from there, or is a phone registered from there?"""
        registrar = self.registrar
        return self.trunking.sends(host) or (registrar is not None and registrar.isAt(host))

    def _phoneOf(self, user: str) -> Phone | None:
        return self._phones.get(user)

    def _passwordOf(self, user: str) -> str | None:
        phone, trunk = self._phones.get(user), self.trunking.ofUser(user)
        if phone is not None:
            return phone.password
        return None if trunk is None else trunk.trunk.password

    def _isOfAPhone(self, uri: URI, peer: Peer) -> bool:
        """Does that address say that it is of a phone here, or has one registered from there? Such
        a phone may know the server by a name that it does not know itself.
        """
        registrar = self.registrar
        if registrar is None:
            return False
        return self._isHere(uri) or registrar.isReachedBy(peer)

    def _isHere(self, uri: URI) -> bool:
        """Is that an address of this server's own?"""
        return uri.host.lower() == self._realm.lower() or self._isOurs(uri.host, uri.port or 5060)

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
        if not self._isHere(uri):
            return ()
        agent = self._agent
        found = []
        for binding in self.registrar.bindings(user):
            flow = binding.host, binding.port, binding.flow
            transport = agent.transportFor(binding.transport, *flow)
            places = binding.places(transport.flow) if transport is not None else []
            if transport is not None and places:
                peer, *elsewhere = [Peer(transport, place) for place in places]
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
