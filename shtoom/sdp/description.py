"""Session descriptions (RFC 8866): text to a value and back.

Lives here: lines in their order, unknown ones kept; what holds for each medium, be it written in
its own section or above it.
Not here: what a format is (sdp.formats), offers and answers (sdp.offeranswer).

Text is UTF-8 with surrogate escapes, so that any byte survives a round trip. Lenient where the
field is: line ends of LF or CR alone, spaces at the end, blank lines, a missing s=, t= or o=.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from typing import NamedTuple

from shtoom.addresses import ipAddress
from shtoom.exceptions import MalformedMessage
from shtoom.sdp.formats import Format, readFormats

MAX_BYTES = 65536
MAX_LINES = 2000  # browsers with video and all their candidates write some hundred
MAX_MEDIA = 64
MAX_CONNECTIONS = 128  # c= lines
MAX_FORMATS = 128  # of an m= line: as many as there are payload types
MAX_ALL_FORMATS = 1024  # of all m= lines; browsers write some fifty of each
MAX_LINE = 4096  # characters of an m= or c= line; attributes may be longer

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_MEDIA = re.compile(r"([^\s/]+)[ \t]+(\d{1,5})(?:/(\d{1,5}))?[ \t]+(\S+)((?:[ \t]+\S+)+)", re.ASCII)
_CONNECTION = re.compile(r"IN[ \t]+(IP4|IP6)[ \t]+(\S+)", re.ASCII | re.IGNORECASE)
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9.-]{1,255}", re.ASCII)
_BROADCAST = IPv4Address("255.255.255.255")
_MILLISECONDS = re.compile(r"(\d{1,5})(?:\.\d*)?", re.ASCII)

Line = tuple[str, str]
"""One line: its letter and what stands behind the equals sign."""


class Connection(NamedTuple):
    """A c= line (RFC 8866 5.7). family: "IP4" or "IP6"; address: literal or host name."""

    family: str
    address: str

    @property
    def isLiteral(self) -> bool:
        """Whether the address is one, not a name."""
        return _literal(self.address) is not None

    @property
    def host(self) -> str:
        """The address as systems write it (RFC 5952), to compare it; a name as it is."""
        literal = _literal(self.address)
        return self.address if literal is None else str(literal)

    @property
    def isMulticast(self) -> bool:
        """Whether it names a group of hosts, or all of them (255.255.255.255)."""
        literal = _literal(self.address)
        if isinstance(literal, IPv6Address) and literal.ipv4_mapped is not None:
            literal = literal.ipv4_mapped
        return literal is not None and (literal.is_multicast or literal == _BROADCAST)

    def isSameHost(self, other: Connection) -> bool:
        """Whether both name one address, however it is written."""
        literal = _literal(self.address)
        return literal is not None and literal == _literal(other.address)

    @property
    def isUnspecified(self) -> bool:
        """0.0.0.0 or ::, the hold of RFC 2543 (RFC 3264 8.4): nothing may be sent there."""
        literal = _literal(self.address)
        return literal is not None and literal.is_unspecified


@dataclass(frozen=True)
class MediaDescription:
    """One m= section. type: "audio" ...; port: 0 refuses the stream; count: ports in a row.

    formatNames: as written behind the profile. lines: those below the m= line. sessionLines: of
    those above the first, what holds here unless the section says otherwise.
    """

    type: str
    port: int
    proto: str
    formatNames: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    count: int = 1
    sessionLines: tuple[Line, ...] = field(default=(), repr=False)

    @cached_property
    def connection(self) -> Connection | None:
        """The section's own c= line, else the session's, else None."""
        return _connectionOf(self.lines) or _connectionOf(self.sessionLines)

    @property
    def address(self) -> str | None:
        """Where its packets go: an IP literal or a host name; None if no c= says so."""
        return self.connection.address if self.connection else None

    @cached_property
    def direction(self) -> str:
        """sendrecv, sendonly, recvonly or inactive, as its writer sees it (RFC 8866 6.7)."""
        for attributes in (self._attributes, _attributesOf(self.sessionLines)):
            for name, _ in attributes:
                if name.lower() in DIRECTIONS:
                    return name.lower()
        return "sendrecv"

    @property
    def ptime(self) -> int | None:
        """ms of sound in a packet that its writer would like; None if it does not say."""
        return _milliseconds(self.attribute("ptime"))

    @property
    def maxptime(self) -> int | None:
        """ms of sound that a packet may hold at most; None if it does not say."""
        return _milliseconds(self.attribute("maxptime"))

    @cached_property
    def formats(self) -> tuple[Format, ...]:
        """What its payload types mean, in order; of use where proto is an RTP profile."""
        return readFormats(self.formatNames, self._attributes)

    def attribute(self, name: str) -> str | None:
        """The value of the section's first a= line of that name: "" if it has none, None if
        there is no such line."""
        return next((value for key, value in self._attributes if key == name), None)

    def attributes(self, name: str) -> tuple[str, ...]:
        """The values of all the section's a= lines of that name."""
        return tuple(value for key, value in self._attributes if key == name)

    @cached_property
    def _attributes(self) -> tuple[tuple[str, str], ...]:
        return tuple(_attributesOf(self.lines))

    def toText(self) -> str:
        """The section's lines, the m= line first."""
        count = f"/{self.count}" if self.count != 1 else ""
        formats = " ".join(self.formatNames)
        first = f"m={self.type} {self.port}{count} {self.proto} {formats}\r\n"
        return first + _textOf(self.lines)


