"""The soak in small: some virtual seconds of random calls; the long form is test.long.soak."""

from __future__ import annotations

import os

from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from test.long.soak import EACH, ENOUGH, Sample, Soak
from test.long.soakapps import INTENDED

CALLERS, SECONDS = 12, 40.0


class SoakTests(SynchronousTestCase):
    def test_nothingGoesWrong(self) -> None:
        """No traceback but those on purpose, no call that will not end, nothing left behind."""
        folder = self.mktemp()
        os.mkdir(folder)
        soak = Soak(CALLERS, 7, folder)

        @implementer(ILogObserver)
        def observe(event: dict[str, object]) -> None:
            soak.observe(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        soak.run(SECONDS)
        self.assertEqual(soak.found, [])
        self.assertEqual(sum(caller.stuck for caller in soak.callers), 0)
        self.assertEqual(soak.leftovers(), "")
        self.assertGreater(soak.calls, 2 * CALLERS)
        self.flushLoggedErrors(*INTENDED, TypeError)

    def test_growth(self) -> None:
        """Of the second half, that the first filled caches does not count; too few tell nothing."""
        folder = self.mktemp()
        os.mkdir(folder)
        soak = Soak(1, 7, folder)
        for number in range(1, ENOUGH + 1):
            self.assertIsNone(soak.growth)
            calls, full = number * EACH, min(number, ENOUGH // 2)
            noise = 30_000 * (-1) ** number
            soak.samples.append(Sample(calls, 50_000_000 + full * 10**6 + 250 * calls + noise, 0))
        assert soak.growth is not None
        self.assertLess(abs(soak.growth - 250), 10)
        self.assertEqual(soak.leftovers(), "")
