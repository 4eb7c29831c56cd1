"""The corpus set rtp, and the fuzz seeds of RTP and RTCP; skipped without DOUG_CORPUS."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.rtp.jitterbuffer import JitterBuffer
from shtoom.rtp.packet import RTPPacket, isRTCP, parseRTP
from shtoom.rtp.rtcp import (
    Goodbye,
    OtherPacket,
    ReceiverReport,
    SenderReport,
    SourceDescription,
    parseRTCP,
)
from shtoom.rtp.sequence import SequenceTracker, extend16
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased, TelephoneEventReceiver
from test.support import corpusCases, corpusRoot
from test.support.pcap import readPcap

BEAT = 0.02
PHASE = 0.007

AUDIO = ("PCMU", "PCMA")
CHECKED = {
    "digits", "digits_ok", "events", "other_events", "lost", "duplicates", "reordered", "discard",
    "rtcp_packets", "ssrcs", "by_pt", "payload_types", "cn_packets", "payload_sizes", "frame_ms",
    "samples", "audio_packets", "audio_packets_ok", "gap_ms",
}  # fmt: skip


@dataclass
class Heard:
    """What a receiver made of the packets of one case."""

    told: list[KeyPressed | KeyReleased] = field(default_factory=list)
    frames: list[bytes | None] = field(default_factory=list)
    audio: list[RTPPacket] = field(default_factory=list)
    discarded: list[int] = field(default_factory=list)
    rtcp: list[int] = field(default_factory=list)
    types: Counter[int] = field(default_factory=Counter)
    codes: set[int] = field(default_factory=set)
    trackers: dict[int, SequenceTracker] = field(default_factory=dict)
    marks: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def digits(self) -> str:
        return "".join(each.digit for each in self.told if isinstance(each, KeyPressed))

    def marksInOrder(self) -> list[int]:
        """The sound of each audio packet, once, as it was sent."""
        sources = list(self.trackers)
        firsts = {ssrc: next(n for s, n in self.marks if s == ssrc) for ssrc, _ in self.marks}
        order = sorted(
            self.marks,
            key=lambda key: (sources.index(key[0]), extend16(key[1], firsts[key[0]])),
        )
        return [self.marks[key] for key in order]

    def count(self, name: str) -> int:
        return sum(int(getattr(tracker, name)) for tracker in self.trackers.values())


class Receiver:
    """A session reduced to what this floor does: no socket, no latch, no decoding."""

    def __init__(self, clock: int, types: dict[int, str], start: float) -> None:
        self.types = types
        self.clock = clock
        self.heard = Heard()
        self.events = TelephoneEventReceiver(clock)
        self.jitter = JitterBuffer()
        self.nextTurn = start + PHASE
        self.marks = self.heard.marks

    def runTo(self, now: float) -> None:
        """Turns and deadlines up to now."""
        while self.nextTurn <= now:
            self.heard.frames.append(self.jitter.pop(self.nextTurn))
            self.heard.told += self.events.timeReached(self.nextTurn)
            self.nextTurn += BEAT

    def datagramReceived(self, number: int, data: bytes, now: float) -> None:
        self.runTo(now)
        heard = self.heard
        if isRTCP(data):
            heard.rtcp.append(number)
            return
        try:
            packet = parseRTP(data)
        except MalformedMessage:
            heard.discarded.append(number)
            return
        tracker = heard.trackers.setdefault(packet.ssrc, SequenceTracker(self.clock))
        tracker.packetReceived(packet.sequence, packet.timestamp, now)
        heard.types[packet.payloadType] += 1
        name = self.types.get(packet.payloadType, "").partition("/")[0]
        if name in AUDIO:
            heard.audio.append(packet)
            # Each packet of its own sound, so that order and repeats can be told from the frames.
            key = packet.ssrc, packet.sequence
            mark = self.marks.setdefault(key, len(self.marks) % 251)
            payload = bytes([mark]) * len(packet.payload)
            self.jitter.put(
                packet.sequence, packet.timestamp, packet.ssrc, payload, packet.marker, now
            )
        elif name == "telephone-event":
            malformed, others = self.events.malformed, self.events.otherEvents
            heard.told += self.events.packetReceived(
                packet.timestamp, packet.ssrc, packet.payload, packet.marker, now
            )
            if self.events.malformed > malformed:
                heard.discarded.append(number)
            if self.events.otherEvents > others:
                heard.codes.add(packet.payload[0])
        elif name != "CN":
            heard.discarded.append(number)


def hear(data: bytes, case: dict[str, Any]) -> Heard:
    """What comes of one case of the set: all its packets, then one second."""
    if case["file"].endswith(".pcap"):
        captured = list(readPcap(data))
        datagrams = [(each.when, each.payload) for each in captured]
        clock, types = 8000, {0: "PCMU", 8: "PCMA", 101: "telephone-event"}
    else:
        script = json.loads(data)
        clock = script["clock"]
        types = {int(kind): name for kind, name in script["payload_types"].items()}
        datagrams = [(each["t"] / 1000, bytes.fromhex(each["hex"])) for each in script["packets"]]
    receiver = Receiver(clock, types, datagrams[0][0])
    for number, (when, payload) in enumerate(datagrams):
        receiver.datagramReceived(number, payload, when)
    receiver.runTo(datagrams[-1][0] + 1.0)
    return receiver.heard


class RTPCorpusTests(SynchronousTestCase):
    def check(self, identity: str, heard: Heard, expect: dict[str, Any]) -> None:
        if "digits" in expect:
            self.assertEqual(heard.digits, expect["digits"], identity)
        if "digits_ok" in expect:
            self.assertIn(heard.digits, expect["digits_ok"], identity)
        for event, told in (
            zip(
                expect.get("events", ()),
                (each for each in heard.told if isinstance(each, KeyReleased)),
                strict=True,
            )
            if "events" in expect
            else ()
        ):
            self.assertEqual(told.digit, event["digit"], identity)
            self.assertLess(abs(told.duration * 1000 - event["duration_ms"]), 21, identity)
        for name in ("lost", "duplicates", "reordered"):
            if name in expect:
                self.assertEqual(heard.count(name), expect[name], f"{identity} {name}")
        for name, got in (("discard", heard.discarded), ("rtcp_packets", heard.rtcp)):
            if name in expect:
                self.assertEqual(got, expect[name], f"{identity} {name}")
        if "ssrcs" in expect:
            self.assertEqual([f"{ssrc:08x}" for ssrc in heard.trackers], expect["ssrcs"], identity)
        self.assertEqual(
            {str(kind): heard.types[int(kind)] for kind in expect.get("by_pt", {})},
            expect.get("by_pt", {}),
            identity,
        )
        if "other_events" in expect:
            self.assertEqual(sorted(heard.codes), expect["other_events"], identity)
        for kind in expect.get("payload_types", ()):
            self.assertGreater(heard.types[kind], 0, identity)
        self.assertLessEqual(expect.keys(), CHECKED, identity)
        if "cn_packets" in expect:
            self.assertEqual(heard.types[13], expect["cn_packets"], identity)
        if "payload_sizes" in expect:
            sizes = [len(packet.payload) for packet in heard.audio]
            self.assertEqual(sizes, expect["payload_sizes"], identity)
        if "frame_ms" in expect:
            self.assertEqual({len(each.payload) / 8 for each in heard.audio}, {expect["frame_ms"]})

    def checkSound(self, identity: str, heard: Heard, expect: dict[str, Any]) -> None:
        """The sound that the play-out buffer gave: each packet's once, in order, nothing lost."""
        sound = b"".join(frame for frame in heard.frames if frame is not None)
        played = [mark for i, mark in enumerate(sound) if i == 0 or mark != sound[i - 1]]
        self.assertEqual(len(played), len(set(played)), identity)
        if "samples" in expect:
            self.assertTrue(0 <= len(sound) - expect["samples"] < 160, identity)
        if "audio_packets" in expect:
            inOrder = heard.marksInOrder()
            self.assertEqual(len(inOrder), expect["audio_packets"], identity)
            self.assertEqual(played, inOrder, identity)
        if "audio_packets_ok" in expect:
            self.assertIn(len(heard.audio), expect["audio_packets_ok"], identity)
        if "gap_ms" in expect:
            first = next(i for i, frame in enumerate(heard.frames) if frame)
            last = len(heard.frames) - next(i for i, f in enumerate(heard.frames[::-1]) if f)
            gap = heard.frames[first:last].count(None) * 20
            self.assertLess(abs(gap - expect["gap_ms"]), 21, identity)

    def test_everyCaseHolds(self) -> None:
        """Keys, sound, loss and what is dropped are as the set says."""
        for identity, data, case in corpusCases("rtp"):
            if data is None or "rtcp" in case["expect"]:
                continue
            heard = hear(data, case)
            self.check(identity, heard, case["expect"])
            self.checkSound(identity, heard, case["expect"])


