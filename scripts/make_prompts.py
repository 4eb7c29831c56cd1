#!/usr/bin/env python3
"""Makes the demo's prompts with espeak-ng: 8 kHz, 16 bit, mono WAVs in doug/demo/prompts.

Run it after a change of the texts below; the WAVs are kept in the repository, so that neither
users nor tests need a speech synthesiser.
"""

import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from shtoom.media.files import openReader

PROMPTS = Path(__file__).resolve().parent.parent / "doug" / "demo" / "prompts"
TEXTS = {
    "welcome": "Welcome to Doug.",
    "menu": "One: about this server. Two: an echo. Three: record a message. Four: hear it again. "
    "Five: the conference room. Six: the time. Seven: to be called back. Eight: to be connected. "
    "Nine: goodbye.",
    "about": "This call is served by a small Python program. It answers, plays, records, "
    "and hears your keys. You can read it in five minutes.",
    "echo": "Say something, and it comes back to you. Press any key to stop.",
    "record": "Speak after the tone. Press the hash key when you are done.",
    "recorded": "You said:",
    "nothing": "There is no message yet.",
    "conference": "You are in the conference room. Press any key to leave it.",
    "time": "The time is:",
    "callback": "I will call you back. Goodbye.",
    "connecting": "One moment, please.",
    "nobody": "Nobody can be reached there.",
    "unknown": "That key does nothing.",
    "goodbye": "Thank you for calling. Goodbye.",
    "voicemail": "Nobody can take your call now. Please leave a message after the tone.",
}
NUMBERS = (
    "oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
WORDS = {f"number-{number}": word for number, word in enumerate(NUMBERS.split())} | {
    "number-20": "twenty",
    "number-30": "thirty",
    "number-40": "forty",
    "number-50": "fifty",
    "number-00": "hundred",
}
TEXTS |= WORDS
QUIET, PAUSE = 200, 800  # of 32768; samples


def main() -> int:
    """Writes one WAV a text; 1 if espeak-ng is not there."""
    PROMPTS.mkdir(parents=True, exist_ok=True)
    for name, text in TEXTS.items():
        with tempfile.NamedTemporaryFile(suffix=".wav") as spoken:
            command = [
                "espeak-ng",
                "-v",
                "en-gb",
                "-s",
                "150",
                "-a",
                "120",
                "-w",
                spoken.name,
                text,
            ]
            try:
                subprocess.run(command, check=True)
            except FileNotFoundError:
                print("espeak-ng is not installed: apt-get install espeak-ng", file=sys.stderr)
                return 1
            reader = openReader(spoken.name)
            samples = reader.readAt(8000)
            reader.close()
        if name in WORDS:  # spoken one after the other
            loud = np.flatnonzero(np.abs(samples) > QUIET)
            samples = samples[loud[0] : loud[-1] + PAUSE]
        with wave.open(str(PROMPTS / f"{name}.wav"), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(samples.tobytes())
        print(f"{name}.wav  {len(samples) / 8000:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
