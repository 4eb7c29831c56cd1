"""Cases from the field, each named after its id: the signalling of other people's bugs."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState
from test.agent.support import ALICE, ANSWER, OFFER, AgentTestCase, FarEnd


class TransactionCases(AgentTestCase):
    """Requests, responses and their races."""

    def test_transaction_001_optionsWhileAnINVITEIsOpen(self) -> None:
        """OPTIONS is answered at any time; requests and responses never mix (RFC 3261 11.2)."""
        _, listener = self.dial()
        self.trunk.ask("OPTIONS")
        response = self.trunk.response("200 OPTIONS")
        self.assertRegex(response.header("Allow") or "", "INVITE.*ACK")
        self.assertIn("application/sdp", response.header("Accept") or "")
        self.trunk.answers().says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels()[-1], "ACK")
        self.assertEqual(len(listener.named("answered")), 1)

    def test_transaction_002_notifyAndUnknownMethods(self) -> None:
        """481, 489 or 405 for a NOTIFY nobody asked for; 501 with Allow for FOOBAR (21.5.2)."""
        headers = [("Event", "message-summary"), ("Subscription-State", "active")]
        self.trunk.ask("NOTIFY", headers=headers)
        self.assertRegex(self.trunk.labels()[-1], "(481|489|405) NOTIFY")
        self.trunk.say(
            b"FOOBAR sip:192.0.2.10 SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 203.0.113.30:5060;branch=z9hG4bKf1\r\n"
            b"From: <sip:a@example.net>;tag=1\r\nTo: <sip:192.0.2.10>\r\nCall-ID: f1\r\n"
            b"CSeq: 1 FOOBAR\r\nContent-Length: 0\r\n\r\n"
        )
        self.assertIn("INVITE", self.trunk.response("501 FOOBAR").header("Allow") or "")
        self.assertNothingLeft()

    def test_transaction_003_200CrossesCANCEL(self) -> None:
        """Acknowledged and left by BYE at once; one end for the user, no answer (9.1)."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(180)
        call.hangup()
        cancel = self.trunk.request("CANCEL")
        callee.says(200, body=ANSWER)
        self.trunk.reply(cancel, 200)
        self.assertEqual(self.trunk.labels()[-2:], ["ACK", "BYE"])
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertEqual(len(listener.named("ended")), 1)
        self.assertEqual(listener.named("answered"), [])
        self.assertNothingLeft()

    def test_transaction_004_CANCELAndBYEBeforeTheACK(self) -> None:
        """CANCEL after the final response has no effect; the BYE ends call and repeats (9.2)."""
        caller = self.alice.invites()
        self.inbound().answer(ANSWER)
        caller.cancel()
        self.assertRegex(self.alice.labels()[-1], "(200|481) CANCEL")
        self.run_(0.2)
        self.assertEqual(self.alice.got("487 INVITE"), [])
        caller.bye()
        self.assertEqual(self.alice.labels()[-1], "200 BYE")
        self.run_(5.0)
        self.assertEqual(len(self.alice.got("200 INVITE")), 1)
        self.assertEqual(len(self.heardBy().ends), 1)
        self.assertNothingLeft()

    def test_transaction_005_ACKInTheSameTurn(self) -> None:
        """It stops the repeats, and is one callAnswered (13.3.1.4)."""
        caller = self.alice.invites()

        def acknowledgeAtOnce(data: bytes) -> None:
            self.alice.hear(data)
            caller.ack()

        self.wire.ends[ALICE] = acknowledgeAtOnce
        self.inbound().answer(ANSWER)
        self.wire.ends[ALICE] = self.alice.hear
        self.run_(40.0)
        self.assertEqual(len(self.alice.got("200 INVITE")), 1)
        self.assertEqual(len(self.heardBy().named("answered")), 1)

    def test_transaction_006_a200RepeatedAfterTheEnd(self) -> None:
        """A late copy gets its ACK for 64*T1, and nothing leaks (13.2.2.4, RFC 6026 7)."""
        call, _ = self.dial()
        callee = self.trunk.answers()
        callee.says(200, body=ANSWER)
        call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        callee.says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE", "ACK"])
        self.assertNothingLeft()

    def test_transaction_007_theCANCELMatchesItsINVITE(self) -> None:
        """One Via equal to the INVITE's, same URI, Call-ID, To, From and number; no Contact."""
        call, _ = self.dial()
        self.trunk.answers().says(180)
        call.hangup()
        invite, cancel = self.trunk.request("INVITE"), self.trunk.request("CANCEL")
        self.assertEqual(cancel.headerValues("Via"), invite.headerValues("Via"))
        for name in ("From", "To", "Call-ID"):
            self.assertEqual(cancel.header(name), invite.header(name))
        self.assertIsNone(cancel.toAddress.tag)
        self.assertEqual(cancel.uriText, invite.uriText)
        self.assertEqual(cancel.cseq.number, invite.cseq.number)
        self.assertIsNone(cancel.contact)

    def test_transaction_008_overlappingINVITEs(self) -> None:
        """The second gets 500 with Retry-After 0 to 10, ours open gives 491; the call stays up."""
        caller, call, listener = self.establish()
        held: Deferred[bytes] = Deferred()
        listener.on["offer"] = lambda call, sdp: held
        caller.reinvite()
        caller.reinvite()
        retry = self.alice.response("500 INVITE").header("Retry-After") or ""
        self.assertRegex(retry, r"^([0-9]|10)$")
        self.run_(2.0)
        held.callback(ANSWER)
        self.assertEqual(self.alice.labels()[-1], "200 INVITE")
        self.assertIs(call.state, CallState.CONFIRMED)
        self.dial()
        callee = self.trunk.answers()
        callee.says(183)
        callee.ask("INVITE", body=OFFER, contact=True)
        self.assertEqual(self.trunk.labels()[-1], "491 INVITE")

    def test_transaction_009_CANCELWhateverTagsWereSeen(self) -> None:
        """Two forks ring; hanging up is one CANCEL (9.1)."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(183, "a1", body=ANSWER)
        callee.says(180, "b2")
        call.hangup()
        self.assertEqual(self.trunk.labels()[-1], "CANCEL")
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        callee.says(487, "b2")
        self.assertEqual(self.trunk.labels()[-1], "ACK")
        self.assertEqual(len(listener.named("ended")), 1)
        self.assertNothingLeft()

    def test_transaction_010_strayACKs(self) -> None:
        """Dropped and counted; an ACK is never answered (RFC 3261 17)."""
        mallory = FarEnd(self.wire, ("203.0.113.99", 5060), "mallory")
        for _ in range(100):
            mallory.ask("ACK", to="<sip:app@example.com>;tag=2", callID="stray")
        self.run_(2.0)
        self.assertEqual(mallory.heard, [])
        self.assertEqual(self.agent.strayACKs, 100)
        self.assertNothingLeft()


class DialogCases(AgentTestCase):
    """Contacts, tags, route sets."""

    def test_dialog_001_theACKGoesToTheTargetByTheRouteSet(self) -> None:
        """Request-URI is the Contact, Route the Record-Route reversed (12.1.2, 12.2.1.1)."""
        call, _ = self.dial()
        self.trunk.contact = "<sip:15550100@10.231.0.35:5070;transport=udp>"
        routes = "<sip:10.255.0.1;r2=on;lr;ftag=x>, <sip:203.0.113.30;r2=on;lr;ftag=x>"
        self.trunk.answers().says(200, body=ANSWER, headers=[("Record-Route", routes)])
        call.hangup()
        for method in ("ACK", "BYE"):
            request = self.trunk.request(method)
            self.assertEqual(str(request.uri), "sip:15550100@10.231.0.35:5070;transport=udp")
            self.assertRegex(
                request.header("Route") or "",
                "^<sip:203.0.113.30;r2=on;lr;ftag=x>, ?<sip:10.255.0.1",
            )

    def test_dialog_004_180WithTagAndWithoutContact(self) -> None:
        """Accepted, and a 2xx without Contact is acknowledged at the address dialled, too."""
        _, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(180, contact=False)
        callee.says(200, body=ANSWER)
        self.assertEqual(self.trunk.labels()[-1], "ACK")
        self.assertEqual(len(listener.named("answered")), 1)
        call, listener = self.dial()
        self.trunk.answers().says(200, body=ANSWER, contact=False)
        self.assertEqual(str(self.trunk.request("ACK").uri), "sip:200@203.0.113.30")
        self.assertIs(call.state, CallState.CONFIRMED)
        self.assertIn("no Contact", call.findings[0])

    def test_dialog_005_everyResponseOfADialogHasContactAndTag(self) -> None:
        """101 to 299 have Contact and one To tag, the 200 also Allow and Supported (12.1.1)."""
        self.alice.invites()
        self.inbound().ring(183, sdp=ANSWER)
        self.inbound().answer(ANSWER)
        responses = [self.alice.response(f"{code} INVITE") for code in (180, 183, 200)]
        self.assertEqual(len({r.toAddress.tag for r in responses}), 1)
        self.assertTrue(responses[0].toAddress.tag)
        for response in responses:
            self.assertRegex(response.header("Contact") or "", "^<sip:.*192.0.2.10")
        final = responses[-1]
        self.assertIn("INVITE", final.header("Allow") or "")
        self.assertIsNotNone(final.header("Supported"))
        self.assertEqual(final.contentType, "application/sdp")

    def test_dialog_006_theBYEOfARaceUsesTheRouteSet(self) -> None:
        """ACK and BYE for the 200 that crossed the CANCEL go by the proxy (12.2.1.1)."""
        call, _ = self.dial()
        callee = self.trunk.answers()
        callee.says(180)
        call.hangup()
        self.trunk.contact = "<sip:x@10.0.0.9>"
        callee.says(200, body=ANSWER, headers=[("Record-Route", "<sip:203.0.113.30;lr>")])
        for method in ("ACK", "BYE"):
            request = self.trunk.request(method)
            self.assertEqual(str(request.uri), "sip:x@10.0.0.9")
            self.assertEqual(request.header("Route"), "<sip:203.0.113.30;lr>")


class OtherCases(AgentTestCase):
    """Offers, forks, leaks."""

    def test_offeranswer_008_anINVITEWithoutAnOffer(self) -> None:
        """The offer is in the 200, the answer in the ACK; without one the call is left by BYE."""
        caller = self.alice.invites(body=b"")
        self.assertIsNone(self.inbound().remoteSDP)
        self.inbound().answer(OFFER)
        self.assertEqual(self.alice.response("200 INVITE").body, OFFER)
        caller.ack(body=ANSWER)
        self.assertEqual(self.heardBy().named("answered"), [ANSWER])
        caller = self.alice.invites(body=b"")
        self.inbound().answer(OFFER)
        caller.ack()
        self.assertEqual(self.alice.labels()[-1], "BYE")
        self.assertEqual(self.heardBy().named("answered"), [])
        (ending,) = self.heardBy().ends
        assert isinstance(ending, CallEnding)
        self.assertIn("no answer", ending.reason)

    def test_early_001_theConfirmedDialogsDescriptionCounts(self) -> None:
        """183 of tag a, 200 of tag b with another description: that one is used (13.2.2.4)."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(183, "a", body=ANSWER)
        callee.says(200, "b", body=OFFER)
        self.assertEqual(self.trunk.request("ACK").toAddress.tag, "b")
        self.assertEqual(call.remoteSDP, OFFER)
        self.assertEqual(listener.named("answered"), [OFFER])

    def test_life_001_refusedWhileDraining(self) -> None:
        """New dialogs are refused with Retry-After, running ones are served in full."""
        caller, _, _ = self.establish()
        self.agent.policy.draining = True
        bob = FarEnd(self.wire, ("198.51.100.21", 5060), "bob")
        bob.invites()
        bob.ask("OPTIONS")
        self.assertEqual(bob.labels(), ["503 INVITE", "503 OPTIONS"])
        self.assertRegex(bob.response("503 INVITE").header("Retry-After") or "", "[0-9]+")
        caller.reinvite()
        self.assertEqual(self.alice.labels()[-1], "200 INVITE")
        caller.ack()
        caller.bye()
        self.assertEqual(self.alice.labels()[-1], "200 BYE")

    def test_life_003_callsWhoseACKNeverComes(self) -> None:
        """200 of them: repeats for 64*T1, BYE, an end that names it, and nothing is left."""
        for _ in range(200):
            self.alice.invites()
            self.inbound().answer(ANSWER)
        self.run_(34.0)
        self.assertEqual(len(self.alice.got("BYE")), 200 * 3)  # at 32, 32.5 and 33.5 s
        for listener in self.board.listeners:
            (ending,) = listener.ends
            assert isinstance(ending, CallEnding)
            self.assertIn("no ACK", ending.reason)
        self.run_(36.0)
        self.assertEqual((self.agent.calls, len(self.agent.layer)), (set(), 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
