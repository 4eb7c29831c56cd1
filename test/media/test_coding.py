"""Sound into codecs of another rate or with state, and out of them: filters, order, one encoder."""

from __future__ import annotations

from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from shtoom.audio.tones import sine
from shtoom.codecs import Codec
from shtoom.media.coding import decoderOf, encoded, encoderOf, voiceOf
from shtoom.media.session import MediaSession
from shtoom.media.translate import Translator, translated
from shtoom.rtp.packet import RTPPacket
from test.media.support import PCMA, PCMU, Bench, Ear, Packets

WIDE_TYPE = 9  # RFC 3551 6

Samples = NDArray[np.int16]


def g722() -> Codec:
    """Without its extra there is nothing to be tested."""
    try:
        return codecs.find("G722")
    except LookupError as e:
        raise SkipTest(str(e)) from None


def level(sound: Samples, hz: float, rate: int) -> float:
    """dB of one frequency, 0 for full scale."""
    turn = np.exp(-2j * np.pi * hz / rate * np.arange(len(sound)))
    return float(20 * np.log10(2 * abs(np.dot(sound, turn)) / len(sound) / 32767 + 1e-9))


class StreamTests(SynchronousTestCase):
    """Between 8 kHz and a codec of 16 kHz."""

    def setUp(self) -> None:
        self.codec = g722()

    def test_aFrameForAFrame(self) -> None:
        """From the first one on, whatever the packet time; 3 ms late."""
        for samples in (80, 160, 240, 480):
            encoder, decoder = encoderOf(self.codec), decoderOf(self.codec)
            for _ in range(4):
                payload = encoder.encode(np.zeros(samples, np.int16))
                self.assertEqual(len(payload), samples)
                self.assertEqual(len(decoder.decode(payload)), samples)

    def test_thereAndBack(self) -> None:
        """300 Hz to 3.4 kHz at their level."""
        for hz in (300, 1000, 3000, 3400):
            sound = sine(hz, 1.0, 0.3)
            heard = decoderOf(self.codec).decode(encoderOf(self.codec).encode(sound))[2000:7992]
            self.assertLess(abs(level(heard, hz, 8000) - level(sound, hz, 8000)), 1.0, f"{hz} Hz")

    def test_whatIsAbove4kHzIsNotFoldedDown(self) -> None:
        """4.6 to 7 kHz are 40 dB down and more, where they would come out."""
        for hz in (4600, 5000, 6000, 7000):
            payload = self.codec.encode(sine(hz, 1.0, 0.3, rate=16000))
            heard = decoderOf(self.codec).decode(payload)[2000:6000]
            self.assertLess(
                level(heard, 8000 - hz, 8000) - level(sine(1000, 1.0, 0.3), 1000, 8000), -40
            )

    def test_nothingIsMirroredUp(self) -> None:
        """3.4 kHz does not come out at 4.6 kHz, as it would without a filter."""
        heard = self.codec.decode(encoderOf(self.codec).encode(sine(3400, 1.0, 0.3)))[4000:12000]
        self.assertLess(level(heard, 4600, 16000) - level(heard, 3400, 16000), -35)

    def test_aWholeSoundIsInStep(self) -> None:
        """Without the delay of a stream, and with all of its end."""
        sound = sine(500, 0.5, 0.3)
        linear = self.codec.uncoded
        heard = linear.decode(encoded(sound, linear))
        self.assertEqual(len(heard), 2 * len(sound))
        apart = heard[200:-200:2].astype(np.int32) - sound[100:-100]
        self.assertLess(int(np.abs(apart).max()), 60)
        high = linear.decode(encoded(sine(3000, 0.5, 0.3), linear))[1000:-1000]
        self.assertLess(level(high, 5000, 16000), -60)
        self.assertEqual(encoded(sound, PCMU), PCMU.encode(sound))

    def test_G711IsItsOwnStream(self) -> None:
        """Without state there is one for all, and no voice."""
        self.assertIs(encoderOf(PCMU), PCMU)
        self.assertIs(decoderOf(PCMA), PCMA)
        self.assertIsNone(voiceOf(PCMA))


