"""Calls that applications place, whole and in virtual time, to phones and to nobody."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.events import (
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallProgressEvent,
    CallRejectedEvent,
    OutboundCallStartedEvent,
)
from doug.leg import Leg
from doug.settings import Settings
from doug.testing import Lab
from doug.testing.phone import Phone
from shtoom.audio.tones import sine
from shtoom.exceptions import (
    CallFailed,
    CallNotAnswered,
    CallRejected,
    HostNotKnown,
    InvalidSIPURL,
    TransactionTimeout,
    TransportFailed,
    UserBusy,
)
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from test.cases.case import Ear, Scripted

NOBODY = "sip:nobody@198.51.100.99"


class Dialler(Scripted):
    """Stays until it is told to end."""

    keepAlive = True

    def came(self, event: BaseEvent) -> None:
        """Writes it down."""
        self.events.append(event)
        leg = getattr(event, "leg", None)
        if leg is not None and leg not in self.legs:
            self.legs.append(leg)


class OutboundTestCase(SynchronousTestCase):
    """An application without a call, which places those of the test."""

    settings = Settings()

    def setUp(self) -> None:
        self.desk: list[Scripted] = []
        self.lab = Lab(Dialler, settings=self.settings, desk=self.desk)
        self.sent: list[Request | Response] = []
        self.lab.network.observers.append(self.observe)
        self.lab.application.startVoiceApp(purpose="test")
        self.lab.advance(0.0)
        self.app = self.desk[0]

    def observe(self, data: bytes, source: Any, destination: Any) -> None:
        """SIP of the server."""
        if source == ("192.0.2.10", 5060):
            self.sent.append(parse(data))

    def requests(self, method: str) -> list[Request]:
        """What the server sent."""
        return [m for m in self.sent if isinstance(m, Request) and m.method == method]

    @property
    def ends(self) -> list[BaseEvent]:
        """All ends that the application heard of."""
        return [e for e in self.app.events if isinstance(e, CallEndedEvent | CallRejectedEvent)]

    def rejected(self, uri: str = "", after: float = 0.5, **wishes: Any) -> CallRejectedEvent:
        """Dials; the one end of that leg, a CallRejectedEvent."""
        before = len(self.ends)
        leg = self.app.placeCall(uri or NOBODY, **wishes)
        self.lab.advance(after)
        (end,) = self.ends[before:]
        assert isinstance(end, CallRejectedEvent), end
        self.assertIs(end.leg, leg)
        self.assertTrue(leg.ended)
        return end

    def answered(self, phone: Phone, **wishes: Any) -> Leg:
        """Dials a phone that answers."""
        leg = self.app.placeCall(phone.uri, **wishes)
        self.lab.advance(0.2)
        self.assertEqual([event.leg for event in self.app.got(CallAnsweredEvent)], [leg])
        return leg

    def bye(self, leg: Leg) -> None:
        """Ends everything; nothing is left."""
        leg.hangupCall()
        self.lab.advance(0.5)
        self.assertNothingLeft()

    def assertNothingLeft(self) -> None:
        """The applications end, and nothing is left."""
        for app in self.desk:
            app.returnResult("done")
        self.lab.assertNothingLeft()


class OutcomeTests(OutboundTestCase):
    """How it went, in events and exceptions."""

    def test_startedWithoutACall(self) -> None:
        """startVoiceApp(**args): OutboundCallStartedEvent without leg, args as attributes."""
        event = self.app.events[0]
        assert isinstance(event, OutboundCallStartedEvent)
        self.assertIsNone(event.leg)
        self.assertEqual(event.args, {"purpose": "test"})
        self.assertEqual(self.app.purpose, "test")  # type: ignore[attr-defined]
        self.assertNothingLeft()

    def test_progressThenAnswer(self) -> None:
        """180 as CallProgressEvent, then CallAnsweredEvent, each with the message's headers."""
        leg = self.answered(self.lab.phone("bob", answerAfter=0.1))
        progress, answer = self.app.events[1:]
        assert isinstance(progress, CallProgressEvent)
        assert isinstance(answer, CallAnsweredEvent)
        self.assertEqual((progress.sipCode, progress.reason), (180, "Ringing"))
        self.assertFalse(progress.earlyMedia)
        self.assertIn("sip:bob@", answer.getHeader("m") or "")
        self.assertEqual(progress.getHeader("CSeq"), "1 INVITE")
        self.bye(leg)

    def test_refusals(self) -> None:
        """Busy and declined: code, words, the exception of that code, the response's headers."""
        for onCall, code, kind in (("busy", 486, UserBusy), ("decline", 603, CallRejected)):
            event = self.rejected(self.lab.phone(onCall=onCall).uri)
            self.assertEqual(event.sipCode, code)
            self.assertIsInstance(event.failure, kind)
            self.assertEqual(event.getHeader("CSeq"), "1 INVITE")
        self.assertNothingLeft()

    def test_noAnswerInTime(self) -> None:
        """CANCEL after `timeout` seconds, CallNotAnswered that says how long."""
        phone = self.lab.phone(onCall="ring")
        event = self.rejected(phone.uri, after=10.2, timeout=10.0)
        self.assertEqual((event.sipCode, event.reason), (408, "no answer within 10 s"))
        self.assertIsInstance(event.failure, CallNotAnswered)
        self.assertEqual(len(self.requests("CANCEL")), 1)
        self.assertNothingLeft()

    def test_noAnswerWithinAMinute(self) -> None:
        """So long it may ring if the application does not say how long."""
        leg = self.app.placeCall(self.lab.phone(onCall="ring").uri)
        self.lab.advance(59.9)
        self.assertFalse(leg.ended)
        self.lab.advance(0.2)
        (end,) = self.ends
        assert isinstance(end, CallRejectedEvent)
        self.assertEqual((end.sipCode, end.reason), (408, "no answer within 60 s"))
        self.assertNothingLeft()

    def test_nobodyThere(self) -> None:
        """No response at all: the INVITE is repeated for 64*T1, then it is over (17.1.1.2)."""
        event = self.rejected(after=32.1)
        self.assertIsInstance(event.failure, TransactionTimeout)
        self.assertEqual(len(self.requests("INVITE")), 7)
        self.assertNothingLeft()

    def test_ICMPRefused(self) -> None:
        """A host where nothing listens: within a second, TransportFailed with host and port."""
        self.lab.network.host("198.51.100.77")
        event = self.rejected("sip:bob@198.51.100.77:5062", after=0.6)
        self.assertIsInstance(event.failure, TransportFailed)
        self.assertEqual(event.sipCode, 503)
        self.assertEqual(
            event.reason, "nobody listens at 198.51.100.77:5062, UDP (ICMP: port unreachable)"
        )
        self.assertEqual(len(self.requests("INVITE")), 2)
        self.assertNothingLeft()

    def test_ICMPRefusedEndsNoOtherCall(self) -> None:
        """Neither one to another port of that host, nor one that has been answered there."""
        phone = self.lab.phone("bob", answerAfter=20.0)
        rings = self.app.placeCall(phone.uri)
        other = self.app.placeCall("sip:eve@198.51.100.99")
        self.lab.advance(1.0)
        phone.port.stopListening()  # its own answer is lost, too
        event = self.rejected(f"sip:carol@{phone.host.address}", after=0.6)
        self.assertIsInstance(event.failure, TransportFailed)
        self.assertEqual((rings.ended, other.ended), (False, False))
        self.lab.advance(40.0)
        late = self.ends[1]
        assert isinstance(late, CallRejectedEvent)
        self.assertIs(late.leg, other)
        self.assertIsInstance(late.failure, TransactionTimeout)
        self.assertNothingLeft()

    def test_ICMPRefusedHasAnotherAddress(self) -> None:
        """A host of two addresses, of which the first refuses: the second is called (RFC 3263)."""
        phone = self.lab.phone("bob")
        self.lab.network.host("198.51.100.77")
        self.lab.reactor.names["example.com"] = ["198.51.100.77", phone.host.address]
        leg = self.app.placeCall("sip:bob@example.com")
        self.lab.advance(1.0)
        self.assertEqual([event.leg for event in self.app.got(CallAnsweredEvent)], [leg])
        self.bye(leg)

    def test_addressesThatLeadNowhere(self) -> None:
        """Each a CallRejectedEvent on a later turn, with the reason in words; no exception."""
        for uri, kind, words in (
            ("", InvalidSIPURL, "no address"),
            ("bob", InvalidSIPURL, "no address"),
            ("sip:", InvalidSIPURL, "no address"),
            ("sip:bob@ho st", InvalidSIPURL, "no address"),
            ("http://example.com/", InvalidSIPURL, "http"),
            ("sips:bob@198.51.100.20", InvalidSIPURL, "sips"),
            ("tel:+4930123", InvalidSIPURL, "--gateway"),
            ("tel:", InvalidSIPURL, "tel:"),
            ("sip:bob@nowhere.invalid", HostNotKnown, "nowhere.invalid"),
            ("sip:bob@198.51.100.20;transport=tcp", CallFailed, "TCP"),
        ):
            before = len(self.ends)
            self.app.placeCall(uri)
            self.assertEqual(len(self.ends), before, "only on a later turn")
            self.lab.advance(6.0)
            (event,) = self.ends[before:]
            assert isinstance(event, CallRejectedEvent)
            self.assertIsInstance(event.failure, kind, uri)
            self.assertIn(words, event.reason)
        self.assertEqual(self.sent, [])
        self.assertNothingLeft()

    def test_aBrokenFromURI(self) -> None:
        """It is named; nothing is sent."""
        event = self.rejected(self.lab.phone().uri, fromURI="nobody")
        self.assertIn("fromURI 'nobody'", event.reason)
        self.assertEqual(self.sent, [])
        self.assertNothingLeft()

    def test_whatAnApplicationMayNotWish(self) -> None:
        """A header with a line end, a timeout of none, an auth that is none: ValueError at once."""
        for wishes in (
            {"headers": {"X-A": "1\r\nX-B: 2"}},
            {"headers": {"Via": "x"}},
            {"timeout": 0},
            {"auth": "alice"},
        ):
            self.assertRaises(ValueError, self.app.placeCall, NOBODY, **wishes)
        self.lab.advance(1.0)
        self.assertEqual((self.sent, self.ends), ([], []))
        self.assertNothingLeft()

    def test_theFarEndHangsUp(self) -> None:
        """CallEndedEvent, with the headers of its BYE."""
        phone = self.lab.phone()
        self.answered(phone)
        call = phone.calls[0].call
        assert call is not None
        call.hangup((("Reason", 'Q.850;cause=16;text="bye"'),))
        self.lab.advance(0.2)
        (end,) = self.ends
        assert isinstance(end, CallEndedEvent)
        self.assertEqual(end.getHeader("reason"), 'Q.850;cause=16;text="bye"')
        self.assertNothingLeft()

    def test_theServersOwnPlaceCall(self) -> None:
        """An application for a leg that dials; what fails at once comes after the start."""
        self.lab.application.placeCall("tel:+4930123", None, note="x")
        self.lab.advance(0.1)
        app = self.desk[1]
        self.assertEqual(
            [event.getEventName() for event in app.events],
            ["OutboundCallStartedEvent", "CallRejectedEvent"],
        )
        self.assertIs(app.events[0].leg, app.events[1].leg)  # type: ignore[attr-defined]
        self.assertNothingLeft()


