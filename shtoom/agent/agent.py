"""The user agent: who we are on the network, and which call a request is for.

Lives here: the listening side (new calls, requests for known dialogs, ACK, CANCEL), placing calls,
OPTIONS, shutdown. Not here: what a call does (call.py and its two directions), which new ones are
taken (policy.py), what calls need to reach the network (lines.py), matching of transactions (sip).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from shtoom.agent.calluser import CallEnding
from shtoom.agent.credentials import accountOf
from shtoom.agent.dialling import Dialling
from shtoom.agent.hangup import Happening
from shtoom.agent.inbound import InboundCall
from shtoom.agent.lines import Lines
from shtoom.agent.options import capabilities, refusal, refused
from shtoom.agent.outbound import OutboundCall
from shtoom.agent.policy import CallPolicy
from shtoom.agent.sessiontimer import SessionPolicy, tooBrief
from shtoom.exceptions import CallFailed, MalformedMessage, Refusal, ServiceUnavailable
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.shown import shown
from shtoom.sip.timers import DEFAULT_TIMERS, Timers
from shtoom.sip.transactions import ITransactionUser
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from shtoom.agent.call import Call
    from shtoom.agent.calluser import ICallUser
    from shtoom.agent.fork import Flow
    from shtoom.agent.registrar import Registrar
    from shtoom.agent.registration import Registration
    from shtoom.sip.message import Request, Response
    from shtoom.sip.resolver import Resolver
    from shtoom.sip.transactions import ServerTransaction
    from shtoom.sip.transport import Peer
    from shtoom.sip.uri import URI


class IUserAgentUser(Interface):
    """Who takes the calls that come in."""

    def callReceived(call: InboundCall) -> None:  # noqa: N805
        """A new call; 100 was sent. Sets call.user, and calls ring(), answer() or reject().

        Raises CallFailed to refuse: that is its final response. Any other exception, and a call
        left without a user, is answered 500. A call.user already set hears callEnded then.
        """


@implementer(ITransactionUser)
class UserAgent(Lines):
    """One user agent on any number of transports.

    user: takes the calls that come in. rng: makes tags, Call-IDs and branches; a seeded one makes
    a run repeatable. product: for the User-Agent header. layer: what transports deliver to.
    calls: those that are not over. policy: which new ones are taken; everybody's, if None.
    registrations: those of ours that go on.
    registrar: where phones register; None refuses them (405). onRegister: told after each
    REGISTER that it has answered. onSeen: told when a registrar of ours has seen us at another
    address than before. admit: asked of each INVITE and OPTIONS outside of dialogs that the policy
    would take, and of each REGISTER; what it returns is what they get.
    refusals: how many new calls were refused, by the policy's rule, else by SIP code.
    mayDial: asked before each address that a call of ours goes to, the targets of redirections
    included; what it returns is why it may not. sessionPolicy: of session timers (RFC 4028).
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        user: IUserAgentUser,
        *,
        resolver: Resolver,
        rng: Random,
        timers: Timers = DEFAULT_TIMERS,
        product: str = "Doug/0.1",
        policy: CallPolicy | None = None,
    ) -> None:
        super().__init__(reactor, self, resolver, rng, timers)
        self.user, self.product = user, product
        self.sessionPolicy = SessionPolicy()
        self.policy = policy if policy is not None else CallPolicy(rng)
        self._quietLog = QuietLog(self.log, reactor.seconds)
        self._toldRegister = False
        self.refusals: Counter[str] = Counter()
        self.mayDial: Callable[[URI], CallFailed | None] = lambda uri: None
        self.registrar: Registrar | None = None
        self.registrations: set[Registration] = set()
        self.layer.onFlowLost = self._flowLost
        self.onRegister: Callable[[], None] = lambda: None
        self.onSeen: Callable[[Registration], None] = lambda registration: None
        self.admit: Callable[[Request, Peer], Response | None] = lambda request, peer: None

    def placeCall(
        self,
        toURI: str,
        sdp: bytes,
        user: ICallUser,
        *,
        fromURI: str | None = None,
        displayName: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        timeout: float = 60.0,
        auth: tuple[str, str] | None = None,
        realm: str | None = None,
        flow: Flow | None = None,
    ) -> OutboundCall:
        """Dials. sdp: our offer. timeout: seconds to answer. headers: added to the INVITE.

        fromURI: a URI, "Name" <URI>, or "anonymous" (with Privacy: id). auth: user and password,
        for the host of toURI alone; realm: the only one in which they are told, None for that of
        the first challenge. flow: where to send the INVITE, whatever toURI says (a phone
        that has registered here). Redirections are followed, as far as mayDial lets.

        Nothing is sent, and user hears nothing, before the next turn. A broken or unknown address
        comes to user.callRejected (InvalidSIPURL, HostNotKnown). Raises ValueError for CR, LF or
        NUL in a header or name, for a header that the user agent writes itself, for a timeout
        that is not above 0, and for an auth that is no such pair.
        """
        dialling = Dialling(toURI, fromURI, displayName, headers, timeout)
        call = OutboundCall(self, sdp, user, dialling, accountOf(auth, self.rng, realm), flow=flow)
        self.remember(call)
        return call

    def isWanted(self, peer: Peer) -> bool:
        """As Lines has it, or has a phone registered over it, or we?"""
        if any(registration.peer == peer for registration in self.registrations):
            return True
        registrar = self.registrar
        return super().isWanted(peer) or (registrar is not None and registrar.isReachedBy(peer))

    def _flowLost(self, peer: Peer) -> None:
        for registration in [each for each in self.registrations if each.peer == peer]:
            registration.flowLost()

    def shutdown(self) -> Deferred[None]:
        """Refuses new calls and leaves all others; fires when that is done.

        That is after 64*T1 at the latest, twice that where a 200 has no ACK yet. Then the layer is
        stopped; the transports are the caller's to close.
        """
        self.policy.draining = True
        goodbye = (("Reason", 'SIP;cause=503;text="Server shutting down"'),)  # RFC 3326
        gone = []
        for call in list(self.calls):
            gone.append(call.whenGone())
            if isinstance(call, InboundCall) and call.ringing:
                retryAfter = self.policy.retryAfter()
                call.reject(ServiceUnavailable("Server shutting down", retryAfter=retryAfter))
            else:
                call.hangup(goodbye)
        return DeferredList(gone).addCallback(self._stopLayer)

    def _stopLayer(self, _: object) -> None:
        self.stop()

    # What comes in (ITransactionUser)

    def requestReceived(self, transaction: ServerTransaction, request: Request) -> None:
        """A new request other than ACK and CANCEL; the layer answers it 400 or 500 if this raises.

        What goes wrong in a call's own request ends that call alone.
        """
        call = self.callOf(request)
        try:
            self._serve(transaction, request, call)
        except MalformedMessage:
            raise
        except Exception:
            if call is not None:
                call.crashed(Failure())
            raise

    def ackReceived(self, request: Request, peer: Peer) -> None:
        """An ACK of a 2xx; one that belongs to no call is counted and never answered."""
        call = self.callOf(request)
        if call is None:
            self.strayACKs += 1
            return
        try:
            call.ackReceived(request)
        except MalformedMessage as error:  # its body, where that has the answer to our offer
            reason = f"the ACK cannot be read: {error}"
            call.leave(Happening.HANGUP, CallEnding(reason, None, False))
        except Exception:
            call.crashed(Failure())

    def cancelReceived(self, transaction: ServerTransaction) -> None:
        """A CANCEL, answered by the layer already, for the INVITE of that transaction (9.2)."""
        call = self.cancellable.get(transaction)
        if call is None:
            return  # it has its final response: no effect
        try:
            call.cancelReceived(transaction)
        except Exception:
            call.crashed(Failure())

    def responseStray(self, response: Response, peer: Peer) -> None:
        """A response that nobody waits for; counted by the layer, and left alone.

        A 2xx to an INVITE of ours is none, for 64*T1 (see AfterTheCall). To acknowledge and leave
        whatever comes would have us send a BYE, ten times over, to an address that anybody names.
        """

    def _serve(self, transaction: ServerTransaction, request: Request, call: Call | None) -> None:
        if call is None and request.toAddress.tag:  # a dialog that is over, or never was (12.2.2)
            transaction.respond(request.respond(481))
            return
        toTag = self.newTag() if call is None else None
        answer = refusal(request, toTag, self.registrar is not None)
        if answer is not None:
            if request.method == "REGISTER" and not self._toldRegister:
                self._toldRegister = True
                self.log.info(
                    "REGISTER from {source} is refused: registration is not needed: dial without "
                    "an account, or switch its registration off (said once)",
                    source=hostPort(*transaction.peer.address),
                )
            transaction.respond(answer)
        elif call is not None:
            call.requestReceived(transaction, request)
        elif request.method == "REGISTER" and self.registrar is not None:
            said = self.admit(request, transaction.peer)
            if said is None:
                said = self.registrar.answer(request, transaction.peer)
                self.onRegister()
            transaction.respond(_tagged(said, toTag))
        elif request.method not in ("INVITE", "OPTIONS"):  # BYE, INFO, UPDATE, REFER
            transaction.respond(request.respond(481, toTag=toTag))
        elif (why := self._notTaken(transaction, request)) is not None:
            transaction.respond(refused(request, self.policy.failure(why), toTag))
        elif (said := self.admit(request, transaction.peer)) is not None:
            transaction.respond(_tagged(said, toTag))
        elif request.method == "OPTIONS":
            transaction.respond(capabilities(request, toTag))
        elif (brief := tooBrief(request, self.sessionPolicy)) is not None:
            transaction.respond(_tagged(brief, toTag))
        else:
            self._newCall(transaction, request)

    def _notTaken(self, transaction: ServerTransaction, request: Request) -> Refusal | None:
        """What the policy says against a request outside of dialogs."""
        if request.method == "OPTIONS":
            return self.policy.refusalOfOptions()
        host = transaction.peer.address[0]
        why = self.policy.refusal(host, len(self.calls), self.early)
        if why is not None:
            self.refusals[why.rule] += 1
            self._quietLog.warn(
                why.rule,
                "call {callID} by {source} to {called} is refused by {rule}: {reason}; {remedy}",
                callID=request.callID,
                source=hostPort(*transaction.peer.address),
                called=shown(request.uri),
                rule=why.rule,
                reason=why.reason,
                remedy=why.remedy,
            )
        return why

    def _newCall(self, transaction: ServerTransaction, request: Request) -> None:
        try:
            call = InboundCall(self, transaction, request)
        except CallFailed as failure:  # no address of ours leads there: none for a Contact
            transaction.respond(refused(request, failure, self.newTag()))
            return
        self.remember(call)
        self.log.info(
            "call {callID} from {caller} for {called} by {source}",
            callID=call.callID,
            caller=shown(request.fromAddress.uri),
            called=shown(request.uri),
            source=hostPort(*transaction.peer.address),
        )
        try:
            self.user.callReceived(call)
        except CallFailed as failure:
            self.refusals[str(failure.sipCode)] += 1
            call.reject(failure)
        except Exception:
            call.crashed(Failure())
        else:
            if call.user is None and call.ringing:
                call.crashed(Failure(RuntimeError("callReceived took no charge of the call")))


def _tagged(response: Response, toTag: str | None) -> Response:
    """With that To tag (8.2.6.2)."""
    return response if toTag is None else response.tagged(toTag)
