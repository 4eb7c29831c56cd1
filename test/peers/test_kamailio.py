"""Doug at a registrar and proxy of the field: digest, Record-Route, calls both ways."""

from __future__ import annotations

import socket
import time

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.caller import INVITE
from test.peers.peers import HOST, Baresip, waitFor
from test.peers.proxies import Kamailio
from test.peers.server import Doug
from test.peers.softphones import Linphone

USERS = {"alice": "a-secret", "doug": "d-secret"}


class TrunkTests(SynchronousTestCase):
    """Doug has an account there, as a phone of alice has."""

    timeout = 60

    def setUp(self) -> None:
        if why := Kamailio.missing() or Baresip.missing():
            self.skipTest(why)
        self.proxy = Kamailio.registrar(USERS)
        self.addCleanup(self.proxy.stop)
        self.proxy.start()

    def doug(
        self, app: str, *args: str, password: str = "d-secret", transport: str = "udp"
    ) -> Doug:
        account = f"--register=sip:doug:{password}@{self.proxy.uri};transport={transport}"
        tcp = [f"--listen=tcp:{HOST}:0"] if transport == "tcp" else []
        doug = Doug(f"test.peers.apps.{app}", args=[account, *tcp, *args])
        self.addCleanup(doug.stop)
        doug.start()
        return doug

    def alice(self) -> Baresip:
        alice = Baresip("alice", registrar=self.proxy.uri, password="a-secret")
        self.addCleanup(alice.stop)
        alice.start()
        alice.waitRegistered()
        return alice

    def trigger(self, doug: Doug) -> None:
        """Any call, upon which the application dials."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind((HOST, 0))
            text = INVITE.format(target=doug.target, port=caller.getsockname()[1])
            caller.sendto(text.encode(), (HOST, doug.port))

    def assertTone(self, phone: Baresip) -> None:
        """It has heard its own tone."""
        time.sleep(0.3)
        heard = readSound(phone.heard()[-1])
        self.assertGreater(toneShare(heard[4000:12000], 440), 0.9)

    def test_isCalledThroughTheProxy(self) -> None:
        """It registers with a digest; a call comes along the Record-Route, sound and BYE too."""
        doug = self.doug("Echo")
        doug.waitLog("registered for")
        alice = self.alice()
        alice.dial(f"sip:doug@{self.proxy.uri}")
        alice.waitEvent("CALL_ESTABLISHED")
        time.sleep(1.8)
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")
        self.assertTone(alice)
        doug.stop()
        self.assertNotIn(f":{doug.port}", self.proxy.rpc("ul.dump"))

    def test_overTCPWithHold(self) -> None:
        """Registered over TCP, called over that connection; held and resumed through the proxy."""
        doug = self.doug("HeldEcho", transport="tcp")
        doug.waitLog("registered for")
        self.assertIn("transport=tcp", self.proxy.rpc("ul.dump").lower())
        alice = self.alice()
        alice.dial(f"sip:doug@{self.proxy.uri}")
        alice.waitEvent("CALL_ESTABLISHED")
        notes = doug.dir / "held.txt"
        alice.hold()
        waitFor("the hold", notes.exists)
        alice.resume()
        waitFor("its end", lambda: len(notes.read_text().split()) == 2)
        self.assertEqual(notes.read_text().split(), ["CallHeldEvent", "CallResumedEvent"])
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")

    def test_linphone(self) -> None:
        """Another maker's phone calls through the proxy, holds, resumes and hangs up."""
        if why := Linphone.missing():
            self.skipTest(why)
        doug = self.doug("HeldEcho")
        doug.waitLog("registered for")
        phone = Linphone("alice", password="a-secret", registrar=self.proxy.uri)
        self.addCleanup(phone.stop)
        phone.start()
        phone.register()
        phone.say(f"call sip:doug@{self.proxy.uri}")
        phone.waitLog("Media streams established")
        notes = doug.dir / "held.txt"
        phone.say("pause")
        phone.waitLog("is now paused")
        phone.say("resume")
        waitFor("its end", lambda: len(notes.read_text().split()) == 2)
        phone.say("terminate")
        waitFor("the end", (doug.dir / "ended.txt").exists)
        self.assertEqual(notes.read_text().split(), ["CallHeldEvent", "CallResumedEvent"])

    def test_dialsThroughTheProxy(self) -> None:
        """The 407 is answered with the trunk's password, and the caller is the trunk's user."""
        alice = self.alice()
        target = f"--args=target=sip:alice@{self.proxy.uri}"
        doug = self.doug("Dials", target, "--anonymous=app")
        doug.waitLog("registered for")
        self.trigger(doug)
        alice.waitEvent("CALL_ESTABLISHED")
        time.sleep(0.5)
        alice.hangup()
        path = doug.dir / "dialled.txt"
        waitFor("the end", lambda: path.exists() and ": " in path.read_text(), 8.0)
        self.assertIn("answered", path.read_text())

    def test_dialsOverTCPAndHolds(self) -> None:
        """INVITE, hold, resume and BYE go by the proxy, each along the Record-Route."""
        alice = self.alice()
        target = f"--args=target=sip:alice@{self.proxy.uri};transport=tcp"
        doug = self.doug("Stays", target, "--args=hold=1", "--anonymous=app", transport="tcp")
        doug.waitLog("registered for")
        self.trigger(doug)
        alice.waitEvent("CALL_ESTABLISHED")
        alice.waitEvent("CALL_CLOSED")
        results = doug.dir / "dialled.txt"
        waitFor("the end", lambda: "ended" in results.read_text())
        words = ["answered", "held", "resumed", "ended: hung up on this side"]
        self.assertEqual(results.read_text().splitlines()[-4:], words)

    def test_aWrongPasswordIsNamed(self) -> None:
        doug = self.doug("Echo", password="wrong")
        doug.waitLog("rejected the credentials")
        self.assertNotIn("wrong@", doug.log())
