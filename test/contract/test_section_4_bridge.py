"""Contract section 4, connectLegs: each sentence on whole calls in virtual time."""

from __future__ import annotations

import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doug.events import CallEndedEvent, MediaRecordDoneEvent, MediaRecordRemoteClosedEvent
from doug.exceptions import StateMachineError
from doug.source import EchoSource
from doug.testing.hearing import toneShare
from shtoom.audio.tones import dtmf, sine
from shtoom.codecs import ULAW_TO_ALAW
from shtoom.codecs.g711 import PCMU
from test.contract.support import AppTestCase, Keeping
from test.doug.bridged import BridgeTestCase
from test.doug.puppet import Puppet


class AudioTests(BridgeTestCase):
    """Bridges audio both ways."""

    def test_eachHearsTheOther(self) -> None:
        """Tones, both at once."""
        self.beginBridge()
        self.assertConnected()
        self.finish()

    def test_sameCodecIsPassedOnUntouchedOnArrival(self) -> None:
        """Every payload, in order, in the moment of its coming."""
        self.beginBridge()
        self.rtp.sent.clear()
        self.call.say(sine(440, 1.0, 0.3))
        self.lab.advance(1.2)
        spoken = [s for s in self.rtp.fromPhone(self.call) if s.packet.payload != PCMU.silence]
        heard = [s for s in self.rtp.toPhone(self.bob) if s.packet.payload != PCMU.silence]
        self.assertEqual(len(spoken), 50)
        self.assertEqual([s.packet.payload for s in heard], [s.packet.payload for s in spoken])
        delay = self.lab.network.conditions.delay
        for came, went in zip(spoken, heard, strict=True):
            self.assertAlmostEqual(went.at, came.at + delay, 6)
        self.finish()

    def test_otherCodecIsTranslated(self) -> None:
        """mu-law and A-law, by table."""
        self.beginBridge(codecs=("PCMU",), bob={"codecs": ("PCMA",)})
        self.rtp.sent.clear()
        self.talk()
        spoken = [s.packet.payload for s in self.rtp.fromPhone(self.call)]
        heard = [s.packet.payload for s in self.rtp.toPhone(self.bob)]
        self.assertEqual(heard[:50], [p.translate(ULAW_TO_ALAW) for p in spoken[:50]])
        self.call.assertHearsTone(620)
        self.bob.assertHearsTone(440)
        self.finish()

    def test_oneArgumentMeansTheDefaultLeg(self) -> None:
        """The oldest one."""
        self.beginBoth()
        bridge = self.app.connectLegs(self.other)
        self.assertEqual(bridge.legs, (self.other, self.leg))
        self.assertConnected()
        self.finish()

    def test_closeLeavesBothUpOnSilence(self) -> None:
        """Close again is nothing."""
        self.beginBridge()
        self.assertConnected()
        self.assertFalse(self.bridge.closed)
        self.bridge.close()
        self.bridge.close()
        self.lab.advance(0.5)
        self.assertApart(self.call, self.bob)
        self.assertTrue(self.bridge.closed)
        self.assertEqual((self.call.state, self.bob.state), ("answered", "answered"))
        self.assertEqual(self.app.names(), [])
        self.finish()

    def test_aLegWithItself(self) -> None:
        """ValueError, with the leg named or not."""
        self.begin()
        self.assertRaises(ValueError, self.app.connectLegs, self.leg, self.leg)
        self.assertRaises(ValueError, self.app.connectLegs, self.leg)
        self.finish()

    def test_packetTimesMayDiffer(self) -> None:
        """Phones of 10 and 60 ms a packet understand each other."""
        self.beginBridge(ptime=10, bob={"ptime": 60})
        self.assertConnected()
        self.finish()


