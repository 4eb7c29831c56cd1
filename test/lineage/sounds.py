"""The sounds of the reference applications: a tone each, in ivr/ of the current folder."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from shtoom.audio.tones import sine

HZ = {"welcome": 500, "menu": 600, "account": 700, "thanks": 800, "sorry": 900}
SECONDS = 0.8


def makeSounds() -> None:
    """Two tones a sound, so that none is mistaken for another."""
    folder = Path("ivr")
    folder.mkdir(exist_ok=True)
    for name, hz in HZ.items():
        samples = sine(hz, SECONDS, 0.3) + sine(hz * 1.37, SECONDS, 0.2)
        with wave.open(str(folder / f"{name}.wav"), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(samples.astype(np.int16).tobytes())
