"""The client transaction of other requests (RFC 3261 17.1.2)."""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import TransactionTimeout, TransportFailed
from shtoom.sip.client import NonInviteClientTransaction
from shtoom.sip.states import State
from shtoom.sip.timers import Timers
from test.sip.properties import Move, checkDeadlines, moves
from test.sip.support import Bench, request

BYE = request("BYE", toTag="t1", number=2)
TRYING = BYE.respond(100)
OK = BYE.respond(200)
BROKEN = TransportFailed("Network is unreachable")


class NonInviteClientTests(SynchronousTestCase):
    """Over UDP, in virtual time."""

    def setUp(self) -> None:
        """Builds the transaction and sends its BYE."""
        self.machine = NonInviteClientTransaction(BYE, False, Timers())
        self.bench = Bench(self.machine)
        self.bench.do("start")

    def test_timerEDoublesUpToT2AndTimerFGivesUp(self) -> None:
        """Unanswered, it goes out at 0, 0.5, 1.5, 3.5, then each 4 s, and fails at 32 s."""
        self.bench.runFor(40.0)
        times = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        self.assertEqual(self.bench.times, times)
        (failure,) = self.bench.endings
        self.assertIsInstance(failure, TransactionTimeout)
        self.assertEqual(str(failure), "408 no response to BYE sip:app@192.0.2.10 within 32 s")
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_provisionalSlowsTimerEDown(self) -> None:
        """After a 1xx, from the repeat that is due, it is repeated each T2 (17.1.2.2)."""
        self.bench.runFor(0.1)
        self.bench.do("responseReceived", TRYING)
        self.bench.runFor(12.0)
        self.assertEqual(self.bench.times, [0.0, 0.5, 4.5, 8.5])
        self.assertEqual(self.bench.delivered, [TRYING])

    def test_timerFHoldsAfterAProvisional(self) -> None:
        """A 1xx does not prolong it (17.1.2.2)."""
        self.bench.do("responseReceived", TRYING)
        self.bench.runFor(32.1)
        self.assertIsInstance(self.bench.endings[0], TransactionTimeout)

    def test_timerKAbsorbsRepeats(self) -> None:
        """The final response goes to the user once; T4 later it ends (17.1.2.2)."""
        self.bench.runFor(1.0)
        for response in (OK, OK, TRYING):
            self.bench.do("responseReceived", response)
        self.assertEqual((self.bench.delivered, self.bench.times), ([OK], [0.0, 0.5]))
        self.assertIsNone(self.machine.request)
        self.bench.runFor(4.9)
        self.assertEqual(self.bench.endings, [])
        self.bench.runFor(0.2)
        self.assertEqual(self.bench.endings, [None])
        self.assertEqual(self.bench.times, [0.0, 0.5])

    def test_refusalIsAFinalResponseToo(self) -> None:
        """No response of this transaction is acknowledged (17.1.2)."""
        self.bench.do("responseReceived", BYE.respond(481))
        self.assertEqual(len(self.bench.sent), 1)
        self.assertIs(self.machine.state, State.COMPLETED)

    def test_transportFailureIsReportedOnALaterTurn(self) -> None:
        """A transport that fails ends it with its words, but not within the call (17.1.4)."""
        bench = Bench(NonInviteClientTransaction(BYE, False, Timers()))
        bench.sendFails = BROKEN
        bench.do("start")
        self.assertEqual(bench.endings, [])
        bench.runFor(0.0)
        self.assertEqual(bench.endings, [BROKEN])
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_reliableTransportRepeats(self) -> None:
        """Over TCP timers E and K are zero; timer F holds (17.1.2.2)."""
        silent = Bench(NonInviteClientTransaction(BYE, True, Timers()))
        silent.do("start")
        silent.runFor(40.0)
        self.assertEqual(silent.times, [0.0])
        self.assertIsInstance(silent.endings[0], TransactionTimeout)
        answered = Bench(NonInviteClientTransaction(BYE, True, Timers()))
        answered.do("start")
        answered.do("responseReceived", OK)
        self.assertEqual((answered.delivered, answered.endings), ([OK], [None]))

    @settings(max_examples=100, deadline=None)
    @given(
        moves(
            ("responseReceived", [TRYING, OK, BYE.respond(481)]),
            ("transportFailed", [BROKEN]),
        )
    )
    def test_anyOrderOfInputs(self, steps: list[Move]) -> None:
        """Any order ends with deadline None or in the future."""
        checkDeadlines(NonInviteClientTransaction(BYE, False, Timers()), steps)
        checkDeadlines(NonInviteClientTransaction(BYE, True, Timers()), steps)
