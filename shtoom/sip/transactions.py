"""The transaction layer (RFC 3261 17): which transaction a message belongs to, and new ones.

Lives here: the tables, merged requests (8.2.2.2), CANCEL (9.2), ACKs, answers without a transaction
(malformed, too many, merged). Not here: the machines, keys (matching.py), what a request means (the
user agent).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from shtoom.exceptions import CallFailed, MalformedMessage, Refusal, TransportFailed
from shtoom.sip.client import NonInviteClientTransaction
from shtoom.sip.effects import Effect
from shtoom.sip.fields import Via
from shtoom.sip.handles import (
    ClientTransaction,
    IClientTransactionUser,
    ITransactionUser,
    ServerTransaction,
)
from shtoom.sip.inviteclient import InviteClientTransaction
from shtoom.sip.inviteserver import InviteServerTransaction
from shtoom.sip.lean import MOST, lean
from shtoom.sip.matching import (
    COOKIE,
    clientKey,
    isUnique,
    mergeKey,
    responseKey,
    serverKey,
    statelessTag,
)
from shtoom.sip.message import Request, Response
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.reason import reasonHeader
from shtoom.sip.runner import Runner
from shtoom.sip.server import NonInviteServerTransaction
from shtoom.sip.shown import shown
from shtoom.sip.states import State
from shtoom.sip.timers import Timers
from shtoom.sip.transport import Peer, defaultPort, markReceived, responseAddress
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from shtoom.sip.trace import Trace

__all__ = [
    "ClientTransaction",
    "IClientTransactionUser",
    "ITransactionUser",
    "ServerTransaction",
    "TransactionLayer",
]

MOST_UNANSWERED = 10_000
"""The usual mostUnanswered."""

MOST_REPEATED = 100
"""Refusals of INVITEs that wait for their ACK; while there are more, none is repeated by us: who
sent an INVITE and hears nothing will say it again, who forged its source will not."""

LONGEST_ANSWER = 4096
"""Bytes of an answer to what is malformed; what would be longer is not answered."""

RETRY_AFTER = (5, 30)
"""Seconds after which a client may try again, drawn by chance so that not all return at once."""

LONGEST_REASON = 200

Transaction = ClientTransaction | ServerTransaction


class TransactionLayer:
    """All transactions of one user agent, on all its transports, which deliver to it.

    user: takes new requests. rng: makes branches. counts: what came and found no transaction of its
    own, or could not be sent: repeat, stray, merged, refused (503), manyVias, malformed,
    sendFailed, noAck (nobody acknowledged our refusal of an INVITE), tooLong (an answer to what is
    malformed, or a challenge to a short request, that was not sent).
    mostUnanswered: requests that wait for their final response; beyond, new ones outside dialogs
    get 503. trace: is shown each message that is sent or received; None: nobody wants to see it.
    onFlowLost: told of the peers of connections that are over.
    len(layer): transactions, those that only absorb repeats included.
    """

    log = Logger()

    def __init__(
        self, reactor: IReactorTime, user: ITransactionUser, timers: Timers, rng: Random
    ) -> None:
        self.user, self.timers = user, timers
        self.counts: Counter[str] = Counter()
        self.unanswered = self.unacknowledged = 0
        self.mostUnanswered = MOST_UNANSWERED
        self.trace: Trace | None = None
        self.onFlowLost: Callable[[Peer], None] = lambda peer: None
        self._stopped = False
        self.seconds = reactor.seconds
        self._rng = rng
        self._clients: dict[str, ClientTransaction] = {}
        self._servers: dict[str, ServerTransaction] = {}
        self._merged: dict[str, str] = {}  # mergeKey -> key of the server transaction
        self._accepted: dict[tuple[str, int, str], ClientTransaction] = {}  # by _ackKey
        self._quietLog = QuietLog(self.log, reactor.seconds)
        self._runner: Runner[Transaction] = Runner(reactor, _perform)
        self.run = self._runner.run

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def stop(self) -> None:
        """Forgets all transactions, for good: nothing is sent or told any more, no timer is left.

        sendRequest and sendCancel raise RuntimeError from here on.
        """
        self._stopped = True
        self._runner.stop()
        self._clients.clear()
        self._servers.clear()
        self._merged.clear()
        self._accepted.clear()
        self.unanswered = self.unacknowledged = 0

    # --- requests of ours ---------------------------------------------------------------------

    def sendRequest(
        self, request: Request, peer: Peer, user: IClientTransactionUser
    ) -> ClientTransaction:
        """Sends a request, without Via as yet, to `peer`; `user` hears what comes of it.

        It hears so on later turns: a transport that fails at once included. Raises ValueError for
        ACK and CANCEL, which are no transactions to begin with (sendStateless, sendCancel).
        """
        if request.method in ("ACK", "CANCEL"):
            raise ValueError(f"request: {request.method} is not sent by sendRequest")
        branch = self._newBranch()
        outgoing, failure = self._withVia(request, peer, branch)
        return self._begin(outgoing, branch, peer, user, failure)

    def sendCancel(
        self,
        transaction: ClientTransaction,
        user: IClientTransactionUser,
        headers: Iterable[tuple[str, str]] = (),
    ) -> ClientTransaction:
        """Sends a CANCEL for an INVITE of ours (9.1), to the same peer, with its branch.

        headers: more of them, such as Reason (RFC 3326). Raises ValueError unless a provisional
        response has come and no final one has: before, the CANCEL could overtake the INVITE. After
        64*T1 without a final response the INVITE's user is told TransactionTimeout.
        """
        invite = transaction.request
        if invite is None or invite.method != "INVITE" or transaction.state is not State.PROCEEDING:
            state = transaction.state.name
            raise ValueError(f"transaction: only an INVITE that proceeds is cancelled, not {state}")
        branch = invite.via.branch or ""
        if clientKey(branch, "CANCEL") in self._clients:
            raise ValueError(f"transaction: {invite} is cancelled already")
        transaction.cancelled(self.seconds())
        cancel = invite.cancel()
        for name, value in headers:
            cancel = cancel.adding(name, value)
        return self._begin(cancel, branch, transaction.peer, user, None)

    def sendStateless(self, request: Request, peer: Peer) -> None:
        """Sends the ACK of a 2xx, without Via as yet; repeats of the 2xx then get it by themselves.

        What the transport refuses is counted and logged: the 2xx will be repeated.
        """
        outgoing, failure = self._withVia(request, peer, self._newBranch())
        if failure is not None:
            self._lost(failure)
            return
        data = outgoing.toBytes()
        accepted = self._accepted.get(_ackKey(request))
        if accepted is not None and request.method == "ACK":
            accepted.acknowledged(request.toAddress.tag or "", data, peer)
        self._send(data, peer)

    def _begin(
        self,
        request: Request,
        branch: str,
        peer: Peer,
        user: IClientTransactionUser,
        failure: TransportFailed | None,
    ) -> ClientTransaction:
        make = InviteClientTransaction if request.method == "INVITE" else NonInviteClientTransaction
        machine = make(request, peer.transport.reliable, self.timers)
        transaction = ClientTransaction(
            self, clientKey(branch, request.method), machine, peer, user
        )
        if self._stopped:
            raise RuntimeError("the transaction layer is stopped: nothing is sent any more")
        self._clients[transaction.key] = transaction
        now = self.seconds()
        if failure is None:
            transaction.start(now)
        else:
            transaction.transportFailed(failure, now)
        return transaction

    def _newBranch(self) -> str:
        return f"{COOKIE}{self._rng.getrandbits(80):020x}"

    def _withVia(
        self, request: Request, peer: Peer, branch: str
    ) -> tuple[Request, TransportFailed | None]:
        transport = peer.transport
        try:
            host, port = transport.sentBy(peer.address[0])
        except TransportFailed as failure:
            return request, failure
        via = Via(transport.name, host, port, (("branch", branch), ("rport", None)))
        return request.prepending("Via", str(via)), None

    # --- what transports deliver --------------------------------------------------------------

    def messageReceived(self, message: Request | Response, peer: Peer) -> None:
        """A message from `peer`; a request has `received` and `rport` in its Via."""
        if self._stopped:
            return
        if isinstance(message, Response):
            self._responseReceived(message, peer)
        elif message.method == "ACK":
            self._ackReceived(message, peer)
        elif message.method == "CANCEL":
            self._cancelReceived(message, peer)
        else:
            self._requestReceived(message, peer)

    def malformedReceived(self, error: MalformedMessage, data: bytes, peer: Peer) -> None:
        """A datagram that is no message; answered if it is a request that can be."""
        if self._stopped:
            return
        self.counts["malformed"] += 1
        request = error.request
        if isinstance(request, Request) and request.method != "ACK":
            marked = markReceived(request, peer.address)
            self._answer(marked, peer, error.code, str(error)[:LONGEST_REASON], most=LONGEST_ANSWER)

    def refuse(self, message: Request | Response, peer: Peer, refusal: Refusal) -> None:
        """503 to a request, without looking at it any further; nothing for anything else."""
        if isinstance(message, Request) and message.method != "ACK" and not self._stopped:
            self.counts["refused"] += 1
            lines = self._retryAfter(), reasonHeader(refusal, 503)
            self._answer(message, peer, 503, refusal.reason, headers=lines)

    def unreachable(self, failure: TransportFailed, peer: Peer) -> None:
        """Nobody listens at `peer`: requests that had no response from there have failed."""
        now = self.seconds()
        for transaction in [t for t in self._clients.values() if t.peer == peer]:
            transaction.unreachable(failure, now)

    def flowLost(self, failure: TransportFailed, peer: Peer) -> None:
        """The connection with `peer` is over, and requests with it that had no response."""
        if not self._stopped:
            self.unreachable(failure, peer)
            self.onFlowLost(peer)

    def _responseReceived(self, response: Response, peer: Peer) -> None:
        if len(response.vias) != 1:  # 8.1.3.3: on its way to somebody else
            self.counts["manyVias"] += 1
            return
        transaction = self._clients.get(responseKey(response))
        if transaction is None:
            self.stray(response, peer)
        else:
            transaction.responseReceived(response, self.seconds())

    def _ackReceived(self, ack: Request, peer: Peer) -> None:
        transaction = self._servers.get(serverKey(ack, "INVITE"))
        if transaction is not None and _acknowledges(ack, transaction):
            transaction.ackReceived(ack, self.seconds())
        else:
            self.user.ackReceived(ack, peer)

    def _cancelReceived(self, cancel: Request, peer: Peer) -> None:
        """9.2. Without a transaction of its own: a repeat gets the same answer again."""
        transaction = self._servers.get(serverKey(cancel, "INVITE"))
        if transaction is None:
            self._answer(cancel, peer, 481)
            return
        pending = transaction.request is not None and not transaction.cancelled
        transaction.cancelled = True
        self._answer(cancel, peer, 200, toTag=transaction.toTag)
        if pending:
            self.user.cancelReceived(transaction)

    def _requestReceived(self, request: Request, peer: Peer) -> None:
        key = serverKey(request, request.method)
        known = self._servers.get(key)
        if known is not None:
            self.counts["repeat"] += 1
            known.requestReceived(request, self.seconds())
            return
        merging = None
        if request.toAddress.tag is None:
            merging = mergeKey(request)
            if merging in self._merged:
                self.counts["merged"] += 1
                self._answer(request, peer, 482, "Merged request: it came on another way before")
                return
            if self.unanswered >= self.mostUnanswered:
                self._quietLog.warn(
                    "transactions",
                    "a request of {host} is refused: {count} requests wait for their answer "
                    "(--max-transactions)",
                    host=peer.address[0],
                    count=self.unanswered,
                )
                value = f"{self.unanswered} requests wait (--max-transactions)"
                remedy = "see what answers so late, or raise --max-transactions"
                self.refuse(request, peer, Refusal("max-transactions", value, remedy))
                return
            self._merged[merging] = key
        make = InviteServerTransaction if request.method == "INVITE" else NonInviteServerTransaction
        machine = make(request, peer.transport.reliable, self.timers)
        transaction = ServerTransaction(
            self, key, merging, machine, peer=peer, route=_route(request, peer)
        )
        self._servers[key] = transaction
        self.unanswered += 1
        transaction.start(self.seconds())

    # --- what transactions ask for ------------------------------------------------------------

    def transmit(
        self, transaction: Transaction, message: Request | Response | bytes, peer: Peer
    ) -> None:
        """Sends; a client transaction hears of the transport's failure."""
        data = message if isinstance(message, bytes) else message.toBytes()
        failure = self._send(data, peer)
        if failure is not None and isinstance(transaction, ClientTransaction):
            transaction.notSent(failure, self.seconds())

    def silent(self, peer: Peer) -> None:
        """A request to `peer` had no response until it was time to repeat it, or for good."""
        if not self._stopped:
            peer.transport.probe(peer.address)

    def deliver(self, transaction: ServerTransaction, request: Request) -> None:
        """A new request, or the ACK of a 2xx, goes to the user; a request is always answered."""
        if request.method == "ACK":
            self.user.ackReceived(request, transaction.peer)
            return
        try:
            self.user.requestReceived(transaction, request)
        except MalformedMessage as e:  # a header that is parsed on first use
            self._respondAnyway(transaction, 400, str(e)[:LONGEST_REASON])
        except Exception as e:
            self._quietLog.failure(
                type(e).__name__, "a {method} failed", Failure(), method=shown(request.method)
            )
            self._respondAnyway(transaction, 500, None)

    def accepted(self, transaction: ClientTransaction, response: Response) -> None:
        """A 2xx to an INVITE waits for its ACK."""
        transaction.ackKey = _ackKey(response)
        self._accepted[transaction.ackKey] = transaction

    def stray(self, response: Response, peer: Peer) -> None:
        """A response that nobody waits for."""
        self.counts["stray"] += 1
        self.user.responseStray(response, peer)

    def answered(self) -> None:
        """A request has its final response."""
        self.unanswered -= 1

    @property
    def mayRepeat(self) -> bool:
        """May refusals be repeated that have no ACK?"""
        return self.unacknowledged <= MOST_REPEATED

    def noAck(self, transaction: ServerTransaction, failure: CallFailed) -> None:
        """Timer H: a refusal went out for 32 s and was never acknowledged."""
        self.counts["noAck"] += 1
        host = transaction.peer.address[0]
        self._quietLog.warn("noAck", "{host}: {failure}", host=host, failure=str(failure))

    def concealed(self, request: Request, peer: Peer) -> None:
        """The answer to so short a request would be too long for who has forged its source."""
        self.counts["tooLong"] += 1
        self._quietLog.warn(
            "tooLong",
            "{method} from {at} is not answered: it has {size} bytes, and the challenge would have "
            "more than {most} times as many; phones say more of themselves, or take TCP",
            method=request.method,
            at=hostPort(*peer.address),
            size=request.size,
            most=MOST,
        )

    def ended(self, transaction: Transaction) -> None:
        """The machine is done: no table knows it any more."""
        if isinstance(transaction, ClientTransaction):
            del self._clients[transaction.key]
            key = transaction.ackKey
            if key is not None and self._accepted.get(key) is transaction:
                del self._accepted[key]
        else:
            del self._servers[transaction.key]
            if transaction.mergeKey is not None:
                del self._merged[transaction.mergeKey]

    # --- answers without a transaction --------------------------------------------------------

    def _answer(
        self,
        request: Request,
        peer: Peer,
        code: int,
        reason: str | None = None,
        *,
        toTag: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        most: int | None = None,
    ) -> None:
        tag = toTag or statelessTag(request)
        response = request.respond(code, reason, toTag=tag, headers=headers)
        if not peer.transport.reliable:
            response = lean(response, request) or response
        data = response.toBytes()
        if most is not None and len(data) > most:
            self.counts["tooLong"] += 1
            return
        flow = peer.transport.isOpen(peer.address)
        self._send(data, peer if flow else _route(request, peer))

    def _respondAnyway(self, transaction: ServerTransaction, code: int, reason: str | None) -> None:
        request = transaction.request
        if request is not None:
            transaction.respond(request.respond(code, reason, toTag=statelessTag(request)))

    def _retryAfter(self) -> tuple[str, str]:
        return "Retry-After", str(self._rng.randint(*RETRY_AFTER))

    def _send(self, data: bytes, peer: Peer) -> TransportFailed | None:
        if self._stopped:
            return None
        try:
            peer.transport.send(data, peer.address)
        except TransportFailed as failure:
            self._lost(failure)
            return failure
        if self.trace is not None:
            self.trace.sent(data, peer)
        return None

    def _lost(self, failure: TransportFailed) -> None:
        self.counts["sendFailed"] += 1
        self._quietLog.warn("sendFailed", "not sent: {failure}", failure=str(failure))


def _perform(transaction: Transaction, effect: Effect) -> None:
    transaction.perform(effect)


def _route(request: Request, peer: Peer) -> Peer:
    """Where the responses to a request from `peer` go if it came over no connection, or over one
    that is gone by then (18.2.2)."""
    transport, source = peer
    via = request.via
    if transport.reliable:
        address = source[0], via.port or defaultPort(transport.name)
    else:
        address = responseAddress(via, source)
    return peer if address == source else Peer(transport, address)


def _ackKey(message: Request | Response) -> tuple[str, int, str]:
    """Equal for the 2xx of an INVITE and their ACKs."""
    return message.callID, message.cseq.number, message.fromAddress.tag or ""


def _acknowledges(ack: Request, transaction: ServerTransaction) -> bool:
    """By RFC 3261 the branch says it, by RFC 2543 the To tag has to agree too (17.2.3)."""
    return isUnique(ack.via.branch or "") or ack.toAddress.tag == transaction.toTag
