"""Coturn as a STUN server: what it says of a real server's SIP port."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from test.peers.peers import HOST, Process, freePort, isBound
from test.peers.server import ROOT, Doug

OTHER = "127.0.0.2"  # a second address, by which it tells symmetric NATs


class Coturn(Process):
    """STUN alone, on two addresses of loopback."""

    program = "turnserver"
    package = "coturn"

    def __init__(self) -> None:
        super().__init__()
        self.port = freePort(run=2)

    def argv(self) -> list[str]:
        return [
            *("turnserver", "-n", "-m", "1", "--stun-only", "--no-tcp", "--no-tls", "--no-dtls"),
            *("--no-cli", "--log-file", "stdout", "-L", HOST, "-L", OTHER),
            *("-p", str(self.port), "--alt-listening-port", str(self.port + 1)),
            *("--pidfile", str(self.dir / "pid"), "--userdb", str(self.dir / "users")),
        ]

    def ready(self) -> bool:
        return bool(isBound(self.port))


class CoturnTests(SynchronousTestCase):
    """Another hand's STUN."""

    timeout = 60

    def setUp(self) -> None:
        if why := Coturn.missing():
            self.skipTest(why)
        self.coturn = Coturn()
        self.addCleanup(self.coturn.stop)
        self.coturn.start()

    def test_aServerIsSeen(self) -> None:
        """It asks from its SIP port, and logs how it is seen: here as it is."""
        doug = Doug("test.peers.apps.Echo", args=[f"--advertise=stun:{HOST}:{self.coturn.port}"])
        self.addCleanup(doug.stop)
        doug.start()
        doug.waitLog(f"STUN server {HOST} sees this server at {doug.target}\n", 10)
        self.assertNotIn("NAT:", doug.log())

    def test_shtoominfo(self) -> None:
        """Its other address is asked as well; there is no NAT here."""
        done = subprocess.run(
            [
                *(sys.executable, str(ROOT / "scripts/shtoominfo.py"), f"--listen=udp:{HOST}:0"),
                f"--advertise=stun:{HOST}:{self.coturn.port}",
            ],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
        )
        self.assertRegex(
            done.stdout, r"NAT findings\n  (127\.0\.0\.1:\d+), seen by 127\.0\.0\.1 as: \1\n\n"
        )
