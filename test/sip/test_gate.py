"""Who is heard: token buckets for sources, before anything is parsed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.gate import AT_ONCE, OF_A_CALL, Gate, TokenBuckets, Verdict

HOST, OTHER = "203.0.113.5", "203.0.113.6"
LIVE = b"live-1@host"
PASS, REFUSE, DROP = Verdict.PASS, Verdict.REFUSE, Verdict.DROP


def request(
    method: str = "OPTIONS", callID: str = "1", name: str = "Call-ID: ", to: str = "To: <sip:a@b>"
) -> bytes:
    """As much of one as the gate looks at."""
    lines = f"{method} sip:a@b SIP/2.0", "Via: x", to, f"{name}{callID}", f"CSeq: 1 {method}"
    return "\r\n".join((*lines, "")).encode()


def inside(method: str = "INFO", to: str = "To: <sip:a@b>;tag=1", name: str = "Call-ID: ") -> bytes:
    """One in a dialog of the call that goes on."""
    return request(method, LIVE.decode(), name, to)


class BucketTests(SynchronousTestCase):
    """TokenBuckets."""

    def test_twiceTheRateAtOnce(self) -> None:
        """Then the rate."""
        buckets = TokenBuckets(50)
        self.assertEqual([buckets.take("a", 0.0) for _ in range(101)], [True] * 100 + [False])
        taken = sum(buckets.take("a", n / 1000) for n in range(1, 10_001))
        self.assertEqual(taken, 500)
        self.assertTrue(buckets.take("b", 10.0))

    def test_itFillsUpAgainToTheBrim(self) -> None:
        """And no further."""
        buckets = TokenBuckets(5)
        for _ in range(10):
            buckets.take("a", 0.0)
        self.assertEqual([buckets.take("a", 3600.0) for _ in range(11)], [True] * 10 + [False])

    def test_boundedInSize(self) -> None:
        """Who was silent for longest is forgotten: that one's bucket is the fullest."""
        buckets = TokenBuckets(1, most=100)
        for _ in range(2):
            self.assertTrue(buckets.take("busy", 0.0))
        for n in range(1000):
            buckets.take(n, 0.0)
            self.assertFalse(buckets.take("busy", 0.0), n)
        self.assertEqual(len(buckets), 100)

    def test_fullOnesAreNotKept(self) -> None:
        """Of sources, and calls, that came and went nothing stays."""
        buckets = TokenBuckets(50)
        for n in range(1000):
            buckets.take(n, n / 10)
        self.assertLessEqual(len(buckets), 2)

    def test_lessThanOneASecond(self) -> None:
        """One at least fits in."""
        buckets = TokenBuckets(0.1)
        self.assertEqual(
            [buckets.take("a", at) for at in (0, 9, 10.1, 11)], [True, False, True, False]
        )

    @given(st.lists(st.floats(0, 0.1), max_size=300), st.integers(1, 50))
    @settings(max_examples=50, deadline=None)
    def test_neverMoreThanTheRate(self, pauses: list[float], rate: int) -> None:
        """Whenever they come: twice the rate, and the rate for each second."""
        buckets, now, taken = TokenBuckets(rate), 0.0, 0
        for pause in pauses:
            now += pause
            taken += buckets.take("a", now)
        self.assertLessEqual(taken, 2 * rate + rate * now + 1e-6)


