"""The server transaction of an INVITE (RFC 3261 17.2.1, RFC 6026 7.1)."""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import TransactionTimeout
from shtoom.sip.inviteserver import InviteServerTransaction
from shtoom.sip.states import State
from shtoom.sip.timers import Timers
from test.sip.properties import Move, checkDeadlines, moves
from test.sip.support import Bench, request

INVITE = request()
ACK = request("ACK", toTag="d1")
TRYING = INVITE.respond(100)
RINGING = INVITE.respond(180, toTag="d1")
OK = INVITE.respond(200, toTag="d1")
BUSY = INVITE.respond(486, toTag="d1")


class InviteServerTests(SynchronousTestCase):
    """Over UDP, in virtual time."""

    def setUp(self) -> None:
        """An INVITE has come."""
        self.machine = InviteServerTransaction(INVITE, False, Timers())
        self.bench = Bench(self.machine)
        self.bench.do("start")

    def again(self) -> None:
        """The INVITE comes again."""
        self.bench.do("requestReceived", INVITE)

    def test_deliversTheINVITE(self) -> None:
        """Once."""
        self.again()
        self.assertEqual(self.bench.delivered, [INVITE])

    def test_aSlowUserIsCoveredByA100(self) -> None:
        """If the user says nothing for 200 ms the transaction answers 100 itself (17.2.1)."""
        self.bench.runFor(5.0)
        self.assertEqual(self.bench.sent, [(0.2, "SIP/2.0 100 Trying")])

    def test_aFastUserNeedsNo100(self) -> None:
        """Any response within 200 ms does away with it."""
        self.bench.runFor(0.1)
        self.bench.do("respond", RINGING)
        self.bench.runFor(5.0)
        self.assertEqual(self.bench.lines, ["SIP/2.0 180 Ringing"])

    def test_repeatGetsTheLastProvisional(self) -> None:
        """A repeated INVITE is answered with the latest response (17.2.1)."""
        self.again()
        self.bench.do("respond", TRYING)
        self.again()
        self.bench.do("respond", RINGING)
        self.again()
        codes = [line.split()[1] for line in self.bench.lines]
        self.assertEqual(codes, ["100", "100", "180", "180"])

    def test_timerGRepeatsARefusalAndTimerHGivesUp(self) -> None:
        """A refusal goes out at 0, 0.5, 1.5, 3.5, then each 4 s; at 32 s without ACK it fails."""
        self.bench.do("respond", BUSY)
        self.bench.runFor(40.0)
        times = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        self.assertEqual(self.bench.times, times)
        (failure,) = self.bench.endings
        self.assertIsInstance(failure, TransactionTimeout)
        self.assertIn("no ACK", str(failure))
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_timerGRepeatsNoChallenge(self) -> None:
        """Who waits for it repeats the INVITE; whose address was forged hears it once."""
        for code in (401, 407):
            self.setUp()
            self.bench.do("respond", INVITE.respond(code, toTag="d1"))
            self.bench.runFor(5.0)
            self.assertEqual(self.bench.times, [0.0])
            self.again()
            self.assertEqual(self.bench.times, [0.0, 5.0])
            self.bench.runFor(30.0)
            self.assertEqual(len(self.bench.endings), 1)
            self.assertEqual((len(self.bench.sent), self.bench.clock.getDelayedCalls()), (2, []))

    def test_repeatAfterARefusalGetsItAgain(self) -> None:
        """At once, beside timer G (17.2.1)."""
        self.bench.do("respond", BUSY)
        self.bench.runFor(0.3)
        self.again()
        self.assertEqual(self.bench.times, [0.0, 0.3])

    def test_theACKStopsTimerG(self) -> None:
        """From then on nothing is sent, whatever comes again (17.2.1)."""
        self.bench.do("respond", BUSY)
        self.bench.runFor(0.1)
        self.bench.do("ackReceived", ACK)
        self.again()
        self.bench.do("ackReceived", ACK)
        self.bench.runFor(4.8)
        self.assertEqual((self.bench.times, self.bench.endings), ([0.0], []))
        self.assertIs(self.machine.state, State.CONFIRMED)

    def test_timerIAbsorbsACKs(self) -> None:
        """T4 after the ACK it ends, all being well (17.2.1)."""
        self.bench.do("respond", BUSY)
        self.bench.do("ackReceived", ACK)
        self.bench.runFor(5.1)
        self.assertEqual((self.bench.endings, self.bench.delivered), ([None], [INVITE]))

    def test_timerLAbsorbsRepeatsAfterA2xx(self) -> None:
        """For 64*T1 a repeated INVITE is neither answered nor handed up (RFC 6026 7.1)."""
        self.bench.do("respond", OK)
        for _ in range(3):
            self.bench.runFor(10.0)
            self.again()
        self.assertEqual((self.bench.times, self.bench.delivered), ([0.0], [INVITE]))
        self.assertEqual(self.bench.endings, [])
        self.bench.runFor(2.1)
        self.assertEqual(self.bench.endings, [None])

    def test_theUserRepeatsThe2xx(self) -> None:
        """It goes out each time that the user wants it; the machine repeats none (RFC 6026 7.1)."""
        self.bench.do("respond", OK)
        self.bench.runFor(0.5)
        self.bench.do("respond", OK)
        self.bench.runFor(20.0)
        self.assertEqual(self.bench.times, [0.0, 0.5])

    def test_anACKOfA2xxIsTheUsers(self) -> None:
        """One that comes with the branch of its INVITE is handed up (RFC 6026 7.1)."""
        self.bench.do("respond", OK)
        self.bench.do("ackReceived", ACK)
        self.assertEqual(self.bench.delivered, [INVITE, ACK])

    def test_theFirstFinalResponseCounts(self) -> None:
        """Another one, or a 1xx after it, is left out."""
        self.bench.do("respond", BUSY)
        for late in (OK, INVITE.respond(487, toTag="d1"), RINGING):
            self.assertEqual(self.bench.do("respond", late), [])
        accepted = InviteServerTransaction(INVITE, False, Timers())
        accepted.start(0.0)
        accepted.respond(OK, 0.0)
        self.assertEqual(accepted.respond(BUSY, 1.0), [])

    def test_anEarlyACKIsNothing(self) -> None:
        """Before any final response there is nothing to acknowledge."""
        self.assertEqual(self.bench.do("ackReceived", ACK), [])
        self.assertIs(self.machine.state, State.PROCEEDING)

    def test_theINVITEIsNotKept(self) -> None:
        """After the final response only bytes stay."""
        self.bench.do("respond", BUSY)
        self.assertIsNone(self.machine.request)

    def test_reliableTransportRepeats(self) -> None:
        """Over TCP timers G and I are zero; timer H holds (17.2.1)."""
        silent = Bench(InviteServerTransaction(INVITE, True, Timers()))
        silent.do("start")
        silent.do("respond", BUSY)
        silent.runFor(40.0)
        self.assertEqual(silent.times, [0.0])
        self.assertIsInstance(silent.endings[0], TransactionTimeout)
        well = Bench(InviteServerTransaction(INVITE, True, Timers()))
        well.do("start")
        well.do("respond", BUSY)
        well.do("ackReceived", ACK)
        self.assertEqual(well.endings, [None])

    @settings(max_examples=100, deadline=None)
    @given(
        moves(
            ("requestReceived", [INVITE]),
            ("respond", [TRYING, RINGING, OK, BUSY]),
            ("ackReceived", [ACK]),
        )
    )
    def test_anyOrderOfInputs(self, steps: list[Move]) -> None:
        """Any order ends with deadline None or in the future."""
        checkDeadlines(InviteServerTransaction(INVITE, False, Timers()), steps)
        checkDeadlines(InviteServerTransaction(INVITE, True, Timers()), steps)
