"""A call that goes out (RFC 3261 13.2): targets, INVITE, early dialogs, the first 2xx.

Lives here: what only the calling side does: the next INVITE after a redirection, a challenge or a
host that does not answer, too. Not here: what both do (call.py), which address and which words
(dialling.py, targets.py), credentials (credentials.py), ACKs for repeats of a 2xx
(sip.transactions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.agent.call import Call, Parting
from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.agent.credentials import Account, Asked, NoAnswer
from shtoom.agent.dialling import Dialling, readable, refusedBy
from shtoom.agent.hangup import Action, CallState, Happening
from shtoom.agent.sessiontimer import MOST_RAISES, raisedBy, withSession
from shtoom.agent.targets import Targets
from shtoom.exceptions import (
    CallFailed,
    CallNotAnswered,
    InvalidSIPURL,
    NotAcceptable,
    TransportFailed,
    bare,
)
from shtoom.sip.body import sdpBody
from shtoom.sip.dialog import Dialog
from shtoom.sip.shown import shown
from shtoom.sip.transactions import IClientTransactionUser
from shtoom.sip.transport import Peer

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall

    from shtoom.agent.agent import UserAgent
    from shtoom.agent.fork import Flow
    from shtoom.sip.message import Message, Request, Response
    from shtoom.sip.resolver import Place
    from shtoom.sip.transactions import ClientTransaction
    from shtoom.sip.uri import URI

MAX_FORKS = 32
"""Early dialogs of one call; what a response of one more To tag says is not kept."""

UNDECIDED = (CallState.RESOLVING, CallState.CALLING, CallState.PROCEEDING)
"""The states in which another address may be tried."""


class Early(NamedTuple):
    """One early dialog (12.1.2), and the description that came in it."""

    dialog: Dialog
    sdp: bytes | None


@implementer(IClientTransactionUser)
class AfterTheCall:
    """Hears, in place of a call that is over, of phones that answer too late (13.2.2.4).

    It knows no more than it needs, for the half minute that the transaction lives on.
    """

    __slots__ = ("_agent", "_peer")

    def __init__(self, agent: UserAgent, peer: Peer) -> None:
        self._agent, self._peer = agent, peer

    def responseReceived(self, response: Response) -> None:
        """A 2xx of another fork."""
        self._agent.leaveFork(response, None, self._peer)

    def transactionFailed(self, failure: CallFailed) -> None:
        """Of no interest: the call is over."""


@implementer(IClientTransactionUser)
class OutboundCall(Call):
    """A call to somebody. localSDP: our offer. remoteSDP: None until it is answered.

    answer: the 2xx, None before. Made by UserAgent.placeCall; everything, bad addresses included,
    begins on the next turn.
    """

    __slots__ = (
        "_asked",
        "_byTCP",
        "_dialling",
        "_early",
        "_flow",
        "_hop",
        "_peers",
        "_raises",
        "_resolving",
        "_route",
        "_targets",
        "_timer",
        "_transaction",
        "answer",
    )

    direction = "outbound"

    def __init__(
        self,
        agent: UserAgent,
        sdp: bytes,
        user: ICallUser,
        dialling: Dialling,
        account: Account | None = None,
        *,
        flow: Flow | None = None,
    ) -> None:
        super().__init__(agent, agent.newCallID(), CallState.RESOLVING)
        self.user, self.localSDP, self._dialling = user, sdp, dialling
        self.account = account
        self.answer: Response | None = None
        self._targets: Targets | None = None
        self._peers: list[Peer] = []  # where the current target leads, beside the one in use
        self._flow = flow
        self._route: tuple[str, ...] = ()  # of the current target
        self._hop: URI | None = None  # what has led to the peer in use; None for a flow
        self._byTCP: Peer | None = None  # where an INVITE too large for UDP has gone instead
        self._asked = Asked()
        self._raises = 0  # of its session's interval
        self._transaction: ClientTransaction | None = None
        self._early: dict[str, Early] = {}
        self._resolving: Deferred[list[Place]] | None = None
        self._timer: IDelayedCall = agent.reactor.callLater(0, self._dial)

    # The way to the INVITE

    def _dial(self) -> None:
        self._timer = self.agent.reactor.callLater(self._dialling.timeout, self._notAnswered)
        try:
            self._targets = Targets(self._dialling.target())
        except InvalidSIPURL as failure:
            self._failed(failure)
            return
        self._tryNext(CallFailed("nothing was dialled"))

    def _tryNext(self, failure: CallFailed) -> None:
        """The next target; if there is none the call has failed."""
        target = self._targets.next() if self._targets is not None else None
        if target is None or self.state not in UNDECIDED or failure.sipCode >= 600:
            self._failed(failure)
            return
        self.state = CallState.RESOLVING
        flow, self._flow, self._route = self._flow, None, ()
        refusal = self.agent.mayDial(target) if flow is None else None  # a phone of ours
        if refusal is not None:
            self._tryNext(refusal)
            return
        self._hop = target if flow is None else None
        if flow is not None:  # what a redirection names is looked up as usual
            self._peers, self._route = [flow.peer, *flow.elsewhere], flow.route
            self._resolved([], target)
            return
        resolving = self._resolving = self.agent.resolver.resolve(target, self.agent.transportNames)
        resolving.addCallbacks(self._resolved, self._unresolved, callbackArgs=(target,))
        resolving.addErrback(self.crashed)

    def _resolved(self, places: list[Place], target: URI) -> None:
        self._resolving = None
        self._peers += self.agent.peersAt(target, places)
        if self.account is not None and self._targets and target is self._targets.dialled:
            for peer in self._peers:
                self.account.trust(peer)
        if self._peers:
            self._invite(target, self._peers.pop(0))
            return
        wanted = ", ".join(sorted({name for _, _, name in places}))
        self._tryNext(
            TransportFailed(f"{shown(target)}: no {shown(wanted)} transport is open here")
        )

    def _unresolved(self, failure: Failure) -> None:
        self._resolving = None
        if failure.check(CancelledError) is None:  # else the call has ended meanwhile
            if not isinstance(failure.value, CallFailed):
                failure.raiseException()
            self._tryNext(failure.value)

    def _invite(self, target: URI, peer: Peer) -> None:
        """INVITE to that target at that place: the first one, or as the one before (8.1.3.4)."""
        self.peer = peer
        self._asked = Asked()
        before = self.request
        try:
            host, port = peer.transport.sentBy(peer.address[0])
            caller = (
                self._dialling.caller(host, port, self.agent.newTag())
                if before is None
                else before.fromAddress
            )
            self.contact = self.agent.contactFor(peer, caller.uri.user)
        except InvalidSIPURL as failure:  # a broken fromURI
            self._failed(failure)
            return
        except CallFailed as failure:  # no way there from here
            self._tryNext(failure)
            return
        if before is None:
            invite = self._dialling.invite(
                target,
                caller,
                callID=self.callID,
                contact=self.contact,
                product=self.agent.product,
                sdp=self.localSDP or b"",
            )
            request = withSession(invite, self.agent.sessionPolicy)
        else:
            request = _numbered(before).withURI(target).replacing("Contact", self.contact)
            request = request.without("Route")
        for value in self._route:
            request = request.adding("Route", value)
        self._send(request, peer)

    def _send(self, request: Request, peer: Peer) -> None:
        self._early.clear()
        if self.account is not None:
            request = self.account.sign(request, peer)
        self.request = request
        self.state = CallState.CALLING
        big = self.agent.bigRequests
        self._byTCP = big.instead(request, peer, self._hop) if self._hop is not None else None
        self._transaction = self.agent.layer.sendRequest(request, self._byTCP or peer, self)

    # What comes back (IClientTransactionUser)

    def responseReceived(self, response: Response) -> None:
        """A response to the INVITE: provisional, 2xx (perhaps of several forks), a refusal."""
        response = readable(response, self.findings)
        try:
            if response.code < 200:
                self._provisional(response)
            elif response.code >= 300:
                self._refused(response)
            elif self.dialog is None:
                self._success(response)
            elif response.toAddress.tag != self.dialog.remoteTag and self.peer is not None:
                self.agent.leaveFork(response, self.request, self.peer, self.account)
            # else: our ACK is on its way
        except Exception:
            self.crashed(Failure())

    def transactionFailed(self, failure: CallFailed) -> None:
        """No answer from that target, or no way to it: the next one, if any (RFC 3263 4.3)."""
        byTCP, self._byTCP = self._byTCP, None
        if self.state is not CallState.CALLING:
            self._failed(failure)
        elif byTCP and self.request and self.peer and isinstance(failure, TransportFailed):
            self.agent.bigRequests.failed(self.request, byTCP, failure)
            self._send(_numbered(self.request), self.peer)
        else:
            self._nextPlace(failure)

    def _nextPlace(self, failure: CallFailed) -> None:
        """The next address that the target's host has; else the next target."""
        if not self._peers or self._targets is None:
            self._tryNext(failure)
            return
        self.log.info(
            "call {callID}: {failure}; trying the next address",
            callID=self.callID,
            failure=failure.reason,
        )
        self._invite(self._targets.current, self._peers.pop(0))

    def _refused(self, response: Response) -> None:
        """300 to 699: the end, unless there is somewhere else to go, or a password to give."""
        remark = None
        if self.state in UNDECIDED and self._targets is not None:
            if response.code in (401, 407) and self.account is not None:
                remark = self._challenged(response, self.account)
                if remark is None:
                    return
            elif response.code == 422 and self._raised(response):
                return
            elif response.code < 400:
                remark = self._targets.redirected(response)
                self._peers.clear()
            elif response.code == 503:  # RFC 3263 4.3
                self._nextPlace(refusedBy(response))
                return
        failure = refusedBy(response, remark)
        if self.state in UNDECIDED:
            self._peers.clear()
            self._tryNext(failure)
        else:
            self._failed(failure)

    def _challenged(self, response: Response, account: Account) -> str | None:
        """The INVITE once more, with credentials (22.2); says why if they are not given."""
        if self.request is None or self.peer is None:
            return None
        try:
            account.challenged(response, self.peer, self._asked)
        except NoAnswer as why:
            return str(why)
        self._send(_numbered(self.request), self.peer)
        return None

    def _raised(self, response: Response) -> bool:
        """Once more with the interval that a 422 asks for (RFC 4028 7.3), if that is more."""
        if self.request is None or self.peer is None or self._raises >= MOST_RAISES:
            return False
        request = raisedBy(response, self.request)
        if request is None:
            return False
        self._raises += 1
        self._send(_numbered(request), self.peer)
        return True

    def _provisional(self, response: Response) -> None:
        if self.state is CallState.CALLING:
            self.state = CallState.PROCEEDING
        if response.code > 100 and response.toAddress.tag:
            self._remember(response.toAddress.tag, response)
        self.leave(Happening.PROVISIONAL, CallEnding("cancelled", None, False))
        if self.user is not None:
            self.tell(self.user.callProgress, response)

    def _remember(self, tag: str, response: Response) -> None:
        """An early dialog for each To tag (12.1.2); its last description counts."""
        known, sdp = self._early.get(tag), sdpBody(response)
        if known is not None:
            self._early[tag] = Early(known.dialog, sdp or known.sdp)
        elif len(self._early) < MAX_FORKS:
            dialog = Dialog.forUAC(self.request, response)
            self._early[tag] = Early(dialog, sdp)
            self.agent.bind(dialog.key, self)

    def _success(self, response: Response) -> None:
        """The first 2xx: its dialog is the call's (13.2.2.4)."""
        self.answer = response
        early = self._early.get(response.toAddress.tag or "")
        if early is None:
            dialog = Dialog.forUAC(self.request, response)
        else:
            dialog = early.dialog
            dialog.confirm(response)
        self.dialog = dialog
        self.agent.bind(dialog.key, self)
        self.remoteSDP = sdpBody(response) or (early.sdp if early is not None else None)
        if self.state not in (CallState.CALLING, CallState.PROCEEDING):
            self.leave(Happening.SUCCESS, CallEnding("cancelled", None, False))
        elif self.remoteSDP is None:
            reason = f"the {response.code} had no session description, nor had any response before"
            self.leave(Happening.SUCCESS, NotAcceptable(reason))
        else:
            self._stopTimer()
            self.state = CallState.CONFIRMED
            self._acknowledge(dialog)
            if self.session is not None:
                self.session.accepted(response)
            if self.user is not None:
                self.tell(self.user.callAnswered)

    def _acknowledge(self, dialog: Dialog) -> None:
        if self.peer is not None and self.request is not None:
            self.agent.acknowledge(dialog, self.request, self.peer, self.findings, self.account)

    def _failed(self, failure: CallFailed) -> None:
        self.failure = bare(failure)
        self.leave(Happening.REFUSED, failure)

    # The way out

    def act(self, action: Action, parting: Parting) -> None:
        """CANCEL, and the ACK before a BYE, are what only the calling side does."""
        self._stopTimer()
        if action is Action.CANCEL and self._transaction is not None:
            self.agent.cancel(self._transaction, self.callID, parting.headers)
        elif action is Action.ACK_AND_BYE and self.dialog is not None:
            self._acknowledge(self.dialog)
            self.sendBye(parting)
        else:
            super().act(action, parting)

    def _notAnswered(self) -> None:
        waited = f"within {self._dialling.timeout:g} s"
        reason = f"no answer {waited}"
        if self._resolving is not None and self._hop is not None:
            reason = f"{shown(self._hop.host)} was not found {waited} (DNS: NAPTR, SRV, A, AAAA)"
        self.leave(Happening.HANGUP, CallNotAnswered(reason))

    def cleanUp(self) -> None:
        """Lets go of timer, resolver and transaction."""
        self._stopTimer()
        if self._resolving is not None:
            resolving, self._resolving = self._resolving, None
            resolving.cancel()
        transaction, self._transaction = self._transaction, None
        if transaction is not None and transaction.user is self:
            transaction.user = AfterTheCall(self.agent, transaction.peer)
        self._early.clear()
        self.account = self.answer = None
        super().cleanUp()

    def _stopTimer(self) -> None:
        if self._timer.active():
            self._timer.cancel()

    # Who the peer is

    @property
    def introduction(self) -> Message | None:
        """As Call has it."""
        return self.answer

    # Inside an early dialog

    def dialogOf(self, request: Request) -> Dialog | None:
        """Before the answer there may be several."""
        if self.dialog is not None:
            return self.dialog
        early = self._early.get(request.fromAddress.tag or "")
        return early.dialog if early is not None else None


def _numbered(invite: Request) -> Request:
    """The same INVITE for another transaction: the next CSeq, all else as it was."""
    return invite.replacing("CSeq", f"{invite.cseq.number + 1} INVITE")
