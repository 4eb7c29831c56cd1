"""Calls that their far end has put through (REFER), in virtual time."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.events import (
    BaseEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    CallTransferredEvent,
    CallTransferRequestedEvent,
    Event,
    OptionalEvent,
)
from doug.leg import Leg
from doug.settings import Settings
from doug.testing import Lab
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone as Account
from shtoom.exceptions import UserBusy
from shtoom.sip.message import Request
from test.cases.actor import Actor, Dialogue, sdp
from test.doug.bridged import BridgeTestCase
from test.doug.test_cycles import collectorOff

OFFICE = "203.0.113.30"
TARGET = f"<sip:300@{OFFICE}>"
OURS = ("doug.", "shtoom.")
ELSEWHERE = "203.0.113.99"
Decide = Callable[[CallTransferRequestedEvent], Any]


class Clerk(VoiceApp):
    """Answers; does with a transfer as `decide` says; is over with its last leg.

    desk: the test's list of applications. events: all but the first.
    """

    desk: list[Clerk]
    deciding: list[Decide]

    def __start__(self) -> Any:
        self.events: list[Any] = []
        self.desk.append(self)
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        self.leg = event.leg
        event.leg.answerCall(self)
        return [(Event, self.note), (OptionalEvent, self.note)]

    def note(self, event: BaseEvent) -> Any:
        """Any event."""
        self.events.append(event)
        if isinstance(event, CallTransferRequestedEvent):
            return self.deciding[0](event)
        if isinstance(event, CallEndedEvent | CallRejectedEvent) and not self.getDefaultLeg():
            self.returnResult("over")
        return None

    @property
    def names(self) -> list[str]:
        """What came after the answer, and of which leg: 1 is the first that it had."""
        legs: list[Leg] = []
        found = []
        for event in self.events:
            leg = event.leg
            if leg not in legs:
                legs.append(leg)
            name = event.getEventName().removesuffix("Event").removeprefix("Call")
            found.append(f"{name} {legs.index(leg) + 1}")
        return found[1:]


class Unaware(VoiceApp):
    """Knows nothing of transfers: ends with the end of a call, and with an error for what else."""

    desk: list[Any]
    deciding: list[Decide]

    def __start__(self) -> Any:
        self.desk.append(self)
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(Event, self.ended)]

    def ended(self, event: Any) -> Any:
        """Its answer is the first."""
        if isinstance(event, CallEndedEvent):
            self.returnResult(event.reason)
            return None
        return [(CallEndedEvent, self.ended)]


class TransferCase(SynchronousTestCase):
    """Alice, who calls, and an office, a trunk, by hand; Mallory is nobody's."""

    app: type[VoiceApp] = Clerk
    settings: dict[str, Any] = {}
    transfers = "app"

    def setUp(self) -> None:
        self.desk: list[Clerk] = []
        self.deciding: list[Decide] = [self.accept]
        office = Trunk("office", OFFICE, transfers=self.transfers)
        settings = Settings(trunks={"office": office}, anonymous="app", **self.settings)
        self.lab = Lab(self.app, settings=settings, desk=self.desk, deciding=self.deciding)
        self.alice = Actor(self.lab, "alice", "198.51.100.20", 40000)
        self.office = Actor(self.lab, "office", OFFICE, 30000)
        self.mallory = Actor(self.lab, "mallory", ELSEWHERE, 50000)
        self.caller = self.alice
        self.accepted: list[Leg | None] = []

    def accept(self, event: CallTransferRequestedEvent, **wishes: Any) -> None:
        """As the handler of most tests does."""
        self.accepted.append(event.accept(**wishes))

    def call(self, actor: Actor | None = None) -> Dialogue:
        """A call that is up."""
        caller = self.caller = actor if actor is not None else self.alice
        call = caller.invite()
        caller.response("200 INVITE")
        call.ack()
        self.lab.advance(0.01)
        return call

    def refer(self, call: Dialogue, target: str = TARGET, **more: str) -> None:
        """The far end wants that."""
        lines = {"Refer-To": target, "Contact": f"<{call.actor.contact}>"}
        lines |= {name.replace("_", "-"): value for name, value in more.items()}
        call.ask("REFER", with_=lines)

    def told(self, code: int, within: float = 0.5) -> str:
        """What a NOTIFY says; it is answered."""
        notify = self.caller.request("NOTIFY", within)
        self.caller.reply(notify, code)
        return notify.body.decode().strip() + " " + (notify.header("Subscription-State") or "")

    def dialled(self) -> Dialogue:
        """The call to the office."""
        return self.office.takes(self.office.request("INVITE"))

    def up(self, call: Dialogue) -> None:
        """The office answers."""
        call.says(200, body=self.office.answer)
        self.office.request("ACK")
        self.lab.advance(0.01)

    def hangUp(self, call: Dialogue) -> None:
        """The far end does."""
        call.bye()
        call.actor.response("200 BYE")
        self.lab.advance(0.01)

    def leave(self) -> None:
        """Nothing is left, and nobody was called whom nobody meant."""
        self.lab.advance(1.0)
        for actor in (self.alice, self.office, self.mallory):
            actor.close()
        self.lab.assertNothingLeft()
        self.assertEqual(self.mallory.heard, [])


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


