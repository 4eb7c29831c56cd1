"""What is heard on a phone: a user's ear, and what a test asserts of it.

Lives here: Ear, the reading of sounds. Not here: the comparing of sounds (hearing.py), the call
(phonecall.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from zope.interface import implementer

from doug.testing.failing import failed
from doug.testing.hearing import Match, locate, toneShare
from shtoom.audio.frames import FRAME, RATE
from shtoom.audio.goertzel import DTMFDetector, ToneStarted
from shtoom.audio.tones import silence
from shtoom.media.files import openReader
from shtoom.media.stream import IListener

__all__ = ["Ear", "Sound", "readSound"]

ENOUGH = 0.3  # seconds of a prompt's sound that must be heard to say that it is heard

Sound = str | Path | NDArray[np.int16]


@implementer(IListener)
class Ear:
    """All that was heard, frame by frame.

    Sounds are files or int16 samples of 8 kHz. findFile: where the sound of a relative path is.
    """

    def __init__(self, findFile: Callable[[str], str] = str) -> None:
        self._findFile = findFile
        self._heard = bytearray()
        self._from = 0  # sample from which the next prompt is looked for

    def circumstances(self) -> str:
        """What else is to be said when a sound was not heard."""
        return ""

    def frameReceived(self, pcm: bytes) -> None:
        """20 ms of sound for the user's ear."""
        self._heard += pcm

    @property
    def heard(self) -> NDArray[np.int16]:
        """All that came out of the phone since the answer: int16 samples of 8 kHz."""
        return self._heardFrom(0)

    @property
    def tones(self) -> str:
        """The keys that were heard as tones since the answer."""
        detector = DTMFDetector()
        row = detector.add()
        sound = np.append(self.heard, silence(0.2))
        keys = ""
        for start in range(0, len(sound) - FRAME + 1, FRAME):
            for what in detector.run(sound[np.newaxis, start : start + FRAME], [row]):
                keys += what.key if isinstance(what, ToneStarted) else ""
        return keys

    def forget(self) -> None:
        """What was heard until now no longer counts for assertHears."""
        self._from = len(self._heard) // 2

    def assertHears(self, sound: Sound, atLeast: float = ENOUGH) -> Match:
        """That `sound` was heard, after what an earlier assertHears found.

        atLeast: seconds of it that must be there in one piece (all of it, if it is shorter).
        Returns where it was, in `heard`. AssertionError says what was heard instead.
        """
        audio = self._heardFrom(self._from)
        match = locate(audio, self._read(sound), atLeast)
        if match is None or match.seconds < min(atLeast, match.wanted):
            much = 0.0 if match is None else match.seconds
            raise failed(
                f"{_name(sound)} was not heard: {much:.1f} s of it in {len(audio) / 8000:.2f} s of "
                f"sound from second {self._from / 8000:.2f} on, at a level of {_level(audio)}"
                f"{self.circumstances()}"
            )
        start, self._from = self._from, self._from + match.end
        return match._replace(start=start + match.start, end=self._from)

    def assertDoesNotHear(self, sound: Sound) -> None:
        """That `sound` was not heard since the last forget() or assertHears()."""
        match = locate(self._heardFrom(self._from), self._read(sound), ENOUGH)
        if match is not None and match.seconds >= min(ENOUGH, match.wanted):
            raise failed(f"{_name(sound)} was heard: {match.seconds:.1f} s of it")

    def assertHearsTone(self, hz: float, seconds: float = 0.5, share: float = 0.9) -> None:
        """That the last `seconds` were a tone of `hz`, by its share of the power."""
        found = toneShare(self._last(seconds), hz)
        if found < share:
            raise failed(f"a tone of {hz} Hz has {found:.2f} of the power, wanted {share}")

    def assertSilent(self, seconds: float = 0.5) -> None:
        """That nothing but silence came in the last `seconds`."""
        audio = self._last(seconds)
        if len(audio) and int(np.abs(audio.astype(np.int32)).max()) > 64:
            raise failed(f"wanted silence, heard a level of {_level(audio)}")

    def _heardFrom(self, sample: int) -> NDArray[np.int16]:
        return np.frombuffer(bytes(memoryview(self._heard)[2 * sample :]), np.int16)

    def _last(self, seconds: float) -> NDArray[np.int16]:
        return self._heardFrom(max(0, len(self._heard) // 2 - int(seconds * 8000)))

    def _read(self, sound: Sound, rate: int = RATE) -> NDArray[np.int16]:
        return readSound(self._findFile(sound) if isinstance(sound, str) else sound, rate)


def readSound(sound: Sound, rate: int = RATE) -> NDArray[np.int16]:
    """A file, or samples as they are, as int16 of that rate, mono."""
    if isinstance(sound, np.ndarray):
        return sound
    reader = openReader(Path(sound))
    try:
        return reader.readAt(rate)
    finally:
        reader.close()


def _name(sound: Sound) -> str:
    return "the sound" if isinstance(sound, np.ndarray) else str(sound)


def _level(audio: NDArray[np.int16]) -> int:
    return int(np.sqrt(np.mean(audio.astype(np.float64) ** 2))) if len(audio) else 0
