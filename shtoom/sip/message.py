"""Requests and responses: immutable values with their header lines in order.

Lives here: typed access, parsed on first use and kept; responses, ACKs and CANCELs made from a
request; bytes for the wire. Not here: bytes to a message (parser.py), bodies (body.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from shtoom.exceptions import MalformedMessage, checkText
from shtoom.sip.fields import (
    CSeq,
    NameAddress,
    Via,
    parseCSeq,
    parseMediaType,
    parseNameAddress,
    parseVia,
    splitCommas,
)
from shtoom.sip.headers import Headers, Line, canonical, checkLine
from shtoom.sip.uri import URI, parseURI

if TYPE_CHECKING:
    from functools import cached_property as lazy
else:

    class lazy:  # noqa: N801 - stands where a function would
        """functools.cached_property without the lock that it takes before Python 3.12."""

        def __init__(self, make: Any) -> None:
            self.make, self.name, self.__doc__ = make, make.__name__, make.__doc__

        def __get__(self, message: Any, _: type) -> Any:
            if message is None:
                return self
            value = message.__dict__[self.name] = self.make(message)
            return value


_PHRASES = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}


def reasonPhrase(code: int) -> str:
    """The phrase of RFC 3261 21 for a status code; for others that of the class."""
    return _PHRASES.get(code) or _PHRASES.get(code // 100 * 100) or "Unknown"


class Message:
    """What requests and responses share. headers: in order. body: octets.

    size: bytes of the datagram that a request came in, 0 if it did not.

    Typed attributes raise MalformedMessage when their header does not parse; the parser has looked
    at those that every message needs.
    """

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self.size = 0

    # --- access -------------------------------------------------------------------------------

    def header(self, name: str) -> str | None:
        """The first line's value, None if there is no such header."""
        return self.headers.get(name)

    def headerValues(self, name: str) -> list[str]:
        """Every value; comma lists are split where the header may be one."""
        return self.headers.getAll(name)

    @lazy
    def callID(self) -> str:
        """The Call-ID, "" if absent."""
        return self.headers.get("call-id") or ""

    @lazy
    def cseq(self) -> CSeq:
        """Sequence number and method."""
        return parseCSeq(self._required("CSeq"))

    @lazy
    def via(self) -> Via:
        """The topmost Via."""
        values = splitCommas(self._required("Via"), "Via header")
        if not values:
            raise MalformedMessage("Via header", "SIP/2.0/TRANSPORT host", "nothing")
        return parseVia(values[0])

    @lazy
    def vias(self) -> tuple[Via, ...]:
        """All of them, topmost first."""
        return tuple(parseVia(value) for value in self.headers.getAll("via"))

    @lazy
    def fromAddress(self) -> NameAddress:
        """Who sent the request."""
        return parseNameAddress(self._required("From"), "From header")

    @lazy
    def toAddress(self) -> NameAddress:
        """Whom the request is for."""
        return parseNameAddress(self._required("To"), "To header")

    @lazy
    def contacts(self) -> tuple[NameAddress, ...]:
        """All Contacts; "*" is left out."""
        values = self.headers.getAll("contact")
        return tuple(parseNameAddress(v, "Contact header") for v in values if v != "*")

    @property
    def contact(self) -> NameAddress | None:
        """The first Contact, None if there is none."""
        return self.contacts[0] if self.contacts else None

    @lazy
    def routes(self) -> tuple[NameAddress, ...]:
        """The Route set, topmost first."""
        return tuple(parseNameAddress(v, "Route header") for v in self.headers.getAll("route"))

    @lazy
    def recordRoutes(self) -> tuple[NameAddress, ...]:
        """The Record-Route set, topmost first."""
        values = self.headers.getAll("record-route")
        return tuple(parseNameAddress(v, "Record-Route header") for v in values)

    @lazy
    def maxForwards(self) -> int | None:
        """Hops left, None if the header is absent."""
        return self._number("Max-Forwards", 255)

    @lazy
    def contentLength(self) -> int | None:
        """As declared, None if the header is absent."""
        return self._number("Content-Length", 1 << 30)

    @lazy
    def contentType(self) -> str:
        """ "type/subtype" in lower case, "" if absent."""
        value = self.headers.get("content-type")
        return parseMediaType(value)[0] if value is not None else ""

    def _required(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise MalformedMessage(f"{name} header", "one", "none")
        return value

    def _number(self, name: str, most: int) -> int | None:
        value = self.headers.get(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 10 or int(value) > most:
            raise MalformedMessage(f"{name} header", f"a number of 0 to {most}", value)
        return int(value)

    def _lacksTag(self) -> bool:
        """May a tag be put behind the To? Not if it has one, or cannot be read."""
        try:
            return self.toAddress.tag is None
        except MalformedMessage:
            return False

    # --- variations ---------------------------------------------------------------------------

    def withHeaders(self, headers: Headers) -> Self:
        """The same message with other headers."""
        raise NotImplementedError

    def withBody(self, body: bytes, contentType: str | None) -> Self:
        """The same message with another body."""
        headers = self.headers.without("content-type").without("content-length")
        if contentType is not None:
            headers = headers.adding("Content-Type", contentType)
        changed = self.withHeaders(headers)
        changed.body = body
        return changed

    def replacing(self, name: str, *values: str) -> Self:
        """See Headers.replacing."""
        return self._vary(self.headers.replacing(name, *values), name)

    def adding(self, name: str, value: str) -> Self:
        """See Headers.adding."""
        return self._vary(self.headers.adding(name, value), name)

    def prepending(self, name: str, value: str) -> Self:
        """See Headers.prepending."""
        return self._vary(self.headers.prepending(name, value), name)

    def without(self, name: str) -> Self:
        """See Headers.without."""
        return self._vary(self.headers.without(name), name)

    def _vary(self, headers: Headers, name: str) -> Self:
        """With these headers, of which only `name` differs: what was parsed of others is kept."""
        changed = self.withHeaders(headers)
        key = canonical(name)
        for attribute, value in self.__dict__.items():
            if _PARSED_FROM.get(attribute, key) != key:
                changed.__dict__[attribute] = value
        return changed

    # --- wire ---------------------------------------------------------------------------------

    @property
    def startLine(self) -> str:
        """The first line, without its end."""
        raise NotImplementedError

    def toBytes(self) -> bytes:
        """For the wire; Content-Length is always there and right."""
        wire: bytes | None = self.__dict__.get("_wire")
        if wire is not None:
            return wire
        lines = [self.startLine]
        for name, value in self.headers.lines:
            if name != "Content-Length" and canonical(name) != "content-length":
                lines.append(f"{name}: {value}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        wire = "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body
        self.__dict__["_wire"] = wire
        return wire

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Message)
            and self.startLine == other.startLine
            and self.headers == other.headers
            and self.body == other.body
        )

    def __hash__(self) -> int:
        return hash((self.startLine, self.headers, self.body))

    def __str__(self) -> str:
        return self.startLine

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.startLine!r} {self.callID}>"