class HangUpTests(OutboundTestCase):
    """Who gives up before there is an answer."""

    def test_whileItRings(self) -> None:
        """CANCEL with the Reason given; one CallEndedEvent, on the next turn."""
        leg = self.app.placeCall(self.lab.phone(onCall="ring").uri)
        self.lab.advance(1.0)
        leg.hangupCall(headers={"Reason": 'SIP;cause=200;text="elsewhere"'})
        self.assertEqual(self.ends, [])
        self.lab.advance(0.0)
        self.assertEqual([type(end) for end in self.ends], [CallEndedEvent])
        (cancel,) = self.requests("CANCEL")
        self.assertEqual(cancel.header("Reason"), 'SIP;cause=200;text="elsewhere"')
        self.lab.advance(40.0)
        self.assertEqual(len(self.ends), 1)
        self.assertNothingLeft()

    def test_beforeAnyResponse(self) -> None:
        """No CANCEL before a provisional response (9.1); to nobody none is ever sent."""
        leg = self.app.placeCall(NOBODY)
        self.lab.advance(1.0)
        leg.hangupCall()
        self.lab.advance(40.0)
        self.assertEqual([type(end) for end in self.ends], [CallEndedEvent])
        self.assertEqual(self.requests("CANCEL"), [])
        self.assertNothingLeft()

    def test_inTheTurnOfPlaceCall(self) -> None:
        """Nothing is sent."""
        self.app.placeCall(self.lab.phone().uri).hangupCall()
        self.lab.advance(1.0)
        self.assertEqual([type(end) for end in self.ends], [CallEndedEvent])
        self.assertEqual(self.sent, [])
        self.assertNothingLeft()

    def test_theApplicationEnds(self) -> None:
        """CANCEL; the phone stops ringing."""
        phone = self.lab.phone(onCall="ring")
        self.app.placeCall(phone.uri)
        self.lab.advance(1.0)
        self.app.returnResult("tired")
        self.lab.advance(1.0)
        self.assertEqual(len(self.requests("CANCEL")), 1)
        self.assertTrue(phone.calls[0].closed)
        self.assertEqual(self.ends, [])
        self.lab.assertNothingLeft()

    def test_theCallerHangsUpMeanwhile(self) -> None:
        """An application that dials for a caller who has gone takes the call back: CANCEL."""
        caller = self.lab.phone("alice").dial("sip:app@doug")
        self.lab.advance(0.1)
        app = self.desk[-1]
        app.leg.answerCall(app)
        bob = self.lab.phone("bob", onCall="ring")
        placed = app.placeCall(bob.uri)
        self.lab.advance(1.0)
        self.assertEqual(bob.calls[0].state, "ringing")
        caller.hangUp()
        self.lab.advance(0.1)
        (end,) = app.got(CallEndedEvent)
        self.assertIsNot(end.leg, placed)
        self.assertFalse(placed.ended)  # what becomes of it is the application's to say
        app.returnResult("the caller has gone")
        self.lab.advance(0.1)
        self.assertEqual(bob.calls[0].state, "ended")
        self.assertEqual(len(self.requests("CANCEL")), 1)
        self.assertNothingLeft()

    def test_anAnswerCrossesTheEndOfTheApplication(self) -> None:
        """The 200 is acknowledged and left by BYE (13.2.2.4)."""
        phone = self.lab.phone(answerAfter=1.0)
        self.app.placeCall(phone.uri)
        self.lab.advance(1.0004)
        self.assertEqual(self.app.got(CallAnsweredEvent), [])
        self.app.returnResult("tired")
        self.lab.advance(1.0)
        methods = [m.method for m in self.sent if isinstance(m, Request)]
        self.assertEqual(methods, ["INVITE", "CANCEL", "ACK", "BYE"])
        self.lab.assertNothingLeft()

    def test_theServerDropsACallThatRings(self) -> None:
        """CANCEL, and a rejection: it was not the application that hung up."""
        self.app.placeCall(self.lab.phone(onCall="ring").uri)
        self.lab.advance(1.0)
        self.lab.application.dropCall(self.app.va_cookie)
        self.lab.advance(1.0)
        (end,) = self.ends
        assert isinstance(end, CallRejectedEvent)
        self.assertEqual((end.sipCode, end.reason), (487, "dropped by the server"))
        self.assertEqual(len(self.requests("CANCEL")), 1)
        self.assertNothingLeft()

    def test_theServerStopsWhileItRings(self) -> None:
        """As a rejection as well: an application that dials need not wait for two kinds of end."""
        self.app.placeCall(self.lab.phone(onCall="ring").uri)
        self.lab.advance(1.0)
        self.lab.application.shutdown()
        self.lab.application.hurry()
        self.lab.advance(1.0)
        (end,) = self.ends
        assert isinstance(end, CallRejectedEvent)
        self.assertEqual(end.sipCode, 487)
        self.assertEqual(len(self.requests("CANCEL")), 1)

    def test_aBrokenHeaderOfHangup(self) -> None:
        """ValueError, and the call goes on."""
        leg = self.answered(self.lab.phone())
        self.assertRaises(ValueError, leg.hangupCall, headers={"Reason": "a\r\nb"})
        self.lab.advance(1.0)
        self.assertFalse(leg.ended)
        leg.hangupCall({"Reason": "Q.850;cause=16"})
        self.lab.advance(0.1)
        self.assertEqual(self.requests("BYE")[0].header("Reason"), "Q.850;cause=16")
        self.assertNothingLeft()


