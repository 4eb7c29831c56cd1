"""RTP and RTCP with something wrong in them, by a seed.

Lives here: valid packets, and what becomes of them. Not here: the call that they are sent to
(test_media.py).
"""

from __future__ import annotations

from random import Random
from struct import pack

from shtoom.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceChunk,
    SourceDescription,
    buildRTCP,
)
from test.fuzz.generators import fuzzSeeds
from test.fuzz.mutation import BYTES, mutated

WORDS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


class Packets:
    """A generator. ssrc: that of the stream that is imitated, now and then."""

    def __init__(self, rng: Random, ssrc: int) -> None:
        self._rng, self._ssrc = rng, ssrc
        self._rtp, self._rtcp = fuzzSeeds("rtp"), fuzzSeeds("rtcp")

    def rtp(self) -> bytes:
        """One that is nearly RTP, or is."""
        rng = self._rng
        if self._rtp and rng.random() < 0.2:
            data = rng.choice(self._rtp)
        else:
            data = self._header() + self._payload()
        return mutated(rng, data, BYTES) if rng.random() < 0.5 else data

    def rtcp(self) -> bytes:
        """One that anybody takes for RTCP by its first two octets (RFC 5761 4)."""
        rng = self._rng
        if self._rtcp and rng.random() < 0.3:
            data = rng.choice(self._rtcp)
        else:
            data = self._compound()
        kind = bytes((rng.randrange(0x80, 0xC0), rng.choice((*range(200, 208), 192, 195, 223))))
        return kind + (mutated(rng, data[2:], BYTES) if rng.random() < 0.9 else data[2:])

    def _header(self) -> bytes:
        rng = self._rng
        first = rng.choice((0x80, 0x80, 0x80, 0x90, 0xA0, 0x8F, 0xBF, 0x40, 0x00, 0xC0))
        second = rng.choice((0, 0, 8, 13, 101, 101, 96, 127, 72)) | rng.choice((0, 0, 0x80))
        ssrc = rng.choice((self._ssrc, self._ssrc, rng.getrandbits(32), *WORDS))
        stamp = rng.choice((rng.getrandbits(32), *WORDS))
        sequence = rng.choice((rng.getrandbits(16), 0, 1, 0x7FFF, 0xFFFF))
        return pack("!BBHII", first, second, sequence, stamp, ssrc)

    def _payload(self) -> bytes:
        rng = self._rng
        if rng.random() < 0.4:  # a key, or what might be one (RFC 4733 2.3)
            return bytes((rng.randrange(256), rng.randrange(256))) + rng.randbytes(2)
        return rng.randbytes(rng.choice((0, 1, 4, 160, 160, 160, 240, 480, 1400, 9000)))

    def _compound(self) -> bytes:
        rng = self._rng
        word = rng.getrandbits
        block = ReportBlock(word(32), word(8), word(20), word(32), word(32), word(32), word(32))
        name = SourceChunk(word(32), ((1, "a@b"), (rng.randint(1, 8), "x" * rng.randint(0, 255))))
        return buildRTCP(
            (
                SenderReport(word(32), word(64), word(32), word(32), word(32), (block,)),
                ReceiverReport(word(32), (block,) * rng.randint(0, 31)),
                SourceDescription((name,) * rng.randint(0, 5)),
                Goodbye((word(32),) * rng.randint(0, 31), rng.choice((None, "", "x" * 255))),
            )[rng.randint(0, 3) :]
        )
