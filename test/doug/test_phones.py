"""Phones that register here: their calls, and calls to all their devices at once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.settings import Settings
from doug.testing import Lab
from doug.testing.phone import Phone
from shtoom.agent.credentials import Account
from shtoom.agent.registrar import Phone as Known
from shtoom.agent.registration import Registration, RegistrationState
from shtoom.sip.uri import parseURI
from test.doug.callees import Notes

ALICE = {"alice": Known("wonderland", 3)}
SERVER = "192.0.2.10"


class PhoneTests(SynchronousTestCase):
    """alice has some devices."""

    def setUp(self) -> None:
        self.notes: list[Any] = []
        self.lab = Lab(Notes, settings=Settings(phones=ALICE), notes=self.notes)
        self.registrations: list[Registration] = []

    def device(self, password: str = "wonderland", **options: Any) -> Phone:
        """A phone that registers as alice."""
        phone = self.lab.phone("alice", **options)
        registration = Registration(
            phone.agent,
            "alice",
            parseURI(f"sip:{SERVER}"),
            parseURI(f"sip:alice@{SERVER}"),
            Account("alice", password, phone.rng),
            expires=3600,
        )
        registration.start()
        self.registrations.append(registration)
        self.lab.advance(1)
        return phone

    def dial(self, uri: str = "sip:alice@doug") -> None:
        self.lab.application.startVoiceApp(toURI=uri)
        self.lab.advance(1)

    def finish(self) -> None:
        """Nothing is left but the registrations."""
        for registration in self.registrations:
            registration.abandon()
        self.lab.advance(40)
        self.lab.assertNothingLeft()

    def test_registers(self) -> None:
        self.device()
        self.device("wrong")
        states = [registration.state for registration in self.registrations]
        self.assertEqual(states, [RegistrationState.REGISTERED, RegistrationState.FAILED])
        registrar = self.lab.application.exchange.relations.registrar
        assert registrar is not None
        self.assertEqual(registrar.registered(), {"alice": 1})
        self.finish()

    def test_isCalledByTheRealmOrTheAddress(self) -> None:
        phone = self.device()
        for uri in ("sip:alice@doug", f"sip:alice@{SERVER}"):
            self.notes.clear()
            self.dial(uri)
            self.assertEqual(self.notes, [("up", None)], uri)
            phone.calls[-1].hangUp()
            self.lab.advance(1)
            self.assertEqual(self.notes[-1], ("CallEndedEvent", None))
        self.finish()

    def test_isCalledOverItsFlow(self) -> None:
        """Wherever its Contact leads."""
        phone = self.device()
        registrar = self.lab.application.exchange.relations.registrar
        assert registrar is not None
        [binding] = registrar.bindings("alice")
        self.assertEqual((binding.host, binding.port), (phone.host.address, 5060))
        self.dial()
        self.assertEqual(self.notes, [("up", None)])
        phone.calls[-1].hangUp()
        self.lab.advance(1)
        self.finish()

    def test_allDevicesRingAndTheFirstHasTheCall(self) -> None:
        """The others are cancelled, and told that it was taken elsewhere."""
        slow = self.device(onCall="ring")
        quick = self.device(answerAfter=1.0)
        third = self.device(onCall="ring")
        self.dial()
        self.lab.advance(1)
        self.assertEqual(self.notes, [("up", None)])
        for phone in (slow, third):
            ending = phone.calls[-1].ending
            assert ending is not None
            self.assertEqual(ending.sipCode, 487)
        quick.calls[-1].sayTone(440, 1.0)
        self.lab.advance(1)
        quick.calls[-1].hangUp()
        self.lab.advance(1)
        self.assertEqual(self.notes, [("up", None), ("CallEndedEvent", None)])
        self.finish()

    def test_oneThatIsBusyLeavesTheOthers(self) -> None:
        self.device(onCall="busy")
        quick = self.device(answerAfter=1.0)
        self.dial()
        self.lab.advance(1)
        self.assertEqual(self.notes, [("up", None)])
        quick.calls[-1].hangUp()
        self.lab.advance(1)
        self.finish()

    def test_allAreBusy(self) -> None:
        self.device(onCall="busy")
        self.device(onCall="busy")
        self.dial()
        self.assertEqual(self.notes, [("CallRejectedEvent", 486)])
        self.finish()

    def test_oneThatDeclinesDeclinesForAll(self) -> None:
        """6xx (RFC 3261 16.7)."""
        ringing = self.device(onCall="ring")
        self.device(onCall="decline")
        self.dial()
        self.lab.advance(1)
        self.assertEqual(self.notes, [("CallRejectedEvent", 603)])
        self.assertTrue(ringing.calls[-1].closed)
        self.finish()

    def test_theServerGivesUp(self) -> None:
        phones = [self.device(onCall="ring") for _ in range(3)]
        cookie = self.lab.application.startVoiceApp(toURI="sip:alice@doug")
        self.lab.advance(1)
        self.lab.application.dropCall(cookie)
        self.lab.advance(1)
        self.assertEqual(self.notes, [("CallRejectedEvent", 487)])
        self.assertTrue(all(phone.calls[-1].closed for phone in phones))
        self.finish()

    def test_theMainOneFailsThenTheServerGivesUp(self) -> None:
        self.device(onCall="busy")
        ringing = self.device(onCall="ring")
        cookie = self.lab.application.startVoiceApp(toURI="sip:alice@doug")
        self.lab.advance(1)
        self.lab.application.dropCall(cookie)
        self.lab.advance(1)
        self.assertTrue(ringing.calls[-1].closed)
        self.assertEqual(len(self.notes), 1)
        self.finish()

    def test_whoIsNotRegisteredCannotBeCalled(self) -> None:
        self.dial()
        self.assertEqual(self.notes, [("CallRejectedEvent", 480)])
        self.finish()

    def test_anotherServersUserIsNoPhoneOfOurs(self) -> None:
        phone = self.lab.phone("alice")
        self.dial(phone.uri)
        self.assertEqual(self.notes, [("up", None)])
        phone.calls[-1].hangUp()
        self.lab.advance(1)
        self.finish()

    def test_aFlowThroughNATIsKeptOpen(self) -> None:
        """A packet each 25 s, none to a phone that is where it says it is; none once it is gone."""
        kept: list[float] = []

        def note(data: bytes, source: tuple[str, int], at: tuple[str, int]) -> None:
            if data == b"\r\n\r\n" and source == (SERVER, 5060):
                kept.append(self.lab.reactor.seconds())

        self.lab.network.observers.append(note)
        phone = self.device()
        self.lab.advance(60)
        self.assertEqual(kept, [])
        transport: Any = phone.agent.transportFor("UDP", SERVER)
        transport.told = lambda host: ("10.0.0.5", None)
        self.registrations[-1].refresh()
        self.lab.advance(110)
        self.assertGreater(len(kept), 3)
        self.assertEqual({round(b - a, 6) for a, b in pairwise(kept)}, {25.0})
        self.dial()
        self.assertEqual(self.notes, [("up", None)])
        phone.calls[-1].hangUp()
        self.registrations[-1].stop()
        self.lab.advance(5)
        kept.clear()
        self.lab.advance(100)
        self.assertEqual(kept, [])
        self.finish()
