"""Keys as telephone-events: RFC 4733."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.rtp.telephoneevent import (
    DIGITS,
    KeyPressed,
    KeyReleased,
    TelephoneEvent,
    TelephoneEventReceiver,
    TelephoneEventSender,
    parseTelephoneEvent,
)

Packet = tuple[int, int, bytes, bool]
"""(timestamp, ssrc, payload, marker)."""


def press(  # noqa: PLR0917
    digit: str,
    timestamp: int,
    durations: Iterable[int] = (160, 320, 480),
    end: int = 640,
    ends: int = 3,
    marker: bool = True,
    ssrc: int = 1,
) -> list[Packet]:
    """The packets of one press: one for each duration, then `ends` with the end bit."""
    code = DIGITS.index(digit)
    events = [TelephoneEvent(code, False, 10, duration) for duration in durations]
    events += [TelephoneEvent(code, True, 10, end)] * ends
    return [
        (timestamp & 0xFFFFFFFF, ssrc, event.toBytes(), marker and i == 0)
        for i, event in enumerate(events)
    ]


class ReceiverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.receiver = TelephoneEventReceiver()
        self.now = 0.0

    def receive(self, packets: Iterable[Packet]) -> list[KeyPressed | KeyReleased]:
        """What these packets tell, one every 20 ms, deadlines met in between."""
        told: list[KeyPressed | KeyReleased] = []
        for timestamp, ssrc, payload, marker in packets:
            told += self.receiver.timeReached(self.now)
            told += self.receiver.packetReceived(timestamp, ssrc, payload, marker, self.now)
            self.now += 0.02
        return told

    def digits(self, packets: Iterable[Packet]) -> str:
        """The keys that went down."""
        told = self.receive(packets)
        return "".join(each.digit for each in told if isinstance(each, KeyPressed))

    def test_keyIsReportedAtItsFirstPacket(self) -> None:
        """The press at once, the release with the end bit, nothing for the rest (2.5.2)."""
        packets = press("5", 8000)
        self.assertEqual(self.receive(packets[:1]), [KeyPressed("5", 8000)])
        self.assertEqual(self.receive(packets[1:3]), [])
        self.assertEqual(self.receive(packets[3:]), [KeyReleased("5", 8000, 0.08)])
        self.assertIsNone(self.receiver.deadline)

    def test_dtmf_001(self) -> None:
        """Without markers a press is one timestamp: the same key twice is two, lost or not."""
        packets = press("4", 1000, marker=False) + press("4", 3000, marker=False)
        packets += press("2", 5000, (160,), 320)[1:]
        self.assertEqual(self.digits(packets), "442")

    def test_allKeys(self) -> None:
        """Codes 0 to 15 are the sixteen keys (3.2)."""
        packets = [each for i, key in enumerate(DIGITS) for each in press(key, 2000 * i)]
        self.assertEqual(self.digits(packets), "0123456789*#ABCD")

    def test_lostStart(self) -> None:
        """One packet that arrives is enough, whichever it is."""
        for i in range(6):
            self.receiver = TelephoneEventReceiver()
            self.assertEqual(self.digits(press("8", 9000)[i : i + 1]), "8")

    def test_lostEndIsMadeUpForAtTheDeadline(self) -> None:
        """Without its end packets a key is released when nothing comes for `patience`."""
        told = self.receive(press("9", 8000, ends=0))
        self.assertEqual(told, [KeyPressed("9", 8000)])
        deadline = self.receiver.deadline or 0.0
        self.assertAlmostEqual(deadline, 0.04 + 0.2)
        self.assertEqual(self.receiver.timeReached(deadline - 0.01), [])
        self.assertEqual(self.receiver.timeReached(deadline), [KeyReleased("9", 8000, 0.06)])
        self.assertEqual(self.receiver.timeReached(9.0), [])
        self.assertEqual(self.receive(press("9", 8000)), [])

    def test_nextPressReleasesTheOneBefore(self) -> None:
        """A key whose end was lost ends with the next press, before it in order."""
        told = self.receive(press("1", 0, ends=0) + press("2", 1600)[:1])
        self.assertEqual(
            told, [KeyPressed("1", 0), KeyReleased("1", 0, 0.06), KeyPressed("2", 1600)]
        )

    def test_durationZero(self) -> None:
        """A first packet that says 0 is a press; the length is the largest that was told."""
        told = self.receive(press("3", 0, (0, 160, 320), end=0))
        self.assertEqual(told, [KeyPressed("3", 0), KeyReleased("3", 0, 0.04)])

    def test_sameKeyTwiceWithoutPause(self) -> None:
        """Only the timestamp tells two presses of one key apart, also when the ends are lost."""
        self.assertEqual(self.digits(press("5", 0) + press("5", 640, marker=False)), "55")
        self.receiver = TelephoneEventReceiver()
        packets = press("5", 0, ends=0, marker=False) + press("5", 640, marker=False)
        self.assertEqual(self.digits(packets), "55")

    def test_repeatsAndReplayAreOnePress(self) -> None:
        """Each packet twice, all of them a hundred times, retransmitted ends: one press."""
        packets = press("6", 4000)
        twice = [each for packet in packets for each in (packet, packet)]
        self.assertEqual(self.digits(twice + packets[-1:] * 5 + packets * 100), "6")

    def test_replayAmongOtherPressesIsKnown(self) -> None:
        """An old press is known as such after many others."""
        old = press("1", 0)
        packets = [*old]
        for i in range(1, 100):
            packets += press("2", 2000 * i)
        self.assertEqual(self.digits([*packets, *old]), "1" + "2" * 99)

    def test_reorderedPackets(self) -> None:
        """Packets of a press that change places, stragglers behind the next press: two presses."""
        first, second = press("1", 0), press("2", 2000)
        first[0], first[1] = first[1], first[0]
        self.assertEqual(self.digits([*first[:5], second[0], first[5], *second[1:]]), "12")

    def test_longPressInSegments(self) -> None:
        """A press beyond 0xFFFF ticks goes on under a new timestamp: one key (2.5.1.3)."""
        first = press("#", 1000, range(160, 65441, 160), ends=0)
        second = press("#", 1000 + 0xFFFF, range(105, 3000, 160), end=5000, marker=False)
        told = self.receive(first + second)
        self.assertEqual(
            told, [KeyPressed("#", 1000), KeyReleased("#", 1000, (0xFFFF + 5000) / 8000)]
        )

    def test_aTimestampThatRunsWithinAPress(self) -> None:
        """Some senders let it: growing durations make one press, copies of the end too."""
        for first in (0, 160):  # what the first packet says
            self.setUp()
            running = [(1000 + 160 * n, first + 160 * n, n > 3) for n in range(5)]
            running += [(1000 + 160 * n, first + 640, True) for n in (5, 6)]
            packets = [
                (timestamp, 7, TelephoneEvent(6, end, 10, duration).toBytes(), n == 0)
                for n, (timestamp, duration, end) in enumerate(running)
            ]
            seconds = (first + 640) / 8000
            expected = [KeyPressed("6", 1000), KeyReleased("6", 1000, seconds)]
            self.assertEqual(self.receive(packets), expected)

    def test_newSourceIsANewPress(self) -> None:
        """The same timestamp under another SSRC is another press (2.3)."""
        self.assertEqual(self.digits(press("1", 0) + press("1", 0, ssrc=2)), "11")

    def test_timestampZeroAfterTheWrap(self) -> None:
        """0 is a timestamp like any other."""
        self.assertEqual(self.digits(press("5", -800) + press("6", 0)), "56")

    def test_otherClocks(self) -> None:
        """Durations are in ticks of the clock that was negotiated (2.1)."""
        for clock in (16000, 48000):
            self.receiver = TelephoneEventReceiver(clock)
            told = self.receive(press("*", 0, (clock // 50,), clock // 10))
            self.assertEqual(told[1], KeyReleased("*", 0, 0.1))

    def test_eventsThatAreNoKeysAreCounted(self) -> None:
        """Flash, fax tones and the like are not reported, nor do they end a key (3.2)."""
        other = TelephoneEvent(36, False, 10, 160).toBytes()
        packets = press("1", 0)
        packets.insert(2, (0, 1, other, True))
        self.assertEqual(self.digits(packets), "1")
        self.assertEqual(self.receiver.otherEvents, 1)

    def test_shortPayloadsAreCounted(self) -> None:
        """Fewer than four bytes are no event (2.3)."""
        self.assertEqual(self.digits([(0, 1, bytes(n), False) for n in range(4)]), "")
        self.assertEqual(self.receiver.malformed, 4)

    def test_floodIsLimited(self) -> None:
        """At most twenty presses a second are reported, the rest is counted."""
        packets = [each for i in range(1000) for each in press("1", 100 * i)[:1]]
        told = []
        for i, (timestamp, ssrc, payload, marker) in enumerate(packets):
            told += self.receiver.packetReceived(timestamp, ssrc, payload, marker, i / 500)
        presses = sum(isinstance(each, KeyPressed) for each in told)
        self.assertTrue(40 <= presses <= 60, presses)
        self.assertEqual(self.receiver.refused, 1000 - presses)

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.integers(0, 1),
                st.binary(max_size=6),
                st.booleans(),
                st.floats(0, 0.4),
            ),
            max_size=60,
        )
    )
    def test_pressesAndReleasesAlternate(
        self, packets: list[tuple[int, int, bytes, bool, float]]
    ) -> None:
        """Whatever comes, a key goes down before it comes up, and the deadline ends it."""
        receiver = TelephoneEventReceiver()
        told: list[KeyPressed | KeyReleased] = []
        now = 0.0
        for timestamp, ssrc, payload, marker, pause in packets:
            now += pause
            told += receiver.timeReached(now)
            told += receiver.packetReceived(timestamp, ssrc, payload, marker, now)
        told += receiver.timeReached(now + 1.0)
        self.assertIsNone(receiver.deadline)
        kinds = [type(each) for each in told]
        self.assertEqual(kinds, [KeyPressed, KeyReleased] * (len(told) // 2))


class SenderTests(SynchronousTestCase):
    def test_packetsOfAPress(self) -> None:
        """Marker first, durations that grow by a packet time, three ends (2.5.1)."""
        packets = list(TelephoneEventSender("1", 0.1))
        events = [parseTelephoneEvent(each.payload) for each in packets]
        self.assertEqual([each.marker for each in packets], [True] + [False] * 6)
        self.assertEqual([each.duration for each in events], [160, 320, 480, 640, 800, 800, 800])
        self.assertEqual([each.end for each in events], [False] * 4 + [True] * 3)
        self.assertEqual({each.code for each in events}, {1})
        self.assertEqual({each.volume for each in events}, {10})

    def test_shortestPressIsOnePacketTime(self) -> None:
        """A press shorter than a packet time is three ends, the first with the marker."""
        packets = list(TelephoneEventSender("d", 0.001, packetTime=30))
        self.assertEqual([each.marker for each in packets], [True, False, False])
        self.assertEqual(parseTelephoneEvent(packets[0].payload), (15, True, 10, 240))

    def test_stopSendsTheEndAtOnce(self) -> None:
        """A key that is let go early ends with the duration so far, three times."""
        sender = TelephoneEventSender("5", 2.0)
        for _ in range(3):
            sender.nextPacket()
        sender.stop()
        events = [parseTelephoneEvent(each.payload) for each in sender]
        self.assertEqual(events, [TelephoneEvent(5, True, 10, 480)] * 3)
        unsent = TelephoneEventSender("5", 2.0)
        unsent.stop()
        self.assertIsNone(unsent.nextPacket())

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 40), st.floats(0.0, 1.0))
    def test_aKeyThatIsHeldEndsWithTheDurationThatIsTold(self, sent: int, told: float) -> None:
        """But not before what was told already, nor below a packet time; then three ends."""
        sender = TelephoneEventSender("5", None)
        for _ in range(sent):
            sender.nextPacket()
        sender.release(told)
        events = [parseTelephoneEvent(each.payload) for each in sender]
        self.assertEqual(
            [each.end for each in events][-4:], [False, True, True, True][-len(events) :]
        )
        self.assertEqual(events[-1].duration, max(160, 160 * sent, round(told * 8000)))
        self.assertIsNone(sender.nextPacket())

    def test_badArgumentsAreNamed(self) -> None:
        """An unknown key, a volume or duration out of range: ValueError in words."""
        for digit, duration, volume, culprit in (
            ("x", 0.1, 10, "digit"),
            ("12", 0.1, 10, "digit"),
            ("", 0.1, 10, "digit"),
            ("1", 0.0, 10, "duration"),
            ("1", float("nan"), 10, "duration"),
            ("1", 0.1, 64, "volume"),
        ):
            with self.assertRaisesRegex(ValueError, culprit):
                TelephoneEventSender(digit, duration, volume=volume)

    @settings(max_examples=40, deadline=None)
    @given(
        st.sampled_from(DIGITS),
        st.floats(0.02, 12.0),
        st.sampled_from((8000, 16000)),
        st.sampled_from((10, 20, 30, 60)),
    )
    def test_whatIsSentIsReceived(
        self, digit: str, duration: float, clock: int, packetTime: int
    ) -> None:
        """Sender to receiver, segments and all: one press of that length."""
        receiver = TelephoneEventReceiver(clock)
        told: list[KeyPressed | KeyReleased] = []
        for i, packet in enumerate(
            TelephoneEventSender(digit, duration, clock=clock, packetTime=packetTime)
        ):
            timestamp = (0xFFFFFF00 + packet.timestampOffset) & 0xFFFFFFFF
            told += receiver.packetReceived(
                timestamp, 1, packet.payload, packet.marker, i * packetTime / 1000
            )
        pressed, released = told
        self.assertEqual(pressed, KeyPressed(digit, 0xFFFFFF00))
        assert isinstance(released, KeyReleased)
        wanted = max(duration, packetTime / 1000)
        self.assertLess(abs(released.duration - wanted), 1 / clock)


class PayloadTests(SynchronousTestCase):
    def test_reservedBitIsIgnored(self) -> None:
        """The bit between end and volume means nothing; surplus bytes neither (2.3)."""
        event = parseTelephoneEvent(bytes.fromhex("05ff00a0cafe"))
        self.assertEqual(event, TelephoneEvent(5, True, 63, 160))

    def test_shortPayloadIsRefused(self) -> None:
        """Fewer than four bytes: MalformedMessage."""
        self.assertRaises(MalformedMessage, parseTelephoneEvent, bytes(3))
