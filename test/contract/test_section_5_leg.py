"""Contract section 5: the methods of a leg, each sentence on whole calls in virtual time."""

from __future__ import annotations

from typing import Any

from doug.events import CallStartedEvent
from doug.source import EchoSource
from doug.testing import Lab
from shtoom.exceptions import CallFailed, CallRejected, UserBusy
from test.doug.puppet import LegTestCase, Puppet, Silent


class Wire:
    """Keeps what SIP messages travel, as (first line, message)."""

    def __init__(self, lab: Lab) -> None:
        self.messages: list[tuple[str, str]] = []
        lab.network.observers.append(self.seen)

    def seen(self, data: bytes, source: Any, destination: Any) -> None:
        if data[:1] != b"\x80" and b"SIP/2.0" in data[:200]:
            text = data.decode()
            self.messages.append((text.partition("\r\n")[0], text))

    def lines(self, beginning: str) -> list[str]:
        """First lines that begin so."""
        return [line for line, _ in self.messages if line.startswith(beginning)]


class AnswerTests(LegTestCase):
    """answerCall(voiceapp)."""

    appClass = Silent

    def test_answeredWhenTheACKHasCome(self) -> None:
        """CallAnsweredEvent comes after the ACK, not after the 200."""
        self.begin(lab={})
        self.lab.network.drop = lambda data, source, to: data.startswith(b"ACK")
        self.leg.answerCall(self.app)
        self.lab.advance(3.0)
        self.assertEqual((self.call.state, self.app.names()), ("answered", []))
        self.lab.network.drop = None
        self.lab.advance(5.0)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()

    def test_ringsBeforeItIsAnswered(self) -> None:
        """180 is sent when the application is built (autoRinging)."""
        self.begin()
        self.assertEqual((self.call.state, self.call.provisional), ("ringing", [100, 180]))
        self.finish()

    def test_180IsSentBeforeTheFirstEvent(self) -> None:
        """100 before that."""
        sent: list[str] = []

        class Looking(Silent):
            def started(self, event: CallStartedEvent) -> Any:
                sent.extend(wire.lines("SIP/2.0"))
                return super().started(event)

        lab = Lab(Looking)
        wire = Wire(lab)
        lab.phone().dial("sip:puppet@doug")
        lab.advance(0.5)
        self.assertEqual(sent, ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"])
        for app in lab.application.listVoiceapps().values():
            app.returnResult(None)
        lab.assertNothingLeft()

    def test_twiceIsIgnored(self) -> None:
        """At once, or later: one event."""
        self.begin()
        self.leg.answerCall(self.app)
        self.leg.answerCall(self.app)
        self.lab.advance(1.0)
        self.leg.answerCall(self.app)
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()

    def test_afterRejectIsIgnored(self) -> None:
        """The call stays refused."""
        self.begin()
        self.leg.rejectCall(UserBusy())
        self.leg.answerCall(self.app)
        self.lab.advance(1.0)
        self.assertEqual((self.call.state, self.app.names()), ("failed", ["CallEnded"]))
        self.finish()

    def test_headersGoIntoThe200(self) -> None:
        """headers=; line breaks in one are refused by name."""
        self.begin()
        wire = Wire(self.lab)
        self.assertRaises(ValueError, self.leg.answerCall, self.app, {"X-Room": "1\r\nEvil: yes"})
        self.leg.answerCall(self.app, headers={"X-Room": "blue"})
        self.lab.advance(1.0)
        answers = [text for line, text in wire.messages if line.startswith("SIP/2.0 200")]
        self.assertIn("X-Room: blue\r\n", answers[0])
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()


class RejectTests(LegTestCase):
    """rejectCall(exception)."""

    appClass = Silent

    def test_rejectedIs603(self) -> None:
        """With the reason's text; the app then gets CallEndedEvent."""
        self.begin()
        self.leg.rejectCall(CallRejected("Not today"))
        self.lab.advance(0.5)
        assert self.call.failure is not None
        self.assertEqual((self.call.failure.sipCode, self.call.failure.reason), (603, "Not today"))
        self.assertEqual(self.app.names(), ["CallEnded"])
        self.assertEqual((self.app.last().sipCode, self.app.last().duration), (603, 0.0))
        self.finish()

    def test_anyCallFailedGivesItsCode(self) -> None:
        """UserBusy is 486."""
        self.begin()
        self.leg.rejectCall(UserBusy())
        self.lab.advance(0.5)
        assert self.call.failure is not None
        self.assertEqual(self.call.failure.sipCode, 486)
        self.finish()

    def test_headersGoIntoTheRefusal(self) -> None:
        """headers=, such as a Reason."""
        self.begin()
        wire = Wire(self.lab)
        self.leg.rejectCall(UserBusy(), headers={"Reason": "Q.850;cause=17"})
        self.lab.advance(0.5)
        (refusal,) = [text for line, text in wire.messages if line.startswith("SIP/2.0 486")]
        self.assertIn("Reason: Q.850;cause=17\r\n", refusal)
        self.finish()

    def test_nothingElseIsTaken(self) -> None:
        """TypeError names what was given."""
        self.begin()
        wrong: Any = ValueError("no")
        self.assertRaises(TypeError, self.leg.rejectCall, wrong)
        self.finish()

    def test_tooLateIsIgnored(self) -> None:
        """An answered call is not refused."""
        self.begin()
        self.leg.answerCall(self.app)
        self.leg.rejectCall(CallRejected())
        self.lab.advance(0.5)
        self.assertEqual((self.call.state, self.app.names()), ("answered", ["CallAnswered"]))
        self.finish()


class HangUpTests(LegTestCase):
    """hangupCall()."""

    def test_endComesOnTheNextTurn(self) -> None:
        """CallEndedEvent waits for nobody; the Deferred for the far end's 200."""
        self.begin()
        fired: list[Any] = []
        self.leg.hangupCall().addCallback(fired.append)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.lab.advance(0)
        self.assertEqual((self.app.names(), fired), (["CallAnswered", "CallEnded"], []))
        self.lab.advance(0.5)
        self.assertEqual((self.call.state, fired), ("ended", [None]))
        self.assertAlmostEqual(self.app.last().duration, 0.5, 1)
        self.finish()

    def test_mediaClosesAtOnce(self) -> None:
        """Nothing is sent any more, the port is free, plays give no event."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0))
        self.lab.advance(1.0)
        self.leg.hangupCall()
        self.assertEqual(len(self.lab.application.exchange.media.sessions), 0)
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "CallEnded"])
        self.finish()

    def test_twiceIsTheSame(self) -> None:
        """One BYE, one event; the second Deferred fires as well."""
        self.begin()
        wire = Wire(self.lab)
        fired: list[Any] = []
        self.leg.hangupCall()
        self.leg.hangupCall().addCallback(fired.append)
        self.lab.advance(1.0)
        self.leg.hangupCall()
        self.assertEqual((len(wire.lines("BYE")), fired), (1, [None]))
        self.assertEqual(self.app.names(), ["CallAnswered", "CallEnded"])
        self.finish()

    def test_headersGoIntoTheBYE(self) -> None:
        """headers=, such as a Reason (RFC 3326)."""
        self.begin()
        wire = Wire(self.lab)
        self.leg.hangupCall({"Reason": 'Q.850;cause=16;text="done"'})
        self.lab.advance(0.5)
        (bye,) = [text for line, text in wire.messages if line.startswith("BYE")]
        self.assertIn('Reason: Q.850;cause=16;text="done"\r\n', bye)
        self.finish()

    def test_aFarEndThatIsGoneIsNotWaitedForForEver(self) -> None:
        """The Deferred fires when the BYE's transaction has timed out, after 64*T1."""
        self.begin()
        self.lab.network.drop = lambda data, source, to: data.startswith(b"BYE")
        fired: list[Any] = []
        self.leg.hangupCall().addCallback(fired.append)
        self.lab.advance(31.0)
        self.assertEqual((self.app.names(), fired), (["CallAnswered", "CallEnded"], []))
        self.lab.advance(1.5)
        self.assertEqual(fired, [None])
        self.lab.network.drop = None
        self.call.hangUp()
        self.finish()

    def test_outboundBeforeTheAnswerIsCancelled(self) -> None:
        """CANCEL, and CallEndedEvent (not CallRejectedEvent): the app itself hung up."""
        self.begin()
        phone = self.lab.phone(onCall="ring")
        leg = self.app.placeCall(phone.uri)
        self.lab.advance(1.0)
        self.assertEqual(self.app.last().sipCode, 180)
        leg.hangupCall()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "CallProgress", "CallEnded"])
        self.assertEqual(phone.calls[0].state, "ended")
        self.finish()

    def test_withoutACKTheBYEWaits(self) -> None:
        """200 sent and no ACK: 64*T1, then BYE (RFC 3261 13.3.1.4)."""
        lab = Lab(Puppet)
        lab.network.drop = lambda data, source, to: data.startswith(b"ACK")
        wire = Wire(lab)
        lab.phone().dial("sip:puppet@doug")
        lab.advance(1.0)
        [app] = lab.application.listVoiceapps().values()
        assert isinstance(app, Puppet)
        app.leg.hangupCall()
        lab.advance(30.0)
        self.assertEqual((app.names(), wire.lines("BYE")), (["CallEnded"], []))
        lab.advance(3.0)
        self.assertEqual(len(wire.lines("BYE")), 1)
        app.returnResult(None)
        lab.assertNothingLeft()


