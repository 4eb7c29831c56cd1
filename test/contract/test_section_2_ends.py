"""The contract, section 2: errors, events from outside, ends. A test for each sentence."""

from __future__ import annotations

from threading import Thread
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from doug.events import (
    IGNORE_EVENT,
    TimeoutEvent,
)
from doug.exceptions import NonEventError, StateMachineError
from doug.settings import Settings
from doug.voiceapp import VoiceApp
from test.contract.support import AppTestCase, First, Keeping, Narrower, Second, Waiting
from test.doug.puppet import LegTestCase, Puppet


class FailureTests(AppTestCase):
    """What an application does wrong ends it, and nothing else."""

    def test_aHandlerThatRaises(self) -> None:
        """returnError with that failure."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                raise ZeroDivisionError("division of labour")

        self.start(App, First())
        self.turn(2)
        self.assertEqual(self.failureOf(ZeroDivisionError), "division of labour")

    def test_sysExitInAHandler(self) -> None:
        """It ends the one application, not the server."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                raise SystemExit(1)

        self.start(App, First())
        self.turn(2)
        self.assertIsInstance(self.outcomes[0].value, SystemExit)

    def test_aStartThatRaises(self) -> None:
        """As any handler."""

        class App(Keeping):
            def __start__(self) -> Any:
                raise KeyError("prompt")

        self.start(App)
        self.turn()
        self.failureOf(KeyError)

    def test_aDeferredThatFails(self) -> None:
        """returnError with that failure."""
        app = self.start(Waiting, First())
        self.turn()
        app.waits[0].errback(ValueError("no such account"))
        self.turn()
        self.assertEqual(self.failureOf(ValueError), "no such account")

    def test_anAsyncHandlerThatRaises(self) -> None:
        """As a Deferred that fails."""

        class App(Keeping):
            async def first(self, event: First) -> Any:
                raise LookupError("gone")

        self.start(App, First())
        self.turn(2)
        self.failureOf(LookupError)

    def wrong(self, value: Any) -> str:
        """The text of the TypeError for a handler that returns value."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                return value

        self.outcomes.clear()
        self.start(App, First())
        self.turn(2)
        return self.failureOf(TypeError)

    def test_aReturnValueThatIsNoListOfPairs(self) -> None:
        """A TypeError that names handler and value."""
        self.assertRegex(
            self.wrong(42),
            r"^App\.first \(test_section_2_ends\.py, line \d+\) returned 42: "
            r"wanted a list of \(event class, handler\) pairs$",
        )
        for value in (7, [Second], [(Second,)], [("Second", print)], [(int, print)], "text"):
            text = self.wrong(value)
            self.assertIn("first", text)
            self.assertIn(repr(value), text)

    def test_aHandlerThatCannotBeCalled(self) -> None:
        """Neither callable nor IGNORE_EVENT: a TypeError, when the list is returned."""
        self.assertIn("'goodbye'", self.wrong([(Second, "goodbye")]))
        self.assertIn("handler of Second is None", self.wrong([(Second, None)]))

    def test_aPairAloneIsExplained(self) -> None:
        """The commonest slip: the list around a single pair was forgotten."""
        self.assertIn("a list around it", self.wrong((Second, print)))

    def test_aGeneratorThatRaises(self) -> None:
        """What comes out of iterating the value is the application's error as well."""

        def values() -> Any:
            yield (First, print)
            raise ZeroDivisionError

        class App(Keeping):
            def first(self, event: First) -> Any:
                return values()

        self.start(App, First())
        self.turn(2)
        self.failureOf(ZeroDivisionError)

    def test_oneApplicationsErrorLeavesOthersAlone(self) -> None:
        """The server carries on."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                raise ZeroDivisionError

        self.start(App, First())
        other = self.start(Keeping, First())
        self.turn(2)
        self.assertEqual((len(self.outcomes), len(other.got)), (1, 1))

    def test_aNonEventRaised(self) -> None:
        """raiseEvent and _triggerEvent: NonEventError through returnError, naming the value."""
        for method in ("raiseEvent", "_triggerEvent"):
            self.outcomes.clear()
            app = self.start(Keeping)
            getattr(app, method)("hangup")
            self.turn()
            self.assertIn("'hangup'", self.failureOf(NonEventError))

    def test_anEventClassIsNoEvent(self) -> None:
        """The class instead of an instance."""
        self.start(Keeping).raiseEvent(First)  # type: ignore[arg-type]
        self.turn()
        self.failureOf(NonEventError)


class FromOutsideTests(AppTestCase):
    """Events from other parts of the program."""

    def test_anyPartOfTheProgramMayRaiseAnEvent(self) -> None:
        """In the reactor's thread: a timer, another application."""
        app = self.start(Keeping)
        self.clock.callLater(5, app.raiseEvent, First())
        self.run_(6)
        self.assertEqual(len(app.got), 1)

    def test_anotherThreadIsRefused(self) -> None:
        """RuntimeError names callFromThread; nothing was queued."""
        app = self.start(Keeping)
        caught: list[Exception] = []

        def work() -> None:
            for call in (lambda: app.raiseEvent(First()), lambda: app.returnResult(1)):
                try:
                    call()
                except RuntimeError as e:
                    caught.append(e)

        thread = Thread(target=work)
        thread.start()
        thread.join()
        self.turn()
        self.assertEqual(len(caught), 2)
        self.assertIn("callFromThread", str(caught[0]))
        self.assertEqual((app.got, self.outcomes), ([], []))


