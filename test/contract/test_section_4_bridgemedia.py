"""Contract section 4, connectLegs: playing and recording during a bridge."""

from __future__ import annotations

import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doug.events import MediaRecordDoneEvent, MediaRecordRemoteClosedEvent
from doug.source import EchoSource
from doug.testing.hearing import toneShare
from test.doug.bridged import BridgeTestCase


class MediaTests(BridgeTestCase):
    """Play and record during a bridge."""

    def test_aPromptIsHeardByOneSideAlone(self) -> None:
        """Instead of the other's sound, which comes back behind it."""
        self.beginBridge()
        prompt = self.wav("prompt.wav", 1000, 1.0)
        self.leg.mediaPlay(prompt)
        self.call.sayTone(440, 3.0)
        self.bob.sayTone(620, 3.0)
        self.lab.advance(0.9)
        self.call.assertHearsTone(1000)
        self.bob.assertHearsTone(440)
        self.lab.advance(1.5)
        self.call.assertHearsTone(620)
        self.bob.assertHearsTone(440)
        self.assertEqual(self.app.names(), ["MediaPlayContentDone"])
        self.bob.assertDoesNotHear(prompt)
        self.finish()

    def test_eachSideIsRecordedByItself(self) -> None:
        """leg.mediaRecord is what that leg says."""
        self.beginBridge()
        self.leg.mediaRecord(str(self.folder / "alice.wav"))
        self.other.mediaRecord(str(self.folder / "bob.wav"))
        self.assertConnected()
        self.leg.mediaStopRecording()
        self.other.mediaStopRecording()
        self.lab.advance(0.5)
        for name, hz in (("alice.wav", 440), ("bob.wav", 620)):
            heard = readStereo(self.folder / name, 1)[0]
            self.assertGreater(toneShare(heard[-4000:], hz), 0.9, name)
        self.assertConnected()
        self.finish()

    def test_bothSidesAsStereo(self) -> None:
        """Left leg1, right leg2, in step, as long as the recording ran."""
        self.beginBridge()
        path = self.folder / "call.wav"
        self.bridge.mediaRecord(str(path))
        self.assertTrue(self.bridge.isRecording())
        self.assertConnected()
        self.bridge.close()
        self.assertFalse(self.bridge.isRecording())
        self.lab.advance(0.5)
        [event] = self.app.events
        assert type(event) is MediaRecordDoneEvent
        self.assertEqual((event.leg, event.dest), (self.leg, str(path)))
        self.assertAlmostEqual(event.duration, 1.0, 1)
        left, right = readStereo(path, 2)
        self.assertEqual(len(left), round(event.duration * 8000))
        self.assertGreater(toneShare(left[-4000:], 440), 0.95)
        self.assertGreater(toneShare(right[-4000:], 620), 0.95)
        self.finish()

    def test_stereoIsInStep(self) -> None:
        """What both say in one moment stands in one place, to a frame."""
        self.beginBridge()
        path = self.folder / "call.wav"
        self.bridge.mediaRecord(str(path))
        self.lab.advance(1.0)
        self.talk(0.5)
        self.lab.advance(1.0)
        self.call.hangUp()
        self.lab.advance(0.5)
        left, right = readStereo(path, 2)
        begins = [int(np.flatnonzero(np.abs(side) > 1000)[0]) for side in (left, right)]
        self.assertLessEqual(abs(begins[0] - begins[1]), 320)
        self.assertAlmostEqual(begins[0] / 8000, 1.05, 1)
        self.finish()

    def test_stereoEndsWithEitherLeg(self) -> None:
        """MediaRecordRemoteClosedEvent of leg1, whoever hung up."""
        for ending in ("call", "bob"):
            self.beginBridge()
            path = self.folder / f"{ending}.wav"
            self.bridge.mediaRecord(str(path))
            self.lab.advance(1.0)
            getattr(self, ending).hangUp()
            self.lab.advance(0.5)
            [event] = [e for e in self.app.events if isinstance(e, MediaRecordDoneEvent)]
            assert type(event) is MediaRecordRemoteClosedEvent
            self.assertEqual((event.leg, event.dest), (self.leg, str(path)))
            self.assertEqual(self.app.names().count("CallEnded"), 1)
            self.assertEqual(len(readStereo(path, 2)[0]), round(event.duration * 8000))
            self.finish()

    def test_stopRecordingGivesNoEvent(self) -> None:
        """The file is complete; the bridge stays."""
        self.beginBridge()
        path = self.folder / "call.wav"
        self.bridge.mediaRecord(str(path))
        self.lab.advance(1.0)
        self.bridge.mediaStopRecording()
        self.lab.advance(0.5)
        self.assertEqual(self.app.names(), [])
        self.assertAlmostEqual(len(readStereo(path, 2)[0]) / 8000, 1.0, 1)
        self.assertConnected()
        self.finish()

    def test_stereoEndsByItsLimit(self) -> None:
        """maxDuration counts seconds, not channels."""
        self.beginBridge()
        path = self.folder / "call.wav"
        self.bridge.mediaRecord(str(path), maxDuration=1.0)
        self.lab.advance(2.0)
        self.assertEqual(self.app.names(), ["MediaRecordTimeoutExceeded"])
        self.assertEqual(len(readStereo(path, 2)[0]), 8000)
        self.finish()

    def test_stereoBesideOneSide(self) -> None:
        """A recording of leg1's own side goes on beside it; a second stereo one ends the first."""
        self.beginBridge()
        self.leg.mediaRecord(str(self.folder / "alice.wav"))
        self.bridge.mediaRecord(str(self.folder / "one.wav"))
        self.lab.advance(1.0)
        self.bridge.mediaRecord(str(self.folder / "two.wav"))
        self.lab.advance(1.0)
        [event] = self.app.events
        assert isinstance(event, MediaRecordDoneEvent)
        self.assertEqual(event.dest, str(self.folder / "one.wav"))
        self.assertTrue(self.leg.isRecording() and self.bridge.isRecording())
        self.finish()

    def test_stereoIsWAVAlone(self) -> None:
        """Nothing else says how many channels it has."""
        self.beginBridge()
        self.bridge.mediaRecord(str(self.folder / "call.raw"))
        self.lab.advance(0.1)
        self.assertEqual(self.app.names(), ["MediaRecordFailed"])
        self.assertIn(".wav", self.app.last().reason)
        wrong: Any = 5
        self.assertRaises(TypeError, self.bridge.mediaRecord, wrong)
        self.finish()

    def test_stereoToAnOpenFile(self) -> None:
        """A WAV, in whatever can seek."""
        self.beginBridge()
        kept = Kept()
        self.bridge.mediaRecord(kept)
        self.lab.advance(1.0)
        self.bridge.close()
        self.lab.advance(0.5)
        self.assertEqual(kept.data[:4], b"RIFF")
        self.assertEqual(int.from_bytes(kept.data[22:24], "little"), 2)
        self.finish()

    def test_anEchoInABridgeGoesBefore(self) -> None:
        """Alice hears herself and not Bob, Bob hears Alice; behind it all is as before."""
        self.beginBridge()
        echo = EchoSource()
        self.leg.mediaPlay(echo)
        self.leg.mediaRecord(echo)
        self.talk(2.0)
        self.call.assertHearsTone(440)
        self.bob.assertHearsTone(440)
        self.leg.mediaStop()
        self.lab.advance(0.5)
        self.assertConnected()
        self.finish()

    def test_stereoIsInStepWithALegThatAnswersLater(self) -> None:
        """Its side is silence until then."""
        self.begin()
        self.phoneOfBob = self.lab.phone("bob", answerAfter=1.0)
        self.other = self.app.placeCall(self.phoneOfBob.uri)
        self.lab.advance(0.5)
        path = self.folder / "call.wav"
        self.app.connectLegs(self.leg, self.other).mediaRecord(str(path))
        self.lab.advance(1.5)
        [self.bob] = self.phoneOfBob.calls
        self.talk(0.5)
        self.lab.advance(0.5)
        self.leg.mediaStopRecording()
        self.lab.advance(0.5)
        left, right = readStereo(path, 2)
        begins = [int(np.flatnonzero(np.abs(side) > 1000)[0]) for side in (left, right)]
        self.assertLessEqual(abs(begins[0] - begins[1]), 320)
        self.assertAlmostEqual(len(left) / 8000, 2.5, 1)
        self.finish()


class Kept(BytesIO):
    """What was in it when it was closed."""

    data = b""

    def close(self) -> None:
        self.data = self.getvalue()
        super().close()


def readStereo(path: Path, channels: int) -> list[NDArray[np.int16]]:
    """The channels of a WAV of 8 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (channels, 8000)
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return list(sound.reshape(-1, channels).T)
