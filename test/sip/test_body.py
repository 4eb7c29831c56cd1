"""The session description in a message (RFC 5621 3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.body import sdpBody
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request

MULTIPART = (
    b"text before the first part, to be ignored\r\n--b 1\r\nContent-Type: application/pidf+xml\r\n"
    b"Content-ID: <target@example.net>\r\n\r\n<?xml version='1.0'?>\r\n--b 1\r\n"
    b"Content-Type: application/sdp\r\nContent-Disposition: session;handling=required\r\n\r\n"
    b"v=0\r\ns=-\r\n\r\n--b 1--\r\ntext after the last part, to be ignored\r\n"
)


def withBody(body: bytes, contentType: str | None) -> Request:
    """An INVITE with that body."""
    return Request("INVITE", "sip:x", Headers()).withBody(body, contentType)


class SDPBodyTests(SynchronousTestCase):
    """Where the description may stand."""

    def test_alone(self) -> None:
        """application/sdp in any letter case, with parameters."""
        self.assertEqual(sdpBody(withBody(b"v=0", "Application/SDP;charset=x")), b"v=0")

    def test_noneWithoutBodyOrType(self) -> None:
        """No body, no type or another type is no description."""
        self.assertIsNone(sdpBody(withBody(b"", "application/sdp")))
        self.assertIsNone(sdpBody(withBody(b"v=0", None)))
        self.assertIsNone(sdpBody(withBody(b"v=0", "text/plain")))

    def test_offeranswer_006_aPartOfMultipart(self) -> None:
        """The first application/sdp part counts, wherever it stands."""
        body = sdpBody(withBody(MULTIPART, 'multipart/mixed;boundary="b 1"'))
        self.assertEqual(body, b"v=0\r\ns=-\r\n")

    def test_multipartWithoutDescription(self) -> None:
        """Other parts alone are no description."""
        body = b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--"
        self.assertIsNone(sdpBody(withBody(body, "multipart/mixed;boundary=x")))
        self.assertIsNone(
            sdpBody(withBody(b"--x\r\n\r\nhello\r\n--x--", "multipart/mixed;boundary=x"))
        )

    def test_security_001_brokenMultipartIsRefused(self) -> None:
        """No boundary, or one that is not there."""
        for contentType, body in (
            ("multipart/mixed", MULTIPART),
            ("multipart/mixed;`boundary=++", b"--\n--++=AAA\nxxx\n--+"),
            ("multipart/mixed;boundary=other", MULTIPART),
        ):
            with self.subTest(contentType):
                self.assertRaises(MalformedMessage, sdpBody, withBody(body, contentType))
