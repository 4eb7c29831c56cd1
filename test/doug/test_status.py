"""How a server stands, in virtual time."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from doug.settings import Routed, parseEndpoint
from doug.status import Status
from doug.testing.phone import Phone
from doug.trunks import Trunk
from shtoom.agent.credentials import Account as Credentials
from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.agent.registrar import Phone as Account
from shtoom.agent.registrar import Registrar
from shtoom.agent.registration import Registration
from shtoom.sip.uri import parseURI
from test.doug.callees import Notes
from test.doug.test_reloading import PBX, ReloadingCase

OFFICE = Trunk("office", PBX, user="doug", password="secret", register=True, qualify=30)


class Rings(Notes):
    """Never answers."""

    def ring(self, event: Any) -> Any:
        return self.rest()


class StatusTests(ReloadingCase):
    """DougApplication.status()."""

    def now(self) -> Status:
        return self.lab.application.status()

    def test_calls(self) -> None:
        """Early, up, ended; their media; refused for want of room, or of an application."""
        self.serve(maxCalls=2)
        self.assertEqual(self.now().calls, 0)
        phone = self.lab.phone("alice")
        self.reload(routes=(Routed(Rings, "slow"),))
        early = phone.dial("sip:slow@doug")
        self.lab.advance(1)
        found = self.now()
        self.assertEqual((found.calls, found.early, found.sessions), (1, 1, 1))
        early.hangUp()
        self.lab.advance(40)
        self.assertEqual(self.now().calls, 0)
        first = phone.dial("sip:doug@doug")
        second = phone.dial("sip:doug@doug")
        self.lab.advance(1)
        found = self.now()
        self.assertEqual((found.applications, found.calls, found.early), (2, 2, 0))
        self.assertEqual((found.sessions, found.refusals), (2, {}))
        self.assertEqual(self.answered(phone), "503")
        self.reload(apps={"doug": Notes}, routes=(), maxCalls=None)
        self.assertEqual(self.answered(phone, "nobody"), "404")
        self.assertEqual(self.now().refusals, {"max-calls": 1, "404": 1})
        for call in (first, second):
            call.hangUp()
        self.lab.advance(40)
        found = self.now()
        self.assertEqual((found.applications, found.calls, found.sessions), (0, 0, 0))
        self.assertEqual((found.leaks, found.draining, found.overloaded), (0, False, False))
        self.lab.assertNothingLeft()

    def test_aTrunk(self) -> None:
        """Its registration: under way, made, not made anew, run out; and what pings say."""
        self.serve(trunks={"office": OFFICE})
        trunk = self.now().trunks["office"]
        self.assertEqual((trunk.calls, trunk.isUp), (0, None))
        assert trunk.registration is not None
        self.assertEqual((trunk.registration.state, trunk.registration.until), ("trying", None))
        pbx, heard = self.pbx()
        self.lab.advance(5)
        began = self.now()
        trunk = began.trunks["office"]
        assert trunk.registration is not None
        since, until = trunk.registration.since, trunk.registration.until
        assert until is not None
        self.assertEqual((trunk.isUp, trunk.registration.state), (True, "registered"))
        self.assertEqual((trunk.registration.sent, trunk.registration.failures), (len(heard), 0))
        self.assertTrue(began.time - 5 <= since <= began.time, trunk)
        self.assertAlmostEqual(until - since, 600, 3)
        call = pbx.dial("sip:doug@doug")
        self.lab.advance(1)
        self.assertEqual(self.now().trunks["office"].calls, 1)
        call.hangUp()
        self.lab.advance(40)
        self.assertEqual(self.now().trunks["office"].calls, 0)
        gatekeeper = Gatekeeper("office", {"doug": "another"}.get, b"s")
        seconds = self.lab.reactor.seconds
        pbx.agent.registrar = Registrar(
            gatekeeper, {"doug": Account("another")}.get, None, seconds, seconds
        )
        self.lab.advance(until - self.now().time - 10)
        trunk = self.now().trunks["office"]
        assert trunk.registration is not None
        self.assertEqual(trunk.registration.state, "failed")
        self.assertGreater(trunk.registration.failures, 0)
        self.assertIn("rejected the credentials", trunk.registration.reason)
        self.assertEqual(trunk.registration.until, until)  # it is in force still
        self.lab.advance(20)
        trunk = self.now().trunks["office"]
        assert trunk.registration is not None
        self.assertIsNone(trunk.registration.until)
        pbx.close()
        self.lab.advance(60)
        self.assertEqual(self.now().trunks["office"].isUp, False)
        self.lab.assertNothingLeft()

    def test_phonesAndPorts(self) -> None:
        """Phones with their devices; ports with connections and messages."""
        self.serve(
            listen=(parseEndpoint("udp:*:5060"), parseEndpoint("tcp:*:5060")),
            phones={"alice": Account("wonderland"), "bob": Account("builder")},
        )
        self.assertEqual(self.now().phones, {})
        alice = self.lab.phone("alice", transport="tcp")
        registration = self.registered(alice)
        found = self.now()
        self.assertEqual(found.phones, {"alice": 1})
        self.assertEqual([p.endpoint for p in found.ports], ["udp:*:5060", "tcp:*:5060"])
        self.assertEqual([port.connections for port in found.ports], [0, 1])
        self.assertEqual(found.ports[1].counts["accepted"], 1)
        self.assertEqual(found.ports[1].counts["received"], registration.sent)
        self.assertEqual(found.ports[0].counts.get("received", 0), 0)
        registration.abandon()
        self.lab.assertNothingLeft()

    def test_whoIsKeptOut(self) -> None:
        """By the gate, by its words, by a list, for want of a trunk, for a wrong password."""
        self.serve(sourceRate=1.0, anonymous="reject", deny=(ip_network("198.51.100.66"),))
        phone = self.lab.phone("alice")
        for _ in range(3):
            phone.dial("sip:doug@doug")
        self.lab.advance(1)
        found = self.now()
        self.assertEqual(found.refusals["anonymous"], 2)
        self.assertEqual(found.ports[0].counts["limited"], 2)  # the third INVITE, and its ACK
        denied = self.lab.phone("mallory", host=self.lab.network.host("198.51.100.66"))
        denied.dial("sip:doug@doug")
        self.lab.advance(1)
        self.assertEqual(self.now().refusals["access"], 1)
        self.reload(scanners=("Phone/",))
        phone.dial("sip:doug@doug")
        self.lab.advance(1)
        self.assertEqual(self.now().scanners, {"named": self.now().ports[0].counts["scanner"]})
        self.assertGreater(self.now().scanners["named"], 0)

    def test_asJSON(self) -> None:
        """Nothing is lost, and no password is in it."""
        self.serve(
            trunks={"office": replace(OFFICE, qualify=None)},
            phones={"alice": Account("wonderland")},
        )
        self.pbx()
        self.lab.advance(1)
        text = json.dumps(self.now().asDict())
        found = json.loads(text)
        self.assertEqual(found["trunks"]["office"]["registration"]["state"], "registered")
        self.assertEqual(found["ports"][0]["endpoint"], "udp:*:5060")
        self.assertEqual(set(found), set(Status._fields))
        self.assertNotIn("secret", text)
        self.assertNotIn("wonderland", text)
        self.lab.assertNothingLeft()

    def test_aServerThatDoesNotRun(self) -> None:
        self.serve()
        self.lab.assertNothingLeft()
        self.lab.close()
        self.assertRaises(RuntimeError, self.lab.application.status)

    def registered(self, phone: Phone) -> Registration:
        registration = Registration(
            phone.agent,
            "alice",
            parseURI("sip:192.0.2.10;transport=tcp"),
            parseURI("sip:alice@192.0.2.10"),
            Credentials("alice", "wonderland", phone.rng),
            expires=3600,
        )
        registration.start()
        self.lab.advance(1)
        return registration
