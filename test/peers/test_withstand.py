"""A call goes on while the server is flooded, fed rubbish and let down by its application."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from test.long.withstand import withstand


class WithstandTests(SynchronousTestCase):
    """The run of test.long.withstand, a tenth as long; the gaps are measured there."""

    timeout = 60

    def test_noPacketOfTheCallIsLost(self) -> None:
        parts = withstand(2000, 1000, 12, seed=2)
        self.assertEqual(len(parts), 4)
        for part in parts:
            self.assertGreater(part.packets, 40, part)
            self.assertEqual(part.lost, 0, part)