class Request(Message):
    """A request. uri: the Request-URI. uriText: as it stood on the wire, if it came from there."""

    def __init__(
        self,
        method: str,
        uri: URI | str,
        headers: Headers,
        body: bytes = b"",
    ) -> None:
        super().__init__(headers, body)
        self.method = method
        if isinstance(uri, str):
            self.uriText = uri
        else:
            self.uri = uri
            self.uriText = str(uri)

    @lazy
    def uri(self) -> URI:
        """The Request-URI."""
        return parseURI(self.uriText, "Request-URI")

    @property
    def startLine(self) -> str:
        """METHOD uri SIP/2.0"""
        return f"{self.method} {self.uriText} SIP/2.0"

    def withHeaders(self, headers: Headers) -> Request:
        """The same request with other headers."""
        return Request(self.method, self.uriText, headers, self.body)

    def withURI(self, uri: URI) -> Request:
        """The same request for another Request-URI."""
        return Request(self.method, uri, self.headers, self.body)

    def respond(
        self,
        code: int,
        reason: str | None = None,
        *,
        toTag: str | None = None,
        headers: Iterable[Line] = (),
        body: bytes = b"",
        contentType: str | None = None,
    ) -> Response:
        """A response to this request (RFC 3261 8.2.6): Vias, From, To, Call-ID, CSeq are its own.

        toTag: put on the To header if it has none and can be read. headers: more lines.
        Record-Route is copied into what may form a dialog (101 to 299).
        """
        dialogue = 101 <= code <= 299
        lines: list[Line] = []
        single: set[str] = set()  # what stands twice made the request malformed: the first counts
        for line in self.headers.lines:
            name = line[0]
            key = _COPIED.get(name) or _COPIED.get(canonical(name))
            if key is None or (key == "record-route" and not dialogue) or key in single:
                continue
            if key not in ("via", "record-route"):
                single.add(key)
            if key == "to" and toTag is not None and self._lacksTag():
                line = _withTag(line, toTag)
            lines.append(line)
        lines += [checkLine(name, value) for name, value in headers]
        if contentType is not None:
            lines.append(checkLine("Content-Type", contentType))
        return Response(code, reason, Headers.trusted(lines), body)

    def ackFor(self, response: Response) -> Request:
        """The ACK to a final response other than 2xx, of the same transaction (17.1.1.3)."""
        lines: list[Line] = [
            ("Via", str(self.via)),
            ("Max-Forwards", "70"),
            *(("Route", value) for value in self.headers.getLines("route")),
            ("From", self._required("From")),
            ("To", response._required("To")),
            ("Call-ID", self.callID),
            ("CSeq", f"{self.cseq.number} ACK"),
        ]
        return Request("ACK", self.uriText, Headers.trusted(lines))

    def cancel(self) -> Request:
        """The CANCEL of this request (9.1): its one Via, Route set, parties and number."""
        lines: list[Line] = [
            ("Via", str(self.via)),
            ("Max-Forwards", "70"),
            *(("Route", value) for value in self.headers.getLines("route")),
            ("From", self._required("From")),
            ("To", self._required("To")),
            ("Call-ID", self.callID),
            ("CSeq", f"{self.cseq.number} CANCEL"),
        ]
        return Request("CANCEL", self.uriText, Headers.trusted(lines))


