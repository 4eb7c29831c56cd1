"""Connections that carry SIP, whichever side has opened them, and whatever frames the messages.

Lives here: one connection with its limits in time and in what waits to be sent, the one that is
being made, the factory of those that are accepted. Not here: which ones there are (stream.py),
where a message begins and ends (framing.py, websocket.py).
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.exceptions import TransportFailed
from shtoom.sip.framing import PONG, Broken, IFramer, Over, Ping, Say
from shtoom.sip.probe import KEEP_ALIVE
from shtoom.sip.transport import Address, Peer
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint

    from shtoom.sip.stream import StreamTransport

__all__ = ["Accepting", "Connection", "Making"]

ABOUT = 0.001
"""Seconds that do not matter: sums of times are not exact."""


_numbers = count(1)


@implementer(IPushProducer, IHandshakeListener)
class Connection(Protocol):
    """One connection. address: of the peer. accepted: was it opened by the peer? number: its own.

    shaking: is the handshake of TLS under way? timer: when it is looked at next.
    """

    def __init__(self, owner: StreamTransport, framer: IFramer, accepted: bool) -> None:
        self.accepted, self.number = accepted, next(_numbers)
        self.address: Address = ("", 0)
        self.timer: IDelayedCall | None = None
        self._owner, self._framer = owner, framer
        self.shaking = owner.secure
        self._slow = False  # is it a message that the timer waits for?
        self._heardAt = 0.0
        self._full = False  # the peer does not read
        self._answers = False  # does it answer keep-alives?
        self._missing: IDelayedCall | None = None  # until it has to
        self._why = ""

    def connectionMade(self) -> None:
        """From Twisted."""
        transport = self._stream
        peer: Any = transport.getPeer()
        self.address = (peer.host, peer.port)
        transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self._heardAt = self._now()
        self._owner.opened(self)
        self._wait()

    def handshakeCompleted(self) -> None:
        """From Twisted: TLS is up."""
        self.shaking = False
        self._heardAt = self._now()
        self._wait()

    def write(self, data: bytes) -> None:
        """Sends a message. Raises TransportFailed if the peer has not read what it was sent."""
        self._say(self._framer.wrap(data))
        if data == KEEP_ALIVE and self._answers:
            self._expect()

    def probe(self) -> None:
        """It has not answered what it should have: it has a keep-alive to answer, or it is over.

        Whatever comes is an answer. Not for a peer that has never answered one, as long as there
        is no such doubt (RFC 5626 4.4.1 knows who does; most phones and proxies do not say).
        """
        try:
            self._say(self._framer.ping() or self._framer.wrap(KEEP_ALIVE))
        except TransportFailed:
            return  # it is closed already
        self._expect()

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself."""
        return [timer for timer in (self.timer, self._missing) if timer is not None]

    def _expect(self) -> None:
        """Something is to come soon."""
        if self._missing is None:
            pong = self._owner.limits.pong
            self._missing = self._owner.reactor.callLater(pong, self._isGone)

    def _isGone(self) -> None:
        self._missing = None
        self._owner.counts["gone"] += 1
        self._end(f"a keep-alive was not answered within {self._owner.limits.pong:g} s")

    def dataReceived(self, data: bytes) -> None:
        """From Twisted."""
        self._isThere()
        if data == PONG:
            self._answers = True
        pieces = self._framer.received(data)
        try:
            for piece in pieces:
                if isinstance(piece, Ping):
                    self._owner.counts["keepAlive"] += 1
                    self.write(PONG)
                elif isinstance(piece, Say):
                    self._say(piece.data)
                elif isinstance(piece, Over):
                    self._close(piece.reason)
                elif isinstance(piece, Broken):
                    self._owner.broken(piece, Peer(self._owner, self.address))
                    self._close("it does not say where its messages end")
                else:
                    self._owner.received(piece.data, self.address)
        except TransportFailed:  # it sends, and does not read: it is closed already
            return
        if not all(isinstance(piece, Say) for piece in pieces):
            self._heardAt = self._now()
            self._slow = False  # what has begun since has its own time
        self._wait()

    def abort(self) -> None:
        """Closes it at once."""
        self._end("closed here")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self._isThere()
        self._owner.lost(self, self._why or self._owner.words(reason))

    def _isThere(self) -> None:
        """Nothing is missing any more."""
        if self._missing is not None:
            self._missing.cancel()
            self._missing = None

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

    def _say(self, data: bytes) -> None:
        if self._full:
            at = hostPort(*self.address)
            self._end("the peer does not read")
            raise TransportFailed(f"{self._owner.name} to {at}: the peer does not read")
        self._stream.write(data)

    # Time

    def _wait(self) -> None:
        """A message that has begun has its time, as has a handshake; so has silence between."""
        slow = self.shaking or self._framer.within
        if self.timer is not None and self.timer.active():
            if slow and self._slow:
                return  # more bytes of one message do not give it more time
            self.timer.cancel()
        self._slow = slow
        limits = self._owner.limits
        if self.shaking or not self._framer.begun:
            wait = limits.handshake
        elif slow:
            wait = limits.message
        elif self._framer.pings:
            wait = limits.ping
        else:
            left = limits.idle - (self._now() - self._heardAt)
            wait = left if left > ABOUT else limits.idle
        self.timer = self._owner.reactor.callLater(wait, self._late)

    def _late(self) -> None:
        owner = self._owner
        if self.shaking or not self._framer.begun:
            owner.counts["slow"] += 1
            self._end(f"the handshake was not complete within {owner.limits.handshake:g} s")
        elif self._slow:
            owner.counts["slow"] += 1
            self._end(f"a message was not complete within {owner.limits.message:g} s")
        elif self._now() - self._heardAt < owner.limits.idle - ABOUT or owner.isWanted(
            Peer(owner, self.address)
        ):
            ping = self._framer.ping()
            if ping and not self._full:
                self._stream.write(ping)
            self._wait()
        else:
            owner.counts["idle"] += 1
            self._end(f"nothing was said for {owner.limits.idle:g} s")

    def _close(self, why: str) -> None:
        """When all is sent."""
        self._why = self._why or why
        self._stream.loseConnection()

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._stream.abortConnection()

    def _now(self) -> float:
        return float(self._owner.reactor.seconds())

    @property
    def _stream(self) -> Any:
        return self.transport


class Accepting(Factory):
    """Makes the connections of peers."""

    noisy = False

    def __init__(self, owner: StreamTransport) -> None:
        self._owner = owner

    def buildProtocol(self, addr: Any) -> Any:
        """None closes it: there are too many."""
        owner = self._owner
        return Connection(owner, owner.framing(), True) if owner.accepted(addr.host) else None


class Making:
    """A connection that is being made, and what waits for it."""

    def __init__(self, owner: StreamTransport, address: Address) -> None:
        self._owner, self._address = owner, address
        self._connecting: Deferred[Any] | None = None
        self.waiting: list[bytes] = []

    def begin(self, endpoint: IStreamClientEndpoint) -> None:
        """Connects."""
        owner = self._owner
        factory = Factory.forProtocol(lambda: Connection(owner, owner.framing(), False))
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
