"""Requests and responses, and what is made from them (RFC 3261 8.2.6, 9.1, 17.1.1.3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response, reasonPhrase
from shtoom.sip.parser import parse
from shtoom.sip.uri import parseURI

INVITE = Request(
    "INVITE",
    parseURI("sip:app@192.0.2.10"),
    Headers(
        [
            ("Via", "SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK1;rport"),
            ("Via", "SIP/2.0/UDP 198.51.100.99;branch=z9hG4bK0"),
            ("Max-Forwards", "70"),
            ("Record-Route", "<sip:p.example.net;lr>"),
            ("Route", "<sip:192.0.2.10;lr>"),
            ("From", '"Alice" <sip:alice@example.net>;tag=1'),
            ("To", "<sip:app@example.com>"),
            ("Call-ID", "abc@198.51.100.20"),
            ("CSeq", "7 INVITE"),
            ("Contact", "<sip:alice@198.51.100.20>"),
            ("Content-Type", "Application/SDP"),
        ]
    ),
    b"v=0\r\n",
)


class AccessTests(SynchronousTestCase):
    """Typed attributes."""

    def test_typedAccess(self) -> None:
        """Each is what its header says."""
        self.assertEqual(INVITE.callID, "abc@198.51.100.20")
        self.assertEqual(INVITE.cseq, (7, "INVITE"))
        self.assertEqual(INVITE.via.branch, "z9hG4bK1")
        self.assertEqual([v.host for v in INVITE.vias], ["198.51.100.20", "198.51.100.99"])
        self.assertEqual(INVITE.fromAddress.display, "Alice")
        self.assertIsNone(INVITE.toAddress.tag)
        assert INVITE.contact is not None
        self.assertEqual(INVITE.contact.uri.host, "198.51.100.20")
        self.assertEqual([str(r) for r in INVITE.recordRoutes], ["<sip:p.example.net;lr>"])
        self.assertEqual(len(INVITE.routes), 1)
        self.assertEqual(INVITE.maxForwards, 70)
        self.assertEqual(INVITE.contentType, "application/sdp")
        self.assertIsNone(INVITE.contentLength)

    def test_absentHeaders(self) -> None:
        """Absent is None or empty; what every message needs is an error in words."""
        bare = Request("OPTIONS", "sip:x", Headers())
        self.assertEqual(
            (bare.callID, bare.contact, bare.contacts, bare.contentType), ("", None, (), "")
        )
        self.assertIsNone(bare.maxForwards)
        for name in ("via", "cseq", "fromAddress", "toAddress"):
            error = self.assertRaises(MalformedMessage, getattr, bare, name)
            self.assertIn("wanted one", str(error))

    def test_starIsNoContact(self) -> None:
        """10.2.2: Contact: * names no address."""
        self.assertEqual(Request("REGISTER", "sip:x", Headers([("Contact", "*")])).contacts, ())

    def test_phrases(self) -> None:
        """21: known codes have their phrase, others that of their class."""
        self.assertEqual(reasonPhrase(486), "Busy Here")
        self.assertEqual(reasonPhrase(499), "Bad Request")


class VariationTests(SynchronousTestCase):
    """Messages made from others."""

    def test_theOriginalStaysAsItWas(self) -> None:
        """Each variation is a message of its own, seen through its own headers."""
        self.assertEqual(INVITE.via.branch, "z9hG4bK1")  # parsed before
        below = INVITE.prepending("Via", "SIP/2.0/UDP h;branch=z9hG4bK2")
        self.assertEqual([via.branch for via in below.vias][:2], ["z9hG4bK2", "z9hG4bK1"])
        self.assertEqual(below.without("v").replacing("f", "<sip:x@y>").fromAddress.uri.user, "x")
        self.assertEqual((INVITE.via.branch, INVITE.fromAddress.uri.user), ("z9hG4bK1", "alice"))
        self.assertEqual((below.uri, below.body, below.method), (INVITE.uri, b"v=0\r\n", "INVITE"))
        other = INVITE.withURI(parseURI("sip:b@example.net"))
        self.assertEqual((other.uri.user, other.headers), ("b", INVITE.headers))


class WireTests(SynchronousTestCase):
    """toBytes."""

    def test_transport_003_contentLengthIsAlwaysThereAndRight(self) -> None:
        """18.3: on every message, also where a wrong one stood."""
        self.assertIn(b"\r\nContent-Length: 5\r\n\r\nv=0\r\n", INVITE.toBytes())
        wrong = INVITE.adding("l", "99")
        self.assertEqual(wrong.toBytes().lower().count(b"content-length"), 1)
        self.assertNotIn(b"99\r\n\r\n", wrong.toBytes())
        self.assertIn(b"Content-Length: 0\r\n\r\n", INVITE.respond(100).toBytes())

    def test_unknownOctetsSurvive(self) -> None:
        """Bytes that are no UTF-8 come out as they went in."""
        raw = INVITE.adding("X-Latin", "caf\udce9").toBytes()
        self.assertIn(b"X-Latin: caf\xe9\r\n", raw)
        self.assertEqual(parse(raw).toBytes(), raw)

    def test_withBody(self) -> None:
        """Type and length follow the body."""
        plain = INVITE.withBody(b"hello", "text/plain")
        self.assertEqual((plain.contentType, plain.body), ("text/plain", b"hello"))
        self.assertEqual(INVITE.withBody(b"", None).contentType, "")
        self.assertEqual(INVITE.body, b"v=0\r\n")


class ResponseTests(SynchronousTestCase):
    """8.2.6."""

    def test_viasPartiesAndNumberAreTheRequests(self) -> None:
        """8.2.6.2: all Vias in order, From, To, Call-ID, CSeq."""
        response = INVITE.respond(404)
        self.assertEqual(response.headerValues("Via"), INVITE.headerValues("Via"))
        for name in ("From", "To", "Call-ID", "CSeq"):
            self.assertEqual(response.header(name), INVITE.header(name))
        self.assertIsNone(response.header("Record-Route"))
        self.assertEqual(str(response), "SIP/2.0 404 Not Found")

    def test_aTagIsPutOnToUnlessOneStandsThere(self) -> None:
        """8.2.6.2."""
        self.assertEqual(INVITE.respond(180, toTag="t").toAddress.tag, "t")
        inDialog = INVITE.replacing("To", "<sip:app@example.com>;tag=old")
        self.assertEqual(inDialog.respond(200, toTag="t").toAddress.tag, "old")
        bare = INVITE.replacing("To", "sip:app@example.com;x=1;")
        self.assertEqual(bare.respond(200, toTag="t").header("To"), "sip:app@example.com;x=1;tag=t")

    def test_whatCannotBeReadIsCopiedAsItStands(self) -> None:
        """8.2.6.2, 21.4.1: a 400 goes to broken requests, too."""
        broken = INVITE.replacing("To", '"Mr. J. User <sip:j.user@example.com>').replacing(
            "CSeq", "x"
        )
        response = broken.respond(400, toTag="t")
        for name in ("To", "CSeq"):
            self.assertEqual(response.headers.getLines(name), broken.headers.getLines(name))

    def test_codesOfTheRFC(self) -> None:
        """7.2: 100 to 699."""
        for code in (0, 99, 700):
            self.assertRaises(ValueError, INVITE.respond, code)

    def test_recordRouteIsCopiedWhereADialogMayForm(self) -> None:
        """12.1.1: into 101 to 299."""
        for code, copied in ((100, False), (180, True), (200, True), (302, False), (486, False)):
            self.assertEqual("Record-Route" in INVITE.respond(code).headers, copied, code)

    def test_moreHeadersAndABody(self) -> None:
        """They follow the copied ones."""
        response = INVITE.respond(
            200, "Fine", headers=[("Contact", "<sip:d>")], body=b"x", contentType="text/plain"
        )
        self.assertEqual((response.reason, response.header("Contact")), ("Fine", "<sip:d>"))
        self.assertIn(b"Content-Length: 1\r\n\r\nx", response.toBytes())

    def test_security_007_reasonsAndHeadersCannotSplitTheMessage(self) -> None:
        """CR, LF and NUL are a ValueError."""
        self.assertRaises(ValueError, INVITE.respond, 486, "busy\r\nX: y")
        self.assertRaises(ValueError, INVITE.respond, 486, headers=[("Reason", "a\nb")])
        self.assertRaises(ValueError, INVITE.respond, 200, body=b"x", contentType="a/b\r\nX: y")
        self.assertRaises(ValueError, INVITE.withBody, b"x", "a/b\r\nX: y")
        self.assertRaises(ValueError, Response, 486, "a\0", Headers())


class AckAndCancelTests(SynchronousTestCase):
    """The two requests that belong to an INVITE's transaction."""

    def test_ackToAFailure(self) -> None:
        """17.1.1.3: URI, topmost Via, Route, From, Call-ID, number; To of the response."""
        response = INVITE.respond(486, toTag="t")
        ack = INVITE.ackFor(response)
        self.assertEqual((ack.method, ack.uri), ("ACK", INVITE.uri))
        self.assertEqual([v.branch for v in ack.vias], ["z9hG4bK1"])
        self.assertEqual(ack.cseq, (7, "ACK"))
        self.assertEqual(ack.toAddress.tag, "t")
        self.assertEqual(ack.headerValues("Route"), INVITE.headerValues("Route"))
        self.assertEqual(ack.header("From"), INVITE.header("From"))

    def test_transaction_007_cancelIsOfTheINVITEsTransaction(self) -> None:
        """9.1: one Via, the INVITE's; URI, Call-ID, To, From, Route, number too; no Contact."""
        cancel = INVITE.cancel()
        self.assertEqual(cancel.headerValues("Via"), [str(INVITE.via)])
        for name in ("From", "To", "Call-ID", "Route"):
            self.assertEqual(cancel.header(name), INVITE.header(name))
        self.assertEqual((cancel.uri, cancel.cseq), (INVITE.uri, (7, "CANCEL")))
        self.assertNotIn("Contact", cancel.headers)
        self.assertEqual(cancel.body, b"")
