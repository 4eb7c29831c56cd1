"""A time limit for others, of which only time counts that this process has run.

Who is waited for stands still as we do when the machine is suspended or the process is stopped: a
plain timer would be up at the moment it goes on, and put the blame on who never had a chance.

Lives here: Patience. Not here: limits that the network sets, where the far end's time goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LOOKS = 5  # the parts of a limit; a standstill costs one of them at most


class Patience:
    """Calls back once when `seconds` have passed, unless it is cancelled before."""

    __slots__ = ("_call", "_left", "_look", "_reactor", "_step")

    def __init__(self, reactor: IReactorTime, seconds: float, call: Callable[[], object]) -> None:
        self._reactor = reactor
        self._left, self._step = LOOKS, seconds / LOOKS
        self._call: Callable[[], object] | None = call
        self._look: IDelayedCall | None = reactor.callLater(self._step, self._counts)

    def cancel(self) -> None:
        """What was waited for has come; again, or too late: nothing."""
        look, self._look, self._call = self._look, None, None
        if look is not None:
            look.cancel()

    def _counts(self) -> None:
        """A part of it is over."""
        self._left -= 1
        if self._left:
            self._look = self._reactor.callLater(self._step, self._counts)
            return
        call, self._look, self._call = self._call, None, None
        if call is not None:
            call()
