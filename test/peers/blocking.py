"""An application that holds the reactor wherever it can; the lines are marked.

Lives here: Blocking. Not here: who calls it, what the log is to say (test_watchdog.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from doug import VoiceApp
from doug.events import CallAnsweredEvent, CallEndedEvent, CallStartedEvent, TimeoutEvent

LONG = 0.35  # seconds


def block() -> None:
    """As a query to a database does that answers late."""
    time.sleep(LONG)  # block


def plain() -> None:
    """Nothing here knows an application."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        pass


class Blocking(VoiceApp):
    """One after the other, once the call is up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # constructor
        super().__init__(*args, **kwargs)
        block()

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.lists), (CallEndedEvent, self.gone)]

    def lists(self, event: CallAnsweredEvent) -> Iterator[Any]:
        """A generator: it does nothing before its first pair is asked for."""
        self.setTimer(0.2)
        time.sleep(LONG)  # generator
        yield TimeoutEvent, self.steps
        yield CallEndedEvent, self.gone

    @inlineCallbacks
    def steps(self, event: TimeoutEvent) -> Any:
        """The second one blocks."""
        yield deferLater(self.reactor, 0.2)
        time.sleep(LONG)  # step
        self.setTimer(0.2)
        return [(TimeoutEvent, self.calls), (CallEndedEvent, self.gone)]

    def calls(self, event: TimeoutEvent) -> Any:
        """A callback of its Deferred blocks."""
        done: Deferred[Any] = self.deferToThread(int)
        return done.addCallback(self.called)

    def called(self, result: int) -> Any:
        """In the reactor's thread."""
        time.sleep(LONG)  # callback
        self.reactor.callLater(0.2, plain)
        self.setTimer(LONG + 0.5)
        return [(TimeoutEvent, self.computes), (CallEndedEvent, self.gone)]

    def computes(self, event: TimeoutEvent) -> Any:  # computes
        """In C, without letting go of the interpreter."""
        sum(range(15_000_000))  # in C
        self.setTimer(0.2)
        return [(TimeoutEvent, self.done), (CallEndedEvent, self.gone)]

    def done(self, event: TimeoutEvent) -> None:
        """That was all."""
        self.returnResult("blocked")

    gone = done