class RingingTests(LegTestCase):
    """hangupCall() while it rings; ringing()."""

    appClass = Silent

    def test_inboundRingingIs480(self) -> None:
        """The caller hears 480, the app CallEndedEvent."""
        self.begin()
        self.leg.hangupCall()
        self.lab.advance(0.5)
        assert self.call.failure is not None
        self.assertEqual((self.call.failure.sipCode, self.app.names()), (480, ["CallEnded"]))
        self.finish()

    def test_appThatEndsRefusesTheCall(self) -> None:
        """480 after a result, 500 after an error (section 2)."""
        for error, code in ((None, 480), (RuntimeError("bug"), 500)):
            self.begin()
            if error is None:
                self.app.returnResult(None)
            else:
                self.app.returnError(error)
            self.lab.assertNothingLeft()
            assert self.call.failure is not None
            self.assertEqual(self.call.failure.sipCode, code)
        self.flushLoggedErrors(RuntimeError)

    def test_ringingByHand(self) -> None:
        """autoRinging = False: 180 when the application says so."""

        class Late(Silent):
            autoRinging = False

        self.appClass = Late
        self.begin()
        self.assertEqual(self.call.provisional, [100])
        self.leg.ringing()
        self.lab.advance(0.1)
        self.assertEqual(self.call.provisional, [100, 180])
        self.finish()


