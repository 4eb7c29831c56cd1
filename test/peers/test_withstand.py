"""A call goes on while the server is flooded, fed rubbish and let down by its application."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from test.long.withstand import withstand


class WithstandTests(SynchronousTestCase):
    """The run of test.long.withstand, a tenth as long; the gaps are measured there."""

    timeout = 60

    def test_noPacketOfTheCallIsLost(self) -> None:
        """What was sent was read and answered, and each hook of the application has failed."""
        parts = withstand(2000, 400, 12, seed=2)
        self.assertEqual(len(parts), 4)
        for part in parts:
            self.assertGreater(part.packets, 40, part)
            self.assertEqual(part.lost, 0, part)
            self.assertLess(part.dropped, 24, part)
        self.assertGreater(parts[1].answers, 1900)
        self.assertGreater(parts[2].answers, 40)
        self.assertGreater(parts[3].answers, 6)
