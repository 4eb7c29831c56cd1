"""Contract section 4: the methods of an application that are a leg's, each in the test of its name.

Not here: all that those of a leg do (test_section_5_leg.py, test_section_5_keys.py).
"""

from __future__ import annotations

from typing import Any

from doug.exceptions import StateMachineError
from doug.leg import Leg
from doug.testing import Lab
from shtoom.media.files import openReader
from test.doug.bridged import BridgeTestCase
from test.doug.puppet import LegTestCase, Puppet


class DelegateTests(BridgeTestCase):
    """Without leg= they mean the default leg, Alice's; else the leg named, as Bob's."""

    def recorded(self, name: str) -> float:
        """Seconds, to a tenth."""
        with openReader(self.folder / name) as reader:
            return round(len(reader.read()) / 8000, 1)

    def test_mediaPlay(self) -> None:
        """With the keywords of the leg's."""
        self.beginBoth()
        self.app.mediaPlay(self.wav("a.wav", 440, 0.2), loop=True)
        self.app.mediaPlay(self.wav("b.wav", 620, 0.2), self.other, loop=True)
        self.lab.advance(1.0)
        self.call.assertHearsTone(440, 0.5)
        self.bob.assertHearsTone(620, 0.5)
        self.finish()

    def test_mediaRecord(self) -> None:
        """With the keywords of the leg's."""
        self.beginBoth()
        self.app.mediaRecord(str(self.folder / "a.wav"), maxDuration=0.5)
        self.app.mediaRecord(str(self.folder / "b.wav"), leg=self.other, maxDuration=0.8)
        self.lab.advance(1.5)
        self.assertEqual([event.leg for event in self.events], [self.leg, self.other])
        self.assertEqual((self.recorded("a.wav"), self.recorded("b.wav")), (0.5, 0.8))
        self.finish()

    def test_mediaStop(self) -> None:
        """Playing and recording of that leg alone; no event."""
        self.beginBoth()
        for busy in (self.leg, self.other):
            busy.mediaPlay(self.wav("a.wav", 440, 5.0))
            busy.mediaRecord(str(self.folder / f"{busy.getCookie()}.wav"))
        self.lab.advance(0.5)
        named: tuple[tuple[Leg, Leg | None], ...] = ((self.leg, None), (self.other, self.other))
        for stopped, leg in named:
            self.app.mediaStop(leg)
            self.assertFalse(stopped.isPlaying() or stopped.isRecording())
            self.assertEqual(self.other.isPlaying(), leg is None)
        self.lab.advance(1.0)
        self.assertEqual(self.app.events, [])
        self.finish()

    def test_mediaStopRecording(self) -> None:
        """Playing goes on."""
        self.beginBoth()
        for busy in (self.leg, self.other):
            busy.mediaPlay(self.wav("a.wav", 440, 5.0))
            busy.mediaRecord(str(self.folder / f"{busy.getCookie()}.wav"))
        self.lab.advance(0.5)
        named: tuple[tuple[Leg, Leg | None], ...] = ((self.leg, None), (self.other, self.other))
        for stopped, leg in named:
            self.app.mediaStopRecording(leg)
            self.assertEqual((stopped.isPlaying(), stopped.isRecording()), (True, False))
            self.assertEqual(self.other.isRecording(), leg is None)
        self.finish()

    def test_isPlaying(self) -> None:
        """A bool."""
        self.beginBoth()
        self.assertEqual((self.app.isPlaying(), self.app.isPlaying(self.other)), (False, False))
        self.app.mediaPlay(self.wav("a.wav", 440, 5.0), self.other)
        self.assertEqual((self.app.isPlaying(), self.app.isPlaying(self.other)), (False, True))
        self.app.mediaPlay(self.wav("a.wav", 440, 5.0))
        self.assertEqual((self.app.isPlaying(), self.app.isPlaying(leg=self.other)), (True, True))
        self.finish()

    def test_isRecording(self) -> None:
        """A bool."""
        self.beginBoth()
        self.assertEqual((self.app.isRecording(), self.app.isRecording(self.other)), (False,) * 2)
        self.app.mediaRecord(str(self.folder / "b.wav"), self.other)
        self.assertEqual((self.app.isRecording(), self.app.isRecording(self.other)), (False, True))
        self.app.mediaRecord(str(self.folder / "a.wav"))
        self.assertEqual(
            (self.app.isRecording(), self.app.isRecording(leg=self.other)), (True,) * 2
        )
        self.finish()

    def test_dtmfMode(self) -> None:
        """A leg may stand in third place, as the seed has it; timeout and others by keyword."""
        self.beginBoth()
        self.app.dtmfMode(False, False, self.other, timeout=1, terminators="*")
        self.app.dtmfMode(maxDigits=2)
        self.bob.press("12*3")
        self.call.press("45")
        self.lab.advance(3.0)
        keys = [(event.leg, event.getEventName(), event.digits) for event in self.events]
        self.assertEqual(
            sorted(keys, key=lambda key: key[2]),
            [
                (self.other, "DTMFReceivedEvent", "12*"),
                (self.other, "DTMFTimeoutEvent", "3"),
                (self.leg, "DTMFReceivedEvent", "45"),
            ],
        )
        self.finish()

    @property
    def events(self) -> list[Any]:
        """Those of the application."""
        return list(self.app.events)

    def test_sendDTMF(self) -> None:
        """With the times of the leg's; the Deferred fires when the last key is out."""
        self.beginBoth()
        done = self.app.sendDTMF("12", duration=0.1, delay=0.1)
        other = self.app.sendDTMF("34", self.other, 0.2, 0.2)
        self.lab.advance(0.5)
        self.assertIsNone(self.successResultOf(done))
        self.assertNoResult(other)
        self.lab.advance(0.5)
        self.assertIsNone(self.successResultOf(other))
        self.assertEqual((self.call.keys, self.bob.keys), ("12", "34"))
        self.finish()


class NoLegTests(LegTestCase):
    """D: calls on a leg that has ended, the commonest race; and without any leg."""

    def test_onALegThatHasEndedTheyDoNothing(self) -> None:
        """No exception, no event, no file; Deferreds fire, isPlaying() is False."""
        self.begin()
        self.call.hangUp()
        self.lab.advance(0.5)
        self.app.events.clear()
        for leg in (None, self.leg):
            self.app.mediaPlay("missing.wav", leg)
            self.app.mediaRecord(str(self.folder / "late.wav"), leg)
            self.app.mediaStop(leg)
            self.app.mediaStopRecording(leg)
            self.app.dtmfMode(True, False, leg)
            self.assertIsNone(self.successResultOf(self.app.sendDTMF("1", leg)))
            self.assertFalse(self.app.isPlaying(leg) or self.app.isRecording(leg))
        self.lab.advance(1.0)
        self.assertEqual((self.app.events, list(self.folder.iterdir())), ([], []))
        self.finish()

    def test_withoutALegEverItIsAnError(self) -> None:
        """StateMachineError names the method."""
        self.lab = Lab(Puppet)
        cookie = self.lab.application.startVoiceApp()
        app = self.lab.application.listVoiceapps()[cookie]
        for method, arguments in (
            ("mediaPlay", ["x.wav"]),
            ("mediaRecord", ["x.wav"]),
            ("mediaStop", []),
            ("mediaStopRecording", []),
            ("isPlaying", []),
            ("isRecording", []),
            ("dtmfMode", []),
            ("sendDTMF", ["1"]),
        ):
            error = self.assertRaises(StateMachineError, getattr(app, method), *arguments)
            self.assertIn(method, str(error))
        app.returnResult()
        self.lab.assertNothingLeft()
