"""Messages of real devices over a connection: answered as they are in a datagram.

Lives here: the sets of test_corpus.py, over TCP. Not here: what is right (test_corpus.py), how a
stream is cut into messages (test.sip.test_framing).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from doug.settings import Settings, parseEndpoint
from doug.testing import Lab
from shtoom.sip.framing import Framer, Whole
from test.agent.corpusworld import AFTERWARDS, DOUG, SOURCE, Taker, World
from test.support import corpusCases


class StreamWorld(World):
    """The same, at the other end of a connection. isUp: is there one?"""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.machine = lab.network.host(SOURCE[0])
        self.wire: Any = None

    @property
    def isUp(self) -> bool:
        return self.wire is not None

    def connect(self) -> None:
        """A new one."""
        if self.wire is not None:
            self.wire.transport.abortConnection()
            self.lab.advance(0.1)
        factory = ClientFactory()
        factory.protocol = lambda: Wire(self)
        factory.noisy = False
        self.machine.connectTCP(*DOUG, factory, timeout=5)
        self.lab.advance(0.1)

    def send(self, data: bytes) -> None:
        """Bytes for the server; lost if it has closed the connection."""
        if self.wire is not None:
            self.wire.transport.write(data)

    def overWire(self, data: bytes) -> None:
        """A message has come."""
        self._sent(data, DOUG, SOURCE)


class Wire(Protocol):
    """The connection of a StreamWorld."""

    def __init__(self, world: StreamWorld) -> None:
        self._world, self._framer = world, Framer()

    def connectionMade(self) -> None:
        """From Twisted."""
        self._world.wire = self

    def dataReceived(self, data: bytes) -> None:
        """From Twisted."""
        for piece in self._framer.received(data):
            if isinstance(piece, Whole):
                self._world.overWire(piece.data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        if self._world.wire is self:
            self._world.wire = None


class StreamCorpusTests(SynchronousTestCase):
    """Each message comes twice: in a datagram, and over a connection of its own."""

    def answers(self, name: str, kind: str) -> dict[str, list[int]]:
        """Case -> codes of the final answers. After each an OPTIONS is answered."""
        listen = (parseEndpoint("udp:*:5060"), parseEndpoint("tcp:*:5060"))
        lab = Lab(Taker, settings=Settings(listen=listen), calls=[])
        world = StreamWorld(lab) if kind == "TCP" else World(lab)
        agent = lab.application.exchange.agent
        found = {}
        for number, (identity, data, _) in enumerate(corpusCases(name)):
            assert data is not None
            if isinstance(world, StreamWorld):
                world.connect()
            world.send(data)
            lab.advance(0.5)
            found[identity] = sorted({answer.code for answer, _ in world.forget()})
            lab.advance(AFTERWARDS)
            self.assertEqual((len(agent.calls), len(agent.layer)), (0, 0), identity)
            world.forget()
            if isinstance(world, StreamWorld):
                world.connect()
            world.send(OPTIONS % (kind.encode(), number, number))
            lab.advance(0.5)
            self.assertEqual([answer.code for answer, _ in world.forget()], [200], identity)
            lab.advance(AFTERWARDS)
        if isinstance(world, StreamWorld) and world.isUp:
            world.wire.transport.abortConnection()
        lab.assertNothingLeft()
        return found

    def assertTheSame(self, name: str, least: int) -> None:
        """Of what has the length that it says; else the connection goes on, or is closed."""
        datagrams, streams = self.answers(name, "UDP"), self.answers(name, "TCP")
        compared = 0
        for identity, data, case in corpusCases(name):
            assert data is not None
            if hasItsLength(data, case):
                compared += 1
                self.assertEqual(streams[identity], datagrams[identity], identity)
            else:
                self.assertLessEqual(len(streams[identity]), 2, identity)  # may be two requests
        self.assertGreaterEqual(compared, least)

    def test_devices(self) -> None:
        """Messages of named devices."""
        self.assertTheSame("sip", 40)

    def test_torture(self) -> None:
        """RFC 4475 and RFC 5118."""
        self.assertTheSame("torture", 40)


OPTIONS = (
    b"OPTIONS sip:app@192.0.2.10 SIP/2.0\r\n"
    b"Via: SIP/2.0/%s 203.0.113.30;branch=z9hG4bKwell%d\r\n"
    b"From: <sip:a@example.net>;tag=1\r\nTo: <sip:app@192.0.2.10>\r\n"
    b"Call-ID: well%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def hasItsLength(data: bytes, case: dict[str, Any]) -> bool:
    """Does it end where its Content-Length says, and its headers with an empty line?"""
    fields = case.get("fields") or case.get("fields_if_accepted") or {}
    _, end, body = data.partition(b"\r\n\r\n")
    return bool(end) and fields.get("content_length") == len(body)
