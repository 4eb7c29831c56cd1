"""The contract, section 4: the methods of VoiceApp, a test for each sentence."""

from __future__ import annotations

import warnings
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallLegEvent,
    CallRejectedEvent,
    CallStartedEvent,
    Event,
    TimeoutEvent,
)
from doug.leg import Leg
from doug.settings import Settings
from doug.testing import Lab, Phone
from doug.voiceapp import VoiceApp
from test.contract.support import AppTestCase, Keeping
from test.doug.puppet import LegTestCase, Silent


class ArgumentTests(AppTestCase):
    """VoiceApp(deferred, application, cookie, **kwargs)."""

    def test_argumentsBecomeAttributes(self) -> None:
        """As --args and startVoiceApp() give them."""
        app = self.make(Keeping, greeting="hello.wav", times=3)
        self.assertEqual((app.greeting, app.times), ("hello.wav", 3))  # type: ignore[attr-defined]

    def test_namesOfMethodsAreRefused(self) -> None:
        """So are names that belong to the implementation; the error names the argument."""
        for name in ("mediaPlay", "first", "__start__", "va_queue", "reactor"):
            with self.assertRaises(ValueError) as caught:
                self.make(Keeping, **{name: "x"})
            self.assertIn(repr(name), str(caught.exception))

    def test_attributesOfTheClassMayBeSet(self) -> None:
        """A default of the class is what an argument is for."""

        class App(Keeping):
            greeting = "hello.wav"

        self.assertEqual(self.make(App, greeting="other.wav").greeting, "other.wav")

    def test_reactorAndThreads(self) -> None:
        """D: self.reactor and self.deferToThread are what an application needs of time."""
        app = self.start(Keeping)
        self.assertIs(app.reactor, self.clock)
        got: list[int] = []
        app.deferToThread(divmod, 7, 2).addCallback(got.append)
        self.assertEqual(got, [])
        self.turn()
        self.assertEqual(got, [(3, 1)])


class LegsTests(LegTestCase):
    """getDefaultLeg() and getLeg(cookie)."""

    def test_aRingingLegIsTheDefaultLeg(self) -> None:
        """The oldest that has not ended; ringing counts."""

        class Ringing(Silent):
            pass

        self.appClass = Ringing
        self.begin()
        self.assertIs(self.app.getDefaultLeg(), self.leg)
        self.finish()

    def test_theOldestThatHasNotEnded(self) -> None:
        """When that ends the next one is the default leg; None when there is none."""
        self.begin()
        other = self.app.placeCall(self.lab.phone().uri)
        third = self.app.placeCall(self.lab.phone().uri)
        self.lab.advance(1.0)
        self.assertIs(self.app.getDefaultLeg(), self.leg)
        self.call.hangUp()
        self.lab.advance(0.5)
        self.assertIs(self.app.getDefaultLeg(), other)
        other.hangupCall()
        self.assertIs(self.app.getDefaultLeg(), third)
        third.mediaRecord(str(self.folder / "r.wav"))  # its end event waits for the file
        self.lab.advance(0.5)
        third.hangupCall()
        self.assertIsNone(self.app.getDefaultLeg())
        self.assertIsNone(self.app.getLeg(third.getCookie()))
        self.finish()

    def test_legByItsCookie(self) -> None:
        """That leg, or None."""
        self.begin()
        self.assertIs(self.app.getLeg(self.leg.getCookie()), self.leg)
        self.assertIsNone(self.app.getLeg("another"))
        self.finish()


