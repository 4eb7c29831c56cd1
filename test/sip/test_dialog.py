"""Dialogs (RFC 3261 12)."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.dialog import Dialog, OutOfOrder
from shtoom.sip.fields import NameAddress
from shtoom.sip.message import Message, Request
from shtoom.sip.parser import parse
from shtoom.sip.uri import parseURI
from test.sip.support import request

CONTACT = ("Contact", "<sip:alice@198.51.100.20:5062>")
TRUNK_CONTACT = ("Contact", "<sip:t@203.0.113.30:5070>")
A, B, C = "<sip:a.example.net;lr>", "<sip:b.example.net;lr>", "<sip:c.example.net;lr>"


def routes(*values: str) -> list[tuple[str, str]]:
    """Record-Route lines."""
    return [("Record-Route", value) for value in values]


def uas(*lines: tuple[str, str], number: int = 5) -> Dialog:
    """The dialog of an INVITE that came with these lines."""
    return Dialog.forUAS(request(more=lines or [CONTACT], number=number), "d1")


def uac(*lines: tuple[str, str], code: int = 200, toTag: str = "t1") -> Dialog:
    """The dialog of a response with these lines to our INVITE."""
    invite = request(uri="sip:200@203.0.113.30", number=7)
    return Dialog.forUAC(
        invite, invite.respond(code, toTag=toTag, headers=lines or [TRUNK_CONTACT])
    )


def hops(message: Request) -> list[str]:
    """The Route of a request, as on the wire."""
    return [str(route.uri) for route in onTheWire(message).routes]


def onTheWire(message: Request) -> Message:
    """As the peer reads it, with the Via that the layer adds."""
    return parse(message.prepending("Via", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx").toBytes())


class UASTests(SynchronousTestCase):
    """12.1.1: the peer invited us."""

    def test_identity(self) -> None:
        """Call-ID; our tag from the response, the peer's from its From."""
        dialog = uas()
        self.assertEqual(dialog.key, ("call-1", "d1", "f1"))
        self.assertEqual((dialog.local.tag, dialog.remote.tag), ("d1", "f1"))
        self.assertEqual((dialog.localTag, dialog.remoteTag), ("d1", "f1"))
        self.assertEqual(str(dialog.remoteTarget), "sip:alice@198.51.100.20:5062")
        self.assertEqual(dialog.state, "early")

    def test_ourRequests(self) -> None:
        """From and To change sides; our numbers begin at 1, the peer's are its own (12.2.1.1)."""
        dialog = uas(CONTACT)
        bye = dialog.request("BYE", headers=[("Reason", "SIP;cause=200")])
        self.assertEqual(str(bye), "BYE sip:alice@198.51.100.20:5062 SIP/2.0")
        self.assertEqual((bye.fromAddress.tag, bye.toAddress.tag), ("d1", "f1"))
        self.assertEqual(str(bye.toAddress.uri), "sip:alice@example.net")
        self.assertEqual((bye.callID, bye.cseq, bye.maxForwards), ("call-1", (1, "BYE"), 70))
        self.assertEqual(bye.header("Reason"), "SIP;cause=200")
        self.assertIsNone(bye.header("Via"))
        self.assertIsNone(bye.contact)
        self.assertEqual(dialog.request("INFO").cseq.number, 2)

    def test_withoutContact(self) -> None:
        """An INVITE that has none, against the RFC: the From address is the target."""
        dialog = uas(("Subject", "x"))
        self.assertEqual(str(dialog.remoteTarget), "sip:alice@example.net")

    def test_peerOfRFC2543(self) -> None:
        """Without a From tag the remote tag is empty, and none is sent (12.1.1)."""
        dialog = Dialog.forUAS(request(fromTag=None, more=[CONTACT]), "d1")
        self.assertEqual(dialog.key, ("call-1", "d1", ""))
        self.assertIsNone(dialog.request("BYE").toAddress.tag)

    def test_confirmAndEnd(self) -> None:
        """Early, confirmed, ended."""
        dialog = uas()
        dialog.confirm()
        self.assertEqual(dialog.state, "confirmed")
        dialog.end()
        dialog.confirm()
        self.assertEqual(dialog.state, "ended")


