"""scripts/run_demo.py, which `make run` is: its mistakes. That it serves is told in test.peers."""

from __future__ import annotations

import socket
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from test.peers.peers import HOST
from test.peers.server import ROOT


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The script, run to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "run_demo.py"), *words],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


class RunDemoTests(SynchronousTestCase):
    """What it says before it serves."""

    def test_aMistakeIsOneLineAndNoBanner(self) -> None:
        """Host and port are tried first."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((HOST, 0))
            port = taken.getsockname()[1]
            for words, wanted in [
                (["--host=nowhere"], "HOST=nowhere: wanted an IP address"),
                (["--host=203.0.113.77"], "HOST=203.0.113.77: Cannot assign requested address"),
                (["--port=many"], "PORT=many: wanted a UDP port"),
                (["--port=70000"], "PORT=70000: wanted a UDP port"),
                ([f"--host={HOST}", f"--port={port}"], f"PORT={port}: Address already in use"),
            ]:
                done = run(*words)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                [line] = done.stderr.splitlines()
                self.assertIn(wanted, line)
