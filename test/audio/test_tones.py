"""Tones: frequency, level, refusal of what is none; and the frame's conversions."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.frames import FRAME, FRAME_BYTES, RATE, SILENCE, toBytes, toSamples
from shtoom.audio.tones import dtmf, silence, sine
from test.support.wavfile import level, strongest


class ToneTests(SynchronousTestCase):
    """What is made is what was asked for."""

    def test_aSineHasItsPitchLengthAndLevel(self) -> None:
        """Level 1.0 is full scale."""
        wave = sine(1000, 0.5, 0.3)
        self.assertEqual(len(wave), 4000)
        self.assertApproximates(strongest(wave), 1000, 1)
        self.assertApproximates(level(wave), 0.3, 0.001)
        self.assertEqual(int(sine(1000, 0.01, 1.0, 48000).max()), 32767)

    def test_aKeyHasTheTwoTonesOfItsRowAndColumn(self) -> None:
        """ITU-T Q.23 table 1."""
        rows = ((697, "123A"), (770, "456B"), (852, "789C"), (941, "*0#D"))
        for low, keys in rows:
            for high, key in zip((1209, 1336, 1477, 1633), keys, strict=True):
                wave = dtmf(key, 0.2)
                spectrum = np.abs(np.fft.rfft(wave * np.hanning(1600), 16000))
                for hz in (low, high):
                    around = spectrum[2 * hz - 40 : 2 * hz + 40]
                    self.assertEqual(int(around.argmax()), 40, f"{key}: {hz} Hz")
                    self.assertGreater(around.max(), 0.9 * spectrum.max())
        self.assertTrue(np.array_equal(dtmf("a", 0.1), dtmf("A", 0.1)))

    def test_whatIsNoToneIsRefused(self) -> None:
        """The error names the argument and what it may be."""
        self.assertIn("'E'", str(self.assertRaises(ValueError, dtmf, "E", 0.1)))
        self.assertIn("0.6", str(self.assertRaises(ValueError, dtmf, "1", 0.1, 0.6)))
        self.assertIn("1.1", str(self.assertRaises(ValueError, sine, 440, 0.1, 1.1)))

    def test_silenceIsZeros(self) -> None:
        """Of the length that was asked for."""
        self.assertEqual(silence(0.02).tolist(), [0] * 160)
        self.assertEqual(len(silence(0.02, 16000)), 320)


class FrameTests(SynchronousTestCase):
    """Bytes and samples."""

    def test_bytesAreLittleEndian(self) -> None:
        """As in WAV files; half a sample at the end is dropped."""
        self.assertEqual(toSamples(b"\x01\x00\x00\x80\xff").tolist(), [1, -32768])
        self.assertEqual(toBytes(np.array([1, -32768], np.int16)), b"\x01\x00\x00\x80")

    def test_aFrameIs20ms(self) -> None:
        """The figures belong together."""
        self.assertEqual((FRAME / RATE, FRAME_BYTES, len(SILENCE)), (0.02, 320, 320))
