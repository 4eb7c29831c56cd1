"""Registering at a provider (RFC 3261 10.2): rounds, refreshes, failures, the end."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

from shtoom.agent.credentials import Account
from shtoom.agent.registration import (
    LOOK_AGAIN,
    Registration,
    RegistrationState,
    sameBinding,
)
from shtoom.sip.message import Request
from shtoom.sip.parser import isKeepAlive
from shtoom.sip.uri import parseURI
from test.agent.support import TRUNK, AgentTestCase, FarEnd

OWN = "<sip:u1@192.0.2.10:5060>"
CHALLENGE = 'Digest realm="example.com", nonce="{}"'


class RegistrationTests(AgentTestCase):
    """One account at one registrar."""

    def setUp(self) -> None:
        """A registrar, and a registration that has not begun."""
        super().setUp()
        self.changes: list[RegistrationState] = []
        self.told: str | None = None  # the credentials that were taken last

    def register(self, expires: int = 600, password: str | None = None) -> Registration:
        account = None if password is None else Account("u1", password, self.agent.rng)
        self.registration = Registration(
            self.agent,
            "trunk",
            parseURI("sip:203.0.113.30"),
            parseURI("sip:u1@203.0.113.30"),
            account,
            expires=expires,
            onChange=lambda registration: self.changes.append(registration.state),
        )
        self.addCleanup(self.registration.abandon)
        self.registration.start()
        return self.registration

    def requests(self) -> list[Any]:
        """What the registrar got, without repeats."""
        seen = {(r.callID, r.cseq.number): r for r in self.trunk.got("REGISTER")}
        return list(seen.values())

    def times(self) -> list[float]:
        """When they came."""
        return self.trunk.times("REGISTER")

    def always(self, code: int) -> None:
        """From now on each is answered at once."""

        def hear(data: bytes) -> None:
            self.trunk.hear(data)
            if not isKeepAlive(data):
                self.answer(code)

        self.wire.ends[TRUNK] = hear

    def answer(self, code: int = 200, **headers: str) -> Request:
        """The last REGISTER, with that answer."""
        request: Request = self.requests()[-1]
        lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.trunk.say(request.respond(code, toTag="t", headers=lines).toBytes())
        return request

    def test_10_2_1_whatIsSent(self) -> None:
        """Request-URI without user, To our address of record, Contact where we are."""
        self.register()
        [request] = self.requests()
        self.assertEqual(str(request.uri), "sip:203.0.113.30")
        self.assertEqual(request.header("To"), "<sip:u1@203.0.113.30>")
        self.assertEqual(request.header("Contact"), OWN)
        self.assertEqual(request.header("Expires"), "600")
        self.assertIsNotNone(request.fromAddress.tag)

    def test_registered(self) -> None:
        registration = self.register()
        self.answer(Contact=f"{OWN};expires=300")
        self.assertIs(registration.state, RegistrationState.REGISTERED)
        self.assertEqual(registration.until, self.clock.seconds() + 300)
        self.assertEqual(self.changes, [RegistrationState.TRYING, RegistrationState.REGISTERED])

    def test_register_001_ourOwnExpiryIsTaken(self) -> None:
        table = [
            ({"Contact": f"<sip:u1@198.51.100.7>;expires=3600, {OWN};expires=60"}, 60),
            (
                {
                    "Contact": "<sip:u1@192.0.2.10:5060;transport=udp>;expires=90",
                    "Expires": "1800",
                },
                90,
            ),
            ({"Contact": "<sip:u1@192.0.2.10>", "Expires": "300"}, 300),
            ({}, 600),
            ({"Contact": f"{OWN};expires=soon"}, 600),
        ]
        for headers, seconds in table:
            registration = self.register()
            self.answer(200, **headers)
            self.assertEqual(registration.until - self.clock.seconds(), seconds, headers)
            registration.abandon()

    def test_RFC3581_anAnswerThatDoesNotSayWhereWeAre(self) -> None:
        """Its `received` and `rport` may be any text: we are registered, and known as before."""
        registration = self.register(120)
        self.answer()
        known = registration.seenAs
        self.assertIsNotNone(known)
        for params in (
            "received=x",
            "received=\x1b",
            "rport=x",
            "rport=0",
            "rport=65536",
            "rport=\u0663",
        ):
            self.run_(110)
            request: Request = self.requests()[-1]
            name, _, value = params.partition("=")
            said = request.respond(200, toTag="t").replacing(
                "Via", str(request.via.replacing(**{name: value}))
            )
            self.trunk.say(said.toBytes())
            self.assertIs(registration.state, RegistrationState.REGISTERED, params)
            self.assertEqual(registration.seenAs, known, params)

    def test_register_002_a423IsObeyedForGood(self) -> None:
        self.register(60)
        first = self.answer(423, Min_Expires="240")
        second = self.answer(200)
        self.assertEqual((first.header("Expires"), second.header("Expires")), ("60", "240"))
        self.assertEqual(first.callID, second.callID)
        self.assertEqual(second.cseq.number, first.cseq.number + 1)
        self.run_(239)
        self.assertEqual(self.requests()[-1].header("Expires"), "240")
        self.assertEqual(len(self.requests()), 3)

    def test_register_002_a423AgainAndAgainIsAFailure(self) -> None:
        registration = self.register(60)
        for least in (100, 200, 300, 400):
            self.answer(423, Min_Expires=str(least))
        self.assertIs(registration.state, RegistrationState.FAILED)
        self.assertIn("423", registration.reason)

    def test_register_003_oneCallIDAndRisingCSeq(self) -> None:
        registration = self.register(60)
        self.answer(Contact=f"{OWN};expires=60")
        self.run_(59)
        first, second = self.requests()
        self.assertEqual(first.callID, second.callID)
        self.assertGreater(second.cseq.number, first.cseq.number)
        self.assertEqual(first.header("Contact"), second.header("Contact"))
        self.answer(Contact=f"{OWN};expires=60")
        left = registration.stop()
        last = self.answer()
        self.assertEqual((last.header("Expires"), last.header("Contact")), ("0", OWN))
        self.assertEqual(last.callID, first.callID)
        self.successResultOf(left)
        self.assertIs(registration.state, RegistrationState.ENDED)
        self.assertNothingLeft()

    def test_auth_003_aNewNonceIsAnsweredOnce(self) -> None:
        registration = self.register(120, "secret")
        self.answer(401, WWW_Authenticate=CHALLENGE.format("A"))
        self.assertIn('nonce="A"', self.requests()[-1].header("Authorization"))
        self.answer(Contact=f"{OWN};expires=120")
        self.run_(90)
        third = self.answer(401, WWW_Authenticate=CHALLENGE.format("B"))
        fourth = self.requests()[-1]
        self.assertIn('nonce="B"', fourth.header("Authorization"))
        self.assertEqual(fourth.cseq.number, third.cseq.number + 1)
        count = len(self.requests())
        self.answer(401, WWW_Authenticate=CHALLENGE.format("C"))
        self.run_(5)
        self.assertEqual(len(self.requests()), count)
        self.assertIs(registration.state, RegistrationState.FAILED)
        self.assertIn("rejected the credentials", registration.reason)

    def test_refreshesAreEarlyAndNotAllAtOnce(self) -> None:
        """Before the end minus the time that a lost refresh takes."""
        self.always(200)
        self.register(600)
        self.run_(12_000)
        waits = [b - a for a, b in pairwise(self.times())]
        self.assertGreater(len({round(wait) for wait in waits}), len(waits) // 2)
        self.assertTrue(all(450 <= wait <= 566 for wait in waits), waits)

    def granting(self, seconds: int, challenged: bool = False) -> None:
        """From now on each is answered at once, with that time; before that challenged anew."""
        nonces = count(1)

        def hear(data: bytes) -> None:
            self.trunk.hear(data)
            if isKeepAlive(data):
                return
            if challenged and self.requests()[-1].header("Authorization") in (None, self.told):
                self.answer(401, WWW_Authenticate=CHALLENGE.format(next(nonces)))
            else:
                self.told = self.requests()[-1].header("Authorization")
                self.answer(Contact=f"{OWN};expires={seconds}")

        self.told = None
        self.wire.ends[TRUNK] = hear

    def assertModest(self) -> None:
        """At most eight REGISTERs in any minute."""
        times = self.times()
        for at in times:
            self.assertLessEqual(sum(at <= other < at + 60.0 for other in times), 8, times)

    def test_noTimeGrantedIsNoRegistration(self) -> None:
        """A 200 that grants nothing, or less than can be kept up: back-off, and a reason."""
        for seconds in (0, 1, 9):
            self.granting(seconds)
            registration = self.register()
            self.run_(1)
            self.assertIs(registration.state, RegistrationState.FAILED)
            self.assertIn(f"the registrar grants {seconds} s", registration.reason)
            self.run_(600)
            self.assertModest()
            self.granting(600)
            self.run_(400)
            self.assertIs(registration.state, RegistrationState.REGISTERED)
            registration.abandon()
            self.trunk.heard.clear()

    def test_shortTimesAreObeyedWithinReason(self) -> None:
        """As long as there are no more than eight REGISTERs a minute for it."""
        for seconds, challenged in ((10, False), (10, True), (20, True), (60, True)):
            self.granting(seconds, challenged)
            registration = self.register(password="secret")
            self.run_(600)
            self.assertIs(registration.state, RegistrationState.REGISTERED)
            self.assertModest()
            rounds = [at for at, later in pairwise(self.times()) if later > at]
            longest = max(later - at for at, later in pairwise(rounds))
            self.assertLess(longest, 16 if challenged and seconds == 10 else seconds)
            registration.abandon()
            self.trunk.heard.clear()

    def test_failuresWaitLongerEachTime(self) -> None:
        """Never a tight loop: at most 8 REGISTERs in any minute."""
        self.always(500)
        registration = self.register()
        self.run_(2500)
        times = self.times()
        waits = [b - a for a, b in pairwise(times)]
        self.assertEqual(sorted(waits[:9]), waits[:9])
        self.assertTrue(300 <= waits[-1] <= 375, waits)
        self.assertFalse([t for t in times if sum(t <= other < t + 60 for other in times) > 8])
        self.always(200)
        self.run_(400)
        self.assertEqual((registration.failures, registration.reason), (0, ""))

    def test_aWrongPasswordWaitsLonger(self) -> None:
        self.register(600, "wrong")
        self.answer(403)
        self.run_(29)
        self.assertEqual(len(self.requests()), 1)
        self.run_(10)
        self.assertEqual(len(self.requests()), 2)

    def test_retryAfterIsObeyed(self) -> None:
        self.register()
        self.answer(500, Retry_After="120")
        self.run_(119)
        self.assertEqual(len(self.requests()), 1)
        self.run_(35)
        self.assertEqual(len(self.requests()), 2)

    def test_a503AndSilenceLeadToTheNextPlace(self) -> None:
        self.names.known["trunk.example.com"] = ["203.0.113.30", "203.0.113.31"]
        other = FarEnd(self.wire, ("203.0.113.31", 5060), "other")
        registration = self.register()
        registration.registrar = parseURI("sip:trunk.example.com")
        self.answer(503)
        self.run_(2)  # it begins anew, now by name
        self.answer(503)
        [request] = other.got("REGISTER")
        other.say(request.respond(200, toTag="t").toBytes())  # type: ignore[union-attr]
        self.assertIs(registration.state, RegistrationState.REGISTERED)

    def test_unreachable(self) -> None:
        self.wire.broken.add(TRUNK)
        registration = self.register()
        self.run_(0.1)
        self.assertIs(registration.state, RegistrationState.FAILED)
        self.assertIn("Network is unreachable", registration.reason)

    def test_keepAlives(self) -> None:
        self.register(600)
        self.answer()
        self.wire.sent.clear()
        self.wire.ends.clear()
        self.run_(3 * LOOK_AGAIN + 1)
        self.assertEqual([data for _, data, _ in self.wire.sent], [b"\r\n\r\n"] * 3)

    def test_aNewAddressOfOursIsRegistered(self) -> None:
        self.register(600)
        self.answer()
        self.wire.address = ("192.0.2.77", 5060)
        self.run_(LOOK_AGAIN + 1)
        now = "<sip:u1@192.0.2.77:5060>"
        self.assertEqual(self.requests()[-1].header("Contact"), f"{now}, {OWN};expires=0")
        self.answer()
        self.run_(600)
        self.assertEqual(self.requests()[-1].header("Contact"), now)

    def test_addressesOfBeforeAreTakenBackUntilThatIsAnswered(self) -> None:
        """Some of them; one that is ours again is not."""
        self.register(600)
        self.answer()
        for last in (*range(71, 78), 72):
            self.wire.address = (f"192.0.2.{last}", 5060)
            self.registration.refresh()
            self.run_(1)
        _, *gone = self.requests()[-1].headerValues("Contact")
        wanted = [f"<sip:u1@192.0.2.{last}:5060>;expires=0" for last in (73, 74, 75, 76, 77)]
        self.assertEqual(gone, wanted)

    def test_lookSoon(self) -> None:
        """In a moment; ever later where each registration is seen elsewhere."""
        self.register(600)
        self.answer()
        times: list[float] = []
        for number in range(12):
            self.wire.address = ("192.0.2.77", 5000 + number)
            self.registration.lookSoon()
            before = self.clock.seconds()
            count = len(self.requests())
            while len(self.requests()) == count:
                self.run_(0.1)
            times.append(round(self.clock.seconds() - before, 1))
            self.answer()
        self.assertLess(times[0], 0.3)
        self.assertEqual(sorted(times), times)
        self.assertGreater(times[-1], LOOK_AGAIN - 1)
        count = len(self.requests())
        self.registration.lookSoon()
        self.run_(LOOK_AGAIN)
        self.assertEqual(len(self.requests()), count)  # it has not moved

    def test_seenAs(self) -> None:
        registration = self.register(60)
        self.answer(200)
        self.assertEqual(registration.seenAs, ("192.0.2.10", 5060))
        self.run_(59)
        changes = len(self.changes)
        via = str(self.requests()[-1].via.replacing(received="198.51.100.99", rport="4711"))
        response = self.requests()[-1].respond(200, toTag="t").replacing("Via", via)
        self.trunk.say(response.toBytes())
        self.assertEqual(registration.seenAs, ("198.51.100.99", 4711))
        self.assertEqual(len(self.changes), changes + 1)

    def test_stopWithoutAnswerEndsByItself(self) -> None:
        registration = self.register()
        self.answer()
        left = registration.stop()
        self.run_(33)
        self.successResultOf(left)
        self.assertIs(registration.state, RegistrationState.ENDED)

    def test_stopBeforeItWasRegistered(self) -> None:
        registration = self.register()
        self.successResultOf(registration.stop())
        self.assertEqual(len(self.requests()), 1)

    def test_sameBinding(self) -> None:
        table = [
            ("sip:a@h", "sip:a@H:5060;transport=UDP", True),
            ("sips:a@h", "sip:a@h:5061;transport=tls", True),
            ("sip:a@h", "sip:b@h", False),
            ("sip:a@h:5070", "sip:a@h", False),
            ("sip:a@h", "sip:a@h;transport=tcp", False),
        ]
        for one, other, same in table:
            self.assertEqual(sameBinding(parseURI(one), parseURI(other)), same, (one, other))