class DeferredTests(TransferCase):
    """A handler that takes its time."""

    def wait(self, seconds: float) -> Callable[[CallTransferRequestedEvent], Deferred[None]]:
        """Accepts so much later."""

        def handler(event: CallTransferRequestedEvent) -> Deferred[None]:
            done: Deferred[None] = deferLater(self.lab.reactor, seconds)
            return done.addCallback(lambda _: self.accept(event))

        return handler

    def test_inTime(self) -> None:
        """It is not refused before the Deferred fires; repeats of the REFER are absorbed."""
        self.deciding[0] = self.wait(15.0)
        call = self.call()
        self.refer(call)
        self.alice.nothing(".* REFER", 14.9)
        self.alice.response("202 REFER")
        self.told(200)
        self.up(self.dialled())
        self.told(200)
        self.assertEqual(self.desk[0].names[-1], "Transferred 1")
        self.desk[0].returnResult("enough")
        for actor in (self.alice, self.office):
            actor.reply(actor.request("BYE"), 200)
        self.leave()

    def test_notInTime(self) -> None:
        """603 after 20 s, before the far end gives up."""
        self.deciding[0] = self.wait(25.0)
        call = self.call()
        self.refer(call)
        self.alice.nothing(".* REFER", 19.9)
        self.alice.response("603 REFER")
        self.lab.advance(6.0)
        self.assertEqual(self.accepted, [None])
        self.hangUp(call)
        self.leave()

    def test_theFarEndHangsUpMeanwhile(self) -> None:
        """It may be accepted all the same, within the same time."""
        for seconds, code in ((5.0, 202), (25.0, 603)):
            self.deciding[0] = self.wait(seconds)
            call = self.call()
            self.refer(call)
            self.hangUp(call)
            self.alice.response(f"{code} REFER", within=21.0)
            if code == 202:
                other = self.dialled()
                self.up(other)
                self.assertEqual(self.desk[-1].names[-2:], ["Transferred 1", "Ended 1"])
                self.hangUp(other)
        self.lab.advance(10.0)
        self.assertEqual(self.lab.results, ["over"] * 2)
        self.leave()

    def test_forEver(self) -> None:
        """A Deferred that never fires, of a caller who is gone, ends like any other."""
        self.deciding[0] = lambda event: Deferred()
        call = self.call()
        self.refer(call)
        self.hangUp(call)
        self.alice.response("603 REFER", within=21.0)
        self.lab.advance(70.0)
        self.assertEqual(self.lab.application.listVoiceapps(), {})
        self.assertEqual(self.lab.application.leaks.count, 1)
        self.flushLoggedErrors()
        self.leave()


class LimitTests(TransferCase):
    """What holds for placeCall."""

    settings = {"maxLegs": 1, "dialOut": (f"3*@{OFFICE}",)}

    def test_maxLegs(self) -> None:
        """202, and the call that is none is told; the old one goes on."""
        call = self.call()
        self.refer(call)
        self.alice.response("202 REFER")
        self.assertIn("100 Trying", self.told(200))
        self.assertEqual(
            self.told(200), "SIP/2.0 480 Temporarily Unavailable terminated;reason=noresource"
        )
        self.assertEqual(self.desk[0].names[-1], "Rejected 2")
        self.hangUp(call)
        self.leave()


class DialOutTests(TransferCase):
    """What may be dialled at all."""

    settings = {"dialOut": (f"3*@{OFFICE}",)}

    def test_dialOut(self) -> None:
        """403 for another number of the same trunk."""
        call = self.call()
        self.refer(call, f"<sip:400@{OFFICE}>")
        self.told(200)
        self.assertIn("403 Forbidden", self.told(200))
        self.office.nothing(".*", 1.0)
        self.hangUp(call)
        self.leave()


