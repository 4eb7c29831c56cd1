"""The contract, section 2: the state machine. A test for each sentence, in its order."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.logger import LogLevel

from doug.events import (
    IGNORE_EVENT,
    CallProgressEvent,
    DTMFReceivedEvent,
    Event,
    OptionalEvent,
)
from doug.exceptions import EventNotSpecifiedError
from doug.voiceapp import VoiceApp
from test.contract.support import AppTestCase, First, Keeping, Narrower, Second, Waiting


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
