"""Races of calls that come in, a test a row: alice calls, the application answers or not."""

from __future__ import annotations

from doug.events import CallAnsweredEvent, CallEndedEvent
from shtoom.exceptions import UserBusy
from test.races.case import RaceCase


class CancelRaces(RaceCase):
    """The caller gives up (RFC 3261 9.2)."""

    def test_CANCELAgainst200(self) -> None:
        """Both are on their way: the 200 stands, the CANCEL has its own 200 and no effect."""
        call = self.ringing()
        call.cancel()
        self.app.leg.answerCall(self.app)
        self.settle()
        self.assertEqual(self.whatAlice(), ["200 INVITE", "200 CANCEL"])
        call.ack()
        call.bye()
        self.settle()
        self.assertEqual(self.whatAlice()[2:], ["200 BYE"])
        self.assertOver()

    def test_CANCELJustBeforeThe200(self) -> None:
        """It arrives first: 487, and what the application does then changes nothing."""
        call = self.ringing()
        call.cancel()
        self.settle(0.0005)
        self.app.leg.answerCall(self.app)
        self.settle()
        self.assertEqual(self.whatAlice(), ["200 CANCEL", "487 INVITE"])
        call.ackRefusal()
        self.assertOver()

    def test_CANCELAgainstARefusal(self) -> None:
        """The refusal stands; the CANCEL has its 200."""
        call = self.ringing()
        call.cancel()
        self.app.leg.rejectCall(UserBusy())
        self.settle()
        self.assertEqual(self.whatAlice(), ["486 INVITE", "200 CANCEL"])
        call.ackRefusal()
        self.assertOver()

    def test_CANCELAfter200(self) -> None:
        """It changes nothing in a call that is up."""
        call = self.answered()
        call.cancel()
        self.settle()
        self.assertEqual(self.whatAlice(), ["200 INVITE", "200 CANCEL"])
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.hangUp(call)
        self.assertOver()

    def test_CANCELTwice(self) -> None:
        """Its repeat gets the same answer; there is one 487, one end."""
        call = self.ringing()
        call.cancel()
        self.again("CANCEL")
        self.settle()
        self.assertEqual(self.whatAlice("200.*"), ["200 CANCEL"] * 2)
        self.assertEqual(self.whatAlice("487.*"), ["487 INVITE"])
        first, second = (heard.data for heard in self.alice.heard if heard.label == "200 CANCEL")
        self.assertEqual(first, second)
        call.ackRefusal()
        self.assertOver()

    def test_CANCELBeforeItsINVITE(self) -> None:
        """Overtaken by its CANCEL the INVITE rings: that CANCEL had nothing to end (481)."""
        self.lose("INVITE")
        call = self.alice.invite()
        call.cancel()
        self.again("INVITE")
        self.settle()
        self.assertEqual(self.alice.labels(), ["481 CANCEL", "100 INVITE", "180 INVITE"])
        call.cancel()
        self.settle()
        self.assertEqual(self.whatAlice()[1:], ["200 CANCEL", "487 INVITE"])
        self.assertOver()

    def test_ACKOfThe487Lost(self) -> None:
        """The 487 is repeated until the next ACK, or for 64*T1 (timers G, H)."""
        call = self.ringing()
        call.cancel()
        self.settle(4.0)
        self.assertEqual(self.whatAlice("487.*"), ["487 INVITE"] * 4)
        call.ackRefusal()
        self.settle(10.0)
        self.assertEqual(self.whatAlice("487.*"), ["487 INVITE"] * 4)
        self.assertOver()


