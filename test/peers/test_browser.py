"""A browser (JsSIP in headless Chromium) over WebSocket: it registers, and signals a call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.websocket import missing
from test.peers.peers import HOST, freePort, makeCertificate
from test.peers.server import Doug

CONFIG = """[phone.web]
password = "secret"
"""


class BrowserTests(SynchronousTestCase):
    """Signalling alone: Doug has no DTLS-SRTP, so its calls are refused in words."""

    timeout = 120

    def setUp(self) -> None:
        self.folder = os.environ.get("DOUG_BROWSER", "")
        if (why := missing()) is not None:
            self.skipTest(why)
        if not self.folder or not shutil.which("node"):
            self.skipTest("DOUG_BROWSER names no folder with a browser (test/peers/browser)")

    def call(self, kind: str, *args: str) -> tuple[dict[str, Any], Doug]:
        """A call of the browser's, what it reports, and the server."""
        here = Path(self.mktemp())
        here.mkdir()
        here = here.resolve()
        config = here / "doug.toml"
        config.write_text(CONFIG)
        certificate, key = makeCertificate(here)
        port = freePort()
        doug = Doug(
            "test.peers.apps.Echo",
            args=[
                f"--listen={kind}:{HOST}:{port}",
                f"--config={config}",
                f"--realm={HOST}",
                f"--certificate={certificate}",
                f"--private-key={key}",
            ],
        )
        self.addCleanup(doug.stop)
        doug.start()
        doug.waitLog(f"{kind}:{HOST}:{port}", 10.0)
        url = f"{kind}://{HOST}:{port}"
        run = ["node", "driver.mjs", "--ws", url, "--call", f"sip:echo@{HOST}", "--wait", "30"]
        done = subprocess.run(
            [*run, *args], cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )
        return json.loads(done.stdout), doug

    def test_registersAndCalls(self) -> None:
        """With its password; its media is refused as 488, with the reason in the log."""
        for kind in ("ws", "wss"):
            report, doug = self.call(kind, "--user", "web", "--password", "secret")
            self.assertTrue(report.get("registered"), (report, doug.log()))
            self.assertEqual(report["cause"], "Incompatible SDP 488")
            doug.waitLog("profile UDP/TLS/RTP/SAVPF is not supported")
            self.assertNotIn("Traceback", doug.log())
