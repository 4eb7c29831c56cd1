"""Doug over TCP and TLS: real phones call it and are called, certificates included."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.peers.caller import INVITE
from test.peers.peers import HERE, HOST, Baresip, Sipp, freePort, makeCertificate, waitFor
from test.peers.proxies import Kamailio
from test.peers.server import Doug

OPTIONS = (
    "OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK{n}\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


class TransportTests(SynchronousTestCase):
    """One server with UDP, TCP and TLS."""

    timeout = 60

    def setUp(self) -> None:
        if why := Sipp.missing() or Baresip.missing():
            self.skipTest(why)

    def doug(self, app: str, *args: str) -> Doug:
        self.tcp, self.tls = freePort(), freePort()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.folder = folder.resolve()
        self.certificate, key = makeCertificate(self.folder)
        doug = Doug(
            f"test.peers.apps.{app}",
            args=[
                f"--listen=tcp:{HOST}:{self.tcp}",
                f"--listen=tls:{HOST}:{self.tls}",
                f"--certificate={self.certificate}",
                f"--private-key={key}",
                *args,
            ],
        )
        self.addCleanup(doug.stop)
        return doug

    def phone(self, transport: str, **how: object) -> Baresip:
        phone = Baresip("alice", transport=transport, **how)
        self.addCleanup(phone.stop)
        phone.start()
        return phone

    def trigger(self, doug: Doug) -> None:
        """Any call, upon which the application dials."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.bind((HOST, 0))
            text = INVITE.format(target=doug.target, port=caller.getsockname()[1])
            caller.sendto(text.encode(), (HOST, doug.port))

    def dialled(self, doug: Doug, seconds: float = 8.0) -> str:
        path = doug.dir / "dialled.txt"
        waitFor("the end", lambda: path.exists() and ": " in path.read_text(), seconds)
        return str(path.read_text())

    def test_callsOverTCP(self) -> None:
        """sipp's twenty calls on one connection; each is answered and ended."""
        doug = self.doug("Echo")
        doug.start()
        sipp = Sipp(
            HERE / "sipp/uac_basic.xml",
            f"{HOST}:{self.tcp}",
            calls=20,
            transport="t1",
            args=["-s", "echo", "-r", "20"],
        )
        code, _ = sipp.run()
        self.assertEqual(code, 0)

    def test_soundAndByeOverTCP(self) -> None:
        doug = self.doug("Echo")
        doug.start()
        alice = self.phone("tcp")
        alice.dial(f"sip:echo@{HOST}:{self.tcp};transport=tcp")
        alice.waitEvent("CALL_ESTABLISHED")
        time.sleep(1.5)
        alice.hangup()
        alice.waitEvent("CALL_CLOSED")
        time.sleep(0.3)
        heard = readSound(alice.heard()[-1])
        self.assertGreater(toneShare(heard[4000:10000], 440), 0.9)

    def test_ourByeGoesOverTheCallersConnection(self) -> None:
        """transport-006: over TLS, from a phone whose own port nobody could reach."""
        doug = self.doug("HangsUp")
        doug.start()
        alice = self.phone("tls", ca=self.certificate)
        alice.dial(f"sip:echo@{HOST}:{self.tls};transport=tls")
        alice.waitEvent("CALL_ESTABLISHED")
        alice.waitEvent("CALL_CLOSED", 8.0)

    def test_throughAnEdgeOverTLS(self) -> None:
        """baresip over TLS to a kamailio, which records its route, and over TLS to Doug.

        Both ends hang up once: each over the connections that there are.
        """
        if why := Kamailio.missing():
            self.skipTest(why)
        for app, ends in (("Echo", "alice"), ("HangsUp", "doug")):
            doug = self.doug(app, "--tls-no-verify")
            edge = Kamailio.edge(f"sip:{HOST}:{self.tls};transport=tls")
            doug.start()
            self.addCleanup(edge.stop)
            edge.start()
            alice = self.phone("tls", ca=edge.dir / "cert.pem")
            alice.dial(f"sip:echo@{HOST}:{edge.tlsPort};transport=tls")
            alice.waitEvent("CALL_ESTABLISHED")
            if ends == "alice":
                time.sleep(0.5)
                alice.hangup()
            alice.waitEvent("CALL_CLOSED", 8.0)
            doug.waitLog("ended after", 5.0)
            self.assertNotIn("not confirmed", doug.log())

    def test_dialsOverTCP(self) -> None:
        """Twice, over one connection."""
        with Sipp.uas(transport="t1") as callee:
            doug = self.doug("Dials", f"--args=target={callee.uri}")
            doug.start()
            self.trigger(doug)
            self.assertIn("answered", self.dialled(doug))

    def test_dialsOverTLS(self) -> None:
        """A certificate that is signed by whom we believe, and is for that host."""
        alice = self.phone("tls")
        ca = alice.dir / "cert.pem"
        doug = self.doug("Dials", f"--args=target={alice.uri}", f"--tls-ca={ca}")
        doug.start()
        self.trigger(doug)
        alice.waitEvent("CALL_ESTABLISHED")
        alice.hangup()
        self.assertIn("answered", self.dialled(doug))

    def test_aCertificateThatNobodyHasSignedIsRefused(self) -> None:
        """And the reason says what to do about it; --tls-no-verify takes it."""
        alice = self.phone("tls")
        doug = self.doug("Dials", f"--args=target={alice.uri}")
        doug.start()
        self.trigger(doug)
        words = self.dialled(doug)
        self.assertIn("verify failed", words)
        self.assertIn("--tls-ca", words)
        doug.stop()
        doug = self.doug("Dials", f"--args=target={alice.uri}", "--tls-no-verify")
        doug.start()
        self.trigger(doug)
        alice.waitEvent("CALL_ESTABLISHED")
        alice.hangup()
        self.assertIn("answered", self.dialled(doug))

    def shown(self) -> bytes | None:
        """The certificate that Doug shows now, after an OPTIONS was answered."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((HOST, self.tls)) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(OPTIONS.format(target=f"{HOST}:{self.tls}", n=time.monotonic()).encode())
            self.assertIn(b"SIP/2.0 200", secure.recv(4096))
            return secure.getpeercert(binary_form=True)

    def test_aNewCertificateIsShownWithoutARestart(self) -> None:
        """One that cannot be read leaves the old one in use."""
        doug = self.doug("Echo")
        doug.start()
        first = self.shown()
        makeCertificate(self.folder)
        second = self.shown()
        self.assertNotEqual(first, second)
        self.certificate.write_text("broken")
        self.assertEqual(self.shown(), second)
        self.assertIn("is not read anew", doug.log())

    def test_TLSWithoutACertificateIsAMistake(self) -> None:
        doug = Doug("test.peers.apps.Echo", args=[f"--listen=tls:{HOST}:{freePort()}"])
        self.addCleanup(doug.stop)
        doug.start()
        doug.waitLog("TLS needs a certificate: --certificate=FILE")
