"""Doug and baresip over loopback: hold by either side."""

from __future__ import annotations

import re
import time

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.peers import Baresip, waitFor, writeTone
from test.peers.server import Doug


class HoldTests(SynchronousTestCase):
    """A call of baresip's."""

    timeout = 60

    def setUp(self) -> None:
        if why := Baresip.missing():
            self.skipTest(why)

    def call(self, app: str) -> tuple[Doug, Baresip]:
        """It has called that application of apps.py, which has a tone to play."""
        doug = Doug(f"test.peers.apps.{app}")
        writeTone(doug.dir / "tone.wav", 1000, 1.0)
        self.addCleanup(doug.stop)
        doug.start()
        alice = Baresip("alice")
        self.addCleanup(alice.stop)
        alice.start()
        alice.dial(f"sip:app@{doug.target}")
        alice.waitEvent("CALL_ESTABLISHED")
        return doug, alice

    def test_weHold(self) -> None:
        """It goes along: its own sound stops, and of ours it misses none; then it is as before.

        What it hears meanwhile it does not record: that goes no further than the first re-INVITE.
        """
        doug, alice = self.call("Holds")
        notes = doug.dir / "holds.txt"
        waitFor("hold and its end", lambda: notes.exists() and "resume" in notes.read_text(), 12.0)
        self.assertEqual(notes.read_text().split(), ["hold", "resume"])
        time.sleep(1.0)
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")
        counts = waitFor("its counts", lambda: re.search(r"packets: +(\d+) +(\d+)", alice.log()))
        sent, received = int(counts[1]), int(counts[2])
        self.assertGreater(received, 50 * 3.5)
        self.assertLess(sent, received - 50)
        self.assertGreater(toneShare(readSound(alice.heard()[0])[4000:10000], 1000), 0.9)

    def test_itHolds(self) -> None:
        """CallHeldEvent and CallResumedEvent, twice."""
        doug, alice = self.call("HeldEcho")
        notes = doug.dir / "held.txt"
        for number in (1, 2):
            alice.hold()
            waitFor("the hold", lambda n=number: self.lines(doug) == 2 * n - 1)
            alice.resume()
            waitFor("its end", lambda n=number: self.lines(doug) == 2 * n)
        self.assertEqual(notes.read_text().split(), ["CallHeldEvent", "CallResumedEvent"] * 2)
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")

    def lines(self, doug: Doug) -> int:
        """Of the events of hold."""
        notes = doug.dir / "held.txt"
        return len(notes.read_text().split()) if notes.exists() else 0
