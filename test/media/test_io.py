"""Media sockets on loopback."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from random import Random
from select import select
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from shtoom.exceptions import MediaPortsExhausted
from shtoom.media.io import EpollMediaIO, IFocusingSocket, IMediaIO
from shtoom.media.ports import PortPool

LOOPBACK = "127.0.0.1"


@implementer(IReactorFDSet)
class Watcher:
    """The part of a reactor that watches descriptors; turn() is one round of it."""

    def __init__(self) -> None:
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        """Watched from now on."""
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """No more."""
        self.readers.remove(reader)

    def turn(self) -> int:
        """How many of the descriptors were readable, each told once."""
        ready = [r for r in self.readers if select([r.fileno()], [], [], 0)[0]]
        for reader in ready:
            reader.doRead()
        return len(ready)

    def addWriter(self, writer: object) -> None:
        """Media sockets are never waited for to be written."""
        raise AssertionError("addWriter")

    removeWriter = addWriter

    def removeAll(self) -> list[Any]:
        """Not used."""
        raise AssertionError("removeAll")

    getReaders = getWriters = removeAll


class EpollMediaIOTests(SynchronousTestCase):
    """The real thing, without a reactor that runs."""

    def setUp(self) -> None:
        self.watcher = Watcher()
        self.io = EpollMediaIO(self.watcher)
        self.addCleanup(self.io.close)
        self.ports = PortPool(21000, 29998, Random())
        self.phone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.phone.bind((LOOPBACK, 0))
        self.phone.setblocking(False)
        self.addCleanup(self.phone.close)
        self.address = self.phone.getsockname()

    def test_itIsWhatTheInterfacesSay(self) -> None:
        """IMediaIO and IFocusingSocket."""
        verifyObject(IMediaIO, self.io)
        verifyObject(IFocusingSocket, self.io.open(LOOPBACK, self.ports))

    def test_aSocketStandsOnAnEvenPortOfThePool(self) -> None:
        """And sends from there (RFC 4961 3)."""
        media = self.io.open(LOOPBACK, self.ports)
        self.assertEqual((media.host, media.port % 2), (LOOPBACK, 0))
        media.send(b"hello", self.address)
        self.assertEqual(self.phone.recvfrom(100), (b"hello", (LOOPBACK, media.port)))

    def test_allThatWaitsIsReceivedWithItsOwner(self) -> None:
        """Several datagrams of one socket too, in the order of their coming."""
        first, second = (self.io.open(LOOPBACK, self.ports) for _ in range(2))
        first.owner, second.owner = "first", "second"
        for data in (b"1", b"2", b"3"):
            self.phone.sendto(data, (LOOPBACK, first.port))
        self.phone.sendto(b"4", (LOOPBACK, second.port))
        received = self.io.receive()
        self.assertEqual(
            [(data, source) for owner, data, source in received if owner == "first"],
            [(b"1", self.address), (b"2", self.address), (b"3", self.address)],
        )
        self.assertIn(("second", b"4", self.address), received)
        self.assertEqual(self.io.receive(), [])

    def test_aStallOfSecondsIsReadInOneGo(self) -> None:
        """150 packets are three seconds of a call, and fit a socket's buffer."""
        media = self.io.open(LOOPBACK, self.ports)
        for _ in range(150):
            self.phone.sendto(bytes(172), (LOOPBACK, media.port))
        self.assertEqual(len(self.io.receive()), 150)

    def test_anEmptyDatagramIsOneToo(self) -> None:
        """It keeps NATs open (RFC 6263 4.1)."""
        media = self.io.open(LOOPBACK, self.ports)
        media.owner = "owner"
        self.phone.sendto(b"", (LOOPBACK, media.port))
        self.assertEqual(self.io.receive(), [("owner", b"", self.address)])

    def test_portsThatOthersHoldArePassedOver(self) -> None:
        """The pool has two ports, one is taken by another socket."""
        ports = PortPool(29000, 29003, Random(3))
        held = self.io.open(LOOPBACK, ports)
        others = PortPool(29000, 29003, Random(3))
        self.assertNotEqual(self.io.open(LOOPBACK, others).port, held.port)
        error = self.assertRaises(MediaPortsExhausted, self.io.open, LOOPBACK, others)
        self.assertIn("29000-29003", str(error))

    def test_aHostThatIsNotOursIsAnError(self) -> None:
        """With the system's words."""
        self.assertRaises(OSError, self.io.open, "192.0.2.1", self.ports)
        self.assertEqual(self.ports.taken, 0)

    def test_noDescriptorLeftSaysWhatToRaise(self) -> None:
        """The caller gets 503, the operator the name of the limit."""
        with fewDescriptors():
            error = self.assertRaises(
                MediaPortsExhausted, lambda: [self.io.open(LOOPBACK, self.ports) for _ in range(64)]
            )
        self.assertIn("ulimit -n", str(error))

    def test_aClosedSocketIsGone(self) -> None:
        """Its port can be bound again, nothing is received there, closing twice is harmless."""
        media = self.io.open(LOOPBACK, self.ports)
        self.phone.sendto(b"late", (LOOPBACK, media.port))
        media.close()
        media.close()
        self.assertEqual(self.io.receive(), [])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((LOOPBACK, media.port))

    def test_wakeOnCallsBackWhileDatagramsWait(self) -> None:
        """The reactor watches one descriptor for all media sockets."""
        media = self.io.open(LOOPBACK, self.ports)
        woken: list[int] = []
        self.io.wakeOn(lambda: woken.append(len(self.io.receive())))
        self.assertEqual(self.watcher.turn(), 0)
        self.phone.sendto(b"1", (LOOPBACK, media.port))
        self.phone.sendto(b"2", (LOOPBACK, media.port))
        self.watcher.turn()
        self.watcher.turn()
        self.assertEqual(woken, [2])
        self.io.wakeOn(None)
        self.assertEqual(self.watcher.readers, [])

    def test_closeLeavesNothing(self) -> None:
        """No socket, no reader, no descriptor of the set itself; twice is harmless."""
        media = self.io.open(LOOPBACK, self.ports)
        self.io.wakeOn(lambda: None)
        self.io.close()
        self.io.close()
        self.assertEqual(self.watcher.readers, [])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind((LOOPBACK, media.port))

    def test_IPv6(self) -> None:
        """Sources are host and port there too."""
        try:
            media = self.io.open("::1", self.ports)
        except OSError:
            self.skipTest("this machine has no IPv6 loopback")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as phone:
            phone.bind(("::1", 0))
            phone.sendto(b"six", ("::1", media.port))
            ((_, data, source),) = self.io.receive()
            self.assertEqual((data, source), (b"six", phone.getsockname()[:2]))
            media.send(b"back", source)
            self.assertEqual(phone.recv(10), b"back")


