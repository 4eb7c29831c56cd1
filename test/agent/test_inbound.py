"""Calls that come in: RFC 3261 13.3 and 8.2.6 on the wire."""

from __future__ import annotations

from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState
from shtoom.agent.inbound import InboundCall
from shtoom.exceptions import CallFailed, CallRejected, NotAcceptable, ServiceUnavailable, UserBusy
from test.agent.support import ALICE, ANSWER, OFFER, AgentTestCase


class InboundTests(AgentTestCase):
    """Alice calls."""

    def test_100And180GoOutInTheTurnOfTheINVITE(self) -> None:
        """100 is sent before the user is asked; the 180 has To tag and Contact (12.1.1)."""
        self.alice.invites()
        self.assertEqual(self.alice.labels(), ["100 INVITE", "180 INVITE"])
        ringing = self.alice.response("180 INVITE")
        self.assertTrue(ringing.toAddress.tag)
        self.assertEqual(str(ringing.contact), "<sip:app@192.0.2.10:5060>")
        self.inbound().hangup()
        self.assertNothingLeft()

    def test_theUserFindsTheOffer(self) -> None:
        """remoteSDP is the body of the INVITE, request the INVITE, peer where it came from."""
        self.alice.invites()
        call = self.inbound()
        self.assertEqual(call.remoteSDP, OFFER)
        assert call.request is not None
        self.assertEqual(call.request.method, "INVITE")
        self.assertEqual(call.peer.address, ALICE)
        self.assertEqual(call.direction, "inbound")

    def test_callAnsweredComesWithTheACK(self) -> None:
        """Not with the 200; and once, however often the ACK comes."""
        caller = self.alice.invites()
        self.inbound().answer(ANSWER)
        self.assertEqual(self.heardBy().named("answered"), [])
        caller.ack()
        caller.ack()
        self.assertEqual(len(self.heardBy().named("answered")), 1)
        self.assertIs(self.inbound().state, CallState.CONFIRMED)

    def test_theACKInTheSameTurnIsSeen(self) -> None:
        """It arrives while the 200 is being sent, before answer() has returned."""
        caller = self.alice.invites()

        def hearAndAcknowledge(data: bytes) -> None:
            self.alice.hear(data)
            caller.ack()

        self.wire.ends[ALICE] = hearAndAcknowledge
        self.inbound().answer(ANSWER)
        self.wire.ends[ALICE] = self.alice.hear
        self.assertEqual(len(self.heardBy().named("answered")), 1)
        self.run_(40.0)
        self.assertEqual(len(self.alice.got("200 INVITE")), 1)

    def test_theACKsNumberCounts(self) -> None:
        """An ACK of another CSeq is not that of our 200 (RFC 3261 13.2.2.4)."""
        caller = self.alice.invites()
        self.inbound().answer(ANSWER)
        caller.ack(cseq=7)
        self.assertIs(self.inbound().state, CallState.ANSWERED)
        self.assertEqual(self.heardBy().named("answered"), [])

    def test_anACKThatCannotBeReadEndsTheCall(self) -> None:
        """Its body was to answer our offer: BYE, and the end says why; no error of ours."""
        for reinvited in (False, True):
            caller = self.alice.invites(body=OFFER if reinvited else b"")
            self.inbound().answer(ANSWER)
            if reinvited:
                caller.ack()
                caller.reinvite(b"")
            caller.ask("ACK", cseq=caller.cseq, body=ANSWER, contentType="nonsense")
            (ending,) = self.heardBy().ends
            assert isinstance(ending, CallEnding)
            self.assertIn("the ACK cannot be read: Content-Type header", ending.reason)
            self.assertEqual(self.alice.labels()[-1], "BYE")

    def test_theHeadersOfTheUserAreInTheResponses(self) -> None:
        """ring() and answer() take more headers; CR and LF are refused by name."""
        self.alice.invites()
        call = self.inbound()
        call.ring(183, [("X-Line", "1")], ANSWER)
        call.answer(ANSWER, [("X-Line", "2")])
        progress = self.alice.response("183 INVITE")
        self.assertEqual((progress.header("X-Line"), progress.body), ("1", ANSWER))
        self.assertEqual(self.alice.response("200 INVITE").header("X-Line"), "2")
        self.alice.invites()
        with self.assertRaisesRegex(ValueError, "X-Line"):
            self.inbound().answer(ANSWER, [("X-Line", "2\r\nEvil: 1")])
        self.assertTrue(self.inbound().ringing)
        with self.assertRaisesRegex(ValueError, "101 to 199"):
            self.inbound().ring(200)

    def test_rejectSendsCodeReasonWarningAndRetryAfter(self) -> None:
        """Any final code; the user hears the end before reject() returns."""
        failures = [
            (CallRejected(), "603 Decline"),
            (UserBusy("Gone fishing"), "486 Gone fishing"),
            (CallFailed("Not today", 302), "302 Not today"),
            (NotAcceptable(warning='305 doug "no codec in common"'), "488 Not Acceptable Here"),
            (ServiceUnavailable(retryAfter=30), "503 Service Unavailable"),
        ]
        for failure, line in failures:
            self.alice.invites()
            self.inbound().reject(failure, [("X-Why", "test")])
            response = self.alice.response(r"[3-6]\d\d INVITE")
            self.assertEqual(response.startLine, f"SIP/2.0 {line}")
            self.assertEqual(response.header("X-Why"), "test")
            self.assertEqual(response.header("Warning"), failure.warning)
            ending = CallEnding(failure.reason, failure.sipCode, False)
            self.assertEqual(self.heardBy().ends, [ending])
        self.assertEqual(self.alice.response("503 INVITE").header("Retry-After"), "30")
        self.assertNothingLeft()

    def test_whatComesTooLateDoesNothing(self) -> None:
        """ring, answer and reject after the end are no errors: a CANCEL may just have come."""
        caller = self.alice.invites()
        caller.cancel()
        before = list(self.alice.labels())
        self.inbound().ring()
        self.inbound().answer(ANSWER)
        self.inbound().reject(UserBusy())
        self.assertEqual(self.alice.labels(), before)
        self.assertEqual(len(self.heardBy().ends), 1)
        self.assertNothingLeft()

    def test_theAnswererMayLeaveItToLater(self) -> None:
        """A call may ring for long; the response then goes to the same transaction."""
        self.alice.invites()
        self.run_(300.0)
        self.inbound().answer(ANSWER)
        self.assertEqual(self.alice.labels()[-1], "200 INVITE")

    def test_recordRouteIsCopiedAndUsed(self) -> None:
        """The route set is in the 180 and the 200, and in our BYE in order (12.1.1)."""
        routes = "<sip:198.51.100.20;lr>, <sip:10.0.0.7;lr>"
        caller = self.alice.invites(headers=[("Record-Route", routes)])
        self.inbound().answer(ANSWER)
        caller.ack()
        self.assertEqual(self.alice.response("200 INVITE").header("Record-Route"), routes)
        self.inbound().hangup()
        bye = self.alice.request("BYE")
        self.assertEqual(bye.header("Route"), routes)
        self.assertEqual(str(bye.uri), "sip:alice@198.51.100.20:5060")

    def test_aPrivateContactIsPassedOver(self) -> None:
        """The BYE keeps the peer's Contact as its Request-URI but goes to where it was seen."""
        self.alice.contact = "<sip:alice@192.168.1.7:5062>"
        _, call, _ = self.establish()
        call.hangup()
        self.assertEqual(str(self.alice.request("BYE").uri), "sip:alice@192.168.1.7:5062")
        self.assertEqual(len(call.findings), 1)
        self.assertIn("192.168.1.7", call.findings[0])
        self.assertIn("198.51.100.20", call.findings[0])

    def test_aPeerThatMovesIsFollowed(self) -> None:
        """With a private Contact, to where its last request in the call came from."""
        self.alice.contact = "<sip:alice@192.168.1.7:5062>"
        caller, call, _ = self.establish()
        self.alice.address = ("198.51.100.20", 40123)
        self.wire.ends[self.alice.address] = self.alice.hear
        caller.ask("OPTIONS")
        call.hangup()
        self.assertEqual(self.wire.sent[-1][2], ("198.51.100.20", 40123))

    def test_aContactWithAnotherPortIsFollowed(self) -> None:
        """A public Contact counts, whatever port the INVITE came from (12.2.1.1)."""
        self.alice.contact = "<sip:alice@198.51.100.77:5099>"
        _, call, _ = self.establish()
        call.hangup()
        self.assertEqual(self.wire.sent[-1][2], ("198.51.100.77", 5099))
        self.assertEqual(call.findings, [])

    def test_aContactThatNobodyKnowsIsPassedOver(self) -> None:
        """A name without an address: the request goes to where the peer was seen."""
        self.alice.contact = "<sip:alice@phone.invalid>"
        _, call, _ = self.establish()
        call.hangup()
        self.assertEqual(len(self.alice.got("BYE")), 1)
        self.assertIn("phone.invalid", call.findings[0])

    def test_aContactOfAnotherTransportIsPassedOver(self) -> None:
        """We have no TCP: the request goes to where the peer was seen, by UDP."""
        self.alice.contact = "<sip:alice@198.51.100.20;transport=tcp>"
        _, call, _ = self.establish()
        call.hangup()
        self.assertEqual(len(self.alice.got("BYE")), 1)
        self.assertIn("transport", call.findings[0])

    def test_withoutContactTheCallIsTakenAndGoesBack(self) -> None:
        """A caller of RFC 2543 is called back where it came from, and a finding says so."""
        self.alice.contact = None
        _, call, _ = self.establish()
        call.hangup()
        self.assertEqual(str(self.alice.request("BYE").uri), "sip:alice@198.51.100.20:5060")
        self.assertIn("no Contact", call.findings[0])


