"""SIP and tel URIs (RFC 3261 19.1, RFC 3966): text to a value and back.

Lives here: parsing, printing, comparing. Not here: name-addr and header parameters (fields.py),
what a host name resolves to (resolver.py).
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field

from shtoom.exceptions import MalformedMessage

Pairs = tuple[tuple[str, str | None], ...]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# The surrogates stand for no octet (those that do, U+DC80 to U+DCFF, are octets of the wire).
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>\"\ud800-\udc7f\udd00-\udfff]")
_TEL = re.compile(r"\+?[0-9A-Fa-f*#().-]+\Z")
_SEPARATORS = re.compile(r"[().-]")
_USER = frozenset("-_.!~*'()&=+$,;?/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PASSWORD = _USER - frozenset(";?/")
_PARAM = _USER - frozenset("=,;?") | frozenset("[]:")
_HEADER = _USER - frozenset("=,;&") | frozenset("[]:")


@dataclass(frozen=True, slots=True)
class URI:
    """A sip:, sips: or tel: URI; of any other scheme only scheme and `opaque` are kept.

    user, password: without escapes, None if absent. host: an IPv6 address has no brackets here.
    port: None if absent. params, headers: pairs in order, without escapes; a parameter without "="
    has the value None. A tel: URI has its number in `user` and no host. One that was parsed prints
    as it was written: an escape more or less can make it another address (RFC 3261 19.1.4).
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Pairs = ()
    headers: Pairs = ()
    opaque: str = ""
    _written: str = field(default="", init=False, repr=False, compare=False)

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
        if self._written:
            return self._written
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
        """Do both name the same resource (RFC 3261 19.1.4, for tel: RFC 3966 4)?"""
        if self._decisive() != other._decisive():
            return False
        mine, theirs = _lowered(self.params), _lowered(other.params)
        for name in mine.keys() & theirs.keys():
            if mine[name] != theirs[name]:
                return False
        decisive = {"user", "ttl", "method", "maddr", "transport"}
        if (mine.keys() ^ theirs.keys()) & decisive:
            return False
        return _lowered(self.headers) == _lowered(other.headers)

    def _decisive(self) -> tuple[str | int | None, ...]:
        """What must be equal in two URIs that are equivalent."""
        user = self.user
        if self.isTel and user is not None:
            user = _SEPARATORS.sub("", user).lower()
        return self.scheme, user, self.password, self.host.lower(), self.port, self.opaque


def parseURI(text: str, where: str = "URI") -> URI:
    """Raises MalformedMessage. where: what it names as the place, such as a header."""
    scheme, colon, rest = text.partition(":")
    if scheme not in ("sip", "sips"):
        if not colon or not _SCHEME.match(scheme):
            raise MalformedMessage(where, "a URI with a scheme, such as sip:", text)
        scheme = scheme.lower()
    if _UNSAFE.search(rest):
        raise MalformedMessage(where, "no space, control or <> characters in a URI", text)
    if scheme in ("sip", "sips"):
        uri = _parseSIP(scheme, rest, text, where)
    elif scheme == "tel":
        number, params = _splitParams(rest, text)
        if not _TEL.match(number):
            raise MalformedMessage(where, "digits and separators after tel:", text)
        uri = URI("tel", number, params=params)
    elif rest:
        uri = URI(scheme, opaque=rest)
    else:
        raise MalformedMessage(where, "something after the scheme", text)
    object.__setattr__(uri, "_written", text)
    return uri


def _parseSIP(scheme: str, rest: str, text: str, where: str) -> URI:
    """The part after sip: (RFC 3261 25.1 SIP-URI). text, where: the whole, for errors."""
    user = password = None
    params: Pairs = ()
    headers: Pairs = ()
    before, at, hostPart = rest.partition("@")
    if at:
        user, colon, secret = before.partition(":")  # an empty user is not grammar, but seen
        user = unescape(user, text)
        if colon:
            password = unescape(secret, text)
    else:
        hostPart = rest
    if "?" in hostPart:
        hostPart, _, tail = hostPart.partition("?")
        headers = _splitHeaders(tail, text)
    if ";" in hostPart:
        hostPart, params = _splitParams(hostPart, text)
    host, port = parseHostPort(hostPart, where, text)
    return URI(scheme, user, password, host, port, params, headers)


def parseHostPort(text: str, where: str, whole: str) -> tuple[str, int | None]:
    """ "host", "host:port" or "[v6]:port" to (host without brackets, port or None).

    where, whole: what a MalformedMessage names.
    """
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or not isIPv6(host) or (tail and tail[0] != ":"):
            raise MalformedMessage(where, "[IPv6 address] or [IPv6 address]:port", whole)
        colon, port = tail[:1], tail[1:]
    else:
        host, colon, port = text.partition(":")
        if not isHostName(host):
            raise MalformedMessage(where, "a host name or address", whole)
    if not colon:
        return host, None
    if not _PORT.match(port) or int(port) > 65535:
        raise MalformedMessage(where, "a port of 0 to 65535 ([] around an IPv6 address)", whole)
    return host, int(port)


def isHostName(text: str) -> bool:
    """Is this a host name, or an IPv4 address (25.1)?"""
    return bool(_HOST.match(text))


def isIPv6(text: str) -> bool:
    """Is this an IPv6 address, without brackets and zone?"""
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):  # ValueError: characters that no address has
        return False
    return True


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


def _splitHeaders(text: str, whole: str) -> Pairs:
    pairs: list[tuple[str, str | None]] = []
    for item in text.split("&"):
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise MalformedMessage("URI headers", "name=value", whole)
        pairs.append((unescape(name, whole), unescape(value, whole)))
    return tuple(pairs)


def _printParams(params: Pairs) -> str:
    return "".join(
        f";{escape(n, _PARAM)}" + (f"={escape(v, _PARAM)}" if v is not None else "")
        for n, v in params
    )


def _lowered(pairs: Pairs) -> dict[str, str]:
    return {name.lower(): (value or "").lower() for name, value in pairs}
