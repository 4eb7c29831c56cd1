"""Session timers in whole calls (cases timer-001 to 004)."""

from __future__ import annotations

from doug.events import CallAnsweredEvent, CallEndedEvent, CallRejectedEvent
from doug.settings import Settings
from test.cases.case import FieldCase

TIMER = {"Supported": "timer"}


class SessionTimerCases(FieldCase):
    """RFC 4028 with phones and trunks as they are."""

    settings = Settings(sessionExpires=90, rtpTimeout=0)

    def test_timer_001_422IsFollowed(self) -> None:
        """The INVITE once more with what the 422 asks for, and the call is answered (7.3)."""
        app = self.dial()
        first = self.trunk.request("INVITE")
        self.assertEqual(first.header("Session-Expires"), "90")
        call = self.trunk.takes(first)
        call.says(422, with_={"Min-SE": "120"})
        self.trunk.request("ACK")
        again = self.trunk.request("INVITE")
        self.assertEqual(again.header("Session-Expires"), "120")
        self.assertEqual(again.header("Min-SE"), "120")
        self.assertEqual(again.callID, first.callID)
        self.assertEqual(again.cseq.number, first.cseq.number + 1)
        self.assertEqual(again.header("From"), first.header("From"))
        call = self.trunk.takes(again)
        call.says(200, body=self.trunk.answer, tag="t2")
        self.trunk.request("ACK")
        self.lab.advance(0.0)
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        self.hangUp(call)
        self.assertStillWell()

    def test_timer_001_notForEver(self) -> None:
        """The third 422 is the end of it."""
        app = self.dial()
        for least in ("120", "240", "480"):
            call = self.trunk.takes(self.trunk.request("INVITE"))
            call.says(422, with_={"Min-SE": least})
            self.trunk.request("ACK")
        self.trunk.nothing("INVITE", 1.0)
        self.assertOneEnd(app, CallRejectedEvent)
        self.assertEqual(app.got(CallRejectedEvent)[0].sipCode, 422)
        self.assertStillWell()

    def test_timer_002_tooBrief(self) -> None:
        """422 to who knows timers; to who does not, the call with our minimum (5, 9)."""
        call = self.alice.invite(with_={**TIMER, "Session-Expires": "60"})
        refusal = self.alice.response("422 INVITE")
        self.assertEqual(refusal.header("Min-SE"), "90")
        self.assertIsNotNone(refusal.toAddress.tag)
        call.ackRefusal()
        self.assertEqual(len(self.desk), 0)
        call = self.ringing(with_={"Session-Expires": "60"})
        said = self.accept(call)
        self.assertEqual(said.header("Session-Expires"), "90;refresher=uas")
        self.assertIsNone(said.header("Require"))
        self.hangUp(call)
        self.assertStillWell()

    def test_timer_003_aRefreshWithoutAnswer(self) -> None:
        """At half time UPDATE, which nobody answers: BYE, and the words of the end (10)."""
        call = self.ringing(with_={**TIMER, "Session-Expires": "90;refresher=uas"})
        said = self.accept(call)
        self.assertEqual(said.header("Session-Expires"), "90;refresher=uas")
        self.assertEqual(said.header("Require"), "timer")
        self.alice.nothing("UPDATE|INVITE", 44.0)
        self.alice.request("UPDATE|INVITE", within=2.0)
        bye = self.alice.request("BYE", within=60.0)
        self.alice.reply(bye, 200)
        self.lab.advance(0.0)
        self.assertOneEnd(self.app)
        self.assertIn("session timer", self.app.got(CallEndedEvent)[0].reason)
        self.assertStillWell()

    def test_timer_003_theFarEndForgets(self) -> None:
        """As the refreshed side: BYE min(32 s, a third) before the end (10)."""
        call = self.ringing(with_={**TIMER, "Session-Expires": "90;refresher=uac"})
        self.assertEqual(self.accept(call).header("Session-Expires"), "90;refresher=uac")
        self.alice.nothing(".*", 59.5)
        self.alice.reply(self.alice.request("BYE", within=1.0), 200)
        self.lab.advance(0.0)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_timer_004_lessThanOurMinimum(self) -> None:
        """A 2xx may name less than we wanted: it is kept to, and the verdict says so (7.2)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        lines = {"Session-Expires": "60;refresher=uac", "Require": "timer"}
        call.says(200, body=self.trunk.answer, with_=lines)
        self.trunk.request("ACK")
        update = self.trunk.request("UPDATE|INVITE", within=31.0)
        body = self.trunk.answer if update.method == "INVITE" else b""
        self.trunk.reply(update, 200, body=body, with_=lines)
        self.lab.advance(40.0)
        self.assertEqual(app.got(CallEndedEvent), [])
        for request in ("ACK", "UPDATE|INVITE"):
            found = self.trunk.request(request)
        self.trunk.reply(found, 200, body=body, with_=lines)
        self.hangUp(call)
        self.assertLogged("each 60 s, below the 90 s")
        self.assertStillWell()
