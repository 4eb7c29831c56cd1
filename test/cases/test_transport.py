"""Datagrams of all sizes (cases transport-002 to 005, as far as they concern UDP)."""

from __future__ import annotations

from shtoom.sip.message import Request
from test.cases.case import FieldCase


class DatagramCases(FieldCase):
    """What a datagram may hold, and what ours hold."""

    def test_transport_002_keepAlives(self) -> None:
        """CRLFs and zeros are dropped, unanswered, without a log line (RFC 5626 4.4.1)."""
        for data in (b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b"\0", b""):
            self.alice.raw(data)
        self.alice.nothing(".*", during=1)
        self.assertEqual(self.logged, [])
        self.assertStillWell()

    def test_transport_002_lineEndsBeforeTheRequest(self) -> None:
        """They are skipped; so is what follows the message (RFC 3261 7.5)."""
        call = self.alice.ask("OPTIONS")
        self.alice.response("200 OPTIONS")
        request = (
            "OPTIONS sip:192.0.2.10 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKcrlf\r\n"
            "From: <sip:a@example.net>;tag=1\r\nTo: <sip:192.0.2.10>\r\n"
            f"Call-ID: crlf{call.callID}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        self.alice.raw("\r\n\r\n" + request + "\r\n\r\n")
        self.alice.response("200 OPTIONS")
        self.assertStillWell()

    def test_transport_003_contentLengthInAllThatWeSend(self) -> None:
        """Each message has it, right, whatever it is (RFC 3261 18.3, 20.14)."""
        call = self.answered()
        call.reoffer()
        call.ask("NOTIFY")
        self.alice.response("405 NOTIFY")
        self.alice.ask("OPTIONS")
        self.alice.response("200 OPTIONS")
        cancelled = self.ringing()
        cancelled.cancel()
        self.alice.response("200 CANCEL")
        self.alice.response("487 INVITE")
        cancelled.ackRefusal()
        self.desk[0].leg.hangupCall()
        self.alice.reply(self.alice.request("BYE"), 200)
        _, outbound = self.dialled()
        self.hangUp(outbound)
        heard = self.alice.heard + self.trunk.heard
        self.assertGreater(len({each.label for each in heard}), 10)
        for each in heard:
            head, _, body = each.data.partition(b"\r\n\r\n")
            self.assertEqual(head.count(b"\r\nContent-Length: %d" % len(body)), 1, each.label)
        self.assertStillWell()

    def test_transport_004_lengthsThatDisagree(self) -> None:
        """Extra bytes are dropped; too few are 400 in words that have both numbers (18.3)."""
        size = len(self.alice.offer)
        call = self.alice.invite(with_={"Content-Length": "60"})  # ends within the c= line
        self.alice.response("(400|488) INVITE")
        call.ackRefusal()
        call = self.alice.invite(with_={"Content-Length": "9999"})
        refusal = self.alice.response("400 INVITE")
        self.assertRegex(refusal.reason, f"9999.*{size}|{size}.*9999")
        self.assertLogged(f"9999.*{size}|{size}.*9999")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        call = self.alice.invite(drop=["Content-Length"])
        self.alice.response("180 INVITE")
        self.accept(call)
        self.hangUp(call)
        call = self.alice.invite(
            self.alice.offer + b"\r\n\r\n", with_={"Content-Length": str(size)}
        )
        self.alice.response("180 INVITE")
        self.accept(call)
        self.hangUp(call)
        self.assertStillWell()

    def test_transport_004_aResponseThatIsTooShort(self) -> None:
        """It is discarded; the next copy is whole and counts (18.3)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=self.trunk.answer, with_={"Content-Length": "9999"})
        self.trunk.nothing("ACK", during=0.3)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.01)
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_transport_005_bigINVITEs(self) -> None:
        """Datagrams up to 64 KiB are read; our own INVITE stays below 1300 bytes (18.1.1)."""
        for size in (4000, 8000, 60000):
            pad = {f"X-Pad{n}": "A" * 4000 for n in range(size // 4000)}
            call = self.ringing(with_=pad)
            self.accept(call)
            self.assertEqual(self.app.leg.getDialog().getHeader("X-Pad0"), "A" * 4000)
            self.hangUp(call)
        self.dialled()
        self.assertLess(len(self.trunk.heard[0].data), 1300)
        self.hangUpOurs()

    def test_transport_005_aBigINVITEOfOurs(self) -> None:
        """Without TCP it goes by UDP, whole (lenient: RFC 3261 18.1.1 asks for TCP)."""
        self.ringing()
        app, alice = self.app, self.alice
        app.placeCall("sip:200@203.0.113.30", headers={"X-Pad": "A" * 2000})
        invite = self.trunk.request("INVITE")
        self.assertEqual(invite.header("X-Pad"), "A" * 2000)
        call = self.trunk.takes(invite)
        call.says(200, body=self.trunk.answer)
        self.assertIsInstance(self.trunk.request("ACK"), Request)
        app.returnResult("done")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        alice.response("480 INVITE")
        self.assertStillWell()

    def hangUpOurs(self) -> None:
        """The application of the last call hangs up, and all is well."""
        self.app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertStillWell()
