"""The mixer against the same sums made one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.frames import FRAME
from shtoom.audio.mixer import NEW, Group, Mixer

Frames = NDArray[np.int16]


def level(*levels: int) -> Frames:
    """Frames, all samples of each at one level."""
    return np.repeat(np.array(levels, np.int16)[:, np.newaxis], FRAME, axis=1)


def newGroup(size: int, most: int = 4) -> Group:
    """Of members without a past."""
    return Group([NEW] * size, most)


class MixerTests(SynchronousTestCase):
    """Each hears the loudest others of its group."""

    def heard(self, mixer: Mixer, rows: list[int], frames: Frames, over: Any = ()) -> list[int]:
        """The level that each of these rows hears."""
        sound, places = mixer.mix(rows, frames, over)
        self.assertTrue((sound == sound[:, :1]).all())
        return [int(sound[place, 0]) for place in places]

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(1, 7), st.integers(1, 9)), min_size=1, max_size=5),
        st.randoms(use_true_random=False),
    )
    def test_everyRowHearsTheLoudestOthers(self, shape: list[tuple[int, int]], rng: Any) -> None:
        """Of any number of groups, whatever their sizes and bounds, said in parts."""
        mixer = Mixer()
        mixer.arrange([newGroup(size, most) for size, most in shape])
        count = sum(size for size, _ in shape)
        levels = rng.sample(range(1, 3000), count)
        rows = list(range(count))
        rng.shuffle(rows)
        half = rng.randint(0, count)
        for part in (rows[:half], rows[half:]):
            if part:
                mixer.mix(part, level(*(levels[row] for row in part)))
        heard = self.heard(mixer, rows, level(*(levels[row] for row in rows)))
        start = 0
        for number, (size, most) in enumerate(shape):
            group = range(start, start + size)
            start += size
            for row in group:
                others = sorted((levels[o] for o in group if o != row), reverse=True)
                self.assertEqual(heard[rows.index(row)], sum(others[:most]), (number, row))
            everybody = sorted((levels[row] for row in group), reverse=True)
            sound, _ = mixer.mix([start - 1], level(levels[start - 1]))
            self.assertEqual(sound[number, 0], sum(everybody[:most]))

    def test_theSumIsLimitedAndDoesNotWrap(self) -> None:
        """Loud voices together clip, up and down."""
        mixer = Mixer()
        mixer.arrange([newGroup(3)])
        self.assertEqual(self.heard(mixer, [0, 1, 2], level(30000, 30000, 30000)), [32767] * 3)
        self.assertEqual(
            self.heard(mixer, [0, 1, 2], level(-32768, -32768, 5)), [-32763, -32763, -32768]
        )

    def test_aShortPauseOfALoudSpeakerLetsNobodyElseIn(self) -> None:
        """Words do not chop: the place is kept for a moment, and lost after some frames."""
        mixer = Mixer()
        mixer.arrange([newGroup(3, 1)])
        say = [8000, 1000, 0]
        self.assertEqual(self.heard(mixer, [0, 1, 2], level(*say))[2], 8000)
        say[0] = 0
        later = [self.heard(mixer, [0, 1, 2], level(*say))[2] for _ in range(20)]
        self.assertEqual(later[0], 0)
        self.assertEqual(later[-1], 1000)
        self.assertEqual(later, sorted(later))

    def test_whatIsHeardBesidesIsInEveryMixOfItsGroup(self) -> None:
        """A tone over one group, not over the other."""
        mixer = Mixer()
        mixer.arrange([newGroup(3, 1), newGroup(2)])
        tone = np.full(FRAME, 7, np.float32)
        heard = self.heard(mixer, [0, 1, 2, 3, 4], level(100, 200, 300, 400, 500), [(0, tone)])
        self.assertEqual(heard, [307, 307, 207, 500, 400])

    def test_whoFallsSilentIsHeardNoMore(self) -> None:
        """And is not as loud as before either."""
        mixer = Mixer()
        mixer.arrange([newGroup(3, 1)])
        mixer.mix([0, 1, 2], level(100, 200, 300))
        mixer.silence(2)
        self.assertEqual(self.heard(mixer, [0, 1], level(100, 200)), [200, 100])

    def test_frameAndLoudnessMoveWithTheirRow(self) -> None:
        """When others come and go."""
        mixer = Mixer()
        mixer.arrange([newGroup(2), newGroup(4, 2)])  # rows 0 1, 2 3 4 5
        mixer.mix([0, 1, 2, 3, 4, 5], level(10, 20, 100, 200, 300, 400))
        mixer.arrange([Group([5, 2, NEW, 4], 2), Group([1, NEW], 1)])
        self.assertEqual(self.heard(mixer, [1], level(100)), [700])
        self.assertEqual(self.heard(mixer, [2], level(0)), [700])
        self.assertEqual(self.heard(mixer, [0, 3], level(400, 300)), [400, 500])
        self.assertEqual(self.heard(mixer, [5], level(0)), [20])
