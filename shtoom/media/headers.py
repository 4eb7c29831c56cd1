"""The RTP headers of packets in a row, as one number that grows by a constant.

Lives here: the arithmetic. Not here: when a row begins and ends (media.outgoing, media.incoming).

The fixed header of RFC 3550 5.1, read as an integer of 96 bits, is

    version ... payload type | sequence | timestamp | SSRC
                         80        64          32       0

so the header of the next packet in a row is the last one plus step(samples), until the sequence
or the timestamp wraps. To make or to check a header is then one sum for the fields, which would
be five objects to fetch from memory for each packet of each session.
"""

from __future__ import annotations

from functools import cache

LENGTH = 12  # bytes of a fixed header
NO_ROW = -1  # no header is this number

_PLAIN = 0x80 << 88  # version 2, no padding, extension or CSRCs


def header(payloadType: int, sequence: int, timestamp: int, ssrc: int) -> int:
    """A plain header without marker; sequence and timestamp may be unwrapped (too large)."""
    sequence, timestamp = sequence & 0xFFFF, timestamp & 0xFFFFFFFF
    return _PLAIN | payloadType << 80 | sequence << 64 | timestamp << 32 | ssrc


@cache
def step(samples: int) -> int:
    """From a header to the next one, with so many ticks of the RTP clock in a packet."""
    return 1 << 64 | samples << 32


def rowEnd(first: int, samples: int) -> int:
    """Behind the last header of a row that begins with this one: there a field wraps."""
    sequence, timestamp = first >> 64 & 0xFFFF, first >> 32 & 0xFFFFFFFF
    toWrap = -(-(0x100000000 - timestamp) // samples)
    return first + min(0x10000 - sequence, toWrap) * step(samples)


def packetsBetween(first: int, header: int) -> int:
    """From one header of a row to another one, or to its end."""
    return (header - first) >> 64
