"""A media clock on a Clock and sockets in memory, for the tests of this floor.

The network of doug.testing stands above this floor; here a list of datagrams is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EADDRINUSE
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from shtoom import codecs
from shtoom.codecs import Codec
from shtoom.media.clock import MediaClock
from shtoom.media.io import IFocusingSocket, IMediaIO
from shtoom.media.ports import PortPool
from shtoom.media.session import IFeed, IListener, MediaSession, StreamParameters
from shtoom.media.stream import Lent
from shtoom.rtp.packet import RTPPacket, parseRTP
from test.support import runFor

Address = tuple[str, int]

HOST = "192.0.2.10"
ALICE = ("198.51.100.20", 40000)
MALLORY = ("203.0.113.99", 50000)
PCMU, PCMA = codecs.find("PCMU"), codecs.find("PCMA")
EVENT_TYPE = 101


@implementer(IFocusingSocket)
class MemorySocket:
    """A port in memory; what it sends is kept with its time."""

    def __init__(self, io: MemoryIO, host: str, port: int) -> None:
        self.host, self.port, self.owner = host, port, None
        self.focused: Address | None = None
        self._io = io

    def send(self, data: bytes, address: Address) -> None:
        """Kept, unless the test has set a fault."""
        if self._io.fault is not None:
            raise self._io.fault
        self._io.sent.append((self._io.clock.seconds(), self.port, data, address))

    def focus(self, address: Address | None) -> Callable[[bytes], object] | None:
        """Noted; strangers are kept out from then on."""
        self.focused = address
        return None if address is None else lambda data: self._sendBack(data, address)

    def _sendBack(self, data: bytes, address: Address) -> None:
        if self.focused is not address:
            raise AssertionError("a direct way is used that is not there any more")
        self.send(data, address)

    def close(self) -> None:
        """The port is free."""
        self._io.open_.discard(self.port)


@implementer(IMediaIO)
class MemoryIO:
    """All ports of a test. sent: (time, port, datagram, destination)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.open_: set[int] = set()
        self.sent: list[tuple[float, int, bytes, Address]] = []
        self.fault: OSError | None = None
        self.polls = 0
        self.waker: Callable[[], None] | None = None
        self.sockets: dict[int, MemorySocket] = {}
        self._waiting: list[tuple[Any, bytes, Address]] = []

    def open(self, host: str, ports: PortPool) -> MemorySocket:
        """As IMediaIO has it."""
        return ports.take(lambda port: self._bind(host, port))

    def _bind(self, host: str, port: int) -> MemorySocket:
        if port in self.open_:
            raise OSError(EADDRINUSE, "Address already in use")
        self.open_.add(port)
        self.sockets[port] = MemorySocket(self, host, port)
        return self.sockets[port]

    def receive(self) -> list[tuple[Any, bytes, Address]]:
        """As IMediaIO has it."""
        self.polls += 1
        waiting, self._waiting = self._waiting, []
        return waiting

    def wakeOn(self, callback: Callable[[], None] | None) -> None:
        """As IMediaIO has it."""
        self.waker = callback

    def arrives(self, port: int, data: bytes, source: Address) -> None:
        """A datagram has come to a port."""
        if port in self.open_ and self.sockets[port].focused in (None, source):
            self._waiting.append((self.sockets[port].owner, data, source))
            if self.waker is not None:
                self.waker()

    def close(self) -> None:
        """Nothing is left to close."""


@implementer(IFeed)
class Tone:
    """Endless sound whose bytes count up, so that each packet can be told from each other."""

    lent = None

    def __init__(self) -> None:
        self.packets = 0

    def nextPayload(self, size: int) -> bytes | None:
        """The number of the packet, over and over."""
        self.packets += 1
        return bytes([self.packets % 251]) * size


