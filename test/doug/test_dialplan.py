"""What may be dialled, and how patterns and gateways are written."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from doug.dialplan import DialPlan, DialWishes, parseGateway, parsePattern
from shtoom.exceptions import InvalidSIPURL
from shtoom.sip.uri import parseURI


class PatternTests(SynchronousTestCase):
    """[USER@]HOST, with * for any characters."""

    def may(self, pattern: str, uri: str) -> bool:
        """Is it allowed by that pattern alone?"""
        return DialPlan((parsePattern(pattern),)).mayDial(parseURI(uri)) is None

    def test_whatMatches(self) -> None:
        """Host without regard to case, user with; HOST alone for all its users."""
        for pattern, uri, allowed in (
            ("example.com", "sip:a@example.com", True),
            ("example.com", "sip:EXAMPLE.com:5070;transport=udp", True),
            ("example.com", "sip:a@sub.example.com", False),
            ("*.example.com", "sip:a@sub.example.com", True),
            ("*.example.com", "sip:a@example.com.evil.org", False),
            ("example.com", "sip:example.com@evil.org", False),
            ("+49*@gw", "sip:+4930@gw", True),
            ("+49*@gw", "sip:%2B4930@gw", True),
            ("+49*@gw", "sip:+4330@gw", False),
            ("+49*@gw", "sip:gw", False),
            ("+49*@gw", "sip:x%40+49@gw", False),
            ("Bob@gw", "sip:bob@gw", False),
            ("100@*", "sip:100@gw", True),
            ("100@*", "sip:100%40x@gw", False),
            ("*@gw", "sip:a%40evil.org@gw", True),
            ("[2001:db8::1]", "sip:a@[2001:db8::1]", True),
            ("10.0.*", "sip:a@10.0.3.4", True),
            ("10.0.*", "sip:a@10x0.3.4", False),
            ("*", "sip:anybody@anywhere.example", True),
            ("gw", "sip:a@gw;maddr=evil.org", False),
        ):
            self.assertEqual(self.may(pattern, uri), allowed, (pattern, uri))

    def test_noPatternsAllowAll(self) -> None:
        """The list is off by default."""
        self.assertIsNone(DialPlan().mayDial(parseURI("sip:a@example.com")))

    def test_mistakes(self) -> None:
        """ValueError with an example of what is right."""
        for text in ("", "@", "a@", "sip:a@b", "<a@b>", "a b@c", "a@b@c", "gw:5060", "<gw>"):
            self.assertRaises(ValueError, parsePattern, text)
        for text in ("", "a@b", "gw:x", "gw;lr", "gw?x=1", "sip:gw"):
            self.assertRaises(ValueError, parseGateway, text)
        for text in ("gw", "gw:5070", "[2001:db8::1]:5070"):
            self.assertEqual(parseGateway(text), text)


class GatewayTests(SynchronousTestCase):
    """tel: addresses."""

    def test_atTheGateway(self) -> None:
        """The number with its parameters is the user part; its port is kept."""
        plan = DialPlan((), "gw.example.com:5070")
        for tel, sip in (
            ("tel:+4930123", "sip:+4930123@gw.example.com:5070;user=phone"),
            (" TEL:112;phone-context=x ", "sip:112;phone-context=x@gw.example.com:5070;user=phone"),
            ("sip:a@b", "sip:a@b"),
            ("nonsense", "nonsense"),
        ):
            self.assertEqual(plan.address(tel), sip)

    def test_withoutAGateway(self) -> None:
        """The reason names the option; a number that is none names itself."""
        error = self.assertRaises(InvalidSIPURL, DialPlan().address, "tel:+4930123")
        self.assertIn("--gateway=HOST[:PORT]", error.reason)
        self.assertRaises(InvalidSIPURL, DialPlan((), "gw").address, "tel:hello")


class WishesTests(SynchronousTestCase):
    """What placeCall hands on."""

    def test_thePasswordIsNotShown(self) -> None:
        """A repr has all but that."""
        self.assertNotIn("s3cr3t", repr(DialWishes(auth=("a", "s3cr3t"))))
