"""The call of one leg: what is asked of it, and what it reports.

Lives here: answering, dialling and hanging up, offers and their answers, early media, hold by the
far end; the application's events of them. Not here: the methods that applications call (doug.leg),
our own hold (doug.holding), descriptions (doug.negotiation), sound (doug.legmedia), the end
(doug.farewell).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from doug.dialog import Dialog, Party
from doug.events import CallAnsweredEvent, CallHeldEvent, CallProgressEvent, CallResumedEvent
from doug.guard import CallGuard, Limit
from doug.holding import Holding, Wish
from doug.negotiation import Negotiation, streamParameters
from doug.scope import maker
from doug.transferring import transferAsked
from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.agent.extraheaders import OF_EACH, extraHeaders
from shtoom.agent.fork import Flow, Fork
from shtoom.agent.inbound import InboundCall
from shtoom.agent.outbound import OutboundCall
from shtoom.exceptions import CallFailed, CallNotAnswered, bare
from shtoom.sip.body import sdpBody
from shtoom.sip.keyinfo import DTMF_RELAY, KeyInfo, keyInfoBody
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from doug.dialplan import DialWishes
    from doug.leg import Leg
    from doug.legmedia import LegMedia
    from doug.settings import Settings
    from doug.voiceapp import VoiceApp
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.call import Call
    from shtoom.agent.transfer import Transfer
    from shtoom.sdp.offeranswer import AgreedStream, Capabilities
    from shtoom.sip.message import Response

__all__ = ["LegCall", "linesOf"]

TIMED_OUT = 408
GIVEN_UP = 487  # the status of a call that was cancelled before it was answered (RFC 3261 9.2)

log = Logger()


@implementer(ICallUser)
class LegCall:
    """One call, from the making of its leg to its end; a leg that never dialled has none in it.

    call: None before. dialled: From and To as the application named them. answeredAt: in seconds of
    the reactor, None before. byUs: does the application want it to end?
    """

    _media: LegMedia

    def __init__(
        self,
        leg: Leg,
        call: InboundCall | None,
        capabilities: Capabilities | None,
        settings: Settings,
    ) -> None:
        """call: one that came in; None if dial() may follow. capabilities: of our side, None
        without media.

        Raises CallFailed for an offer that cannot be answered: NotAcceptable, or 400.
        """
        self._leg = leg
        self._settings = settings
        self._guard: CallGuard | None = None  # once it is up
        self.call: Call | None = None
        self._fork: Fork | None = None  # of a phone with several devices
        self.dialled = ("", "")
        self.answeredAt: float | None = None
        self.byUs = False
        self._answer: bytes | None = None  # to the offer of a call that came in
        self._answering = False
        self._answerTold: VoiceApp | None = None  # who had CallAnsweredEvent
        self._held = False  # by the far end
        self._holding: Holding | None = None  # by us, once that was asked for
        self._earlyMedia = False  # is it heard what comes before the answer?
        self._failure: CallFailed | None = None  # why an answered call is none
        self._negotiation = None if capabilities is None else Negotiation(capabilities)
        if call is not None and call.remoteSDP is not None and self._negotiation is not None:
            self._answer = self._negotiation.answer(call.remoteSDP)

    # What the leg asks of it

    def begin(self, call: Call | None, media: LegMedia) -> None:
        """The leg is complete: what the call, if there is one, reports comes here."""
        self._media = media
        if call is not None:
            self._setCall(call)
            call.user = self

    def dial(self, agent: UserAgent, toURI: str, wishes: DialWishes) -> OutboundCall:
        """Places the call. Raises ValueError for a wish."""
        self._earlyMedia = wishes.earlyMedia
        offer, headers, line = self.offers.offer(), linesOf(wishes.headers, ()), maker()

        def place(uri: str, user: ICallUser, flow: Flow | None = None) -> OutboundCall:
            return agent.placeCall(
                uri,
                offer,
                user,
                fromURI=wishes.fromURI,
                headers=headers,
                timeout=wishes.timeout,
                auth=wishes.auth,
                realm=wishes.realm,
                flow=flow,
            )

        def setMain(call: OutboundCall) -> None:
            self._setCall(call, line)

        if wishes.flows:
            self._fork = Fork(
                wishes.flows, self, lambda flow, user: place(flow.uri, user, flow), setMain
            )
        else:
            setMain(place(toURI, self))
        if not isinstance(self.call, OutboundCall):
            raise RuntimeError(f"{self._leg!r}: nothing was placed")
        return self.call

    def answer(self, voiceapp: VoiceApp, lines: tuple[tuple[str, str], ...]) -> None:
        """As Leg.answerCall(), by the application that has the leg now. lines: of linesOf()."""
        call = self.call
        if self.answeredAt is not None and self._answerTold is not voiceapp:
            self._tellAnswered()
        elif self._answering or self.answeredAt is not None:
            log.info("call {callID}: answerCall again: ignored", callID=self._leg.callID)
        elif isinstance(call, InboundCall):
            self._answerInbound(call, lines)
        else:
            log.warn("call {callID}: answerCall on a call that was placed", callID=self._leg.callID)

    def ring(self) -> None:
        """180 to a caller who waits."""
        if isinstance(self.call, InboundCall) and not self._answering:
            self.call.ring()

    def reject(self, refusal: CallFailed, headers: Mapping[str, str] | None) -> None:
        """Refuses a call that rings."""
        if self._answering or not isinstance(self.call, InboundCall):
            log.info("call {callID}: rejectCall comes too late: ignored", callID=self._leg.callID)
            return
        lines = linesOf(headers)
        self.byUs = True
        self.call.reject(refusal, lines)

    def hangUp(self, headers: Mapping[str, str] | None) -> Deferred[None]:
        """Ends the call; fires when the far end has confirmed."""
        if self.call is None:
            return succeed(None)
        lines = linesOf(headers)
        self.byUs = True
        return self.call.hangup(lines)

    def leave(self, failed: bool) -> None:
        """The application is over. A caller who still waits hears 480, or 500 if it has failed."""
        call = self.call
        if call is None:
            return
        self.byUs = True
        if isinstance(call, InboundCall) and not self._answering:
            refusal = CallFailed() if failed else CallNotAnswered("Temporarily Unavailable", 480)
            call.reject(refusal)
        else:
            call.hangup()

    def silence(self) -> None:
        """The call is about to end, and not to tell it; other devices that ring with it end now."""
        call = self.call
        if call is not None:
            call.user = None
            if self._fork is not None:
                self._fork.leaveOthers(call)

    def sendKeyInfo(self, digit: str, duration: float) -> Deferred[bool] | None:
        """As Leg.sendKeyInfo().

        None if the settings say so, or an Allow of the far end that does not name INFO.
        """
        if self.call is None or not self._settings.infoKeys or not self.call.allows("INFO"):
            return None
        answer = self.call.sendInfo(DTMF_RELAY, keyInfoBody(digit, duration))
        return answer.addCallbacks(lambda response: response.code < 300, lambda failure: False)

    def hold(self, wish: Wish) -> Deferred[None]:
        """As Leg.hold() and Leg.resume()."""
        if self._holding is None:
            self._holding = Holding(self)
        return self._holding.set(wish)

    def dialog(self) -> Dialog:
        """Who calls whom, as it is now."""
        if self.call is not None:
            return Dialog.ofCall(self.call, *self.dialled)
        caller, callee = self.dialled
        return Dialog("outbound", "", Party(caller), Party(callee), None)

    def toldAs(self, ending: CallEnding) -> CallEnding | CallFailed:
        """The end as the application hears of it: a call that it placed and did not give up itself,
        and that was never answered, has failed.
        """
        call = self.call
        if self.byUs or self.answeredAt is not None or not isinstance(call, OutboundCall):
            return ending
        return CallFailed(ending.reason, ending.sipCode or GIVEN_UP)

    def close(self) -> None:
        """The leg is over: lets go of the call."""
        self.call = self._fork = self._holding = None
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.stop()

    @property
    def stream(self) -> AgreedStream | None:
        """What is agreed on, None before."""
        return self._negotiation.stream if self._negotiation is not None else None

    # What its guard asks (IGuarded)

    @property
    def isHeld(self) -> bool:
        """Does either side not listen?"""
        stream = self.stream
        return stream is None or not (stream.send and stream.receive)

    @property
    def heardAt(self) -> float | None:
        """Seconds of the last packet of the far end; None before any."""
        session = self._media.session
        return None if session is None else session.stats.lastPacketAt

    def limitReached(self, limit: Limit) -> None:
        """As if the far end had hung up; it is told why (RFC 3326)."""
        reason = f'SIP;cause={TIMED_OUT};text="{limit.text}"'
        self._leg.drop(limit.reason, TIMED_OUT, (("Reason", reason),))

    # What its hold asks (IHeldLeg)

    @property
    def offers(self) -> Negotiation:
        """Its descriptions."""
        if self._negotiation is None:
            raise RuntimeError(f"{self._leg!r} has no media: there is nothing to offer")
        return self._negotiation

    def takeHold(self, wish: Wish, answer: bytes) -> None:
        """The far end waits from now on, or no longer."""
        call = self.call
        if call is not None:
            self._media.hold(wish.held, wish.music)
            self._takeAnswer(call, answer)

    # What the call reports (ICallUser)

    def callProgress(self, call: Call, response: Response) -> None:
        """It rings there, or goes on."""
        if response.code == 100:
            return
        heard = self._earlyMedia and self._takeEarly(call, response)
        event = CallProgressEvent(self._leg, response.code, shown(response.reason), heard)
        event.headers = tuple(response.headers)
        self._leg.raiseEvent(event)
        if self._leg.watcher is not None:
            self._leg.watcher.rings(response.code)

    def callAnswered(self, call: Call) -> None:
        """It is up."""
        reactor, settings = self._media.reactor, self._settings
        self.answeredAt = reactor.seconds()
        if self._media.session is not None:
            self._media.session.trust()
        self._guard = CallGuard(self, reactor, settings.maxCallDuration, settings.rtpTimeout)
        answer = call.remoteSDP if self.offers.offering else None
        if answer is None or self._takeAnswer(call, answer):
            self._tellAnswered()
            self._leg.wasAnswered()

    def callRejected(self, call: Call, failure: CallFailed) -> None:
        """Nobody answered."""
        self._leg.end(failure)

    def callEnded(self, call: Call, ending: CallEnding) -> None:
        """It is over."""
        failure = self._failure
        if failure is None:
            self._leg.end(self.toldAs(ending))
        elif call.direction == "outbound" and self._answerTold is None:
            self._leg.end(failure)
        else:
            self._leg.end(CallEnding(failure.reason, failure.sipCode, False))

    def offerReceived(self, call: Call, sdp: bytes | None) -> bytes:
        """A re-INVITE or UPDATE: other addresses, another codec, hold and its end."""
        if sdp is None:
            return self.offers.offer()
        answer = self.offers.answer(sdp)
        self._startMedia()
        return answer

    def answerReceived(self, call: Call, sdp: bytes) -> None:
        """The answer to the offer that a re-INVITE without one got."""
        self._takeAnswer(call, sdp)

    def moved(self, call: Call, address: str) -> bytes:
        """This machine has another address."""
        return self.offers.moved(address)

    def infoReceived(self, call: Call, key: KeyInfo) -> None:
        """A key in an INFO request."""
        self._media.keys.infoReceived(key)

    def transferAsked(self, call: Call, transfer: Transfer) -> None:
        """A REFER."""
        transferAsked(self._leg, transfer)

    # How it is done

    def _setCall(self, call: Call, line: str = "") -> None:
        self.call = call
        self._leg.named(call.callID)
        dialog = self._leg.scope.add("its dialog", call.hangup, "", line, slow=True)
        call.whenGone().addCallback(dialog.closed)

    def _answerInbound(self, call: InboundCall, lines: tuple[tuple[str, str], ...]) -> None:
        if self._media.session is not None:
            self._media.session.doubt()  # an INVITE can be forged, its ACK cannot
        if self._answer is None:
            sdp = self.offers.offer()
        else:
            sdp = self._answer
            self._startMedia()
        call.answer(sdp, lines)
        self._answering = True

    def _takeEarly(self, call: Call, response: Response) -> bool:
        """The description of an 18x, if it has one, is that of the last one for what is heard."""
        sdp = sdpBody(response)
        if sdp is None:
            return False
        before = self.offers.stream
        try:
            self.offers.early(sdp)
        except CallFailed as failure:
            call.findings.append(
                f"what the far end said before it answered was not heard: {failure.reason}"
            )
            return False
        if self.offers.stream != before:  # a repeat leaves the sound as it is
            self._startMedia()
        return True

    def _takeAnswer(self, call: Call, sdp: bytes) -> bool:
        """The answer to our offer; one that cannot be used ends the call."""
        heard = self.offers.stream if self._earlyMedia else None
        self._earlyMedia = False
        try:
            call.findings += self.offers.answered(sdp)
        except CallFailed as failure:
            self._failure = bare(failure)
            call.hangup((("Reason", f'SIP;cause={failure.sipCode};text="Not Acceptable"'),))
            return False
        if self.offers.stream == heard:  # that is to be heard already
            self._tellHold()
        else:
            self._startMedia()
        return True

    def _startMedia(self) -> None:
        """By what is agreed on now; tells the application of hold and its end."""
        stream, call = self.offers.stream, self.call
        if stream is None or call is None:
            return
        host = call.peer.address[0] if call.peer is not None else None
        isDirect = call.dialog is not None and not call.dialog.routeSet
        self._media.start(streamParameters(stream, host, isDirect))
        if self._guard is not None:
            self._guard.renew()
        if not self._earlyMedia:
            self._tellHold()

    def _tellHold(self) -> None:
        held = self.offers.held
        if held is not None and held != self._held:
            self._held = held
            self._leg.raiseEvent(CallHeldEvent(self._leg) if held else CallResumedEvent(self._leg))

    def _tellAnswered(self) -> None:
        self._answerTold = self._leg.getVoiceApp()
        event = CallAnsweredEvent(self._leg)
        if isinstance(self.call, OutboundCall) and self.call.answer is not None:
            event.headers = tuple(self.call.answer.headers)
        if not self._leg.quiet:
            self._leg.raiseEvent(event)


def linesOf(
    headers: Mapping[str, str] | None, own: Collection[str] = OF_EACH
) -> tuple[tuple[str, str], ...]:
    """An application's headers; ValueError names the one that may not stand in the message."""
    return tuple(extraHeaders((headers or {}).items(), own))
