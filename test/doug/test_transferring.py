"""Calls that their far end has put through (REFER), where the application accepts."""

from __future__ import annotations

import gc
from collections import Counter

from doug.events import CallTransferredEvent, CallTransferRequestedEvent
from shtoom.exceptions import UserBusy
from shtoom.sip.message import Request
from test.cases.actor import sdp
from test.doug.transfercase import ELSEWHERE, OFFICE, TransferCase
from test.support.collector import collectorOff

OURS = ("doug.", "shtoom.")


class AcceptedTests(TransferCase):
    """An application that accepts."""

    def test_putThrough(self) -> None:
        """202, NOTIFYs, the new leg's events, then the end of the old one."""
        call = self.call()
        self.refer(call, Referred_By="<sip:alice@example.net>")
        self.assertIsNotNone(self.alice.response("202 REFER").contact)
        self.assertEqual(self.told(200), "SIP/2.0 100 Trying active;expires=60")
        other = self.dialled()
        self.assertEqual(other.invite and str(other.invite.uri), f"sip:300@{OFFICE}")
        self.assertIsNone(other.invite and other.invite.header("Referred-By"))
        other.says(180)
        self.assertEqual(self.told(200), "SIP/2.0 180 Ringing active;expires=60")
        self.up(other)
        self.assertEqual(self.told(200), "SIP/2.0 200 OK terminated;reason=noresource")
        self.hangUp(call)
        [app] = self.desk
        wanted = ["TransferRequested 1", "Progress 2", "Answered 2", "Transferred 1", "Ended 1"]
        self.assertEqual(app.names, wanted)
        asked, done = app.events[1], app.events[4]
        self.assertEqual(asked.target, f"sip:300@{OFFICE}")
        self.assertEqual(asked.getHeader("Referred-By"), "<sip:alice@example.net>")
        assert isinstance(done, CallTransferredEvent)
        self.assertEqual([done.newLeg], self.accepted)
        self.assertEqual((done.newLeg.trunk, done.bridge), ("office", None))
        self.assertIs(app.getDefaultLeg(), done.newLeg)
        self.hangUp(other)
        self.assertEqual(self.lab.results, ["over"])
        self.leave()

    def test_theFarEndStays(self) -> None:
        """Five seconds, then we hang up."""
        call = self.call()
        self.refer(call)
        other = self.dialled()
        self.told(200)
        self.up(other)
        self.told(200)
        self.alice.nothing("BYE", 4.8)
        bye = self.alice.request("BYE")
        self.alice.reply(bye, 200)
        self.lab.advance(0.01)
        self.assertEqual(self.desk[0].names[-1], "Ended 1")
        self.assertIn("put through", self.desk[0].events[-1].reason)
        self.hangUp(other)
        self.leave()

    def test_nobodyAnswersThere(self) -> None:
        """The call goes on as it was, and another transfer may follow."""
        call = self.call()
        self.refer(call)
        other = self.dialled()
        self.told(200)
        other.says(486)
        self.office.request("ACK")
        self.assertEqual(self.told(200), "SIP/2.0 486 Busy Here terminated;reason=noresource")
        self.assertEqual(self.desk[0].names[-1], "Rejected 2")
        self.refer(call)
        self.alice.response("202 REFER")
        self.assertEqual(self.alice.request("NOTIFY").header("Event"), f"refer;id={call.cseq}")
        other = self.dialled()
        self.up(other)
        self.hangUp(call)
        self.hangUp(other)
        self.assertEqual(self.lab.results, ["over"])
        self.leave()

    def test_hostile_51_aBYERightBehindIt(self) -> None:
        """The transfer goes on; the end of the old leg is told when it is known what became of it.

        No NOTIFY comes, and the application lives.
        """
        for code in (200, 603):
            call = self.call()
            self.refer(call)
            call.bye()
            self.alice.response("200 BYE")
            self.alice.response("202 REFER")
            other = self.dialled()
            other.says(180)
            self.lab.advance(3.0)
            app = self.desk[-1]
            self.assertEqual(app.names, ["TransferRequested 1", "Progress 2"])
            if code == 200:
                self.up(other)
                self.assertEqual(app.names[2:], ["Answered 2", "Transferred 1", "Ended 1"])
                self.hangUp(other)
            else:
                other.says(code)
                self.office.request("ACK")
                self.lab.advance(0.01)
                self.assertEqual(app.names[2:], ["Rejected 2"])  # it is over then, with no leg left
        self.assertEqual(self.alice.labels("NOTIFY"), [])
        self.assertEqual(self.lab.results, ["over"] * 2)
        self.leave()

    def test_strangersAreNotCalled(self) -> None:
        """403, and nothing goes there: who asks chooses the address, we would be the ones to call.

        Neither another port of a trunk's host nor a maddr makes it the trunk.
        """
        heard: list[bytes] = []
        places = [("127.0.0.1", 8080), ("10.0.0.1", 5060), (OFFICE, 5099), ("192.0.2.10", 5060)]
        for place in places[:3]:
            self.lab.network.bind(place, lambda data, source: heard.append(data))
        call = self.call()
        for target in (
            "<sip:127.0.0.1:8080>",
            "<sip:x@10.0.0.1;transport=tcp>",
            "<sip:x@[::1]>",
            "<sip:x@localhost>",
            f"<sip:x@{ELSEWHERE}>",
            f"<sip:{OFFICE}@{ELSEWHERE}>",
            f"<sip:x%40{OFFICE}@{ELSEWHERE}>",
            f"<sip:x@{OFFICE};maddr={ELSEWHERE}>",
            f"<sip:x@{OFFICE}:5099>",
            "<sip:clerk@192.0.2.10>",
        ):
            self.refer(call, target)
            self.alice.response("403 REFER")
        self.assertEqual(self.accepted, [None] * 10)
        self.lab.advance(1.0)
        self.assertEqual((heard, self.office.heard), ([], []))
        for place in places[:3]:
            self.lab.network.unbind(place)
        self.hangUp(call)
        self.leave()

    def test_anyHost(self) -> None:
        """Where the application means it; other wishes are those of placeCall."""
        self.deciding[0] = lambda event: self.accept(
            event, fromURI="sip:desk@x.example", timeout=7.0, headers={"X-Desk": "1"}, anyHost=True
        )
        call = self.call()
        self.refer(call, f"<sip:x@{self.alice.host};user=phone>")
        self.assertEqual(self.told(200), "SIP/2.0 100 Trying active;expires=7")
        invite = self.alice.request("INVITE")
        self.assertEqual(str(invite.fromAddress.uri), "sip:desk@x.example")
        self.assertEqual(invite.header("X-Desk"), "1")
        other = self.alice.takes(invite)
        other.says(180)
        self.told(200)
        self.alice.reply(self.alice.request("CANCEL", within=8.0), 200)
        other.says(487)
        self.assertIn("408 Request Timeout", self.told(200))
        self.hangUp(call)
        self.leave()

    def test_onHold(self) -> None:
        """Most phones put us on hold before they ask."""
        call = self.call()
        call.reoffer(sdp(self.alice.host, 40000, more="a=sendonly", version=2))
        self.refer(call)
        other = self.dialled()
        self.told(200)
        self.up(other)
        self.told(200)
        self.hangUp(call)
        self.assertIn("Held 1", self.desk[0].names)
        self.assertEqual(self.desk[0].names[-3:], ["Answered 2", "Transferred 1", "Ended 1"])
        self.hangUp(other)
        self.leave()

    def test_aNOTIFYThatIsRefused(self) -> None:
        """481: the transfer goes on, quietly."""
        call = self.call()
        self.refer(call)
        other = self.dialled()
        self.told(481)
        other.says(180)
        self.up(other)
        self.assertEqual(self.alice.labels("NOTIFY"), ["NOTIFY"])
        self.assertIn("Transferred 1", self.desk[0].names)
        self.alice.reply(self.alice.request("BYE", within=6.0), 200)
        self.hangUp(other)
        self.leave()

    def test_oneAtATime(self) -> None:
        """491 as long as the first is under way, and once it has come about 603."""
        call = self.call()
        self.refer(call)
        self.alice.response("202 REFER")
        self.refer(call)
        self.alice.response("491 REFER")
        other = self.dialled()
        self.told(200)
        self.up(other)
        self.told(200)
        self.refer(call)
        self.alice.response("603 REFER")
        self.hangUp(call)
        self.hangUp(other)
        self.leave()

    def test_theApplicationEnds(self) -> None:
        """All is hung up: the old call by BYE, the new one by CANCEL."""
        call = self.call()
        self.refer(call)
        other = self.dialled()
        other.says(180)
        self.told(200)
        self.told(200)
        self.desk[0].returnResult("enough")
        self.alice.reply(self.alice.request("BYE"), 200)
        self.office.reply(self.office.request("CANCEL"), 200)
        other.says(487)
        self.office.request("ACK")
        self.leave()

    def test_theApplicationEndsThoughTheFarEndHasHungUp(self) -> None:
        """Its leg, whose end is kept, holds nothing up."""
        for _ in range(2):
            call = self.call()
            self.refer(call)
            call.bye()
            other = self.dialled()
            other.says(180)
            self.lab.advance(0.1)
            self.desk[-1].returnResult("enough")
            self.office.reply(self.office.request("CANCEL"), 200)
            other.says(487)
            self.office.request("ACK")
        self.assertEqual(self.lab.results, ["enough"] * 2)
        self.leave()

    def test_theServerStops(self) -> None:
        """In the middle of it."""
        call = self.call()
        self.refer(call)
        self.told(200)
        self.dialled().says(180)
        self.told(200)
        self.lab.close()
        self.assertEqual(self.alice.labels()[-1], "BYE")
        self.assertIn("CANCEL", self.office.labels())
        self.leave()

    def test_theNewLegIsHungUp(self) -> None:
        """The application has thought better of it: 487 for the far end, whose call goes on."""
        call = self.call()
        self.refer(call)
        other = self.dialled()
        other.says(180)
        self.told(200)
        self.told(200)
        leg = self.accepted[0]
        assert leg is not None
        leg.hangupCall()
        self.office.reply(self.office.request("CANCEL"), 200)
        other.says(487)
        self.assertIn("487", self.told(200))
        self.hangUp(call)
        self.leave()

    def test_whatIsSaidTooLate(self) -> None:
        """A handler that is through has refused; accepting afterwards does nothing."""
        kept: list[CallTransferRequestedEvent] = []
        self.deciding[0] = kept.append
        call = self.call()
        self.refer(call)
        self.alice.response("603 REFER")
        self.assertIsNone(kept[0].accept())
        kept[0].refuse()
        self.office.nothing(".*", 1.0)
        self.hangUp(call)
        self.leave()

    def test_refused(self) -> None:
        """As the application says."""
        self.deciding[0] = lambda event: event.refuse(UserBusy())
        call = self.call()
        self.refer(call)
        self.alice.response("486 REFER")
        self.hangUp(call)
        self.leave()

    def test_aWishThatIsNone(self) -> None:
        """Ends the application like any error: 603, and BYE."""
        self.deciding[0] = lambda event: self.accept(event, headers={"Via": "x"})
        call = self.call()
        self.refer(call)
        self.alice.response("603 REFER")
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.office.nothing(".*", 1.0)
        self.leave()


