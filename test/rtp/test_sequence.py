"""Sequence numbers, loss and jitter: RFC 3550 A.1, A.3, A.8."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.rtp.sequence import SequenceTracker, extend16


def fed(sequences: list[int]) -> SequenceTracker:
    """A tracker after these packets, 20 ms of time and timestamp from one to the next."""
    tracker = SequenceTracker()
    for i, sequence in enumerate(sequences):
        tracker.packetReceived(sequence & 0xFFFF, 160 * i, 0.02 * i)
    return tracker


class ExtendTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 1 << 40), st.integers(-0x8000, 0x7FFF))
    def test_nearestNumberIsMeant(self, near: int, step: int) -> None:
        """Of all numbers that end in these bits, the nearest (A.1)."""
        self.assertEqual(extend16((near + step) & 0xFFFF, near), near + step)


class SequenceTrackerTests(SynchronousTestCase):
    def test_wrapLosesNothing(self) -> None:
        """65535 is followed by 0; the highest number goes on growing (A.1)."""
        tracker = fed(list(range(65530, 65546)))
        self.assertEqual((tracker.lost, tracker.highest), (0, 65545))

    def test_gapCountsAsLossUntilFilled(self) -> None:
        """A missing packet is lost; if it comes later, it was re-ordered (A.3)."""
        self.assertEqual(fed([10, 11, 13]).lost, 1)
        late = fed([10, 11, 13, 12])
        self.assertEqual((late.lost, late.reordered, late.duplicates), (0, 1, 0))

    def test_firstPacketsMayComeInAnyOrder(self) -> None:
        """A packet before the first that arrived belongs to the stream, across the wrap too."""
        tracker = fed([0, 65535, 1])
        self.assertEqual((tracker.expected, tracker.lost, tracker.reordered), (3, 0, 1))

    def test_repeatsHideNoLoss(self) -> None:
        """A packet that comes twice does not make up for one that never came."""
        tracker = fed([1, 2, 2, 2, 4])
        self.assertEqual((tracker.duplicates, tracker.lost, tracker.received), (2, 1, 5))

    def test_oneStrayIsIgnored(self) -> None:
        """A single packet far off moves nothing (A.1, MAX_DROPOUT)."""
        tracker = fed([1, 2, 30000, 3])
        self.assertEqual((tracker.lost, tracker.highest, tracker.restarts), (0, 3, 0))

    def test_twoInARowAreARestart(self) -> None:
        """A jump confirmed by its next packet begins anew, and no packet was lost by it (A.1)."""
        tracker = fed([1, 2, 30000, 30001, 30003])
        self.assertEqual((tracker.lost, tracker.highest, tracker.restarts), (1, 30003, 1))

    def test_packetsCountedInBulkAreInSequence(self) -> None:
        """followed(n) is the same as n packets, one behind the other."""
        tracker = fed([65530])
        tracker.followed(200)
        self.assertFalse(tracker.packetReceived((65530 + 200) & 0xFFFF, 0, 0.0))
        self.assertEqual((tracker.lost, tracker.highest), (0, 65730))
        with self.assertRaises(ValueError):
            SequenceTracker().followed(1)

    def test_fractionIsOfTheInterval(self) -> None:
        """Fraction lost is in 1/256 since the last report (A.3)."""
        tracker = fed([0, 1, 2, 3])
        self.assertEqual(tracker.fractionLost(), 0)
        for sequence in (5, 7):
            tracker.packetReceived(sequence, 0, 0.0)
        self.assertEqual(tracker.fractionLost(), 128)
        self.assertEqual(tracker.fractionLost(), 0)

    def test_evenArrivalHasNoJitter(self) -> None:
        """Packets that arrive as they were sent have no jitter, wrap or not (A.8)."""
        tracker = SequenceTracker()
        for i in range(100):
            tracker.packetReceived(i, (0xFFFFFFF0 + 160 * i) & 0xFFFFFFFF, 5.0 + 0.02 * i)
        self.assertAlmostEqual(tracker.jitter, 0.0, places=3)

    def test_jitterNearsTheMeanDeviation(self) -> None:
        """Alternating 0 and 5 ms of delay is a jitter of 40 ticks at 8000 Hz (A.8)."""
        tracker = SequenceTracker()
        for i in range(400):
            tracker.packetReceived(i, 160 * i, 0.02 * i + 0.005 * (i % 2))
        self.assertLess(abs(tracker.jitter - 40.0), 1.0)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)), max_size=60))
    def test_anyNumbersAreTaken(self, numbers: list[tuple[int, int]]) -> None:
        """No order of numbers raises, and loss is never below zero."""
        tracker = SequenceTracker()
        for i, (sequence, timestamp) in enumerate(numbers):
            tracker.packetReceived(sequence, timestamp, 0.001 * i)
        self.assertGreaterEqual(tracker.lost, 0)
        self.assertTrue(0 <= tracker.fractionLost() <= 255)
