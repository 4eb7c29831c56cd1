"""SIP over UDP: thin, and nothing that arrives ends more than its own datagram."""

from __future__ import annotations

import errno
from collections.abc import Callable
from random import Random
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.interfaces import IUDPTransport
from twisted.internet.task import Clock
from twisted.internet.udp import Port
from twisted.trial.unittest import SynchronousTestCase

from doug.testing.network import MemoryNetwork
from doug.testing.reactor import VirtualReactor
from shtoom.exceptions import MalformedMessage, Refusal, TransportFailed
from shtoom.sip.gate import Gate
from shtoom.sip.message import Request, Response
from shtoom.sip.probe import Probes
from shtoom.sip.trace import Trace
from shtoom.sip.transport import Address, Peer
from shtoom.sip.udp import UDPTransport
from test.sip.support import ALICE, SDP, request
from test.support.logs import logLines

DATAGRAM = request(via="SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bK1;rport", body=SDP).toBytes()


class Receiver:
    """Notes what the transport hands up."""

    trace: Trace | None = None

    def __init__(self) -> None:
        self.messages: list[tuple[Request | Response, Peer]] = []
        self.malformed: list[tuple[MalformedMessage, bytes, Peer]] = []
        self.unreached: list[tuple[str, Peer]] = []
        self.refused: list[tuple[Request | Response, str]] = []
        self.raises: Exception | None = None

    def messageReceived(self, message: Request | Response, peer: Peer) -> None:
        """From the transport."""
        if self.raises is not None:
            raise self.raises
        self.messages.append((message, peer))

    def malformedReceived(self, error: MalformedMessage, data: bytes, peer: Peer) -> None:
        """From the transport."""
        if self.raises is not None:
            raise self.raises
        self.malformed.append((error, data, peer))

    def refuse(self, message: Request | Response, peer: Peer, refusal: Refusal) -> None:
        """From the transport."""
        self.refused.append((message, refusal.rule))

    def unreachable(self, failure: TransportFailed, peer: Peer) -> None:
        """From the transport."""
        self.unreached.append((str(failure), peer))


