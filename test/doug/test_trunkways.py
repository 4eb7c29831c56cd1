"""By which trunk, transport and port a call goes to a trunk's host, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.events import CallAnsweredEvent, CallRejectedEvent, OutboundCallStartedEvent
from doug.testing import Lab
from doug.testing.phone import Phone
from doug.trunks import Trunk
from shtoom.sip.message import Request
from shtoom.sip.uri import parseURI
from test.support.listeners import everyTransport

PBX = "198.51.100.20"
OFFICE = Trunk("office", PBX, user="doug", password="secret")


class Dials(VoiceApp):
    """Calls an address."""

    toURI = ""
    fromURI: str | None = None
    by: str | None = None

    def __start__(self) -> Any:
        return [(OutboundCallStartedEvent, self.dial)]

    def dial(self, event: Any) -> Any:
        """At once."""
        self.placeCall(self.toURI, self.fromURI, trunk=self.by)
        return [(CallAnsweredEvent, self.answered), (CallRejectedEvent, self.rejected)]

    def answered(self, event: Any) -> None:
        """By which trunk? It goes on for a while."""
        self.reactor.callLater(3.0, self.returnResult, event.leg.trunk)

    def rejected(self, event: Any) -> None:
        """Why?"""
        self.returnResult(event.reason)


class TrunkWaysTests(SynchronousTestCase):
    """A server that listens on all transports, with trunks at one host."""

    def setUp(self) -> None:
        self.listens = everyTransport(self.mktemp())

    def dial(self, toURI: str, *trunks: Trunk, phone: Phone | None = None, **how: Any) -> Any:
        """What became of it. The phone of the host is at self.pbx."""
        named = {trunk.name: trunk for trunk in trunks}
        settings = replace(self.listens.settings, trunks=named)
        self.lab = Lab(Dials, settings=settings)
        self.datagrams: list[bytes] = []
        self.lab.network.observers.append(lambda data, *way: self.datagrams.append(data))
        transport = how.pop("transport", "udp")
        self.pbx = self.lab.phone("pbx", transport=transport, auth=("doug", "secret"))
        self.lab.application.startVoiceApp(toURI=toURI, **how)
        self.lab.advance(2.0)
        calls = [call.call for call in self.pbx.calls if call.call is not None]
        self.invites = [call.request for call in calls if call.request is not None]
        self.lab.advance(40.0)
        results, self.lab.results[:] = list(self.lab.results), []
        self.lab.assertNothingLeft()
        (result,) = results
        return result

    def request(self) -> Request:
        """The INVITE that the PBX has taken."""
        return self.invites[-1]

    def test_theTransportOfTheTrunk(self) -> None:
        """The call goes by it, and so does the password; nothing of it by UDP."""
        for transport in self.listens.over[1:]:
            trunk = replace(OFFICE, transport=transport)
            got = self.dial(f"sip:030@{PBX}", trunk, transport=transport)
            self.assertEqual(got, "office", transport)
            self.assertEqual(self.request().uri.transport, transport)
            self.assertFalse([data for data in self.datagrams if b"INVITE" in data], transport)

    def test_theTransportOfTheAddress(self) -> None:
        """It goes before, but a trunk of TLS gives its password to nothing less."""
        got = self.dial(f"sip:030@{PBX};transport=tcp", OFFICE, transport="tcp")
        self.assertEqual(got, "office")
        trunk = replace(OFFICE, transport="tls")
        got = self.dial(f"sip:030@{PBX};transport=udp", trunk)
        self.assertIn("password", got)

    def test_thePortOfTheTrunk(self) -> None:
        """An address without one means it."""
        trunk = replace(OFFICE, port=5070)
        self.assertEqual(str(trunk.dialled(parseURI(f"sip:030@{PBX}"))), f"sip:030@{PBX}:5070")
        self.assertTrue(trunk.leads(parseURI(f"sip:030@{PBX}:5070")))
        self.assertFalse(trunk.leads(parseURI(f"sip:030@{PBX}:5060")))
        self.assertFalse(trunk.leads(parseURI(f"sip:030@{PBX};maddr=192.0.2.66")))
        secure = replace(OFFICE, transport="tls")
        self.assertTrue(secure.leads(parseURI(f"sip:030@{PBX}:5061")))

    def test_oneOfTwoAccounts(self) -> None:
        """The one that is named, the one of the caller, else the first."""
        first = replace(OFFICE, name="first", user="100")
        second = replace(OFFICE, name="second", user="200", authUser="doug")
        first = replace(first, authUser="doug")
        to = f"sip:030@{PBX}"
        self.assertEqual(self.dial(to, first, second), "first")
        self.assertEqual(self.dial(to, first, second, by="second"), "second")
        self.assertEqual(self.request().fromAddress.uri.user, "200")
        caller = f'"Sales" <sip:200@{PBX}>'
        self.assertEqual(self.dial(to, first, second, fromURI=caller), "second")
        self.assertEqual(self.dial(to, first, second, fromURI="sip:300@x.example"), "first")

    def test_aNumber(self) -> None:
        """tel: leads to the host of the trunk that is named, without a gateway."""
        self.assertEqual(self.dial("tel:+49-30-123", OFFICE, by="office"), "office")
        self.assertEqual(str(self.request().uri), f"sip:+49-30-123@{PBX};user=phone")

    def test_whatIsWrongIsNamed(self) -> None:
        """The trunk that there is not, the address that is none of it."""
        got = self.dial(f"sip:030@{PBX}", OFFICE, by="offic")
        self.assertEqual(got, "no trunk is named offic: office")
        got = self.dial("sip:030@192.0.2.66", OFFICE, by="office")
        self.assertEqual(got, f"sip:030@192.0.2.66 is no address of trunk office ({PBX})")
        self.assertIn("is no address to dial", self.dial("nonsense", OFFICE, by="office"))
