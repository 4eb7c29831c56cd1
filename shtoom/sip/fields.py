"""Values of structured header fields: name-addr, Via, CSeq, parameters, media types.

Lives here: text to a value and back, one function a grammar (RFC 3261 20, 25.1). Not here: which
header may stand how often (headers.py), messages (message.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage
from shtoom.sip.uri import URI, Pairs, hostPort, parseHostPort, parseURI

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+\Z")
_SPECIAL = re.compile(r"[\",;<>()]")
_SPACE = " \t"


class NameAddress(NamedTuple):
    """A party as From, To, Contact, Route name it (RFC 3261 20.10).

    display: without quotes and escapes, "" if absent. params: of the header, in order.
    """

    display: str
    uri: URI
    params: Pairs = ()

    @property
    def tag(self) -> str | None:
        """The tag parameter, None if absent."""
        return self.param("tag")

    def param(self, name: str) -> str | None:
        """A header parameter's value; "" if it has none, None if it is absent."""
        return findParam(self.params, name)

    def withTag(self, tag: str) -> NameAddress:
        """The same party with this tag."""
        rest = tuple(p for p in self.params if p[0].lower() != "tag")
        return NameAddress(self.display, self.uri, (*rest, ("tag", tag)))

    def withoutParams(self) -> NameAddress:
        """The same party without header parameters."""
        return NameAddress(self.display, self.uri)

    def __str__(self) -> str:
        name = f"{quote(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{printParams(self.params)}"


class Via(NamedTuple):
    """One hop (RFC 3261 20.42). transport: in upper case. port: None if absent."""

    transport: str
    host: str
    port: int | None
    params: Pairs = ()

    @property
    def branch(self) -> str | None:
        """The transaction's name."""
        return findParam(self.params, "branch")

    @property
    def received(self) -> str | None:
        """The address a request really came from, without brackets."""
        value = findParam(self.params, "received")
        return value.strip("[]") if value is not None else None

    @property
    def rport(self) -> str | None:
        """RFC 3581: "" when asked for, digits when answered, None when absent."""
        return findParam(self.params, "rport")

    def replacing(self, **params: str | None) -> Via:
        """With these parameters set, in their place or at the end."""
        pairs = []
        left = dict(params)
        for name, value in self.params:
            if name.lower() in left:
                pairs.append((name, left.pop(name.lower())))
            else:
                pairs.append((name, value))
        return self._replace(params=(*pairs, *left.items()))

    def __str__(self) -> str:
        sentBy = hostPort(self.host, self.port)
        return f"SIP/2.0/{self.transport} {sentBy}{printParams(self.params)}"


