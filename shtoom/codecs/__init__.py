"""Bytes of a codec to int16 arrays and back; the registry of names and rates.

Lives here: what a codec is, and finding one by its name in SDP. One codec a file beside it.
Not here: payload types and fmtp (shtoom.sdp), packets and time (shtoom.rtp, shtoom.media).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shtoom.codecs.g711 import ALAW_TO_ULAW, PCMA, PCMU, ULAW_TO_ALAW

__all__ = ["ALAW_TO_ULAW", "ULAW_TO_ALAW", "Codec", "find", "names"]


class Codec(Protocol):
    """One coding of sound. PCM is int16, mono.

    name: as in SDP ("PCMU"). rate: PCM samples a second. clock: RTP ticks a second. frameSamples:
    PCM samples of 20 ms. sampleWise: one byte is one sample, so a payload may be cut and joined
    anywhere. silence: 20 ms of it, encoded.
    """

    @property
    def name(self) -> str: ...
    @property
    def rate(self) -> int: ...
    @property
    def clock(self) -> int: ...
    @property
    def frameSamples(self) -> int: ...
    @property
    def sampleWise(self) -> bool: ...
    @property
    def silence(self) -> bytes: ...

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """int16 [n] to a payload."""

    def decode(self, payload: bytes | bytearray | memoryview) -> NDArray[np.int16]:
        """A payload to int16 [n]."""

    def encodeBatch(self, pcm: NDArray[np.int16], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """int16 [legs, n] into out, uint8 [legs, n]; returns out."""

    def decodeBatch(self, payloads: NDArray[np.uint8], out: NDArray[np.int16]) -> NDArray[np.int16]:
        """uint8 [legs, n] into out, int16 [legs, n]; returns out."""


_CODECS: Mapping[str, Codec] = MappingProxyType({codec.name: codec for codec in (PCMU, PCMA)})


def find(name: str) -> Codec:
    """The codec of that name in SDP, in any case (RFC 4855 3). Raises LookupError."""
    try:
        return _CODECS[name.upper()]
    except KeyError:
        raise LookupError(f"no codec {name!r}: there are {', '.join(_CODECS)}") from None


def names() -> tuple[str, ...]:
    """Of all codecs, the best first."""
    return tuple(_CODECS)
