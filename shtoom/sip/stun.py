"""STUN, as far as finding out how others see a port of ours (RFC 8489; RFC 5389 and 3489 servers).

Lives here: a Binding request, what comes back, and when the request is repeated; no I/O. Not here:
which socket asks (udp.py), who wants to know (doug.publicaddress).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from shtoom.exceptions import MalformedMessage, TransactionTimeout
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from random import Random

    from shtoom.sip.transport import Address

__all__ = ["Binding", "BindingRequest", "STUNRefused", "bindingRequest", "isSTUN", "parseBinding"]

PORT = 3478

RTO, MOST_SENT, LAST_WAIT = 0.5, 7, 16
"""Seconds to the first repeat; how often it is sent; so many RTOs after the last it has failed
(RFC 8489 6.2.1: 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 and 39.5 s)."""

_COOKIE = 0x2112A442.to_bytes(4, "big")
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_HEAD = 20

_MAPPED, _CHANGED, _ERROR_CODE = 0x0001, 0x0005, 0x0009
_XOR_MAPPED, _XOR_MAPPED_OLD, _OTHER = 0x0020, 0x8020, 0x802C
_KNOWN = (*range(0x0001, 0x000C), 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, _XOR_MAPPED)
_OPTIONAL = 0x8000  # attributes from here on may be passed over
_FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}


class STUNRefused(Exception):
    """A server's error response."""


class Binding(NamedTuple):
    """mapped: how the server sees us. other: another address of the server, where it has one."""

    mapped: Address
    other: Address | None = None


def isSTUN(datagram: bytes) -> bool:
    """Is that STUN, and never SIP or a keep-alive (RFC 8489 5)?"""
    return (
        len(datagram) >= _HEAD
        and datagram[0] < 4
        and datagram[4:8] == _COOKIE
        and int.from_bytes(datagram[2:4], "big") == len(datagram) - _HEAD
        and len(datagram) % 4 == 0
    )


def bindingRequest(transaction: bytes) -> bytes:
    """A Binding request. transaction: its id, 12 bytes."""
    return _REQUEST.to_bytes(2, "big") + b"\0\0" + _COOKIE + transaction


def transactionOf(datagram: bytes) -> bytes:
    """Its id."""
    return datagram[8:_HEAD]


def parseBinding(datagram: bytes) -> Binding:
    """The answer to a Binding request. Raises STUNRefused, MalformedMessage for anything else."""
    kind = int.from_bytes(datagram[:2], "big")
    if not isSTUN(datagram) or kind not in (_SUCCESS, _ERROR):
        raise MalformedMessage("STUN", "the answer to a Binding request", datagram)
    found: dict[int, bytes] = {}
    for name, value in _attributes(datagram):
        found.setdefault(name, value)  # of several the first counts (RFC 8489 14)
    if kind == _ERROR:
        raise STUNRefused(_errorWords(found.get(_ERROR_CODE, b"")))
    unknown = [name for name in found if name < _OPTIONAL and name not in _KNOWN]
    if unknown:
        raise MalformedMessage("STUN", "attributes that are known", f"0x{unknown[0]:04x}".encode())
    for name, key in (
        (_XOR_MAPPED, datagram[4:_HEAD]),
        (_XOR_MAPPED_OLD, datagram[4:_HEAD]),
        (_MAPPED, bytes(16)),
    ):
        if name in found:
            mapped = _address(found[name], key)
            break
    else:
        raise MalformedMessage("STUN", "XOR-MAPPED-ADDRESS", datagram)
    others = [found[name] for name in (_OTHER, _CHANGED) if name in found]
    return Binding(mapped, _address(others[0], bytes(16)) if others else None)


def _attributes(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    at = _HEAD
    while at < len(datagram):
        length = int.from_bytes(datagram[at + 2 : at + 4], "big")
        value = datagram[at + 4 : at + 4 + length]
        if len(value) != length:
            raise MalformedMessage("STUN", "attributes that are complete", datagram)
        yield int.from_bytes(datagram[at : at + 2], "big"), value
        at += 4 + length + -length % 4


def _address(value: bytes, key: bytes) -> Address:
    """MAPPED-ADDRESS, or XOR-MAPPED-ADDRESS with its key: cookie and transaction (14.1, 14.2)."""
    family, size = _FAMILIES.get(value[1] if len(value) > 1 else 0, (None, 0))
    if family is None or len(value) != 4 + size:
        raise MalformedMessage("STUN", "an IPv4 or IPv6 address", value)
    host = bytes(a ^ b for a, b in zip(value[4:], key, strict=False))
    port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(key[:2], "big")
    return socket.inet_ntop(family, host), port


def _errorWords(value: bytes) -> str:
    """ERROR-CODE (14.8)."""
    if len(value) < 4:
        return "an error without a code"
    return f"{value[2] * 100 + value[3]} {shown(value[4:].decode('utf-8', 'replace'))}"


class BindingRequest:
    """One request that waits for its answer. deadline: when to call timeReached, None: it is over.

    server: whom it asks. data: the datagram. answer, failure: what came of it.
    """

    def __init__(self, server: Address, rng: Random) -> None:
        self.server = server
        self.data = bindingRequest(rng.randbytes(12))
        self.deadline: float | None = None
        self.answer: Binding | None = None
        self.failure: Exception | None = None
        self._sent, self._wait = 0, RTO

    def start(self, now: float) -> bytes:
        """What to send."""
        self._sent = 1
        self.deadline = now + self._wait
        return self.data

    def timeReached(self, now: float) -> bytes | None:
        """What to send again, if anything."""
        if self.deadline is None or now < self.deadline:
            return None
        if self._sent == MOST_SENT:
            self._over(None, TransactionTimeout("no answer"))
            return None
        self._sent += 1
        self._wait = RTO * LAST_WAIT if self._sent == MOST_SENT else self._wait * 2
        self.deadline = now + self._wait
        return self.data

    def received(self, datagram: bytes, source: Address) -> bool:
        """Is that its answer? Nobody else's is taken, from nowhere but whom it asked."""
        if self.deadline is None or source != self.server:
            return False
        if transactionOf(datagram) != transactionOf(self.data):
            return False
        try:
            self._over(parseBinding(datagram), None)
        except (MalformedMessage, STUNRefused) as error:
            self._over(None, error)
        return True

    def failed(self, error: Exception) -> None:
        """It cannot be sent."""
        self._over(None, error)

    def _over(self, answer: Binding | None, failure: Exception | None) -> None:
        self.answer, self.failure, self.deadline = answer, failure, None
