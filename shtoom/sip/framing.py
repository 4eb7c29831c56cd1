"""A stream of bytes to the messages in it (RFC 3261 7.5, 18.3; RFC 5626 3.5.1).

Lives here: where a message begins and ends, and the keep-alives between messages. Not here: what
is in a message (parser.py), sockets and their limits in time (stream.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Request
from shtoom.sip.parser import MAX_BYTES, parse

PONG = b"\r\n"
"""What answers a ping."""

BEGINNING = 80
"""Bytes of what has no end that are told."""

_END = b"\r\n\r\n"
_BLANK = b"\r\n"
_FOLD = re.compile(rb"\r\n[ \t]+")
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*(?=\r\n|\Z)", re.I)


class Whole(NamedTuple):
    """One message, from its start line to the end of its body; whether it can be read is open."""

    data: bytes


class Ping(NamedTuple):
    """Two line ends between messages: wants a PONG (RFC 5626 3.5.1)."""


class Broken(NamedTuple):
    """Where the next message begins cannot be told any more: the connection is of no use.

    error.request is set if it may be answered with error.code. data: its headers, or how it begins.
    """

    error: MalformedMessage
    data: bytes = b""


class Say(NamedTuple):
    """To be sent as it is: part of the framing itself."""

    data: bytes


class Over(NamedTuple):
    """Nothing more will come: to be closed when all is sent."""

    reason: str


Piece = Whole | Ping | Broken | Say | Over


class IFramer(Protocol):
    """What finds the messages in what comes on one connection, and writes them as it wants them.

    begun: may there be messages, or is there a handshake before? pings: is ping() anything?
    within: has something begun that is not complete?
    """

    begun: bool
    pings: bool

    @property
    def within(self) -> bool: ...

    def received(self, data: bytes) -> list[Piece]:
        """The pieces that are complete with these bytes. Nothing comes after a Broken or Over."""

    def wrap(self, message: bytes) -> bytes:
        """A message, to be sent."""

    def ping(self) -> bytes:
        """To be sent now and then, so that nobody between forgets the connection."""


class Framer:
    """What comes on one connection. However it is cut into reads, the same pieces come out.

    longest: bytes of a message. within: has a message begun that is not complete?
    """

    __slots__ = (
        "_broken",
        "_buffer",
        "_head",
        "_length",
        "_line",
        "_longest",
        "_seen",
        "begun",
        "pings",
    )

    def __init__(self, longest: int = MAX_BYTES) -> None:
        self.begun, self.pings = True, False
        self._longest = longest
        self._buffer = bytearray()
        self._seen = 0  # so many bytes of it hold no end of a head
        self._head = 0  # length of the head with its empty line, 0: not complete
        self._length = 0  # of the whole message
        self._line = b""  # line ends since the last piece, the beginning of a ping perhaps
        self._broken = False

    @property
    def within(self) -> bool:
        """As the class says."""
        return bool(self._buffer)

    def received(self, data: bytes) -> list[Piece]:
        """The pieces that are complete with these bytes. Nothing comes after a Broken."""
        pieces: list[Piece] = []
        if self._broken:
            return pieces
        self._buffer += data
        try:
            while self._buffer:
                piece = self._blank() if self._buffer[0] in _BLANK and not self._head else None
                if piece is None:
                    piece = self._message()
                if piece is None:
                    break
                pieces.extend(piece)
        except MalformedMessage as error:
            self._broken = True
            pieces.append(Broken(error, bytes(self._buffer[: self._head or BEGINNING])))
            self._buffer.clear()
        return pieces

    def wrap(self, message: bytes) -> bytes:
        """As it is."""
        return message

    def ping(self) -> bytes:
        """There is none: those who open a connection keep it."""
        return b""

    def _blank(self) -> list[Piece]:
        """Line ends before a start line are skipped, two of them are a ping."""
        rest = self._buffer.lstrip(_BLANK)
        run = self._line + bytes(self._buffer[: len(self._buffer) - len(rest)])
        self._buffer = rest
        *pings, self._line = run.split(_END)
        if rest:
            self._line = b""
        return [Ping()] * len(pings)

    def _message(self) -> list[Piece] | None:
        """The next message; None while it is not complete."""
        self._line = b""
        buffer = self._buffer
        if not self._head:
            end = buffer.find(_END, max(0, self._seen - len(_END)), self._longest)
            if end < 0:
                self._seen = len(buffer)
                if len(buffer) < self._longest:
                    return None
                wanted = f"an empty line within {self._longest} bytes"
                raise MalformedMessage("message", wanted, bytes(buffer[:BEGINNING]))
            self._head = end + len(_END)
            self._length = self._head + _bodyLength(bytes(buffer[: self._head]), self._longest)
        if len(buffer) < self._length:
            return None
        whole = Whole(bytes(buffer[: self._length]))
        del buffer[: self._length]
        self._head = self._length = self._seen = 0
        return [whole]


def _bodyLength(head: bytes, longest: int) -> int:
    """What the head says of its body; MalformedMessage if that does not tell where it ends."""
    found = {int(value) for value in _LENGTH.findall(_FOLD.sub(b" ", head[:-2]))}
    if len(found) == 1:
        length = found.pop()
        if len(head) + length <= longest:
            return length
        fault = MalformedMessage("message", f"at most {longest} bytes", f"{len(head) + length}")
        fault.code = 513
    else:
        fault = MalformedMessage(
            "Content-Length header", "one number, as a stream needs it", str(sorted(found))
        )
    try:
        message = parse(head)
    except MalformedMessage as error:
        fault.request = error.request
    else:
        if isinstance(message, Request) and message.method != "ACK":
            fault.request = message
    try:
        raise fault
    finally:
        del fault  # else it and this frame hold one another