class CSeq(NamedTuple):
    """RFC 3261 20.16. number: below 2**31."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parseNameAddress(text: str, where: str = "address") -> NameAddress:
    """ "Name" <uri>;params, Name <uri>, <uri> or uri;params. Raises MalformedMessage."""
    text = text.strip(_SPACE)
    if text.startswith('"'):
        end = _quotedEnd(text, 0, where)
        display, rest = unquote(text[: end + 1]), text[end + 1 :].lstrip(_SPACE)
        if not rest.startswith("<"):
            raise MalformedMessage(where, "<URI> after the quoted name", text)
    else:
        opening = text.find("<")
        if opening < 0:  # addr-spec: each parameter belongs to the header
            bare, semicolon, tail = text.partition(";")
            uri = parseURI(bare.strip(_SPACE))
            if "?" in bare:
                raise MalformedMessage(where, "<> around a URI with headers", text)
            return NameAddress("", uri, parseParams(tail, where) if semicolon else ())
        display, rest = text[:opening].strip(_SPACE), text[opening:]
        if display and _SPECIAL.search(display):
            raise MalformedMessage(where, "quotes around a name with special characters", text)
    closing = rest.find(">")
    if closing < 0:
        raise MalformedMessage(where, "a closing >", text)
    uri = parseURI(rest[1:closing].strip(_SPACE))
    tail = rest[closing + 1 :].strip(_SPACE)
    if not tail:
        return NameAddress(display, uri)
    if tail[0] != ";":
        raise MalformedMessage(where, "; or nothing after >", text)
    return NameAddress(display, uri, parseParams(tail[1:], where))


def parseNameAddresses(text: str, where: str = "address") -> list[NameAddress]:
    """A comma list of them."""
    return [parseNameAddress(part, where) for part in splitCommas(text, where)]


def parseVia(text: str) -> Via:
    """One Via value. Raises MalformedMessage."""
    text = text.strip(_SPACE)
    protocol, _, tail = text.partition(";")
    words = protocol.split()
    if len(words) != 2 or words[0].count("/") != 2:
        # white space around the slashes and the colon is legal (RFC 3261 25.1)
        words = re.sub(r"[ \t]*([/:])[ \t]*", r"\1", protocol).split()
    if len(words) != 2:
        raise MalformedMessage("Via header", "SIP/2.0/TRANSPORT host", text)
    parts = words[0].split("/")
    if (
        len(parts) != 3
        or parts[0].upper() != "SIP"
        or parts[1] != "2.0"
        or not _TOKEN.match(parts[2])
    ):
        raise MalformedMessage("Via header", "SIP/2.0/TRANSPORT", text)
    host, port = parseHostPort(words[1], "Via header", text)
    return Via(parts[2].upper(), host, port, parseParams(tail, "Via header") if tail else ())


def parseVias(text: str) -> list[Via]:
    """A comma list of Via values."""
    return [parseVia(part) for part in splitCommas(text, "Via header")]


def parseCSeq(text: str) -> CSeq:
    """Raises MalformedMessage: no number below 2**31, or no method."""
    words = text.split()
    if (
        len(words) != 2
        or not words[0].isascii()
        or not words[0].isdigit()
        or not _TOKEN.match(words[1])
    ):
        raise MalformedMessage("CSeq header", "number method", text)
    if len(words[0]) > 64 or int(words[0]) >= 1 << 31:
        raise MalformedMessage("CSeq header", "a number below 2147483648", text)
    return CSeq(int(words[0]), words[1])


def parseMediaType(text: str) -> tuple[str, dict[str, str]]:
    """ "Application/SDP;charset=x" to ("application/sdp", {"charset": "x"})."""
    kind, semicolon, tail = text.partition(";")
    name = re.sub(r"[ \t]*/[ \t]*", "/", kind.strip(_SPACE)).lower()
    if name.count("/") != 1 or not all(_TOKEN.match(part) for part in name.split("/")):
        raise MalformedMessage("Content-Type header", "type/subtype", text)
    params = parseParams(tail, "Content-Type header") if semicolon else ()
    return name, {key.lower(): value or "" for key, value in params}


def parseParams(text: str, where: str) -> Pairs:
    """ "a=1;b;c="x;y"" to pairs; quotes around a value are resolved."""
    pairs: list[tuple[str, str | None]] = []
    items = text.split(";") if '"' not in text else _splitOutsideQuotes(text, ";", where)
    if len(items) > 1 and not items[-1].strip(_SPACE):
        items.pop()  # a trailing ";" is seen in the field and says nothing
    for item in items:
        name, equals, value = item.partition("=")
        name = name.strip(_SPACE)
        if not name:
            raise MalformedMessage(where, "parameter names", text)
        if not _TOKEN.match(name):
            raise MalformedMessage(where, "a token as the name of a parameter", item)
        if not equals:
            pairs.append((name, None))
            continue
        value = value.strip(_SPACE)
        if value.startswith('"'):
            if _quotedEnd(value, 0, where) != len(value) - 1:
                raise MalformedMessage(where, "; after a quoted value", item)
            value = unquote(value)
        elif not _TOKEN.match(value) and (not value or " " in value or "\t" in value):
            raise MalformedMessage(where, f"a value for {name}", item)
        pairs.append((name, value))
    return tuple(pairs)


def findParam(pairs: Pairs, name: str) -> str | None:
    """The value of a parameter; "" if it has none, None if it is absent."""
    for key, value in pairs:
        if key == name or key.lower() == name:
            return value if value is not None else ""
    return None


def printParams(pairs: Pairs) -> str:
    """ ";a=1;b", values quoted where they must be."""
    return "".join(
        f";{name}" if value is None else f";{name}={_paramValue(value)}" for name, value in pairs
    )


def splitCommas(text: str, where: str = "header") -> list[str]:
    """The parts of a comma list; commas in quotes and angle brackets do not part."""
    if "," not in text:
        return [text.strip(_SPACE)]
    if '"' not in text and "<" not in text:
        parts = [part.strip(_SPACE) for part in text.split(",")]
    else:
        parts = [part.strip(_SPACE) for part in _splitOutsideQuotes(text, ",", where)]
    return [part for part in parts if part]


def quote(text: str) -> str:
    """As a quoted-string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """A quoted-string's content, escapes resolved."""
    inner = text[1:-1]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL) if "\\" in inner else inner


def isToken(text: str) -> bool:
    """Is this a token (RFC 3261 25.1)?"""
    return bool(_TOKEN.match(text))


def _paramValue(value: str) -> str:
    if _TOKEN.match(value) or _IPV6.match(value) or value.startswith("["):
        return value
    return quote(value)


def _quotedEnd(text: str, start: int, where: str) -> int:
    """Index of the quote that closes the one at `start`."""
    at = start + 1
    while True:
        close = text.find('"', at)
        if close < 0:
            raise MalformedMessage(where, "a closing quote", text)
        backslash = text.find("\\", at, close)
        if backslash < 0:
            return close
        at = backslash + 2


def _splitOutsideQuotes(text: str, separator: str, where: str) -> list[str]:
    parts, start, at, angle = [], 0, 0, False
    size = len(text)
    while at < size:
        c = text[at]
        if c == '"' and not angle:
            at = _quotedEnd(text, at, where)
        elif c == "<" and separator == ",":
            angle = True
        elif c == ">":
            angle = False
        elif c == separator and not angle:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return parts
