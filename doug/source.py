"""Sources: objects that are played, recorded to, or both, frame by frame.

Lives here: the contract of a Source, the kinds that come with Doug, and the book that a leg keeps
about those in use. Not here: when frames are asked for (doug.player, doug.recorder), files that
are played by their path (shtoom.media.prompts).
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from shtoom.audio.frames import FRAME_BYTES, FRAME_SECONDS, RATE
from shtoom.media.files import AudioReader, openReader
from shtoom.words import reprOf

if TYPE_CHECKING:
    from doug.leg import Leg

__all__ = [
    "EchoSource",
    "FileSource",
    "SilenceSource",
    "Source",
    "SourceUses",
    "convertToSource",
]

READ_AHEAD = 0.5  # seconds that FileSource reads from its file at a time


class Source:
    """What a leg plays from and records to; derive from it and override read() or write().

    A frame is 20 ms of 8 kHz, 16-bit, little-endian mono PCM: 320 bytes. Within one beat write()
    comes before read(). One Source may be played and recorded to at the same time, on one leg.

    rate: samples a second of its frames. endless: it never calls _sourceDone() by itself; played,
    it then gives way to the next list that is queued and goes on after it. leg: the leg that uses
    it, or used it last; None before.

    A Source that is done calls `self.leg._sourceDone(self)`, which ends its playing and its
    recording; the frame that read() returns at that moment is still played.
    """

    rate = RATE
    endless = False
    leg: Leg | None = None
    _uses: Counter[str] | None = None  # made at the first use: subclasses may leave out __init__

    def read(self) -> bytes:
        """The next frame to be heard, or b"" for silence.

        A shorter frame is padded with silence, a longer one is an error; that, or an exception,
        ends the playing with MediaPlayContentFailedEvent.
        """
        return b""

    def write(self, frame: bytes) -> None:
        """A frame from the far end. An exception ends the recording with MediaRecordFailedEvent."""

    def close(self) -> None:
        """Called once, when no leg uses it any more."""

    def isPlaying(self) -> bool:
        """Is it played, or queued to be?"""
        return self._uses is not None and self._uses["play"] > 0

    def isRecording(self) -> bool:
        """Is it recorded to?"""
        return self._uses is not None and self._uses["record"] > 0

    def getLeg(self) -> Leg | None:
        """The leg that uses it, or used it last."""
        return self.leg

    def _useEnded(self, what: str) -> None:
        """It is not played ("play") or recorded to ("record") any more, the other use goes on."""


class SilenceSource(Source):
    """Silence without end; a leg that plays it is not playing."""

    endless = True


class EchoSource(Source):
    """Plays what is recorded to it, `delay` seconds (a multiple of 0.02) later; without end.

    Played and recorded to on one leg with delay 0 the packets go back as they come, untouched.
    """

    endless = True

    def __init__(self, delay: float = 0.0) -> None:
        if delay < 0:
            raise ValueError(f"delay: wanted 0 or more seconds, got {delay}")
        self.delay = delay
        self._wait = round(delay / FRAME_SECONDS)
        self._frames: deque[bytes] = deque(maxlen=self._wait + 1)  # unread ones are pushed out

    @property
    def isDirect(self) -> bool:
        """May packets go back as they come, past read() and write()?"""
        mine = type(self)
        plain = mine.read is EchoSource.read and mine.write is EchoSource.write
        return plain and self._wait == 0

    def read(self) -> bytes:
        """The frame of `delay` ago."""
        return self._frames.popleft() if len(self._frames) > self._wait else b""

    def write(self, frame: bytes) -> None:
        """Keeps a frame for its time."""
        self._frames.append(frame)

    def close(self) -> None:
        """Forgets what nobody will hear."""
        self._frames.clear()


class FileSource(Source):
    """An open binary file as a Source.

    mode "r": the file's sound (WAV or AU by its first bytes, else 8 kHz 16-bit raw); it is done at
    the file's end. mode "w": what is recorded goes to the file, as its name says (.wav, .ul ...)
    or else as 8 kHz 16-bit raw. A leg reads and writes the file in a thread, which read() and
    write() of anybody else do not; written in that way it is always raw.
    """

    def __init__(self, fp: IO[bytes], mode: str) -> None:
        _checkMode(mode)
        self.mode = mode
        self._fp: IO[bytes] | None = fp
        self._reader: AudioReader | None = None
        self._ahead = b""

    def read(self) -> bytes:
        """The next frame of the file; b"" after its end. Raises AudioFileError."""
        if self.mode != "r":
            return b""
        if self._reader is None:
            if self._fp is None:
                return b""
            self._reader = openReader(self._fp)
        if len(self._ahead) < FRAME_BYTES:
            samples = self._reader.readAt(self.rate, READ_AHEAD)
            self._ahead += samples.astype("<i2").tobytes()
        frame, self._ahead = self._ahead[:FRAME_BYTES], self._ahead[FRAME_BYTES:]
        return frame

    def write(self, frame: bytes) -> None:
        """Writes a frame to the file."""
        if self.mode == "w" and self._fp is not None:
            self._fp.write(frame)

    def takeFile(self) -> IO[bytes] | None:
        """The file, for one who reads or writes it in a thread and closes it; None if taken."""
        if self._reader is not None:
            return None
        fp, self._fp = self._fp, None
        return fp

    def close(self) -> None:
        """Closes the file, unless another does."""
        fp, self._fp = self._fp, None
        if self._reader is not None:
            self._reader.close()
        elif fp is not None:
            fp.close()


def convertToSource(thing: Any, mode: str) -> Source:
    """A Source as it is; a path or an open binary file as a FileSource.

    mode: "r" to play it, "w" to record to it, else ValueError. Raises OSError for a path that
    cannot be opened, TypeError for anything else.
    """
    _checkMode(mode)
    if isinstance(thing, Source):
        return thing
    if isinstance(thing, str | os.PathLike):
        return FileSource(Path(thing).open("rb" if mode == "r" else "wb"), mode)
    if isFile(thing, mode):
        return FileSource(thing, mode)
    wanted = "read" if mode == "r" else "write"
    raise TypeError(
        f"wanted a path, a Source, or an open binary file with {wanted} and close, "
        f"got {reprOf(thing)}"
    )


def isFile(thing: Any, mode: str) -> bool:
    """Has it what an open file needs, to be played ("r") or recorded to ("w")?"""
    return callable(getattr(thing, "read" if mode == "r" else "write", None)) and callable(
        getattr(thing, "close", None)
    )


class SourceUses:
    """The book of the Sources that one leg uses.

    failed: told of a Source whose close() raised, and of the error.
    """

    __slots__ = ("_failed", "_leg", "_sources")

    def __init__(self, leg: Leg, failed: Callable[[Source, Exception], None]) -> None:
        self._leg: Leg | None = leg
        self._failed: Callable[[Source, Exception], None] | None = failed
        self._sources: list[Source] = []

    def __len__(self) -> int:
        return len(self._sources)

    def check(self, source: Source) -> None:
        """ValueError if another leg uses it."""
        if source._uses and source.leg is not self._leg:
            raise ValueError(
                f"{reprOf(source)} is in use on {source.leg!r}: make another for {self._leg!r}"
            )

    def claim(self, source: Source, what: str) -> None:
        """One more use. what: "play" or "record". Raises ValueError if another leg uses it."""
        self.check(source)
        if not source._uses:
            source.leg, source._uses = self._leg, Counter()
            self._sources.append(source)
        source._uses[what] += 1

    def release(self, source: Source, what: str) -> None:
        """One use less; with the last one the Source is closed."""
        uses = source._uses
        if uses is None or not uses[what]:
            return
        uses[what] -= 1
        if uses.total():
            if not uses[what]:
                self._tell(source, source._useEnded, what)
            return
        source._uses = None
        self._sources = [kept for kept in self._sources if kept is not source]
        self._tell(source, source.close)

    def _tell(self, source: Source, method: Callable[..., object], *args: object) -> None:
        """What an application's Source raises must not keep a leg from its end."""
        try:
            method(*args)
        except Exception as error:
            if self._failed is not None:
                self._failed(source, error)

    def forgetLeg(self) -> None:
        """The leg is over; nothing is claimed any more."""
        self._leg = self._failed = None


def _checkMode(mode: str) -> None:
    if mode not in ("r", "w"):
        raise ValueError(f'mode: wanted "r" to read or "w" to write, got {mode!r}')