class FocusTests(SynchronousTestCase):
    """A socket that listens to one source alone."""

    def setUp(self) -> None:
        self.io = EpollMediaIO(Watcher())
        self.addCleanup(self.io.close)
        self.ports = PortPool(21000, 29998, Random())
        self.phone, self.stranger = self.udp(), self.udp()

    def udp(self) -> socket.socket:
        """Somebody else's socket."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((LOOPBACK, 0))
        sock.setblocking(False)
        self.addCleanup(sock.close)
        return sock

    def test_strangersAreNotReceived(self) -> None:
        """And are again when the focus is gone; the port stays the same all the time."""
        for host in (LOOPBACK, "0.0.0.0"):
            media = self.io.open(host, self.ports)
            ours, address = (LOOPBACK, media.port), self.phone.getsockname()
            direct = media.focus(address)
            assert direct is not None
            self.stranger.sendto(b"stranger", ours)
            self.phone.sendto(b"phone", ours)
            self.assertEqual([item[1:] for item in self.io.receive()], [(b"phone", address)])
            direct(b"direct")
            self.assertEqual(self.phone.recvfrom(100), (b"direct", ours))
            media.send(b"there", address)
            self.assertEqual(self.phone.recvfrom(100), (b"there", ours))
            media.send(b"elsewhere", self.stranger.getsockname())
            self.assertEqual(self.stranger.recvfrom(100), (b"elsewhere", ours))
            self.assertIsNone(media.focus(None))
            self.stranger.sendto(b"stranger", ours)
            self.phone.sendto(b"phone", ours)
            self.assertEqual(len(self.io.receive()), 2)
            media.close()

    def test_whatWaitsAtThatMomentKeepsItsSource(self) -> None:
        """A stranger's datagram in the queue is not taken for one of the far end."""
        media = self.io.open(LOOPBACK, self.ports)
        media.owner = "owner"
        self.stranger.sendto(b"stranger", (LOOPBACK, media.port))
        self.phone.sendto(b"phone", (LOOPBACK, media.port))
        media.focus(self.phone.getsockname())
        self.assertEqual(
            self.io.receive(),
            [
                ("owner", b"stranger", self.stranger.getsockname()),
                ("owner", b"phone", self.phone.getsockname()),
            ],
        )

    def test_theFocusMayMove(self) -> None:
        """From one source to another."""
        media = self.io.open(LOOPBACK, self.ports)
        media.focus(self.phone.getsockname())
        media.focus(self.stranger.getsockname())
        self.stranger.sendto(b"stranger", (LOOPBACK, media.port))
        self.phone.sendto(b"phone", (LOOPBACK, media.port))
        self.assertEqual([data for _, data, _ in self.io.receive()], [b"stranger"])

    def test_aPortThatIsGoneIsNoError(self) -> None:
        """A phone closes its port before its BYE is here; nothing is raised or received."""
        media = self.io.open(LOOPBACK, self.ports)
        address = self.phone.getsockname()
        direct = media.focus(address)
        assert direct is not None
        self.phone.close()
        for _ in range(5):
            with contextlib.suppress(ConnectionRefusedError):
                direct(b"late")
            self.assertEqual(self.io.receive(), [])

    def test_aSourceThatCannotBeReachedGetsNoFocus(self) -> None:
        """It goes on as before."""
        media = self.io.open(LOOPBACK, self.ports)
        media.focus(("2001:db8::1", 4000))
        self.phone.sendto(b"phone", (LOOPBACK, media.port))
        self.assertEqual(len(self.io.receive()), 1)

    def test_aClosedSocketTakesNoFocus(self) -> None:
        """Its descriptor may be another's by then."""
        media = self.io.open(LOOPBACK, self.ports)
        media.close()
        media.focus(self.phone.getsockname())
        media.focus(None)


@contextlib.contextmanager
def fewDescriptors() -> Iterator[None]:
    """A limit of open files that is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        limit = probe.fileno() + 16
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
