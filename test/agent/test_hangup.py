"""How calls end: each row of the table, on the wire."""

from __future__ import annotations

import gc

from twisted.internet.defer import Deferred

from shtoom.agent.call import Call
from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import TABLE, Action, CallState, Happening, whatNow
from shtoom.exceptions import HostNotKnown, NotAcceptable, UserBusy
from shtoom.sip.message import Request
from shtoom.sip.resolver import Place
from test.agent.support import ANSWER, OFFER, AgentTestCase, Callee, Caller, Listener


class HangupTableTests(AgentTestCase):
    """One test a row, test_STATE_HAPPENING, each in a call that was brought to that state."""

    def inboundIn(self, state: CallState) -> tuple[Caller, Call, Listener]:
        """A call from alice in that state."""
        if state is CallState.TRYING:
            self.board.take = lambda call: None
        caller = self.alice.invites()
        call = self.inbound()
        if state not in (CallState.TRYING, CallState.RINGING):
            call.answer(ANSWER)
        if state in (CallState.CONFIRMED, CallState.LEAVING):
            caller.ack()
        if state in (CallState.AWAITING_ACK, CallState.LEAVING):
            call.hangup()
        self.assertIs(call.state, state)
        self.alice.heard.clear()
        return caller, call, self.heardBy()

    def outboundIn(self, state: CallState) -> tuple[Callee, Call, Listener]:
        """A call to the trunk in that state."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        if state in (CallState.PROCEEDING, CallState.CANCELLING):
            callee.says(180)
        if state in (CallState.AWAITING_PROVISIONAL, CallState.CANCELLING):
            call.hangup()
        self.assertIs(call.state, state)
        self.trunk.heard.clear()
        return callee, call, listener

    def resolving(self) -> tuple[Deferred[list[Place]], Call, Listener]:
        """A call whose host name is being looked up."""
        waiting = self.names.slow.setdefault("pbx.example.net", [])
        call, listener = self.dial("sip:200@pbx.example.net")
        self.assertIs(call.state, CallState.RESOLVING)
        return waiting[0], call, listener

    def assertEnds(self, call: Call, listener: Listener, byRemote: bool) -> None:
        """The call is over, and its user heard so once."""
        self.assertIs(call.state, CallState.ENDED)
        (ending,) = listener.ends
        assert isinstance(ending, CallEnding)
        self.assertEqual(ending.byRemote, byRemote)
        self.assertNothingLeft()
        self.assertEqual(len(listener.ends), 1)

    def assertLeavesByBye(self, end: str, call: Call, listener: Listener) -> None:
        """A BYE went out, the user has heard of the end, and the BYE's 200 completes it."""
        far = getattr(self, end)
        self.assertIs(call.state, CallState.LEAVING)
        self.assertEqual(len(listener.ends), 1)
        far.reply(far.request("BYE"), 200)
        self.assertIs(call.state, CallState.ENDED)
        self.assertNothingLeft()
        self.assertEqual(len(far.got("BYE")), 1)
        self.assertEqual(len(listener.ends), 1)

    def test_everyRowHasATest(self) -> None:
        """No row of the table goes without a test of its own below."""
        names = {f"test_{state.name}_{happening.name}" for state, happening in TABLE}
        self.assertEqual({name for name in names if not hasattr(self, name)}, set())

    def test_aPairWithoutARowChangesNothing(self) -> None:
        """whatNow gives None for it; a call that has ended has no row at all."""
        self.assertIsNone(whatNow(CallState.LEAVING, Happening.HANGUP))
        self.assertEqual([s for s, _ in TABLE if s is CallState.ENDED], [])

    def test_noRowLeadsBack(self) -> None:
        """What is left stays left: from a state in which the call is left, none goes on."""
        left = {s.state for s in TABLE.values()}
        for (state, _), step in TABLE.items():
            if state in left:
                self.assertIn(step.state, left)

    # This side wants out

    def test_TRYING_HANGUP(self) -> None:
        """An unanswered caller gets 480 (RFC 3261 21.4.18)."""
        _, call, listener = self.inboundIn(CallState.TRYING)
        call.hangup()
        self.assertEqual(self.alice.labels(), ["480 INVITE"])
        self.assertEnds(call, listener, byRemote=False)

    def test_RINGING_HANGUP(self) -> None:
        """So does one who has heard it ring; headers go along."""
        _, call, listener = self.inboundIn(CallState.RINGING)
        gone = call.hangup([("Reason", "Q.850;cause=19")])
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(self.alice.response("480 INVITE").header("Reason"), "Q.850;cause=19")
        self.assertEnds(call, listener, byRemote=False)

    def test_ANSWERED_HANGUP(self) -> None:
        """A callee sends no BYE before the ACK of its 200 (RFC 3261 15): the user is told at once,
        the 200 is repeated, the Deferred waits."""
        caller, call, listener = self.inboundIn(CallState.ANSWERED)
        gone = call.hangup()
        self.assertIs(call.state, CallState.AWAITING_ACK)
        self.assertEqual(len(listener.ends), 1)
        self.run_(1.6)
        self.assertEqual(self.alice.labels(), ["200 INVITE", "200 INVITE"])
        self.assertNoResult(gone)
        caller.ack()
        self.assertLeavesByBye("alice", call, listener)

    def test_RESOLVING_HANGUP(self) -> None:
        """Nothing was sent, nothing has to be; a late DNS answer is of no interest."""
        _, call, listener = self.resolving()
        self.assertIsNone(self.successResultOf(call.hangup()))
        self.assertEqual(self.wire.sent, [])
        self.assertEnds(call, listener, byRemote=False)

    def test_CALLING_HANGUP(self) -> None:
        """No CANCEL before a provisional response (RFC 3261 9.1)."""
        _, call, listener = self.outboundIn(CallState.CALLING)
        call.hangup()
        self.assertIs(call.state, CallState.AWAITING_PROVISIONAL)
        self.run_(10.0)
        self.assertEqual(set(self.trunk.labels()), {"INVITE"})
        self.assertNothingLeft()
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual(len(listener.ends), 1)

    def test_PROCEEDING_HANGUP(self) -> None:
        """Ringing at the far end is ended by CANCEL; the 487 completes it (RFC 3261 9.1)."""
        callee, call, listener = self.outboundIn(CallState.PROCEEDING)
        gone = call.hangup()
        self.assertEqual(self.trunk.labels(), ["CANCEL"])
        self.assertNoResult(gone)
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        callee.says(487)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(self.trunk.labels(), ["CANCEL", "ACK"])
        self.assertEnds(call, listener, byRemote=False)

    def test_CONFIRMED_HANGUP(self) -> None:
        """A call that is up is left by BYE, with the headers given."""
        _, call, listener = self.inboundIn(CallState.CONFIRMED)
        gone = call.hangup([("Reason", 'SIP;cause=200;text="done"')])
        self.assertNoResult(gone)
        self.assertEqual(self.alice.request("BYE").header("Reason"), 'SIP;cause=200;text="done"')
        self.assertLeavesByBye("alice", call, listener)
        self.assertIsNone(self.successResultOf(gone))

    # The caller gives up

    def test_TRYING_CANCEL(self) -> None:
        """The INVITE gets 487, the user hears of it at once (RFC 3261 9.2)."""
        caller, call, listener = self.inboundIn(CallState.TRYING)
        caller.cancel()
        self.assertEqual(self.alice.labels(), ["200 CANCEL", "487 INVITE"])
        self.assertEnds(call, listener, byRemote=True)

    def test_RINGING_CANCEL(self) -> None:
        """While it rings the same, and the 487 has the To tag of the 180."""
        caller, call, listener = self.inboundIn(CallState.RINGING)
        caller.cancel()
        self.assertEqual(self.alice.labels(), ["200 CANCEL", "487 INVITE"])
        assert call.dialog is not None
        tag = self.alice.response("487 INVITE").toAddress.tag
        self.assertEqual(tag, call.dialog.localTag)
        self.assertEnds(call, listener, byRemote=True)

    # The far end hangs up

    def test_RINGING_BYE(self) -> None:
        """The caller may send BYE in an early dialog: 200, and 487 for the INVITE (15.1.2)."""
        caller, call, listener = self.inboundIn(CallState.RINGING)
        caller.bye()
        self.assertEqual(self.alice.labels(), ["200 BYE", "487 INVITE"])
        self.assertEnds(call, listener, byRemote=True)

    def test_ANSWERED_BYE(self) -> None:
        """A BYE before the ACK ends the call and the repeats of the 200."""
        caller, call, listener = self.inboundIn(CallState.ANSWERED)
        caller.bye()
        self.run_(40.0)
        self.assertEqual(self.alice.labels(), ["200 BYE"])
        self.assertEnds(call, listener, byRemote=True)

    def test_AWAITING_ACK_BYE(self) -> None:
        """Both want out before the ACK: its BYE is answered, ours is not needed any more."""
        caller, call, listener = self.inboundIn(CallState.AWAITING_ACK)
        caller.bye()
        self.assertEqual(self.alice.labels(), ["200 BYE"])
        self.assertEnds(call, listener, byRemote=False)

    def test_CONFIRMED_BYE(self) -> None:
        """The peer's BYE gets 200; its Reason is in the words for the user (RFC 3326)."""
        caller, call, listener = self.inboundIn(CallState.CONFIRMED)
        caller.ask("BYE", headers=[("Reason", "Q.850;cause=16")])
        self.assertEqual(self.alice.labels(), ["200 BYE"])
        self.assertEnds(call, listener, byRemote=True)
        (ending,) = listener.ends
        assert isinstance(ending, CallEnding)
        self.assertIn("Q.850;cause=16", ending.reason)

    def test_PROCEEDING_BYE(self) -> None:
        """A callee that hangs up has answered (15): its 2xx, still on its way, is left by BYE."""
        callee, call, listener = self.outboundIn(CallState.PROCEEDING)
        callee.ask("BYE")
        self.assertEqual(self.trunk.labels(), ["200 BYE", "CANCEL"])
        (ending,) = listener.ends
        assert isinstance(ending, CallEnding)
        self.assertTrue(ending.byRemote)
        callee.says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels()[2:], ["ACK", "BYE"])
        self.trunk.reply(self.trunk.request("BYE"), 481)
        self.assertEnds(call, listener, byRemote=True)

    # The ACK of our 200

    def test_AWAITING_ACK_ACK(self) -> None:
        """The ACK lets the BYE go, with the headers that hangup() was given."""
        caller, call, listener = self.inboundIn(CallState.ANSWERED)
        call.hangup([("Reason", "SIP;cause=480")])
        caller.ack()
        self.assertEqual(self.alice.request("BYE").header("Reason"), "SIP;cause=480")
        self.assertLeavesByBye("alice", call, listener)

    def test_AWAITING_ACK_NO_ACK(self) -> None:
        """After 64*T1 without an ACK the BYE goes out all the same (13.3.1.4)."""
        _, call, listener = self.inboundIn(CallState.AWAITING_ACK)
        self.run_(31.9)
        self.assertEqual(self.alice.got("BYE"), [])
        self.run_(0.2)
        self.assertLeavesByBye("alice", call, listener)

    def test_ANSWERED_NO_ACK(self) -> None:
        """The same for a call that goes on: BYE, and an ending that names what was missing."""
        _, call, listener = self.inboundIn(CallState.ANSWERED)
        self.run_(32.1)
        (ending,) = listener.ends
        assert isinstance(ending, CallEnding)
        self.assertIn("no ACK came", ending.reason)
        self.assertEqual(call.unacknowledged, "no ACK came within 32 s")
        self.assertLeavesByBye("alice", call, listener)

    def test_CONFIRMED_NO_ACK(self) -> None:
        """A re-INVITE whose 200 is never acknowledged ends the call as well (14.2)."""
        caller, call, listener = self.inboundIn(CallState.CONFIRMED)
        caller.reinvite()
        self.run_(32.1)
        self.assertLeavesByBye("alice", call, listener)

    # Responses to our INVITE

    def test_AWAITING_PROVISIONAL_PROVISIONAL(self) -> None:
        """The first provisional response, were it 100, lets the CANCEL go."""
        callee, call, listener = self.outboundIn(CallState.AWAITING_PROVISIONAL)
        callee.says(100)
        self.assertEqual(self.trunk.labels(), ["CANCEL"])
        callee.says(487)
        self.assertEnds(call, listener, byRemote=False)
        self.assertEqual(listener.named("progress"), [])

    def assertAcknowledgedAndLeft(self, call: Call, listener: Listener) -> None:
        """ACK, then BYE; the user hears one end and no answer."""
        labels = [label for label in self.trunk.labels() if label != "CANCEL"]
        self.assertEqual(labels, ["ACK", "BYE"])
        self.assertEqual(listener.named("answered"), [])
        self.assertLeavesByBye("trunk", call, listener)

    def test_AWAITING_PROVISIONAL_SUCCESS(self) -> None:
        """An answer that overtakes our wish to cancel is acknowledged and left."""
        callee, call, listener = self.outboundIn(CallState.AWAITING_PROVISIONAL)
        callee.says(200, body=ANSWER)
        self.assertAcknowledgedAndLeft(call, listener)

    def test_CANCELLING_SUCCESS(self) -> None:
        """A 200 that crosses the CANCEL is acknowledged and left (RFC 3261 9.1)."""
        callee, call, listener = self.outboundIn(CallState.CANCELLING)
        callee.says(200, body=ANSWER)
        self.assertAcknowledgedAndLeft(call, listener)

    def test_CALLING_SUCCESS(self) -> None:
        """A 200 without any description cannot be used: ACK, BYE, and callRejected."""
        callee, call, listener = self.outboundIn(CallState.CALLING)
        callee.says(200)
        self.assertAcknowledgedAndLeft(call, listener)
        self.assertIsInstance(listener.named("rejected")[0], NotAcceptable)

    def test_PROCEEDING_SUCCESS(self) -> None:
        """The same after ringing."""
        callee, call, listener = self.outboundIn(CallState.PROCEEDING)
        callee.says(200)
        self.assertAcknowledgedAndLeft(call, listener)
        self.assertIsInstance(listener.named("rejected")[0], NotAcceptable)

    def test_AWAITING_PROVISIONAL_REFUSED(self) -> None:
        """A refusal spares us the CANCEL; the user, told already, hears no second end."""
        callee, call, listener = self.outboundIn(CallState.AWAITING_PROVISIONAL)
        callee.says(486)
        self.assertEqual(self.trunk.labels(), ["ACK"])
        self.assertEnds(call, listener, byRemote=False)

    def test_CANCELLING_REFUSED(self) -> None:
        """Without any final response the call is over 64*T1 after its CANCEL (9.1)."""
        _, call, listener = self.outboundIn(CallState.PROCEEDING)
        gone = call.hangup()
        self.run_(31.9)
        self.assertNoResult(gone)
        self.run_(0.2)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEnds(call, listener, byRemote=False)

    def test_RESOLVING_REFUSED(self) -> None:
        """A host without an address is a rejection."""
        found, call, listener = self.resolving()
        found.errback(HostNotKnown("pbx.example.net has no address"))
        self.assertIs(call.state, CallState.ENDED)
        self.assertIsInstance(listener.ends[0], HostNotKnown)
        self.assertNothingLeft()

    def test_CALLING_REFUSED(self) -> None:
        """Nobody responds within 64*T1 (timer B)."""
        _, call, listener = self.outboundIn(CallState.CALLING)
        self.run_(32.1)
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual(len(listener.named("rejected")), 1)
        self.assertNothingLeft()

    def test_PROCEEDING_REFUSED(self) -> None:
        """486 is acknowledged by the transaction and comes up as UserBusy."""
        callee, call, listener = self.outboundIn(CallState.PROCEEDING)
        callee.says(486)
        self.assertIsInstance(listener.ends[0], UserBusy)
        self.assertEqual(self.trunk.labels(), ["ACK"])
        self.assertIs(call.state, CallState.ENDED)
        self.assertNothingLeft()

    # Our BYE

    def test_LEAVING_DONE(self) -> None:
        """A BYE that nobody answers is given up after 64*T1 (timer F)."""
        _, call, listener = self.inboundIn(CallState.CONFIRMED)
        gone = call.hangup()
        self.run_(31.9)
        self.assertNoResult(gone)
        self.run_(0.2)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEnds(call, listener, byRemote=False)


