"""Answers that are no weapon: who forges the source of a datagram gains little by them.

Lives here: how long an answer to a request may be, and what is left out of it. Not here: how often
it is sent (inviteserver.py, server.py), whether a source is answered at all (gate.py).
"""

from __future__ import annotations

from shtoom.sip.headers import canonical
from shtoom.sip.message import Request, Response

MOST = 1.5
"""Bytes of an answer for each byte of the request."""

_FIRST = ("supported", "accept-language", "server", "user-agent", "date")
"""What says nothing about this request, and is left out before the reason is cut."""

_LAST = ("allow", "accept", "accept-encoding", "warning", "reason", "retry-after")
"""What RFC 3261 asks for, but a client can do without; not so a challenge, a Contact, a tag."""


def lean(response: Response, request: Request) -> Response:
    """The response without what makes it longer than MOST times the request.

    Left alone is what may belong to a call, and what only those are told whom we know: 2xx, but for
    OPTIONS. A request so short that more than a Supported is left out is from no phone.
    """
    if response.code < 300 and request.method != "OPTIONS":
        return response
    most = int(MOST * (request.size or len(request.toBytes())))
    if len(response.toBytes()) <= most:
        return response
    names = [canonical(name) for name, _ in response.headers]
    response = _without(response, [name for name in names if name in _FIRST])
    over = len(response.toBytes()) - most
    if over <= 0:
        return response
    shorter = response.reason.encode("utf-8", "surrogateescape")[:-over]
    phrase = shorter.decode("utf-8", "ignore")
    response = Response(response.code, phrase, response.headers, response.body)
    if len(response.toBytes()) <= most:
        return response
    return _without(response, [name for name in names if name in _LAST])


def _without(response: Response, names: list[str]) -> Response:
    headers = response.headers
    for name in names:
        headers = headers.without(name)
    return Response(response.code, response.reason, headers, response.body)
