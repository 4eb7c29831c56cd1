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

from shtoom.codecs import g722
from shtoom.codecs.g711 import ALAW_TO_ULAW, PCMA, PCMU, ULAW_TO_ALAW, G711Codec

__all__ = [
    "ALAW_TO_ULAW",
    "ULAW_TO_ALAW",
    "Codec",
    "Decoder",
    "Encoder",
    "G711Codec",
    "find",
    "missing",
    "names",
]


class Encoder(Protocol):
    """One stream on its way out."""

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """The next samples, int16 [n] of the codec's rate, to a payload."""


class Decoder(Protocol):
    """One stream on its way in."""

    def decode(self, payload: bytes | bytearray | memoryview) -> NDArray[np.int16]:
        """The next payload to int16 [n] of the codec's rate."""


class Codec(Protocol):
    """One coding of sound. PCM is int16, mono.

    name: as in SDP ("PCMU"). rate: PCM samples a second. clock: RTP ticks a second. byteRate: bytes
    of payload a second; it may be cut at each sample. frameSamples: PCM samples of 20 ms. silence:
    20 ms of it, encoded, at the beginning of a stream. uncoded: what is said is kept, cut and
    joined in that: the codec itself, or samples as they are, if encoding has state.
    """

    @property
    def name(self) -> str: ...
    @property
    def rate(self) -> int: ...
    @property
    def clock(self) -> int: ...
    @property
    def byteRate(self) -> int: ...
    @property
    def frameSamples(self) -> int: ...
    @property
    def silence(self) -> bytes: ...
    @property
    def uncoded(self) -> Codec: ...

    def encoder(self) -> Encoder:
        """For one stream; the codec itself, if it has no state."""

    def decoder(self) -> Decoder:
        """For one stream; the codec itself, if it has no state."""

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """A whole sound, int16 [n], to a payload."""

    def decode(self, payload: bytes | bytearray | memoryview) -> NDArray[np.int16]:
        """The payload of a whole sound to int16 [n]."""


_G722 = g722.load()
_CODECS: Mapping[str, Codec] = MappingProxyType(
    {codec.name: codec for codec in (PCMU, PCMA, _G722) if codec is not None}
)
_MISSING: Mapping[str, str] = MappingProxyType({"G722": g722.NEEDS} if _G722 is None else {})


def find(name: str) -> Codec:
    """The codec of that name in SDP, in any case (RFC 4855 3). LookupError says the remedy."""
    try:
        return _CODECS[name.upper()]
    except KeyError:
        if name.upper() in _MISSING:
            raise LookupError(f"{name.upper()} {_MISSING[name.upper()]}") from None
        known = ", ".join((*_CODECS, *_MISSING))
        raise LookupError(f"no codec {name!r}: there are {known}") from None


def names() -> tuple[str, ...]:
    """Of all codecs that are here, the cheapest first."""
    return tuple(_CODECS)


def missing() -> Mapping[str, str]:
    """Names of codecs that could be here, and what they need."""
    return _MISSING
