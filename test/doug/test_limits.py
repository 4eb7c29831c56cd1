"""Each limit of a server, reached once: what the application, the far end and the log are told."""

from __future__ import annotations

import io
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from doug.events import (
    ApplicationSpecificEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    Event,
)
from doug.exceptions import StateMachineError
from doug.settings import Settings
from doug.source import SilenceSource
from doug.testing import Lab
from doug.voiceapp import VoiceApp
from test.cases.actor import sdp
from test.cases.case import FieldCase

HOLD = "a=sendonly"


class LongCalls(FieldCase):
    """--max-call-duration."""

    settings = Settings(maxCallDuration=300.0, rtpTimeout=0)

    def test_aCallThatEndsBefore(self) -> None:
        """Nothing waits for the limit any more."""
        self.hangUp(self.answered())
        self.assertStillWell()

    def test_maxCallDuration(self) -> None:
        """BYE with a Reason at the limit, an end that says so, in the log, too."""
        call = self.answered()
        self.app.leg.mediaRecord(io.BytesIO())
        for _ in range(29):
            self.alice.media.say(call.media, count=10)
            self.lab.advance(10.0)
        self.assertEqual(self.alice.labels("BYE"), [])
        self.alice.media.say(call.media, count=10)
        self.lab.advance(10.1)
        bye = self.alice.request("BYE")
        self.assertEqual(bye.header("Reason"), 'SIP;cause=408;text="Call duration limit reached"')
        self.alice.reply(bye, 200)
        self.assertOneEnd(self.app)
        [end] = self.app.got(CallEndedEvent)
        self.assertIn("300 s, as long as a call may (--max-call-duration)", end.reason)
        self.assertEqual(end.sipCode, 408)
        self.assertNear(end.duration, 300.0, 0.1)
        self.assertIn("MediaRecordRemoteClosedEvent", self.app.names)
        self.assertLogged(r"ended after 300\.\d+ s: it has lasted 300 s.*--max-call-duration")
        self.assertStillWell()

    def test_callsOfOursToo(self) -> None:
        """From their answer on; the time until then does not count."""
        app = self.dial()
        trunk = self.trunk.takes(self.trunk.request("INVITE"))
        trunk.says(180)
        self.lab.advance(50.0)
        trunk.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        for _ in range(29):
            self.trunk.media.say(trunk.media, count=10)
            self.lab.advance(10.0)
        self.assertEqual(app.got(CallEndedEvent), [])
        self.trunk.media.say(trunk.media, count=10)
        self.lab.advance(10.1)
        self.trunk.reply(self.trunk.request("BYE"), 200)
        [end] = app.got(CallEndedEvent)
        self.assertIn("--max-call-duration", end.reason)
        self.assertStillWell()


class SilentCalls(FieldCase):
    """--rtp-timeout; hostile phone 62."""

    settings = Settings(rtpTimeout=60.0)

    def ended(self) -> str:
        """The reason of the application's end, "" before it."""
        ends = self.app.got(CallEndedEvent)
        return ends[0].reason if ends else ""

    def test_noPacketAtAll(self) -> None:
        """60 s after the answer: BYE, an end that says so."""
        self.answered()
        self.lab.advance(59.8)
        self.assertEqual(self.ended(), "")
        self.lab.advance(0.3)
        bye = self.alice.request("BYE")
        self.assertEqual(bye.header("Reason"), 'SIP;cause=408;text="RTP timeout"')
        self.alice.reply(bye, 200)
        self.assertOneEnd(self.app)
        self.assertIn("no RTP came for 60 s (--rtp-timeout)", self.ended())
        self.assertLogged(r"no RTP came for 60 s \(--rtp-timeout\)")
        self.assertStillWell()

    def test_packetsThatCease(self) -> None:
        """60 s after the last one; keys are packets, too."""
        call = self.answered()
        for _ in range(5):
            self.alice.media.say(call.media, count=5)
            self.lab.advance(40.0)
        self.alice.media.press(call.media, "5", ts=90000, seq=900)
        self.lab.advance(59.0)
        self.assertEqual(self.ended(), "")
        self.lab.advance(2.0)
        self.assertIn("--rtp-timeout", self.ended())
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertStillWell()

    def test_offOnHold(self) -> None:
        """As long as it lasts, and 60 s from its end on."""
        call = self.answered()
        self.lab.advance(50.0)
        call.reoffer(sdp(self.alice.host, self.alice.media.port, version=2, more=HOLD))
        self.lab.advance(1000.0)
        self.assertEqual(self.ended(), "")
        call.reoffer(sdp(self.alice.host, self.alice.media.port, version=3))
        self.lab.advance(59.0)
        self.assertEqual(self.ended(), "")
        self.lab.advance(1.5)
        self.assertIn("--rtp-timeout", self.ended())
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertStillWell()

    def test_theFarEndHangsUpFirst(self) -> None:
        """Nothing of the guard is left."""
        call = self.answered()
        self.hangUp(call)
        self.assertStillWell()


class EndlessCalls(FieldCase):
    """0: no limit."""

    settings = Settings(rtpTimeout=0, maxCallDuration=0)

    def test_withoutLimits(self) -> None:
        """A call without a packet lasts for hours."""
        call = self.answered()
        self.app.leg.mediaPlay(SilenceSource())
        self.lab.advance(60.0)
        self.app.leg.mediaStop()
        self.lab.reactor.stall(50_000.0)
        self.lab.advance(1.0)
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.hangUp(call)
        self.assertStillWell()


