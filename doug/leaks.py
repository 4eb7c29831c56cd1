"""What outlives the calls and the applications of a server: looked for, named, counted.

Lives here: when is looked, the count. Not here: what a call has opened (doug.scope).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from doug.scope import CallScope

__all__ = ["GRACE", "Leaks"]

GRACE = 75.0  # seconds: a 200 that nobody acknowledges, and then the BYE, have 64 by RFC 3261

log = Logger()


class Leaks:
    """count: how many things of calls and applications that are over were not closed in time.

    reactor: gives the reactor, when it is needed.
    """

    def __init__(self, reactor: Callable[[], IReactorTime]) -> None:
        self._reactor = reactor
        self._waiting: dict[CallScope, IDelayedCall] = {}
        self.count = 0

    def over(self, scope: CallScope) -> Sequence[str]:
        """A call or an application is over: closes what it has open.

        Returns what stayed open all the same, in words. What needs its time, such as a BYE or a
        job in a thread, is looked at again after GRACE seconds.
        """
        scope.close()
        found = scope.survivors()
        self.found(scope.name, found)
        if len(scope):
            self._waiting[scope] = self._reactor().callLater(GRACE, self._look, scope)
            scope.whenEmpty = self._emptied
        return found

    def found(self, whose: str, names: Sequence[str]) -> None:
        """These were not closed. whose: the call or the application."""
        self.count += len(names)
        for name in names:
            log.warn("{whose} is over, but {what} is still open", whose=whose, what=name)

    def stop(self) -> None:
        """The server is over: nothing is looked at any more."""
        waiting, self._waiting = self._waiting, {}
        for call in waiting.values():
            call.cancel()

    def _emptied(self, scope: CallScope) -> None:
        call = self._waiting.pop(scope, None)
        if call is not None:
            call.cancel()

    def _look(self, scope: CallScope) -> None:
        del self._waiting[scope]
        self.found(scope.name, scope.survivors(late=True))