class RTCPCorpusTests(SynchronousTestCase):
    def check(self, identity: str, data: bytes, expect: dict[str, Any]) -> None:
        valid = [expect["valid"]] if "valid" in expect else expect["valid_ok"]
        try:
            packets = parseRTCP(data)
        except MalformedMessage:
            self.assertIn(False, valid, identity)
            return
        self.assertIn(True, valid, identity)
        got: dict[str, Any] = {"types": [packet.packetType for packet in packets]}
        for packet in packets:
            match packet:
                case SenderReport():
                    got |= {
                        "ssrc": f"{packet.ssrc:08x}",
                        "packets_sent": packet.packetsSent,
                        "octets_sent": packet.octetsSent,
                        "rtp_ts": packet.timestamp,
                    }
                case ReceiverReport():
                    got["ssrc"] = f"{packet.ssrc:08x}"
                case SourceDescription():
                    got["cname"] = packet.chunks[0].cname
                case Goodbye():
                    got["bye"] = [f"{ssrc:08x}" for ssrc in packet.ssrcs]
                    got["reason"] = packet.reason
                case OtherPacket():
                    pass
            if isinstance(packet, SenderReport | ReceiverReport):
                got["reports"] = [
                    {
                        "ssrc": f"{block.ssrc:08x}",
                        "fraction_lost": block.fractionLost,
                        "cumulative_lost": block.cumulativeLost,
                        "highest_seq": block.highestSequence,
                        "jitter": block.jitter,
                        "lsr": f"{block.lastReport:08x}",
                        "dlsr": block.delaySinceLast,
                    }
                    for block in packet.reports
                ]
        for name, value in expect.items():
            if name == "reports":
                pairs = zip(got["reports"], value, strict=True)
                self.assertTrue(all(wanted.items() <= have.items() for have, wanted in pairs))
            elif not name.startswith("valid"):
                self.assertEqual(got[name], value, f"{identity} {name}")

    def test_everyCaseHolds(self) -> None:
        """Compounds are read or refused as the set says."""
        for identity, data, case in corpusCases("rtp"):
            if data is None or "rtcp" not in case["expect"]:
                continue
            (packet,) = json.loads(data)["packets"]
            self.check(identity, bytes.fromhex(packet["hex"]), case["expect"]["rtcp"])


