"""Calls that go out: RFC 3261 13.2 and 9.1 on the wire."""

from __future__ import annotations

from shtoom.agent.fork import Flow
from shtoom.agent.hangup import CallState
from shtoom.exceptions import (
    CallFailed,
    CallNotAnswered,
    CallRejected,
    HostNotKnown,
    InvalidSIPURL,
    NotAcceptable,
    TransactionTimeout,
    TransportFailed,
    UserNotFound,
)
from shtoom.sip.transport import Peer
from test.agent.support import ANSWER, OFFER, AgentTestCase, FarEnd, Listener

OTHER = OFFER + b"a=x-other\r\n"


class OutboundTests(AgentTestCase):
    """A call to the trunk."""

    def rejection(self, listener: Listener) -> CallFailed:
        """What the user has heard as the one and only end."""
        (failure,) = listener.ends
        assert isinstance(failure, CallFailed)
        return failure

    def test_nothingHappensBeforeTheNextTurn(self) -> None:
        """placeCall returns the call first."""
        listener = Listener(self.clock)
        call = self.agent.placeCall("sip:200@203.0.113.30", OFFER, listener)
        self.assertIs(call.state, CallState.RESOLVING)
        self.assertEqual(self.wire.sent, [])
        self.clock.advance(0)
        self.assertIs(call.state, CallState.CALLING)
        self.assertEqual(self.trunk.labels(), ["INVITE"])

    def test_theINVITE(self) -> None:
        """RFC 3261 8.1.1 and 13.2.1: who calls whom, what is offered and understood."""
        call, _ = self.dial(
            "sip:+4930123;phone-context=x@203.0.113.30;user=phone;method=BYE?Route=%3Csip:x%3E",
            fromURI="sip:service@example.com",
            displayName='The "Service"',
            headers=[("X-Account", "7")],
        )
        invite = self.trunk.request("INVITE")
        self.assertEqual(str(invite.uri), "sip:+4930123;phone-context=x@203.0.113.30;user=phone")
        self.assertEqual(invite.header("To"), f"<{invite.uri}>")
        self.assertEqual(invite.fromAddress.display, 'The "Service"')
        self.assertEqual(str(invite.fromAddress.uri), "sip:service@example.com")
        self.assertTrue(invite.fromAddress.tag)
        self.assertEqual(str(invite.contact), "<sip:service@192.0.2.10:5060>")
        self.assertEqual(invite.callID, call.callID)
        self.assertEqual(invite.maxForwards, 70)
        self.assertEqual(invite.header("X-Account"), "7")
        self.assertIn("BYE", invite.header("Allow") or "")
        self.assertEqual((invite.contentType, invite.body), ("application/sdp", OFFER))
        self.assertEqual(invite.headerValues("Route"), [])

    def test_withoutFromURIWeAreDougWhereTheTargetSeesUs(self) -> None:
        """The default of From."""
        self.dial()
        self.assertEqual(str(self.trunk.request("INVITE").fromAddress.uri), "sip:doug@192.0.2.10")

    def test_progressThenAnswer(self) -> None:
        """100 and 18x are progress; the 2xx is acknowledged before callAnswered."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(100)
        callee.says(180)
        listener.on["answered"] = lambda call, sdp: self.assertEqual(self.trunk.labels()[-1], "ACK")
        callee.says(200, body=ANSWER)
        self.assertEqual(listener.named("progress"), [100, 180])
        self.assertEqual(listener.named("answered"), [ANSWER])
        self.assertEqual(call.remoteSDP, ANSWER)
        ack = self.trunk.request("ACK")
        self.assertEqual(str(ack.uri), "sip:trunk@203.0.113.30:5060")
        self.assertEqual(ack.cseq.number, 1)
        self.assertNotEqual(ack.via.branch, self.trunk.request("INVITE").via.branch)

    def test_theAnswerMayHaveComeBefore(self) -> None:
        """A 200 without a description takes that of its own tag's 183 (13.2.1)."""
        _, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(183, body=ANSWER)
        callee.says(200)
        self.assertEqual(listener.named("answered"), [ANSWER])

    def test_anotherTagsDescriptionIsNoAnswer(self) -> None:
        """If only another fork had one: ACK, BYE, and a rejection that says so."""
        _, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(183, "a", body=ANSWER)
        callee.says(200, "b")
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE"])
        self.assertIsInstance(self.rejection(listener), NotAcceptable)
        self.assertIn("no session description", self.rejection(listener).reason)

    def test_eachRepeatOfThe200GetsItsACK(self) -> None:
        """For 64*T1, while the call is up and after it (13.2.2.4)."""
        call, _ = self.dial()
        callee = self.trunk.answers()
        for _ in range(3):
            callee.says(200, body=ANSWER)
        call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.run_(20.0)
        callee.says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "ACK", "ACK", "BYE", "ACK"])

    def test_aSecondForkIsAcknowledgedAndLeft(self) -> None:
        """The first 2xx wins; one of another tag gets ACK and BYE of its own dialog, once."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(200, "a", body=ANSWER)
        callee.says(200, "b", body=OTHER)
        callee.says(200, "b", body=OTHER)
        bye = self.trunk.request("BYE")
        self.assertEqual(bye.toAddress.tag, "b")
        self.trunk.reply(bye, 200)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "ACK", "BYE", "ACK"])
        self.assertEqual(call.remoteSDP, ANSWER)
        self.assertEqual(listener.ends, [])

    def test_aForkThatAnswersAfterTheCall(self) -> None:
        """It is left as well, by the route set of its own 2xx."""
        call, _ = self.dial()
        callee = self.trunk.answers()
        callee.says(200, "a", body=ANSWER)
        call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        routes = [("Record-Route", "<sip:203.0.113.30;lr>")]
        callee.says(200, "b", body=OTHER, headers=routes)
        bye = self.trunk.request("BYE")
        self.assertEqual((bye.toAddress.tag, bye.header("Route")), ("b", "<sip:203.0.113.30;lr>"))
        self.trunk.reply(bye, 200)
        self.assertNothingLeft()

    def test_aForgedAnswerMovesUsToNothing(self) -> None:
        """A 2xx to an INVITE that we never sent sends no BYE to whoever it names."""
        call, _ = self.dial()
        invite = self.trunk.request("INVITE")
        forged = invite.respond(200, toTag="x", headers=[("Contact", "<sip:v@198.51.100.77>")])
        via = str(invite.via.replacing(branch="z9hG4bKforged"))
        self.trunk.say(forged.replacing("Via", via).toBytes())
        self.assertEqual([to for _, _, to in self.wire.sent], [self.trunk.address])
        call.hangup()

    def test_routeSetAndTarget(self) -> None:
        """Record-Route reversed, the 2xx's Contact as Request-URI (12.1.2)."""
        call, _ = self.dial()
        callee = self.trunk.answers()
        self.trunk.contact = "<sip:15550100@10.231.0.35:5070>"
        routes = [("Record-Route", "<sip:10.255.0.1;lr>, <sip:203.0.113.30;lr>")]
        callee.says(200, body=ANSWER, headers=routes)
        call.hangup()
        for method in ("ACK", "BYE"):
            request = self.trunk.request(method)
            self.assertEqual(str(request.uri), "sip:15550100@10.231.0.35:5070")
            self.assertEqual(request.header("Route"), "<sip:203.0.113.30;lr>, <sip:10.255.0.1;lr>")
        self.assertEqual(call.findings, [])

    def test_refusals(self) -> None:
        """300 to 699 become the failure of that code, with the peer's words."""
        cases: list[tuple[int, type[CallFailed], str]] = [
            (404, UserNotFound, "Not Found"),
            (480, CallNotAnswered, "Temporarily Unavailable"),
            (603, CallRejected, "Decline"),
            (305, CallFailed, "redirected to <sip:x@198.51.100.9>, which is not followed"),
            (401, CallFailed, "password"),
            (407, CallFailed, "password"),
        ]
        for code, kind, words in cases:
            _, listener = self.dial()
            headers = [("Contact", "<sip:x@198.51.100.9>")] if code == 305 else []
            self.trunk.answers().says(code, headers=headers)
            failure = self.rejection(listener)
            self.assertIs(type(failure), kind)
            self.assertEqual(failure.sipCode, code)
            self.assertIn(words, failure.reason)
            self.assertIn(("CSeq", "1 INVITE"), failure.headers)
        self.assertNothingLeft()

    def test_theRefusalsWarningAndRetryAfter(self) -> None:
        """They reach the user of the call."""
        _, listener = self.dial()
        headers = [("Warning", '304 x "no media"'), ("Retry-After", "120 (maintenance);duration=9")]
        self.trunk.answers().says(503, headers=headers)
        failure = self.rejection(listener)
        self.assertEqual((failure.warning, failure.retryAfter), ('304 x "no media"', 120))

    def test_noAnswerInTime(self) -> None:
        """After `timeout` seconds CANCEL, and CallNotAnswered that says how long."""
        _, listener = self.dial(timeout=20.0)
        callee = self.trunk.answers()
        callee.says(180)
        self.run_(19.9)
        self.assertEqual(listener.ends, [])
        self.run_(0.2)
        self.assertEqual(self.trunk.labels()[-1], "CANCEL")
        self.assertIsInstance(self.rejection(listener), CallNotAnswered)
        self.assertIn("20 s", self.rejection(listener).reason)
        callee.says(487)
        self.assertNothingLeft()

    def test_anAnswerAfterTheTimeout(self) -> None:
        """It crosses the CANCEL: ACK and BYE, and nothing more for the user."""
        _, listener = self.dial(timeout=5.0)
        callee = self.trunk.answers()
        callee.says(180)
        self.run_(5.1)
        callee.says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels()[-2:], ["ACK", "BYE"])
        self.assertEqual(len(listener.ends), 1)

    def test_aCallThatIsUpHasNoTimeout(self) -> None:
        """The time is for the answer alone."""
        call, listener = self.dial(timeout=5.0)
        self.trunk.answers().says(200, body=ANSWER)
        self.run_(100.0)
        self.assertIs(call.state, CallState.CONFIRMED)
        self.assertEqual(listener.ends, [])

    def test_brokenAddresses(self) -> None:
        """They are rejections on a later turn, never exceptions; the reason names the address."""
        for address in (
            "",
            "bob",
            "sip:",
            "sip:bob@",
            "http://x",
            "sips:bob@203.0.113.30",
            "tel:1",
        ):
            listener = Listener(self.clock)
            self.agent.placeCall(address, OFFER, listener)
            self.assertEqual(listener.ends, [])
            self.clock.advance(0)
            self.assertIsInstance(self.rejection(listener), InvalidSIPURL)
            self.assertIn(repr(address), self.rejection(listener).reason)
        self.assertEqual(self.wire.sent, [])
        self.assertNothingLeft()

    def test_aBrokenFromURI(self) -> None:
        """The same, and the reason says that it is that one."""
        _, listener = self.dial(fromURI="nonsense")
        self.assertIsInstance(self.rejection(listener), InvalidSIPURL)
        self.assertIn("fromURI 'nonsense'", self.rejection(listener).reason)

    def test_anUnknownHost(self) -> None:
        """HostNotKnown, with the host's name."""
        _, listener = self.dial("sip:bob@nowhere.invalid")
        self.assertIsInstance(self.rejection(listener), HostNotKnown)
        self.assertIn("nowhere.invalid", self.rejection(listener).reason)

    def test_aTransportThatWeDoNotHave(self) -> None:
        """The reason names it."""
        _, listener = self.dial("sip:bob@203.0.113.30;transport=tcp")
        self.assertIsInstance(self.rejection(listener), TransportFailed)
        self.assertIn("TCP", self.rejection(listener).reason)

    def test_theNextAddressIsTried(self) -> None:
        """If the network refuses the first, or nobody is there (RFC 3263 4.3)."""
        second = FarEnd(self.wire, ("203.0.113.31", 5060), "second")
        self.names.known["pbx.example.net"] = ["203.0.113.30", "203.0.113.31"]
        self.wire.broken.add(self.trunk.address)
        call, listener = self.dial("sip:200@pbx.example.net", timeout=90.0)
        self.run_(0.1)
        second.answers().says(200, body=ANSWER)
        self.assertEqual(listener.named("answered"), [ANSWER])
        call.hangup()
        self.wire.broken.clear()
        _, listener = self.dial("sip:200@pbx.example.net", timeout=90.0)
        self.run_(32.1)
        self.assertEqual(second.labels()[-1], "INVITE")
        self.run_(32.1)
        self.assertIsInstance(self.rejection(listener), TransactionTimeout)
        self.assertNothingLeft()

    def test_aFlow(self) -> None:
        """A phone that has registered here is called where it registered from, along its Path.

        What may be dialled elsewhere is no matter then.
        """
        self.agent.mayDial = lambda uri: CallRejected("not allowed", 403)
        flow = Flow(
            "sip:200@192.168.1.7", self.peerAt(self.trunk), (), ("<sip:p1;lr>", "<sip:p2;lr>")
        )
        self.dial("sip:200@192.168.1.7", flow=flow)
        invite = self.trunk.request("INVITE")
        self.assertEqual(str(invite.uri), "sip:200@192.168.1.7")
        self.assertEqual(invite.headerValues("Route"), ["<sip:p1;lr>", "<sip:p2;lr>"])
        self.trunk.answers().says(486)
        self.assertEqual(self.trunk.request("ACK").headerValues("Route"), list(flow.route))
        self.assertNothingLeft()

    def test_aFlowThatIsGone(self) -> None:
        """The next place that is known of it."""
        second = FarEnd(self.wire, ("198.51.100.7", 5062), "second")
        flow = Flow("sip:200@198.51.100.7", self.peerAt(self.trunk), (self.peerAt(second),))
        self.wire.broken.add(self.trunk.address)
        call, listener = self.dial(flow.uri, flow=flow)
        self.run_(0.1)
        second.answers().says(200, body=ANSWER)
        self.assertEqual(listener.named("answered"), [ANSWER])
        call.hangup()
        self.assertNothingLeft()

    def test_aRedirectionLeavesTheFlow(self) -> None:
        """Its target is looked up as usual, and the Path was another's."""
        flow = Flow("sip:200@192.168.1.7", self.peerAt(self.trunk), (), ("<sip:p1;lr>",))
        self.dial(flow.uri, flow=flow)
        other = FarEnd(self.wire, ("203.0.113.31", 5060), "other")
        elsewhere = (("Contact", "<sip:7@203.0.113.31>"),)
        self.trunk.answers().says(302, contact=False, headers=elsewhere)
        self.assertEqual(other.request("INVITE").headerValues("Route"), [])
        other.answers().says(486)
        self.assertNothingLeft()

    def peerAt(self, end: FarEnd) -> Peer:
        return Peer(self.wire, end.address)

    def test_aNetworkThatRefuses(self) -> None:
        """TransportFailed with the system's words."""
        self.wire.broken.add(self.trunk.address)
        _, listener = self.dial()
        self.run_(0.1)
        self.assertIsInstance(self.rejection(listener), TransportFailed)
        self.assertIn("unreachable", self.rejection(listener).reason)
        self.assertNothingLeft()

    def test_whatCannotBeSentIsRefusedAtTheCall(self) -> None:
        """ValueError names the argument; no call is left behind."""
        listener = Listener(self.clock)
        wrong: list[tuple[str, dict[str, object]]] = [
            ("X-Evil", {"headers": [("X-Evil", "1\r\nX: 2")]}),
            ("Via", {"headers": [("v", "SIP/2.0/UDP x")]}),
            ("displayName", {"displayName": "a\nb"}),
            ("timeout", {"timeout": 0.0}),
            ("timeout", {"timeout": float("nan")}),
        ]
        for named, how in wrong:
            with self.assertRaisesRegex(ValueError, named):
                self.agent.placeCall("sip:b@203.0.113.30", OFFER, listener, **how)  # type: ignore[arg-type]
        self.assertNothingLeft()

    def test_requestsInAnEarlyDialog(self) -> None:
        """Our offer is open: the peer's gets 491; OPTIONS is answered, to no effect."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(183)
        callee.ask("INVITE", body=OFFER, contact=True)
        callee.ask("UPDATE", body=OFFER, contact=True)
        callee.ask("OPTIONS")
        self.assertEqual(self.trunk.labels()[1:], ["491 INVITE", "491 UPDATE", "200 OPTIONS"])
        self.assertIs(call.state, CallState.PROCEEDING)
        self.assertEqual(listener.ends, [])

    def test_theCalledSideHangsUp(self) -> None:
        """Its BYE gets 200 and ends the call."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(200, body=ANSWER)
        callee.ask("BYE")
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual(len(listener.named("ended")), 1)
        self.assertNothingLeft()

    def test_theCalledSideReoffers(self) -> None:
        """A re-INVITE works in this direction, too; its ACK is not that of our INVITE."""
        _, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(200, body=ANSWER)
        callee.ask("INVITE", body=OTHER, contact=True)
        self.assertEqual(listener.named("offer"), [OTHER])
        callee.cseq -= 1
        callee.ask("ACK")
        self.run_(40.0)
        self.assertEqual(len(self.trunk.got("200 INVITE")), 1)

    def test_aBrokenContactInThe2xx(self) -> None:
        """It is acknowledged at the address dialled, and a finding says so."""
        call, _ = self.dial()
        callee = self.trunk.answers()
        callee.says(200, body=ANSWER, contact=False, headers=[("Contact", "<nonsense")])
        self.assertEqual(str(self.trunk.request("ACK").uri), "sip:200@203.0.113.30")
        self.assertIn("Contact", call.findings[0])

    def test_brokenHeadersInAResponse(self) -> None:
        """What cannot be read and need not be is left out: the call comes about all the same."""
        for name, value in (
            ("Record-Route", "*"),
            ("Record-Route", '<sip:a@b>, "x'),
            ("Allow", 'BYE, "INFO'),
            ("Contact", "<sip:x@y:7.5>"),
        ):
            call, _ = self.dial()
            callee = self.trunk.answers()
            for code in (180, 183, 200):
                callee.says(code, headers=[(name, value)], body=ANSWER, contact=False)
            self.assertIs(call.state, CallState.CONFIRMED, name)
            self.assertTrue(call.allows("INFO"))
            call.hangup()
            self.assertEqual(self.trunk.labels()[-2:], ["ACK", "BYE"], name)

    def test_aBodyThatCannotBeReadIsNone(self) -> None:
        """Of an 18x it is passed over; a 2xx without an answer is acknowledged and left."""
        _, listener = self.dial()
        invite = self.trunk.answers().invite
        for code in (180, 200):
            response = invite.respond(code, toTag="t1", body=ANSWER, contentType="nonsense")
            self.trunk.say(response.toBytes())
        self.assertEqual(self.trunk.labels()[-2:], ["ACK", "BYE"])
        self.assertIsInstance(self.rejection(listener), NotAcceptable)

    def test_aRedirectionToNothingThatCanBeRead(self) -> None:
        """Its Contact is not even a list: a refusal like any other."""
        _, listener = self.dial()
        self.trunk.answers().says(302, headers=[("Contact", '"x, <sip:a@b>')])
        self.assertEqual(self.rejection(listener).sipCode, 302)

    def test_aSlowNameInTheContact(self) -> None:
        """While it is looked up the ACK waits, and repeats of the 200 are no second fork."""
        waiting = self.names.slow.setdefault("pbx.example.net", [])
        call, _ = self.dial()
        callee = self.trunk.answers()
        self.trunk.contact = "<sip:200@pbx.example.net>"
        callee.says(200, body=ANSWER)
        callee.says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels(), ["INVITE"])
        for one in waiting:
            one.callback([("203.0.113.30", 5060, "UDP")])
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK"])
        self.assertIs(call.state, CallState.CONFIRMED)

    def test_anErrorInTheUsersProgress(self) -> None:
        """The call is cancelled, and the end says why."""

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        _, listener = self.dial()
        listener.on["progress"] = broken
        self.trunk.answers().says(180)
        self.assertEqual(self.trunk.labels(), ["INVITE", "CANCEL"])
        self.assertEqual(len(listener.named("ended")), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
