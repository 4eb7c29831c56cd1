"""Datagrams to messages.

Lives here: start line, header lines, unfolding, limits, the headers that each message must have.
Not here: typed values of other headers (parsed when asked for), responses to what is malformed
(transactions.py).
"""

from __future__ import annotations

import re

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import isToken
from shtoom.sip.headers import Headers, Line
from shtoom.sip.message import Request, Response

MAX_BYTES = 65536
MAX_HEADERS = 256
MAX_LINE = 8192

_STRAY = re.compile(r"[\r\n]")
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_VERSION = re.compile(r"SIP/\d+\.\d+\Z", re.IGNORECASE)
_EMPTY = frozenset(b"\r\n\0 ")


def isKeepAlive(datagram: bytes) -> bool:
    """Nothing but line ends or zeros, as NAT keep-alives are (RFC 5626 3.5.1)?"""
    return len(datagram) <= 16 and _EMPTY.issuperset(datagram)


def parse(datagram: bytes) -> Request | Response:
    """One datagram, one message. Raises MalformedMessage.

    For a request whose parties can be read, the error's `request` has enough of it to answer with
    the error's `code`. Bytes beyond Content-Length are dropped, as UDP has it (RFC 3261 18.3).
    """
    if len(datagram) > MAX_BYTES:
        raise MalformedMessage("message", f"at most {MAX_BYTES} bytes", datagram)
    head, end, body = datagram.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not end:
        if not head.endswith(b"\r\n"):
            raise MalformedMessage("message", "an empty line after the headers", datagram)
        head = head[:-2]
    text = head.decode("utf-8", "surrogateescape")
    start, _, rest = text.partition("\r\n")
    isResponse = start[:4].upper() == "SIP/"
    lines, fault = _headerLines(rest)
    headers = Headers.trusted(lines)
    if isResponse:
        if fault is not None:
            raise fault
        return _response(start, headers, body)
    return _request(start, headers, body, fault)


def _headerLines(text: str) -> tuple[list[Line], MalformedMessage | None]:
    """The header lines, and the first fault among them."""
    lines: list[Line] = []
    fault: MalformedMessage | None = None
    if not text:
        return lines, None
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    if text[0] in " \t":
        return lines, MalformedMessage("header", "no fold before the first header", text)
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if not colon or not isToken(name):
            fault = fault or MalformedMessage("header line", "name: value", line)
        elif len(line) > MAX_LINE:
            fault = fault or MalformedMessage(f"{name} header", f"at most {MAX_LINE} bytes", value)
        elif len(lines) >= MAX_HEADERS:
            fault = fault or MalformedMessage("headers", f"at most {MAX_HEADERS}", name)
            break
        else:
            lines.append((name, value.strip(" \t")))
    if _STRAY.search(text.replace("\r\n", "")):
        fault = fault or MalformedMessage("header line", "no stray CR or LF", text)
        lines = [line for line in lines if not _STRAY.search(line[1])]  # in no answer of ours
    return lines, fault


def _response(start: str, headers: Headers, body: bytes) -> Response:
    version, _, rest = start.partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != "SIP/2.0":
        raise MalformedMessage("status line", "SIP/2.0", start)
    if len(code) != 3 or not code.isascii() or not code.isdigit() or not 100 <= int(code) <= 699:
        raise MalformedMessage("status line", "a code of 100 to 699", start)
    if _STRAY.search(start):
        raise MalformedMessage("status line", "no stray CR or LF", start)
    response = Response(int(code), reason, headers, body)
    _check(response)
    response.body = _cut(response, body)
    return response


def _request(start: str, headers: Headers, body: bytes, fault: MalformedMessage | None) -> Request:
    words = start.split(" ")
    method = words[0]
    uri = words[1] if len(words) > 1 else ""
    request = Request(method, uri, headers, body)
    try:
        if len(words) != 3 or not isToken(method) or not _VERSION.match(words[2]):
            raise MalformedMessage("request line", "METHOD URI SIP/2.0", start)
        if words[2].upper() != "SIP/2.0":
            unsupported = MalformedMessage("request line", "SIP/2.0", start)
            unsupported.code = 505
            raise unsupported
        if fault is not None:
            raise fault
        _check(request)
        if request.cseq.method != method:
            raise MalformedMessage("CSeq header", f"the method {method}", str(request.cseq))
        request.uri  # noqa: B018 - its faults belong here
        request.body = _cut(request, body)
    except MalformedMessage as error:
        if isToken(method) and method != "ACK" and _answerable(request):
            error.request = request
        raise
    return request


def _check(message: Request | Response) -> None:
    """The headers that every message needs, and none of them twice."""
    twice = message.headers.duplicated()
    if twice is not None:
        raise MalformedMessage(f"{twice} header", "one", b"two or more")
    if not message.callID:
        raise MalformedMessage("Call-ID header", "one", b"none")
    message.cseq, message.via, message.fromAddress, message.toAddress, message.maxForwards  # noqa: B018


def _answerable(request: Request) -> bool:
    """Can a response be made and sent?"""
    try:
        request.via, request.fromAddress, request.toAddress, request.cseq  # noqa: B018
    except MalformedMessage:
        return False
    return bool(request.callID)


def _cut(message: Request | Response, body: bytes) -> bytes:
    declared = message.contentLength
    if declared is None:
        return body
    if declared > len(body):
        wanted = f"a body of Content-Length {declared}, datagram holds {len(body)}"
        raise MalformedMessage("body", wanted, body)
    return body[:declared]
