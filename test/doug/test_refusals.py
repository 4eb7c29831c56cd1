"""A refusal says rule, value and remedy, in its Reason header (RFC 3326) as in the log.

Lives here: each rule of a whole server, once. Not here: when it holds (test.doug.test_limits,
test.doug.test_strangers, test.agent.test_policy).
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.message import Response
from test.doug.test_strangers import StrangerCase

PHONES = {"alice": Phone("a", 1), "bob": Phone("b")}
OPEN = Settings(limitLoopback=True, rtpTimeout=0.0)


class ReasonTests(StrangerCase):
    """One server after the other."""

    settings = OPEN

    def serve(self, settings: Settings) -> None:
        """Another server."""
        self.lab.close()
        self.settings = settings
        self.setUp()

    def assertExplained(
        self, response: Response, code: int, rule: str, value: str, remedy: str
    ) -> None:
        """The Reason has all three, and so does the log."""
        self.assertEqual(response.code, code)
        reason = response.header("Reason") or ""
        self.assertTrue(reason.startswith(f'SIP;cause={code};text="{rule}: '), reason)
        for words in (value, remedy):
            self.assertIn(words, reason)
            self.assertTrue([line for line in self.logged if words in line], words)

    def test_limitsOfTheServer(self) -> None:
        """Calls at a time, in all and without an answer; a reactor that is late."""
        self.serve(replace(OPEN, maxCalls=1))
        self.ask(self.alice)
        remedy = "if this machine carries more"
        self.assertExplained(self.ask(self.bob), 503, "max-calls", "1 calls are up", remedy)
        self.serve(replace(OPEN, maxEarlyCalls=1))
        self.ask(self.alice)
        busy = self.ask(self.bob)
        self.assertExplained(busy, 503, "max-early-calls", "1 calls are not answered", "raise")
        self.serve(OPEN)
        self.lab.application.exchange.agent.policy.isOverloaded = lambda: True
        late = self.ask(self.bob)
        self.assertExplained(late, 503, "overload", "Server overloaded", "set --max-calls")
        self.serve(replace(OPEN, maxTransactions=1))
        self.ask(self.alice)
        full = self.ask(self.bob)
        self.assertExplained(full, 503, "max-transactions", "1 requests wait", "--max-trans")
        self.serve(replace(OPEN, rtpPorts=(10000, 10001)))
        self.ask(self.alice)
        used = self.ask(self.bob)
        self.assertExplained(used, 503, "rtp-ports", "No media port left", "--rtp-ports")

    def test_limitsOfASource(self) -> None:
        """Requests a second."""
        self.serve(replace(OPEN, sourceRate=1.0))
        answers = [self.ask(self.alice, "OPTIONS") for _ in range(3)]
        value = "more than 1 requests a second"
        self.assertExplained(answers[-1], 503, "source-rate", value, "raise that limit")

    def test_limitsOfATrunkAndAUser(self) -> None:
        """486 where others of the server are free, 503 where others of the trunk may take it."""
        trunk = Trunk("office", self.trunk.host, maxCalls=1, maxRate=None)
        self.serve(replace(OPEN, trunks={"office": trunk}))
        self.ask(self.trunk)
        busy = self.ask(self.trunk)
        value = "1 calls of trunk office are up"
        self.assertExplained(busy, 486, "max-calls", value, "[trunk.office]")
        self.serve(replace(OPEN, trunks={"office": replace(trunk, maxCalls=None, maxRate=1.0)}))
        answers = [self.ask(self.trunk) for _ in range(3)]
        value = "more than 1 new calls a second of trunk office"
        self.assertExplained(answers[-1], 503, "max-rate", value, "[trunk.office]")
        self.serve(replace(OPEN, userCalls={"menu": 1}))
        self.ask(self.alice, called="menu")
        busy = self.ask(self.bob, called="menu")
        self.assertExplained(busy, 486, "max-calls", "1 calls to menu are up", "raise")

    def test_whoMayCall(self) -> None:
        """Networks, strangers, who guesses."""
        self.serve(replace(OPEN, deny=(ip_network("203.0.113.0/24"),)))
        denied = self.ask(self.mallory)
        self.assertExplained(denied, 403, "access", "deny has 203.0.113.0/24", "[server]")
        self.serve(replace(OPEN, anonymous="reject"))
        stranger = self.ask(self.mallory)
        remedy = "name its network in a [trunk.NAME]"
        self.assertExplained(stranger, 403, "anonymous", "it is of no trunk", remedy)

    def test_whoMayRegister(self) -> None:
        """Who guesses, as somebody else, with too many devices; a call of who guesses."""
        self.serve(replace(OPEN, phones=PHONES, deny=(ip_network("203.0.113.0/24"),)))
        denied = self.ask(self.mallory, "REGISTER")
        self.assertExplained(denied, 403, "access", "deny has 203.0.113.0/24", "[server]")
        self.assertEqual(self.signed(self.alice, "REGISTER", "alice", "a").code, 200)
        second = self.signed(self.bob, "REGISTER", "alice", "a")
        value = "1 devices are registered"
        self.assertExplained(second, 403, "max-contacts", value, "[phone.alice]")
        other = self.signed(self.bob, "REGISTER", "alice", "b", who="bob")
        self.assertExplained(other, 403, "user", "bob may not register alice", "account")
        for method in ("REGISTER", "INVITE"):
            for _ in range(5):
                self.signed(self.bob, method, "alice", "x")
            guessing = self.signed(self.bob, method, "alice", "a")
            value = "too many wrong passwords"
            self.assertExplained(guessing, 403, "guesses", value, "see who it is")
            self.assertEqual("Retry-After" in guessing.headers, True)
            self.lab.advance(400)
