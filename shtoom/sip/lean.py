"""Answers that are no weapon: who forges the source of a datagram gains little by them.

Lives here: how long an answer to a request may be, and what is left out of it. Not here: how often
it is sent (inviteserver.py, server.py), whether a source is answered at all (gate.py).
"""

from __future__ import annotations

from shtoom.sip.headers import Headers, canonical
from shtoom.sip.message import Request, Response

MOST = 1.5
"""Bytes of an answer for each byte of the request."""

CHALLENGES = {401: "www-authenticate", 407: "proxy-authenticate"}
"""Codes that ask for a password, and by which header."""

_FIRST = (("reason",), ("supported", "accept-language", "server", "user-agent", "date"))
"""What is for people who look closely, then what says nothing about this request: both are left out
before the reason phrase is cut."""

_LAST = ("allow", "accept", "accept-encoding", "warning", "retry-after")
"""What RFC 3261 asks for, but a client can do without; not so a challenge, a Contact, a tag."""

_OF_A_CALL = ("allow", "accept", "accept-encoding")
"""The same, in what a caller hears whose call goes on."""


def lean(response: Response, request: Request) -> Response | None:
    """The response without what makes it longer than MOST times the request.

    Of several challenges then the last is left, which is what the oldest phones know. None for a
    challenge that would still be longer: a request so short is from no phone. Left alone is what
    only those are told whom we know, 2xx, but for OPTIONS and INVITE: the 200 of a call that is
    taken may be longer, since its Contact and description have to be in it.
    """
    most = int(MOST * (request.size or len(request.toBytes())))
    if response.code < 300 and request.method != "OPTIONS":
        return _fitting(response, most, _OF_A_CALL) if request.method == "INVITE" else response
    header = CHALLENGES.get(response.code)
    if header is None:
        return _short(response, most)
    for asking in (response, _askingOnce(response, header)):
        short = _short(asking, most)
        if len(short.toBytes()) <= most:
            return short
    return None


def _short(response: Response, most: int) -> Response:
    """A request so short that more than a Supported is left out is from no phone."""
    response = _fitting(response, most)
    over = len(response.toBytes()) - most
    if over <= 0:
        return response
    shorter = response.reason.encode("utf-8", "surrogateescape")[:-over]
    phrase = shorter.decode("utf-8", "ignore")
    response = Response(response.code, phrase, response.headers, response.body)
    return _fitting(response, most, _LAST)


def _fitting(response: Response, most: int, *steps: tuple[str, ...]) -> Response:
    """Without the headers of _FIRST, then of the next steps, as far as is needed."""
    for names in (*_FIRST, *steps):
        if len(response.toBytes()) <= most:
            return response
        kept = [line for line in response.headers if canonical(line[0]) not in names]
        response = response.withHeaders(Headers.trusted(kept))
    return response


def _askingOnce(response: Response, header: str) -> Response:
    """With the last of its challenges alone."""
    asks = [line for line in response.headers if canonical(line[0]) == header]
    kept = [line for line in response.headers if line not in asks[:-1]]
    return response.withHeaders(Headers.trusted(kept))
