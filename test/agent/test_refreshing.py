"""Session timers in calls (RFC 4028): both roles, both ways, by UPDATE and by re-INVITE."""

from __future__ import annotations

from shtoom.agent.call import Call
from shtoom.agent.calluser import CallEnding
from shtoom.agent.hangup import CallState
from shtoom.agent.inbound import InboundCall
from shtoom.agent.outbound import OutboundCall
from shtoom.agent.sessiontimer import SessionPolicy
from shtoom.exceptions import CallFailed
from test.agent.support import ANSWER, OFFER, AgentTestCase, Callee, Caller, Listener

TIMER = ("Supported", "timer")
UPDATES = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")
PLAIN = ("Allow", "INVITE, ACK, BYE, CANCEL")


class SessionCase(AgentTestCase):
    """Our policy asks for 1800 s."""

    def setUp(self) -> None:
        super().setUp()
        self.agent.sessionPolicy = SessionPolicy(1800, 90)

    def assertOver(self, listener: Listener, words: str) -> None:
        """One end, for the session timer."""
        (ending,) = listener.ends
        assert isinstance(ending, CallEnding)
        self.assertIn("session timer", ending.reason)
        self.assertIn(words, ending.reason)
        self.assertEqual(ending.sipCode, 408)


class CalledTests(SessionCase):
    """Alice calls."""

    def call(self, expires: str, *lines: tuple[str, str]) -> tuple[Caller, InboundCall, Listener]:
        """One that is up. expires: the value of Session-Expires, "" for none."""
        given = [("Session-Expires", expires)] if expires else []
        caller = self.alice.invites(headers=(*given, *lines))
        self.inbound().answer(ANSWER)
        self.said = self.alice.response("200 INVITE")
        caller.ack()
        self.alice.heard.clear()
        return caller, self.inbound(), self.heardBy()

    def end(self, caller: Caller) -> None:
        """Alice hangs up: no timer is left."""
        caller.bye()
        self.assertNothingLeft()

    def test_refreshedByUPDATE(self) -> None:
        """At half time, without a description; with each 200 it begins anew (7.4, 10)."""
        caller, call, _ = self.call("90;refresher=uas", TIMER, UPDATES)
        self.assertEqual(self.said.header("Session-Expires"), "90;refresher=uas")
        self.assertEqual(self.said.header("Require"), "timer")
        for number in range(1, 4):
            self.run_(44.9)
            self.assertEqual(self.alice.labels(), ["UPDATE"] * (number - 1))
            self.run_(0.2)
            update = self.alice.request("UPDATE")
            self.assertEqual(len(self.alice.got("UPDATE")), number)
            self.assertEqual(update.header("Session-Expires"), "90;refresher=uac")
            self.assertIn("timer", update.header("Supported") or "")
            self.assertEqual((update.body, update.header("Min-SE")), (b"", None))
            self.assertIsNotNone(update.contact)
            lines = [("Session-Expires", "90;refresher=uac"), ("Require", "timer")]
            self.alice.reply(update, 200, headers=lines, contact=True)
        self.assertIs(call.state, CallState.CONFIRMED)
        self.end(caller)

    def test_refreshedByReINVITE(self) -> None:
        """Where UPDATE is not in Allow: the description in force, byte for byte; the user is not
        asked, and hears of the answer only if that is another one."""
        for lines in ((TIMER, PLAIN), (TIMER,)):
            caller, call, listener = self.call("90;refresher=uas", *lines)
            self.run_(45.1)
            there = self.alice.answers()
            self.assertEqual(there.invite.body, ANSWER)
            self.assertEqual(there.invite.header("Session-Expires"), "90;refresher=uac")
            there.says(200, body=OFFER, headers=[("Session-Expires", "90;refresher=uac")])
            self.assertEqual(self.alice.labels(), ["INVITE", "ACK"])
            self.assertEqual(listener.named("offer", "answer"), [])
            self.run_(45.1)
            self.alice.answers().says(200, body=OFFER + b"a=x\r\n")
            self.assertEqual(listener.named("answer"), [OFFER + b"a=x\r\n"])
            self.assertIs(call.state, CallState.CONFIRMED)
            self.end(caller)

    def test_whoDoesNotKnowUPDATEAfterAll(self) -> None:
        """405 or 501 in spite of its Allow: a re-INVITE at once, and from then on."""
        caller, _, _ = self.call("90;refresher=uas", TIMER, UPDATES)
        self.run_(45.1)
        self.alice.reply(self.alice.request("UPDATE"), 501)
        self.alice.answers().says(200, body=OFFER)
        self.run_(45.1)
        self.assertEqual(self.alice.labels(), ["UPDATE", "INVITE", "ACK", "INVITE"])
        self.alice.answers().says(200, body=OFFER)
        self.end(caller)

    def test_noAnswer(self) -> None:
        """The refresh has no answer: BYE, that of an UPDATE with a Reason, and words (10)."""
        for lines in ((TIMER, UPDATES), (TIMER, PLAIN)):
            _, _, listener = self.call("90;refresher=uas", *lines)
            self.run_(77.1)
            bye = self.alice.request("BYE")
            if UPDATES in lines:
                self.assertIn("Session timer expired", bye.header("Reason") or "")
            self.alice.reply(bye, 200)
            self.assertOver(listener, "does not answer")
            self.assertNothingLeft()

    def test_aFarEndThatHasForgottenTheCall(self) -> None:
        """481 and 408: BYE."""
        for code in (408, 481):
            _, _, listener = self.call("90;refresher=uas", TIMER, UPDATES)
            self.run_(45.1)
            self.alice.reply(self.alice.request("UPDATE"), code)
            self.alice.reply(self.alice.request("BYE"), 200)
            self.assertOver(listener, "knows no such call")
            self.assertNothingLeft()

    def test_aRefusalIsTriedAgain(self) -> None:
        """In half of the time left; the call lives on if that is accepted, else to its end."""
        caller, call, listener = self.call("90;refresher=uas", TIMER, UPDATES)
        self.run_(45.1)
        self.alice.reply(self.alice.request("UPDATE"), 503)
        self.run_(22.5)
        self.assertEqual(self.alice.times("UPDATE"), [45.0, 67.55])
        self.alice.reply(self.alice.request("UPDATE"), 200)
        self.run_(45.1)
        self.assertEqual(self.alice.times("UPDATE"), [45.0, 67.55, 112.6])
        self.assertIn("refused: 503", call.findings[0])
        while not self.alice.got("BYE"):
            self.alice.reply(self.alice.request("UPDATE"), 500)
            self.run_(1.0)
        self.assertEqual(self.alice.times("BYE"), [157.6])
        self.alice.confirm("BYE")
        self.assertOver(listener, "no refresh of ours was accepted")
        del caller
        self.assertNothingLeft()

    def test_422ToARefresh(self) -> None:
        """Once more at once, with what it asks for, which holds from then on (7.3)."""
        for lines in ((TIMER, UPDATES), (TIMER, PLAIN)):
            caller, _, _ = self.call("90;refresher=uas", *lines)
            kind = "UPDATE" if UPDATES in lines else "INVITE"
            self.run_(45.1)
            first = self.alice.request(kind)
            self.alice.reply(first, 422, headers=[("Min-SE", "240")])
            self.run_(0.1)
            again = self.alice.request(kind)
            self.assertEqual(again.cseq.number, first.cseq.number + 1)
            self.assertEqual(again.header("Session-Expires"), "240;refresher=uac")
            self.assertEqual(again.header("Min-SE"), "240")
            self.alice.reply(again, 200, body=b"" if kind == "UPDATE" else OFFER, contact=True)
            self.run_(119.0)
            self.assertEqual(len(self.alice.got(kind)), 2)
            self.run_(1.2)
            self.assertEqual(len(self.alice.got(kind)), 3)
            self.end(caller)

    def test_theFarEndRefreshes(self) -> None:
        """By UPDATE or re-INVITE: our 2xx has the timer, and it begins anew."""
        caller, call, _ = self.call("90;refresher=uac", TIMER)
        self.assertEqual(self.said.header("Session-Expires"), "90;refresher=uac")
        self.assertEqual(self.said.header("Require"), "timer")
        again = [TIMER, ("Session-Expires", "90;refresher=uac")]
        for _ in range(2):
            self.run_(59.0)
            caller.update(b"", headers=again)
            said = self.alice.response("200 UPDATE")
            self.assertEqual(said.header("Session-Expires"), "90;refresher=uac")
            self.run_(59.0)
            caller.reinvite(headers=again)
            said = self.alice.response("200 INVITE")
            self.assertEqual(said.header("Session-Expires"), "90;refresher=uac")
            self.assertEqual(said.header("Require"), "timer")
            caller.ack()
        self.assertIs(call.state, CallState.CONFIRMED)
        self.end(caller)

    def test_theFarEndForgets(self) -> None:
        """BYE min(32, a third) before the end (10)."""
        for interval, after in ((90, 60.0), (600, 568.0)):
            _, _, listener = self.call(f"{interval};refresher=uac", TIMER)
            began = self.clock.seconds()
            self.run_(after - 0.1)
            self.assertEqual(self.alice.labels(), [])
            self.run_(0.2)
            bye = self.alice.request("BYE")
            self.assertAlmostEqual(self.alice.times("BYE")[0] - began, after, 1)
            self.assertIn("Session timer expired", bye.header("Reason") or "")
            self.alice.reply(bye, 200)
            self.assertOver(listener, "the far end did not refresh")
            self.assertNothingLeft()

    def test_tooBriefInTheCall(self) -> None:
        """422 to UPDATE and re-INVITE; nobody is asked, the timer goes on."""
        caller, call, listener = self.call("90;refresher=uac", TIMER)
        brief = [TIMER, ("Session-Expires", "30;refresher=uac")]
        caller.update(b"", headers=brief)
        self.assertEqual(self.alice.response("422 UPDATE").header("Min-SE"), "90")
        caller.reinvite(headers=brief)
        self.assertEqual(self.alice.response("422 INVITE").header("Min-SE"), "90")
        caller.ack()
        self.assertEqual(listener.named("offer"), [])
        self.run_(60.1)
        self.alice.confirm("BYE")
        self.assertOver(listener, "the far end did not refresh")
        del call
        self.assertNothingLeft()

    def test_aRequestWithoutTheTimer(self) -> None:
        """A hold that has forgotten it ends what its sender was to do; what we do goes on."""
        caller, _, listener = self.call("90;refresher=uac", TIMER)
        caller.reinvite()
        self.assertIsNone(self.alice.response("200 INVITE").header("Session-Expires"))
        caller.ack()
        self.run_(500.0)
        self.assertEqual(listener.ends, [])
        self.end(caller)
        caller, _, listener = self.call("90;refresher=uas", UPDATES)
        caller.reinvite()
        said = self.alice.response("200 INVITE")
        self.assertEqual(said.header("Session-Expires"), "90;refresher=uas")
        self.assertIsNone(said.header("Require"))
        caller.ack()
        self.run_(45.1)
        self.alice.reply(self.alice.request("UPDATE"), 200)
        self.end(caller)

    def test_weAskForIt(self) -> None:
        """A caller who knows timers has one by our wish; never, if the policy says so."""
        caller, _, _ = self.call("", TIMER)
        self.assertEqual(self.said.header("Session-Expires"), "1800;refresher=uas")
        self.end(caller)
        self.agent.sessionPolicy = SessionPolicy(0, 90)
        for lines in ((TIMER,), ()):
            caller, _, _ = self.call("", *lines)
            self.assertIsNone(self.said.header("Session-Expires"))
            self.assertIn("timer", self.said.header("Supported") or "")
            self.run_(5000.0)
            self.end(caller)

    def test_ourOffersRefreshToo(self) -> None:
        """A re-INVITE of ours has the timer, which begins anew with its 200 (7.4)."""
        caller, call, _ = self.call("90;refresher=uas", TIMER, UPDATES)
        self.run_(40.0)
        answer = call.reoffer(ANSWER)
        there = self.alice.answers()
        self.assertEqual(there.invite.header("Session-Expires"), "90;refresher=uac")
        there.says(200, body=OFFER, headers=[("Session-Expires", "90;refresher=uac")])
        self.successResultOf(answer)
        self.run_(44.0)
        self.assertEqual(self.alice.got("UPDATE"), [])
        self.run_(2.0)
        self.alice.reply(self.alice.request("UPDATE"), 200)
        self.end(caller)

    def test_aRefreshMeetsAnOfferOfOurs(self) -> None:
        """While ours waits after a 491 the refresh is put off, not lost."""
        caller, call, _ = self.call("90;refresher=uas", TIMER, PLAIN)
        self.run_(44.5)
        answer = call.reoffer(ANSWER)
        self.run_(1.0)
        self.alice.answers().says(200, body=OFFER)
        self.successResultOf(answer)
        self.run_(45.2)
        self.assertEqual(self.alice.labels(), ["INVITE", "INVITE", "ACK", "INVITE"])
        self.assertEqual(call.findings, [])
        self.alice.answers().says(200, body=OFFER)
        self.end(caller)

    def test_theEndOfTheCallIsItsEnd(self) -> None:
        """While a refresh has no answer, either side hangs up."""
        for lines in ((TIMER, UPDATES), (TIMER, PLAIN)):
            caller, call, listener = self.call("90;refresher=uas", *lines)
            self.run_(45.1)
            caller.bye()
            self.assertEqual(len(listener.ends), 1)
            self.assertNothingLeft()
            caller, call, listener = self.call("90;refresher=uas", *lines)
            self.run_(45.1)
            call.hangup()
            self.alice.reply(self.alice.request("BYE"), 200)
            self.assertNothingLeft()