class CallerTests(OutboundTestCase):
    """Who calls, as the far end sees it."""

    def sees(self, **wishes: Any) -> Request:
        """The INVITE that a phone gets."""
        phone = self.lab.phone(onCall="busy")
        self.rejected(phone.uri, **wishes)
        return self.requests("INVITE")[-1]

    def test_nameAndAddress(self) -> None:
        """'"Name" <URI>', name unquoted too, or a URI alone; the tag is ours."""
        for given, name in (
            ('"Ann \\"A\\" Lee" <sip:ann@example.com>;tag=theirs', 'Ann "A" Lee'),
            ("Ann <sip:ann@example.com>", "Ann"),
            ("sip:ann@example.com", ""),
        ):
            invite = self.sees(fromURI=given)
            self.assertEqual(invite.fromAddress.display, name)
            self.assertEqual(str(invite.fromAddress.uri), "sip:ann@example.com")
            self.assertNotEqual(invite.fromAddress.tag, "theirs")
        self.assertNothingLeft()

    def test_anonymous(self) -> None:
        """RFC 3323 4.1.1.3: nobody's address; Privacy: id asks proxies to keep it so."""
        invite = self.sees(fromURI="anonymous")
        text = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag='
        self.assertTrue(str(invite.fromAddress).startswith(text))
        self.assertEqual(invite.headerValues("Privacy"), ["id"])
        invite = self.sees(fromURI="anonymous", headers={"Privacy": "none"})
        self.assertEqual(invite.headerValues("Privacy"), ["none"])
        invite = self.sees(fromURI="sip:anonymous@anonymous.invalid")
        self.assertIsNone(invite.header("Privacy"))
        self.assertNothingLeft()

    def test_theDialogKnowsBothAndItsHeaders(self) -> None:
        """getCaller, getCallee, getHeader of the INVITE that went out."""
        phone = self.lab.phone("bob")
        ann = "Ann <sip:ann@example.com>"
        leg = self.app.placeCall(phone.uri, ann, headers={"X-Order": "7"})
        self.assertEqual(str(leg.getDialog().getCallee()), phone.uri)
        self.lab.advance(0.2)
        dialog = leg.getDialog()
        self.assertEqual(dialog.getDirection(), "outbound")
        self.assertEqual(dialog.getCaller().getDisplayName(), "Ann")
        self.assertEqual(str(dialog.getCallee()), phone.uri)
        self.assertEqual(dialog.getHeader("X-Order"), "7")
        self.bye(leg)
        self.assertEqual(leg.getDialog().getHeader("x-order"), "7")

    def test_aPartyIsAnAddressToo(self) -> None:
        """What getCaller() returned may be dialled."""
        phone = self.lab.phone("bob")
        call = phone.dial("sip:app@doug")
        self.lab.advance(0.1)
        theirs = self.desk[1]
        theirs.leg.rejectCall(UserBusy(), headers={"X-Why": "later"})
        self.lab.advance(0.1)
        assert call.failure is not None
        self.assertIn(("X-Why", "later"), call.failure.headers)
        leg = self.app.placeCall(theirs.leg.getDialog().getCaller())  # type: ignore[arg-type]
        self.lab.advance(0.2)
        self.assertEqual(phone.calls[-1].state, "answered")
        self.bye(leg)


