"""Where responses go, and what a request's Via is given (RFC 3261 18.2, RFC 3581)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.parser import parse
from shtoom.sip.transport import Address, localAddressFor, markReceived, responseAddress
from test.sip.support import request

SOURCE = ("203.0.113.30", 6000)


class ResponseRoutingTests(SynchronousTestCase):
    """A request from a source, its Via, its responses."""

    def route(self, via: str, source: Address = SOURCE) -> tuple[str, Address]:
        """The Via as responses carry it, and where they go."""
        marked = markReceived(parse(request(via=via).toBytes()), source)  # type: ignore[arg-type]
        response = parse(marked.respond(200, toTag="x").toBytes())
        return str(response.via), responseAddress(marked.via, source)

    def test_nat_003_table(self) -> None:
        """With and without rport, behind a NAT and not (18.2.1, 18.2.2, RFC 3581 4)."""
        table = [
            (
                "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport",
                SOURCE,
                "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport=6000;received=203.0.113.30",
                SOURCE,
            ),
            (
                "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1",
                SOURCE,
                "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;received=203.0.113.30",
                ("203.0.113.30", 5062),
            ),
            (
                "SIP/2.0/UDP 203.0.113.30;branch=z9hG4bK1",
                SOURCE,
                "SIP/2.0/UDP 203.0.113.30;branch=z9hG4bK1",
                ("203.0.113.30", 5060),
            ),
            (
                "SIP/2.0/UDP host.example.net:5062;branch=z9hG4bK1",
                ("203.0.113.30", 5062),
                "SIP/2.0/UDP host.example.net:5062;branch=z9hG4bK1;received=203.0.113.30",
                ("203.0.113.30", 5062),
            ),
            (
                "SIP/2.0/UDP 203.0.113.30;maddr=203.0.113.99;branch=z9hG4bK1",
                ("203.0.113.30", 5060),
                "SIP/2.0/UDP 203.0.113.30;maddr=203.0.113.99;branch=z9hG4bK1",
                ("203.0.113.30", 5060),
            ),
        ]
        for via, source, written, to in table:
            self.assertEqual(self.route(via, source), (written, to))

    def test_rportOfItsOwnPortIsAnsweredToo(self) -> None:
        """rport and received are set even if they say nothing new (RFC 3581 4)."""
        written, to = self.route("SIP/2.0/UDP 203.0.113.30:6000;rport;branch=z9hG4bK1")
        self.assertIn(";rport=6000;", written)
        self.assertIn(";received=203.0.113.30", written)
        self.assertEqual(to, SOURCE)

    def test_aForgedReceivedIsReplaced(self) -> None:
        """Who writes received or rport himself cannot have a third party answered."""
        for via in (
            "SIP/2.0/UDP 203.0.113.30:5062;received=192.0.2.66;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.66:5062;received=192.0.2.66;rport=7;branch=z9hG4bK1",
        ):
            written, to = self.route(via)
            self.assertIn("received=203.0.113.30", written)
            self.assertNotIn("received=192.0.2.66", written)
            self.assertEqual(to[0], "203.0.113.30")

    def test_onlyTheTopViaIsTouched(self) -> None:
        """Other Vias keep their lines, in one header or in several."""
        more = (
            "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport,SIP/2.0/UDP 10.0.0.6;branch=z9hG4bK0"
        )
        marked = markReceived(request(via=more, more=[("Via", "SIP/2.0/TCP 10.0.0.7")]), SOURCE)
        self.assertEqual(
            marked.headers.getLines("Via"),
            [
                "SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport=6000;received=203.0.113.30, "
                "SIP/2.0/UDP 10.0.0.6;branch=z9hG4bK0",
                "SIP/2.0/TCP 10.0.0.7",
            ],
        )
        self.assertEqual(len(parse(marked.toBytes()).vias), 3)

    def test_IPv6HasNoBracketsInReceived(self) -> None:
        """received is a bare address, without the zone that means nothing elsewhere (18.2.1)."""
        written, to = self.route(
            "SIP/2.0/UDP [2001:db8::5]:5062;branch=z9hG4bK1;rport", ("fe80::1%eth0", 5070)
        )
        self.assertIn("SIP/2.0/UDP [2001:db8::5]:5062;", written)
        self.assertIn(";received=fe80::1", written)
        self.assertNotIn("eth0", written)
        self.assertEqual(to, ("fe80::1%eth0", 5070))

    def test_sameHostIsNotMarked(self) -> None:
        """Where the sent-by is the source, nothing is added (18.2.1)."""
        plain = request(via="SIP/2.0/UDP 203.0.113.30:5062;branch=z9hG4bK1")
        self.assertIs(markReceived(plain, SOURCE), plain)


class LocalAddressTests(SynchronousTestCase):
    """The address of ours that leads to a host."""

    def test_loopback(self) -> None:
        """To this machine itself it is the loopback address; nothing is sent."""
        self.assertEqual(localAddressFor("127.0.0.1"), "127.0.0.1")

    def test_noWay(self) -> None:
        """What is no IP address is an OSError."""
        with self.assertRaises(OSError):
            localAddressFor("256.1.1.1")
