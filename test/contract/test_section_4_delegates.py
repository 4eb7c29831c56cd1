"""Contract section 4: the methods of an application that are a leg's."""

from __future__ import annotations

from typing import Any

from doug.exceptions import StateMachineError
from doug.source import SilenceSource
from shtoom.media.files import openReader
from test.doug.puppet import LegTestCase


class DelegateTests(LegTestCase):
    """Without leg= they mean the default leg."""

    def test_playRecordAndStop(self) -> None:
        """mediaPlay, mediaRecord, isPlaying, isRecording, mediaStop, mediaStopRecording."""
        self.begin()
        app = self.app
        app.mediaPlay(self.wav("a.wav", 440, 3.0), loop=True)
        app.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(1.0)
        self.call.assertHearsTone(440, 0.3)
        self.assertTrue(app.isPlaying() and app.isRecording())
        app.mediaStopRecording()
        self.assertTrue(app.isPlaying())
        self.assertFalse(app.isRecording())
        app.mediaStop()
        self.assertFalse(app.isPlaying())
        self.lab.advance(1.0)
        self.assertEqual(app.names(), ["CallAnswered"])
        with openReader(self.folder / "r.wav") as reader:
            self.assertAlmostEqual(reader.duration or 0, 1.0, 1)
        self.finish()

    def test_anotherLeg(self) -> None:
        """leg= names it, as keyword or second argument."""
        self.begin()
        phone = self.lab.phone()
        leg = self.app.placeCall(phone.uri)
        self.lab.advance(0.5)
        self.app.mediaPlay(self.wav("a.wav", 440, 1.0), leg)
        self.app.mediaPlay(SilenceSource(), leg=self.leg)
        self.lab.advance(0.5)
        phone.calls[0].assertHearsTone(440, 0.2)
        self.call.assertSilent(0.2)
        self.assertTrue(self.app.isPlaying(leg))
        self.assertFalse(self.app.isPlaying())
        self.finish()

    def test_dtmfModeTakesALegInThirdPlace(self) -> None:
        """As the seed has it; timeout and the others by keyword."""
        self.begin()
        self.app.dtmfMode(False, False, self.leg, timeout=1, terminators="*")
        self.call.press("12*3")
        self.lab.advance(3.0)
        self.assertEqual(self.app.names()[1:], ["DTMFReceived", "DTMFTimeout"])
        self.finish()

    def test_onALegThatHasEnded(self) -> None:
        """No-ops; the default leg may be gone as well."""
        self.begin()
        self.call.hangUp()
        self.lab.advance(1.0)
        leg: Any
        for leg in (None, self.leg):
            self.app.mediaPlay("x.wav", leg)
            self.app.mediaRecord("x.wav", leg)
            self.app.mediaStop(leg)
            self.app.mediaStopRecording(leg)
            self.app.dtmfMode(leg=leg)
            self.assertFalse(self.app.isPlaying(leg) or self.app.isRecording(leg))
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "CallEnded"])
        self.finish()

    def test_withoutAnyLeg(self) -> None:
        """An application that never had one is told which method needs it."""
        self.begin()
        cookie = self.lab.application.startVoiceApp()
        app = self.lab.application.listVoiceapps()[cookie]
        error = self.assertRaises(StateMachineError, app.mediaPlay, "x.wav")
        self.assertIn("mediaPlay", str(error))
        app.returnResult(None)
        self.finish()
