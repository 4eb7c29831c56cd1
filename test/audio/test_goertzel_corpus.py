"""shtoom.audio.goertzel on recorded and made sound of the test corpus (ITU-T Q.24, talk-off)."""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.goertzel import DTMFDetector, ToneStarted
from test.support import corpusCases

LATE = 100.0  # milliseconds from the onset of a tone to its press
OFFSETS = (0, 60, 110)  # samples by which frames and tones are out of step


def pressed(samples: NDArray[np.int16], offset: int) -> tuple[str, list[float]]:
    """The keys in a recording that begins `offset` samples after a frame, and when, in ms."""
    detector = DTMFDetector()
    detector.add()
    lead, tail = np.zeros(offset, np.int16), np.zeros(1600, np.int16)
    sound = np.concatenate([lead, samples, tail])
    keys, times = "", []
    for start in range(0, len(sound) - 159, 160):
        for told in detector.run(sound[start : start + 160].reshape(1, 160), [0]):
            if isinstance(told, ToneStarted):
                keys += told.key
                times.append((start + 160 - offset) / 8)
    return keys, times


def isRight(case: dict[str, Any], keys: str) -> bool:
    """Is that what the case wants?"""
    expect = case["expect"]
    if "digits" in expect:
        return bool(keys == expect["digits"])
    return keys in expect["digits_ok"] or set(keys) <= set(case.get("subset_of", ""))


class CorpusTests(SynchronousTestCase):
    """Every case of the set, with frames in three positions to the tones."""

    def results(self, grade: str) -> tuple[list[str], int]:
        """(what went wrong in the cases of a grade, how many cases there are)."""
        wrong, count = [], 0
        for name, data, case in corpusCases("dtmf"):
            if case["grade"] != grade or data is None:
                continue
            with wave.open(io.BytesIO(data)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            for offset in OFFSETS:
                count += 1
                keys, times = pressed(samples, offset)
                if not isRight(case, keys):
                    wrong.append(f"{name} + {offset}: wanted {case['expect']}, got {keys!r}")
                elif times and len(times) == len(case.get("onsets_ms", ())):
                    late = max(np.subtract(times, case["onsets_ms"]))
                    if late > LATE:
                        wrong.append(f"{name} + {offset}: reported {late:.0f} ms after the onset")
        return wrong, count

    def test_whatMustBeHeardIsHeardAndNothingElse(self) -> None:
        """Q.24's limits of level, twist, frequency, time; noise; speech and music are no keys."""
        wrong, count = self.results("must")
        self.assertGreater(count, 0)
        self.assertEqual(wrong, [])

    def test_mostOfWhatShouldBeHeardIs(self) -> None:
        """Losses, low bit rates, clipping, keys under a prompt's echo: four cases of five."""
        wrong, count = self.results("should")
        self.assertTrue(len(wrong) <= 0.2 * count, wrong)
