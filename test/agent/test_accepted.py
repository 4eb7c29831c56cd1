"""The 2xx that is repeated until its ACK: the machine alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.accepted import AcceptedResponse
from shtoom.exceptions import TransactionTimeout
from shtoom.sip.effects import Effect, Ended, Send
from shtoom.sip.headers import Headers
from shtoom.sip.message import Response
from shtoom.sip.timers import Timers

OK = Response(200, None, Headers())


class AcceptedResponseTests(SynchronousTestCase):
    """RFC 3261 13.3.1.4. setUp makes the machine with T1 = 0.5 s, T2 = 4 s."""

    def setUp(self) -> None:
        self.machine = AcceptedResponse(OK, Timers())
        self.sent: list[float] = []
        self.ended: list[Ended] = []

    def perform(self, effects: list[Effect], now: float) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.append(now)
            elif isinstance(effect, Ended):
                self.ended.append(effect)

    def runOut(self) -> None:
        """Wakes the machine at each of its deadlines."""
        while self.machine.deadline is not None:
            now = self.machine.deadline
            self.perform(self.machine.timeReached(now), now)

    def test_theIntervalDoublesUpToT2AndEndsAfter64T1(self) -> None:
        """Sent at 0, 0.5, 1.5, 3.5, 7.5 and then every 4 s, for 32 s, then it gives up in words."""
        self.perform(self.machine.start(0.0), 0.0)
        self.runOut()
        self.assertEqual(self.sent, [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
        (end,) = self.ended
        self.assertIsInstance(end.failure, TransactionTimeout)
        self.assertIn("no ACK came within 32 s", str(end.failure))

    def test_afterTheACKNothingIsRepeated(self) -> None:
        """stop() leaves no deadline, and a late wake-up does nothing."""
        self.perform(self.machine.start(0.0), 0.0)
        self.machine.stop()
        self.assertIsNone(self.machine.deadline)
        self.assertEqual(self.machine.timeReached(40.0), [])

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.floats(0.0, 9.0), max_size=20))
    def test_theDeadlineIsAlwaysAheadOrGone(self, pauses: list[float]) -> None:
        """However late it is woken, it sends at most once a wake-up and asks for a later time."""
        machine, now = AcceptedResponse(OK, Timers()), 0.0
        machine.start(now)
        for pause in pauses:
            now += pause
            self.assertLessEqual(len(machine.timeReached(now)), 1)
            if machine.deadline is not None:
                self.assertGreater(machine.deadline, now)
