"""A bridge between real phones: baresip calls Doug, which calls and connects a second one."""

from __future__ import annotations

import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.peers.peers import Baresip, toneShare, waitFor, writeTone
from test.peers.server import Doug


class BridgeTests(SynchronousTestCase):
    """Each has a tone as its microphone and keeps what it hears."""

    timeout = 90

    def setUp(self) -> None:
        if why := Baresip.missing():
            self.skipTest(why)

    def phone(self, name: str, hz: float) -> Baresip:
        """A phone that says a tone; it answers by itself."""
        microphone = Path(self.mktemp())
        writeTone(microphone, hz, 20.0)
        phone = Baresip(name, source=f"aufile,{microphone.resolve()}")
        self.addCleanup(phone.stop)
        phone.start()
        return phone

    def serve(self, target: str, app: str = "Connect") -> Doug:
        """Doug, whose application connects each caller with `target`."""
        server = Doug(f"test.peers.apps.{app}", args=(f"--args=target={target}",))
        self.addCleanup(server.stop)
        server.start()
        return server

    def heardShare(self, phone: Baresip, hz: float) -> float:
        """The share of a tone in what a phone heard, once its call is over."""
        time.sleep(0.3)
        return float(toneShare(phone.heard()[-1], hz, skip=1.5))

    def test_eachHearsTheOthersToneAndKeys(self) -> None:
        """Sound both ways, keys both ways and to the application, once each."""
        bob = self.phone("bob", 620)
        server = self.serve(bob.uri)
        alice = self.phone("alice", 440)
        alice.dial(f"sip:connect@{server.target}")
        alice.waitEvent("CALL_ESTABLISHED")
        bob.waitEvent("CALL_ESTABLISHED")
        time.sleep(3.0)
        alice.sendDigits("12#", gap=0.4)
        bob.sendDigits("90", gap=0.4)
        time.sleep(0.5)
        self.assertEqual((bob.digits(), alice.digits()), ("12#", "90"))
        waitFor("the keys", (server.dir / "keys.txt").exists)
        self.assertEqual((server.dir / "keys.txt").read_text().split(), list("12#90"))
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")
        bob.waitEvent("CALL_CLOSED")
        self.assertGreater(self.heardShare(alice, 620), 0.9)
        self.assertGreater(self.heardShare(bob, 440), 0.9)

    def test_oneIsPutThrough(self) -> None:
        """Bob's REFER: Carol has Alice then, and Bob, who is told, hangs up."""
        bob, carol = self.phone("bob", 620), self.phone("carol", 930)
        server = self.serve(bob.uri, "PutsThrough")
        alice = self.phone("alice", 440)
        alice.dial(f"sip:connect@{server.target}")
        bob.waitEvent("CALL_ESTABLISHED")
        time.sleep(0.5)
        bob.transfer(carol.uri)
        carol.waitEvent("CALL_ESTABLISHED")
        bob.waitEvent("CALL_CLOSED", seconds=3.0)
        notes = server.dir / "transfers.txt"
        wanted = [f"to {carol.uri}", "CallTransferredEvent", "the far end hung up"]
        waitFor("the end of Bob's leg", lambda: notes.read_text().splitlines() == wanted)
        time.sleep(2.2)
        alice.hangup()
        carol.waitEvent("CALL_CLOSED")
        self.assertGreater(self.heardShare(carol, 440), 0.9)
        alice.waitEvent("CALL_CLOSED")
        self.assertGreater(self.heardShare(alice, 930), 0.9)
