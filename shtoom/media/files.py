"""Sound files, read in pieces: from a path or an open file to int16 mono.

Lives here: which format a file has (its first bytes win over its suffix), reading it without ever
holding it whole, errors that name the file. Not here: headers (shtoom.audio.wav), caching and the
phone's codecs (media.prompts), writing (media.recording), formats that others read (media.convert).

All of it blocks: call it in a thread.
"""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import closing
from errno import EFBIG
from functools import partial
from io import FileIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from shtoom.audio.frames import RATE
from shtoom.audio.resample import Resampler
from shtoom.audio.wav import (
    AudioFormat,
    BadHeader,
    Encoding,
    OtherCoding,
    parseAu,
    parseWav,
    toMono16,
)
from shtoom.media.convert import COMPRESSED, LARGEST, missing, toWav
from shtoom.media.converted import Converted
from shtoom.media.sniff import HEAD, formatOf
from shtoom.words import strOf

__all__ = ["AudioFileError", "AudioReader", "ReadableFile", "nameOf", "openReader", "wordsOf"]

PIECE = 1.0  # seconds that readAt() reads at a time
_LARGEST = 1 << 20  # bytes: many channels at a high rate are read in smaller pieces
_SKIP = 1 << 16  # bytes read at a time to get past a chunk

HEADERLESS = {
    ".raw": AudioFormat(Encoding.PCM, RATE, 1, 2),
    ".sln": AudioFormat(Encoding.PCM, RATE, 1, 2),
    ".ul": AudioFormat(Encoding.ULAW, RATE, 1, 1),
    ".al": AudioFormat(Encoding.ALAW, RATE, 1, 1),
}
"""Suffixes of files that are samples from their first byte on."""
_HEADED = (".wav", ".au", ".snd", ".aiff", ".opus", *COMPRESSED)
"""Suffixes of files that begin with a mark."""
_REFUSED = ("RIFX",)  # what passes for a WAV and is none
_UNMARKED = {".gsm": "GSM 6.10", ".g722": "G.722", ".g729": "G.729"}


class ReadableFile(Protocol):
    """What an open binary file must have to be read here."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; b"" at the end."""

    def close(self) -> object:
        """Called once, when the reader is closed."""


class AudioFileError(Exception):
    """A sound file that cannot be played.

    name: of the file. what: is wrong with it. remedy: what to do about it.
    """

    def __init__(self, name: str, what: str, remedy: str) -> None:
        super().__init__(f"{name} {what}: {remedy}")
        self.name, self.what, self.remedy = name, what, remedy


class _Compressed(Exception):
    """Found: a file of a kind that others have to read. head: what was read of it."""

    def __init__(self, kind: str, head: bytes) -> None:
        super().__init__(kind)
        self.kind, self.head = kind, head


