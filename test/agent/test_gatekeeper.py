"""Digest as the server (RFC 3261 22, RFC 7616 3.4, RFC 8760)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent import gatekeeper
from shtoom.agent.gatekeeper import Gatekeeper, Verdict, parseAlgorithms
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
    message = parse("\r\n".join([*lines, "", ""]).encode())
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

    def test_aNonceAges(self) -> None:
        answering = self.answering()
        self.assertIs(self.judged(answering, gatekeeper.NONCE_LIFE - 1), Verdict.RIGHT)
        self.assertIs(self.judged(answering, gatekeeper.NONCE_LIFE + 1), Verdict.STALE)

    def test_aNonceIsBoundToItsSource(self) -> None:
        self.assertIs(self.judged(self.answering(), host="203.0.113.99"), Verdict.STALE)

    def test_aNonceOfAnotherMaking(self) -> None:
        answering = self.answering()
        for nonce in ("", "x", "0-1-abc", answering.challenge.nonce + "0", "-", "ä-ä"):
            answering.challenge = answering.challenge._replace(nonce=nonce)
            self.assertIs(self.judged(answering), Verdict.STALE, nonce)

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

    def test_whoGuessesWaits(self) -> None:
        """Longer each time; a right answer ends that, and others do not wait."""
        now = 0.0
        for _ in range(gatekeeper.PATIENCE):
            self.assertIs(self.judged(self.answering(now, password="x"), now), Verdict.WRONG)
        self.assertIs(self.judged(self.answering(now), now), Verdict.WAIT)
        self.assertAlmostEqual(self.gate.judge(register(), HOST, now).wait, 5.0)
        other = "203.0.113.30"
        self.assertIs(self.gate.judge(register(), other, now).verdict, Verdict.MISSING)
        now += 5.1
        self.assertIs(self.judged(self.answering(now, password="x"), now), Verdict.WRONG)
        self.assertAlmostEqual(self.gate.judge(register(), HOST, now).wait, 10.0)
        now += 10.1
        self.assertIs(self.judged(self.answering(now), now), Verdict.RIGHT)
        self.assertIs(self.judged(self.answering(now, password="x"), now), Verdict.WRONG)
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
