"""Keys said as tones, packet by packet."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from doug.keytones import KeyTones
from doug.testing.hearing import toneShare
from shtoom.audio.tones import DTMF_TONES
from shtoom.codecs.g711 import PCMU


class KeyTonesTests(SynchronousTestCase):
    """ITU-T Q.23 for the tones, Q.24 for their shortest length and pause."""

    def setUp(self) -> None:
        self.over = 0
        self.tones = KeyTones(PCMU, self.wasLast)

    def wasLast(self) -> None:
        self.over += 1

    def packets(self, count: int, size: int = 160) -> NDArray[np.int16]:
        """The sound of so many packets, as long as there is any."""
        payloads = [self.tones.nextPayload(size) for _ in range(count)]
        return PCMU.decode(b"".join(p for p in payloads if p is not None))

    def test_aKeyLastsUntilItIsReleased(self) -> None:
        """With both its tones, without a break at the second's turn."""
        for digit, (low, high) in DTMF_TONES.items():
            key = self.tones.press(digit)
            heard = self.packets(75)
            key.release(1.5)
            self.packets(10)
            for hz in (low, high):
                self.assertGreater(toneShare(heard, hz), 0.45, digit)

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 30), st.floats(0.0, 0.5), st.sampled_from([80, 160, 240, 480]))
    def test_itIsAsLongAsItIsTold(self, before: int, told: float, size: int) -> None:
        """But at least 70 ms, and what is said is said; 50 ms of silence follow, then no more."""
        self.over, self.tones = 0, KeyTones(PCMU, self.wasLast)
        key = self.tones.press("5")
        first = self.packets(before, size)
        key.release(told)
        heard = np.concatenate((first, self.packets(200, size)))
        said = int(np.flatnonzero(np.abs(heard.astype(np.int32)) > 500)[-1]) + 1
        wanted = max(before * size, 560, round(told * 8000))
        self.assertLess(abs(said - wanted), 12)  # a tone may end with small samples
        self.assertEqual(len(heard), -(-(wanted + 400) // size) * size)
        self.assertEqual((self.over, self.tones.nextPayload(size)), (1, None))

    def test_keysWaitForThoseBeforeThem(self) -> None:
        """One after the other, 50 ms apart."""
        for digit in "19":
            self.tones.press(digit).release(0.1)
        heard = self.packets(50)
        self.assertGreater(toneShare(heard[:800], 697), 0.4)
        self.assertEqual(int(np.abs(heard[800:1200]).max()), 0)
        self.assertGreater(toneShare(heard[1200:2000], 1477), 0.4)
        self.assertEqual(self.over, 1)
