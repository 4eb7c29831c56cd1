"""Contacts, tags and route sets (cases dialog-001 to 006), on the whole server."""

from __future__ import annotations

from doug.events import CallAnsweredEvent
from test.cases.case import FieldCase

FAR = "sip:15550100@10.231.0.35:5070;transport=udp"


class DialogCases(FieldCase):
    """Who requests of a call are for, and by which way they go."""

    def test_dialog_001_looseRouters(self) -> None:
        """ACK and BYE are for the Contact and go to the first Route (RFC 3261 12.1.2, 12.2.1.1)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        routes = "<sip:10.255.0.1;r2=on;lr;ftag=x>, <sip:203.0.113.30;r2=on;lr;ftag=x>"
        headers = {"Contact": f"<{FAR}>", "Record-Route": routes}
        call.says(200, body=self.trunk.answer, with_=headers)
        ack = self.trunk.request("ACK")
        app.leg.hangupCall()
        bye = self.trunk.request("BYE")
        for request in (ack, bye):
            self.assertEqual(str(request.uri), FAR)
            self.assertEqual(
                request.headerValues("Route"),
                ["<sip:203.0.113.30;r2=on;lr;ftag=x>", "<sip:10.255.0.1;r2=on;lr;ftag=x>"],
            )
        self.trunk.reply(bye, 200)
        self.assertStillWell()

    def test_dialog_001_calledByWayOfProxies(self) -> None:
        """The called side keeps the order of Record-Route (12.1.1)."""
        routes = "<sip:198.51.100.20;lr>, <sip:10.0.0.1;lr>"
        call = self.alice.invite(with_={"Record-Route": routes, "Contact": f"<{FAR}>"})
        answer = self.alice.response("180 INVITE")
        self.assertEqual(answer.header("Record-Route"), routes)
        self.assertEqual(self.accept(call).header("Record-Route"), routes)
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertEqual(str(bye.uri), FAR)
        self.assertEqual(bye.headerValues("Route"), ["<sip:198.51.100.20;lr>", "<sip:10.0.0.1;lr>"])
        self.alice.reply(bye, 200)
        self.assertStillWell()

    def test_dialog_002_orderOfRoutes(self) -> None:
        """The caller's is Record-Route reversed, the callee's as it stands (12.1.1, 12.1.2)."""
        hops = ["<sip:203.0.113.30;lr>", "<sip:10.0.0.2;lr>", "<sip:10.0.0.3;lr>"]
        for lines in (hops[::-1], [", ".join(hops[:0:-1]), hops[0]]):
            self.dial()
            call = self.trunk.takes(self.trunk.request("INVITE"))
            more = "\r\nRecord-Route: ".join(lines)
            call.says(200, body=self.trunk.answer, with_={"Record-Route": more})
            self.assertEqual(self.trunk.request("ACK").headerValues("Route"), hops)
            self.app.leg.hangupCall()
            self.trunk.reply(self.trunk.request("BYE"), 200)
        hops[0] = "<sip:198.51.100.20;lr>"
        for lines in (hops, [hops[0], ", ".join(hops[1:])]):
            call = self.ringing(with_={"Record-Route": "\r\nRecord-Route: ".join(lines)})
            self.accept(call)
            self.app.leg.hangupCall()
            bye = self.alice.request("BYE")
            self.assertEqual(bye.headerValues("Route"), hops)
            self.alice.reply(bye, 200)
        self.assertStillWell()

    def test_dialog_003_strictRouter(self) -> None:
        """Without lr it stands in the Request-URI, the target last; lr=on is lr (12.2.1.1)."""
        target = "sip:b@198.51.100.21"
        for record, uri, routes in (
            ("<sip:203.0.113.30>", "sip:203.0.113.30", [f"<{target}>"]),
            ("<sip:203.0.113.30;lr=on>", target, ["<sip:203.0.113.30;lr=on>"]),
        ):
            self.dial()
            call = self.trunk.takes(self.trunk.request("INVITE"))
            headers = {"Contact": f"<{target}>", "Record-Route": record}
            call.says(200, body=self.trunk.answer, with_=headers)
            self.app.leg.hangupCall()
            for method in ("ACK", "BYE"):
                request = self.trunk.request(method)
                self.assertEqual((request.uriText, request.headerValues("Route")), (uri, routes))
            self.trunk.reply(request, 200)
        self.assertStillWell()

    def test_dialog_004_180WithTagAndWithoutContact(self) -> None:
        """It is accepted; so is a 2xx without Contact: its ACK goes where we dialled."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180, drop=["Contact"])
        call.says(200, body=self.trunk.answer, drop=["Contact"])
        ack = self.trunk.request("ACK")
        self.assertEqual(str(ack.uri), "sip:200@203.0.113.30")
        self.lab.advance(0.0)
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        self.hangUp(call)
        self.assertIn("no Contact", str(app.events[-1].verdict))  # type: ignore[attr-defined]
        self.assertStillWell()

    def test_dialog_005_ourResponsesHaveContactAndTag(self) -> None:
        """180 and 200 have Contact and one To tag, the 200 Allow and Supported (12.1.1, 13.3.1)."""
        call = self.alice.invite()
        ringing = self.alice.response("180 INVITE")
        answer = self.accept(call)
        for response in (ringing, answer):
            self.assertRegex(response.header("Contact") or "", "^<sip:.*192.0.2.10")
            self.assertTrue(response.toAddress.tag)
            self.assertEqual(response.toAddress.tag, ringing.toAddress.tag)
        self.assertIn("INVITE", answer.header("Allow") or "")
        self.assertIsNotNone(answer.header("Supported"))
        self.assertEqual(answer.contentType, "application/sdp")
        self.hangUp(call)
        self.assertStillWell()

    def test_dialog_006_theBYEOfARaceUsesTheRouteSet(self) -> None:
        """ACK and BYE for the 200 that crossed the CANCEL go by the proxy (12.2.1.1)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.lab.advance(0.1)
        app.leg.hangupCall()
        self.trunk.request("CANCEL")
        headers = {"Contact": "<sip:x@10.0.0.9>", "Record-Route": "<sip:203.0.113.30;lr>"}
        call.says(200, body=self.trunk.answer, with_=headers)
        for method in ("ACK", "BYE"):
            request = self.trunk.request(method)
            self.assertEqual(str(request.uri), "sip:x@10.0.0.9")
            self.assertEqual(request.header("Route"), "<sip:203.0.113.30;lr>")
        self.assertStillWell()
