"""RTP by hand: ports of the lab's network that send packets of any kind and write down what comes.

Lives here: MediaEnd, and what is asked of packets that were heard. Not here: SIP (actor.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from struct import pack
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doug.testing import Lab
from shtoom import codecs
from shtoom.audio.tones import dtmf, sine
from shtoom.rtp.packet import RTPPacket, parseRTP

Address = tuple[str, int]
Samples = NDArray[np.int16]

BEAT = 0.02
KEYS = "0123456789*#ABCD"
CODECS = {0: codecs.find("PCMU"), 8: codecs.find("PCMA")}


class Packet(NamedTuple):
    """One RTP packet, when it came and from where."""

    at: float
    source: Address
    rtp: RTPPacket


class MediaEnd:
    """A bound RTP port. packets: all that came; empty datagrams (keep-alives) are left out."""

    def __init__(self, lab: Lab, host: str, port: int) -> None:
        self.lab, self.host, self.port = lab, host, port
        self.packets: list[Packet] = []
        lab.network.bind((host, port), self._received)

    def close(self) -> None:
        """Off the network."""
        self.lab.network.unbind((self.host, self.port))

    def _received(self, data: bytes, source: Address) -> None:
        if data:
            self.packets.append(Packet(self.lab.reactor.seconds(), source, parseRTP(data)))

    # --- speaking -----------------------------------------------------------------------------

    def send(self, data: bytes, to: Address, after: float = 0.0) -> None:
        """A datagram, in `after` seconds."""
        way = (data, (self.host, self.port), to)
        self.lab.reactor.callLater(after, self.lab.network.send, *way)

    def say(
        self,
        to: Address,
        *,
        count: int = 50,
        pt: int = 0,
        seq: int = 1,
        ts: int = 0,
        ssrc: int = 1,
        hz: float = 440,
        samples: int = 160,
        marker: bool = False,
        extension: bytes = b"",
        pad: int = 0,
        csrcs: int = 0,
        every: float | None = None,
        after: float = 0.0,
        key: str = "",
    ) -> None:
        """Packets of a tone, one each `every` seconds (None: as long as a packet lasts).

        key: the two tones of this key, not one of hz. samples: a packet. extension: of the header,
        whole. pad: octets. csrcs: how many of them.
        """
        seconds = count * samples / 8000
        sound = dtmf(key, seconds) if key else sine(hz, seconds, 0.3)
        payload = CODECS[pt].encode(sound)
        beat = samples / 8000 if every is None else every
        first = 0x80 | (0x20 if pad else 0) | (0x10 if extension else 0) | csrcs
        for i in range(count):
            second = pt | (0x80 if marker and i == 0 else 0)
            head = pack("!BBHII", first, second, seq + i & 0xFFFF, ts + i * samples, ssrc)
            head += pack(f"!{csrcs}I", *range(csrcs)) + extension
            tail = bytes(pad - 1) + bytes([pad]) if pad else b""
            part = payload[i * samples : (i + 1) * samples]
            self.send(head + part + tail, to, after + i * beat)

    def press(
        self,
        to: Address,
        key: str,
        *,
        ts: int,
        seq: int = 1,
        durations: Sequence[int] = (160, 320, 480),
        end: int = 640,
        ends: int = 3,
        marker: bool = True,
        pt: int = 101,
        ssrc: int = 1,
        lose: Sequence[int] = (),
        after: float = 0.0,
    ) -> None:
        """RFC 4733: a packet for each of durations, then `ends` copies of the end.

        lose: numbers of those that are not sent.
        """
        lengths = [(d, 0) for d in durations] + [(end, 0x80)] * ends
        for i, (duration, bit) in enumerate(lengths):
            second = pt | (0x80 if marker and i == 0 else 0)
            head = pack("!BBHII", 0x80, second, seq + i & 0xFFFF, ts, ssrc)
            if i not in lose:
                self.send(
                    head + pack("!BBH", KEYS.index(key), bit | 10, duration), to, after + i * BEAT
                )

    # --- hearing ------------------------------------------------------------------------------

    def during(self, seconds: float) -> list[Packet]:
        """Lets time pass; what comes meanwhile."""
        before = len(self.packets)
        self.lab.advance(seconds)
        return self.packets[before:]


def assertGapless(packets: Sequence[Packet], every: float = BEAT, step: int = 160) -> None:
    """One SSRC, one packet each `every` seconds, sequence and timestamps (by `step`) unbroken."""
    if len({packet.rtp.ssrc for packet in packets}) != 1:
        raise AssertionError(f"wanted packets of one SSRC, got {len(packets)} packets: {packets}")
    for before, after in pairwise(packets):
        moved = (
            after.rtp.sequence - before.rtp.sequence & 0xFFFF,
            after.rtp.timestamp - before.rtp.timestamp & 0xFFFFFFFF,
        )
        if moved != (1, step) or abs(after.at - before.at - every) > 0.001:
            raise AssertionError(
                f"a gap at {after.at:.3f} s, {after.at - before.at:.3f} s after the packet before: "
                f"sequence and timestamp moved by {moved}, wanted (1, {step})"
            )


def sound(packets: Sequence[Packet]) -> Samples:
    """The sound of PCMU and PCMA packets, joined."""
    parts = [CODECS[p.rtp.payloadType].decode(p.rtp.payload) for p in packets]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def loud(samples: Samples) -> Samples:
    """From the first to the last sample that is not silence."""
    (places,) = np.nonzero(np.abs(samples.astype(np.int32)) > 200)
    return samples[places[0] : places[-1] + 1] if len(places) else samples[:0]


def jumps(samples: Samples, hz: float) -> int:
    """How often a tone of `hz` does not go on as a sine does: cuts, gaps, repeats."""
    tone = loud(samples).astype(np.float64)
    rest = tone[2:] - 2 * np.cos(2 * np.pi * hz / 8000) * tone[1:-1] + tone[:-2]
    (places,) = np.nonzero(np.abs(rest) > np.abs(tone).max() / 4)
    return int(np.sum(np.diff(places, prepend=-9) > 4))


def quietSeconds(samples: Samples) -> float:
    """How much of 10 ms pieces of 8 kHz sound is silent."""
    pieces = samples[: len(samples) // 80 * 80].reshape(-1, 80).astype(np.float64)
    return float(np.sum(np.sqrt(np.mean(pieces**2, axis=1)) < 200)) / 100
