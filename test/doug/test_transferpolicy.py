"""Who decides whether a call is put through (REFER), how long, and what holds all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from doug.events import CallTransferRequestedEvent
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone as Account
from test.doug.transfercase import BRANCH, ELSEWHERE, OFFICE, TARGET, TransferCase, Unaware


def account(user: str) -> Trunk:
    """One of several at the office."""
    return Trunk(user, OFFICE, user=user, password="secret", transfers="follow")


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

    def test_theApplicationEndsMeanwhile(self) -> None:
        """The REFER has its answer, whether its call is still there or not."""
        self.deciding[0] = self.wait(15.0)
        for hasLeft in (False, True):
            call = self.call()
            self.refer(call)
            if hasLeft:
                self.hangUp(call)
            self.lab.advance(1.0)
            self.desk[-1].returnResult("enough")
            self.alice.response("603 REFER")
            if not hasLeft:
                self.alice.reply(self.alice.request("BYE"), 200)
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


class ReloadTests(TransferCase):
    """New settings of a server that runs."""

    def test_whatTheTrunkSaysNow(self) -> None:
        """Holds for calls that are up, too."""
        call = self.call(self.office)
        for policy, code in (("refuse", 603), ("follow", 403), ("app", 202)):
            trunks = {"office": Trunk("office", OFFICE, transfers=policy)}
            settings = replace(self.lab.application.settings, trunks=trunks)
            self.assertEqual(self.lab.application.reload(settings), [])
            wanted = TARGET if policy == "app" else f"<sip:x@{ELSEWHERE}>"
            self.refer(call, wanted)
            self.office.response(f"{code} REFER")
        self.told(200)
        self.dialled().says(486)
        self.told(200)
        self.hangUp(call)
        self.leave()

    def test_noSuchPolicy(self) -> None:
        """A program's mistake is one as well."""
        error = self.assertRaises(ValueError, Trunk, "office", OFFICE, transfers="yes")
        self.assertIn("app, refuse, follow", str(error))


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
        for host in (ELSEWHERE, BRANCH, f"{OFFICE};maddr={ELSEWHERE}", f"{OFFICE}:5061"):
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


class AccountTests(TransferCase):
    """Two accounts at one host: a call of the one is put through by that one."""

    app = Unaware
    settings = {"trunks": {name: account(name) for name in ("first", "second")}}

    def test_itsOwn(self) -> None:
        """Whoever of them is named first in the settings."""
        for name in ("second", "first"):
            call = self.office.invite(uri=f"sip:{name}@192.0.2.10")
            self.caller = self.office
            self.office.response("200 INVITE")
            call.ack()
            self.lab.advance(0.01)
            self.refer(call)
            self.told(200)
            other = self.dialled()
            self.assertEqual(other.invite and other.invite.fromAddress.uri.user, name)
            self.up(other)
            self.told(200)
            self.hangUp(call)
            self.hangUp(other)
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
