"""The timers as a value (RFC 3261 17, table 4)."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.timers import DEFAULT_TIMERS, Timers


class TimersTests(SynchronousTestCase):
    """Values and what follows from them."""

    def test_recommendedValues(self) -> None:
        """T1 0.5 s, T2 4 s, T4 5 s, timer D 32 s; 64*T1 is 32 s (table 4)."""
        t = Timers()
        self.assertEqual((t.t1, t.t2, t.t4, t.d), (0.5, 4.0, 5.0, 32.0))
        self.assertEqual((t.patience, t.i, t.k), (32.0, 5.0, 5.0))
        self.assertEqual(t, DEFAULT_TIMERS)

    def test_derivedValuesFollow(self) -> None:
        """Another T1 or T4 moves all that is defined by it."""
        t = Timers(t1=0.1, t4=1.0)
        self.assertAlmostEqual(t.patience, 6.4)
        self.assertEqual((t.i, t.k), (1.0, 1.0))

    def test_valueIsFrozen(self) -> None:
        """Nobody changes the timers of others."""
        with self.assertRaises(FrozenInstanceError):
            DEFAULT_TIMERS.t1 = 1.0  # type: ignore[misc]

    def test_zeroIsRefused(self) -> None:
        """A timer of no seconds would repeat for ever at once; the error names it."""
        for name in ("t1", "t2", "t4", "d"):
            for value in (0.0, -1.0, float("nan")):
                with self.assertRaisesRegex(ValueError, f"{name}: wanted more than 0"):
                    Timers(**{name: value})
