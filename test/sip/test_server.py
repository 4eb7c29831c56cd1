"""The server transaction of other requests (RFC 3261 17.2.2)."""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.server import NonInviteServerTransaction
from shtoom.sip.states import State
from shtoom.sip.timers import Timers
from test.sip.properties import Move, checkDeadlines, moves
from test.sip.support import Bench, request

BYE = request("BYE", toTag="d1", number=2)
TRYING = BYE.respond(100)
OK = BYE.respond(200)


class NonInviteServerTests(SynchronousTestCase):
    """Over UDP, in virtual time."""

    def setUp(self) -> None:
        """A BYE has come."""
        self.machine = NonInviteServerTransaction(BYE, False, Timers())
        self.bench = Bench(self.machine)
        self.bench.do("start")

    def again(self) -> None:
        """The BYE comes again."""
        self.bench.do("requestReceived", BYE)

    def test_repeatBeforeAnyResponseIsAbsorbed(self) -> None:
        """It is handed up once, and nothing is sent for it (17.2.2)."""
        self.again()
        self.assertEqual((self.bench.delivered, self.bench.sent), ([BYE], []))

    def test_repeatGetsTheLastResponse(self) -> None:
        """The 1xx, later the final one (17.2.2)."""
        self.bench.do("respond", TRYING)
        self.again()
        self.bench.do("respond", OK)
        self.again()
        self.again()
        codes = [line.split()[1] for line in self.bench.lines]
        self.assertEqual(codes, ["100", "100", "200", "200", "200"])

    def test_timerJKeepsTheLastResponse(self) -> None:
        """For 64*T1, and nothing is sent unasked (17.2.2)."""
        self.bench.do("respond", OK)
        self.bench.runFor(31.9)
        self.again()
        self.assertEqual((self.bench.times, self.bench.endings), ([0.0, 31.9], []))
        self.bench.runFor(0.2)
        self.assertEqual(self.bench.endings, [None])
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_theFirstFinalResponseCounts(self) -> None:
        """What the user says afterwards is left out (17.2.2)."""
        self.bench.do("respond", OK)
        self.bench.do("respond", BYE.respond(500))
        self.bench.do("respond", TRYING)
        self.again()
        self.assertEqual(self.bench.lines, ["SIP/2.0 200 OK"] * 2)

    def test_theRequestIsNotKept(self) -> None:
        """After the final response only bytes stay."""
        self.bench.do("respond", OK)
        self.assertIsNone(self.machine.request)

    def test_reliableTransportRepeats(self) -> None:
        """Over TCP timer J is zero (17.2.2)."""
        bench = Bench(NonInviteServerTransaction(BYE, True, Timers()))
        bench.do("start")
        bench.do("respond", OK)
        self.assertEqual((bench.lines, bench.endings), (["SIP/2.0 200 OK"], [None]))
        self.assertIs(bench.machine.state, State.TERMINATED)

    @settings(max_examples=100, deadline=None)
    @given(moves(("requestReceived", [BYE]), ("respond", [TRYING, OK, BYE.respond(500)])))
    def test_anyOrderOfInputs(self, steps: list[Move]) -> None:
        """Any order ends with deadline None or in the future."""
        checkDeadlines(NonInviteServerTransaction(BYE, False, Timers()), steps)
        checkDeadlines(NonInviteServerTransaction(BYE, True, Timers()), steps)
