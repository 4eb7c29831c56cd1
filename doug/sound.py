"""One item of a playlist as encoded sound, taken packet by packet.

Lives here: files, Sources and tones in the one shape that a player takes from.
Not here: their order, their ends, who may interrupt whom (doug.player).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from doug.source import Source, isFile
from doug.watch import SLOW
from shtoom.audio.frames import FRAME, FRAME_BYTES, toSamples
from shtoom.codecs import Codec, Encoder
from shtoom.media.clips import Clip, IClip
from shtoom.media.coding import encoded, encoderOf
from shtoom.media.files import AudioFileError
from shtoom.media.translate import Translator, translated
from shtoom.words import reprOf, strOf

__all__ = ["FileSound", "LoadClip", "Sound", "SourceSound", "ToneSound", "closeFile"]

LoadClip = Callable[[Any, Codec], "IClip | Deferred[IClip]"]
"""A path or an open file, and a codec, to a clip; the Deferred fails with words that name it."""

log = Logger()

_NOTHING = np.zeros(FRAME, np.int16)


class Sound(Protocol):
    """One item being played.

    item: as the application gave it. data: all of the sound if it is in memory, else b"". at: how
    many bytes were taken. over: nothing more will come. failure: why it could not be played, in
    words.
    """

    item: Any
    data: bytes
    at: int
    over: bool
    failure: str | None

    def useCodec(self, codec: Codec) -> None:
        """What comes is to be in that codec from now on; the first call begins to load.

        codec: one without state, since sounds are cut and joined.
        """

    def take(self, size: int) -> bytes:
        """The next `size` bytes, fewer at its end or while it has nothing to say."""

    def rewind(self) -> None:
        """From the beginning again, or `failure` says why not."""

    def close(self) -> None:
        """Lets go of what is open; more than once is harmless."""


class FileSound:
    """A sound file, cached or read ahead; silent until the first of it is there."""

    __slots__ = ("_clip", "_closed", "_codec", "_load", "_playable", "_translator", "at", "data",
                 "failure", "item", "over")  # fmt: skip

    def __init__(self, item: Any, playable: Any, load: LoadClip) -> None:
        """playable: the item as `load` wants it: a path that is complete, or an open file."""
        self.item, self._playable, self._load = item, playable, load
        self.data, self.at = b"", 0
        self.over = self._closed = False
        self.failure: str | None = None
        self._codec: Codec | None = None
        self._clip: IClip | None = None
        self._translator = Translator()  # of a clip that is in another codec

    def useCodec(self, codec: Codec) -> None:
        """Loads it; what is loaded already is translated as it is taken, if not at once."""
        before, self._codec = self._codec, codec
        if before is not None:
            self.at = _moved(self.at, before, codec)
            self._useClip(codec)
            return
        try:
            clip = self._load(self._playable, codec)
        except Exception as error:  # an application's own file object may raise anything
            self._failed(strOf(error))
            return
        if isinstance(clip, Deferred):
            clip.addCallbacks(self._loaded, lambda failure: self._failed(_words(failure)))
        else:
            self._loaded(clip)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if self.data:
            piece = self.data[self.at : self.at + size]
            self.at += len(piece)
            self.over = self.at >= len(self.data)
            return piece
        clip, codec = self._clip, self._codec
        if clip is None or codec is None:
            return b""
        source = _codecOf(clip, codec)
        wanted = _moved(size, codec, source)
        piece = clip.take(wanted)
        if len(piece) < wanted:
            self.over = True
            if clip.failure is not None:
                self.failure = str(clip.failure)
        piece = self._translator.translate(piece, source, codec)
        self.at += len(piece)
        return piece

    def sourceDone(self) -> None:
        """What stands behind it says that it is done: the rest is not played."""
        self.over = True

    def rewind(self) -> None:
        """From the beginning; only a short one, if it is an open file."""
        self.at, self.over = 0, False
        if self._clip is not None and not self.data:
            try:
                self._clip.rewind()
            except AudioFileError as error:
                self._failed(strOf(error))

    def close(self) -> None:
        """Closes the clip, or will do so as soon as it is loaded."""
        if self._closed:
            return
        self._closed = True
        clip, self._clip = self._clip, None
        if clip is not None:
            clip.close()
        elif self._codec is None:
            closeFile(self._playable)  # if it is an open file that nothing has taken over

    def _loaded(self, clip: IClip) -> None:
        if self._closed:
            clip.close()
            return
        self._clip = clip
        if isinstance(clip, Clip) and self._codec is not None:
            self.over = not clip.payload
            self._useClip(self._codec)

    def _useClip(self, codec: Codec) -> None:
        """A clip that is in memory: all of it at once, if a table makes it what is wanted."""
        clip = self._clip
        if isinstance(clip, Clip):
            self.data = translated(clip.payload, clip.codec, codec) or b""
            if not self.data:
                clip.rewind()
                clip.take(_moved(self.at, codec, clip.codec))

    def _failed(self, reason: str) -> None:
        self.failure, self.over = reason, True


class SourceSound:
    """A Source, asked for a frame when one is due; one that holds the reactor is named.

    seconds: of the reactor.
    """

    __slots__ = ("_buffer", "_codec", "_done", "_encoder", "_seconds", "at", "data", "failure",
                 "item", "over")  # fmt: skip

    def __init__(self, source: Source, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.item, self.data, self.at = source, b"", 0
        self.over = self._done = False
        self.failure: str | None = None
        self._codec: Codec | None = None
        self._encoder: Encoder | None = None
        self._buffer = b""

    def useCodec(self, codec: Codec) -> None:
        """Encodes with it from the next frame on."""
        if self._codec is not None and self._buffer:
            self._buffer = Translator().translate(self._buffer, self._codec, codec)
        self._codec, self._encoder = codec, encoderOf(codec)

    def take(self, size: int) -> bytes:
        """The frames that make `size` bytes; b"" if all of them are silence."""
        codec, encoder = self._codec, self._encoder
        if codec is None or encoder is None:
            return b""
        buffer, heard = self._buffer, bool(self._buffer)
        while len(buffer) < size and not self._done:
            frame = self._frame()
            if frame:
                heard = True
                buffer += encoder.encode(toSamples(frame))
            elif not self._done:
                buffer += codec.silence if encoder is codec else encoder.encode(_NOTHING)
        if not heard:
            self.over = self._done
            return b""
        piece, self._buffer = buffer[:size], buffer[size:]
        self.at += len(piece)
        self.over = self._done and not self._buffer
        return piece

    def sourceDone(self) -> None:
        """The Source said that it is done; what it gave is still played."""
        self._done = True
        self.over = not self._buffer

    def rewind(self) -> None:
        """A Source that is done cannot begin again: it stays over."""

    def close(self) -> None:
        """The leg's book closes the Source when its last use is gone."""
        self._buffer = b""

    def _frame(self) -> bytes:
        """One frame, padded; b"" for silence or after a failure."""
        began = self._seconds()
        try:
            given = self.item.read()
        except Exception as error:
            return self._fail(f"read() of {reprOf(self.item)} raised {reprOf(error)}")
        took = self._seconds() - began
        if took > SLOW and self.item.leg is not None:
            self.item.leg.heldBy(self.item.read, took)
        try:
            frame = given if type(given) is bytes else bytes(memoryview(given))
        except Exception:
            return self._fail(
                f"read() of {reprOf(self.item)} gave {reprOf(given)}; wanted {FRAME_BYTES} bytes"
            )
        if len(frame) > FRAME_BYTES:
            return self._fail(
                f"read() of {reprOf(self.item)} gave {len(frame)} bytes; a frame of 20 ms is "
                f"{FRAME_BYTES}"
            )
        return frame.ljust(FRAME_BYTES, b"\0") if frame else b""

    def _fail(self, reason: str) -> bytes:
        self.failure, self._done = reason, True
        return b""


