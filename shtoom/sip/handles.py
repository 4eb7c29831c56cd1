"""Transactions as their users see them: a machine, where it sends, whom it tells.

Lives here: ClientTransaction and ServerTransaction, and the interfaces of their users. What is
kept once all is said is bytes and a key: no user, no message. Not here: matching and the tables
(transactions.py), the machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import Interface

from shtoom.exceptions import TransactionTimeout
from shtoom.sip.effects import Deliver, Effect, Send
from shtoom.sip.fields import parseNameAddress
from shtoom.sip.inviteclient import InviteClientTransaction
from shtoom.sip.inviteserver import InviteServerTransaction
from shtoom.sip.lean import CHALLENGES, lean
from shtoom.sip.message import Request, Response
from shtoom.sip.states import State

if TYPE_CHECKING:
    from shtoom.exceptions import CallFailed, TransportFailed
    from shtoom.sip.client import NonInviteClientTransaction
    from shtoom.sip.server import NonInviteServerTransaction
    from shtoom.sip.transactions import TransactionLayer
    from shtoom.sip.transport import Peer


UNHEARD = (State.CALLING, State.TRYING)
"""The states of a request that had no response."""

LAST_WORDS = ("BYE", "CANCEL")
"""Requests that nobody makes a second time, and without which the far end stays in its call."""


class IClientTransactionUser(Interface):
    """Who sent a request.

    Heard no more after the final response or a failure, and not held any longer. Only for an INVITE
    the 2xx of each further To tag is told, for 64*T1 after the first (RFC 6026 7.2).
    """

    def responseReceived(response: Response) -> None:  # noqa: N805
        """A response. Repeats of a final one are left out (of a 2xx: once it has its ACK)."""

    def transactionFailed(failure: CallFailed) -> None:  # noqa: N805
        """TransactionTimeout: no final response came in time.

        TransportFailed: it was not sent, or nobody listens there.
        """


class ITransactionUser(Interface):
    """The user agent: who takes what belongs to no client transaction."""

    def requestReceived(transaction: ServerTransaction, request: Request) -> None:  # noqa: N805
        """A new request, not ACK or CANCEL. To be answered by transaction.respond()."""

    def ackReceived(request: Request, peer: Peer) -> None:  # noqa: N805
        """An ACK that belongs to no refusal: to a 2xx, or a stray."""

    def cancelReceived(transaction: ServerTransaction) -> None:  # noqa: N805
        """A CANCEL of that INVITE, which has no final response yet; the CANCEL has its 200."""

    def responseStray(response: Response, peer: Peer) -> None:  # noqa: N805
        """A response that nobody waits for."""


class ClientTransaction:
    """A request of ours; made by TransactionLayer.sendRequest.

    peer: where it goes. user: who hears of it; None once nobody will. May be set anew: a call that
    ends need not be held for 64*T1 by the 2xx that it had. Without a user the 2xx of a further fork
    is stray (ITransactionUser.responseStray); those that were acknowledged get their ACK anyhow.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_layer",
        "_machine",
        "_sent",
        "ackKey",
        "key",
        "peer",
        "user",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        key: str,
        machine: InviteClientTransaction | NonInviteClientTransaction,
        peer: Peer,
        user: IClientTransactionUser,
    ) -> None:
        self._layer, self._machine = layer, machine
        self.key, self.peer = key, peer
        self.user: IClientTransactionUser | None = user
        self.ackKey: tuple[str, int, str] | None = None  # the layer's, once a 2xx has come
        self._acks: dict[str, tuple[bytes, Peer]] | None = None  # of 2xx, by To tag
        self._sent = False

    @property
    def request(self) -> Request | None:
        """As it is sent, with its Via; None once its final response (2xx: its ACK) went by."""
        return self._machine.request

    @property
    def state(self) -> State:
        """Of the machine."""
        return self._machine.state

    @property
    def deadline(self) -> float | None:
        """Of the machine."""
        return self._machine.deadline

    # --- from the layer -----------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Sends the request."""
        self._layer.run(self, self._machine.start(now))

    def responseReceived(self, response: Response, now: float) -> None:
        """A response that matches."""
        self._layer.run(self, self._machine.responseReceived(response, now))

    def transportFailed(self, failure: TransportFailed, now: float) -> None:
        """The request could not be sent; the user hears it on a later turn."""
        self._layer.run(self, self._machine.transportFailed(failure, now))

    def notSent(self, failure: TransportFailed, now: float) -> None:
        """The transport could not take it, this time.

        The last words of a call count as lost then, and timer E says them again: 17.1.4 would leave
        a far end that is only out of reach for the moment in its call.
        """
        request = self.request
        lasting = request is not None and request.method in LAST_WORDS
        if not lasting or self.peer.transport.reliable:
            self.transportFailed(failure, now)

    def unreachable(self, failure: TransportFailed, now: float) -> None:
        """Nobody listens at the peer's address; of no interest once it has responded."""
        if self.state in UNHEARD:
            self.transportFailed(failure, now)

    def cancelled(self, now: float) -> None:
        """A CANCEL goes out."""
        if isinstance(self._machine, InviteClientTransaction):
            self._layer.run(self, self._machine.cancelled(now))

    def acknowledged(self, toTag: str, ack: bytes, peer: Peer) -> None:
        """The user has sent that ACK to a 2xx; it goes out again for each repeat of the 2xx."""
        self._acks = self._acks or {}
        self._acks[toTag] = (ack, peer)
        if isinstance(self._machine, InviteClientTransaction):
            self._machine.acknowledged()

    def timeReached(self, now: float) -> Sequence[Effect]:
        """Of the machine."""
        return self._machine.timeReached(now)

    def perform(self, effect: Effect) -> None:
        """Does what the machine asks for."""
        if isinstance(effect, Send):
            if self._sent and self.state in UNHEARD:
                self._layer.silent(self.peer)
            self._sent = True
            self._layer.transmit(self, effect.message, self.peer)
        elif isinstance(effect, Deliver):
            if isinstance(effect.message, Response):
                self._deliver(effect.message)
        else:
            user, self.user, self._acks = self.user, None, None
            self._layer.ended(self)
            if isinstance(effect.failure, TransactionTimeout) and self.peer.transport.reliable:
                self._layer.silent(self.peer)
            if effect.failure is not None and user is not None:
                user.transactionFailed(effect.failure)

    def _deliver(self, response: Response) -> None:
        user = self.user
        if self._machine.state is State.ACCEPTED:
            self._deliver2xx(response, user)
            return
        if response.code >= 200:
            self.user = None  # heard no more, whatever it makes of this
        if user is not None:
            user.responseReceived(response)

    def _deliver2xx(self, response: Response, user: IClientTransactionUser | None) -> None:
        ack = self._acks.get(response.toAddress.tag or "") if self._acks is not None else None
        if ack is not None:
            self._layer.transmit(self, *ack)
            return
        self._layer.accepted(self, response)
        if user is not None:
            user.responseReceived(response)
        else:
            self._layer.stray(response, self.peer)


