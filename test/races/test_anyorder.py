"""Any order of messages, commands and time, on any network: the rules of anyorder.py hold."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Conditions
from test.races.anyorder import CONDITIONS, AnyCase

some = st.lists(st.integers(0, 9999), max_size=14)


class AnyOrderTests(SynchronousTestCase):
    """Both directions."""

    def setUp(self) -> None:
        case = AnyCase()
        self.sound = case.soundFile(0.5)

    def play(self, begin: str, moves: list[int], conditions: Conditions, seed: int) -> None:
        """One call, on a server of its own."""
        case = AnyCase()
        case.setUp()
        case.sound = self.sound
        try:
            case.play(begin, moves, conditions, seed)
        finally:
            case.doCleanups()

    @settings(deadline=None, max_examples=25)
    @given(some, st.sampled_from(CONDITIONS), st.integers(0, 99))
    def test_inbound(self, moves: list[int], conditions: Conditions, seed: int) -> None:
        """A call that comes in."""
        self.play("inbound", moves, conditions, seed)

    @settings(deadline=None, max_examples=25)
    @given(some, st.sampled_from(CONDITIONS), st.integers(0, 99))
    def test_outbound(self, moves: list[int], conditions: Conditions, seed: int) -> None:
        """A call that goes out."""
        self.play("outbound", moves, conditions, seed)
