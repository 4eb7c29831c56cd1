"""The contract, section 2: the state machine. A test for each sentence, in its order."""

from __future__ import annotations

from threading import Thread
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, succeed
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from doug.events import (
    IGNORE_EVENT,
    CallProgressEvent,
    DTMFReceivedEvent,
    Event,
    OptionalEvent,
    TimeoutEvent,
)
from doug.exceptions import EventNotSpecifiedError, NonEventError, StateMachineError
from doug.settings import Settings
from doug.voiceapp import VoiceApp
from test.contract.support import AppTestCase, First, Keeping, Narrower, Second
from test.doug.puppet import LegTestCase, Puppet


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


class HandlerTests(AppTestCase):
    """What handlers are called with and may return."""

    def test_startIsAllThatAnApplicationMustHave(self) -> None:
        """__start__ returns the first list of pairs."""

        class Least(VoiceApp):
            keepAlive = True

            def __start__(self) -> Any:
                return ((First, IGNORE_EVENT),)

        app = self.start(Least, First())
        self.turn()
        self.assertEqual(app.getCurrentEvents(), [(First, IGNORE_EVENT)])
        self.assertEqual(self.outcomes, [])

    def test_withoutStartTheErrorNamesIt(self) -> None:
        """An application without __start__ ends with an error that says so."""

        class Bare(VoiceApp):
            pass

        self.start(Bare)
        self.turn()
        self.assertIn("__start__", self.failureOf(NotImplementedError))

    def test_handlerGetsTheEventAndReturnsTheNextList(self) -> None:
        """What it returns, any iterable of pairs, is the current list from then on."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                self.got.append(event)
                yield (Second, self.second)

        event, other = First(), Second()
        app = self.start(App, event, other)
        self.turn()
        self.assertEqual(app.got, [event, other])
        self.assertEqual(app.getCurrentEvents(), [(Second, app.second)])

    def test_handlerMayReturnADeferred(self) -> None:
        """The list that the Deferred fires with becomes current."""
        app = self.start(Waiting, First())
        self.turn()
        app.waits[0].callback([(Second, app.second)])
        self.assertEqual(app.getCurrentEvents(), [(Second, app.second)])

    def test_handlerMayReturnADeferredThatHasFired(self) -> None:
        """It counts as if the list itself had been returned: the next event is not delayed."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                return succeed([(Second, self.second)])

        app = self.start(App, First(), Second())
        self.turn()
        self.assertEqual(len(app.got), 1)

    def test_handlerMayBeAnAsyncMethod(self) -> None:
        """D: a coroutine is wrapped with Deferred.fromCoroutine; events wait for it."""

        slow: Deferred[str] = Deferred()

        class App(Keeping):
            async def first(self, event: First) -> Any:
                self.got.append(await slow)
                return [(Second, self.second)]

        app = self.start(App, First(), Second())
        self.turn()
        slow.callback("slow")
        self.turn()
        self.assertEqual([type(e).__name__ for e in app.got], ["str", "Second"])

    def test_handlerMayBeAnInlineCallbacksMethod(self) -> None:
        """inlineCallbacks makes a Deferred of it."""

        class App(Keeping):
            @inlineCallbacks
            def first(self, event: First) -> Any:
                yield self.deferToThread(self.got.append, "done")
                return [(Second, self.second)]

        app = self.start(App, First())
        self.turn(2)
        self.assertEqual(app.got, ["done"])
        self.assertEqual(app.getCurrentState(), "first")

    def test_theSameHoldsForStart(self) -> None:
        """__start__ may be async; events wait until its list is there."""

        class App(Keeping):
            async def __start__(self) -> Any:
                self.got = []
                await self.deferToThread(int)
                return [(First, self.first)]

        app = self.start(App, First())
        self.turn()
        self.turn(2)
        self.assertEqual(len(app.got), 1)

    def test_noneKeepsTheCurrentList(self) -> None:
        """D: a handler that returns None changes nothing."""
        app = self.start(Keeping, First())
        before = app.getCurrentEvents()
        self.turn()
        self.assertEqual(app.getCurrentEvents(), before)

    def test_emptyTupleIsAnEmptyList(self) -> None:
        """D: () of an ordinary handler leaves nothing that is handled."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                return ()

        app = self.start(App, First())
        self.turn()
        self.assertEqual(app.getCurrentEvents(), [])


class QueueTests(AppTestCase):
    """D: one queue, one way in."""

    def test_noEventIsDeliveredInsideTheCallThatRaisesIt(self) -> None:
        """It comes on a later turn, even if a handler raises it."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                self.raiseEvent(Second())
                self.got.append("handler over")

        app = self.start(App)
        app.raiseEvent(First())
        self.assertEqual(app.got, [])
        self.turn(2)
        self.assertEqual([str(type(e).__name__) for e in app.got], ["str", "Second"])

    def test_orderOfRaisingIsOrderOfDelivery(self) -> None:
        """Whoever raises them."""
        app = self.start(Keeping)
        events = [Second(), First(), Narrower(), Second()]
        for event in events:
            app.raiseEvent(event)
        self.turn()
        self.assertEqual(app.got, events)

    def test_whatAHandlerRaisesComesOnALaterTurn(self) -> None:
        """An application that raises an event for each event does not hold the reactor."""

        class App(Keeping):
            def first(self, event: First) -> Any:
                self.got.append(event)
                self.raiseEvent(First())

        app = self.start(App, First())
        self.turn(5)
        self.assertEqual(len(app.got), 5)

    def test_eventsWaitWhileADeferredPends(self) -> None:
        """They are delivered in order when it has fired, against the list that is then current."""
        app = self.start(Waiting, First(), Second())
        late = Second()
        self.turn()
        app.raiseEvent(late)
        self.turn(3)
        self.assertEqual(len(app.got), 1)
        other: list[Any] = []
        app.waits[0].callback([(Second, other.append)])
        self.assertEqual(other, [])
        self.turn()
        self.assertEqual(len(other), 2)
        self.assertIs(other[1], late)

    def test_eachEventIsMatchedAgainstTheListOfItsTime(self) -> None:
        """The handler of the first queued event decides what the second one meets."""

        class App(Waiting):
            def second(self, event: Second) -> Any:
                self.got.append("second")
                return [(Second, self.third)]

            def third(self, event: Second) -> Any:
                self.got.append("third")

        app = self.start(App, First(), Second(), Second())
        self.turn()
        app.waits[0].callback(None)
        self.turn()
        self.assertEqual(app.got[1:], ["second", "third"])

    def test_anotherDeferredStopsTheDelivery(self) -> None:
        """A queued event whose handler returns a Deferred holds those behind it."""
        events = [First(), Second(), First(), Second()]
        app = self.start(Waiting, *events)
        self.turn()
        app.waits[0].callback(None)
        self.turn()
        self.assertEqual(app.got, events[:3])
        app.waits[1].callback(None)
        self.turn()
        self.assertEqual(app.got, events)

    @given(st.lists(st.sampled_from(["first", "second", "fire", "turn"]), max_size=40))
    @settings(max_examples=60, deadline=None)
    def test_orderNeverChangesAndNothingIsLostOrDoubled(self, steps: list[str]) -> None:
        """Whatever comes when, events are delivered once each, in the order of their raising."""
        self.setUp()
        app = self.start(Waiting)
        raised = []
        for step in steps:
            if step == "turn":
                self.turn()
            elif step == "fire":
                for waited in app.waits:
                    if not waited.called:
                        waited.callback(None)
            else:
                raised.append(First() if step == "first" else Second())
                app.raiseEvent(raised[-1])
        for _ in range(len(raised) + 1):
            for waited in app.waits:
                if not waited.called:
                    waited.callback(None)
            self.turn()
        self.assertEqual(app.got, raised)