class ServerTransaction:
    """A request of a peer; the layer makes it.

    peer: where it came from. key, mergeKey: what its repeats, and copies of it that came on other
    ways, are found by. cancelled: has a CANCEL come for it?
    """

    __slots__ = (
        "__weakref__",
        "_cut",
        "_layer",
        "_machine",
        "_route",
        "_to",
        "_wantsACK",
        "cancelled",
        "key",
        "mergeKey",
        "peer",
    )

    def __init__(
        self,
        layer: TransactionLayer,
        key: str,
        mergeKey: str | None,
        machine: InviteServerTransaction | NonInviteServerTransaction,
        *,
        peer: Peer,
        route: Peer,
    ) -> None:
        self._layer, self._machine = layer, machine
        self.key, self.mergeKey = key, mergeKey
        self.peer, self._route = peer, route  # _route: where responses go if peer's flow is gone
        self.cancelled = False
        self._wantsACK = False  # a refusal of an INVITE does
        self._to: str | None = None  # the To header of our last response above 100
        self._cut: tuple[Response, Response] | None = None  # a 2xx, and what went of it

    @property
    def request(self) -> Request | None:
        """The request; None once it has its final response."""
        return self._machine.request

    @property
    def state(self) -> State:
        """Of the machine."""
        return self._machine.state

    @property
    def deadline(self) -> float | None:
        """Of the machine."""
        return self._machine.deadline

    @property
    def toTag(self) -> str | None:
        """The tag of our responses; None while there is none."""
        return parseNameAddress(self._to, "To header").tag if self._to is not None else None

    def respond(self, response: Response) -> None:
        """Sends a response of the user, and again for each repeat of the request.

        The first final one counts: what comes later is left out, but for a 2xx to an INVITE after a
        2xx, which the user repeats until the ACK comes (RFC 6026 7.1).
        """
        request = self._machine.request
        answered = request is None
        if request is not None and not self.peer.transport.reliable:
            short = lean(response, request)
            if short is None:
                self._conceal(response, request)
                return
            if short is not response and request.method == "INVITE" and response.code < 300:
                self._cut = response, short
            response = short
        elif self._cut is not None and response is self._cut[0]:
            response = self._cut[1]  # the same again
        effects = self._machine.respond(response, self._layer.seconds())
        if not effects:
            return
        if (
            self.state is State.COMPLETED
            and response.code not in CHALLENGES
            and isinstance(self._machine, InviteServerTransaction)
        ):
            self._wantsACK = True
            self._layer.unacknowledged += 1
        if response.code > 100:
            self._to = response.header("To")
        if not answered and response.code >= 200:
            self._layer.answered()
        self._layer.run(self, effects)

    def _conceal(self, response: Response, request: Request) -> None:
        """That is its final response, and nobody hears it: repeats of the request are absorbed."""
        self._machine.respond(response, self._layer.seconds())
        self._machine.conceal()
        self._layer.concealed(request, self.peer)
        self._layer.answered()
        self._layer.run(self, ())

    # --- from the layer -----------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Hands the request to the user."""
        self._layer.run(self, self._machine.start(now))

    def requestReceived(self, request: Request, now: float) -> None:
        """The request again."""
        self._layer.run(self, self._machine.requestReceived(request, now))

    def ackReceived(self, request: Request, now: float) -> None:
        """An ACK that matches."""
        if isinstance(self._machine, InviteServerTransaction):
            self._acknowledged()
            self._layer.run(self, self._machine.ackReceived(request, now))

    def timeReached(self, now: float) -> Sequence[Effect]:
        """Of the machine."""
        if (
            self._wantsACK
            and isinstance(self._machine, InviteServerTransaction)
            and not self._layer.mayRepeat
        ):
            self._machine.hush()
        return self._machine.timeReached(now)

    def _acknowledged(self) -> None:
        if self._wantsACK:
            self._wantsACK = False
            self._layer.unacknowledged -= 1

    def perform(self, effect: Effect) -> None:
        """Does what the machine asks for."""
        if isinstance(effect, Send):
            flow = self.peer.transport.isOpen(self.peer.address)
            self._layer.transmit(self, effect.message, self.peer if flow else self._route)
        elif isinstance(effect, Deliver):
            if isinstance(effect.message, Request):
                self._layer.deliver(self, effect.message)
        else:
            self._acknowledged()
            self._layer.ended(self)
            if effect.failure is not None:
                self._layer.noAck(self, effect.failure)
