"""SIP over connections, on both ends of wires in memory (RFC 3261 18, RFC 5626 3.5.1)."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from shtoom.exceptions import MalformedMessage, Refusal, TransportFailed
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import MAX_BYTES
from shtoom.sip.stream import StreamLimits, StreamTransport
from shtoom.sip.trace import Trace
from shtoom.sip.transport import Address, Peer
from test.sip.streamed import NO_LENGTH, PLAIN, WITH_BODY

SERVER, CLIENT = ("192.0.2.10", 5060), ("198.51.100.20", 40001)


class Heard:
    """A receiver that keeps what it is told."""

    trace: Trace | None = None

    def __init__(self) -> None:
        self.messages: list[tuple[Request | Response, Peer]] = []
        self.malformed: list[MalformedMessage] = []
        self.failures: list[tuple[str, Address]] = []
        self.fault: Exception | None = None
        self.lost: list[Address] = []
        self.refused: list[str] = []

    def messageReceived(self, message: Request | Response, peer: Peer) -> None:
        self.messages.append((message, peer))
        if self.fault is not None:
            raise self.fault

    def malformedReceived(self, error: MalformedMessage, data: bytes, peer: Peer) -> None:
        self.malformed.append(error)

    def unreachable(self, failure: TransportFailed, peer: Peer) -> None:
        self.failures.append((failure.reason, peer.address))

    def flowLost(self, failure: TransportFailed, peer: Peer) -> None:
        self.unreachable(failure, peer)
        self.lost.append(peer.address)

    def refuse(self, message: Request | Response, peer: Peer, refusal: Refusal) -> None:
        self.refused.append(refusal.rule)


class Wire(FakeTransport):
    """One end of a connection; it tells its producer when the other end does not read."""

    limit = 65536

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As ITCPTransport has it."""

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.producer is not None and sum(map(len, self.stream)) > self.limit:
            self.producer.pauseProducing()


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Leads to the server at once, or later, or not at all."""

    def __init__(self, net: Net) -> None:
        self._net = net

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        if self._net.refuses:
            return fail(ConnectionRefusedError())
        if self._net.slow is not None:
            return self._net.slow.addCallback(lambda _: self._net.join(protocolFactory))
        return succeed(self._net.join(protocolFactory))


class Net:
    """A server, a client, and the wires between them."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.clock, self.refuses = Clock(), False
        self.slow: Deferred[Any] | None = None
        self.wanted = False
        self.trusted = ""
        self.atServer, self.atClient = Heard(), Heard()
        self.pumps: list[IOPump] = []
        self.server = self._transport(self.atServer, SERVER, limits)
        self.client = self._transport(self.atClient, ("198.51.100.20", 5060), limits)
        self._port = CLIENT[1]

    def _transport(
        self, heard: Heard, bound: Address, limits: StreamLimits | None
    ) -> StreamTransport:
        made = StreamTransport(
            "TCP",
            heard,
            self.clock,
            lambda address, host: Endpoint(self),
            isWanted=lambda peer: self.wanted,
            trusts=lambda host: host == self.trusted,
            limits=limits,
        )
        made.bound(bound)
        return made

    def join(self, factory: Any, host: str = CLIENT[0]) -> Any:
        """One more connection to the server."""
        here, there = IPv4Address("TCP", host, self._port), IPv4Address("TCP", *SERVER)
        self._port += 1
        accepting = self.server.factory.buildProtocol(here)
        client = factory.buildProtocol(there)
        if accepting is None:
            return client
        ends = (
            Wire(client, isServer=False, hostAddress=here, peerAddress=there),
            Wire(accepting, isServer=True, hostAddress=there, peerAddress=here),
        )
        accepting.makeConnection(ends[1])
        client.makeConnection(ends[0])
        self.pumps.append(IOPump(client, accepting, ends[0], ends[1], False))
        return client

    def flush(self) -> None:
        for pump in self.pumps:
            pump.flush()

    def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.flush()

    def connect(self) -> None:
        self.client.send(PLAIN, SERVER)
        self.flush()


