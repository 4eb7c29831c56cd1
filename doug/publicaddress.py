"""The address that far ends are told where it is not that of this machine: the one rule for it.

Via, Contact and session descriptions all ask a transport's sentBy(), which asks here first. So a
REGISTER, its refresh, an INVITE and its answer never differ (RFC 3261 8.1.1.8).

Lives here: what is told to whom with --advertise=stun:... and auto, and noticing that it is another
now. Not here: STUN (shtoom.agent.reflection), a fixed --advertise (shtoom.sip.transport), telling
far ends of calls (shtoom.agent.moving), what that means for phones (doug.natcheck).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from doug.natcheck import Sight, sightFindings
from doug.settings import AUTO, stunServer
from shtoom.agent.moving import move
from shtoom.agent.reflection import Reflection
from shtoom.agent.routing import isInside
from shtoom.exceptions import TransportFailed
from shtoom.sip.udp import UDPTransport
from shtoom.sip.uri import URI, hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from doug.settings import Settings
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.registration import Registration
    from shtoom.sip.transport import Address, ISIPTransport

__all__ = ["PublicAddress"]

PATIENCE = 3.0
"""Seconds that registrations wait for the first answer of a STUN server."""


class PublicAddress:
    """Of one server. registrations: those that there are, at the moment of asking.

    "auto": a registrar is told what it has seen of us, and so is everybody who is not in a network
    of ours, if that is a public address. "stun:...": all but those are told what the STUN server
    sees. Neighbours are told the address that leads to them, as without any of this.
    """

    log = Logger()

    def __init__(
        self,
        agent: UserAgent,
        settings: Settings,
        registrations: Callable[[], Iterable[Registration]],
    ) -> None:
        self._agent, self._settings, self._registrations = agent, settings, registrations
        self._server = stunServer(settings.advertise)
        self._isAuto = settings.advertise == AUTO
        self._transports: dict[ISIPTransport, bool] = {}  # is it for IPv6?
        self._reflections: list[Reflection] = []
        self._known: Deferred[None] | None = None
        self._patience: IDelayedCall | None = None
        self._seen: WeakKeyDictionary[Registration | Reflection, Address] = WeakKeyDictionary()
        self._said: set[str] = set()

    def take(self, transport: ISIPTransport, host: str) -> None:
        """A port that was opened. host: that it is bound to, "" for all of IPv4."""
        if self._server is None and not self._isAuto:
            return
        self._transports[transport] = ":" in host
        transport.told = partial(self.told, transport)  # type: ignore[attr-defined]

    def start(self) -> Deferred[None]:
        """Fires once it is known what to tell, or nobody has said so for a while."""
        if self._server is None:
            return succeed(None)
        host, port = self._server
        server = URI("sip", None, None, hostPort(host, None), port)
        for transport, isIPv6 in self._transports.items():
            if isinstance(transport, UDPTransport):
                self._reflections.append(
                    Reflection(self._agent, transport, isIPv6, server, self._reflected)
                )
        known = self._known = Deferred()
        self._patience = self._agent.reactor.callLater(PATIENCE, self._nowKnown)
        for reflection in self._reflections:
            reflection.start()
        return known

    def stop(self) -> None:
        """Nobody is asked any more. What start() has returned never fires then."""
        self._known = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        for reflection in self._reflections:
            reflection.stop()
        self._reflections.clear()

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself."""
        found = [call for reflection in self._reflections for call in reflection.timers()]
        return found if self._patience is None else [*found, self._patience]

    def isTold(self, host: str) -> bool:
        """Is that an address that others may know us by?"""
        if host == self._settings.fixedAddress:
            return True
        return any(host == seen[0] for seen in self._views())

    def told(self, transport: ISIPTransport, host: str) -> tuple[str, int | None] | None:
        """What a peer at `host` is told of that port; None: what the route says."""
        if self._isAuto:
            for registration in self._registered():
                peer, seen = registration.peer, registration.seenAs
                if peer is not None and seen is not None and peer.address[0] == host:
                    return self._as(transport, peer.transport, seen)
        if isInside(host):
            return None
        for source, seen in self._sights():
            if (":" in seen[0]) == (":" in host) and not isInside(seen[0]):
                return self._as(transport, source, seen)
        return None

    def seen(self, registration: Registration) -> None:
        """Its registrar sees us at another address now."""
        if not self._isAuto or registration.seenAs is None:
            return
        before = self._seen.get(registration)
        if before != registration.seenAs:
            self._seen[registration] = registration.seenAs
            self._changed(registration.name, before, registration.seenAs)

    # --- where it is known from ---------------------------------------------------------------

    def _registered(self) -> list[Registration]:
        return [r for r in self._registrations() if r.peer is not None and r.seenAs is not None]

    def _sights(self) -> list[tuple[ISIPTransport, Address]]:
        """(the port that was seen, as what), what is believed first before."""
        if self._isAuto:
            return [(r.peer.transport, r.seenAs) for r in self._registered() if r.peer and r.seenAs]
        return [(r.transport, r.seen) for r in self._reflections if r.seen is not None]

    def _views(self) -> list[Address]:
        return [seen for _, seen in self._sights()]

    @staticmethod
    def _as(
        transport: ISIPTransport, source: ISIPTransport, seen: Address
    ) -> tuple[str, int | None]:
        """The port of a mapping is that of the socket that was seen; of connections none is."""
        mapped = transport is source and not transport.reliable
        return seen[0], seen[1] if mapped else None

    # --- what is noticed ----------------------------------------------------------------------

    def _reflected(self, reflection: Reflection) -> None:
        """A round is over."""
        seen, before = reflection.seen, self._seen.get(reflection)
        if seen is not None and seen != before:
            self._seen[reflection] = seen
            self._changed(f"STUN server {reflection.server.host}", before, seen)
        isSettled = seen is not None and seen == before and not reflection.problem
        self._tell(reflection, self._registrarsView(reflection) if isSettled else None)
        if all(r.seen is not None or r.problem for r in self._reflections):
            self._nowKnown()

    def _tell(self, reflection: Reflection, elsewhere: Address | None) -> None:
        """What a far phone would see, in words, each once.

        elsewhere: what others see, where the server has no second address to tell. Nothing of an
        IPv6 port that nobody tells anything about: NAT is rare there.
        """
        if reflection.isIPv6 and reflection.seen is None:
            return
        for finding in sightFindings(self._settings, self._sight(reflection, elsewhere)):
            if finding not in self._said:
                self._said.add(finding)
                self.log.warn("{finding}", finding=finding)

    def _registrarsView(self, reflection: Reflection) -> Address | None:
        """How a registrar sees that port, by its last answer: a new address makes one at once."""
        for registration in self._registered():
            peer, seen = registration.peer, registration.seenAs
            if peer is not None and peer.transport is reflection.transport and seen is not None:
                if not isInside(seen[0]):
                    return seen
        return None

    @staticmethod
    def _sight(reflection: Reflection, elsewhere: Address | None) -> Sight:
        """What is known now; local is what would be told without STUN."""
        try:
            local = reflection.transport.routed(reflection.asked)
        except TransportFailed:
            local = ("", 0)
        elsewhere = reflection.elsewhere or elsewhere
        return Sight(local, reflection.server.host, reflection.seen, elsewhere, reflection.problem)

    def _changed(self, by: str, before: Address | None, now: Address) -> None:
        self.log.info(
            "{by} sees this server at {now}{before}",
            by=by,
            now=hostPort(*now),
            before=f", before at {hostPort(*before)}" if before is not None else "",
        )
        for registration in self._registrations():
            registration.lookSoon()
        for call in list(self._agent.calls):
            move(call)

    def _nowKnown(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None
        known, self._known = self._known, None
        if known is not None:
            known.callback(None)