class FakePort:
    """What Twisted gives a protocol to write to."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.written: list[tuple[bytes, Address]] = []
        self.raises: Exception | None = None

    def getHost(self) -> IPv4Address | IPv6Address:
        """The bound address."""
        kind = IPv6Address if ":" in self.host else IPv4Address
        return kind("UDP", self.host, 5070)

    def write(self, packet: bytes, addr: Address) -> None:
        """As IUDPTransport has it."""
        if self.raises is not None:
            raise self.raises
        self.written.append((packet, addr))


class UDPTestCase(SynchronousTestCase):
    """A transport on a fake port."""

    def setUp(self) -> None:
        """Bound to all addresses."""
        self.clock = Clock()
        self.receiver = Receiver()
        self.udp, self.port = self.bind("0.0.0.0")

    def bind(
        self,
        host: str,
        advertise: str | None = None,
        local: Callable[[str], str] = lambda host: f"leads-to-{host}",
    ) -> tuple[UDPTransport, FakePort]:
        """Another one."""
        udp = UDPTransport(
            self.receiver, advertise, localAddressFor=local, seconds=self.clock.seconds
        )
        port = FakePort(host)
        udp.makeConnection(cast(IUDPTransport, port))
        return udp, port


class GateTests(UDPTestCase):
    """Whom not to hear."""

    def test_whatTheGateSays(self) -> None:
        """One that passes, two for which the receiver has a 503, silence; no line too many."""
        gate = Gate(0.5, trusts=lambda host: False, isLive=lambda callID: False)
        udp = UDPTransport(self.receiver, seconds=self.clock.seconds, gate=gate)
        lines = logLines(self)
        for _ in range(10):
            udp.datagramReceived(DATAGRAM, ("203.0.113.7", 40000))
        self.assertEqual(len(self.receiver.messages), 1)
        self.assertEqual([reason for _, reason in self.receiver.refused], ["source-rate"] * 2)
        message = self.receiver.refused[0][0]
        self.assertEqual(message.via.received, "203.0.113.7")
        self.assertEqual((udp.counts["received"], udp.counts["limited"]), (10, 9))
        [line] = lines
        self.assertIn("203.0.113.7 sends more than 0.5 requests a second (--source-rate)", line)

    def test_noiseBeyondTheRateIsNotLogged(self) -> None:
        """It is dropped, and its sender named already."""
        gate = Gate(0.5, trusts=lambda host: False, isLive=lambda callID: False)
        udp = UDPTransport(self.receiver, seconds=self.clock.seconds, gate=gate)
        for _ in range(10):
            udp.datagramReceived(b"noise", ("203.0.113.7", 40000))
        self.assertEqual((len(self.receiver.malformed), udp.counts["malformed"]), (1, 1))
        udp.datagramReceived(b"\r\n\r\n", ("203.0.113.7", 40000))
        self.assertEqual(udp.counts["keepAlive"], 1)

    def test_theLongestMessage(self) -> None:
        """What is longer is malformed, 513."""
        udp = UDPTransport(self.receiver, seconds=self.clock.seconds, longest=len(DATAGRAM) - 1)
        udp.datagramReceived(DATAGRAM, ("203.0.113.7", 40000))
        [(error, _, _)] = self.receiver.malformed
        self.assertEqual(error.code, 513)


class ReceivingTests(UDPTestCase):
    """Datagrams to messages."""

    def test_aRequestIsMarked(self) -> None:
        """It comes with received and rport, and the peer to answer (18.2.1, RFC 3581 4)."""
        self.udp.datagramReceived(DATAGRAM, ("203.0.113.7", 40000))
        ((message, peer),) = self.receiver.messages
        self.assertEqual((message.via.received, message.via.rport), ("203.0.113.7", "40000"))
        self.assertEqual(message.body, SDP)
        self.assertEqual(peer, Peer(self.udp, ("203.0.113.7", 40000)))

    def test_aResponseIsNot(self) -> None:
        """Its Via is ours."""
        response = request().respond(200, toTag="x")
        self.udp.datagramReceived(response.toBytes(), ALICE)
        self.assertEqual(self.receiver.messages[0][0].via, response.via)

    def test_keepAlivesAreDroppedInSilence(self) -> None:
        """CRLF, double CRLF, zeros, nothing (RFC 5626 3.5.1)."""
        for data in (b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b""):
            self.udp.datagramReceived(data, ALICE)
        self.assertEqual((self.receiver.messages, self.receiver.malformed), ([], []))
        self.assertEqual((self.port.written, self.udp.counts["keepAlive"]), ([], 4))

    def test_malformedOnesAreReported(self) -> None:
        """With the error, the bytes and the peer; they are counted."""
        self.udp.datagramReceived(b"hello\r\n\r\n", ALICE)
        ((_, data, peer),) = self.receiver.malformed
        self.assertEqual((data, peer.address), (b"hello\r\n\r\n", ALICE))
        self.assertEqual(self.udp.counts["malformed"], 1)

    def test_malformedOnesAreLoggedOnceASecond(self) -> None:
        """Whatever is wrong with each of them."""
        logged = logLines(self)
        for n in range(50):
            line = f"X{n}: {'x' * 9000}\r\nVia:".encode()
            self.udp.datagramReceived(DATAGRAM.replace(b"Via:", line), ALICE)
        self.clock.advance(1.0)
        self.udp.datagramReceived(b"hello\r\n\r\n", ALICE)
        lines = [line for line in logged if "no SIP message" in line]
        self.assertEqual(len(lines), 2)
        self.assertIn("from 198.51.100.20:5060: X0 header: wanted at most", lines[0])
        self.assertTrue(lines[1].endswith("(and 49 more like it before)"), lines[1])

    def test_IPv6SourceIsHostAndPort(self) -> None:
        """The socket's flow and scope are left out; hosts have no brackets."""
        udp, _ = self.bind("::")
        source = cast(Address, ("2001:db8::7", 5062, 0, 0))
        udp.datagramReceived(DATAGRAM, source)
        ((message, peer),) = self.receiver.messages
        self.assertEqual(peer.address, ("2001:db8::7", 5062))
        self.assertIn(";received=2001:db8::7", str(message.via))

    def test_anExceptionEndsItsDatagramOnly(self) -> None:
        """It is logged at most once a second, and the next datagram is served."""
        self.receiver.raises = RuntimeError("boom")
        for _ in range(50):
            self.udp.datagramReceived(DATAGRAM, ALICE)
            self.udp.datagramReceived(b"hello\r\n\r\n", ALICE)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.clock.advance(1.0)
        self.udp.datagramReceived(DATAGRAM, ALICE)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.receiver.raises = None
        self.udp.datagramReceived(DATAGRAM, ALICE)
        self.assertEqual(len(self.receiver.messages), 1)
        self.assertEqual(self.udp.counts["error"], 101)

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=200), st.integers(0, len(DATAGRAM)), st.integers(0, 40))
    def test_anyBytesAreServed(self, noise: bytes, at: int, cut: int) -> None:
        """Whatever arrives is a message, malformed or a keep-alive; nothing is an error."""
        self.setUp()
        for data in (noise, DATAGRAM[:at] + noise + DATAGRAM[at + cut :]):
            self.udp.datagramReceived(data, ALICE)
        self.assertEqual(self.udp.counts["error"], 0)
        served = len(self.receiver.messages) + len(self.receiver.malformed)
        self.assertEqual(served + self.udp.counts["keepAlive"], 2)