class UserErrorTests(AgentTestCase):
    """An exception out of the user's code ends that call alone, and is logged with its Call-ID."""

    def broken(self, *_: object) -> None:
        raise ZeroDivisionError("a bug in the application")

    def assertLogged(self, callID: str, count: int = 1) -> None:
        errors = self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(len(errors), count)
        self.assertIn(callID, "".join(self.texts))

    def test_inCallReceived(self) -> None:
        """500, and the user it has set already hears the end."""
        self.board.take = self.broken
        self.alice.invites()
        self.assertEqual(self.alice.labels(), ["100 INVITE", "500 INVITE"])
        self.assertEqual(len(self.heardBy().ends), 1)
        self.assertLogged(self.inbound().callID)
        self.assertNothingLeft()

    def test_aCallFailedInCallReceivedIsTheAnswer(self) -> None:
        """Its code and reason are the final response; nothing is logged as an error."""

        def full(call: InboundCall) -> None:
            raise ServiceUnavailable("No media port left", retryAfter=5)

        self.board.take = full
        self.alice.invites()
        response = self.alice.response("503 INVITE")
        self.assertEqual(response.reason, "No media port left")
        self.assertEqual(response.header("Retry-After"), "5")
        self.assertNothingLeft()

    def test_nobodyTakesTheCall(self) -> None:
        """A call left without a user is a bug, too."""

        def leave(call: InboundCall) -> None:
            call.user = None

        self.board.take = leave
        self.alice.invites()
        self.assertEqual(self.alice.labels()[-1], "500 INVITE")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertNothingLeft()

    def test_inCallAnswered(self) -> None:
        """BYE; the end says what was wrong, and the other calls go on."""
        _, other, _ = self.establish()
        caller = self.alice.invites()
        self.heardBy().on["answered"] = self.broken
        self.inbound().answer(ANSWER)
        caller.ack()
        (ending,) = self.heardBy().ends
        assert isinstance(ending, CallEnding)
        self.assertIn("a bug in the application", ending.reason)
        self.assertEqual(self.alice.labels()[-1], "BYE")
        self.assertIs(other.state, CallState.CONFIRMED)
        self.assertLogged(self.inbound().callID)

    def test_inCallEnded(self) -> None:
        """It is over all the same."""
        caller, _, listener = self.establish()
        listener.on["ended"] = self.broken
        caller.bye()
        self.assertEqual(self.alice.labels()[-1], "200 BYE")
        self.assertLogged(self.inbound().callID)
        self.assertNothingLeft()

    def test_inOfferReceived(self) -> None:
        """The re-INVITE gets 500, the call its BYE."""
        caller, call, listener = self.establish()
        listener.on["offer"] = self.broken
        caller.reinvite()
        self.assertEqual(self.alice.labels()[-2:], ["500 INVITE", "BYE"])
        self.assertEqual(len(listener.ends), 1)
        self.assertLogged(call.callID)
