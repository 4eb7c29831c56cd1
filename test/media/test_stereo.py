"""Two sessions as the two channels of one sound."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.media.stereo import BothSides


def frame(value: int) -> bytes:
    """20 ms of one sample, over and over."""
    return np.full(160, value, np.int16).tobytes()


class BothSidesTests(SynchronousTestCase):
    """Frames of left and right go out together."""

    def setUp(self) -> None:
        self.written: list[NDArray[np.int16]] = []
        self.both = BothSides(
            lambda pcm: self.written.append(np.frombuffer(pcm, np.int16).reshape(-1, 2))
        )

    def pairs(self) -> list[tuple[int, int]]:
        """What was written, a (left, right) a frame; each frame is one value throughout."""
        for written in self.written:
            self.assertEqual(written.shape, (160, 2))
            self.assertTrue((written == written[0]).all())
        return [(int(w[0, 0]), int(w[0, 1])) for w in self.written]

    def test_theNthFramesBelongTogether(self) -> None:
        """Whichever comes first in a beat."""
        for n in range(1, 10):
            sides = (self.both.left, 1), (self.both.right, -1)
            for side, sign in sides if n % 2 else sides[::-1]:
                side.frameReceived(frame(sign * n))
        self.assertEqual(self.pairs(), [(n, -n) for n in range(1, 10)])

    def test_aSideThatHasNotBegunIsSilenceAndThenInStep(self) -> None:
        """Its first frame stands beside the newest of the other."""
        for n in range(1, 11):
            self.both.left.frameReceived(frame(n))
        for n in range(11, 15):
            self.both.left.frameReceived(frame(n))
            self.both.right.frameReceived(frame(-n))
        self.assertEqual(
            self.pairs(), [(n, 0) for n in range(1, 11)] + [(n, -n) for n in range(11, 15)]
        )

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.integers(0, 2), max_size=60))
    def test_aSideIsNeverMoreThanTwoFramesAhead(self, order: list[int]) -> None:
        """Whatever comes in whatever order, nothing of either is lost or comes twice."""
        self.written.clear()
        self.both = BothSides(
            lambda pcm: self.written.append(np.frombuffer(pcm, np.int16).reshape(-1, 2))
        )
        counts = [0, 0]
        for which in order:
            for n in {0: (0,), 1: (1,), 2: (0, 1)}[which]:
                counts[n] += 1
                (self.both.left, self.both.right)[n].frameReceived(frame(counts[n]))
        for n, count in enumerate(counts):
            got = [pair[n] for pair in self.pairs() if pair[n]]
            self.assertEqual(got, list(range(1, len(got) + 1)))
            self.assertGreaterEqual(len(got), count - 2)
