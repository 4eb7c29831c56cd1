"""SIP over connections: TCP, and TLS, which differs in its endpoints alone (RFC 3261 18).

Lives here: connections in both directions, their reuse, what is kept for one that is being made,
limits against peers that say nothing, too little or do not read. Not here: where a message ends
(framing.py), what messages mean (their receiver), certificates and ports (doug.exchange).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.exceptions import MalformedMessage, TransportFailed
from shtoom.sip.framing import PONG, Broken, Framer, Ping
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.transport import (
    Address,
    ISIPTransport,
    Peer,
    Receiver,
    localAddressFor,
    markReceived,
    ownAddress,
)
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    pass


MOST_NAMES = 1000
"""Names kept for connections that may be made."""


class StreamLimits(NamedTuple):
    """Against peers that hold connections and do not use them.

    total, perSource: connections that others have opened here. message: seconds until a message
    that has begun is complete. idle: seconds without one, unless the connection is wanted.
    waiting: bytes kept for a connection that is being made.
    """

    total: int = 2000
    perSource: int = 100
    message: float = 30.0
    idle: float = 120.0
    waiting: int = 262_144


@implementer(ISIPTransport)
class StreamTransport:
    """All connections of one kind: those that are accepted, and those that are made to send.

    name: "TCP" or "TLS". connect: the endpoint that leads to an address, found for that host name.
    isWanted: is a connection with that peer to stay, though nothing is said (a call, a
    registration)? words: why a connection ended, for people. advertise, localAddressFor: as for
    UDP. factory: to be listened with; bound() says where.
    counts: received, sent, keepAlive, malformed, error as for UDP; and opened, accepted, refused (a
    limit), slow and idle (closed by us), connectFailed.
    """

    reliable = True
    log = Logger()

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        reactor: IReactorTime,
        connect: Callable[[Address, str], IStreamClientEndpoint],
        *,
        advertise: str | None = None,
        localAddressFor: Callable[[str], str] = localAddressFor,
        isWanted: Callable[[Peer], bool] = lambda peer: False,
        words: Callable[[Failure], str] = Failure.getErrorMessage,
        limits: StreamLimits | None = None,
    ) -> None:
        self.name, self.receiver, self.reactor = name, receiver, reactor
        self.advertise, self.isWanted, self.words = advertise, isWanted, words
        self.limits = limits if limits is not None else StreamLimits()
        self.counts: Counter[str] = Counter()
        self.factory = _Accepting(self)
        self._connect, self._localAddressFor = connect, localAddressFor
        self._bound: Address | None = None
        self._open: dict[Address, _Connection] = {}
        self._making: dict[Address, _Making] = {}
        self._names: dict[Address, str] = {}
        self._sources: Counter[str] = Counter()  # of accepted connections
        self._closed = False
        self.quietLog = QuietLog(self.log, reactor.seconds)

    def __len__(self) -> int:
        """Connections that are open or being made."""
        return len(self._open) + len(self._making)

    def bound(self, address: Address) -> None:
        """Where it listens; what peers are told in Via and Contact."""
        self._bound = address

    def sentBy(self, remoteHost: str) -> Address:
        """As ISIPTransport has it."""
        if self._bound is None or self._closed:
            raise TransportFailed(f"no {self.name} port is open here")
        return ownAddress(self._bound, remoteHost, self.advertise, self._localAddressFor)

    def isOpen(self, address: Address) -> bool:
        """As ISIPTransport has it."""
        return address in self._open

    def named(self, address: Address, host: str) -> None:
        """As ISIPTransport has it; known until a connection is made."""
        if address not in self._open:
            self._names.pop(address, None)
            self._names[address] = host
            if len(self._names) > MOST_NAMES:
                del self._names[next(iter(self._names))]

    def send(self, data: bytes, address: Address) -> None:
        """As ISIPTransport has it: over the connection with that peer, or one that is made for it.

        If none can be made, the receiver's unreachable() is told, on a later turn.
        """
        if self._closed:
            raise TransportFailed(f"the {self.name} port is closed")
        connection = self._open.get(address)
        if connection is None:
            making = self._making.get(address)
            if making is not None:
                making.keep(data)
            else:
                making = self._making[address] = _Making(self, address)
                making.keep(data)
                making.begin(self._connect(address, self._names.pop(address, address[0])))
        else:
            connection.write(data)
        self.counts["sent"] += 1

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself: connections are looked at."""
        return [c.timer for c in self._open.values() if c.timer is not None]

    def probe(self, address: Address) -> None:
        """As ISIPTransport has it: a connection tells by itself."""

    def close(self) -> None:
        """Closes all connections; nothing is sent or received any more."""
        self._closed = True
        for making in list(self._making.values()):
            making.cancel()
        self._making.clear()
        for connection in list(self._open.values()):
            connection.abort()

    # --- what connections report --------------------------------------------------------------

    def accepted(self, host: str) -> bool:
        """May one more connection from there be served?"""
        if (
            self._closed
            or self._sources.total() >= self.limits.total
            or self._sources[host] >= self.limits.perSource
        ):
            self.counts["refused"] += 1
            self.quietLog.warn(
                "refused",
                "{name} connections from {host} are refused: {mine} from there and {all} in all "
                "are open",
                name=self.name,
                host=host,
                mine=self._sources[host],
                all=self._sources.total(),
            )
            return False
        self._sources[host] += 1
        self.counts["accepted"] += 1
        return True

    def opened(self, connection: _Connection) -> None:
        """A connection is up."""
        self._open[connection.address] = connection

    def made(self, address: Address) -> None:
        """The connection to `address` that was wanted is up: what waited for it is sent."""
        making, connection = self._making.pop(address, None), self._open.get(address)
        self.counts["opened"] += 1
        for data in making.waiting if making is not None and connection is not None else ():
            connection.write(data)  # type: ignore[union-attr]

    def notMade(self, address: Address, reason: Failure) -> None:
        """No connection to `address` came about."""
        self._making.pop(address, None)
        if self._closed or reason.check(CancelledError):
            return
        self.counts["connectFailed"] += 1
        self._unreachable(address, self.words(reason))

    def lost(self, connection: _Connection, reason: str) -> None:
        """A connection is over."""
        if connection.accepted:
            host = connection.address[0]
            self._sources[host] -= 1
            if not self._sources[host]:
                del self._sources[host]
        if self._open.get(connection.address) is connection:
            del self._open[connection.address]
            if not self._closed:
                self._unreachable(connection.address, reason)

    def _unreachable(self, address: Address, reason: str) -> None:
        failure = TransportFailed(f"{self.name} to {hostPort(*address)}: {reason}")
        self.receiver.unreachable(failure, Peer(self, address))

    def received(self, data: bytes, address: Address) -> None:
        """One whole message. Whatever goes wrong with it ends here."""
        self.counts["received"] += 1
        peer = Peer(self, address)
        try:
            if self.receiver.trace is not None:
                self.receiver.trace.received(data, peer)
            try:
                message = parse(data)
                if isinstance(message, Request):
                    message = markReceived(message, address)
            except MalformedMessage as error:
                self.malformed(error, peer)
                return
            self.receiver.messageReceived(message, peer)
        except Exception as e:
            self.counts["error"] += 1
            at = hostPort(*address)
            what = "a message of {at} was dropped"
            self.quietLog.failure(type(e).__name__, what, Failure(), at=at)

    def broken(self, piece: Broken, peer: Peer) -> None:
        """What does not tell where it ends."""
        if self.receiver.trace is not None:
            self.receiver.trace.received(piece.data, peer)
        self.malformed(piece.error, peer)

    def malformed(self, error: MalformedMessage, peer: Peer) -> None:
        """What is no message, or does not tell where it ends."""
        self.counts["malformed"] += 1
        at = hostPort(*peer.address)
        self.quietLog.warn("malformed", "no SIP from {at}: {error}", at=at, error=str(error))
        self.receiver.malformedReceived(error, b"", peer)


