"""Dialogs: what two user agents agree on beyond one transaction (RFC 3261 12).

Lives here: identity, numbering, route set, remote target, the requests that follow from them.
Not here: what a dialog is for (shtoom.agent), to which address a host name leads (resolver.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from shtoom.exceptions import checkText
from shtoom.sip.fields import NameAddress
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response
from shtoom.sip.uri import URI

Key = tuple[str, str, str]
"""Call-ID, local tag, remote tag ("" if the peer, of RFC 2543, has none)."""

MAX_FORWARDS = "70"

_UNNUMBERED = ("ACK", "CANCEL")


class OutOfOrder(Exception):
    """A request that an earlier one has overtaken; to be answered 500 (RFC 3261 12.2.2)."""


class DialogState(StrEnum):
    """RFC 3261 12: early from a 101..199, confirmed from a 2xx."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    ENDED = "ended"


class Dialog:
    """One dialog, seen from this side.

    local, remote: with their tags, as From and To of what this side sends. remoteTarget: the
    peer's Contact. routeSet: in the order of the Route header. localCSeq, remoteCSeq: the numbers
    last used; remoteCSeq is None while the peer has sent no request.
    """

    __slots__ = (
        "callID",
        "local",
        "localCSeq",
        "localTag",
        "remote",
        "remoteCSeq",
        "remoteTag",
        "remoteTarget",
        "routeSet",
        "state",
    )

    def __init__(
        self,
        callID: str,
        local: NameAddress,
        remote: NameAddress,
        *,
        remoteTarget: URI,
        routeSet: tuple[NameAddress, ...],
        state: DialogState,
    ) -> None:
        self.callID = callID
        self.local, self.localTag = local, local.tag or ""
        self.remote, self.remoteTag = remote, remote.tag or ""
        self.remoteTarget, self.routeSet = remoteTarget, routeSet
        self.localCSeq = 0
        self.remoteCSeq: int | None = None
        self.state = state

    @classmethod
    def forUAS(
        cls, request: Request, localTag: str, state: DialogState = DialogState.EARLY
    ) -> Dialog:
        """The dialog that our response to `request` makes (12.1.1). localTag: its To tag.

        A request without Contact counts as one from its From address. Raises MalformedMessage if
        From, Contact or Record-Route do not parse.
        """
        dialog = cls(
            request.callID,
            request.toAddress.withTag(localTag),
            request.fromAddress,
            remoteTarget=_target(request) or _requestURI(request.fromAddress.uri),
            routeSet=request.recordRoutes,
            state=state,
        )
        dialog.remoteCSeq = request.cseq.number
        return dialog

    @classmethod
    def forUAC(cls, request: Request | None, response: Response) -> Dialog:
        """The dialog that `response`, 101 to 299, to our `request` makes (12.1.2).

        Without a Contact in the response, requests go to the Request-URI of `request`, or to the
        To address if that request is not known any more. Raises MalformedMessage if To, Contact or
        Record-Route do not parse.
        """
        tried = request.uri if request is not None else response.toAddress.uri
        dialog = cls(
            response.callID,
            response.fromAddress,
            response.toAddress,
            remoteTarget=_target(response) or _requestURI(tried),
            routeSet=response.recordRoutes[::-1],
            state=DialogState.EARLY if response.code < 200 else DialogState.CONFIRMED,
        )
        dialog.localCSeq = response.cseq.number
        return dialog

    @property
    def key(self) -> Key:
        """What a request or response is found by (12)."""
        return self.callID, self.localTag, self.remoteTag

    @property
    def nextHop(self) -> URI:
        """Whose address the next request is sent to: the first route, else the target (8.1.2)."""
        return self.routeSet[0].uri if self.routeSet else self.remoteTarget

    def confirm(self, response: Response | None = None) -> None:
        """A 2xx went by. response: the one we received, whose Record-Route counts (13.2.2.4)."""
        if self.state is DialogState.EARLY:
            self.state = DialogState.CONFIRMED
            if response is not None:
                self.routeSet = response.recordRoutes[::-1]
        if response is not None:
            self.refreshTarget(response)

    def end(self) -> None:
        """BYE, or a refusal of the INVITE."""
        self.state = DialogState.ENDED

    def refreshTarget(self, message: Request | Response) -> None:
        """A target refresh (re-INVITE, UPDATE), or the 2xx to ours: its Contact counts (12.2)."""
        target = _target(message)
        if target is not None:
            self.remoteTarget = target

    def remoteRequest(self, request: Request) -> None:
        """Takes note of a request from the peer. Raises OutOfOrder if its CSeq is too low (12.2.2).

        An equal number is let through: the RFC refuses lower ones only, and some phones number
        their BYE as the INVITE. ACK and CANCEL have the number of their INVITE and are not checked.
        """
        if request.method in _UNNUMBERED:
            return
        number = request.cseq.number
        if self.remoteCSeq is not None and number < self.remoteCSeq:
            raise OutOfOrder(f"{request.method} has CSeq {number}, {self.remoteCSeq} came before")
        self.remoteCSeq = number

    def request(
        self,
        method: str,
        contact: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        contentType: str | None = None,
    ) -> Request:
        """The next request in this dialog, without Via (12.2.1.1).

        contact: value of a Contact header, for INVITE and UPDATE. headers: more of them. Raises
        ValueError for CR, LF or NUL in them, and for ACK and CANCEL, which are not numbered.
        """
        if method in _UNNUMBERED:
            raise ValueError(f"method: {method} is not numbered; use ack(), or cancel an INVITE")
        lines = [] if contact is None else [("Contact", contact)]
        request = self._make(
            self.localCSeq + 1, method, Headers((*lines, *headers)), body, contentType
        )
        self.localCSeq += 1
        return request

    def renumbered(self, request: Request) -> Request:
        """The same request once more, with the next CSeq (22.2: after a challenge)."""
        self.localCSeq += 1
        return request.replacing("CSeq", f"{self.localCSeq} {request.method}")

    def ack(
        self, inviteCSeq: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> Request:
        """The ACK of a 2xx, without Via (13.2.2.4). body: an SDP answer."""
        contentType = "application/sdp" if body else None
        return self._make(inviteCSeq, "ACK", Headers(headers), body, contentType)

    def _make(
        self, number: int, method: str, more: Headers, body: bytes, contentType: str | None
    ) -> Request:
        uri, routes = self._route()
        if contentType is not None:
            checkText("contentType", contentType)
        return Request(
            method,
            uri,
            Headers.trusted(
                (
                    *([("Route", ", ".join(map(str, routes)))] if routes else []),
                    ("Max-Forwards", MAX_FORWARDS),
                    ("From", str(self.local)),
                    ("To", str(self.remote)),
                    ("Call-ID", self.callID),
                    ("CSeq", f"{number} {method}"),
                    *more,
                    *([("Content-Type", contentType)] if contentType is not None else []),
                )
            ),
            body,
        )

    def _route(self) -> tuple[URI, tuple[NameAddress, ...]]:
        """Request-URI and Route for the next request (12.2.1.1).

        A first route without `lr` is a strict router (RFC 2543): it finds its own address in the
        Request-URI and the target at the end of the Route.
        """
        routes = self.routeSet
        if not routes or routes[0].uri.param("lr") is not None:
            return self.remoteTarget, routes
        target = NameAddress("", self.remoteTarget)
        return _requestURI(routes[0].uri), (*routes[1:], target)


def _target(message: Request | Response) -> URI | None:
    """The Contact, if it can be a Request-URI of ours."""
    contact = message.contact
    if contact is None or contact.uri.scheme not in ("sip", "sips"):
        return None
    return _requestURI(contact.uri)


def _requestURI(uri: URI) -> URI:
    """Without what may not stand in a Request-URI (19.1.1, table 1)."""
    if not uri.headers and uri.param("method") is None:
        return uri
    params = tuple(p for p in uri.params if p[0].lower() != "method")
    return replace(uri, params=params, headers=())
