"""A STUN server for tests: written from RFC 8489 and 5780 alone, not from Doug's client."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from typing import Protocol

Address = tuple[str, int]
COOKIE = 0x2112A442


class Network(Protocol):
    """Where datagrams go."""

    def bind(self, address: Address, receiver: Callable[[bytes, Address], None]) -> None:
        """Hears."""

    def unbind(self, address: Address) -> None:
        """Hears no more."""

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        """Says."""


def attribute(kind: int, value: bytes) -> bytes:
    """With its padding."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def address(kind: int, at: Address, transaction: bytes | None = None) -> bytes:
    """MAPPED-ADDRESS and its like; XOR-MAPPED-ADDRESS with the transaction."""
    host = ipaddress.ip_address(at[0])
    family, packed, port = (1 if host.version == 4 else 2), host.packed, at[1]
    if transaction is not None:
        key = struct.pack("!I", COOKIE) + transaction
        packed = bytes(a ^ b for a, b in zip(packed, key, strict=False))
        port ^= COOKIE >> 16
    return attribute(kind, struct.pack("!BBH", 0, family, port) + packed)


def message(kind: int, transaction: bytes, *attributes: bytes) -> bytes:
    """Head and attributes."""
    body = b"".join(attributes)
    return struct.pack("!HHI", kind, len(body), COOKIE) + transaction + body


class STUNServer:
    """Answers Binding requests at an address of the network.

    sees: how it sees whoever asks; None for the true source. other: told as its other address.
    isDead: it is silent. error: (code, words) that it answers instead. asked: when and by whom.
    """

    def __init__(self, network: Network, at: Address, seconds: Callable[[], float]) -> None:
        self.network, self.at, self._seconds = network, at, seconds
        self.sees: Address | None = None
        self.other: Address | None = None
        self.isDead = False
        self.error: tuple[int, str] | None = None
        self.asked: list[tuple[float, Address]] = []
        network.bind(at, self._received)

    def close(self) -> None:
        """Off the network."""
        self.network.unbind(self.at)

    def _received(self, data: bytes, source: Address) -> None:
        kind, length, cookie = struct.unpack_from("!HHI", data)
        if (kind, length, cookie) != (1, len(data) - 20, COOKIE):
            return
        self.asked.append((self._seconds(), source))
        if not self.isDead:
            self.network.send(self.answer(data[8:20], source), self.at, source)

    def answer(self, transaction: bytes, source: Address) -> bytes:
        """What that one gets."""
        if self.error is not None:
            code, words = self.error
            value = bytes((0, 0, code // 100, code % 100)) + words.encode()
            return message(0x0111, transaction, attribute(0x0009, value))
        found = [address(0x0020, self.sees or source, transaction)]
        if self.other is not None:
            found.append(address(0x802C, self.other))
        return message(0x0101, transaction, *found, attribute(0x8022, b"test"))
