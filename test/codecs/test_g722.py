"""G.722: the library behind the codec, against another one's figures and against itself."""

from __future__ import annotations

import sys
from hashlib import sha256
from itertools import pairwise
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from shtoom.codecs import g722
from shtoom.codecs.linear import LinearCodec

Samples = NDArray[np.int16]


def wideband() -> g722.G722Codec:
    """The codec; without the extra there is nothing to be tested."""
    codec = g722.load()
    if codec is None:
        raise SkipTest(f"G722 {g722.NEEDS}")
    return codec


def tone(hz: float, seconds: float = 1.0, level: float = 8000.0) -> Samples:
    """A sine of 16 kHz."""
    time = np.arange(round(16000 * seconds)) / 16000
    return np.rint(level * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def noise(samples: int) -> Samples:
    """The same noise everywhere, growing louder ten times a second."""
    state, values = 1, []
    for _ in range(samples):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        values.append((state >> 15 & 0xFFFF) - 32768)
    return (np.array(values) * (1 + np.arange(samples) // 1600) // 12).astype(np.int16)


def partOf(sound: Samples, hz: float) -> float:
    """The amplitude of one frequency in it."""
    turn = np.exp(-2j * np.pi * hz / 16000 * np.arange(len(sound)))
    return float(2 * abs(np.dot(sound, turn)) / len(sound))


class G722Tests(SynchronousTestCase):
    """ITU-T G.722 at 64 kbit/s (mode 1)."""

    def setUp(self) -> None:
        self.codec = wideband()

    def test_itIsBitExact(self) -> None:
        """Payload and sound are those that libavcodec makes of the same noise."""
        payload = self.codec.encode(noise(16000))
        self.assertEqual(
            sha256(payload).hexdigest(),
            "8e8fe0f64ddd34fd3ab18471fe3e41554e171105407860d136e262e555241a47",
        )
        self.assertEqual(
            sha256(self.codec.decode(payload).astype("<i2").tobytes()).hexdigest(),
            "5218395712bef6532e8fcb0e428d58df3035a95aad50ec67312dfcbc701760cc",
        )

    def test_tonesOfBothBandsSurvive(self) -> None:
        """50 Hz to 7 kHz (G.722 1.1): level within half a dB, 20 dB above all else."""
        for hz in (200, 1000, 3000, 5000, 6000, 6800):
            sound = tone(hz)
            heard = self.codec.decode(self.codec.encode(sound))[4000:12000]
            level = partOf(heard, hz)
            self.assertLess(abs(20 * np.log10(level / 8000)), 0.5, f"{hz} Hz")
            rest = np.mean(heard.astype(np.float64) ** 2) - level**2 / 2
            self.assertGreater(10 * np.log10(level**2 / 2 / rest), 20, f"{hz} Hz")

    def test_oneByteIsATickOfTheClock(self) -> None:
        """A clock of 8000 Hz for 16 000 samples a second (RFC 3551 4.5.2)."""
        self.assertEqual(
            (self.codec.clock, self.codec.rate, self.codec.byteRate), (8000, 16000, 8000)
        )
        self.assertEqual(len(self.codec.encode(np.zeros(320, np.int16))), 160)
        self.assertEqual(len(self.codec.decode(bytes(160))), 320)

    def test_pieceByPieceIsTheSameAsAtOnce(self) -> None:
        """State goes on from piece to piece, whatever their sizes; odd ones wait for their half."""
        sound, encoder, decoder = noise(3200), self.codec.encoder(), self.codec.decoder()
        cuts = [0, 1, 320, 321, 640, 1001, 3199, 3200]
        payload = b"".join(encoder.encode(sound[a:b]) for a, b in pairwise(cuts))
        self.assertEqual(payload, self.codec.encode(sound))
        heard = [decoder.decode(payload[a : a + 7]) for a in range(0, len(payload), 7)]
        self.assertTrue(np.array_equal(np.concatenate(heard), self.codec.decode(payload)))

    def test_streamsDoNotDisturbEachOther(self) -> None:
        """Each encoder and decoder is one stream's."""
        sound, one, other = noise(1600), self.codec.encoder(), self.codec.encoder()
        payload = b""
        for start in range(0, 1600, 320):
            payload += one.encode(sound[start : start + 320])
            other.encode(sound[1600 - start :])
        self.assertEqual(payload, self.codec.encode(sound))

    def test_anyLayoutOfSamplesIsTaken(self) -> None:
        """A row of a larger array, every other sample, a payload that is no bytes object."""
        sound = noise(640)
        wanted = self.codec.encode(sound[::2].copy())
        self.assertEqual(self.codec.encode(sound[::2]), wanted)
        self.assertEqual(len(self.codec.decode(memoryview(wanted))), 320)
        self.assertEqual(self.codec.encode(np.zeros(0, np.int16)), b"")
        self.assertEqual(len(self.codec.decode(b"")), 0)

    def test_whatIsSaidIsKeptAsSamples(self) -> None:
        """Payload of this codec cannot be cut and joined; samples of its rate can."""
        uncoded = self.codec.uncoded
        self.assertIsInstance(uncoded, LinearCodec)
        self.assertEqual(
            (uncoded.rate, uncoded.byteRate, len(uncoded.silence)), (16000, 32000, 640)
        )
        sound = noise(320)
        self.assertTrue(np.array_equal(uncoded.decode(uncoded.encode(sound)), sound))
        self.assertIs(codecs.find("PCMU").uncoded, codecs.find("PCMU"))


class MissingTests(SynchronousTestCase):
    """Without the extra."""

    def test_thereIsNoCodecThen(self) -> None:
        """Nothing but the codec is missing."""
        kept = sys.modules.get("G722")
        sys.modules["G722"] = None  # type: ignore[assignment]  # so that importing it fails
        try:
            self.assertIsNone(g722.load())
        finally:
            del sys.modules["G722"]
            if kept is not None:
                sys.modules["G722"] = kept
