"""Sound ready to be sent: a whole one in memory, or a long one read ahead in a thread.

Lives here: what a player takes payloads from, at the pace of its packets.
Not here: which files are kept in memory (media.prompts), reading them (media.files).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

from shtoom.media.files import AudioFileError, AudioReader
from shtoom.words import reprOf

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from shtoom.codecs import Codec

    DeferToThread = Callable[..., Deferred[Any]]

__all__ = ["Clip", "IClip", "StreamedClip"]

PIECE = 2.0  # seconds read at a time
AHEAD = 4.0  # seconds: with less than that in hand the next piece is read
REPLAY = 60.0  # seconds of an open file that are kept so that it can be played again

log = Logger()


class IClip(Interface):
    """Encoded sound, taken bit by bit; one for each time that something is played."""

    name = Attribute("Of the file, for people.")
    duration = Attribute("Seconds; None if only the end will tell.")
    position = Attribute("Seconds taken so far.")
    failure = Attribute("The AudioFileError that ended it too early; None if nothing did.")

    def take(size: int) -> bytes:  # noqa: N805
        """The next `size` bytes of payload, fewer at the end, b"" after it. Never blocks."""

    def rewind() -> None:
        """From the beginning again. Raises AudioFileError if that cannot be."""

    def close() -> None:
        """Lets go of file and thread; more than once is harmless."""


@implementer(IClip)
class Clip:
    """A sound that is in memory. payload: all of it; the clips of one file share it.

    codec: that it is in, one without state.
    """

    __slots__ = ("_at", "codec", "failure", "name", "payload")

    def __init__(self, payload: bytes, codec: Codec, name: str) -> None:
        self.payload, self.codec, self.name = payload, codec, name
        self.failure: AudioFileError | None = None
        self._at = 0

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.payload) / self.codec.byteRate

    @property
    def position(self) -> float:
        """Seconds taken so far."""
        return self._at / self.codec.byteRate

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end, b"" after it."""
        taken = self.payload[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def rewind(self) -> None:
        """From the beginning again."""
        self._at = 0

    def close(self) -> None:
        """Nothing is open."""


@implementer(IClip)
class StreamedClip:
    """A sound that is read while it plays, some seconds ahead, one thread job at a time.

    Where the file is slower than the call, silence is given meanwhile; `underruns` counts that.
    """

    __slots__ = (
        "_begin",
        "_closed",
        "_deferToThread",
        "_ended",
        "_kept",
        "_reader",
        "_reading",
        "_ready",
        "_reopen",
        "_stale",
        "_taken",
        "codec",
        "duration",
        "failure",
        "name",
        "underruns",
    )

    def __init__(
        self,
        reader: AudioReader,
        codec: Codec,
        deferToThread: DeferToThread,
        reopen: Callable[[], AudioReader] | None,
    ) -> None:
        """Made in a thread: reads the first piece, and may raise AudioFileError.

        reopen: makes a new reader, in a thread, to play once more. None for an open file, of which
        the first minute is kept for that.
        """
        self.codec, self.name, self.duration = codec, reader.name, reader.duration
        self._reader, self._deferToThread, self._reopen = reader, deferToThread, reopen
        self._begin, self._ended = self._encoded()
        self._ready = bytearray(self._begin)
        self._kept = bytearray(self._begin) if reopen is None else None
        self._taken = self.underruns = 0
        self._reading = self._stale = self._closed = False
        self.failure: AudioFileError | None = None

    @property
    def position(self) -> float:
        """Seconds taken so far."""
        return self._taken / self.codec.byteRate

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end, b"" after it."""
        ready = self._ready
        taken = bytes(ready[:size])
        del ready[:size]
        self._taken += len(taken)
        if len(ready) < AHEAD * self.codec.byteRate:
            self._readOn()
        if len(taken) < size and not self._ended:
            self.underruns += 1
            missing = size - len(taken)
            silence = self.codec.silence
            taken += (silence * -(-missing // len(silence)))[:missing]
        return taken

    def rewind(self) -> None:
        """From the beginning again. AudioFileError: an open file, longer than a minute."""
        if self._reopen is not None:
            self._ready = bytearray(self._begin)
            self._stale, self._ended = True, False
        elif self._kept is not None:
            self._ready = bytearray(self._kept)
        else:
            what = f"is an open file of more than {REPLAY:.0f} s and can be played only once"
            raise AudioFileError(self.name, what, "give its path instead")
        self._taken = 0
        self._readOn()

    def close(self) -> None:
        """Lets go of the file, as soon as no thread reads it."""
        if self._closed:
            return
        self._closed = self._ended = True
        self._ready.clear()
        if not self._reading:
            self._closeReader()

    def _readOn(self) -> None:
        if self._reading or self._ended or len(self._ready) >= AHEAD * self.codec.byteRate:
            return
        self._reading = True
        again, self._stale = self._stale, False
        reading = self._deferToThread(self._readAgain if again else self._encoded)
        reading.addCallbacks(self._pieceRead, self._readingFailed)
        reading.addErrback(lambda failure: log.failure("{name}", failure, name=self.name))

    def _encoded(self) -> tuple[bytes, bool]:
        """In a thread: the next piece, and whether it is the last."""
        piece = self.codec.encode(self._reader.readAt(self.codec.rate, PIECE))
        return piece, self._reader.ended

    def _readAgain(self) -> tuple[bytes, bool]:
        """In a thread: the second piece of the file opened anew; the first one is at hand."""
        assert self._reopen is not None
        self._reader.close()
        self._reader = self._reopen()
        self._encoded()
        return self._encoded()

    def _pieceRead(self, read: tuple[bytes, bool]) -> None:
        self._reading = False
        if self._closed:
            self._closeReader()
            return
        if not self._stale:  # else it was read before rewind()
            piece, self._ended = read
            self._ready += piece
            self._keep(piece)
        self._readOn()

    def _keep(self, piece: bytes) -> None:
        if self._kept is not None:
            self._kept += piece
            if len(self._kept) > REPLAY * self.codec.byteRate:
                self._kept = None

    def _readingFailed(self, failure: Failure) -> None:
        self._reading, self._ended = False, True
        error = failure.value
        if not isinstance(error, AudioFileError):
            log.failure("{name} could not be read on", failure, name=self.name)
            error = AudioFileError(self.name, f"cannot be read ({reprOf(error)})", "see the log")
        self.failure = error
        if self._closed:
            self._closeReader()

    def _closeReader(self) -> None:
        closing = self._deferToThread(self._reader.close)
        closing.addErrback(lambda failure: log.failure("{name}", failure, name=self.name))
