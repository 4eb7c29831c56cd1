"""Contract section 4, connectLegs: keys are relayed and reported."""

from __future__ import annotations

import numpy as np

from doug.testing.hearing import toneShare
from shtoom.audio.tones import dtmf
from test.doug.bridged import BridgeTestCase


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