class PhoneTests(TransferCase):
    """To phones that register here."""

    settings = {"phones": {"bob": Account("wonderland")}}

    def test_aPhoneThatIsNotRegistered(self) -> None:
        """It is known, so it is called, and is not there."""
        call = self.call()
        self.refer(call, "<sip:bob@doug>")
        self.alice.response("202 REFER")
        self.told(200)
        self.assertIn("480", self.told(200))
        self.refer(call, "<sip:carol@doug>")
        self.alice.response("403 REFER")
        self.hangUp(call)
        self.leave()


class RefusingTests(TransferCase):
    """transfers = "refuse"."""

    transfers = "refuse"

    def test_nobodyIsAsked(self) -> None:
        """Of that trunk's calls; others' applications decide."""
        call = self.call(self.office)
        self.refer(call)
        self.office.response("603 REFER")
        self.lab.advance(0.1)
        self.assertEqual(self.desk[0].names, [])
        self.hangUp(call)
        call = self.call()
        self.refer(call)
        self.alice.response("202 REFER")
        self.told(200)
        self.dialled().says(486)
        self.told(200)
        self.hangUp(call)
        self.leave()


class FollowingTests(TransferCase):
    """transfers = "follow", and an application that knows nothing of it."""

    app = Unaware
    transfers = "follow"

    def test_putThrough(self) -> None:
        """The new leg is there in the place of the old one; its end is that of the call."""
        call = self.call(self.office)
        self.refer(call)
        self.office.response("202 REFER")
        self.told(200)
        other = self.dialled()
        other.says(180)
        self.told(200)
        self.up(other)
        self.assertIn("200 OK", self.told(200))
        self.hangUp(call)
        self.lab.advance(10.0)
        self.assertEqual(self.lab.results, [])
        self.hangUp(other)
        self.assertEqual(self.lab.results, ["the far end hung up"])
        self.assertEqual(self.lab.failures, [])
        self.leave()

    def test_whereTheFarEndStays(self) -> None:
        """Doug hangs up, and that is no event either."""
        call = self.call(self.office)
        self.refer(call)
        other = self.dialled()
        self.told(200)
        self.up(other)
        self.told(200)
        self.office.reply(self.office.request("BYE", within=6.0), 200)
        self.lab.advance(1.0)
        self.assertEqual(self.lab.results, [])
        self.hangUp(other)
        self.assertEqual(self.lab.results, ["the far end hung up"])
        self.leave()

    def test_nobodyAnswersThere(self) -> None:
        """The application hears nothing, and the call goes on."""
        call = self.call(self.office)
        self.refer(call)
        other = self.dialled()
        self.told(200)
        other.says(404)
        self.assertIn("404", self.told(200))
        self.lab.advance(1.0)
        self.assertEqual((self.lab.results, self.lab.failures), ([], []))
        self.hangUp(call)
        self.assertEqual(self.lab.results, ["the far end hung up"])
        self.leave()

    def test_hostile_51_aBYERightBehindIt(self) -> None:
        """Its end is an event if nobody answers, and none if somebody does."""
        for code in (200, 486):
            call = self.call(self.office)
            self.refer(call)
            call.bye()
            self.told(200)
            other = self.dialled()
            other.says(180)
            self.lab.advance(2.0)
            self.assertEqual(self.lab.results, ["the far end hung up"] * (code == 486))
            if code == 200:
                self.up(other)
                self.lab.advance(2.0)
                self.assertEqual(self.lab.results, [])
                self.hangUp(other)
            else:
                other.says(code)
                self.office.request("ACK")
                self.lab.advance(0.01)
        self.assertEqual(self.lab.results, ["the far end hung up"] * 2)
        self.leave()

    def test_addressesOfOthers(self) -> None:
        """403; nobody else decides."""
        call = self.call(self.office)
        for host in (ELSEWHERE, f"{OFFICE};maddr={ELSEWHERE}", f"{OFFICE}:5061"):
            self.refer(call, f"<sip:300@{host}>")
            self.office.response("403 REFER")
        self.hangUp(call)
        self.leave()

    def test_othersAreAsked(self) -> None:
        """Calls of no trunk: nobody accepts."""
        call = self.call()
        self.refer(call)
        self.alice.response("603 REFER")
        self.hangUp(call)
        self.leave()