@implementer(IPushProducer)
class _Connection(Protocol):
    """One connection. address: of the peer. accepted: was it opened by the peer?

    timer: when it is looked at next.
    """

    def __init__(self, owner: StreamTransport, accepted: bool) -> None:
        self.accepted = accepted
        self.address: Address = ("", 0)
        self._owner = owner
        self._framer = Framer()
        self.timer: IDelayedCall | None = None
        self._slow = False  # is it a message that the timer waits for?
        self._full = False  # the peer does not read
        self._why = ""

    def connectionMade(self) -> None:
        """From Twisted."""
        transport = self._stream
        peer: Any = transport.getPeer()
        self.address = (peer.host, peer.port)
        transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self._owner.opened(self)
        self._wait()

    def write(self, data: bytes) -> None:
        """Sends. Raises TransportFailed if the peer has not read what it was sent before."""
        if self._full:
            at = hostPort(*self.address)
            self._end("the peer does not read")
            raise TransportFailed(f"{self._owner.name} to {at}: the peer does not read")
        self._stream.write(data)

    def dataReceived(self, data: bytes) -> None:
        """From Twisted."""
        for piece in self._framer.received(data):
            if isinstance(piece, Ping):
                self._owner.counts["keepAlive"] += 1
                self._stream.write(PONG)
            elif isinstance(piece, Broken):
                self._owner.broken(piece, Peer(self._owner, self.address))
                self._why = "it does not say where its messages end"
                self._stream.loseConnection()
            else:
                self._owner.received(piece.data, self.address)
        self._wait()

    def abort(self) -> None:
        """Closes it at once."""
        self._end("closed here")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self._owner.lost(self, self._why or self._owner.words(reason))

    # IPushProducer: what the peer does not read is not kept without end

    def pauseProducing(self) -> None:
        """From Twisted: as much waits to be sent as it wants to keep."""
        self._full = True

    def resumeProducing(self) -> None:
        """From Twisted."""
        self._full = False

    def stopProducing(self) -> None:
        """From Twisted."""
        self._full = True

    # Time

    def _wait(self) -> None:
        """A message that has begun has its time; between messages so has the silence."""
        slow = self._framer.within
        if self.timer is not None and self.timer.active():
            if slow and self._slow:
                return  # more bytes of one message do not give it more time
            self.timer.cancel()
        limits = self._owner.limits
        self._slow = slow
        self.timer = self._owner.reactor.callLater(
            limits.message if slow else limits.idle, self._late
        )

    def _late(self) -> None:
        owner = self._owner
        if self._slow:
            owner.counts["slow"] += 1
            self._end(f"a message was not complete within {owner.limits.message:g} s")
        elif owner.isWanted(Peer(owner, self.address)):
            self._wait()
        else:
            owner.counts["idle"] += 1
            self._end(f"nothing was said for {owner.limits.idle:g} s")

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._stream.abortConnection()

    @property
    def _stream(self) -> Any:
        return self.transport


