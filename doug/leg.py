"""A leg: one party of an application, a call and its sound, from its beginning to its one end.

Lives here: the methods that applications call, life and death, and what the call reports.
Not here: sound and keys (doug.legmedia and its parts), offers and answers (doug.negotiation), what
was wrong with a call (doug.verdict).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ReferenceType, ref

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from doug.bridge import Bridge
from doug.dialog import Dialog, Party
from doug.digits import DigitMode
from doug.events import (
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallHeldEvent,
    CallProgressEvent,
    CallRejectedEvent,
    CallResumedEvent,
    DTMFReceivedEvent,
    MediaDoneEvent,
    MediaPlayRemoteClosedEvent,
    MediaPlayUserBargeInEvent,
    MediaRecordDoneEvent,
)
from doug.farewell import Ending, KeyLosses, factsOf, logEnd
from doug.keysender import checkSending
from doug.legmedia import LegMedia
from doug.negotiation import Negotiation, streamParameters
from doug.recorder import Limits
from doug.scope import CallScope
from doug.source import Source
from doug.verdict import NO_MEDIA, CallFacts, Finding, judge
from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.agent.inbound import InboundCall
from shtoom.agent.outbound import OutboundCall
from shtoom.exceptions import CallFailed, CallNotAnswered
from shtoom.media.prompts import PromptCache
from shtoom.sip.body import sdpBody
from shtoom.sip.headers import Headers
from shtoom.sip.keyinfo import DTMF_RELAY, KeyInfo, keyInfoBody
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from doug.dialplan import DialWishes
    from doug.settings import Settings
    from doug.voiceapp import VoiceApp
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.call import Call
    from shtoom.media.clock import MediaClock
    from shtoom.media.disk import Disk
    from shtoom.media.inband import Inband
    from shtoom.media.session import MediaSession
    from shtoom.sdp.offeranswer import Capabilities
    from shtoom.sip.message import Response
    from shtoom.sip.transport import Peer

__all__ = ["ILegApplication", "Leg"]

PATIENCE = 5.0  # seconds that the end of a leg waits for the disk to take its recordings

log = Logger()


class ILegExchange(Protocol):
    """What all calls of a server share, as far as a leg needs it."""

    @property
    def prompts(self) -> PromptCache: ...
    @property
    def media(self) -> MediaClock: ...
    @property
    def disk(self) -> Disk: ...
    @property
    def inband(self) -> Inband: ...
    @property
    def settings(self) -> Settings: ...

    def capabilities(self, peer: Peer, port: int) -> Capabilities:
        """What a new call with that peer may agree on. port: of its media session."""


class ILegApplication(Protocol):
    """What a leg needs of the server."""

    @property
    def reactor(self) -> IReactorTime: ...
    @property
    def rng(self) -> Random: ...
    @property
    def exchange(self) -> ILegExchange: ...
    @property
    def deferToThread(self) -> Callable[..., Deferred[Any]]: ...


@implementer(ICallUser)
class Leg:
    """One party. Applications get legs from events and from placeCall(); they make none.

    Once the leg has ended, all but the getters do nothing but a debug line: nobody can know that
    the far end has just hung up.

    ended: is it over? callID: of its call, as in log lines. scope: what it has open.
    """

    def __init__(
        self,
        application: ILegApplication,
        session: MediaSession | None,
        call: InboundCall | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        """session: its media, which the leg closes; None if none was to be had, then failed() is
        to follow. call: one that came in; None for a leg that dial() is called on. capabilities: of
        our side; None to ask the server for those towards the caller.

        Raises CallFailed for an offer that cannot be answered: NotAcceptable, or 400.
        """
        exchange = application.exchange
        self._reactor, self._clock = application.reactor, exchange.media
        self._cookie = f"leg-{application.rng.getrandbits(64):016x}"
        self._call: Call | None = None
        self._app: VoiceApp | ReferenceType[VoiceApp] | None = None
        self._dialled = ("", "")
        self._dialog: Dialog | None = None  # after the end
        self._answer: bytes | None = None  # to the offer of a call that came in
        self._answering = self._answered = False
        self._answerTold: VoiceApp | None = None  # who had CallAnsweredEvent
        self._answeredAt: float | None = None
        self._held = False
        self._earlyMedia = False  # is it heard what comes before the answer?
        self._byUs = False  # the application wants it to end
        self._ending: Ending | None = None
        self._patience: IDelayedCall | None = None
        self._failure: CallFailed | None = None  # why an answered call is none
        self._appError = ""
        self._keyLosses = KeyLosses()
        self._infoKeys = exchange.settings.infoKeys
        self._skippedBefore = exchange.media.skippedFrames
        self.ended = False
        self.callID = ""
        self.scope = CallScope(self._cookie)
        self._negotiation: Negotiation | None = None
        if capabilities is None and call is not None and call.peer is not None and session:
            capabilities = exchange.capabilities(call.peer, session.port)
        if capabilities is not None:
            self._negotiation = Negotiation(capabilities)
        if call is not None and call.remoteSDP is not None and self._negotiation is not None:
            self._answer = self._negotiation.answer(call.remoteSDP)
        self._media = LegMedia(self, application, exchange.prompts, session, self.scope)
        if call is not None:
            self._setCall(call)
            call.user = self

    # What applications call: the call

    def answerCall(self, voiceapp: VoiceApp, headers: Mapping[str, str] | None = None) -> None:
        """Answers; CallAnsweredEvent follows when the caller's ACK has come.

        voiceapp: the application, mostly self. headers: more of them for the 200. On a leg that is
        answered already, an application that has it by hijackLeg gets its CallAnsweredEvent.
        Raises ValueError for CR, LF or NUL in a header.
        """
        if self._isOver("answerCall"):
            return
        self.hijackLeg(voiceapp)
        if self._answered and self._answerTold is not voiceapp:
            self._tellAnswered()
        elif self._answering or self._answered:
            log.info("call {callID}: answerCall again: ignored", callID=self.callID)
        elif isinstance(self._call, InboundCall):
            self._answerInbound(self._call, headers or {})
        else:
            log.warn("call {callID}: answerCall on a call that was placed", callID=self.callID)

    def rejectCall(self, exception: CallFailed, headers: Mapping[str, str] | None = None) -> None:
        """Refuses a call that rings, with the code and reason of `exception`; CallEndedEvent comes.

        exception: CallRejected (603), UserBusy (486) or any CallFailed; else TypeError. headers:
        more of them for the response; ValueError for CR, LF or NUL in one.
        """
        if not isinstance(exception, CallFailed):
            raise TypeError(
                "rejectCall: wanted a CallRejected, UserBusy or another CallFailed of "
                f"shtoom.exceptions, got {exception!r}"
            )
        if self._isOver("rejectCall"):
            return
        if self._answering or not isinstance(self._call, InboundCall):
            log.info("call {callID}: rejectCall comes too late: ignored", callID=self.callID)
            return
        lines = _lines(headers)
        self._byUs = True
        self._call.reject(exception, lines)

    def hangupCall(self, headers: Mapping[str, str] | None = None) -> Deferred[None]:
        """Ends the call: BYE, CANCEL or 480, as it stands. Its sound ends at once.

        headers: more of them for that message, such as Reason (RFC 3326: 'SIP;cause=200;text="..."'
        or 'Q.850;cause=16'); ValueError for CR, LF or NUL in one.
        CallEndedEvent comes on the next turn (when a recording runs: as soon as it is complete);
        the Deferred fires when the far end has confirmed, or will not any more.
        """
        if self._isOver("hangupCall") or self._call is None:
            return succeed(None)
        lines = _lines(headers)
        self._byUs = True
        return self._call.hangup(lines)

    def ringing(self) -> None:
        """180 to the caller; the server does so by itself unless autoRinging is False."""
        if self._isOver("ringing") or self._answering:
            return
        if isinstance(self._call, InboundCall):
            self._call.ring()

    def hijackLeg(self, voiceapp: VoiceApp) -> VoiceApp | None:
        """Gives the leg to another application; returns the one that had it.

        What the old one played and recorded stops without event, what is queued for it of this leg
        is withdrawn. No event is raised: by answerCall the new one gets CallAnsweredEvent.
        """
        before = self.getVoiceApp()
        if before is voiceapp or self._isOver("hijackLeg"):
            return before
        if before is not None:
            self._media.reset()
            before.va_removeLeg(self)
        self._app = voiceapp
        voiceapp.va_addLeg(self)
        return before

    def getCookie(self) -> str:
        """What VoiceApp.getLeg() finds it by."""
        return self._cookie

    def getDialog(self) -> Dialog:
        """Who calls whom; after the end as it was then."""
        if self._dialog is not None:
            return self._dialog
        if self._call is None:
            caller, callee = self._dialled
            return Dialog("outbound", "", Party(caller), Party(callee), None)
        return Dialog.ofCall(self._call, *self._dialled)

    def getVoiceApp(self) -> VoiceApp | None:
        """The application that has it, or had it at its end."""
        return self._app() if isinstance(self._app, ref) else self._app

    # What applications call: sound and keys

    def mediaPlay(
        self,
        playlist: Any,
        *,
        bargeIn: bool = False,
        timeout: float | None = None,
        loop: bool = False,
    ) -> None:
        """Plays an item, or a list of them without gaps, after what is queued already.

        An item is a path (looked for beside the application's module, then in the current folder),
        an open binary file, or a Source. bargeIn: the first key stops it and drops the queue.
        timeout: seconds after which this play ends. loop: over and over. Ends with exactly one
        MediaPlayDoneEvent. Raises TypeError or ValueError for what could never be played.
        """
        if not self._isOver("mediaPlay"):
            items = list(playlist) if isinstance(playlist, list | tuple) else [playlist]
            self._media.player.play(items, bargeIn=bargeIn, timeout=timeout, loop=loop)

    def mediaRecord(
        self,
        savefile: Any,
        *,
        maxDuration: float | None = None,
        maxSilence: float | None = None,
        terminators: str = "",
        beep: bool = False,
    ) -> None:
        """Records what the far end says to a path, an open binary file or a Source.

        maxDuration, maxSilence: seconds. terminators: keys that end it (they have no other
        meaning then). beep: a tone before it. Ends with exactly one MediaRecordDoneEvent, when the
        file is complete. Raises TypeError or ValueError for what could never be recorded to.
        """
        if not self._isOver("mediaRecord"):
            limits = Limits(maxDuration, maxSilence, terminators)
            self._media.recorder.record(savefile, limits, beep)

    def mediaStop(self) -> None:
        """Stops playing and recording, drops the queue; no event, not even one that is queued.

        A key that stopped a prompt and was not delivered yet comes as DTMFReceivedEvent.
        """
        if self._isOver("mediaStop"):
            return
        self._media.stop()
        keys: list[MediaPlayUserBargeInEvent] = []
        self._withdraw(MediaDoneEvent, keys)
        for key in keys:
            self.raiseEvent(DTMFReceivedEvent(key.digits, self, key.evidence))

    def mediaStopRecording(self) -> None:
        """Stops recording alone, without event."""
        if not self._isOver("mediaStopRecording"):
            self._media.recorder.stop()
            self._withdraw(MediaRecordDoneEvent, [])

    def isPlaying(self) -> bool:
        """Is anything to be heard, or queued? Silence is nothing."""
        return not self.ended and self._media.player.playing

    def isRecording(self) -> bool:
        """Is anything recorded?"""
        return not self.ended and self._media.recorder.recording

    def dtmfMode(
        self,
        single: bool = False,
        inband: bool = False,
        timeout: float = 0,
        *,
        terminators: str = "#",
        maxDigits: int | None = None,
        interDigitTimeout: float | None = None,
    ) -> None:
        """single: an event a key. Else keys are collected to a string, see doug.digits.

        timeout: seconds from the first key to the last; interDigitTimeout: between two; past
        either DTMFTimeoutEvent has what was collected. inband: tones in the sound are keys too,
        beside telephone-events (RFC 4733) and INFO, which always are; one press in several forms is
        one key. ValueError names what is out of range.
        """
        mode = DigitMode(single, terminators, maxDigits, interDigitTimeout, timeout)
        if not self._isOver("dtmfMode"):
            self._media.keys.setMode(mode, inband)

    def sendDTMF(self, digits: str, duration: float = 0.1, delay: float = 0.5) -> Deferred[None]:
        """Presses keys at the far end, one after the other, after those that are sent already.

        digits: 0-9, A-D, * and #, and "," for a pause of two seconds. duration: seconds of each,
        0.04 to 10. delay: seconds between two, 0.04 at least. As telephone-events (RFC 4733) where
        the far end takes them, else as INFO if the server is set so (infoKeys), else as tones, for
        which a prompt pauses. On hold, and before there is sound, keys wait.

        The Deferred fires with None when the last key is out, or the leg is over. Raises ValueError
        before anything is sent.
        """
        checkSending(digits, duration, delay)
        if self._isOver("sendDTMF"):
            return succeed(None)
        return self._media.sender.send(digits, duration, delay)

    def __repr__(self) -> str:
        return f"<Leg {self.callID or self._cookie}{' (ended)' if self.ended else ''}>"

    def _sourceDone(self, source: Source) -> None:
        """For Sources: it is done; its playing and its recording end."""
        if not self.ended:
            self._media.sourceDone(source)

    # What the server calls

    def dial(
        self,
        agent: UserAgent,
        toURI: str,
        wishes: DialWishes,
    ) -> None:
        """Places the call of a leg that was made without one. Raises ValueError for a wish."""
        self._earlyMedia = wishes.earlyMedia
        self._setCall(
            agent.placeCall(
                toURI,
                self._offers.offer(),
                self,
                fromURI=wishes.fromURI,
                headers=_lines(wishes.headers),
                timeout=wishes.timeout,
                auth=wishes.auth,
            )
        )

    def dialled(self, toURI: str, fromURI: str | None) -> None:
        """What the dialog says of both parties until the INVITE is sent."""
        self._dialled = (fromURI or "", toURI)

    def connect(self, other: Leg, relayKeys: bool) -> Bridge:
        """Bridges this leg and another, both of which are up; as VoiceApp.connectLegs()."""
        return Bridge((self, other), (self._media, other._media), relayKeys)

    def withdrawRecord(self, dest: Any) -> None:
        """Takes back the end of the recording to `dest`, if that is still queued."""
        app = self.getVoiceApp()
        if app is not None:
            app.va_withdraw(
                lambda e: isinstance(e, MediaRecordDoneEvent) and e.leg is self and e.dest is dest
            )

    def failed(self, failure: CallFailed) -> None:
        """The call could not even be placed."""
        self._end(failure)

    def drop(self, reason: str = "dropped by the server") -> Deferred[None]:
        """Ends the call for the application as the far end's hang-up does; as hangupCall()."""
        if self.ended or self._call is None:
            return succeed(None)
        call = self._call
        self._end(CallEnding(reason, None, False))
        return call.hangup()

    def appEnded(self, failed: bool) -> None:
        """The application is over: the call too. A caller who still waits hears 480, or 500."""
        call = self._call
        if self.ended or call is None:
            return
        self._byUs = True
        app = self.getVoiceApp()
        if failed and app is not None:
            self._appError = app.va_describeError()
        if isinstance(call, InboundCall) and not self._answering:
            refusal = CallFailed() if failed else CallNotAnswered("Temporarily Unavailable", 480)
            call.reject(refusal)
        else:
            call.hangup()

    @property
    def state(self) -> str:
        """The state of its application, for the scope."""
        app = self.getVoiceApp()
        return app.getCurrentState() if app is not None else ""

    def raiseEvent(self, event: BaseEvent) -> None:
        """Queues an event for the application."""
        app = self.getVoiceApp()
        if app is not None:
            app.va_enqueue(event)

    def raiseKeys(self, event: DTMFReceivedEvent) -> None:
        """Queues keys, and keeps in mind which of them have to wait for a handler."""
        app = self.getVoiceApp()
        if app is not None and app.va_pending is not None:
            self._keyLosses.mustWait(event)
        self.raiseEvent(event)

    def keysUnmatched(self, event: DTMFReceivedEvent) -> None:
        """The application has dropped keys."""
        self._keyLosses.dropped(event)

    # What the call reports (ICallUser)

    def callProgress(self, call: Call, response: Response) -> None:
        """It rings there, or goes on."""
        if response.code == 100:
            return
        heard = self._earlyMedia and self._takeEarly(call, response)
        event = CallProgressEvent(self, response.code, shown(response.reason), heard)
        event.headers = tuple(response.headers)
        self.raiseEvent(event)

    def callAnswered(self, call: Call) -> None:
        """It is up."""
        self._answered = True
        self._answeredAt = self._reactor.seconds()
        answer = call.remoteSDP if self._offers.offering else None
        if answer is None or self._takeAnswer(call, answer):
            self._tellAnswered()

    def callRejected(self, call: Call, failure: CallFailed) -> None:
        """Nobody answered."""
        self._end(failure)

    def callEnded(self, call: Call, ending: CallEnding) -> None:
        """It is over."""
        failure = self._failure
        if failure is None:
            self._end(ending)
        elif call.direction == "outbound" and self._answerTold is None:
            self._end(failure)
        else:
            self._end(CallEnding(failure.reason, failure.sipCode, False))

    def offerReceived(self, call: Call, sdp: bytes | None) -> bytes:
        """A re-INVITE or UPDATE: other addresses, another codec, hold and its end."""
        if sdp is None:
            return self._offers.offer()
        answer = self._offers.answer(sdp)
        self._startMedia()
        return answer

    def answerReceived(self, call: Call, sdp: bytes) -> None:
        """The answer to the offer that a re-INVITE without one got."""
        self._takeAnswer(call, sdp)

    def infoReceived(self, call: Call, key: KeyInfo) -> None:
        """A key in an INFO request."""
        self._media.keys.infoReceived(key)

    # How it is done

    def sendKeyInfo(self, digit: str, duration: float) -> Deferred[bool] | None:
        """A key as INFO; fires with False if it is refused. None if there is to be none."""
        if self._call is None or not self._infoKeys:
            return None
        answer = self._call.sendInfo(DTMF_RELAY, keyInfoBody(digit, duration))
        return answer.addCallbacks(lambda response: response.code < 300, lambda failure: False)

    @property
    def _offers(self) -> Negotiation:
        if self._negotiation is None:
            raise RuntimeError(f"{self!r} has no media: there is nothing to offer")
        return self._negotiation

    def _setCall(self, call: Call) -> None:
        self._call, self.callID = call, call.callID
        self.scope.name = f"call {call.callID}"
        if self._media.session is not None:
            self._media.session.label = self.scope.name

    def _answerInbound(self, call: InboundCall, headers: Mapping[str, str]) -> None:
        if self._answer is None:
            sdp = self._offers.offer()
        else:
            sdp = self._answer
            self._startMedia()
        call.answer(sdp, tuple(headers.items()))
        self._answering = True

    def _takeEarly(self, call: Call, response: Response) -> bool:
        """The description of an 18x, if it has one, is that of the last one for what is heard."""
        sdp = sdpBody(response)
        if sdp is None:
            return False
        before = self._offers.stream
        try:
            self._offers.early(sdp)
        except CallFailed as failure:
            call.findings.append(
                f"what the far end said before it answered was not heard: {failure.reason}"
            )
            return False
        if self._offers.stream != before:  # a repeat leaves the sound as it is
            self._startMedia()
        return True

    def _takeAnswer(self, call: Call, sdp: bytes) -> bool:
        """The answer to our offer; one that cannot be used ends the call."""
        heard = self._offers.stream if self._earlyMedia else None
        self._earlyMedia = False
        try:
            call.findings += self._offers.answered(sdp)
        except CallFailed as failure:
            self._failure = failure
            call.hangup((("Reason", f'SIP;cause={failure.sipCode};text="Not Acceptable"'),))
            return False
        if self._offers.stream == heard:  # that is to be heard already
            self._tellHold()
        else:
            self._startMedia()
        return True

    def _startMedia(self) -> None:
        """By what is agreed on now; tells the application of hold and its end."""
        offers, call = self._offers, self._call
        if offers.stream is None or call is None:
            return
        host = call.peer.address[0] if call.peer is not None else None
        self._media.start(streamParameters(offers.stream, host))
        if not self._earlyMedia:
            self._tellHold()

    def _tellHold(self) -> None:
        if self._offers.held != self._held:
            self._held = self._offers.held
            self.raiseEvent(CallHeldEvent(self) if self._held else CallResumedEvent(self))

    def _tellAnswered(self) -> None:
        self._answerTold = self.getVoiceApp()
        event = CallAnsweredEvent(self)
        if isinstance(self._call, OutboundCall) and self._call.answer is not None:
            event.headers = tuple(self._call.answer.headers)
        self.raiseEvent(event)

    def _withdraw(self, kind: type[BaseEvent], keys: list[MediaPlayUserBargeInEvent]) -> None:
        """Takes back queued events of that kind; those that hold keys are added to `keys`."""

        def matches(event: BaseEvent) -> bool:
            if not isinstance(event, kind) or getattr(event, "leg", None) is not self:
                return False
            if isinstance(event, MediaPlayUserBargeInEvent):
                keys.append(event)
            return True

        app = self.getVoiceApp()
        if app is not None:
            app.va_withdraw(matches)

    def _isOver(self, method: str) -> bool:
        if self.ended:
            log.debug("{leg}: {method} on a leg that has ended", leg=repr(self), method=method)
        return self.ended

    # The end

    def _end(self, how: CallEnding | CallFailed) -> None:
        """The one end, whatever its cause: sound ends at once, the event comes with the files.

        how: a CallFailed for a call that was placed and never answered.
        """
        if self.ended:
            return
        self.ended = True
        self._dialog = self.getDialog()
        play, records = self._media.close()
        self._ending = Ending(how, play, records, self._facts())
        self._call = None
        self._media.recorder.whenClosed(self._finish)
        if self._ending is not None:
            self._patience = self._reactor.callLater(PATIENCE, self._finish)

    def _finish(self) -> None:
        """All files are complete, or have had their time: the last that is heard of the leg."""
        ending, self._ending = self._ending, None
        patience, self._patience = self._patience, None
        if patience is not None and patience.active():
            patience.cancel()
        if ending is None:
            return
        self.scope.close()
        facts = replace(ending.facts, survivors=self.scope.survivors())
        verdict = judge(facts)
        logEnd(self.scope.name, ending.how, facts, verdict, self._dialled[1])
        app = self.getVoiceApp()
        if app is not None and not app.va_over:
            app.va_hangUp(self, self._mediaEvents(ending), self._endEvent(ending, verdict))
        self._forget(app)

    def _mediaEvents(self, ending: Ending) -> list[BaseEvent]:
        """How running sound ended; nothing, if the application itself has ended the call."""
        if self._byUs:
            return []
        events: list[BaseEvent] = [self._media.recordEvent(record) for record in ending.records]
        if ending.play is not None:
            events.append(self._media.playEvent(ending.play, MediaPlayRemoteClosedEvent))
        return events

    def _endEvent(self, ending: Ending, verdict: Sequence[Finding]) -> BaseEvent:
        how = ending.how
        if isinstance(how, CallFailed):
            return CallRejectedEvent(self, how.reason, how.sipCode, how.with_traceback(None))
        duration = ending.facts.answeredFor or 0.0
        event = CallEndedEvent(self, how.reason, how.sipCode, duration, verdict)
        event.headers = how.headers
        return event

    def _facts(self) -> CallFacts:
        """What is known of the call at its end."""
        answeredAt, app = self._answeredAt, self.getVoiceApp()
        self._keyLosses.close(app.va_queue if app is not None else ())
        return factsOf(
            self._call,
            self._media.session.stats if self._media.session is not None else NO_MEDIA,
            self._negotiation.stream if self._negotiation is not None else None,
            self._keyLosses,
            answeredFor=None if answeredAt is None else self._reactor.seconds() - answeredAt,
            leftOut=self._clock.skippedFrames > self._skippedBefore,
            notPlayed=self._media.notPlayed,
            appError=self._appError,
        )

    def _forget(self, app: VoiceApp | None) -> None:
        """Cuts every cycle, so that the end of the last event frees the leg and all it had."""
        self._app = None if app is None else ref(app)
        self._answerTold = None
        self._media.forget()
        del self._media


def _lines(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """An application's headers; ValueError names the one that may not stand in a message."""
    return tuple(Headers((headers or {}).items()))
