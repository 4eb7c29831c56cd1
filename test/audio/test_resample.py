"""The resampler: length, level, pass band, aliases, and streams cut anywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.resample import Resampler, resampleAll
from test.support.wavfile import level, strongest, tone

FILE_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)


def samples(hz: float, seconds: float, rate: int) -> NDArray[np.int16]:
    return np.rint(32767 * tone(hz, seconds, rate, 0.9)).astype(np.int16)


def decibels(out: NDArray[np.int16], edge: int = 200) -> float:
    """Level of what came out of a tone of 0.9, without its beginning and end."""
    return float(20 * np.log10(max(1e-6, level(out[edge:-edge]) / 0.9)))


class ResampleAllTests(SynchronousTestCase):
    """Whole arrays."""

    def test_thePassBandIsFlatTo3400Hz(self) -> None:
        """Within 1 dB, whatever rate a file has; pitch and place are kept."""
        for rate in FILE_RATES:
            for hz in (200, 1000, 2500, 3400):
                out = resampleAll(samples(hz, 0.25, rate), rate, 8000)
                self.assertApproximates(decibels(out), 0, 1.0, f"{hz} Hz at {rate}")
                self.assertApproximates(strongest(out), hz, 2)

    def test_aliasesAre40dBDown(self) -> None:
        """A tone that 8 kHz cannot carry does not fold back into the voice band."""
        for rate in FILE_RATES:
            for hz in (4001, 4300, 5000, 6500, 7999, 9500, 12001, 15900, 20000, 23500):
                if hz < rate / 2:
                    out = resampleAll(samples(hz, 0.25, rate), rate, 8000)
                    self.assertLess(decibels(out), -40, f"{hz} Hz at {rate}")

    def test_aSweepBeyond4kHzIsSilence(self) -> None:
        """4 to 20 kHz at 48 kHz: at no moment louder than 40 dB down."""
        time = np.arange(2 * 48000) / 48000
        sweep = 0.9 * np.sin(2 * np.pi * (4010 * time + 4000 * time**2))
        out = resampleAll(np.rint(32767 * sweep).astype(np.int16), 48000, 8000)
        self.assertEqual(len(out), 16000)
        loudest = int(np.abs(out[40:-40]).max())  # a tone that begins has a click
        self.assertLess(20 * np.log10(loudest / (0.9 * 32767)), -40)

    def test_goingUpMakesNoImages(self) -> None:
        """8 to 16 kHz: flat to 3.4 kHz, and what was 0 to 4 kHz is not mirrored above."""
        for hz in (300, 1000, 3400):
            out = resampleAll(samples(hz, 0.25, 8000), 8000, 16000)
            self.assertApproximates(decibels(out), 0, 1.0)
            spectrum = np.abs(np.fft.rfft(out[200:-200] * np.hanning(len(out) - 400)))
            above = spectrum[len(spectrum) // 2 + 20 :].max()
            self.assertLess(20 * np.log10(above / spectrum.max()), -40)

    def test_theLengthIsThatOfTheInput(self) -> None:
        """n samples give n * to / from, rounded up; nothing gives nothing."""
        for rate in FILE_RATES:
            for count in (0, 1, 159, rate // 10, rate):
                out = resampleAll(np.zeros(count, np.int16), rate, 8000)
                self.assertEqual(len(out), -(-count * 8000 // rate))

    def test_theSoundStaysInItsPlace(self) -> None:
        """A click at 0.1 s is at 0.1 s afterwards: the filter's delay is taken out."""
        for rate in FILE_RATES:
            click = np.zeros(rate // 4, np.int16)
            click[rate // 10] = 30000
            out = resampleAll(click, rate, 8000)
            self.assertEqual(int(np.abs(out).argmax()), 800, rate)

    def test_aConstantStaysTheSame(self) -> None:
        """No gain and no ripple at 0 Hz, to the last bit."""
        for rate in FILE_RATES:
            out = resampleAll(np.full(rate // 2, 12345, np.int16), rate, 8000)
            self.assertEqual(set(out[100:-100].tolist()), {12345})

    def test_fullScaleIsClippedNotWrapped(self) -> None:
        """A square wave overshoots behind any low-pass; it stays at the end of the scale."""
        square = np.where(np.arange(4410) // 50 % 2, 32767, -32768).astype(np.int16)
        out = resampleAll(square, 44100, 8000).astype(np.int32)
        middle = out[20:-20]
        self.assertEqual((middle.max(), middle.min()), (32767, -32768))
        self.assertLess(int(np.abs(np.diff(middle)).max()), 65535)

    def test_aRateWithoutCommonDivisorIsHitClosely(self) -> None:
        """44 101 Hz: as long as it should be within a millisecond a minute."""
        out = resampleAll(np.zeros(44101 * 10, np.int16), 44101, 8000)
        self.assertApproximates(len(out), 80000, 2)

    def test_aRateOfNothingIsRefused(self) -> None:
        """The error has both rates."""
        error = self.assertRaises(ValueError, Resampler, 0, 8000)
        self.assertIn("0 and 8000", str(error))


class StreamTests(SynchronousTestCase):
    """Resampler, fed bit by bit."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from([(r, 8000) for r in FILE_RATES] + [(8000, 16000), (44101, 8000)]),
        st.lists(st.integers(0, 1500), max_size=12),
        st.integers(0, 2**32 - 1),
    )
    def test_howItIsCutDoesNotMatter(
        self, rates: tuple[int, int], cuts: list[int], seed: int
    ) -> None:
        """Any chunks, empty ones too, give exactly the samples of the whole."""
        noise = np.random.default_rng(seed).integers(-32768, 32768, sum(cuts), np.int16)
        resampler = Resampler(*rates)
        at, pieces = 0, []
        for cut in cuts:
            pieces.append(resampler.push(noise[at : at + cut]))
            at += cut
        pieces.append(resampler.flush())
        whole = resampleAll(noise, *rates)
        self.assertTrue(np.array_equal(np.concatenate(pieces), whole))

    def test_outputIsAtMost4msBehind(self) -> None:
        """Frames of 20 ms in give what they carry but for the filter's delay."""
        for rate in FILE_RATES:
            resampler = Resampler(rate, 8000)
            got = sum(len(resampler.push(np.zeros(rate // 50, np.int16))) for _ in range(10))
            self.assertGreaterEqual(got, 10 * (rate // 50) * 8000 // rate - 32)

    def test_afterFlushItBeginsAnew(self) -> None:
        """The next sound is not touched by the last one."""
        resampler = Resampler(16000, 8000)
        first = samples(700, 0.1, 16000)
        alone = np.concatenate((resampler.push(first), resampler.flush()))
        again = np.concatenate((resampler.push(first), resampler.flush()))
        self.assertTrue(np.array_equal(alone, again))
