"""Media sockets and how datagrams are fetched from all of them at once.

Lives here: the seam between media and the system (IMediaIO, IMediaSocket), and the real one, an
epoll set of its own. Not here: what a datagram means (media.incoming), when it is fetched
(media.clock). Tests and doug.testing have a network in memory behind the same interfaces.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from errno import EMFILE, ENFILE
from select import EPOLLIN, epoll
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import Attribute, Interface, implementer

from shtoom.exceptions import MediaPortsExhausted
from shtoom.media.ports import PortPool

Address = tuple[str, int]
Received = tuple[Any, bytes, Address]  # owner, datagram, source

# An RTP datagram that fits an Ethernet frame is shorter; a longer one is no audio of ours.
LARGEST = 2048
# More than a socket's buffer holds by default, so a stall is caught up in one go; a flood ends it.
_ROUNDS = 300

_libc = ctypes.CDLL(None, use_errno=True)


class IMediaSocket(Interface):
    """One bound, unconnected UDP port."""

    host = Attribute("The address it is bound to.")
    port = Attribute("The port it is bound to, an even one.")
    owner = Attribute("What receive() names as the owner of its datagrams; set by who opened it.")

    def send(data: bytes, address: Address) -> None:  # noqa: N805
        """One datagram to address, (host, port) with the host as numbers. May raise OSError."""

    def close() -> None:
        """Closes the port; again: nothing. The port is given back to its pool by who opened it."""


class IFocusingSocket(IMediaSocket):
    """A socket that can leave it to the system to keep strangers out, which saves time."""

    def focus(address: Address | None) -> Callable[[bytes], object] | None:  # noqa: N805
        """Only datagrams of this source are wanted from now on; None: of anybody again.

        What was sent to the port before is received as it came. Returns a shorter way than send()
        to that address, as long as the focus lasts; None if there is no focus. It may raise
        ConnectionRefusedError, which tells of an earlier datagram.
        """


class IMediaIO(Interface):
    """All media sockets of a process."""

    def open(host: str, ports: PortPool) -> IMediaSocket:  # noqa: N805
        """A socket on `host` and a port of the pool.

        Raises MediaPortsExhausted when no port is left, OSError when host is not ours.
        """

    def receive() -> list[Received]:
        """All that waits, in the order of its coming: (owner of the socket, datagram, source)."""

    def wakeOn(callback: Callable[[], None] | None) -> None:  # noqa: N805
        """Calls back from the reactor while datagrams wait; None ends that."""

    def close() -> None:
        """Closes all sockets, and what stands behind them."""


@implementer(IFocusingSocket)
class EpollMediaSocket:
    """A UDP socket in the set of an EpollMediaIO.

    focused: as focus() has it. read: as EpollMediaIO.receive() reads it.
    """

    __slots__ = (
        "_close", "_connect", "_keep", "_sendBack", "_sendto", "fileno", "focused", "host",
        "owner", "port", "recvfrom",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        port: int,
        keep: Callable[[Received], None],
        close: Callable[[EpollMediaSocket], None],
    ) -> None:
        self.host, self.port = sock.getsockname()[0], port
        self.owner: Any = None
        self.focused: Address | None = None
        self.fileno = sock.fileno()
        self.recvfrom = sock.recvfrom
        self._sendto, self._sendBack, self._connect = sock.sendto, sock.send, sock.connect
        self._keep = keep
        self._close: Callable[[EpollMediaSocket], None] | None = close

    def send(self, data: bytes, address: Address) -> None:
        """One datagram to address, (host, port)."""
        self._sendto(data, address)

    def focus(self, address: Address | None) -> Callable[[bytes], object] | None:
        """As IFocusingSocket has it: the socket is connected meanwhile."""
        if address is not self.focused and self._close is not None:
            if self.focused is not None:
                self.focused = None
                _disconnect(self.fileno)
            if address is not None:
                try:
                    self._connect(address)
                except OSError:  # no way there now; it goes on as before
                    return None
                self._keepWaiting()
                self.focused = address
        return None if self.focused is None else self._sendBack

    def _keepWaiting(self) -> None:
        """What others have sent before must not be taken for datagrams of the one in focus."""
        with suppress(OSError):
            while True:
                data, source = self.recvfrom(LARGEST)
                self._keep((self.owner, data, source[:2]))

    def close(self) -> None:
        """Out of the set, and closed."""
        close, self._close = self._close, None
        if close is not None:
            close(self)


def _disconnect(fd: int) -> None:
    """What connect() to an address of the family AF_UNSPEC does, which Python has no way to say."""
    if _libc.connect(fd, bytes(16), 16) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@implementer(IReadDescriptor)
class _Waker:
    """Lets the reactor watch the epoll set as a whole: it is readable while any socket is."""

    def __init__(self, fd: int, callback: Callable[[], None]) -> None:
        self._fd, self._callback = fd, callback

    def fileno(self) -> int:
        """The epoll set's descriptor."""
        return self._fd

    def doRead(self) -> None:
        """Some socket has a datagram."""
        self._callback()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops; there is nothing to say to a datagram socket."""

    def logPrefix(self) -> str:
        """The name in the reactor's own log lines."""
        return "media"


