"""Stand-ins for a thread pool: deferToThread in the order that a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock


class LaterThreads:
    """Each job runs at once, its result comes on the next turn of the clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.jobs = 0

    def deferToThread(self, job: Callable[..., Any], *args: Any) -> Deferred[Any]:
        self.jobs += 1
        later: Deferred[Any] = Deferred()
        done = execute(job, *args)
        self.clock.callLater(0, done.chainDeferred, later)
        return later

    def settle(self) -> None:
        """Turns until nothing is under way."""
        while self.clock.getDelayedCalls():
            self.clock.advance(0)


class HeldThreads:
    """Each job waits until the test runs it: a slow disk."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.most = 0

    def deferToThread(self, job: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, job, args))
        self.most = max(self.most, len(self.waiting))
        return done

    def runOne(self) -> None:
        """The oldest job, with its result."""
        done, job, args = self.waiting[0]
        result = execute(job, *args)
        del self.waiting[0]
        result.chainDeferred(done)

    def runAll(self) -> None:
        """Until no job is left, those that jobs lead to as well."""
        while self.waiting:
            self.runOne()
