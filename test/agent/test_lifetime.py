"""What is left of a call, and that every call can end: RFC 3261's half minute and all orders."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.call import Call
from shtoom.agent.hangup import CallState
from shtoom.exceptions import UserBusy
from test.agent.support import ANSWER, OFFER, AgentTestCase, Listener


class LifetimeTests(AgentTestCase):
    """Once a call is over nothing keeps it, nor its user, while its transactions live on."""

    def setUp(self) -> None:
        super().setUp()
        gc.disable()
        self.addCleanup(gc.enable)

    def assertFreed(self, drive: Callable[[], tuple[Call, Listener]]) -> None:
        """Runs a call to its end and counts on reference counts alone."""
        call, listener = drive()
        self.assertIs(call.state, CallState.ENDED)
        self.assertGreater(len(self.agent.layer), 0)
        self.board.calls.clear()
        self.board.listeners.clear()
        listener.on.clear()
        assert call.request is not None
        ghosts = weakref.ref(call), weakref.ref(listener), weakref.ref(call.request)
        del call, listener
        self.assertEqual((ghosts[0](), ghosts[1](), ghosts[2]()), (None, None, None))

    def take(self) -> tuple[Call, Listener]:
        return self.board.calls[-1], self.board.listeners[-1]

    def test_theCallerHangsUp(self) -> None:
        """Answered, acknowledged, BYE."""

        def drive() -> tuple[Call, Listener]:
            caller, _, _ = self.establish()
            caller.bye()
            return self.take()

        self.assertFreed(drive)

    def test_weHangUp(self) -> None:
        """Our BYE is answered."""

        def drive() -> tuple[Call, Listener]:
            _, call, _ = self.establish()
            call.hangup()
            self.alice.reply(self.alice.request("BYE"), 200)
            return self.take()

        self.assertFreed(drive)

    def test_noACKEverComes(self) -> None:
        """Nor an answer to the BYE."""

        def drive() -> tuple[Call, Listener]:
            self.alice.invites()
            self.inbound().answer(ANSWER)
            self.run_(32.1)
            self.alice.reply(self.alice.request("BYE"), 200)
            return self.take()

        self.assertFreed(drive)

    def test_cancelledWhileRinging(self) -> None:
        """487, and its ACK is not there yet."""

        def drive() -> tuple[Call, Listener]:
            self.alice.invites().cancel()
            return self.take()

        self.assertFreed(drive)

    def test_refused(self) -> None:
        """By us, with a final response."""

        def drive() -> tuple[Call, Listener]:
            self.alice.invites()
            self.inbound().reject(UserBusy())
            return self.take()

        self.assertFreed(drive)

    def test_leftInTheMiddleOfAReINVITE(self) -> None:
        """The user's Deferred is cancelled, and holds nothing of the call."""

        def drive() -> tuple[Call, Listener]:
            caller, _, listener = self.establish()
            pending: Deferred[bytes] = Deferred()
            self.addCleanup(lambda: pending)
            listener.on["offer"] = lambda call, sdp: pending
            caller.reinvite()
            caller.bye()
            return self.take()

        self.assertFreed(drive)

    def test_outboundLeftBeforeItIsResolved(self) -> None:
        """The look-up that is under way is cancelled."""
        self.names.slow["pbx.example.net"] = []
        call, listener = self.dial("sip:200@pbx.example.net")
        call.hangup()
        ghost = weakref.ref(call)
        del call
        self.assertIsNone(ghost())
        self.assertEqual(len(listener.ends), 1)

    def test_outboundAnswered(self) -> None:
        """While the INVITE's transaction still acknowledges repeats of the 200."""

        def drive() -> tuple[Call, Listener]:
            call, listener = self.dial()
            callee = self.trunk.answers()
            callee.says(180)
            callee.says(200, body=ANSWER)
            callee.ask("BYE")
            return call, listener

        self.assertFreed(drive)

    def test_outboundRefused(self) -> None:
        """By a final response."""

        def drive() -> tuple[Call, Listener]:
            call, listener = self.dial()
            self.trunk.answers().says(486)
            return call, listener

        self.assertFreed(drive)

    def test_outboundCancelled(self) -> None:
        """After 180."""

        def drive() -> tuple[Call, Listener]:
            call, listener = self.dial()
            callee = self.trunk.answers()
            callee.says(180)
            call.hangup()
            self.trunk.reply(self.trunk.request("CANCEL"), 200)
            callee.says(487)
            return call, listener

        self.assertFreed(drive)


