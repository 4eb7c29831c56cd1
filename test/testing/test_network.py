"""The network in memory: what befalls datagrams, and that chance can be repeated."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from doug.testing import Conditions, MemoryHost, MemoryNetwork, VirtualReactor
from doug.testing.media import MemoryMediaIO
from shtoom.exceptions import MediaPortsExhausted
from shtoom.media.io import IMediaIO, IMediaSocket
from shtoom.media.ports import PortPool

HERE, THERE = "192.0.2.1", "198.51.100.1"


class Ear(DatagramProtocol):
    """Keeps what comes, with its time."""

    def __init__(self, reactor: VirtualReactor) -> None:
        self.reactor = reactor
        self.heard: list[tuple[bytes, tuple[str, int], float]] = []
        self.stopped = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """One of them."""
        self.heard.append((datagram, addr, round(self.reactor.seconds(), 6)))

    def stopProtocol(self) -> None:
        """No more of them."""
        self.stopped = True

    def words(self) -> list[bytes]:
        """What came, in order."""
        return [data for data, _, _ in self.heard]


class Refused(Ear):
    """Keeps when it hears that nobody listens."""

    def __init__(self, reactor: VirtualReactor, times: list[float]) -> None:
        super().__init__(reactor)
        self.times = times

    def connectionRefused(self) -> None:
        """From its transport."""
        self.times.append(self.reactor.seconds())


class NetworkTestCase(SynchronousTestCase):
    """Two hosts; self.ear listens at THERE, port 5060."""

    def setUp(self) -> None:
        self.begin()

    def begin(self, conditions: Conditions | None = None, seed: int = 1) -> None:
        """A new network."""
        self.reactor = VirtualReactor()
        self.network = MemoryNetwork(self.reactor, Random(seed), conditions)
        self.here, self.there = MemoryHost(self.network, HERE), self.network.host(THERE)
        self.ear = Ear(self.reactor)
        self.port = self.there.listenUDP(5060, self.ear)

    def send(self, *words: bytes, every: float = 0.02) -> list[bytes]:
        """Sends them to the ear, one each `every` seconds; returns what came of them."""
        for word in words:
            self.network.send(word, (HERE, 4000), (THERE, 5060))
            self.reactor.advance(every)
        self.reactor.advance(1.0)
        return self.ear.words()


class PlainTests(NetworkTestCase):
    """Without bad luck."""

    def test_aHostWithAnotherAddress(self) -> None:
        """Its ports are at the new one; nobody is at the old one, and none may have it twice."""
        self.network.host(HERE)
        self.assertRaises(OSError, self.there.renumber, HERE)
        self.there.renumber("198.51.100.9")
        self.assertEqual(self.send(b"old"), [])
        self.network.send(b"new", (HERE, 4000), ("198.51.100.9", 5060))
        self.reactor.advance(1.0)
        self.assertEqual(self.ear.words(), [b"new"])
        self.assertEqual(self.network.hosts, {HERE, "198.51.100.9"})
        self.port.stopListening()
        self.assertEqual(self.network.bound, {})

    def test_aDatagramArrivesAfterTheDelay(self) -> None:
        """With its source; never inside the call that sends it."""
        self.begin(Conditions(delay=0.05))
        self.network.send(b"hello", (HERE, 4000), (THERE, 5060))
        self.reactor.advance(0.049)
        self.assertEqual(self.ear.heard, [])
        self.reactor.advance(0.001)
        self.assertEqual(self.ear.heard, [(b"hello", (HERE, 4000), 0.05)])

    def test_noneIsLostAndTheOrderIsKept(self) -> None:
        """Whatever the rate."""
        words = [b"%d" % n for n in range(100)]
        self.assertEqual(self.send(*words, every=0.0), words)
        self.assertEqual((self.network.sent, self.network.lost), (100, 0))

    def test_whatNobodyListensToIsCountedAsUnreachable(self) -> None:
        """And is no error of the sender, as with UDP."""
        self.network.send(b"hello", (HERE, 4000), (THERE, 5061))
        self.reactor.advance(1.0)
        self.assertEqual(self.network.unreachable, 1)

    def test_whatAClosedPortWasSentIsUnreachable(self) -> None:
        """Also if it was open when the datagram left."""
        self.network.send(b"hello", (HERE, 4000), (THERE, 5060))
        self.port.stopListening()
        self.reactor.advance(1.0)
        self.assertEqual((self.ear.heard, self.network.unreachable), ([], 1))


class ChanceTests(NetworkTestCase):
    """Loss, duplication, re-ordering, jitter."""

    WORDS = [b"%d" % n for n in range(1000)]

    def test_loss(self) -> None:
        """A tenth of them, as asked for, is lost; the rest is in order."""
        self.begin(Conditions(loss=0.1))
        came = self.send(*self.WORDS)
        self.assertEqual(came, sorted(came, key=int))
        self.assertEqual(len(came), 1000 - self.network.lost)
        self.assertTrue(60 < self.network.lost < 140, self.network.lost)

    def test_allIsLost(self) -> None:
        """loss=1.0 is a cut cable."""
        self.begin(Conditions(loss=1.0))
        self.assertEqual(self.send(b"a", b"b"), [])

    def test_duplication(self) -> None:
        """A tenth of them comes twice, none more often."""
        self.begin(Conditions(duplicate=0.1))
        came = self.send(*self.WORDS)
        counts = [came.count(word) for word in self.WORDS]
        self.assertEqual(set(counts), {1, 2})
        self.assertTrue(60 < counts.count(2) < 140, counts.count(2))

    def test_reordering(self) -> None:
        """A tenth of them is overtaken by the one that was sent after it; none is lost."""
        self.begin(Conditions(reorder=0.1, reorderBy=0.03))
        came = self.send(*self.WORDS)
        self.assertEqual(sorted(came, key=int), self.WORDS)
        late = [n for n, word in enumerate(came[:-1]) if int(word) > int(came[n + 1])]
        self.assertTrue(60 < len(late) < 140, len(late))

    def test_jitter(self) -> None:
        """Each takes the delay and up to the jitter more."""
        self.begin(Conditions(delay=0.05, jitter=0.03))
        self.send(*self.WORDS)
        times = [at - 0.02 * int(word) for word, _, at in self.ear.heard]
        self.assertEqual(len(times), 1000)
        self.assertGreaterEqual(min(times), 0.05 - 1e-6)
        self.assertLessEqual(max(times), 0.08 + 1e-6)
        self.assertGreater(max(times) - min(times), 0.025)

    def test_theSameSeedGivesTheSameRun(self) -> None:
        """To the microsecond; another seed gives another."""
        conditions = Conditions(delay=0.05, jitter=0.05, loss=0.1, duplicate=0.1, reorder=0.1)
        runs = []
        for seed in (1, 1, 2):
            self.begin(conditions, seed)
            self.send(*self.WORDS[:200])
            runs.append(self.ear.heard)
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])

    def test_conditionsMayChangeOnTheWay(self) -> None:
        """From the next datagram on."""
        self.send(b"before")
        self.network.conditions = Conditions(loss=1.0)
        self.send(b"meanwhile")
        self.network.conditions = Conditions()
        self.assertEqual(self.send(b"after"), [b"before", b"after"])

    def test_dropLosesWhatItChooses(self) -> None:
        """By data, source and destination; observers see all that is sent."""
        seen: list[bytes] = []
        self.network.observers.append(lambda data, source, destination: seen.append(data))
        self.network.drop = lambda data, source, destination: (
            data == b"b" and source == (HERE, 4000) and destination == (THERE, 5060)
        )
        self.assertEqual(self.send(b"a", b"b", b"c"), [b"a", b"c"])
        self.assertEqual(seen, [b"a", b"b", b"c"])
        self.assertEqual((self.network.sent, self.network.lost), (3, 1))


class PortTests(NetworkTestCase):
    """listenUDP in memory."""

    def test_aPortThatIsTakenIsRefused(self) -> None:
        """As the real reactor does, naming address and port; another host has its own ports."""
        error = self.assertRaises(CannotListenError, self.there.listenUDP, 5060, Ear(self.reactor))
        self.assertIn(f"{THERE}:5060", str(error))
        self.here.listenUDP(5060, Ear(self.reactor))

    def test_portZeroTakesAFreeOne(self) -> None:
        """Two of them get two ports."""
        ports = [self.there.listenUDP(0, Ear(self.reactor)).getHost().port for _ in range(2)]
        self.assertNotEqual(*ports)
        self.assertTrue(all(port >= 49152 for port in ports))

    def test_stopListeningGivesThePortBack(self) -> None:
        """The protocol is told, once; afterwards the port can be bound again."""
        self.successResultOf(self.port.stopListening())
        self.successResultOf(self.port.stopListening())
        self.assertTrue(self.ear.stopped)
        self.assertEqual(self.network.bound, {})
        self.there.listenUDP(5060, Ear(self.reactor))

    def test_aProtocolSendsThroughItsTransport(self) -> None:
        """From its own address; nothing once it has stopped."""
        verifyObject(IListeningPort, self.port)
        mouth = Ear(self.reactor)
        port = self.here.listenUDP(4000, mouth)
        port.write(b"hello", (THERE, 5060))
        port.stopListening()
        port.write(b"too late", (THERE, 5060))
        self.reactor.advance(1.0)
        self.assertEqual([h[:2] for h in self.ear.heard], [(b"hello", (HERE, 4000))])

    def test_aConnectedPortHearsThatNobodyListens(self) -> None:
        """ICMP, there and back; a port that is not connected hears nothing, as with real ones."""
        refused: list[float] = []
        for number, far in ((4000, (THERE, 5062)), (4002, (THERE, 5060)), (4004, None)):
            port = self.here.listenUDP(number, Refused(self.reactor, refused))
            if far is None:
                port.write(b"hello", (THERE, 5062))
            else:
                port.connect(*far)
                port.write(b"hello")
        self.reactor.advance(1.0)
        self.assertEqual(refused, [2 * self.network.conditions.delay])
        self.assertEqual((self.network.unreachable, self.ear.words()), (2, [b"hello"]))

    def test_aConnectedPortHearsItsFarEndAlone(self) -> None:
        """Nobody else's datagrams; and no ICMP once it is closed, or from a host that is none."""
        refused: list[float] = []
        mouth = Refused(self.reactor, refused)
        port = self.here.listenUDP(4000, mouth)
        port.connect(THERE, 5060)
        self.port.write(b"yes", (HERE, 4000))
        self.there.listenUDP(5062, Ear(self.reactor)).write(b"no", (HERE, 4000))
        self.reactor.advance(1.0)
        self.assertEqual(mouth.words(), [b"yes"])
        self.port.stopListening()
        port.write(b"hello")
        port.stopListening()
        lost = self.here.listenUDP(4000, mouth)
        lost.connect("203.0.113.1", 5060)
        lost.write(b"hello")
        self.reactor.advance(1.0)
        self.assertEqual(refused, [])

    def test_aPortKnowsItsAddress(self) -> None:
        """A wildcard shows as such, as with a real socket."""
        self.assertEqual(self.port.getHost().host, "0.0.0.0")
        bound = self.there.listenUDP(4000, Ear(self.reactor), THERE)
        self.assertEqual(bound.getHost().host, THERE)
        six = self.network.host("2001:db8::1").listenUDP(0, Ear(self.reactor), "2001:db8::1")
        self.assertEqual(six.getHost().host, "2001:db8::1")


