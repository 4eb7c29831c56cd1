"""The sound and the keys of one leg: its parts on one media session.

Lives here: what is fed and listened to, the events of playing and recording. Not here: the call
(doug.legcall), each part's own rules (doug.player, doug.recorder, doug.legkeys, doug.keysender).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from doug.events import (
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
    MediaRecordDoneEvent,
    MediaRecordFailedEvent,
    MediaRecordRemoteClosedEvent,
    MediaRecordStoreFailedEvent,
    MediaRecordTimeoutExceededEvent,
)
from doug.holdmusic import TUNE, HoldMusic
from doug.keysender import KeySender
from doug.keytones import KeyTones, ToneKey
from doug.legkeys import LegKeys
from doug.losses import Losses
from doug.play import Play
from doug.player import Player
from doug.recorder import Limits, Record, Recorder
from doug.scope import CallScope, Opened, maker
from doug.source import EchoSource, Source, SourceUses
from doug.voiceapp import VoiceApp
from shtoom.media.stream import IFeed, IListener, StreamParameters
from shtoom.sip.shown import SENTENCE, shown
from shtoom.words import reprOf, strOf

if TYPE_CHECKING:
    from doug.bridge import Bridge
    from doug.leg import Leg
    from doug.legneeds import ILegApplication
    from shtoom.media.prompts import PromptCache
    from shtoom.media.session import MediaSession

__all__ = ["LegMedia", "findFile"]

log = Logger()


class HeldKey(Protocol):
    """A key that is down at the far end."""

    def release(self, duration: float, /) -> None:
        """It comes up when it was down for so many seconds, if that is not past."""


class LegMedia:
    """What one leg hears and says.

    session: None for a leg that never got one. player, recorder, sources, keys (that it hears),
    sender (of keys): its parts. bridge: the one that the leg is in. holding: have we put the far
    end on hold? Then it hears music, what is played waits, and no other leg hears it. notPlayed:
    items that could not be, and why. notRecorded: why recordings failed. losses: keys that stopped
    nothing.
    Between start() and close() the session is at work; what is asked for before is kept until then.
    """

    def __init__(
        self,
        leg: Leg,
        application: ILegApplication,
        prompts: PromptCache,
        session: MediaSession | None,
        scope: CallScope,
        *,
        losses: Losses,
    ) -> None:
        self._leg = leg
        self._scope = scope
        self.losses = losses
        self.session = session
        self.reactor = application.reactor
        self.deferToThread = application.exchange.disk.alone
        self.writeTogether = application.exchange.disk.together
        self.maxRecording = application.exchange.settings.maxRecording
        self.loadClip = prompts.load
        self.sources = SourceUses(leg, self._closingFailed)
        self.player = Player(self)
        self.recorder = Recorder(self)
        self.bridge: Bridge | None = None
        self.holding = False
        self._music: HoldMusic | None = None
        self._tones: KeyTones | None = None  # keys that are being said
        self.notPlayed: list[str] = []
        self.notRecorded: list[str] = []
        self.keys = LegKeys(leg, self, application.exchange.inband)
        self.sender = KeySender(self)
        self._clock = application.exchange.media
        self._skippedBefore = self._clock.skippedFrames
        self._listening: dict[Record, tuple[tuple[MediaSession, IListener], ...]] = {}
        self._opened: dict[Record, Opened] = {}
        self._opening: Opened | None = None
        if session is not None:
            self._opening = scope.add(f"media session on port {session.port}", session.close)

    # What the leg does with it

    def start(self, parameters: StreamParameters) -> None:
        """The session begins, or goes on by other parameters."""
        session = self.session
        if session is None:
            return
        session.start(parameters)
        session.onKey = self.keys.heard
        codec = parameters.codec.uncoded
        tones = self._tones
        if tones is not None:
            tones.useCodec(codec)
            if not parameters.send or self.holding:
                self._tones = None
        if self._music is not None:
            self._music.useCodec(codec)
        if self.player.codec is not codec:
            self.player.useCodec(codec)
        self._route()
        self.sender.next()

    def hold(self, held: bool, music: str | os.PathLike[str] | None) -> None:
        """The far end is on hold from now on, or no longer; start() follows.

        music: a file as findFile() takes it, or TUNE; None for nothing.
        """
        before, self._music = self._music, None
        if before is not None:
            before.close()
        self.holding = held
        if held and music is not None:
            path = music if music == TUNE else self.findFile(music)
            name = self._leg.callID
            self._music = HoldMusic(path, self.reactor, self.sources, self.loadClip, name)
        if self.bridge is not None:
            self.bridge.holdChanged(self)

    def stop(self) -> None:
        """Playing and recording end without event, what is queued of them too."""
        self.player.stop()
        self.recorder.stop()
        self.keys.forgetBargeIn()

    def reset(self) -> None:
        """Another application takes over: nothing of the old one's stays."""
        self.stop()
        if self.bridge is not None:
            self.bridge.close()
        self.keys.reset()
        self.sender.close()
        self.sender = KeySender(self)

    def sourceDone(self, source: Source) -> None:
        """A Source says that it is done: both uses of it end, the recording first."""
        self.recorder.sourceDone(source)
        self.player.sourceDone(source)

    def close(self) -> tuple[Play | None, Sequence[Record]]:
        """The leg is over: the play that was heard, and the recordings that still ran.

        A prompt that a key has stopped, but whose string had no end yet, counts as heard.

        Their files are complete when recorder.whenClosed() says so. What goes wrong with one part
        keeps no other open.
        """
        records: Sequence[Record] = ()
        heard: Play | None = None
        for part in (self.keys, self.sender):
            with self._goingOn():
                part.close()
        with self._goingOn():
            records = self.recorder.close(MediaRecordRemoteClosedEvent)
        with self._goingOn():
            heard = self.player.close()
            if heard is not None:
                self._wasHeard(heard)
        with self._goingOn():
            if self._music is not None:
                self._music.close()
        with self._goingOn():
            if self.bridge is not None:
                self.bridge.sideEnded()
        with self._goingOn():
            if self.session is not None:
                self.session.close()
            if self._opening is not None:
                self._opening.closed()
        return heard or self.keys.barged, records

    @contextmanager
    def _goingOn(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            log.failure("{call}: a part of it could not be closed", call=self._scope.name)

    def forget(self) -> None:
        """Nothing is to come any more: lets go of the leg and of everybody else."""
        self.recorder.forgetLeg()
        self.sources.forgetLeg()
        self._opened.clear()
        del self.keys, self.sender

    @property
    def leftOut(self) -> bool:
        """Has the media clock left out sound since the leg began?"""
        return self._clock.skippedFrames > self._skippedBefore

    # What a bridge does with it

    def join(self, bridge: Bridge | None) -> None:
        """The leg is in this bridge from now on, or in none."""
        self.bridge = bridge
        self._route()

    def reroute(self) -> None:
        """The other side of the bridge went on hold, or off it."""
        self._route()

    def pressKey(self, digit: str) -> HeldKey | None:
        """A key goes down at the far end; None if the far end cannot hear it now.

        As telephone-event (RFC 4733), or as tones before everything else if it takes none.
        """
        session = self.session
        if session is None or not self.canSendKeys:
            return None
        if session.takesEvents:
            return session.pressKey(digit)
        return self.pressTone(digit)

    def stopRecord(self, record: Record) -> None:
        """One recording is over without event, even if that is queued already."""
        self.recorder.stopOne(record)
        self._leg.withdrawRecord(record.dest)

    # What sends keys

    @property
    def canSendKeys(self) -> bool:
        """May anything be said? Not before there is sound, not on hold."""
        session = self.session
        return session is not None and not session.closed and session.sends and not self.holding

    def sendEvent(self, digit: str, duration: float) -> Deferred[None] | None:
        """A key as a telephone-event of so many seconds; None if the far end takes none."""
        session = self.session
        if session is None or not session.takesEvents:
            return None
        return session.sendEvent(digit, duration)

    def sendInfo(self, digit: str, duration: float) -> Deferred[bool] | None:
        """As Leg.sendKeyInfo()."""
        return self._leg.sendKeyInfo(digit, duration)

    def pressTone(self, digit: str) -> ToneKey | None:
        """A key goes down as a tone, before everything else; None if there is no codec yet."""
        codec = self.player.codec
        if codec is None:
            return None
        if self._tones is None:
            self._tones = KeyTones(codec, self._tonesSaid)
            self._route()
        return self._tones.press(digit)

    def _tonesSaid(self) -> None:
        self._tones = None
        self._route()

    # What player and recorder ask of it

    def findFile(self, path: str | os.PathLike[str]) -> str:
        """Beside the application's module, else in the current folder."""
        return findFile(path, type(self._leg.getVoiceApp()))

    def playEnded(self, play: Play, how: type[MediaPlayDoneEvent]) -> None:
        """A play is over by itself."""
        self._wasHeard(play)
        app = self._leg.getVoiceApp()
        if app is not None:
            app.va_playEnded(self.playEvent(play, how))

    def playEvent(self, play: Play, how: type[MediaPlayDoneEvent]) -> MediaPlayDoneEvent:
        """The event for the end of a play."""
        last = play.playlist[-1] if play.playlist else None
        if issubclass(how, MediaPlayContentFailedEvent):
            return how(last, self._leg, play.playlist, play.failed)
        return how(last, self._leg, play.playlist)

    def recordEnded(self, record: Record) -> None:
        """A recording is over and its file complete."""
        self._leg.raiseEvent(self.recordEvent(record))

    def recordFailed(self, record: Record) -> None:
        """One that the application may want to hear of or not: the log and the verdict do."""
        reason = shown(record.reason, SENTENCE)
        log.warn(
            "call {callID}: recording failed: {reason}", callID=self._leg.callID, reason=reason
        )
        if reason not in self.notRecorded:
            self.notRecorded.append(reason)

    def recordEvent(self, record: Record) -> MediaRecordDoneEvent:
        """The event for the end of a recording."""
        how = record.how
        if issubclass(how, MediaRecordFailedEvent | MediaRecordStoreFailedEvent):
            return how(record.dest, self._leg, record.duration, record.reason)
        if issubclass(how, MediaRecordTimeoutExceededEvent) and record.limits.byServer:
            log.warn(
                "call {callID}: recording ended after {seconds:.0f} s, as long as one may last "
                "(--max-recording)",
                callID=self._leg.callID,
                seconds=record.duration,
            )
        return how(record.dest, self._leg, record.duration)

    def playTone(self, samples: NDArray[np.int16], whenOver: Callable[[], None]) -> None:
        """A tone of Doug's own."""
        self.player.playTone(samples, whenOver)

    def playerChanged(self) -> None:
        """Something else is played now."""
        self._route()

    def recorderChanged(self) -> None:
        """Something else is recorded now."""
        for record in self.recorder.records:
            if record.recording is not None and record not in self._opened:
                name = f"recording {record.recording.name}"
                self._opened[record] = self._scope.add(
                    name, record.recording.close, self._leg.state, maker()
                )
        self._route()

    def recordClosed(self, record: Record) -> None:
        """Its file is closed."""
        opened = self._opened.pop(record, None)
        if opened is not None:
            opened.closed()

    # Who feeds the session, and who listens to it

    def _route(self) -> None:
        session = self.session
        if session is None or session.closed:
            return
        echo = self._directEcho()
        target = None if echo is None else session
        if self.bridge is not None:
            target = self.bridge.hearerOf(self)
        if session.forwardTo is not target:
            session.forwardTo = target
        feed: IFeed | None = self.player if self.player.busy and echo is None else None
        if self._tones is not None:
            feed = self._tones
        if self.holding:
            feed = None if self._music is None else self._music.feed
        if session.feed is not feed:
            session.feed = feed
        now = self.reactor.seconds()
        for record in self.recorder.records:
            record.standAside(record is echo, now)
        wanted = [r for r in self.recorder.records if r is not echo and not r.beeping]
        for record in [record for record in self._listening if record not in wanted]:
            for heard, listener in self._listening.pop(record):
                heard.removeListener(listener)
        for record in wanted:
            if record not in self._listening:
                self._listening[record] = self._taps(record, session)
                for heard, listener in self._listening[record]:
                    heard.addListener(listener)

    def _taps(
        self, record: Record, session: MediaSession
    ) -> tuple[tuple[MediaSession, IListener], ...]:
        """Who listens to which session for a recording: itself, or one on each side."""
        both = record.both
        if both is None:
            return ((session, record),)
        other = None if self.bridge is None else self.bridge.sessionBehind(self)
        if other is None:
            return ((session, both.left),)
        return ((session, both.left), (other, both.right))

    def _directEcho(self) -> Record | None:
        """The recording to an EchoSource whose packets may go back as they come.

        Not in a bridge: there the far end hears another leg's packets, and the echo goes before.
        """
        if self.bridge is not None:
            return None
        source = self.player.source
        if not isinstance(source, EchoSource) or not source.isDirect:
            return None
        plain = (r for r in self.recorder.records if r.source is source and r.limits == Limits())
        return next(plain, None)

    def _wasHeard(self, play: Play) -> None:
        """A play has come to an end that the application did not ask for.

        It may not look at the event, and who listens hears only silence where an item failed.
        """
        self.losses.promptEnded(play, self.reactor.seconds())
        for item, reason in play.failed:
            words = reason if strOf(item) in reason else f"{reprOf(item)}: {reason}"
            named = shown(words, SENTENCE)  # a caller's name may be in the file's
            log.warn(
                "call {callID}: playing failed: {named}",
                callID=self._leg.callID,
                named=named,
            )
            if named not in self.notPlayed:
                self.notPlayed.append(named)

    def _closingFailed(self, source: Source, error: Exception) -> None:
        log.failure(
            "call {callID}: {source} failed at its end",
            callID=self._leg.callID,
            source=reprOf(source),
        )


def findFile(path: str | os.PathLike[str], appClass: type) -> str:
    """The first that exists: in the folder of the application's module, or of the module of a
    class that it derives from, else as it is (from the current folder)."""
    if not os.path.isabs(path):
        for kind in appClass.__mro__:
            module = sys.modules.get(kind.__module__)
            file = getattr(module, "__file__", None)
            if file is None or kind is VoiceApp or not issubclass(kind, VoiceApp):
                continue
            candidate = Path(file).resolve().parent / path
            if candidate.exists():
                return str(candidate)
    return str(path)
