"""Samples as they are, as if they were a codec: what is said before a codec with state has it.

Lives here: int16 to bytes and back. Not here: other rates (shtoom.audio.resample).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LinearCodec"]

Samples = NDArray[np.int16]


class LinearCodec:
    """int16 in machine order; without state. Attributes as in codecs.Codec; it is never offered."""

    __slots__ = ("byteRate", "clock", "frameSamples", "name", "rate", "silence")

    def __init__(self, rate: int) -> None:
        """rate: samples a second."""
        self.name = f"linear {rate}"
        self.rate = self.clock = rate
        self.byteRate = 2 * rate
        self.frameSamples = rate // 50
        self.silence = bytes(2 * self.frameSamples)

    @property
    def uncoded(self) -> LinearCodec:
        """Itself."""
        return self

    def encoder(self) -> LinearCodec:
        """Itself."""
        return self

    def decoder(self) -> LinearCodec:
        """Itself."""
        return self

    def encode(self, pcm: Samples) -> bytes:
        """int16 [n] to 2 n bytes."""
        return pcm.tobytes()

    def decode(self, payload: bytes | bytearray | memoryview) -> Samples:
        """2 n bytes to int16 [n]."""
        return np.frombuffer(payload, np.int16)

    def __repr__(self) -> str:
        return f"<codec {self.name}>"
