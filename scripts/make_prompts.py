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

from shtoom.media.files import openReader

PROMPTS = Path(__file__).resolve().parent.parent / "doug" / "demo" / "prompts"
TEXTS = {
    "welcome": "Welcome to Doug.",
    "menu": "Press one to hear about this server. Two, for an echo. Three, to record a message. "
    "Four, to play it back. Nine, to say goodbye.",
    "about": "This call is served by a small Python program. It answers, plays, records, "
    "and hears your keys. You can read it in five minutes.",
    "echo": "Say something, and it comes back to you. Press any key to stop.",
    "record": "Speak after the tone. Press the hash key when you are done.",
    "recorded": "You said:",
    "nothing": "There is no message yet.",
    "unknown": "That key does nothing.",
    "goodbye": "Thank you for calling. Goodbye.",
}


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
        with wave.open(str(PROMPTS / f"{name}.wav"), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(samples.tobytes())
        print(f"{name}.wav  {len(samples) / 8000:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
