"""The session description in a message (RFC 5621 3)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.body import BodyPart, bodyParts, sdpBody
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request

MULTIPART = (
    b"text before the first part, to be ignored\r\n--b 1\r\nContent-Type: application/pidf+xml\r\n"
    b"Content-ID: <target@example.net>\r\n\r\n<?xml version='1.0'?>\r\n--b 1\r\n"
    b"Content-Type: application/sdp\r\nContent-Disposition: session;handling=required\r\n\r\n"
    b"v=0\r\ns=-\r\n\r\n--b 1--\r\ntext after the last part, to be ignored\r\n"
)

SDP_PART = b"Content-Type: application/sdp\r\n\r\nv=0\r\n"


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

    def test_offeranswer_006_whatMustBeUnderstood(self) -> None:
        """RFC 5621 8: each part tells whether its handling is required."""
        parts = bodyParts(withBody(MULTIPART, 'multipart/mixed;boundary="b 1"'))
        self.assertEqual(
            [(part.contentType, part.required) for part in parts],
            [("application/pidf+xml", False), ("application/sdp", True)],
        )

    def test_partsInParts(self) -> None:
        """RFC 5621 3: a description may stand in a part that is multipart itself."""
        inner = b"--y\r\nContent-Type: text/plain\r\n\r\nhi\r\n--y\r\n" + SDP_PART + b"\r\n--y--"
        outer = b"--x\r\nContent-Type: multipart/alternative;\r\n boundary=y\r\n\r\n" + inner
        body = withBody(outer + b"\r\n--x--\r\n", "multipart/mixed;boundary=x")
        self.assertEqual(sdpBody(body), b"v=0\r\n")
        deep = b"--x\r\nContent-Type: multipart/mixed;boundary=x\r\n\r\n" * 9
        self.assertRaises(MalformedMessage, sdpBody, withBody(deep, "multipart/mixed;boundary=x"))

    def test_aBoundaryIsAWholeLine(self) -> None:
        """RFC 2046 5.1.1: one that goes on is content; white space behind it says nothing."""
        body = b"--x \t\r\n" + SDP_PART + b"\r\n--xy\r\n--x-\r\n--x--"
        self.assertEqual(
            bodyParts(withBody(body, "multipart/mixed;boundary=x")),
            [BodyPart("application/sdp", b"v=0\r\n\r\n--xy\r\n--x-")],
        )

    def test_partsAreLimited(self) -> None:
        """32 of them."""
        body = b"--x\r\n\r\n\r\n" * 40
        self.assertRaises(MalformedMessage, sdpBody, withBody(body, "multipart/mixed;boundary=x"))

    @given(st.binary(max_size=60), st.sampled_from(["x", "x y", "-", "\udcff"]))
    @settings(max_examples=100, deadline=None)
    def test_anyBodyIsReadOrRefused(self, content: bytes, boundary: str) -> None:
        """Nothing but MalformedMessage comes out."""
        for body in (content, b"--x\r\n" + content, b"--x\r\nContent-Type: " + content):
            try:
                sdpBody(withBody(body, f'multipart/mixed;boundary="{boundary}"'))
            except MalformedMessage:
                continue

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
