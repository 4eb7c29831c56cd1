"""The trunks of a running server: registered, up or down, told apart."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

from twisted.internet.defer import Deferred

from doug.livetrunk import LiveTrunk
from doug.trunking import Trunking
from doug.trunks import Trunk, parseRegister
from shtoom.sip.message import Request
from shtoom.sip.parser import isKeepAlive, parse
from shtoom.sip.transport import Peer
from shtoom.sip.uri import parseURI
from test.agent.support import TRUNK, AgentTestCase, FarEnd

HOST = TRUNK[0]


class TrunkingTests(AgentTestCase):
    """Trunks at far ends that answer at once."""

    def setUp(self) -> None:
        super().setUp()
        self.codes: dict[str, int] = {}
        self.changes: list[str] = []
        self.answering(self.trunk)

    def answering(self, end: FarEnd) -> None:
        """Everything is 200, unless `codes` has it otherwise; 0 is silence."""

        def hear(data: bytes) -> None:
            end.hear(data)
            if isKeepAlive(data):
                return
            request = parse(data)
            assert isinstance(request, Request)
            code = self.codes.get(request.method, 200)
            if code:
                end.say(request.respond(code, toTag="t").toBytes())

        self.wire.ends[end.address] = hear

    def start(self, *trunks: Trunk) -> Trunking:
        self.trunking = Trunking(self.agent, trunks, self.changed)
        self.trunking.start()
        return self.trunking

    def changed(self, trunk: LiveTrunk) -> None:
        self.changes.append(f"{trunk.trunk.name}: {trunk.state()}")

    def stop(self, limit: float = 2.0) -> Deferred[None]:
        return Deferred.fromCoroutine(self.trunking.stop(limit))

    def request(self, uri: str, to: str = "") -> Request:
        request = self.alice.ask("OPTIONS", uri=uri, to=f"<{to or uri}>")
        self.assertIsInstance(request, Request)
        return request

    def peer(self, host: str) -> Peer:
        return Peer(cast(Any, self.wire), (host, 5060))

    def test_registeredAndUnregistered(self) -> None:
        self.start(parseRegister(f"sip:u1:secret@{HOST}"))
        [trunk] = self.trunking.trunks.values()
        self.assertEqual(trunk.state(), "registered")
        self.successResultOf(self.stop())
        self.assertEqual(self.trunk.got("REGISTER")[-1].header("Expires"), "0")
        self.assertEqual(self.changes[-1], f"{HOST}: ended")
        self.assertNothingLeft()

    def test_unregisteringHasItsTime(self) -> None:
        self.start(parseRegister(f"sip:u1:secret@{HOST}"))
        self.codes["REGISTER"] = 0
        stopped = self.stop(2.0)
        self.run_(1.9)
        self.assertNoResult(stopped)
        self.run_(0.2)
        self.successResultOf(stopped)
        self.assertNothingLeft()

    def test_aTrunkThatRefusesIsNamed(self) -> None:
        self.codes["REGISTER"] = 403
        self.start(parseRegister(f"sip:u1:secret@{HOST}"))
        [trunk] = self.trunking.trunks.values()
        self.assertIn("403", trunk.state())
        self.successResultOf(self.stop())

    def test_qualify(self) -> None:
        """Any answer says that somebody is there, but for 408 and 503; each change is told once."""
        self.start(Trunk("office", HOST, qualify=30))
        self.assertEqual(self.changes, ["office: up"])
        for code in (404, 405, 480, 200):
            self.codes["OPTIONS"] = code
            self.run_(31)
        self.assertEqual(self.changes, ["office: up"])
        for code in (503, 0):
            self.codes["OPTIONS"] = code
            self.run_(61)
        self.assertEqual(self.changes[1:], ["office: does not answer OPTIONS"])
        self.codes["OPTIONS"] = 200
        self.run_(61)
        self.assertEqual(self.changes[2:], ["office: up"])
        self.assertIn("is down: 503", "\n".join(self.texts))
        self.successResultOf(self.stop())
        self.assertNothingLeft()

    def test_of(self) -> None:
        """By the addresses of its host, by its networks; of two at one host by the user."""
        self.names.known["sip.example.com"] = ["203.0.113.40", "203.0.113.41"]
        networks = (ip_network("198.51.100.0/28"),)
        trunking = self.start(
            Trunk("one", "sip.example.com", user="u1"),
            Trunk("two", "sip.example.com", user="u2"),
            Trunk("office", HOST, networks=networks),
        )
        table = [
            ("203.0.113.40", "sip:u1@192.0.2.10", "", "one"),
            ("203.0.113.41", "sip:u2@192.0.2.10", "", "two"),
            ("203.0.113.41", "sip:100@192.0.2.10", "sip:u2@sip.example.com", "two"),
            ("203.0.113.40", "sip:100@192.0.2.10", "", "one"),
            (HOST, "sip:100@192.0.2.10", "", "office"),
            ("198.51.100.3", "sip:100@192.0.2.10", "", "office"),
            ("198.51.100.99", "sip:u1@192.0.2.10", "", None),
            ("2001:db8::1", "sip:u1@192.0.2.10", "", None),
        ]
        for host, uri, to, name in table:
            found = trunking.of(self.request(uri, to), self.peer(host))
            self.assertEqual(found and found.trunk.name, name, (host, uri))
        self.successResultOf(self.stop())

    def test_addressesAreLookedUpAgain(self) -> None:
        self.names.known["sip.example.com"] = ["203.0.113.40"]
        self.start(Trunk("one", "sip.example.com"))
        self.names.known["sip.example.com"] = ["203.0.113.50"]
        self.run_(301)
        [trunk] = self.trunking.trunks.values()
        self.assertEqual(trunk.addresses, {"203.0.113.50"})
        del self.names.known["sip.example.com"]
        self.run_(301)
        self.assertEqual(trunk.addresses, {"203.0.113.50"})
        self.successResultOf(self.stop())

    def test_to(self) -> None:
        trunking = self.start(Trunk("a", "sip.example.com"), Trunk("b", "sip.example.com", 5070))
        table = [
            ("sip:1@SIP.example.com", "a"),
            ("sip:1@sip.example.com:5060", "a"),
            ("sip:1@sip.example.com:5070;transport=udp", "b"),
            ("sip:1@sip.example.com:5090", None),
            ("sip:1@example.com", None),
        ]
        for uri, name in table:
            found = trunking.to(parseURI(uri))
            self.assertEqual(found and found.trunk.name, name, uri)
        self.successResultOf(self.stop())
