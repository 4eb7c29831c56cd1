"""Start to end of calls and server: leaks, limits (cases life-001 to 006)."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    Event,
    MediaRecordRemoteClosedEvent,
    TimeoutEvent,
)
from doug.settings import Settings
from doug.testing import Lab
from doug.testing.ear import readSound
from doug.voiceapp import VoiceApp
from shtoom.exceptions import CallRejected, UserBusy
from test.cases.actor import Dialogue, sdp
from test.cases.case import FieldCase
from test.cases.media import assertGapless


class ShutdownCases(FieldCase):
    """A server that is told to stop while calls are up; drain limit 30 s."""

    settings = Settings(drainTimeout=30)

    def stop(self) -> list[float]:
        """Tells the server to stop, as SIGTERM does; filled with the second when it is gone."""
        gone: list[float] = []
        stopped = self.lab.application.shutdown()
        stopped.addCallback(lambda _: gone.append(self.lab.reactor.seconds()))
        return gone

    def assertGone(self, gone: list[float], within: float) -> None:
        """The server is gone in so many seconds, with sockets and timers."""
        began = self.lab.reactor.seconds()
        self.lab.advance(within)
        self.assertEqual(len(gone), 1)
        self.assertLessEqual(gone[0] - began, within)
        for actor in self.actors.values():
            actor.close()
        self.assertEqual(self.lab.network.bound, {})
        self.assertEqual(self.lab.reactor.getDelayedCalls(), [])
        self.assertEqual(self.lab.application.listVoiceapps(), {})
        self.lab.close()

    def test_life_001_runningCallsAreServedInFull(self) -> None:
        """New calls and OPTIONS get 503 with Retry-After; the last call's end is the server's."""
        call = self.answered()
        app = self.app
        gone = self.stop()
        refused = self.bob.invite()
        self.assertRegex(self.bob.response("503 INVITE").header("Retry-After") or "", "[0-9]+")
        refused.ackRefusal()
        self.bob.ask("OPTIONS")
        self.bob.response("503 OPTIONS")
        call.reoffer()
        ear = self.listen()
        app.leg.mediaPlay(self.soundFile(1.0))
        self.alice.media.say(call.media, count=50)
        self.alice.media.press(call.media, "5", ts=9000, seq=60, after=1.0)
        self.lab.advance(0.1)
        assertGapless(self.alice.media.during(0.8))
        self.lab.advance(3.0)
        self.assertGreater(int(abs(ear.heard).max()), 5000)
        self.assertIn("DTMFReceivedEvent", app.names)
        self.assertEqual(gone, [])
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertGone(gone, 2.0)
        self.assertEqual(len(self.desk), 1)

    def test_life_001_noCallsOfOurs(self) -> None:
        """What an application dials meanwhile is refused: CallRejectedEvent, no error."""
        call = self.answered()
        app = self.app
        gone = self.stop()
        leg = app.placeCall("sip:200@203.0.113.30")
        self.lab.advance(1.0)
        self.assertEqual(self.trunk.heard, [])
        self.assertEqual([event.leg for event in app.got(CallRejectedEvent)], [leg])
        self.assertEqual(app.got(CallEndedEvent), [])
        self.hangUp(call)
        self.assertGone(gone, 2.0)

    def test_life_002_atTheLimit(self) -> None:
        """BYE with a Reason for all that are left, complete recordings, gone within seconds."""
        paths = []
        for actor in (self.alice, self.bob):
            call = self.answered(actor=actor)
            paths.append(Path(self.mktemp() + ".wav"))
            self.app.leg.mediaRecord(paths[-1])
            actor.media.say(call.media, count=50)
        gone = self.stop()
        self.lab.advance(29.9)
        self.assertEqual(self.alice.labels("BYE"), [])
        for actor in (self.alice, self.bob):
            bye = actor.request("BYE")
            self.assertTrue(bye.header("Reason"))
            actor.reply(bye, 200)
        self.assertGone(gone, 3.0)
        for app, path in zip(self.desk, paths, strict=True):
            self.assertOneEnd(app)
            self.assertEqual(len(app.got(MediaRecordRemoteClosedEvent)), 1)
            self.assertGreater(len(readSound(path)) / 8000, 29.5)

    def test_life_002_fiftyCalls(self) -> None:
        """None is cut before the limit, 50 BYEs at it; recordings are whole, gone within 3 s."""
        host = self.lab.network.host("198.51.100.60")
        phone = self.lab.phone(host=host)
        calls = [phone.dial("sip:app@doug") for _ in range(50)]
        self.lab.advance(0.1)
        paths = []
        for app in self.desk:
            app.leg.answerCall(app)
            paths.append(Path(self.mktemp() + ".wav"))
            app.leg.mediaRecord(paths[-1])
        self.lab.advance(0.5)
        byes: list[bytes] = []
        self.lab.network.observers.append(
            lambda data, source, to: byes.append(data) if data.startswith(b"BYE ") else None
        )
        gone = self.stop()
        self.lab.reactor.advance(29.9)
        self.assertEqual({call.state for call in calls}, {"answered"})
        self.assertEqual(byes, [])
        self.lab.reactor.advance(0.2)
        self.assertEqual({call.state for call in calls}, {"ended"})
        self.assertEqual(len(byes), 50)
        self.assertTrue(all(b"Reason: SIP;cause=503" in bye for bye in byes))
        phone.close()
        self.assertGone(gone, 3.0)
        for app, path in zip(self.desk, paths, strict=True):
            self.assertOneEnd(app)
            self.assertNear(len(readSound(path)) / 8000, 30.5, 0.2)

    def test_life_002_farEndsThatAreSilent(self) -> None:
        """Ringing, dialling, answered, none of them answers any more: gone within seconds."""
        self.ringing(actor=self.bob)
        self.answered()
        self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        gone = self.stop()
        self.lab.advance(30.0)
        self.alice.request("BYE")
        self.bob.response("503 INVITE")
        self.trunk.request("CANCEL")
        self.assertGone(gone, 7.0)


def census() -> Counter[str]:
    """All objects of Doug's own classes, by class; a lab's are left out."""
    kinds = (type(thing) for thing in gc.get_objects())
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    ours = (name for name in names if name.startswith(("doug.", "shtoom.")))
    return Counter(name for name in ours if not name.startswith("doug.testing"))


class LeakCases(FieldCase):
    """Whatever the end of a call, nothing of it stays."""

    def test_life_003_callsWhoseACKNeverComes(self) -> None:
        """The 200 is repeated for 64*T1, then BYE and an end that says so (13.3.1.4)."""
        for _ in range(20):
            self.ringing()
        for app in self.desk:
            app.leg.answerCall(app)
        self.lab.advance(0.01)
        self.assertEqual(len(self.alice.labels("200 INVITE")), 20)
        self.lab.advance(31.9)
        self.assertEqual(self.alice.labels("BYE"), [])
        self.assertEqual(len(self.alice.labels("200 INVITE")), 20 * 11)
        self.lab.advance(0.2)
        self.assertEqual(len(self.alice.labels("BYE")), 20)
        for app in self.desk:
            self.assertEqual(app.names, ["CallEndedEvent"])
            self.assertIn("no ACK", app.got(CallEndedEvent)[0].reason)
        self.assertEqual(self.lab.io.sockets, set())
        self.assertStillWell()

    def test_life_004_nothingGrows(self) -> None:
        """Calls in both directions, left by either side: no object of theirs is left, and the
        collector of cycles was not needed for it."""
        self.addCleanup(gc.enable)
        prompt = self.soundFile(0.1)
        counts = []
        for calls in (1, 3):
            gc.collect()
            gc.disable()
            for number in range(calls):
                self.comeAndGo(prompt, self.answered(), number % 2 == 0)
                self.comeAndGo(prompt, self.dialled()[1], number % 2 == 0)
            self.lab.advance(80.0)
            self.desk.clear()
            for actor in self.actors.values():
                actor.forget()
            counts.append(census())
            gc.enable()
        self.assertEqual(counts[1] - counts[0], Counter())
        self.assertStillWell()

    def comeAndGo(self, prompt: str, call: Dialogue, hangsUp: bool) -> None:
        """A call with sound and a key, to its end."""
        app, far = self.app, call.actor
        app.leg.mediaPlay(prompt)
        app.leg.mediaRecord(self.mktemp() + ".wav")
        far.media.say(call.media, count=5)
        far.media.press(call.media, "1", ts=3000, seq=9)
        self.lab.advance(0.3)
        if hangsUp:
            self.hangUp(call)
        else:
            app.leg.hangupCall()
            far.reply(far.request("BYE"), 200)
        self.lab.advance(0.1)

    def test_life_005_everyWayToEndACall(self) -> None:
        """Ports and sockets are as before, at once, whichever way a call ends."""
        ways: dict[str, Callable[[], Any]] = {
            "the caller cancels": self.cancelled,
            "the application rejects": lambda: self.refused(CallRejected(), 603),
            "it is busy": lambda: self.refused(UserBusy(), 486),
            "488": self.notAcceptable,
            "BYE from there": lambda: self.hangUp(self.answered()),
            "BYE from here": self.left,
            "the application returns while it rings": self.returned,
            "ours is refused": lambda: self.outbound(486),
            "ours times out": self.timedOut,
            "ours is cancelled": self.oursCancelled,
            "ours has a bad answer": self.badAnswer,
            "ours leads nowhere": self.nowhere,
        }
        for name, way in ways.items():
            for _ in range(2):
                way()
                self.lab.advance(0.05)
                self.assertEqual(self.lab.io.sockets, set(), name)
                self.assertEqual(self.lab.application.listVoiceapps(), {}, name)
        self.assertStillWell()

    def cancelled(self) -> None:
        """487 and its ACK."""
        call = self.ringing()
        call.cancel()
        self.alice.response("200 CANCEL")
        self.alice.response("487 INVITE")
        call.ackRefusal()

    def refused(self, failure: CallRejected | UserBusy, code: int) -> None:
        """By the application."""
        call = self.ringing()
        self.app.leg.rejectCall(failure)
        self.alice.response(f"{code} INVITE")
        call.ackRefusal()

    def notAcceptable(self) -> None:
        """No codec in common."""
        call = self.alice.invite(sdp(self.alice.host, 40000, "18", rtpmap="18 G729/8000"))
        self.alice.response("488 INVITE")
        call.ackRefusal()

    def left(self) -> None:
        """The application hangs up."""
        self.answered()
        self.app.leg.hangupCall()
        self.alice.reply(self.alice.request("BYE"), 200)

    def returned(self) -> None:
        """480."""
        call = self.ringing()
        self.app.returnResult("enough")
        self.alice.response("480 INVITE")
        call.ackRefusal()

    def outbound(self, code: int) -> None:
        """The trunk refuses."""
        self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(code)
        self.trunk.request("ACK")

    def timedOut(self) -> None:
        """Nobody is there."""
        self.dial("sip:200@203.0.113.77")
        self.lab.advance(32.1)
        self.assertOneEnd(self.app, CallRejectedEvent)

    def oursCancelled(self) -> None:
        """The application hangs up while it rings there."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.lab.advance(0.1)
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        call.says(487)
        self.trunk.request("ACK")

    def badAnswer(self) -> None:
        """An answer that is no SDP."""
        self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=b"v=0\r\nnonsense\r\n")
        self.trunk.request("ACK")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.lab.advance(0.0)
        self.assertOneEnd(self.app, CallRejectedEvent)

    def nowhere(self) -> None:
        """No address, and a name that nobody knows."""
        for uri in ("sip:", "200", "sip:200@nowhere.invalid", "http://example.com/"):
            self.dial(uri)
            self.lab.advance(0.1)
            self.assertOneEnd(self.app, CallRejectedEvent)


