"""SIP over connections: TCP, and TLS, which differs in its endpoints alone (RFC 3261 18).

Lives here: which connections there are in both directions, their reuse, how many there may be.
Not here: one connection (connection.py), where a message ends (framing.py, websocket.py), what
becomes of it (inlet.py), certificates and ports (doug.ports).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.exceptions import TransportFailed
from shtoom.sip.connection import Accepting, Connection, Making
from shtoom.sip.framing import Broken, Framer, IFramer
from shtoom.sip.inlet import Inlet
from shtoom.sip.parser import MAX_BYTES
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.sources import sourceOf
from shtoom.sip.transport import (
    SECURE,
    Address,
    ISIPTransport,
    Peer,
    Receiver,
    Told,
    localAddressFor,
    ownAddress,
    toldNothing,
)
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from shtoom.sip.gate import Gate

MOST_NAMES = 1000
"""Names kept for connections that may be made."""


class StreamReceiver(Receiver, Protocol):
    """Who takes what connections bring."""

    def flowLost(self, failure: TransportFailed, peer: Peer) -> None:
        """The connection with that peer, which was up, is over."""


class StreamLimits(NamedTuple):
    """Against peers that hold connections and do not use them.

    total, perSource: connections that others have opened here; the second one is not for sources
    that are trusted. handshake: seconds for that of TLS
    and of WebSocket. message: seconds until a message that has begun is complete. idle: seconds
    without one, unless the connection is wanted. ping: seconds between our own keep-alives, where
    there are such. pong: seconds that the answer to one has (RFC 5626 4.4.1). waiting: bytes kept
    for a connection that is being made.
    """

    total: int = 2000
    perSource: int = 100
    handshake: float = 10.0
    message: float = 30.0
    idle: float = 120.0
    ping: float = 30.0
    pong: float = 10.0
    waiting: int = 262_144


@implementer(ISIPTransport)
class StreamTransport:
    """All connections of one kind: those that are accepted, and those that are made to send.

    name: "TCP", "TLS", "WS" or "WSS". connect: the endpoint that leads to an address, found for
    that host name; None where only peers make connections. gate: whom not to hear; None: nobody.
    longest: bytes of a message that is read. framing: makes what finds messages. isWanted: is a
    connection with that peer to stay, though nothing is said (a call, a registration)? trusts: is
    that host free of the limits of a source? words: why a
    connection ended, for people. advertise, localAddressFor: as for UDP. factory: to be listened
    with; bound() says where.
    counts: received, sent, keepAlive, malformed, limited, error as for UDP; and opened, accepted,
    refused (too many), noHandshake (of TLS), slow, idle and gone (closed by us), connectFailed.
    """

    reliable = True
    log = Logger()

    def __init__(
        self,
        name: str,
        receiver: StreamReceiver,
        reactor: IReactorTime,
        connect: Callable[[Address, str], IStreamClientEndpoint] | None,
        *,
        advertise: str | None = None,
        localAddressFor: Callable[[str], str] = localAddressFor,
        isWanted: Callable[[Peer], bool] = lambda peer: False,
        trusts: Callable[[str], bool] = lambda host: False,
        words: Callable[[Failure], str] = Failure.getErrorMessage,
        limits: StreamLimits | None = None,
        gate: Gate | None = None,
        longest: int = MAX_BYTES,
        framing: Callable[[], IFramer] | None = None,
    ) -> None:
        self.name, self.receiver, self.reactor = name, receiver, reactor
        self.advertise, self.isWanted, self.words = advertise, isWanted, words
        self.trusts = trusts
        self.limits = limits if limits is not None else StreamLimits()
        self.secure = name in SECURE
        self.framing = framing if framing is not None else partial(Framer, longest)
        self.told: Told = toldNothing
        self.counts: Counter[str] = Counter()
        self.factory = Accepting(self)
        self._connect, self._localAddressFor = connect, localAddressFor
        self._bound: Address | None = None
        self._open: dict[Address, Connection] = {}
        self._making: dict[Address, Making] = {}
        self._names: dict[Address, str] = {}
        self._sources: Counter[str] = Counter()  # of accepted connections
        self._closed = False
        self._quietLog = QuietLog(self.log, reactor.seconds)
        self._inlet = Inlet(
            receiver, self.counts, self._quietLog, reactor.seconds, gate=gate, longest=longest
        )

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
        told = self.told(remoteHost)
        if told is not None:
            return told[0], told[1] or self._bound[1]
        return ownAddress(self._bound, remoteHost, self.advertise, self._localAddressFor)

    def isOpen(self, address: Address) -> bool:
        """As ISIPTransport has it."""
        return address in self._open

    def flow(self, address: Address) -> int:
        """As ISIPTransport has it."""
        connection = self._open.get(address)
        return connection.number if connection is not None and connection.accepted else 0

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
            if self._connect is None:
                at = hostPort(*address)
                raise TransportFailed(f"{self.name} to {at}: that connection is gone, and its end")
            if making is not None:
                making.keep(data)
            else:
                making = self._making[address] = Making(self, address)
                making.keep(data)
                making.begin(self._connect(address, self._names.pop(address, address[0])))
        else:
            connection.write(data)
        self.counts["sent"] += 1

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself: connections are looked at."""
        return [timer for c in self._open.values() for timer in c.timers()]

    def probe(self, address: Address) -> None:
        """As ISIPTransport has it: a connection whose far end has gone without a word is over."""
        connection = self._open.get(address)
        if connection is not None:
            connection.probe()

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
        source = sourceOf(host)
        if (
            self._closed
            or self._sources.total() >= self.limits.total
            or (self._sources[source] >= self.limits.perSource and not self.trusts(host))
        ):
            self.counts["refused"] += 1
            self._quietLog.warn(
                "refused",
                "{name} connections from {host} are refused: {mine} from there and {all} in all "
                "are open (--max-source-connections, --max-connections)",
                name=self.name,
                host=host,
                mine=self._sources[source],
                all=self._sources.total(),
            )
            return False
        self._sources[source] += 1
        self.counts["accepted"] += 1
        return True

    def opened(self, connection: Connection) -> None:
        """A connection is up."""
        self._open[connection.address] = connection

    def made(self, address: Address) -> None:
        """The connection to `address` that was wanted is up: what waited for it is sent."""
        making, connection = self._making.pop(address, None), self._open.get(address)
        self.counts["opened"] += 1
        if making is not None and connection is not None:
            connection.write(b"".join(making.waiting))  # at once: a part would fill its buffer

    def notMade(self, address: Address, reason: Failure) -> None:
        """No connection to `address` came about."""
        self._making.pop(address, None)
        if self._closed or reason.check(CancelledError):
            return
        self.counts["connectFailed"] += 1
        self._unreachable(address, self.words(reason))

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is over."""
        if connection.shaking and not self._closed:
            self.counts["noHandshake"] += 1
            self._quietLog.warn(
                "noHandshake",
                "{name} with {at}: no handshake: {reason}",
                name=self.name,
                at=hostPort(*connection.address),
                reason=reason,
            )
        if connection.accepted:
            source = sourceOf(connection.address[0])
            self._sources[source] -= 1
            if not self._sources[source]:
                del self._sources[source]
        if self._open.get(connection.address) is connection:
            del self._open[connection.address]
            if not self._closed:
                peer = Peer(self, connection.address)
                self.receiver.flowLost(self._failure(peer.address, reason), peer)

    def _unreachable(self, address: Address, reason: str) -> None:
        self.receiver.unreachable(self._failure(address, reason), Peer(self, address))

    def _failure(self, address: Address, reason: str) -> TransportFailed:
        return TransportFailed(f"{self.name} to {hostPort(*address)}: {reason}")

    def received(self, data: bytes, address: Address) -> None:
        """One whole message. Whatever goes wrong with it ends here."""
        self.counts["received"] += 1
        peer = Peer(self, address)
        try:
            self._inlet.received(data, peer)
        except Exception as e:
            self.counts["error"] += 1
            at = hostPort(*address)
            what = "a message of {at} was dropped"
            self._quietLog.failure(type(e).__name__, what, Failure(), at=at)

    def broken(self, piece: Broken, peer: Peer) -> None:
        """What does not tell where it ends."""
        self._inlet.broken(piece.error, piece.data, peer)
