"""Connections of the fuzz: messages over TCP, cut anywhere, glued together, or never ended.

Lives here: the far ends' side of them. Not here: what is sent (generators.py, office.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from doug.testing import Lab
from test.fuzz.peers import SERVER, Address

_LENGTH = re.compile(rb"^Content-Length: *(\d+)", re.MULTILINE)


class Wires:
    """One connection of each of some hosts, made anew when the server has closed it.

    heard: told of each message that the server sends over one of them. made: how many there were.
    """

    def __init__(
        self,
        lab: Lab,
        hosts: tuple[str, ...],
        chance: Random,
        heard: Callable[[bytes, Address], None],
    ) -> None:
        self._lab, self._chance, self.heard = lab, chance, heard
        self._hosts = {host: lab.network.host(host) for host in hosts}
        self._waiting: dict[str, bytes] = dict.fromkeys(hosts, b"")
        self._open: dict[str, Any] = {}
        self._factories: dict[str, ClientFactory] = {}
        self.made = 0

    def takes(self, source: Address) -> bool:
        """Is that a host whose messages go over a connection?"""
        return source[0] in self._hosts

    def send(self, data: bytes, source: Address) -> None:
        """A message, its end perhaps not before the next one."""
        host, chance = source[0], self._chance
        data = self._waiting[host] + data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
        kept = chance.randint(0, len(data)) if chance.random() < 0.2 else 0
        now, self._waiting[host] = data[: len(data) - kept], data[len(data) - kept :]
        wire = self._open.get(host)
        if wire is None:
            self._waiting[host] = now + self._waiting[host]
            self._connect(host)
            return
        while now:
            cut = chance.choice((1, 7, 100, len(now), len(now))) if len(now) < 3000 else len(now)
            wire.write(now[:cut])
            now = now[cut:]

    def close(self) -> None:
        """All of them."""
        for wire in list(self._open.values()):
            wire.abortConnection()

    def _connect(self, host: str) -> None:
        if host in self._factories:
            return
        factory = self._factories[host] = _Factory(self, host)
        self._hosts[host].connectTCP(SERVER, 5060, factory, timeout=5)

    def opened(self, host: str, transport: Any) -> None:
        """It is up: what waited goes out."""
        self.made += 1
        self._open[host] = transport
        waiting, self._waiting[host] = self._waiting[host], b""
        if waiting:
            transport.write(waiting)

    def lost(self, host: str) -> None:
        """It is gone."""
        self._open.pop(host, None)
        self._factories.pop(host, None)
        self._waiting[host] = b""


class _Factory(ClientFactory):
    """Makes one connection."""

    noisy = False

    def __init__(self, wires: Wires, host: str) -> None:
        self._wires, self._host = wires, host

    def buildProtocol(self, addr: IAddress | None) -> _Wire:
        """From Twisted."""
        return _Wire(self._wires, self._host)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """From Twisted."""
        self._wires.lost(self._host)


class _Wire(Protocol):
    """One connection."""

    def __init__(self, wires: Wires, host: str) -> None:
        self._wires, self._host, self._buffer = wires, host, b""

    def connectionMade(self) -> None:
        """From Twisted."""
        self._wires.opened(self._host, self.transport)

    def dataReceived(self, data: bytes) -> None:
        """From Twisted: whole messages, of which the server says the length."""
        self._buffer = (self._buffer + data).lstrip(b"\r\n")
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = int(length[1]) if length is not None else 0
            if not end or len(rest) < body:
                return
            self._buffer = rest[body:].lstrip(b"\r\n")
            self._wires.heard(head + end + rest[:body], (self._host, 5060))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        self._wires.lost(self._host)
