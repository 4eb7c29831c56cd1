"""Requests, responses and their races (cases transaction-001 to 010), on the whole server."""

from __future__ import annotations

from doug.events import CallAnsweredEvent, CallEndedEvent
from test.cases.case import FieldCase

STRAY_ACK = (
    "ACK sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.99:5060;branch=z9hG4bKx\r\n"
    "From: <sip:m@example.org>;tag=1\r\nTo: <sip:app@example.com>;tag=2\r\nCall-ID: stray\r\n"
    "CSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
)
FOOBAR = (
    "FOOBAR sip:192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.30:5060;branch=z9hG4bKf1\r\n"
    "From: <sip:a@example.net>;tag=1\r\nTo: <sip:192.0.2.10>\r\nCall-ID: f1\r\n"
    "CSeq: 1 FOOBAR\r\nContent-Length: 0\r\n\r\n"
)


class OutboundCases(FieldCase):
    """Calls that an application places."""

    def test_transaction_001_optionsWhileAnINVITEIsOpen(self) -> None:
        """OPTIONS is answered at any time, in and out of dialogs (RFC 3261 11.2, 17.1.3)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        self.trunk.ask("OPTIONS")
        response = self.trunk.response("200 OPTIONS")
        self.assertRegex(response.header("Allow") or "", "INVITE.*ACK")
        self.assertIn("application/sdp", response.header("Accept") or "")
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        call.ask("OPTIONS")
        self.trunk.response("200 OPTIONS")
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_transaction_003_200CrossesCANCEL(self) -> None:
        """It is acknowledged and left by BYE at once; one end, no answer (9.1, 13.2.2.4)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.lab.advance(0.1)
        app.leg.hangupCall()
        cancel = self.trunk.request("CANCEL")
        call.says(200, body=self.trunk.answer)
        self.trunk.reply(cancel, 200)
        self.trunk.request("ACK")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.lab.advance(1.0)
        self.assertEqual(app.names, ["CallProgressEvent", "CallEndedEvent"])
        self.assertStillWell()

    def test_transaction_006_a200RepeatedAfterTheEnd(self) -> None:
        """A late copy of the 200 still gets its ACK, and nothing leaks (RFC 6026 7)."""
        app, call = self.dialled()
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.lab.advance(1.0)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "BYE", "ACK"])
        self.assertStillWell()

    def test_transaction_007_theCANCELMatchesItsINVITE(self) -> None:
        """The INVITE's one Via, URI, Call-ID, From, To without tag, number; no Contact (9.1)."""
        app = self.dial()
        invite = self.trunk.request("INVITE")
        call = self.trunk.takes(invite)
        call.says(180)
        self.lab.advance(0.1)
        app.leg.hangupCall()
        cancel = self.trunk.request("CANCEL")
        for name in ("Via", "From", "To", "Call-ID", "Max-Forwards"):
            self.assertEqual(cancel.headerValues(name), invite.headerValues(name))
        self.assertEqual(cancel.uriText, invite.uriText)
        self.assertEqual(cancel.cseq.number, invite.cseq.number)
        self.assertIsNone(cancel.toAddress.tag)
        self.assertIsNone(cancel.header("Contact"))
        self.trunk.reply(cancel, 200)
        call.says(487)
        self.trunk.request("ACK")
        self.assertStillWell()

    def test_transaction_009_CANCELWhateverTagsWereSeen(self) -> None:
        """Two forks ring, the application hangs up: one CANCEL, one end (9.1)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(183, "a1", body=self.trunk.answer)
        call.says(180, "b2")
        self.lab.advance(0.1)
        app.leg.hangupCall()
        cancel = self.trunk.request("CANCEL", within=0.1)
        self.trunk.reply(cancel, 200)
        call.says(487, "b2")
        self.trunk.request("ACK")
        self.assertOneEnd(app)
        self.assertEqual(self.trunk.labels("CANCEL"), ["CANCEL"])
        self.assertStillWell()


class InboundCases(FieldCase):
    """Calls that come in, and requests that belong to none."""

    def test_transaction_002_notifyAndUnknownMethods(self) -> None:
        """A NOTIFY nobody asked for: 405, 481 or 489; FOOBAR: 501 with Allow (21.5.2)."""
        subscription = {"Event": "message-summary", "Subscription-State": "active"}
        self.trunk.ask("NOTIFY", with_=subscription)
        self.trunk.response("(405|481|489) NOTIFY")
        self.trunk.raw(FOOBAR)
        self.assertIn("INVITE", self.trunk.response("501 FOOBAR").header("Allow") or "")
        self.assertEqual(self.desk, [])
        self.assertStillWell()

    def test_transaction_004_CANCELAndBYEBeforeTheACK(self) -> None:
        """CANCEL after the 200 changes nothing; BYE ends the call and its repeats (9.2, 15.1.2)."""
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        call.cancel()
        self.alice.response("(200|481) CANCEL")
        self.alice.nothing("487 INVITE", during=0.2)
        call.bye()
        self.alice.response("200 BYE")
        self.alice.nothing("200 INVITE", during=5)
        self.assertEqual(self.app.names, ["CallEndedEvent"])
        self.assertStillWell()

    def test_transaction_005_anACKInTheSameTurn(self) -> None:
        """An ACK a moment after the 200 is one CallAnsweredEvent; nothing repeats (13.3.1.4)."""
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE", within=0.05)
        call.ack()
        self.alice.nothing("200 INVITE", during=40)
        self.assertEqual(len(self.app.got(CallAnsweredEvent)), 1)
        self.hangUp(call)
        self.assertOneEnd(self.app, CallEndedEvent)
        self.assertStillWell()

    def test_transaction_008_overlappingINVITEs(self) -> None:
        """Before our final response 500 with Retry-After, before the ACK 491; the call stays."""
        call = self.ringing()
        call.reinvite()
        retry = self.alice.response("500 INVITE").header("Retry-After") or ""
        self.assertRegex(retry, r"^([0-9]|10)$")
        call.ackRefusal()
        call.inviteCSeq = 1
        self.accept(call)
        call.reinvite()
        self.alice.response("200 INVITE")
        first = call.inviteCSeq
        call.reinvite()
        self.alice.response("491 INVITE")
        call.ackRefusal()
        call.inviteCSeq = first
        call.ack()
        self.alice.nothing("[245].. INVITE", during=5)
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_transaction_010_strayACKs(self) -> None:
        """An ACK of no call is dropped, never answered (RFC 3261 17.2.1)."""
        for _ in range(100):
            self.mallory.raw(STRAY_ACK)
        self.mallory.nothing(".*", during=2)
        self.assertEqual(self.lab.application.exchange.agent.strayACKs, 100)
        self.assertEqual(len(self.lab.application.exchange.agent.layer), 0)
        self.assertStillWell()