class KeyTests(BridgeTestCase):
    """Keys are relayed and reported."""

    def test_relayedOnceAndReportedOnce(self) -> None:
        """One press there for a press here, and one event."""
        self.beginBridge()
        self.call.press("5#", duration=0.16, gap=0.1)
        self.lab.advance(1.5)
        self.assertEqual(self.bob.keys, "5#")
        self.assertEqual(self.app.names(), ["DTMFReceived"] * 2)
        self.assertEqual([e.digits for e in self.app.events], ["5", "#"])  # type: ignore[attr-defined]
        self.finish()

    def test_relayedWithTheSameDuration(self) -> None:
        """RFC 4733 2.5.1: one timestamp and marker, growing durations, three ends."""
        for duration in (0.03, 0.1, 0.375):
            self.beginBridge()
            self.call.press("7", duration=duration)
            self.lab.advance(1.5)
            [(_, packets)] = self.rtp.presses(self.rtp.toPhone(self.bob)).items()
            durations = [int.from_bytes(p.payload[2:4], "big") for p in packets]
            ends = [bool(p.payload[1] & 0x80) for p in packets]
            self.assertEqual(durations[-1], round(duration * 8000))
            self.assertEqual(durations, sorted(durations))
            self.assertEqual((ends.count(True), ends[-3:]), (3, [True] * 3))
            self.assertEqual([p.marker for p in packets].count(True), 1)
            self.assertTrue(packets[0].marker)
            self.finish()

    def test_startsWhenTheKeyGoesDown(self) -> None:
        """Not when it comes up: within a beat."""
        self.beginBridge()
        self.rtp.sent.clear()
        self.call.press("1", duration=1.0)
        self.lab.advance(0.2)
        pressed = self.rtp.presses(self.rtp.fromPhone(self.call))
        relayed = self.rtp.presses(self.rtp.toPhone(self.bob))
        self.assertEqual((len(pressed), len(relayed)), (1, 1))
        first = min(s.at for s in self.rtp.fromPhone(self.call) if s.packet.payloadType == 101)
        there = min(s.at for s in self.rtp.toPhone(self.bob) if s.packet.payloadType == 101)
        self.assertLess(there - first, 0.022)
        self.lab.advance(1.5)
        self.finish()

    def test_aKeyThatIsDownComesUpWithTheBridge(self) -> None:
        """Three ends, and sound again."""
        self.beginBridge()
        self.call.press("1", duration=3.0)
        self.lab.advance(0.5)
        self.bridge.close()
        self.lab.advance(0.5)
        [(_, packets)] = self.rtp.presses(self.rtp.toPhone(self.bob)).items()
        self.assertEqual([bool(p.payload[1] & 0x80) for p in packets[-4:]], [False] + [True] * 3)
        self.assertLess(int.from_bytes(packets[-1].payload[2:4], "big"), 0.6 * 8000)
        self.lab.advance(3.0)
        self.finish()

    def test_notRelayedWhenNotWanted(self) -> None:
        """relayKeys=False: reported alone."""
        self.beginBridge(relayKeys=False)
        self.call.press("5")
        self.lab.advance(1.0)
        self.assertEqual((self.bob.keys, self.app.names()), ("", ["DTMFReceived"]))
        self.finish()

    def test_onceForAPressThatIsAlsoATone(self) -> None:
        """A phone that sends both, and an application that listens to both."""
        self.beginBridge()
        self.leg.dtmfMode(single=True, inband=True)
        for _ in range(3):
            self.call.say(dtmf("5", 0.06))
            self.lab.advance(0.06)
            self.call.press("5", duration=0.1)
            self.lab.advance(0.6)
        self.assertEqual((self.bob.keys, self.app.names()), ("555", ["DTMFReceived"] * 3))
        self.finish()

    def test_tonesAreRelayedAsWhatTheyAre(self) -> None:
        """Heard there as sound; no telephone-event on top of it."""
        self.beginBridge()
        self.leg.dtmfMode(single=True, inband=True)
        self.call.say(dtmf("5", 0.5))
        self.lab.advance(0.5)
        self.assertGreater(toneShare(self.bob.heard[-2000:], 770), 0.4)
        self.lab.advance(0.5)
        self.assertEqual((self.bob.keys, self.app.names()), ("", ["DTMFReceived"]))
        self.finish()

    def test_infoIsRelayedAsTelephoneEvent(self) -> None:
        """With the duration that it tells."""
        self.beginBridge()
        self.call.sendInfo(b"Signal=5\r\nDuration=160\r\n")
        self.lab.advance(1.0)
        self.assertEqual((self.bob.keys, self.app.names()), ("5", ["DTMFReceived"]))
        [(_, packets)] = self.rtp.presses(self.rtp.toPhone(self.bob)).items()
        self.assertEqual(int.from_bytes(packets[-1].payload[2:4], "big"), 1280)
        self.finish()

    def test_asTonesToAPhoneWithoutTelephoneEvents(self) -> None:
        """While the key is down, instead of the sound; the sound is back behind it."""
        self.beginBridge(bob={"events": False})
        self.call.press("5", duration=0.3)
        self.lab.advance(0.35)
        self.bob.forget()
        heard = self.bob.heard[-1600:]
        self.assertGreater(toneShare(heard, 770), 0.4)
        self.assertGreater(toneShare(heard, 1336), 0.4)
        self.lab.advance(1.0)
        loud = np.abs(self.bob.heard.astype(np.int32)) > 1000
        places = np.flatnonzero(loud)
        self.assertAlmostEqual((places[-1] - places[0]) / 8000, 0.3, 1)
        self.assertEqual((self.bob.keys, self.app.names()), ("", ["DTMFReceived"]))
        self.assertConnected()
        self.finish()

    def test_shortTonesAreLongEnoughAndApart(self) -> None:
        """Two keys of 40 ms, 40 ms apart: each at least 70 ms, with 50 ms between (Q.24)."""
        self.beginBridge(bob={"events": False})
        self.call.press("15", duration=0.04, gap=0.0)
        self.lab.advance(1.0)
        sound = self.bob.heard[: len(self.bob.heard) // 80 * 80].reshape(-1, 80)
        loud = (np.abs(sound.astype(np.int32)).max(axis=1) > 1000).astype(int)
        edges = np.flatnonzero(np.diff(loud))
        self.assertEqual(len(edges), 4)
        tone1, pause, tone2 = np.diff(edges) / 100
        for seconds, wanted in ((tone1, 0.07), (pause, 0.05), (tone2, 0.07)):
            self.assertLess(abs(seconds - wanted), 0.021)
        self.assertConnected()
        self.finish()

    def test_notToAFarEndThatHolds(self) -> None:
        """By its end the key would be an old one."""
        for events in (True, False):
            self.beginBridge(bob={"events": events})
            self.hold(self.bob, "inactive")
            self.call.press("5")
            self.lab.advance(1.0)
            self.hold(self.bob, "sendrecv")
            self.lab.advance(1.0)
            self.assertEqual(self.bob.keys, "")
            self.bob.assertSilent()
            self.assertConnected()
            self.finish()

    def test_bothWaysAtOnce(self) -> None:
        """Neither's keys are the other's echo."""
        self.beginBridge()
        self.call.press("123")
        self.bob.press("456")
        self.lab.advance(2.0)
        self.assertEqual((self.bob.keys, self.call.keys), ("123", "456"))
        self.assertEqual(len(self.app.events), 6)
        self.finish()


class EndTests(BridgeTestCase):
    """When one leg ends, its CallEndedEvent comes and the other leg stays up on silence."""

    def test_firstLegEnds(self) -> None:
        """Alice hangs up."""
        self.beginBridge()
        self.assertConnected()
        self.call.hangUp()
        self.lab.advance(0.5)
        [event] = self.app.events
        assert isinstance(event, CallEndedEvent)
        self.assertIs(event.leg, self.leg)
        self.assertTrue(self.bridge.closed)
        self.assertEqual(self.bob.state, "answered")
        self.assertApart(self.bob)
        self.finish()

    def test_secondLegEnds(self) -> None:
        """Bob hangs up."""
        self.beginBridge()
        self.assertConnected()
        self.bob.hangUp()
        self.lab.advance(0.5)
        [event] = self.app.events
        assert isinstance(event, CallEndedEvent)
        self.assertIs(event.leg, self.other)
        self.assertTrue(self.bridge.closed)
        self.assertEqual(self.call.state, "answered")
        self.assertApart(self.call)
        self.finish()

    def test_bothEndAtOnce(self) -> None:
        """One end each."""
        self.beginBridge()
        self.call.hangUp()
        self.bob.hangUp()
        self.lab.advance(0.5)
        self.assertEqual(self.app.names(), ["CallEnded"] * 2)
        self.assertTrue(self.bridge.closed)
        self.finish()

    def test_theApplicationEnds(self) -> None:
        """Both calls end with it."""
        self.beginBridge()
        self.app.returnResult("done")
        self.lab.advance(0.5)
        self.assertEqual((self.call.state, self.bob.state), ("ended", "ended"))
        self.assertTrue(self.bridge.closed)
        self.lab.assertNothingLeft()

    def test_theOneThatStaysIsBridgedAgain(self) -> None:
        """Three legs in turn, and no sound of those before."""
        self.beginBridge()
        carol = self.lab.phone("carol")
        third = self.app.placeCall(carol.uri)
        self.lab.advance(0.5)
        again = self.app.connectLegs(self.leg, third)
        self.assertTrue(self.bridge.closed)
        [call] = carol.calls
        call.sayTone(1000, 1.0)
        self.bob.sayTone(620, 1.0)
        self.call.sayTone(440, 1.0)
        self.lab.advance(1.0)
        self.call.assertHearsTone(1000)
        call.assertHearsTone(440)
        self.bob.assertSilent()
        last = self.app.connectLegs(self.other, third)
        self.assertEqual((again.closed, last.closed), (True, False))
        call.sayTone(1000, 1.0)
        self.bob.sayTone(620, 1.0)
        self.call.sayTone(440, 1.0)
        self.lab.advance(1.0)
        self.bob.assertHearsTone(1000)
        call.assertHearsTone(620)
        self.call.assertSilent()
        self.finish()

    def test_theSameTwoAgain(self) -> None:
        """The older bridge closes, its close() does not touch the new one."""
        self.beginBridge()
        again = self.app.connectLegs(self.leg, self.other)
        self.assertEqual((self.bridge.closed, again.closed), (True, False))
        self.bridge.close()
        self.assertConnected()
        self.finish()

    def test_endedLegIsNoError(self) -> None:
        """A closed Bridge, and nothing else; either leg, either place."""
        self.beginBoth()
        self.bob.hangUp()
        self.lab.advance(0.5)
        for legs in ((self.leg, self.other), (self.other, self.leg), (self.other,)):
            bridge = self.app.connectLegs(*legs)
            self.assertTrue(bridge.closed)
            bridge.close()
            bridge.mediaRecord(str(self.folder / "none.wav"))
            bridge.mediaStopRecording()
            self.assertFalse(bridge.isRecording())
        self.assertEqual(list(self.folder.iterdir()), [])
        self.finish()

    def test_hijackedLegLeavesItsBridge(self) -> None:
        """Contract section 5: its bridge closes."""
        self.beginBridge()
        cookie = self.lab.application.startVoiceApp()
        self.lab.advance(0.1)
        thief = self.lab.application.listVoiceapps()[cookie]
        assert isinstance(thief, Puppet)
        self.other.hijackLeg(thief)
        self.assertTrue(self.bridge.closed)
        self.lab.advance(0.5)
        self.assertApart(self.call, self.bob)
        thief.returnResult("enough")
        self.finish()


class WithoutLegsTests(AppTestCase):
    """leg=None when the application never had one."""

    def test_saysSo(self) -> None:
        """StateMachineError that names the method."""
        app = self.start(Keeping)
        missing: Any = None
        error = self.assertRaises(StateMachineError, app.connectLegs, missing)
        self.assertIn("connectLegs", str(error))


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


class HoldTests(BridgeTestCase):
    """One side holds."""

    def test_holdIsSilenceForTheOtherAndItsEndBringsTheSoundBack(self) -> None:
        """CallHeldEvent and CallResumedEvent of that leg; the bridge stays."""
        self.beginBridge()
        self.assertConnected()
        self.hold(self.bob, "inactive")
        self.lab.advance(0.5)
        self.assertApart(self.call)
        self.hold(self.bob, "sendrecv")
        self.lab.advance(0.5)
        self.assertConnected()
        self.assertEqual(self.app.names(), ["CallHeld", "CallResumed"])
        self.finish()

    def test_musicOfTheOneWhoHoldsIsHeard(self) -> None:
        """sendonly: it is sent to us and goes across."""
        self.beginBridge()
        self.hold(self.bob, "sendonly")
        self.talk()
        self.call.assertHearsTone(620)
        self.finish()


class EarlyTests(BridgeTestCase):
    """Bridged before the answer."""

    def test_connectedBeforeTheAnswerTheyHearEachOtherWithIt(self) -> None:
        """Nothing more is to be done."""
        self.begin()
        self.phoneOfBob = self.lab.phone("bob", answerAfter=1.0)
        self.other = self.app.placeCall(self.phoneOfBob.uri)
        self.lab.advance(0.5)
        bridge = self.app.connectLegs(self.leg, self.other)
        self.call.press("5")
        self.lab.advance(1.0)
        [self.bob] = self.phoneOfBob.calls
        self.assertConnected()
        self.assertEqual((bridge.closed, self.bob.keys), (False, ""))
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

    def test_theCallerHearsTheEarlyMedia(self) -> None:
        """What the called network says before the answer goes across as well."""
        self.begin()
        phone = self.lab.phone("bob", answerAfter=2.0, earlySound=sine(620, 3.0, 0.3))
        other = self.app.placeCall(phone.uri, earlyMedia=True)
        self.app.connectLegs(self.leg, other)
        self.lab.advance(1.5)
        self.call.assertHearsTone(620)
        [bob] = phone.calls
        self.assertEqual(bob.state, "ringing")
        self.lab.advance(1.0)
        self.call.sayTone(440, 1.0)
        self.lab.advance(1.0)
        bob.assertHearsTone(440)
        self.finish()

    def test_refusedItClosesTheBridge(self) -> None:
        """CallRejectedEvent, and the caller stays."""
        self.begin()
        other = self.app.placeCall(self.lab.phone("bob", onCall="busy").uri)
        bridge = self.app.connectLegs(self.leg, other)
        self.lab.advance(1.0)
        self.assertTrue(bridge.closed)
        self.assertIn("CallRejected", self.app.names())
        self.assertEqual(self.call.state, "answered")
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
