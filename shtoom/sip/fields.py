"""Values of structured header fields: name-addr, Via, CSeq, parameters, media types.

Lives here: text to a value and back, one function a grammar (RFC 3261 20, 25.1). Not here: which
header may stand how often (headers.py), messages (message.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage
from shtoom.sip.uri import URI, Pairs, hostPort, parseHostPort, parseURI

# Each pattern takes time in proportion to its input: its repetitions give nothing back (*+, ++).
_SPACE = " \t"
_WORD = r"[A-Za-z0-9\-.!%*_+`'~]++"
_QUOTED = r'"(?:[^"\\]++|\\.)*+"'
_LWS, _GAP = r"[ \t]*+", r"[ \t]++"
_TAIL = r"(?:;(.*))?\Z"
_TOKEN = re.compile(_WORD + r"\Z")
_WHOLE_QUOTED = re.compile(_QUOTED + r"\Z", re.DOTALL)
_PLAIN_VALUE = re.compile(rf"(?:{_WORD}|[0-9A-Fa-f:.]++|\[[0-9A-Fa-f:.]++\])\Z")
_NAME_ADDR = re.compile(
    rf'{_LWS}(?:({_QUOTED}){_LWS}|([^"<>;]*+))<([^<>]*+)>{_LWS}{_TAIL}', re.DOTALL
)
_VIA = re.compile(
    rf"SIP{_LWS}/{_LWS}2\.0{_LWS}/{_LWS}({_WORD}){_GAP}"
    rf"(\[[^\]]*+\]|[^ \t:;]++){_LWS}(?::{_LWS}([^ \t;]++){_LWS})?{_TAIL}",
    re.DOTALL | re.IGNORECASE,
)
_CSEQ = re.compile(rf"{_LWS}([0-9]++){_GAP}({_WORD}){_LWS}\Z")
_MEDIA_TYPE = re.compile(rf"{_LWS}({_WORD}){_LWS}/{_LWS}({_WORD}){_LWS}{_TAIL}", re.DOTALL)
# What may stand between two separators.
_LIST_ITEM = re.compile(rf'(?:[^",<]++|{_QUOTED}|<[^>]*+>)*+', re.DOTALL)
_PARAM_ITEM = re.compile(rf'(?:[^";]++|{_QUOTED})*+', re.DOTALL)


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
    """ "Name" <uri>;params, Name <uri>, <uri> or uri;params. Raises MalformedMessage.

    A name without quotes may hold characters that ask for them: phones send such names. Octets of
    a name that are no UTF-8 read as U+FFFD.
    """
    match = _NAME_ADDR.match(text)
    if match is None:
        return _parseAddrSpec(text, where)
    quoted, name, uri, tail = match.groups()
    display = unquote(quoted) if quoted is not None else name.strip(_SPACE)
    if not display.isascii():
        display = display.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    params = parseParams(tail, where) if tail is not None else ()
    return NameAddress(display, parseURI(uri.strip(_SPACE), where), params)


def _parseAddrSpec(text: str, where: str) -> NameAddress:
    """uri;params without brackets: each parameter belongs to the header (20.10)."""
    bare, semicolon, tail = text.strip(_SPACE).partition(";")
    if bare.startswith('"'):
        raise MalformedMessage(where, "a closing quote, then <URI> and ;parameters", text)
    if "<" in bare:
        raise MalformedMessage(where, "<URI> and nothing but ;parameters behind it", text)
    if "?" in bare:
        raise MalformedMessage(where, "<> around a URI with headers", text)
    uri = parseURI(bare.rstrip(_SPACE), where)
    return NameAddress("", uri, parseParams(tail, where) if semicolon else ())


def parseVia(text: str) -> Via:
    """One Via value; white space may stand around slashes and colon. Raises MalformedMessage."""
    match = _VIA.match(text.strip(_SPACE))
    if match is None:
        raise MalformedMessage("Via header", "SIP/2.0/TRANSPORT host:port;parameters", text)
    transport, host, port, tail = match.groups()
    sentBy = host if port is None else f"{host}:{port}"
    host, number = parseHostPort(sentBy, "Via header", text)
    params = parseParams(tail, "Via header") if tail is not None else ()
    return Via(transport.upper(), host, number, params)


def parseCSeq(text: str) -> CSeq:
    """Raises MalformedMessage: no number below 2**31, or no method."""
    match = _CSEQ.match(text)
    if match is None:
        raise MalformedMessage("CSeq header", "number method", text)
    digits, method = match.groups()
    significant = digits.lstrip("0") or "0"
    if len(significant) > 10 or int(significant) >= 1 << 31:
        raise MalformedMessage("CSeq header", "a number below 2147483648", text)
    return CSeq(int(significant), method)


def parseMediaType(text: str) -> tuple[str, dict[str, str]]:
    """ "Application/SDP;charset=x" to ("application/sdp", {"charset": "x"})."""
    match = _MEDIA_TYPE.match(text)
    if match is None:
        raise MalformedMessage("Content-Type header", "type/subtype;parameters", text)
    kind, subtype, tail = match.groups()
    params = parseParams(tail, "Content-Type header") if tail is not None else ()
    name = f"{kind}/{subtype}".lower()
    return name, {key.lower(): value or "" for key, value in params}


def parseParams(text: str, where: str) -> Pairs:
    """ "a=1;b;c="x;y"" to pairs; quotes around a value are resolved."""
    pairs: list[tuple[str, str | None]] = []
    items = text.split(";") if '"' not in text else _split(text, ";", _PARAM_ITEM, where)
    if len(items) > 1 and not items[-1].strip(_SPACE):
        items.pop()  # a trailing ";" is seen in the field and says nothing
    for item in items:
        name, equals, value = item.partition("=")
        name = name.strip(_SPACE)
        if not _TOKEN.match(name):
            raise MalformedMessage(where, "a token as the name of each parameter", text)
        pairs.append((name, _parseValue(value.strip(_SPACE), where, item) if equals else None))
    return tuple(pairs)


def _parseValue(value: str, where: str, item: str) -> str:
    """A parameter's value: anything but white space in it, which is more than the grammar has."""
    if _TOKEN.match(value):
        return value
    if value.startswith('"'):
        if not _WHOLE_QUOTED.match(value):
            raise MalformedMessage(where, "; after a quoted value", item)
        return unquote(value)
    if not value or " " in value or "\t" in value:
        raise MalformedMessage(where, "a value after =", item)
    return value


