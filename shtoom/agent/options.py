"""What this user agent can do, and the refusals that follow from it (RFC 3261 8.2, 11).

Lives here: the answer to OPTIONS, and the checks every request passes before anything else looks
at it. Pure functions from request to response. Not here: who the request is for (agent.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shtoom.exceptions import MalformedMessage
from shtoom.sip.body import SDP, bodyParts, handling
from shtoom.sip.fields import isToken
from shtoom.sip.keyinfo import KEY_BODIES
from shtoom.sip.reason import reasonHeader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shtoom.exceptions import CallFailed
    from shtoom.sip.message import Request, Response

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "REFER")
NOT_SERVED = ("REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "PRACK")
"""Methods that RFCs define and nobody serves here: 405; any other word is 501 (21.4.6, 21.5.2)."""
SCHEMES = ("sip", "sips", "tel")
LONGEST_SCHEME = 40  # characters of one that an answer repeats
EXTENSIONS: tuple[str, ...] = ("timer", "norefersub")
"""Option tags of RFC 3261 19.2 that are understood."""
BODIES = ("application/sdp", "multipart/mixed")

ALLOW = ("Allow", ", ".join(METHODS))
SUPPORTED = ("Supported", ", ".join(EXTENSIONS))
ACCEPT = ("Accept", ", ".join(BODIES))
ACCEPT_INFO = ("Accept", ", ".join(KEY_BODIES))


def capabilities(request: Request, toTag: str | None) -> Response:
    """The 200 to an OPTIONS (11.2). toTag: None inside a dialog, where To has one already."""
    return request.respond(200, toTag=toTag, headers=(ALLOW, ACCEPT, SUPPORTED))


def refusal(request: Request, toTag: str | None, registrar: bool = False) -> Response | None:
    """The response to a request that cannot be served, whoever it is for; None if it can be.

    registrar: is REGISTER served, too?
    In the order of RFC 3261 8.2: 405 or 501 for the method, 416 for the scheme of the Request-URI,
    420 for a required extension, 415 for a body that is no session description. Max-Forwards 0 is
    no cause: who is at the end of the way forwards nothing (RFC 4475 3.3.11). Raises
    MalformedMessage.
    """
    if request.method not in METHODS and not (registrar and request.method == "REGISTER"):
        code = 405 if request.method in NOT_SERVED else 501
        return request.respond(code, toTag=toTag, headers=(ALLOW,))
    if request.uri.scheme not in SCHEMES:
        reason = f"Unsupported URI Scheme: {request.uri.scheme[:LONGEST_SCHEME]}"
        return request.respond(416, reason, toTag=toTag)
    unknown = [t for t in request.headerValues("Require") if t.lower() not in EXTENSIONS]
    if unknown:
        if not all(isToken(tag) for tag in unknown):  # they are to stand in our answer
            raise MalformedMessage("Require header", "option tags", ", ".join(unknown))
        headers = (("Unsupported", ", ".join(unknown)),)
        return request.respond(420, toTag=toTag, headers=headers)
    return _bodyRefusal(request, toTag)


def _bodyRefusal(request: Request, toTag: str | None) -> Response | None:
    """415 for a body that this side would have to read and cannot (8.2.3)."""
    if not request.body or request.method not in ("INVITE", "UPDATE", "INFO"):
        return None
    if any(coding.lower() != "identity" for coding in request.headerValues("Content-Encoding")):
        return request.respond(415, toTag=toTag, headers=(("Accept-Encoding", "identity"),))
    if handling(request.header("Content-Disposition") or "") == "optional":
        return None
    parts = bodyParts(request)
    if request.method == "INFO":
        if any(part.contentType in KEY_BODIES for part in parts):
            return None
        return request.respond(415, toTag=toTag, headers=(ACCEPT_INFO,))
    foreign = any(part.required and part.contentType != SDP for part in parts)
    if foreign or not any(part.contentType == SDP for part in parts):
        return request.respond(415, toTag=toTag, headers=(ACCEPT,))
    return None


def refused(
    request: Request,
    failure: CallFailed,
    toTag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """The final response that a CallFailed stands for, with its Warning and Retry-After, and the
    Reason of a rule unless there is one among the headers.
    """
    lines = list(headers)
    if failure.warning is not None:
        lines.append(("Warning", failure.warning))
    if failure.retryAfter is not None:
        lines.append(("Retry-After", str(failure.retryAfter)))
    if failure.refusal is not None and "Reason" not in {name.title() for name, _ in lines}:
        lines.append(reasonHeader(failure.refusal, failure.sipCode))
    return request.respond(failure.sipCode, failure.reason, toTag=toTag, headers=lines)
