"""Settings of the process: the clock, the interpreter's lock, the garbage collector."""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from doug.process import HURRY, SWITCH_INTERVAL, stopOnce, tune


class TuneTests(SynchronousTestCase):
    """What plug-in and scripts do before the reactor runs."""

    def setUp(self) -> None:
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())

    def test_theReactorGoesByAClockThatIsNeverSetBack(self) -> None:
        """Wall time would stop every timer when it is."""
        reactor = Clock()
        tune(reactor)
        self.assertIs(reactor.seconds, time.monotonic)

    def test_timersThatAreSetAlreadyAreNotLost(self) -> None:
        """They were reckoned by the other clock, so that one stays."""
        reactor = Clock()
        reactor.callLater(5, int)
        tune(reactor)
        self.assertIsNot(reactor.seconds, time.monotonic)

    def test_theSameSignalTwice(self) -> None:
        """The second one finds a reactor that is stopping: no exception, one stop, and HURRY."""
        stopped: list[str] = []

        class Stopping(Clock):
            def stop(self) -> None:
                if stopped:
                    raise ReactorNotRunning("Can't stop reactor that isn't running.")
                stopped.append("once")

            def fireSystemEvent(self, eventType: str) -> None:
                stopped.append(eventType)

        reactor: Any = Stopping()
        stopOnce(reactor)
        reactor.stop()
        self.assertEqual(stopped, ["once"])
        reactor.stop()
        self.assertEqual(stopped, ["once", HURRY])

    def test_threadsAndCollectionsDoNotHoldTheBeat(self) -> None:
        """A short switch interval; what start-up made is never looked at again."""
        tune(Clock())
        self.assertAlmostEqual(sys.getswitchinterval(), SWITCH_INTERVAL, places=6)
        self.assertGreater(gc.get_freeze_count(), 1000)
        self.assertGreater(gc.get_threshold()[0], 5_000)