class UACTests(SynchronousTestCase):
    """12.1.2: we invited the peer."""

    def test_identity(self) -> None:
        """Our tag from the From, the peer's from the To of its response."""
        dialog = uac()
        self.assertEqual(dialog.key, ("call-1", "f1", "t1"))
        self.assertEqual(str(dialog.remoteTarget), "sip:t@203.0.113.30:5070")
        self.assertEqual((dialog.state, uac(code=180).state), ("confirmed", "early"))

    def test_numbersGoOnFromTheINVITE(self) -> None:
        """The next request is one higher; the ACK has the INVITE's own (12.2.1.1, 13.2.2.4)."""
        dialog = uac()
        self.assertEqual(dialog.request("INVITE", "<sip:d@192.0.2.10>").cseq, (8, "INVITE"))
        self.assertEqual(dialog.ack(7).cseq, (7, "ACK"))
        self.assertEqual(dialog.request("BYE").cseq.number, 9)

    def test_dialog_001_looseRouters(self) -> None:
        """ACK and BYE go to the Contact by the Record-Route reversed (12.1.2, 12.2.1.1)."""
        dialog = uac(
            ("Contact", "<sip:15550100@10.231.0.35:5070;transport=udp>"),
            *routes(
                "<sip:10.255.0.1;r2=on;lr;ftag=x>, <sip:203.0.113.30;r2=on;lr;ftag=x>",
            ),
        )
        for message in (dialog.ack(7), dialog.request("BYE")):
            self.assertEqual(str(message).split()[1], "sip:15550100@10.231.0.35:5070;transport=udp")
            self.assertRegex(
                message.header("Route") or "",
                "^<sip:203.0.113.30;r2=on;lr;ftag=x>, ?<sip:10.255.0.1;r2=on;lr;ftag=x>$",
            )
        self.assertEqual(dialog.nextHop.host, "203.0.113.30")

    def test_dialog_002_orderOfRoutes(self) -> None:
        """Caller reversed, callee as it stands, in one line or in several (12.1.1, 12.1.2)."""
        a, b, c = "sip:a.example.net;lr", "sip:b.example.net;lr", "sip:c.example.net;lr"
        table: list[tuple[Dialog, Sequence[str], str]] = [
            (uac(TRUNK_CONTACT, *routes(A, B, C)), [c, b, a], c),
            (uas(CONTACT, *routes(A, B, C)), [a, b, c], a),
            (uac(TRUNK_CONTACT, *routes(f"{A}, {B}", C)), [c, b, a], c),
            (uas(CONTACT), [], "sip:alice@198.51.100.20:5062"),
        ]
        for dialog, route, nextHop in table:
            self.assertEqual(hops(dialog.request("BYE")), route)
            self.assertEqual(str(dialog.nextHop), nextHop)

    def test_dialog_003_strictRouter(self) -> None:
        """Without lr it is put into the Request-URI, the target last; lr=on is lr (12.2.1.1)."""
        target = ("Contact", "<sip:b@198.51.100.21>")
        strict = uas(target, *routes("<sip:p1.example.net>", "<sip:p2.example.net;lr>"))
        bye = strict.request("BYE")
        self.assertEqual(bye.uriText, "sip:p1.example.net")
        self.assertEqual(hops(bye), ["sip:p2.example.net;lr", "sip:b@198.51.100.21"])
        self.assertEqual(str(strict.nextHop), "sip:p1.example.net")
        loose = uas(target, *routes("<sip:p1.example.net;lr=on>"))
        bye = loose.request("BYE")
        self.assertEqual(bye.uriText, "sip:b@198.51.100.21")
        self.assertEqual(hops(bye), ["sip:p1.example.net;lr=on"])

    def test_dialog_004_noContact(self) -> None:
        """A 180 or 200 without one: requests go to the URI that was called (against 12.1.2)."""
        for code in (180, 200):
            dialog = uac(("Server", "x"), code=code)
            self.assertEqual(str(dialog.remoteTarget), "sip:200@203.0.113.30")
            self.assertEqual(str(dialog.ack(7)), "ACK sip:200@203.0.113.30 SIP/2.0")

    def test_2xxWithoutItsINVITE(self) -> None:
        """One that comes when the INVITE is forgotten can still be acknowledged and left."""
        late = request(number=7).respond(200, toTag="t9", headers=[TRUNK_CONTACT, *routes(A)])
        dialog = Dialog.forUAC(None, late)
        self.assertEqual(str(dialog.ack(late.cseq.number)), "ACK sip:t@203.0.113.30:5070 SIP/2.0")
        self.assertEqual(dialog.request("BYE").cseq.number, 8)
        bare = Dialog.forUAC(None, request().respond(200, toTag="t9"))
        self.assertEqual(str(bare.remoteTarget), "sip:app@example.com")

    def test_the2xxSetsTheRouteAnew(self) -> None:
        """The route set of the early dialog is replaced, once (13.2.2.4)."""
        invite = request(number=7)
        dialog = uac(TRUNK_CONTACT, *routes(A), code=180)
        ok = invite.respond(
            200, toTag="t1", headers=[("Contact", "<sip:x@203.0.113.9>"), *routes(B)]
        )
        dialog.confirm(ok)
        self.assertEqual(dialog.state, "confirmed")
        self.assertEqual(hops(dialog.request("BYE")), ["sip:b.example.net;lr"])
        self.assertEqual(str(dialog.remoteTarget), "sip:x@203.0.113.9")
        reinvited = invite.respond(
            200, toTag="t1", headers=[("Contact", "<sip:y@203.0.113.9>"), *routes(C)]
        )
        dialog.confirm(reinvited)  # the 2xx of a re-INVITE: only the target counts (12.2.1.2)
        self.assertEqual(hops(dialog.request("BYE")), ["sip:b.example.net;lr"])
        self.assertEqual(str(dialog.remoteTarget), "sip:y@203.0.113.9")

    def test_ACKWithAnAnswer(self) -> None:
        """A body is SDP; without one there is no Content-Type."""
        ack = uac().ack(7, b"v=0\r\n", [("X-Account", "7")])
        self.assertEqual((ack.contentType, ack.body), ("application/sdp", b"v=0\r\n"))
        self.assertEqual(ack.header("X-Account"), "7")
        self.assertIsNone(uac().ack(7).header("Content-Type"))


