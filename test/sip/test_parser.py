"""Datagrams to messages (RFC 3261 7, 18.3, 25)."""

from __future__ import annotations

import contextlib
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import isKeepAlive, parse
from test.sip.support import touchAll

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


TOKENS = st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{1,12}", fullmatch=True)
VALUES: SearchStrategy[str] = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=30
).map(lambda text: text.strip(" \t"))


def hostile(size: int) -> dict[str, bytes]:
    """Messages of about `size` bytes, each a nuisance of its own to a careless parser."""
    return {
        "vias in one line": changed(
            "Via", "Via: " + ",".join(["SIP/2.0/UDP h;branch=z9hG4bK1"] * 2000)
        ),
        "vias in lines": changed("Via", *["Via: SIP/2.0/UDP h;branch=z9hG4bK1"] * (size // 35)),
        "lines": raw(*LINES, *["X-Y: z"] * (size // 8)),
        "empty names": raw(*LINES, *[":"] * (size // 3)),
        "folds": raw(*LINES, "X: a", *[" b"] * (size // 4)),
        "spaces before a fold": raw(*LINES, "X: a" + " " * size + "b", " c"),
        "quotes": changed("From", "From: " + '"' * size),
        "escapes": changed("From", 'From: "' + "\\" * size + '" <sip:a@b>;tag=1'),
        "escaped quotes": changed("From", 'From: "' + '\\"' * (size // 2) + "<sip:a@b>;tag=1"),
        "names": changed("From", "From: " + "a " * (size // 2) + "sip:a@b"),
        "brackets": changed("Contact", "Contact: " + "<" * size),
        "brackets and commas": changed("Contact", "Contact: " + "<,>" * (size // 3)),
        "spaces": changed("Via", "Via: SIP/2.0/UDP h" + " " * size + "x"),
        "parameters": changed("To", "To: <sip:a@b>" + ";a" * (size // 2)),
        "quoted parameters": changed("To", "To: <sip:a@b>" + ';a=""' * (size // 5)),
        "semicolons": changed("To", "To: <sip:a@b>" + ";" * size),
        "URI parameters": changed("OPTIONS", f"OPTIONS sip:a@b{';a' * (size // 2)} SIP/2.0"),
        "URI escapes": changed("OPTIONS", f"OPTIONS sip:{'%41' * (size // 3)}@b SIP/2.0"),
        "colons": changed("OPTIONS", f"OPTIONS sip:a@[{':' * size}x] SIP/2.0"),
        "colons in a Via": changed("Via", f"Via: SIP/2.0/UDP [{':' * size}x]"),
        "dots": changed("OPTIONS", f"OPTIONS sip:a@{'a.' * (size // 2)}- SIP/2.0"),
        "digits": changed("CSeq", f"CSeq: {'9' * size} OPTIONS"),
        "zeros": raw(*LINES, "Content-Length: " + "0" * size),
    }


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

    def test_parse_002_bothFormsInOneMessage(self) -> None:
        """7.3.3: they are one header; the order of the lines is the order of the values."""
        both = ("v: SIP/2.0/UDP a;branch=z9hG4bKa", "VIA: SIP/2.0/UDP b;branch=z9hG4bKb")
        message = parse(changed("Via", *both))
        self.assertEqual([via.host for via in message.vias], ["a", "b"])
        self.assertRaises(MalformedMessage, parse, changed("To", "To: <sip:a@b>", "t: <sip:a@b>"))

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

    def test_parse_003_aFoldInsideQuotes(self) -> None:
        """25.1 quoted-string: it may be folded, and the fold is a space."""
        message = parse(changed("From", 'From: "A', '  B" <sip:a@b>;tag=1'))
        self.assertEqual(message.fromAddress.display, "A B")

    def test_aFoldBeforeAnyHeaderIsRefused(self) -> None:
        """There is nothing that it could continue."""
        error = self.assertRaises(MalformedMessage, parse, raw(LINES[0], " x: y", *LINES[1:]))
        self.assertIn("fold", str(error))

    def test_linesBeforeTheStartLineAreSkipped(self) -> None:
        """7.5: leading CRLFs say nothing."""
        self.assertIsInstance(parse(b"\r\n\r\n" + raw(*LINES)), Request)

    def test_parse_008_aStarForContact(self) -> None:
        """10.2.2: it names no address; who needs one finds none."""
        message = parse(changed("Contact", "Contact: *"))
        self.assertEqual((message.contact, message.contacts), (None, ()))

    def test_parse_009_aViaWithoutBranch(self) -> None:
        """17.2.3: callers of RFC 2543 send none."""
        message = parse(changed("Via", "Via: SIP/2.0/UDP 198.51.100.20:5060"))
        self.assertIsNone(message.via.branch)

    def test_parse_010_emptyUserAndEmptyValues(self) -> None:
        """Tolerated where nothing depends on them."""
        message = parse(
            raw(
                *(line for line in LINES if not line.startswith("From")),
                *("From: <sip:@198.51.100.20>;tag=0fa1", "Warning:", "Subject: ", "X-Empty:"),
            )
        )
        self.assertEqual(message.fromAddress.uri.user, "")
        self.assertEqual((message.header("Subject"), message.headerValues("Warning")), ("", []))

    def test_parse_011_broken8BitTextIsKept(self) -> None:
        """Octets that are no UTF-8 are no reason to refuse, and go out as they came."""
        datagram = changed("From", 'From: "\udcff\udcfe" <sip:z@example.net>;tag=1')
        message = parse(datagram)
        self.assertEqual(message.fromAddress.display, "\ufffd\ufffd")
        self.assertIn(b'From: "\xff\xfe" <sip:z@example.net>;tag=1\r\n', message.toBytes())

    def test_ipv6_001_addressesWithoutBracketsAreAnswered(self) -> None:
        """RFC 5118 4.1: a bad address is a 400, not silence, as long as there is a Via to go by."""
        uri = changed("OPTIONS", "OPTIONS sip:app@2001:db8::9:5060 SIP/2.0")
        self.assertIsNotNone(self.assertRaises(MalformedMessage, parse, uri).request)
        for host in ("2001:db8::9:5060", "[fe80::9%4]:5060", "[2001:db8::192"):
            via = changed("Via", f"Via: SIP/2.0/UDP {host};branch=z9hG4bK1")
            request = self.assertRaises(MalformedMessage, parse, via).request
            assert isinstance(request, Request)
            self.assertEqual(request.respond(400).via.branch, "z9hG4bK1")
            self.assertEqual(request.via.rport, "")  # to where it came from

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
            self.assertIn(f"{name} header", str(error))
            self.assertIsNone(error.request)
            error = self.assertRaises(MalformedMessage, parse, changed(name, f"{name}:"))
            self.assertEqual(error.where, f"{name} header")

    def test_parse_009_theMethodOfCSeq(self) -> None:
        """8.1.1.5: it is the request's, however long; another one is a 400."""
        error = self.assertRaises(MalformedMessage, parse, changed("CSeq", "CSeq: 0 " + "A" * 900))
        self.assertIn("the method OPTIONS", str(error))
        self.assertIsNotNone(error.request)

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
            changed("CSeq", "CSeq: 36893488147419103232 OPTIONS"),
            changed("To", 'To: "Mr. J. User <sip:j.user@example.com>'),
            changed("Via", "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKc1;;,;,,"),
        ):
            error = self.assertRaises(MalformedMessage, parse, datagram)
            assert isinstance(error.request, Request)
            response = error.request.respond(error.code, toTag="t")
            self.assertEqual((response.code, response.via.branch), (400, "z9hG4bKc1"))

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
        """7.2: three digits of 100 to 699, and no NUL in the phrase (none may be sent on)."""
        for start in (
            "SIP/2.0 99 x",
            "SIP/2.0 700 x",
            "SIP/2.0 4294967301 x",
            "SIP/2.0 2O0 x",
            "SIP/2.0",
            "SIP/2.0 200 O\0K",
        ):
            self.assertRaises(MalformedMessage, parse, raw(start, *LINES[1:]))

    def test_everyViaOfAResponseIsLookedAt(self) -> None:
        """18.1.2: a second one that cannot be read is malformed at once, not where they count."""
        for via in ("SIP/2.0/UDP 192.0.2.1:0x10", "SIP/2.0/UDP x;branch=a b", 'x;b="', "1;rport"):
            for lines in ((*LINES[1:], f"Via: {via}"), (f"{LINES[1]}, {via}", *LINES[2:])):
                self.assertRaises(MalformedMessage, parse, raw("SIP/2.0 200 OK", *lines))

    def test_security_007_lineFeedInsideQuotesIsNoFold(self) -> None:
        """A stray LF or CR would split the header at the next hop: 400, with a space instead."""
        for stray in ("\n", "\r"):
            error = self.assertRaises(
                MalformedMessage, parse, changed("From", f'From: "a{stray}b" <sip:a@b>;tag=1')
            )
            self.assertIn("stray", str(error))
            assert isinstance(error.request, Request)
            self.assertIn(b'From: "a b" <', error.request.respond(400).toBytes())
            other = self.assertRaises(
                MalformedMessage, parse, changed("Contact", f"Record-Route: a{stray}b")
            )
            assert isinstance(other.request, Request)
            parse(other.request.respond(200, toTag="t").toBytes())

    def test_security_006_aCallIDOfControlCharacters(self) -> None:
        """It would stand in the log, and in an answer that cannot be parsed: neither (25.1)."""
        for callID in ("a\x1b[31m", "a\x00b", "a\udcff"):
            error = self.assertRaises(
                MalformedMessage, parse, changed("Call-ID", f"Call-ID: {callID}")
            )
            self.assertEqual(error.where, "Call-ID header")
            self.assertTrue(str(error).isprintable())
            self.assertIsNone(error.request)

    def test_aNULInAVia(self) -> None:
        """It could not be written into an answer, whichever of them has it: there is none."""
        whole = "Via: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK1"
        broken = 'Via: SIP/2.0/UDP h;branch=z9hG4bK2;x="\0"'
        others = [line for line in LINES if not line.startswith("Via")]
        for vias in ((broken,), (whole, broken), (broken, whole)):
            start, *headers = others
            error = self.assertRaises(MalformedMessage, parse, raw(start, *vias, *headers))
            self.assertIn("no NUL", str(error))
            self.assertIsNone(error.request)

    def test_limits(self) -> None:
        """64 KiB, 256 headers, 8 KiB a line."""
        self.assertRaises(MalformedMessage, parse, raw(*LINES, body=b"x" * 70000))
        self.assertRaises(MalformedMessage, parse, raw(*LINES, *["X-Y: z"] * 250))
        self.assertRaises(MalformedMessage, parse, raw(*LINES, "X-Y: " + "z" * 9000))
        self.assertIsInstance(parse(raw(*LINES, *["X-Y: z"] * 240)), Request)

    def test_tooLongARequestLine(self) -> None:
        """21.4.15: a 414."""
        error = self.assertRaises(
            MalformedMessage, parse, changed("OPTIONS", f"OPTIONS sip:{'a' * 9000}@b SIP/2.0")
        )
        self.assertEqual(error.code, 414)
        self.assertIsNotNone(error.request)

    def test_headersWithoutAnEndAreRefused(self) -> None:
        """7.5: a datagram cut short is not acted upon."""
        error = self.assertRaises(MalformedMessage, parse, raw(*LINES)[:-2])
        self.assertIn("an empty line", str(error))

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
    @settings(max_examples=100, deadline=None)
    def test_mutatedMessagesParseOrAreRefused(self, at: int, cut: int, put: bytes) -> None:
        """Some bytes of a good message are others; what is offered for an answer serves for one."""
        good = raw(*LINES)
        try:
            message = parse(good[:at] + put + good[at + cut :])
        except MalformedMessage as error:
            if isinstance(error.request, Request):
                error.request.respond(error.code, toTag="t").toBytes()
            return
        touchAll(message)
        if isinstance(message, Request):
            parse(message.respond(200, toTag="t").toBytes())

    @given(
        method=TOKENS,
        lines=st.lists(st.tuples(TOKENS.map(lambda name: f"X-{name}"), VALUES), max_size=5),
        body=st.binary(max_size=40),
    )
    @settings(max_examples=100, deadline=None)
    def test_whatIsPrintedParsesToTheSame(
        self, method: str, lines: list[tuple[str, str]], body: bytes
    ) -> None:
        """parse(print(x)) == x: names, values and body, byte for byte."""
        known = [(name, value) for name, _, value in (line.partition(": ") for line in LINES[1:])]
        headers = Headers([*known, *lines]).replacing("CSeq", f"1 {method}")
        request = Request(method, "sip:app@192.0.2.10", headers, body)
        parsed = parse(request.toBytes())
        length = headers.adding("Content-Length", str(len(body)))
        self.assertEqual(parsed, request.withHeaders(length))
        response = request.respond(200, "", headers=lines, body=body)
        length = response.headers.adding("Content-Length", str(len(body)))
        self.assertEqual(parse(response.toBytes()), response.withHeaders(length))

    def test_timeIsLinear(self) -> None:
        """Hostile input costs time by its length alone: no datagram takes a tenth of a second."""
        cases = [*hostile(8000).items(), *hostile(60000).items()]  # within the limits and not
        for name, datagram in cases:
            best = 1.0
            for _ in range(3):  # the machine may be busy: the best of three counts
                begin = time.perf_counter()
                with contextlib.suppress(MalformedMessage):
                    touchAll(parse(datagram))
                best = min(best, time.perf_counter() - begin)
            self.assertLess(best, 0.1, name)
