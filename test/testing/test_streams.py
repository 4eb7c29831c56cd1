"""TCP in memory: connections, refusals, silence, resets; whole calls over them in virtual time."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import (
    CannotListenError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.internet.interfaces import IConnector, IListeningPort, ITCPTransport
from twisted.internet.protocol import ClientFactory, Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from doug.settings import Settings, parseEndpoint
from doug.testing import Conditions, Lab, MemoryNetwork, VirtualReactor
from test.testing.apps import Leaver, Speaker

SERVER, CLIENT = "192.0.2.1", "198.51.100.1"
TCP = Settings(listen=(parseEndpoint("udp:*:5060"), parseEndpoint("tcp:*:5060")))


class Talker(Protocol):
    """Keeps what comes, each read for itself, and why it ended."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.ended: Failure | None = None
        self.paused: list[bool] = []

    @property
    def wire(self) -> Any:
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        self.reads.append(data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.ended = reason

    def pauseProducing(self) -> None:
        self.paused.append(True)

    def resumeProducing(self) -> None:
        self.paused.append(False)

    def stopProducing(self) -> None:
        """Never."""


class StreamTests(SynchronousTestCase):
    """Two hosts and what goes between them."""

    def begin(self, conditions: Conditions | None = None, seed: int = 1) -> None:
        self.reactor = VirtualReactor()
        self.network = MemoryNetwork(self.reactor, Random(seed), conditions)
        self.server, self.client = self.network.host(SERVER), self.network.host(CLIENT)
        self.accepted: list[Talker] = []
        self.port = self.server.listenTCP(5060, Factory.forProtocol(self.accept))

    def accept(self) -> Talker:
        self.accepted.append(Talker())
        return self.accepted[-1]

    def connecting(self, host: str = SERVER, port: int = 5060) -> Deferred[Any]:
        endpoint = TCP4ClientEndpoint(self.client, host, port, timeout=5)
        connected: Deferred[Any] = endpoint.connect(Factory.forProtocol(Talker))
        return connected

    def connected(self) -> tuple[Talker, Talker]:
        """Client and server side of a new connection."""
        connecting = self.connecting()
        self.reactor.advance(0.1)
        return self.successResultOf(connecting), self.accepted[-1]

    def test_interfaces(self) -> None:
        self.begin()
        client, _ = self.connected()
        verifyObject(ITCPTransport, client.transport)
        verifyObject(IListeningPort, self.port)
        connector = self.client.connectTCP(SERVER, 5060, ClientFactory())
        verifyObject(IConnector, connector)

    def test_bytesGoBothWaysAndInOrder(self) -> None:
        """Each write is a read, after the delay."""
        self.begin(Conditions(delay=0.05))
        client, server = self.connected()
        for word in (b"one", b"two"):
            client.wire.write(word)
        server.wire.write(b"three")
        self.reactor.advance(0.04)
        self.assertEqual(server.reads, [])
        self.reactor.advance(0.02)
        self.assertEqual((server.reads, client.reads), ([b"one", b"two"], [b"three"]))
        self.assertEqual(server.wire.getPeer(), client.wire.getHost())
        self.assertEqual((client.wire.getPeer().host, client.wire.getPeer().port), (SERVER, 5060))

    def test_cutAndGluedByChanceNothingIsLost(self) -> None:
        """However the network cuts, glues, delays and loses: the same bytes in the same order."""
        rough = Conditions(jitter=0.05, loss=0.1, reorder=0.2, cut=0.7, glue=0.5)
        self.begin(rough)
        client, server = self.connected()
        words = [b"%d " % n * 9 for n in range(200)]
        for word in words:
            client.wire.write(word)
            self.reactor.advance(0.001)
        client.wire.loseConnection()
        self.reactor.advance(60.0)
        self.assertEqual(b"".join(server.reads), b"".join(words))
        self.assertNotEqual(server.reads, words)
        self.assertTrue(server.ended is not None and server.ended.check(ConnectionDone))

    def test_aClosedPortRefuses(self) -> None:
        """After there and back; so does a port that has stopped listening."""
        self.begin(Conditions(delay=0.05))
        refused = self.connecting(port=5061)
        self.reactor.advance(0.09)
        self.assertNoResult(refused)
        self.reactor.advance(0.02)
        self.failureResultOf(refused, ConnectionRefusedError)
        self.port.stopListening()
        refused = self.connecting()
        self.reactor.advance(0.2)
        self.failureResultOf(refused, ConnectionRefusedError)

    def test_whoIsNotThereIsSilent(self) -> None:
        """Until the time is over."""
        self.begin()
        silent = self.connecting(host="203.0.113.77")
        self.reactor.advance(4.9)
        self.assertNoResult(silent)
        self.reactor.advance(0.2)
        self.failureResultOf(silent, TimeoutError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_connectingIsGivenUp(self) -> None:
        self.begin()
        connecting = self.connecting()
        connecting.cancel()
        self.failureResultOf(connecting)
        self.reactor.advance(1.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_closingSendsAllThatIsWritten(self) -> None:
        """Both ends hear that it was done."""
        self.begin()
        client, server = self.connected()
        client.wire.write(b"last words")
        client.wire.loseConnection()
        client.wire.write(b"too late")
        self.reactor.advance(0.1)
        self.assertEqual(server.reads, [b"last words"])
        for end in (client, server):
            assert end.ended is not None
            self.assertIs(end.ended.type, ConnectionDone)
        self.assertEqual(self.network.connections, set())

    def test_aReset(self) -> None:
        """What was on its way is lost; both ends hear of it."""
        self.begin()
        client, server = self.connected()
        self.network.reset(CLIENT)
        self.reactor.advance(0.1)
        for end in (client, server):
            assert end.ended is not None
            self.assertIs(end.ended.type, ConnectionLost)
        client, server = self.connected()
        server.wire.abortConnection()
        self.reactor.advance(0.1)
        assert client.ended is not None
        self.assertIs(client.ended.type, ConnectionLost)

    def test_whoDoesNotReadIsWaitedFor(self) -> None:
        """Beyond the window the sender is told to pause, and to go on when it was read."""
        self.begin()
        client, server = self.connected()
        client.wire.registerProducer(client, True)
        server.wire.pauseProducing()
        client.wire.write(b"x" * 70000)
        client.wire.write(b"y" * 1000)
        self.reactor.advance(1.0)
        self.assertEqual((client.paused, server.reads), ([True], []))
        server.wire.resumeProducing()
        self.reactor.advance(1.0)
        self.assertEqual(client.paused, [True, False])
        self.assertEqual(sum(map(len, server.reads)), 71000)

    def test_whoClosesIsNotHeldUpByBytesInTheWindow(self) -> None:
        self.begin()
        client, server = self.connected()
        server.wire.pauseProducing()
        client.wire.write(b"unread")
        client.wire.loseConnection()
        self.reactor.advance(1.0)
        self.assertIsNotNone(client.ended)
        self.assertIsNone(server.ended)
        server.wire.resumeProducing()
        self.reactor.advance(1.0)
        self.assertEqual((server.reads, server.ended is not None), ([b"unread"], True))

    def test_aPortThatIsTaken(self) -> None:
        self.begin()
        self.assertRaises(CannotListenError, self.server.listenTCP, 5060, Factory())

    def test_anAddressThatChanges(self) -> None:
        """Its connections break off; its port is at the new one."""
        self.begin()
        _client, server = self.connected()
        self.server.renumber("192.0.2.2")
        self.reactor.advance(0.1)
        self.assertIsNotNone(server.ended)
        again = self.connecting(host="192.0.2.2")
        self.reactor.advance(0.1)
        self.successResultOf(again)


class CallTests(SynchronousTestCase):
    """Whole calls over TCP."""

    def test_aCall(self) -> None:
        """Signalling goes over one connection, sound as ever; nothing is left."""
        lab = Lab(Speaker, settings=TCP)
        datagrams: list[bytes] = []
        lab.network.observers.append(lambda data, *_: datagrams.append(data))
        phone = lab.phone(transport="tcp")
        call = phone.dial("sip:anything@doug")
        lab.advance(1.0)
        self.assertEqual(call.state, "answered")
        self.assertEqual(len(lab.network.connections), 2)
        call.hangUp()
        lab.advance(1.0)
        self.assertEqual(call.state, "ended")
        self.assertFalse([data for data in datagrams if b"SIP/2.0" in data])
        lab.assertNothingLeft()

    def test_theServerHangsUp(self) -> None:
        lab = Lab(Leaver, settings=TCP)
        call = lab.phone(transport="tcp").dial("sip:anything@doug")
        lab.advance(12.0)
        self.assertEqual(call.state, "ended")
        self.assertEqual(len(lab.network.connections), 2)
        lab.assertNothingLeft()

    def test_theServerDials(self) -> None:
        """By the transport that the address names."""
        lab = Lab(Speaker, settings=TCP)
        phone = lab.phone(transport="tcp")
        lab.application.placeCall(phone.uri)
        lab.advance(1.0)
        self.assertEqual([call.state for call in phone.calls], ["answered"])
        phone.calls[0].hangUp()
        lab.assertNothingLeft()

    def test_aRoughNetwork(self) -> None:
        """Messages cut and glued in every way: the calls do not notice."""
        for seed in range(4):
            lab = Lab(Speaker, settings=TCP, seed=seed, conditions=Conditions(cut=0.9, glue=0.5))
            calls = [lab.phone(transport="tcp").dial("sip:anything@doug") for _ in range(3)]
            lab.advance(1.0)
            self.assertEqual({call.state for call in calls}, {"answered"})
            for call in calls:
                call.hangUp()
            lab.assertNothingLeft()

    def test_anotherTransport(self) -> None:
        lab = Lab(Speaker)
        self.assertRaises(ValueError, lab.phone, transport="sctp")
        lab.assertNothingLeft()
