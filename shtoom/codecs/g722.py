"""G.722: 16 kHz sound at 64 kbit/s, by the library of the extra `g722` (ITU-T G.722, mode 1).

Lives here: that library behind the shape of all codecs; it is imported here and nowhere else.
Not here: sound of 8 kHz (media.coding), the odd clock in SDP (RFC 3551 4.5.2: it says 8000).

A decoder follows its encoder by what it was sent so far. Sound of two encoders one after the other,
or the same bytes again and again for silence, is heard as a burst of noise at each joint, up to
full scale for a tenth of a second. So there is one encoder for all that one stream says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shtoom.codecs.linear import LinearCodec

__all__ = ["NEEDS", "G722Codec", "load"]

NEEDS = "needs an extra: pip install '.[g722]' in Doug's folder"

Samples = NDArray[np.int16]

_BIT_RATE = 64000


class _Encoder:
    """One stream. A sample without a partner waits for the next ones."""

    __slots__ = ("_coder", "_odd")

    def __init__(self, coder: Any) -> None:
        self._coder = coder
        self._odd: Samples | None = None

    def encode(self, pcm: Samples) -> bytes:
        """int16 [2 n] to n bytes."""
        if self._odd is not None:
            pcm, self._odd = np.concatenate((self._odd, pcm)), None
        if len(pcm) % 2:
            pcm, self._odd = pcm[:-1], pcm[-1:]
        # Anything but a buffer of int16 in one piece is taken as a row of numbers, slowly.
        coded: bytes = self._coder.encode(np.ascontiguousarray(pcm, np.int16))
        return coded


class _Decoder:
    """One stream."""

    __slots__ = ("_coder",)

    def __init__(self, coder: Any) -> None:
        self._coder = coder

    def decode(self, payload: bytes | bytearray | memoryview) -> Samples:
        """n bytes to int16 [2 n]."""
        return np.frombuffer(self._coder.decode(bytes(payload)), np.int16)


class G722Codec:
    """The codec; encoder() and decoder() give what has state. Attributes as in codecs.Codec."""

    __slots__ = ("_library", "silence", "uncoded")

    name = "G722"
    rate = 16000
    clock = 8000
    byteRate = 8000
    frameSamples = 320

    def __init__(self, library: Any) -> None:
        """library: the class G722.G722."""
        self._library = library
        self.uncoded = LinearCodec(self.rate)
        self.silence = self.encode(np.zeros(self.frameSamples, np.int16))

    def encoder(self) -> _Encoder:
        """For one stream, from its beginning."""
        return _Encoder(self._coder())

    def decoder(self) -> _Decoder:
        """For one stream, from its beginning."""
        return _Decoder(self._coder())

    def encode(self, pcm: Samples) -> bytes:
        """A whole sound: int16 [2 n] to n bytes."""
        return self.encoder().encode(pcm)

    def decode(self, payload: bytes | bytearray | memoryview) -> Samples:
        """A whole sound: n bytes to int16 [2 n]."""
        return self.decoder().decode(payload)

    def _coder(self) -> Any:
        # Not told False, each object looks for the library's numpy part, which takes 0.1 ms.
        return self._library(self.rate, _BIT_RATE, False)

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


def load() -> G722Codec | None:
    """None without the extra."""
    try:
        from G722 import G722
    except ImportError:
        return None
    return G722Codec(G722)
