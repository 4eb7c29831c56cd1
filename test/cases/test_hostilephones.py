"""Each phone of the catalogue (doug.testing.hostile) against each application that Doug ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.demo import Demo
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallProgressEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    OptionalEvent,
)
from doug.settings import Settings
from doug.testing import Lab, hostile
from doug.testing.hostile.registrars import Registrar
from doug.trunks import Trunk
from doug.voiceapp import VoiceApp
from shtoom.agent.registration import RegistrationState
from shtoom.exceptions import CallFailed
from test.cases.case import Ear
from test.cases.media import loud
from test.scripts.loading import load
from test.support.listeners import everyTransport
from test.support.wavfile import tone, wav

HALF_AN_HOUR = 1800.0
LONGEST = 110.0  # seconds: 64*T1 for an ACK, again for a BYE that nobody answers, and some
ANY: Mapping[str, Any] = {}


class HostileCase(SynchronousTestCase):
    """One application, one server; one phone after the other, and a plain call after each."""

    def serve(self, app: type[VoiceApp], args: Mapping[str, Any]) -> None:
        """The server, and a phone for the plain calls."""
        self.listens = everyTransport(self.mktemp())
        self.lab = Lab(app, settings=self.listens.settings, **args)
        self.plain = self.lab.phone("plain")

    def kinds(self, calls: bool) -> list[type[hostile.HostilePhone]]:
        """Those that are odd when they call, or else when they are called."""
        return hostile.all(dials=calls, answers=not calls, over=self.listens.over)

    def advance(self, seconds: float) -> None:
        """As the lab's; nobody takes note of the line that made each Deferred, which takes time."""
        self.lab.reactor.advance(seconds)

    def visitor(
        self, kind: type[hostile.HostilePhone], keys: str, stays: float = 0.75
    ) -> hostile.HostilePhone:
        """One of the catalogue."""
        phone = self.lab.phone(kind=kind, keys=keys, stays=stays)
        assert isinstance(phone, hostile.HostilePhone)
        return phone

    def leave(self, phone: hostile.HostilePhone) -> None:
        """Its call ends cleanly, and another one is well."""
        name = f"{type(phone).__name__} ({phone.number})"
        exchange = self.lab.application.exchange
        end = self.lab.reactor.seconds() + LONGEST
        self.advance(0.1)
        while exchange.agent.calls or self.lab.application.listVoiceapps():
            self.assertLess(self.lab.reactor.seconds(), end, f"{name}: {exchange.agent.calls}")
            self.advance(0.5)
        self.assertEqual([call.state for call in phone.calls if not call.closed], [], name)
        self.assertEqual(exchange.media.sessions, set(), name)
        self.assertEqual(phone.complaints, [])
        self.assertWell(name)

    def assertWell(self, name: str) -> None:
        """A plain call."""
        call = self.plain.dial("sip:plain@doug")
        self.advance(0.1)
        self.assertEqual(call.state, "answered", f"after {name}")
        call.hangUp()
        self.advance(0.1)


class DiallingTests(HostileCase):
    """They call."""

    def visit(self, app: type[VoiceApp], pressing: str = "1", **args: Any) -> None:
        """All that are odd as callers."""
        self.serve(app, args)
        for kind in self.kinds(calls=True):
            phone = self.visitor(kind, pressing)
            phone.dial("sip:odd@doug")
            self.leave(phone)
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.failures, [])

    def test_demo(self) -> None:
        """The menu; key 2 leads to the echo."""
        self.visit(Demo, "2")

    def test_shmessage(self) -> None:
        """The announcement: a short one, so that it is the application that hangs up."""
        announcement = self.mktemp() + ".wav"
        Path(announcement).write_bytes(wav(tone(440, 0.4, 8000)))
        self.visit(load("shmessage").MessageApp, announcement=announcement)

    def test_shecho(self) -> None:
        """The echo."""
        self.visit(load("shecho").EchoApp)

    def test_shtoomcu(self) -> None:
        """The conference."""
        self.visit(load("shtoomcu").ConferenceApp)

    def test_shtam(self) -> None:
        """Voicemail."""
        self.visit(load("shtam").VoicemailApp, spool=self.mktemp())

    def test_testdoug(self) -> None:
        """The called side of the self-test."""
        self.visit(load("testdoug").EchoApp, "1#", keys=[])


