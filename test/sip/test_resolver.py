"""Where a URI leads (RFC 3263, without NAPTR and SRV)."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import HostNotKnown
from shtoom.sip.resolver import Place, Resolver
from shtoom.sip.uri import parseURI
from test.sip.namedclock import Reactor


class ResolverTests(SynchronousTestCase):
    """URIs and a server of names."""

    def setUp(self) -> None:
        """Builds them."""
        self.reactor = Reactor()
        self.names = self.reactor.nameResolver
        self.resolver = Resolver(self.reactor)

    def resolve(self, text: str) -> Deferred[list[Place]]:
        """The Deferred for that URI."""
        return self.resolver.resolve(parseURI(text))

    def test_IPAddressesNeedNoLookUp(self) -> None:
        """Port 5060 and UDP unless the URI says otherwise; 5061 and TLS for sips (RFC 3263 4)."""
        table: list[tuple[str, Place]] = [
            ("sip:a@192.0.2.10", ("192.0.2.10", 5060, "UDP")),
            ("sip:192.0.2.10:5070;transport=tcp", ("192.0.2.10", 5070, "TCP")),
            ("sip:a@[2001:db8::5]:5062", ("2001:db8::5", 5062, "UDP")),
            ("sip:192.0.2.10;transport=TLS", ("192.0.2.10", 5061, "TLS")),
            ("sips:192.0.2.10", ("192.0.2.10", 5061, "TLS")),
            ("sip:example.com;maddr=192.0.2.11", ("192.0.2.11", 5060, "UDP")),
        ]
        for text, place in table:
            self.assertEqual(self.successResultOf(self.resolve(text)), [place])
        self.assertEqual((self.names.asked, self.reactor.getDelayedCalls()), ([], []))

    def test_aName(self) -> None:
        """Each of its addresses once, IPv4 first, else in the order that they came."""
        done = self.resolve("sip:a@example.com:5070")
        self.assertNoResult(done)
        self.names.answer("2001:db8::1", "203.0.113.31", "203.0.113.30", "203.0.113.31")
        self.assertEqual(
            self.successResultOf(done),
            [
                ("203.0.113.31", 5070, "UDP"),
                ("203.0.113.30", 5070, "UDP"),
                ("2001:db8::1", 5070, "UDP"),
            ],
        )
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_anUnknownName(self) -> None:
        """The failure names it."""
        done = self.resolve("sip:a@nowhere.invalid")
        self.names.answer()
        failure = self.failureResultOf(done, HostNotKnown)
        self.assertIn("nowhere.invalid has no address", failure.getErrorMessage())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_aSilentServer(self) -> None:
        """After 5 s the look-up is given up; what comes later is too late."""
        done = self.resolve("sip:a@slow.example.com")
        self.reactor.advance(5.1)
        failure = self.failureResultOf(done, HostNotKnown)
        self.assertIn("slow.example.com within 5 s", failure.getErrorMessage())
        self.names.answer("203.0.113.30")

    def test_givenUp(self) -> None:
        """Cancelling leaves no timer, and a late answer is harmless."""
        done = self.resolve("sip:a@slow.example.com")
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.names.answer("203.0.113.30")

    def test_whatNamesNoHost(self) -> None:
        """A telephone number leads nowhere by itself."""
        for text in ("tel:+15550100", "mailto:a@example.com"):
            self.assertIn(text, self.failureResultOf(self.resolve(text)).getErrorMessage())

    def test_aHostThatIsNone(self) -> None:
        """A maddr may be any text: it is shown, and never looked up."""
        for maddr in ("a%0d%0ab", "%00", "a%20b", "\u2028", "\udcff", "-", "a/b"):
            looked = self.resolver.resolve(parseURI(f"sip:a@example.com;maddr={maddr}"))
            failure = self.failureResultOf(looked, HostNotKnown)
            self.assertIn("is no host name", failure.value.reason)
            self.assertTrue(failure.value.reason.isprintable())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_aNameThatIsNone(self) -> None:
        """What the reactor's resolver refuses outright is HostNotKnown too."""
        self.names.error = UnicodeError("label empty or too long")
        failure = self.failureResultOf(self.resolve("sip:a@example.com"), HostNotKnown)
        self.assertIn("example.com is no host name", failure.getErrorMessage())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
