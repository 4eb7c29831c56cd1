"""Keys from the far end in whole calls (cases dtmf-001, 005, 006 as far as Doug sends none)."""

from __future__ import annotations

from doug.events import (
    CallAnsweredEvent,
    DTMFReceivedEvent,
    DTMFTimeoutEvent,
    MediaPlayContentDoneEvent,
    MediaPlayUserBargeInEvent,
)
from test.cases.case import FieldCase


class KeyCases(FieldCase):
    """Telephone-events (RFC 4733) as gateways send them."""

    def keys(self) -> list[str]:
        """What the application got, in order."""
        return [event.digits for event in self.app.got(DTMFReceivedEvent)]

    def test_dtmf_001_markersAreAHintOnly(self) -> None:
        """A press is one timestamp, with or without marker or first packet (RFC 4733 2.3)."""
        call = self.answered()
        press = self.alice.media.press
        press(call.media, "4", ts=1000, seq=1, marker=False)
        press(call.media, "4", ts=3000, seq=7, marker=False, after=0.25)
        press(call.media, "2", ts=5000, seq=13, durations=[160], end=320, lose=[0], after=0.5)
        self.lab.advance(1.0)
        self.assertEqual(self.keys(), ["4", "4", "2"])
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_001_aKeyIsTwoFramesOld(self) -> None:
        """It comes to the application with its first packet, not its last."""
        call = self.answered()
        self.alice.media.press(call.media, "9", ts=1000, durations=range(160, 8000, 160))
        self.lab.advance(0.04)
        self.assertEqual(self.keys(), ["9"])
        self.lab.advance(2.0)
        self.assertEqual(self.keys(), ["9"])
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_005_keysDuringAPromptWithoutBargeIn(self) -> None:
        """The prompt plays to its end, no key is lost: 1 times out alone, then 2# (doug.digits)."""
        call = self.answered()
        self.app.leg.dtmfMode(terminators="#", interDigitTimeout=2)
        self.app.leg.mediaPlay(self.soundFile(5.0), bargeIn=False)
        press = self.alice.media.press
        press(call.media, "1", ts=8000, durations=[160], end=320, after=1.0)
        press(call.media, "2", ts=48000, seq=10, durations=[160], end=320, after=6.0)
        press(call.media, "#", ts=52000, seq=20, durations=[160], end=320, after=6.5)
        self.lab.advance(7.0)
        self.assertEqual(self.app.got(MediaPlayUserBargeInEvent), [])
        self.assertEqual(len(self.app.got(MediaPlayContentDoneEvent)), 1)
        names = ["CallAnsweredEvent", "DTMFTimeoutEvent", "MediaPlayContentDoneEvent"]
        self.assertEqual(self.app.names, [*names, "DTMFReceivedEvent"])
        self.assertEqual(self.keys(), ["1", "2#"])
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_005_keysDuringAPromptWithBargeIn(self) -> None:
        """The first key stops the prompt; one event at the end of the string has them all."""
        call = self.answered()
        self.app.leg.dtmfMode(terminators="#", interDigitTimeout=2)
        self.app.leg.mediaPlay(self.soundFile(5.0), bargeIn=True)
        press = self.alice.media.press
        press(call.media, "1", ts=8000, durations=[160], end=320, after=1.0)
        press(call.media, "#", ts=16000, seq=10, durations=[160], end=320, after=2.0)
        self.lab.advance(3.0)
        self.assertEqual(self.app.names, ["CallAnsweredEvent", "MediaPlayUserBargeInEvent"])
        self.assertEqual(self.keys(), ["1#"])
        self.assertFalse(self.app.leg.isPlaying())
        self.app.leg.mediaPlay(self.soundFile(5.0), bargeIn=True)
        press(call.media, "3", ts=48000, seq=20, durations=[160], end=320, after=1.0)
        self.lab.advance(4.0)
        self.assertEqual(self.app.got(DTMFTimeoutEvent)[0].digits, "3")
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_006_answersAndHangsUpInOneBreath(self) -> None:
        """One answered event, one end; what the application then asks of the leg does nothing."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        app.leg.mediaPlay("no such file.wav")
        call.bye()
        self.trunk.response("200 BYE")
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        self.lab.advance(0.1)
        self.assertOneEnd(app)
        app.leg.mediaPlay("no such file.wav")
        app.leg.dtmfMode(single=True)
        self.trunk.nothing(".*", during=1)
        self.assertStillWell()
