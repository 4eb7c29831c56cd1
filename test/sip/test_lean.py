"""How long an answer may be to who may not be who he says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage, Refusal
from shtoom.sip.lean import MOST, lean
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.reason import reasonHeader
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


def challenges(*algorithms: str) -> list[tuple[str, str]]:
    """As the gatekeeper makes them."""
    return [
        ("WWW-Authenticate", f'Digest realm="doug", nonce="1f-2-{"a" * 16}", algorithm={name}')
        for name in algorithms
    ]


class LeanTests(SynchronousTestCase):
    """lean()."""

    def leanOf(self, response: Response, asked: Request) -> Response:
        """The answer that is sent."""
        short = lean(response, asked)
        assert short is not None
        return short

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
        self.assertIs(self.leanOf(response, asked), response)

    def test_whatSaysNothingGoesFirst(self) -> None:
        """Supported, then the end of the reason; what it is asked for stays."""
        asked = request("OPTIONS", "Contact: <sip:a@198.51.100.20:5060>\r\n")
        response = asked.respond(404, "Not found" + "x" * 300, toTag="1", headers=EXTRAS[2:])
        short = self.leanOf(response, asked)
        self.assertIsNone(short.header("Supported"))
        self.assertTrue(short.reason.startswith("Not foundxx"), short.reason)
        self.assertEqual(len(short.toBytes()), int(MOST * asked.size))

    def test_theReasonHeaderGoesFirst(self) -> None:
        """It is long, and the log has it, too; the reason phrase says what there is to know."""
        asked = request("INVITE", "Contact: <sip:a@198.51.100.20:5060>\r\n")
        line = reasonHeader(Refusal("max-calls", "9 calls are up", "raise it" * 20), 503)
        response = asked.respond(503, "9 calls are up", headers=(*EXTRAS[2:], line))
        short = self.leanOf(response, asked)
        self.assertEqual((short.reason, short.header("Reason")), ("9 calls are up", None))
        self.assertEqual(short.header("Supported"), "")
        roomy = request("INVITE", f"X-Filler: {'x' * 300}\r\n")
        self.assertEqual(self.leanOf(response, roomy).header("Reason"), line[1])

    def test_aShortRequest(self) -> None:
        """405 without Allow is better than a weapon."""
        asked = request("FOO")
        response = asked.respond(405, toTag="1234567890abcdef", headers=EXTRAS)
        self.assertGreater(len(response.toBytes()), MOST * asked.size)
        short = self.leanOf(response, asked)
        self.assertLessEqual(len(short.toBytes()), MOST * asked.size)
        self.assertEqual(short.code, 405)
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            self.assertIsNotNone(short.header(name))

    def test_whatACallNeedsIsLeftAlone(self) -> None:
        """Bodies and Contacts of a 2xx, and what a refusal is useless without."""
        for method, code, header in (
            ("UPDATE", 200, "Contact"),
            ("INVITE", 200, "Contact"),
            ("INVITE", 180, "Contact"),
            ("REGISTER", 200, "Contact"),
            ("INVITE", 302, "Contact"),
            ("REGISTER", 423, "Min-Expires"),
        ):
            asked = request(method)
            body = b"v=0\r\n" * 50 if code < 300 else b""
            response = asked.respond(code, headers=((header, "x" * 200),), body=body)
            short = self.leanOf(response, asked)
            self.assertEqual((short.header(header), short.body), ("x" * 200, body))
            if code < 300:
                self.assertEqual(short.reason, response.reason)

    def test_whatACallerCanDoWithout(self) -> None:
        """In a 2xx to an INVITE, where it is too long for who may be another; the rest stays."""
        for length, left in ((0, set()), (450, {"Allow", "Accept", "Supported"})):
            asked = request("INVITE", f"Subject: {'x' * length}\r\n")
            headers = (("Contact", "<sip:a@192.0.2.10>"), ("Require", "timer"), *EXTRAS)
            response = asked.respond(200, headers=headers, body=b"v=0\r\n" * 40)
            short = self.leanOf(response, asked)
            gone = {name for name, _ in response.headers} - {name for name, _ in short.headers}
            self.assertEqual({"Allow", "Accept", "Supported"} - gone, left)
            self.assertEqual((short.reason, short.body), (response.reason, response.body))
            self.assertEqual(short.header("Require"), "timer")

    def test_oneChallengeWhereTwoAreTooLong(self) -> None:
        """The last one, which the oldest phones know; the reason before that. Else none at all."""
        found: list[list[str] | None] = []
        for length in (300, 60, 0):
            asked = request("REGISTER", f"Subject: {'x' * length}\r\n")
            response = asked.respond(401, toTag="0" * 16, headers=challenges("SHA-256", "MD5"))
            short = lean(response, asked)
            if short is None:
                found.append(None)
                continue
            self.assertLessEqual(len(short.toBytes()), MOST * asked.size)
            lines = short.headers.getLines("WWW-Authenticate")
            found.append([line.rpartition("=")[2] for line in lines])
        self.assertEqual(found, [["SHA-256", "MD5"], ["MD5"], None])

    def test_aProxysChallenges(self) -> None:
        """The same with 407."""
        asked = request("INVITE", f"Subject: {'x' * 60}\r\n")
        lines = [("Proxy-Authenticate", value) for _, value in challenges("SHA-256", "MD5")]
        short = self.leanOf(asked.respond(407, toTag="0" * 16, headers=lines), asked)
        self.assertEqual(len(short.headers.getLines("Proxy-Authenticate")), 1)

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
        response = asked.respond(400, reason, toTag="0" * 16, headers=headers)
        response = self.leanOf(response, asked)
        self.assertLessEqual(len(response.toBytes()), MOST * asked.size)
        try:
            again = parse(response.toBytes())
        except MalformedMessage as error:
            raise AssertionError(error) from error
        self.assertEqual(again.callID, asked.callID)