class Notes(VoiceApp):
    """Hears: returns the keys, and how many seconds were not silent."""

    def __start__(self) -> Any:
        self.keys, self.ear = "", Ear()
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.listen), (CallEndedEvent, self.over)]

    def listen(self, event: CallAnsweredEvent) -> Any:
        """Until the caller hangs up."""
        event.leg.mediaRecord(self.ear)
        return [
            (DTMFReceivedEvent, self.key),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
            (OptionalEvent, IGNORE_EVENT),
        ]

    def key(self, event: DTMFReceivedEvent) -> None:
        """One of them."""
        self.keys += event.digits

    def over(self, event: CallEndedEvent) -> None:
        """That was all."""
        self.returnResult((self.keys, audible(self.ear)))


class Calls(Notes):
    """Dials `to`, and hears: returns how many seconds of the ringing were not silent, too."""

    to: str

    def answer(self, event: CallStartedEvent) -> Any:
        """No call yet: place one."""
        self.before = Ear()
        self.placeCall(self.to, earlyMedia=True)
        return [
            (CallProgressEvent, self.rings),
            (CallAnsweredEvent, self.taken),
            (CallRejectedEvent, self.refused),
        ]

    def rings(self, event: CallProgressEvent) -> None:
        """There is something to be heard, or not."""
        if event.earlyMedia and not event.leg.isRecording():
            event.leg.mediaRecord(self.before)

    def taken(self, event: CallAnsweredEvent) -> Any:
        """Somebody is there."""
        event.leg.mediaStopRecording()
        return self.listen(event)

    def over(self, event: CallEndedEvent) -> None:
        """That was all."""
        self.returnResult((self.keys, audible(self.ear), audible(self.before)))

    def refused(self, event: CallRejectedEvent) -> None:
        """Nobody is."""
        self.returnResult(event.reason)


def audible(ear: Ear) -> float:
    """Seconds of what was heard that are not silent."""
    return round(len(loud(ear.heard)) / 8000, 2)


class HeardTests(HostileCase):
    """What an application hears of them."""

    def test_keysAndSound(self) -> None:
        """A key is heard once, whatever way it comes; the sound is there, but where there is none.

        Requires100rel (28) and WrongLength (55) have no call, and what Scanner (58) begins beside
        its own is never acknowledged.
        """
        noKeys = {21, 23, 53, 61, 62}  # hang up at once, are never acknowledged, send no RTP
        little = {*noKeys, 46}  # says nothing but its key
        self.serve(Notes, {})
        for kind in self.kinds(calls=True):
            before = len(self.lab.results)
            phone = self.visitor(kind, "5", 1.5)
            phone.dial("sip:odd@doug")
            self.leave(phone)
            results = self.lab.results[before:-1]  # the last is the plain call's
            if kind.number in (28, 55):
                self.assertEqual(results, [], kind)
                continue
            heard = [result for result in results if result != ("", 0.0)] or results
            ((keys, seconds),) = heard
            self.assertEqual(keys, "" if kind.number in noKeys else "5", kind)
            self.assertGreaterEqual(seconds, 0.0 if kind.number in little else 0.4, kind)
        self.lab.assertNothingLeft()


class CalledCase(HostileCase):
    """They are called."""

    def place(self, uri: str) -> None:
        """The application dials."""
        self.lab.application.placeCall(uri)

    def assertWell(self, name: str) -> None:
        """A plain phone is called; the application speaks with it until it hangs up."""
        before = len(self.plain.calls)
        self.place(self.plain.uri)
        self.advance(0.1)
        (call,) = self.plain.calls[before:]
        self.assertEqual(call.state, "answered", f"after {name}")
        call.hangUp()
        self.advance(0.1)


class HeardWhenCalledTests(CalledCase):
    """What an application hears of those that it has called."""

    def place(self, uri: str) -> None:
        """It hears what comes before the answer, too."""
        self.lab.application.startVoiceApp(to=uri)

    def test_keysAndSound(self) -> None:
        """As of callers; and what two say before they answer (25, 26).

        With three nobody comes to speak: who is cancelled (20), has no codec of ours (29), or wants
        a password (48).
        """
        noCall = {20: "no answer", 29: "answered G729, offered PCMU", 48: "password"}
        noKeys, early = {61, 62}, {25, 26}
        self.serve(Calls, {})
        for kind in self.kinds(calls=False):
            before = len(self.lab.results)
            phone = self.visitor(kind, "5", 1.5)
            self.place(phone.uri)
            self.leave(phone)
            (result,) = self.lab.results[before:-1]  # the last is the plain phone's
            if kind.number in noCall:
                self.assertIn(noCall[kind.number], result, kind)
                continue
            keys, seconds, ringing = result
            self.assertEqual(keys, "" if kind.number in noKeys else "5", kind)
            self.assertGreaterEqual(seconds, 0.0 if kind.number in {*noKeys, 46} else 0.7, kind)
            self.assertEqual(0.2 <= ringing <= 0.3, kind.number in early, kind)
        self.lab.assertNothingLeft()


