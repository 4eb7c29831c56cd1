"""What a session sends: headers, silence, keys."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from shtoom.media.stream import IFeed, Lent
from shtoom.rtp.packet import RTPPacket
from shtoom.rtp.telephoneevent import parseTelephoneEvent
from test.media.support import (
    ALICE,
    EVENT_TYPE,
    PCMA,
    PCMU,
    Bench,
    Log,
    Packets,
    Tone,
    parameters,
)

SILENCE = PCMU.silence


def steps(packets: list[RTPPacket]) -> list[tuple[int, int]]:
    """Of sequence and timestamp, from packet to packet."""
    return [
        ((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF)
        for a, b in itertools.pairwise(packets)
    ]


@implementer(IFeed)
class Lends:
    """Asked once, then it lends; asked again, it goes on behind what was taken."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.asked = data, 0, 0
        self.lent: Lent | None = None

    def nextPayload(self, size: int) -> bytes | None:
        """The next of it, and the rest but for the last packet is lent."""
        self.asked += 1
        if self.lent is not None:
            self.at = self.lent.at
        payload = self.data[self.at : self.at + size]
        self.at += size
        self.lent = Lent(self.data, self.at, len(self.data) - size) if payload else None
        return payload


class LentTests(SynchronousTestCase):
    """Sound in memory, which the session takes without asking."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.session = self.bench.session()
        self.bench.runFor(0.1)
        self.bench.forget()
        self.sound = Random(4).randbytes(160 * 40)

    def sent(self) -> list[RTPPacket]:
        """Without the times."""
        return [packet for _, packet in self.bench.packets(self.session)]

    def test_itIsSentToTheByteAndInOneLineOfHeaders(self) -> None:
        """And the feed is asked at the beginning and at the end only."""
        feed = self.session.feed = Lends(self.sound)
        self.bench.runFor(39 * 0.02)
        packets = self.sent()
        self.assertEqual(b"".join(packet.payload for packet in packets), self.sound[: 39 * 160])
        self.assertEqual(set(steps(packets)), {(1, 160)})
        self.assertEqual(feed.asked, 1)
        self.assertEqual(self.session.stats.packetsSent, 5 + 39)
        self.bench.runFor(0.1)
        self.assertEqual(self.sent()[39].payload, self.sound[39 * 160 :])
        self.assertGreater(feed.asked, 1)

    def test_whatIsTakenBackIsNotSent(self) -> None:
        """From the next packet on the feed is asked again."""
        feed = self.session.feed = Lends(self.sound)
        self.bench.runFor(0.2)
        taken = feed.lent
        assert taken is not None
        self.assertEqual(taken.at, 10 * 160)
        taken.end, feed.lent, feed.data, feed.at = 0, None, bytes(160 * 20), 0
        self.bench.runFor(0.2)
        payloads = [packet.payload for packet in self.sent()]
        self.assertEqual(b"".join(payloads[:10]), self.sound[: 10 * 160])
        self.assertEqual(set(payloads[10:]), {bytes(160)})
        self.assertEqual(set(steps(self.sent())), {(1, 160)})

    def test_anotherFeedHasItsTurnAtOnce(self) -> None:
        """Nothing of what the first one has lent is sent behind it."""
        self.session.feed = Lends(self.sound)
        self.bench.runFor(0.2)
        self.session.feed = Lends(bytes(160 * 40))
        self.bench.runFor(0.2)
        self.assertEqual({packet.payload for packet in self.sent()[10:]}, {bytes(160)})

    def test_headersWrapInTheMiddle(self) -> None:
        """Behind sequence 65535 comes 0, with the sound in its order."""
        self.session.feed = Lends(Random(5).randbytes(160) * 66000)
        self.bench.runFor(1300)
        numbers = {packet.sequence for packet in self.sent()}
        self.assertLessEqual({0, 1, 65534, 65535}, numbers)
        self.assertEqual({sequence for sequence, _ in steps(self.sent())}, {1})

    def test_aPhoneThatIsGoneIsNoFault(self) -> None:
        """The direct way tells of it, the other does not: nothing is counted or logged."""
        log = Log(self)
        self.session.feed = Lends(self.sound)
        self.bench.io.fault = ConnectionRefusedError(111, "Connection refused")
        self.bench.runFor(0.2)
        self.assertEqual(self.session.stats.refusals, 0)
        self.assertEqual(log.lines("cannot send"), [])


class HeaderTests(SynchronousTestCase):
    """RFC 3550 5.1, RFC 3551 4.1."""

    def setUp(self) -> None:
        self.bench = Bench()

    def sent(self, session: Any) -> list[RTPPacket]:
        """Without the times."""
        return [packet for _, packet in self.bench.packets(session)]

    def test_oneSSRCAndOneLineOfNumbersAcrossPlays(self) -> None:
        """Plays, pauses, plays: sequence by one, timestamp by time, marker after a gap."""
        session = self.bench.session()
        start = self.bench.clock.seconds()
        for _ in range(3):
            session.feed = Tone()
            self.bench.runFor(1.3)
            session.feed = None
            self.bench.runFor(1.9)
        timed = self.bench.packets(session)
        packets = [packet for _, packet in timed]
        self.assertEqual(len({packet.ssrc for packet in packets}), 1)
        self.assertEqual({sequence for sequence, _ in steps(packets)}, {1})
        for (at, packet), (nextAt, follower) in itertools.pairwise(timed):
            ticks = (follower.timestamp - packet.timestamp) & 0xFFFFFFFF
            self.assertEqual(ticks, round((nextAt - at) * 8000))
            self.assertEqual(follower.marker, ticks != 160)
        self.assertTrue(packets[0].marker)
        self.assertGreater(timed[0][0], start)
        self.assertEqual(len({packet.payloadType for packet in packets}), 1)

    def test_aPlayBehindAPlayHasNoMarker(self) -> None:
        """No gap, no new talkspurt."""
        session = self.bench.session()
        session.feed = Packets(*[b"a" * 160] * 20)
        self.bench.runFor(0.41)
        session.feed = Tone()
        self.bench.runFor(0.4)
        self.assertEqual({packet.marker for packet in self.sent(session)[1:]}, {False})

    def test_theEndOfAPlayIsFilledUpWithSilence(self) -> None:
        """A packet has its full length always."""
        session = self.bench.session()
        session.feed = Packets(b"a" * 160, b"b" * 7)
        self.bench.runFor(0.06)
        second = self.sent(session)[1].payload
        self.assertEqual(second, b"b" * 7 + SILENCE[7:])

    def test_numbersWrap(self) -> None:
        """Sequence after 65535, timestamp after 2**32 - 1."""

        class AlmostFull(Random):
            def getrandbits(self, k: int) -> int:
                return (1 << k) - 1

        bench = Bench(rng=AlmostFull(1))
        session = bench.session(ptime=10)
        session.feed = Tone()
        bench.runFor(330.0)
        packets = [packet for _, packet in bench.packets(session)]
        self.assertEqual(set(steps(packets)), {(1, 80)})
        self.assertLess(packets[-1].sequence, packets[0].sequence)
        self.assertLess(packets[-1].timestamp, packets[0].timestamp)
        session.close()

    def test_theCodecOfTheAnswerIsSent(self) -> None:
        """With the payload type that was agreed on."""
        session = self.bench.session(codec=PCMA, payloadType=8)
        self.bench.runFor(0.05)
        packet = self.sent(session)[0]
        self.assertEqual((packet.payloadType, packet.payload), (8, PCMA.silence))

    def test_aReINVITEGoesOnWithTheNumbers(self) -> None:
        """Another address, another codec: the same SSRC, sequence and timestamp."""
        session = self.bench.session()
        session.feed = Tone()
        self.bench.runFor(0.5)
        other = ("198.51.100.77", 5000)
        session.start(parameters(other, PCMA, payloadType=8))
        self.bench.runFor(0.5)
        self.assertEqual(set(steps(self.sent(session))), {(1, 160)})
        self.assertEqual(len({packet.ssrc for packet in self.sent(session)}), 1)
        self.assertEqual(self.bench.destinations(session)[-1], other)

    def test_aFeedThatFailsIsTakenOff(self) -> None:
        """One log line; the session lives on silence."""

        class Broken(Tone):
            def nextPayload(self, size: int) -> bytes | None:
                raise RuntimeError("no more")

        log = Log(self)
        session = self.bench.session()
        session.label = "call 4711"
        session.feed = Broken()
        self.bench.runFor(0.5)
        self.assertIsNone(session.feed)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        failures = [event for event in log.events if "log_failure" in event]
        self.assertEqual([event["label"] for event in failures], ["call 4711"])
        self.assertGreater(len(self.sent(session)), 20)


class IdleTests(SynchronousTestCase):
    """What a far end gets that is not spoken to."""

    def count(self, bench: Bench, session: Any, seconds: float) -> int:
        """Packets in the time to come."""
        bench.forget()
        bench.runFor(seconds)
        return len(bench.packets(session))

    def test_sparse(self) -> None:
        """A second of silence that opens NATs, then a packet a second."""
        bench = Bench()
        session = bench.session()
        self.assertIn(self.count(bench, session, 1.0), (49, 50, 51))
        bench.runFor(0.5)
        self.assertEqual(self.count(bench, session, 10.0), 10)
        self.assertEqual({packet.payload for _, packet in bench.packets(session)}, {SILENCE})

    def test_silence(self) -> None:
        """Packets without a gap (what some carriers want)."""
        bench = Bench(idle="silence")
        session = bench.session()
        bench.runFor(1.5)
        self.assertIn(self.count(bench, session, 10.0), (499, 500, 501))

    def test_none(self) -> None:
        """Nothing after the first second."""
        bench = Bench(idle="none")
        session = bench.session()
        self.assertIn(self.count(bench, session, 1.0), (49, 50, 51))
        self.assertEqual(self.count(bench, session, 10.0), 0)

    def test_soundHasATailOfSilence(self) -> None:
        """Its end is not taken for a loss."""
        for idle in ("sparse", "none"):
            bench = Bench(idle=idle)
            session = bench.session()
            bench.runFor(2.0)
            session.feed = Packets(*[b"a" * 160] * 10)
            bench.forget()
            bench.runFor(0.7)
            payloads = [packet.payload for _, packet in bench.packets(session)]
            self.assertEqual(payloads[:10], [b"a" * 160] * 10)
            self.assertIn(len(payloads) - 10, (10, 11))
            self.assertEqual(set(payloads[10:]), {SILENCE})

    def test_aFeedThatHasNothingToSayIsAskedAgain(self) -> None:
        """The first sound is in the packet of its beat."""
        bench = Bench()
        session = bench.session()
        bench.runFor(2.0)
        feed = Packets(*[None] * 30, b"a" * 160)
        session.feed = feed
        bench.forget()
        bench.runFor(0.7)
        self.assertEqual(set(feed.sizes), {160})
        sounds = [packet for _, packet in bench.packets(session) if packet.payload != SILENCE]
        self.assertEqual([packet.marker for packet in sounds], [True])

    def test_onHoldOnlyKeepAlivesAreSent(self) -> None:
        """Empty datagrams each 15 s (RFC 6263 4.1); the feed waits."""
        bench = Bench()
        session = bench.session()
        bench.runFor(2.0)
        session.start(parameters(send=False))
        feed = Packets(b"a" * 160)
        session.feed = feed
        bench.forget()
        bench.runFor(60.0)
        self.assertEqual({data for _, _, data, _ in bench.io.sent}, {b""})
        self.assertIn(len(bench.io.sent), (4, 5))
        session.start(parameters())
        bench.forget()
        bench.runFor(0.1)
        self.assertEqual(bench.packets(session)[0][1].payload, b"a" * 160)

    def test_withoutAnAddressNothingIsSent(self) -> None:
        """None, or the hold of old (c=0.0.0.0, RFC 3264 8.4), and no address before it."""
        for remote in (None, ("0.0.0.0", 40000), ("::", 40000), ("198.51.100.20", 0)):
            bench = Bench()
            session = bench.session(remote=remote)
            session.feed = Tone()
            bench.runFor(2.0)
            self.assertEqual(bench.io.sent, [])
            self.assertIsNone(session.stats.remoteAddress)

    def test_nothingIsSentBeforeStart(self) -> None:
        """A session that is only open is silent."""
        bench = Bench()
        session = bench.media.openSession("192.0.2.10")
        session.feed = Tone()
        bench.runFor(1.0)
        self.assertEqual(bench.io.sent, [])
        session.close()


class EventTests(SynchronousTestCase):
    """The sender of telephone-events (RFC 4733 2.5)."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.session = self.bench.session()
        self.session.feed = Tone()
        self.bench.runFor(0.5)
        self.bench.forget()

    def sent(self) -> list[RTPPacket]:
        """All packets since setUp."""
        return [packet for _, packet in self.bench.packets(self.session)]

    def test_startUpdatesAndThreeEnds(self) -> None:
        """One timestamp, marker on the first, durations that grow, the end three times."""
        done = self.session.sendEvent("5", 0.1)
        self.bench.runFor(0.3)
        self.successResultOf(done)
        events = [packet for packet in self.sent() if packet.payloadType == EVENT_TYPE]
        payloads = [parseTelephoneEvent(packet.payload) for packet in events]
        self.assertEqual([p.marker for p in events], [True] + [False] * 6)
        self.assertEqual(len({p.timestamp for p in events}), 1)
        self.assertEqual([p.duration for p in payloads], [160, 320, 480, 640, 800, 800, 800])
        self.assertEqual([p.end for p in payloads], [False] * 4 + [True] * 3)
        self.assertEqual({p.code for p in payloads}, {5})

    def test_soundIsHeldBackAndItsTimeRunsOn(self) -> None:
        """Sequence without a gap; the sound after the key has the timestamp of its time."""
        before = self.bench.clock.seconds()
        self.session.sendEvent("#", 0.1)
        self.bench.runFor(0.3)
        timed = self.bench.packets(self.session)
        packets = [packet for _, packet in timed]
        self.assertEqual({sequence for sequence, _ in steps(packets)}, {1})
        kinds = [packet.payloadType for packet in packets]
        self.assertEqual(kinds, [EVENT_TYPE] * 7 + [0] * (len(kinds) - 7))
        gaps = [round(b - a, 6) for (a, _), (b, _) in itertools.pairwise(timed)]
        self.assertEqual(set(gaps), {0.02})
        start, sound = packets[0], packets[7]
        self.assertEqual((sound.timestamp - start.timestamp) & 0xFFFFFFFF, 7 * 160)
        self.assertTrue(sound.marker)
        self.assertFalse(packets[8].marker)
        self.assertGreaterEqual(timed[0][0], before)

    def test_keysWaitForEachOther(self) -> None:
        """In order, each with a timestamp of its own."""
        calls: list[str] = []
        for digit in "12":
            done = self.session.sendEvent(digit, 0.06)
            done.addCallback(lambda _, digit: calls.append(digit), digit)
        self.bench.runFor(0.15)
        self.assertEqual(calls, ["1"])
        self.bench.runFor(0.2)
        self.assertEqual(calls, ["1", "2"])
        events = [packet for packet in self.sent() if packet.payloadType == EVENT_TYPE]
        self.assertEqual(len({packet.timestamp for packet in events}), 2)
        self.assertEqual([packet.marker for packet in events].count(True), 2)

    def test_aKeyIsSentWhereNothingIsSaid(self) -> None:
        """Also in the pauses of a quiet session."""
        self.session.feed = None
        self.bench.runFor(2.0)
        self.bench.forget()
        self.session.sendEvent("9", 0.1)
        self.bench.runFor(0.3)
        self.assertEqual(self.sent()[0].payloadType, EVENT_TYPE)

    def test_packetTimeOfTheSessionIsTheEventsToo(self) -> None:
        """RFC 4733 2.5.1.1: at the audio's packet time."""
        session = self.bench.session(ptime=40)
        session.sendEvent("1", 0.12)
        self.bench.forget()
        self.bench.runFor(0.5)
        events = [p for _, p in self.bench.packets(session) if p.payloadType == EVENT_TYPE]
        durations = [parseTelephoneEvent(packet.payload).duration for packet in events]
        self.assertEqual(durations, [320, 640, 960, 960, 960])

    def test_theEndOfTheSessionIsTheEndOfItsKeys(self) -> None:
        """All that wait fire with None."""
        waiting = [self.session.sendEvent(digit, 0.1) for digit in "12"]
        self.bench.runFor(0.03)
        self.session.close()
        for done in waiting:
            self.assertIsNone(self.successResultOf(done))

    def test_whatCannotBeSentIsRefusedAtOnce(self) -> None:
        """No such key; a far end that takes none."""
        self.assertRaises(ValueError, self.session.sendEvent, "x", 0.1)
        self.assertRaises(ValueError, self.session.sendEvent, "1", 0)
        session = self.bench.session(eventType=None)
        error = self.assertRaises(ValueError, session.sendEvent, "1", 0.1)
        self.assertIn("telephone-events", str(error))

    def test_aKeyIsDownUntilItIsReleased(self) -> None:
        """What relays one does not know how long it will be."""
        key = self.session.pressKey("5")
        assert key is not None
        self.bench.runFor(0.5)
        events = [packet for packet in self.sent() if packet.payloadType == EVENT_TYPE]
        self.assertIn(len(events), (24, 25, 26))
        key.release(0.6)
        self.bench.runFor(0.5)
        last = [p for p in self.sent() if p.payloadType == EVENT_TYPE][-3:]
        payloads = [parseTelephoneEvent(packet.payload) for packet in last]
        self.assertEqual([(p.end, p.duration) for p in payloads], [(True, 4800)] * 3)
        self.assertNotEqual(self.sent()[-1].payloadType, EVENT_TYPE)

    def test_aKeyIsNotPressedWhileTheCallIsHeld(self) -> None:
        """By the end of the hold it would be an old one."""
        self.session.start(parameters(send=False))
        self.assertIsNone(self.session.pressKey("1"))
        self.session.start(parameters())
        self.bench.runFor(0.3)
        self.assertNotIn(EVENT_TYPE, {packet.payloadType for packet in self.sent()})
        without = self.bench.session(eventType=None)
        self.assertRaises(ValueError, without.pressKey, "1")

    def test_aKeyWaitsWhileTheCallIsHeld(self) -> None:
        """And is sent when it goes on."""
        self.session.start(parameters(send=False))
        done = self.session.sendEvent("1", 0.1)
        self.bench.runFor(1.0)
        self.assertNoResult(done)
        self.session.start(parameters())
        self.bench.runFor(0.3)
        self.successResultOf(done)
        self.assertEqual(self.bench.destinations(self.session)[-1], ALICE)
