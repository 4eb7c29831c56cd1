"""REFER: the far end wants us to call another in its place (RFC 3515, RFC 4488).

Lives here: reading it, its one answer, the NOTIFYs that tell what becomes of it (RFC 3420). Not
here: whether it is followed, and the call by which it is (the call's user). We send no REFER.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shtoom.agent.hangup import CallState
from shtoom.agent.options import refused
from shtoom.exceptions import CallFailed, CallRejected, MalformedMessage
from shtoom.sip.fields import parseNameAddress
from shtoom.sip.message import reasonPhrase
from shtoom.sip.shown import shown
from shtoom.sip.uri import URI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from shtoom.agent.call import Call
    from shtoom.sip.message import Request, Response
    from shtoom.sip.transactions import ServerTransaction

__all__ = ["ANSWER_WITHIN", "News", "Transfer", "referReceived", "referredTo"]

ANSWER_WITHIN = 20.0
"""Seconds that the user has to decide: the far end gives its REFER up after 64*T1 (32 s)."""

FRAGMENT = "message/sipfrag;version=2.0"
SCHEMES = ("sip", "sips")


def referredTo(request: Request) -> URI:
    """Whom a REFER names, without what is not for the INVITE: password, method, headers.

    Raises MalformedMessage for anything but one address that can be read, CallFailed for one that
    is never called: of another scheme, of another method, or in the place of a call that it names
    (Replaces).
    """
    values = request.headerValues("Refer-To")
    if len(values) != 1:
        raise MalformedMessage("Refer-To header", "one address", ", ".join(values))
    uri = parseNameAddress(values[0], "Refer-To header").uri
    if uri.scheme not in SCHEMES:
        raise CallFailed("Only SIP addresses are called", 403)
    method = uri.param("method")
    if (method or "INVITE").upper() != "INVITE":
        raise CallFailed("Nothing but calls is made", 403)
    if any(name.lower() == "replaces" for name, _ in uri.headers):
        raise CallFailed("Attended transfer (Replaces) is not supported", 603)
    if uri.password is None and method is None and not uri.headers:
        return uri  # as it was written
    params = tuple(pair for pair in uri.params if pair[0].lower() != "method")
    return URI(uri.scheme, uri.user, None, uri.host, uri.port, params)


def referReceived(call: Call, transaction: ServerTransaction, request: Request) -> None:
    """A REFER in a call: it is the user's to decide. Raises MalformedMessage."""
    before = call.transfer
    try:
        target = referredTo(request)
        if call.state is not CallState.CONFIRMED or call.user is None:
            raise CallFailed("The call is not up", 491)
        if before is not None and not before.isOver:
            raise CallFailed("Another transfer is under way", 491)
    except CallFailed as failure:
        transaction.respond(refused(request, failure))
        return
    call.transfer = Transfer(call, transaction, request, target, isFirst=before is None)
    call.tell(call.user.transferAsked, call.transfer)


class News:
    """What the far end is told, a NOTIFY at a time (RFC 6665 4.2.2): the newest, and the last.

    over: nothing is to be told any more.
    """

    __slots__ = ("_last", "_next", "_told", "_waits", "over")

    def __init__(self) -> None:
        self.over = False
        self._waits = False  # for the answer to a NOTIFY
        self._told = 0
        self._last = False
        self._next: int | None = None

    def came(self, code: int) -> int | None:
        """A status of the call that is made; returns what is to be sent now."""
        if self.over or self._last:
            return None
        self._last = code >= 200
        self._next = code if code != self._told else None
        return self._take()

    def answered(self, accepted: bool) -> int | None:
        """The answer to a NOTIFY; returns what is to be sent now. A refusal is the end."""
        self._waits = False
        if not accepted or self._told >= 200:
            self.over = True
        return self._take()

    def _take(self) -> int | None:
        if self.over or self._waits or self._next is None:
            return None
        self._told, self._next = self._next, None
        self._waits = True
        return self._told