class CycleTests(TransferCase):
    """Whatever becomes of it, counts free both legs: the collector finds nothing of them."""

    def come(self, way: str) -> None:
        """One call, and its transfer, that ends this way."""
        self.deciding[0] = (lambda event: None) if way == "refused" else self.accept
        call = self.call()
        self.refer(call)
        if way in ("hangs up at once", "in vain"):
            call.bye()
        if way == "refused":
            self.alice.response("603 REFER")
            self.hangUp(call)
            return
        other = self.dialled()
        self.lab.advance(0.1)
        if way in ("busy", "in vain"):
            other.says(486)
        else:
            self.up(other)
        self.lab.advance(0.1)
        for heard in list(self.alice.heard):
            if isinstance(heard.message, Request) and heard.label == "NOTIFY":
                self.alice.reply(heard.message, 200)
        self.alice.heard.clear()
        self.lab.advance(0.1)
        if way in ("put through", "busy"):
            self.hangUp(call)
        if way in ("put through", "hangs up at once"):
            self.hangUp(other)

    def test_eachWay(self) -> None:
        """Twice, to warm up, and then three times."""
        ways = ("put through", "busy", "refused", "hangs up at once", "in vain")
        for way in 2 * ways:
            self.come(way)
        self.lab.advance(80.0)
        with collectorOff():
            for way in 3 * ways:
                self.come(way)
                self.desk.clear()
                self.accepted.clear()
            self.lab.advance(80.0)
            gc.collect()
            ours = [type(each) for each in gc.garbage]
            found = Counter(k.__qualname__ for k in ours if k.__module__.startswith(OURS))
        self.assertEqual(found, {})
        self.assertEqual(len(self.lab.results), 5 * len(ways))
        self.leave()