class PlaceCallTests(LegTestCase):
    """placeCall(toURI, fromURI=None)."""

    def test_itReturnsTheNewLeg(self) -> None:
        """CallAnsweredEvent(leg) comes later, for that leg."""
        self.begin()
        leg = self.app.placeCall(self.lab.phone().uri)
        self.assertIsInstance(leg, Leg)
        self.lab.advance(0.5)
        answered = self.app.last()
        self.assertIsInstance(answered, CallAnsweredEvent)
        self.assertIs(answered.getLeg(), leg)
        self.finish()

    def test_answeredOrRejected(self) -> None:
        """One of CallAnsweredEvent and CallRejectedEvent, for each call that is placed."""
        self.begin()
        ends = {}
        for onCall in ("answer", "decline", "busy"):
            leg = self.app.placeCall(self.lab.phone(onCall=onCall).uri, "sip:me@doug.example")
            self.lab.advance(0.5)
            ends[onCall] = [type(e) for e in self.app.events if getattr(e, "leg", None) is leg]
        self.assertEqual(
            {
                onCall: [kind for kind in kinds if issubclass(kind, CallLegEvent)]
                for onCall, kinds in ends.items()
            },
            {
                "answer": [CallAnsweredEvent],
                "decline": [CallRejectedEvent],
                "busy": [CallRejectedEvent],
            },
        )
        self.finish()

    def test_fromURIIsWhatTheCalledPartySees(self) -> None:
        """And a header of ours."""
        self.begin()
        phone = self.lab.phone(onCall="ring")
        self.app.placeCall(phone.uri, "sip:front@desk.example", headers={"X-Room": "12"})
        self.lab.advance(0.5)
        request = self.inviteOf(phone)
        self.assertEqual(str(request.fromAddress.uri), "sip:front@desk.example")
        self.assertEqual(request.header("X-Room"), "12")
        self.finish()

    def inviteOf(self, phone: Phone) -> Any:
        """The INVITE of the one call that a phone had."""
        call = phone.calls[0].call
        assert call is not None
        return call.request

    def test_aRefusalIsCallRejectedEvent(self) -> None:
        """With the reason and the code of the far end."""
        self.begin()
        leg = self.app.placeCall(self.lab.phone(onCall="busy").uri)
        self.lab.advance(0.5)
        rejected = self.app.last()
        self.assertIsInstance(rejected, CallRejectedEvent)
        self.assertEqual((rejected.leg, rejected.sipCode), (leg, 486))
        self.assertEqual(rejected.reason, "Busy Here")
        self.finish()

    def test_aBrokenAddressIsCallRejectedEvent(self) -> None:
        """Never an exception out of nowhere; the reason says what is wrong."""
        self.begin()
        for address in ("", "bob", "sip:", "sip:bob@", "http://bob.example", "sip:bob@[::1", "💥"):
            self.app.placeCall(address)
            self.lab.advance(1.0)
            self.assertIsInstance(self.app.last(), CallRejectedEvent)
            self.assertTrue(self.app.last().reason)
        self.finish()

    def test_aHostThatNobodyKnowsIsCallRejectedEvent(self) -> None:
        """The reason names it."""
        self.begin()
        self.app.placeCall("sip:bob@nowhere.example")
        self.lab.advance(6.0)
        self.assertIsInstance(self.app.last(), CallRejectedEvent)
        self.assertIn("nowhere.example", self.app.last().reason)
        self.finish()

    def test_aBrokenHeaderIsRefusedAtTheCall(self) -> None:
        """CR or LF in a value: ValueError names it, nothing is sent, nothing stays."""
        self.begin()
        phone = self.lab.phone()
        with self.assertRaises(ValueError) as caught:
            self.app.placeCall(phone.uri, headers={"X-Note": "a\r\nVia: b"})
        self.assertIn("X-Note", str(caught.exception))
        self.lab.advance(1.0)
        self.assertEqual(phone.calls, [])
        self.assertEqual(self.app.va_liveLegs(), [self.leg])
        self.finish()

    def test_noMediaPortIsCallRejectedEvent(self) -> None:
        """503; what the server lacks is no error of the application."""
        self.begin(lab={"settings": Settings(rtpPorts=(30000, 30000))})
        self.app.placeCall(self.lab.phone().uri)
        self.lab.advance(0.5)
        self.assertIsInstance(self.app.last(), CallRejectedEvent)
        self.assertEqual(self.app.last().sipCode, 503)
        self.assertIn("30000", self.app.last().reason)
        self.finish()

    def test_theEndOfTheApplicationCancelsADial(self) -> None:
        """The phone stops ringing."""
        self.begin()
        phone = self.lab.phone(onCall="ring")
        self.app.placeCall(phone.uri)
        self.lab.advance(0.5)
        self.assertEqual(phone.calls[0].state, "ringing")
        self.app.returnResult()
        self.lab.advance(0.5)
        self.assertEqual(phone.calls[0].state, "ended")
        self.lab.assertNothingLeft()


