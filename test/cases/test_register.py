"""Cases of registering at a trunk (auth-register.yaml), with the whole server and its calls.

The same rules in detail: test/agent/test_registration.py, test/agent/test_credentials.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registration import RegistrationState
from shtoom.sip.message import Request
from test.cases.case import FieldCase

SECRET = "s3cr3t-pw"


class RegisteringCase(FieldCase):
    """A server that registers at the trunk; anybody may call it, for the plain call at the end."""

    expires = 60
    public: str | None = None
    trace: tuple[str, ...] = ()

    def setUp(self) -> None:
        trunk = Trunk(
            "office",
            "203.0.113.30",
            user="u1",
            password=SECRET,
            register=True,
            expires=self.expires,
        )
        self.settings = Settings(
            trunks={"office": trunk},
            anonymous="app",
            advertise=self.public,
            traceSIP=self.trace,
            traceFull=bool(self.trace),
        )
        super().setUp()
        self.lab.advance(0.01)

    def register(self, within: float = 0.5) -> Request:
        """The next REGISTER of the trunk's."""
        return self.trunk.request("REGISTER", within)

    def grant(self, request: Request, seconds: int | None = 60, others: str = "") -> None:
        """200, with our binding."""
        own = request.header("Contact") or ""
        lines = {"Contact": f"{others}{own};expires={seconds}"} if seconds is not None else {}
        self.trunk.reply(request, 200, tag="r", with_=lines)

    def challenge(self, request: Request, nonce: str) -> None:
        """401."""
        line = f'Digest realm="example.com", nonce="{nonce}"'
        self.trunk.reply(request, 401, tag="r", with_={"WWW-Authenticate": line})

    def leave(self) -> None:
        """Gives the registration up; then all has to be well. Where our address is another one
        than we say, sound does not come back in this network: then nothing has to be left.
        """
        for trunk in self.lab.application.exchange.relations.trunking.trunks.values():
            trunk.abandon()
        if self.public is None:
            self.assertStillWell()
        self.assertNothingLeft()

    def state(self) -> RegistrationState:
        """Of the registration."""
        trunk = self.lab.application.exchange.relations.trunking.trunks["office"]
        assert trunk.registration is not None
        return trunk.registration.state


class RegisterCases(RegisteringCase):
    """Refreshes, bindings of others, intervals."""

    def test_register_001_othersBindings(self) -> None:
        """Our own expiry counts, whatever stands beside it (RFC 3261 10.2.4)."""
        self.grant(self.register(), 60, "<sip:u1@198.51.100.7>;expires=3600, ")
        self.register(within=59)
        self.leave()

    def test_register_002_aRaisedInterval(self) -> None:
        """A 423 raises it for good, even if the 200 names none (10.2.8)."""
        first = self.register()
        self.assertEqual(first.header("Expires"), "60")
        self.trunk.reply(first, 423, tag="r", with_={"Min-Expires": "240"})
        second = self.register()
        self.assertEqual(second.header("Expires"), "240")
        self.assertEqual(second.callID, first.callID)
        self.assertEqual(second.cseq.number, first.cseq.number + 1)
        self.grant(second, None)
        self.assertEqual(self.register(within=239).header("Expires"), "240")
        self.leave()

    def test_register_003_oneBinding(self) -> None:
        """One Call-ID, rising CSeq, one Contact; leaving takes that one back, never "*"."""
        first = self.register()
        self.grant(first)
        second = self.register(within=59)
        self.assertEqual(second.callID, first.callID)
        self.assertGreater(second.cseq.number, first.cseq.number)
        self.assertEqual(second.header("Contact"), first.header("Contact"))
        self.grant(second)
        application = self.lab.application
        application.reload(replace(application.settings, trunks={}))
        last = self.register(within=1)
        self.assertEqual((last.header("Expires"), last.callID), ("0", first.callID))
        self.assertEqual(last.header("Contact"), first.header("Contact"))
        self.trunk.reply(last, 200, tag="r")
        self.leave()

    def test_auth_003_aNewNonceWithoutStale(self) -> None:
        """Answered once; two in a row mean a wrong password, and no loop (RFC 3261 22.3)."""
        self.challenge(self.register(), "A")
        second = self.register()
        self.assertIn('nonce="A"', second.header("Authorization") or "")
        self.grant(second, 120)
        third = self.register(within=119)
        self.challenge(third, "B")
        fourth = self.register()
        self.assertIn('nonce="B"', fourth.header("Authorization") or "")
        self.assertEqual(fourth.cseq.number, third.cseq.number + 1)
        self.challenge(fourth, "C")
        self.trunk.nothing("REGISTER", 5)
        self.assertLogged("rejected the credentials")
        self.assertIs(self.state(), RegistrationState.FAILED)
        self.leave()


class PublicCases(RegisteringCase):
    """Behind NAT, with --advertise."""

    public = "203.0.113.50"

    def test_register_004_onePublicAddress(self) -> None:
        """In REGISTER, its refresh, INVITE and description alike (RFC 3261 8.1.1.8)."""
        for within in (0.5, 59):
            request = self.register(within)
            self.assertRegex(request.header("Contact") or "", r"<sip:u1@203\.0\.113\.50[:>]")
            self.grant(request)
        self.dial("sip:200@203.0.113.30")
        invite = self.trunk.request("INVITE")
        self.assertIn("@203.0.113.50", invite.header("Contact") or "")
        self.assertIn(b"\r\nc=IN IP4 203.0.113.50\r\n", invite.body)
        self.trunk.takes(invite).says(486)
        self.trunk.request("ACK")
        self.leave()


class TracedCases(RegisteringCase):
    """With --trace-sip=all and --trace-full."""

    trace = ("all",)

    def test_security_005_theTraceHasNoSecret(self) -> None:
        """Neither the password nor the digest that it makes (RFC 7616 5.1)."""
        self.challenge(self.register(), "n")
        second = self.register()
        self.assertRegex(second.header("Authorization") or "", 'response="[0-9a-f]{32}"')
        self.grant(second)
        self.lab.advance(0.1)
        text = "\n".join(self.logged)
        self.assertIn("REGISTER sip:203.0.113.30", text)
        self.assertIn("Authorization", text)
        self.assertNotIn(SECRET, text)
        self.assertIsNone(re.search(r'response="?[0-9a-f]{32}', text))
        self.leave()
