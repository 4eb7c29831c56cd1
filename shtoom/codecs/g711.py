"""G.711, mu-law and A-law, as tables between one byte and one 16-bit sample.

Lives here: the tables, one sample or a thousand legs at once, and mu-law to A-law without PCM.
Not here: names and payload types on the wire (shtoom.sdp), who needs PCM at all (shtoom.media).

The reference is ITU-T G.711 (11/88), tables 1 and 2, applied to 16-bit samples as ITU-T's own
software does (G.191): 14 bits for mu-law, 13 for A-law, left aligned; a negative sample is coded
as its one's complement with the sign set, so both halves have the same decision values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALAW_TO_ULAW", "PCMA", "PCMU", "ULAW_TO_ALAW", "G711Codec"]

Samples = NDArray[np.int16]
Codes = NDArray[np.uint8]


class G711Codec:
    """One of the two laws; without state, so that all calls share one object.

    Attributes as in codecs.Codec; one byte is one sample.
    """

    __slots__ = (
        "_decoded", "_encoded", "byteRate", "clock", "frameSamples", "name", "rate", "silence",
    )  # fmt: skip

    def __init__(self, name: str, decoded: Samples, encoded: Codes) -> None:
        """decoded: int16 [256] by code. encoded: uint8 [65536] by the sample seen as uint16."""
        self.name = name
        self.rate = self.clock = self.byteRate = 8000
        self.frameSamples = 160
        self._decoded, self._encoded = decoded, encoded
        self.silence = self.encode(np.zeros(self.frameSamples, np.int16))

    @property
    def uncoded(self) -> G711Codec:
        """Itself: payload may be cut and joined as it is."""
        return self

    def encoder(self) -> G711Codec:
        """Itself."""
        return self

    def decoder(self) -> G711Codec:
        """Itself."""
        return self

    def encode(self, pcm: Samples) -> bytes:
        """int16 [n] to n bytes."""
        return self._encoded.take(pcm.view(np.uint16)).tobytes()

    def decode(self, payload: bytes | bytearray | memoryview) -> Samples:
        """n bytes to int16 [n]."""
        return self._decoded.take(np.frombuffer(payload, np.uint8))

    def decodeBatch(self, payloads: Codes, out: Samples) -> Samples:
        """uint8 [legs, n] into `out`, int16 of the same shape, which is returned."""
        return np.take(self._decoded, payloads, out=out, mode="clip")

    def __repr__(self) -> str:
        return f"<codec {self.name}>"


def _ulawDecoded() -> Samples:
    """Table 2 of G.711: 8 segments of 16 steps; the bias of 33 units makes each a power of two."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = ((2 * step + 33) << segment) - 33  # in units of 14 bits
    return np.where(code & 0x80, -4 * magnitude, 4 * magnitude).astype(np.int16)


def _alawDecoded() -> Samples:
    """Table 1 of G.711: segment 0 has the steps of segment 1; even bits are inverted."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = np.where(segment, (2 * step + 33) << np.maximum(segment, 1) - 1, 2 * step + 1)
    return np.where(code & 0x80, 8 * magnitude, -8 * magnitude).astype(np.int16)


def _magnitudes() -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Of all samples in the order of their uint16: magnitude 0..32767 and sign."""
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return np.where(samples < 0, ~samples, samples), samples < 0


def _ulawEncoded() -> Codes:
    magnitude, negative = _magnitudes()
    biased = np.minimum((magnitude >> 2) + 33, 0x1FFF)
    segment = np.frexp(biased)[1] - 6  # frexp: the number of significant bits
    code = segment << 4 | (biased >> segment + 1) & 15
    codes: Codes = (~np.where(negative, code | 0x80, code)).astype(np.uint8)
    return codes


def _alawEncoded() -> Codes:
    magnitude, negative = _magnitudes()
    units = magnitude >> 4
    segment = np.maximum(np.frexp(units)[1] - 4, 0)
    code = segment << 4 | (units >> np.maximum(segment - 1, 0)) & 15
    codes: Codes = (np.where(negative, code, code | 0x80) ^ 0x55).astype(np.uint8)
    return codes


PCMU = G711Codec("PCMU", _ulawDecoded(), _ulawEncoded())
PCMA = G711Codec("PCMA", _alawDecoded(), _alawEncoded())

_ALL = bytes(range(256))
ULAW_TO_ALAW = PCMA.encode(PCMU.decode(_ALL))
"""For bytes.translate: a mu-law payload as A-law, the same as by way of PCM."""
ALAW_TO_ULAW = PCMU.encode(PCMA.decode(_ALL))
"""For bytes.translate: an A-law payload as mu-law, the same as by way of PCM."""
