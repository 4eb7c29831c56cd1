"""An offer of ours inside a call: re-INVITE (RFC 3261 14.1).

Lives here: one of them, from its sending to its answer, once more where both sides ask at the same
time. Not here: offers of the peer (reoffer.py), what the descriptions mean (who asks for it).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.agent.calluser import CallEnding
from shtoom.agent.credentials import Asked, NoAnswer
from shtoom.agent.dialling import readable, refusedBy
from shtoom.agent.hangup import CallState, Happening
from shtoom.agent.options import ALLOW, SUPPORTED
from shtoom.exceptions import CallFailed
from shtoom.sip.body import sdpBody
from shtoom.sip.states import State
from shtoom.sip.transactions import IClientTransactionUser

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from shtoom.agent.call import Call
    from shtoom.sip.message import Request, Response
    from shtoom.sip.transactions import ClientTransaction
    from shtoom.sip.transport import Peer

MOST_TRIES = 5
"""How often one offer is made where the far end asks to wait; after that it is given up."""

LOST = "the far end knows no such call any more"
"""Why a call is over whose far end did not answer, or answered so:"""

OVER = (408, 481)
"""Refusals that say that the far end has no such call any more (14.1, 12.2.1.2)."""


@implementer(IClientTransactionUser)
class Reinvite:
    """One offer. makeOffer: called at each sending, so that it follows what was agreed on last.

    answer: fires with the far end's description.

    It fails with CallFailed: the far end's refusal, after which the call is as it was, or the end
    of the call, be it for no answer at all.
    """

    __slots__ = (
        "_asked",
        "_call",
        "_ifLost",
        "_limit",
        "_makeOffer",
        "_peer",
        "_request",
        "_sdp",
        "_timer",
        "_transaction",
        "_tries",
        "answer",
    )

    def __init__(self, call: Call, makeOffer: Callable[[], bytes], ifLost: str = LOST) -> None:
        self._call, self._ifLost = call, ifLost
        self._makeOffer: Callable[[], bytes] | None = makeOffer  # None when it is over
        self._sdp = b""
        self._asked = Asked()
        self._tries = 0
        self._peer: Peer | None = None
        self._request: Request | None = None
        self._timer: IDelayedCall | None = None
        self._transaction: ClientTransaction | None = None  # until it is cancelled
        self._limit: IDelayedCall | None = None  # of a far end that says 1xx and no more
        self.answer: Deferred[bytes] = Deferred()

    @property
    def waiting(self) -> bool:
        """Is it to be sent again later? The far end may make its own offer meanwhile."""
        return self._timer is not None

    def send(self) -> None:
        """The INVITE, in the call's dialog."""
        call = self._call
        self._timer = None
        if call.dialog is None or call.peer is None or self._makeOffer is None:
            self._failed(CallFailed("the call has no dialog", 481))
            return
        if call.reoffers is not None and call.reoffers.theirs:
            self._later(call.agent.timers.t1)
            return
        try:
            self._sdp = self._makeOffer()
        except Exception:
            call.crashed(Failure())
            return
        self._tries += 1
        session = () if call.session is None else call.session.lines()
        headers = (ALLOW, SUPPORTED, *session)
        self._request = call.dialog.request(
            "INVITE", call.contact, headers, self._sdp, "application/sdp"
        )
        found = call.agent.nextPeer(call.dialog, call.peer, call.findings)
        found.addCallback(self._sendTo)
        found.addErrback(call.crashed)

    def stop(self) -> None:
        """The call is left; what still comes is acknowledged, and means nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._failed(CallFailed("the call is over", 487))
        self._cancel()

    def responseReceived(self, response: Response) -> None:
        """From the transaction."""
        response = readable(response, [])
        code = response.code
        if code < 200:
            self._provisional()
        elif code < 300:
            self._accepted(response)
        elif self.answer.called:
            return  # stopped: the layer has acknowledged it
        elif code in (401, 407) and self._challenged(response):
            return
        elif code == 422 and self._call.session and self._call.session.raised(response):
            self._later(0)  # once more, with the interval that was asked for (RFC 4028 7.3)
        elif self._tries < MOST_TRIES and (wait := self._waitFor(response)) is not None:
            self._later(wait)
        elif code in OVER:
            self._lost(refusedBy(response))
        else:
            self._failed(refusedBy(response))

    def transactionFailed(self, failure: CallFailed) -> None:
        """No answer within 64*T1, or no way there."""
        if not self.answer.called:
            self._lost(failure)

    def _sendTo(self, peer: Peer) -> None:
        call, request = self._call, self._request
        if request is None or self.answer.called:
            return
        self._peer = peer
        if call.account is not None:
            request = self._request = call.account.sign(request, peer)
        self._transaction = call.agent.layer.sendRequest(request, peer, self)

    def _provisional(self) -> None:
        """Timer B is off: a far end that says nothing more is cancelled after as long (9.1)."""
        if self.answer.called:
            self._cancel()
        elif self._limit is None:
            agent = self._call.agent
            self._limit = agent.reactor.callLater(agent.timers.patience, self._cancel)

    def _cancel(self) -> None:
        """What is under way has a final response then, or 64*T1 to its end."""
        self._stopLimit()
        transaction = self._transaction
        if transaction is not None and transaction.state is State.PROCEEDING:
            self._transaction = None
            self._call.agent.cancel(transaction, self._call.callID)

    def _stopLimit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None and limit.active():
            limit.cancel()

    def _accepted(self, response: Response) -> None:
        call, request = self._call, self._request
        if call.dialog is None or self._peer is None or request is None:
            return
        if not self.answer.called:
            call.dialog.refreshTarget(response)
        call.agent.acknowledge(call.dialog, request, self._peer, call.findings, call.account)
        if self.answer.called:
            return  # stopped
        if call.session is not None:
            call.session.accepted(response)
        sdp = sdpBody(response)
        if sdp is None:
            self._failed(CallFailed(f"the {response.code} had no session description", 488))
            return
        call.localSDP, call.remoteSDP = self._sdp, sdp
        self._over()
        self.answer.callback(sdp)

    def _later(self, seconds: float) -> None:
        self._stopLimit()
        self._timer = self._call.agent.reactor.callLater(seconds, self.send)

    def _challenged(self, response: Response) -> bool:
        """The same once more with credentials (22.2); False if there are none to give."""
        call, request, peer = self._call, self._request, self._peer
        if call.account is None or call.dialog is None or request is None or peer is None:
            return False
        try:
            call.account.challenged(response, peer, self._asked)
        except NoAnswer as why:
            call.findings.append(f"a re-INVITE was refused with {response.code}: {why}")
            return False
        self._request = call.dialog.renumbered(request)
        self._sendTo(peer)
        return True

    def _waitFor(self, response: Response) -> float | None:
        """Seconds until it is sent again; None for a refusal that is meant.

        Two offers at the same time: whoever has made the Call-ID waits longer, so that the two do
        not meet again (14.1). A 500 with Retry-After: the far end has one of its own under way.
        """
        chance = self._call.agent.rng
        if response.code == 491:
            if self._call.direction == "outbound":
                return chance.randint(210, 400) / 100
            return chance.randint(0, 200) / 100
        after = (response.header("Retry-After") or "").partition(";")[0].strip()
        if response.code == 500 and after.isascii() and after.isdigit() and len(after) < 3:
            return float(after)
        return None

    def _lost(self, failure: CallFailed) -> None:
        """Nobody is there who knows the call: it ends (14.1)."""
        reason = f"{self._ifLost}: {failure.reason}"
        self._over()
        if self._call.state is CallState.CONFIRMED:
            self._call.leave(Happening.HANGUP, CallEnding(reason, failure.sipCode, False))
        self._failed(failure)

    def _failed(self, failure: CallFailed) -> None:
        self._over()
        if not self.answer.called:
            self.answer.errback(failure)

    def _over(self) -> None:
        self._stopLimit()
        self._makeOffer = None  # a transaction that lives on is not to hold on to who asked
        if self._call.reoffers is not None:
            self._call.reoffers.ours = None