class StreamTests(SynchronousTestCase):
    """Connections in both directions."""

    def test_aMessageGoesOverAConnectionThatIsMadeForIt(self) -> None:
        net = Net()
        net.connect()
        [(message, peer)] = net.atServer.messages
        self.assertEqual((message.callID, peer.address), ("c", CLIENT))
        self.assertEqual(message.via.received, None)

    def test_theConnectionIsUsedAgain(self) -> None:
        net = Net()
        net.connect()
        net.connect()
        self.assertEqual((len(net.pumps), len(net.atServer.messages)), (1, 2))

    def test_anAnswerGoesBackOverTheConnection(self) -> None:
        net = Net()
        net.connect()
        [(request, peer)] = net.atServer.messages
        assert isinstance(request, Request)
        peer.transport.send(request.respond(200, toTag="x").toBytes(), peer.address)
        net.flush()
        [(response, _)] = net.atClient.messages
        assert isinstance(response, Response)
        self.assertEqual((response.code, len(net.pumps)), (200, 1))

    def test_whatIsSentMeanwhileWaitsForTheConnection(self) -> None:
        net = Net()
        net.slow = Deferred()
        net.client.send(PLAIN, SERVER)
        net.client.send(WITH_BODY, SERVER)
        self.assertEqual(len(net.client), 1)
        net.slow.callback(None)
        net.flush()
        self.assertEqual(len(net.atServer.messages), 2)

    def test_notTooMuchWaitsForAConnection(self) -> None:
        net = Net(StreamLimits(waiting=len(PLAIN) + 1))
        net.slow = Deferred()
        net.client.send(PLAIN, SERVER)
        self.assertRaises(TransportFailed, net.client.send, PLAIN, SERVER)

    def test_muchThatWaitsIsSentAtOnce(self) -> None:
        """More than a connection's own buffer."""
        net = Net()
        net.slow = Deferred()
        count = 3 * 65536 // len(PLAIN)
        for _ in range(count):
            net.client.send(PLAIN, SERVER)
        net.slow.callback(None)
        net.flush()
        self.assertEqual(len(net.atServer.messages), count)

    def test_aRefusedConnectionIsTold(self) -> None:
        net = Net()
        net.refuses = True
        net.client.send(PLAIN, SERVER)
        [(reason, address)] = net.atClient.failures
        self.assertEqual(address, SERVER)
        self.assertIn("192.0.2.10:5060", reason)
        self.assertIn("refused", reason)

    def test_aLostConnectionIsTold(self) -> None:
        net = Net()
        net.connect()
        net.pumps[0].serverIO.loseConnection()
        net.flush()
        self.assertEqual([address for _, address in net.atClient.failures], [SERVER])
        self.assertEqual((len(net.client), len(net.server)), (0, 0))

    def test_pingIsAnsweredByPong(self) -> None:
        net = Net()
        net.connect()
        net.pumps[0].clientIO.write(b"\r\n\r\n")
        net.flush()
        self.assertEqual(net.server.counts["keepAlive"], 1)
        self.assertEqual(net.atServer.malformed, [])

    def test_aMessageWithoutLengthIsToldAndTheConnectionClosed(self) -> None:
        net = Net()
        net.connect()
        net.pumps[0].clientIO.write(NO_LENGTH + PLAIN)
        net.flush()
        self.assertEqual(len(net.atServer.malformed), 1)
        self.assertEqual(len(net.atServer.messages), 1)
        self.assertEqual(len(net.server), 0)

    def test_whatIsNoMessageLeavesTheConnectionUp(self) -> None:
        net = Net()
        net.connect()
        net.pumps[0].clientIO.write(b"RUBBISH\r\nContent-Length: 2\r\n\r\nab" + PLAIN)
        net.flush()
        self.assertEqual(len(net.atServer.malformed), 1)
        self.assertEqual(len(net.atServer.messages), 2)

    def test_aFaultOfTheReceiverEndsOneMessage(self) -> None:
        net = Net()
        net.atServer.fault = RuntimeError("broken")
        net.connect()
        net.connect()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(net.server.counts["error"], 2)
        self.assertEqual(len(net.server), 1)

    # Limits

    def test_aMessageThatIsNotCompleteInTimeClosesTheConnection(self) -> None:
        net = Net()
        net.connect()
        for byte in PLAIN[:-40]:
            net.pumps[0].clientIO.write(bytes([byte]))
            net.pass_(0.3)
        self.assertEqual(net.server.counts["slow"], 1)
        self.assertEqual(len(net.server), 0)

    def test_aConnectionOverWhichMuchGoesIsNoSlowOne(self) -> None:
        """Each message has its own time, though always one has begun."""
        net = Net()
        net.connect()
        half = len(PLAIN) // 2
        net.pumps[0].clientIO.write(PLAIN[:half])
        for _ in range(10):
            net.pass_(10)
            net.pumps[0].clientIO.write(PLAIN[half:] + PLAIN[:half])
            net.flush()
        self.assertEqual((len(net.server), len(net.atServer.messages)), (1, 11))
        net.pass_(31)
        self.assertEqual((len(net.server), net.server.counts["slow"]), (0, 1))

    def test_anIdleConnectionIsClosed(self) -> None:
        net = Net()
        net.connect()
        net.pass_(119)
        self.assertEqual(len(net.server), 1)
        net.pass_(2)
        self.assertEqual((len(net.server), net.server.counts["idle"]), (0, 1))

    def test_theEndOfSilenceIsRounded(self) -> None:
        """A time that comes a hair before it is that time, not one to wait a hair for, for ever."""
        started = next(n / 10 for n in range(1, 10_000) if n / 10 + 120.0 - n / 10 < 120.0)
        net = Net()
        net.pass_(started)
        net.connect()
        callLater, times = net.clock.callLater, count(1)

        def counted(*args: Any) -> Any:
            self.assertLess(next(times), 100, "it waits again and again")
            return callLater(*args)

        self.patch(net.clock, "callLater", counted)
        net.clock.advance(started + 120.0 - net.clock.seconds())
        net.flush()
        self.assertEqual((len(net.server), net.server.counts["idle"]), (0, 1))

    def test_anIdleConnectionThatIsWantedStays(self) -> None:
        net = Net()
        net.wanted = True
        net.connect()
        for _ in range(10):
            net.pass_(100)
        self.assertEqual(len(net.server), 1)

    def test_connectionsOfOneSourceAreLimited(self) -> None:
        net = Net(StreamLimits(perSource=3))
        for _ in range(5):
            net.join(net.client.factory)
        self.assertEqual((len(net.server), net.server.counts["refused"]), (3, 2))
        net.pumps[0].clientIO.loseConnection()
        net.flush()
        net.join(net.client.factory)
        self.assertEqual(len(net.server), 3)

    def test_anIPv6NetworkIsOneSource(self) -> None:
        """Who has a /64 has no end of addresses; one that is closed makes room for its network."""
        net = Net(StreamLimits(perSource=3))
        net.client.limits = StreamLimits()
        for n in range(1, 6):
            net.join(net.client.factory, f"2001:db8::{n}")
        self.assertEqual((len(net.server), net.server.counts["refused"]), (3, 2))
        net.join(net.client.factory, "2001:db8:0:1::1")
        self.assertEqual(len(net.server), 4)
        net.pumps[0].clientIO.loseConnection()
        net.flush()
        net.join(net.client.factory, "2001:db8::9")
        self.assertEqual(len(net.server), 4)

    def test_whoIsTrustedHasMore(self) -> None:
        """A proxy on this machine brings all browsers from one address; in all they are limited."""
        net = Net(StreamLimits(perSource=1, total=4))
        net.trusted, net.client.limits = "198.51.100.7", StreamLimits()
        for _ in range(3):
            net.join(net.client.factory, "198.51.100.7")
        for _ in range(3):
            net.join(net.client.factory, "198.51.100.8")
        self.assertEqual((len(net.server), net.server.counts["refused"]), (4, 2))
        net.join(net.client.factory, "198.51.100.7")
        self.assertEqual((len(net.server), net.server.counts["refused"]), (4, 3))

    def test_connectionsInAllAreLimited(self) -> None:
        net = Net(StreamLimits(total=2))
        for n in range(3):
            net.join(net.client.factory, f"198.51.100.{n}")
        self.assertEqual((len(net.server), net.server.counts["refused"]), (2, 1))

    def test_aPeerThatDoesNotReadIsLeft(self) -> None:
        net = Net()
        net.connect()
        [(_, peer)] = net.atServer.messages
        with self.assertRaises(TransportFailed):
            for _ in range(10):
                peer.transport.send(b"x" * MAX_BYTES, peer.address)
        net.flush()
        self.assertEqual(len(net.server), 0)

    def test_close(self) -> None:
        net = Net()
        net.connect()
        net.slow = Deferred()
        net.client.send(PLAIN, ("192.0.2.11", 5060))
        net.client.close()
        net.server.close()
        net.flush()
        self.assertEqual((len(net.client), len(net.server)), (0, 0))
        self.assertEqual(net.clock.getDelayedCalls(), [])
        self.assertRaises(TransportFailed, net.client.send, PLAIN, SERVER)
        self.assertRaises(TransportFailed, net.client.sentBy, "192.0.2.1")

    def test_manyCutsManyMessages(self) -> None:
        net, chance = Net(), Random(1)
        net.connect()
        stream = (PLAIN + WITH_BODY) * 50
        while stream:
            size = chance.randint(1, 400)
            net.pumps[0].clientIO.write(stream[:size])
            net.flush()
            stream = stream[size:]
        self.assertEqual(len(net.atServer.messages), 101)
