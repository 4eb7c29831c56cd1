"""The client transaction of everything but INVITE and ACK (RFC 3261 17.1.2).

Lives here: repeats of the request and its end. Not here: matching (transactions.py).
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


class NonInviteClientTransaction:
    """The client non-INVITE transaction, sans-I/O.

    Every input takes now (seconds, any origin) and returns what to do, in order.
    deadline: when timeReached() wants its turn; None for never.
    request: with its Via; None once the final response is there.
    """

    __slots__ = (
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
        self.state, self.timers = State.TRYING, timers
        self._reliable, self._interval = reliable, timers.t1
        self._resendAt: float | None = None  # timer E
        self._endAt: float | None = None  # timer F or K
        self._failure: TransactionTimeout | TransportFailed | None = None

    @property
    def deadline(self) -> float | None:
        """Timer E, or one of F and K, whichever comes first."""
        resendAt, endAt = self._resendAt, self._endAt
        if resendAt is None or endAt is None:
            return endAt
        return min(resendAt, endAt)

    def start(self, now: float) -> list[Effect]:
        """Sends the request."""
        if self.request is None:
            raise RuntimeError(f"the request is over ({self.state.name})")
        self._endAt = now + self.timers.patience
        self._failure = TransactionTimeout(
            f"no response to {self.request.method} {self.request.uri} "
            f"within {self.timers.patience:g} s"
        )
        self._resendAt = None if self._reliable else now + self.timers.t1
        return [Send(self.request)]

    def responseReceived(self, response: Response, now: float) -> list[Effect]:
        """A response that matches this transaction (17.1.2.2)."""
        if self.state not in (State.TRYING, State.PROCEEDING):
            return []  # late and harmless
        if response.code < 200:
            self.state = State.PROCEEDING
            return [Deliver(response)]
        if self._reliable:  # timer K is zero: nothing can be repeated
            self._leave(State.TERMINATED, None)
            return [Deliver(response), Ended(None)]
        self._leave(State.COMPLETED, now + self.timers.k)
        return [Deliver(response)]

    def transportFailed(self, failure: TransportFailed, now: float) -> list[Effect]:
        """The request could not be sent: it is over (17.1.4).

        That is reported by timeReached(), due at once: a user who has just called for the request
        holds its transaction by then.
        """
        if self.state in (State.TRYING, State.PROCEEDING):
            self._resendAt, self._endAt, self._failure = None, now, failure
        return []

    def timeReached(self, now: float) -> list[Effect]:
        """Repeats the request (timer E), or ends (timers F, K)."""
        if self._endAt is not None and now >= self._endAt:
            failure = self._failure
            self._leave(State.TERMINATED, None)
            return [Ended(failure)]
        if self._resendAt is not None and now >= self._resendAt and self.request is not None:
            proceeding = self.state is State.PROCEEDING
            self._interval = self.timers.t2 if proceeding else self._doubled()
            self._resendAt = now + self._interval
            return [Send(self.request)]
        return []

    def _doubled(self) -> float:
        return min(2 * self._interval, self.timers.t2)

    def _leave(self, state: State, endAt: float | None) -> None:
        """The request is not needed any more, nor can it fail."""
        self.state, self._resendAt, self._endAt = state, None, endAt
        self.request = self._failure = None
