"""The contract, section 2, in actual calls: media, signalling and timers in the one queue, errors.

Not here: the state machine by itself (test_section_2_statemachine.py).
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail

from doug.events import (
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    MediaPlayContentFailedEvent,
    TimeoutEvent,
)
from shtoom.exceptions import CallRejected
from shtoom.media.files import openReader
from test.doug.bridged import BridgeTestCase
from test.doug.puppet import LegTestCase, Puppet
from test.support.logs import logLines


class Inside(Puppet):
    """Does `act` in the handler of its first event; notes what had come when that returned."""

    def within(self, act: Any) -> None:
        """To be called before the event."""

        def handler(event: BaseEvent) -> Any:
            act()
            self.came = list(self.names())
            return [(Event, self.after)]

        self.hooks["DTMFReceivedEvent"] = handler

    def after(self, event: Event) -> Any:
        """The list that the handler has returned is what meets the event."""
        self.late = event


class OneQueueTests(LegTestCase):
    """D: every event is delivered from callLater(0), never inside the call that caused it."""

    appClass = Inside

    def afterwards(self, act: Any) -> type[BaseEvent]:
        """The event that `act`, called in a handler, causes."""
        app = self.app
        assert isinstance(app, Inside)
        app.within(act)
        self.call.press("1")
        self.lab.advance(1.0)
        self.assertEqual(app.came, ["CallAnswered", "DTMFReceived"])
        self.finish()
        return type(app.late)

    def test_ofMedia(self) -> None:
        """mediaPlay("missing.wav") fires when its handler has returned, and meets its list."""
        self.begin()
        act = lambda: self.leg.mediaPlay("missing.wav")  # noqa: E731
        self.assertIs(self.afterwards(act), MediaPlayContentFailedEvent)

    def test_ofSignalling(self) -> None:
        """hangupCall(), or a dial that fails at once."""
        self.begin()
        self.assertIs(self.afterwards(self.leg.hangupCall), CallEndedEvent)
        self.begin()
        self.assertIs(self.afterwards(lambda: self.app.placeCall("tel:1")), CallRejectedEvent)

    def test_ofATimer(self) -> None:
        """One of no time at all."""
        self.begin()
        self.assertIs(self.afterwards(lambda: self.app.setTimer(0)), TimeoutEvent)

    def test_ofARefusal(self) -> None:
        """rejectCall() in the very first handler."""

        class Refusing(Inside):
            answers = False

            def started(self, event: CallStartedEvent) -> Any:
                entries = super().started(event)
                self.leg.rejectCall(CallRejected())
                self.came = self.names()
                return entries

        self.appClass = Refusing
        self.begin()
        assert isinstance(self.app, Refusing)
        self.assertEqual((self.app.came, self.app.names()), ([], ["CallEnded"]))
        self.finish()


class BeatTests(BridgeTestCase):
    """Order of raising is order of delivery."""

    def test_withinOneBeat(self) -> None:
        """Keys that came before prompts that end; of these the elder leg's first."""
        self.beginBoth()
        self.lab.advance(3.0)
        prompt = self.wav("a.wav", 440, 1.0)
        self.other.mediaPlay(prompt)
        self.leg.mediaPlay(prompt)
        self.lab.advance(0.985)
        self.bob.press("1")
        self.lab.advance(0.1)
        events: list[Any] = self.app.events
        self.assertEqual(
            [(event.getEventName(), event.leg) for event in events],
            [
                ("DTMFReceivedEvent", self.other),
                ("MediaPlayContentDoneEvent", self.leg),
                ("MediaPlayContentDoneEvent", self.other),
            ],
        )
        self.finish()


