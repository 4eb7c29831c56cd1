"""Any order of messages, commands and time around a transfer: the rules of transfers.py hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Conditions
from test.races.anyorder import CONDITIONS
from test.races.transfers import AnyTransfer

some = st.lists(st.integers(0, 9999), max_size=14)


class AnyTransferTests(SynchronousTestCase):
    """A call that comes in, is up, and of which somebody else is to have the one end."""

    @settings(deadline=None, max_examples=15)
    @given(some, st.sampled_from(CONDITIONS), st.integers(0, 99))
    def test_anyOrder(self, moves: list[int], conditions: Conditions, seed: int) -> None:
        """One call, on a server of its own."""
        case = AnyTransfer()
        case.setUp()
        case.sound = self.sound
        try:
            case.play("inbound", moves, conditions, seed)
        finally:
            case.doCleanups()

    def setUp(self) -> None:
        self.sound = AnyTransfer().soundFile(0.5)
