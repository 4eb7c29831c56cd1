"""The client transaction of an INVITE (RFC 3261 17.1.1, RFC 6026 7.2 and 8.4).

Lives here: repeats of the INVITE, its end, the ACK to a refusal.
Not here: the ACK to a 2xx (a transaction of its own, made by the dialog), matching
(transactions.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shtoom.exceptions import TransactionTimeout
from shtoom.sip.effects import Deliver, Effect, Ended, Send
from shtoom.sip.states import State

if TYPE_CHECKING:
    from shtoom.exceptions import TransportFailed
    from shtoom.sip.message import Request, Response
    from shtoom.sip.timers import Timers


class InviteClientTransaction:
    """The client INVITE transaction, sans-I/O.

    Every input takes now (seconds, any origin) and returns what to do, in order.
    deadline: when timeReached() wants its turn; None for never.
    request: the INVITE with its Via; None as soon as no more than an ACK can be sent.
    """

    __slots__ = (
        "_ack",
        "_endAt",
        "_failure",
        "_interval",
        "_reliable",
        "_resendAt",
        "request",
        "state",
        "timers",
    )

    def __init__(self, request: Request, reliable: bool, timers: Timers) -> None:
        self.request: Request | None = request
        self.state, self.timers = State.CALLING, timers
        self._reliable, self._interval = reliable, timers.t1
        self._resendAt: float | None = None  # timer A
        self._endAt: float | None = None  # timer B, D or M; 64*T1 after a CANCEL
        self._failure: TransactionTimeout | TransportFailed | None = None
        self._ack: bytes | None = None

    @property
    def deadline(self) -> float | None:
        """Timer A, or one of B, D, M, whichever comes first."""
        resendAt, endAt = self._resendAt, self._endAt
        if resendAt is None or endAt is None:
            return endAt
        return min(resendAt, endAt)

    def start(self, now: float) -> list[Effect]:
        """Sends the INVITE."""
        request = self._mustHaveRequest()
        self._enter(State.CALLING, now + self.timers.patience)
        self._failure = TransactionTimeout(
            f"no response to {request.method} {request.uri} within {self.timers.patience:g} s"
        )
        self._resendAt = None if self._reliable else now + self.timers.t1
        return [Send(request)]

    def responseReceived(self, response: Response, now: float) -> list[Effect]:
        """A response that matches this transaction (17.1.1.2)."""
        match self.state, response.code // 100:
            case State.CALLING, 1:
                self._enter(State.PROCEEDING, None)
                return [Deliver(response)]
            case State.PROCEEDING, 1:
                return [Deliver(response)]
            case State.CALLING | State.PROCEEDING, 2:
                self._enter(State.ACCEPTED, now + self.timers.patience)
                return [Deliver(response)]
            case State.ACCEPTED, 2:  # a repeat or another fork: each gets an ACK of its own
                return [Deliver(response)]
            case State.CALLING | State.PROCEEDING, _:
                return self._refused(response, now)
            case State.COMPLETED, 3 | 4 | 5 | 6 if self._ack is not None:  # our ACK was lost
                return [Send(self._ack)]
        return []  # late and harmless

    def cancelled(self, now: float) -> list[Effect]:
        """A CANCEL was sent: after 64*T1 without a final response the INVITE is over (9.1)."""
        if self.state is State.PROCEEDING:
            self._endAt = now + self.timers.patience
            self._failure = TransactionTimeout(
                f"no final response within {self.timers.patience:g} s of the CANCEL"
            )
        return []

    def acknowledged(self) -> None:
        """The user has sent the ACK to a 2xx: from here the INVITE itself is not needed."""
        if self.state is State.ACCEPTED:
            self.request = None

    def transportFailed(self, failure: TransportFailed, now: float) -> list[Effect]:
        """The INVITE could not be sent: it is over (17.1.4).

        That is reported by timeReached(), due at once: a user who has just called for the INVITE
        holds its transaction by then. An ACK that is lost in this way is repeated on demand.
        """
        if self.state is State.CALLING:
            self._enter(State.CALLING, now)
            self._failure = failure
        return []

    def timeReached(self, now: float) -> list[Effect]:
        """Repeats the INVITE (timer A), or ends (timers B, D, M)."""
        if self._endAt is not None and now >= self._endAt:
            lasting = self.state in (State.CALLING, State.PROCEEDING)
            failure = self._failure if lasting else None
            self._terminate()
            return [Ended(failure)]
        if self._resendAt is not None and now >= self._resendAt and self.request is not None:
            self._interval *= 2
            self._resendAt = now + self._interval
            return [Send(self.request)]
        return []

    def _refused(self, response: Response, now: float) -> list[Effect]:
        self._ack = self._mustHaveRequest().ackFor(response).toBytes()
        effects: list[Effect] = [Send(self._ack), Deliver(response)]
        self.request = None
        if self._reliable:  # timer D is zero: nothing can be repeated
            self._terminate()
            return [*effects, Ended(None)]
        self._enter(State.COMPLETED, now + self.timers.d)
        return effects

    def _terminate(self) -> None:
        self._enter(State.TERMINATED, None)
        self.request = None

    def _enter(self, state: State, endAt: float | None) -> None:
        self.state, self._resendAt, self._endAt = state, None, endAt
        self._failure = None

    def _mustHaveRequest(self) -> Request:
        if self.request is None:
            raise RuntimeError(f"the INVITE is over ({self.state.name})")
        return self.request