class StaleTests(AppTestCase):
    """D: stale events."""

    def test_timerCancelWithdrawsItsEvent(self) -> None:
        """Even one that is queued behind a pending Deferred."""

        class App(Waiting):
            def first(self, event: First) -> Any:
                self.timer = self.setTimer(1)
                return super().first(event)

        app = self.start(App, First())
        self.turn()
        self.run_(2)
        app.timer.cancel()
        app.waits[0].callback([(TimeoutEvent, app.second)])
        self.turn(2)
        self.assertEqual(len(app.got), 1)
        self.assertEqual(self.outcomes, [])

    def test_othersStay(self) -> None:
        """Withdrawing takes what matches, and keeps the order of the rest."""
        app = self.start(Keeping, First(), Second(), Narrower())
        self.assertEqual(app.va_withdraw(lambda event: isinstance(event, First)), 2)
        self.turn()
        self.assertEqual([type(e) for e in app.got], [Second])


class StaleLegTests(LegTestCase):
    """D: what belongs to a leg that has a new owner."""

    def test_hijackLegWithdrawsTheLegsEvents(self) -> None:
        """Those queued behind a pending Deferred; events of others stay."""
        self.begin()
        other = Puppet(Deferred(), self.lab.application, "other")
        pending: Deferred[Any] = Deferred()
        self.app.hooks["First"] = lambda event: pending
        self.app.raiseEvent(First())
        self.lab.advance(0.1)
        self.call.press("5")
        self.lab.advance(0.5)
        self.app.raiseEvent(Second())
        self.assertIs(self.leg.hijackLeg(other), self.app)
        pending.callback(None)
        self.lab.advance(0.1)
        self.assertEqual(self.app.names(), ["CallAnswered", "First", "Second"])
        other.returnResult()
        self.finish()