class ElsewhereTests(OutboundTestCase):
    """Redirections and passwords."""

    def test_redirected(self) -> None:
        """The call goes on at the address named; one answer, one call."""
        bob = self.lab.phone("bob")
        leg = self.answered(self.lab.phone("away", redirectTo=[bob.uri]))
        self.assertEqual(bob.calls[0].state, "answered")
        self.bye(leg)

    def test_roundAndRound(self) -> None:
        """Two phones that name each other: each is asked once."""
        ann = self.lab.phone("ann", redirectTo=["sip:bob@198.51.100.21"])
        self.lab.phone("bob", redirectTo=[ann.uri])
        event = self.rejected(ann.uri)
        self.assertEqual(event.sipCode, 302)
        self.assertEqual(len(self.requests("INVITE")), 2)
        self.assertNothingLeft()

    def test_aPassword(self) -> None:
        """The phone asks, and is answered; sound follows; the password is in no repr."""
        phone = self.lab.phone(auth=("doug", "s3cr3t-pw"))
        leg = self.answered(phone, auth=("doug", "s3cr3t-pw"))
        self.assertIn("SHA-256", self.requests("INVITE")[1].header("Authorization") or "")
        self.assertNotIn("s3cr3t", repr(vars(leg)))
        self.bye(leg)

    def test_noPasswordOrAWrongOne(self) -> None:
        """CallRejectedEvent 401 that says which."""
        phone = self.lab.phone(auth=("doug", "s3cr3t-pw"))
        event = self.rejected(phone.uri)
        self.assertEqual(event.sipCode, 401)
        self.assertIn("auth=(user, password)", event.reason)
        event = self.rejected(phone.uri, auth=("doug", "wrong-pw"))
        self.assertIn("rejected", event.reason)
        self.assertNotIn("wrong-pw", repr(event))
        self.assertNothingLeft()


