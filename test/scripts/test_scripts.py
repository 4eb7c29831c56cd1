"""Each script as a process: its --help, its mistakes, and a real call from sipp."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from test.peers.peers import HERE, Sipp
from test.peers.server import ROOT, Doug

SCRIPTS = ("shmessage.py", "shecho.py", "dougdemo.py")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A script run to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / words[0]), *words[1:]],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )


class CommandLineTests(SynchronousTestCase):
    """Without a call."""

    def test_helpNamesThePurposeAndTheOptions(self) -> None:
        """--help: exit code 0, the script's own words, the options."""
        for script, words in zip(SCRIPTS, ("announcement", "sends back", "menu"), strict=True):
            done = run(script, "--help")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(words, done.stdout)
            for option in ("--listen", "--rtp-ports", "--advertise", "--args"):
                self.assertIn(option, done.stdout)

    def test_aMistakeIsOneLineThatNamesTheOption(self) -> None:
        """Exit code 1, one line on standard error, no traceback."""
        for words in (("--listen=tcp:5060",), ("--rtp-ports=5-1",), ("--nonsense",), ("--args=x",)):
            done = run(SCRIPTS[0], *words)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            self.assertIn(words[0].split("=")[0].lstrip("-"), done.stderr)


class CallTests(SynchronousTestCase):
    """With a call from sipp."""

    timeout = 60

    def call(self, script: str, scenario: str, *args: str, seconds: float = 0.5) -> None:
        """One call that has to pass."""
        if why := Sipp.missing():
            self.skipTest(why)
        doug = Doug(script=script, args=args)
        self.addCleanup(doug.stop)
        doug.start()
        with Sipp.uac(doug.target, "x", scenario=HERE / "sipp" / scenario, seconds=seconds) as sipp:
            code, _ = sipp.result()
            self.assertEqual(code, 0, f"{sipp.errors()[-1500:]}\n{doug.log()[-3000:]}")
        self.assertNotIn("Traceback", doug.log())

    def test_shmessage(self) -> None:
        """Plays its announcement and hangs up first."""
        self.call("shmessage.py", "uac_hungup.xml")

    def test_shecho(self) -> None:
        """Echoes until the caller hangs up."""
        self.call("shecho.py", "uac_basic.xml", "--args=delay=0.2")

    def test_dougdemo(self) -> None:
        """Speaks its menu until the caller hangs up."""
        self.call("dougdemo.py", "uac_basic.xml", seconds=1.0)
