"""Offers inside a call: re-INVITE and UPDATE (RFC 3261 14, RFC 3311 5.2).

Lives here: one exchange at a time; the peer's: its answer from the user, its 200 until the ACK.
Not here: the first offer and answer of a call (inbound.py, outbound.py), how ours travel
(reinvite.py), what the descriptions mean (the user).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed

from shtoom.agent.accepted import AcceptedResponse
from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState, Happening
from shtoom.agent.options import ALLOW, SUPPORTED, refused
from shtoom.agent.reinvite import Reinvite
from shtoom.agent.sessiontimer import tooBrief
from shtoom.exceptions import CallFailed
from shtoom.sip.body import sdpBody

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from shtoom.agent.call import Call, HeaderLines
    from shtoom.agent.calluser import ICallUser
    from shtoom.sip.message import Request
    from shtoom.sip.transactions import ServerTransaction


class Reoffers:
    """The offers inside one call. ours: the one that has no answer yet, None for none."""

    __slots__ = ("_accepted", "_awaitsAnswer", "_call", "_open", "_pending", "_request", "ours")

    def __init__(self, call: Call) -> None:
        self._call: Call | None = call
        self._open: ServerTransaction | None = None  # received, no final response yet
        self._request: Request | None = None
        self._pending: Deferred[bytes] | None = None  # the user's answer to it
        self._accepted: AcceptedResponse | None = None  # our 200, no ACK yet
        self._awaitsAnswer = False
        self.ours: Reinvite | None = None

    def send(self, makeOffer: Callable[[], bytes], ifLost: str) -> Deferred[bytes]:
        """Makes an offer of ours; see Call.reoffer()."""
        call = self._call
        if call is None or call.state is not CallState.CONFIRMED:
            return fail(CallFailed("an offer needs a call that is up", 481))
        if self.ours:
            return fail(CallFailed("another offer is under way", 491))
        self.ours = Reinvite(call, makeOffer, ifLost)
        answer = self.ours.answer
        self.ours.send()
        return answer

    @property
    def theirs(self) -> bool:
        """Is an offer of the peer under way?"""
        return self._open is not None or self._accepted is not None

    def received(self, transaction: ServerTransaction, request: Request) -> None:
        """A re-INVITE, or an UPDATE, in a call that goes on."""
        call = self._call
        if call is None:
            return
        sdp = sdpBody(request)
        request.contact  # noqa: B018 - one that cannot be read is refused before anything is done
        brief = tooBrief(request, call.agent.sessionPolicy)
        if brief is not None:
            transaction.respond(brief)
            return
        glare = self.ours is not None and not self.ours.waiting
        if request.method == "UPDATE" and sdp is None:  # refreshes the target, nothing else
            call.refreshTarget(request)
            headers = (("Contact", call.contact), SUPPORTED, *_session(call, request))
            transaction.respond(request.respond(200, headers=headers))
        elif self._open is not None or call.state in (CallState.TRYING, CallState.RINGING):
            wait = str(call.agent.rng.randint(0, 10))  # 14.2
            transaction.respond(request.respond(500, headers=(("Retry-After", wait),)))
        elif glare or self._accepted is not None or call.state is not CallState.CONFIRMED:
            transaction.respond(request.respond(491))
        else:
            self._ask(call, transaction, request, sdp)

    def ackReceived(self, request: Request) -> None:
        """An ACK inside the dialog, if it is that of our 200."""
        call, accepted, invite = self._call, self._accepted, self._request
        if call is None or accepted is None or invite is None:
            return
        if request.cseq.number != invite.cseq.number:
            return
        call.agent.acknowledged(accepted)
        self._accepted = self._request = None
        if not self._awaitsAnswer:
            return
        answer = sdpBody(request)
        if answer is None:
            reason = "the ACK of the re-INVITE brought no answer to our offer"
            call.leave(Happening.HANGUP, CallEnding(reason, None, False))
            return
        call.remoteSDP = answer
        if call.user is not None:
            call.tell(call.user.answerReceived, answer)

    def cancelReceived(self, transaction: ServerTransaction) -> None:
        """A CANCEL for the INVITE of that transaction; the session stays as it was (9.2)."""
        if transaction is self._open:
            self._close(487)

    def stop(self) -> None:
        """The call is left: what is open gets its final response, nothing is repeated."""
        self._close(487)
        if self.ours is not None:
            self.ours.stop()
        call, self._call = self._call, None
        accepted, self._accepted = self._accepted, None
        if call is not None and accepted is not None:
            call.agent.acknowledged(accepted)

    def _ask(
        self, call: Call, transaction: ServerTransaction, request: Request, sdp: bytes | None
    ) -> None:
        if call.user is None:
            return
        self._open, self._request = transaction, request
        pending = self._pending = _mine(call.user, call, sdp)
        pending.addCallbacks(
            self._accept, self._refuse, callbackArgs=(transaction, sdp), errbackArgs=(transaction,)
        )
        pending.addErrback(call.crashed)
        if self._open is transaction and request.method == "INVITE":
            call.agent.awaitCancel(transaction, call)
            transaction.respond(request.respond(100))

    def _accept(self, mine: bytes, transaction: ServerTransaction, theirs: bytes | None) -> None:
        call, request = self._call, self._request
        if transaction is not self._open or call is None or request is None:
            return  # cancelled, or the call has ended meanwhile
        call.refreshTarget(request)
        response = request.respond(
            200,
            headers=(("Contact", call.contact), ALLOW, SUPPORTED, *_session(call, request)),
            body=mine,
            contentType="application/sdp",
        )
        self._open = self._pending = None  # not before: what fails above is still to be answered
        call.localSDP = mine
        if theirs is not None:
            call.remoteSDP = theirs
        if request.method == "INVITE":
            self._awaitsAnswer = theirs is None
            self._accepted = AcceptedResponse(response, call.agent.timers)
            call.agent.accept(self._accepted, transaction, call.noACK)
        else:
            self._request = None
            call.agent.settle(transaction, response)

    def _refuse(self, failure: Failure, transaction: ServerTransaction) -> None:
        call, request = self._call, self._request
        if transaction is not self._open or call is None or request is None:
            return  # our own cancel() of the user's Deferred comes back here
        self._pending = None
        if not isinstance(failure.value, CallFailed):
            self._close(500)
            call.crashed(failure)
            return
        self._open = self._request = None
        call.agent.settle(transaction, refused(request, failure.value))

    def _close(self, code: int) -> None:
        """Gives the open request that final response; its answer is no longer wanted."""
        call, transaction, request, pending = self._call, self._open, self._request, self._pending
        self._open = self._pending = None
        if call is None or transaction is None or request is None:
            return
        self._request = None
        call.agent.settle(transaction, request.respond(code))
        if pending is not None:
            pending.cancel()


def _session(call: Call, request: Request) -> HeaderLines:
    """Of the session timer, for the 2xx to that request."""
    up = call.session is not None and call.state in (CallState.ANSWERED, CallState.CONFIRMED)
    return call.session.accept(request) if call.session is not None and up else ()


def _mine(user: ICallUser, call: Call, theirs: bytes | None) -> Deferred[bytes]:
    """The user's answer, or offer, whether it has it ready or not."""
    try:
        mine = user.offerReceived(call, theirs)
    except Exception:
        return fail()
    return mine if isinstance(mine, Deferred) else succeed(mine)
