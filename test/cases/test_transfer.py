"""Transfers that the far end asks for (cases transfer-001 and 004, of ours what applies).

Not here: transfers of our own, which there are none of (002 and 003, what is read in 001).
"""

from __future__ import annotations

from shtoom.sip.message import Request, Response
from test.doug.transfercase import TARGET, TransferCase


class TransferCases(TransferCase):
    """What an application accepts."""

    def test_transfer_001_whatIsSent(self) -> None:
        """A status line and CRLF, nothing more; its type; its length."""
        call = self.call()
        self.refer(call, TARGET)
        notify = self.alice.request("NOTIFY")
        self.alice.reply(notify, 200)
        self.assertEqual(notify.body, b"SIP/2.0 100 Trying\r\n")
        self.assertEqual(notify.contentType, "message/sipfrag")
        self.assertEqual(notify.header("Content-Type"), "message/sipfrag;version=2.0")
        self.assertEqual(notify.header("Content-Length"), "20")
        self.assertEqual(notify.header("Event"), "refer")
        self.assertEqual(notify.header("Subscription-State"), "active;expires=60")
        other = self.dialled()
        other.says(486)
        self.office.request("ACK")
        notify = self.alice.request("NOTIFY")
        self.alice.reply(notify, 200)
        self.assertEqual(notify.body, b"SIP/2.0 486 Busy Here\r\n")
        self.assertEqual(notify.header("Subscription-State"), "terminated;reason=noresource")
        self.hangUp(call)
        self.leave()

    def test_transfer_004_whatIsThereIsNamedAndNothingElse(self) -> None:
        """REFER stands in Allow and is answered; Replaces, 100rel, NOTIFY, PRACK are not there."""
        call = self.alice.invite()
        found: list[Request | Response] = [self.alice.response("200 INVITE")]
        call.ack()
        self.lab.advance(0.01)
        found.append(call.reoffer())
        call.ask("OPTIONS")
        found.append(self.alice.response("200 OPTIONS"))
        self.alice.ask("OPTIONS")
        found.append(self.alice.response("200 OPTIONS"))
        self.lab.application.placeCall("sip:200@203.0.113.30")
        found.append(self.office.request("INVITE"))
        other = self.office.takes(found[-1])  # type: ignore[arg-type]
        other.says(486)
        self.office.request("ACK")
        for message in found:
            self.assertEqual(message.headerValues("Supported"), ["timer", "norefersub"])
            methods = set(message.headerValues("Allow"))
            self.assertIn("REFER", methods)
            self.assertEqual(methods & {"NOTIFY", "PRACK", "SUBSCRIBE", "MESSAGE"}, set())
        for method in sorted(methods - {"INVITE", "ACK", "CANCEL", "BYE"}):
            call.ask(method, with_={"Refer-To": TARGET} if method == "REFER" else {})
            self.assertIn(self.alice.response(f".* {method}").code, (200, 202), method)
        self.told(200)
        other = self.dialled()
        other.says(486)
        self.office.request("ACK")
        self.told(200)
        self.hangUp(call)
        self.leave()
