"""TCP in memory: listening ports, connections with delay, refusals and resets, all in virtual time.

Lives here: both ends of a connection as Twisted's protocols see them. Not here: who is where, and
datagrams (network.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    NotConnectingError,
    TimeoutError,
    UserError,
)
from twisted.internet.interfaces import (
    IConnector,
    IDelayedCall,
    IListeningPort,
    IProtocol,
    IPushProducer,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.protocol import ClientFactory, Factory

    from doug.testing.network import Address, MemoryHost, MemoryNetwork

WINDOW = 65536
"""Bytes on their way, or not read at the far end, beyond which a sender is told to pause."""

AGAIN = 0.2
"""Seconds after which a segment that the network has lost is sent again."""


@implementer(IListeningPort)
class MemoryStreamPort:
    """A port where connections are accepted."""

    def __init__(self, host: MemoryHost, port: int, factory: Factory, interface: str) -> None:
        self._host, self._port, self._interface = host, port, interface
        self._factory: Factory | None = factory

    def startListening(self) -> None:
        """It listens from the start."""

    def stopListening(self) -> Deferred[None]:
        """No new connections; those that are open stay."""
        factory, self._factory = self._factory, None
        if factory is not None:
            self._host.network.listening.pop((self._host.address, self._port), None)
            factory.doStop()
        return succeed(None)

    def loseConnection(self) -> None:
        """As stopListening."""
        self.stopListening()

    def getHost(self) -> IPv4Address | IPv6Address:
        """The bound address; a wildcard shows as such, as with a real socket."""
        return shown((self._interface or "0.0.0.0", self._port))

    def build(self, peer: Address) -> Any:
        """The protocol for a connection from there; None closes it."""
        return self._factory.buildProtocol(shown(peer)) if self._factory is not None else None


@implementer(IConnector)
class MemoryConnector:
    """A connection that is being made: SYN there, SYN/ACK back, or a refusal, or silence."""

    def __init__(
        self,
        host: MemoryHost,
        own: int,
        destination: Address,
        factory: ClientFactory,
        timeout: float,
    ) -> None:
        """own: the port that it leaves from."""
        self._network, self._destination, self._factory = host.network, destination, factory
        self._own = host.address, own
        self._end: MemoryConnection | None = None
        self._delivery: IDelayedCall | None = None
        factory.doStart()
        factory.startedConnecting(cast(IConnector, self))
        reactor = self._network.reactor
        self._limit = reactor.callLater(timeout, self._fail, TimeoutError())
        self._delivery = reactor.callLater(self._network.travel(), self._arrive)

    def getDestination(self) -> IPv4Address | IPv6Address:
        """As IConnector has it."""
        return shown(self._destination)

    def stopConnecting(self) -> None:
        """As IConnector has it."""
        if not self._limit.active():
            raise NotConnectingError("it is connected, or has failed")
        self._fail(UserError())

    def disconnect(self) -> None:
        """As IConnector has it."""
        if self._end is not None:
            self._end.loseConnection()
        elif self._limit.active():
            self._fail(UserError())

    def connect(self) -> None:
        """As IConnector has it; nobody here connects a second time."""
        raise RuntimeError("this connector has been used")

    def _arrive(self) -> None:
        """The SYN is there: who listens has its connection, and the answer goes back."""
        network = self._network
        port = network.listening.get(self._destination)
        if port is None:
            if self._destination[0] in network.hosts:
                refusal = ConnectionRefusedError()
                self._delivery = network.reactor.callLater(network.travel(), self._fail, refusal)
            return  # else nobody is there: silence
        here = MemoryConnection(network, self._own, self._destination)
        there = MemoryConnection(network, self._destination, self._own)
        here.far, there.far = there, here
        self._delivery = network.reactor.callLater(network.travel(), self._established, here)
        there.begin(port.build(self._own))

    def _established(self, end: MemoryConnection) -> None:
        self._limit.cancel()
        self._end = end
        end.onLost = self._lost
        end.begin(self._factory.buildProtocol(self.getDestination()))

    def _fail(self, error: Exception) -> None:
        for call in (self._limit, self._delivery):
            if call is not None and call.active():
                call.cancel()
        self._factory.clientConnectionFailed(cast(IConnector, self), Failure(error))
        self._factory.doStop()

    def _lost(self, reason: Failure) -> None:
        self._factory.clientConnectionLost(cast(IConnector, self), reason)
        self._factory.doStop()


@implementer(ITCPTransport, IPushProducer)
class MemoryConnection:
    """One end of a connection, and the transport of its protocol.

    far: the other end. What is written arrives there in order, cut and glued as the network's
    Conditions have it; what is lost on the way comes later. onLost: told of its end.
    """

    disconnecting = False

    def __init__(self, network: MemoryNetwork, own: Address, peer: Address) -> None:
        self._network, self.own, self.peer = network, own, peer
        self.far: MemoryConnection
        self.onLost: Callable[[Failure], None] = lambda reason: None
        self.protocol: IProtocol | None = None
        self.producer: Any = None
        self._streaming = self._paused = self._reading = False
        self._unread = 0  # bytes that were sent and that the far protocol has not had
        self._coming: deque[tuple[float, bytearray | None]] = deque()  # from far; None: its end
        self._turn: IDelayedCall | None = None
        self.closed = False

    def begin(self, protocol: IProtocol | None) -> None:
        """It is up; without a protocol it is closed again."""
        if self.closed:
            return
        self._network.connections.add(self)
        self._reading = True
        if protocol is None:
            self.loseConnection()
            return
        self.protocol = protocol
        protocol.makeConnection(cast(ITCPTransport, self))
        self._next()

    # --- for its protocol (ITCPTransport) -----------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends; after the end: nothing."""
        if self.closed or self.disconnecting or not data:
            return
        self._unread += len(data)
        for segment in self._network.segments(bytes(data)):
            self.far.coming(segment)
        if self._unread > WINDOW and self._streaming and not self._paused:
            self._paused = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """As write."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Closes it when all is sent."""
        if not self.closed and not self.disconnecting:
            self.disconnecting = True
            self._sent()

    def loseWriteConnection(self) -> None:
        """As loseConnection: half of a connection is none here."""
        self.loseConnection()

    def abortConnection(self) -> None:
        """Closes it at once; what is on its way is lost."""
        if not self.closed:
            self._gone(ConnectionAborted())
            self.far.reset()

    def getHost(self) -> IPv4Address | IPv6Address:
        """This end."""
        return shown(self.own)

    def getPeer(self) -> IPv4Address | IPv6Address:
        """The other end."""
        return shown(self.peer)

    def getTcpNoDelay(self) -> bool:
        """Nothing is held back here."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is held back here."""

    def getTcpKeepAlive(self) -> bool:
        """Nothing is sent by itself."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing is sent by itself."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Who is to be told that the far end does not read."""
        self.producer, self._streaming = producer, streaming

    def unregisterProducer(self) -> None:
        """Nobody any more."""
        self.producer, self._streaming, self._paused = None, False, False

    # --- for its protocol (IPushProducer): reading --------------------------------------------

    def pauseProducing(self) -> None:
        """The protocol reads nothing for now."""
        self._reading = False

    def resumeProducing(self) -> None:
        """It reads again."""
        self._reading = True
        self._next()

    def stopProducing(self) -> None:
        """As loseConnection."""
        self.loseConnection()

    # --- from the far end and the network -----------------------------------------------------

    def coming(self, segment: bytes | None) -> None:
        """A segment is on its way to this end; None: the far end has closed."""
        if self.closed:
            return
        if segment is not None and self._coming and self._network.glues():
            _, last = self._coming[-1]
            if last is not None:
                last += segment
                return
        at = self._network.reactor.seconds() + self._network.travel(AGAIN)
        if self._coming:
            at = max(at, self._coming[-1][0])  # in order, whatever the network does
        self._coming.append((at, bytearray(segment) if segment is not None else None))
        self._next()

    def reset(self) -> None:
        """The far end has broken off, or the network has."""
        if not self.closed:
            self._network.reactor.callLater(self._network.travel(), self._gone, ConnectionLost())

    def _next(self) -> None:
        if self._coming and self._reading and (self._turn is None or not self._turn.active()):
            wait = max(0.0, self._coming[0][0] - self._network.reactor.seconds())
            self._turn = self._network.reactor.callLater(wait, self._arrived)

    def _arrived(self) -> None:
        if not self._reading or not self._coming:
            return
        _, segment = self._coming.popleft()
        if segment is None:
            self._gone(ConnectionDone())
            return
        self._next()
        if self.protocol is not None:
            self.protocol.dataReceived(bytes(segment))
        self.far.read(len(segment))

    def read(self, octets: int) -> None:
        """The far protocol has had so much of what was sent."""
        self._unread -= octets
        if self._paused and self._unread <= WINDOW:
            self._paused = False
            self.producer.resumeProducing()
        if self.disconnecting:
            self._sent()

    def _sent(self) -> None:
        """Closes it, if the network has taken all that is to be sent."""
        if self._unread <= WINDOW and not self.closed:
            self.far.coming(None)
            self.closed = True  # for writers; its protocol hears of it on the next turn
            self._network.reactor.callLater(0, self._gone, ConnectionDone())

    def _gone(self, error: Exception) -> None:
        """The end; its protocol hears of it once."""
        self.closed = True
        self._coming.clear()
        if self._turn is not None and self._turn.active():
            self._turn.cancel()
        protocol, self.protocol = self.protocol, None
        if self not in self._network.connections:
            return
        self._network.connections.remove(self)
        reason = Failure(error)
        if protocol is not None:
            if isinstance(error, ConnectionAborted):
                self._network.reactor.callLater(0, protocol.connectionLost, reason)
            else:
                protocol.connectionLost(reason)
        self.onLost(reason)


def shown(address: Address) -> IPv4Address | IPv6Address:
    """As Twisted has addresses."""
    return (IPv6Address if ":" in address[0] else IPv4Address)("TCP", *address)