class _Accepting(Factory):
    """Makes the connections of peers."""

    noisy = False

    def __init__(self, owner: StreamTransport) -> None:
        self._owner = owner

    def buildProtocol(self, addr: Any) -> Any:
        """None closes it: there are too many."""
        host = addr.host
        return _Connection(self._owner, True) if self._owner.accepted(host) else None


class _Making:
    """A connection that is being made, and what waits for it."""

    def __init__(self, owner: StreamTransport, address: Address) -> None:
        self._owner, self._address = owner, address
        self._connecting: Deferred[Any] | None = None
        self.waiting: list[bytes] = []

    def begin(self, endpoint: IStreamClientEndpoint) -> None:
        """Connects."""
        factory = Factory.forProtocol(lambda: _Connection(self._owner, False))
        factory.noisy = False
        self._connecting = endpoint.connect(factory)
        self._connecting.addCallbacks(
            lambda _: self._owner.made(self._address),
            lambda reason: self._owner.notMade(self._address, reason),
        )

    def keep(self, data: bytes) -> None:
        """Sends it when the connection is up. Raises TransportFailed if too much waits."""
        if sum(map(len, self.waiting)) + len(data) > self._owner.limits.waiting:
            at = hostPort(*self._address)
            raise TransportFailed(f"{self._owner.name} to {at}: too much waits for a connection")
        self.waiting.append(data)

    def cancel(self) -> None:
        """It is not wanted any more."""
        if self._connecting is not None:
            self._connecting.cancel()
