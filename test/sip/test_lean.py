"""How long an answer may be to who may not be who he says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.lean import MOST, lean
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from shtoom.sip.transport import markReceived

SOURCE = ("198.51.100.200", 50600)
EXTRAS = (
    ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"),
    ("Accept", "application/sdp, multipart/mixed"),
    ("Supported", ""),
)


def request(method: str = "OPTIONS", more: str = "", rport: str = ";rport") -> Request:
    """As a phone's, but short; as the transport hands it on."""
    text = (
        f"{method} sip:a@192.0.2.10 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 198.51.100.20{rport};branch=z9hG4bKa1\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1@b\r\n"
        f"CSeq: 1 {method}\r\nMax-Forwards: 70\r\n{more}\r\n"
    )
    message = parse(text.encode())
    assert isinstance(message, Request)
    return markReceived(message, SOURCE)


class LeanTests(SynchronousTestCase):
    """lean()."""

    def test_theSizeOnTheWire(self) -> None:
        """Of the datagram, whatever was added since."""
        plain = request("OPTIONS", rport="")
        marked = request("OPTIONS")
        self.assertEqual(marked.size, plain.size + len(";rport"))
        self.assertGreater(len(marked.toBytes()), marked.size)
        self.assertEqual(marked.replacing("To", "<sip:c@d>").size, marked.size)

    def test_whatFitsIsLeftAlone(self) -> None:
        """The same object."""
        asked = request("OPTIONS", "User-Agent: A phone with a name that is quite long, 1.0.3\r\n")
        response = asked.respond(404, toTag="1234567890abcdef")
        self.assertIs(lean(response, asked), response)

    def test_whatSaysNothingGoesFirst(self) -> None:
        """Supported, then the end of the reason; what it is asked for stays."""
        asked = request("OPTIONS", "Contact: <sip:a@198.51.100.20:5060>\r\n")
        response = asked.respond(404, "Not found" + "x" * 300, toTag="1", headers=EXTRAS[2:])
        short = lean(response, asked)
        self.assertIsNone(short.header("Supported"))
        self.assertTrue(short.reason.startswith("Not foundxx"), short.reason)
        self.assertEqual(len(short.toBytes()), int(MOST * asked.size))

    def test_aShortRequest(self) -> None:
        """405 without Allow is better than a weapon."""
        asked = request("FOO")
        response = asked.respond(405, toTag="1234567890abcdef", headers=EXTRAS)
        self.assertGreater(len(response.toBytes()), MOST * asked.size)
        short = lean(response, asked)
        self.assertLessEqual(len(short.toBytes()), MOST * asked.size)
        self.assertEqual(short.code, 405)
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            self.assertIsNotNone(short.header(name))

    def test_whatACallNeedsIsLeftAlone(self) -> None:
        """Bodies and Contacts of a 2xx, challenges and what a refusal is useless without."""
        for method, code, header in (
            ("UPDATE", 200, "Contact"),
            ("INVITE", 200, "Contact"),
            ("INVITE", 180, "Contact"),
            ("REGISTER", 200, "Contact"),
            ("REGISTER", 401, "WWW-Authenticate"),
            ("INVITE", 302, "Contact"),
            ("REGISTER", 423, "Min-Expires"),
        ):
            asked = request(method)
            body = b"v=0\r\n" * 50 if code < 300 else b""
            response = asked.respond(code, headers=((header, "x" * 200),), body=body)
            short = lean(response, asked)
            self.assertEqual((short.header(header), short.body), ("x" * 200, body))
            if code < 300:
                self.assertIs(short, response)

    @given(
        st.text("äx ", max_size=200),
        st.lists(st.sampled_from(EXTRAS), max_size=3),
        st.integers(0, 200),
    )
    @settings(max_examples=60, deadline=None)
    def test_everyAnswerIsShortEnough(
        self, reason: str, headers: list[tuple[str, str]], length: int
    ) -> None:
        """Or what it cannot do without, and it can be read."""
        asked = request("OPTIONS", f"Subject: {'x' * length}\r\n")
        response = lean(asked.respond(400, reason, toTag="0" * 16, headers=headers), asked)
        self.assertLessEqual(len(response.toBytes()), MOST * asked.size)
        try:
            again = parse(response.toBytes())
        except MalformedMessage as error:
            raise AssertionError(error) from error
        self.assertEqual(again.callID, asked.callID)
