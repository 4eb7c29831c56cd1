"""Digest authentication: RFC 7616, RFC 8760, RFC 3261 22, both sides."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.digest import (
    ALGORITHMS,
    Answer,
    Answering,
    Challenge,
    parseAnswer,
    parseChallenges,
    strongest,
    unusable,
)

USER, PASSWORD, CNONCE = "1000", "swordfish", "0a4f113b"
METHOD, URI = "REGISTER", "sip:example.com"


def answering(
    qops: tuple[str, ...] = (), algorithm: str | None = None, nonce: str = "n1"
) -> Answering:
    """For a challenge of realm example.com."""
    return Answering(Challenge("example.com", nonce, algorithm, qops), USER, PASSWORD, CNONCE)


class AnsweringTests(SynchronousTestCase):
    """Challenges in, credentials out; all figures were computed apart from this code."""

    def test_auth_001_withoutQop(self) -> None:
        """No qop was asked for: no qop, nc and cnonce are sent (RFC 7616 3.4.1, RFC 2069)."""
        answer = answering().answer(METHOD, URI)
        self.assertEqual(answer.response, "871168a341e788b3545a273c39531af1")
        for name in ("qop", "nc=", "cnonce", "algorithm"):
            self.assertNotIn(name, str(answer))
        self.assertIn('username="1000", realm="example.com", nonce="n1", uri=', str(answer))

    def test_auth_001_theNonceCountRises(self) -> None:
        """nc counts the requests with this nonce, from 1, unquoted (3.4)."""
        mine = answering(("auth",))
        first, second = mine.answer(METHOD, URI), mine.answer(METHOD, URI)
        self.assertEqual(first.response, "21e74b251310a71fed4b8a39e7b48cc8")
        self.assertEqual(second.response, "fe27d73b9fe0baaba62e5a11502ff897")
        self.assertIn("qop=auth, nc=00000001", str(first))
        self.assertIn("qop=auth, nc=00000002", str(second))

    def test_auth_001_authBeforeAuthInt(self) -> None:
        """Of auth and auth-int auth is taken; auth-int alone hashes the body (3.4.3)."""
        both = answering(("auth", "auth-int")).answer(METHOD, URI)
        self.assertEqual(both.response, "21e74b251310a71fed4b8a39e7b48cc8")
        whole = answering(("auth-int",)).answer(METHOD, URI, b"v=0\r\n")
        self.assertEqual(whole.response, "d9d509eb05f47a1b0a34b7b00c0af13b")
        self.assertEqual(whole.qop, "auth-int")

    def test_auth_001_anUnknownQopIsNotAnswered(self) -> None:
        """A qop that is not known leaves nothing to answer with."""
        challenge = Challenge("example.com", "n1", None, ("other",))
        self.assertFalse(challenge.usable)
        self.assertIn("other", unusable([challenge]))
        error = self.assertRaises(ValueError, Answering, challenge, USER, PASSWORD, CNONCE)
        self.assertNotIn(PASSWORD, str(error))

    def test_auth_002_theAlgorithms(self) -> None:
        """SHA-256, SHA-512-256 and the session form of MD5 (RFC 8760 2.1, RFC 7616 3.4.2)."""
        for algorithm, response in (
            ("SHA-256", "f7f3afbbe61309fa034ef4fa25793b2a723005a9e4a57c2ff00bd15ad3fe41aa"),
            ("SHA-512-256", "a82baa2f9dd2980be0d73720e1aa73f756df40dd172913337bd1e2d3ee692a3c"),
            ("MD5-sess", "0c8190803a6eb48bec6d1c47ffdbfe72"),
        ):
            answer = answering(("auth",), algorithm).answer(METHOD, URI)
            self.assertEqual(answer.response, response)
            self.assertIn(f"algorithm={algorithm},", str(answer))

    def test_auth_002_theStrongestIsTaken(self) -> None:
        """Of several challenges the strongest that is known; of equals the first (RFC 8760 2.4)."""
        for values, algorithm, nonce in (
            (("algorithm=SHA-256, nonce=a", "algorithm=MD5, nonce=b"), "SHA-256", "a"),
            (("algorithm=MD5, nonce=a", "algorithm=SHA-256, nonce=b"), "SHA-256", "b"),
            (("algorithm=AKAv1-MD5, nonce=a", "algorithm=MD5, nonce=b"), "MD5", "b"),
            (("algorithm=SHA-512-256, nonce=a",), "SHA-512-256", "a"),
            (("nonce=a", "nonce=b"), None, "a"),
            (("algorithm=SHA-256, nonce=a, qop=other", "nonce=b"), None, "b"),
        ):
            chosen = strongest(parseChallenges(f"Digest realm=x, {value}" for value in values))
            assert chosen is not None
            self.assertEqual((chosen.algorithm, chosen.nonce), (algorithm, nonce))

    def test_auth_002_whatIsNotKnownIsNamed(self) -> None:
        """Other schemes are passed over; the words name the algorithms that were offered."""
        values = ["Bearer x", 'Digest realm="x", nonce="a", algorithm=unknown']
        challenges = parseChallenges(values)
        self.assertIsNone(strongest(challenges))
        self.assertIn("unknown", unusable(challenges))
        self.assertIsNone(strongest([]))
        self.assertIn("no Digest", unusable([]))

    def test_whatIsNotKnownIsShownOnOneLine(self) -> None:
        """Whoever challenges us writes into our log."""
        forged = "\x1b[31mFORGED" + "A" * 3000
        values = [f'Digest realm="r", nonce="n", algorithm="{forged}", qop="{forged}"'] * 3
        words = unusable(parseChallenges(values))
        self.assertTrue(words.isprintable() and len(words) < 500, words)

    def test_noSecretIsShown(self) -> None:
        """Neither password nor response is in a repr, nor in the error for a broken header."""
        mine = answering(("auth",))
        answer = mine.answer(METHOD, URI)
        self.assertNotIn(PASSWORD, repr(mine))
        self.assertNotIn(answer.response, repr(answer))
        error = self.assertRaises(MalformedMessage, parseAnswer, f"Digest response={'a' * 32}")
        self.assertNotIn("aaaa", str(error))


class ParseTests(SynchronousTestCase):
    """Header values to challenges and answers."""

    def test_everyPartOfAChallenge(self) -> None:
        """Names in any case, quotes resolved, stale by its word alone (RFC 7616 3.3)."""
        (challenge,) = parseChallenges(
            ['digest Realm="a \\"b\\", c",NONCE="n=,",opaque="o", STALE=TRUE ,qop="AUTH, auth-int"']
        )
        self.assertEqual(
            challenge, Challenge('a "b", c', "n=,", None, ("auth", "auth-int"), "o", True)
        )

    def test_severalInOneLine(self) -> None:
        """A comma parts challenges as well as their parameters (RFC 9110 11.6.1)."""
        line = 'Negotiate, Digest realm="a", nonce="1", Basic realm="b", Digest realm="c", nonce=2'
        self.assertEqual([c.realm for c in parseChallenges([line])], ["a", "c"])

    def test_withoutRealmOrNonce(self) -> None:
        """Such a Digest is malformed."""
        for value in ('Digest nonce="n"', 'Digest realm="r"', "Digest", '"'):
            self.assertRaises(MalformedMessage, parseChallenges, [value])

    def test_aWrongCountOrScheme(self) -> None:
        """Credentials of another scheme, or with an nc that is no number, are malformed."""
        good = str(answering(("auth",)).answer(METHOD, URI))
        self.assertRaises(MalformedMessage, parseAnswer, good.replace("00000001", "1"))
        self.assertRaises(MalformedMessage, parseAnswer, "Basic eDp5")

    @given(st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"])))
    @settings(max_examples=100, deadline=None)
    def test_anyTextParsesOrIsRefused(self, text: str) -> None:
        """Whatever stands in the header gives challenges, or MalformedMessage."""
        try:
            parseChallenges([text, f"Digest {text}"])
        except MalformedMessage:
            return

    @given(
        st.sampled_from([None, *ALGORITHMS]),
        st.sampled_from([(), ("auth",), ("auth-int",), ("auth-int", "auth")]),
        st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"])),
        st.binary(max_size=20),
    )
    @settings(max_examples=100, deadline=None)
    def test_bothSidesAgree(
        self, algorithm: str | None, qops: tuple[str, ...], words: str, body: bytes
    ) -> None:
        """What one side prints the other parses and finds right, and only with that password."""
        (challenge,) = parseChallenges([str(Challenge(words, words, algorithm, qops, words))])
        mine = Answering(challenge, words, PASSWORD, CNONCE)
        answer = parseAnswer(str(mine.answer("INVITE", URI, body)))
        self.assertEqual((answer.realm, answer.username), (words, words))
        self.assertTrue(answer.matches(PASSWORD, "INVITE", body))
        self.assertFalse(answer.matches(PASSWORD + "x", "INVITE", body))
        self.assertFalse(answer.matches(PASSWORD, "BYE", body))
        self.assertEqual(answer.matches(PASSWORD, "INVITE", body + b"x"), answer.qop != "auth-int")

    def test_anUnknownAlgorithmNeverMatches(self) -> None:
        """Nor does it raise."""
        answer = Answer(USER, "r", "n", URI, "0" * 32, "other")
        self.assertFalse(answer.matches(PASSWORD, METHOD))
