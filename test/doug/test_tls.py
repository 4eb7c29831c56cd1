"""Certificates, keys and authorities that cannot be used: one line each, and the old pair stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from doug.application import StartFailed
from doug.demo import Demo
from doug.rehearsal import Level, rehearse
from doug.settings import Endpoint, Settings
from doug.testing import Lab
from doug.tls import Certificates, TLSFailed
from test.doug.callees import Notes
from test.support.logs import logLines

try:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from OpenSSL import SSL

    from test.support.certificates import selfSigned
except ImportError:  # the extra is not there
    selfSigned = None  # type: ignore[assignment]

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class TLSFilesCase(SynchronousTestCase):
    """A folder with a pair that is right, and whatever else a test writes into it."""

    def setUp(self) -> None:
        if selfSigned is None:
            raise SkipTest("TLS needs the extra tls")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        both = selfSigned(self.folder, "127.0.0.1").read_text()
        at = both.index(BEGIN)
        self.key, self.certificate = both[:at], both[at:]
        self.file("c.pem", self.certificate)
        self.file("k.pem", self.key)

    def file(self, name: str, text: str | bytes) -> str:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    def newKey(self, encryption: str = "") -> str:
        """Of the same kind as the right one; encrypted in PKCS #8 or as of old, if so wanted."""
        made = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat
        return made.private_bytes(
            serialization.Encoding.PEM,
            form.TraditionalOpenSSL if encryption == "old" else form.PKCS8,
            serialization.BestAvailableEncryption(b"secret")
            if encryption
            else serialization.NoEncryption(),
        ).decode()

    def broken(self) -> list[tuple[str, str, str]]:
        """What certificate and key may hold, and what has to be said of it, the option first."""
        other = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        cut = f"{self.certificate[:300]}\n{END}\n"
        good, key = self.certificate, self.key
        return [
            (good, "garbage", "--private-key={key}: there is no private key in it (PEM)"),
            (good, "", "--private-key={key}: there is no private key in it (PEM)"),
            (good, good, "--private-key={key}: there is no private key in it (PEM)"),
            (good, key[:120], "--private-key={key}: the private key in it cannot be read"),
            (good, key.replace("M", "N", 1), "--private-key={key}: the private key in it cannot"),
            (good, self.newKey("new"), "--private-key={key}: its key is encrypted"),
            (good, self.newKey("old"), "--private-key={key}: its key is encrypted"),
            (
                good,
                self.newKey(),
                "--private-key={key}: key mismatch: it is not that of {certificate}",
            ),
            (
                good,
                other.decode(),
                "--private-key={key}: key mismatch: it is not that of {certificate}",
            ),
            ("", key, "--certificate={certificate}: there is no certificate in it (PEM)"),
            ("garbage", key, "--certificate={certificate}: there is no certificate in it (PEM)"),
            (cut, key, "--certificate={certificate}: a certificate in it cannot be read"),
            (good + cut, key, "--certificate={certificate}: a certificate in it cannot be read"),
            (good[:300], key, "--certificate={certificate}: a certificate in it cannot be read"),
        ]

    def settings(self, certificate: str, key: str | None) -> Settings:
        return Settings(
            listen=(Endpoint("tls", "127.0.0.1", 0),),
            rtpPorts=(20000, 20002),
            apps={"": Demo},
            certificate=certificate,
            privateKey=key,
        )


