"""What tests of the contract share: a server without network for applications without calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from doug.events import ApplicationSpecificEvent
from doug.leaks import Leaks
from doug.settings import Settings
from doug.voiceapp import VoiceApp
from test.support import runFor

A = TypeVar("A", bound=VoiceApp)


class First(ApplicationSpecificEvent):
    """An event of the tests' own."""


class Second(ApplicationSpecificEvent):
    """Another one."""


class Narrower(First):
    """A subclass of the first."""


class Office:
    """As much of a server as an application without a call sees: time, threads, settings."""

    def __init__(self, clock: Clock, settings: Settings | None = None) -> None:
        self.reactor = clock
        self.settings = settings if settings is not None else Settings()
        self.leaks = Leaks(lambda: clock)

    def deferToThread(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """On the next turn."""
        return deferLater(self.reactor, 0, f, *args, **kwargs)


class AppTestCase(SynchronousTestCase):
    """Applications on a clock of the test's own; what became of them is in self.outcomes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.outcomes: list[Any] = []
        self.office = Office(self.clock)

    def make(self, appClass: type[A], **args: Any) -> A:
        """An application that is not started yet."""
        deferred: Deferred[Any] = Deferred()
        deferred.addBoth(self.outcomes.append)
        return appClass(deferred, self.office, "1", **args)  # type: ignore[arg-type]

    def start(self, appClass: type[A], *events: Any, **args: Any) -> A:
        """An application that was started, with events queued for its first turn."""
        app = self.make(appClass, **args)
        app.va_start(*events)
        return app

    def turn(self, times: int = 1) -> None:
        """Lets the reactor go round: what is due now is called, what that makes due waits."""
        for _ in range(times):
            for call in [c for c in self.clock.calls if c.getTime() <= self.clock.seconds()]:
                if call.active():
                    self.clock.calls.remove(call)
                    call.called = 1
                    call.func(*call.args, **call.kw)

    def run_(self, seconds: float) -> None:
        """Lets time pass."""
        runFor(self.clock, seconds)

    def logged(self) -> list[tuple[Any, str]]:
        """Level and text of what is logged from now on."""
        lines: list[tuple[Any, str]] = []
        note = implementer(ILogObserver)(
            lambda event: lines.append((event["log_level"], formatEvent(event)))
        )
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        return lines

    def failureOf(self, error: type[Exception]) -> str:
        """The text of the error that the one application has ended with."""
        self.assertEqual(len(self.outcomes), 1, self.outcomes)
        self.assertIsInstance(self.outcomes[0].value, error)
        return str(self.outcomes[0].value)


class Keeping(VoiceApp):
    """Takes First and Second and remembers them; stays although nothing is under way."""

    keepAlive = True

    def __start__(self) -> Any:
        self.got: list[Any] = []
        return [(First, self.first), (Second, self.second)]

    def first(self, event: First) -> Any:
        """Remembers it."""
        self.got.append(event)

    def second(self, event: Second) -> Any:
        """Remembers it."""
        self.got.append(event)


class Waiting(Keeping):
    """Its handler of First waits for the Deferred of its turn; the handler of Second does not."""

    waits: list[Deferred[Any]]

    def __start__(self) -> Any:
        self.waits = []
        return super().__start__()

    def first(self, event: First) -> Any:
        self.got.append(event)
        self.waits.append(Deferred())
        return self.waits[-1]
