"""Doug at a registrar and proxy of the field: digest, Record-Route, calls both ways."""

from __future__ import annotations

import re
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
CONFIGURATION = """\
[server]
anonymous = "app"

[[route]]
user = "doug"
app = "test.peers.apps.HeldEcho"
"""
TRUNK = """
[trunk.{transport}]
host = "{host}"
transport = "{transport}"
user = "doug"
password = "d-secret"
register = true
"""


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
        """Another maker's phone calls through the proxy, holds, resumes and hangs up; it is called,
        held, resumed and hung up on.
        """
        if why := Linphone.missing():
            self.skipTest(why)
        configuration = self.proxy.dir / "doug.toml"
        configuration.write_text(CONFIGURATION + TRUNK.format(transport="udp", host=self.proxy.uri))
        target = f"--args=target=sip:alice@{self.proxy.uri}"
        doug = Doug(
            "test.peers.apps.Stays", args=[f"--config={configuration}", target, "--args=hold=1"]
        )
        self.addCleanup(doug.stop)
        doug.start()
        doug.waitLog("registered for")
        phone = Linphone("alice", password="a-secret", registrar=self.proxy.uri)
        self.addCleanup(phone.stop)
        phone.start()
        phone.register()
        linphoneHolds(phone, f"sip:doug@{self.proxy.uri}", doug)
        begin(doug)
        results = doug.dir / "dialled.txt"
        waitFor("the end", lambda: results.exists() and "ended" in results.read_text(), 8.0)
        words = ["answered", "held", "resumed", "ended: hung up on this side"]
        self.assertEqual(results.read_text().splitlines()[-4:], words)

    def test_dialsThroughTheProxy(self) -> None:
        """The 407 is answered with the trunk's password, and the caller is the trunk's user."""
        alice = self.alice()
        target = f"--args=target=sip:alice@{self.proxy.uri}"
        doug = self.doug("Dials", target, "--anonymous=app")
        doug.waitLog("registered for")
        begin(doug)
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
        begin(doug)
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


