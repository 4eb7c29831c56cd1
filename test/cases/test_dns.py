"""Names of servers (cases dns-001, dns-002), on the whole server."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed

from doug.events import CallRejectedEvent
from shtoom.sip.message import Request
from shtoom.sip.names import NAPTR, SRV
from shtoom.sip.resolver import Resolver
from test.cases.case import FieldCase
from test.cases.media import assertGapless


class Zone:
    """What DNS says: records by name, each kind after some seconds; None: it is silent."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.services: dict[str, list[SRV]] = {}
        self.hosts: dict[str, list[str]] = {}
        self.naptrAfter: float | None = 0.0
        self.srvAfter: float | None = 0.0
        self.addressAfter: float | None = 0.0

    def naptr(self, name: str) -> Deferred[list[NAPTR]]:
        """As INames has it: there are none."""
        return self._after(self.naptrAfter, list[NAPTR]())

    def srv(self, name: str) -> Deferred[list[SRV]]:
        """As INames has it."""
        return self._after(self.srvAfter, self.services.get(name, []))

    def addresses(self, name: str) -> Deferred[list[str]]:
        """As INames has it."""
        known = name in self.hosts
        return self._after(self.addressAfter if known else None, self.hosts.get(name, []))

    def local(self, name: str) -> list[str]:
        """As INames has it: nothing."""
        return []

    def _after(self, seconds: float | None, found: list[Any]) -> Deferred[Any]:
        if seconds == 0.0:
            return succeed(found)
        later: Deferred[Any] = Deferred(lambda _: call.cancel() if call is not None else None)
        call = None if seconds is None else self.reactor.callLater(seconds, later.callback, found)
        return later


class DNSCases(FieldCase):
    """A server that has DNS."""

    def setUp(self) -> None:
        super().setUp()
        self.zone = Zone(self.lab.reactor)
        agent = self.lab.application.exchange.agent
        agent.resolver = Resolver(self.lab.reactor, self.zone, Random(1))

    def test_dns_001_theNextServerIsTried(self) -> None:
        """After a time-out, and at once after 503; a new branch each, one Call-ID (3263 4.3)."""
        self.zone.services["_sip._udp.example.com"] = [
            SRV(10, 60, 5060, "a.example.com"),
            SRV(20, 60, 5060, "b.example.com"),
            SRV(20, 40, 5060, "c.example.com"),
        ]
        others = [self.actors["trunk2"], self.actors["trunk3"]]
        for name, actor in zip("abc", (self.trunk, *others), strict=True):
            self.zone.hosts[f"{name}.example.com"] = [actor.host]
        app = self.dial("sip:200@example.com")
        invites = [self.trunk.request("INVITE")]
        self.lab.advance(33.0)
        [second] = [actor for actor in others if actor.labels()]
        invites.append(second.request("INVITE"))
        second.takes(invites[-1]).says(503)
        second.request("ACK")
        [third] = [actor for actor in others if actor is not second]
        invites.append(third.request("INVITE", within=1.0))
        self.assertEqual(len({invite.callID for invite in invites}), 1)
        self.assertEqual(len({invite.via.branch for invite in invites}), 3)
        call = third.takes(invites[-1])
        call.says(200, body=third.answer)
        third.request("ACK")
        self.lab.advance(0.01)
        self.assertIn("CallAnsweredEvent", app.names)
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_dns_001_equalOnesByTheirWeight(self) -> None:
        """60 to 40, within what chance may do (RFC 2782)."""
        self.zone.services["_sip._udp.example.com"] = [
            SRV(20, 60, 5060, "b.example.com"),
            SRV(20, 40, 5060, "c.example.com"),
        ]
        others = [self.actors["trunk2"], self.actors["trunk3"]]
        for name, actor in zip("bc", others, strict=True):
            self.zone.hosts[f"{name}.example.com"] = [actor.host]
        for _ in range(100):
            self.dial("sip:200@example.com")
            self.lab.advance(0.01)
            for actor in others:
                for heard in [h for h in actor.heard if h.label == "INVITE"]:
                    assert isinstance(heard.message, Request)
                    actor.takes(heard.message).says(486)
            self.lab.advance(0.01)
            first, second = (len(actor.labels("ACK")) for actor in others)
            for actor in others:
                actor.heard[:] = [h for h in actor.heard if h.label == "ACK"]
        self.assertEqual(first + second, 100)
        self.assertTrue(45 <= first <= 75, first)
        self.assertStillWell()

    def test_dns_002_slowNamesHoldUpNothing(self) -> None:
        """Sound goes on; what DNS is silent about costs its time once; a call has its own limit."""
        self.zone.naptrAfter = self.zone.srvAfter = None
        self.zone.addressAfter = 0.1
        self.zone.hosts["slow.example.com"] = [self.trunk.host]
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(12.0))
        self.lab.advance(0.5)
        dialling = self.dial("sip:200@slow.example.com")
        lost = self.dial("sip:200@nowhere.invalid", timeout=5.0)
        began = self.lab.reactor.seconds()
        packets = self.alice.media.during(5.05)
        [event] = lost.got(CallRejectedEvent)
        self.assertRegex(event.reason, r"nowhere\.invalid was not found .*NAPTR, SRV, A")
        packets += self.alice.media.during(4.95)
        assertGapless(packets)
        self.assertGreater(len(packets), 490)
        invite = self.trunk.request("INVITE")
        self.assertLess(self.trunk.heard[0].at - began, 10.0)
        self.trunk.takes(invite).says(486)
        self.trunk.request("ACK")
        self.lab.advance(0.01)
        self.assertOneEnd(dialling, CallRejectedEvent)
        self.hangUp(call)
        self.assertStillWell()
