"""What is written on a command line, as values."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.settings import (
    Endpoint,
    Settings,
    parseAddress,
    parseCodecs,
    parseEndpoint,
    parsePortRange,
)

hosts = st.one_of(st.just(""), st.ip_addresses().map(str))


class EndpointTests(SynchronousTestCase):
    """udp[:host]:port."""

    def test_examples(self) -> None:
        """With and without host, all addresses, IPv6, any port."""
        for text, host, port in [
            ("udp:5060", "", 5060),
            ("udp:*:5060", "", 5060),
            ("UDP:127.0.0.1:5070", "127.0.0.1", 5070),
            ("udp:[::1]:5070", "::1", 5070),
            ("udp:[::]:0", "::", 0),
        ]:
            self.assertEqual(parseEndpoint(text), Endpoint("udp", host, port))

    def test_mistakes(self) -> None:
        """Each says what is wanted, and what is wrong."""
        for text, wrong in [
            ("", "''"),
            ("5060", "'5060'"),
            ("sctp:5060", "'sctp'"),
            ("udp", "''"),
            ("udp:", "''"),
            ("udp:sip", "'sip'"),
            ("udp:65536", "'65536'"),
            ("udp:-1", "'-1'"),
            ("udp:²", "'²'"),
            ("udp:pbx.example:5060", "'pbx.example'"),
            ("udp:::1:5060", "brackets"),
            ("udp:[127.0.0.1]:5060", "brackets"),
            ("udp:[::1:5060", "brackets"),
        ]:
            with self.assertRaises(ValueError) as caught:
                parseEndpoint(text)
            self.assertIn(wrong, str(caught.exception))
            self.assertIn("TRANSPORT[:HOST]:PORT", str(caught.exception))

    @given(hosts, st.integers(0, 65535))
    @settings(max_examples=50, deadline=None)
    def test_whatIsPrintedIsRead(self, host: str, port: int) -> None:
        """str(endpoint) is how it is written."""
        endpoint = Endpoint("udp", str(ip_address(host)) if host else "", port)
        self.assertEqual(parseEndpoint(str(endpoint)), endpoint)

    @given(st.text(max_size=30))
    @settings(max_examples=50, deadline=None)
    def test_anyTextIsReadOrRefused(self, text: str) -> None:
        """Nothing but ValueError comes of it."""
        for parse in (parseEndpoint, parsePortRange, parseAddress):
            for each in (text, f"udp:{text}"):
                self.readOrRefused(parse, each)

    def readOrRefused(self, parse: Any, text: str) -> None:
        """It returns, or raises ValueError."""
        try:
            parse(text)
        except ValueError as e:
            self.assertTrue(str(e))


class PortRangeTests(SynchronousTestCase):
    """FIRST-LAST."""

    def test_examples(self) -> None:
        """Both ends belong to it."""
        self.assertEqual(parsePortRange("10000-20000"), (10000, 20000))
        self.assertEqual(parsePortRange("10000-10000"), (10000, 10000))

    def test_mistakes(self) -> None:
        """Not two numbers, out of range, the wrong way round, without an even port."""
        for text in ("", "10000", "10000-", "a-b", "0-100", "20000-10000", "1-70000", "5001-5001"):
            self.assertRaises(ValueError, parsePortRange, text)


class AddressTests(SynchronousTestCase):
    """An IP address to advertise."""

    def test_examples(self) -> None:
        """Brackets are allowed, and left out."""
        self.assertEqual(parseAddress("203.0.113.5"), "203.0.113.5")
        self.assertEqual(parseAddress("[2001:db8::1]"), "2001:db8::1")

    def test_aNameIsRefused(self) -> None:
        """The error says why."""
        with self.assertRaises(ValueError) as caught:
            parseAddress("pbx.example.net")
        self.assertIn("IP address", str(caught.exception))


class CodecTests(SynchronousTestCase):
    """NAME,NAME..."""

    def test_theOrderIsThatOfTheWords(self) -> None:
        """In any case, with blanks between."""
        self.assertEqual(parseCodecs("pcma, PCMU"), ("PCMA", "PCMU"))
        self.assertEqual(parseCodecs("Pcmu"), ("PCMU",))

    def test_mistakes(self) -> None:
        """Each names the culprit, and what there is."""
        for text, wrong in [
            ("", "no codec '': there are PCMU, PCMA, G722"),
            ("pcmu,", "no codec ''"),
            ("pcmu,g729", "no codec 'g729': there are PCMU, PCMA, G722"),
            ("pcmu pcma", "no codec 'pcmu pcma'"),
            ("pcma,pcmu,PCMA", "PCMA is there twice"),
        ]:
            with self.assertRaises(ValueError) as caught:
                parseCodecs(text)
            self.assertIn(wrong, str(caught.exception))

    @given(st.text(max_size=30))
    @settings(max_examples=50, deadline=None)
    def test_anythingElseIsAValueError(self, text: str) -> None:
        """Never another error."""
        with contextlib.suppress(ValueError):
            parseCodecs(text)


class SettingsTests(SynchronousTestCase):
    """What a program passes by itself reaches phones and DNS as it is."""

    def test_whatCouldNotBeSentIsNamed(self) -> None:
        """Line ends and NULs, names where addresses belong, codecs that there are not."""
        table: dict[str, tuple[Any, ...]] = {
            "advertise": ("192.0.2.1\r\nX: y", "192.0.2.1\0", "a.example.com", "[::1]", ""),
            "gateway": ("gw.example.com\r\nX: y", "a@b", "a;b", "", "h\0", "\ud800"),
            "realm": ("a\r\nb", "a\0", "\ud800"),
            "idle": ("silence\n", ""),
            "dialOut": (("*\r\n",), ("a b",), ("*@h\0",), ("a", "<x>")),
            "codecs": (("PCMU\r\na=x",), ("PCMU,PCMA",), ("pcmu",), ("",)),
            "listen": tuple(
                (Endpoint("udp", host, 5060),)
                for host in ("192.0.2.1\n", "localhost", "*", "[::1]", "192.0.2.1\0")
            ),
        }
        for name, values in table.items():
            for value in values:
                error = self.assertRaises(ValueError, Settings, **{name: value})
                self.assertRegex(str(error), f"^{name}: ", repr(value))
                self.assertTrue(str(error).isprintable(), repr(value))

    def test_whatCan(self) -> None:
        """All the forms that there are."""
        Settings(
            advertise="2001:db8::1",
            gateway="[2001:db8::2]:5070",
            dialOut=("*.example.com", "+49*@192.0.2.7"),
            codecs=("PCMA",),
            listen=(Endpoint("udp", "::1", 0), Endpoint("udp", "", 5060)),
        )