class Raising(VoiceApp):
    """Raises where it is told. where: "start", "handler", "timer" or "deferred"."""

    where = ""

    def __start__(self) -> Any:
        if self.where == "start":
            raise ZeroDivisionError(self.where)
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Answers."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.answered)]

    def answered(self, event: CallAnsweredEvent) -> Any:
        """Plays and records, then raises now or later."""
        self.mediaPlay("/no/such/file.wav")
        if self.where == "handler":
            raise ZeroDivisionError(self.where)
        if self.where == "deferred":
            failing: Deferred[Any] = Deferred()
            self.reactor.callLater(0.5, failing.errback, ZeroDivisionError(self.where))
            return failing
        self.setTimer(0.5)
        return [(TimeoutEvent, self.over), (Event, IGNORE_EVENT)]

    def over(self, event: TimeoutEvent) -> Any:
        """The timer."""
        raise ZeroDivisionError(self.where)


class RaisingCases(FieldCase):
    """Applications that raise."""

    def test_life_005_anApplicationThatRaises(self) -> None:
        """Its call ends, 500 if it rings and BYE else; other calls and the server go on."""
        places = ("start", "handler", "timer", "deferred")
        apps = {where: type("Raising", (Raising,), {"where": where}) for where in places}
        lab = Lab(apps)
        calls = {where: lab.phone().dial(f"sip:{where}@doug") for where in places}
        lab.advance(2.0)
        lab.assertNothingLeft()
        self.assertEqual(len(lab.failures), len(places))
        refusal = calls.pop("start").failure
        assert refusal is not None
        self.assertEqual(refusal.sipCode, 500)
        for where, call in calls.items():
            self.assertEqual(call.state, "ended", where)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(places))
        self.assertStillWell()


