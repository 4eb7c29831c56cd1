"""A call goes on while the server is flooded, fed rubbish and let down by its application."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from test.long.withstand import MOST_DROPPED, withstand


class WithstandTests(SynchronousTestCase):
    """The run of test.long.withstand, short and slow; rates and gaps are measured there."""

    timeout = 60

    def test_noPacketOfTheCallIsLost(self) -> None:
        """What was sent was read and answered, and each hook of the application has failed."""
        parts = withstand(1000, 400, 12, seed=2, optionsRate=500.0)
        for part in parts:
            self.assertGreater(part.packets, 40, part)
            self.assertEqual(part.lost, 0, part)
            self.assertLessEqual(part.dropped, MOST_DROPPED * part.sent, part)
        _, pings, rubbish, plain, faults = parts
        self.assertGreater(pings.answers, 0.9 * pings.sent)
        self.assertGreater(rubbish.answers, 0.1 * rubbish.sent)
        self.assertEqual(plain.answers, 1)
        self.assertGreater(faults.answers, 0.5 * faults.sent)