class HangupRaceTests(AgentTestCase):
    """What has no row."""

    def test_hangupIsIdempotent(self) -> None:
        """A second hangup() sends nothing, and both Deferreds fire with the BYE's answer."""
        _, call, _ = self.establish()
        first, second = call.hangup(), call.hangup()
        self.assertEqual(len(self.alice.got("BYE")), 1)
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertIsNone(self.successResultOf(first))
        self.assertIsNone(self.successResultOf(second))
        self.assertIsNone(self.successResultOf(call.hangup()))

    def test_crossingByesAreBothAnswered(self) -> None:
        """The peer's BYE gets 200 while ours still waits for its own."""
        caller, call, listener = self.establish()
        gone = call.hangup()
        caller.bye()
        self.assertEqual(self.alice.labels()[-1], "200 BYE")
        self.assertNoResult(gone)
        self.alice.reply(self.alice.request("BYE"), 481)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(len(listener.ends), 1)
        self.assertNothingLeft()

    def test_aLeftCallServesNothingButBye(self) -> None:
        """While our BYE is under way a re-INVITE gets 481."""
        caller, call, _ = self.establish()
        call.hangup()
        caller.reinvite(OFFER)
        self.assertEqual(self.alice.labels()[-1], "481 INVITE")
        self.assertNothingLeft()

    def test_aHeaderThatBreaksTheMessageIsRefusedBeforeAnythingHappens(self) -> None:
        """CR and LF raise ValueError, and the call is still up."""
        _, call, listener = self.establish()
        self.assertRaises(ValueError, call.hangup, [("Reason", "x\r\nEvil: 1")])
        self.assertIs(call.state, CallState.CONFIRMED)
        self.assertEqual(listener.ends, [])

    def test_theByeRunsInTheDialog(self) -> None:
        """Its Request-URI is the peer's Contact, its tags are ours and theirs (12.2.1.1)."""
        _, call, _ = self.establish()
        call.hangup()
        bye = self.alice.request("BYE")
        self.assertIsInstance(bye, Request)
        self.assertEqual(str(bye.uri), "sip:alice@198.51.100.20:5060")
        assert call.dialog is not None
        self.assertEqual(bye.fromAddress.tag, call.dialog.localTag)
        self.assertEqual(bye.toAddress.tag, "f")

    def test_aByeThatNobodyAnswersLeavesNothingToTheCollector(self) -> None:
        """Its failure and the coroutine that waited for it hold one another no longer."""

        def leave() -> None:
            self.board.calls.clear()
            self.board.listeners.clear()
            caller = self.alice.invites()
            self.inbound().answer(ANSWER)
            caller.ack()
            self.inbound().hangup()
            self.run_(70.0)

        leave()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for _ in range(20):
            leave()
        self.assertLess(gc.collect(), 20)

    def test_actionsAreAllUsed(self) -> None:
        """Each action stands in the table."""
        self.assertEqual({step.action for step in TABLE.values()}, set(Action))
