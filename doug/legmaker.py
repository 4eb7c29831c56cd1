"""How a leg is made: for a call that comes in, and for one that an application dials.

Lives here: what is asked and opened before, in this order: limits, whose call it is, route, trunk,
media. Not here: what an application is told (doug.application), what a leg does (doug.leg), routes
(doug.routing).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.logger import Logger

from doug.leg import Leg
from doug.routing import routeFor
from shtoom.exceptions import CallFailed, MediaPortsExhausted, UserBusy
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from doug.application import DougApplication
    from doug.dialplan import DialWishes
    from doug.livetrunk import LiveTrunk
    from doug.settings import Routed
    from doug.voiceapp import VoiceApp
    from shtoom.agent.inbound import InboundCall
    from shtoom.media.session import MediaSession
    from shtoom.sip.transport import Peer

__all__ = ["LegMaker"]


class LegMaker:
    """Makes the legs of a server. default: its application, for calls that the settings name no
    other for; None if they do for all.
    """

    log = Logger()

    def __init__(self, server: DougApplication, default: type[VoiceApp] | None) -> None:
        self._server, self._default = server, default

    def received(self, call: InboundCall) -> tuple[Leg, Routed]:
        """The leg of a call that came in, and the application that it is for.

        CallFailed refuses it; nothing is open then.
        """
        server = self._server
        exchange, request, peer = server.exchange, call.request, call.peer
        if request is None or peer is None:
            raise RuntimeError(f"call {call.callID} came without an INVITE")
        self._checkCalls(request.uri.user or "")
        caller = exchange.relations.admission.callerOf(request, peer)
        name = caller.trunk.trunk.name if caller.trunk is not None else None
        route = routeFor(server.settings, self._default, request.uri.user or "", name)
        codecs = None
        if caller.trunk is not None:
            caller.trunk.checkFree()
            caller.trunk.take(call)
            codecs = caller.trunk.trunk.codecs
        session = self._openSession(call, peer)
        try:
            leg = Leg(server, session, call, exchange.capabilities(peer, session.port, codecs))
        except BaseException:
            session.close()
            raise
        leg.trunk = name
        leg.identity = caller.identity(request)
        leg.phone = caller.phone
        return leg, route

    def placed(self, app: VoiceApp, toURI: str, wishes: DialWishes) -> Leg:
        """Dials for an application, as DougApplication.placeLeg()."""
        server = self._server
        exchange = server.exchange
        try:
            exchange.checkPlacing()
            self._checkLegs(app)
            address, trunk, codecs = *self._way(toURI, wishes), None
            if trunk is not None:
                trunk.checkFree()
                codecs = trunk.trunk.codecs
                wishes = trunk.wishes(wishes)
            else:
                wishes = replace(wishes, flows=exchange.relations.flowsTo(address))
            flows = wishes.flows
            peer = flows[0].peer if flows else exchange.peerFor(address)
            session = exchange.openSession(peer)
        except CallFailed as failure:
            leg = Leg(server, None)
            leg.dialled(toURI, wishes.fromURI)
            leg.hijackLeg(app)
            leg.failed(failure)
            return leg
        leg = Leg(server, session, capabilities=exchange.capabilities(peer, session.port, codecs))
        try:
            leg.dialled(toURI, wishes.fromURI)
            placed = leg.dial(exchange.agent, address, wishes)
        except ValueError:
            leg.failed(CallFailed("never dialled"))
            raise
        self.log.info(
            "{app}: call {callID} is placed to {address}",
            app=app.va_describe(),
            callID=leg.callID,
            address=shown(toURI),
        )
        if trunk is not None:
            leg.trunk = trunk.trunk.name
            trunk.take(placed)
        leg.hijackLeg(app)
        return leg

    def _way(self, toURI: str, wishes: DialWishes) -> tuple[str, LiveTrunk | None]:
        """What is dialled, and by which trunk. Raises CallFailed."""
        exchange = self._server.exchange
        trunking = exchange.relations.trunking
        if wishes.trunk is not None:
            trunk = trunking.named(wishes.trunk)
            return str(trunk.addressOf(toURI)), trunk
        address = exchange.dialPlan.address(toURI)
        to = trunking.toAddress(address, wishes.fromURI)
        return (address if to is None else str(to.addressOf(address))), to

    def _openSession(self, call: InboundCall, peer: Peer) -> MediaSession:
        try:
            return self._server.exchange.openSession(peer)
        except MediaPortsExhausted as e:
            self.log.warn(
                "call {callID}: media ports are used up: {reason}",
                callID=call.callID,
                reason=e.reason,
            )
            retryAfter = self._server.exchange.agent.policy.retryAfter()
            full = MediaPortsExhausted("No media port left", retryAfter=retryAfter)
            raise full.because("rtp-ports", "widen --rtp-ports, or set --max-calls") from e

    def _checkCalls(self, user: str) -> None:
        """Raises CallFailed if there are too many calls to that user, the new one included; 486: it
        is not the server's limit, for which upstreams take 503 (RFC 5390).
        """
        most = self._server.settings.userCalls.get(user)
        if most is None:
            return
        requests = (
            c.request for c in self._server.exchange.agent.calls if c.direction == "inbound"
        )
        if sum(1 for r in requests if r is not None and (r.uri.user or "") == user) > most:
            busy = UserBusy(f"{most} calls to {shown(user)} are up (--max-calls)")
            raise busy.because("max-calls", "raise it if its application carries more")

    def _checkLegs(self, app: VoiceApp) -> None:
        """Raises CallFailed if that application may not dial any more."""
        most = self._server.settings.maxLegs
        if len(app.va_liveLegs()) >= most:
            raise CallFailed(f"this application has {most} legs (--max-legs)", 480)