class ErrorTests(LegTestCase):
    """Nothing that an application does can take down another call."""

    def wrong(self, hook: Any) -> None:
        """One of two applications has that as the handler of a key: the other goes on."""
        self.begin()
        hooked = self.app
        another = self.lab.phone().dial("sip:puppet@doug")
        self.lab.advance(0.5)
        (other,) = (a for a in self.lab.application.listVoiceapps().values() if a is not hooked)
        assert isinstance(other, Puppet)
        other.mediaPlay(self.wav("a.wav", 440, 5.0))
        hooked.hooks["DTMFReceivedEvent"] = hook
        self.call.press("1")
        self.lab.advance(0.5)
        self.assertEqual(self.call.state, "ended")
        self.assertEqual(self.leg.isPlaying(), False)
        self.assertEqual([str(failure.value) for failure in self.lab.failures], [self.text])
        another.assertHearsTone(440, 0.4)
        third = self.lab.phone().dial("sip:puppet@doug")
        self.lab.advance(0.5)
        self.assertEqual((another.state, third.state), ("answered", "answered"))
        for app in self.lab.application.listVoiceapps().values():
            app.returnResult(None)
        self.lab.assertNothingLeft()
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    text = "no such account"

    def test_aHandlerThatRaises(self) -> None:
        """Its call is hung up."""

        def hook(event: Any) -> None:
            raise LookupError(self.text)

        self.wrong(hook)

    def test_aDeferredThatFails(self) -> None:
        """Its call is hung up."""
        self.wrong(lambda event: fail(LookupError(self.text)))

    def test_aWrongReturn(self) -> None:
        """Its call is hung up; the error names handler and value."""
        self.text = "Puppet.note"
        self.begin()
        self.app.hooks["DTMFReceivedEvent"] = lambda event: [DTMFReceivedEvent]
        self.call.press("1")
        self.lab.advance(0.5)
        self.assertEqual(self.call.state, "ended")
        (error,) = self.flushLoggedErrors(TypeError)
        for words in ("Puppet.note", "[<class 'doug.events.DTMFReceivedEvent'>]"):
            self.assertIn(words, str(error.value))
        self.lab.assertNothingLeft()


class EndTests(BridgeTestCase):
    """returnResult and returnError end all that the application has."""

    def test_all(self) -> None:
        """Media and files, legs, dials, timers, the Deferred that pends, the queue."""
        self.beginBoth()
        ringing = self.lab.phone(onCall="ring")
        self.app.placeCall(ringing.uri)
        self.leg.mediaPlay(self.wav("a.wav", 440, 9.0))
        self.leg.mediaRecord(str(self.folder / "r.wav"))
        timer = self.app.setTimer(5.0)
        cancelled: list[Any] = []
        pending: Deferred[Any] = Deferred(cancelled.append)
        self.app.hooks["DTMFReceivedEvent"] = lambda event: pending
        self.call.press("12")
        self.lab.advance(1.0)
        lines = logLines(self)
        self.app.returnResult("over")
        self.assertEqual(self.lab.results, [])
        self.lab.advance(0.0)
        self.assertEqual(self.lab.results, ["over"])
        self.assertEqual(cancelled, [pending])
        self.assertFalse(timer.isActive())
        self.assertFalse(self.leg.isPlaying() or self.leg.isRecording())
        self.lab.advance(0.5)
        self.assertEqual([call.state for call in (self.call, self.bob)], ["ended"] * 2)
        self.assertEqual(ringing.calls[0].state, "ended")
        with openReader(self.folder / "r.wav") as reader:
            self.assertEqual(round(len(reader.read()) / 8000, 1), 1.0)
        self.assertEqual(self.app.names(), ["CallProgress", "DTMFReceived"])
        dropped = [line for line in lines if "queued event(s) dropped" in line]
        self.assertEqual(len(dropped), 1)
        self.assertIn("ended, 1 queued", dropped[0])
        self.lab.assertNothingLeft()
        self.assertEqual(self.flushLoggedErrors(CancelledError), [])
        self.assertEqual(self.lab.results, ["over"])

    def test_anEndWithoutALegIsWarnedOf(self) -> None:
        """D: an application that waits for nothing ends by itself, with one warning."""

        class Careless(Puppet):
            keepAlive = False

            def note(self, event: BaseEvent) -> Any:
                super().note(event)
                return [(CallAnsweredEvent, self.note), (CallEndedEvent, self.note)]

        self.appClass = Careless
        self.begin()
        lines = logLines(self)
        self.call.hangUp()
        self.lab.advance(0.5)
        self.assertEqual(self.lab.results, [None])
        self.assertEqual(len([line for line in lines if "ended by itself" in line]), 1)
        self.lab.assertNothingLeft()