class TimerTests(AppTestCase):
    """setTimer(delay, data=None)."""

    class App(Keeping):
        """Remembers timeouts."""

        def __start__(self) -> Any:
            self.got: list[Any] = []
            return [(TimeoutEvent, self.note)]

        def note(self, event: TimeoutEvent) -> Any:
            """A timer ran out."""
            self.got.append(event.getTimer())

    def test_itRaisesTimeoutEvent(self) -> None:
        """After its delay, once, with its data."""
        app = self.start(self.App)
        timer = app.setTimer(10, {"try": 1})
        self.run_(9.9)
        self.assertEqual(app.got, [])
        self.run_(50)
        self.assertEqual(app.got, [timer])
        self.assertEqual((timer.data, timer.delay), ({"try": 1}, 10))

    def test_cancelIsIdempotent(self) -> None:
        """Before it has run out, and after."""
        app = self.start(self.App)
        early, late = app.setTimer(1), app.setTimer(2)
        early.cancel()
        early.cancel()
        self.run_(3)
        late.cancel()
        late.cancel()
        self.turn()
        self.assertEqual(app.got, [late])

    def test_theApplicationsEndCancelsIt(self) -> None:
        """Nothing is left on the clock."""
        app = self.start(self.App)
        app.setTimer(30)
        app.returnError(ValueError("x"))
        self.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_aNegativeDelayIsRefused(self) -> None:
        """ValueError names method and value."""
        with self.assertRaises(ValueError) as caught:
            self.start(self.App).setTimer(-1)
        self.assertIn("setTimer", str(caught.exception))


class OverrideTests(AppTestCase):
    """D: a subclass that takes a name of VoiceApp's is warned when the class is made."""

    def warned(self, *bases: type, **names: Any) -> list[str]:
        """What making a class with these names, or of these bases, warns of."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            type("App", bases or (VoiceApp,), names)
        self.assertTrue(all(w.category is UserWarning for w in caught))
        return [str(w.message) for w in caught]

    def test_eachNameOfTheTable(self) -> None:
        """The warning names the method."""
        for name in (
            *("getDefaultLeg", "getLeg", "placeCall", "mediaPlay", "mediaRecord", "mediaStop"),
            *("mediaStopRecording", "isPlaying", "isRecording", "dtmfMode", "setTimer"),
            *("returnResult", "returnError", "raiseEvent", "deferToThread"),
        ):
            (text,) = self.warned(**{name: lambda self: None})
            self.assertIn(name, text)
            self.assertIn("App", text)

    def test_namesOfTheImplementation(self) -> None:
        """va_ and anything."""
        (text,) = self.warned(va_mine=1)
        self.assertIn("va_mine", text)

    def test_aMixinIsLookedAtToo(self) -> None:
        """Where the name comes from a class that is no VoiceApp."""
        mixin = type("Mixin", (), {"mediaPlay": lambda self: None})
        self.assertEqual(len(self.warned(mixin, VoiceApp)), 1)

    def test_ordinaryNamesAreNot(self) -> None:
        """__start__, handlers, unknownEvent, and a subclass of a class that was warned."""
        self.assertEqual(
            self.warned(__start__=print, greet=print, unknownEvent=print, leg=None), []
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loud = type("Loud", (VoiceApp,), {"setTimer": print})
        self.assertEqual(self.warned(loud), [])


class Patient(VoiceApp):
    """When the caller has gone it waits for a Deferred that never fires."""

    seen: list[str] = []

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """A call."""
        event.leg.answerCall(self)
        return [(CallEndedEvent, self.gone), (Event, self.ignore)]

    def ignore(self, event: Event) -> Any:
        """Nothing to do."""

    async def gone(self, event: CallEndedEvent) -> Any:
        """Upload the recording, say."""
        try:
            await Deferred()
        except CancelledError:
            self.seen.append("cancelled")
            raise


class PendingTests(LegTestCase):
    """D: a Deferred still pending 60 s after the last leg ended is cancelled (section 2)."""

    def test_itIsCancelled(self) -> None:
        """The application ends with its error; the log names the handler."""
        Patient.seen = []
        self.lab = Lab(Patient)
        call = self.lab.phone().dial("sip:app@doug")
        self.lab.advance(1.0)
        call.hangUp()
        self.lab.advance(59.0)
        self.assertEqual(self.lab.failures, [])
        self.lab.advance(2.0)
        self.assertEqual(Patient.seen, ["cancelled"])
        self.assertEqual(len(self.lab.failures), 1)
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)
        self.lab.assertNothingLeft()

    def test_notWhileALegIsUp(self) -> None:
        """However long it pends."""

        class App(Patient):
            async def ignore(self, event: Event) -> Any:
                await Deferred()

        App.seen = []
        self.lab = Lab(App)
        call = self.lab.phone().dial("sip:app@doug")
        self.lab.advance(300.0)
        self.assertEqual((call.state, self.lab.failures), ("answered", []))
        call.hangUp()
        self.lab.advance(61.0)
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)
        self.lab.assertNothingLeft()
