"""What is dialled, and what comes back, in SIP's words and in ours.

Lives here: from the arguments of placeCall to the INVITE, from a refusal to a CallFailed: pure
functions. Not here: when what is sent (outbound.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import isfinite

from shtoom.agent.options import ALLOW, SUPPORTED
from shtoom.exceptions import CallFailed, InvalidSIPURL, MalformedMessage, failureFor
from shtoom.sip.fields import NameAddress
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response
from shtoom.sip.shown import shown
from shtoom.sip.uri import URI, hostPort, parseURI

INVITE_CSEQ = 1
DEFAULT_USER = "doug"
OWN = (
    *("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Route"),
    *("Content-Length", "Content-Type", "Allow", "Supported", "Require"),
)
"""Headers of an INVITE that nobody else may write."""


class Dialling:
    """What placeCall was asked for. timeout: seconds to answer.

    Raises ValueError for CR, LF or NUL in a header or displayName, for a header in OWN, and for a
    timeout that is not a number above 0.
    """

    __slots__ = ("_displayName", "_fromURI", "_headers", "timeout", "toURI")

    def __init__(
        self,
        toURI: str,
        fromURI: str | None,
        displayName: str | None,
        headers: Iterable[tuple[str, str]],
        timeout: float,
    ) -> None:
        self._headers = Headers(headers)
        for name in OWN:
            if name in self._headers:
                raise ValueError(f"headers: {name} of an INVITE is written by the user agent")
        if displayName is not None and any(c in displayName for c in "\r\n\0"):
            raise ValueError(f"displayName: no CR, LF or NUL allowed, got {displayName!r}")
        if not (timeout > 0 and isfinite(timeout)):
            raise ValueError(f"timeout: wanted seconds above 0, got {timeout}")
        self.toURI, self.timeout = toURI, timeout
        self._fromURI, self._displayName = fromURI, displayName or ""

    def target(self) -> URI:
        """The Request-URI, without what may not stand there (19.1.1). Raises InvalidSIPURL."""
        try:
            uri = parseURI(self.toURI.strip())
        except MalformedMessage as error:
            raise InvalidSIPURL(f"{self.toURI!r} is no address to dial: {error}") from None
        if uri.scheme != "sip":
            remedy = "dial sip:USER@HOST"
            raise InvalidSIPURL(f"{self.toURI!r}: {uri.scheme} addresses lead nowhere; {remedy}")
        params = tuple(pair for pair in uri.params if pair[0].lower() != "method")
        return replace(uri, params=params, headers=())

    def caller(self, host: str) -> URI:
        """The From URI; if none was given, ours at `host`. Raises InvalidSIPURL."""
        try:
            return parseURI((self._fromURI or f"sip:{DEFAULT_USER}@{hostPort(host, None)}").strip())
        except MalformedMessage as error:
            raise InvalidSIPURL(f"fromURI {self._fromURI!r} is no address: {error}") from None

    def invite(
        self,
        target: URI,
        caller: URI,
        *,
        tag: str,
        callID: str,
        contact: str,
        product: str,
        sdp: bytes,
    ) -> Request:
        """The INVITE, without Via (8.1.1). tag: of From. contact: value of our Contact."""
        return Request(
            "INVITE",
            target,
            Headers(
                (
                    ("Max-Forwards", "70"),
                    ("From", str(NameAddress(self._displayName, caller, (("tag", tag),)))),
                    ("To", str(NameAddress("", target))),
                    ("Call-ID", callID),
                    ("CSeq", f"{INVITE_CSEQ} INVITE"),
                    ("Contact", contact),
                    ALLOW,
                    SUPPORTED,
                    ("User-Agent", product),
                    *self._headers,
                    ("Content-Type", "application/sdp"),
                )
            ),
            sdp,
        )


def readable(response: Response, findings: list[str]) -> Response:
    """The response of 101 to 299 to an INVITE, without a Contact that cannot be read.

    Many phones leave the Contact of an 18x out, some that of the 2xx, a few send a broken one:
    requests then go to the address dialled, and for a 2xx a finding says so.
    """
    try:
        found = response.contact is not None
    except MalformedMessage:
        found, response = False, response.without("Contact")
    if not found and response.code >= 200:
        findings.append(
            f"the {response.code} had no Contact that can be read: requests in the call go to the "
            "address dialled; the far end should send one (RFC 3261 12.1.1)"
        )
    return response


def refusedBy(response: Response) -> CallFailed:
    """What a final response of 300 to 699 means, in words, with its Warning and Retry-After."""
    reason = shown(response.reason)
    if response.code < 400:
        places = shown(", ".join(response.headerValues("Contact"))) or "nowhere"
        reason = f"{reason}: redirected to {places}; redirections are not followed"
    elif response.code in (401, 407):
        reason = f"{reason}: a password is asked for, and there is none to give"
    failure = failureFor(response.code, reason)
    failure.warning = response.header("Warning")
    seconds = (response.header("Retry-After") or "").split(";")[0].split("(")[0].strip()
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        failure.retryAfter = int(seconds)
    return failure
