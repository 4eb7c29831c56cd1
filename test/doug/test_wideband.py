"""G.722 on whole calls: prompts, recordings, keys, bridges, rooms, and changes on the way."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from doug.conferencing import newConferenceMember
from doug.events import DTMFReceivedEvent
from doug.settings import Settings
from doug.source import EchoSource
from doug.testing import Conditions, Lab, PhoneCall
from doug.testing.hearing import toneShare
from shtoom import codecs
from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from shtoom.sip.message import Response
from test.doug.bridged import BridgeTestCase, Sent, Wire
from test.doug.puppet import Puppet

WIDE, ULAW, ALAW = ("G722",), ("PCMU",), ("PCMA",)
BOTH = Settings(codecs=("G722", "PCMU", "PCMA"))

Samples = NDArray[np.int16]


def chord(*hz: float, seconds: float = 1.0, level: float = 0.2) -> Samples:
    """Tones of 16 kHz, all at once. level: of each; 1.0 is full scale."""
    tones = np.array([sine(each, seconds, level, rate=16000) for each in hz])
    return np.asarray(tones.sum(axis=0), np.int16)


def rustle(seconds: float, seed: int) -> Samples:
    """Noise of 8 kHz below 2 kHz, with pauses: what correlation finds, and finds only once."""
    noise = np.random.default_rng(seed).standard_normal(round(8000 * seconds))
    smooth = np.convolve(noise, np.ones(4) / 2, "same")
    loudness = np.abs(np.sin(np.arange(len(smooth)) / 8000 * 2 * np.pi))
    return np.asarray(smooth * loudness * 4000).astype(np.int16)


def wideShare(heard: Samples, hz: float) -> float:
    """The share of the power of a sound of 16 kHz that lies at `hz`."""
    return toneShare(heard, hz / 2)


class WideTestCase(BridgeTestCase):
    """Phones that speak G.722, a server that likes it best."""

    def setUp(self) -> None:
        if "G722" not in codecs.names():
            raise SkipTest(codecs.missing()["G722"])
        super().setUp()

    def begin(self, **options: Any) -> None:
        """As LegTestCase does; RTP is watched from the dialling on."""
        lab = {"settings": BOTH, **options.pop("lab", {})}
        super().begin(**{"codecs": WIDE, **options}, lab=lab)
        self.rtp = Wire(self.lab)

    def writeWide(self, name: str, samples: Samples) -> str:
        """A file of 16 kHz mono; its path."""
        path = self.folder / name
        path.write_bytes(wavHeader(2 * len(samples), rate=16000) + samples.tobytes())
        return str(path)

    def heardWide(self, sent: list[Sent]) -> Samples:
        """What a phone with a good loudspeaker makes of these packets: 16 kHz."""
        payload = b"".join(s.packet.payload for s in sent if s.packet.payloadType == 9)
        return codecs.find("G722").decode(payload)

    def offerAnew(self, mine: PhoneCall, *names: str) -> None:
        """The phone of that call sends a re-INVITE with these codecs."""
        call, phone = mine.call, mine.phone
        assert call is not None
        assert call.dialog is not None
        assert call.peer is not None
        phone.codecs = names
        request = call.dialog.request("INVITE", call.contact, (), mine.offer(), "application/sdp")
        responses: list[Response] = []
        phone.agent.ask(call.dialog, request, call.peer, []).addCallback(responses.append)
        self.lab.advance(0.05)
        [response] = responses
        self.assertEqual(response.code, 200)
        phone.agent.layer.sendStateless(call.dialog.ack(request.cseq.number), call.peer)
        mine.answerReceived(call, response.body)


class ChoiceTests(WideTestCase):
    """Which codec a call has."""

    def chosen(self, offered: tuple[str, ...], settings: Settings) -> str:
        """By a server with these settings, of what a phone offers."""
        self.begin(codecs=offered, lab={"settings": settings})
        assert self.call.stream is not None
        self.finish()
        return self.call.stream.codec

    def test_theServersOrderCounts(self) -> None:
        """G.711 unless the settings say otherwise, or the phone has no G.711."""
        self.assertEqual(self.chosen(("G722", "PCMU"), Settings()), "PCMU")
        self.assertEqual(self.chosen(("PCMU", "G722"), BOTH), "G722")
        self.assertEqual(self.chosen(WIDE, Settings()), "G722")

    def test_whatIsLeftOutIsRefused(self) -> None:
        """488 with what is offered and what is supported."""
        lab = Lab(Puppet, settings=Settings(codecs=("PCMA", "PCMU")))
        call = lab.phone(codecs=WIDE).dial("sip:puppet@doug")
        lab.advance(0.5)
        assert call.failure is not None
        self.assertEqual(call.failure.sipCode, 488)
        lab.assertNothingLeft()

    def test_callsThatAreMadeOfferAll(self) -> None:
        """Type 9 with a clock of 8000 (RFC 3551 4.5.2), and keys of that clock."""
        self.begin(lab={"settings": Settings()})
        self.phoneOfBob = self.lab.phone("bob", codecs=WIDE)
        self.app.placeCall(self.phoneOfBob.uri)
        self.lab.advance(0.5)
        [bob] = self.phoneOfBob.calls
        assert bob.call is not None
        offer = (bob.call.remoteSDP or b"").decode()
        self.assertIn("RTP/AVP 0 8 9 101\r\n", offer)
        self.assertIn("a=rtpmap:9 G722/8000\r\n", offer)
        self.assertIn("a=rtpmap:101 telephone-event/8000\r\n", offer)
        assert bob.stream is not None
        self.assertEqual(bob.stream.codec, "G722")
        self.finish()


class PromptTests(WideTestCase):
    """What the server says."""

    def test_aFileOf16kHzIsHeardAsSuch(self) -> None:
        """6 kHz is there, in step with 1 kHz."""
        prompt = self.writeWide("wide.wav", chord(1000, 6000))
        self.begin()
        self.leg.mediaPlay(prompt)
        self.lab.advance(0.8)
        heard = self.heardWide(self.rtp.toPhone(self.call))[-6400:]
        self.assertGreater(wideShare(heard, 1000), 0.45)
        self.assertGreater(wideShare(heard, 6000), 0.45)
        self.finish()

    def test_aFileOf8kHzIsHeardWithoutMirrorImages(self) -> None:
        """3.3 kHz does not come out at 4.7 kHz as well."""
        prompt = self.wav("narrow.wav", 3300, 1.0)
        self.begin()
        self.leg.mediaPlay(prompt)
        self.lab.advance(0.8)
        heard = self.heardWide(self.rtp.toPhone(self.call))[-6400:]
        self.assertGreater(wideShare(heard, 3300), 0.99)
        self.assertLess(wideShare(heard, 4700), 0.001)
        self.call.assertHearsTone(3300, 0.2)
        self.finish()

    def test_allPacketsAreOfFullSize(self) -> None:
        """A byte a tick of the clock: 160 in 20 ms, timestamps of 8000 a second."""
        self.begin()
        self.leg.mediaPlay(self.write("odd.wav", rustle(0.333, 1)))
        self.lab.advance(1.0)
        packets = [s.packet for s in self.rtp.toPhone(self.call)]
        self.assertEqual({len(packet.payload) for packet in packets}, {160})
        steps = {
            (b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(packets) if not b.marker
        }
        self.assertEqual(steps, {160})
        self.finish()

    def test_jointsAreClean(self) -> None:
        """Cut in the middle, then at once another, then silence and a tone of our own: one encoder
        says it all, so no joint is louder than what is said."""
        loud, soft = self.wav("loud.wav", 440, 1.0), self.wav("soft.wav", 1000, 0.4)
        self.begin()
        self.leg.mediaPlay(loud)
        self.lab.advance(0.513)
        self.leg.mediaStop()
        self.leg.mediaPlay([soft, soft])
        self.lab.advance(1.5)
        self.leg.mediaPlay(loud)
        self.lab.advance(0.8)
        self.leg.mediaRecord(str(self.folder / "r.wav"), beep=True)
        self.lab.advance(1.0)
        heard = self.heardWide(self.rtp.toPhone(self.call))
        self.assertLess(int(np.abs(heard.astype(np.int32)).max()), 1.3 * 0.3 * 32767)
        self.finish()

    def test_aSourceIsHeard(self) -> None:
        """Frames of 8 kHz, encoded as they come; a tone of a key too."""
        self.begin(events=False)
        self.app.sendDTMF("15")
        self.lab.advance(2.0)
        self.assertEqual(self.call.tones, "15")
        self.finish()

    def test_packetTimesMayDiffer(self) -> None:
        """10 and 60 ms a packet."""
        for ptime in (10, 60):
            sound = rustle(2.0, 2)
            self.begin(ptime=ptime)
            self.leg.mediaPlay(self.write("rustle.wav", sound))
            self.lab.advance(2.5)
            self.call.assertHears(sound, 1.5)
            self.finish()

    def test_whatIsLongerThanAMinuteIsStreamed(self) -> None:
        """Read ahead, and with the same sound."""
        sound = np.tile(rustle(1.0, 3), 62)
        self.begin()
        self.leg.mediaPlay(self.write("long.wav", sound))
        self.lab.advance(4.0)
        self.call.assertHears(sound[:24000], 2.0)
        self.finish()


class HearingTests(WideTestCase):
    """What the server hears."""

    def recorded(self, name: str) -> Samples:
        """The sound of a recording in the folder."""
        with wave.open(str(self.folder / name)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)

    def test_aRecordingHasWhatIsSaid(self) -> None:
        """At its level, and without what lies above 4 kHz: 5 kHz is not heard as 3."""
        self.begin()
        self.leg.mediaRecord(str(self.folder / "said.wav"))
        self.call.say(Path(self.writeWide("said16.wav", chord(1000, 5000, seconds=2.0))))
        self.lab.advance(2.5)
        self.leg.mediaStopRecording()
        self.lab.advance(0.5)
        heard = self.recorded("said.wav")[8000:16000]
        self.assertGreater(toneShare(heard, 1000), 0.99)
        self.assertLess(toneShare(heard, 3000), 0.0001)
        level = np.sqrt(2 * np.mean(heard.astype(np.float64) ** 2)) / 32767
        self.assertLess(abs(20 * np.log10(level / 0.2)), 0.5)
        self.finish()

    def test_manyAtOnceAreHeardEachForItself(self) -> None:
        """Their decoders have state, which they do not share."""
        lab = Lab(Puppet, settings=BOTH)
        calls = [lab.phone(codecs=WIDE).dial("sip:puppet@doug") for _ in range(5)]
        lab.advance(0.5)
        apps = list(lab.application.listVoiceapps().values())
        for number, (app, call) in enumerate(zip(apps, calls, strict=True)):
            assert isinstance(app, Puppet)
            app.leg.mediaRecord(str(self.folder / f"{number}.wav"))
            call.sayTone(500 + 300 * number, 1.0)
        lab.advance(1.5)
        for app in apps:
            app.returnResult(None)
        lab.assertNothingLeft()
        for number in range(5):
            self.assertGreater(
                toneShare(self.recorded(f"{number}.wav")[3200:7200], 500 + 300 * number), 0.95
            )

    def test_lostPacketsAreSilenceAndNoMore(self) -> None:
        """The decoder goes on with the next one."""
        self.begin(lab={"conditions": Conditions(loss=0.05), "seed": 5})
        sound = rustle(4.0, 4)
        self.leg.mediaRecord(str(self.folder / "said.wav"))
        self.call.say(sound)
        self.lab.advance(4.5)
        self.leg.mediaStopRecording()
        self.lab.advance(0.5)
        heard = self.recorded("said.wav").astype(np.float64)
        at = int(np.argmax(np.correlate(heard, sound[:16000].astype(np.float64), "valid")))
        pieces = [
            np.corrcoef(heard[at + start :][:400], sound[start : start + 400])[0, 1]
            for start in range(0, len(sound) - 400, 400)
        ]
        self.assertGreater(float(np.mean(np.array(pieces) > 0.9)), 0.75)
        self.finish()

    def test_anEchoGoesBackUntouched(self) -> None:
        """Byte by byte, 6 kHz too."""
        self.begin()
        echo = EchoSource()
        self.leg.mediaPlay([echo])
        self.leg.mediaRecord(echo)
        self.lab.advance(0.5)
        self.rtp.sent.clear()
        self.call.say(Path(self.writeWide("said16.wav", chord(1000, 6000))))
        self.lab.advance(0.8)
        spoken = [s.packet.payload for s in self.rtp.fromPhone(self.call)]
        heard = [s.packet.payload for s in self.rtp.toPhone(self.call)]
        self.assertEqual(heard, spoken)
        self.assertGreater(
            wideShare(self.heardWide(self.rtp.toPhone(self.call))[-6400:], 6000), 0.4
        )
        self.finish()

    def test_aDelayedEchoIsEncodedAnew(self) -> None:
        """By way of frames of 8 kHz."""
        self.begin()
        echo = EchoSource(delay=0.4)
        self.leg.mediaPlay([echo])
        self.leg.mediaRecord(echo)
        sound = rustle(2.0, 6)
        self.lab.advance(0.5)
        self.call.say(sound)
        self.lab.advance(3.0)
        self.call.assertHears(sound, 1.5)
        self.finish()

    def test_keysAsEventsAndAsTones(self) -> None:
        """Telephone-events keep their clock of 8000; tones are heard in the sound."""
        self.begin()
        self.call.press("5", duration=0.2)
        self.lab.advance(0.5)
        presses = self.rtp.presses(self.rtp.fromPhone(self.call))
        [packets] = presses.values()
        self.assertEqual(int.from_bytes(packets[-1].payload[2:4], "big"), 1600)
        self.app.dtmfMode(single=True, inband=True)
        self.call.sayKeys("27#")
        self.lab.advance(1.0)
        digits = [e.digits for e in self.app.events if isinstance(e, DTMFReceivedEvent)]
        self.assertEqual(digits, ["5", "2", "7", "#"])
        self.finish()


class MixedBridgeTests(WideTestCase):
    """G.722 on one side, or on both."""

    def beginMixed(self, mine: tuple[str, ...], his: tuple[str, ...]) -> None:
        """A bridge between two phones with these codecs."""
        self.beginBridge(codecs=mine, bob={"codecs": his})
        self.lab.advance(0.2)

    def test_eachHearsTheOther(self) -> None:
        """Speech both ways at once, found by correlation, in all pairs of codecs."""
        mine, his = rustle(2.0, 7), rustle(2.0, 8)
        for pair in ((WIDE, ULAW), (ALAW, WIDE), (WIDE, WIDE)):
            self.beginMixed(*pair)
            self.call.say(mine)
            self.bob.say(his)
            self.lab.advance(2.5)
            self.call.assertHears(his, 1.8)
            self.bob.assertHears(mine, 1.8)
            self.finish()

    def test_itGoesAcrossOnArrival(self) -> None:
        """Packet for packet, none waits for a beat, sizes and numbers as they came."""
        self.beginMixed(WIDE, ULAW)
        self.rtp.sent.clear()
        self.call.sayTone(440, 0.5)
        self.lab.advance(0.4)
        came, went = self.rtp.fromPhone(self.call), self.rtp.toPhone(self.bob)
        delay = self.lab.network.conditions.delay
        self.assertGreater(len(went), 15)
        for one, other in zip(came, went, strict=False):
            self.assertAlmostEqual(other.at, one.at + delay, 6)
            self.assertEqual(len(other.packet.payload), len(one.packet.payload))
            self.assertEqual(other.packet.payloadType, 0)
        self.finish()

    def test_whatAPhoneOf8kHzCannotHearIsNotFoldedDown(self) -> None:
        """1 and 5 kHz on one side are 1 kHz on the other."""
        self.beginMixed(WIDE, ULAW)
        self.call.say(Path(self.writeWide("said16.wav", chord(1000, 5000))))
        self.lab.advance(0.9)
        self.bob.assertHearsTone(1000, share=0.99)
        self.finish()

    def test_andTheOtherWayNothingIsMirroredUp(self) -> None:
        """3.3 kHz stays alone."""
        self.beginMixed(WIDE, ULAW)
        self.rtp.sent.clear()
        self.bob.sayTone(3300, 1.0)
        self.lab.advance(0.9)
        heard = self.heardWide(self.rtp.toPhone(self.call))[-6400:]
        self.assertGreater(wideShare(heard, 3300), 0.99)
        self.assertLess(wideShare(heard, 4700), 0.001)
        self.finish()

    def test_sameCodecIsPassedOnUntouched(self) -> None:
        """With all that lies above 4 kHz."""
        self.beginMixed(WIDE, WIDE)
        self.rtp.sent.clear()
        self.call.say(Path(self.writeWide("said16.wav", chord(1000, 6000))))
        self.lab.advance(0.9)
        spoken = [s.packet.payload for s in self.rtp.fromPhone(self.call)]
        heard = [s.packet.payload for s in self.rtp.toPhone(self.bob)]
        self.assertEqual(heard, spoken)
        self.finish()

    def test_packetTimesMayDiffer(self) -> None:
        """Phones of 10 and 60 ms a packet understand each other."""
        self.beginBridge(ptime=10, bob={"ptime": 60, "codecs": ULAW})
        self.assertConnected()
        self.finish()

    def test_keysGoAcross(self) -> None:
        """As telephone-events both ways."""
        self.beginMixed(WIDE, ULAW)
        self.call.press("5", duration=0.16)
        self.lab.advance(0.5)
        self.bob.press("8", duration=0.16)
        self.lab.advance(0.5)
        self.assertEqual((self.bob.keys, self.call.keys), ("5", "8"))
        self.finish()

    def test_aPromptToOneSideGoesBefore(self) -> None:
        """The side with G.722 hears it alone, and then the other phone again, by one encoder."""
        prompt = self.wav("prompt.wav", 1000, 0.5)
        for his in (ULAW, WIDE):
            self.beginMixed(WIDE, his)
            self.bob.sayTone(620, 3.0)
            self.lab.advance(1.0)
            self.call.assertHearsTone(620, 0.4)
            self.leg.mediaPlay(prompt)
            self.lab.advance(0.5)
            self.call.assertHearsTone(1000, 0.3)
            self.lab.advance(1.0)
            self.call.assertHearsTone(620, 0.4)
            if his is ULAW:
                heard = self.heardWide(self.rtp.toPhone(self.call)).astype(np.int32)
                self.assertLess(int(np.abs(heard).max()), 1.3 * 0.3 * 32767)
            self.finish()

    def test_bothSidesAreRecorded(self) -> None:
        """As stereo, each in its channel."""
        self.beginMixed(WIDE, ULAW)
        self.bridge.mediaRecord(str(self.folder / "both.wav"))
        self.talk(1.5)
        self.bridge.close()
        self.lab.advance(0.5)
        with wave.open(str(self.folder / "both.wav")) as file:
            both = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
        self.assertGreater(toneShare(both[4000:8000, 0], 440), 0.9)
        self.assertGreater(toneShare(both[4000:8000, 1], 620), 0.9)
        self.finish()


class ChangeTests(WideTestCase):
    """Another codec in the middle of a call (re-INVITE)."""

    def test_aPromptGoesOnInTheOtherCodec(self) -> None:
        """Nothing of it is lost, from G.711 to G.722 and back."""
        sound = rustle(6.0, 9)
        for first, second in ((ULAW, WIDE), (WIDE, ALAW)):
            self.begin(codecs=first)
            self.leg.mediaPlay(self.write("rustle.wav", sound))
            self.lab.advance(2.01)
            self.offerAnew(self.call, *second)
            self.lab.advance(1.95)
            self.offerAnew(self.call, *first)
            self.lab.advance(3.0)
            match = self.call.assertHears(sound, 5.0)
            self.assertLess(abs(match.end - match.start - len(sound)), 480)
            self.assertEqual(self.app.names(), ["CallAnswered", "MediaPlayContentDone"])
            self.finish()

    def test_whatIsSaidIsHeardOn(self) -> None:
        """The recording goes on over the change."""
        self.begin(codecs=ULAW)
        self.leg.mediaRecord(str(self.folder / "said.wav"))
        self.call.sayTone(700, 3.0)
        self.lab.advance(1.0)
        self.offerAnew(self.call, *WIDE)
        self.lab.advance(1.5)
        self.leg.mediaStopRecording()
        self.lab.advance(0.5)
        with wave.open(str(self.folder / "said.wav")) as file:
            heard = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        for start in (2400, len(heard) - 4000):
            self.assertGreater(toneShare(heard[start : start + 3200], 700), 0.9)
        self.finish()

    def test_aBridgeGoesOn(self) -> None:
        """Untouched before, translated after."""
        self.beginBridge(codecs=ULAW, bob={"codecs": ULAW})
        self.assertConnected()
        self.offerAnew(self.call, *WIDE)
        self.lab.advance(0.2)
        self.assertConnected()
        self.finish()


class RoomTests(SynchronousTestCase):
    """A conference of members with different codecs and rates."""

    def test_everybodyHearsTheOthersAndNeverThemselves(self) -> None:
        """Each speaks a tone of its own; spectra tell who is heard by whom."""
        if "G722" not in codecs.names():
            raise SkipTest(codecs.missing()["G722"])
        lab = Lab(Puppet, settings=BOTH)
        kinds = (WIDE, ULAW, ALAW, WIDE)
        calls = [
            lab.phone(codecs=kind, ptime=ptime).dial("sip:puppet@doug")
            for kind, ptime in zip(kinds, (20, 30, 20, 10), strict=True)
        ]
        lab.advance(0.5)
        apps = list(lab.application.listVoiceapps().values())
        for app in apps:
            assert isinstance(app, Puppet)
            member = newConferenceMember("room", app.leg)
            app.leg.mediaPlay([member])
            app.leg.mediaRecord(member)
        tones = (450, 800, 1250, 1900)
        for call, hz in zip(calls, tones, strict=True):
            call.sayTone(hz, 3.0, 0.15)
        lab.advance(2.0)
        for call, own in zip(calls, tones, strict=True):
            heard = call.heard[-8000:]
            for hz in tones:
                share = toneShare(heard, hz)
                if hz == own:
                    self.assertLess(share, 0.01, (own, hz))
                else:
                    self.assertGreater(share, 0.28, (own, hz))
        for app in apps:
            app.returnResult(None)
        lab.assertNothingLeft()