class MediaTests(NetworkTestCase):
    """Media sockets on the same network."""

    def setUp(self) -> None:
        super().setUp()
        self.io = MemoryMediaIO(self.there)
        self.ports = PortPool(40000, 40003, Random(1))

    def test_theyAreMediaSockets(self) -> None:
        """With all that the media floor asks for."""
        verifyObject(IMediaIO, self.io)
        verifyObject(IMediaSocket, self.io.open(THERE, self.ports))

    def test_whatArrivesWaitsForReceive(self) -> None:
        """In order, each with the owner of its socket; wakeOn() hears of each."""
        woken: list[int] = []
        self.io.wakeOn(lambda: woken.append(1))
        for owner in ("a", "b"):
            socket = self.io.open(THERE, self.ports)
            socket.owner = owner
            self.network.send(owner.encode(), (HERE, 4000), (THERE, socket.port))
        self.reactor.advance(1.0)
        source = (HERE, 4000)
        self.assertEqual(self.io.receive(), [("a", b"a", source), ("b", b"b", source)])
        self.assertEqual((self.io.receive(), len(woken)), ([], 2))

    def test_portsRunOut(self) -> None:
        """Two even ones from 40000 to 40003; one that others hold is passed over."""
        self.there.listenUDP(40002, Ear(self.reactor))
        self.assertEqual(self.io.open(THERE, self.ports).port, 40000)
        self.assertRaises(MediaPortsExhausted, self.io.open, THERE, self.ports)

    def test_aClosedSocketIsGone(self) -> None:
        """It sends nothing, gets nothing, and its port is free; close() closes all."""
        socket, other = (self.io.open(THERE, self.ports) for _ in range(2))
        socket.close()
        socket.close()
        socket.send(b"too late", (THERE, 5060))
        self.reactor.advance(1.0)
        self.assertEqual(self.ear.heard, [])
        self.assertEqual(self.io.sockets, {other})
        self.io.close()
        self.assertEqual(list(self.network.bound), [(THERE, 5060)])
