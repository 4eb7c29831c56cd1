"""The server transaction of everything but INVITE and ACK (RFC 3261 17.2.2).

Lives here: the last response again for a repeated request. Not here: matching (transactions.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shtoom.sip.effects import Deliver, Effect, Ended, Send
from shtoom.sip.states import State

if TYPE_CHECKING:
    from shtoom.sip.message import Request, Response
    from shtoom.sip.timers import Timers


class NonInviteServerTransaction:
    """The server non-INVITE transaction, sans-I/O.

    Every input takes now (seconds, any origin) and returns what to do, in order.
    deadline: timer J; None for never. request: None once it has its final response.
    A response that the transport could not take counts as lost: the client repeats its request.
    """

    __slots__ = ("_last", "_reliable", "deadline", "request", "state", "timers")

    def __init__(self, request: Request, reliable: bool, timers: Timers) -> None:
        self.request: Request | None = request
        self.state, self.timers = State.TRYING, timers
        self.deadline: float | None = None
        self._reliable = reliable
        self._last: bytes | None = None  # the response that answers repeats

    def start(self, now: float) -> list[Effect]:
        """Hands the request to the user."""
        if self.request is None:
            raise RuntimeError(f"the request is over ({self.state.name})")
        return [Deliver(self.request)]

    def requestReceived(self, request: Request, now: float) -> list[Effect]:
        """The request again: the last response, too."""
        return [] if self._last is None else [Send(self._last)]

    def respond(self, response: Response, now: float) -> list[Effect]:
        """The user's response; only the first final one goes out."""
        if self.state not in (State.TRYING, State.PROCEEDING):
            return []
        self._last = data = response.toBytes()
        if response.code < 200:
            self.state = State.PROCEEDING
            return [Send(data)]
        self.request = None
        if self._reliable:  # timer J is zero: nothing can be repeated
            self.state, self._last = State.TERMINATED, None
            return [Send(data), Ended(None)]
        self.state, self.deadline = State.COMPLETED, now + self.timers.patience
        return [Send(data)]

    def conceal(self) -> None:
        """The final response was not sent, and is not to be."""
        self._last = None

    def timeReached(self, now: float) -> list[Effect]:
        """Ends (timer J)."""
        if self.deadline is None or now < self.deadline:
            return []
        self.state, self.deadline, self._last = State.TERMINATED, None, None
        return [Ended(None)]