@dataclass(frozen=True)
class SessionDescription:
    """A whole description: lines above the first m= line, and the sections below."""

    lines: tuple[Line, ...]
    media: tuple[MediaDescription, ...] = ()

    def __post_init__(self) -> None:
        common = tuple(_common(self.lines))
        bound = tuple(replace(medium, sessionLines=common) for medium in self.media)
        object.__setattr__(self, "media", bound)

    def line(self, letter: str) -> str | None:
        """What the first session-level line of that letter says, or None."""
        return next((value for key, value in self.lines if key == letter), None)

    @property
    def origin(self) -> str | None:
        """The o= line's value (RFC 8866 5.2), or None."""
        return self.line("o")

    @property
    def name(self) -> str | None:
        """The s= line's value, or None."""
        return self.line("s")

    @property
    def address(self) -> str | None:
        """The address of the session-level c= line, or None."""
        connection = _connectionOf(self.lines)
        return connection.address if connection else None

    def attributes(self, name: str) -> tuple[str, ...]:
        """The values of the session-level a= lines of that name."""
        return tuple(value for key, value in _attributesOf(self.lines) if key == name)

    def toBytes(self) -> bytes:
        """The text for the wire, each line with CRLF."""
        text = _textOf(self.lines) + "".join(medium.toText() for medium in self.media)
        return text.encode("utf-8", "surrogateescape")


def parseSDP(data: bytes) -> SessionDescription:
    """Raises MalformedMessage for what is no description, or one beyond the limits above."""
    if len(data) > MAX_BYTES:
        raise MalformedMessage("SDP", f"at most {MAX_BYTES} bytes", f"{len(data)} bytes")
    text = data.decode("utf-8", "surrogateescape")
    rows = text.split("\n") if "\n" in text else text.split("\r")
    _checkCount("lines", MAX_LINES, len(rows))
    lines = [line for row in rows if (line := _parseLine(row.rstrip("\r \t")))]
    if not lines or lines[0] != ("v", "0"):
        raise MalformedMessage("SDP", "v=0 as the first line", data)
    starts = [i for i, (letter, _) in enumerate(lines) if letter == "m"]
    _checkCount("m= lines", MAX_MEDIA, len(starts))
    ends = [*starts[1:], len(lines)]
    media = tuple(
        _parseMedium(lines[start][1], tuple(lines[start + 1 : end]))
        for start, end in zip(starts, ends, strict=False)  # no start, no end
    )
    formats = sum(len(medium.formatNames) for medium in media)
    _checkCount("formats of all m= lines", MAX_ALL_FORMATS, formats)
    connections = [value for letter, value in lines if letter == "c"]
    _checkCount("c= lines", MAX_CONNECTIONS, len(connections))
    for value in connections:
        _parseConnection(value)
    return SessionDescription(tuple(lines[: starts[0]] if starts else lines), media)


def _checkCount(what: str, most: int, found: int) -> None:
    if found > most:
        raise MalformedMessage("SDP", f"at most {most} {what}", f"{found} of them")


def _parseLine(row: str) -> Line | None:
    if not row:
        return None
    if len(row) < 2 or row[1] != "=" or not ("a" <= row[0] <= "z" or "A" <= row[0] <= "Z"):
        raise MalformedMessage("SDP line", "a letter and an equals sign", row)
    return row[0], row[2:]


def _parseMedium(value: str, lines: tuple[Line, ...]) -> MediaDescription:
    found = _MEDIA.fullmatch(value) if len(value) <= MAX_LINE else None
    if not found:
        raise MalformedMessage("SDP m= line", "type, port, profile and formats", value)
    kind, port, count, proto, rest = found.groups()
    formats = tuple(rest.split())
    if int(port) > 65535:
        raise MalformedMessage("SDP m= line", "a port of 0 to 65535", value)
    if len(formats) > MAX_FORMATS:
        raise MalformedMessage("SDP m= line", f"at most {MAX_FORMATS} formats", value)
    return MediaDescription(kind, int(port), proto, formats, lines, int(count or 1))


def _parseConnection(value: str) -> Connection:
    found = _CONNECTION.fullmatch(value) if len(value) <= MAX_LINE else None
    if not found:
        raise MalformedMessage("SDP c= line", "IN IP4 or IN IP6 and an address", value)
    address = found[2].partition("/")[0]  # a multicast address may have a TTL and a count
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]  # not in SDP, but some write an IPv6 address as in a URI
    literal = _literal(address)
    if literal is None and not _HOST_NAME.fullmatch(address):
        raise MalformedMessage("SDP c= line", "an IP address or a host name", value)
    family = f"IP{literal.version}" if literal else found[1].upper()
    return Connection(family, address)


def _common(lines: tuple[Line, ...]) -> Iterator[Line]:
    """What a section inherits: address and direction, so that 64 sections need not look again."""
    yield from [line for line in lines if line[0] == "c"][:1]
    directions = (a for a in lines if a[0] == "a" and a[1].partition(":")[0].lower() in DIRECTIONS)
    yield from islice(directions, 1)


def _connectionOf(lines: tuple[Line, ...]) -> Connection | None:
    return next((_parseConnection(value) for letter, value in lines if letter == "c"), None)


def _attributesOf(lines: tuple[Line, ...]) -> Iterator[tuple[str, str]]:
    for letter, line in lines:
        if letter == "a":
            name, _, value = line.partition(":")
            yield name, value


def _textOf(lines: tuple[Line, ...]) -> str:
    return "".join(f"{letter}={value}\r\n" for letter, value in lines)


def _milliseconds(value: str | None) -> int | None:
    found = _MILLISECONDS.fullmatch(value.strip()) if value else None
    return int(found[1]) or None if found else None


def _literal(address: str) -> IPv4Address | IPv6Address | None:
    if "%" in address:  # a zone means nothing to another host
        return None
    try:
        return ipAddress(address)
    except ValueError:
        return None
