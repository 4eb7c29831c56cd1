"""The limits of a call that is up: how long it may last, and be silent.

Lives here: the guard of one call. Not here: which calls come about at all (shtoom.agent.policy),
what a call's end means to an application (doug.leg).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["CallGuard", "Limit"]

_EXACTLY = 0.001  # seconds by which a clock may be early
_ASLEEP = 1.0  # seconds by which a look is late only if the machine stood still


class Limit(NamedTuple):
    """One that was reached. reason: for the application and the log. text: for the far end."""

    reason: str
    text: str


class IGuarded(Protocol):
    """A call, as far as its guard needs it."""

    @property
    def isHeld(self) -> bool:
        """Does either side not listen, so that silence means nothing?"""

    @property
    def heardAt(self) -> float | None:
        """Seconds of the last packet of the far end; None before any."""

    def limitReached(self, limit: Limit) -> None:
        """It is to end."""


class CallGuard:
    """Looks at one call now and then, from its answer to stop().

    longest: seconds that it may last. silence: seconds without a packet. 0: for ever.
    """

    def __init__(
        self, call: IGuarded, reactor: IReactorTime, longest: float, silence: float
    ) -> None:
        self._call, self._reactor = call, reactor
        self._longest, self._silence = longest, silence
        self._began = self._since = reactor.seconds()
        self._look: IDelayedCall | None = None
        self._due = 0.0  # when it is to look
        self._arm()

    def renew(self) -> None:
        """Something has changed, such as the end of a hold: silence counts anew."""
        self._since = self._reactor.seconds()

    def stop(self) -> None:
        """The call is over."""
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _arm(self) -> None:
        ends = []
        if self._longest:
            ends.append(self._began + self._longest)
        if self._silence:
            ends.append(self._lastSign() + self._silence)
        if ends:
            now = self._reactor.seconds()
            delay = max(_EXACTLY, min(ends) - now)
            self._due = now + delay
            self._look = self._reactor.callLater(delay, self._check)

    def _check(self) -> None:
        self._look = None
        if self._reactor.seconds() - self._due > _ASLEEP:
            self.renew()  # what came meanwhile is not read yet, or nobody was there to hear it
        limit = self._reached(self._reactor.seconds() + _EXACTLY)
        if limit is None:
            self._arm()
        else:
            self._call.limitReached(limit)

    def _reached(self, now: float) -> Limit | None:
        if self._longest and now - self._began >= self._longest:
            return Limit(
                f"it has lasted {self._longest:g} s, as long as a call may (--max-call-duration)",
                "Call duration limit reached",
            )
        if self._silence and now - self._lastSign() >= self._silence:
            return Limit(
                f"no RTP came for {self._silence:g} s (--rtp-timeout): the far end or the way to "
                "it is gone, or it sends nothing while nobody speaks",
                "RTP timeout",
            )
        return None

    def _lastSign(self) -> float:
        """When the far end was heard last, or could not have been expected to."""
        if self._call.isHeld:
            self.renew()
        heard = self._call.heardAt
        return self._since if heard is None else max(self._since, heard)