class CallingTests(SessionCase):
    """We call."""

    def up(self, *lines: tuple[str, str]) -> tuple[Callee, OutboundCall, Listener]:
        """One that is up; lines of the 200."""
        call, listener = self.dial()
        self.invite = self.trunk.request("INVITE")
        there = self.trunk.answers()
        there.says(200, body=ANSWER, headers=lines)
        self.trunk.heard.clear()
        return there, call, listener

    def end(self, call: Call) -> None:
        """We hang up: no timer is left."""
        call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertNothingLeft()

    def test_theINVITEAsks(self) -> None:
        """Supported: timer and Session-Expires, the refresher is the callee's choice (7.1)."""
        _, call, _ = self.up()
        self.assertEqual(self.invite.header("Session-Expires"), "1800")
        self.assertIn("timer", self.invite.header("Supported") or "")
        self.assertIsNone(self.invite.header("Min-SE"))
        self.run_(5000.0)
        self.assertEqual(self.trunk.labels(), [])
        self.end(call)

    def test_weRefresh(self) -> None:
        """refresher=uac: at half time."""
        _, call, _ = self.up(("Session-Expires", "200;refresher=uac"), UPDATES)
        self.run_(100.1)
        update = self.trunk.request("UPDATE")
        self.assertEqual(update.header("Session-Expires"), "200;refresher=uac")
        self.trunk.reply(update, 200, headers=[("Session-Expires", "200;refresher=uas")])
        self.run_(159.0)  # the roles have changed: 168 s, then the end
        self.assertEqual(self.trunk.labels(), ["UPDATE"])
        self.end(call)

    def test_theyRefresh(self) -> None:
        """refresher=uas: their UPDATE, in which they are the uac."""
        there, _, listener = self.up(("Session-Expires", "200;refresher=uas"), UPDATES)
        self.run_(100.0)
        there.ask("UPDATE", headers=[TIMER, ("Session-Expires", "200;refresher=uac")])
        said = self.trunk.response("200 UPDATE")
        self.assertEqual(said.header("Session-Expires"), "200;refresher=uac")
        self.run_(133.0)
        self.assertEqual(listener.ends, [])
        self.run_(36.0)
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertOver(listener, "the far end did not refresh")
        self.assertNothingLeft()

    def test_timer_001_422(self) -> None:
        """Once more, same Call-ID and tag, next CSeq; twice at most; not for nothing new (7.3)."""
        call, listener = self.dial()
        first = self.trunk.request("INVITE")
        self.trunk.answers().says(422, headers=[("Min-SE", "2000")])
        second = self.trunk.request("INVITE")
        self.assertEqual(second.header("Session-Expires"), "2000")
        self.assertEqual(second.header("Min-SE"), "2000")
        self.assertEqual(second.callID, first.callID)
        self.assertEqual(second.fromAddress.tag, first.fromAddress.tag)
        self.assertEqual(second.cseq.number, first.cseq.number + 1)
        self.trunk.answers().says(422, headers=[("Min-SE", "3000")])
        third = self.trunk.request("INVITE")
        self.assertEqual(third.header("Session-Expires"), "3000")
        self.trunk.answers().says(422, headers=[("Min-SE", "4000")])
        (failure,) = listener.named("rejected")
        assert isinstance(failure, CallFailed)
        self.assertEqual(failure.sipCode, 422)
        self.assertEqual(len(self.trunk.requests("INVITE")), 3)
        del call
        self.assertNothingLeft()

    def test_422ForNothing(self) -> None:
        """Without a Min-SE, or one that we keep already: the call has failed."""
        for lines in ((), (("Min-SE", "90"),)):
            self.trunk.heard.clear()
            _, listener = self.dial()
            self.trunk.answers().says(422, headers=lines)
            self.assertEqual(len(listener.named("rejected")), 1)
            self.assertEqual(len(self.trunk.requests("INVITE")), 1)
            self.assertNothingLeft()
