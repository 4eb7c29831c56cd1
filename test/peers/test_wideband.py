"""G.722 with a real phone, whose coder is another one than ours."""

from __future__ import annotations

import time
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from test.peers.peers import Baresip, toneShare, writeTone
from test.peers.server import Doug

LEVEL = 0.2  # of each tone; 1.0 is full scale


class WidebandTests(SynchronousTestCase):
    """baresip has a WAV as its microphone and keeps what it hears."""

    timeout = 90

    def setUp(self) -> None:
        if why := Baresip.missing():
            self.skipTest(why)
        if "G722" not in codecs.names():
            self.skipTest(f"G722 {codecs.missing()['G722']}")

    def serve(self, app: str, *args: str) -> Doug:
        """A server that likes G.722 best; a tone of 16 kHz lies in its folder."""
        server = Doug(f"test.peers.apps.{app}", args=("--codecs=g722,pcmu,pcma", *args))
        writeTone(server.dir / "tone.wav", [1000, 6000], 1.0, rate=16000, level=LEVEL)
        self.addCleanup(server.stop)
        server.start()
        return server

    def phone(self, name: str, codec: str, *hz: float) -> Baresip:
        """A phone with that codec alone, which says these tones and answers by itself."""
        microphone = Path(self.mktemp())
        rate = 16000 if codec == "g722" else 8000
        writeTone(microphone, hz, 20.0, rate=rate, level=LEVEL)
        phone = Baresip(name, codecs=(codec,), source=f"aufile,{microphone.resolve()}")
        self.addCleanup(phone.stop)
        phone.start()
        return phone

    def heard(self, phone: Baresip, target: str) -> Path:
        """Calls, listens for some seconds, hangs up; what was heard."""
        phone.dial(target)
        phone.waitEvent("CALL_ESTABLISHED")
        time.sleep(3.2)
        phone.hangup()
        phone.waitEvent("CALL_CLOSED")
        time.sleep(0.3)
        return Path(phone.heard()[-1])

    def assertNotLouder(self, path: Path) -> None:
        """That nothing is louder than two tones can be: no joint was heard as a burst."""
        with wave.open(str(path)) as file:
            self.assertEqual(file.getframerate(), 16000)
            sound: NDArray[np.int16] = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        self.assertLess(int(np.abs(sound.astype(np.int32)).max()), 1.3 * 2 * LEVEL * 32767)

    def test_aPromptOf16kHz(self) -> None:
        """Both its tones, over and over, without a burst where it begins anew."""
        server = self.serve("Announce")
        heard = self.heard(self.phone("alice", "g722", 440), f"sip:announce@{server.target}")
        for hz in (1000, 6000):
            self.assertGreater(toneShare(heard, hz, skip=2.1, seconds=0.8), 0.4, f"{hz} Hz")
        self.assertNotLouder(heard)

    def test_anEcho(self) -> None:
        """What the phone says comes back with what lies above 4 kHz."""
        server = self.serve("Echo")
        heard = self.heard(self.phone("alice", "g722", 700, 5500), f"sip:echo@{server.target}")
        for hz in (700, 5500):
            self.assertGreater(toneShare(heard, hz, skip=2.0), 0.4, f"{hz} Hz")

    def test_aBridgeToAPhoneOf8kHz(self) -> None:
        """Each hears the other's tone, the one with G.722 without a burst."""
        bob = self.phone("bob", "pcmu", 620)
        server = self.serve("Connect", f"--args=target={bob.uri}")
        alice = self.phone("alice", "g722", 440)
        heard = self.heard(alice, f"sip:connect@{server.target}")
        bob.waitEvent("CALL_CLOSED")
        time.sleep(0.3)
        self.assertGreater(toneShare(heard, 620, skip=2.0), 0.9)
        self.assertGreater(toneShare(bob.heard()[-1], 440, skip=2.0), 0.9)
        self.assertNotLouder(heard)