class PortCases(FieldCase):
    """A server with five media ports."""

    settings = Settings(rtpPorts=(40000, 40009))

    def test_life_006_theMediaPortsRunOut(self) -> None:
        """503 with Retry-After before any ringing, the log names the range; ports come back."""
        calls = [self.alice.invite() for _ in range(8)]
        self.lab.advance(0.1)
        self.assertEqual(len(self.alice.labels("180 INVITE")), 5)
        self.assertEqual(len(self.alice.labels("503 INVITE")), 3)
        for heard in self.alice.heard:
            if heard.label == "503 INVITE":
                self.assertRegex(heard.message.header("Retry-After") or "", "^[0-9]+$")
        self.assertLogged("40000.*40009.*rtp-ports")
        for call in calls[5:]:
            call.ackRefusal()
        self.endOf(calls[0])
        late = self.ringing(actor=self.bob)
        for call in calls[1:5]:
            self.endOf(call)
        late.cancel()
        self.bob.response("487 INVITE")
        late.ackRefusal()
        self.assertStillWell()

    def test_life_006_portsThatOthersHave(self) -> None:
        """They are passed over (RFC 3550 11 asks for even ports)."""
        taken = (self.server[0], 40004)
        self.lab.network.bind(taken, lambda data, source: None)
        self.addCleanup(self.lab.network.unbind, taken)
        calls = [self.answered() for _ in range(4)]
        ports = sorted(call.media[1] for call in calls)
        self.assertEqual(ports, [40000, 40002, 40006, 40008])
        refused = self.alice.invite()
        self.alice.response("503 INVITE")
        refused.ackRefusal()
        for call in calls:
            self.hangUp(call)
        self.lab.network.unbind(taken)
        self.assertStillWell()

    def endOf(self, call: Dialogue) -> None:
        """A call that rings is given up."""
        call.cancel()
        call.actor.response("487 INVITE")
        call.ackRefusal()
        self.lab.advance(0.01)
