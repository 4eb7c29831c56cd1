"""Phones and trunks that write what is no text where text is wanted: an answer, and all goes on.

Lives here: whole servers with phones. Not here: what of credentials and bindings is right
(test.agent.test_gatekeeper, test.agent.test_registrar), the same by chance (test.fuzz).
"""

from __future__ import annotations

import re

from doug.events import CallAnsweredEvent, CallRejectedEvent
from doug.settings import Settings
from shtoom.agent.registrar import Phone as Account
from shtoom.sip.digest import Answering, parseChallenges
from shtoom.sip.message import Response
from test.cases.case import FieldCase

OCTETS = (b"\xff", b"\xc3", b"\0", b"\x1b", b"\xed\xa0\x80")
"""No UTF-8, half of a character, controls, a surrogate."""

CREDENTIALS = (
    b'Authorization: Digest username="alice", realm="doug", nonce="1", uri="sip:doug", '
    b'response="00", algorithm=MD5, cnonce="1", qop=auth, nc=00000001\r\n'
)


class OddPhoneTests(FieldCase):
    """alice may register; she is at 198.51.100.20."""

    settings = Settings(phones={"alice": Account("a")}, anonymous="app")

    def ask(self, method: str, number: int, *lines: bytes, to: bytes = b"") -> Response:
        """The answer to a request of alice's with these lines."""
        self.alice.raw(
            f"{method} sip:doug SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.alice.host}:5060;branch=z9hG4bK{method}{number}\r\n"
            f"From: <sip:alice@doug>;tag=1\r\nCall-ID: {method}{number}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:alice@{self.alice.host}>\r\nTo: ".encode()
            + (to + b"<sip:alice@doug>\r\n" + b"".join(lines) + b"Content-Length: 0\r\n\r\n")
        )
        return self.alice.response(f"[0-9]{{3}} {method}")

    def register(self, number: int, *lines: bytes) -> int:
        """With the right password; the code that it is answered with."""
        first = self.ask("REGISTER", number, *lines)
        if first.code != 401:
            return first.code
        challenge = parseChallenges(first.headers.getLines("WWW-Authenticate"))[-1]
        answer = Answering(challenge, "alice", "a", "1").answer("REGISTER", "sip:doug")
        line = f"Authorization: {answer}\r\n".encode()
        return self.ask("REGISTER", number + 1, *lines, line).code

    def test_aNonceOfSuchOctetsIsNoneOfOurs(self) -> None:
        """So are all other values of the credentials: 401, whoever asks for what."""
        number = 0
        for octet in OCTETS:
            for place in re.finditer(rb'[^"](?="?(?:, |\r\n))', CREDENTIALS):
                line = CREDENTIALS[: place.start()] + octet + CREDENTIALS[place.end() :]
                for method in ("REGISTER", "INVITE"):
                    number += 1
                    self.assertEqual(self.ask(method, number, line).code, 401, line)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_aNameOfSuchOctets(self) -> None:
        """In a To, which goes back as it came, with our tag: 401."""
        for number, octet in enumerate(OCTETS):
            for method in ("REGISTER", "INVITE"):
                response = self.ask(method, number, to=b'"%s" ' % octet)
                self.assertEqual(response.code, 401, octet)
                self.assertIsNotNone(response.toAddress.tag)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_aPathThatNoCallCanHaveIs400(self) -> None:
        """Even with the right password; nothing is kept, and she is called where she was."""
        self.assertEqual(self.register(1), 200)
        for number, path in enumerate((b"<sip:203.0.113.5;lr;x=\0>", b"<sip:203.0.113.5>;x=\0")):
            self.assertEqual(self.register(10 * number + 10, b"Path: " + path + b"\r\n"), 400)
        app = self.dial("sip:alice@doug")
        call = self.alice.takes(self.alice.request("INVITE"))
        call.says(200, body=self.alice.answer)
        self.alice.request("ACK")
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        self.hangUp(call)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_aChallengeOfSuchOctetsIsAnsweredOrNot(self) -> None:
        """A call of ours with a password: again with an answer, or its end with a reason."""
        for octet in ("\udcff", "\udcc3", "\x1b", "\0"):
            for place in ("realm", "nonce", "opaque", "algorithm", "qop", "stale"):
                values = {"realm": "r", "nonce": "n", "opaque": "o", "algorithm": "MD5"} | {
                    "qop": "auth",
                    "stale": "false",
                }
                values[place] += octet
                line = "Digest " + ", ".join(f'{name}="{value}"' for name, value in values.items())
                app = self.dial(auth=("u", "p"))
                call = self.trunk.takes(self.trunk.request("INVITE"))
                call.says(401, with_={"WWW-Authenticate": line})
                self.trunk.request("ACK")
                self.lab.advance(0.1)
                if len(self.trunk.labels("INVITE")) > 1:
                    self.trunk.takes(self.trunk.request("INVITE")).says(486)
                    self.lab.advance(0.5)
                [event] = app.got(CallRejectedEvent)
                self.assertTrue(event.reason.isprintable(), line)
                self.trunk.forget()
        self.assertEqual(self.flushLoggedErrors(), [])
