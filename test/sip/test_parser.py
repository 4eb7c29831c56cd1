"""Datagrams to messages (RFC 3261 7, 18.3, 25)."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Message, Request, Response
from shtoom.sip.parser import isKeepAlive, parse

LINES = [
    "OPTIONS sip:app@192.0.2.10 SIP/2.0",
    "Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKc1;rport",
    "Max-Forwards: 70",
    'From: "Alice" <sip:alice@example.net>;tag=1',
    "To: <sip:app@example.com>",
    "Call-ID: c1@198.51.100.20",
    "CSeq: 3 OPTIONS",
    "Contact: <sip:alice@198.51.100.20>",
]


def raw(*lines: str, body: bytes = b"") -> bytes:
    """A datagram of these lines."""
    return "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape") + body


def changed(start: str, *lines: str) -> bytes:
    """The standard request with the line that begins so replaced by others (none: dropped)."""
    out: list[str] = []
    for line in LINES:
        out += lines if line.startswith(start) else [line]
    return raw(*out)


def touchAll(message: Message) -> None:
    """Looks at everything that is parsed on use."""
    for name in (
        *("callID", "cseq", "via", "vias", "fromAddress", "toAddress", "contact", "contacts"),
        *("routes", "recordRoutes", "maxForwards", "contentLength", "contentType"),
    ):
        try:
            getattr(message, name)
        except MalformedMessage:
            continue
    message.toBytes()


class ParseTests(SynchronousTestCase):
    """What parses, and to what."""

    def test_request(self) -> None:
        """7.1: method, URI, headers, body."""
        message = parse(raw(*LINES, body=b"hello"))
        assert isinstance(message, Request)
        self.assertEqual((message.method, message.uri.user), ("OPTIONS", "app"))
        self.assertEqual((len(message.headers), message.body), (7, b"hello"))

    def test_response(self) -> None:
        """7.2: code and reason, which may be empty or hold anything."""
        for text, reason in (
            ("SIP/2.0 200 OK", "OK"),
            ("SIP/2.0 200 ", ""),
            ("sip/2.0 200 = 2**3", "= 2**3"),
        ):
            message = parse(raw(text, *LINES[1:]))
            assert isinstance(message, Response)
            self.assertEqual((message.code, message.reason), (200, reason))

    def test_parse_002_compactHeaders(self) -> None:
        """7.3.3: a message of one-letter names is a whole message."""
        message = parse(
            raw(
                "OPTIONS sip:192.0.2.10 SIP/2.0",
                "v: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKc1",
                "Max-Forwards: 70",
                "f: <sip:a@example.net>;tag=1",
                "t: <sip:192.0.2.10>",
                "i: c1@198.51.100.20",
                "CSeq: 1 OPTIONS",
                "m: <sip:a@198.51.100.20>",
                "l: 0",
            )
        )
        assert isinstance(message, Request)
        response = message.respond(200)
        self.assertEqual((response.via.branch, response.callID), ("z9hG4bKc1", "c1@198.51.100.20"))

    def test_parse_003_foldedHeaders(self) -> None:
        """7.3.1: a line that starts with white space continues the one before, as one space."""
        message = parse(
            raw(
                *LINES,
                'WWW-Authenticate: Digest realm="example.com",',
                '   nonce="abc=",',
                "\tqop=auth",
            )
        )
        value = message.header("WWW-Authenticate")
        self.assertEqual(value, 'Digest realm="example.com", nonce="abc=", qop=auth')

    def test_aFoldBeforeAnyHeaderIsRefused(self) -> None:
        """There is nothing that it could continue."""
        error = self.assertRaises(MalformedMessage, parse, raw(LINES[0], " x: y", *LINES[1:]))
        self.assertIn("fold", str(error))

    def test_linesBeforeTheStartLineAreSkipped(self) -> None:
        """7.5: leading CRLFs say nothing."""
        self.assertIsInstance(parse(b"\r\n\r\n" + raw(*LINES)), Request)

    def test_spaceBeforeTheColonIsGrammar(self) -> None:
        """25.1 HCOLON: one parser, one reading, so that nothing can be smuggled past it."""
        self.assertEqual(parse(changed("To", "To  \t: <sip:x@y>")).toAddress.uri.user, "x")

    def test_transport_004_contentLengthOverUDP(self) -> None:
        """18.3: bytes too many are dropped, too few are a fault that names both numbers."""
        self.assertEqual(parse(raw(*LINES, "Content-Length: 3", body=b"hello")).body, b"hel")
        error = self.assertRaises(
            MalformedMessage, parse, raw(*LINES, "Content-Length: 9999", body=b"hello")
        )
        self.assertIn("Content-Length 9999, datagram holds 5", str(error))
        self.assertIsNotNone(error.request)
        for bad in ("-1", "1e3", "", "99999999999", "٣"):
            self.assertRaises(MalformedMessage, parse, raw(*LINES, f"Content-Length: {bad}"))

    def test_transport_002_keepAlives(self) -> None:
        """RFC 5626: line ends and zeros are no message."""
        for datagram in (b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b""):
            self.assertTrue(isKeepAlive(datagram))
        self.assertFalse(isKeepAlive(raw(*LINES)))
        self.assertFalse(isKeepAlive(b"\0" * 17))


class RefusalTests(SynchronousTestCase):
    """What does not parse, and whether it can be answered."""

    def test_parse_005_missingHeaders(self) -> None:
        """8.1.1: without Via, From, To, Call-ID and CSeq no response can be made."""
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            error = self.assertRaises(MalformedMessage, parse, changed(name))
            self.assertIn(name.lower(), str(error).lower())
            self.assertIsNone(error.request)

    def test_otherFaultsCanBeAnswered(self) -> None:
        """21.4.1: with the parties readable, the error carries enough for a 400."""
        for datagram in (
            changed("CSeq", "CSeq: 3 INVITE"),
            changed("Max", "Max-Forwards: lots"),
            changed("To", "To: <sip:a@b>", "t: <sip:c@d>"),
            changed("OPTIONS", "OPTIONS <sip:a@b> SIP/2.0"),
            changed("OPTIONS", "OPTIONS sip:a@b  SIP/2.0"),
            changed("Contact", "no colon here"),
            changed("Contact", "b@d name: x"),
        ):
            error = self.assertRaises(MalformedMessage, parse, datagram)
            assert isinstance(error.request, Request)
            self.assertEqual(
                (error.code, error.request.respond(400).via.branch), (400, "z9hG4bKc1")
            )

    def test_theFirstOfADoubledHeaderGoesIntoTheAnswer(self) -> None:
        """RFC 4475 3.3.8."""
        error = self.assertRaises(
            MalformedMessage, parse, changed("Call-ID", "Call-ID: one", "Call-ID: two")
        )
        assert isinstance(error.request, Request)
        self.assertEqual(error.request.respond(400).headers.getLines("Call-ID"), ["one"])

    def test_otherVersions(self) -> None:
        """21.5.6: a request of another version is a 505."""
        error = self.assertRaises(
            MalformedMessage, parse, changed("OPTIONS", "OPTIONS sip:a@b SIP/7.0")
        )
        self.assertEqual(error.code, 505)
        self.assertIsNotNone(error.request)
        self.assertRaises(MalformedMessage, parse, raw("SIP/3.0 200 OK", *LINES[1:]))

    def test_anACKIsNeverAnswered(self) -> None:
        """17.1.1.3: there is no response to an ACK, whatever is wrong with it."""
        lines = [line.replace("OPTIONS", "ACK") for line in LINES]
        error = self.assertRaises(MalformedMessage, parse, raw(*lines, "Content-Length: 7"))
        self.assertIsNone(error.request)

    def test_brokenStatusLines(self) -> None:
        """7.2: three digits of 100 to 699."""
        for start in (
            "SIP/2.0 99 x",
            "SIP/2.0 700 x",
            "SIP/2.0 4294967301 x",
            "SIP/2.0 2O0 x",
            "SIP/2.0",
        ):
            self.assertRaises(MalformedMessage, parse, raw(start, *LINES[1:]))

    def test_security_007_lineFeedInsideQuotesIsNoFold(self) -> None:
        """A stray LF or CR would split the header at the next hop."""
        for stray in ("\n", "\r"):
            error = self.assertRaises(
                MalformedMessage, parse, changed("From", f'From: "a{stray}b" <sip:a@b>;tag=1')
            )
            self.assertIn("stray", str(error))

    def test_limits(self) -> None:
        """64 KiB, 256 headers, 8 KiB a line."""
        self.assertRaises(MalformedMessage, parse, raw(*LINES, body=b"x" * 70000))
        self.assertRaises(MalformedMessage, parse, raw(*LINES, *["X-Y: z"] * 250))
        self.assertRaises(MalformedMessage, parse, raw(*LINES, "X-Y: " + "z" * 9000))
        self.assertIsInstance(parse(raw(*LINES, *["X-Y: z"] * 240)), Request)

    def test_textThatIsNoSIP(self) -> None:
        """Whatever else comes to the port."""
        for datagram in (
            b"x",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01",
            b"\xff" * 100,
        ):
            error = self.assertRaises(MalformedMessage, parse, datagram)
            self.assertIsNone(error.request)


class PropertyTests(SynchronousTestCase):
    """Whatever arrives."""

    @given(st.binary(max_size=300))
    @settings(max_examples=100, deadline=None)
    def test_anyBytesParseOrAreRefused(self, data: bytes) -> None:
        """Nothing but MalformedMessage comes out."""
        for datagram in (data, raw(*LINES[:1]) + data, b"\r\n".join((raw(*LINES)[:-4], data))):
            try:
                touchAll(parse(datagram))
            except MalformedMessage:
                continue

    @given(st.integers(0, 330), st.integers(0, 8), st.binary(max_size=6))
    @settings(max_examples=200, deadline=None)
    def test_mutatedMessagesParseOrAreRefused(self, at: int, cut: int, put: bytes) -> None:
        """Some bytes of a good message are others; what is offered for an answer serves for one."""
        good = raw(*LINES)
        try:
            touchAll(parse(good[:at] + put + good[at + cut :]))
        except MalformedMessage as error:
            if isinstance(error.request, Request):
                error.request.respond(error.code).toBytes()

    def test_parse_timeIsLinear(self) -> None:
        """Hostile input costs time by its length alone: ten times as much, not a hundred."""
        hostile = (
            lambda n: changed("Via", *["Via: " + ",".join(["SIP/2.0/UDP h;branch=z9hG4bK1"] * n)]),
            lambda n: changed("From", "From: " + '"' * n),
            lambda n: changed("From", 'From: "' + "\\" * n + '" <sip:a@b>;tag=1'),
            lambda n: changed("From", "From: " + "(" * n),
            lambda n: changed("To", "To: <sip:" + "a;" * n + "@b>"),
            lambda n: changed("Contact", "Contact:" + " \t" * n),
            lambda n: raw(*LINES, *["X-Y: z"] * n),
        )
        for make in hostile:
            seconds = []
            for n in (200, 2000):
                datagram = make(n)
                begin = time.perf_counter()
                for _ in range(3):
                    try:
                        touchAll(parse(datagram))
                    except MalformedMessage:
                        continue
                seconds.append(time.perf_counter() - begin)
            self.assertLess(seconds[1], 100 * seconds[0] + 0.5)
