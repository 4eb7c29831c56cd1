"""shtoom.audio.goertzel on recorded and made sound of the test corpus (ITU-T Q.24, talk-off)."""

from __future__ import annotations

import io
import wave
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.goertzel import DTMFDetector, ToneStarted
from test.support import corpusCases

LATE = 100.0  # milliseconds from the onset of a tone to its press
OFFSETS = (0, 60, 110)  # samples by which frames and tones are out of step


class Sound(NamedTuple):
    """A case's recording that begins `offset` samples after a frame, and what is heard in it.

    keys, times: of the presses, in ms.
    """

    name: str
    case: dict[str, Any]
    offset: int
    frames: NDArray[np.int16]  # [n, 160], and a fifth of a second of silence behind it
    keys: list[str]
    times: list[float]


def soundOf(name: str, case: dict[str, Any], samples: NDArray[np.int16], offset: int) -> Sound:
    """One that nobody has heard yet."""
    lead, tail = np.zeros(offset, np.int16), np.zeros(1600, np.int16)
    sound = np.concatenate([lead, samples, tail])
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    return Sound(name, case, offset, frames, [], [])


def hear(sounds: list[Sound]) -> None:
    """All at once, as the sessions of a server are; each is left out where it is over."""
    detector = DTMFDetector()
    hearing = {detector.add(): sound for sound in sounds}
    for beat in range(max(len(sound.frames) for sound in sounds)):
        hearing = {row: s for row, s in hearing.items() if beat < len(s.frames)}
        frames = np.stack([sound.frames[beat] for sound in hearing.values()])
        for told in detector.run(frames, list(hearing)):
            if isinstance(told, ToneStarted):
                sound = hearing[told.row]
                sound.keys.append(told.key)
                sound.times.append(((beat + 1) * 160 - sound.offset) / 8)


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
        sounds, wrong = [], []
        for name, data, case in corpusCases("dtmf"):
            if case["grade"] != grade or data is None:
                continue
            with wave.open(io.BytesIO(data)) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            sounds += [soundOf(name, case, samples, offset) for offset in OFFSETS]
        hear(sounds)
        for name, case, offset, _, heard, times in sounds:
            keys = "".join(heard)
            if not isRight(case, keys):
                wrong.append(f"{name} + {offset}: wanted {case['expect']}, got {keys!r}")
            elif times and len(times) == len(case.get("onsets_ms", ())):
                late = max(np.subtract(times, case["onsets_ms"]))
                if late > LATE:
                    wrong.append(f"{name} + {offset}: reported {late:.0f} ms after the onset")
        return wrong, len(sounds)

    def test_whatMustBeHeardIsHeardAndNothingElse(self) -> None:
        """Q.24's limits of level, twist, frequency, time; noise; speech and music are no keys."""
        wrong, count = self.results("must")
        self.assertGreater(count, 0)
        self.assertEqual(wrong, [])

    def test_mostOfWhatShouldBeHeardIs(self) -> None:
        """Losses, low bit rates, clipping, keys under a prompt's echo: four cases of five."""
        wrong, count = self.results("should")
        self.assertTrue(len(wrong) <= 0.2 * count, wrong)
