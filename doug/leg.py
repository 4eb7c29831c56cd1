"""A leg: one party of an application, a call and its sound, from its beginning to its one end.

Lives here: the methods that applications call, whose the leg is, what the server calls.
Not here: the call (doug.legcall), sound and keys (doug.legmedia and its parts), what comes after
the end (doug.farewell).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from doug.bridge import Bridge
from doug.dialog import Dialog
from doug.digits import DigitMode
from doug.events import (
    BaseEvent,
    DTMFReceivedEvent,
    MediaDoneEvent,
    MediaPlayUserBargeInEvent,
    MediaRecordDoneEvent,
)
from doug.farewell import Farewell
from doug.holding import Wish
from doug.holdmusic import TUNE
from doug.keysender import checkSending
from doug.legcall import LegCall, linesOf
from doug.legmedia import LegMedia
from doug.losses import Losses
from doug.recorder import Limits
from doug.scope import CallScope
from doug.source import Source
from shtoom.agent.calluser import CallEnding
from shtoom.agent.extraheaders import OF_A_DIALOG
from shtoom.exceptions import CallFailed, bare

if TYPE_CHECKING:
    from doug.dialplan import DialWishes
    from doug.legneeds import ILegApplication
    from doug.transferring import Transferring
    from doug.voiceapp import VoiceApp
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.inbound import InboundCall
    from shtoom.agent.outbound import OutboundCall
    from shtoom.media.session import MediaSession
    from shtoom.sdp.offeranswer import Capabilities

__all__ = ["Leg"]

log = Logger()


class Leg:
    """One party. Applications get legs from events and from placeCall(); they make none.

    Once the leg has ended, all but the getters do nothing but a debug line: nobody can know that
    the far end has just hung up.

    ended: is it over? trunk: the name of the one that the call came from or goes by, None for none.
    phone: the user that the caller has registered here as, None for none. identity: the URI of the
    caller as that trunk or phone is known to have said it, None if nobody answers for it. callID:
    of its call, as in log lines. scope: what it has open.
    leaks: who looks whether that is closed. outcome: how it has ended, None before.
    transfer: the one that its far end has asked for, None for none under way. watcher: the one for
    whose sake it is dialled, None once it is answered. quiet: are its answer and its end no events?
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
        self._cookie = f"leg-{application.rng.getrandbits(64):016x}"
        self._app: VoiceApp | ReferenceType[VoiceApp] | None = None
        self._dialog: Dialog | None = None  # after the end
        self._appError = ""
        self._losses = Losses()
        self.leaks = application.leaks
        self.ended = False
        self.outcome: CallEnding | CallFailed | None = None
        self.transfer: Transferring | None = None
        self.watcher: Transferring | None = None
        self.quiet = False
        self.callID = ""
        self.trunk: str | None = None
        self.phone: str | None = None
        self.identity: str | None = None
        self.scope = CallScope(self._cookie)
        if capabilities is None and call is not None and call.peer is not None and session:
            capabilities = exchange.capabilities(call.peer, session.port)
        self._holdMusic = exchange.settings.holdMusic
        self._call = LegCall(self, call, capabilities, exchange.settings)
        self._media = LegMedia(
            self, application, exchange.prompts, session, self.scope, losses=self._losses
        )
        self._call.begin(call, self._media)

    # What applications call: the call

    def answerCall(self, voiceapp: VoiceApp, headers: Mapping[str, str] | None = None) -> None:
        """Answers; CallAnsweredEvent follows when the caller's ACK has come.

        voiceapp: the application, mostly self. headers: more of them for the 200. On a leg that is
        answered already, an application that has it by hijackLeg gets its CallAnsweredEvent.
        Raises ValueError for CR, LF or NUL in a header.
        """
        if self._isOver("answerCall"):
            return
        lines = linesOf(headers, OF_A_DIALOG)  # before the leg changes hands
        self.hijackLeg(voiceapp)
        self._call.answer(voiceapp, lines)

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
        if not self._isOver("rejectCall"):
            self._call.reject(exception, headers)

    def hangupCall(self, headers: Mapping[str, str] | None = None) -> Deferred[None]:
        """Ends the call: BYE, CANCEL or 480, as it stands. Its sound ends at once.

        headers: more of them for that message, such as Reason (RFC 3326: 'SIP;cause=200;text="..."'
        or 'Q.850;cause=16'); ValueError for CR, LF or NUL in one.
        CallEndedEvent comes on the next turn (when a recording runs: as soon as it is complete);
        the Deferred fires when the far end has confirmed, or will not any more.
        """
        if self._isOver("hangupCall"):
            return succeed(None)
        return self._call.hangUp(headers)

    def hold(self, music: str | os.PathLike[str] | None = TUNE) -> Deferred[None]:
        """Puts the far end on hold (re-INVITE): it hears music, what is played to it waits.

        music: a sound file, played over and over; None for nothing; left out, what the server is
        set to play (holdMusic). Keys wait as well, and a bridge is silent meanwhile.

        The Deferred fires with None when the far end has agreed, or the call is over; at once if
        the call is on hold already. It fails with CallFailed, in words, if the far end refuses: the
        call goes on. hold() and resume() are done one after the other.
        """
        if self._isOver("hold"):
            return succeed(None)
        return self._call.hold(Wish(True, self._holdMusic if music == TUNE else music))

    def resume(self) -> Deferred[None]:
        """Ends hold(): what was played goes on where it was. As hold(); not on hold: nothing."""
        return succeed(None) if self._isOver("resume") else self._call.hold(Wish(False))

    def ringing(self) -> None:
        """180 to the caller; the server does so by itself unless autoRinging is False."""
        if not self._isOver("ringing"):
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
        return self._dialog if self._dialog is not None else self._call.dialog()

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

    def dial(self, agent: UserAgent, toURI: str, wishes: DialWishes) -> OutboundCall:
        """Places the call of a leg that was made without one. Raises ValueError for a wish."""
        return self._call.dial(agent, toURI, wishes)

    def dialled(self, toURI: str, fromURI: str | None) -> None:
        """What the dialog says of both parties until the INVITE is sent."""
        self._call.dialled = (fromURI or "", toURI)

    def connect(self, other: Leg, relayKeys: bool) -> Bridge:
        """Bridges this leg and another, both of which are up; as VoiceApp.connectLegs()."""
        return Bridge((self, other), (self._media, other._media), relayKeys)

    @property
    def bridge(self) -> Bridge | None:
        """The one that it is in."""
        return None if self.ended else self._media.bridge

    def wasAnswered(self) -> None:
        """Its call is up."""
        watcher, self.watcher = self.watcher, None
        if watcher is not None:
            watcher.answered()

    def withdrawRecord(self, dest: Any) -> None:
        """Takes back the end of the recording to `dest`, if that is still queued."""
        app = self.getVoiceApp()
        if app is not None:
            app.va_withdraw(
                lambda e: isinstance(e, MediaRecordDoneEvent) and e.leg is self and e.dest is dest
            )

    def failed(self, failure: CallFailed) -> None:
        """The call could not even be placed."""
        self.end(failure)

    def drop(
        self,
        reason: str = "dropped by the server",
        sipCode: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Deferred[None]:
        """Ends the call for the application as the far end's hang-up does; as hangupCall().

        reason, sipCode: of its event. headers: for the far end.
        """
        call = None if self.ended else self._call.call
        if call is None:
            return succeed(None)
        ending = self._call.toldAs(CallEnding(reason, sipCode, False))
        self._call.silence()  # it is told by what follows
        gone = call.hangup(headers)
        self.end(ending)
        return gone

    def appEnded(self, failed: bool) -> None:
        """The application is over: the call too. A caller who still waits hears 480, or 500."""
        if self.transfer is not None:
            self.transfer.appEnded()
        if self.ended:
            return
        app = self.getVoiceApp()
        if failed and app is not None:
            self._appError = app.va_describeError()
        self._call.leave(failed)

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
            self._losses.mustWait(event)
        self.raiseEvent(event)

    def heldBy(self, method: Callable[..., Any], took: float) -> None:
        """A Source's method has held the reactor for so many seconds."""
        app = self.getVoiceApp()
        if app is not None:
            app.va_held(took, method)

    def unmatched(self, event: BaseEvent, state: str) -> None:
        """The application has dropped an event, as nothing in that state matches it."""
        self._losses.dropped(event, state)

    # What its parts call

    def named(self, callID: str) -> None:
        """It has a call: that one's name is on all that it opens."""
        self.callID = callID
        self.scope.name = f"call {callID}"
        if self._media.session is not None:
            self._media.session.label = self.scope.name

    def sendKeyInfo(self, digit: str, duration: float) -> Deferred[bool] | None:
        """A key as INFO; fires with False if it is refused. None if there is to be none.

        duration: seconds that it says.
        """
        return self._call.sendKeyInfo(digit, duration)

    def end(self, how: CallEnding | CallFailed) -> None:
        """The one end, whatever its cause: sound ends at once, the event comes with the files.

        how: a CallFailed for a call that was placed and never answered.
        """
        if self.ended:
            return
        self.outcome = bare(how) if isinstance(how, CallFailed) else how
        if self.transfer is not None:
            self.transfer.legEnds()
        self.ended = True
        self._dialog = self.getDialog()
        call, losses = self._call, self._losses
        farewell = Farewell(self, call, self._media, losses, how, appError=self._appError)
        call.close()
        farewell.begin()
        watcher, self.watcher = self.watcher, None
        if watcher is not None:
            watcher.newLegEnded(how)

    def forget(self) -> None:
        """Cuts every cycle, so that the end of the last event frees the leg and all it had."""
        app = self.getVoiceApp()
        self._app = None if app is None else ref(app)
        self._media.forget()
        del self._media, self._call

    # How it is done

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