class TranslatorTests(SynchronousTestCase):
    """One codec's stream as another's."""

    def test_theLawsGoByTable(self) -> None:
        """As translated() does it."""
        payload = bytes(range(160))
        self.assertEqual(Translator().translate(payload, PCMU, PCMU), payload)
        wanted = translated(payload, PCMU, PCMA)
        self.assertEqual(Translator().translate(payload, PCMU, PCMA), wanted)

    def test_pieceByPieceIsTheSameAsAtOnce(self) -> None:
        """What coders and filters know goes on from packet to packet, both ways."""
        wide = g722()
        for source, target in ((wide, PCMU), (PCMA, wide)):
            payload = encoderOf(source).encode(sine(700, 0.5, 0.3))
            pieces, translator = [], Translator()
            for start in range(0, len(payload), 240):
                pieces.append(translator.translate(payload[start : start + 240], source, target))
            self.assertEqual(b"".join(pieces), Translator().translate(payload, source, target))
            heard = decoderOf(target).decode(b"".join(pieces))
            self.assertEqual(len(heard), 4000)
            self.assertGreater(level(heard[1000:], 700, 8000), -11.0)

    def test_anotherPairBeginsAnew(self) -> None:
        """A stream whose codec changes is decoded by the new one's decoder."""
        wide, translator = g722(), Translator()
        translator.translate(encoderOf(wide).encode(sine(700, 0.2)), wide, PCMU)
        self.assertEqual(
            translator.translate(PCMA.silence, PCMA, PCMU), PCMU.encode(np.full(160, 8, np.int16))
        )
        payload = encoderOf(wide).encode(sine(700, 0.2))
        self.assertEqual(
            translator.translate(payload, wide, PCMA), Translator().translate(payload, wide, PCMA)
        )


class OneEncoderTests(SynchronousTestCase):
    """All that a session says in G.722 comes from one encoder, in the order of its sending."""

    def setUp(self) -> None:
        self.codec = g722()
        self.bench = Bench()

    def session(self, **stream: object) -> MediaSession:
        """A session that sends G.722."""
        accepts = {WIDE_TYPE: self.codec, 0: PCMU}
        return self.bench.session(
            codec=self.codec, payloadType=WIDE_TYPE, accepts=accepts, **stream
        )

    def said(self, session: MediaSession) -> Samples:
        """What a decoder at the far end makes of all packets."""
        packets = [packet for _, packet in self.bench.packets(session)]
        return self.codec.decode(b"".join(packet.payload for packet in packets))

    def test_silenceSoundAndSilenceAgain(self) -> None:
        """To the byte what one encoder makes of it all: the opening, sounds, their tails, and the
        silence of a packet a second."""
        session, sounds = self.session(), []
        wanted: list[Samples] = []
        for hz in (440, 1000):
            self.bench.runFor(2.5)
            sound = sine(hz, 0.2, 0.8, rate=16000)
            feed = Packets(*[sound[i : i + 320].tobytes() for i in range(0, 3200, 320)])
            sounds.append(sound)
            session.feed = feed
            self.bench.runFor(0.3)
            self.assertEqual(set(feed.sizes), {640})
        packets = [packet for _, packet in self.bench.packets(session)]
        heard = self.said(session)
        for sound in sounds:
            places = np.correlate(heard.astype(np.float64), sound.astype(np.float64), "valid")
            at = (int(places.argmax()) + 160) // 320 * 320 - sum(map(len, wanted))
            wanted += [np.zeros(at, np.int16), sound]
        rest = 320 * len(packets) - sum(map(len, wanted))
        wanted.append(np.zeros(rest, np.int16))
        payload = b"".join(packet.payload for packet in packets)
        self.assertEqual(payload, self.codec.encode(np.concatenate(wanted)))

    def test_aShortPacketIsFilledUp(self) -> None:
        """With silence, before it is encoded."""
        session = self.session()
        session.feed = Packets(sine(440, 0.005, 0.8, rate=16000).tobytes())
        self.bench.runFor(0.03)
        [(_, packet)] = self.bench.packets(session)
        wanted = np.zeros(320, np.int16)
        wanted[:80] = sine(440, 0.005, 0.8, rate=16000)
        self.assertEqual(packet.payload, self.codec.encode(wanted))

    def test_whatIsForwardedInAnotherCodecPassesIt(self) -> None:
        """Sound of a PCMU session, then a sound of our own, then the other again: no burst."""
        alice, bob = self.bench.session(), self.session()
        alice.forwardTo = bob
        sound = PCMU.encode(sine(440, 3.0, 0.3))
        own = sine(1000, 0.4, 0.3, rate=16000)
        for number in range(100):
            if number == 40:
                bob.feed = Packets(*[own[i : i + 320].tobytes() for i in range(0, 6400, 320)])
            payload = sound[number * 160 : (number + 1) * 160]
            self.bench.arrives(alice, RTPPacket(0, number, number * 160, 7, payload))
            self.bench.runFor(0.02)
        heard = self.said(bob).astype(np.int32)
        self.assertGreater(len(heard), 30000)
        self.assertLess(int(np.abs(heard).max()), 1.3 * 0.3 * 32767)
        for hz, start in ((440, 9000), (1000, 14500), (440, 24000)):
            part = heard[start : start + 3200].astype(np.int16)
            self.assertGreater(level(part, hz, 16000), -11.5, f"{hz} Hz at {start}")

    def test_latePacketsDoNotTurnTheirOrder(self) -> None:
        """One whose number is taken is not encoded either."""
        alice, bob = self.bench.session(), self.session()
        alice.forwardTo = bob
        self.bench.runFor(0.1)
        sound = PCMU.encode(sine(440, 1.0, 0.3))
        packets = [RTPPacket(0, 100 + n, n * 160, 7, sound[n * 160 :][:160]) for n in range(20)]
        sent = len(self.bench.packets(bob))
        for packet in packets:
            self.bench.arrives(alice, packet)
            self.bench.runFor(0.02)
        self.bench.arrives(alice, RTPPacket(0, 50, 0, 7, sound[:160]))
        self.bench.runFor(0.02)
        self.assertEqual(len(self.bench.packets(bob)), sent + 20)
        heard = self.said(bob)
        encoder = self.codec.encoder()
        before = b"".join(p.payload for _, p in self.bench.packets(bob)[:sent])
        self.assertEqual(before, encoder.encode(np.zeros(320 * sent, np.int16)))
        translated = Translator().translate(sound[:3200], PCMU, self.codec.uncoded)
        wanted = before + encoder.encode(self.codec.uncoded.decode(translated))
        self.assertTrue(np.array_equal(heard, self.codec.decode(wanted)))


