"""SIP and tel URIs (RFC 3261 19.1, RFC 3966)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.uri import URI, parseURI

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
PARAMS = st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=3).map(tuple)
HOSTS = st.sampled_from(["example.com", "192.0.2.1", "2001:db8::5", "a-b.example"])


class ParseURITests(SynchronousTestCase):
    """What each part of a URI becomes."""

    def test_allParts(self) -> None:
        """19.1.1: user, password, host, port, parameters and headers."""
        uri = parseURI("sips:al%69ce:pw@example.com:5061;transport=TCP;lr?Subject=hi%20there&To=x")
        self.assertEqual(
            (uri.scheme, uri.user, uri.password, uri.host, uri.port),
            ("sips", "alice", "pw", "example.com", 5061),
        )
        self.assertEqual(uri.transport, "tcp")
        self.assertEqual(uri.param("lr"), "")
        self.assertIsNone(uri.param("maddr"))
        self.assertEqual(uri.headers, (("Subject", "hi there"), ("To", "x")))

    def test_hostAlone(self) -> None:
        """A URI needs no user."""
        self.assertEqual(parseURI("sip:192.0.2.10"), URI("sip", host="192.0.2.10"))

    def test_userMayHoldReservedCharacters(self) -> None:
        """25.1 user-unreserved: semicolons and question marks before @ belong to the user."""
        uri = parseURI("sip:a;b?c/d=e@example.com;x=1")
        self.assertEqual((uri.user, uri.params), ("a;b?c/d=e", (("x", "1"),)))

    def test_ipv6_001_bracketsAroundTheAddress(self) -> None:
        """The host of an IPv6reference has no brackets here, the printed URI has."""
        uri = parseURI("sip:app@[2001:db8::192]")
        self.assertEqual((uri.user, uri.host, uri.port), ("app", "2001:db8::192", None))
        uri = parseURI("sip:mod@[2001:db8::192]:5060;transport=tcp")
        self.assertEqual((uri.host, uri.port), ("2001:db8::192", 5060))
        self.assertEqual(str(uri), "sip:mod@[2001:db8::192]:5060;transport=tcp")

    def test_tel(self) -> None:
        """RFC 3966 3: a number and parameters, no host."""
        uri = parseURI("tel:+1-201-555-0123;phone-context=example.com")
        self.assertTrue(uri.isTel)
        self.assertEqual(uri.user, "+1-201-555-0123")
        self.assertEqual(uri.param("phone-context"), "example.com")
        self.assertEqual(str(uri), "tel:+1-201-555-0123;phone-context=example.com")

    def test_otherSchemesAreKept(self) -> None:
        """A scheme that nobody here serves still prints as it came."""
        self.assertEqual(str(parseURI("http://example.com/a?b")), "http://example.com/a?b")

    def test_aParsedURIPrintsAsItWasWritten(self) -> None:
        """19.1.4: an escape of a reserved character, more or less, is another address."""
        for text in (
            "sip:300%26x%40evil%0d%0aRoute@example.com",
            "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31",
            "sip:%75se%72%3Bx@[2001:DB8:0::1]:05060;lr;;x=1?a=%20b",
            "SIPS:a@h;",
            "sip:null-%00-null@example.com",
        ):
            self.assertEqual(str(parseURI(text)), text)

    def test_userPartsReachNobodyElse(self) -> None:
        """Characters that mean something elsewhere are escaped when a new URI is printed."""
        uri = parseURI("sip:300%26x%40evil%0d%0aRoute@example.com")
        self.assertEqual(uri.user, "300&x@evil\r\nRoute")
        other = replace(uri, host="example.net")
        self.assertEqual(str(other), "sip:300&x%40evil%0D%0ARoute@example.net")

    def test_parse_010_anEmptyUser(self) -> None:
        """Not in the grammar, but sent by callers without a number: tolerated."""
        uri = parseURI("sip:@198.51.100.20")
        self.assertEqual(
            (uri.user, uri.host, str(uri)), ("", "198.51.100.20", "sip:@198.51.100.20")
        )
        self.assertEqual(str(replace(uri, port=5062)), "sip:@198.51.100.20:5062")

    def test_brokenURIsAreRefused(self) -> None:
        """Each of these is refused in words, never with another exception."""
        for text in (
            "",
            "alice",
            ":x",
            "sip:",
            "sip:@",
            "sip:a@",
            "sip:a@b@c",
            "sip:a@[2001:db8::192",
            "sip:a@2001:db8::192",
            "sip:a@[fe80::9%4]",
            "sip:a@[:::192.0.2.1]",
            "sip:a@[2001:db8::192]5060",
            "sip:a@192.0.2.1:",
            "sip:a@host:port",
            "sip:a@host:70000",
            "sip:a@host:-1",
            "sip:a@ho st",
            "sip:a@host;=x",
            "sip:a@host?x",
            "sip:a%4@host",
            "sip:a<b@host",
            "tel:",
            "tel:abc!",
        ):
            with self.subTest(text):
                self.assertRaises(MalformedMessage, parseURI, text)

    @given(user=st.none() | TEXT, host=HOSTS, port=st.none() | st.integers(0, 65535), params=PARAMS)
    @settings(max_examples=100, deadline=None)
    def test_whatIsPrintedParsesToTheSame(
        self,
        user: str | None,
        host: str,
        port: int | None,
        params: tuple[tuple[str, str | None], ...],
    ) -> None:
        """parse(print(x)) == x, whatever characters user and parameters hold."""
        uri = URI("sip", user, None, host, port, params)
        self.assertEqual(parseURI(str(uri)), uri)

    @given(st.text(max_size=40))
    @settings(max_examples=100, deadline=None)
    def test_anyTextParsesOrIsRefused(self, text: str) -> None:
        """Nothing but MalformedMessage comes out."""
        for candidate in (text, f"sip:{text}", f"tel:{text}", f"sip:a@{text}"):
            try:
                str(parseURI(candidate))
            except MalformedMessage:
                continue


class EquivalenceTests(SynchronousTestCase):
    """RFC 3261 19.1.4: its own examples."""

    def test_equivalent(self) -> None:
        """Letter case of host and parameters, escapes and order of parameters do not matter."""
        for left, right in (
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
        ):
            self.assertTrue(parseURI(left).equivalent(parseURI(right)), (left, right))

    def test_notEquivalent(self) -> None:
        """Case of the user, a port, a decisive parameter make the difference."""
        for left, right in (
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;newparam=6"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ):
            self.assertFalse(parseURI(left).equivalent(parseURI(right)), (left, right))
