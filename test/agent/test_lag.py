"""Is the reactor late? (RFC 7339 asks for a signal; what callers hear is the right one.)"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from doug.testing import VirtualReactor
from shtoom.agent.lag import BEAT, LATE, LONG, LagMeter, LagWatch
from test.support.logs import logLines

AWFULLY = LATE + 0.001


class MeterTests(SynchronousTestCase):
    """The measure by itself."""

    def beats(self, count: int, late: float, meter: LagMeter) -> list[bool]:
        """What it says after each of so many beats."""
        said = []
        for _ in range(count):
            meter.beat(late, BEAT + late)
            said.append(meter.overloaded)
        return said

    def test_lateForASecond(self) -> None:
        """Not before."""
        said = self.beats(20, AWFULLY, LagMeter())
        self.assertEqual(said.index(True), round(LONG / (BEAT + AWFULLY)))

    def test_lateByLessIsNone(self) -> None:
        """Jitter buffers hide it."""
        self.assertNotIn(True, self.beats(500, LATE, LagMeter()))

    def test_aSingleStallIsNone(self) -> None:
        """A machine that stood still for a minute is not overloaded when it goes on."""
        self.assertNotIn(True, [*self.beats(3, 60.0, LagMeter())])

    def test_itEndsAfterASecondOnTime(self) -> None:
        """Neither earlier nor later."""
        meter = LagMeter()
        self.beats(20, AWFULLY, meter)
        said = self.beats(100, 0.0, meter)
        self.assertEqual(said.index(False), round(LONG / BEAT) - 1)
        self.assertTrue(meter.isCalm)

    def test_aBeatNowAndThenIsNone(self) -> None:
        """A stall of a tenth of a second, each second."""
        meter = LagMeter()
        for _ in range(50):
            self.assertEqual(self.beats(1, 0.1, meter), [False])
            self.assertNotIn(True, self.beats(44, 0.0, meter))


class WatchTests(SynchronousTestCase):
    """The beat on a reactor."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.watch = LagWatch(self.reactor)
        self.logged = logLines(self)

    def struggle(self, seconds: float) -> None:
        """The reactor is held up again and again."""
        for _ in range(round(seconds / 0.1)):
            self.reactor.stall(0.1)
            self.reactor.advance(0.0)

    def test_itSleepsWhileNobodyAsks(self) -> None:
        """An idle server does nothing 50 times a second."""
        self.assertFalse(self.watch.isOverloaded())
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.reactor.advance(2.1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_overload(self) -> None:
        """Two lines of the log: when it begins, and when it is over, by itself."""
        self.watch.isOverloaded()
        self.struggle(1.5)
        self.assertTrue(self.watch.isOverloaded())
        [line] = self.logged
        self.assertIn("late by more than 60 ms", line)
        self.assertIn("now by 80", line)
        self.reactor.advance(1.2)
        self.assertFalse(self.watch.isOverloaded())
        self.assertIn("the overload is over after 1.", self.logged[-1])
        self.assertEqual(len(self.logged), 2)
        self.reactor.advance(2.1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_itEndsThoughNobodyAsks(self) -> None:
        """It watches on until the overload is over."""
        self.watch.isOverloaded()
        self.struggle(10.0)
        self.reactor.advance(1.2)
        self.assertEqual(len(self.logged), 2)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """For good."""
        self.watch.isOverloaded()
        self.watch.stop()
        self.watch.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertFalse(self.watch.isOverloaded())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