class ImmediateTests(TransferCase):
    """transfers = "follow" where the new call cannot even be dialled."""

    app = Unaware
    transfers = "follow"
    settings = {"maxLegs": 1}

    def test_noLegLeft(self) -> None:
        """The application hears nothing of that either."""
        call = self.call(self.office)
        self.refer(call)
        self.told(200)
        self.assertIn("480", self.told(200))
        self.lab.advance(1.0)
        self.assertEqual((self.lab.results, self.lab.failures), ([], []))
        self.hangUp(call)
        self.leave()


class BridgeTests(BridgeTestCase):
    """Alice and Bob are connected, and Bob puts her through to Carol."""

    def begin(self, **options: Any) -> None:
        """Whoever it is may be called."""
        super().begin(**options)
        self.app.hooks["CallTransferRequestedEvent"] = self.accept
        self.carols = self.lab.phone("carol")

    def accept(self, event: CallTransferRequestedEvent) -> None:
        """As an application does that connects whomever it is asked to."""
        event.accept(anyHost=True)

    def assertTalking(self) -> None:
        """Alice and Carol hear each other."""
        [carol] = self.carols.calls
        self.call.sayTone(440, 1.0)
        carol.sayTone(620, 1.0)
        self.lab.advance(1.0)
        carol.assertHearsTone(440, 0.5)
        self.call.assertHearsTone(620, 0.5)

    def test_bothSidesOfABridge(self) -> None:
        """Alice talks with Carol; Bob is hung up, the bridge has the same sides as before."""
        self.beginBridge(relayKeys=False)
        self.bob.transfer(self.carols.uri)
        self.lab.advance(0.2)
        self.assertTrue(self.bridge.closed)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        assert done.bridge is not None
        self.assertEqual(done.bridge.legs, (self.leg, done.newLeg))
        self.assertFalse(done.bridge.relayKeys)
        self.assertTalking()
        self.assertEqual(self.bob.state, "answered")
        self.lab.advance(5.0)
        self.assertEqual(self.bob.state, "ended")
        self.assertFalse(done.bridge.closed)
        self.finish()

    def test_theFirstLegAsks(self) -> None:
        """Alice puts Bob through."""
        self.beginBridge()
        self.call.transfer(self.carols.uri)
        self.lab.advance(0.2)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        assert done.bridge is not None
        self.assertEqual(done.bridge.legs, (done.newLeg, self.other))
        self.finish()

    def test_hostile_51_heHangsUpAtOnce(self) -> None:
        """Alice waits in silence until Carol answers."""
        self.beginBridge()
        self.carols.answerAfter = 3.0
        self.bob.transfer(self.carols.uri)
        self.bob.hangUp()
        self.lab.advance(2.0)
        self.assertEqual((self.bob.state, self.call.state), ("ended", "answered"))
        self.assertNotIn("CallEnded", self.app.names())
        self.lab.advance(1.5)
        self.assertTalking()
        self.assertEqual(self.app.names()[-2:], ["CallTransferred", "CallEnded"])
        self.finish()

    def test_carolDoesNotAnswer(self) -> None:
        """Alice and Bob go on talking, as if nothing had been."""
        self.beginBridge()
        self.carols.onCall = "busy"
        self.bob.transfer(self.carols.uri)
        self.lab.advance(0.2)
        self.assertFalse(self.bridge.closed)
        self.talk()
        self.bob.assertHearsTone(440, 0.5)
        self.call.assertHearsTone(620, 0.5)
        self.lab.advance(10.0)
        self.assertEqual(self.bob.state, "answered")
        self.finish()

    def test_whatTheApplicationHasDoneMeanwhile(self) -> None:
        """Alice, connected with somebody else since, stays so."""
        self.beginBridge()
        self.carols.answerAfter = 3.0
        dave = self.lab.phone("dave")
        leg = self.app.placeCall(dave.uri)
        self.lab.advance(0.5)
        self.bob.transfer(self.carols.uri)
        self.lab.advance(0.5)
        other = self.app.connectLegs(self.leg, leg)
        self.lab.advance(4.0)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        self.assertIsNone(done.bridge)
        self.assertFalse(other.closed)
        self.finish()

    def test_aliceHasHungUp(self) -> None:
        """Bob's transfer comes about all the same, with nobody to connect."""
        self.beginBridge()
        self.carols.answerAfter = 3.0
        self.bob.transfer(self.carols.uri)
        self.lab.advance(0.5)
        self.call.hangUp()
        self.lab.advance(4.0)
        done = next(e for e in self.app.events if isinstance(e, CallTransferredEvent))
        self.assertIsNone(done.bridge)
        self.finish()