class SecureTrunkTests(SynchronousTestCase):
    """Doug, a baresip and, where there is one, a linphone have accounts at a proxy with TLS."""

    timeout = 90

    def setUp(self) -> None:
        if why := Kamailio.missing() or Baresip.missing():
            self.skipTest(why)
        self.proxy = Kamailio.registrar(USERS | {"bob": "b-secret"}, tls=True)
        self.addCleanup(self.proxy.stop)
        self.proxy.start()
        self.ca = self.proxy.dir / "cert.pem"
        self.tls = f"{HOST}:{self.proxy.tlsPort}"

    def doug(self, users: str, *transports: str) -> Doug:
        """Registered over each of them; is called as `doug`, calls those users over the last."""
        hosts = {"tcp": self.proxy.uri, "tls": self.tls}
        folder = self.proxy.dir
        configuration = folder / "doug.toml"
        trunks = [TRUNK.format(transport=kind, host=hosts[kind]) for kind in transports]
        configuration.write_text("".join([CONFIGURATION, *trunks]))
        doug = Doug(
            "test.peers.apps.DialsAll",
            args=[
                f"--config={configuration}",
                f"--tls-ca={self.ca}",
                f"--certificate={self.ca}",
                f"--private-key={folder / 'key.pem'}",
                f"--args=users={users}",
                f"--args=host={hosts[transports[-1]]}",
                *(f"--listen={kind}:{HOST}:0" for kind in transports),
            ],
        )
        self.addCleanup(doug.stop)
        doug.start()
        self.isRegistered(*transports)
        return doug

    def isRegistered(self, *transports: str) -> None:
        """Doug has a binding over each."""

        def bindings() -> str:
            return self.proxy.rpc("ul.dump").lower()

        for kind in transports:
            waitFor(
                f"the registration over {kind}",
                lambda: re.search(rf"address: sip:doug@[^ ]*transport={kind}", bindings()),  # noqa: B023
                12.0,
                every=0.1,
            )

    def alice(self) -> Baresip:
        alice = Baresip(
            "alice", registrar=self.tls, password="a-secret", transport="tls", ca=self.ca
        )
        self.addCleanup(alice.stop)
        alice.start()
        alice.waitRegistered()
        return alice

    def bob(self) -> Linphone | None:
        if Linphone.missing():
            return None
        at = f"localhost:{self.proxy.tlsPort}"  # it looks for no addresses in certificates
        bob = Linphone("bob", password="b-secret", registrar=at, transport="tls", ca=self.ca)
        self.addCleanup(bob.stop)
        bob.start()
        bob.register()
        return bob

    def allAreCalled(self, doug: Doug, users: list[str]) -> None:
        """Each answers, is heard, and is hung up on."""
        begin(doug)
        results = doug.dir / "dialled.txt"
        waitFor(
            "all ends",
            lambda: results.exists() and results.read_text().count(" over: ") == len(users),
            25.0,
        )
        for user in users:
            self.assertIn(f"{user} answered\n", results.read_text())
            heard = readSound(doug.dir / f"{user}.wav")
            shares = [toneShare(heard[at : at + 1600], 440) for at in range(0, len(heard), 800)]
            self.assertGreater(max(shares), 0.9, user)

    def test_overTLS(self) -> None:
        """All register over TLS, with a digest. The phones call Doug, hold, resume and hang up;
        Doug calls all and hears them.
        """
        users = ["alice"] if Linphone.missing() else ["alice", "bob"]
        doug = self.doug(" ".join(users), "tls")
        alice, bob = self.alice(), self.bob()
        notes = doug.dir / "held.txt"
        alice.dial(f"sip:doug@{self.tls};transport=tls")
        alice.waitEvent("CALL_ESTABLISHED")
        alice.hold()
        waitFor("the hold", notes.exists)
        alice.resume()
        waitFor("its end", lambda: len(notes.read_text().split()) == 2)
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")
        self.assertEqual(notes.read_text().split(), ["CallHeldEvent", "CallResumedEvent"])
        if bob is not None:
            notes.unlink()
            linphoneHolds(bob, f"sip:doug@localhost:{self.proxy.tlsPort};transport=tls", doug)
        self.allAreCalled(doug, users)
        self.assertNotIn("Traceback", doug.log())

    def test_theProxyIsStartedAnew(self) -> None:
        """It is killed, and knows nobody any more. Their connections are gone: Doug, over TCP and
        TLS, and linphone register again by themselves, and call each other; baresip calls.

        Over UDP nothing tells of a moment's absence: test.long.trunkrestart. baresip 1.0 registers
        when it is time: test.long.phonesrestart.
        """
        doug = self.doug("bob", "tcp", "tls")
        alice, bob = self.alice(), self.bob()
        self.proxy.kill()
        self.proxy.start()
        self.isRegistered("tcp", "tls")
        alice.dial(f"sip:doug@{self.tls};transport=tls")
        alice.waitEvent("CALL_ESTABLISHED")
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")
        if bob is not None:
            waitFor("linphone", lambda: "Address: sip:bob@" in self.proxy.rpc("ul.dump"), 8.0, 0.1)
            linphoneHolds(bob, f"sip:doug@localhost:{self.proxy.tlsPort};transport=tls", doug)
            self.allAreCalled(doug, ["bob"])
        self.assertNotIn("Traceback", doug.log())


def begin(doug: Doug, callID: str = "go") -> None:
    """Any call, upon which the application dials; once with each Call-ID."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind((HOST, 0))
        text = INVITE.format(target=doug.target, port=caller.getsockname()[1])
        caller.sendto(text.replace("go\r\n", f"{callID}\r\n").encode(), (HOST, doug.port))


def linphoneHolds(phone: Linphone, uri: str, doug: Doug) -> None:
    """It calls HeldEcho, holds, resumes and hangs up; Doug notes all that."""
    held, ended = doug.dir / "held.txt", doug.dir / "ended.txt"

    def calls() -> int:
        return len(ended.read_text().splitlines()) if ended.exists() else 0

    before = calls()
    phone.say(f"call {uri}")
    phone.waitLog("Media streams established")
    phone.say("pause")
    phone.waitLog("is now paused")
    phone.say("resume")
    waitFor("the call's second part", lambda: len(held.read_text().split()) == 2)
    phone.say("terminate")
    waitFor("the end", lambda: calls() > before)
    words = held.read_text().split()
    if words != ["CallHeldEvent", "CallResumedEvent"]:
        raise AssertionError(words)