class Legs(FieldCase):
    """--max-legs."""

    settings = Settings(maxLegs=2)

    def test_maxLegs(self) -> None:
        """One more is a CallRejectedEvent of 480 with the value; nothing is sent."""
        self.answered()
        app = self.app
        first = app.placeCall("sip:200@203.0.113.30")
        self.trunk.takes(self.trunk.request("INVITE")).says(486)
        self.trunk.request("ACK")
        self.assertTrue(first.ended)
        app.placeCall("sip:201@203.0.113.30")
        callee = self.trunk.takes(self.trunk.request("INVITE"))
        callee.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        before = len(self.trunk.heard)
        leg = app.placeCall("sip:202@203.0.113.30")
        self.lab.advance(1.0)
        self.assertEqual(len(self.trunk.heard), before)
        end = app.got(CallRejectedEvent)[-1]
        self.assertIs(end.leg, leg)
        self.assertEqual(end.sipCode, 480)
        self.assertEqual(end.reason, "this application has 2 legs (--max-legs)")
        self.assertLogged(r"never came up: this application has 2 legs \(--max-legs\)")
        self.assertEqual(len(app.got(CallAnsweredEvent)), 2)
        app.returnResult("done")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertStillWell()


class Calls(FieldCase):
    """--max-calls, --max-early-calls: for the whole server, 503."""

    settings = Settings(maxCalls=2, maxEarlyCalls=2)

    def test_maxCallsOfOurs(self) -> None:
        """A call that an application places counts, and is refused: CallRejectedEvent, 503."""
        self.answered()
        app = self.app
        app.placeCall("sip:200@203.0.113.30")
        self.trunk.takes(self.trunk.request("INVITE")).says(180)
        app.placeCall("sip:201@203.0.113.30")
        self.lab.advance(0.1)
        self.assertEqual(len(self.trunk.labels("INVITE")), 1)
        [end] = app.got(CallRejectedEvent)
        self.assertEqual((end.sipCode, end.reason), (503, "2 calls are up (--max-calls)"))
        self.bob.invite()
        self.bob.response("503 INVITE")
        app.returnResult("done")
        self.trunk.reply(self.trunk.request("CANCEL"), 200)
        self.lab.advance(0.1)
        self.alice.reply(self.alice.request("BYE"), 200)

    def test_maxEarlyCalls(self) -> None:
        """One source has half, no source has more than all; the log names value and remedy."""
        self.ringing()
        self.alice.invite()
        response = self.alice.response("503 INVITE")
        self.assertIn("1 calls from one source are not answered yet", response.reason)
        self.assertRegex(response.header("Retry-After") or "", "^[0-9]+$")
        self.assertLogged(r"by 198\.51\.100\.20:5060 .* refused by max-early-calls: 1 calls .*=2")
        self.assertEqual(len(self.desk), 1)
        self.ringing(actor=self.bob)


class Busy(FieldCase):
    """--max-calls=USER=N: a limit of one application."""

    settings = Settings(userCalls={"menu": 1})

    def test_maxCallsOfAUser(self) -> None:
        """486: the server has room for others (RFC 5390), and they are taken."""
        call = self.alice.invite(uri="sip:menu@192.0.2.10")
        self.alice.response("180 INVITE")
        self.bob.invite(uri="sip:menu@192.0.2.10")
        response = self.bob.response("486 INVITE")
        self.assertEqual(response.reason, "1 calls to menu are up (--max-calls)")
        self.assertLogged(r"to sip:menu@192\.0\.2\.10 is refused: 486 1 calls to menu")
        self.assertEqual(len(self.desk), 1)
        self.ringing(actor=self.mallory)
        call.cancel()
        self.alice.response("487 INVITE")
        self.bob.invite(uri="sip:menu@192.0.2.10")
        self.bob.response("180 INVITE")


class Slow(VoiceApp):
    """Answers, and then waits for what never comes."""

    def __start__(self) -> Any:
        return [(Event, self.wait)]

    def wait(self, event: Event) -> Any:
        """For ever."""
        self.event = event
        return Deferred()


class Events(SynchronousTestCase):
    """--max-queued-events."""

    def test_maxQueuedEvents(self) -> None:
        """One more than may wait for a Deferred: the application ends with an error that names the
        limit, the caller hears 500.
        """
        lab = Lab(Slow, settings=Settings(maxQueuedEvents=5))
        call = lab.phone().dial("sip:app@doug")
        lab.advance(0.1)
        [app] = lab.application.listVoiceapps().values()
        for _ in range(5):
            app.raiseEvent(ApplicationSpecificEvent())
        self.assertEqual(lab.failures, [])
        app.raiseEvent(ApplicationSpecificEvent())
        lab.advance(0.1)
        [failure] = lab.failures
        self.assertIn("5 events (maxQueuedEvents) wait for the Deferred of wait", str(failure))
        assert call.failure is not None
        self.assertEqual(call.failure.sipCode, 500)
        lab.assertNothingLeft()
        self.assertEqual(len(self.flushLoggedErrors(StateMachineError)), 1)
