"""Offers of ours inside a call (RFC 3261 14.1)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState
from shtoom.exceptions import CallFailed
from test.agent.support import ANSWER, OFFER, AgentTestCase, Callee

MOVED = ANSWER.replace(b"192.0.2.10", b"192.0.2.11")
HOLD = OFFER + b"a=sendonly\r\n"


class ReinviteTests(AgentTestCase):
    """Alice's call is up, and we make an offer."""

    def setUp(self) -> None:
        super().setUp()
        self.caller, self.call, self.listener = self.establish()
        self.alice.heard.clear()

    def offer(self) -> tuple[Deferred[bytes], Callee]:
        """Ours is out; alice's side of it."""
        answer = self.call.reoffer(MOVED)
        return answer, self.alice.answers()

    def test_itIsAnswered(self) -> None:
        """Our Contact, the next CSeq, ACK at once; both descriptions are in force then."""
        answer, there = self.offer()
        self.assertEqual((there.invite.body, str(there.invite.header("CSeq"))), (MOVED, "1 INVITE"))
        self.assertIsNotNone(there.invite.contact)
        there.says(100)
        there.says(200, body=HOLD)
        self.assertEqual(self.alice.labels(), ["INVITE", "ACK"])
        self.assertEqual(self.successResultOf(answer), HOLD)
        self.assertEqual((self.call.localSDP, self.call.remoteSDP), (MOVED, HOLD))
        there.says(200, body=HOLD)  # the ACK was lost
        self.assertEqual(self.alice.labels(), ["INVITE", "ACK", "ACK"])
        self.finish()

    def test_oneAfterTheOther(self) -> None:
        """A second one fails with 491 as long as the first is out, and is made after it."""
        answer, there = self.offer()
        self.assertEqual(
            self.failureResultOf(self.call.reoffer(MOVED), CallFailed).value.sipCode, 491
        )
        there.says(200, body=OFFER)
        self.successResultOf(answer)
        answer, there = self.offer()
        self.assertEqual(str(there.invite.header("CSeq")), "2 INVITE")
        there.says(200, body=OFFER)
        self.successResultOf(answer)
        self.finish()

    def test_aRefusalLeavesTheCallAsItWas(self) -> None:
        """488: the call stays up, with the descriptions that it had."""
        before = self.call.localSDP
        answer, there = self.offer()
        there.says(488)
        self.assertEqual(self.failureResultOf(answer, CallFailed).value.sipCode, 488)
        self.assertIs(self.call.state, CallState.CONFIRMED)
        self.assertEqual(self.call.localSDP, before)
        self.assertEqual(self.listener.ends, [])
        self.finish()

    def test_bothAtTheSameTime(self) -> None:
        """Theirs gets 491, and so does ours, which comes again after up to 2 s (14.1)."""
        answer, there = self.offer()
        self.listener.on["offer"] = lambda call, sdp: ANSWER
        self.caller.reinvite(HOLD)
        self.alice.response("491 INVITE")
        there.says(491)
        self.caller.reinvite(HOLD)  # theirs comes first now
        self.alice.response("200 INVITE")
        self.alice.heard.clear()
        self.run_(2.1)
        self.assertNotIn("INVITE", self.alice.labels())
        self.caller.ack()
        self.run_(0.6)
        again = self.alice.answers()
        again.says(200, body=OFFER)
        self.assertEqual(self.successResultOf(answer), OFFER)
        self.assertEqual(self.call.remoteSDP, OFFER)
        self.finish()

    def test_hold_006_whoMadeTheCallIDWaitsLonger(self) -> None:
        """2.1 to 4 s for a call of ours, so that the two do not meet again."""
        call, _ = self.dial()
        there = self.trunk.answers()
        there.says(200, body=ANSWER)
        self.trunk.heard.clear()
        answer = call.reoffer(MOVED)
        self.trunk.answers().says(491)
        self.trunk.heard.clear()
        self.run_(2.05)
        self.assertEqual(self.trunk.labels(), [])
        self.run_(2.0)
        again = self.trunk.answers()
        again.says(500, headers=[("Retry-After", "7")])  # it has one of its own under way
        self.trunk.heard.clear()
        self.run_(6.9)
        self.assertEqual(self.trunk.labels(), [])
        self.run_(0.2)
        self.trunk.answers().says(200, body=OFFER)
        self.successResultOf(answer)
        call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.finish()

    def test_notForEver(self) -> None:
        """After the fifth 491 it has failed; the call goes on."""
        answer = self.call.reoffer(MOVED)
        for _ in range(5):
            self.alice.answers().says(491)
            self.alice.heard.clear()
            self.run_(2.1)
        self.assertEqual(self.alice.labels(), [])
        self.assertEqual(self.failureResultOf(answer, CallFailed).value.sipCode, 491)
        self.assertIs(self.call.state, CallState.CONFIRMED)
        self.finish()

    def test_aFarEndThatHasForgottenTheCall(self) -> None:
        """481: BYE, and an end that says so (14.1)."""
        answer, there = self.offer()
        there.says(481)
        self.failureResultOf(answer, CallFailed)
        self.assertLeft("knows no such call")

    def test_aFarEndThatIsSilent(self) -> None:
        """No answer within 64*T1: the call is over."""
        answer, _ = self.offer()
        self.run_(32.1)
        self.failureResultOf(answer, CallFailed)
        self.assertLeft("knows no such call")

    def test_theCallEndsMeanwhile(self) -> None:
        """Either side hangs up: the offer has failed; a 200 that comes late is acknowledged."""
        answer, there = self.offer()
        self.caller.bye()
        self.failureResultOf(answer, CallFailed)
        there.says(200, body=OFFER)
        self.assertEqual(self.alice.labels()[-1], "ACK")
        self.assertEqual(len(self.listener.ends), 1)
        self.assertNothingLeft()

    def test_weHangUpWhileItWaits(self) -> None:
        """No timer is left, nothing is sent but the BYE."""
        answer, there = self.offer()
        there.says(491)
        self.call.hangup()
        self.failureResultOf(answer, CallFailed)
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertNothingLeft()
        self.assertEqual(self.alice.labels().count("INVITE"), 1)

    def test_onlyInACallThatIsUp(self) -> None:
        """Before and after there is nothing to offer."""
        self.finish()
        self.failureResultOf(self.call.reoffer(MOVED), CallFailed)
        self.alice.invites()
        self.failureResultOf(self.inbound().reoffer(MOVED), CallFailed)
        self.inbound().reject(CallFailed())
        self.assertNothingLeft()

    def test_anAnswerWithoutDescription(self) -> None:
        """It has failed; the call goes on as it was."""
        answer, there = self.offer()
        there.says(200)
        self.failureResultOf(answer, CallFailed)
        self.assertEqual(self.alice.labels()[-1], "ACK")
        self.assertIs(self.call.state, CallState.CONFIRMED)
        self.finish()

    def assertLeft(self, words: str) -> None:
        """Our BYE, one end, and why."""
        self.alice.reply(self.alice.request("BYE"), 200)
        (ending,) = self.listener.ends
        assert isinstance(ending, CallEnding)
        self.assertIn(words, ending.reason)
        self.assertNothingLeft()

    def finish(self) -> None:
        """Alice hangs up."""
        self.caller.bye()
        self.assertNothingLeft()
