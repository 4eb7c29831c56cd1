"""Tones made, as int16 arrays: for tests, beeps and keys sent in the audio.

Lives here: sine, DTMF pairs, silence. Not here: finding tones in sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shtoom.audio.frames import RATE

__all__ = ["DTMF_TONES", "dtmf", "silence", "sine"]

_ROWS = (697, 770, 852, 941)
_COLUMNS = (1209, 1336, 1477, 1633)
DTMF_TONES: dict[str, tuple[int, int]] = {
    key: (_ROWS[i // 4], _COLUMNS[i % 4]) for i, key in enumerate("123A456B789C*0#D")
}
"""Hz of the low and of the high tone of each key (ITU-T Q.23)."""


def sine(hz: float, seconds: float, level: float = 0.5, rate: int = RATE) -> NDArray[np.int16]:
    """A tone from phase 0. level: amplitude, 1.0 is full scale. rate: samples a second.

    ValueError for a level that is not 0..1.
    """
    return _rounded(_wave(hz, seconds, level, rate))


def dtmf(digit: str, seconds: float, level: float = 0.25, rate: int = RATE) -> NDArray[np.int16]:
    """The two tones of a key, 0-9 A-D * #, each with amplitude `level` (0..0.5).

    rate: samples a second. Raises ValueError for another key or level.
    """
    if digit.upper() not in DTMF_TONES:
        raise ValueError(f"digit: wanted one of 0-9 A-D * #, got {digit!r}")
    if not 0 <= level <= 0.5:
        raise ValueError(f"level: two tones of 0 to 0.5 fit full scale, got {level}")
    low, high = DTMF_TONES[digit.upper()]
    return _rounded(_wave(low, seconds, level, rate) + _wave(high, seconds, level, rate))


def silence(seconds: float, rate: int = RATE) -> NDArray[np.int16]:
    """Zeros. rate: samples a second."""
    return np.zeros(round(seconds * rate), np.int16)


def _wave(hz: float, seconds: float, level: float, rate: int) -> NDArray[np.float64]:
    if not 0 <= level <= 1:
        raise ValueError(f"level: wanted 0 to 1 (full scale), got {level}")
    time = np.arange(round(seconds * rate)) / rate
    return 32767 * level * np.sin(2 * np.pi * hz * time)


def _rounded(wave: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.rint(wave).astype(np.int16)
