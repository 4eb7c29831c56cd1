"""Media sockets in memory: IMediaIO for a host of the in-memory network.

Lives here: opening, receiving, waking. Not here: what is done with the packets (shtoom.media).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from doug.testing.network import Address, MemoryHost
from shtoom.media.io import IMediaIO, IMediaSocket
from shtoom.media.ports import PortPool


@implementer(IMediaSocket)
class MemoryMediaSocket:
    """One bound media port. `owner`: the session it belongs to."""

    __slots__ = ("_io", "closed", "host", "owner", "port")

    def __init__(self, io: MemoryMediaIO, host: str, port: int) -> None:
        self._io, self.host, self.port = io, host, port
        self.owner: Any = None
        self.closed = False
        io.host.network.bind(self._local, self._arrived)

    @property
    def _local(self) -> Address:
        return self._io.host.address, self.port

    def send(self, data: bytes, address: Address) -> None:
        """One datagram to address, (host, port)."""
        if not self.closed:
            self._io.host.network.send(data, self._local, address)

    def _arrived(self, data: bytes, source: Address) -> None:
        self._io.arrived(self.owner, data, source)

    def close(self) -> None:
        """Closes the port; again: nothing."""
        if not self.closed:
            self.closed = True
            self.owner = None
            self._io.host.network.unbind(self._local)
            self._io.sockets.discard(self)


@implementer(IMediaIO)
class MemoryMediaIO:
    """The media I/O of one host."""

    def __init__(self, host: MemoryHost) -> None:
        self.host = host
        self.sockets: set[MemoryMediaSocket] = set()
        self._waiting: list[tuple[Any, bytes, Address]] = []
        self._wake: Callable[[], None] | None = None

    def open(self, host: str, ports: PortPool) -> MemoryMediaSocket:
        """A socket on an even port of the pool; MediaPortsExhausted if none is left."""
        socket = ports.take(lambda port: MemoryMediaSocket(self, host, port))
        self.sockets.add(socket)
        return socket

    def receive(self) -> list[tuple[Any, bytes, Address]]:
        """All that has arrived since the last call: (owner, datagram, source)."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def wakeOn(self, callback: Callable[[], None] | None) -> None:
        """Calls back when a datagram arrives, until told None."""
        self._wake = callback

    def arrived(self, owner: Any, data: bytes, source: Address) -> None:
        """Keeps a datagram for receive()."""
        self._waiting.append((owner, data, source))
        if self._wake is not None:
            self._wake()

    def close(self) -> None:
        """Closes what is still open."""
        for socket in list(self.sockets):
            socket.close()
        self._wake = None
