"""Sound files that others have to read and write (mp3, ogg, flac, m4a ...), by a child process.

A child, since one that holds the interpreter is heard in every call, even from a thread; at low
priority, with limits on its time, on its memory and on what it writes. In it soundfile does the
work, else pydub, else ffmpeg by itself: those that are there and know the kind, until one succeeds.
All three are named here and nowhere else.

Lives here: the two directions, compressed to WAV and back, and what the child runs.
Not here: which file is of which format (media.sniff), WAV (media.files, media.writers).

All of it blocks: call it in a thread.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from errno import EIO
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import BinaryIO

__all__ = ["COMPRESSED", "ConversionFailed", "fromWav", "missing", "toWav"]

COMPRESSED = {".mp3": "mp3", ".ogg": "ogg", ".flac": "flac", ".m4a": "ipod"}
"""Suffixes of what can be written, and what ffmpeg calls them."""

WHEEL, WRAPPER, PROGRAM = "soundfile", "pydub", "ffmpeg"
WHEELS_KINDS = {"mp3", "ogg", "flac", "aiff", "caf", "rf64", "wav"}  # that it reads and writes
INSTALL = f"install {PROGRAM} (apt-get install {PROGRAM})"
INSTALL_WHEEL = f"{INSTALL} or {WHEEL} (pip install '.[formats]' in Doug's folder)"
SECONDS = 120.0  # that one conversion may take: some hours of sound
LARGEST = 1 << 30  # bytes of a WAV: three hours at 44.1 kHz
MEMORY = 2 << 30  # bytes of address space: pydub holds all of a sound, more than twice
NICER = 10  # than the server: calls go first
_LONGEST_WORDS = 200
_PIECE = 1 << 16  # samples at a time


class ConversionFailed(OSError):
    """A file that could not be converted, an OSError as others. strerror: why, in words."""

    def __init__(self, words: str) -> None:
        super().__init__(EIO, words)


def missing(kind: str) -> str | None:
    """What to install so that a kind of file can be converted; None if it is there.

    kind: as media.sniff calls it, or a suffix of COMPRESSED.
    """
    if _ways(_plain(kind)):
        return None
    return INSTALL_WHEEL if _plain(kind) in WHEELS_KINDS else INSTALL


def toWav(source: str, kind: str) -> BinaryIO:
    """The sound of a file as a WAV: 16-bit mono at the file's own rate, already without a name.

    kind: as media.sniff calls it. Raises ConversionFailed.
    """
    with TemporaryDirectory(prefix="doug-") as folder:
        wav = os.path.join(folder, "sound.wav")
        _convert(source, wav, "wav", kind)
        return open(wav, "rb", buffering=0)


def fromWav(wav: str, dest: str) -> None:
    """Makes a file of the kind that `dest`'s suffix, one of COMPRESSED, names; over an older one.

    Raises ConversionFailed; then `dest` is as it was.
    """
    suffix = os.path.splitext(dest)[1].lower()
    unfinished = f"{dest}.part"
    try:
        _convert(wav, unfinished, COMPRESSED[suffix], suffix)
        os.replace(unfinished, dest)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)


def _plain(kind: str) -> str:
    """Without what tells them apart for people: ".mp3" and "MP3" are one, "WAV of ..." is WAV."""
    return kind.lower().removeprefix(".").split(" ")[0]


def _ways(kind: str) -> list[str]:
    """What is here that may convert this kind, the best first."""
    ways = [WHEEL] if kind in WHEELS_KINDS and find_spec(WHEEL) is not None else []
    if shutil.which(PROGRAM) is not None:
        ways += [WRAPPER] if find_spec(WRAPPER) is not None else []
        ways.append(PROGRAM)
    return ways


def _convert(source: str, dest: str, into: str, kind: str) -> None:
    """One child, to its end. into: as ffmpeg calls it. kind: of the compressed file."""
    ways = _ways(_plain(kind))
    if not ways:
        raise ConversionFailed(f"nothing here converts it: {missing(kind)}")
    child = subprocess.Popen(
        [sys.executable, "-I", __file__, os.path.abspath(source), dest, into, str(LARGEST), *ways],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that what it starts ends with it
        env=dict(os.environ, OPENBLAS_NUM_THREADS="1"),  # each would take of its memory
    )
    try:
        _, said = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise ConversionFailed(f"it took more than {SECONDS:g} s") from None
    if child.returncode != 0:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines()]
        words = next((line for line in reversed(lines) if line), f"exit code {child.returncode}")
        raise ConversionFailed(words[:_LONGEST_WORDS])


# In the child


def main(source: str, dest: str, into: str, largest: str, *ways: str) -> None:
    """Converts; what goes wrong is the last line on standard error, and the exit code 1.

    largest: bytes that it may write. ways: to be tried, of _WAYS.
    """
    os.nice(NICER)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    words = ""
    for way in ways:
        try:
            _WAYS[way](source, dest, into)
        except Exception as error:  # the next may know the file better; the last has the word
            own = getattr(error, "error_string", None) or getattr(error, "strerror", None)
            words = str(own or error or type(error).__name__)
        else:
            return
    sys.stderr.write(words)
    raise SystemExit(1)


def _bySoundfile(source: str, dest: str, into: str) -> None:
    import soundfile  # type: ignore[import-untyped]  # noqa: TID251 - the one place

    with open(source, "rb") as file:  # by its first bytes, not by its name
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
        channels = 1 if into == "wav" else sound.channels
        subtype = "PCM_16" if into == "wav" else None
        with soundfile.SoundFile(
            dest, "w", sound.samplerate, channels, subtype, format=into.upper()
        ) as made:
            while len(piece := sound.read(_PIECE, dtype="float32", always_2d=True)):
                made.write(piece.mean(axis=1) if channels == 1 else piece)


def _byPydub(source: str, dest: str, into: str) -> None:
    from pydub import AudioSegment  # type: ignore[import-untyped]  # noqa: TID251 - the one place

    sound = AudioSegment.from_file(source)
    if into == "wav":
        sound = sound.set_channels(1).set_sample_width(2)
    sound.export(dest, format=into).close()


def _byFfmpeg(source: str, dest: str, into: str) -> None:
    words = [PROGRAM, "-nostdin", "-v", "error", "-threads", "1", "-y", "-i", f"file:{source}"]
    pcm = ["-ac", "1", "-c:a", "pcm_s16le"] if into == "wav" else []
    done = subprocess.run(
        [*words, "-vn", *pcm, "-f", into, f"file:{dest}"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode < 0:
        ended = signal.Signals(-done.returncode).name
        raise ConversionFailed(f"{PROGRAM} was ended by {ended}; is there more than fits in a WAV?")
    if done.returncode > 0:
        raise ConversionFailed(done.stderr.decode(errors="replace"))


_WAYS = {WHEEL: _bySoundfile, WRAPPER: _byPydub, PROGRAM: _byFfmpeg}

if __name__ == "__main__":
    main(*sys.argv[1:])
