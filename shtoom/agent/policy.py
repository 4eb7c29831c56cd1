"""Which new calls are taken: all rules in one place, asked before a description is read.

Lives here: draining, limits of calls, overload; a refusal names its rule, the value and the remedy.
Not here: how often a source may ask at all (shtoom.sip.gate), whether the reactor is late (lag.py),
what is asked of the rules and answered (agent.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from shtoom.exceptions import CallFailed, Refusal, ServiceUnavailable
from shtoom.sip.sources import sourceOf

RETRY_AFTER = (5, 30)
"""Seconds after which a caller may try again, drawn by chance so that not all return at once."""


class CallPolicy:
    """The rules of one user agent.

    maxCalls: at a time, those that are being left included. maxEarlyCalls: that have no final
    response yet, or whose 200 has no ACK; one source may have as many as are left for all others,
    so that nobody keeps everybody out. None for no limit. limitLoopback: do limits of a source hold
    for this machine, too?

    isTrunk: is that the address of a gateway of ours, which brings calls of many?
    draining: new calls, ours and theirs, and OPTIONS are refused, while calls that are up go on.
    isOverloaded: asked at each new call.
    """

    def __init__(
        self,
        rng: Random,
        *,
        maxCalls: int | None = None,
        maxEarlyCalls: int | None = None,
        limitLoopback: bool = False,
    ) -> None:
        self._rng = rng
        self.maxCalls, self.maxEarlyCalls = maxCalls, maxEarlyCalls
        self.limitLoopback = limitLoopback
        self.isTrunk: Callable[[str], bool] = lambda host: False
        self.draining = False
        self.isOverloaded: Callable[[], bool] = lambda: False

    def trusts(self, host: str) -> bool:
        """Is that source free of the limits of a source? host: an IP address."""
        if not self.limitLoopback and (host.startswith("127.") or host == "::1"):
            return True
        return self.isTrunk(host)

    def refusal(self, host: str, calls: int, early: Sequence[str]) -> Refusal | None:
        """Why a new call from `host` is not taken; None: it is.

        calls: that there are. early: where those come from that are not answered yet.
        """
        return self._stopping() or self._full(calls) or self._overload() or self._early(host, early)

    def refusalOfOptions(self) -> Refusal | None:
        """Why an OPTIONS is not answered well: peers take that for a server that is down."""
        return self._stopping()

    def refusalOfOurs(self, calls: int) -> Refusal | None:
        """Why no call of ours may be placed."""
        return self._stopping() or self._full(calls)

    def failure(self, refusal: Refusal) -> CallFailed:
        """What a refused caller is answered: 503, with a Retry-After by chance (RFC 3261 21.5.4).

        It is for limits of the whole server: upstreams may take 503 so (RFC 5390).
        """
        failure = ServiceUnavailable(refusal.reason, retryAfter=self.retryAfter())
        return failure.because(refusal.rule, refusal.remedy)

    def retryAfter(self) -> int:
        """Seconds, anew for each who asks."""
        return self._rng.randint(*RETRY_AFTER)

    # The rules

    def _stopping(self) -> Refusal | None:
        if not self.draining:
            return None
        return Refusal("draining", "Server shutting down", "calls that are up go on to their end")

    def _full(self, calls: int) -> Refusal | None:
        if self.maxCalls is None or calls < self.maxCalls:
            return None
        return Refusal(
            "max-calls",
            f"{self.maxCalls} calls are up (--max-calls)",
            "raise --max-calls if this machine carries more",
        )

    def _overload(self) -> Refusal | None:
        if not self.isOverloaded():
            return None
        return Refusal(
            "overload",
            "Server overloaded",
            "the reactor is late, which callers hear: set --max-calls to what this machine "
            "carries, and see that handlers of applications do not block",
        )

    def _early(self, host: str, early: Sequence[str]) -> Refusal | None:
        if self.maxEarlyCalls is None:
            return None
        free = self.maxEarlyCalls - len(early)
        if free <= 0:
            return Refusal(
                "max-early-calls",
                f"{len(early)} calls are not answered yet (--max-early-calls)",
                "raise --max-early-calls if your callers wait that long; callers that never send "
                "an ACK count too",
            )
        if free > len(early) or self.trusts(host):
            return None
        source = sourceOf(host)
        own = sum(sourceOf(each) == source for each in early)
        if own < free:
            return None
        return Refusal(
            "max-early-calls",
            f"{own} calls from one source are not answered yet (--max-early-calls)",
            f"{free} of --max-early-calls={self.maxEarlyCalls} are kept for others than {source}",
        )
