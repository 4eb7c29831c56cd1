"""A call: the INVITE usage of a dialog, whoever began it (RFC 3261 12 to 15).

Lives here: what both directions have in common: state, the way out (by the table of hangup.py),
requests inside the dialog, and the guard around the user's callbacks.
Not here: answering (inbound.py), dialling (outbound.py), offers inside a call (reoffer.py and
reinvite.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar, Concatenate, NamedTuple, ParamSpec

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.agent.extraheaders import extraHeaders
from shtoom.agent.hangup import Action, CallState, Happening, whatNow
from shtoom.agent.options import capabilities
from shtoom.agent.refreshing import Refreshing
from shtoom.agent.reinvite import LOST
from shtoom.agent.reoffer import Reoffers
from shtoom.agent.transfer import Transfer, referReceived
from shtoom.exceptions import CallFailed, CallNotAnswered, MalformedMessage, bare
from shtoom.sip.body import bodyParts
from shtoom.sip.dialog import OutOfOrder
from shtoom.sip.keyinfo import KEY_BODIES, parseKeyInfo
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.credentials import Account
    from shtoom.sip.dialog import Dialog
    from shtoom.sip.message import Message, Request, Response
    from shtoom.sip.transactions import ServerTransaction
    from shtoom.sip.transport import Peer

__all__ = ["Call", "CallEnding", "CallState", "HeaderLines", "ICallUser"]

P = ParamSpec("P")
HeaderLines = Iterable[tuple[str, str]]


class Parting(NamedTuple):
    """What goes with the message that ends a call."""

    headers: tuple[tuple[str, str], ...]
    refusal: CallFailed


class Call:
    """One call. UserAgent makes its two kinds, InboundCall and OutboundCall.

    callID: the Call-ID. direction: "inbound" or "outbound". request: the INVITE that began it, None
    before it was sent. dialog: None for an outbound call that nobody answered yet.
    localSDP, remoteSDP: the session descriptions in force, None while there is none.
    peer: where the far end's last message came from; requests in the dialog go there if its Contact
    cannot be reached. contact: our Contact header's value. user: told what happens (ICallUser).
    findings: what was odd about the signalling, in words with the remedy, for the call's verdict.
    unacknowledged: that no ACK came to a 200 of ours, and for how long it was waited for.
    account: who we are to the host dialled, None if it was told no password.
    session: its session timer, None once it is left. failure: why a call of ours came to nothing,
    in the far end's words; None for any other. transfer: the far end's last REFER, None before.
    """

    __slots__ = (
        "__weakref__",
        "_gone",
        "_parting",
        "account",
        "agent",
        "callID",
        "contact",
        "dialog",
        "failure",
        "findings",
        "localSDP",
        "peer",
        "remoteSDP",
        "reoffers",
        "request",
        "session",
        "state",
        "transfer",
        "unacknowledged",
        "user",
    )

    direction: ClassVar[str]
    log: ClassVar[Logger] = Logger()

    def __init__(self, agent: UserAgent, callID: str, state: CallState) -> None:
        self.agent, self.callID, self.state = agent, callID, state
        self.user: ICallUser | None = None
        self.request: Request | None = None
        self.dialog: Dialog | None = None
        self.peer: Peer | None = None
        self.contact = ""
        self.localSDP: bytes | None = None
        self.remoteSDP: bytes | None = None
        self.findings: list[str] = []
        self.failure: CallFailed | None = None
        self.unacknowledged = ""
        self.account: Account | None = None
        self.reoffers: Reoffers | None = Reoffers(self)
        self.session: Refreshing | None = Refreshing(self)
        self.transfer: Transfer | None = None
        self._gone: list[Deferred[None]] = []
        self._parting: Parting | None = None

    # The way out

    def hangup(self, headers: HeaderLines = ()) -> Deferred[None]:
        """Leaves the call, whatever its state; the table of hangup.py says how. Idempotent.

        headers: for the BYE or the final response, such as Reason (RFC 3326). The user's
        callEnded is called before this returns; the Deferred fires with None when the far end has
        confirmed or will not any more, after 64*T1 at the latest (twice that, if the ACK of our 200
        is still to come). Raises ValueError for CR, LF or NUL in a header.
        """
        ending = CallEnding("hung up on this side", None, False)
        self.leave(Happening.HANGUP, ending, headers=headers)
        return self.whenGone()

    def whenGone(self) -> Deferred[None]:
        """Fires with None when nothing of the call is left; at once if that is so already."""
        if self.state is CallState.ENDED:
            return succeed(None)
        gone: Deferred[None] = Deferred()
        self._gone.append(gone)
        return gone

    def leave(
        self,
        happening: Happening,
        ending: CallEnding | CallFailed,
        *,
        headers: HeaderLines = (),
        refusal: CallFailed | None = None,
    ) -> None:
        """Something bears on the end: does what the table says of it, and tells the user.

        ending: what the user hears; a CallFailed goes to callRejected. refusal: what a caller who
        still waits is answered, 480 if None. Where the table has no row nothing happens.
        """
        lines = tuple(extraHeaders(headers))
        step = whatNow(self.state, happening)
        if step is None:
            return
        if self._parting is None:
            refusal = refusal or CallNotAnswered("Unavailable", 480)
            self._parting = Parting(lines, bare(refusal))
            self.log.debug(
                "call {callID} ({direction}) is left in state {state}: {ending}",
                callID=self.callID,
                direction=self.direction,
                state=self.state.name,
                ending=shown(ending.reason),
            )
        self.state = step.state
        if self.reoffers is not None:
            reoffers, self.reoffers = self.reoffers, None
            reoffers.stop()
        if self.session is not None:
            self.session.stop()
            self.session = None
        if self.transfer is not None:
            self.transfer.callLeft(happening is Happening.BYE)
            self.transfer = None
        self.act(step.action, self._parting)
        self._tellEnd(ending)
        if step.state is CallState.ENDED:
            self.cleanUp()

    def act(self, action: Action, parting: Parting) -> None:
        """Does what the table says; the two directions add what only they do."""
        if action is Action.BYE:
            self.sendBye(parting)

    def sendBye(self, parting: Parting) -> None:
        """BYE on the call's dialog; any outcome of it is the end (RFC 3261 15.1.1)."""
        if self.dialog is None or self.peer is None:
            raise RuntimeError(f"call {self.callID} has no dialog to send a BYE in")
        bye = self.dialog.request("BYE", None, parting.headers)
        outcome = self.agent.ask(self.dialog, bye, self.peer, self.findings, self.account)
        outcome.addBoth(self._byeDone)

    def sendInfo(self, contentType: str, body: bytes) -> Deferred[Response]:
        """INFO inside the call (RFC 6086); fires with its final response, whatever that is.

        Fails with TransactionTimeout or TransportFailed, with CallFailed if the call is not up.
        """
        if self.dialog is None or self.peer is None or self.reoffers is None:
            return fail(CallFailed("INFO needs a call that is up", 481))
        info = self.dialog.request("INFO", None, (), body, contentType)
        return self.agent.ask(self.dialog, info, self.peer, self.findings, self.account)

    def reoffer(self, offer: bytes | Callable[[], bytes], ifLost: str = LOST) -> Deferred[bytes]:
        """Offers another description (re-INVITE, 14.1); fires with the far end's answer.

        offer: it, or what makes it, called at each sending. Where both sides do so at once it is
        tried again; it waits for the end of an offer of the far end. Fails with CallFailed: 491 if
        another offer of ours is under way, 481 if the call is not up; the far end's refusal, with
        which the call goes on as it was; the end of the call, which no answer at all is as well:
        for the reason ifLost.
        """
        if self.reoffers is None:
            return fail(CallFailed("an offer needs a call that is up", 481))
        makeOffer = (lambda: offer) if isinstance(offer, bytes) else offer
        return self.reoffers.send(makeOffer, ifLost)

    def allows(self, method: str, *, unsaid: bool = True) -> bool:
        """May the peer be sent such a request? By the Allow of its INVITE or 2xx (RFC 3261 20.5).

        unsaid: the answer without that header, or with one that cannot be read: it has not said
        what it can do.
        """
        said = self.introduction
        if said is None or said.header("Allow") is None:
            return unsaid
        try:
            return method in said.headerValues("Allow")
        except MalformedMessage:
            return unsaid

    @property
    def introduction(self) -> Message | None:
        """The message in which the peer has told of itself, its INVITE or 2xx; None before."""
        return self.request

    def _byeDone(self, outcome: Response | Failure) -> None:
        if isinstance(outcome, Failure):
            self.log.info(
                "call {callID}: BYE was not confirmed: {cause}",
                callID=self.callID,
                cause=shown(outcome.getErrorMessage()),
            )
        self.leave(Happening.DONE, CallEnding("left", None, False))

    def cleanUp(self) -> None:
        """Nothing holds the call, and the call holds nothing, from here on."""
        self.agent.forget(self)
        gone, self._gone = self._gone, []
        for waiting in gone:
            waiting.callback(None)

    # The user

    def tell(
        self, method: Callable[Concatenate[Call, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Calls a method of the user; what it raises ends this call alone."""
        try:
            method(self, *args, **kwargs)
        except Exception:
            self.crashed(Failure())

    def crashed(self, failure: Failure) -> None:
        """An error in what serves the call: logged, and it ends (500 if unanswered, else BYE)."""
        self.log.failure("call {callID}: error while serving it", failure, callID=self.callID)
        reason = f"error in the application: {failure.getErrorMessage()}"
        self.leave(Happening.HANGUP, CallEnding(reason, 500, False), refusal=CallFailed())

    def _tellEnd(self, ending: CallEnding | CallFailed) -> None:
        user, self.user = self.user, None
        if user is None:
            return
        if isinstance(ending, CallFailed):
            self.tell(user.callRejected, ending)
        else:
            self.tell(user.callEnded, ending)

    # Inside the dialog

    def noACK(self, failure: CallFailed) -> None:
        """Nobody acknowledged a 200 of ours (RFC 3261 13.3.1.4, 14.2)."""
        self.unacknowledged = failure.reason
        self.leave(Happening.NO_ACK, CallEnding(failure.reason, failure.sipCode, False))

    def refreshTarget(self, message: Request | Response) -> None:
        """A target refresh was accepted: the peer's new Contact counts (RFC 3261 12.2)."""
        if self.dialog is not None:
            self.dialog.refreshTarget(message)

    def dialogOf(self, request: Request) -> Dialog | None:
        """The dialog that the request belongs to; an outbound call may have several early ones."""
        return self.dialog

    def requestReceived(self, transaction: ServerTransaction, request: Request) -> None:
        """A request in (one of) the call's dialog(s), not ACK or CANCEL."""
        dialog = self.dialogOf(request)
        if dialog is None:
            transaction.respond(request.respond(481))
            return
        try:
            dialog.remoteRequest(request)
        except OutOfOrder as error:
            transaction.respond(request.respond(500, f"CSeq out of order: {error}"))
            return
        self.peer = transaction.peer
        if request.method == "BYE":
            self.byeReceived(transaction, request)
        elif self.reoffers is None:  # left already
            transaction.respond(request.respond(481))
        elif request.method in ("INVITE", "UPDATE"):
            self.reoffers.received(transaction, request)
        elif request.method == "OPTIONS":
            transaction.respond(capabilities(request, None))
        elif request.method == "REFER":
            referReceived(self, transaction, request)
        else:
            self._infoReceived(transaction, request)

    def _infoReceived(self, transaction: ServerTransaction, request: Request) -> None:
        """A key, or a body that need not be read; a repeat of it ends in the transaction."""
        try:
            found = (
                parseKeyInfo(part.contentType, part.content)
                for part in bodyParts(request)
                if part.contentType in KEY_BODIES
            )
            key = next(found, None)
        except MalformedMessage as error:
            transaction.respond(request.respond(400, str(error)))
            return
        transaction.respond(request.respond(200))
        if key is not None and self.user is not None:
            self.tell(self.user.infoReceived, key)

    def byeReceived(self, transaction: ServerTransaction, request: Request) -> None:
        """The far end hangs up (RFC 3261 15.1.2)."""
        transaction.respond(request.respond(200))
        cause = request.header("Reason")
        reason = f"the far end hung up ({shown(cause)})" if cause else "the far end hung up"
        refusal = CallFailed("Request Terminated", 487)
        ending = CallEnding(reason, None, True, tuple(request.headers))
        self.leave(Happening.BYE, ending, refusal=refusal)

    def cancelReceived(self, transaction: ServerTransaction) -> None:
        """A CANCEL for an INVITE inside the dialog."""
        if self.reoffers is not None:
            self.reoffers.cancelReceived(transaction)

    def ackReceived(self, request: Request) -> None:
        """An ACK inside the dialog."""
        if self.reoffers is not None:
            self.reoffers.ackReceived(request)
