"""The server transaction of an INVITE (RFC 3261 17.2.1, RFC 6026 7.1 and 8.5).

Lives here: the 100 of an idle user, repeats of responses, the ACK to a refusal.
Not here: repeats of a 2xx (the call's, until the ACK comes), matching (transactions.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shtoom.exceptions import TransactionTimeout
from shtoom.sip.effects import Deliver, Effect, Ended, Send
from shtoom.sip.lean import CHALLENGES
from shtoom.sip.states import State
from shtoom.sip.timers import TRYING_AFTER

if TYPE_CHECKING:
    from shtoom.sip.message import Request, Response
    from shtoom.sip.timers import Timers


class InviteServerTransaction:
    """The server INVITE transaction, sans-I/O.

    Every input takes now (seconds, any origin) and returns what to do, in order.
    deadline: when timeReached() wants its turn; None for never.
    request: the INVITE; None once it has its final response.

    A response that the transport could not take counts as lost: the client repeats its INVITE,
    timer G a refusal, the call a 2xx. (17.2.4 would end the transaction, and the repeated INVITE
    would then ring a second time.) Timer G repeats no challenge: whoever forges the source of an
    INVITE would multiply it, and who waits for one repeats the INVITE anyway.
    """

    __slots__ = (
        "_endAt",
        "_interval",
        "_last",
        "_reliable",
        "_resendAt",
        "request",
        "state",
        "timers",
    )

    def __init__(self, request: Request, reliable: bool, timers: Timers) -> None:
        self.request: Request | None = request
        self.state, self.timers = State.PROCEEDING, timers
        self._reliable, self._interval = reliable, timers.t1
        self._resendAt: float | None = None  # timer G; in PROCEEDING: when a 100 is due
        self._endAt: float | None = None  # timer H, I or L
        self._last: bytes | None = None  # the response that answers repeats

    @property
    def deadline(self) -> float | None:
        """The 100 or timer G, or one of H, I, L, whichever comes first."""
        resendAt, endAt = self._resendAt, self._endAt
        if resendAt is None:
            return endAt
        return resendAt if endAt is None else min(resendAt, endAt)

    def start(self, now: float) -> list[Effect]:
        """Hands the INVITE to the user."""
        if self.request is None:
            raise RuntimeError(f"the INVITE is over ({self.state.name})")
        self._resendAt = now + TRYING_AFTER
        return [Deliver(self.request)]

    def requestReceived(self, request: Request, now: float) -> list[Effect]:
        """The INVITE again: the last response, too; after a 2xx it is absorbed."""
        if self.state in (State.PROCEEDING, State.COMPLETED) and self._last is not None:
            return [Send(self._last)]
        return []

    def respond(self, response: Response, now: float) -> list[Effect]:
        """The user's response; after a final one only repeats of a 2xx go out."""
        match self.state, response.code // 100:
            case State.PROCEEDING, 1:
                self._resendAt, self._last = None, response.toBytes()
                return [Send(self._last)]
            case State.PROCEEDING, 2:
                self._enter(State.ACCEPTED, now + self.timers.patience)
                self.request = self._last = None
                return [Send(response)]
            case State.ACCEPTED, 2:
                return [Send(response)]
            case State.PROCEEDING, _:
                self._enter(State.COMPLETED, now + self.timers.patience)
                if not self._reliable and response.code not in CHALLENGES:
                    self._resendAt = now + self.timers.t1
                self.request, self._last = None, response.toBytes()
                return [Send(self._last)]
        return []  # crossed with another final response

    def ackReceived(self, ack: Request, now: float) -> list[Effect]:
        """An ACK that matches: to a refusal it ends the repeats, to a 2xx it is the user's."""
        if self.state is State.ACCEPTED:
            return [Deliver(ack)]
        if self.state is State.COMPLETED:
            self._last = None
            if self._reliable:  # timer I is zero: nothing can be repeated
                self._enter(State.TERMINATED, None)
                return [Ended(None)]
            self._enter(State.CONFIRMED, now + self.timers.i)
        return []

    def hush(self) -> None:
        """A refusal is not repeated by itself any more; who repeats the INVITE still gets it."""
        if self.state is State.COMPLETED:
            self._resendAt = None

    def conceal(self) -> None:
        """The final response was not sent, and is not to be."""
        self._last = self._resendAt = None

    def timeReached(self, now: float) -> list[Effect]:
        """Sends the 100, repeats a refusal (timer G), or ends (timers H, I, L)."""
        if self._endAt is not None and now >= self._endAt:
            waited = self.state is State.COMPLETED and self._last is not None
            failure = self._noAck() if waited else None
            self._enter(State.TERMINATED, None)
            self._last = None
            return [Ended(failure)]
        if self._resendAt is None or now < self._resendAt:
            return []
        if self.state is State.PROCEEDING and self.request is not None:
            return self.respond(self.request.respond(100), now)
        self._interval = min(2 * self._interval, self.timers.t2)
        self._resendAt = now + self._interval
        return [] if self._last is None else [Send(self._last)]

    def _noAck(self) -> TransactionTimeout:
        return TransactionTimeout(
            f"no ACK to the final response of an INVITE within {self.timers.patience:g} s"
        )

    def _enter(self, state: State, endAt: float | None) -> None:
        self.state, self._resendAt, self._endAt = state, None, endAt
