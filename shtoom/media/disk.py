"""Small writes of many recordings in one job of a thread.

Lives here: collecting jobs for a moment and running them together. Not here: what they write
(media.writers), when a recording hands over a piece (media.recording).

A job of a thread costs far more than half a second of sound does to write: two switches of
threads, a wake-up of the reactor, and every system call of the tick has to win the interpreter
back while the thread runs Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

Job = tuple[Callable[..., Any], tuple[Any, ...], "Deferred[Any]"]
Outcome = tuple[bool, Any]

GATHER = 0.1  # seconds that a job waits for others


class Disk:
    """Runs jobs in threads, those asked for within a moment of each other in one.

    deferToThread: f(*args) in a thread, its result by a Deferred that fires later. Jobs asked for
    while others are under way do not wait for these: a slow file holds up what went with it only.
    """

    def __init__(self, reactor: IReactorTime, deferToThread: Callable[..., Deferred[Any]]) -> None:
        self._reactor, self._deferToThread = reactor, deferToThread
        self._waiting: list[Job] = []

    def together(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """f(*args) in a thread, soon; the Deferred has its result or its failure."""
        done: Deferred[Any] = Deferred()
        if not self._waiting:
            self._reactor.callLater(GATHER, self._start)
        self._waiting.append((f, args, done))
        return done

    def _start(self) -> None:
        jobs, self._waiting = self._waiting, []
        self._deferToThread(_runAll, jobs).addCallback(_tell, jobs)


def _runAll(jobs: list[Job]) -> list[Outcome]:
    """In the thread: each job's result; the failure of one is no other's."""
    outcomes: list[Outcome] = []
    for f, args, _ in jobs:
        try:
            outcomes.append((True, f(*args)))
        except Exception:
            outcomes.append((False, Failure()))
    return outcomes


def _tell(outcomes: list[Outcome], jobs: list[Job]) -> None:
    for (succeeded, result), (_, _, done) in zip(outcomes, jobs, strict=True):
        (done.callback if succeeded else done.errback)(result)
