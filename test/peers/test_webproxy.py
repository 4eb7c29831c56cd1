"""A phone that signals over WebSocket, through a kamailio, to Doug behind it over UDP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.websocket import missing
from test.peers.peers import HOST, freePort, waitFor
from test.peers.proxies import Kamailio
from test.peers.server import Doug
from test.peers.test_kamailio import begin

if missing() is None:
    from test.peers.webphone import NOWHERE, WebPhone

CONFIGURATION = """\
[[route]]
user = "echo"
app = "test.peers.apps.HeldEcho"
"""


class WebProxyTests(SynchronousTestCase):
    """The proxy records its route twice: once for each transport. The phone's own address is one
    that nobody can reach.
    """

    timeout = 60

    def setUp(self) -> None:
        if (why := missing() or Kamailio.missing()) is not None:
            self.skipTest(why)
        port = freePort()
        self.edge = Kamailio.edge(f"sip:{HOST}:{port}")
        self.addCleanup(self.edge.stop)
        self.edge.start()
        configuration = self.edge.dir / "doug.toml"
        configuration.write_text(CONFIGURATION)
        self.doug = Doug(
            "test.peers.apps.Stays",
            port=port,
            args=[
                f"--config={configuration}",
                f"--args=target=sip:web@{self.edge.uri}",
                "--args=hold=1",
            ],
        )
        self.addCleanup(self.doug.stop)
        self.doug.start()
        self.phone = WebPhone(self.edge.wsPort, "web")
        self.addCleanup(self.phone.close)

    def test_callsHoldsAndHangsUp(self) -> None:
        """It hears itself, too."""
        self.assertEqual(self.phone.call(f"sip:echo@{self.edge.uri}").code, 200)
        self.assertEqual(len(self.phone.route), 2)
        self.assertTrue(self.phone.hears())
        for direction in ("sendonly", "sendrecv"):
            self.assertEqual(self.phone.again(direction).code, 200)
        self.assertEqual(self.phone.ask("BYE").code, 200)
        notes = self.doug.dir
        waitFor("the end", (notes / "ended.txt").exists)
        held = (notes / "held.txt").read_text().split()
        self.assertEqual(held, ["CallHeldEvent", "CallResumedEvent"])
        self.assertNotIn("Traceback", self.doug.log())

    def test_registersAndIsCalled(self) -> None:
        """Held, resumed and hung up on: each request comes over its own connection."""
        self.assertEqual(self.phone.register().code, 200)
        self.assertIn(NOWHERE, self.edge.rpc("ul.dump"))
        begin(self.doug)
        self.phone.isCalled()
        directions = []
        for answer in ("recvonly", "sendrecv"):
            offer = self.phone.request("INVITE", self.phone.description(answer))
            directions.append(b"a=sendonly" in offer.body)
        self.assertEqual(directions, [True, False])
        self.phone.request("BYE")
        results = self.doug.dir / "dialled.txt"
        waitFor("the end", lambda: "ended" in results.read_text())
        words = ["answered", "held", "resumed", "ended: hung up on this side"]
        self.assertEqual(results.read_text().splitlines()[-4:], words)
        self.assertNotIn("Traceback", self.doug.log())