class SeedTests(SynchronousTestCase):
    """Seeds for fuzzing: MalformedMessage or a value, within 50 ms."""

    def test_seedsOfRTP(self) -> None:
        """Each datagram is parsed or refused; what is parsed harms neither buffer nor keys."""
        jitter, events = JitterBuffer(), TelephoneEventReceiver()
        for line in (corpusRoot() / "fuzz" / "rtp.jsonl").read_text().splitlines():
            seed = json.loads(line)
            begin = time.thread_time()
            try:
                packet = parseRTP(base64.b64decode(seed["b64"]))
            except MalformedMessage:
                self.assertNotEqual(seed.get("parse"), "ok", seed["id"])
                continue
            self.assertNotEqual(seed.get("parse"), "reject", seed["id"])
            _, sequence, timestamp, ssrc, payload, marker = packet
            jitter.put(sequence, timestamp, ssrc, payload, marker, 0.0)
            jitter.pop(0.0)
            events.packetReceived(timestamp, ssrc, payload, marker, 0.0)
            self.assertLess(time.thread_time() - begin, 0.05, seed["id"])

    def test_seedsOfRTCP(self) -> None:
        """Each datagram is parsed or refused."""
        for line in (corpusRoot() / "fuzz" / "rtcp.jsonl").read_text().splitlines():
            seed = json.loads(line)
            begin = time.thread_time()
            try:
                parseRTCP(base64.b64decode(seed["b64"]))
            except MalformedMessage:
                self.assertNotEqual(seed.get("parse"), "ok", seed["id"])
            self.assertLess(time.thread_time() - begin, 0.05, seed["id"])
