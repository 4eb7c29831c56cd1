"""The corpus's sequences of packets, each through a call that is up; skipped without DOUG_CORPUS.

What the machines of shtoom.rtp make of them alone is in test.rtp.test_corpus.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from doug.events import DTMFReceivedEvent
from shtoom.exceptions import MalformedMessage
from shtoom.media.session import MediaSession
from shtoom.media.stats import MediaStats
from shtoom.media.translate import translated
from shtoom.rtp.packet import isRTCP, parseRTP
from shtoom.rtp.sequence import extend16
from test.cases.actor import sdp
from test.cases.case import FieldCase
from test.cases.media import CODECS, Samples, jumps, loud, quietSeconds
from test.support import corpusCases
from test.support.pcap import readPcap

HELD = {"opus": "PCMU", "speex/16000": "PCMU"}  # codecs that are not served: another one is offered
CODES = [code for code in range(256) if code & 0x7F not in (0x7F, 0x00, 0x55)]  # none is silence


class Sequence(NamedTuple):
    """Packets of one case. types: what the far end has offered. times: seconds."""

    types: dict[int, str]
    times: list[float]
    packets: list[bytes]


def sequenceOf(data: bytes, file: str) -> Sequence:
    """Of a script, or a capture."""
    if file.endswith(".pcap"):
        captured = list(readPcap(data))
        times = [each.when - captured[0].when for each in captured]
        usual = {0: "PCMU", 8: "PCMA", 101: "telephone-event"}
        return Sequence(usual, times, [each.payload for each in captured])
    script = json.loads(data)
    types = {int(kind): name for kind, name in script["payload_types"].items()}
    times = [packet["t"] / 1000 for packet in script["packets"]]
    return Sequence(types, times, [bytes.fromhex(packet["hex"]) for packet in script["packets"]])


class Marked(NamedTuple):
    """Packets, each of sound with a value of its own. values: in the order that they were sent."""

    packets: list[bytes]
    values: list[int]


def marked(sequence: Sequence) -> Marked:
    """The payload of each packet of sound becomes one code, over and over."""
    packets: list[bytes] = []
    marks: dict[tuple[int, int], int] = {}
    firsts: dict[int, int] = {}
    for data in sequence.packets:
        packet = None
        if len(data) >= 2 and not isRTCP(data):
            try:
                packet = parseRTP(data)
            except MalformedMessage:
                packet = None
        if packet is None or packet.payloadType not in (0, 8) or not packet.payload:
            packets.append(data)
            continue
        key = packet.ssrc, packet.sequence
        code = CODES[7 * list(marks).index(key) % len(CODES)] if key in marks else (
            CODES[7 * len(marks) % len(CODES)])  # fmt: skip
        marks.setdefault(key, valueOf(code, packet.payloadType))
        firsts.setdefault(packet.ssrc, packet.sequence)
        packets.append(data.replace(packet.payload, bytes([code]) * len(packet.payload), 1))
    order = sorted(
        marks,
        key=lambda key: (list(firsts).index(key[0]), extend16(key[1], firsts[key[0]])),
    )
    return Marked(packets, [marks[key] for key in order])


def valueOf(code: int, kind: int) -> int:
    """The sample that a listener hears in PCMU, whatever law it came in."""
    ours = CODECS[0]
    coded = translated(bytes([code]), CODECS[kind], ours) or b""
    return int(ours.decode(coded)[0])


def valuesOf(heard: Samples) -> list[int]:
    """The values that follow each other, silence left out."""
    changes = np.flatnonzero(np.diff(heard, prepend=np.int16(0)))
    return [int(heard[i]) for i in changes if heard[i]]


class PacketCases(FieldCase):
    """A phone that sends exactly these packets."""

    def test_everySequenceGivesItsSoundAndKeys(self) -> None:
        """Keys as events, once each, with their length; sound whole, in order; counts are true."""
        for identity, data, case in corpusCases("rtp"):
            if data is None or "rtcp" in case["expect"]:
                continue
            try:
                self.callWith(sequenceOf(data, case["file"]), case["expect"])
            except AssertionError as error:
                raise AssertionError(f"{identity}: {error}") from error
        self.assertStillWell()

    def test_RTCPIsDroppedQuietly(self) -> None:
        """Good and bad compounds at the RTP port, in a call that goes on: counted, no more."""
        call = self.answered()
        (session,) = self.lab.application.exchange.media.sessions
        ear = self.listen()
        self.alice.media.say(call.media, count=150)
        sent = 0
        for _, data, case in corpusCases("rtp"):
            if data is not None and "rtcp" in case["expect"]:
                (packet,) = json.loads(data)["packets"]
                self.alice.media.send(bytes.fromhex(packet["hex"]), call.media, after=sent * 0.05)
                sent += 1
        self.lab.advance(3.5)
        self.assertGreater(sent, 10)
        self.assertEqual(sum(session.stats.dropped.values()), sent)
        self.assertEqual(session.stats.packetsReceived, 150)
        heard = loud(ear.heard)
        self.assertNear(len(heard) / 8000, 3.0, 0.002)
        self.assertEqual((jumps(heard, 440), quietSeconds(heard)), (0, 0.0))
        self.hangUp(call)
        self.assertStillWell()

    def callWith(self, sequence: Sequence, expect: dict[str, Any]) -> None:
        """One call in which these packets come, and a second more."""
        call = self.answered(self.offer(sequence.types))
        (session,) = self.lab.application.exchange.media.sessions
        ear = self.listen()
        packets, values = marked(sequence)
        for at, data in zip(sequence.times, packets, strict=True):
            self.alice.media.send(data, call.media, after=at)
        self.lab.advance(sequence.times[-1] + 1.0)
        self.checkKeys(expect)
        self.checkCounts(session, expect)
        heard = ear.heard
        if "audio_packets" in expect:
            self.assertEqual(len(values), expect["audio_packets"])
            self.assertEqual(valuesOf(heard), values)
        if "samples" in expect:
            self.assertTrue(0 <= np.count_nonzero(heard) - expect["samples"] < 160)
        self.hangUp(call)

    def offer(self, types: dict[int, str]) -> bytes:
        """What names these types."""
        kinds: dict[int, str] = {}
        for kind, name in types.items():
            coding = HELD.get(name, name)
            kinds[0 if coding == "PCMU" else kind] = coding if "/" in coding else f"{coding}/8000"
        return sdp(
            self.alice.host,
            self.alice.media.port,
            " ".join(map(str, kinds)),
            rtpmap="\n".join(f"{kind} {name}" for kind, name in kinds.items()),
        )

    def checkKeys(self, expect: dict[str, Any]) -> None:
        """In order, each once."""
        events = self.app.got(DTMFReceivedEvent)
        digits = "".join(event.digits for event in events)
        if "digits" in expect or "digits_ok" in expect:
            self.assertIn(digits, expect.get("digits_ok", [expect.get("digits")]))
        told = [(event.digits, event.evidence[0].duration or 0.0) for event in events]
        for (digit, duration), each in zip(told, expect.get("events", ()), strict=False):
            self.assertEqual(digit, each["digit"])
            self.assertNear(duration * 1000, each["duration_ms"], 21)

    def checkCounts(self, session: MediaSession, expect: dict[str, Any]) -> None:
        """What was lost on the way, and what is no part of the call."""
        stats: MediaStats = session.stats
        if "lost" in expect:
            self.assertEqual(stats.lost, expect["lost"])
        dropped = dict(stats.dropped)
        self.assertEqual(dropped.pop("comfort noise", 0), expect.get("cn_packets", 0))
        self.assertEqual(dropped.pop("RTCP", 0), len(expect.get("rtcp_packets", ())))
        if "discard" in expect:
            self.assertEqual(sum(dropped.values()), len(expect["discard"]))