class Response(Message):
    """A response. code: 100 to 699. reason: None for the usual phrase."""

    def __init__(self, code: int, reason: str | None, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        if not 100 <= code <= 699:
            raise ValueError(f"code: wanted 100 to 699, got {code}")
        if reason is not None:
            checkText("reason", reason)
        self.code = code
        self.reason = reasonPhrase(code) if reason is None else reason

    @property
    def startLine(self) -> str:
        """SIP/2.0 code reason"""
        return f"SIP/2.0 {self.code} {self.reason}"

    def withHeaders(self, headers: Headers) -> Response:
        """The same response with other headers."""
        return Response(self.code, self.reason, headers, self.body)

    def tagged(self, toTag: str) -> Response:
        """With that To tag, if the To may have one; its other octets stay as the request's were,
        be they such as we would not write.
        """
        if not self._lacksTag():
            return self
        lines = self.headers.lines
        return self.withHeaders(
            Headers.trusted(
                _withTag(line, toTag) if canonical(line[0]) == "to" else line for line in lines
            )
        )


def _withTag(line: Line, toTag: str) -> Line:
    return line[0], f"{line[1].rstrip('; ')};tag={toTag}"


def _spellings(*names: str) -> dict[str, str]:
    return {spelling: name.lower() for name in names for spelling in (name, name.lower())}


_COPIED: dict[str, str] = _spellings("Via", "From", "To", "Call-ID", "CSeq", "Record-Route")

_PARSED_FROM = {
    "callID": "call-id",
    "cseq": "cseq",
    "via": "via",
    "vias": "via",
    "fromAddress": "from",
    "toAddress": "to",
    "contacts": "contact",
    "routes": "route",
    "recordRoutes": "record-route",
    "maxForwards": "max-forwards",
    "contentLength": "content-length",
    "contentType": "content-type",
    "uri": "",  # the Request-URI: of no header
    "size": "",
}
"""Cached attribute -> the header that it was parsed from."""