class SendingTests(UDPTestCase):
    """Bytes to datagrams."""

    def test_send(self) -> None:
        """One datagram."""
        self.udp.send(b"x", ALICE)
        self.assertEqual((self.port.written, self.udp.counts["sent"]), ([(b"x", ALICE)], 1))

    def test_failureHasTheSystemsWords(self) -> None:
        """TransportFailed names destination and cause, and a remedy if there is one."""
        unreachable = OSError(errno.ENETUNREACH, "Network is unreachable")
        for error, words in (
            (unreachable, "UDP to 198.51.100.20:5060: Network is unreachable"),
            (MessageLengthError("message too long"), "message too long"),
            (
                InvalidAddressError("2001:db8::1", "IPv4 port write() called with IPv6 address"),
                "IPv6 address; listen on an address of its family, too",
            ),
        ):
            self.port.raises = error
            with self.assertRaisesRegex(TransportFailed, words):
                self.udp.send(b"x", ALICE)
        with self.assertRaisesRegex(TransportFailed, r"UDP to \[2001:db8::1\]:5060: "):
            self.udp.send(b"x", ("2001:db8::1", 5060))
        self.assertEqual((self.udp.counts["sendFailed"], self.udp.counts["sent"]), (4, 0))

    def test_aFullBufferIsLoss(self) -> None:
        """As on the network: timers repeat what matters."""
        self.port.raises = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.udp.send(b"x", ALICE)
        self.assertEqual((self.udp.counts["sendDropped"], self.udp.counts["sent"]), (1, 0))

    def test_aClosedPort(self) -> None:
        """Before it is bound, and after it is closed, nothing can be sent."""
        fresh = UDPTransport(self.receiver)
        self.udp.doStop()
        for udp in (fresh, self.udp):
            with self.assertRaisesRegex(TransportFailed, "closed"):
                udp.send(b"x", ALICE)
            with self.assertRaisesRegex(TransportFailed, "closed"):
                udp.sentBy("198.51.100.20")


class SentByTests(UDPTestCase):
    """The address that peers are told."""

    def test_advertisedWins(self) -> None:
        """Whatever the port is bound to."""
        for host in ("0.0.0.0", "192.0.2.10"):
            udp, _ = self.bind(host, advertise="203.0.113.1")
            self.assertEqual(udp.sentBy("198.51.100.20"), ("203.0.113.1", 5070))

    def test_aConcreteAddressIsIt(self) -> None:
        """Bound to one address, that is where we are."""
        for host in ("192.0.2.10", "2001:db8::10"):
            self.assertEqual(self.bind(host)[0].sentBy("198.51.100.20"), (host, 5070))

    def test_boundToAllItDependsOnThePeer(self) -> None:
        """The address that leads to that peer."""
        for host in ("0.0.0.0", "::"):
            udp, _ = self.bind(host)
            self.assertEqual(udp.sentBy("198.51.100.20"), ("leads-to-198.51.100.20", 5070))

    def test_noWay(self) -> None:
        """TransportFailed in words."""

        def noRoute(host: str) -> str:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

        udp, _ = self.bind("0.0.0.0", local=noRoute)
        with self.assertRaisesRegex(TransportFailed, "no way to 198.51.100.20: Network is"):
            udp.sentBy("198.51.100.20")


class RefusalTests(SynchronousTestCase):
    """ICMP, on a network in memory."""

    def test_whoRefusesIsNamed(self) -> None:
        """The receiver hears of it, with host and port; it is counted."""
        reactor = VirtualReactor()
        network = MemoryNetwork(reactor, Random(0))
        host = reactor.host = network.host("192.0.2.10")
        network.host("198.51.100.20")
        receiver = Receiver()
        udp = UDPTransport(receiver, probes=Probes(reactor))
        port = host.listenUDP(5060, udp)
        udp.probe(ALICE)
        reactor.advance(0.1)
        text = "503 nobody listens at 198.51.100.20:5060, UDP (ICMP: port unreachable)"
        self.assertEqual(receiver.unreached, [(text, Peer(udp, ALICE))])
        self.assertEqual(udp.counts["refused"], 1)
        udp.probe(("198.51.100.99", 5060))
        port.stopListening()
        reactor.advance(0.1)
        self.assertEqual((network.bound, reactor.getDelayedCalls()), ({}, []))
        udp.probe(ALICE)
        self.assertEqual(network.bound, {})


class IdleReactor(Clock):
    """A reactor that notices no socket by itself."""

    def addReader(self, reader: object) -> None:
        """The test reads."""

    def removeReader(self, reader: object) -> None:
        """The test has read."""

    def removeWriter(self, writer: object) -> None:
        """Nothing waits to be written."""


class RealPortTests(SynchronousTestCase):
    """On a socket of this machine, without a reactor that runs."""

    def test_loopback(self) -> None:
        """A datagram goes out and comes in through Twisted's own port."""
        receiver = Receiver()
        udp = UDPTransport(receiver)
        reactor = IdleReactor()
        port = Port(0, udp, "127.0.0.1", reactor=reactor)
        port.startListening()
        self.addCleanup(reactor.advance, 0)
        self.addCleanup(port.stopListening)
        host, number = udp.sentBy("127.0.0.1")
        self.assertEqual(host, "127.0.0.1")
        udp.send(DATAGRAM, (host, number))
        port.doRead()
        ((message, peer),) = receiver.messages
        self.assertEqual((message.callID, peer.address), ("call-1", (host, number)))