class EndTests(AppTestCase):
    """returnResult and returnError."""

    def test_theResultArrivesOnTheNextTurn(self) -> None:
        """The Deferred of the constructor fires with it."""
        app = self.start(Keeping)
        app.returnResult("greeted")
        self.assertEqual(self.outcomes, [])
        self.turn()
        self.assertEqual(self.outcomes, ["greeted"])

    def test_theErrorArrivesAsAFailure(self) -> None:
        """An exception or a Failure may be given."""
        for error in (ValueError("x"), Failure(ValueError("x"))):
            self.outcomes.clear()
            self.start(Keeping).returnError(error)
            self.turn()
            self.assertEqual(self.failureOf(ValueError), "x")

    def test_aTextAsErrorIsTaken(self) -> None:
        """What is no exception becomes a StateMachineError with that text."""
        self.start(Keeping).returnError("out of paper")  # type: ignore[arg-type]
        self.turn()
        self.assertEqual(self.failureOf(StateMachineError), "out of paper")

    def test_exactlyOnce(self) -> None:
        """Later results and errors are ignored."""
        app = self.start(Keeping)
        app.returnResult(1)
        app.returnResult(2)
        app.returnError(ValueError())
        self.turn(3)
        app.returnResult(3)
        self.turn()
        self.assertEqual(self.outcomes, [1])

    def test_eventsAfterTheEndAreIgnored(self) -> None:
        """Raised later, or queued already."""
        app = self.start(Keeping, First())
        app.returnResult(1)
        app.raiseEvent(Second())
        app.raiseEvent("no event")  # type: ignore[arg-type]
        self.turn(2)
        self.assertEqual((app.got, self.outcomes), ([], [1]))

    def test_theRestOfTheQueueIsDropped(self) -> None:
        """Events behind the one whose handler ended the application."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                self.returnResult("over")
                return [(Second, self.second)]

        app = self.start(App, First(), Second())
        self.turn(3)
        self.assertEqual((app.got, self.outcomes), ([], ["over"]))
        self.assertEqual(app.getCurrentEvents(), [])

    def test_timersAreCancelled(self) -> None:
        """Nothing is left on the clock."""
        app = self.start(Keeping)
        timer = app.setTimer(30)
        app.returnResult()
        self.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(timer.isActive())

    def test_aTimerSetAfterTheEndDoesNothing(self) -> None:
        """It is cancelled from the start."""
        app = self.start(Keeping)
        app.returnResult()
        self.turn()
        app.setTimer(5)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_aPendingDeferredIsCancelled(self) -> None:
        """Its CancelledError is swallowed."""
        cancelled: list[Any] = []

        class App(Keeping):
            def first(self, event: First) -> Any:
                return Deferred(cancelled.append)

        app = self.start(App, First())
        self.turn()
        app.returnResult("over")
        self.turn()
        self.assertEqual((self.outcomes, len(cancelled)), (["over"], 1))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_anAsyncHandlerMayEndTheApplicationAndGoOn(self) -> None:
        """What it waits for afterwards is cancelled; its CancelledError is no error."""
        seen: list[str] = []

        class App(Keeping):
            async def first(self, event: First) -> Any:
                self.returnResult("over")
                try:
                    await Deferred()
                except CancelledError:
                    seen.append("cancelled")
                    raise

        self.start(App, First())
        self.turn(3)
        self.assertEqual((self.outcomes, seen), (["over"], ["cancelled"]))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_anotherErrorAfterTheEndIsLogged(self) -> None:
        """Only CancelledError is swallowed."""

        class App(Keeping):
            async def first(self, event: First) -> Any:
                self.returnResult("over")
                raise ZeroDivisionError

        self.start(App, First())
        self.turn(3)
        self.assertEqual(self.outcomes, ["over"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class IdleTests(AppTestCase):
    """D: an application that waits for nothing; and one that waits too long."""

    def test_itEndsByItself(self) -> None:
        """Without leg, timer, Deferred or event: returnResult(None)."""

        class App(Keeping):
            keepAlive = False

        self.start(App, First())
        self.turn(2)
        self.assertEqual(self.outcomes, [None])

    def test_aTimerKeepsItUp(self) -> None:
        """It ends when that has run out and nothing else was begun."""

        class App(VoiceApp):
            def __start__(self) -> Any:
                self.setTimer(5)
                return [(TimeoutEvent, self.over)]

            def over(self, event: TimeoutEvent) -> Any:
                return ()

        self.start(App)
        self.run_(4.9)
        self.assertEqual(self.outcomes, [])
        self.run_(0.2)
        self.assertEqual(self.outcomes, [None])

    def test_cancellingTheLastTimerEndsIt(self) -> None:
        """It would wait for ever else."""

        class App(VoiceApp):
            def __start__(self) -> Any:
                self.timer = self.setTimer(5)
                return [(TimeoutEvent, IGNORE_EVENT)]

        app = self.start(App)
        self.turn()
        app.timer.cancel()
        self.turn(2)
        self.assertEqual(self.outcomes, [None])

    def test_aPendingDeferredKeepsItUp(self) -> None:
        """However long it takes, while there was no leg that has ended."""

        class App(Waiting):
            keepAlive = False

        app = self.start(App, First())
        self.run_(500)
        self.assertEqual(self.outcomes, [])
        app.waits[0].callback(None)
        self.turn(2)
        self.assertEqual(self.outcomes, [None])

    def test_keepAlive(self) -> None:
        """With keepAlive = True it waits for what others raise."""
        app = self.start(Keeping, First())
        self.run_(500)
        self.assertEqual(self.outcomes, [])
        app.raiseEvent(First())
        self.turn()
        self.assertEqual(len(app.got), 2)

    def test_onlySoManyEventsWaitForADeferred(self) -> None:
        """D: maxQueuedEvents; one more ends the application with a clear error."""
        app = self.start(Waiting, First())
        self.turn()
        for _ in range(1000):
            app.raiseEvent(Second())
        self.turn()
        self.assertEqual(self.outcomes, [])
        app.raiseEvent(Second())
        self.turn()
        text = self.failureOf(StateMachineError)
        for word in ("1000", "maxQueuedEvents", "first", "Second"):
            self.assertIn(word, text)

    def test_theLimitIsASettingOfServerOrApplication(self) -> None:
        """The application's own counts first."""
        self.office.settings = Settings(maxQueuedEvents=5, pendingLimit=7.0)
        app = self.make(Waiting)
        self.assertEqual((app.maxQueuedEvents, app.pendingLimit), (5, 7.0))

        class Own(Waiting):
            maxQueuedEvents = 3

        self.assertEqual(self.make(Own).maxQueuedEvents, 3)
