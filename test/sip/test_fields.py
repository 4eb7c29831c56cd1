"""Values of structured header fields (RFC 3261 20 and 25.1)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import (
    CSeq,
    NameAddress,
    Via,
    parseCSeq,
    parseMediaType,
    parseNameAddress,
    parseParams,
    parseVia,
    splitCommas,
)
from shtoom.sip.uri import URI

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=15)
TOKENS = st.from_regex(r"[A-Za-z0-9.!%*_+`'~-]{1,8}", fullmatch=True)
VALUES = st.none() | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1)
PARAMS = st.lists(st.tuples(TOKENS, VALUES), max_size=3).map(tuple)


class NameAddressTests(SynchronousTestCase):
    """From, To, Contact, Route (20.10)."""

    def test_parse_001_parametersWithoutBracketsAreTheHeaders(self) -> None:
        """20.10: with an addr-spec each parameter belongs to the header, not to the URI."""
        bare = parseNameAddress("sip:192.0.2.10")
        self.assertEqual((bare.display, bare.uri.user, bare.uri.host), ("", None, "192.0.2.10"))
        self.assertEqual((bare.uri.port, bare.params, bare.tag), (None, (), None))
        tagged = parseNameAddress("sip:app@192.0.2.10;tag=9")
        self.assertEqual((tagged.uri.user, tagged.uri.params, tagged.tag), ("app", (), "9"))
        inside = parseNameAddress("<sip:app@192.0.2.10;transport=udp>;tag=9")
        self.assertEqual((inside.uri.params, inside.tag), ((("transport", "udp"),), "9"))
        named = parseNameAddress("App <sip:app@192.0.2.10:5060>")
        self.assertEqual((named.display, named.uri.user, named.uri.port), ("App", "app", 5060))
        quoted = parseNameAddress('sip:app@192.0.2.10;note="<a; b>";tag=9')
        self.assertEqual((quoted.params, quoted.tag), ((("note", "<a; b>"), ("tag", "9")), "9"))

    def test_parse_004_displayNames(self) -> None:
        """20.20: space before < is optional, quotes hide separators, an empty name is legal."""
        for text, display, user, tag in (
            ('"Asha K"<sip:7002@198.51.100.20>;tag=bff3', "Asha K", "7002", "bff3"),
            ("Asha<sip:7002@198.51.100.20>;tag=1", "Asha", "7002", "1"),
            ('"" <sip:222@example.net>;epid=a22e;tag=4adc', "", "222", "4adc"),
            ('"K, J; x=1 <y>" <sip:222@example.net>;tag=2', "K, J; x=1 <y>", "222", "2"),
            (r'"a \"b\" \\" <sip:222@example.net>', r'a "b" ' + "\\", "222", None),
        ):
            party = parseNameAddress(text)
            self.assertEqual((party.display, party.uri.user, party.tag), (display, user, tag))

    def test_namesThatAskForQuotes(self) -> None:
        """Phones send names with commas and brackets unquoted; nothing is ambiguous about them."""
        for name in ("Smith, John", "Front desk (2nd floor)", "alice@example.com", "A & B: C/D"):
            self.assertEqual(parseNameAddress(f"{name} <sip:a@x>;tag=1").display, name)

    def test_parse_011_displayNames(self) -> None:
        """25.1 quoted-string: UTF-8, only quote and backslash escaped, nothing percent-encoded."""
        trunk = parseNameAddress('"COVER J & M" <sip:+15550100@203.0.113.30;otg=TG_1>;tag=g1')
        self.assertEqual((trunk.display, trunk.uri.user), ("COVER J & M", "+15550100"))
        self.assertEqual((trunk.uri.params, trunk.tag), ((("otg", "TG_1"),), "g1"))
        wire = r""""Zoë \"Z\" \\ Ä" <sip:z@example.net>;tag=1"""
        self.assertEqual(parseNameAddress(wire).display, r"""Zoë "Z" \ Ä""")
        zoe = NameAddress('Zoë "Z" \\', URI("sip", "z", None, "example.net"))
        self.assertEqual(str(zoe), r""""Zoë \"Z\" \\" <sip:z@example.net>""")
        broken = b'"\xff\xfe" <sip:z@example.net>;tag=1'.decode("utf-8", "surrogateescape")
        self.assertEqual(parseNameAddress(broken).display, "\ufffd\ufffd")
        self.assertEqual(parseNameAddress(broken).uri.user, "z")

    def test_commaListsRespectQuotesAndBrackets(self) -> None:
        """7.3.1: commas inside quotes or <> do not part."""
        parts = splitCommas('"a, b" <sip:a@x;p=1,2>, <sip:b@y>,sip:c@z')
        self.assertEqual([parseNameAddress(p).uri.user for p in parts], ["a", "b", "c"])
        for text in ('"a, <sip:a@x>, "b" <sip:b@y>', "<sip:a@x, <sip:b@y"):
            self.assertRaises(MalformedMessage, splitCommas, text)

    def test_withTag(self) -> None:
        """A tag is set or replaced."""
        party = parseNameAddress("<sip:a@x>;tag=1;y=2")
        self.assertEqual(str(party.withTag("7")), "<sip:a@x>;y=2;tag=7")

    def test_brokenOnesAreRefused(self) -> None:
        """Open quotes and brackets, rubbish behind, headers in a bare URI."""
        for text in (
            "",
            '"a <sip:a@x>',
            "<sip:a@x",
            "<sip:a@x> y",
            '"a" sip:a@x',
            'a "b" <sip:a@x>',
            "sip:a@x?Subject=1",
            "<sip:a@x>;;tag=1",
            "<sip:a@x>;tag=a b",
        ):
            with self.subTest(text):
                self.assertRaises(MalformedMessage, parseNameAddress, text)

    @given(display=NAMES, params=PARAMS)
    @settings(max_examples=100, deadline=None)
    def test_whatIsPrintedParsesToTheSame(
        self, display: str, params: tuple[tuple[str, str | None], ...]
    ) -> None:
        """parse(print(x)) == x for any display name and parameters."""
        party = NameAddress(display, URI("sip", "bob", None, "example.com"), params)
        self.assertEqual(parseNameAddress(str(party)), party)


class ViaTests(SynchronousTestCase):
    """20.42, RFC 3581, RFC 5118."""

    def test_parts(self) -> None:
        """Transport, sent-by, branch, received, rport."""
        via = parseVia("SIP/2.0/udp example.com:5062;branch=z9hG4bK1;received=192.0.2.1;rport=6000")
        self.assertEqual((via.transport, via.host, via.port), ("UDP", "example.com", 5062))
        self.assertEqual((via.branch, via.received, via.rport), ("z9hG4bK1", "192.0.2.1", "6000"))
        self.assertEqual(parseVia("SIP/2.0/UDP h;rport").rport, "")
        self.assertIsNone(parseVia("SIP/2.0/UDP h").rport)

    def test_parse_006_spaceCaseAndUnknownParameters(self) -> None:
        """25.1: SLASH and COLON allow white space, names compare without case, all are kept."""
        via = parseVia(
            "SIP / 2.0 / UDP [2001:db8::9]:6060 ; BRanch=1234;"
            "rport=12345;Param1=Foo;paRAM2;param3=Bar"
        )
        self.assertEqual((via.transport, via.host, via.port), ("UDP", "2001:db8::9", 6060))
        self.assertEqual((via.branch, via.rport), ("1234", "12345"))
        self.assertEqual(via.params[2:], (("Param1", "Foo"), ("paRAM2", None), ("param3", "Bar")))
        asked = parseVia("SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1")
        self.assertEqual((asked.host, asked.port, asked.rport), ("192.0.2.1", None, ""))
        via = parseVia("SIP  / 2.0\t/ UDP  192.0.2.2 : 5060 ;branch=z9hG4bK1")
        self.assertEqual((via.host, via.port, via.branch), ("192.0.2.2", 5060, "z9hG4bK1"))

    def test_parse_007_aFlagIsNotAValueOfOne(self) -> None:
        """20.42: what is printed is what was meant."""
        for params, text in (
            ((("ttl", "1"),), "SIP/2.0/UDP 192.0.2.1:5060;ttl=1"),
            ((("ttl", "2"),), "SIP/2.0/UDP 192.0.2.1:5060;ttl=2"),
            ((("rport", None),), "SIP/2.0/UDP 192.0.2.1:5060;rport"),
            ((("received", "[2001:db8::1]"),), "SIP/2.0/UDP 192.0.2.1:5060;received=[2001:db8::1]"),
            ((("x", "[a;b"),), 'SIP/2.0/UDP 192.0.2.1:5060;x="[a;b"'),
        ):
            via = Via("UDP", "192.0.2.1", 5060, params)
            self.assertEqual(str(via), text)
            self.assertEqual(parseVia(text), via)
        self.assertEqual(parseVia("SIP/2.0/UDP h;branch=z9hG4bK1;xyz=7").params[1], ("xyz", "7"))

    def test_ipv6_001_brackets(self) -> None:
        """Brackets in sent-by; received with and without them reads the same."""
        via = parseVia("SIP/2.0/TCP [2001:db8::192];branch=z9hG4bK1")
        self.assertEqual((via.host, via.port), ("2001:db8::192", None))
        for received in ("2001:db8::c", "[2001:db8::c]"):
            via = parseVia(f"SIP/2.0/UDP [2001:db8::b]:5060;received={received};branch=z9hG4bK1")
            self.assertEqual(via.received, "2001:db8::c")
        for text in ("SIP/2.0/UDP 2001:db8::9:5060", "SIP/2.0/UDP [fe80::9%4]:5060"):
            self.assertRaises(MalformedMessage, parseVia, text)

    def test_replacingKeepsTheOrder(self) -> None:
        """received and rport are set in their place or at the end."""
        via = parseVia("SIP/2.0/UDP h;rport;branch=z9hG4bK1")
        self.assertEqual(
            str(via.replacing(rport="6000", received="192.0.2.1")),
            "SIP/2.0/UDP h;rport=6000;branch=z9hG4bK1;received=192.0.2.1",
        )

    def test_parse_006_commasPartVias(self) -> None:
        """7.3.1: several in one line."""
        parts = splitCommas(
            "SIP/2.0/UDP a.example.com;branch=z9hG4bK1, "
            "SIP/2.0/TCP b.example.com:5070;branch=z9hG4bK2"
        )
        vias = [parseVia(part) for part in parts]
        self.assertEqual(
            [(v.transport, v.host, v.port) for v in vias],
            [("UDP", "a.example.com", None), ("TCP", "b.example.com", 5070)],
        )

    def test_brokenOnesAreRefused(self) -> None:
        """Wrong protocol, missing host, empty parameters."""
        for text in (
            *("", "SIP/2.0/UDP", "SIP/3.0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/UDP h;;,;,,"),
            *("SIP/2.0/UDP h h", "SIP/2.0/UDP h:", "SIP/2.0/UDP h:99999", "SIP/2.0/UDP [::1;x=1"),
        ):
            with self.subTest(text):
                self.assertRaises(MalformedMessage, parseVia, text)

    @given(params=PARAMS, port=st.none() | st.integers(0, 65535))
    @settings(max_examples=100, deadline=None)
    def test_whatIsPrintedParsesToTheSame(
        self, params: tuple[tuple[str, str | None], ...], port: int | None
    ) -> None:
        """parse(print(x)) == x."""
        via = Via("UDP", "2001:db8::1", port, params)
        self.assertEqual(parseVia(str(via)), via)


class OtherFieldTests(SynchronousTestCase):
    """CSeq, media types, parameters, comma lists."""

    def test_cseq(self) -> None:
        """20.16: a number below 2**31 and a method; leading zeros do not matter."""
        self.assertEqual(parseCSeq("0009 INVITE"), CSeq(9, "INVITE"))
        self.assertEqual(parseCSeq("2147483647\tACK"), CSeq(2147483647, "ACK"))
        self.assertEqual(parseCSeq("0" * 40 + "1 ACK"), CSeq(1, "ACK"))
        for text in (
            "",
            "1",
            "INVITE 1",
            "-1 INVITE",
            "2147483648 INVITE",
            "1 IN VITE",
            "1\xa0INVITE",
            "9" * 5000 + " INVITE",
            "٣ INVITE",
        ):
            with self.subTest(text):
                self.assertRaises(MalformedMessage, parseCSeq, text)

    def test_offeranswer_007_mediaTypes(self) -> None:
        """20.15: type and subtype compare without case, parameters do not matter."""
        for text in (
            "application/sdp;charset=ISO-10646",
            "Application/SDP",
            "application/sdp ; a = b",
        ):
            self.assertEqual(parseMediaType(text)[0], "application/sdp")
        self.assertEqual(parseMediaType("application/sdpx")[0], "application/sdpx")
        self.assertEqual(parseMediaType('multipart/mixed;boundary="b 1"')[1], {"boundary": "b 1"})
        for text in ("", "sdp", "a/b/c", "a /;x"):
            self.assertRaises(MalformedMessage, parseMediaType, text)

    def test_parametersWithQuotes(self) -> None:
        """Separators in quotes belong to the value."""
        self.assertEqual(
            parseParams('a="x;y=\\"1";b; c = 2', "test"), (("a", 'x;y="1'), ("b", None), ("c", "2"))
        )

    def test_commaListsDropEmptyParts(self) -> None:
        """Empty parts say nothing."""
        self.assertEqual(splitCommas("a,, b ,"), ["a", "b"])
        self.assertEqual(splitCommas('"a,b",c'), ['"a,b"', "c"])

    @given(st.text(max_size=40))
    @settings(max_examples=200, deadline=None)
    def test_anyTextParsesOrIsRefused(self, text: str) -> None:
        """Nothing but MalformedMessage comes out of any of them."""
        for parser in (splitCommas, parseNameAddress, parseVia, parseCSeq, parseMediaType):
            for candidate in (text, f"<sip:a@b>;{text}", f"SIP/2.0/UDP {text}", f'"{text}'):
                try:
                    parser(candidate)
                except MalformedMessage:
                    continue
