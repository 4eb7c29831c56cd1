"""What is dialled, and what comes back, in SIP's words and in ours.

Lives here: from the arguments of placeCall to the INVITE, from a refusal to a CallFailed: pure
functions. Not here: when what is sent (outbound.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite

from shtoom.agent.extraheaders import OF_AN_INVITE, extraHeaders
from shtoom.agent.options import ALLOW, SUPPORTED
from shtoom.agent.targets import requestURI
from shtoom.exceptions import (
    CallFailed,
    InvalidSIPURL,
    MalformedMessage,
    checkText,
    failureFor,
)
from shtoom.sip.body import sdpBody
from shtoom.sip.fields import NameAddress, parseNameAddress
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response
from shtoom.sip.shown import SENTENCE, shown
from shtoom.sip.uri import URI, hostPort, parseURI

DEFAULT_USER = "doug"
SIP_PORT = 5060
ANONYMOUS = "anonymous"
"""As fromURI: the caller is not named, and proxies are asked to name nobody either (RFC 3323)."""
_ANONYMOUS_FROM = '"Anonymous" <sip:anonymous@anonymous.invalid>'


class Dialling:
    """What placeCall was asked for. timeout: seconds to answer.

    fromURI: a URI, "Name" <URI>, ANONYMOUS, or None. Raises ValueError for CR, LF or NUL in a
    header or displayName, for a header of ours, and for a timeout that is not a number above 0.
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
        self._headers = extraHeaders(headers, OF_AN_INVITE)
        if displayName is not None:
            checkText("displayName", displayName)
        if not (timeout > 0 and isfinite(timeout)):
            raise ValueError(f"timeout: wanted seconds above 0, got {timeout}")
        self.toURI, self.timeout = toURI, timeout
        self._fromURI, self._displayName = fromURI, displayName
        if fromURI == ANONYMOUS:
            self._fromURI = _ANONYMOUS_FROM
            if "Privacy" not in self._headers:
                self._headers = self._headers.adding("Privacy", "id")  # RFC 3325 9.3

    def target(self) -> URI:
        """The Request-URI, without what may not stand there (19.1.1). Raises InvalidSIPURL."""
        try:
            uri = _addressOf(self.toURI.strip())
        except ValueError as error:
            raise InvalidSIPURL(f"{self.toURI!r} is no address to dial: {error}") from None
        if uri.scheme != "sip":
            remedy = "dial sip:USER@HOST"
            raise InvalidSIPURL(f"{self.toURI!r}: {uri.scheme} addresses lead nowhere; {remedy}")
        return requestURI(uri)

    def caller(self, host: str, port: int, tag: str) -> NameAddress:
        """The From, with that tag; if none was given, ours. Raises InvalidSIPURL.

        host, port: where we are; the port is told unless it is SIP's own, so that the called party
        can call back.
        """
        place = hostPort(host, None if port == SIP_PORT else port)
        text = (self._fromURI or f"sip:{DEFAULT_USER}@{place}").strip()
        try:
            checkText("address", text)
            given = parseNameAddress(text) if "<" in text else NameAddress("", parseURI(text))
            _addressOf(str(given.uri))
        except ValueError as error:
            raise InvalidSIPURL(f"fromURI {self._fromURI!r} is no address: {error}") from None
        display = given.display if self._displayName is None else self._displayName
        return NameAddress(display, given.uri, (("tag", tag),))

    def invite(
        self,
        target: URI,
        caller: NameAddress,
        *,
        callID: str,
        contact: str,
        product: str,
        sdp: bytes,
    ) -> Request:
        """The first INVITE, without Via (8.1.1). caller: From. contact: value of our Contact."""
        return Request(
            "INVITE",
            target,
            Headers(
                (
                    ("Max-Forwards", "70"),
                    ("From", str(caller)),
                    ("To", str(NameAddress("", target))),
                    ("Call-ID", callID),
                    ("CSeq", "1 INVITE"),
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


def _addressOf(text: str) -> URI:
    """The URI that an application wrote, out of parts that may be a stranger's. ValueError.

    Behind the host "@" has to be escaped. As it stands it is from a user part that was written down
    without: whoever chose that would have chosen the host.
    """
    uri = parseURI(checkText("address", text))
    if text.count("@") > 1:
        raise MalformedMessage("address", "one @ (%40 in a user part)", text)
    return uri


_READABLE: tuple[tuple[str, Callable[[Response], object]], ...] = (
    # Of a 3xx each Contact is looked at by itself.
    ("Contact", lambda said: said.contacts if said.code < 300 else said.headerValues("Contact")),
    ("Record-Route", lambda said: said.recordRoutes),
    ("Allow", lambda said: said.headerValues("Allow")),
)


def readable(response: Response, findings: list[str]) -> Response:
    """The response to an INVITE without what cannot be read of it: whoever looks later may.

    That is of its Contact, Record-Route, Allow and body. Many phones leave the Contact of an 18x
    out, some that of the 2xx, a few send a broken one: requests then go to the address dialled, and
    for a 2xx a finding says so.
    """
    for name, read in _READABLE:
        try:
            read(response)
        except MalformedMessage:
            response = response.without(name)
    try:
        sdpBody(response)
    except MalformedMessage:
        response = response.withBody(b"", None)
    if 200 <= response.code < 300 and response.contact is None:
        finding = (
            f"the {response.code} had no Contact that can be read: requests in the call go to the "
            "address dialled; the far end should send one (RFC 3261 12.1.1)"
        )
        if finding not in findings:
            findings.append(finding)
    return response


def refusedBy(response: Response, remark: str | None = None) -> CallFailed:
    """What a final response of 300 to 699 means, in words, with its headers.

    remark: why a redirection, or a challenge, went no further.
    """
    reason = shown(response.reason)
    if response.code < 400:
        places = shown(", ".join(response.headerValues("Contact"))) or "nowhere"
        reason = f"{reason}: redirected to {places}"
    elif response.code in (401, 407) and remark is None:
        remark = "a password is asked for; give one with auth=(user, password)"
    if remark is not None:
        reason = f"{reason}{', ' if response.code < 400 else ': '}{remark}"
    failure = failureFor(response.code, reason)
    failure.headers = tuple(response.headers)
    warning = response.header("Warning")
    failure.warning = None if warning is None else shown(warning, SENTENCE)  # may be passed on
    seconds = (response.header("Retry-After") or "").split(";")[0].split("(")[0].strip()
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        failure.retryAfter = int(seconds)
    return failure