def _inbound(case: AgentTestCase) -> tuple[Call, Listener, dict[str, Callable[[], object]]]:
    """A call from alice, and all that both sides may do to it."""
    pending: list[Deferred[bytes]] = []

    def later(call: Call, sdp: object) -> Deferred[bytes]:
        pending.append(Deferred())
        return pending[-1]

    def settle() -> None:
        for deferred in pending:
            if not deferred.called:
                deferred.callback(ANSWER)

    caller = case.alice.invites()
    call = case.inbound()
    listener = case.heardBy()
    listener.on["offer"] = later
    return (
        call,
        listener,
        {
            "ring": call.ring,
            "answer": lambda: call.answer(ANSWER),
            "reject": lambda: call.reject(UserBusy()),
            "hangup": call.hangup,
            "ack": lambda: caller.ack(cseq=1),
            "ack2": caller.ack,
            "cancel": caller.cancel,
            "bye": caller.bye,
            "reinvite": caller.reinvite,
            "update": caller.update,
            "settle": settle,
            "options": lambda: caller.ask("OPTIONS"),
            "answerByes": lambda: case.alice.confirm("BYE"),
            "wait": lambda: case.run_(3.0),
            "waitLong": lambda: case.run_(33.0),
        },
    )


def _outbound(case: AgentTestCase) -> tuple[Call, Listener, dict[str, Callable[[], object]]]:
    """A call to the trunk, and all that both sides may do to it."""
    call, listener = case.dial()
    callee = case.trunk.answers()
    return (
        call,
        listener,
        {
            "hangup": call.hangup,
            "100": lambda: callee.says(100),
            "180": lambda: callee.says(180, "a"),
            "183": lambda: callee.says(183, "b", body=ANSWER),
            "200a": lambda: callee.says(200, "a", body=ANSWER),
            "200b": lambda: callee.says(200, "b"),
            "302": lambda: callee.says(302, "a"),
            "487": lambda: callee.says(487, "a"),
            "bye": lambda: callee.ask("BYE"),
            "reinvite": lambda: callee.ask("INVITE", body=OFFER, contact=True),
            "answerCancels": lambda: case.trunk.confirm("CANCEL"),
            "answerByes": lambda: case.trunk.confirm("BYE"),
            "wait": lambda: case.run_(3.0),
            "waitLong": lambda: case.run_(33.0),
        },
    )


class AnyOrderTests(SynchronousTestCase):
    """Whatever both sides do, in whatever order, a call can end, and its user hears it once."""

    def play(
        self,
        begin: Callable[[AgentTestCase], tuple[Call, Listener, dict[str, Callable[[], object]]]],
        moves: list[int],
    ) -> None:
        case = AgentTestCase()
        case.setUp()
        self.addCleanup(case.doCleanups)
        call, listener, possible = begin(case)
        names = sorted(possible)
        for move in moves:
            possible[names[move % len(names)]]()
            self.assertLessEqual(len(listener.ends), 1)
        gone = call.hangup()
        self.assertEqual(len(listener.ends), 1)
        case.run_(70.0)
        self.assertIsNone(self.successResultOf(gone))
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual(len(listener.ends), 1)
        self.assertLessEqual(len(listener.named("answered")), 1)
        self.assertIn(listener.events[-1][1], ("ended", "rejected"))
        case.run_(140.0)
        self.assertEqual((case.agent.calls, len(case.agent.layer)), (set(), 0))
        self.assertEqual(case.clock.getDelayedCalls(), [])
        case.doCleanups()

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.integers(0, 999), max_size=12))
    def test_inbound(self, moves: list[int]) -> None:
        """A call that comes in."""
        self.play(_inbound, moves)

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.integers(0, 999), max_size=12))
    def test_outbound(self, moves: list[int]) -> None:
        """A call that goes out."""
        self.play(_outbound, moves)