class MatchingTests(AppTestCase):
    """Which handler gets an event."""

    def test_firstMatchInListOrderWins(self) -> None:
        """Not the most specific one."""

        class App(Keeping):
            def __start__(self) -> Any:
                super().__start__()
                return [(First, self.first), (Narrower, self.second)]

        app = self.start(App, Narrower())
        self.turn()
        self.assertEqual(app.getCurrentState(), "first")

    def test_matchingIsByIsinstance(self) -> None:
        """A handler for a class gets its subclasses, and not its parents."""

        class App(Keeping):
            def __start__(self) -> Any:
                super().__start__()
                return [(Narrower, self.second), (Event, self.first)]

        app = self.start(App, First())
        self.turn()
        self.assertEqual(app.getCurrentState(), "first")
        app.raiseEvent(Narrower())
        self.turn()
        self.assertEqual(app.getCurrentState(), "second")

    def test_ignoreEventDropsItAndKeepsTheState(self) -> None:
        """IGNORE_EVENT as the handler."""

        class App(Keeping):
            def __start__(self) -> Any:
                super().__start__()
                return [(First, IGNORE_EVENT), (Second, self.second)]

        app = self.start(App, First())
        before = app.getCurrentEvents()
        self.turn()
        self.assertEqual((app.getCurrentState(), app.getCurrentEvents()), ("__start__", before))
        self.assertEqual(self.outcomes, [])

    def test_currentStateIsTheHandlerLastEntered(self) -> None:
        """getCurrentState() gives its name, getCurrentEvents() the list."""
        app = self.start(Keeping, First())
        self.assertEqual(app.getCurrentState(), "__start__")
        self.turn()
        self.assertEqual(app.getCurrentState(), "first")
        self.assertEqual(app.getCurrentEvents(), [(First, app.first), (Second, app.second)])


