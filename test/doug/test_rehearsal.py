"""`--check`: a line about each thing, and an exit code."""

from __future__ import annotations

import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from doug.demo import Demo
from doug.rehearsal import Level, rehearse, report
from doug.settings import Endpoint, Routed, Settings
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip import websocket
from test.support.rights import asNobody
from test.support.wavfile import tone, wav

NOW = 1_900_000_000.0
ANY = Endpoint("udp", "127.0.0.1", 0)


class Other(Demo):
    """The same by another name."""


def certificate(folder: Path, days: int, *names: str) -> tuple[str, str]:
    """Files of a certificate that ends so many days after NOW, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.fromtimestamp(NOW, UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "doug")])
    builder = x509.CertificateBuilder().subject_name(who).issuer_name(who)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(days=99))
    builder = builder.not_valid_after(now + timedelta(days=days))
    if names:
        found: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        found.append(x509.IPAddress(ip_address("203.0.113.5")))
        builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
    made = builder.sign(key, hashes.SHA256())
    crt, pem = folder / f"{days}.crt", folder / f"{days}.key"
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(crt), str(pem)


class RehearsalTests(SynchronousTestCase):
    """Settings, and what is said of them."""

    def setUp(self) -> None:
        """Few media ports: each is tried."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.asked: list[str] = []

    def settings(self, **given: Any) -> Settings:
        given.setdefault("listen", (ANY,))
        given.setdefault("rtpPorts", (20000, 20010))
        given.setdefault("apps", {"": Demo})
        return Settings(**given)

    def lookUp(self, hosts: Any) -> dict[str, list[str]]:
        """DNS knows one name, has none of another, and says nothing of the rest."""
        known = {"sip.example.com": ["203.0.113.7"], "none.example.com": []}
        self.asked = sorted(hosts)
        return {host: known[host] for host in hosts if host in known}

    def said(self, level: Level | None = None, **given: Any) -> list[str]:
        """The texts of that level, or of all."""
        lines = rehearse(self.settings(**given), self.lookUp, lambda: NOW)
        return [line.text for line in lines if level in (None, line.level)]

    def wrong(self, *words: str, **given: Any) -> None:
        """One thing is wrong, and these words say so."""
        said = self.said(Level.WRONG, **given)
        self.assertEqual(len(said), 1, said)
        for word in words:
            self.assertIn(word, said[0])

    def test_allIsWell(self) -> None:
        said = self.said()
        self.assertEqual(self.said(Level.WRONG), [])
        self.assertIn("--listen=udp:127.0.0.1:0: SIP is heard there", said)
        self.assertIn("--rtp-ports=20000-20010: 6 calls can have media at a time", said)
        self.assertIn("doug.demo.app.Demo has all other calls", said)
        self.assertIn("anybody may call", said)
        self.assertTrue(any("files and sockets may be open" in text for text in said))

    def test_aPortThatIsTaken(self) -> None:
        """Over UDP and TCP; free ones are free again afterwards."""
        for transport, kind in (("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)):
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind(("127.0.0.1", 0))
                if kind == socket.SOCK_STREAM:
                    taken.listen()
                endpoint = Endpoint(transport, "127.0.0.1", taken.getsockname()[1])
                self.wrong(
                    f"--listen={endpoint}", "another program has that port", listen=(endpoint,)
                )
            for _ in range(2):
                self.assertEqual(self.said(Level.WRONG, listen=(endpoint,)), [])

    def test_onePortTwice(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            endpoint = Endpoint("udp", "127.0.0.1", free.getsockname()[1])
        self.wrong("another program has that port", listen=(endpoint, endpoint))

    def test_anAddressThatIsNotOurs(self) -> None:
        endpoint = Endpoint("udp", "203.0.113.1", 0)
        said = self.said(Level.WRONG, listen=(endpoint,))
        self.assertIn("this machine has no such address", said[0])

    def test_mediaPortsThatAreTaken(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1] // 2 * 2
            if port != taken.getsockname()[1]:
                taken.close()
                taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.addCleanup(taken.close)
                taken.bind(("127.0.0.1", port))
            self.wrong("other programs have all of these", rtpPorts=(port, port))
            notes = self.said(Level.NOTE, rtpPorts=(port - 20, port))
            self.assertIn(f"--rtp-ports={port - 20}-{port}: 10 calls", notes[0])
            self.assertIn(f"other programs have 1 ports, such as {port}", notes[0])

    def test_certificates(self) -> None:
        """Names and end; ended, soon to end, without a name, another's key, no file."""
        crt, key = certificate(self.folder, 90, "doug.example.com")
        given = {"certificate": crt, "privateKey": key}
        said = self.said(Level.OK, **given)
        self.assertIn(
            f"--certificate={crt}: for doug.example.com, 203.0.113.5, until 2030-06-15; its key "
            "fits",
            said,
        )
        soon, soonKey = certificate(self.folder, 3, "doug.example.com")
        notes = self.said(Level.NOTE, certificate=soon, privateKey=soonKey)
        self.assertIn("it ends soon, on 2030-03-20", notes[0])
        old, oldKey = certificate(self.folder, -3, "doug.example.com")
        self.wrong("it ended on 2030-03-14", certificate=old, privateKey=oldKey)
        bare, bareKey = certificate(self.folder, 91)
        self.wrong("no name in it", certificate=bare, privateKey=bareKey)
        self.wrong("key", "mismatch", certificate=crt, privateKey=soonKey)
        self.wrong("No such file", certificate="/nowhere/x.pem")
        self.wrong("needs a certificate", listen=(Endpoint("tls", "127.0.0.1", 0),))
        self.wrong("--tls-ca=/nowhere/ca.pem", "No such file", tlsCA="/nowhere/ca.pem")
        self.assertEqual(self.said(Level.WRONG, tlsCA=crt), [])

    def test_applications(self) -> None:
        """Who has which calls, in the order in which they are asked."""
        said = self.said(
            apps={"echo": Other},
            routes=(Routed(Demo, user="100", trunk="office"),),
            trunks={"office": Trunk("office", "203.0.113.7")},
        )
        names = [text for text in said if "Demo" in text or "Other" in text]
        self.assertEqual(
            names,
            [
                "doug.demo.app.Demo has calls to 100 of trunk office",
                "test.doug.test_rehearsal.Other has calls to echo",
            ],
        )
        self.assertIn("all other calls are refused (404): no --app is for them", said)

    def test_prompts(self) -> None:
        """Every argument with the suffix of a sound file, of --args and of routes."""
        good, bad = self.folder / "good.wav", self.folder / "bad.WAV"
        good.write_bytes(wav(tone(440, 0.1, 8000), 8000))
        bad.write_bytes(b"RIFFnothing")
        route = Routed(Demo, user="100", args={"greeting": str(good), "times": 3})
        self.assertIn(
            f"doug.demo.app.Demo: greeting = {good}: can be played", self.said(routes=(route,))
        )
        missing = {"greeting": "missing.wav", "name": "missing"}
        self.wrong("greeting = missing.wav", "missing.wav", args=missing)
        self.wrong(str(bad), routes=(Routed(Demo, user="1", args={"greeting": str(bad)}),))
        nested = {"prompts": ["ok", {"first": ["missing.wav"]}], "number": 7}
        self.wrong(
            "prompts = missing.wav: missing.wav", routes=(Routed(Demo, user="1", args=nested),)
        )

    def test_routesThatAreNeverReached(self) -> None:
        trunks = {"office": Trunk("office", "203.0.113.7")}
        both = Routed(Other, user="100", trunk="office")
        for first in (Routed(Demo, user="100"), Routed(Demo, trunk="office"), both):
            self.wrong(
                "the route of calls to 100 of trunk office", routes=(first, both), trunks=trunks
            )
        for first in (Routed(Demo, user="101"), Routed(Demo, user="100", trunk="home")):
            self.assertEqual(self.said(Level.WRONG, routes=(first, both), trunks=trunks), [])
        self.wrong("Demo for all other calls is never reached", routes=(Routed(Other),))
        apps = {"": Demo, "100": Other}
        self.wrong("Other for calls to 100", apps=apps, routes=(Routed(Demo, user="100"),))
        self.assertEqual(self.said(Level.WRONG, apps=apps, routes=(Routed(Demo, "1"),)), [])

    def test_trunks(self) -> None:
        """Where they are; names alone are looked up."""
        trunks = {
            "a": Trunk("a", "sip.example.com", user="doug", password="x", register=True),
            "b": Trunk("b", "203.0.113.9"),
            "c": Trunk("c", "none.example.com"),
            "d": Trunk("d", "late.example.com"),
        }
        said = self.said(trunks=trunks)
        self.assertEqual(self.asked, ["late.example.com", "none.example.com", "sip.example.com"])
        for text in (
            "trunk a (sip.example.com) registers as sip:doug@sip.example.com; it is at 203.0.113.7",
            "trunk b (203.0.113.9) does not register; it is at 203.0.113.9",
            "calls are taken of 4 trunks, and of nobody else",
        ):
            self.assertIn(text, said)
        notes = " ".join(self.said(Level.NOTE, trunks=trunks))
        self.assertIn("a look-up of none.example.com has no address", notes)
        self.assertIn("a look-up of late.example.com was not answered in time", notes)
        tls = {"t": Trunk("t", "203.0.113.9", transport="tls")}
        self.wrong("no tls port leads there", trunks=tls)
        tcp = (Endpoint("tcp", "127.0.0.1", 0),)
        for there in (Trunk("u", "203.0.113.9"), Trunk("u", "sip.example.com", 5060)):
            self.wrong("no udp port leads there", trunks={"u": there}, listen=tcp)
        named = {"u": Trunk("u", "sip.example.com")}
        self.assertEqual(self.said(Level.WRONG, trunks=named, listen=tcp), [])
        notes = " ".join(self.said(Level.NOTE, trunks=named, listen=tcp))
        self.assertIn("DNS may name another transport", notes)

    def test_callers(self) -> None:
        self.wrong("--anonymous=reject", anonymous="reject")
        said = self.said(phones={"alice": Phone("x")}, dialOut=("*.example.com",))
        self.assertIn("calls are taken of 1 phones, and of nobody else", said)
        self.assertIn("applications may dial *.example.com", said)

    def test_registrations(self) -> None:
        path = self.folder / "phones.sqlite"
        self.assertIn(
            f"--registrations={path}: registrations are kept there",
            self.said(registrations=str(path)),
        )
        self.assertFalse(path.exists())
        self.wrong("there is no folder /nowhere", registrations="/nowhere/phones.sqlite")
        self.wrong("it is no file", registrations=str(self.folder))
        path.write_bytes(b"garbage" * 1000)
        self.wrong("it is no file of registrations", registrations=str(path))
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE bindings (name TEXT)")
        database.close()
        self.wrong("no such column", registrations=str(path))
        with asNobody():
            self.wrong("cannot be written", registrations="/etc/phones.sqlite")
            self.wrong("registrations cannot be kept there", registrations="/etc/passwd")

    def test_holdMusic(self) -> None:
        """Doug's own, none, a file that is right, and one that is not."""
        good = self.folder / "good.wav"
        good.write_bytes(wav(tone(440, 0.1, 8000), 8000))
        for music in ("", None, str(good)):
            self.assertEqual(self.said(Level.WRONG, holdMusic=music), [])
        self.assertIn(f"--hold-music={good}: can be played", self.said(holdMusic=str(good)))
        self.wrong("--hold-music=none.wav: none.wav cannot be opened", holdMusic="none.wav")

    def test_whatIsMissingForABrowser(self) -> None:
        """Without the extra of that name there is no WebSocket, at the start either."""
        self.patch(websocket, "missing", lambda: "WebSocket needs an extra")
        self.wrong(
            "--listen=ws:127.0.0.1:0: WebSocket needs an extra",
            listen=(Endpoint("ws", "127.0.0.1", 0),),
        )

    def test_theExitCode(self) -> None:
        """0 unless something is wrong; each line begins with what it is."""
        written: list[str] = []
        self.assertEqual(report(self.settings(), written.append), 0)
        self.assertTrue(all(line.endswith("\n") for line in written))
        self.assertRegex(written[0], r"\Aok +--listen=udp:127\.0\.0\.1:0")
        self.assertEqual(report(self.settings(anonymous="reject"), written.append), 1)
        self.assertTrue(any(line.startswith("WRONG --anonymous") for line in written))
