"""Work that a server has done in threads, counted while it goes on.

Lives here: which pool a job goes to, how many there are. Not here: what recordings do with a disk
(shtoom.media.disk), waiting for the last ones (doug.shutdown).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

__all__ = ["Jobs"]

T = TypeVar("T")


class Jobs:
    """count: how many are not done yet.

    reactor: gives the reactor, when it is needed. diskThreads: a thread pool for recordings alone.
    """

    def __init__(self, reactor: Callable[[], Any], diskThreads: Any) -> None:
        self._reactor, self._diskThreads = reactor, diskThreads
        self.count = 0

    def run(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        """f in a thread of the reactor's pool; the Deferred has what it returns."""
        return self._defer(self._reactor().getThreadPool(), f, *args, **kwargs)

    def runOnDisk(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        """The same in a thread of recordings."""
        return self._defer(self._diskThreads, f, *args)

    def _defer(self, pool: Any, f: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        self.count += 1
        done: Deferred[T] = deferToThreadPool(self._reactor(), pool, f, *args, **kwargs)
        return done.addBoth(self._done)

    def _done(self, outcome: Any) -> Any:
        self.count -= 1
        return outcome