class Unprepared(Keeping):
    """Handles First alone."""

    def __start__(self) -> Any:
        super().__start__()
        return [(First, self.first)]


class UnmatchedTests(AppTestCase):
    """Events that nothing matches."""

    def test_unknownEventIsAskedFirst(self) -> None:
        """It is called with the event; None or () keeps the state."""

        class App(Unprepared):
            def unknownEvent(self, event: Event) -> Any:
                self.got.append(event)
                return ()

        event = Second()
        app = self.start(App, event)
        self.turn()
        self.assertEqual(app.got, [event])
        self.assertEqual(app.getCurrentEvents(), [(First, app.first)])
        self.assertEqual(app.getCurrentState(), "__start__")

    def test_listOfUnknownEventBecomesCurrent(self) -> None:
        """D: a non-empty list that it returns is the new one."""

        class App(Unprepared):
            async def unknownEvent(self, event: Event) -> Any:
                return [(Second, self.second)]

        app = self.start(App, Second())
        self.turn()
        self.assertEqual(app.getCurrentEvents(), [(Second, app.second)])

    def test_otherwiseItIsAnError(self) -> None:
        """EventNotSpecifiedError names the event, the state and what that handles."""
        self.start(Unprepared, Second())
        self.turn(2)
        text = self.failureOf(EventNotSpecifiedError)
        for word in ("Second", "__start__", "First"):
            self.assertIn(word, text)
        line = Unprepared.__start__.__code__.co_firstlineno
        self.assertIn(
            "add (Second, ...) to the list that __start__ "
            f"(test_section_2_statemachine.py, line {line}) returns",
            text,
        )

    def test_aStartThatReturnsNothingIsExplained(self) -> None:
        """The commonest slip: the return was forgotten."""

        class App(Keeping):
            def __start__(self) -> Any:
                self.forgotten = [(First, self.first)]

        self.start(App, First())
        self.turn(2)
        self.assertIn(
            "__start__ returned None; is a return missing?",
            self.failureOf(EventNotSpecifiedError),
        )

    def test_logMakesItAWarning(self) -> None:
        """D: unhandledEvents = "log"."""

        class App(Unprepared):
            unhandledEvents = "log"

        lines = self.logged()
        app = self.start(App, Second(), First())
        self.turn()
        self.assertEqual((len(app.got), self.outcomes), (1, []))
        self.assertEqual([level for level, text in lines if "Second" in text], [LogLevel.warn])

    def test_anotherModeIsRefusedWhenTheClassIsMade(self) -> None:
        """The error names the modes that there are."""
        with self.assertRaises(ValueError) as caught:
            type("App", (Unprepared,), {"unhandledEvents": "ignore"})
        self.assertIn("error, log, strict", str(caught.exception))

    def test_aKeyNeverEndsACall(self) -> None:
        """D: an unmatched DTMFReceivedEvent is dropped, the application goes on."""
        lines = self.logged()
        app = self.start(Unprepared, DTMFReceivedEvent("5", None), First())  # type: ignore[arg-type]
        self.turn()
        self.assertEqual((len(app.got), self.outcomes), (1, []))
        self.assertEqual(len([text for _, text in lines if "'5'" in text and "dropped" in text]), 1)

    def test_aKeyIsAnErrorToAStrictApplication(self) -> None:
        """D: unhandledEvents = "strict" treats a key like any other event."""

        class App(Unprepared):
            unhandledEvents = "strict"

        self.start(App, DTMFReceivedEvent("5", None))  # type: ignore[arg-type]
        self.turn(2)
        self.assertIn("'5'", self.failureOf(EventNotSpecifiedError))

    def test_anOptionalEventIsDroppedSilently(self) -> None:
        """Not even unknownEvent hears of it, in any mode."""

        class App(Unprepared):
            unhandledEvents = "strict"

            def unknownEvent(self, event: Any) -> Any:
                self.got.append(event)

        app = self.start(App, OptionalEvent(), CallProgressEvent(None, 180))  # type: ignore[arg-type]
        self.turn()
        self.assertEqual((app.got, self.outcomes), ([], []))


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
            r"^App\.first \(test_section_2_statemachine\.py, line \d+\) returned 42: "
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