class EarlyMediaTests(OutboundTestCase):
    """What is said before the answer."""

    def early(self, earlyMedia: bool) -> Ear:
        """Two seconds of a phone with an announcement, heard by the leg from the start."""
        phone = self.lab.phone(answerAfter=2.0, earlySound=sine(440, 3.0, 0.3))
        ear = Ear()
        self.leg = self.app.placeCall(phone.uri, earlyMedia=earlyMedia)
        self.leg.mediaRecord(ear)
        self.lab.advance(1.9)
        self.assertEqual(self.app.got(CallAnsweredEvent), [])
        self.assertEqual(
            [event.earlyMedia for event in self.app.got(CallProgressEvent)], [earlyMedia]
        )
        return ear

    def test_itIsHeard(self) -> None:
        """earlyMedia=True: a 183 with a description starts the sound; the answer cuts nothing."""
        heard = self.early(True).heard
        self.assertGreater(len(heard), 1.7 * 8000)
        self.assertGreater(abs(heard[-8000:].astype(int)).mean(), 3000)
        ear = Ear()
        self.leg.mediaRecord(ear)
        self.lab.advance(1.0)
        self.assertEqual(len(self.app.got(CallAnsweredEvent)), 1)
        quiet = abs(ear.heard[160:].astype(int)).reshape(-1, 80).max(axis=1) < 1000
        self.assertEqual(int(quiet.sum()), 0)
        self.bye(self.leg)

    def test_itIsNotHeardUnasked(self) -> None:
        """Else there is no sound before the answer, then there is."""
        ear = self.early(False)
        self.assertEqual(abs(ear.heard.astype(int)).max(initial=0), 0)
        self.lab.advance(0.5)
        self.assertGreater(abs(ear.heard[-1600:].astype(int)).mean(), 3000)
        self.bye(self.leg)