@implementer(IFeed)
class Packets:
    """A given list of packets, then nothing."""

    lent: Lent | None = None

    def __init__(self, *payloads: bytes | None) -> None:
        self.left = list(payloads)
        self.sizes: list[int] = []

    def nextPayload(self, size: int) -> bytes | None:
        """The next of the list."""
        self.sizes.append(size)
        return self.left.pop(0) if self.left else None


@implementer(IListener)
class Ear:
    """Keeps what is heard."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def frameReceived(self, pcm: bytes) -> None:
        """Kept."""
        self.frames.append(pcm)


@implementer(ILogObserver)
class Log:
    """What is logged during a test."""

    def __init__(self, test: SynchronousTestCase) -> None:
        self.events: list[LogEvent] = []
        globalLogPublisher.addObserver(self)
        test.addCleanup(globalLogPublisher.removeObserver, self)

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)

    def lines(self, part: str) -> list[str]:
        """The lines with this in them."""
        return [line for line in map(formatEvent, self.events) if part in line]


class Bench:
    """A media clock with what a test needs around it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.io = MemoryIO(self.clock)
        self.ports = PortPool(10000, 11998, Random(1))
        settings.setdefault("rng", Random(2))
        self.media = MediaClock(self.clock, self.io, self.ports, **settings)

    def session(self, **stream: Any) -> MediaSession:
        """A session that is up; by default PCMU with alice."""
        session = self.media.openSession(HOST)
        session.start(parameters(**stream))
        return session

    def runFor(self, seconds: float) -> None:
        """Virtual time passes."""
        runFor(self.clock, seconds)

    def stall(self, seconds: float) -> None:
        """The reactor stands still for so long, then goes on."""
        self.clock.rightNow += seconds
        self.clock.advance(0)

    def packets(self, session: MediaSession) -> list[tuple[float, RTPPacket]]:
        """All RTP that a session has sent, with its time."""
        sent = [(at, data) for at, port, data, _ in self.io.sent if port == session.port]
        return [(at, parseRTP(data)) for at, data in sent if data]

    def destinations(self, session: MediaSession) -> list[Address]:
        """Where a session's packets went, in order."""
        return [to for _, port, _, to in self.io.sent if port == session.port]

    def forget(self) -> None:
        """What was sent until now is of no interest."""
        self.io.sent.clear()

    def arrives(
        self, session: MediaSession, packet: RTPPacket | bytes, source: Address = ALICE
    ) -> None:
        """A datagram comes to a session's port."""
        data = packet if isinstance(packet, bytes) else packet.toBytes()
        self.io.arrives(session.port, data, source)

    def talk(
        self,
        session: MediaSession,
        count: int,
        source: Address = ALICE,
        every: float = 0.02,
        **first: Any,
    ) -> None:
        """The far end sends so many packets of sound, one each 20 ms."""
        for packet in speech(count, **first):
            self.arrives(session, packet, source)
            self.runFor(every)


def parameters(
    remote: Address | None = ALICE,
    codec: Codec = PCMU,
    *,
    payloadType: int = 0,
    eventType: int | None = EVENT_TYPE,
    **more: Any,
) -> StreamParameters:
    """PCMU and PCMA in, PCMU out, keys, both ways."""
    more.setdefault("accepts", {0: PCMU, 8: PCMA})
    return StreamParameters(remote, codec, payloadType, eventType=eventType, **more)


def speech(
    count: int,
    *,
    sequence: int = 100,
    timestamp: int = 5000,
    ssrc: int = 7,
    payloadType: int = 0,
    samples: int = 160,
    marker: bool = False,
) -> list[RTPPacket]:
    """Packets in a row, each with a sound of its own."""
    return [
        RTPPacket(
            payloadType,
            (sequence + n) & 0xFFFF,
            (timestamp + n * samples) & 0xFFFFFFFF,
            ssrc,
            bytes([(sequence + n) % 97 + 1]) * samples,
            marker and n == 0,
        )
        for n in range(count)
    ]
