"""Twenty ways to end a call, and some: nothing is left of it, and its application hears one end."""

from __future__ import annotations

import io
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from doug.conferencing import newConferenceMember
from doug.events import (
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
)
from doug.settings import Settings
from doug.testing import Lab, PhoneCall
from doug.voiceapp import VoiceApp
from shtoom.exceptions import UserBusy
from test.cases.actor import Actor, Dialogue, sdp
from test.doug.faulty import Fault
from test.doug.witnesses import SOUND
from test.support.logs import logged

AT = "198.51.100.70", 40000  # where an actor is
NOBODY = "sip:x@198.51.100.250"  # no such host: silence


class Full(VoiceApp):
    """Opens all that a call may have, as soon as it can; what is done then a test says.

    desk: the test's list of applications. answers: does it answer? to: whom it calls, if it is
    started without a call. ends: the events that told it of an end.
    """

    desk: list[Full]
    answers = True
    to = ""

    def __start__(self) -> Any:
        self.ends: list[BaseEvent] = []
        self.keys = ""
        self.desk.append(self)
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """A call, or one to place."""
        self.leg: Any = event.leg if event.leg is not None else self.placeCall(self.to)
        self.mediaPlay([SOUND, io.BytesIO(bytes(16000))], loop=True)  # kept for the answer
        self.setTimer(1000.0)
        if event.leg is not None and self.answers:
            self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.up), *self.usual]

    def up(self, event: CallAnsweredEvent) -> Any:
        """Sound, files, keys, a seat, a key that waits to be sent."""
        self.dtmfMode(maxDigits=4, interDigitTimeout=5.0, inband=True)
        self.mediaRecord(io.BytesIO(), beep=True, maxSilence=50.0)
        self.mediaRecord(newConferenceMember("ways", self.leg, tones=True))
        self.sendDTMF("1,2")
        return self.usual

    @property
    def usual(self) -> list[Any]:
        """What it expects in every state."""
        return [
            (CallEndedEvent, self.ended),
            (CallRejectedEvent, self.ended),
            (DTMFReceivedEvent, self.pressed),
            (Event, self.other),
        ]

    def pressed(self, event: DTMFReceivedEvent) -> Any:
        """Keys; some of them are too much for it."""
        if event.digits == "9999":
            raise Fault("on purpose")

    def other(self, event: Event) -> Any:
        """Whatever else."""

    def ended(self, event: BaseEvent) -> None:
        """One end, of one leg."""
        self.ends.append(event)
        self.returnResult("over")


class WayTestCase(SynchronousTestCase):
    """A lab with Full; the end of each test looks for what is left."""

    settings = Settings(rtpPorts=(40000, 40019))

    def setUp(self) -> None:
        self.desk: list[Full] = []

    def open(self, app: type[Full] = Full, **args: Any) -> None:
        """The server."""
        self.lab = Lab(app, settings=self.settings, desk=self.desk, **args)
        self.actors: list[Actor] = []

    def call(self, app: type[Full] = Full, seconds: float = 0.6, **args: Any) -> PhoneCall:
        """A phone's call, as far as it gets in that time."""
        self.open(app, **args)
        call = self.lab.phone().dial("sip:x@doug")
        self.lab.advance(seconds)
        return call

    def dial(self, to: str, seconds: float = 0.6) -> Full:
        """The application has called, and what became of that in that time."""
        self.lab.application.startVoiceApp(to=to)
        self.lab.advance(seconds)
        return self.desk[-1]

    def actor(self) -> Actor:
        """One that says what it wants."""
        self.actors.append(Actor(self.lab, "actor", *AT))
        return self.actors[-1]

    def invite(self, body: bytes | None = None, seconds: float = 0.1) -> Dialogue:
        """An actor's call."""
        call = self.actor().invite(body)
        self.lab.advance(seconds)
        return call

    def assertOver(self, *kinds: type[BaseEvent], seconds: float = 0.3, errors: int = 0) -> None:
        """Each application has heard of one end, of these kinds; nothing is left of any call.

        seconds: until all sockets are closed and all applications gone.
        """
        self.lab.advance(seconds)
        self.assertEqual(self.lab.io.sockets, set())
        self.assertEqual(self.lab.application.listVoiceapps(), {})
        self.assertEqual([type(end) for app in self.desk for end in app.ends], list(kinds))
        for actor in self.actors:
            actor.close()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.application.leaks.count, 0)
        self.assertEqual(len(self.flushLoggedErrors(Fault)), errors)


