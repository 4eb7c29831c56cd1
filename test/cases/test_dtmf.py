"""Keys in whole calls, from the far end and to it (cases dtmf-001 to dtmf-006)."""

from __future__ import annotations

from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    DTMFReceivedEvent,
    DTMFTimeoutEvent,
    MediaPlayContentDoneEvent,
    MediaPlayUserBargeInEvent,
)
from shtoom.rtp.packet import RTPPacket
from shtoom.rtp.telephoneevent import TelephoneEvent, parseTelephoneEvent
from test.cases.actor import Dialogue, sdp
from test.cases.case import FieldCase

RELAY = {"Content-Type": "application/dtmf-relay"}
PLAIN = {"Content-Type": "application/dtmf"}


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

    def test_dtmf_002_eventsAsTheyAreSent(self) -> None:
        """Start with marker, updates, end x3; durations rise by 160; sound goes on in real time."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(5.0))
        self.lab.advance(1.0)
        heard = [packet.rtp for packet in self.alice.media.during(0.1)]
        done = self.app.leg.sendDTMF("1#", duration=0.1, delay=0.5)
        heard += [packet.rtp for packet in self.alice.media.during(2.0)]
        self.assertIsNone(self.successResultOf(done))
        first, second = self.presses(heard)
        for press, code in ((first, 1), (second, 11)):
            events = [parseTelephoneEvent(packet.payload) for packet in press]
            self.assertEqual({event.code for event in events}, {code})
            self.assertEqual(
                [event.duration for event in events], [*range(160, 801, 160), 800, 800]
            )
            self.assertEqual([event.end for event in events], 4 * [False] + 3 * [True])
            self.assertEqual([packet.marker for packet in press], [True] + 6 * [False])
        self.assertNear((second[0].timestamp - first[0].timestamp) & 0xFFFFFFFF, 4800, 320)
        numbers = [packet.sequence for packet in heard]
        self.assertEqual([(n - numbers[0]) & 0xFFFF for n in numbers], list(range(len(heard))))
        before = heard[heard.index(first[0]) - 1]
        after = heard[heard.index(first[-1]) + 1]
        self.assertEqual((first[0].timestamp - before.timestamp) & 0xFFFFFFFF, 160)
        self.assertEqual((after.timestamp - first[0].timestamp) & 0xFFFFFFFF, 7 * 160)
        self.assertTrue(after.marker)
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_002_aReinviteEndsTheKey(self) -> None:
        """A key of two seconds comes up when the session changes; three packets say so."""
        call = self.answered()
        self.lab.advance(0.5)
        done = self.app.leg.sendDTMF("5", duration=2.0)
        begun = self.alice.media.during(0.3)
        self.assertNoResult(done)
        call.reoffer(sdp("198.51.100.20", 40000, "8 101", version=2))
        ended = self.events([packet.rtp for packet in self.alice.media.during(0.2)])
        self.assertEqual([event.end for event in ended[-3:]], 3 * [True])
        self.assertEqual(len({event.duration for event in ended[-3:]}), 1)
        self.assertLess(ended[-1].duration, 0.5 * 8000)
        self.assertEqual({event.code for event in (*ended, *self.events([begun[-1].rtp]))}, {5})
        self.assertIsNone(self.successResultOf(done))
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_003_toneAndEventAreOnePress(self) -> None:
        """Whichever comes first; a later press in one form only is a press."""
        call = self.answered()
        self.app.leg.dtmfMode(single=True, inband=True)
        media = self.alice.media
        media.say(call.media, count=10, key="8")
        media.press(call.media, "8", ts=480, seq=11, after=0.06)
        self.lab.advance(1.0)
        self.assertEqual(self.keys(), ["8"])
        [event] = self.app.got(DTMFReceivedEvent)
        self.assertEqual(sorted(event.evidence[0].seen), ["inband", "rfc4733"])
        media.say(call.media, count=10, key="8", seq=60, ts=9000)
        self.lab.advance(1.0)
        self.assertEqual(self.keys(), ["8", "8"])
        self.assertEqual(self.app.got(DTMFReceivedEvent)[1].evidence[0].seen, ["inband"])
        media.press(call.media, "8", ts=20000, seq=80)
        self.lab.advance(1.0)
        self.assertEqual(self.keys(), ["8", "8", "8"])
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_003_theEventLongAfterItsTone(self) -> None:
        """A gateway that reports a key when it is let go: the tone was first."""
        call = self.answered()
        self.app.leg.dtmfMode(single=True, inband=True)
        self.alice.media.say(call.media, count=20, key="8")
        self.alice.media.press(call.media, "8", ts=480, seq=21, after=0.5)
        self.lab.advance(0.3)
        self.assertEqual(self.keys(), ["8"])
        self.lab.advance(1.0)
        self.assertEqual(self.keys(), ["8"])
        [event] = self.app.got(DTMFReceivedEvent)
        self.assertEqual(event.evidence[0].seen, ["inband", "rfc4733"])
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_004_keysInInfo(self) -> None:
        """200 and a key; 10 is star, 11 pound; 415 says what is read (RFC 6086 4)."""
        call = self.answered()
        for body, with_ in (
            (b"Signal=5\r\nDuration=160\r\n", RELAY),
            (b"Signal= *\nDuration= 250\n", RELAY),
            (b"11", PLAIN),
            (b"Signal=10", RELAY),
            (b"D", PLAIN),
        ):
            call.ask("INFO", body=body, with_=with_)
            self.alice.response("200 INFO")
        self.lab.advance(0.1)
        self.assertEqual(self.keys(), ["5", "*", "#", "*", "D"])
        evidence = self.app.got(DTMFReceivedEvent)[0].evidence[0]
        self.assertEqual((evidence.how, evidence.duration), ("info", 0.16))
        call.ask("INFO")
        self.alice.response("200 INFO")
        call.ask("INFO", body=b"Signal=zz", with_=RELAY)
        self.alice.response("400 INFO")
        call.ask("INFO", body=b"q", with_={"Content-Type": "application/xyz"})
        refusal = self.alice.response("415 INFO")
        self.assertIn("dtmf-relay", refusal.header("Accept") or "")
        self.assertEqual(len(self.keys()), 5)
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_004_aRepeatedInfoIsOneKey(self) -> None:
        """A retransmission has the branch of the first (RFC 3261 17.2.3)."""
        call = self.answered()
        call.cseq += 1
        for _ in range(3):
            call.ask("INFO", body=b"Signal=7", cseq=call.cseq, branch="z9hG4bKsame", with_=RELAY)
            self.alice.response("200 INFO")
        self.lab.advance(0.1)
        self.assertEqual(self.keys(), ["7"])
        self.hangUp(call)
        self.assertStillWell()

    def test_dtmf_004_infoBesideTheEventIsOneKey(self) -> None:
        """Some phones send both, the INFO when the key is let go."""
        call = self.answered()
        self.alice.media.press(call.media, "3", ts=1000)
        self.lab.advance(0.3)
        call.ask("INFO", body=b"Signal=3\r\nDuration=80\r\n", with_=RELAY)
        self.alice.response("200 INFO")
        self.lab.advance(0.1)
        self.assertEqual(self.keys(), ["3"])
        [event] = self.app.got(DTMFReceivedEvent)
        self.assertEqual(event.evidence[0].seen, ["rfc4733", "info"])
        self.hangUp(call)
        self.assertStillWell()

    def events(self, packets: list[RTPPacket]) -> list[TelephoneEvent]:
        """The telephone-events among packets."""
        return [parseTelephoneEvent(p.payload) for p in packets if p.payloadType == 101]

    def presses(self, packets: list[RTPPacket]) -> list[list[RTPPacket]]:
        """Their telephone-events, press by press: those of one timestamp."""
        presses: dict[int, list[RTPPacket]] = {}
        for packet in packets:
            if packet.payloadType == 101:
                presses.setdefault(packet.timestamp, []).append(packet)
        return list(presses.values())

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
        self.assertIsNone(self.successResultOf(app.leg.sendDTMF("1")))
        self.trunk.nothing(".*", during=1)
        self.assertStillWell()

    def test_dtmf_006_aHangUpEndsWhatIsSent(self) -> None:
        """The Deferred of keys that wait fires with None; nothing is sent after the BYE."""
        app = self.dial()
        call: Dialogue = self.trunk.takes(self.trunk.request("INVITE"))
        done = app.leg.sendDTMF("1,,000", delay=0.1)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        heard = [packet.rtp for packet in self.trunk.media.during(1.0)]
        self.assertEqual(len(self.presses(heard)), 1)
        self.assertNoResult(done)
        call.bye()
        self.trunk.response("200 BYE")
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(len(app.got(CallEndedEvent)), 1)
        self.assertEqual(self.trunk.media.during(6.0), [])
        self.assertStillWell()