class ByeRaces(RaceCase):
    """The caller hangs up (RFC 3261 15.1.2)."""

    def test_BYEAgainst200(self) -> None:
        """A BYE in the early dialog crosses the 200: it ends the call, the 200 is not repeated."""
        call = self.ringing()
        call.bye()
        self.app.leg.answerCall(self.app)
        self.settle(5.0)
        self.assertEqual(self.whatAlice(), ["200 INVITE", "200 BYE"])
        call.ack()
        self.assertOver()

    def test_BYEWhileItRings(self) -> None:
        """200 for the BYE, 487 for the INVITE."""
        call = self.ringing()
        call.bye()
        self.settle()
        self.assertEqual(self.whatAlice(), ["200 BYE", "487 INVITE"])
        call.ackRefusal()
        self.assertOver()

    def test_BYEBeforeACK(self) -> None:
        """The ACK was overtaken: the call is over, the ACK that comes then is nobody's."""
        app, call = self.accepted()
        call.bye()
        call.ack()
        self.settle(5.0)
        self.assertEqual(self.whatAlice(), ["200 INVITE", "200 BYE"])
        self.assertEqual(app.got(CallAnsweredEvent), [])
        self.assertOver()

    def test_BYECrossesBYE(self) -> None:
        """Both are answered; one end."""
        call = self.answered()
        self.app.leg.hangupCall()
        call.bye()
        self.alice.reply(self.alice.request("BYE"), 481)
        self.settle()
        self.assertEqual(self.whatAlice(), ["200 INVITE", "BYE", "200 BYE"])
        self.assertOver()

    def test_BYETwice(self) -> None:
        """A repeat gets the same 200; another BYE in the dialog that was finds none (481)."""
        call = self.answered()
        call.bye()
        self.again("BYE")
        call.bye()
        self.settle()
        self.assertEqual(self.whatAlice(".*BYE"), ["200 BYE", "200 BYE", "481 BYE"])
        self.assertOver()

    def test_BYELost(self) -> None:
        """Alice repeats it; ours is repeated as well (timer E)."""
        call = self.answered()
        self.lose("BYE")
        call.bye()
        self.settle(0.5)
        self.assertEqual(self.whatAlice(".*BYE"), [])
        self.again("BYE")
        self.settle()
        self.assertEqual(self.whatAlice(".*BYE"), ["200 BYE"])
        self.answered()
        self.lose("BYE")
        self.app.leg.hangupCall()
        self.settle(0.4)
        self.assertEqual(self.alice.labels("BYE"), [])
        self.alice.reply(self.alice.request("BYE", within=0.2), 200)
        self.settle(5.0)
        self.assertEqual(self.alice.labels("BYE"), ["BYE"])
        self.assertOver(CallEndedEvent, CallEndedEvent)

    def test_200OfOurBYELost(self) -> None:
        """The BYE is repeated, with its branch, until a response comes."""
        self.answered()
        self.app.leg.hangupCall()
        first = self.alice.request("BYE")
        self.lose("200 BYE")
        self.alice.reply(first, 200)
        second = self.alice.request("BYE", within=0.6)
        self.assertEqual(second.toBytes(), first.toBytes())
        self.alice.reply(second, 200)
        self.settle(10.0)
        self.assertEqual(self.alice.labels("BYE"), ["BYE"] * 2)
        self.assertOver()

    def test_BYERefused(self) -> None:
        """Whatever its answer, it is the end (15.1.1)."""
        for code in (481, 408, 401, 500, 302, 603):
            self.answered()
            self.app.leg.hangupCall()
            self.alice.reply(self.alice.request("BYE"), code)
            self.settle(1.0)
            self.assertEqual(self.lab.application.exchange.agent.calls, set(), code)
        self.assertEqual(len(self.alice.labels("BYE")), 6)
        self.assertOver(*[CallEndedEvent] * 6)


