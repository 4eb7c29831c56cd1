"""One line a second for each reason."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.quietlog import QuietLog
from test.sip.support import Keeper


class QuietLogTests(SynchronousTestCase):
    """A flood of lines on a Clock."""

    def setUp(self) -> None:
        """A log whose events are kept."""
        self.clock = Clock()
        self.kept = Keeper()
        self.quiet = QuietLog(Logger(observer=self.kept), self.clock.seconds)

    @property
    def lines(self) -> list[str]:
        """What was written."""
        return [formatEvent(event) for event in self.kept.events]

    def test_oneLineASecond(self) -> None:
        """The next one says how many were left out."""
        for n in range(500):
            self.quiet.warn("flood", "number {n}", n=n)
        self.clock.advance(1.0)
        self.quiet.warn("flood", "number {n}", n=500)
        self.clock.advance(1.0)
        self.quiet.warn("flood", "number {n}", n=501)
        self.assertEqual(
            self.lines, ["number 0", "number 500 (and 499 more like it before)", "number 501"]
        )

    def test_reasonsDoNotHideEachOther(self) -> None:
        """Each has a second of its own."""
        self.quiet.warn("a", "one")
        self.quiet.warn("b", "two")
        self.quiet.failure("a", "three", Failure(RuntimeError("x")))
        self.quiet.failure("c", "four", Failure(RuntimeError("x")))
        self.assertEqual(self.lines, ["one", "two", "four"])
        self.assertIn("log_failure", self.kept.events[2])
