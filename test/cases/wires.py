"""Actors of the field that speak over connections.

Lives here: StreamActor, which connects to the server or is connected to, one message or a thousand
bytes at a time. Not here: what is said (actor.py).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from doug.testing import Lab
from doug.testing.streams import MemoryConnector, MemoryStreamPort
from shtoom.sip.framing import Framer, Whole
from shtoom.sip.transport import WEB
from shtoom.sip.uri import hostPort
from test.cases.actor import DOUG, Actor
from test.cases.media import Address

try:
    from test.support.webclient import WebClient
except ImportError:  # the extra websocket is not there
    WebClient = None  # type: ignore[assignment,misc]


INVALID = "df7jal23ls0d.invalid"
"""The address of a browser (RFC 7118 5)."""


class StreamActor(Actor):
    """An actor that has UDP as others, and says what it says over its connection while it has one.

    connect() makes one, listen() accepts them; the last one that is up counts. wire: that; None:
    there is none. wires: how many there were. rest: line ends between messages that it has heard.
    contactPort: the port in its Contact, None for that of its own end of the connection.
    namesTransport: does its Contact name TCP?
    """

    kind = "TCP"

    def __init__(self, lab: Lab, name: str, host: str, rtp: int, *, server: Address = DOUG) -> None:
        super().__init__(lab, name, host, rtp, server=server)
        self.machine = lab.network.host(host)
        self.wire: Any = None
        self.wires = self.rest = 0
        self.web: WebClient | None = None  # of its WebSocket
        self.contactPort: int | None = 5060
        self.namesTransport = True
        self._port: MemoryStreamPort | None = None

    @property
    def contact(self) -> str:
        """The URI in its Contact."""
        if self.wire is None or not self.namesTransport:
            return super().contact
        if self.kind in WEB:
            return f"sip:{self.name}@{INVALID};transport=ws"
        port = self.contactPort or self.wire.transport.getHost().port
        return f"sip:{self.name}@{hostPort(self.host, port)};transport={self.kind.lower()}"

    @property
    def sentBy(self) -> str:
        """Its address in Via."""
        return super().sentBy if self.wire is None or self.kind not in WEB else INVALID

    @property
    def transport(self) -> str:
        """What it says in Via."""
        return "UDP" if self.wire is None else self.kind

    def connect(self, factory: Any = None, own: int = 0) -> MemoryConnector:
        """Connects to the server. own: the port that it leaves from, 0 for any."""
        if factory is None:
            factory = ClientFactory()
            factory.protocol = lambda: Wire(self)
            factory.noisy = False
        at = self.host, own
        connector = self.machine.connectTCP(*self.server, factory, timeout=5, bindAddress=at)
        self.lab.advance(0.01)
        return connector

    def listen(self, port: int = 5060) -> None:
        """Accepts connections."""
        self._port = self.machine.listenTCP(port, Factory.forProtocol(lambda: Wire(self)))

    def deaf(self) -> None:
        """Connections are refused from now on; those that are open stay."""
        if self._port is not None:
            self._port.stopListening()

    def raw(self, data: bytes | str, sourcePort: int = 5060) -> None:
        """These bytes, over the connection."""
        if self.wire is None:
            super().raw(data, sourcePort)
        else:
            self.wire.transport.write(data.encode() if isinstance(data, str) else data)

    def overWire(self, data: bytes) -> None:
        """A whole message has come over a connection."""
        self.took(data, self.kind)

    def hangUpWire(self) -> None:
        """Closes its connection."""
        self.wire.transport.loseConnection()
        self.lab.advance(0.01)

    def close(self) -> None:
        """Off the network."""
        self.deaf()
        if self.wire is not None:
            self.wire.transport.abortConnection()
            self.lab.advance(0.01)
        super().close()


class Wire(Protocol):
    """One connection of an actor."""

    def __init__(self, actor: StreamActor) -> None:
        self._actor, self._framer = actor, Framer()

    def connectionMade(self) -> None:
        """From Twisted."""
        self._actor.wire = self
        self._actor.wires += 1

    def dataReceived(self, data: bytes) -> None:
        """From Twisted."""
        if not self._framer.within and data.strip() == b"":
            self._actor.rest += 1
            return
        for piece in self._framer.received(data):
            if isinstance(piece, Whole):
                self._actor.overWire(piece.data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        if self._actor.wire is self:
            self._actor.wire = None


class WebWire(Protocol):
    """A connection of an actor by WebSocket, as a browser has it: its address is nobody's."""

    def __init__(self, actor: StreamActor, origin: str | None = None) -> None:
        self._actor = actor
        self.web = WebClient(origin=origin)
        self._wire: Any = None

    def connectionMade(self) -> None:
        """From Twisted."""
        self._wire, self.transport = self.transport, self  # type: ignore[assignment]
        self._actor.web = self.web
        self._wire.write(self.web.hello)

    def dataReceived(self, data: bytes) -> None:
        """From Twisted."""
        answer = self.web.received(data)
        if answer:
            self._wire.write(answer)
        if self.web.accepted is not None and self._actor.wire is None:
            self._actor.wire = self
            self._actor.wires += 1
        heard, self.web.messages = self.web.messages, []
        for message in heard:
            if message.strip():
                self._actor.overWire(message)
            else:
                self._actor.rest += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        if self._actor.wire is self:
            self._actor.wire = None

    # What an actor does with the transport of its wire

    def write(self, data: bytes) -> None:
        """A message."""
        self._wire.write(self.web.say(data.decode()))

    def loseConnection(self) -> None:
        """Closes it, without a word."""
        self._wire.loseConnection()

    def abortConnection(self) -> None:
        """Breaks it off."""
        self._wire.abortConnection()
