"""Sound files that others have to read and write (mp3, ogg, flac, m4a ...), by a child process.

A child, since one that holds the interpreter is heard in every call, even from a thread; at low
priority, with limits on its time and on what it writes. In it pydub does the work, or ffmpeg by
itself where pydub cannot. Both are named here and nowhere else.

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
from tempfile import TemporaryDirectory
from typing import BinaryIO

__all__ = ["COMPRESSED", "ConversionFailed", "canConvert", "fromWav", "toWav"]

COMPRESSED = {".mp3": "mp3", ".ogg": "ogg", ".flac": "flac", ".m4a": "ipod"}
"""Suffixes of what can be written, and what ffmpeg calls them."""

PROGRAM = "ffmpeg"
INSTALL = f"install {PROGRAM} (apt install {PROGRAM})"
SECONDS = 120.0  # that one conversion may take: some hours of sound
LARGEST = 1 << 30  # bytes of a WAV: three hours at 44.1 kHz
NICER = 10  # than the server: calls go first
_LONGEST_WORDS = 200


class ConversionFailed(OSError):
    """A file that could not be converted, an OSError as others. strerror: why, in words."""

    def __init__(self, words: str) -> None:
        super().__init__(EIO, words)


def canConvert() -> bool:
    """Is there a program that converts?"""
    return shutil.which(PROGRAM) is not None


def toWav(source: str) -> BinaryIO:
    """The sound of a file as a WAV: 16-bit mono at the file's own rate, already without a name.

    Raises ConversionFailed.
    """
    with TemporaryDirectory(prefix="doug-") as folder:
        wav = os.path.join(folder, "sound.wav")
        _convert(source, wav, "wav")
        return open(wav, "rb", buffering=0)


def fromWav(wav: str, dest: str) -> None:
    """Makes a file of the kind that `dest`'s suffix, one of COMPRESSED, names; over an older one.

    Raises ConversionFailed; then `dest` is as it was.
    """
    suffix = os.path.splitext(dest)[1].lower()
    unfinished = f"{dest}.part"
    try:
        _convert(wav, unfinished, COMPRESSED[suffix])
        os.replace(unfinished, dest)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)


def _convert(source: str, dest: str, kind: str) -> None:
    """One child, to its end."""
    if not canConvert():
        raise ConversionFailed(f"there is no {PROGRAM} here: {INSTALL}")
    child = subprocess.Popen(
        [sys.executable, "-I", __file__, os.path.abspath(source), dest, kind],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that what it starts ends with it
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


def main(source: str, dest: str, kind: str) -> None:
    """Converts; what goes wrong is the last line on standard error, and the exit code 1."""
    os.nice(NICER)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    try:
        _byPydub(source, dest, kind)
    except Exception:  # it needs ffprobe, and audioop; ffmpeg alone has the clearer words
        _byFfmpeg(source, dest, kind)


def _byPydub(source: str, dest: str, kind: str) -> None:
    from pydub import AudioSegment  # type: ignore[import-untyped]  # noqa: TID251 - the one place

    sound = AudioSegment.from_file(source)
    if kind == "wav":
        sound = sound.set_channels(1).set_sample_width(2)
    sound.export(dest, format=kind).close()


def _byFfmpeg(source: str, dest: str, kind: str) -> None:
    words = [PROGRAM, "-nostdin", "-v", "error", "-y", "-i", f"file:{source}", "-vn"]
    pcm = ["-ac", "1", "-c:a", "pcm_s16le"] if kind == "wav" else []
    done = subprocess.run(
        [*words, *pcm, "-f", kind, f"file:{dest}"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.buffer.write(done.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
