"""Doug and sipp over loopback: calls, CANCEL, keys, load, sound both ways."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.peers import HERE, Sipp, waitFor, writeTone
from test.peers.server import Doug

SCENARIOS = HERE / "sipp"


class SippTests(SynchronousTestCase):
    """Each starts a server of its own."""

    timeout = 60

    def setUp(self) -> None:
        if why := Sipp.missing():
            self.skipTest(why)

    def serve(self, app: str, *args: str) -> Doug:
        """A server with that application of apps.py, and a tone to play in its folder."""
        doug = Doug(f"test.peers.apps.{app}", args=args)
        writeTone(doug.dir / "tone.wav", 1000, 1.0)
        self.addCleanup(doug.stop)
        doug.start()
        return doug

    def callWith(
        self, doug: Doug, scenario: str, *args: str, calls: int = 1, seconds: float = 0.5
    ) -> None:
        """sipp's run of one scenario against the server; fails the test unless all calls passed."""
        with Sipp.uac(
            doug.target,
            "app",
            scenario=SCENARIOS / scenario,
            calls=calls,
            seconds=seconds,
            args=args,
        ) as sipp:
            code, stats = sipp.result()
            self.assertEqual(code, 0, f"{sipp.errors()[-1500:]}\n{doug.log()[-3000:]}")
            self.assertEqual(stats["SuccessfulCall(C)"], str(calls))
            self.assertEqual(stats["Retransmissions(C)"], "0")

    def needRawSocket(self) -> None:
        """sipp plays captures through a raw socket."""
        if os.getuid() != 0:
            self.skipTest("sipp needs root to play captures")

    def test_basicCall(self) -> None:
        """INVITE, 100, 180, 200, ACK, BYE, 200; the application hears of the end."""
        doug = self.serve("Announce")
        self.callWith(doug, "uac_basic.xml", calls=3)
        waitFor("the ends", lambda: self.lines(doug, "ended.txt") == 3)

    def test_theServerHangsUpFirst(self) -> None:
        """BYE from Doug at the end of the announcement."""
        self.callWith(self.serve("HangsUp"), "uac_hungup.xml")

    def test_cancelWhileRingingEndsTheApplication(self) -> None:
        """CANCEL: 200, 487, ACK; the application ends at once."""
        doug = self.serve("Rings")
        self.callWith(doug, "uac_cancel.xml", seconds=0.3)
        waitFor("the end", lambda: self.lines(doug, "ended.txt") == 1, 1.0)
        self.assertIn("CallEndedEvent", (doug.dir / "ended.txt").read_text())

    def test_options(self) -> None:
        """OPTIONS is answered 200 with Allow."""
        self.callWith(self.serve("Rings"), "uac_options.xml", calls=5)

    def test_delayedOffer(self) -> None:
        """An INVITE without offer: the offer in the 200, the answer in the ACK."""
        self.callWith(self.serve("Announce"), "uac_delayed_offer.xml")

    def test_holdAndResume(self) -> None:
        """A re-INVITE with sendonly is answered recvonly or inactive, then all goes on."""
        self.callWith(self.serve("Announce"), "uac_reinvite_hold.xml")

    def test_keys(self) -> None:
        """RFC 4733 presses of 1 2 #, each reported once."""
        self.needRawSocket()
        doug = self.serve("Announce")
        self.callWith(doug, str(self.scenarioBeside("uac_dtmf_2833.xml", "dtmf_12hash.pcap")))
        self.assertEqual((doug.dir / "keys.txt").read_text().split(), ["1", "2", "#"])

    def test_recordingHoldsWhatTheCallerSaid(self) -> None:
        """Two seconds of a 500 Hz tone are in the WAV."""
        self.needRawSocket()
        doug = self.serve("Record")
        self.callWith(doug, str(self.scenarioBeside("uac_audio.xml", "tone_pcmu.pcap")))
        waitFor("the end", lambda: self.lines(doug, "ended.txt") == 1)
        self.assertGreater(self.tone(doug.dir / "message.wav", 500), 0.99)

    def test_load(self) -> None:
        """200 calls at 20 a second, each with sound both ways: none lost, nothing repeated."""
        self.needRawSocket()
        doug = self.serve("Echo")
        scenario = self.scenarioBeside("uac_audio.xml", "tone_pcmu.pcap")
        self.callWith(doug, str(scenario), "-r", "20", calls=200, seconds=0.1)
        self.assertNotIn("Traceback", doug.log())
        self.assertEqual(self.lines(doug, "ended.txt"), 200)

    def test_dialsOut(self) -> None:
        """placeCall reaches a sipp that answers, and is hung up by the application."""
        with Sipp(SCENARIOS / "uas_basic.xml") as callee:
            doug = self.serve("Relay", f"--args=target=sip:callee@127.0.0.1:{callee.port}")
            self.callWith(doug, "uac_basic.xml", seconds=1.0)
            code, _ = callee.result(10)
            self.assertEqual(code, 0, callee.errors()[-1500:])
            self.assertEqual((doug.dir / "dialled.txt").read_text(), "answered\n")

    @staticmethod
    def lines(doug: Doug, name: str) -> int:
        """How many lines a file of results has."""
        path = doug.dir / name
        return len(path.read_text().splitlines()) if path.exists() else 0

    def scenarioBeside(self, scenario: str, capture: str) -> Path:
        """The scenario with the capture's full path in it."""
        text = (SCENARIOS / scenario).read_text()
        into = Path(self.mktemp())
        into.write_text(text.replace(f'"{capture}"', f'"{SCENARIOS / capture}"'))
        return into.resolve()

    def tone(self, path: Path, hz: float) -> float:
        """The share of a tone in the middle second of a WAV."""
        sound = readSound(path)
        middle = len(sound) // 2
        return toneShare(sound[middle - 4000 : middle + 4000], hz)