class Transfer:
    """One REFER, from its receipt to its last NOTIFY.

    target: whom we are to call. request: the REFER. onRefused: told when it is, by whatever cause.
    """

    __slots__ = (
        "_call",
        "_event",
        "_limit",
        "_news",
        "_silent",
        "_transaction",
        "_until",
        "onRefused",
        "request",
        "target",
    )

    def __init__(
        self,
        call: Call,
        transaction: ServerTransaction,
        request: Request,
        target: URI,
        *,
        isFirst: bool,
    ) -> None:
        """isFirst: of this call; others are told apart by an id (RFC 3515 2.4.6)."""
        self.target, self.request = target, request
        self.onRefused: Callable[[], None] = _nobody
        self._call: Call | None = call
        self._transaction: ServerTransaction | None = transaction
        self._event = "refer" if isFirst else f"refer;id={request.cseq.number}"
        wish = (request.header("Refer-Sub") or "").partition(";")[0]
        self._silent = wish.strip().lower() == "false"
        self._news: News | None = None  # once it is accepted
        self._until = 0.0
        self._limit: IDelayedCall = call.agent.reactor.callLater(ANSWER_WITHIN, self.refuse)

    @property
    def isDecided(self) -> bool:
        """Has it its answer?"""
        return self._transaction is None

    @property
    def isOver(self) -> bool:
        """Is there nothing to be told of it any more?"""
        return self.isDecided and (self._news is None or self._news.over)

    def accept(self, seconds: float) -> None:
        """202: the target is being called, for so many seconds at most. Decided already: nothing.

        report() is to follow.
        """
        call, transaction = self._call, self._settled()
        self.onRefused = _nobody
        if transaction is None:
            return
        contact = (("Contact", call.contact),) if call is not None else ()
        silent = (("Refer-Sub", "false"),) if self._silent else ()  # RFC 4488 4
        transaction.respond(self.request.respond(202, headers=(*contact, *silent)))
        self._news = News()
        if call is None or self._silent:
            self._news.over = True
            return
        self._until = call.agent.reactor.seconds() + seconds
        self.report(100)

    def refuse(self, failure: CallFailed | None = None) -> None:
        """Nobody is called; failure: 603 if None. Decided already: nothing."""
        transaction = self._settled()
        onRefused, self.onRefused = self.onRefused, _nobody
        if transaction is not None:
            transaction.respond(refused(self.request, failure or CallRejected()))
            onRefused()

    def report(self, code: int) -> None:
        """How the call of the target stands: 100 to 199, then one of 200 to 699, its last."""
        if self._news is not None:
            self._notify(self._news.came(code))

    def callLeft(self, byTheFarEnd: bool) -> None:
        """The call of the REFER is over: no NOTIFY any more.

        A far end that hangs up right behind its REFER still wants it to be followed.
        """
        self._call = None
        if self._news is not None:
            self._news.over = True
        if not byTheFarEnd:
            self.refuse()

    def _settled(self) -> ServerTransaction | None:
        """The transaction, once."""
        transaction, self._transaction = self._transaction, None
        if self._limit.active():
            self._limit.cancel()
        return transaction

    def _notify(self, code: int | None) -> None:
        call = self._call
        if code is None or call is None or call.dialog is None or call.peer is None:
            return
        left = max(1, round(self._until - call.agent.reactor.seconds()))
        state = f"active;expires={left}" if code < 200 else "terminated;reason=noresource"
        notify = call.dialog.request(
            "NOTIFY",
            call.contact,
            (("Event", self._event), ("Subscription-State", state)),
            f"SIP/2.0 {code} {reasonPhrase(code)}\r\n".encode(),
            FRAGMENT,
        )
        outcome = call.agent.ask(call.dialog, notify, call.peer, call.findings, call.account)
        outcome.addCallbacks(self._answered, self._lost)

    def _answered(self, response: Response) -> None:
        """481 and other refusals mean that the far end wants to hear no more."""
        if self._news is not None:
            self._notify(self._news.answered(response.code < 300))

    def _lost(self, failure: Failure) -> None:
        failure.trap(CallFailed)
        call = self._call
        if call is not None:
            call.log.info(
                "call {callID}: NOTIFY was not confirmed: {cause}",
                callID=call.callID,
                cause=shown(failure.getErrorMessage()),
            )
        if self._news is not None:
            self._news.answered(False)


def _nobody() -> None:
    """Hears nothing."""