class AnsweredTests(WayTestCase):
    """Calls that are up, with everything open."""

    def test_theCallerHangsUp(self) -> None:
        """BYE from there."""
        self.call().hangUp()
        self.assertOver(CallEndedEvent)

    def test_theApplicationHangsUp(self) -> None:
        """BYE from here, and the event."""
        self.call()
        self.desk[0].leg.hangupCall()
        self.assertOver(CallEndedEvent)

    def test_theApplicationReturns(self) -> None:
        """BYE, and nobody to hear of it."""
        self.call()
        self.desk[0].returnResult("enough")
        self.assertOver()

    def test_theApplicationReturnsAnError(self) -> None:
        """Likewise."""
        self.call()
        self.desk[0].returnError(Fault("on purpose"))
        self.assertOver(errors=1)

    def test_aHandlerRaises(self) -> None:
        """Of keys."""
        self.call().press("9999", duration=0.05, gap=0.05)
        self.assertOver(seconds=1.5, errors=1)

    def test_aTimersHandlerRaises(self) -> None:
        """Later."""

        class Timing(Full):
            def up(self, event: CallAnsweredEvent) -> Any:
                self.setTimer(0.1)
                return super().up(event)

            def other(self, event: Event) -> Any:
                raise Fault("on purpose")

        self.call(Timing)
        self.assertOver(errors=1)

    def test_aDeferredFails(self) -> None:
        """That of a coroutine."""

        class Failing(Full):
            async def up(self, event: CallAnsweredEvent) -> Any:
                super().up(event)
                await self.deferToThread(self.fail)

            def fail(self) -> None:
                """In the thread."""
                raise Fault("on purpose")

        self.call(Failing)
        self.assertOver(errors=1)

    def test_whileADeferredPends(self) -> None:
        """It fires in time, and the end is heard of after it."""
        gate: Deferred[Any] = Deferred()

        class Waiting(Full):
            def up(self, event: CallAnsweredEvent) -> Any:
                usual = super().up(event)
                return gate.addCallback(lambda _: usual)

        self.call(Waiting).hangUp()
        self.lab.advance(1.0)
        gate.callback(None)
        self.assertOver(CallEndedEvent)

    def test_theServerDropsIt(self) -> None:
        """dropCall()."""
        self.call()
        self.lab.application.dropCall(self.desk[0].va_cookie)
        self.assertOver(CallEndedEvent)

    def test_theServerStops(self) -> None:
        """Nothing is left of it either."""
        self.settings = Settings(drainTimeout=0.0)
        self.call()
        self.lab.application.shutdown()
        self.lab.advance(10.0)
        self.assertEqual([type(end) for end in self.desk[0].ends], [CallEndedEvent])
        self.lab.close()
        self.lab.assertNothingLeft()

    def test_theBYEIsLost(self) -> None:
        """32 seconds; media is closed at once."""
        call = self.call()
        self.lab.network.drop = lambda data, source, to: data.startswith(b"BYE")
        self.desk[0].leg.hangupCall()
        self.lab.advance(40.0)
        self.lab.network.drop = None
        call.hangUp()  # it does not know yet: 481
        self.assertOver(CallEndedEvent)

    def test_theCallerHasVanished(self) -> None:
        """Its network is gone; what is sent has no answer."""
        call = self.call()
        host = call.phone.host.address
        self.lab.network.drop = lambda data, source, to: host in (source[0], to[0])
        self.desk[0].leg.hangupCall()
        self.lab.advance(1.0)
        call.close()
        call.phone.agent.stop()
        call.phone.calls.clear()
        self.assertOver(CallEndedEvent)

    def test_noACK(self) -> None:
        """32 seconds of 200s, then the end, and the BYE has no answer either."""
        self.open()
        self.invite()
        self.assertOver(CallEndedEvent, seconds=32.5)

    def test_theBYEComesBeforeTheACK(self) -> None:
        """It counts."""
        self.open()
        self.invite().bye()
        self.assertOver(CallEndedEvent)

    def test_itIsSilent(self) -> None:
        """No RTP for so long (rtpTimeout)."""
        self.settings = Settings(rtpTimeout=5.0)
        call = self.call()
        call.phone.clock.close()
        self.assertOver(CallEndedEvent, seconds=15.0)

    def test_itHasBeenLongEnough(self) -> None:
        """maxCallDuration."""
        self.settings = Settings(maxCallDuration=3.0)
        self.call()
        self.assertOver(CallEndedEvent, seconds=4.0)


