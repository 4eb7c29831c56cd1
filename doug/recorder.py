"""The recordings of a leg: to one file and to one Source, and how each ended.

Lives here: limits, beep, terminators, silence that ends one, end events.
Not here: writing to the disk (shtoom.media.recording), the frames (shtoom.media.session).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from doug.digits import checkKeys
from doug.events import (
    MediaRecordDoneEvent,
    MediaRecordFailedEvent,
    MediaRecordStoreFailedEvent,
    MediaRecordTimeoutExceededEvent,
)
from doug.patience import Patience
from doug.source import FileSource, Source, SourceUses, isFile
from doug.watch import SLOW
from shtoom.audio.frames import FRAME_BYTES, FRAME_SECONDS
from shtoom.audio.tones import sine
from shtoom.media.recording import Recording, RecordingFailed
from shtoom.media.stereo import BothSides
from shtoom.media.stream import IListener
from shtoom.words import reprOf

__all__ = ["IRecorderHost", "Limits", "Record", "Recorder"]

BEEP = sine(1000.0, 0.25, 0.25)
QUIET = 256.0  # root mean square of a frame, of 32768, up to which it counts as silence
_SILENCES = (bytes(FRAME_BYTES), bytes(2 * FRAME_BYTES))


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a recording. maxDuration: seconds of sound. maxSilence: seconds of silence in one
    piece. terminators: keys. byServer: is maxDuration no wish of the application's? ValueError
    names what is out of range."""

    maxDuration: float | None = None
    maxSilence: float | None = None
    terminators: str = ""
    byServer: bool = False

    def __post_init__(self) -> None:
        for name in ("maxDuration", "maxSilence"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ValueError(f"{name}: wanted seconds above 0, or None, got {seconds}")
        checkKeys("terminators", self.terminators)

    def within(self, longest: float) -> Limits:
        """Those, and no more than so many seconds; 0 is no limit."""
        if not longest or (self.maxDuration is not None and self.maxDuration <= longest):
            return self
        return replace(self, maxDuration=longest, byServer=True)


class IRecorderHost(Protocol):
    """What a recorder needs of its leg."""

    @property
    def reactor(self) -> IReactorTime: ...
    @property
    def maxRecording(self) -> float: ...
    @property
    def sources(self) -> SourceUses: ...
    @property
    def deferToThread(self) -> Callable[..., Deferred[Any]]: ...
    @property
    def writeTogether(self) -> Callable[..., Deferred[Any]]: ...

    def recordEnded(self, record: Record) -> None:
        """A recording is over and its file complete; record.how says how."""

    def recorderChanged(self) -> None:
        """Other recordings run than before."""

    def recordFailed(self, record: Record) -> None:
        """It could not be made or stored; record.reason says why. Comes before recordEnded()."""

    def recordClosed(self, record: Record) -> None:
        """Its file is complete and closed, whether anybody wants to hear of it or not."""

    def playTone(self, samples: NDArray[np.int16], whenOver: Callable[[], None]) -> None:
        """Plays int16 samples of 8 kHz mono after what is playing now."""


@implementer(IListener)
class Record:
    """One mediaRecord().

    dest: as given. source: the Source, if dest is one. recording: the file behind it, if there is
    one. both: what joins the two sides of a bridge, if both are recorded. limits: what ends it.
    beeping: it begins when the beep is over. wanted: does anybody want to hear of its end? how: the
    class of its end event, once it is over. reason: why it failed. told: is nothing more to come?
    """

    __slots__ = ("_aside", "_asideSeconds", "_check", "_frames", "_quiet", "_recorder", "_seconds",
                 "_write", "beeping", "both", "dest", "how", "limits", "reason", "recording",
                 "source", "told", "wanted")  # fmt: skip

    def __init__(self, recorder: Recorder, dest: Any, limits: Limits) -> None:
        self._recorder, self.dest, self.limits = recorder, dest, limits
        self._seconds = recorder.seconds
        self.source = dest if isinstance(dest, Source) else None
        self.recording: Recording | None = None
        self.both: BothSides | None = None
        self._write: Callable[[bytes], object] = self._writeSource
        self._check = limits.maxDuration is not None or limits.maxSilence is not None
        self._frames = self._quiet = 0
        self._aside: float | None = None  # since when the Source hears without us
        self._asideSeconds = 0.0
        self.beeping = self.told = False
        self.wanted = True
        self.how: type[MediaRecordDoneEvent] = MediaRecordDoneEvent
        self.reason = ""

    @property
    def kind(self) -> str:
        """Of those of one kind there is one at a time."""
        if self.both is not None:
            return "bridge"
        return "file" if self.source is None or self.recording is not None else "source"

    @property
    def duration(self) -> float:
        """Seconds recorded."""
        return self._frames * FRAME_SECONDS + self._asideSeconds

    def recordTo(self, recording: Recording) -> None:
        """The file that it goes to."""
        self.recording, self._write = recording, recording.write

    def frameReceived(self, pcm: bytes) -> None:
        """20 ms from the far end, once a beat; of a recording of both sides, two channels."""
        self._write(pcm)
        self._frames += 1
        if self._check:
            self._checkLimits(pcm)

    def forget(self) -> None:
        """It is over, and its file closed: lets go of what would keep it."""
        self.recording, self._write = None, _nowhere
        self.both = None

    def standAside(self, aside: bool, now: float) -> None:
        """The Source hears the far end by another way (an echo), or no more."""
        if self._aside is not None:
            self._asideSeconds += now - self._aside
        self._aside = now if aside else None

    def _writeSource(self, pcm: bytes) -> None:
        source, seconds = self.source, self._seconds
        if source is None:
            return
        began = seconds()
        try:
            source.write(pcm)
        except Exception as error:
            reason = f"write() of {reprOf(self.source)} raised {reprOf(error)}"
            self._recorder.end(self, MediaRecordFailedEvent, reason)
        took = seconds() - began
        if took > SLOW and source.leg is not None:
            source.leg.heldBy(source.write, took)

    def _checkLimits(self, pcm: bytes) -> None:
        limits = self.limits
        if limits.maxDuration is not None and self.duration >= limits.maxDuration - 1e-9:
            self._recorder.end(self, MediaRecordTimeoutExceededEvent)
        elif limits.maxSilence is not None:
            self._quiet = self._quiet + 1 if isQuiet(pcm) else 0
            if self._quiet * FRAME_SECONDS >= limits.maxSilence - 1e-9:
                self._recorder.end(self, MediaRecordDoneEvent)


class Recorder:
    """What one leg records: at most one file, one Source and one bridge at a time."""

    __slots__ = ("_closing", "_host", "_whenClosed", "records")

    def __init__(self, host: IRecorderHost) -> None:
        self._host: IRecorderHost | None = host
        self.records: tuple[Record, ...] = ()
        self._closing: dict[Record, Patience] = {}  # in their order; how long we wait
        self._whenClosed: Callable[[], None] | None = None

    @property
    def seconds(self) -> Callable[[], float]:
        """Tells the time of the reactor."""
        return self._openHost().reactor.seconds

    @property
    def recording(self) -> bool:
        """Is anything recorded?"""
        return bool(self.records)

    def record(self, dest: Any, limits: Limits, beep: bool = False) -> None:
        """Begins, and ends an earlier one of the same kind.

        dest: a path, an open binary file or a Source. Raises TypeError for anything else,
        ValueError for a Source of another leg. What cannot be opened is told by the end event.
        """
        host = self._openHost()
        if isinstance(dest, Source):
            host.sources.claim(dest, "record")
        elif not isinstance(dest, str | os.PathLike) and not isFile(dest, "w"):
            raise TypeError(
                "mediaRecord: wanted a path, a Source, or an open binary file with write and "
                f"close, got {dest!r}"
            )
        if not isinstance(dest, Source) or isinstance(dest, FileSource):
            limits = limits.within(host.maxRecording)
        record = Record(self, dest, limits)
        if self._begin(record) and beep:
            record.beeping = True
            host.playTone(BEEP, lambda: self._beeped(record))
        host.recorderChanged()

    def recordBoth(self, dest: Any, limits: Limits) -> Record:
        """Begins one of both sides of the leg's bridge; otherwise as record().

        dest: a path that ends in .wav, or an open binary file that can seek; else ValueError or
        TypeError. Its frames come by record.both.
        """
        host = self._openHost()
        if isinstance(dest, Source) or not (
            isinstance(dest, str | os.PathLike) or isFile(dest, "w")
        ):
            raise TypeError(
                "mediaRecord: wanted a path or an open binary file with write, seek and close, "
                f"got {dest!r}"
            )
        record = Record(self, dest, limits.within(host.maxRecording))
        record.both = BothSides(record.frameReceived)
        self._begin(record)
        host.recorderChanged()
        return record

    def _begin(self, record: Record) -> bool:
        """Opens its file and ends one of the same kind. False: it could not be opened."""
        failure = self._open(record)
        for other in self.records:
            if other.kind == record.kind:
                self.end(other, MediaRecordDoneEvent)
        self.records += (record,)
        if failure is not None:
            self.end(record, MediaRecordFailedEvent, failure)
        return failure is None

    def keyPressed(self, digit: str) -> bool:
        """A key. Does it end a recording? Then it has no other meaning."""
        ending = [record for record in self.records if digit in record.limits.terminators]
        for record in ending:
            self.end(record, MediaRecordDoneEvent)
        return bool(ending)

    def sourceDone(self, source: Source) -> None:
        """A Source says that it is done."""
        for record in self.records:
            if record.source is source:
                self.end(record, MediaRecordDoneEvent)

    def end(self, record: Record, how: type[MediaRecordDoneEvent], reason: str = "") -> None:
        """One is over; it is told of when its file is complete, or the disk has had its time."""
        if record not in self.records:
            return
        host = self._openHost()
        record.standAside(False, host.reactor.seconds())
        record.how, record.reason = how, reason
        self.records = tuple(kept for kept in self.records if kept is not record)
        host.recorderChanged()
        if record.recording is None:
            self._complete(record)
        else:
            self._closing[record] = Patience(
                host.reactor, record.recording.patience, partial(self._waitedEnough, record)
            )
            record.recording.close().addCallback(lambda _: self._complete(record))

    def stop(self) -> None:
        """All of it is over and nobody wants to hear of it, not even of those just closing."""
        for record in (*self.records, *self._closing):
            record.wanted = False
        for record in self.records:
            self.end(record, MediaRecordDoneEvent)

    def stopOne(self, record: Record) -> None:
        """One is over and nobody wants to hear of it; again: nothing."""
        record.wanted = False
        self.end(record, MediaRecordDoneEvent)

    def close(self, how: type[MediaRecordDoneEvent]) -> Sequence[Record]:
        """The leg is over. Returns those that still ran; the end of the others is told as ever."""
        running = self.records
        for record in running:
            record.wanted = False
            self.end(record, how)
        return running

    def whenClosed(self, call: Callable[[], None]) -> None:
        """Calls back, once, when all files are complete, or have had their time: at once, if so."""
        if self._closing:
            self._whenClosed = call
        else:
            call()

    def _open(self, record: Record) -> str | None:
        """Finds the file that it goes to, if any. Returns why there can be none."""
        target = record.dest
        if isinstance(target, FileSource) and target.mode == "w":
            target = target.takeFile()
        if target is None or isinstance(target, Source):
            return None
        try:
            host = self._openHost()
            recording = Recording(
                target,
                host.deferToThread,
                partial(self._failed, record),
                host.writeTogether,
                channels=1 if record.both is None else 2,
                seconds=host.reactor.seconds,
            )
        except ValueError as error:  # a suffix that cannot be written
            return str(error)
        record.recordTo(recording)
        return None

    def _beeped(self, record: Record) -> None:
        record.beeping = False
        if self._host is not None:
            self._host.recorderChanged()

    def _failed(self, record: Record, failure: RecordingFailed) -> None:
        how = MediaRecordStoreFailedEvent if failure.opened else MediaRecordFailedEvent
        if record in self._closing:
            record.how, record.reason = how, failure.reason
        else:
            self.end(record, how, failure.reason)

    def _waitedEnough(self, record: Record) -> None:
        """The disk does not answer. Its file may still be completed; nobody waits for that."""
        recording = record.recording
        if recording is not None and recording.failure is None:
            record.how = MediaRecordStoreFailedEvent
            waited = f"{recording.patience:g} s after its end"
            record.reason = f"{recording.name}: the disk has not taken all of it {waited}"
        self._tell(record)

    def _complete(self, record: Record) -> None:
        """Its file is closed."""
        if self._host is not None:
            self._host.recordClosed(record)
        self._tell(record)

    def _tell(self, record: Record) -> None:
        if record.told:
            return
        record.told = True
        waiting = self._closing.pop(record, None)
        if waiting is not None:
            waiting.cancel()
        record.forget()
        host = self._host
        if host is not None:
            if record.source is not None:
                host.sources.release(record.source, "record")
            if issubclass(record.how, MediaRecordFailedEvent | MediaRecordStoreFailedEvent):
                host.recordFailed(record)
            if record.wanted:
                host.recordEnded(record)
        if not self._closing and self._whenClosed is not None:
            call, self._whenClosed = self._whenClosed, None
            call()

    def forgetLeg(self) -> None:
        """The leg is over; files that are still not complete are nobody's any more."""
        self._host = self._whenClosed = None

    def _openHost(self) -> IRecorderHost:
        if self._host is None:
            raise RuntimeError("the recorder's leg has ended")
        return self._host


def isQuiet(pcm: bytes) -> bool:
    """Is a frame of int16 samples silence, give or take a noisy line?"""
    if pcm in _SILENCES:
        return True
    samples = np.frombuffer(pcm, np.int16).astype(np.float32)
    return float(samples @ samples) <= QUIET * QUIET * len(samples)


def _nowhere(pcm: bytes) -> None:
    """Where the frames of a recording go that is over."""
