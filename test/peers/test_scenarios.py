"""Doug and sipp: registering, passwords, holds and ends, each as a scenario has it written down.

Not here: uac_auth_407 alone (a server asks with 401; it goes through a proxy here),
uas_delayed_offer (Doug offers in each INVITE), keys and sound (test_sipp.py).
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.caller import INVITE
from test.peers.peers import HERE, HOST, Sipp, freePort, waitFor
from test.peers.proxies import Kamailio
from test.peers.server import Doug

SCENARIOS = HERE / "sipp"
PHONES = """\
[server]
digest = "MD5"
anonymous = "app"

[phone.alice]
password = "secret"

[[route]]
user = "echo"
app = "test.peers.apps.Echo"
"""
TRUNK = """\
[server]
digest = "MD5"

[trunk.sipp]
host = "192.0.2.1"
user = "alice"
password = "secret"
inbound = "password"
"""


class ScenarioTests(SynchronousTestCase):
    """sipp ends with 0 if all went as its scenario says."""

    timeout = 60

    def setUp(self) -> None:
        if why := Sipp.missing():
            self.skipTest(why)

    def doug(self, app: str, *args: str, configuration: str = "", user: str = "") -> Doug:
        """A server, with that text as its configuration. user: "USER=" for that user alone."""
        options = list(args)
        if configuration:
            path = Path(self.mktemp())
            path.write_text(configuration)
            options.append(f"--config={path.resolve()}")
        doug = Doug(f"{user}test.peers.apps.{app}", args=options)
        self.addCleanup(doug.stop)
        doug.start()
        return doug

    def caller(
        self, scenario: str, target: str, user: str = "echo", *, calls: int = 1, way: str = "u1"
    ) -> None:
        """Runs one that calls, or registers."""
        sipp = Sipp(
            SCENARIOS / scenario,
            target,
            calls=calls,
            seconds=0.1,
            transport=way,
            args=["-s", user],
        )
        with sipp:
            code, stats = sipp.result()
            self.assertEqual(code, 0, f"{scenario} {way}: {sipp.errors()[-1500:]}")
            self.assertEqual(stats["Retransmissions(C)"], "0", scenario)

    def dialled(self, scenario: str, **args: str) -> list[str]:
        """sipp is dialled; what the application wrote down.

        It is gone a tenth of a second after its last word, instead of a whole one.
        """
        text = (SCENARIOS / scenario).read_text()
        text = text.replace('<timewait milliseconds="1000"/>', '<timewait milliseconds="100"/>')
        quick = Path(self.mktemp())
        quick.write_text(text.replace('play_pcap_audio="', f'play_pcap_audio="{SCENARIOS}/'))
        with Sipp(quick.resolve(), seconds=0.2) as callee:
            words = [f"--args={name}={value}" for name, value in args.items()]
            target = f"--args=target=sip:callee@{HOST}:{callee.port}"
            doug = self.doug("Stays", target, *words)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
                caller.bind((HOST, 0))
                text = INVITE.format(target=doug.target, port=caller.getsockname()[1])
                caller.sendto(text.encode(), (HOST, doug.port))
            path = doug.dir / "dialled.txt"
            self.folder = doug.dir
            waitFor("the end", lambda: path.exists() and "ended: " in path.read_text(), 8.0)
            code, _ = callee.result(10)
            self.assertEqual(code, 0, f"{callee.errors()[-1500:]}\n{doug.log()[-3000:]}")
            heard: list[str] = path.read_text().splitlines()
            return heard

    def test_phones(self) -> None:
        """They register and unregister over UDP and TCP; an unknown user, a CANCEL that is late."""
        tcp = freePort()
        doug = self.doug("Echo", f"--listen=tcp:{HOST}:{tcp}", configuration=PHONES)
        self.caller("uac_register.xml", doug.target, calls=3)
        self.caller("uac_register.xml", f"{HOST}:{tcp}", way="t1")
        self.caller("uac_cancel_race.xml", doug.target, calls=10)
        self.assertNotIn("Traceback", doug.log())

    def test_401(self) -> None:
        """A trunk whose calls are told by a password."""
        doug = self.doug("Echo", configuration=TRUNK)
        self.caller("uac_auth_401.xml", doug.target, calls=3)

    def test_407(self) -> None:
        """The proxy before us asks, and the call comes along its Record-Route."""
        if why := Kamailio.missing():
            self.skipTest(why)
        doug = self.doug("Echo")
        proxy = Kamailio.registrar({"alice": "secret"}, appUri=f"sip:{doug.target}")
        self.addCleanup(proxy.stop)
        proxy.start()
        self.caller("uac_auth_407.xml", proxy.uri, "app-echo", calls=3)

    def test_registersThere(self) -> None:
        """401, the digest that sipp checks, 200; and unregisters at its end.

        Meanwhile there is 404 for a user that has no application.
        """
        with Sipp(SCENARIOS / "uas_register.xml") as registrar:
            account = f"--register=sip:alice:secret@{HOST}:{registrar.port}"
            doug = self.doug("Echo", account, "--anonymous=app", user="echo=")
            doug.waitLog("registered for 300 s")
            self.caller("uac_refused.xml", doug.target, "nobody", calls=3)
            doug.stop()
            code, _ = registrar.result(10)
            self.assertEqual(code, 0, registrar.errors()[-1500:])
            self.assertEqual(registrar.messages().count("Expires: 0"), 1)

    def test_holdsAndResumes(self) -> None:
        """sendonly, then all again, then BYE."""
        heard = self.dialled("uas_reinvite.xml", hold="1")
        self.assertEqual(heard, ["answered", "held", "resumed", "ended: hung up on this side"])

    def test_theCalledSideHangsUp(self) -> None:
        heard = self.dialled("uas_hangup.xml")
        self.assertEqual(heard, ["answered", "ended: the far end hung up"])

    def test_theCalledSideIsHeard(self) -> None:
        """Its two seconds of 500 Hz; its keys, by RFC 4733."""
        if os.getuid() != 0:
            self.skipTest("sipp needs root to play captures")
        self.dialled("uas_audio.xml", listen="2.5")
        sound = readSound(self.folder / "heard.wav")
        self.assertGreater(toneShare(sound[4000:12000], 500), 0.9)
        self.dialled("uas_dtmf_2833.xml", listen="2.5")
        self.assertEqual((self.folder / "keys.txt").read_text().split(), ["1", "2", "#"])
