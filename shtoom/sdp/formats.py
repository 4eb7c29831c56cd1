"""Media formats of an m= line: payload type, encoding, clock (RFC 8866 6.6, RFC 3551 6).

Lives here: a format as a value, the static payload types, rtpmap and fmtp read and written.
Not here: which of them a call uses (sdp.offeranswer), encoding and decoding (codecs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TELEPHONE_EVENT = "telephone-event"

_RTPMAP = re.compile(r"(\d{1,3})[ \t]+([^/\s]+)/(\d{1,7})(?:/(\d{1,3}))?", re.ASCII)
_FMTP = re.compile(r"(\d{1,3})[ \t]+(.*)", re.ASCII | re.DOTALL)


class Format(NamedTuple):
    """One format that an m= line offers.

    payloadType: 0 to 127. name: as written, compared without regard to case; None if neither an
    rtpmap nor RFC 3551 says what it is, and then rate and channels are 0. rate: RTP clock in Hz.
    fmtp: parameters as written, or None.
    """

    payloadType: int
    name: str | None
    rate: int
    channels: int
    fmtp: str | None = None

    def isCalled(self, name: str) -> bool:
        """Whether the encoding has that name, in any case (RFC 8866 6.6)."""
        return self.name is not None and self.name.lower() == name.lower()

    def lines(self) -> Iterator[tuple[str, str]]:
        """The a= lines that describe it, as (letter, value)."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        yield "a", f"rtpmap:{self.payloadType} {self.name}/{self.rate}{channels}"
        if self.fmtp is not None:
            yield "a", f"fmtp:{self.payloadType} {self.fmtp}"


STATIC = {
    number: Format(number, name, rate, channels)
    for number, name, rate, channels in (
        (0, "PCMU", 8000, 1),
        (2, "G726-32", 8000, 1),
        (3, "GSM", 8000, 1),
        (4, "G723", 8000, 1),
        (5, "DVI4", 8000, 1),
        (8, "PCMA", 8000, 1),
        (9, "G722", 8000, 1),
        (10, "L16", 44100, 2),
        (11, "L16", 44100, 1),
        (12, "QCELP", 8000, 1),
        (13, "CN", 8000, 1),
        (15, "G728", 8000, 1),
        (18, "G729", 8000, 1),
        (26, "JPEG", 90000, 1),
        (31, "H261", 90000, 1),
        (34, "H263", 90000, 1),
    )
}
"""Payload types that need no rtpmap (RFC 3551 6), as far as phones use them."""


def readFormats(tokens: Iterable[str], attributes: Iterable[tuple[str, str]]) -> tuple[Format, ...]:
    """The formats of an RTP m= line, in its order, each payload type once.

    tokens: what stands behind the profile; what is no payload type is left out. attributes:
    (name, value) of the medium. An rtpmap wins over the static table, the first of two over the
    second, and one that is not readable counts as absent.
    """
    maps: dict[int, tuple[str, int, int]] = {}
    parameters: dict[int, str] = {}
    known: set[tuple[str, str]] = set()  # name and first characters of those that were read
    for name, value in attributes:
        if name not in ("rtpmap", "fmtp"):
            continue
        value = value.strip()
        if (name, value[:3]) in known:  # a look is cheaper than to read it again
            continue
        if name == "rtpmap" and (found := _RTPMAP.fullmatch(value)):
            number, encoding, rate, channels = found.groups()
            maps.setdefault(int(number), (encoding, int(rate), int(channels or 1)))
            known.add((name, value[:3]))
        elif name == "fmtp" and (found := _FMTP.fullmatch(value)):
            parameters.setdefault(int(found[1]), found[2])
            known.add((name, value[:3]))
    formats: dict[int, Format] = {}
    for token in tokens:
        if not (token.isascii() and token.isdecimal() and len(token) <= 3 and int(token) < 128):
            continue
        kind = int(token)
        static = STATIC.get(kind)
        fallback = (static.name, static.rate, static.channels) if static else (None, 0, 0)
        encoding_, rate_, channels_ = maps.get(kind, fallback)
        formats.setdefault(kind, Format(kind, encoding_, rate_, channels_, parameters.get(kind)))
    return tuple(formats.values())
