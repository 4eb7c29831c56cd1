"""SIP and tel URIs (RFC 3261 19.1, RFC 3966): text to a value and back.

Lives here: parsing, printing, comparing. Not here: name-addr and header parameters (fields.py),
what a host name resolves to (resolver.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shtoom.exceptions import MalformedMessage

Pairs = tuple[tuple[str, str | None], ...]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?\Z")
_IPV6 = re.compile(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>\"]")
_TEL = re.compile(r"\+?[0-9A-Fa-f*#().-]+\Z")
_USER = frozenset("-_.!~*'()&=+$,;?/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PASSWORD = _USER - frozenset(";?/")
_PARAM = _USER - frozenset("=,;?") | frozenset("[]:")
_HEADER = _USER - frozenset("=,;&") | frozenset("[]:")


@dataclass(frozen=True, slots=True)
class URI:
    """A sip:, sips: or tel: URI; of any other scheme only scheme and `opaque` are kept.

    user, password: without escapes, None if absent. host: an IPv6 address has no brackets here.
    port: None if absent. params, headers: pairs in order, without escapes; a parameter without "="
    has the value None. A tel: URI has its number in `user` and no host.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Pairs = ()
    headers: Pairs = ()
    opaque: str = ""

    def param(self, name: str) -> str | None:
        """The value of a parameter; "" if it has none, None if it is absent."""
        for key, value in self.params:
            if key.lower() == name:
                return value if value is not None else ""
        return None

    @property
    def isTel(self) -> bool:
        """Is this a telephone number (RFC 3966)?"""
        return self.scheme == "tel"

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, None if absent."""
        value = self.param("transport")
        return value.lower() if value is not None else None

    def __str__(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        if self.scheme == "tel":
            return f"tel:{self.user}{_printParams(self.params)}"
        text = f"{self.scheme}:"
        if self.user is not None:
            text += escape(self.user, _USER)
            if self.password is not None:
                text += f":{escape(self.password, _PASSWORD)}"
            text += "@"
        text += hostPort(self.host, self.port) + _printParams(self.params)
        if self.headers:
            text += "?" + "&".join(
                f"{escape(n, _HEADER)}={escape(v or '', _HEADER)}" for n, v in self.headers
            )
        return text

    def equivalent(self, other: URI) -> bool:
        """Do both name the same resource (RFC 3261 19.1.4)?"""
        if (self.scheme, self.user, self.password, self.port, self.opaque) != (
            other.scheme,
            other.user,
            other.password,
            other.port,
            other.opaque,
        ) or self.host.lower() != other.host.lower():
            return False
        mine, theirs = _lowered(self.params), _lowered(other.params)
        for name in mine.keys() & theirs.keys():
            if mine[name] != theirs[name]:
                return False
        decisive = {"user", "ttl", "method", "maddr", "transport"}
        if (mine.keys() ^ theirs.keys()) & decisive:
            return False
        return _lowered(self.headers) == _lowered(other.headers)


def parseURI(text: str) -> URI:
    """Raises MalformedMessage naming the part at fault."""
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.match(scheme):
        raise MalformedMessage("URI", "scheme:…", text)
    if _UNSAFE.search(rest):
        raise MalformedMessage("URI", "no space, control or <> characters", text)
    scheme = scheme.lower()
    if scheme == "tel":
        number, params = _splitParams(rest, text)
        if not _TEL.match(number):
            raise MalformedMessage("tel URI", "digits and separators", text)
        return URI("tel", number, params=params)
    if scheme not in ("sip", "sips"):
        if not rest:
            raise MalformedMessage("URI", "something after the scheme", text)
        return URI(scheme, opaque=rest)
    user: str | None = None
    password: str | None = None
    before, at, after = rest.partition("@")
    if at:
        rest = after
        user, colon, secret = before.partition(":")
        if not user:
            raise MalformedMessage("URI", "a user before @", text)
        user = unescape(user, text)
        password = unescape(secret, text) if colon else None
    rest, question, tail = rest.partition("?")
    hostPart, params = _splitParams(rest, text)
    host, port = parseHostPort(hostPart, "URI", text)
    headers: Pairs = ()
    if question:
        pairs = []
        for item in tail.split("&"):
            name, equals, value = item.partition("=")
            if not equals or not name:
                raise MalformedMessage("URI headers", "name=value", text)
            pairs.append((unescape(name, text), unescape(value, text)))
        headers = tuple(pairs)
    return URI(scheme, user, password, host, port, params, headers)


def parseHostPort(text: str, where: str, whole: str) -> tuple[str, int | None]:
    """ "host", "host:port" or "[v6]:port" to (host without brackets, port or None)."""
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or not _IPV6.match(host) or (tail and tail[0] != ":"):
            raise MalformedMessage(where, "[IPv6 address] or [IPv6 address]:port", whole)
        portText = tail[1:] if tail else None
    else:
        host, colon, portText2 = text.partition(":")
        portText = portText2 if colon else None
        if not _HOST.match(host):
            raise MalformedMessage(where, "a host name or address", whole)
    if portText is None:
        return host, None
    portText = portText.strip(" \t")
    if (
        not (portText.isascii() and portText.isdigit())
        or len(portText) > 5
        or int(portText) > 65535
    ):
        raise MalformedMessage(where, "a port of 0 to 65535", whole)
    return host, int(portText)


def hostPort(host: str, port: int | None) -> str:
    """The other way round: brackets around an IPv6 address."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def unescape(text: str, whole: str) -> str:
    """Resolves %XX; MalformedMessage for a % that starts no escape."""
    if "%" not in text:
        return text
    if _BAD_ESCAPE.search(text):
        raise MalformedMessage("URI", "% followed by two hexadecimal digits", whole)
    octets = _ESCAPE.sub(
        lambda m: chr(int(m[1], 16)), text.encode("utf-8", "surrogateescape").decode("latin-1")
    )
    return octets.encode("latin-1").decode("utf-8", "surrogateescape")


def escape(text: str, allowed: frozenset[str]) -> str:
    """Everything outside `allowed` as %XX."""
    if allowed.issuperset(text):
        return text
    return "".join(
        c if c in allowed else "".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogateescape"))
        for c in text
    )


def _splitParams(text: str, whole: str) -> tuple[str, Pairs]:
    if ";" not in text:
        return text, ()
    head, *items = text.split(";")
    pairs: list[tuple[str, str | None]] = []
    for item in items:
        name, equals, value = item.partition("=")
        if not name:
            if not item:  # ";;" is seen in the field and says nothing
                continue
            raise MalformedMessage("URI parameter", "a name", whole)
        pairs.append((unescape(name, whole), unescape(value, whole) if equals else None))
    return head, tuple(pairs)


def _printParams(params: Pairs) -> str:
    return "".join(
        f";{escape(n, _PARAM)}" + (f"={escape(v, _PARAM)}" if v is not None else "")
        for n, v in params
    )


def _lowered(pairs: Pairs) -> dict[str, str]:
    return {name.lower(): (value or "").lower() for name, value in pairs}