class RingingTests(WayTestCase):
    """Calls that came in and are not up yet."""

    def ring(self, **args: Any) -> PhoneCall:
        """One that is not answered."""
        call = self.call(answers=False, **args)
        self.assertEqual(call.state, "ringing")
        return call

    def test_theCallerCancels(self) -> None:
        """487."""
        self.ring().hangUp()
        self.assertOver(CallEndedEvent)

    def test_theApplicationRejects(self) -> None:
        """486."""
        self.ring()
        self.desk[0].leg.rejectCall(UserBusy())
        self.assertOver(CallEndedEvent)

    def test_theApplicationHangsUp(self) -> None:
        """480."""
        self.ring()
        self.desk[0].leg.hangupCall()
        self.assertOver(CallEndedEvent)

    def test_theApplicationReturns(self) -> None:
        """480, and nobody to hear of it."""
        self.ring()
        self.desk[0].returnResult("no")
        self.assertOver()

    def test_startRaises(self) -> None:
        """500."""

        class Broken(Full):
            def __start__(self) -> Any:
                raise Fault("on purpose")

        call = self.call(Broken)
        assert call.failure is not None
        self.assertEqual(call.failure.sipCode, 500)
        self.assertOver(errors=1)

    def test_theCancelCrossesThe200(self) -> None:
        """The call is up then, until its caller hangs up."""
        self.open(answers=False)
        call = self.invite()
        self.desk[0].leg.answerCall(self.desk[0])
        call.cancel()
        self.lab.advance(0.1)
        call.ack()
        call.bye()
        self.assertOver(CallEndedEvent)

    def test_noCodecInCommon(self) -> None:
        """488, before there is an application."""
        self.open()
        self.invite(sdp(*AT, "18", rtpmap="18 G729/8000")).ackRefusal()
        self.assertOver()
        self.assertEqual(self.desk, [])

    def test_aBrokenDescription(self) -> None:
        """400."""
        self.open()
        self.invite(b"v=0\r\nm=audio what RTP/AVP 0\r\n").ackRefusal()
        self.assertOver()
        self.assertEqual(self.desk, [])

    def test_noPortIsLeft(self) -> None:
        """503."""
        self.settings = Settings(rtpPorts=(40000, 40001))
        call = self.call()
        late = self.lab.phone().dial("sip:x@doug")
        self.lab.advance(0.3)
        assert late.failure is not None
        self.assertEqual(late.failure.sipCode, 503)
        call.hangUp()
        self.assertOver(CallEndedEvent)


class PlacedTests(WayTestCase):
    """Calls that the application has placed."""

    def setUp(self) -> None:
        super().setUp()
        self.open()

    def test_nobodyIsThere(self) -> None:
        """32 seconds."""
        self.dial(NOBODY)
        self.assertOver(CallRejectedEvent, seconds=33.0)

    def test_nobodyListens(self) -> None:
        """ICMP says so at once."""
        self.lab.host()
        self.dial(f"sip:x@{self.lab.host().address}")
        self.assertOver(CallRejectedEvent, seconds=2.0)

    def test_theyAreBusy(self) -> None:
        """486."""
        self.dial(self.lab.phone(onCall="busy").uri)
        self.assertOver(CallRejectedEvent)

    def test_theyDoNotAnswer(self) -> None:
        """CANCEL after the time that placeCall gives."""
        self.dial(self.lab.phone(onCall="ring").uri)
        self.assertOver(CallRejectedEvent, seconds=61.0)

    def test_theApplicationGivesUp(self) -> None:
        """CANCEL, and the event of an application that hung up itself."""
        app = self.dial(self.lab.phone(onCall="ring").uri)
        app.leg.hangupCall()
        self.assertOver(CallEndedEvent)

    def test_beforeAnyProvisional(self) -> None:
        """The CANCEL has to wait, and there is nobody to send it to."""
        app = self.dial(NOBODY)
        app.leg.hangupCall()
        self.assertOver(CallEndedEvent)

    def test_theApplicationReturns(self) -> None:
        """While it rings there."""
        self.dial(self.lab.phone(onCall="ring").uri).returnResult("no")
        self.assertOver()

    def test_aBadAnswer(self) -> None:
        """ACK and BYE."""
        actor = self.actor()
        self.dial(f"sip:x@{AT[0]}")
        actor.takes(actor.request("INVITE")).says(200, body=b"v=0\r\nnonsense\r\n")
        actor.request("ACK")
        actor.reply(actor.request("BYE"), 200)
        self.assertOver(CallRejectedEvent)

    def test_noAddress(self) -> None:
        """Nor a name that anybody knows."""
        for to in ("200", "sip:x@unknown.invalid", "http://example.com"):
            self.dial(to)
        self.assertOver(*[CallRejectedEvent] * 3)

    def test_theyHangUp(self) -> None:
        """BYE from there."""
        phone = self.lab.phone()
        self.dial(phone.uri)
        phone.calls[0].hangUp()
        self.assertOver(CallEndedEvent)

    def test_theApplicationHangsUp(self) -> None:
        """BYE from here."""
        self.dial(self.lab.phone().uri).leg.hangupCall()
        self.assertOver(CallEndedEvent)

    def test_ofTheDialAndTheCaller(self) -> None:
        """Two legs in a bridge; the end of the one is no end of the other."""
        with logged() as lines:
            self.lab.phone().dial("sip:x@doug")
            self.lab.advance(0.3)
            app, phone = self.desk[0], self.lab.phone()
            other = app.placeCall(phone.uri)
            self.lab.advance(0.3)
            app.connectLegs(app.leg, other).mediaRecord(io.BytesIO())
            self.lab.advance(0.3)
            phone.calls[0].hangUp()
            self.assertOver(CallEndedEvent)
        self.assertEqual([line for line in lines if "still open" in line], [])
