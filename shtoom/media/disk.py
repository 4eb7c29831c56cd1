"""Small writes of many recordings in one job of a thread, and threads for nothing else.

Lives here: collecting jobs for a moment and running them together, the threads that do. Not here:
what they write (media.writers), when a recording hands over a piece (media.recording).

A job of a thread costs far more than half a second of sound does to write: two switches of
threads, a wake-up of the reactor, and every system call of the tick has to win the interpreter
back while the thread runs Python.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

Job = tuple[Callable[..., Any], tuple[Any, ...], "Deferred[Any]"]
Outcome = tuple[bool, Any]

GATHER = 0.1  # seconds that a job waits for others
MOST = 10  # threads
IDLE = 10.0  # seconds without a job, after which a thread ends


class Disk:
    """Runs jobs in threads, those asked for within a moment of each other in one.

    deferToThread: f(*args) in a thread, its result by a Deferred that fires later; alone is the
    same. Jobs asked for while others are under way do not wait for these: a slow file holds up what
    went with it only.
    """

    def __init__(self, reactor: IReactorTime, deferToThread: Callable[..., Deferred[Any]]) -> None:
        self._reactor, self.alone = reactor, deferToThread
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
        self.alone(_runAll, jobs).addCallback(_tell, jobs)


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


class DiskThreads:
    """Threads that only write: a disk that does not answer must not hold up other work in threads.

    A pool for deferToThreadPool. MOST threads at most, begun when they are needed; a process does
    not wait for them at its end, since what a disk does not answer may never end.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = Lock()
        self._waiting = self._idle = self._threads = 0

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], None], f: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """As twisted.python.threadpool.ThreadPool has it."""

        def job() -> None:
            try:
                result, succeeded = f(*args, **kw), True
            except Exception:
                result, succeeded = Failure(), False
            onResult(succeeded, result)

        self._jobs.put(job)
        with self._lock:
            self._waiting += 1
            if self._waiting <= self._idle or self._threads == MOST:
                return
            self._threads += 1
            self._idle += 1
        Thread(target=self._work, name="doug-disk", daemon=True).start()

    def _work(self) -> None:
        """In a thread: jobs, until there are none for a while."""
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except Empty:
                with self._lock:
                    if self._waiting >= self._idle:
                        continue  # one has come this moment
                    self._threads -= 1
                    self._idle -= 1
                return
            with self._lock:
                self._waiting -= 1
                self._idle -= 1
            job()
            with self._lock:
                self._idle += 1