class AudioReader:
    """A sound file being read, once, from its beginning to its end.

    name: for people. format: as in the file. rate: samples a second of read(). duration: seconds,
    None if only the end of an open file will tell. ended: whether readAt() has given all of it.
    Blocking; raises AudioFileError.
    """

    __slots__ = (
        "_ahead",
        "_at",
        "_file",
        "_left",
        "_resampler",
        "duration",
        "ended",
        "format",
        "name",
    )

    def __init__(self, file: ReadableFile, name: str, suffix: str, size: int | None) -> None:
        """suffix: ".wav" or "". size: bytes of the file, None if it is an app's open file.

        Raises AudioFileError, or _Compressed, if nothing here reads that format; the file stays
        open then.
        """
        self._file, self.name = file, name
        self._at, self._ahead = 0, b""
        self._resampler: Resampler | None = None
        self.ended = False
        self.format = self._parse(suffix, byName=size is not None)
        self._left: float = float("inf") if self.format.dataSize is None else self.format.dataSize
        if size is not None:
            self._left = min(self._left, max(0, size - self.format.dataStart))
        known = size is not None or self.format.dataSize is not None
        frames = self._left // self.format.frameBytes
        self.duration: float | None = frames / self.rate if known else None
        self._readAt(self.format.dataStart, 0)

    @property
    def rate(self) -> int:
        """Samples a second, as in the file."""
        return self.format.rate

    def read(self, seconds: float | None = None) -> NDArray[np.int16]:
        """The next seconds of sound at the file's own rate, all that is left for None.

        int16 [n], mono; shorter at the end, and empty after it.
        """
        frame = self.format.frameBytes
        wanted = self._left
        if seconds is not None:
            wanted = min(wanted, max(1, round(seconds * self.rate)) * frame)
        raw = self._readBytes(wanted)
        self._left = 0 if len(raw) < wanted else self._left - len(raw)
        return toMono16(raw, self.format)

    def readAt(self, rate: int, seconds: float | None = None) -> NDArray[np.int16]:
        """As read(), but resampled to `rate`, the same in all calls; about so many seconds."""
        if self._resampler is None:
            self._resampler = Resampler(self.rate, rate)
        if self._resampler.toRate != rate:
            raise ValueError(f"rate: {self._resampler.toRate} Hz so far, now {rate}")
        most = min(PIECE, _LARGEST / self.format.frameBytes / self.rate)
        pieces = [np.zeros(0, np.int16)]
        wanted = float("inf") if seconds is None else max(1, round(seconds * rate))
        while wanted > 0 and not self.ended:
            piece = self._resampler.push(self.read(min(most, wanted / rate)))
            pieces.append(piece)
            wanted -= len(piece)
            if self._left < self.format.frameBytes:
                self.ended = True
                pieces.append(self._resampler.flush())
        return np.concatenate(pieces)

    def close(self) -> None:
        """Closes the file. More than once is harmless."""
        file, self._file = self._file, _CLOSED
        self._left, self.ended = 0, True
        file.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- the format ---------------------------------------------------------------------------

    def _parse(self, suffix: str, byName: bool) -> AudioFormat:
        """byName: does the suffix of a file without header count more than its first bytes?"""
        head = self._ahead = self._readBytes(HEAD)
        self._at = 0
        known = formatOf(head)
        try:
            if known == "WAV":
                return parseWav(self._readAt)
            if known == "AU":
                return parseAu(self._readAt)
        except BadHeader as error:
            if isinstance(error, OtherCoding) and self._at + len(self._ahead) == len(head):
                raise _Compressed(f"WAV of {error.name}", head) from None
            remedy = f"make it anew, for example with: {_converting(self.name)}"
            raise AudioFileError(self.name, str(error), remedy) from None
        if byName and suffix in HEADERLESS:
            return HEADERLESS[suffix]  # it may begin with any bytes, even another's mark
        convert = f"convert it, for example with: {_converting(self.name)}"
        if known in _REFUSED or (known is None and suffix in _UNMARKED):
            known = known or _UNMARKED[suffix]
            raise AudioFileError(self.name, f"is {known}, which is not read here", convert)
        if known is not None:
            raise _Compressed(known, head)
        if not byName and suffix not in _HEADED:
            return HEADERLESS.get(suffix, HEADERLESS[".raw"])
        if not head:
            raise AudioFileError(self.name, "is empty", "see why nothing was written to it")
        what = f"begins with {head[:12]!r}, like no sound file that is known here"
        choice = ", ".join(HEADERLESS)
        remedy = f"{convert}; a file of samples without a header is named by its kind: {choice}"
        raise AudioFileError(self.name, what, remedy)

    # --- bytes --------------------------------------------------------------------------------

    def _readAt(self, offset: int, size: int) -> bytes:
        """A part of the file that is not before the last one; keeps what was read ahead."""
        while self._at < offset:
            gone = self._readBytes(min(offset - self._at, _SKIP))
            if not gone:
                return b""
        data = self._readBytes(size)
        self._ahead = data + self._ahead
        self._at -= len(data)
        return data

    def _readBytes(self, size: float) -> bytes:
        """So many bytes, fewer only at the end of the file."""
        pieces: list[bytes] = []
        while size > 0:
            piece = self._ahead[: int(min(size, _SKIP))]
            self._ahead = self._ahead[len(piece) :]
            if not piece:
                piece = _pieceOf(self._file, self.name, int(min(size, _SKIP)))
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
            self._at += len(piece)
        return b"".join(pieces)


class _Closed:
    """Stands for the file of a closed reader."""

    def read(self, size: int, /) -> bytes:
        raise ValueError("the reader is closed")

    def close(self) -> None:
        """Nothing is left to close."""


_CLOSED = _Closed()