class DialledTests(CalledCase):
    """Applications that are shipped, and dial."""

    def call(self, app: type[VoiceApp], **args: Any) -> None:
        """All that are odd when they are called; an application that dials, then ends."""
        self.serve(app, args)
        for kind in self.kinds(calls=False):
            phone = self.visitor(kind, "1")
            self.place(phone.uri)
            self.leave(phone)
        self.lab.assertNothingLeft()
        for failure in self.lab.failures:
            self.assertIsNotNone(failure.check(CallFailed), failure.getTraceback())
        self.flushLoggedErrors(CallFailed)

    def test_testcall(self) -> None:
        """The announcement for who is called."""
        self.call(load("testcall").CallApp)

    def test_testcisco(self) -> None:
        """The walk through an IVR."""
        self.call(load("testcisco").WalkApp, keys="1", patience=0.2)

    def test_testdoug(self) -> None:
        """The calling side of the self-test."""
        self.call(quiet(load("testdoug").SelfTest), keys=[])

    def test_demoConnects(self) -> None:
        """Key 8 of the demo, by way of somebody who sends it on; the caller hears all of it."""
        self.serve(Demo, {"target": "sip:target@198.51.100.21"})
        target = self.lab.phone("target")
        for kind in self.kinds(calls=False):
            phone = self.visitor(kind, "1")
            target.redirectTo = (phone.uri,)
            caller = self.plain.dial("sip:demo@doug")
            self.advance(0.1)
            caller.press("8")
            self.advance(1.2)
            caller.hangUp()
            self.leave(phone)
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.failures, [])


class RegistrarTests(HostileCase):
    """The server registers at them, as trunk; then they call it, as an office would."""

    def visit(self, app: type[VoiceApp], **args: Any) -> None:
        """Each of them, with a server of its own."""
        trunk = Trunk("office", "198.51.100.20", user="doug", register=True)  # the first phone
        settings = Settings(trunks={"office": trunk}, anonymous="app")
        for kind in hostile.all(dials=False, registers=True):
            self.lab = Lab(app, settings=settings, **args)
            registrar = self.visitor(kind, "1")
            assert isinstance(registrar, Registrar)
            self.plain = self.lab.phone("plain")
            self.advance(HALF_AN_HOUR)
            self.assertGreater(len(registrar.taken), 1, kind)  # it was refreshed
            registrar.dial("sip:doug@doug")
            self.leave(registrar)
            (office,) = self.lab.application.exchange.relations.trunking.trunks.values()
            assert office.registration is not None
            self.assertIs(office.registration.state, RegistrationState.REGISTERED, kind)
            office.abandon()
            self.lab.assertNothingLeft()
            self.assertEqual(self.lab.failures, [])

    def test_demo(self) -> None:
        """The menu."""
        self.visit(Demo)

    def test_scripts(self) -> None:
        """Echo, conference, voicemail."""
        self.visit(load("shecho").EchoApp)
        self.visit(load("shtoomcu").ConferenceApp)
        self.visit(load("shtam").VoicemailApp, spool=self.mktemp())


def quiet(selfTest: type[VoiceApp]) -> type[VoiceApp]:
    """The self-test without its printed lines."""
    return type("Quiet", (selfTest,), {"check": lambda self, what, works: None})


class CatalogueTests(SynchronousTestCase):
    """Nothing of the 64 is forgotten."""

    def test_eachIsThereOrWaitsForAFeature(self) -> None:
        """And each says what it does and what is right."""
        numbers = [*hostile.HOSTILE_PHONES, *hostile.NOT_YET]
        self.assertEqual(sorted(numbers), list(range(1, 65)))
        for number, kind in hostile.HOSTILE_PHONES.items():
            self.assertEqual(kind.number, number)
            self.assertIn("Right: ", kind.__doc__ or "", kind)
            self.assertTrue(kind.dials or kind.answers or kind.registers, kind)