class InDialogTests(SynchronousTestCase):
    """12.2."""

    def test_lowerNumbersAreOutOfOrder(self) -> None:
        """Lower than the last one is refused, gaps and repeats are not (12.2.2)."""
        dialog = uas(number=5)
        dialog.remoteRequest(request("INFO", number=5))
        dialog.remoteRequest(request("INFO", number=9))
        with self.assertRaisesRegex(OutOfOrder, "BYE has CSeq 6, 9 came before"):
            dialog.remoteRequest(request("BYE", number=6))
        dialog.remoteRequest(request("BYE", number=10))

    def test_ACKAndCANCELAreNotNumbered(self) -> None:
        """They have the number of their INVITE, which may be lower by now (12.2.1.1)."""
        dialog = uas(number=5)
        dialog.remoteRequest(request("INFO", number=9))
        for method in ("ACK", "CANCEL"):
            dialog.remoteRequest(request(method, number=5))
        with self.assertRaises(OutOfOrder):
            dialog.remoteRequest(request("INFO", number=8))

    def test_theFirstRequestOfTheCalledPeerMayHaveAnyNumber(self) -> None:
        """A UAC's remote number is empty until then (12.1.2)."""
        dialog = uac()
        self.assertIsNone(dialog.remoteCSeq)
        dialog.remoteRequest(request("INFO", number=3))
        with self.assertRaises(OutOfOrder):
            dialog.remoteRequest(request("INFO", number=2))

    def test_targetRefresh(self) -> None:
        """A re-INVITE's Contact counts from then on, if it has one and it is a SIP URI (12.2.2)."""
        dialog = uas()
        for lines, target in (
            ([("Contact", "<sip:alice@198.51.100.99>")], "sip:alice@198.51.100.99"),
            ([], "sip:alice@198.51.100.99"),
            ([("Contact", "<tel:+15550100>")], "sip:alice@198.51.100.99"),
        ):
            dialog.refreshTarget(request(more=lines, toTag="d1"))
            self.assertEqual(str(dialog.remoteTarget), target)

    def test_whatMayNotStandInARequestURI(self) -> None:
        """Headers and the method parameter of a Contact or route are left out (19.1.1)."""
        dialog = uas(("Contact", "<sip:a@198.51.100.20;method=BYE;x=1?Route=%3Csip:evil%3E>"))
        self.assertEqual(dialog.request("INFO").uriText, "sip:a@198.51.100.20;x=1")

    def test_requestWithBodyAndContact(self) -> None:
        """As given."""
        message = uas().request(
            "INVITE", "<sip:d@192.0.2.10>", [("Supported", "timer")], b"v=0", "application/sdp"
        )
        self.assertEqual(str(onTheWire(message).contact), "<sip:d@192.0.2.10>")
        self.assertEqual((message.contentType, message.body), ("application/sdp", b"v=0"))
        self.assertEqual(message.header("Supported"), "timer")

    def test_ACKAndCANCELAreNotMadeByRequest(self) -> None:
        """The error names the way, and no number is used up."""
        dialog = uas()
        for method in ("ACK", "CANCEL"):
            with self.assertRaisesRegex(ValueError, method):
                dialog.request(method)
        self.assertEqual(dialog.localCSeq, 0)

    def test_unsafeHeadersAreRefused(self) -> None:
        """CR and LF in a header: ValueError that names it, and no number is used up."""
        dialog = uas()
        with self.assertRaisesRegex(ValueError, "X-Note"):
            dialog.request("BYE", headers=[("X-Note", "a\r\nRoute: <sip:evil>")])
        self.assertEqual(dialog.request("BYE").cseq.number, 1)

    def test_displayNamesSurvive(self) -> None:
        """Quoted where they must be."""
        asked = request(more=[CONTACT]).replacing("From", '"O\\"Neil, A." <sip:o@x>;tag=f1')
        dialog = Dialog.forUAS(asked, "d1")
        to = dialog.request("BYE").toAddress
        self.assertEqual(to, NameAddress('O"Neil, A.', parseURI("sip:o@x"), (("tag", "f1"),)))
