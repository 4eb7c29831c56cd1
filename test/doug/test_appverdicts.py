"""What a call's end says of its application, in whole calls."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from doug.events import (
    ApplicationSpecificEvent,
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    TimeoutEvent,
)
from doug.settings import Settings
from test.doug.puppet import LegTestCase, Puppet
from test.support.logs import logLines


class Picky(Puppet):
    """Answers, and has an entry for nothing but the end."""

    unhandledEvents = "log"

    def started(self, event: CallStartedEvent) -> Any:
        """A call."""
        self.leg = event.getLeg()
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.greet)]

    def greet(self, event: BaseEvent) -> Any:
        """It is up."""
        return [(CallEndedEvent, self.note)]


class Strict(Picky):
    """The same, as it is without a word about it."""

    unhandledEvents = "error"


class Hook:
    """Returns a Deferred."""

    def __init__(self, pending: Deferred[None]) -> None:
        self.pending = pending

    def __call__(self, event: BaseEvent) -> Deferred[None]:
        """From a handler."""
        return self.pending


class VerdictTests(LegTestCase):
    """CallEndedEvent.verdict, and the log's last line of the call."""

    def setUp(self) -> None:
        super().setUp()
        self.lines = logLines(self)

    def speak(self) -> None:
        """The caller says something all the time, as phones do."""
        self.call.saySilence(30.0)

    def assertFound(self, rule: str, *words: str) -> None:
        """The call ends: this finding alone, on the event and in the log."""
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertTold(rule, *words)
        self.finish()

    def assertTold(self, rule: str, *words: str) -> None:
        """It has ended."""
        [ended] = [event for event in self.app.events if isinstance(event, CallEndedEvent)]
        self.assertEqual([finding.rule for finding in ended.verdict], [rule])
        text = ended.verdict[0].text
        for word in words:
            self.assertIn(word, text)
        [line] = [line for line in self.lines if "ended after" in line]
        self.assertIn(text, line)

    def test_aKeyInAPromptThatDoesNotStop(self) -> None:
        """bargeIn was off, and the prompt went on to its end."""
        self.begin()
        self.speak()
        self.leg.mediaPlay(self.wav("long.wav", 440, 4.0))
        self.lab.advance(1.0)
        self.call.press("7")
        self.lab.advance(5.0)
        self.assertEqual([e.digits for e in self.app.events if isinstance(e, DTMFReceivedEvent)],
                         ["7"])  # fmt: skip
        self.assertFound("keys-unheeded", "'7'", "bargeIn=True")

    def test_aKeyInAPromptThatTheCallerDoesNotHearOut(self) -> None:
        """Nor does it matter who ends it, if it was heard for a second more."""
        self.begin()
        self.speak()
        self.leg.mediaPlay(self.wav("long.wav", 440, 20.0))
        self.lab.advance(1.0)
        self.call.press("7")
        self.lab.advance(5.0)
        self.assertFound("keys-unheeded", "'7'")

    def test_keysThatArePartOfThePlan(self) -> None:
        """Said of no prompt that stops, by barge-in or by the application, or was just over."""
        self.begin()
        self.speak()
        long = self.wav("long.wav", 440, 4.0)
        self.leg.mediaPlay(long, bargeIn=True)
        self.lab.advance(1.0)
        self.call.press("1")
        self.lab.advance(1.0)
        self.app.hooks["DTMFReceivedEvent"] = lambda event: self.leg.mediaStop()
        self.leg.mediaPlay(long)
        self.lab.advance(1.0)
        self.call.press("2")
        self.lab.advance(1.0)
        del self.app.hooks["DTMFReceivedEvent"]
        self.leg.mediaPlay(long)
        self.lab.advance(3.5)
        self.call.press("3")
        self.lab.advance(1.0)
        self.leg.mediaPlay(long, loop=True)
        self.call.press("4")
        self.lab.advance(3.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        [ended] = [event for event in self.app.events if isinstance(event, CallEndedEvent)]
        self.assertEqual(ended.verdict, [])
        self.finish()

    def test_aSlowHandler(self) -> None:
        """With file, line and seconds; and not, besides, that the reactor was late."""
        self.begin()
        self.speak()
        self.app.hooks["DTMFReceivedEvent"] = lambda event: self.lab.reactor.stall(0.3)
        self.call.press("1")
        self.lab.advance(3.0)
        self.assertFound("slow-handler", "note (puppet.py, line ", ": 0.30 s", "deferToThread")

    def test_somethingElseWasSlow(self) -> None:
        """No handler of this application; the caller heard it."""
        self.begin()
        self.speak()
        self.leg.mediaPlay(self.wav("long.wav", 440, 10.0))
        self.lab.advance(1.0)
        self.lab.reactor.stall(0.3)
        self.lab.advance(3.0)
        self.assertFound("late", "more than 40 ms")

    def test_aDeferredThatPends(self) -> None:
        """The caller has gone, and the handler still waits for something."""
        self.begin()
        self.speak()
        pending: Deferred[None] = Deferred()
        self.app.hooks["ApplicationSpecificEvent"] = lambda event: pending
        self.app.raiseEvent(ApplicationSpecificEvent())
        self.lab.advance(3.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[-1], "ApplicationSpecific")
        pending.callback(None)
        self.lab.advance(0.1)
        self.assertTold("deferred-pending", "the Deferred of Puppet.note still pended")
        self.finish()

    def test_aDeferredThatPendsWhenALimitEndsTheCall(self) -> None:
        """The caller has left without a word, or talks for ever."""
        for settings in (Settings(rtpTimeout=5.0), Settings(maxCallDuration=5.0)):
            with self.subTest(settings):
                self.lines.clear()
                self.begin(lab={"settings": settings})
                if settings.rtpTimeout == 5.0:
                    self.call.phone.clock.close()
                else:
                    self.speak()
                pending: Deferred[None] = Deferred()
                self.app.hooks["ApplicationSpecificEvent"] = Hook(pending)
                self.app.raiseEvent(ApplicationSpecificEvent())
                self.lab.advance(8.0)
                pending.callback(None)
                self.lab.advance(0.1)
                self.assertTold("deferred-pending", "the Deferred of Puppet.note still pended")
                self.lab.advance(30.0)
                self.app.returnResult("over")

    def test_aDeferredThatPendsWhenTheApplicationHangsUp(self) -> None:
        """It knows what it does."""
        self.begin()
        self.speak()
        pending: Deferred[None] = Deferred()
        self.app.hooks["ApplicationSpecificEvent"] = lambda event: pending
        self.app.raiseEvent(ApplicationSpecificEvent())
        self.lab.advance(3.0)
        self.leg.hangupCall()
        self.lab.advance(0.1)
        pending.callback(None)
        self.lab.advance(0.1)
        [ended] = [event for event in self.app.events if isinstance(event, CallEndedEvent)]
        self.assertEqual(ended.verdict, [])
        self.finish()

    def test_anEventThatNobodyWanted(self) -> None:
        """Dropped (unhandledEvents = "log"): it is named with the state, twice is once."""
        self.appClass = Picky
        self.begin()
        self.speak()
        self.app.setTimer(1.0)
        self.app.setTimer(1.5)
        self.lab.advance(3.0)
        self.assertFound("events-unmatched", "TimeoutEvent in greet", "IGNORE_EVENT")

    def test_anEventThatEndsTheApplication(self) -> None:
        """The log's line says which, in which state, and where to add it."""
        self.appClass = Strict
        self.begin()
        self.speak()
        self.app.setTimer(3.0)
        self.lab.advance(4.0)
        [line] = [line for line in self.lines if "ended after" in line]
        for words in (
            "the application ended with an error in Strict.greet: EventNotSpecifiedError",
            "no handler for <TimeoutEvent",
            "add (TimeoutEvent, ...) to the list that greet (test_appverdicts.py, line ",
        ):
            self.assertIn(words, line)
        self.assertEqual(len(self.lab.failures), 1)
        self.flushLoggedErrors()
        self.lab.assertNothingLeft()


class OrdinaryTests(LegTestCase):
    """What shipped applications do is nothing wrong."""

    def test_aMenu(self) -> None:
        """Prompts that keys stop, timers, a key for nothing in the end."""

        class Menu(Puppet):
            def started(self, event: CallStartedEvent) -> Any:
                self.leg = event.getLeg()
                self.leg.answerCall(self)
                return [(CallAnsweredEvent, self.ask)]

            def ask(self, event: BaseEvent) -> Any:
                self.timer = self.setTimer(5.0)
                return [
                    (DTMFReceivedEvent, self.chosen),
                    (TimeoutEvent, self.chosen),
                    (CallEndedEvent, self.note),
                ]

            def chosen(self, event: BaseEvent) -> Any:
                self.timer.cancel()
                return [(CallEndedEvent, self.note)]

        self.appClass = Menu
        self.begin()
        self.call.saySilence(5.0)
        self.call.press("1")
        self.lab.advance(3.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.last().verdict, [])
        self.finish()
