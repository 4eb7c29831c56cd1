"""shtoom.audio.goertzel: what is a key and what is none (ITU-T Q.23, Q.24), many legs at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.goertzel import DTMFDetector, ToneEnded, ToneStarted
from shtoom.audio.tones import DTMF_TONES, dtmf, silence, sine

KEYS = "0123456789*#ABCD"
Sound = NDArray[np.int16]


def dBm0(level: float) -> float:
    """The amplitude, 1.0 at full scale, of a tone of that level (G.711: full scale is +3.17)."""
    return float(10 ** ((level - 3.17) / 20))


def pair(low: float, high: float, seconds: float, levels: tuple[float, float]) -> Sound:
    """Two tones in Hz, at two levels in dBm0."""
    return sine(low, seconds, dBm0(levels[0])) + sine(high, seconds, dBm0(levels[1]))


def run(*sounds: Sound) -> list[list[ToneStarted | ToneEnded]]:
    """Each sound is a leg; what is told of each, after a while of silence at the end."""
    length = (max(len(sound) for sound in sounds) // 160 + 8) * 160
    legs = np.zeros((len(sounds), length), np.int16)
    for leg, sound in zip(legs, sounds, strict=True):
        leg[: len(sound)] = sound
    detector = DTMFDetector()
    told: list[list[ToneStarted | ToneEnded]] = [[] for _ in sounds]
    rows = [detector.add() for _ in sounds]
    for start in range(0, length, 160):
        for what in detector.run(legs[:, start : start + 160], rows):
            told[what.row].append(what)
    return told


def keys(sound: Sound) -> str:
    """The presses in a sound."""
    [told] = run(sound)
    return "".join(what.key for what in told if isinstance(what, ToneStarted))


def dialled(digits: str, on: float = 0.1, off: float = 0.1, lead: float = 0.05) -> Sound:
    """A string of keys."""
    parts = [silence(lead)]
    for digit in digits:
        parts += [dtmf(digit, on), silence(off)]
    return np.concatenate(parts)


class KeyTests(SynchronousTestCase):
    """What is a key."""

    def test_allSixteen(self) -> None:
        """Each of the sixteen pairs (Q.23)."""
        self.assertEqual(keys(dialled(KEYS)), KEYS)

    @settings(max_examples=40, deadline=None)
    @given(
        st.text(KEYS, min_size=1, max_size=8),
        st.floats(0.045, 0.3),
        st.floats(0.045, 0.3),
        st.floats(0.0, 0.06),
    )
    def test_anyStringInAnyRhythm(self, digits: str, on: float, off: float, lead: float) -> None:
        """45 ms of tone and of pause suffice, wherever frames begin; each press is told once."""
        self.assertEqual(keys(dialled(digits, on, off, lead)), digits)

    @settings(max_examples=40, deadline=None)
    @given(
        st.sampled_from(KEYS),
        st.floats(-25.0, -10.0),
        st.floats(-8.0, 4.0),
        st.floats(-0.015, 0.015),
        st.floats(-0.015, 0.015),
    )
    def test_levelsAndFrequenciesWithinTheLimits(
        self, key: str, level: float, twist: float, offLow: float, offHigh: float
    ) -> None:
        """-25 dBm0 the weaker, 4 dB and -8 dB of twist, 1.5 % off are a key (Q.24)."""
        low, high = DTMF_TONES[key]
        levels = level + max(0.0, -twist), level + max(0.0, twist)
        sound = pair(low * (1 + offLow), high * (1 + offHigh), 0.1, levels)
        self.assertEqual(keys(np.concatenate([silence(0.05), sound])), key)

    def test_aPressIsToldWithinThreeFrames(self) -> None:
        """At the end of its second frame, or of its third, so within 60 ms."""
        for lead in range(0, 160, 20):
            detector = DTMFDetector()
            detector.add()
            sound = np.concatenate([np.zeros(lead, np.int16), dtmf("5", 0.2)])
            frames = (sound[i : i + 160] for i in range(0, 960, 160))
            told = [detector.run(frame.reshape(1, 160), [0]) for frame in frames]
            first = next(i for i, what in enumerate(told) if what)
            self.assertLessEqual((first + 1) * 160 - lead, 480)

    def test_aPressSaysHowLongItWas(self) -> None:
        """In frames, counted from the first to the last that had tones."""
        [[started, ended]] = run(dialled("7", on=0.3, lead=0.1))
        self.assertEqual(started, ToneStarted(0, "7"))
        self.assertEqual(ended, ToneEnded(0, "7", 15))

    def test_aLongPressIsOne(self) -> None:
        """However long it is held."""
        self.assertEqual(keys(dialled("1", on=5.0)), "1")

    def test_theSameKeyAgainIsAnother(self) -> None:
        """After 40 ms of pause."""
        self.assertEqual(keys(dialled("5555", on=0.06, off=0.045)), "5555")

    def test_aHoleInAToneIsNoPause(self) -> None:
        """A lost packet of 20 ms does not make two presses."""
        sound = dialled("8", on=0.2, lead=0.1)
        for frame in range(6, 14):
            holed = sound.copy()
            holed[160 * frame : 160 * (frame + 1)] = 0
            self.assertEqual(keys(holed), "8", frame)

    def test_anotherKeyWithoutAPauseIsAnother(self) -> None:
        """Two keys in each other's way are two."""
        self.assertEqual(keys(np.concatenate([dtmf("1", 0.1), dtmf("9", 0.1)])), "19")

    def test_humAndDialToneDoNotMask(self) -> None:
        """What lies below 480 Hz does not count (Q.24: dial tone is on while keys are dialled)."""
        sound = dialled("147*", lead=0.2)
        seconds = len(sound) / 8000
        for hz, level in ((50, -10.0), (350, -16.0), (440, -16.0)):
            self.assertEqual(keys(sound + sine(hz, seconds, dBm0(level))), "147*", hz)