class ToneSound:
    """Samples made by Doug itself, such as the beep before a recording."""

    __slots__ = ("_codec", "_samples", "at", "data", "failure", "item", "over")

    def __init__(self, samples: NDArray[np.int16]) -> None:
        """samples: int16 of 8 kHz mono."""
        self._samples = samples
        self._codec: Codec | None = None
        self.item, self.data, self.at, self.over = None, b"", 0, False
        self.failure: str | None = None

    def useCodec(self, codec: Codec) -> None:
        """Encodes it."""
        if self._codec is not None:
            self.at = _moved(self.at, self._codec, codec)
        self._codec, self.data = codec, encoded(self._samples, codec)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        self.over = bool(self.data) and self.at >= len(self.data)
        return piece

    def rewind(self) -> None:
        """From the beginning."""
        self.at, self.over = 0, False

    def close(self) -> None:
        """Nothing is open."""


def closeFile(item: Any) -> None:
    """Closes an application's open file; what is none, and a Source, is left alone."""
    if isFile(item, "r") and not isinstance(item, Source):
        try:
            item.close()
        except Exception:
            log.failure("close() of {item} failed", item=reprOf(item))


def _moved(at: int, before: Codec, codec: Codec) -> int:
    """A place in the payload of one codec, at the same time in another's."""
    return at * codec.byteRate // before.byteRate


def _codecOf(clip: IClip, usual: Codec) -> Codec:
    """That of a clip of ours; of others' the one that was asked for."""
    found: Codec = getattr(clip, "codec", usual)
    return found


def _words(failure: Failure) -> str:
    return strOf(failure.value) or reprOf(failure.value)
