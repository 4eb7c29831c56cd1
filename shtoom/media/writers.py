"""Sound into files: what each kind of file is given, so that it is valid after each piece.

Lives here: .wav with a header that is always true, samples without a header, open files, what is
compressed when it is complete. Not here: when and in which thread it is done (media.recording),
reading (media.files), compressing (media.convert).

All but writerFor() blocks: call it in a thread. Errors are those of the system or of the file.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from errno import EIO
from io import BufferedRandom, BufferedWriter
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple, Protocol

from shtoom import codecs
from shtoom.audio.frames import RATE, toSamples
from shtoom.audio.wav import wavHeader
from shtoom.codecs import Codec
from shtoom.media.convert import COMPRESSED, SECONDS, ConversionFailed, fromWav, missing
from shtoom.media.files import nameOf

__all__ = ["PATIENCE", "WritableFile", "Writer", "writerFor"]

PATIENCE = 5.0  # seconds that the end of a recording waits for a disk that does not answer


class WritableFile(Protocol):
    """What an open binary file must have to be recorded to."""

    def write(self, data: bytes, /) -> Any:
        """All of `data`, or as much as the number that is returned says."""

    def close(self) -> object:
        """Called once, at the end."""


class _Kind(NamedTuple):
    """What is written for one suffix. codec: None for 16-bit PCM."""

    headed: bool
    codec: Codec | None
    channels: int = 1

    @property
    def sampleBytes(self) -> int:
        """Of one moment, all channels."""
        return self.channels * (1 if self.codec else 2)

    def header(self, dataBytes: int) -> bytes:
        """What stands before so much sound."""
        return wavHeader(dataBytes, channels=self.channels)


_RAW = _Kind(headed=False, codec=None)
_KINDS = {
    ".wav": _Kind(headed=True, codec=None),
    ".raw": _RAW,
    ".sln": _RAW,
    ".ul": _Kind(headed=False, codec=codecs.find("PCMU")),
    ".al": _Kind(headed=False, codec=codecs.find("PCMA")),
}
_HEADER = len(wavHeader(0))


class Writer(ABC):
    """One file being written, beginning to end. name: for people. bytes: of sound in it so far.

    isRegular: once it is open, is it a plain file, whose writes end by themselves? patience:
    seconds that what is still to be written and close() take at most, if all is well.
    """

    __slots__ = ("_kind", "bytes", "isRegular", "name")

    patience = PATIENCE

    def __init__(self, name: str, kind: _Kind) -> None:
        self.name, self._kind = name, kind
        self.bytes = 0
        self.isRegular = False

    @property
    def seconds(self) -> float:
        """Of sound in it so far."""
        return self.bytes / RATE / self._kind.sampleBytes

    def open(self) -> None:
        """Makes the file, with no sound in it yet."""
        if self._kind.headed:
            self._appendAll(self._kind.header(0))

    def write(self, pcm: bytes) -> None:
        """Adds whole samples of 8 kHz 16-bit PCM; a WAV's header counts what is in the file."""
        codec = self._kind.codec
        data = pcm if codec is None else codec.encode(toSamples(pcm))
        while data:
            count = self._append(data)
            self.bytes += count
            data = data[count:]
        if self._kind.headed:
            self._putHeader(self._kind.header(self.bytes))

    def _appendAll(self, data: bytes) -> None:
        while data:
            data = data[self._append(data) :]

    @abstractmethod
    def close(self) -> None:
        """Closes it. After a failed write() its header says what is there."""

    @abstractmethod
    def _append(self, data: bytes) -> int:
        """Writes at the end; returns how many bytes were taken, at least one."""

    @abstractmethod
    def _putHeader(self, header: bytes) -> None:
        """Writes over the header; the next _append() goes to the end again."""