class ListeningTests(SynchronousTestCase):
    """What listeners of a session in G.722 get."""

    def setUp(self) -> None:
        self.codec = g722()
        self.bench = Bench()

    def listen(self) -> tuple[MediaSession, Ear]:
        """A session in G.722, and who hears it."""
        accepts = {WIDE_TYPE: self.codec, 0: PCMU, 8: PCMA}
        session = self.bench.session(codec=self.codec, payloadType=WIDE_TYPE, accepts=accepts)
        ear = Ear()
        session.addListener(ear)
        return session, ear

    def test_framesOf8kHz(self) -> None:
        """320 bytes a beat, by one decoder and one filter."""
        pairs = [self.listen() for _ in range(6)]
        sounds = [sine(300 + 200 * n, 0.6, 0.3, rate=16000) for n in range(6)]
        for number in range(30):
            for (session, _), sound in zip(pairs, sounds, strict=True):
                payload = self.codec.encode(sound)[number * 160 :][:160]
                self.bench.arrives(session, RTPPacket(9, number, number * 160, 7, payload))
            self.bench.runFor(0.02)
        self.bench.runFor(0.1)
        for number, (_, ear) in enumerate(pairs):
            self.assertEqual({len(frame) for frame in ear.frames}, {320})
            heard = np.frombuffer(b"".join(ear.frames), np.int16)
            wanted = decoderOf(self.codec).decode(self.codec.encode(sounds[number]))
            at = int(np.flatnonzero(heard)[0]) - int(np.flatnonzero(wanted)[0])
            self.assertTrue(np.array_equal(heard[at:][:4800], wanted))

    def test_aLostHalfOfAFrameIsNotMadeUp(self) -> None:
        """Packets of 10 ms, some of them lost: no burst, frames of the same length always."""
        session, ear = self.listen()
        payload = self.codec.encode(sine(440, 4.0, 0.3, rate=16000))
        for number in range(400):
            if number % 8 != 1:
                part = payload[number * 80 :][:80]
                self.bench.arrives(session, RTPPacket(9, number, number * 80, 7, part))
            self.bench.runFor(0.01)
        self.assertEqual({len(frame) for frame in ear.frames}, {320})
        heard = np.frombuffer(b"".join(ear.frames), np.int16)
        self.assertGreater(np.count_nonzero(heard), 20000)
        self.assertLess(int(np.abs(heard.astype(np.int32)).max()), 1.5 * 0.3 * 32767)

    def test_aFarEndMaySendAnyCodecThatWasAgreedOn(self) -> None:
        """G.711 in a call whose first codec is G.722 (RFC 3264 6.1)."""
        session, ear = self.listen()
        sound = sine(700, 1.0, 0.3)
        for number in range(50):
            payload = PCMA.encode(sound[number * 160 :][:160])
            self.bench.arrives(session, RTPPacket(8, number, number * 160, 7, payload))
            self.bench.runFor(0.02)
        heard = np.frombuffer(b"".join(ear.frames), np.int16)[2400:6400]
        self.assertGreater(level(heard, 700, 8000), -11.0)
        self.assertEqual(session.stats.dropped, {})
