"""Contract section 4, connectLegs: each sentence on whole calls in virtual time.

Not here: its keys (test_section_4_bridgekeys), what is played and recorded meanwhile
(test_section_4_bridgemedia).
"""

from __future__ import annotations

from typing import Any

from doug.events import CallEndedEvent
from doug.exceptions import StateMachineError
from shtoom.audio.tones import sine
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