class _PathWriter(Writer):
    """A file of our own, by its path. Unbuffered: what is written survives the process."""

    __slots__ = ("_fd", "_path")

    def __init__(self, path: Path, kind: _Kind) -> None:
        super().__init__(str(path), kind)
        self._path, self._fd = path, -1

    def open(self) -> None:
        # Without O_NONBLOCK a pipe that nobody reads would hold this thread for ever.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, 0o666)
        os.set_blocking(self._fd, True)
        self.isRegular = S_ISREG(os.fstat(self._fd).st_mode)
        super().open()

    def close(self) -> None:
        if self._fd < 0:
            return  # it could not be opened
        fd, self._fd = self._fd, -1
        try:
            if self._kind.headed:  # a full disk may have cut the last piece within a sample
                self.bytes -= self.bytes % self._kind.sampleBytes
                os.pwrite(fd, self._kind.header(self.bytes), 0)
                os.ftruncate(fd, _HEADER + self.bytes)
        finally:
            os.close(fd)

    def _append(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def _putHeader(self, header: bytes) -> None:
        os.pwrite(self._fd, header, 0)


class _ConvertedWriter(_PathWriter):
    """A compressed file: a WAV beside it, under a name of its own, until it is closed."""

    __slots__ = ("_dest",)

    patience = PATIENCE + SECONDS

    def __init__(self, dest: Path, kind: _Kind) -> None:
        super().__init__(dest.with_name(f"{dest.name}.wav"), kind)
        self.name, self._dest = str(dest), dest

    def open(self) -> None:
        suffix = self._dest.suffix.lower()
        install = missing(suffix)
        if install is not None:
            raise ConversionFailed(f"nothing here makes a {suffix} file: {install}")
        super().open()

    def close(self) -> None:
        opened = self._fd >= 0
        super().close()
        if not opened:
            return
        try:
            fromWav(str(self._path), self.name)
        except OSError as error:
            words = f"it cannot be converted ({error.strerror}): see {self._path}"
            raise ConversionFailed(words) from error
        self._path.unlink()


class _FileWriter(Writer):
    """An open file of an app's. A WAV begins where that file stands."""

    __slots__ = ("_buffers", "_file", "_start", "_told")

    def __init__(self, file: Any, name: str, kind: _Kind) -> None:
        super().__init__(name, kind)
        self._file = file
        self._start = self._told = 0
        # What an open() of Python's still buffers would be lost with the process.
        self._buffers = isinstance(file, BufferedWriter | BufferedRandom)

    def open(self) -> None:
        if self._kind.headed:
            self._start = self._file.tell()
        super().open()

    def close(self) -> None:
        try:
            whole = self.bytes - self.bytes % self._kind.sampleBytes
            if self._kind.headed and whole > self._told:  # what a full disk took of a piece
                self._putHeader(self._kind.header(whole))
        finally:
            self._file.close()

    def _append(self, data: bytes) -> int:
        count = self._file.write(data)
        if self._buffers:
            self._file.flush()
        if count is None:  # many file-likes return nothing
            return len(data)
        if count <= 0:
            raise OSError(EIO, f"write() took {count} of {len(data)} bytes")
        return int(count)

    def _putHeader(self, header: bytes) -> None:
        self._file.seek(self._start)
        self._appendAll(header)
        self._file.seek(self._start + _HEADER + self.bytes)
        self._told = self.bytes


def writerFor(dest: str | os.PathLike[str] | WritableFile, channels: int = 1) -> Writer:
    """The writer for a path by its suffix, or for an open file by its name's, else headerless.

    More than one channel need a kind of file that says how many there are: in an open file that is
    always a WAV. Opens nothing yet. Raises ValueError for a suffix that cannot be written, and for
    a WAV in an open file that cannot seek.
    """
    if isinstance(dest, str | os.PathLike):
        path = Path(os.path.abspath(dest))  # the current folder may change; messages are clear
        suffix = path.suffix.lower()
        if suffix in COMPRESSED:
            return _ConvertedWriter(path, _KINDS[".wav"]._replace(channels=channels))
        kind = _KINDS.get(suffix)
        if kind is None:
            what = f"a {path.suffix} file" if path.suffix else "a file without a suffix"
            wanted = ", ".join((*_KINDS, *COMPRESSED))
            raise ValueError(f"{path}: cannot record to {what}, wanted one of {wanted}")
        if channels > 1 and not kind.headed:
            raise ValueError(f"{path}: {channels} channels need a .wav file, or a compressed one")
        return _PathWriter(path, kind._replace(channels=channels))
    name = nameOf(dest)
    kind = _KINDS.get(Path(name).suffix.lower(), _RAW)._replace(channels=channels)
    if channels > 1:
        kind = _KINDS[".wav"]._replace(channels=channels)
    seekable = getattr(dest, "seekable", None)
    if kind.headed and not (seekable is not None and seekable()):
        raise ValueError(f"{name}: a WAV's header is renewed, so the file must be able to seek")
    return _FileWriter(dest, name, kind)
