"""The client transaction of an INVITE (RFC 3261 17.1.1, RFC 6026 7.2)."""

from __future__ import annotations

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import TransactionTimeout, TransportFailed
from shtoom.sip.effects import Deliver, Send
from shtoom.sip.inviteclient import InviteClientTransaction
from shtoom.sip.parser import parse
from shtoom.sip.states import State
from shtoom.sip.timers import Timers
from test.sip.properties import Move, checkDeadlines, moves
from test.sip.support import Bench, request

INVITE = request(more=[("Route", "<sip:p.example.net;lr>")])
RINGING = INVITE.respond(180, toTag="t1")
OK = INVITE.respond(200, toTag="t1")
BUSY = INVITE.respond(486, toTag="t1")
BROKEN = TransportFailed("Network is unreachable")
START = "INVITE sip:app@192.0.2.10 SIP/2.0"


class InviteClientTests(SynchronousTestCase):
    """Over UDP, in virtual time."""

    def setUp(self) -> None:
        """Builds the transaction and sends its INVITE."""
        self.machine = InviteClientTransaction(INVITE, False, Timers())
        self.bench = Bench(self.machine)
        self.bench.do("start")

    def receive(self, *responses: object) -> None:
        """Responses from the network."""
        for response in responses:
            self.bench.do("responseReceived", response)

    def test_timerADoublesAndTimerBGivesUp(self) -> None:
        """Unanswered, it goes out at 0, 0.5, 1.5 ... 31.5 s, then fails and leaves no timer."""
        self.bench.runFor(40.0)
        self.assertEqual(self.bench.times, [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
        (failure,) = self.bench.endings
        self.assertIsInstance(failure, TransactionTimeout)
        self.assertEqual(str(failure), "408 no response to INVITE sip:app@192.0.2.10 within 32 s")
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_timerBAtItsTime(self) -> None:
        """Not before 64*T1 have passed (17.1.1.2)."""
        self.bench.runFor(31.9)
        self.assertEqual(self.bench.endings, [])
        self.bench.runFor(0.2)
        self.assertEqual(len(self.bench.endings), 1)

    def test_provisionalEndsTimersAAndB(self) -> None:
        """After a 1xx nothing is repeated, and the callee may take all the time (17.1.1.2)."""
        self.bench.runFor(1.0)
        self.receive(RINGING)
        self.bench.runFor(600.0)
        self.assertEqual(self.bench.times, [0.0, 0.5])
        self.assertEqual((self.bench.endings, self.machine.deadline), ([], None))

    def test_eachProvisionalIsDelivered(self) -> None:
        """All 1xx go to the user (17.1.1.2)."""
        self.receive(INVITE.respond(100), RINGING, RINGING)
        self.assertEqual(len(self.bench.delivered), 3)

    def test_refusalIsAcknowledged(self) -> None:
        """A 300..699 gets its ACK from the transaction, and goes to the user once (17.1.1.2)."""
        self.receive(BUSY)
        self.assertEqual(self.bench.lines, [START, START.replace("INVITE", "ACK")])
        self.assertEqual(self.bench.delivered, [BUSY])
        self.assertIs(self.machine.state, State.COMPLETED)

    def test_theACK(self) -> None:
        """Same branch, Request-URI, Route, From, Call-ID; the To of the response (17.1.1.3)."""
        effect = self.machine.responseReceived(BUSY, 0.0)[0]
        assert isinstance(effect, Send)
        assert isinstance(effect.message, bytes)
        ack = parse(effect.message)
        self.assertEqual(ack.via, INVITE.via)
        self.assertEqual(len(ack.vias), 1)
        self.assertEqual(ack.cseq, (1, "ACK"))
        self.assertEqual(ack.toAddress.tag, "t1")
        self.assertEqual(ack.header("Route"), "<sip:p.example.net;lr>")
        self.assertEqual(ack.body, b"")

    def test_timerDAbsorbsRepeats(self) -> None:
        """For 32 s each repeat of the refusal gets the ACK again; then it ends (17.1.1.2)."""
        self.receive(BUSY)
        for _ in range(3):
            self.bench.runFor(10.0)
            self.receive(BUSY)
        self.assertEqual(self.bench.lines.count(START.replace("INVITE", "ACK")), 4)
        self.assertEqual(self.bench.delivered, [BUSY])
        self.bench.runFor(2.5)
        self.assertEqual((self.bench.endings, self.machine.deadline), ([None], None))

    def test_timerMKeepsItForEach2xx(self) -> None:
        """After a 2xx it lives for 64*T1 and hands up all 2xx; it ACKs none (RFC 6026 7.2)."""
        fork = INVITE.respond(200, toTag="t2")
        self.receive(RINGING, OK)
        self.bench.runFor(31.0)
        self.receive(OK, fork)
        self.assertEqual(self.bench.delivered, [RINGING, OK, OK, fork])
        self.assertEqual(self.bench.lines, [START])
        self.bench.runFor(1.1)
        self.assertEqual(self.bench.endings, [None])

    def test_lateResponsesAreHarmless(self) -> None:
        """1xx and refusals after the 2xx, 1xx and 2xx after the refusal: nothing happens."""
        self.receive(OK, RINGING, BUSY)
        other = Bench(InviteClientTransaction(INVITE, False, Timers()))
        other.do("start")
        for response in (BUSY, RINGING, OK):
            other.do("responseReceived", response)
        self.assertEqual(self.bench.delivered, [OK])
        self.assertEqual(other.delivered, [BUSY])

    def test_cancelledIsGivenUp(self) -> None:
        """64*T1 after the CANCEL without a final response it is over (9.1)."""
        self.receive(RINGING)
        self.bench.runFor(100.0)
        self.bench.do("cancelled")
        self.bench.runFor(10.0)
        self.receive(RINGING)
        self.bench.runFor(21.9)
        self.assertEqual(self.bench.endings, [])
        self.bench.runFor(0.2)
        (failure,) = self.bench.endings
        self.assertIsInstance(failure, TransactionTimeout)
        self.assertIn("CANCEL", str(failure))

    def test_cancelledAndRefused(self) -> None:
        """The 487 after a CANCEL ends it as any refusal does."""
        self.receive(RINGING)
        self.bench.do("cancelled")
        self.receive(INVITE.respond(487, toTag="t1"))
        self.bench.runFor(40.0)
        self.assertEqual(self.bench.endings, [None])

    def test_transportFailureIsReportedOnALaterTurn(self) -> None:
        """A transport that fails ends it with its words, but not within the call (17.1.4)."""
        bench = Bench(InviteClientTransaction(INVITE, False, Timers()))
        bench.sendFails = BROKEN
        bench.do("start")
        self.assertEqual(bench.endings, [])
        bench.runFor(0.0)
        self.assertEqual(bench.endings, [BROKEN])

    def test_failureOfARepeatEndsIt(self) -> None:
        """So does one that fails later."""
        self.bench.sendFails = BROKEN
        self.bench.runFor(0.6)
        self.assertEqual((self.bench.times, self.bench.endings), ([0.0, 0.5], [BROKEN]))

    def test_failureOfTheACKDoesNot(self) -> None:
        """An ACK that is lost is asked for again."""
        self.bench.sendFails = BROKEN
        self.receive(BUSY)
        self.bench.runFor(1.0)
        self.assertEqual(self.bench.endings, [])

    def test_theINVITEIsNotKept(self) -> None:
        """After a refusal, and after the ACK of a 2xx, only what may be sent again stays."""
        self.receive(BUSY)
        self.assertIsNone(self.machine.request)
        accepted = InviteClientTransaction(INVITE, False, Timers())
        accepted.start(0.0)
        accepted.responseReceived(OK, 1.0)
        self.assertIs(accepted.request, INVITE)
        accepted.acknowledged()
        self.assertIsNone(accepted.request)

    @settings(max_examples=100, deadline=None)
    @given(
        moves(
            ("responseReceived", [INVITE.respond(100), RINGING, OK, BUSY]),
            ("transportFailed", [BROKEN]),
            ("cancelled", [None]),
        )
    )
    def test_anyOrderOfInputs(self, steps: list[Move]) -> None:
        """Any order ends with deadline None or in the future."""
        checkDeadlines(InviteClientTransaction(INVITE, False, Timers()), steps)
        checkDeadlines(InviteClientTransaction(INVITE, True, Timers()), steps)


class ReliableInviteClientTests(SynchronousTestCase):
    """Over TCP: the transport repeats (17.1.1.2)."""

    def setUp(self) -> None:
        """Builds the transaction and sends its INVITE."""
        self.machine = InviteClientTransaction(INVITE, True, Timers())
        self.bench = Bench(self.machine)
        self.bench.do("start")

    def test_noTimerA(self) -> None:
        """The INVITE goes out once; timer B holds."""
        self.bench.runFor(40.0)
        self.assertEqual(self.bench.times, [0.0])
        self.assertIsInstance(self.bench.endings[0], TransactionTimeout)

    def test_timerDIsZero(self) -> None:
        """A refusal is acknowledged, delivered, and that is the end."""
        effects = self.bench.do("responseReceived", BUSY)
        self.assertEqual([type(e).__name__ for e in effects], ["Send", "Deliver", "Ended"])
        self.assertIsInstance(effects[1], Deliver)
        self.assertEqual((self.machine.deadline, self.machine.request), (None, None))
