"""The frame: 20 ms of 8 kHz, 16-bit, little-endian mono PCM, and its conversions.

Lives here: sizes and units that all of the sound shares. Not here: other rates (audio.resample).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME", "FRAME_BYTES", "FRAME_SECONDS", "RATE", "SILENCE", "toBytes", "toSamples"]

RATE = 8000  # samples a second
FRAME = 160  # samples
FRAME_BYTES = 2 * FRAME
FRAME_SECONDS = FRAME / RATE
SILENCE = bytes(FRAME_BYTES)


def toSamples(pcm: bytes | bytearray | memoryview) -> NDArray[np.int16]:
    """Little-endian 16-bit PCM as int16 [n], not copied; half a sample at the end is dropped."""
    return np.frombuffer(pcm, "<i2", len(pcm) // 2).astype(np.int16, copy=False)


def toBytes(samples: NDArray[np.int16]) -> bytes:
    """int16 [n] as little-endian 16-bit PCM."""
    return samples.astype("<i2", copy=False).tobytes()
