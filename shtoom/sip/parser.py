"""Datagrams to messages.

Lives here: start line, header lines, unfolding, limits, the headers that each message must have.
Not here: typed values of other headers (parsed when asked for), responses to what is malformed
(transactions.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import Via, isToken
from shtoom.sip.headers import Headers, Line, isHeaderName
from shtoom.sip.message import Request, Response
from shtoom.sip.uri import parseHostPort

MAX_BYTES = 65536
MAX_HEADERS = 256
MAX_LINE = 8192
"""Of the start line and of each header after unfolding, in characters."""
MAX_CALL_ID = 256
"""In characters: it stands in most lines of the log, and is kept for half a minute."""

TOO_LARGE = 513  # more than we take (21.5.7)

_STRAY = re.compile(r"[\r\n]")
_UNSAFE = re.compile(r"[\r\n\0]")
_FOLD = re.compile(r"(?<![ \t])[ \t]*+(?:\r\n[ \t]++)++")
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+\Z", re.IGNORECASE)
_ROUGH_VIA = re.compile(r"SIP/[0-9.]++/([A-Za-z0-9-]++)[ \t]++([^ \t;,]++)", re.IGNORECASE)
_BRANCH = re.compile(r";[ \t]*+branch=([A-Za-z0-9\-.!%*_+`'~]++)", re.IGNORECASE)
_KEEP_ALIVE = frozenset(b"\r\n\0 ")


class _Fault(NamedTuple):
    """What MalformedMessage is made of, once it is raised.

    An exception in a variable of a frame that it passes is garbage that only the collector finds,
    with the whole message and all that its sender's transport holds.
    """

    where: str
    wanted: str
    got: bytes | str
    code: int = 400

    def error(self) -> MalformedMessage:
        """To raise."""
        error = MalformedMessage(self.where, self.wanted, self.got)
        error.code = self.code
        return error


def isKeepAlive(datagram: bytes) -> bool:
    """Nothing but line ends or zeros, as NAT keep-alives are (RFC 5626 3.5.1)?"""
    return len(datagram) <= 16 and _KEEP_ALIVE.issuperset(datagram)


def parse(datagram: bytes, most: int = MAX_BYTES) -> Request | Response:
    """One datagram, one message of at most so many bytes. Raises MalformedMessage.

    For a request that says where it comes from, the error's `request` has enough of it to answer
    with the error's `code`; what it holds besides may not parse. Bytes beyond Content-Length are
    dropped, as UDP has it (RFC 3261 18.3).
    """
    whole = datagram[:most]
    head, end, body = whole.lstrip(b"\r\n").partition(b"\r\n\r\n")
    start, _, rest = head.decode("utf-8", "surrogateescape").partition("\r\n")
    lines, fault = _headerLines(rest)
    if len(datagram) > most:
        fault = _Fault("message", f"at most {most} bytes", datagram, TOO_LARGE)
    elif not end:
        fault = _Fault("message", "an empty line after the headers", datagram)
    headers = Headers.trusted(lines)
    if start[:4].upper() == "SIP/":
        return _response(start, headers, body, fault)
    return _request(start, headers, body, fault, len(datagram))


def _headerLines(text: str) -> tuple[list[Line], _Fault | None]:
    """The header lines that can be read, and the first fault among them."""
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines: list[Line] = []
    faults: list[_Fault] = []
    if text[:1] in (" ", "\t"):
        faults.append(_Fault("header", "no fold before the first header", text))
    pieces = text.split("\r\n", MAX_HEADERS) if text else []
    if len(pieces) > MAX_HEADERS:
        faults.append(_Fault("headers", f"at most {MAX_HEADERS}", pieces.pop(), TOO_LARGE))
    for piece in pieces:
        name, colon, value = piece.partition(":")
        name = name.rstrip(" \t")
        if colon and isHeaderName(name):
            lines.append((name, value.strip(" \t")))
        else:
            faults.append(_Fault("header line", "name: value", piece))
    if len(text) > MAX_LINE:
        faults += [
            _Fault(f"{name[:40]} header", f"at most {MAX_LINE} characters", value, TOO_LARGE)
            for name, value in lines
            if len(name) + len(value) > MAX_LINE
        ]
    if not text.count("\r\n") == text.count("\r") == text.count("\n"):
        faults.append(_Fault("header line", "no stray CR or LF", text))
        lines = [(n, _STRAY.sub(" ", v)) for n, v in lines]  # they get into no answer of ours
    return lines, faults[0] if faults else None


def _response(start: str, headers: Headers, body: bytes, fault: _Fault | None) -> Response:
    version, _, rest = start.partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != "SIP/2.0" or _UNSAFE.search(start) or len(start) > MAX_LINE:
        raise MalformedMessage("status line", "SIP/2.0 code reason", start)
    if len(code) != 3 or not code.isascii() or not code.isdigit() or not 100 <= int(code) <= 699:
        raise MalformedMessage("status line", "a code of 100 to 699", start)
    if fault is not None:
        raise fault.error()
    response = Response(int(code), reason, headers, body)
    _check(response)
    response.vias  # noqa: B018 - all of them count: a response of two is for somebody else
    response.body = _cut(response, body)
    return response


def _request(start: str, headers: Headers, body: bytes, fault: _Fault | None, size: int) -> Request:
    method, _, rest = start.partition(" ")
    uri, _, version = rest.partition(" ")
    request = Request(method, uri, headers, body)
    request.size = size
    try:
        _checkRequestLine(method, version, start)
        if fault is not None:
            raise fault.error()
        _check(request)
        if request.cseq.method != method:
            raise MalformedMessage("CSeq header", f"the method {method}", str(request.cseq))
        request.uri  # noqa: B018 - its faults belong here
        request.body = _cut(request, body)
    except MalformedMessage as error:
        if isToken(method) and method != "ACK":
            error.request = _answerable(request)
        raise
    return request


def _checkRequestLine(method: str, version: str, start: str) -> None:
    if version == "SIP/2.0" and len(start) <= MAX_LINE and isToken(method):
        return
    fault = _Fault("request line", "METHOD URI SIP/2.0", start)
    if len(start) > MAX_LINE:
        fault = _Fault("request line", f"at most {MAX_LINE} characters", start, 414)
    elif isToken(method) and _VERSION.match(version):
        if version.upper() == "SIP/2.0":
            return
        fault = fault._replace(code=505)
    raise fault.error()


def _check(message: Request | Response) -> None:
    """The headers that every message needs, and none of them twice."""
    twice = message.headers.duplicated()
    if twice is not None:
        raise MalformedMessage(f"{twice} header", "one", "two or more")
    if not message.callID:
        raise MalformedMessage("Call-ID header", "one", "none")
    if not message.callID.isprintable() or len(message.callID) > MAX_CALL_ID:
        wanted = f"at most {MAX_CALL_ID} printable characters"
        raise MalformedMessage("Call-ID header", wanted, message.callID)
    if _hasNUL(message.headers):
        raise MalformedMessage("Via header", "no NUL", message.headers.get("Via") or "")
    message.cseq, message.via, message.fromAddress, message.toAddress, message.maxForwards  # noqa: B018


def _hasNUL(headers: Headers) -> bool:
    """Is one in a Via? That is written anew, and nothing that is written may have one."""
    return any("\0" in line for line in headers.getLines("Via"))


def _answerable(request: Request) -> Request | None:
    """The request with a Via that a response can go by; None if a header is missing for one."""
    headers = request.headers
    if not all(headers.get(name) for name in ("Via", "From", "To", "Call-ID", "CSeq")):
        return None
    if not request.callID.isprintable() or _hasNUL(headers):  # it is not to be passed on
        return None
    try:
        request.via  # noqa: B018
    except MalformedMessage:
        first, *others = headers.getLines("Via")
        via = _roughVia(first)
        return request.replacing("Via", str(via), *others) if via is not None else None
    return request


def _roughVia(text: str) -> Via | None:
    """What a broken Via says of transport and branch; None if it is no Via at all.

    The response goes to where the request came from, since the sent-by may be what is broken.
    """
    match = _ROUGH_VIA.match(text)
    if match is None:
        return None
    branch = _BRANCH.search(text)
    params = (("rport", None), *([("branch", branch[1])] if branch is not None else []))
    try:
        host, port = parseHostPort(match[2], "Via header", text)
    except MalformedMessage:
        host, port = "unknown.invalid", None
    return Via(match[1].upper(), host, port, params)


def _cut(message: Request | Response, body: bytes) -> bytes:
    declared = message.contentLength
    if declared is None or declared == len(body):
        return body
    if declared > len(body):
        wanted = f"a body of Content-Length {declared}, datagram holds {len(body)}"
        raise MalformedMessage("body", wanted, body)
    return body[:declared]
