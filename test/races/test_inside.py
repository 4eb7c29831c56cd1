"""Races inside a call that is up, a test a row, whoever has placed it (RFC 3261 12.2, 14)."""

from __future__ import annotations

import re

from twisted.internet.defer import Deferred

from doug.events import CallEndedEvent
from shtoom.agent.call import Call
from shtoom.exceptions import CallFailed
from shtoom.sip.message import Request
from test.cases.actor import Actor, Dialogue
from test.races.case import RaceCase


class InsideRaces(RaceCase):
    """Alice has called. far: who is at the far end. talk: the call, from there.

    waits: seconds after which an offer of ours that met one of theirs is made again (14.1).
    """

    waits = 0.0, 2.0

    def setUp(self) -> None:
        super().setUp()
        self.talk = self.up()
        self.settle()
        self.before = len(self.far.heard)

    def up(self) -> Dialogue:
        """A call that is up."""
        self.far: Actor = self.alice
        return self.answered()

    def heard(self, pattern: str = ".*") -> list[str]:
        """What the far end has heard since the call is up."""
        found = (heard.label for heard in self.far.heard[self.before :])
        return [label for label in found if re.fullmatch(pattern, label)]

    @property
    def call(self) -> Call:
        """The server's side of it."""
        (call,) = self.lab.application.exchange.agent.calls
        return call

    def ours(self) -> tuple[Deferred[bytes], Request]:
        """An offer of ours is under way; the far end has it."""
        answer = self.call.reoffer(self.call.localSDP or b"")
        return answer, self.far.request("INVITE")

    def assertUp(self) -> None:
        """The call is up; the far end hangs up, and all is over."""
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.hangUp(self.talk)
        self.assertOver()

    # Their re-INVITE

    def test_ACKOfAReINVITELost(self) -> None:
        """Its 200 is repeated until the next ACK; the call stays up."""
        self.lose("ACK")
        self.talk.reoffer()
        self.settle(0.6)
        self.assertEqual(self.heard(), ["200 INVITE"] * 2)
        self.talk.ack()
        self.settle(5.0)
        self.assertEqual(self.heard(), ["200 INVITE"] * 2)
        self.assertUp()

    def test_200OfAReINVITELost(self) -> None:
        """The repeated INVITE is absorbed, the 200 repeated by itself."""
        self.lose("200 INVITE")
        self.talk.reinvite()
        self.settle(0.1)
        self.again("INVITE")
        self.settle(0.3)
        self.assertEqual(self.heard(), [])
        self.settle(0.2)
        self.assertEqual(self.heard(), ["200 INVITE"])
        self.talk.ack()
        self.settle()
        self.assertUp()

    def test_noACKOfAReINVITE(self) -> None:
        """After 64*T1 the call is left by BYE, and the end says why (14.2)."""
        self.talk.reinvite()
        self.settle(31.9)
        self.assertEqual(self.heard("BYE"), [])
        self.settle(0.2)
        self.far.reply(self.far.request("BYE"), 200)
        self.settle()
        self.assertIn("no ACK", self.app.got(CallEndedEvent)[0].reason)
        self.assertOver()

    def test_BYEBeforeTheACKOfAReINVITE(self) -> None:
        """It ends the call and the repeats of the 200."""
        self.talk.reinvite()
        self.settle()
        self.talk.bye()
        self.settle(5.0)
        self.talk.ack()
        self.assertEqual(self.heard(), ["200 INVITE", "200 BYE"])
        self.assertOver()

    def test_reINVITEAgainstOurBYE(self) -> None:
        """It finds a call that is left (481)."""
        self.talk.reinvite()
        self.app.leg.hangupCall()
        self.far.response("481 INVITE")
        self.talk.ackRefusal()
        self.far.reply(self.far.request("BYE"), 200)
        self.assertOver()

    def test_reINVITEAfterBYE(self) -> None:
        """And one that is over (481)."""
        self.hangUp(self.talk)
        self.talk.reinvite()
        self.far.response("481 INVITE")
        self.talk.ackRefusal()
        self.assertOver()

    def test_CANCELOfAReINVITEAfterIts200(self) -> None:
        """No effect but its own 200 (9.2)."""
        self.talk.reinvite()
        self.settle()
        self.talk.ask(
            "CANCEL", cseq=self.talk.inviteCSeq, branch=self.talk.branch, uri=self.talk.uri
        )
        self.settle()
        self.assertEqual(self.heard(), ["200 INVITE", "200 CANCEL"])
        self.talk.ack()
        self.settle()
        self.assertUp()

    def test_twoReINVITEs(self) -> None:
        """The second before the ACK of the first: 491."""
        self.talk.reinvite()
        first = self.talk.inviteCSeq
        self.talk.reinvite()
        self.settle()
        self.assertEqual(self.heard(), ["200 INVITE", "491 INVITE"])
        self.talk.ackRefusal()
        self.talk.inviteCSeq = first
        self.talk.ack()
        self.settle()
        self.talk.reoffer()
        self.settle()
        self.assertUp()

    def test_UPDATEDuringAReINVITE(self) -> None:
        """With an offer 491; without one it moves the target and is welcome (RFC 3311 5.2)."""
        self.talk.reinvite()
        self.talk.ask("UPDATE", body=self.far.offer)
        self.talk.ask("UPDATE")
        self.settle()
        self.assertEqual(self.heard(), ["200 INVITE", "491 UPDATE", "200 UPDATE"])
        self.talk.ack()
        self.settle()
        self.talk.ask("UPDATE", body=self.far.offer)
        self.far.response("200 UPDATE")
        self.settle()
        self.assertUp()

    # Ours

    def test_reINVITECrossesOurs(self) -> None:
        """Both get 491; ours comes again when the owner of the Call-ID has waited (14.1)."""
        answer, offer = self.ours()
        self.talk.reinvite()
        self.far.response("491 INVITE")
        self.talk.ackRefusal()
        self.far.reply(offer, 491)
        self.far.request("ACK")
        self.talk.reoffer()
        self.settle()
        self.far.nothing("INVITE", during=self.waits[0] - 0.02)
        again = self.far.request("INVITE", within=self.waits[1] + 0.6)
        self.far.reply(again, 200, body=self.far.answer)
        self.far.request("ACK")
        self.assertTrue(self.successResultOf(answer))
        self.assertUp()

    def test_UPDATEDuringOurs(self) -> None:
        """491 for its offer (RFC 3311 5.2)."""
        answer, offer = self.ours()
        self.talk.ask("UPDATE", body=self.far.offer)
        self.far.response("491 UPDATE")
        self.far.reply(offer, 200, body=self.far.answer)
        self.far.request("ACK")
        self.successResultOf(answer)
        self.assertUp()

    def test_BYECrossesOurs(self) -> None:
        """The call is over; the 200 that comes then is acknowledged, the 487 likewise."""
        for code in (200, 487):
            answer, offer = self.ours()
            self.talk.bye()
            self.far.response("200 BYE")
            self.failureResultOf(answer, CallFailed)
            self.far.reply(offer, code, body=self.far.answer if code == 200 else b"")
            self.far.request("ACK")
            self.settle()
            if code == 200:
                self.talk = self.up()
                self.settle()
        self.assertOver(CallEndedEvent, CallEndedEvent)

    def test_weHangUpDuringOurs(self) -> None:
        """BYE at once; whatever comes of the offer, there is one end."""
        answer, offer = self.ours()
        self.app.leg.hangupCall()
        self.far.reply(self.far.request("BYE"), 200)
        self.failureResultOf(answer, CallFailed)
        self.far.reply(offer, 487)
        self.far.request("ACK")
        self.assertOver()

    def test_silenceAfterA1xxToOurs(self) -> None:
        """The call ends while ours rings there for ever: it is cancelled, and given up (9.1)."""
        answer, offer = self.ours()
        self.far.reply(offer, 100)
        self.settle()
        self.talk.bye()
        self.far.response("200 BYE")
        self.far.reply(self.far.request("CANCEL"), 481)
        self.failureResultOf(answer, CallFailed)
        self.assertOver()

    def test_ours1xxAfterTheEnd(self) -> None:
        """The same if the 1xx comes when the call is over."""
        answer, offer = self.ours()
        self.talk.bye()
        self.far.response("200 BYE")
        self.far.reply(offer, 100)
        self.far.reply(self.far.request("CANCEL"), 200)
        self.far.reply(offer, 487)
        self.far.request("ACK")
        self.failureResultOf(answer, CallFailed)
        self.assertOver()

    def test_oursRingsForEver(self) -> None:
        """A 1xx and no more: cancelled after 64*T1; refused then, the call goes on as it was."""
        answer, offer = self.ours()
        for _ in range(3):
            self.far.reply(offer, 180)
            self.settle(10.0)
        self.far.reply(self.far.request("CANCEL", within=2.1), 200)
        self.far.reply(offer, 487)
        self.far.request("ACK")
        self.assertEqual(self.failureResultOf(answer, CallFailed).value.sipCode, 487)
        self.assertUp()

    def test_oursIsLost(self) -> None:
        """It is repeated (timer A), its 200's ACK too."""
        self.lose("INVITE")
        answer = self.call.reoffer(self.call.localSDP or b"")
        offer = self.far.request("INVITE", within=0.6)
        self.lose("ACK")
        self.far.reply(offer, 200, body=self.far.answer)
        self.settle(0.5)
        self.again("200 INVITE")
        self.far.request("ACK")
        self.successResultOf(answer)
        self.assertUp()

    def test_oursFindsNobody(self) -> None:
        """Silence for 64*T1: BYE, and an end that says so (14.1)."""
        answer, _ = self.ours()
        self.settle(32.1)
        self.far.reply(self.far.request("BYE"), 200)
        self.failureResultOf(answer, CallFailed)
        self.assertOver()

    # Numbers, and requests that change nothing

    def test_CSeqLower(self) -> None:
        """A request that an earlier one has overtaken gets 500, and changes nothing (12.2.2)."""
        self.talk.ask("OPTIONS", cseq=50)
        for method in ("OPTIONS", "INVITE", "UPDATE", "BYE"):
            self.talk.ask(method, cseq=49)
        self.settle()
        refused = [f"500 {method}" for method in ("OPTIONS", "INVITE", "UPDATE", "BYE")]
        self.assertEqual(self.heard(), ["200 OPTIONS", *refused])
        self.talk.cseq = 50
        self.assertUp()

    def test_CSeqTheSame(self) -> None:
        """Some phones number their BYE as what came before: it counts."""
        self.talk.ask("OPTIONS", cseq=50)
        self.talk.ask("BYE", cseq=50)
        self.settle()
        self.assertEqual(self.heard(), ["200 OPTIONS", "200 BYE"])
        self.assertOver()

    def test_CSeqFarAhead(self) -> None:
        """Any higher number will do (12.2.2)."""
        self.talk.ask("OPTIONS", cseq=2**31 - 2)
        self.talk.ask("BYE", cseq=2**31 - 1)
        self.settle()
        self.assertEqual(self.heard(), ["200 OPTIONS", "200 BYE"])
        self.assertOver()

    def test_OPTIONSAndINFOInBetween(self) -> None:
        """Answered at any time: in a re-INVITE, while our offer is open, while our BYE is."""
        self.talk.reinvite()
        self.talk.ask("OPTIONS")
        self.talk.ask("INFO")
        self.settle()
        self.assertEqual(self.heard(), ["200 INVITE", "200 OPTIONS", "200 INFO"])
        self.talk.ack()
        self.settle()
        answer, offer = self.ours()
        self.talk.ask("OPTIONS")
        self.far.response("200 OPTIONS")
        self.far.reply(offer, 200, body=self.far.answer)
        self.settle()
        self.successResultOf(answer)
        self.app.leg.hangupCall()
        self.talk.ask("OPTIONS")
        self.far.response("481 OPTIONS")
        self.far.reply(self.far.request("BYE"), 200)
        self.assertOver()

    def test_requestsOfNoDialog(self) -> None:
        """One tag that is not the call's: 481, and the call stays."""
        known, self.talk.remoteTag = self.talk.remoteTag, "other"
        for method in ("BYE", "INVITE", "UPDATE", "INFO", "OPTIONS"):
            self.talk.ask(method)
        self.settle()
        self.assertEqual(
            set(self.heard()), {"481 BYE", "481 INVITE", "481 UPDATE", "481 INFO", "481 OPTIONS"}
        )
        self.talk.remoteTag = known
        self.assertUp()


class DialledInsideRaces(InsideRaces):
    """The application has dialled the trunk: the same rows."""

    waits = 2.1, 4.0

    def up(self) -> Dialogue:
        """A call that is up."""
        self.far = self.trunk
        return self.dialled()[1]
