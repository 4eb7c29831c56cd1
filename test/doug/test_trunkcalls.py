"""Calls of trunks and to them, with a PBX that registers us, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.dialplan import DialWishes
from doug.settings import Routed, Settings
from doug.testing import Lab
from doug.testing.phone import Phone
from doug.trunks import Trunk
from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.agent.registrar import Phone as Account
from shtoom.agent.registrar import Registrar
from shtoom.sip.message import Request
from test.doug.callees import Notes, Other

PBX = "198.51.100.20"
OFFICE = Trunk("office", PBX, user="doug", password="secret", register=True)


class TrunkCallTests(SynchronousTestCase):
    """A server with an account at a PBX."""

    def lab(self, **settings: Any) -> Lab:
        settings.setdefault("trunks", {"office": OFFICE})
        self.notes: list[Any] = []
        lab = self.built = Lab(Notes, settings=Settings(**settings), notes=self.notes)
        return lab

    def pbx(self, lab: Lab, password: str = "secret", **options: Any) -> Phone:
        """A PBX at its address, which registers doug."""
        pbx = lab.phone("pbx", **options)
        gate = Gatekeeper("office", {"doug": password}.get, b"s")
        seconds = lab.reactor.seconds
        pbx.agent.registrar = Registrar(
            gate, {"doug": Account(password)}.get, None, seconds, seconds
        )
        return pbx

    def invite(self, pbx: Phone) -> Request:
        """Of the last call that it got."""
        call = pbx.calls[-1].call
        assert call is not None
        assert call.request is not None
        return call.request

    def live(self, lab: Lab) -> Any:
        return lab.application.exchange.relations.trunking.trunks["office"]

    def test_registersAndUnregisters(self) -> None:
        lab = self.lab()
        pbx = self.pbx(lab)
        lab.advance(40)
        self.assertEqual(self.live(lab).state(), "registered")
        assert pbx.agent.registrar is not None
        self.assertEqual(pbx.agent.registrar.registered(), {"doug": 1})
        registrar = pbx.agent.registrar
        lab.assertNothingLeft()
        self.assertEqual(registrar.registered(), {})

    def test_aProgramHearsOfItsChanges(self) -> None:
        """Whatever it does then."""
        lab = self.lab(trunks={"office": replace(OFFICE, qualify=300)})
        heard: list[tuple[str, str]] = []

        def hear(name: str, state: str) -> None:
            heard.append((name, state))
            raise RuntimeError("as it were")

        lab.application.trunkChanged = hear  # type: ignore[method-assign]
        self.pbx(lab)
        lab.advance(1)
        self.assertIn(("office", "registered, up"), heard)
        self.assertGreater(len(self.flushLoggedErrors(RuntimeError)), 1)
        lab.close()
        self.flushLoggedErrors(RuntimeError)

    def test_aWrongPasswordIsNamedAndHarmsNoCall(self) -> None:
        lab = self.lab()
        pbx = self.pbx(lab, "another")
        lab.advance(40)
        self.assertIn("rejected the credentials", self.live(lab).state())
        call = pbx.dial("sip:doug@doug")
        lab.advance(1)
        self.assertTrue(call.state == "answered")
        call.hangUp()
        lab.advance(1)
        lab.close()

    def test_itsCallsAreServedAndThoseOfStrangersRefused(self) -> None:
        lab = self.lab(routes=(Routed(Other, trunk="office"),))
        pbx = self.pbx(lab)
        stranger = lab.phone("eve")
        lab.advance(40)
        call, refused = pbx.dial("sip:doug@doug"), stranger.dial("sip:doug@doug")
        lab.advance(1)
        self.assertTrue(call.state == "answered")
        self.assertEqual(refused.failure and refused.failure.sipCode, 403)
        call.hangUp()
        lab.advance(1)
        self.assertEqual(
            self.notes, [("Other", "office", None), ("up", "office"), ("CallEndedEvent", None)]
        )
        lab.assertNothingLeft()

    def test_aCallToItHasOurNameAndPassword(self) -> None:
        lab = self.lab()
        pbx = self.pbx(lab, auth=("doug", "secret"))
        lab.advance(40)
        lab.application.startVoiceApp(toURI=f"sip:100@{PBX}")
        lab.advance(1)
        self.assertEqual(self.notes, [("up", "office")])
        invite = self.invite(pbx)
        self.assertEqual(str(invite.fromAddress.uri), f"sip:doug@{PBX}")
        pbx.calls[-1].hangUp()
        lab.advance(1)
        lab.assertNothingLeft()

    def test_nobodyElseIsToldThePassword(self) -> None:
        """A phone that asks as the trunk does, at another address."""
        lab = self.lab()
        self.pbx(lab)
        thief = lab.phone("thief", auth=("doug", "secret"))
        lab.advance(40)
        lab.application.startVoiceApp(toURI=thief.uri)
        lab.advance(1)
        self.assertEqual(self.notes, [("CallRejectedEvent", 401)])
        lab.assertNothingLeft()

    def test_identity(self) -> None:
        """Who calls stands in From, or in the header that the trunk wants beside our address."""
        caller, number = '"Anna" <sip:+49301@example.com>', "sip:+49301@example.com"
        table = [
            ("from", caller, number, None),
            ("p-asserted-identity", caller, f"sip:doug@{PBX}", caller),
            (
                "remote-party-id",
                "sip:+49301@example.com",
                f"sip:doug@{PBX}",
                "<sip:+49301@example.com>",
            ),
            (
                "p-asserted-identity",
                "anonymous",
                "sip:anonymous@anonymous.invalid",
                f"<sip:doug@{PBX}>",
            ),
            ("p-asserted-identity", None, f"sip:doug@{PBX}", None),
        ]
        for identity, fromURI, inFrom, inHeader in table:
            trunk = Trunk("office", PBX, user="doug", password="secret", identity=identity)
            lab = self.lab(trunks={"office": trunk})
            pbx = self.pbx(lab)
            lab.application.startVoiceApp(toURI=f"sip:100@{PBX}", fromURI=fromURI)
            lab.advance(1)
            invite = self.invite(pbx)
            name = "Remote-Party-ID" if identity == "remote-party-id" else "P-Asserted-Identity"
            found = (str(invite.fromAddress.uri), invite.header(name))
            self.assertEqual(found, (inFrom, inHeader), identity)
            pbx.calls[-1].hangUp()
            lab.advance(1)
            lab.assertNothingLeft()

    def test_notMoreCallsThanTheTrunkHas(self) -> None:
        trunk = Trunk("office", PBX, user="doug", password="secret", maxCalls=1)
        lab = self.lab(trunks={"office": trunk})
        pbx = self.pbx(lab)
        lab.advance(1)
        first, second = pbx.dial("sip:doug@doug"), pbx.dial("sip:doug@doug")
        lab.advance(1)
        self.assertTrue(first.state == "answered")
        self.assertEqual(second.failure and second.failure.sipCode, 486)
        lab.application.startVoiceApp(toURI=f"sip:100@{PBX}")
        lab.advance(1)
        self.assertEqual(self.notes[-1], ("CallRejectedEvent", 486))
        first.hangUp()
        lab.advance(40)
        again = pbx.dial("sip:doug@doug")
        lab.advance(1)
        self.assertTrue(again.state == "answered")
        again.hangUp()
        lab.advance(1)
        lab.assertNothingLeft()

    def test_aPhoneThatRegistersHereCalls(self) -> None:
        """With its password; leg.phone is its user."""
        lab = self.lab(trunks={}, phones={"alice": Account("wonderland")})
        alice = lab.phone("alice")
        call = alice.dial("sip:app@doug")
        lab.advance(1)
        self.assertEqual(call.failure and call.failure.sipCode, 401)
        lab.assertNothingLeft()

    def test_wishesAreThoseOfTheApplicationFirst(self) -> None:
        lab = self.lab()
        live = self.live(lab)
        wishes = live.wishes(DialWishes(auth=("other", "x"), timeout=7))
        self.assertEqual((wishes.auth, wishes.timeout), (("other", "x"), 7))
        lab.close()
