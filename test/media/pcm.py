"""Sound to be recorded, in frames, and what a WAV has kept of it."""

from __future__ import annotations

import io
import wave
from pathlib import Path

from shtoom.audio.frames import FRAME_BYTES, toBytes
from shtoom.audio.tones import sine

SECOND = 16000  # bytes


def sound(seconds: float) -> bytes:
    """A tone as PCM."""
    return toBytes(sine(440, seconds))


def frames(pcm: bytes) -> list[bytes]:
    """As the tick hands it over."""
    return [pcm[i : i + FRAME_BYTES] for i in range(0, len(pcm), FRAME_BYTES)]


def readWav(path: str | Path | io.BytesIO) -> bytes:
    """The sound of a WAV, read by Python's library; its header must be true."""
    source = path if isinstance(path, io.BytesIO) else str(path)
    with wave.open(source, "rb") as file:
        assert file.getparams()[:3] == (1, 2, 8000)
        data = file.readframes(file.getnframes())
        assert len(data) == 2 * file.getnframes(), "the header claims more than is in the file"
        return data