class GetterTests(LegTestCase):
    """getCookie(), getDialog(), getVoiceApp()."""

    def test_legIsFoundByItsCookie(self) -> None:
        """And is the default one."""
        self.begin()
        self.assertIs(self.app.getLeg(self.leg.getCookie()), self.leg)
        self.assertIs(self.app.getDefaultLeg(), self.leg)
        self.assertIs(self.leg.getVoiceApp(), self.app)
        self.finish()

    def test_dialogStaysReadableAfterTheEnd(self) -> None:
        """A frozen view of what it was."""
        self.begin()
        before = self.leg.getDialog()
        self.assertEqual(before.getCaller(), self.phone.uri)
        self.call.hangUp()
        self.lab.advance(0.5)
        after = self.leg.getDialog()
        self.assertEqual(after.getCaller(), self.phone.uri)
        self.assertEqual(after.getCallID(), before.getCallID())
        self.assertIs(self.leg.getVoiceApp(), self.app)
        self.finish()


class HijackTests(LegTestCase):
    """hijackLeg(voiceapp)."""

    def other(self) -> Puppet:
        """An application without a call."""
        cookie = self.lab.application.startVoiceApp()
        self.lab.advance(0)
        app = self.lab.application.listVoiceapps()[cookie]
        assert isinstance(app, Puppet)
        return app

    def test_bySameAppChangesNothing(self) -> None:
        """The old scripts do so after CallAnsweredEvent."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 1.0))
        self.assertIs(self.leg.hijackLeg(self.app), self.app)
        self.lab.advance(2.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "MediaPlayContentDone"])
        self.finish()

    def test_oldAppHearsNothingMore(self) -> None:
        """Its media stops silently, queued events are withdrawn, no CallEndedEvent comes."""
        self.begin()
        other = self.other()
        self.leg.mediaPlay(self.wav("a.wav", 440, 0.5))
        self.leg.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(0.2)
        self.call.press("1")
        self.lab.advance(0.2)
        heard = len(self.app.events)
        self.assertIs(self.leg.hijackLeg(other), self.app)
        self.assertFalse(self.leg.isPlaying() or self.leg.isRecording())
        self.lab.advance(2.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(len(self.app.events), heard)
        self.assertEqual(other.names(), ["CallEnded"])
        other.returnResult(None)
        self.finish()

    def test_answerCallGivesTheNewAppItsEvent(self) -> None:
        """On a leg that is answered already, at once and once."""
        self.begin()
        other = self.other()
        self.leg.hijackLeg(other)
        self.lab.advance(0.1)
        self.assertEqual(other.names(), [])
        self.leg.answerCall(other)
        self.leg.answerCall(other)
        self.lab.advance(0)
        self.assertEqual(other.names(), ["CallAnswered"])
        self.assertIs(self.leg.getVoiceApp(), other)
        self.app.returnResult(None)
        self.lab.advance(1.0)
        self.assertEqual(self.call.state, "answered")
        self.app = other
        self.finish()


class DTMFTests(LegTestCase):
    """dtmfMode(...)."""

    def test_newLegIsInSingleMode(self) -> None:
        """An event a key, at its start."""
        self.begin()
        self.call.press("1", duration=1.0)
        self.lab.advance(0.1)
        self.assertEqual(self.app.names()[1:], ["DTMFReceived"])
        self.assertIsNone(self.app.last().evidence[0].duration)
        self.lab.advance(1.5)
        self.assertAlmostEqual(self.app.last().evidence[0].duration, 1.0, 1)
        self.finish()

    def test_collectsToATerminator(self) -> None:
        """dtmfMode() without arguments: a string that ends with #."""
        self.begin()
        self.leg.dtmfMode()
        self.call.press("42#7")
        self.lab.advance(2.0)
        self.assertEqual(self.app.names()[1:], ["DTMFReceived"])
        self.assertEqual(self.app.last().digits, "42#")
        self.leg.dtmfMode(single=True)
        self.lab.advance(0)
        self.assertEqual(self.app.last().digits, "7")
        self.finish()

    def test_timeoutFromTheFirstKey(self) -> None:
        """DTMFTimeoutEvent with what was collected."""
        self.begin()
        self.leg.dtmfMode(False, False, 2)
        self.call.press("12")
        self.lab.advance(3.0)
        self.assertEqual(self.app.names()[1:], ["DTMFTimeout"])
        self.assertEqual(self.app.last().digits, "12")
        self.finish()

    def test_optionsByKeyword(self) -> None:
        """terminators and maxDigits; what is out of range is named."""
        self.begin()
        self.leg.dtmfMode(terminators="*", maxDigits=4)
        self.call.press("1*23456")
        self.lab.advance(3.0)
        self.assertEqual(
            [e.digits for e in self.app.events[1:]],  # type: ignore[attr-defined]
            ["1*", "2345"],
        )
        self.assertRaises(ValueError, self.leg.dtmfMode, maxDigits=0)
        self.finish()


class EndedTests(LegTestCase):
    """Calls on a leg that has ended (section 4)."""

    def test_areNoOps(self) -> None:
        """Nothing is raised, nothing happens; Deferreds fire, isPlaying() is False."""
        self.begin()
        leg, fired = self.leg, list[Any]()
        self.call.hangUp()
        self.lab.advance(1.0)
        leg.mediaPlay("x.wav")
        leg.mediaRecord("x.wav")
        leg.mediaStop()
        leg.mediaStopRecording()
        leg.dtmfMode()
        leg.answerCall(self.app)
        leg.rejectCall(CallFailed())
        leg.ringing()
        leg.hangupCall().addCallback(fired.append)
        leg._sourceDone(EchoSource())
        self.assertFalse(leg.isPlaying() or leg.isRecording())
        self.lab.advance(1.0)
        self.assertEqual((self.app.names(), fired), (["CallAnswered", "CallEnded"], [None]))
        self.finish()
