"""Asking whether anybody listens at a UDP address: ICMP (RFC 3261 18.4)."""

from __future__ import annotations

import socket
from random import Random
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from doug.testing.network import MemoryNetwork
from doug.testing.reactor import VirtualReactor
from shtoom.sip.probe import MOST, PATIENCE, Probes

SERVER, PHONE = "192.0.2.10", "198.51.100.20"


class Listening(DatagramProtocol):
    """Somebody; keeps what comes."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """From the network."""
        self.got.append(datagram)


class ProbeTests(SynchronousTestCase):
    """In virtual time."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.network = MemoryNetwork(self.reactor, Random(0))
        self.reactor.host = self.network.host(SERVER)
        self.phone = self.network.host(PHONE)
        self.probes = Probes(self.reactor)
        self.refused: list[tuple[str, int]] = []

    def ask(self, *address: Any) -> None:
        self.probes.ask(address, lambda: self.refused.append(address))

    def assertNothingLeft(self, *bound: tuple[str, int]) -> None:
        """No socket but those, no delayed call."""
        self.assertEqual(sorted(self.network.bound), sorted(bound))
        self.assertEqual((self.reactor.getDelayedCalls(), len(self.probes)), ([], 0))

    def test_aClosedPortRefuses(self) -> None:
        """Once, as soon as ICMP is back; the socket is gone then."""
        self.ask(PHONE, 5060)
        self.assertEqual(self.refused, [])
        self.reactor.advance(0.01)
        self.assertEqual(self.refused, [(PHONE, 5060)])
        self.assertNothingLeft()

    def test_anOpenPortDoesNot(self) -> None:
        """It gets a keep-alive, from another port than that of SIP; an answer is of no interest."""
        somebody = Listening()
        self.phone.listenUDP(5060, somebody)
        self.network.observers.append(lambda data, source, to: self.assertNotEqual(source[1], 5060))
        self.ask(PHONE, 5060)
        self.reactor.advance(0.01)
        self.assertEqual(somebody.got, [b"\r\n\r\n"])
        (asking,) = [host for host in self.network.bound if host[0] == SERVER]
        self.phone.listenUDP(5062, Listening()).write(b"SIP/2.0 200 OK", asking)
        self.reactor.advance(PATIENCE)
        self.assertEqual(self.refused, [])
        self.assertNothingLeft((PHONE, 5060), (PHONE, 5062))

    def test_aSilentHostDoesNot(self) -> None:
        """After some seconds nobody waits for it any more."""
        self.ask("198.51.100.99", 5060)
        self.reactor.advance(PATIENCE)
        self.assertEqual(self.refused, [])
        self.assertNothingLeft()

    def test_oneSocketForAnAddress(self) -> None:
        """Asked again meanwhile it sends again; a request that is repeated holds it no longer."""
        self.network.drop = lambda data, source, to: True
        self.ask(PHONE, 5060)
        self.reactor.advance(PATIENCE - 1.0)
        self.ask(PHONE, 5060)
        self.ask(PHONE, 5062)
        self.assertEqual((self.network.sent, len(self.probes)), (3, 2))
        self.reactor.advance(PATIENCE - 0.5)
        self.assertEqual(len(self.probes), 1)
        self.network.drop = None
        self.ask(PHONE, 5060)
        self.reactor.advance(PATIENCE)
        self.assertEqual(self.refused, [(PHONE, 5060)])
        self.assertNothingLeft()

    def test_notMoreSocketsThanThereAreToSpare(self) -> None:
        """Beyond them nobody is asked, until there is room."""
        self.network.drop = lambda data, source, to: True
        for port in range(5060, 5060 + 2 * MOST):
            self.ask(PHONE, port)
        self.assertEqual(len(self.probes), MOST)
        self.reactor.advance(PATIENCE)
        self.ask(PHONE, 6000)
        self.assertEqual(len(self.probes), 1)
        self.reactor.advance(PATIENCE)
        self.assertNothingLeft()

    def test_closedItAsksNoMore(self) -> None:
        """ICMP that comes later is told to nobody."""
        self.ask(PHONE, 5060)
        self.probes.close()
        self.reactor.advance(PATIENCE)
        self.assertEqual(self.refused, [])
        self.assertNothingLeft()


class RealSocketTests(SynchronousTestCase):
    """On sockets of this machine; each reactor tells ICMP errors in its own way."""

    def closedPort(self, host: str) -> int:
        """A port of that host where nobody listens."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as taken:
            try:
                taken.bind((host, 0))
            except OSError as e:
                raise SkipTest(f"no {host} here") from e
            port: int = taken.getsockname()[1]
        return port

    def refusals(self, reactor: PosixReactorBase, host: str, interface: str) -> list[int]:
        """Who refuses: the first of two ports is closed."""
        self.addCleanup(reactor.disconnectAll)
        closed = self.closedPort(host)
        opened = reactor.listenUDP(0, DatagramProtocol(), host)
        probes = Probes(reactor, interface)
        self.addCleanup(probes.close)
        refused: list[int] = []
        for port in (closed, opened.getHost().port):
            probes.ask((host, port), lambda port=port: refused.append(port))  # type: ignore[misc]
        for _ in range(20):
            reactor.iterate(0.01)
        self.assertEqual(len(probes), 1)
        return [port - closed for port in refused]

    def test_epoll(self) -> None:
        """Closes a UDP port that has an error."""
        self.assertEqual(self.refusals(EPollReactor(), "127.0.0.1", ""), [0])

    def test_select(self) -> None:
        """Lets it be read."""
        self.assertEqual(self.refusals(SelectReactor(), "127.0.0.1", "127.0.0.1"), [0])

    def test_IPv6(self) -> None:
        """ICMPv6 says the same."""
        self.assertEqual(self.refusals(EPollReactor(), "::1", ""), [0])
