"""Doug and baresip over loopback: the demo by ear and by key, the way a person uses it."""

from __future__ import annotations

import time
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

import doug.demo
from doug.testing.ear import readSound
from doug.testing.hearing import locate
from test.peers.peers import Baresip, waitFor
from test.peers.server import Doug

PROMPTS = Path(doug.demo.__file__).parent / "prompts"


class DemoTests(SynchronousTestCase):
    """baresip has a WAV as its microphone and keeps what it hears."""

    timeout = 90

    def setUp(self) -> None:
        if why := Baresip.missing():
            self.skipTest(why)
        self.server = Doug("doug.demo.Demo")
        self.addCleanup(self.server.stop)
        self.server.start()
        microphone = Path(self.mktemp())
        self.spoken = np.tile(readSound(PROMPTS / "about.wav"), 6)
        with wave.open(str(microphone), "wb") as out:
            out.setparams((1, 2, 8000, 0, "NONE", ""))
            out.writeframes(self.spoken.tobytes())
        self.phone = Baresip("alice", source=f"aufile,{microphone.resolve()}")
        self.addCleanup(self.phone.stop)
        self.phone.start()

    def assertHeard(self, name: str, heard: NDArray[np.int16]) -> None:
        """That a prompt of the demo is in a recording, in good part and in one piece."""
        prompt = readSound(PROMPTS / f"{name}.wav")
        match = locate(heard, prompt)
        found = 0.0 if match is None else match.seconds
        wanted = min(1.0, 0.8 * (0.0 if match is None else match.wanted) or 0.3)
        self.assertGreaterEqual(found, wanted, f"{name}: {found} s in {len(heard) / 8000} s")

    def test_recordsAMessageAndPlaysItBack(self) -> None:
        """Menu, key 3, speaking, #: the message is in our WAV and comes back; both hear it."""
        self.phone.dial(f"sip:demo@{self.server.target}")
        self.phone.waitEvent("CALL_ESTABLISHED")
        time.sleep(3.0)
        self.phone.sendDigits("3")
        message = self.recording()
        time.sleep(2.5)
        self.phone.sendDigits("#")
        time.sleep(0.5)
        recorded = readSound(message)
        match = locate(self.spoken, recorded)
        assert match is not None
        self.assertGreater(match.seconds, 1.0)
        time.sleep(3.0)
        self.phone.hangup()
        self.phone.waitEvent("CALL_CLOSED")
        waitFor("the end of the recording", lambda: not message.exists())
        heard = self.heard()
        for prompt in ("welcome", "record", "recorded"):
            self.assertHeard(prompt, heard)
        said = locate(heard, recorded)
        assert said is not None
        self.assertGreater(said.seconds, 1.0)

    def test_saysGoodbyeAndHangsUp(self) -> None:
        """Key 9: the last prompt is heard to its end, then Doug hangs up."""
        self.phone.dial(f"sip:demo@{self.server.target}")
        self.phone.waitEvent("CALL_ESTABLISHED")
        time.sleep(1.0)
        self.phone.sendDigits("9")
        self.phone.waitEvent("CALL_CLOSED", 6.0)
        heard = self.heard()
        self.assertHeard("welcome", heard)
        self.assertHeard("goodbye", heard)

    def test_callsBack(self) -> None:
        """Key 7: Doug hangs up, calls the phone where its Contact says, and the menu is there."""
        self.phone.dial(f"sip:demo@{self.server.target}")
        self.phone.waitEvent("CALL_ESTABLISHED")
        time.sleep(1.0)
        self.phone.sendDigits("7")
        self.phone.waitEvent("CALL_CLOSED", 6.0)
        self.phone.waitEvent("CALL_ESTABLISHED")
        time.sleep(2.0)
        self.phone.hangup()
        self.phone.waitEvent("CALL_CLOSED")
        self.assertHeard("welcome", self.heard())

    def heard(self) -> NDArray[np.int16]:
        """All that came out of the phone, once the call is over."""
        time.sleep(0.3)
        return readSound(self.phone.heard()[-1])

    def recording(self) -> Path:
        """Where the demo records to, once it does."""

        def found() -> Path | None:
            files = list(self.server.dir.glob("doug-demo-*/message.wav"))
            return files[0] if files else None

        path: Path = waitFor("the recording to begin", found, 10.0)
        return path