class DialPlanTests(OutboundTestCase):
    """A server that lets through what its patterns name, and has a gateway."""

    settings = Settings(dialOut=("198.51.100.20", "+49*@*"), gateway="198.51.100.20")

    def test_aTelephoneNumber(self) -> None:
        """It goes to the gateway as a user part with user=phone (RFC 3261 19.1.6)."""
        phone = self.lab.phone("gateway")
        leg = self.app.placeCall("tel:+49-30-123;ext=7")
        self.lab.advance(0.2)
        self.assertEqual(phone.calls[0].state, "answered")
        invite = self.requests("INVITE")[0]
        self.assertEqual(str(invite.uri), "sip:+49-30-123;ext=7@198.51.100.20;user=phone")
        self.bye(leg)

    def test_whatNoPatternNames(self) -> None:
        """CallRejectedEvent 403 that names the option; nothing is sent."""
        for uri in (NOBODY, "sip:+43123@198.51.100.21", "sip:a@198.51.100.20;maddr=198.51.100.21"):
            event = self.rejected(uri)
            self.assertEqual(event.sipCode, 403)
            self.assertIn("--dial-out=198.51.100.20, +49*@*", event.reason)
        self.assertEqual(self.sent, [])
        self.assertNothingLeft()

    def test_aRedirectionThere(self) -> None:
        """The same rule holds for the targets of a 302."""
        phone = self.lab.phone(redirectTo=[NOBODY])
        event = self.rejected(phone.uri)
        self.assertEqual(event.sipCode, 403)
        self.assertEqual(len(self.requests("INVITE")), 1)
        self.assertNothingLeft()