class NoKeyTests(SynchronousTestCase):
    """What is none."""

    def test_tooShort(self) -> None:
        """23 ms are no press, wherever frames begin (Q.24)."""
        for lead in range(0, 160, 16):
            sound = np.concatenate([np.zeros(lead, np.int16), dtmf("5", 0.023)])
            self.assertEqual(keys(sound), "", lead)

    def test_tooQuiet(self) -> None:
        """-55 dBm0 are none, nor is one tone of the pair that weak."""
        self.assertEqual(keys(pair(697, 1209, 0.2, (-55.0, -55.0))), "")
        self.assertEqual(keys(pair(697, 1209, 0.2, (-10.0, -55.0))), "")

    def test_tooMuchTwist(self) -> None:
        """Tones of levels too far apart do not belong together."""
        self.assertEqual(keys(pair(697, 1209, 0.2, (-22.0, -8.0))), "")
        self.assertEqual(keys(pair(697, 1209, 0.2, (-8.0, -22.0))), "")

    def test_tooFarOff(self) -> None:
        """3.5 % off is no key, of both tones or of one (Q.24)."""
        for key in KEYS:
            low, high = DTMF_TONES[key]
            for offLow, offHigh in ((0.035, 0.035), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035)):
                sound = pair(low * (1 + offLow), high * (1 + offHigh), 0.2, (-10.0, -10.0))
                self.assertEqual(keys(sound), "", (key, offLow, offHigh))

    def test_oneToneAloneOrTwoOfAGroup(self) -> None:
        """A key is one tone of each group."""
        for hz in sorted({hz for tones in DTMF_TONES.values() for hz in tones}):
            self.assertEqual(keys(sine(hz, 0.2, 0.3)), "")
        self.assertEqual(keys(pair(697, 941, 0.2, (-8.0, -8.0))), "")
        self.assertEqual(keys(pair(1209, 1477, 0.2, (-8.0, -8.0))), "")

    def test_withAThirdTone(self) -> None:
        """A chord is no key, whatever tones it has."""
        chord = pair(770, 1336, 0.2, (-10.0, -10.0)) + sine(1050, 0.2, dBm0(-10.0))
        self.assertEqual(keys(chord), "")

    def test_withAVoiceBelow(self) -> None:
        """Harmonics of a voice may look like a key; its pitch betrays them."""
        voice = pair(770, 1336, 0.2, (-16.0, -16.0)) + sine(200, 0.2, dBm0(-12.0))
        self.assertEqual(keys(voice), "")

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.floats(10.0, 8000.0))
    def test_noise(self, seed: int, level: float) -> None:
        """White noise of any level."""
        noise = np.random.default_rng(seed).normal(0, level, 8000).clip(-32768, 32767)
        self.assertEqual(keys(noise.astype(np.int16)), "")


class RowTests(SynchronousTestCase):
    """Many legs in one batch."""

    def test_legsDoNotDisturbEachOther(self) -> None:
        """Each row hears its own keys, as if it were alone."""
        rng = np.random.default_rng(1)
        sounds, wanted = [], []
        for i in range(40):
            digits = "".join(rng.choice(list(KEYS), 5))
            sounds.append(dialled(digits, on=0.06 + 0.002 * i, off=0.06, lead=0.003 * i))
            wanted.append(digits)
        told = run(*sounds)
        got = ["".join(w.key for w in leg if isinstance(w, ToneStarted)) for leg in told]
        self.assertEqual(got, wanted)

    def test_someRowsAtATime(self) -> None:
        """A leg whose frame is not among them stays as it is."""
        detector = DTMFDetector()
        self.assertEqual([detector.add() for _ in range(3)], [0, 1, 2])
        tone = dtmf("4", 0.1).reshape(5, 160)
        quiet = np.zeros((1, 160), np.int16)
        self.assertEqual(detector.run(np.concatenate([quiet, tone[:1]]), [0, 2]), [])
        self.assertEqual(detector.run(quiet, [1]), [])
        self.assertEqual(detector.run(tone[1:2], [2]), [ToneStarted(2, "4")])

    def test_aNewRowHasNoPast(self) -> None:
        """A leg does not take over the press of the one whose row it gets."""
        detector = DTMFDetector()
        row = detector.add()
        tone = dtmf("4", 0.1).reshape(5, 160)
        detector.run(tone[:1], [row])
        detector.run(tone[1:2], [row])
        detector.remove(row)
        self.assertEqual(detector.add(), row)
        self.assertEqual(detector.run(tone[2:3], [row]), [])
        self.assertEqual(detector.run(tone[3:4], [row]), [ToneStarted(row, "4")])

    def test_framesMustFitTheRows(self) -> None:
        """ValueError says how many are wanted."""
        detector = DTMFDetector()
        detector.add()
        frames = np.zeros((2, 160), np.int16)
        error = self.assertRaises(ValueError, detector.run, frames, [0])
        self.assertIn("[1, 160]", str(error))
