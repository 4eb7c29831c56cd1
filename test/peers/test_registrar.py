"""Doug as the registrar of real phones: they register, call and are called, over a restart too."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.caller import INVITE
from test.peers.peers import HOST, Baresip, PeerError, freePort, makeCertificate, waitFor
from test.peers.server import Doug
from test.peers.softphones import Linphone

CONFIGURATION = """\
[server]
anonymous = "app"
digest = "MD5"
registrations = "{folder}/registrations.sqlite"

[phone.alice]
password = "a-secret"

[[route]]
user = "echo"
app = "test.peers.apps.Echo"
"""
APP = "test.peers.apps.Dials"


class RegistrarTests(SynchronousTestCase):
    """alice has an account here; `echo` is the application that she calls, any other call has her
    dialled."""

    timeout = 60

    def setUp(self) -> None:
        if why := Baresip.missing():
            self.skipTest(why)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.folder = self.folder.resolve()
        self.configuration = self.folder / "doug.toml"
        self.configuration.write_text(CONFIGURATION.format(folder=self.folder))
        self.port, self.tcp = freePort(), freePort()

    def doug(self, *args: str, app: str = APP) -> Doug:
        """The server, at the same ports each time."""
        target = [f"--args=target=sip:alice@{HOST}:{self.port}"] if app is APP else []
        doug = Doug(
            app,
            port=self.port,
            args=[
                f"--config={self.configuration}",
                f"--listen=tcp:{HOST}:{self.tcp}",
                *target,
                *args,
            ],
        )
        self.addCleanup(doug.stop)
        doug.start()
        return doug

    def phone(self, transport: str = "udp", password: str = "a-secret", port: int = 0) -> Baresip:
        port = port or (self.tcp if transport == "tcp" else self.port)
        phone = Baresip(
            "alice",
            registrar=f"{HOST}:{port}",
            password=password,
            transport=transport,
            trace=True,
        )
        self.addCleanup(phone.stop)
        phone.start()
        return phone

    def calls(self, phone: Baresip) -> None:
        """She calls the echo: with her password, and hears herself."""
        phone.dial(f"sip:echo@{HOST}:{self.port}")
        phone.waitEvent("CALL_ESTABLISHED")
        time.sleep(1.2)
        phone.hangup()
        phone.waitEvent("CALL_CLOSED")
        challenged = phone.log().partition("INVITE sip:echo")[2]
        self.assertIn("SIP/2.0 401", challenged)
        waitFor("the recording", lambda: len(readSound(phone.heard()[-1])) > 8000, 2.0)
        heard = readSound(phone.heard()[-1])
        self.assertGreater(toneShare(heard[3200:8000], 440), 0.9)

    def isCalled(self, doug: Doug, phone: Baresip) -> None:
        """The application dials her, and hangs up when she has answered."""
        results = doug.dir / "dialled.txt"
        before = len(results.read_text()) if results.exists() else 0

        def words() -> str:
            return results.read_text()[before:] if results.exists() else ""

        self.trigger(doug)
        phone.waitEvent("CALL_ESTABLISHED")
        phone.waitEvent("CALL_CLOSED")
        waitFor("the end", lambda: "ended: " in words())
        self.assertIn("answered\n", words())

    def trigger(self, doug: Doug) -> None:
        """Any call, upon which the application dials; once to each server."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind((HOST, 0))
            text = INVITE.format(target=doug.target, port=caller.getsockname()[1])
            caller.sendto(text.encode(), (HOST, doug.port))

    def test_overUDPAndOverARestart(self) -> None:
        """It calls, is called, and is called by the next server without a word in between.

        A wrong password after that is refused, and not logged.
        """
        doug = self.doug()
        phone = self.phone()
        phone.waitRegistered()
        self.calls(phone)
        self.isCalled(doug, phone)
        doug.stop()
        before = phone.log().count("REGISTER sip:")
        doug = self.doug()
        self.isCalled(doug, phone)
        self.assertEqual(phone.log().count("REGISTER sip:"), before)
        phone.stop()  # while there is somebody to unregister at
        stranger = self.phone(password="guessed")
        with self.assertRaisesRegex(PeerError, "refused with 4"):
            stranger.waitRegistered()
        doug.waitLog("wrong password for alice")
        self.assertNotIn("guessed", doug.log())
        self.assertNotIn("Traceback", doug.log())

    def test_linphone(self) -> None:
        """It registers, calls, hears itself, and is called."""
        if why := Linphone.missing():
            self.skipTest(why)
        doug = self.doug()
        phone = Linphone("alice", password="a-secret", registrar=doug.target)
        self.addCleanup(phone.stop)
        phone.start()
        phone.register()
        phone.say(f"call sip:echo@{doug.target}")
        phone.waitLog("Media streams established")
        time.sleep(1.0)
        phone.say("terminate")
        waitFor("the end", (doug.dir / "ended.txt").exists)
        heard = readSound(phone.heard)  # some of it is silence
        shares = [toneShare(heard[at : at + 3200], 440) for at in range(0, len(heard), 800)]
        self.assertGreater(max(shares), 0.9)
        self.trigger(doug)
        results = doug.dir / "dialled.txt"
        waitFor("the end", lambda: results.exists() and "ended: " in results.read_text(), 8.0)
        self.assertIn("answered\n", results.read_text())

    def test_allPhonesOverAllTransportsAndARestart(self) -> None:
        """Six phones (three without linphone) register, are called and heard; Doug is restarted;
        they are called again.

        What each does when its connection is gone: linphone makes a new one and registers over it,
        so it is called once it has. baresip 1.0 does nothing until its registration is due, after
        54 of its 60 seconds; until then it is reached at the port that it listens at, over TLS only
        as Doug believes the phone's own certificate (--tls-ca). Over UDP there is nothing to lose.
        """
        makers = (Baresip, Linphone) if Linphone.missing() is None else (Baresip,)
        tls = freePort()
        certificate, key = makeCertificate(self.folder, HOST)  # linphone looks at DNS names alone
        ports = {"udp": self.port, "tcp": self.tcp, "tls": tls}
        phones: dict[str, Baresip | Linphone] = {}
        for kind, port in ports.items():
            for maker in makers:
                user = f"{maker.__name__.lower()}-{kind}"
                phone = phones[user] = maker(
                    user,
                    registrar=f"{HOST}:{port}",
                    password="a-secret",
                    transport=kind,
                    ca=certificate,
                )
                self.addCleanup(phone.stop)
                with self.configuration.open("a") as configuration:
                    configuration.write(f'[phone.{user}]\npassword = "a-secret"\n')
        arguments = (
            f"--listen=tls:{HOST}:{tls}",
            f"--certificate={certificate}",
            f"--private-key={key}",
            f"--tls-ca={phones['baresip-tls'].dir / 'cert.pem'}",
            f"--args=users={' '.join(phones)}",
            f"--args=host={HOST}:{self.port}",
        )
        doug = self.doug(*arguments, app="test.peers.apps.DialsAll")
        with ThreadPoolExecutor() as pool:
            list(pool.map(registers, phones.values()))
        self.allAreCalled(doug, list(phones))
        doug.stop()
        doug = self.doug(*arguments, app="test.peers.apps.DialsAll")
        for user in {"linphone-tcp", "linphone-tls"} & phones.keys():
            doug.waitLog(f"{user} is registered at", 10.0)
            doug.waitLog(f"{user} is gone from")  # where it was: it has one place
        self.allAreCalled(doug, list(phones))
        with ThreadPoolExecutor() as pool:  # while there is somebody to unregister at
            list(pool.map(lambda phone: phone.stop(), phones.values()))
        self.assertNotIn("Traceback", doug.log())

    def allAreCalled(self, doug: Doug, users: list[str]) -> None:
        """DialsAll dials them; each answers, is heard, and is hung up on."""
        self.trigger(doug)
        results = doug.dir / "dialled.txt"

        def words() -> str:
            return results.read_text() if results.exists() else ""

        waitFor("all ends", lambda: words().count(" over: ") == len(users), 25.0)
        self.assertEqual(
            sorted(line for line in words().splitlines() if "answered" in line),
            sorted(f"{user} answered" for user in users),
        )
        for user in users:
            heard = readSound(doug.dir / f"{user}.wav")
            shares = [toneShare(heard[at : at + 1600], 440) for at in range(0, len(heard), 800)]
            self.assertGreater(max(shares), 0.9, user)


def registers(phone: Baresip | Linphone) -> None:
    """It starts, until the registrar has said 200."""
    phone.start()
    if isinstance(phone, Linphone):
        phone.register()
    else:
        phone.waitRegistered(10.0)
