"""Requests inside a call: re-INVITE, UPDATE, INFO, OPTIONS (RFC 3261 14.2, RFC 3311)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from shtoom.agent.call import Call
from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState
from shtoom.exceptions import CallFailed, NotAcceptable
from shtoom.sip.keyinfo import KeyInfo
from test.agent.support import ANSWER, OFFER, AgentTestCase

HOLD = OFFER + b"a=sendonly\r\n"
HELD = ANSWER + b"a=recvonly\r\n"


class ReofferTests(AgentTestCase):
    """Alice's call is up."""

    def setUp(self) -> None:
        super().setUp()
        self.caller, self.call, self.listener = self.establish()
        self.alice.heard.clear()

    def pend(self) -> Deferred[bytes]:
        """From now on the user takes its time with an answer."""
        pending: Deferred[bytes] = Deferred()
        self.listener.on["offer"] = lambda call, sdp: pending
        return pending

    def test_aReINVITEIsAnsweredByTheUser(self) -> None:
        """200 with its answer, Contact, Allow and Supported; the descriptions change."""
        self.listener.on["offer"] = lambda call, sdp: HELD
        self.caller.reinvite(HOLD)
        response = self.alice.response("200 INVITE")
        self.assertEqual(response.body, HELD)
        self.assertIsNotNone(response.contact)
        self.assertIsNotNone(response.header("Allow"))
        self.assertEqual((self.call.remoteSDP, self.call.localSDP), (HOLD, HELD))
        self.caller.ack()
        self.run_(60.0)
        self.assertEqual(len(self.alice.got("200 INVITE")), 1)
        self.assertEqual(self.listener.named("answered", "offer"), [OFFER, HOLD])

    def test_the200IsRepeatedUntilTheACK(self) -> None:
        """As that of the first INVITE (14.2, 13.3.1.4)."""
        self.caller.reinvite(HOLD)
        self.run_(1.6)
        self.assertEqual(self.alice.times("200 INVITE"), [0.0, 0.5, 1.5])
        self.caller.ack()
        self.run_(40.0)
        self.assertEqual(len(self.alice.got("200 INVITE")), 3)
        self.assertIs(self.call.state, CallState.CONFIRMED)

    def test_aContactThatCannotBeReadIsRefused(self) -> None:
        """400, nobody is asked, and all stays as it was (RFC 3261 14.2: the call goes on)."""
        self.alice.contact = "<sip:alice@198.51.100.20:7.5>"
        self.caller.reinvite(HOLD)
        self.caller.update(HOLD)
        self.assertEqual(self.alice.labels(), ["400 INVITE", "400 UPDATE"])
        self.assertEqual(self.listener.named("offer"), [])
        self.assertIs(self.call.state, CallState.CONFIRMED)
        self.call.hangup()
        self.run_(40.0)
        self.assertNothingLeft()

    def test_withoutAnOfferTheUserMakesOne(self) -> None:
        """The offer goes in the 200, the answer comes in the ACK (RFC 3261 14.2)."""
        self.caller.reinvite(b"")
        self.assertEqual(self.alice.response("200 INVITE").body, ANSWER)
        self.caller.ack(body=HOLD)
        self.assertEqual(self.listener.named("offer", "answer"), [None, HOLD])
        self.assertEqual(self.call.remoteSDP, HOLD)

    def test_anACKWithoutTheAnswerEndsTheCall(self) -> None:
        """BYE, with a reason that says so."""
        self.caller.reinvite(b"")
        self.caller.ack()
        self.assertEqual(self.alice.labels()[-1], "BYE")
        (ending,) = self.listener.ends
        assert isinstance(ending, CallEnding)
        self.assertIn("no answer to our offer", ending.reason)

    def test_aRefusalLeavesTheSessionAsItWas(self) -> None:
        """488 with the Warning; the call stays up (14.2)."""

        def refuse(call: Call, sdp: object) -> bytes:
            raise NotAcceptable(warning='305 doug "no codec in common"')

        self.listener.on["offer"] = refuse
        self.caller.reinvite(HOLD)
        response = self.alice.response("488 INVITE")
        self.assertEqual(response.header("Warning"), '305 doug "no codec in common"')
        self.assertEqual(self.call.remoteSDP, OFFER)
        self.assertIs(self.call.state, CallState.CONFIRMED)
        self.listener.on.clear()
        self.caller.reinvite(HOLD)
        self.assertEqual(self.alice.labels()[-1], "200 INVITE")

    def test_theAnswerMayComeLater(self) -> None:
        """100 at once, 200 when the user's Deferred fires."""
        pending = self.pend()
        self.caller.reinvite(HOLD)
        self.assertEqual(self.alice.labels(), ["100 INVITE"])
        self.run_(2.0)
        pending.callback(HELD)
        self.assertEqual(self.alice.labels(), ["100 INVITE", "200 INVITE"])

    def test_aSecondOfferMeanwhileGets500(self) -> None:
        """With a Retry-After of 0 to 10 s (RFC 3261 14.2, RFC 3311 5.2); the first goes on."""
        pending = self.pend()
        self.caller.reinvite(HOLD)
        self.caller.reinvite(OFFER)
        self.caller.update(OFFER)
        for label in ("500 INVITE", "500 UPDATE"):
            retry = self.alice.response(label).header("Retry-After")
            self.assertIn(int(retry or -1), range(11))
        pending.callback(HELD)
        self.assertEqual(self.alice.labels()[-1], "200 INVITE")

    def test_anOfferBeforeTheACKGets491(self) -> None:
        """The exchange before it is not through (RFC 5407 3.1.4 recommends it)."""
        self.caller.reinvite(HOLD)
        self.caller.reinvite(OFFER)
        self.assertEqual(self.alice.labels()[-1], "491 INVITE")

    def test_aCANCELTakesAReINVITEBack(self) -> None:
        """487; the user's Deferred is cancelled, the session stays (9.2)."""
        pending = self.pend()
        invite = self.caller.reinvite(HOLD)
        self.caller.ask("CANCEL", cseq=invite.cseq.number, branch=invite.via.branch)
        self.assertEqual(self.alice.labels()[-2:], ["200 CANCEL", "487 INVITE"])
        self.assertTrue(pending.called)
        self.assertIs(self.call.state, CallState.CONFIRMED)
        self.assertEqual(self.listener.ends, [])

    def test_aBYEMeanwhileEndsBoth(self) -> None:
        """The open INVITE gets 487 (15.1.2), a late answer of the user is of no interest."""
        pending = self.pend()
        self.caller.reinvite(HOLD)
        self.caller.bye()
        self.assertEqual(self.alice.labels()[1:], ["200 BYE", "487 INVITE"])
        self.assertTrue(pending.called)
        self.assertEqual(len(self.listener.ends), 1)
        self.assertNothingLeft()

    def test_anAnswerInReplyToTheCancel(self) -> None:
        """A user whose Deferred fires with an answer when it is cancelled is too late."""
        pending: Deferred[bytes] = Deferred(lambda deferred: deferred.callback(HELD))
        self.listener.on["offer"] = lambda call, sdp: pending
        invite = self.caller.reinvite(HOLD)
        self.caller.ask("CANCEL", cseq=invite.cseq.number, branch=invite.via.branch)
        self.assertEqual(self.alice.labels()[-1], "487 INVITE")
        self.assertEqual(self.call.localSDP, ANSWER)

    def test_hangingUpInsideOfferReceived(self) -> None:
        """The INVITE gets its 487, the call its BYE, and the returned answer goes nowhere."""

        def leave(call: Call, sdp: object) -> bytes:
            call.hangup()
            return ANSWER

        self.listener.on["offer"] = leave
        self.caller.reinvite(HOLD)
        self.assertEqual(self.alice.labels(), ["487 INVITE", "BYE"])

    def test_anUPDATEWithAnOffer(self) -> None:
        """200 with the answer and a Contact, once: nothing acknowledges it (RFC 3311 5.2)."""
        self.caller.update(HOLD)
        response = self.alice.response("200 UPDATE")
        self.assertEqual(response.body, ANSWER)
        self.assertIsNotNone(response.contact)
        self.run_(60.0)
        self.assertEqual(len(self.alice.got("200 UPDATE")), 1)

    def test_anUPDATEWithoutAnOfferMovesTheTarget(self) -> None:
        """The user is not asked; the next request goes to the new Contact (RFC 3311 5.2)."""
        self.alice.contact = "<sip:alice@198.51.100.99:5070>"
        self.caller.update(b"")
        self.assertEqual(self.listener.named("offer"), [])
        self.call.hangup()
        self.assertEqual(self.wire.sent[-1][2], ("198.51.100.99", 5070))

    def test_aReINVITEMovesTheTarget(self) -> None:
        """When it was accepted (12.2.2)."""
        self.alice.contact = "<sip:alice@198.51.100.99:5070>"
        self.caller.reinvite(HOLD)
        self.caller.ack()
        self.call.hangup()
        self.assertEqual(self.wire.sent[-1][2], ("198.51.100.99", 5070))

    def test_anOfferWhileItRings(self) -> None:
        """Before the final response another offer gets 500 with Retry-After."""
        other = self.alice.invites()
        other.reinvite(HOLD)
        self.assertEqual(self.alice.labels()[-1], "500 INVITE")
        other.update(HOLD)
        self.assertEqual(self.alice.labels()[-1], "500 UPDATE")
        other.update(b"")
        self.assertEqual(self.alice.labels()[-1], "200 UPDATE")
        self.assertTrue(self.inbound().ringing)

    def test_aBodyThatIsNoDescription(self) -> None:
        """415 with Accept; the call stays up."""
        self.caller.reinvite(b"<x/>", contentType="text/xml")
        response = self.alice.response("415 INVITE")
        self.assertIn("application/sdp", response.header("Accept") or "")
        self.assertIs(self.call.state, CallState.CONFIRMED)

    def test_otherRequestsInTheDialog(self) -> None:
        """OPTIONS and an empty INFO get 200, INFO with another body 415, MESSAGE 405 with Allow."""
        self.caller.ask("OPTIONS")
        self.caller.ask("INFO")
        self.caller.ask("INFO", body=b"q", contentType="application/xyz")
        self.caller.ask("MESSAGE")
        wanted = ["200 OPTIONS", "200 INFO", "415 INFO", "405 MESSAGE"]
        self.assertEqual(self.alice.labels(), wanted)
        self.assertIn("INVITE", self.alice.response("405 MESSAGE").header("Allow") or "")
        self.assertEqual(self.listener.ends, [])

    def test_dtmf_004_keysInInfo(self) -> None:
        """200 and told; 400 to what is no key; 415 says which bodies are read (RFC 6086 4)."""
        relay = "application/dtmf-relay"
        self.caller.ask("INFO", body=b"Signal=1\r\nDuration=160\r\n", contentType=relay)
        self.caller.ask("INFO", body=b"11", contentType="application/dtmf")
        self.caller.ask("INFO", body=b"Signal=zz", contentType=relay)
        self.caller.ask("INFO", body=b"q", contentType="application/xyz")
        self.assertEqual(self.alice.labels(), ["200 INFO", "200 INFO", "400 INFO", "415 INFO"])
        accept = self.alice.response("415 INFO").header("Accept")
        self.assertEqual(accept, "application/dtmf-relay, application/dtmf")
        self.assertEqual(self.listener.named("key"), [KeyInfo("1", 0.16), KeyInfo("#")])

    def test_infoThatIsSent(self) -> None:
        """Inside the dialog; the Deferred has the peer's answer, a refusal too."""
        sent = self.call.sendInfo("application/dtmf-relay", b"Signal=5\r\n")
        request = self.alice.request("INFO")
        self.assertEqual(request.body, b"Signal=5\r\n")
        self.assertEqual(request.contentType, "application/dtmf-relay")
        self.alice.say(request.respond(415).toBytes())
        self.assertEqual(self.successResultOf(sent).code, 415)
        self.caller.bye()
        late = self.call.sendInfo("application/dtmf-relay", b"Signal=5\r\n")
        self.failureResultOf(late, CallFailed)

    def test_aRequestOutOfOrder(self) -> None:
        """A CSeq lower than one before gets 500, and the call stays up (12.2.2)."""
        self.caller.ask("OPTIONS", cseq=20)
        self.caller.ask("OPTIONS", cseq=10)
        self.caller.ask("BYE", cseq=11)
        self.assertEqual(self.alice.labels(), ["200 OPTIONS", "500 OPTIONS", "500 BYE"])
        self.assertIs(self.call.state, CallState.CONFIRMED)
