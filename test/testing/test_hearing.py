"""Is a prompt in what was heard? Found in noise, G.711 and damage; refused where it is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from doug.testing import heardShare
from doug.testing.ear import readSound
from doug.testing.hearing import locate, toneShare
from shtoom import codecs
from shtoom.audio.tones import silence, sine
from test.testing.apps import prompt

RATE = 8000
Samples = NDArray[np.int16]


def spoken(name: str) -> Samples:
    """A prompt of the demo."""
    return readSound(prompt(name))


def joined(*parts: Samples) -> Samples:
    """One after the other."""
    return np.concatenate(parts)


def noise(seconds: float, level: float) -> Samples:
    """White noise of that root mean square, the same in every run."""
    samples = np.random.default_rng(1).normal(0, level, int(seconds * RATE))
    return samples.astype(np.int16)


def within(sound: Samples, other: Samples) -> Samples:
    """Both at once."""
    return (sound.astype(np.int32) + other[: len(sound)]).clip(-32768, 32767).astype(np.int16)


def level(sound: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))


class FoundTests(SynchronousTestCase):
    """locate() and heardShare() on a spoken prompt of ten seconds."""

    def setUp(self) -> None:
        self.about = spoken("about")

    def test_itselfIsFoundWhole(self) -> None:
        """Where it is, with all of its sound."""
        match = locate(joined(silence(2.0), self.about, silence(1.0)), self.about)
        assert match is not None
        self.assertApproximates(match.start / RATE, 2.0, 0.3)
        self.assertApproximates(match.end / RATE, 2.0 + len(self.about) / RATE, 0.5)
        self.assertEqual(match.seconds, match.wanted)

    def test_throughG711(self) -> None:
        """Both laws, even one after the other."""
        for names in (["PCMU"], ["PCMA"], ["PCMU", "PCMA"]):
            heard = self.about
            for codec in map(codecs.find, names):
                heard = codec.decode(codec.encode(heard))
            self.assertEqual(heardShare(heard, self.about), 1.0, names)

    def test_inNoise(self) -> None:
        """20 dB below the prompt most of it is found; at 10 dB enough for assertHears."""
        for dB, least in ((20, 0.8 * 8.2), (10, 0.3)):
            heard = within(self.about, noise(10.0, level(self.about) / 10 ** (dB / 20)))
            match = locate(heard, self.about)
            assert match is not None
            self.assertGreater(match.seconds, least, f"{dB} dB")

    def test_itsVolumeDoesNotMatter(self) -> None:
        """A quarter as loud it is the same prompt."""
        self.assertGreater(heardShare(self.about // 4, self.about), 0.9)

    def test_aCutEnd(self) -> None:
        """The share is what there was of it, to 0.2 s."""
        match = locate(joined(self.about[: 3 * RATE], silence(2.0)), self.about)
        assert match is not None
        whole = locate(self.about[: 3 * RATE], self.about[: 3 * RATE])
        assert whole is not None
        self.assertApproximates(match.seconds, whole.wanted, 0.2)

    def test_aCutBeginning(self) -> None:
        """The first half second is lost while the call is answered."""
        self.assertGreater(heardShare(self.about[RATE // 2 :], self.about), 0.9)

    def test_lostPackets(self) -> None:
        """One of twenty, each 20 ms of silence: the run goes on."""
        heard = self.about.copy()
        for start in range(0, len(heard), 20 * 160):
            heard[start : start + 160] = 0
        self.assertGreater(heardShare(heard, self.about), 0.5)

    def test_framesLeftOutAndAdded(self) -> None:
        """What a jitter buffer does to its delay: 20 ms here and there."""
        a, b, c = self.about[: 2 * RATE], self.about[2 * RATE + 160 : 4 * RATE], self.about[32000:]
        self.assertGreater(heardShare(joined(a, b, silence(0.02), c), self.about), 0.5)

    def test_aShortOne(self) -> None:
        """Less than a piece: a beep of 60 ms."""
        beep = sine(1000, 0.06, 0.3)
        self.assertEqual(heardShare(joined(silence(1.0), beep, silence(1.0)), beep), 1.0)

    def test_ofTwoTheFirst(self) -> None:
        """Played twice, the first damaged: with `enough`, the first is the one that is found."""
        damaged = self.about.copy()
        damaged[3 * RATE :] = 0
        heard = joined(silence(1.0), damaged, self.about)
        first, longest = locate(heard, self.about, 0.3), locate(heard, self.about)
        assert first is not None
        assert longest is not None
        self.assertApproximates(first.start / RATE, 1.0, 0.3)
        self.assertApproximates(longest.start / RATE, 1.0 + len(self.about) / RATE, 0.3)

    def test_farIntoALongCall(self) -> None:
        """After two minutes of another prompt, across the blocks that are searched at once."""
        before = np.tile(spoken("menu"), 12)
        match = locate(joined(before, self.about), self.about)
        assert match is not None
        self.assertApproximates((match.start - len(before)) / RATE, 0.0, 0.3)


class RefusedTests(SynchronousTestCase):
    """What is not there is not found."""

    def test_otherPrompts(self) -> None:
        """The same voice, some of the same words: never as much as assertHears wants."""
        names = ["about", "echo", "goodbye", "menu", "nothing", "record", "unknown", "welcome"]
        sounds = {name: spoken(name) for name in names}
        for one in names:
            for other in names:
                if one != other:
                    match = locate(sounds[one], sounds[other], 0.3)
                    found = 0.0 if match is None else match.seconds
                    self.assertLess(found, 0.3, f"{other} in {one}")

    def test_silenceAndNoise(self) -> None:
        """Nor the faint noise of a codec's zero."""
        about = spoken("about")
        for heard in (silence(3.0), noise(3.0, 8), noise(3.0, 3000), silence(0.01), silence(0)):
            self.assertEqual(heardShare(heard, about), 0.0)

    def test_whatNobodyCouldHear(self) -> None:
        """The prompt itself, 46 dB down: crosstalk and the like."""
        about = spoken("about")
        self.assertEqual(heardShare(about // 200, about), 0.0)

    def test_anotherTone(self) -> None:
        """Tones that lie a semitone apart."""
        self.assertEqual(heardShare(sine(466.2, 1.0, 0.3), sine(440, 1.0, 0.3)), 0.0)

    def test_silenceAsAPrompt(self) -> None:
        """Has no sound that could be found; no share of it is heard."""
        self.assertIsNone(locate(spoken("about"), silence(1.0)))
        self.assertEqual(heardShare(silence(1.0), silence(1.0)), 0.0)


class ToneTests(SynchronousTestCase):
    """toneShare(): how much of the power lies at one frequency."""

    def test_aToneIsAllThere(self) -> None:
        """At any level, through G.711 too."""
        for volume in (0.05, 0.3, 0.9):
            tone = codecs.find("PCMU").decode(codecs.find("PCMU").encode(sine(440, 0.5, volume)))
            self.assertGreater(toneShare(tone, 440), 0.98)

    def test_anotherToneIsNot(self) -> None:
        """Nor silence, nor nothing at all, nor speech."""
        for heard in (sine(480, 0.5, 0.3), silence(0.5), silence(0), spoken("about")):
            self.assertLess(toneShare(heard, 440), 0.1)

    def test_twoTonesShare(self) -> None:
        """Of equal level: half each."""
        both = within(sine(440, 0.5, 0.3), sine(620, 0.5, 0.3))
        self.assertApproximates(toneShare(both, 440), 0.5, 0.03)
