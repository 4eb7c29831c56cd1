"""Digest as the server (RFC 3261 22, RFC 7616 3.4, RFC 8760)."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent import gatekeeper
from shtoom.agent.gatekeeper import Gatekeeper, Verdict, parseAlgorithms, parseQops
from shtoom.sip.digest import Answering, parseAnswer, parseChallenges, strongest
from shtoom.sip.message import Request
from shtoom.sip.parser import parse

HOST = "198.51.100.20"
USERS = {"alice": "wonder land"}


def register(number: int = 1, authorization: str | None = None, uri: str = "sip:d") -> Request:
    lines = [
        f"REGISTER {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {HOST};branch=z9hG4bK{number}",
        "From: <sip:alice@d>;tag=1",
        "To: <sip:alice@d>",
        "Call-ID: c",
        f"CSeq: {number} REGISTER",
        *([f"Authorization: {authorization}"] if authorization is not None else []),
    ]
    message = parse("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))
    assert isinstance(message, Request)
    return message


class GatekeeperTests(SynchronousTestCase):
    """One realm."""

    def setUp(self) -> None:
        """alice has a password."""
        self.gate = Gatekeeper("doug", USERS.get, b"secret")

    def answering(
        self, now: float = 0.0, user: str = "alice", password: str = "wonder land"
    ) -> Answering:
        """Answers a fresh challenge."""
        lines = self.gate.challenges(HOST, now)
        challenge = strongest(parseChallenges([value for _, value in lines]))
        assert challenge is not None
        return Answering(challenge, user, password, "0a4f113b")

    def judged(
        self, answering: Answering, now: float = 1.0, host: str = HOST, uri: str = "sip:d"
    ) -> Verdict:
        answer = str(answering.answer("REGISTER", uri))
        return self.gate.judge(register(1, answer), host, now).verdict

    def test_withoutCredentials(self) -> None:
        self.assertIs(self.gate.judge(register(), HOST, 0.0).verdict, Verdict.MISSING)

    def test_theRightPassword(self) -> None:
        answer = str(self.answering().answer("REGISTER", "sip:d"))
        judgement = self.gate.judge(register(1, answer), HOST, 1.0)
        self.assertEqual((judgement.verdict, judgement.user), (Verdict.RIGHT, "alice"))

    def test_theStrongerAlgorithmIsOfferedFirst(self) -> None:
        first, second = [value for _, value in self.gate.challenges(HOST, 0.0)]
        self.assertIn("algorithm=SHA-256", first)
        self.assertIn("algorithm=MD5", second)

    def test_whatIsOfferedIsTakenAndNothingElse(self) -> None:
        """In the order that was asked for."""
        for names in (("SHA-512-256", "MD5"), ("MD5",), ("SHA-256",)):
            self.gate = Gatekeeper("doug", USERS.get, b"secret", names)
            lines = [value for _, value in self.gate.challenges(HOST, 0.0)]
            self.assertEqual([c.algorithm for c in parseChallenges(lines)], list(names))
            for number in range(len(names)):
                lines = [value for _, value in self.gate.challenges(HOST, 0.0)]
                challenge = parseChallenges(lines)[number]
                answering = Answering(challenge, "alice", "wonder land", "1")
                self.assertIs(self.judged(answering), Verdict.RIGHT, challenge.algorithm)
        weak = Answering(challenge._replace(algorithm="MD5"), "alice", "wonder land", "2")
        self.assertIs(self.judged(weak), Verdict.MISSING)

    def test_namesOfAlgorithms(self) -> None:
        self.assertEqual(parseAlgorithms("sha-256, MD5"), ("SHA-256", "MD5"))
        for text, words in (
            ("", "SHA-512-256, SHA-256, MD5"),
            ("MD4", "got 'MD4'"),
            ("MD5,md5", "MD5 is there twice"),
            ("MD5-sess", "got 'MD5-sess'"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                parseAlgorithms(text)

    def test_MD5IsTakenToo(self) -> None:
        lines = [value for _, value in self.gate.challenges(HOST, 0.0)]
        answering = Answering(parseChallenges(lines)[1], "alice", "wonder land", "1")
        self.assertIs(self.judged(answering), Verdict.RIGHT)

    def test_anAlgorithmThatWasNotOffered(self) -> None:
        answering = self.answering()
        answering.challenge = answering.challenge._replace(algorithm="SHA-512-256")
        self.assertIs(self.judged(answering), Verdict.MISSING)

    def test_aWrongPasswordAndAnUnknownUserAreTheSame(self) -> None:
        self.assertIs(self.judged(self.answering(password="x")), Verdict.WRONG)
        self.assertIs(self.judged(self.answering(user="bob")), Verdict.WRONG)

    def test_anotherRequestURI(self) -> None:
        """A proxy may have changed it on the way (RFC 3261 22.4); the digest is of the one told."""
        answer = self.answering().answer("REGISTER", "sip:other")
        verdict = self.gate.judge(register(1, str(answer)), HOST, 1.0).verdict
        self.assertIs(verdict, Verdict.RIGHT)
        forged = str(self.answering().answer("REGISTER", "sip:other")._replace(uri="sip:d"))
        self.assertIs(self.gate.judge(register(2, forged), HOST, 1.0).verdict, Verdict.WRONG)

    def test_aNonceServesWhileItsCountRises(self) -> None:
        answering = self.answering()
        self.assertEqual([self.judged(answering) for _ in range(3)], [Verdict.RIGHT] * 3)

    def test_aReplayIsStale(self) -> None:
        answer = str(self.answering().answer("REGISTER", "sip:d"))
        verdicts = [self.gate.judge(register(n, answer), HOST, 1.0).verdict for n in (1, 2)]
        self.assertEqual(verdicts, [Verdict.RIGHT, Verdict.STALE])

    def test_withoutQopANonceServesOnce(self) -> None:
        answering = self.answering()
        answering.challenge = answering.challenge._replace(qops=())
        self.assertEqual(
            [self.judged(answering), self.judged(answering)], [Verdict.RIGHT, Verdict.STALE]
        )

    def test_withoutQopNoCountIsBelieved(self) -> None:
        """It is not part of what is hashed then: who has heard an answer could choose another."""
        answering = self.answering()
        answering.challenge = answering.challenge._replace(qops=())
        heard = str(answering.answer("REGISTER", "sip:d"))
        verdicts = [
            self.gate.judge(register(n, f"{heard}, nc={n:08x}"), HOST, 1.0).verdict
            for n in (1, 2, 3)
        ]
        self.assertEqual(verdicts, [Verdict.RIGHT, Verdict.STALE, Verdict.STALE])

    def test_aCountMayJumpButNotFallBack(self) -> None:
        """What was overtaken on the way is asked again, with a new nonce."""
        answering = self.answering()
        answers = [str(answering.answer("REGISTER", "sip:d")) for _ in range(5)]
        verdicts = [
            self.gate.judge(register(n, answers[n]), HOST, 1.0).verdict for n in (0, 3, 2, 3, 4)
        ]
        right, stale = Verdict.RIGHT, Verdict.STALE
        self.assertEqual(verdicts, [right, right, stale, stale, right])

    def test_anAnswerIsGoodForItsMethodAlone(self) -> None:
        """A REGISTER that somebody has heard places no call."""
        answer = str(self.answering().answer("INVITE", "sip:d"))
        self.assertIs(self.gate.judge(register(1, answer), HOST, 1.0).verdict, Verdict.WRONG)

    def test_authIntIfItIsOffered(self) -> None:
        """The body is part of it then."""
        self.gate.qops = ("auth-int",)
        answering = self.answering()
        self.assertEqual(answering.challenge.qop, "auth-int")
        self.assertIs(self.judged(answering), Verdict.RIGHT)
        changed = str(answering.answer("REGISTER", "sip:d", b"of another body"))
        self.assertIs(self.gate.judge(register(1, changed), HOST, 1.0).verdict, Verdict.WRONG)
        body = register(1, str(answering.answer("REGISTER", "sip:d", b"v=0"))).withBody(
            b"v=0", "x/y"
        )
        self.assertIs(self.gate.judge(body, HOST, 1.0).verdict, Verdict.RIGHT)

    def test_aQopThatWasNotOffered(self) -> None:
        answering = self.answering()
        for qops in (("auth-int",), ("auth", "auth-int")):
            answering.challenge = answering.challenge._replace(qops=qops)
            judged = self.judged(answering)
            self.assertIs(judged, Verdict.RIGHT if "auth" in qops else Verdict.MISSING, qops)
        unknown = str(answering.answer("REGISTER", "sip:d")).replace("qop=auth", "qop=other")
        self.assertIs(self.gate.judge(register(1, unknown), HOST, 1.0).verdict, Verdict.MISSING)

    def test_namesOfQops(self) -> None:
        self.assertEqual(parseQops("auth, AUTH-INT"), ("auth", "auth-int"))
        for text in ("", "auth,auth", "none"):
            self.assertRaises(ValueError, parseQops, text)

    def test_aNonceAges(self) -> None:
        answering = self.answering()
        self.assertIs(self.judged(answering, gatekeeper.NONCE_LIFE - 1), Verdict.RIGHT)
        self.assertIs(self.judged(answering, gatekeeper.NONCE_LIFE + 1), Verdict.STALE)

    def test_aNonceIsBoundToItsSource(self) -> None:
        self.assertIs(self.judged(self.answering(), host="203.0.113.99"), Verdict.STALE)

    def test_aNonceOfAnotherMaking(self) -> None:
        answering = self.answering()
        real = answering.challenge.nonce
        for nonce in ("", "x", "0-1-abc", f"{real}0", "-", "ä-ä", "\udcff", f"{real}\udcff"):
            answering.challenge = answering.challenge._replace(nonce=nonce)
            self.assertIs(self.judged(answering), Verdict.STALE, nonce)

    def test_octetsThatAreNoText(self) -> None:
        """Wherever they stand in the credentials, these are not right, and nothing is raised."""
        for octet in ("\udcff", "\0", "\x1b", "\u0660"):
            right = str(self.answering().answer("REGISTER", "sip:d"))
            ends = [found.start(1) for found in re.finditer(r'[^"]("?)(?:, |$)', right)]
            self.assertEqual(len(ends), 9)
            for end in ends:
                self.setUp()
                line = right[: end - 1] + octet + right[end:]
                judged = self.gate.judge(register(1, line), HOST, 1.0)
                self.assertIsNot(judged.verdict, Verdict.RIGHT, line)

    def test_staleIsSaid(self) -> None:
        [(_, value), _] = self.gate.challenges(HOST, 0.0, stale=True)
        self.assertTrue(parseChallenges([value])[0].stale)

    def test_407HasHeadersOfItsOwn(self) -> None:
        header = "Proxy-Authenticate"
        lines = self.gate.challenges(HOST, 0.0, header=header)
        self.assertEqual({name for name, _ in lines}, {header})
        challenge = parseChallenges([lines[0][1]])[0]
        answer = str(Answering(challenge, "alice", "wonder land", "1").answer("REGISTER", "sip:d"))
        request = register().adding("Proxy-Authorization", answer)
        judged = self.gate.judge(request, HOST, 1.0, header=header).verdict
        self.assertIs(judged, Verdict.RIGHT)
        self.assertIs(self.gate.judge(request, HOST, 1.0).verdict, Verdict.MISSING)

    def test_whatIsBrokenIsNoAnswer(self) -> None:
        for value in ("Digest", "Basic YTpi", 'Digest username="alice"', "Digest nc=1, x"):
            self.assertIs(self.gate.judge(register(1, value), HOST, 0.0).verdict, Verdict.MISSING)

    def wait(self, now: float, user: str = "alice", host: str = HOST) -> float:
        """How long an answer as that user would have to wait now."""
        answer = str(self.answering(now, user).answer("REGISTER", "sip:d"))
        return self.gate.judge(register(1, answer), host, now).wait

    def test_whoGuessesWaits(self) -> None:
        """Longer each time; a right answer ends that, and others do not wait."""
        now = 0.0
        for _ in range(gatekeeper.PATIENCE):
            self.assertIs(self.judged(self.answering(now, password="x"), now), Verdict.WRONG)
        self.assertIs(self.judged(self.answering(now), now), Verdict.WAIT)
        self.assertAlmostEqual(self.wait(now), 5.0)
        self.assertEqual(self.wait(now, host="203.0.113.30"), 0.0)
        now += 5.1
        self.assertIs(self.judged(self.answering(now, password="x"), now), Verdict.WRONG)
        self.assertAlmostEqual(self.wait(now), 10.0)
        now += 10.1
        self.assertIs(self.judged(self.answering(now), now), Verdict.RIGHT)
        self.assertIs(self.judged(self.answering(now, password="x"), now), Verdict.WRONG)
        self.assertIs(self.judged(self.answering(now), now), Verdict.RIGHT)

    def test_anIPv6NetworkIsOneSource(self) -> None:
        """Another address of a /64 buys no more guesses."""
        for n in range(gatekeeper.PATIENCE):
            host = f"2001:db8::{n + 1:x}"
            lines = [value for _, value in self.gate.challenges(host, 0.0)]
            answering = Answering(parseChallenges(lines)[0], "alice", "x", "1")
            self.assertIs(self.judged(answering, 0.0, host), Verdict.WRONG)
        self.assertAlmostEqual(self.wait(0.0, host="2001:db8::beef"), 5.0)
        self.assertEqual(self.wait(0.0, host="2001:db8:0:1::1"), 0.0)

    def test_anAccountOfOnesOwnBuysNoGuesses(self) -> None:
        """A right answer tells nothing of another user's password."""
        USERS["mallory"] = "m"
        self.addCleanup(USERS.pop, "mallory")
        verdicts = []
        for tenth in range(400):
            now = tenth / 10
            verdicts.append(self.judged(self.answering(now, password=f"x{tenth}"), now))
            if tenth % 4 == 3:
                mine = self.answering(now, "mallory", "m")
                self.assertIs(self.judged(mine, now), Verdict.RIGHT)
        self.assertEqual(verdicts.count(Verdict.WRONG), 8)  # 5, then after 5, 10 and 20 s

    def test_aPhoneWithAnOldPasswordLocksNobodyElseOut(self) -> None:
        """Behind one NAT they are one source."""
        for seconds in range(0, 600, 20):
            now = float(seconds)
            self.judged(self.answering(now, "bob", "old"), now)
            self.assertIs(self.judged(self.answering(now), now), Verdict.RIGHT)

    def test_countsOfNoncesAreBounded(self) -> None:
        self.patch(gatekeeper, "MOST_NONCES", 10)
        answerings = [self.answering(n) for n in range(30)]
        for n, answering in enumerate(answerings):
            self.assertIs(self.judged(answering, 30.0), Verdict.RIGHT, n)
        self.assertIs(self.judged(answerings[0], 31.0), Verdict.STALE)
        self.assertIs(self.judged(answerings[-1], 31.0), Verdict.RIGHT)

    def test_anAnswerHasNoSecretInIt(self) -> None:
        answer = parseAnswer(str(self.answering().answer("REGISTER", "sip:d")))
        self.assertNotIn(answer.response, repr(answer))
