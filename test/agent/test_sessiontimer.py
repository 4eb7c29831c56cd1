"""What is agreed on about a session, and the machine that keeps it (RFC 4028)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.sessiontimer import (
    Asked,
    Due,
    SessionPolicy,
    SessionTimer,
    Terms,
    asked,
    leastOf,
    raisedBy,
    supportsTimer,
    termsAsCallee,
    termsAsCaller,
    tooBrief,
    withSession,
)
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse

POLICY = SessionPolicy(1800, 90)
SILENT = SessionPolicy(0, 90)


def request(*lines: str) -> Request:
    """An INVITE with these lines."""
    text = [
        "INVITE sip:app@192.0.2.10 SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bKa",
        "From: <sip:alice@example.net>;tag=a",
        "To: <sip:app@example.com>",
        "Call-ID: c",
        "CSeq: 1 INVITE",
        *lines,
    ]
    message = parse("\r\n".join([*text, "Content-Length: 0", "", ""]).encode())
    assert isinstance(message, Request)
    return message


def response(*lines: str, code: int = 200) -> Response:
    """To such an INVITE."""
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return request().respond(code, toTag="t", headers=headers)  # type: ignore[arg-type]


class HeaderTests(SynchronousTestCase):
    """Session-Expires, Min-SE, Supported."""

    def test_sessionExpires(self) -> None:
        """Seconds and the refresher, in any case and with other parameters; compact, too (4)."""
        for line, wanted in {
            "Session-Expires: 1800": Asked(1800, None),
            "Session-Expires: 90;refresher=uas": Asked(90, "uas"),
            "x: 90 ; a=b ; Refresher = UAC": Asked(90, "uac"),
            "Session-Expires: 90;refresher=me": Asked(90, None),
        }.items():
            self.assertEqual(asked(request(line)), wanted, line)

    def test_whatCannotBeRead(self) -> None:
        """Counts as not there: a call is worth more than its timer."""
        for value in ("", "0", "soon", "-5", "1e3", "9" * 12, "٣٠٠"):
            self.assertIsNone(asked(request(f"Session-Expires: {value}")), value)
        self.assertIsNone(asked(request()))

    def test_minSE(self) -> None:
        """90 is the least there is (5)."""
        for line, wanted in {"Min-SE: 120;a=b": 120, "Min-SE: 10": 90, "Min-SE: x": 90}.items():
            self.assertEqual(leastOf(request(line)), wanted, line)
        self.assertEqual(leastOf(request()), 90)

    def test_whoSupportsIt(self) -> None:
        """By Supported or Require, in any case; a Supported that cannot be read is none."""
        for line in ("Supported: 100rel, Timer", "k: timer", "Require: timer"):
            self.assertTrue(supportsTimer(request(line)), line)
        for line in ("Supported: timers", 'Supported: "timer', "Session-Expires: 90"):
            self.assertFalse(supportsTimer(request(line)), line)


class CalleeTests(SynchronousTestCase):
    """What our 2xx says (RFC 4028 9)."""

    def test_422(self) -> None:
        """Below our Min-SE, to who can act on it; nobody else."""
        refusal = tooBrief(request("Supported: timer", "Session-Expires: 60"), POLICY)
        assert refusal is not None
        self.assertEqual((refusal.code, refusal.header("Min-SE")), (422, "90"))
        self.assertEqual(refusal.reason, "Session Interval Too Small")
        self.assertIsNone(tooBrief(request("Session-Expires: 60"), POLICY))
        self.assertIsNone(tooBrief(request("Supported: timer", "Session-Expires: 90"), POLICY))
        self.assertIsNone(tooBrief(request("Supported: timer"), POLICY))

    def test_whoRefreshes(self) -> None:
        """Whom the request names; us, if it leaves that open or cannot do it (table 2)."""
        for lines, wanted in {
            ("Supported: timer", "Session-Expires: 600;refresher=uac"): Terms(600, False),
            ("Supported: timer", "Session-Expires: 600;refresher=uas"): Terms(600, True),
            ("Supported: timer", "Session-Expires: 600"): Terms(600, True),
            ("Session-Expires: 600",): Terms(600, True),
            ("Session-Expires: 600;refresher=uac",): Terms(600, True),
            ("Session-Expires: 60",): Terms(90, True),
        }.items():
            self.assertEqual(termsAsCallee(request(*lines), None, SILENT), wanted, lines)

    def test_weAsk(self) -> None:
        """A caller who knows timers and names none gets ours, not below its Min-SE."""
        self.assertEqual(termsAsCallee(request("Supported: timer"), None, POLICY), (1800, True))
        more = request("Supported: timer", "Min-SE: 3600")
        self.assertEqual(termsAsCallee(more, None, POLICY), (3600, True))
        self.assertIsNone(termsAsCallee(request("Supported: timer"), None, SILENT))
        self.assertIsNone(termsAsCallee(request(), None, POLICY))

    def test_insideTheCall(self) -> None:
        """Roles stay; a request without the timer ends only what its sender was to do."""
        for refreshing in (True, False):
            current = Terms(600, refreshing)
            known = request("Supported: timer")
            self.assertEqual(termsAsCallee(known, current, POLICY), current)
            again = request("Supported: timer", "Session-Expires: 300")
            self.assertEqual(termsAsCallee(again, current, POLICY), (300, refreshing))
        self.assertEqual(termsAsCallee(request(), Terms(600, True), POLICY), (600, True))
        self.assertIsNone(termsAsCallee(request(), Terms(600, False), POLICY))


class CallerTests(SynchronousTestCase):
    """What a 2xx to us says (7.2)."""

    def test_itCounts(self) -> None:
        """Its interval and refresher; who names nobody leaves it to us."""
        for value, wanted in {
            "600;refresher=uas": Terms(600, False),
            "60;refresher=uac": Terms(60, True),
            "600": Terms(600, True),
            "1;refresher=uac": Terms(30, True),
        }.items():
            line = f"Session-Expires: {value}"
            self.assertEqual(termsAsCaller(response(line), None), wanted, value)

    def test_without(self) -> None:
        """No timer; one that we keep ourselves goes on."""
        self.assertIsNone(termsAsCaller(response(), None))
        self.assertIsNone(termsAsCaller(response(), Terms(600, False)))
        self.assertEqual(termsAsCaller(response(), Terms(600, True)), (600, True))

    def test_theINVITE(self) -> None:
        """Session-Expires as we want it, Min-SE if that is not the usual one."""
        invite = withSession(request(), POLICY)
        self.assertEqual(
            (invite.header("Session-Expires"), invite.header("Min-SE")), ("1800", None)
        )
        invite = withSession(request(), SessionPolicy(100, 200))
        self.assertEqual(
            (invite.header("Session-Expires"), invite.header("Min-SE")), ("200", "200")
        )
        self.assertIsNone(withSession(request(), SILENT).header("Session-Expires"))

    def test_raised(self) -> None:
        """By the Min-SE of a 422; not by one that says nothing new, nor if we asked for nothing."""
        invite = request("Session-Expires: 90")
        again = raisedBy(response("Min-SE: 120", code=422), invite)
        assert again is not None
        self.assertEqual((again.header("Session-Expires"), again.header("Min-SE")), ("120", "120"))
        self.assertIsNone(raisedBy(response("Min-SE: 120", code=422), again))
        self.assertIsNone(raisedBy(response(code=422), invite))
        self.assertIsNone(raisedBy(response("Min-SE: 120", code=422), request()))


class MachineTests(SynchronousTestCase):
    """Half time, and the end."""

    def test_weRefresh(self) -> None:
        """At half time; without a 2xx it is over at its end (10)."""
        timer = SessionTimer(Terms(90, True), 1000.0)
        self.assertEqual(timer.deadline, 1045.0)
        self.assertIsNone(timer.timeReached(1044.9))
        self.assertIs(timer.timeReached(1045.0), Due.REFRESH)
        self.assertEqual(timer.deadline, 1090.0)
        self.assertIs(timer.timeReached(1090.0), Due.OVER)

    def test_theyRefresh(self) -> None:
        """We give up min(32, a third) before the end."""
        for interval, end in ((90, 60.0), (1800, 1768.0)):
            timer = SessionTimer(Terms(interval, False), 0.0)
            self.assertEqual(timer.deadline, end)
            self.assertIsNone(timer.timeReached(end - 0.1))
            self.assertIs(timer.timeReached(end), Due.OVER)

    def test_renewed(self) -> None:
        """All of it counts from the 2xx."""
        timer = SessionTimer(Terms(90, True), 0.0)
        timer.timeReached(45.0)
        timer.renew(Terms(200, True), 46.0)
        self.assertEqual(timer.deadline, 146.0)
        timer.renew(Terms(90, False), 150.0)
        self.assertEqual(timer.deadline, 210.0)

    def test_refused(self) -> None:
        """Again and again in half of what is left, and then over."""
        timer, now, asked = SessionTimer(Terms(90, True), 0.0), 0.0, []
        while True:
            now = timer.deadline
            if timer.timeReached(now) is Due.OVER:
                break
            asked.append(now)
            timer.refreshFailed(now)
        self.assertEqual((asked[:3], now), ([45.0, 67.5, 78.75], 90.0))
        self.assertLess(len(asked), 9)

    def test_aMachineThatStoodStill(self) -> None:
        """Asks first whether the call is still there."""
        timer = SessionTimer(Terms(90, True), 0.0)
        self.assertIs(timer.timeReached(5000.0), Due.REFRESH)
        self.assertEqual(timer.deadline, 5032.0)
