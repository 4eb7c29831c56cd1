"""A network in memory: hosts, UDP ports, and what befalls datagrams on the way.

Lives here: delay, jitter, loss, duplication and re-ordering, drawn from a seeded rng, and the
listening port for Twisted's datagram protocols. Not here: media sockets (media.py), what a
connection is (streams.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from errno import EADDRINUSE
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IUDPTransport
from zope.interface import implementer

from doug.testing.streams import MemoryConnection, MemoryConnector, MemoryStreamPort

if TYPE_CHECKING:
    from twisted.internet.protocol import ClientFactory, DatagramProtocol, Factory

    from doug.testing.reactor import VirtualReactor

Address = tuple[str, int]
Receiver = Callable[[bytes, Address], None]

FIRST_EPHEMERAL = 49152


@dataclass(frozen=True)
class Conditions:
    """How datagrams and the segments of connections travel.

    delay, jitter: seconds; each datagram takes delay plus 0..jitter (jitter re-orders by itself).
    loss, duplicate, reorder: shares 0..1; a re-ordered datagram takes `reorderBy` seconds more.
    cut, glue: of connections: the shares of what is written that is cut in two, and of segments
    that arrive together with the one before. What is lost of a connection comes later.
    """

    delay: float = 0.0005
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    reorderBy: float = 0.03
    cut: float = 0.0
    glue: float = 0.0

    @cached_property
    def plain(self) -> bool:
        """Nothing is left to chance?"""
        return not (self.jitter or self.loss or self.duplicate or self.reorder)


class MemoryNetwork:
    """Everything that is bound, and the way between.

    listening: where connections are accepted; connections: both ends of each that is open.
    conditions: as above, may be changed at any time. rng: seeded, so that a run can be repeated.
    drop: called with (data, source, destination); True loses that datagram (of UDP alone).
    """

    def __init__(
        self, reactor: VirtualReactor, rng: Random, conditions: Conditions | None = None
    ) -> None:
        self.reactor, self.rng = reactor, rng
        self.conditions = conditions if conditions is not None else Conditions()
        self.drop: Callable[[bytes, Address, Address], bool] | None = None
        self.observers: list[Callable[[bytes, Address, Address], None]] = []
        self.bound: dict[Address, Receiver] = {}
        self.listening: dict[Address, MemoryStreamPort] = {}
        self.connections: set[MemoryConnection] = set()
        self.hosts: set[str] = set()
        self._refusals: dict[Address, tuple[Address, Callable[[], None]]] = {}
        self.sent = self.lost = self.unreachable = 0

    def host(self, address: str) -> MemoryHost:
        """A host of that address; what is sent to a closed port of it is refused (ICMP)."""
        self.hosts.add(address)
        return MemoryHost(self, address)

    def bind(self, address: Address, receiver: Receiver) -> None:
        """Raises OSError (EADDRINUSE) if the port is taken."""
        if address in self.bound:
            raise OSError(EADDRINUSE, "Address already in use")
        self.bound[address] = receiver

    def connect(self, address: Address, far: Address, refused: Callable[[], None]) -> None:
        """A bound port talks to `far` alone; refused: hears of ICMP, which comes back as it does.

        As with real sockets others hear of none. A host that is none of this network is silent.
        """
        self._refusals[address] = far, refused

    def unbind(self, address: Address) -> None:
        """Gives the port back."""
        self.bound.pop(address, None)
        self._refusals.pop(address, None)

    def renumber(self, before: str, now: str) -> None:
        """A host's address changes. OSError (EADDRINUSE) if the network has the other one."""
        if now in self.hosts:
            raise OSError(EADDRINUSE, "Address already in use")
        self.hosts.discard(before)
        self.hosts.add(now)
        self.reset(before)
        for table in (self.bound, self._refusals, self.listening):
            for host, port in [address for address in table if address[0] == before]:
                table[now, port] = table.pop((host, port))  # type: ignore[assignment]

    def reset(self, host: str) -> None:
        """All connections of that host break off at both ends, as when a router forgets them."""
        for end in [end for end in self.connections if host in (end.own[0], end.peer[0])]:
            end.reset()

    def travel(self, again: float = 0.0) -> float:
        """Seconds that a segment takes. again: what it costs to lose it."""
        c = self.conditions
        if c.plain:
            return c.delay
        lost = again if again and self.rng.random() < c.loss else 0.0
        return c.delay + c.jitter * self.rng.random() + lost

    def segments(self, data: bytes) -> list[bytes]:
        """What is written at once, as it travels."""
        if len(data) < 2 or not self.conditions.cut or self.rng.random() >= self.conditions.cut:
            return [data]
        at = self.rng.randrange(1, len(data))
        return [*self.segments(data[:at]), *self.segments(data[at:])]

    def glues(self) -> bool:
        """Does a segment arrive together with the one before?"""
        return bool(self.conditions.glue) and self.rng.random() < self.conditions.glue

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        """Puts a datagram on its way; never raises, as UDP does not."""
        self.sent += 1
        for observer in self.observers:
            observer(data, source, destination)
        if self.drop is not None and self.drop(data, source, destination):
            self.lost += 1
            return
        c = self.conditions
        if c.plain:
            self.reactor.callLater(c.delay, self._arrive, data, source, destination)
            return
        random = self.rng.random
        for _ in range(2 if random() < c.duplicate else 1):
            if random() < c.loss:
                self.lost += 1
                continue
            delay = c.delay + c.jitter * random()
            if random() < c.reorder:
                delay += c.reorderBy
            self.reactor.callLater(delay, self._arrive, data, source, destination)

    def _arrive(self, data: bytes, source: Address, destination: Address) -> None:
        receiver = self.bound.get(destination)
        if receiver is not None:
            receiver(data, source)
            return
        self.unreachable += 1
        if destination[0] in self.hosts and source in self._refusals:
            self.reactor.callLater(self.conditions.delay, self._refuse, source, destination)

    def _refuse(self, source: Address, destination: Address) -> None:
        far, refused = self._refusals.get(source, (None, None))
        if refused is not None and far == destination:
            refused()


