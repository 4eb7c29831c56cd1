"""A new description in mid-call: other codecs, other payload types, what is still under way."""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from shtoom.codecs import Codec
from shtoom.media.session import MediaSession
from shtoom.rtp.packet import RTPPacket
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased
from test.media.support import EVENT_TYPE, PCMA, PCMU, Bench, Ear, Tone, parameters

G722 = codecs.find("G722")
ULAW: dict[str, Any] = {"codec": PCMU, "payloadType": 0, "accepts": {0: PCMU}}
ALAW: dict[str, Any] = {"codec": PCMA, "payloadType": 8, "accepts": {8: PCMA}}
WIDE: dict[str, Any] = {"codec": G722, "payloadType": 9, "accepts": {9: G722}}
TONE = (8000 * np.sin(np.arange(160) / 4)).astype(np.int16)


class SwitchingTests(SynchronousTestCase):
    """From one codec alone to another one alone."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.ear = Ear()
        self.sent = 0

    def begin(self, stream: dict[str, Any], **more: Any) -> MediaSession:
        """A session that is listened to and has something to say."""
        session = self.bench.session(**stream, **more)
        session.addListener(self.ear)
        session.feed = Tone()
        return session

    def say(self, session: MediaSession, kind: int, codec: Codec, count: int) -> None:
        """The far end goes on speaking, in this codec."""
        for _ in range(count):
            packet = RTPPacket(kind, self.sent, self.sent * 160, 7, codec.encode(TONE))
            self.bench.arrives(session, packet)
            self.bench.runFor(0.02)
            self.sent += 1

    def heard(self) -> list[bytes]:
        """Frames that are not silence."""
        return [frame for frame in self.ear.frames if frame != bytes(320)]

    def test_bothPayloadTypesAreTakenForASecond(self) -> None:
        """The far end hears of the answer late: what it says until then is heard, in its codec."""
        session = self.begin(ULAW)
        self.say(session, 0, PCMU, 20)
        session.start(parameters(**ALAW))
        self.say(session, 0, PCMU, 40)
        self.say(session, 8, PCMA, 40)
        self.bench.runFor(0.2)
        self.assertEqual(len(self.heard()), 100)
        for frame in self.heard():
            pcm = np.frombuffer(frame, np.int16).astype(np.int32)
            self.assertLess(int(np.abs(pcm - TONE).max()), 600)
        self.assertEqual((session.stats.dropped, session.stats.lost), ({}, 0))

    def test_weSendTheNewTypeFromTheAnswerOn(self) -> None:
        """No packet in the old one after it, whatever the far end still sends."""
        session = self.begin(ULAW)
        self.say(session, 0, PCMU, 10)
        self.bench.forget()
        session.start(parameters(**ALAW))
        self.say(session, 0, PCMU, 10)
        types = {packet.payloadType for _, packet in self.bench.packets(session)}
        self.assertEqual(types, {8})

    def test_afterASecondTheOldTypeIsDropped(self) -> None:
        """And counted as what it is then: not agreed on."""
        session = self.begin(ULAW)
        self.say(session, 0, PCMU, 10)
        session.start(parameters(**ALAW))
        self.say(session, 0, PCMU, 70)
        self.assertEqual(session.stats.dropped, {"payload type": 20})

    def test_theSecondGoesOnOverARefresh(self) -> None:
        """The same description again begins no new second, and ends none."""
        session = self.begin(ULAW)
        session.start(parameters(**ALAW))
        self.say(session, 0, PCMU, 20)
        session.start(parameters(**ALAW))
        self.say(session, 0, PCMU, 20)
        self.assertEqual(session.stats.dropped, {})
        self.say(session, 0, PCMU, 20)
        self.assertEqual(session.stats.dropped, {"payload type": 10})

    def test_theNewMeaningOfANumberCounts(self) -> None:
        """A dynamic number that was PCMU and is PCMA from now on."""
        session = self.begin({"codec": PCMU, "payloadType": 96, "accepts": {96: PCMU}})
        self.say(session, 96, PCMU, 10)
        self.ear.frames.clear()
        session.start(parameters(codec=PCMA, payloadType=96, accepts={96: PCMA}))
        self.say(session, 96, PCMA, 10)
        self.bench.runFor(0.2)
        for frame in self.heard():
            pcm = np.frombuffer(frame, np.int16).astype(np.int32)
            self.assertLess(int(np.abs(pcm - TONE).max()), 600)

    def test_anOldNumberOfTheSameCodec(self) -> None:
        """PCMU under 96, then under 0: its packets in a row end with the second, too."""
        session = self.begin({"codec": PCMU, "payloadType": 96, "accepts": {96: PCMU}})
        self.say(session, 96, PCMU, 10)
        session.start(parameters(**ULAW))
        self.say(session, 96, PCMU, 60)
        self.assertEqual(session.stats.dropped, {"payload type": 10})

    def test_onHoldNothingOfBeforeIsHeard(self) -> None:
        """A hold ends what may come, in whatever type."""
        session = self.begin(ULAW)
        self.say(session, 0, PCMU, 10)
        session.start(parameters(**ALAW, receive=False))
        self.bench.runFor(0.1)
        self.ear.frames.clear()
        self.say(session, 0, PCMU, 10)
        self.bench.runFor(0.2)
        self.assertEqual(self.heard(), [])
        self.assertEqual(session.stats.dropped, {"held": 10})

    def test_toWidebandAndBack(self) -> None:
        """Three frames are lost at most where nothing can be carried over."""
        session = self.begin(ULAW)
        self.say(session, 0, PCMU, 30)
        session.start(parameters(**WIDE))
        self.say(session, 0, PCMU, 10)
        encoder = G722.encoder()
        wide = (8000 * np.sin(np.arange(320) / 8)).astype(np.int16)
        for _ in range(30):
            packet = RTPPacket(9, self.sent, self.sent * 160, 7, encoder.encode(wide))
            self.bench.arrives(session, packet)
            self.bench.runFor(0.02)
            self.sent += 1
        session.start(parameters(**ULAW))
        self.say(session, 0, PCMU, 30)
        self.bench.runFor(0.2)
        self.assertGreaterEqual(len(self.heard()), 94)
        self.assertEqual(session.stats.dropped, {})


class KeySwitchingTests(SynchronousTestCase):
    """Keys that are down, or on their way, while the description changes."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.session = self.bench.session(**ULAW)
        self.keys: list[KeyPressed | KeyReleased] = []
        self.session.onKey = self.keys.append

    def press(self, kind: int, sequence: int, duration: int, end: bool = False) -> None:
        """A packet of one press of 5."""
        payload = bytes([5, 0x8A if end else 0x0A]) + duration.to_bytes(2, "big")
        self.bench.arrives(self.session, RTPPacket(kind, sequence, 8000, 7, payload))
        self.bench.runFor(0.02)

    def test_aKeyThatIsDownWhileTheCodecChangesIsOneKey(self) -> None:
        """Its later packets are no second press; its length is told."""
        self.press(EVENT_TYPE, 1, 160)
        self.session.start(parameters(**ALAW))
        self.press(EVENT_TYPE, 2, 320)
        self.press(EVENT_TYPE, 3, 480, end=True)
        self.assertEqual(self.keys, [KeyPressed("5", 8000), KeyReleased("5", 8000, 0.06)])

    def test_theOldNumberOfEventsIsTakenForASecond(self) -> None:
        """The same press under the number of before; a press a second later is none."""
        self.session.start(parameters(**ULAW, eventType=96))
        self.press(EVENT_TYPE, 1, 160)
        self.press(96, 2, 320, end=True)
        self.assertEqual([type(key) for key in self.keys], [KeyPressed, KeyReleased])
        self.bench.runFor(1.0)
        payload = bytes([6, 0x0A, 0, 160])
        self.bench.arrives(self.session, RTPPacket(EVENT_TYPE, 9, 20000, 7, payload))
        self.bench.runFor(0.3)
        self.assertEqual(len(self.keys), 2)
