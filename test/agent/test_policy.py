"""Which new calls are taken: each rule of the policy, and what a refused caller hears."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.policy import CallPolicy
from shtoom.exceptions import Refusal
from test.agent.support import OFFER, AgentTestCase, FarEnd

HOST, OTHER = "203.0.113.5", "203.0.113.6"


class PolicyTests(SynchronousTestCase):
    """The rules by themselves."""

    def policy(self, **limits: int | bool) -> CallPolicy:
        """One with these limits."""
        return CallPolicy(Random(1), **limits)  # type: ignore[arg-type]

    def refused(self, refusal: Refusal | None) -> str:
        """Its rule, "" for none."""
        return "" if refusal is None else refusal.rule

    def test_withoutLimitsEverythingIsTaken(self) -> None:
        """Any number of calls, from whom ever."""
        policy = self.policy()
        self.assertIsNone(policy.refusal(HOST, 100_000, [HOST] * 10_000))
        self.assertIsNone(policy.refusalOfOptions())
        self.assertIsNone(policy.refusalOfOurs(100_000))

    def test_maxCalls(self) -> None:
        """Theirs and ours count, and are refused; OPTIONS are not."""
        policy = self.policy(maxCalls=3)
        self.assertIsNone(policy.refusal(HOST, 2, []))
        refusal = policy.refusal(HOST, 3, [])
        assert refusal is not None
        self.assertEqual(refusal.rule, "max-calls")
        self.assertEqual(refusal.reason, "3 calls are up (--max-calls)")
        self.assertIn("raise --max-calls", refusal.remedy)
        self.assertIsNone(policy.refusalOfOurs(2))
        self.assertEqual(policy.refusalOfOurs(3), refusal)
        self.assertIsNone(policy.refusalOfOptions())

    def test_oneSourceHasHalfOfTheEarlyCalls(self) -> None:
        """As many as are left for all others."""
        policy = self.policy(maxEarlyCalls=10)
        self.assertIsNone(policy.refusal(HOST, 0, [HOST] * 4))
        refusal = policy.refusal(HOST, 0, [HOST] * 5)
        assert refusal is not None
        self.assertEqual(refusal.rule, "max-early-calls")
        self.assertIn("5 calls from one source", refusal.reason)
        self.assertIn("--max-early-calls=10", refusal.remedy)
        self.assertIsNone(policy.refusal(OTHER, 0, [HOST] * 5))

    def test_anIPv6NetworkIsOneSource(self) -> None:
        """Who has a /64 has one address more than there are calls."""
        policy = self.policy(maxEarlyCalls=10)
        early = [f"2001:db8::{n:x}" for n in range(1, 6)]
        refusal = policy.refusal("2001:db8::beef", 0, early)
        assert refusal is not None
        self.assertIn("5 calls from one source", refusal.reason)
        self.assertIn("others than 2001:db8::/64", refusal.remedy)
        for host in (OTHER, "2001:db8:0:1::1"):
            self.assertIsNone(policy.refusal(host, 0, early))

    def test_allOfTheEarlyCalls(self) -> None:
        """Then nobody has one more, not even this machine."""
        policy = self.policy(maxEarlyCalls=10)
        early = [f"203.0.113.{n}" for n in range(10, 20)]
        self.assertIsNone(policy.refusal("127.0.0.1", 0, early[:9]))
        for host in (OTHER, "127.0.0.1", "::1"):
            self.assertEqual(self.refused(policy.refusal(host, 0, early)), "max-early-calls")

    def test_thisMachineHasAllOfThem(self) -> None:
        """A test or a proxy on it is no stranger, unless the limits are to hold for it, too."""
        early = ["127.0.0.1"] * 7
        for limited, rule in ((False, ""), (True, "max-early-calls")):
            policy = self.policy(maxEarlyCalls=10, limitLoopback=limited)
            self.assertEqual(self.refused(policy.refusal("127.0.0.1", 0, early)), rule)
            self.assertEqual(policy.trusts("::1"), not limited)
            self.assertFalse(policy.trusts(HOST))
            self.assertFalse(policy.trusts("fe80::1%eth0"))

    def test_draining(self) -> None:
        """Before every other rule; OPTIONS and calls of ours, too."""
        policy = self.policy(maxCalls=0)
        policy.draining = True
        for refusal in (
            policy.refusal(HOST, 0, []),
            policy.refusalOfOptions(),
            policy.refusalOfOurs(0),
        ):
            self.assertEqual(self.refused(refusal), "draining")

    def test_overload(self) -> None:
        """New calls alone: who pings takes a 503 for a server that is down."""
        policy = self.policy()
        policy.isOverloaded = lambda: True
        self.assertEqual(self.refused(policy.refusal(HOST, 0, [])), "overload")
        self.assertIsNone(policy.refusalOfOptions())
        self.assertIsNone(policy.refusalOfOurs(5))

    def test_retryAfterIsByChance(self) -> None:
        """5 to 30 seconds, so that callers do not return together."""
        policy = self.policy(maxCalls=0)
        refusal = policy.refusal(HOST, 0, [])
        assert refusal is not None
        failures = [policy.failure(refusal) for _ in range(200)]
        self.assertEqual({failure.sipCode for failure in failures}, {503})
        self.assertEqual({failure.retryAfter for failure in failures}, set(range(5, 31)))


class RefusedTests(AgentTestCase):
    """What the network sees."""

    def test_aRefusedCall(self) -> None:
        """503 at once, with Retry-After; the user of the agent never hears of it."""
        self.agent.policy.maxCalls = 0
        self.alice.invites()
        self.assertEqual(self.alice.labels(), ["503 INVITE"])
        response = self.alice.response("503 INVITE")
        self.assertRegex(response.header("Retry-After") or "", "^[0-9]+$")
        self.assertEqual(response.reason, "0 calls are up (--max-calls)")
        self.assertEqual(self.board.calls, [])

    def test_earlyCalls(self) -> None:
        """Those that ring, and those whose 200 has no ACK; an ACK makes room."""
        self.agent.policy.maxEarlyCalls = 4
        self.board.take = lambda call: call.ring()
        self.alice.invites()
        caller = self.alice.invites()
        self.board.calls[-1].answer(OFFER)
        self.alice.heard.clear()
        self.alice.invites()
        self.assertEqual(self.alice.labels(), ["503 INVITE"])
        bob = FarEnd(self.wire, ("198.51.100.21", 5060), "bob")
        bob.invites()
        self.assertEqual(bob.labels(), ["100 INVITE", "180 INVITE"])
        caller.ack()
        self.alice.heard.clear()
        self.alice.invites()
        self.assertEqual(self.alice.labels(), ["100 INVITE", "180 INVITE"])

    def test_requestsInsideCallsAreNotShed(self) -> None:
        """Neither by overload nor by a limit (RFC 7339 5.10.1): re-INVITE, OPTIONS, BYE."""
        caller, _, _ = self.establish()
        self.agent.policy.maxCalls = 0
        self.agent.policy.isOverloaded = lambda: True
        self.alice.heard.clear()
        caller.reinvite()
        caller.ack()
        caller.ask("OPTIONS")
        caller.bye()
        self.assertEqual(self.alice.labels(), ["200 INVITE", "200 OPTIONS", "200 BYE"])

    def test_CANCELIsNotShed(self) -> None:
        """A call that rings can be given up."""
        caller = self.alice.invites()
        self.agent.policy.isOverloaded = lambda: True
        caller.cancel()
        self.assertEqual(self.alice.labels()[-2:], ["200 CANCEL", "487 INVITE"])

    def test_theCallIDsOfLiveCalls(self) -> None:
        """By the bytes of the wire, from the INVITE to the end."""
        caller, call, _ = self.establish()
        name = call.callID.encode()
        self.assertTrue(self.agent.isLive(name))
        self.assertFalse(self.agent.isLive(name + b"x"))
        caller.bye()
        self.assertFalse(self.agent.isLive(name))

    def test_twoCallsOfOneCallID(self) -> None:
        """As a call to ourselves has: it is that of a live call until both are over."""
        for tag in ("f1", "f2"):
            self.alice.ask("INVITE", callID="same", fromTag=tag, body=OFFER, contact=True)
        for call, live in zip(self.board.calls, (True, False), strict=True):
            self.assertTrue(self.agent.isLive(b"same"))
            call.hangup()
            self.assertEqual(self.agent.isLive(b"same"), live)