class MemoryHost:
    """One address of the network, with its ports."""

    def __init__(self, network: MemoryNetwork, address: str) -> None:
        self.network, self.address = network, address
        self._next = self._nextStream = FIRST_EPHEMERAL

    def renumber(self, address: str) -> None:
        """It has another address; its ports are where they were, at that one."""
        self.network.renumber(self.address, address)
        self.address = address

    def listenUDP(self, port: int, protocol: DatagramProtocol, interface: str = "") -> MemoryPort:
        """Binds `port` (0: the next free one) for a protocol. CannotListenError if taken."""
        if port == 0:
            while (self.address, self._next) in self.network.bound:
                self._next += 1
            port = self._next
        listening = MemoryPort(self, port, protocol, interface)
        try:
            self.network.bind((self.address, port), listening.received)
        except OSError as e:
            raise CannotListenError(interface or self.address, port, e) from None
        protocol.makeConnection(cast(IUDPTransport, listening))
        return listening

    def listenTCP(
        self, port: int, factory: Factory, backlog: int = 50, interface: str = ""
    ) -> MemoryStreamPort:
        """Accepts connections at `port` (0: the next free one). CannotListenError if taken."""
        port = port or self.nextPort()
        if (self.address, port) in self.network.listening:
            error = OSError(EADDRINUSE, "Address already in use")
            raise CannotListenError(interface or self.address, port, error)
        listening = MemoryStreamPort(self, port, factory, interface)
        self.network.listening[self.address, port] = listening
        factory.doStart()
        return listening

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30,
        bindAddress: Any = None,
    ) -> MemoryConnector:
        """Connects; a closed port refuses if its host is one of this network, else: silence."""
        own = bindAddress[1] if bindAddress is not None else 0
        return MemoryConnector(self, own or self.nextPort(), (host, port), factory, timeout)

    def nextPort(self) -> int:
        """A port for connections that is not in use."""
        self._nextStream += 1
        return self._nextStream


@implementer(IListeningPort)
class MemoryPort:
    """A bound port, and the transport of its protocol."""

    def __init__(
        self, host: MemoryHost, port: int, protocol: DatagramProtocol, interface: str
    ) -> None:
        self._host, self._port, self._interface = host, port, interface
        self._far: Address | None = None
        self.protocol: DatagramProtocol | None = protocol

    def startListening(self) -> None:
        """It listens from the start."""

    def stopListening(self) -> Deferred[None]:
        """Gives the port back and tells the protocol."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            self._host.network.unbind((self._host.address, self._port))
            protocol.doStop()
        return succeed(None)

    def loseConnection(self) -> None:
        """As stopListening."""
        self.stopListening()

    def getHost(self) -> IPv4Address | IPv6Address:
        """The bound address; a wildcard shows as such, as with a real socket."""
        address = self._interface or "0.0.0.0"
        kind = IPv6Address if ":" in address else IPv4Address
        return kind("UDP", address, self._port)

    def connect(self, host: str, port: int) -> None:
        """From now on all goes there, and connectionRefused() is called if that port is closed."""
        self._far = host, port
        own = (self._host.address, self._port)
        self._host.network.connect(own, self._far, self._refused)

    def write(self, packet: bytes, addr: Any = None) -> None:
        """Sends a datagram to addr, (host, port); None if it is connected."""
        if self.protocol is not None:
            own, far = (self._host.address, self._port), self._far or tuple(addr)
            self._host.network.send(bytes(packet), own, far)

    def received(self, data: bytes, source: Address) -> None:
        """What the network calls when a datagram has arrived."""
        if self.protocol is not None and self._far in (None, source):
            self.protocol.datagramReceived(data, source)

    def _refused(self) -> None:
        if self.protocol is not None:
            self.protocol.connectionRefused()