@implementer(IMediaIO)
class EpollMediaIO:
    """Media sockets in one epoll set, read by the media clock and not by the reactor.

    One recvfrom for each socket that epoll names, then epoll again until it names none: reading a
    socket until it is empty would cost a failing system call and an exception each time.
    reactor: watches the set while wakeOn() wants it.
    """

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._reactor = reactor
        self._epoll = epoll()
        self._sockets: dict[int, EpollMediaSocket] = {}
        self._owned: dict[int, socket.socket] = {}
        self._kept: list[Received] = []  # read before their turn
        self._waker: _Waker | None = None

    def open(self, host: str, ports: PortPool) -> EpollMediaSocket:
        """As IMediaIO has it; MediaPortsExhausted also when no descriptor is left."""
        try:
            return ports.take(lambda port: self._bind(host, port))
        except OSError as e:
            if e.errno in (EMFILE, ENFILE):
                raise MediaPortsExhausted(
                    f"no media socket: {e.strerror}; raise the limit (ulimit -n, LimitNOFILE=)"
                ) from e
            raise

    def _bind(self, host: str, port: int) -> EpollMediaSocket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((host, port))
            media = EpollMediaSocket(sock, port, self._kept.append, self._closeSocket)
            self._epoll.register(media.fileno, EPOLLIN)
        except BaseException:
            sock.close()
            raise
        self._sockets[media.fileno] = media
        self._owned[media.fileno] = sock
        return media

    def _closeSocket(self, media: EpollMediaSocket) -> None:
        del self._sockets[media.fileno]
        self._owned.pop(media.fileno).close()  # which takes it out of the epoll set

    def receive(self) -> list[Received]:
        """As IMediaIO has it. A datagram longer than 2048 bytes is cut."""
        received = self._kept.copy()
        self._kept.clear()
        sockets, poll, append, read = self._sockets, self._epoll.poll, received.append, os.read
        # As many events as sockets: each is named once a round, and none waits for others.
        most = len(sockets) or 1
        for _ in range(_ROUNDS):
            ready = poll(0, most)
            if not ready:
                break
            for fd, _event in ready:
                media = sockets[fd]
                source = media.focused
                try:
                    if source is not None:
                        data = read(fd, LARGEST)  # recv() with less ado
                    else:
                        data, source = media.recvfrom(LARGEST)
                        if len(source) != 2:  # IPv6
                            source = source[:2]
                except OSError:  # a datagram with a bad checksum, or an ICMP error of the past
                    continue
                append((media.owner, data, source))
        return received

    def wakeOn(self, callback: Callable[[], None] | None) -> None:
        """As IMediaIO has it."""
        waker, self._waker = self._waker, None
        if waker is not None:
            self._reactor.removeReader(waker)
        if callback is not None:
            self._waker = _Waker(self._epoll.fileno(), callback)
            self._reactor.addReader(self._waker)

    def close(self) -> None:
        """As IMediaIO has it; again: nothing."""
        self.wakeOn(None)
        for media in list(self._sockets.values()):
            media.close()
        if not self._epoll.closed:
            self._epoll.close()