class GateTests(SynchronousTestCase):
    """Gate."""

    def setUp(self) -> None:
        self.overloaded = False
        self.gate = Gate(
            5,
            trusts=lambda host: host.startswith("127."),
            isLive=lambda callID: callID.startswith(b"live-"),
            isOverloaded=lambda: self.overloaded,
        )

    def verdicts(
        self, count: int, datagram: bytes | None = None, host: str = HOST, now: float = 0.0
    ) -> list[Verdict]:
        """What becomes of so many of them at once."""
        data = datagram if datagram is not None else request()
        return [self.gate.weigh(data, host, now) for _ in range(count)]

    def test_a503AndThenSilence(self) -> None:
        """Beyond the rate two are answered, one more each second; other sources do not suffer."""
        expected = [PASS] * 10 + [REFUSE] * 2 + [DROP] * 20
        self.assertEqual(self.verdicts(32), expected)
        self.assertEqual(self.verdicts(1, host=OTHER), [PASS])
        self.assertEqual(self.verdicts(7, now=1.0), [PASS] * 5 + [REFUSE, DROP])

    def test_whateverItIs(self) -> None:
        """Responses, keep-alives that are none, noise: all of it costs."""
        for data in (b"SIP/2.0 200 OK\r\n", b"", b"\0" * 60000, request(name="Subject: ")):
            self.setUp()
            self.assertEqual(self.verdicts(11, data)[9:], [PASS, REFUSE])

    def test_livingCalls(self) -> None:
        """Their requests and responses pass, in all spellings, from anywhere, though the source
        is over its limit.
        """
        self.verdicts(50)
        for n, name in enumerate(("Call-ID: ", "call-id:", "CALL-ID \t: ", "i: ", "I:")):
            for method in ("BYE", "INVITE", "INFO", "ACK"):
                data = inside(method, name=name)
                self.assertEqual(self.verdicts(1, data, now=20.0 * n), [PASS], name)
        response = b"SIP/2.0 200 OK\r\nVia: x\r\nCall-ID: " + LIVE + b"\r\n\r\n"
        self.assertEqual(self.verdicts(1, response, now=100.0), [PASS])
        for n, to in enumerate(("t:<sip:a@b>;TAG = 1", "To :\t<sip:a@b>\r\n ;x=y\r\n\t;\n tag=1")):
            self.assertEqual(self.verdicts(1, inside(to=to), now=110.0 + n), [PASS], to)

    def test_CANCELAndACKOfACallHaveNoTag(self) -> None:
        """They belong to its INVITE."""
        self.verdicts(50)
        for method in ("CANCEL", "ACK"):
            self.assertEqual(self.verdicts(1, request(method, LIVE.decode())), [PASS])

    def test_aCallIDAloneIsNoWayAround(self) -> None:
        """What begins something counts for its source, whatever Call-ID it has."""
        for method in ("REGISTER", "OPTIONS", "INVITE", "MESSAGE"):
            self.setUp()
            found = self.verdicts(32, request(method, LIVE.decode()))
            self.assertEqual(found, [PASS] * 10 + [REFUSE] * 2 + [DROP] * 20, method)

    def test_whatOneCallHas(self) -> None:
        """A little for itself, then a share of what its source has for calls; no answer beyond."""
        found = self.verdicts(20, inside())
        self.assertEqual(found, [PASS] * (int(AT_ONCE) + 10) + [DROP] * 4)
        self.assertEqual(self.verdicts(1), [PASS])

    def test_manyCallsOfOneSourceAreNoWayAround(self) -> None:
        """Hundred calls have what each has for itself, and together as much as a source."""
        calls = [request("INFO", f"live-{n}", to="t: <sip:a@b>;tag=1") for n in range(100)]
        found = [self.verdicts(1, calls[n % 100], now=n / 2000)[0] for n in range(20_000)]
        most = 100 * (AT_ONCE + OF_A_CALL * 10) + 10 + 5 * 10
        self.assertLessEqual(found.count(PASS), most)
        self.assertGreater(found.count(PASS), most - 110)
        self.assertEqual(found.count(REFUSE), 0)

    def test_aCallIsServedWhateverOthersOfItsSourceDo(self) -> None:
        """As far as its own little goes."""
        calls = [request("INFO", f"live-other-{n}", to="t: <sip:a@b>;tag=1") for n in range(30)]
        for data in calls * 20:
            self.verdicts(1, data)
        self.verdicts(100)
        self.assertEqual(self.verdicts(8, inside()), [PASS] * int(AT_ONCE) + [DROP] * 2)
        self.assertEqual(self.verdicts(1, inside("BYE"), now=1 / OF_A_CALL), [PASS])

    def test_ACKsCountApart(self) -> None:
        """An INVITE that is refused has one; none of them is ever answered."""
        self.assertEqual(self.verdicts(10, request("INVITE")), [PASS] * 10)
        self.assertEqual(self.verdicts(12, request("ACK")), [PASS] * 10 + [DROP] * 2)

    def test_trustedOnes(self) -> None:
        """Have no limit."""
        self.assertEqual(set(self.verdicts(1000, host="127.0.0.1")), {PASS})

    def test_noLimit(self) -> None:
        """0."""
        gate = Gate(0, trusts=lambda host: False, isLive=lambda callID: False)
        self.assertEqual({gate.weigh(request(), HOST, 0.0) for _ in range(1000)}, {PASS})

    def test_overload(self) -> None:
        """All strangers together have what one has else: forged sources do not help."""
        self.overloaded = True
        hosts = [f"203.0.113.{n}" for n in range(30)]
        found = [self.verdicts(1, host=host)[0] for host in hosts]
        self.assertEqual(found, [PASS] * 10 + [DROP] * 20)
        self.assertEqual(self.verdicts(1, inside("BYE")), [PASS])
        self.overloaded = False
        self.assertEqual(self.verdicts(1, host=OTHER), [PASS])

    def test_overloadInsideOfCalls(self) -> None:
        """Each call has its own little; beyond that forged sources share what one has."""
        self.overloaded = True
        hosts = [f"203.0.113.{n}" for n in range(30)]
        found = [self.verdicts(1, inside(), host)[0] for host in hosts]
        self.assertEqual(found, [PASS] * (int(AT_ONCE) + 10) + [DROP] * 14)

    def test_addressesOfOneNetworkAreOneSource(self) -> None:
        """Of IPv6 it is the /64."""
        hosts = [f"2001:db8::{n:x}" for n in range(30)]
        found = [self.verdicts(1, host=host)[0] for host in hosts]
        self.assertEqual(found, [PASS] * 10 + [REFUSE] * 2 + [DROP] * 18)
