"""REFER as the agent floor has it: reading, answering, NOTIFYs (RFC 3515, 3420, 4488)."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.transfer import ANSWER_WITHIN, News, Transfer, referredTo
from shtoom.exceptions import CallFailed, MalformedMessage, UserBusy
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request
from test.agent.support import AgentTestCase

TARGET = "<sip:300@203.0.113.30>"
LINES = (("Event", "refer"), ("Content-Type", "message/sipfrag;version=2.0"))


def refer(*targets: str) -> Request:
    """A REFER with these headers."""
    return Request("REFER", "sip:app@192.0.2.10", Headers([("Refer-To", each) for each in targets]))


class ReadingTests(SynchronousTestCase):
    """Refer-To: one address, and what of it is for the INVITE."""

    def test_whatIsCalled(self) -> None:
        """As it is written; without password, headers and the method that goes without saying."""
        for written, read in (
            ("<sip:300@203.0.113.30>", "sip:300@203.0.113.30"),
            ("sip:300@203.0.113.30", "sip:300@203.0.113.30"),
            ('"Bob" <sips:b%3Bob@[2001:db8::1]:5071>;x=y', "sips:b%3Bob@[2001:db8::1]:5071"),
            ("<sip:b@x.example;transport=tcp;method=INVITE>", "sip:b@x.example;transport=tcp"),
            ("<sip:b:secret@x.example?Subject=a%0d%0aVia:b&X=y>", "sip:b@x.example"),
            ("<sip:127.0.0.1:8080>", "sip:127.0.0.1:8080"),
        ):
            self.assertEqual(str(referredTo(refer(written))), read)

    def test_whatIsNoAddress(self) -> None:
        """None, two in a line, two lines, what cannot be read."""
        for request in (
            refer(),
            refer("<sip:a@b>, <sip:c@d>"),
            refer("<sip:a@b>", "<sip:c@d>"),
            refer("<sip:a@b"),
            refer("<sip:a@b:x>"),
            refer(""),
        ):
            self.assertRaises(MalformedMessage, referredTo, request)

    def test_whatIsNeverCalled(self) -> None:
        """Other schemes and methods are 403, the place of another call is 603."""
        for target, code in (
            ("<http://203.0.113.30/>", 403),
            ("<tel:+4930123>", 403),
            ("<sip:a@b;method=MESSAGE>", 403),
            ("<sip:a@b;method=bye>", 403),
            ("<sip:a@b?replaces=x%3Bto-tag%3Dy>", 603),
            ("<sip:a@b?Subject=x&Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>", 603),
        ):
            failure = self.assertRaises(CallFailed, referredTo, refer(target))
            self.assertEqual(failure.sipCode, code, target)


class NewsTests(SynchronousTestCase):
    """One NOTIFY at a time, the newest, and the last."""

    def test_whileOneWaitsTheNewestIsKept(self) -> None:
        """And what was told is not told again."""
        news = News()
        self.assertEqual(news.came(100), 100)
        self.assertEqual([news.came(code) for code in (180, 183, 180)], [None] * 3)
        self.assertEqual(news.answered(True), 180)
        self.assertIsNone(news.answered(True))
        self.assertIsNone(news.came(180))
        self.assertEqual(news.came(486), 486)
        self.assertFalse(news.over)
        self.assertIsNone(news.answered(True))
        self.assertTrue(news.over)

    def test_theLastIsNotLost(self) -> None:
        """It waits like any other, and nothing comes behind it."""
        news = News()
        news.came(100)
        self.assertEqual([news.came(code) for code in (200, 180, 603)], [None] * 3)
        self.assertEqual(news.answered(True), 200)

    def test_aRefusalIsTheEnd(self) -> None:
        """Whatever waits."""
        news = News()
        news.came(100)
        news.came(200)
        self.assertIsNone(news.answered(False))
        self.assertTrue(news.over)
        self.assertIsNone(news.came(180))


class TransferTests(AgentTestCase):
    """Calls of alice, who sends REFER."""

    def asked(self, target: str = TARGET, more: Iterable[tuple[str, str]] = ()) -> Transfer:
        """Her REFER; what the user of the call is given."""
        self.caller.ask("REFER", headers=[("Refer-To", target), *more], contact=True)
        transfer = self.listener.named("refer")[-1]
        assert isinstance(transfer, Transfer)
        return transfer

    def setUp(self) -> None:
        super().setUp()
        self.caller, self.call, self.listener = self.establish()
        self.alice.heard.clear()

    def notices(self) -> list[tuple[str, str]]:
        """First line and Subscription-State of each NOTIFY."""
        found = []
        for request in self.alice.requests("NOTIFY"):
            for name, value in LINES:
                self.assertEqual(request.header(name), value)
            self.assertIsNotNone(request.contact)
            self.assertTrue(request.body.endswith(b"\r\n"))
            self.assertEqual(request.body.count(b"\n"), 1)
            state = request.header("Subscription-State") or ""
            found.append((request.body.decode().strip(), state))
        return found

    def confirm(self, code: int = 200) -> None:
        """Her answer to the last NOTIFY."""
        self.alice.reply(self.alice.request("NOTIFY"), code)

    def leave(self) -> None:
        """She hangs up, and nothing is left."""
        self.caller.bye()
        self.alice.response("200 BYE")
        self.assertNothingLeft()

    def test_accepted(self) -> None:
        """202, then 100, how it rings, and the last."""
        transfer = self.asked()
        self.assertEqual(str(transfer.target), "sip:300@203.0.113.30")
        self.assertEqual(self.alice.labels(), [])
        self.assertFalse(transfer.isDecided)
        transfer.accept(60.0)
        self.assertEqual(self.alice.labels(), ["202 REFER", "NOTIFY"])
        self.assertIsNotNone(self.alice.response("202 REFER").contact)
        self.confirm()
        self.run_(2.0)
        transfer.report(180)
        self.confirm()
        transfer.report(180)
        transfer.report(200)
        self.assertFalse(transfer.isOver)
        self.confirm()
        self.assertTrue(transfer.isOver)
        self.assertEqual(
            self.notices(),
            [
                ("SIP/2.0 100 Trying", "active;expires=60"),
                ("SIP/2.0 180 Ringing", "active;expires=58"),
                ("SIP/2.0 200 OK", "terminated;reason=noresource"),
            ],
        )
        numbers = [request.cseq.number for request in self.alice.requests("NOTIFY")]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.leave()

    def test_aFailureIsToldToo(self) -> None:
        """Behind the first, when that has its answer; later ones have an id (RFC 3515 2.4.6)."""
        for number in (1, 2):
            transfer = self.asked()
            transfer.accept(60.0)
            transfer.report(486)
            self.confirm()
            self.confirm()
            last = self.alice.request("NOTIFY")
            self.assertEqual(last.body, b"SIP/2.0 486 Busy Here\r\n")
            wanted = "refer" if number == 1 else f"refer;id={self.caller.cseq}"
            self.assertEqual(last.header("Event"), wanted)
        self.leave()

    def test_refused(self) -> None:
        """603, or as the user says; once."""
        self.asked().refuse()
        self.assertEqual(self.alice.labels(), ["603 REFER"])
        transfer = self.asked()
        transfer.refuse(UserBusy())
        transfer.accept(60.0)
        transfer.refuse()
        transfer.report(180)
        self.assertEqual(self.alice.labels(), ["603 REFER", "486 REFER"])
        self.leave()

    def test_nobodyDecides(self) -> None:
        """603 before the far end gives up."""
        told: list[int] = []
        transfer = self.asked()
        transfer.onRefused = lambda: told.append(1)
        self.run_(ANSWER_WITHIN - 0.1)
        self.assertEqual(self.alice.labels(), [])
        self.run_(0.2)
        self.assertEqual(self.alice.labels(), ["603 REFER"])
        self.assertTrue(transfer.isOver)
        self.assertEqual(told, [1])
        self.leave()

    def test_oneAtATime(self) -> None:
        """491 as long as another is not over."""
        transfer = self.asked()
        for _ in range(2):
            self.caller.ask("REFER", headers=[("Refer-To", TARGET)])
            self.assertEqual(self.alice.labels()[-1], "491 REFER")
            transfer.accept(60.0)
            self.confirm()
        self.assertEqual(len(self.listener.named("refer")), 1)
        transfer.report(603)
        self.confirm()
        self.asked().refuse()
        self.leave()

    def test_whatCannotBeFollowed(self) -> None:
        """400, 403 and 603, and the user does not hear of it."""
        for target, code in (("<sip:a@b>, <sip:c@d>", 400), ("<http://a/>", 403)):
            self.caller.ask("REFER", headers=[("Refer-To", target)])
            self.assertEqual(self.alice.labels()[-1], f"{code} REFER")
        self.caller.ask("REFER")
        self.assertEqual(self.alice.labels()[-1], "400 REFER")
        self.caller.ask("REFER", headers=[("Refer-To", "<sip:a@b?Replaces=x%3Bto-tag%3Dy>")])
        self.assertIn("Replaces", self.alice.response("603 REFER").reason)
        self.assertEqual(self.listener.named("refer"), [])
        self.leave()

    def test_beforeTheCallIsUp(self) -> None:
        """491; outside of a call 481."""
        caller = self.alice.invites()
        caller.ask("REFER", headers=[("Refer-To", TARGET)])
        self.assertEqual(self.alice.labels()[-1], "491 REFER")
        caller.cancel()
        caller.ack(1)
        self.alice.ask("REFER", headers=[("Refer-To", TARGET)], contact=True)
        self.assertEqual(self.alice.labels()[-1], "481 REFER")
        self.leave()

    def test_RFC4488_noSubscription(self) -> None:
        """Refer-Sub: false is confirmed, and there are no NOTIFYs."""
        transfer = self.asked(more=[("Refer-Sub", "false"), ("Require", "norefersub")])
        transfer.accept(60.0)
        transfer.report(180)
        transfer.report(200)
        self.assertEqual(self.alice.response("202 REFER").header("Refer-Sub"), "false")
        self.assertEqual(self.alice.labels(), ["202 REFER"])
        self.assertTrue(transfer.isOver)
        self.leave()

    def test_aNOTIFYThatIsRefused(self) -> None:
        """481 ends the subscription, and nothing else (RFC 6665 4.2.2)."""
        transfer = self.asked()
        transfer.accept(60.0)
        self.confirm(481)
        self.assertTrue(transfer.isOver)
        transfer.report(180)
        transfer.report(200)
        self.assertEqual(len(self.notices()), 1)
        self.assertEqual(self.listener.ends, [])
        self.leave()

    def test_aNOTIFYThatNobodyAnswers(self) -> None:
        """It is repeated, and then it is the same."""
        transfer = self.asked()
        transfer.accept(60.0)
        transfer.report(180)
        self.run_(40.0)
        self.assertTrue(transfer.isOver)
        self.assertEqual({text for text, _ in self.notices()}, {"SIP/2.0 100 Trying"})
        self.assertEqual(self.listener.ends, [])
        self.leave()

    def test_aBYEBehindIt(self) -> None:
        """It may be followed all the same: 202, and no NOTIFY."""
        transfer = self.asked()
        self.caller.bye()
        self.assertFalse(transfer.isDecided)
        transfer.accept(60.0)
        transfer.report(180)
        transfer.report(200)
        self.assertEqual(self.alice.labels(), ["200 BYE", "202 REFER"])
        self.assertTrue(transfer.isOver)
        self.assertNothingLeft()

    def test_aBYEBehindTheAnswer(self) -> None:
        """No NOTIFY any more but the one that is on its way."""
        transfer = self.asked()
        transfer.accept(60.0)
        self.caller.bye()
        transfer.report(200)
        self.confirm()
        self.assertEqual(self.alice.labels(), ["202 REFER", "NOTIFY", "200 BYE"])
        self.assertNothingLeft()

    def test_weHangUp(self) -> None:
        """What is not decided is refused first."""
        self.asked()
        self.call.hangup()
        self.assertEqual(self.alice.labels(), ["603 REFER", "BYE"])
        self.alice.confirm("BYE")
        self.assertNothingLeft()

    def test_anErrorOfTheUser(self) -> None:
        """Ends the call, and the REFER has its answer."""

        def fails(call: object, transfer: object) -> None:
            raise RuntimeError("no")

        self.listener.on["refer"] = fails
        self.asked()
        self.assertEqual(self.alice.labels(), ["603 REFER", "BYE"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.alice.confirm("BYE")
        self.assertNothingLeft()

    def test_inACallOfOurs(self) -> None:
        """It is the same; in an early dialog it is 491."""
        call, listener = self.dial()
        callee = self.trunk.answers()
        callee.says(180, tag="t1")
        callee.ask("REFER", headers=[("Refer-To", TARGET)])
        self.assertEqual(self.trunk.labels()[-1], "491 REFER")
        callee.says(200, body=b"v=0\r\n")
        callee.ask("REFER", headers=[("Refer-To", TARGET)])
        transfer = listener.named("refer")[-1]
        assert isinstance(transfer, Transfer)
        transfer.accept(60.0)
        self.assertEqual(self.trunk.labels()[-2:], ["202 REFER", "NOTIFY"])
        self.trunk.confirm("NOTIFY")
        call.hangup()
        self.trunk.confirm("BYE")
        self.leave()