def openReader(
    source: str | os.PathLike[str] | ReadableFile, converted: Converted | None = None
) -> AudioReader:
    """Opens a sound file by its path, or reads an open binary file from where it stands.

    The first bytes tell WAV and AU, whatever the name; .raw, .sln, .ul and .al are samples without
    a header, as is an open file that begins like no other format and has no name that promises one.
    What is compressed is converted first (media.convert); converted: where the result of a path is
    kept for the next time. Raises AudioFileError; then the file is closed again. Blocking.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        file, size = _openPath(path)
        return _reader(file, str(path), path.suffix.lower(), size, converted)
    name = nameOf(source)
    return _reader(source, name, Path(name).suffix.lower(), None)


def nameOf(file: object) -> str:
    """What to call an app's open file: its name, if it has one; else its class."""
    name = getattr(file, "name", None)
    if isinstance(name, str | bytes | os.PathLike) and name:
        return os.fsdecode(name)
    return f"a {type(file).__name__}"  # a number is its descriptor's


def _reader(
    file: ReadableFile,
    name: str,
    suffix: str,
    size: int | None,
    converted: Converted | None = None,
) -> AudioReader:
    try:
        return AudioReader(file, name, suffix, size)
    except _Compressed as found:
        with closing(file):
            make = partial(_convert, file, name, found)
            if converted is None or not isinstance(file, FileIO):
                return _readerOf(make(), name, found)
            state = os.fstat(file.fileno())
            key = (os.path.abspath(name), state.st_mtime_ns, state.st_size, state.st_ino)
            return _readerOf(converted.open(key, make), name, found)
    except BaseException:
        file.close()
        raise


def _convert(file: ReadableFile, name: str, found: _Compressed) -> BinaryIO:
    """What a converter makes of that file, of which the head was read."""
    install = missing(found.kind)
    if install is not None:
        what = f"is {found.kind}, which nothing here converts"
        raise AudioFileError(name, what, f"{install}, or convert it elsewhere: {_converting(name)}")
    piece, left = found.head, LARGEST
    with NamedTemporaryFile(prefix="doug-", suffix=Path(name).suffix) as copy:
        try:
            while piece and left > 0:
                copy.write(piece)
                left -= len(piece)
                piece = _pieceOf(file, name, _SKIP)
            if piece:
                raise OSError(EFBIG, f"it is larger than {LARGEST >> 20} MiB")
            copy.flush()
            return toWav(copy.name, found.kind)
        except OSError as error:
            what = f"is {found.kind} that cannot be converted ({wordsOf(error)})"
            raise AudioFileError(name, what, f"make it anew: {_converting(name)}") from error


def _readerOf(wav: BinaryIO, name: str, found: _Compressed) -> AudioReader:
    """A reader of a file that was converted."""
    try:
        return AudioReader(wav, name, ".wav", os.fstat(wav.fileno()).st_size)
    except BaseException as error:
        wav.close()
        if isinstance(error, _Compressed):  # or it would go round for ever
            what = f"is {found.kind}, of which the converter made {error.kind}"
            raise AudioFileError(name, what, f"make it anew: {_converting(name)}") from None
        raise


def _pieceOf(file: ReadableFile, name: str, size: int) -> bytes:
    """At most so many bytes of the file; AudioFileError if it raises, or gives something else."""
    try:
        piece = file.read(size)
    except Exception as error:  # an app's own file object may raise anything
        what = f"cannot be read ({wordsOf(error)})"
        raise AudioFileError(name, what, "see where it comes from") from error
    if not isinstance(piece, bytes | bytearray | memoryview):
        what = f"gives {type(piece).__name__} where bytes are wanted"
        raise AudioFileError(name, what, 'open it in binary mode, "rb"')
    return bytes(piece)


def _openPath(path: Path) -> tuple[ReadableFile, int]:
    """The file and its size; only plain files, since others may block for ever."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise AudioFileError(str(path), "is a folder", "name a sound file in it")
        if not stat.S_ISREG(mode):
            raise AudioFileError(str(path), "is not a plain file", "copy its content into one")
        file = path.open("rb", buffering=0)
        return file, os.fstat(file.fileno()).st_size
    except (OSError, ValueError) as error:
        remedy = "check the name" if isinstance(error, FileNotFoundError) else "check its rights"
        raise AudioFileError(str(path), f"cannot be opened ({wordsOf(error)})", remedy) from error


def _converting(name: str) -> str:
    """The command that makes a file which can be read."""
    return f"ffmpeg -i {shlex.quote(name)} -ar 8000 -ac 1 out.wav"


def wordsOf(error: BaseException | None) -> str:
    """ "No space left on device" rather than "[Errno 28] ..."; without errno class and text."""
    strerror = getattr(error, "strerror", None)
    return str(strerror) if strerror else f"{type(error).__name__}: {strOf(error)}"