def findParam(pairs: Pairs, name: str) -> str | None:
    """The value of a parameter; "" if it has none, None if it is absent."""
    for key, value in pairs:
        if key == name or key.lower() == name:
            return value if value is not None else ""
    return None


def printParams(pairs: Pairs) -> str:
    """ ";a=1;b", values quoted where they must be."""
    return "".join(
        f";{name}" if value is None else f";{name}={_printValue(value)}" for name, value in pairs
    )


def splitCommas(text: str, where: str = "header") -> list[str]:
    """The parts of a comma list; commas in quotes and angle brackets do not part."""
    if "," not in text:
        text = text.strip(_SPACE)
        return [text] if text else []
    if '"' not in text and "<" not in text:
        parts = text.split(",")
    else:
        parts = _split(text, ",", _LIST_ITEM, where)
    return [part for part in (part.strip(_SPACE) for part in parts) if part]


def quote(text: str) -> str:
    """As a quoted-string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """A quoted-string's content, escapes resolved."""
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    return "\\".join(part.replace("\\", "") for part in inner.split("\\\\"))


def isToken(text: str) -> bool:
    """Is this a token (RFC 3261 25.1)?"""
    return bool(_TOKEN.match(text))


def _split(text: str, separator: str, item: re.Pattern[str], where: str) -> list[str]:
    """The items between separators; MalformedMessage where a quote or bracket is not closed."""
    parts, start = [], 0
    while True:
        match = item.match(text, start)
        end = match.end() if match is not None else start
        parts.append(text[start:end])
        if end == len(text):
            return parts
        if text[end] != separator:
            raise MalformedMessage(where, f"an end to what {text[end]} begins", text)
        start = end + 1


def _printValue(value: str) -> str:
    return value if _PLAIN_VALUE.match(value) else quote(value)
