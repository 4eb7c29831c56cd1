"""A 2xx to an INVITE, repeated until its ACK comes (RFC 3261 13.3.1.4), sans-I/O.

Lives here: the machine. It belongs to the call, because the ACK of a 2xx is a transaction of its
own and never reaches the INVITE's. Not here: what a call does when no ACK comes (hangup.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shtoom.exceptions import TransactionTimeout
from shtoom.sip.effects import Effect, Ended, Send

if TYPE_CHECKING:
    from shtoom.sip.message import Response
    from shtoom.sip.timers import Timers


class AcceptedResponse:
    """One 2xx and its repetitions: T1, doubling up to T2, for 64*T1, over any transport.

    Every input takes now (seconds, any origin) and returns what to do, in order.
    deadline: when timeReached() wants its turn; None for never (acknowledged, or given up).
    """

    __slots__ = ("_giveUpAt", "_interval", "_resendAt", "_response", "_timers")

    def __init__(self, response: Response, timers: Timers) -> None:
        self._response, self._timers = response, timers
        self._interval = timers.t1
        self._resendAt: float | None = None
        self._giveUpAt: float | None = None

    @property
    def deadline(self) -> float | None:
        """The next repetition, or the end of patience."""
        if self._resendAt is None or self._giveUpAt is None:
            return None
        return min(self._resendAt, self._giveUpAt)

    def start(self, now: float) -> list[Effect]:
        """Sends it for the first time."""
        self._resendAt, self._giveUpAt = now + self._interval, now + 64 * self._timers.t1
        return [Send(self._response)]

    def stop(self) -> None:
        """The ACK came, or the call is over: nothing is repeated any more."""
        self._resendAt = self._giveUpAt = None

    def timeReached(self, now: float) -> list[Effect]:
        """Repeats it, or gives up: Ended with a TransactionTimeout that says so."""
        if self._giveUpAt is not None and now >= self._giveUpAt:
            self.stop()
            patience = 64 * self._timers.t1
            return [Ended(TransactionTimeout(f"no ACK came within {patience:g} s"))]
        if self._resendAt is not None and now >= self._resendAt:
            self._interval = min(2 * self._interval, self._timers.t2)
            self._resendAt = now + self._interval
            return [Send(self._response)]
        return []