class BrokenFilesTests(TLSFilesCase):
    """--check and start say the same, in a line."""

    def said(self, settings: Settings) -> str:
        """The one thing that is wrong, as --check has it; a start says it, too."""
        wrong = [
            line.text for line in rehearse(settings, lambda hosts: {}) if line.level is Level.WRONG
        ]
        self.assertEqual(len(wrong), 1, wrong)
        lab = None
        with self.assertRaises(StartFailed) as caught:
            lab = Lab(Demo, settings=settings)
        self.assertIsNone(lab)
        self.assertIn(wrong[0], str(caught.exception))
        self.assertNotIn("\n", wrong[0])
        return wrong[0]

    def test_whatIsWrongIsNamedWithItsFile(self) -> None:
        for number, (certificate, key, words) in enumerate(self.broken()):
            files = {
                "certificate": self.file(f"{number}.crt", certificate),
                "key": self.file(f"{number}.key", key),
            }
            said = self.said(self.settings(files["certificate"], files["key"]))
            self.assertTrue(said.startswith(words.format(**files)), f"{said} != {words}")

    def test_aKeyThatWasForgotten(self) -> None:
        said = self.said(self.settings(str(self.folder / "c.pem"), None))
        self.assertIn(f"--certificate={self.folder}/c.pem: there is no private key in it", said)
        self.assertIn("--private-key=FILE", said)

    def test_filesThatCannotBeRead(self) -> None:
        """None, a folder, a pipe that nobody writes to (which is not waited for)."""
        os.mkfifo(self.folder / "pipe")
        for name, words in (
            ("gone.pem", "No such file or directory"),
            (".", "it is a folder, wanted a file"),
            ("pipe", "it is a pipe or a device, wanted a file"),
        ):
            path = str(self.folder / name)
            said = self.said(self.settings(path, str(self.folder / "k.pem")))
            self.assertEqual(said, f"--certificate={path}: {words}")
            said = self.said(self.settings(str(self.folder / "c.pem"), path))
            self.assertEqual(said, f"--private-key={path}: {words}")

    def test_authorities(self) -> None:
        """A server that could verify nobody does not start."""
        cut = f"{self.certificate[:300]}\n{END}\n"
        for number, (text, words) in enumerate(
            [
                ("", "there is no certificate in it (PEM)"),
                (self.key, "there is no certificate in it (PEM)"),
                (self.certificate + cut, "a certificate in it cannot be read"),
            ]
        ):
            path = self.file(f"{number}.ca", text)
            both = str(self.folder / "both.pem")
            listen = (Endpoint("tls", "127.0.0.1", 0),)
            settings = Settings(
                listen=listen,
                rtpPorts=(20000, 20002),
                apps={"": Demo},
                certificate=both,
                tlsCA=path,
            )
            self.assertTrue(self.said(settings).startswith(f"--tls-ca={path}: {words}"))


class RenewalTests(TLSFilesCase):
    """New files in place of those of a server that runs."""

    def shown(self, context: SSL.Context) -> bytes:
        """The certificate that a client sees."""
        client, server = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None), None
        server = SSL.Connection(context, None)
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(4):
            for end, far in ((client, server), (server, client)):
                try:
                    end.do_handshake()
                except SSL.WantReadError:
                    """It is the other's turn."""
                try:
                    far.bio_write(end.bio_read(65536))
                except SSL.WantReadError:
                    """It has said all."""
        found = client.get_peer_certificate()
        assert found is not None
        return found.to_cryptography().public_bytes(serialization.Encoding.DER)

    def test_whateverIsWrongTheOldPairStays(self) -> None:
        """And each handshake is served; the pair that is put right is taken."""
        certificate, key = self.file("run.crt", self.certificate), self.file("run.key", self.key)
        factory = Certificates(self.settings(certificate, key)).serving()
        first = self.shown(factory.getContext())
        said = logLines(self)
        for number, (newCertificate, newKey, _) in enumerate(self.broken(), 1):
            self.file("run.crt", newCertificate)
            self.file("run.key", newKey)
            for path in (certificate, key):
                os.utime(path, (number, number))
            for _ in range(2):
                self.assertEqual(self.shown(factory.getContext()), first)
            self.assertEqual(len(said), number, said[-1])
            self.assertIn("the certificate is not read anew, the old one stays: --", said[-1])
        os.remove(key)
        self.assertEqual(self.shown(factory.getContext()), first)
        both = selfSigned(self.folder, "127.0.0.1").read_text()
        self.file("run.crt", both)
        self.file("run.key", both)
        self.assertNotEqual(self.shown(factory.getContext()), first)


class Rejected(Notes):
    """Writes down why a call did not come about."""

    def over(self, event: Any) -> None:
        self.notes.append(getattr(event, "reason", None))
        self.returnResult(None)


class DialTests(TLSFilesCase):
    """A call over TLS whose authorities cannot be read any more."""

    def test_theCallFailsAndSoDoesTheNext(self) -> None:
        """The reason is in words; nothing is left that waits for a connection."""
        ca = self.file("ca.pem", self.certificate)
        both = str(self.folder / "both.pem")
        notes: list[Any] = []
        lab = Lab(
            Rejected,
            settings=Settings(
                listen=(Endpoint("tls", "", 5061),), certificate=both, tlsCA=ca, rtpTimeout=0.0
            ),
            notes=notes,
        )
        self.addCleanup(lab.close)
        self.file("ca.pem", "garbage")
        for number in (1, 2):
            lab.application.startVoiceApp(toURI="sip:bob@198.51.100.20;transport=tls")
            lab.advance(1.0)
            self.assertEqual(len(notes), number)
            self.assertIn(f"--tls-ca={ca}: there is no certificate in it", notes[-1])
        lab.assertNothingLeft()

    def test_pathsWithoutSense(self) -> None:
        self.assertRaises(TLSFailed, Certificates(Settings(tlsCA="a\0b")).connecting, "x")