class AnswerRaces(RaceCase):
    """The 200, its repeats and its ACK (RFC 3261 13.3.1.4)."""

    def test_ACKLost(self) -> None:
        """The 200 is repeated at 0.5, 1.5 s; the ACK of a repeat ends that, and is one answer."""
        app, call = self.accepted()
        self.lose("ACK")
        call.ack()
        self.settle(1.6)
        self.assertEqual(self.whatAlice(), ["200 INVITE"] * 3)
        self.assertEqual(app.got(CallAnsweredEvent), [])
        call.ack()
        call.ack()
        self.settle(10.0)
        self.assertEqual(self.whatAlice(), ["200 INVITE"] * 3)
        self.assertEqual(len(app.got(CallAnsweredEvent)), 1)
        self.hangUp(call)
        self.assertOver()

    def test_200Lost(self) -> None:
        """It is repeated by itself; the INVITE that alice repeats meanwhile is absorbed."""
        call = self.ringing()
        self.lose("200 INVITE", 2)
        self.app.leg.answerCall(self.app)
        self.settle(0.1)
        self.again("INVITE")
        self.settle(1.3)
        self.assertEqual(self.whatAlice(), [])
        self.settle(0.2)
        self.assertEqual(self.whatAlice(), ["200 INVITE"])
        call.ack()
        self.settle()
        self.assertEqual(self.app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertOver()

    def test_180Lost(self) -> None:
        """The repeated INVITE gets it again, and rings no second time (17.2.1)."""
        self.lose("180 INVITE")
        call = self.alice.invite()
        self.settle()
        self.assertEqual(self.alice.labels(), ["100 INVITE"])
        self.again("INVITE")
        self.settle()
        self.assertEqual(self.alice.labels(), ["100 INVITE", "180 INVITE"])
        self.assertEqual(len(self.desk), 1)
        self.accept(call)
        self.hangUp(call)
        self.assertOver()

    def test_ACKWithinAMillisecond(self) -> None:
        """It comes as soon as the network can bring it: no repeat, one answer."""
        app, call = self.accepted()
        call.ack()
        self.settle(0.0005)
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        self.settle(40.0)
        self.assertEqual(self.whatAlice(), ["200 INVITE"])
        self.hangUp(call)
        self.assertOver()

    def test_ACKOfAnotherNumber(self) -> None:
        """It acknowledges nothing: the 200 goes on until that of the INVITE comes (17.1.1.3)."""
        app, call = self.accepted()
        call.ask("ACK", cseq=7)
        self.settle(0.6)
        self.assertEqual(self.whatAlice(), ["200 INVITE"] * 2)
        self.assertEqual(app.names, [])
        call.ack()
        self.settle()
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        self.hangUp(call)
        self.assertOver()

    def test_ACKOfAnotherDialog(self) -> None:
        """One with another To tag is nobody's, never answered, and leaves the call alone."""
        app, call = self.accepted()
        known, call.remoteTag = call.remoteTag, "other"
        call.ack()
        self.settle(0.1)
        self.assertEqual((app.names, self.whatAlice()), ([], ["200 INVITE"]))
        self.assertEqual(self.lab.application.exchange.agent.strayACKs, 1)
        call.remoteTag = known
        call.ack()
        self.settle()
        self.hangUp(call)
        self.assertOver()

    def test_hangUpBeforeTheACK(self) -> None:
        """The application has enough: its end comes at once, the BYE after the ACK (15)."""
        app, call = self.accepted()
        app.leg.hangupCall()
        self.settle(0.7)
        self.assertEqual(app.names, ["CallEndedEvent"])
        self.assertEqual(self.whatAlice(), ["200 INVITE"] * 2)
        call.ack()
        self.alice.reply(self.alice.request("BYE"), 200)
        self.settle(5.0)
        self.assertEqual(self.whatAlice(), ["200 INVITE"] * 2 + ["BYE"])
        self.assertOver()

    def test_ACKAgainstOurLastWord(self) -> None:
        """The ACK comes when the 200 was given up and the BYE is on its way: one end."""
        app, call = self.accepted()
        self.settle(32.0)
        call.ack()
        self.alice.reply(self.alice.request("BYE"), 200)
        self.settle(1.0)
        self.assertEqual(app.names, ["CallEndedEvent"])
        self.assertOver()

    def test_hangUpBeforeAnyProvisional(self) -> None:
        """The application leaves before the 180 could arrive: 480, and no 200 at all."""
        call = self.alice.invite()
        self.settle(0.0005)
        self.app.leg.hangupCall()
        self.settle()
        self.assertEqual(self.alice.labels(), ["100 INVITE", "180 INVITE", "480 INVITE"])
        call.ackRefusal()
        self.assertOver()

    def test_INVITERepeatedAfter200(self) -> None:
        """It is absorbed for 64*T1, whether the call is up or over (RFC 6026 7.1)."""
        call = self.answered()
        self.again("INVITE")
        self.settle()
        self.hangUp(call)
        self.again("INVITE")
        self.settle(31.0)
        self.again("INVITE")
        self.settle()
        self.assertEqual(self.whatAlice(), ["200 INVITE", "200 BYE"])
        self.assertEqual(len(self.desk), 1)
        self.assertOver()

    def test_requestsAfterAllTimers(self) -> None:
        """ACK, BYE and CANCEL of a call that is long over: nothing, 481 and 481 (12.2.2, 9.2)."""
        call = self.ringing()
        call.cancel()
        self.settle()
        call.ackRefusal()
        call = self.answered()
        self.hangUp(call)
        self.settle(70.0)
        before = len(self.whatAlice())
        for request in ("ACK", "BYE", "CANCEL"):
            self.again(request)
        self.settle(5.0)
        self.assertEqual(self.whatAlice()[before:], ["481 BYE", "481 CANCEL"])
        self.assertEqual(len(self.desk), 2)
        self.assertOver(CallEndedEvent, CallEndedEvent)

    def test_INVITEOnAnotherWay(self) -> None:
        """A copy with a branch of its own while it rings is one that was merged: 482 (8.2.2.2)."""
        call = self.ringing()
        known, call.remoteTag = call.remoteTag, None
        call.ask("INVITE", body=self.alice.offer, cseq=1)
        self.settle()
        call.remoteTag = known
        self.assertEqual(self.whatAlice(), ["482 INVITE"])
        self.assertEqual(len(self.desk), 1)
        self.accept(call)
        self.hangUp(call)
        self.assertOver()


class OfferRaces(RaceCase):
    """Requests before the call is up (RFC 3261 14.2, RFC 3311 5.2)."""

    def test_reINVITEBeforeTheACK(self) -> None:
        """491; the ACK comes, and the call is up as if nothing had been."""
        app, call = self.accepted()
        call.reinvite()
        self.alice.response("491 INVITE")
        call.ackRefusal()
        call.inviteCSeq = 1
        call.ack()
        self.settle(5.0)
        self.assertEqual(app.names, ["CallAnsweredEvent"])
        call.reoffer()
        self.hangUp(call)
        self.assertOver()

    def test_offersWhileItRings(self) -> None:
        """Before our final response 500 with Retry-After 0 to 10 (14.2); OPTIONS is answered."""
        call = self.ringing()
        for method in ("INVITE", "UPDATE"):
            call.ask(method, body=self.alice.offer)
            retry = self.alice.response(f"500 {method}").header("Retry-After") or ""
            self.assertRegex(retry, r"^([0-9]|10)$")
        call.ask("OPTIONS")
        self.alice.response("200 OPTIONS")
        call.inviteCSeq = 1
        self.accept(call)
        self.hangUp(call)
        self.assertOver()
