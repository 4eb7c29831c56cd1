"""Calls that are asked for a password: RFC 3261 22, and to whom none is given."""

from __future__ import annotations

from collections.abc import Iterable

from shtoom.agent.outbound import OutboundCall
from shtoom.exceptions import CallFailed
from shtoom.sip.digest import Answer, Challenge, parseAnswer
from shtoom.sip.message import Request
from test.agent.support import ANSWER, AgentTestCase, Callee, FarEnd, Listener

AUTH = ("alice", "s3cr3t-pw")
REALM = "example.com"


def challenge(nonce: str, **more: object) -> tuple[str, str]:
    """A WWW-Authenticate line."""
    qops = {"qops": ("auth",), **more}
    return "WWW-Authenticate", str(Challenge(REALM, nonce, **qops))  # type: ignore[arg-type]


def proxys(line: tuple[str, str]) -> tuple[str, str]:
    """The same of a proxy."""
    return "Proxy-Authenticate", line[1]


class ChallengedTestCase(AgentTestCase):
    """A trunk that wants to know who calls."""

    def answerOf(self, request: Request, header: str = "Authorization") -> Answer:
        """The credentials in a request, which are right."""
        value = request.header(header)
        assert value is not None, request
        answer = parseAnswer(value)
        self.assertTrue(answer.matches(AUTH[1], request.method, request.body))
        self.assertEqual((answer.username, answer.uri), (AUTH[0], request.uriText))
        return answer

    def challenged(
        self, *lines: tuple[str, str], code: int = 401, to: str = "sip:200@203.0.113.30"
    ) -> tuple[OutboundCall, Listener]:
        """A call that the trunk answers with such lines."""
        call, listener = self.dial(to, auth=AUTH)
        self.says(code, lines)
        return call, listener

    def says(self, code: int, lines: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        """The trunk's response to the last INVITE."""
        Callee(self.trunk, self.trunk.request("INVITE")).says(code, headers=lines, body=body)

    def rejection(self, listener: Listener) -> CallFailed:
        """What the user has heard as the one and only end."""
        (failure,) = listener.ends
        assert isinstance(failure, CallFailed)
        return failure


class CredentialsTests(ChallengedTestCase):
    """The host dialled gets its answer."""

    def test_theINVITEOnceMore(self) -> None:
        """The same call, the next CSeq, with the answer to the challenge (22.2)."""
        _, listener = self.challenged(challenge("n1"))
        first, second = self.trunk.requests("INVITE")
        self.assertEqual(self.trunk.labels(), ["INVITE", "ACK", "INVITE"])
        self.assertIsNone(first.header("Authorization"))
        for name in ("From", "To", "Call-ID"):
            self.assertEqual(second.header(name), first.header(name))
        self.assertEqual((first.cseq.number, second.cseq.number), (1, 2))
        answer = self.answerOf(second)
        self.assertEqual((answer.realm, answer.nonce), (REALM, "n1"))
        self.assertEqual((answer.qop, answer.nonceCount), ("auth", 1))
        self.says(200, body=ANSWER)
        self.assertEqual(listener.named("answered"), [ANSWER])

    def test_aProxysChallenge(self) -> None:
        """407 is answered in Proxy-Authorization (22.3)."""
        self.challenged(proxys(challenge("n1", qops=("auth-int",))), code=407)
        answer = self.answerOf(self.trunk.request("INVITE"), "Proxy-Authorization")
        self.assertEqual(answer.qop, "auth-int")
        self.says(486)

    def test_aProxyAndItsServer(self) -> None:
        """407, then 401: the last INVITE has both answers."""
        self.challenged(proxys(challenge("p")), code=407)
        self.says(401, [challenge("s")])
        invite = self.trunk.request("INVITE")
        self.assertEqual(self.answerOf(invite, "Proxy-Authorization").nonceCount, 2)
        self.assertEqual(self.answerOf(invite).nonce, "s")
        self.assertEqual(invite.cseq.number, 3)
        self.says(486)

    def test_theStrongestOfSeveral(self) -> None:
        """SHA-256 wherever it stands, before MD5 (RFC 8760)."""
        self.challenged(challenge("m", algorithm="MD5"), challenge("s", algorithm="SHA-256"))
        answer = self.answerOf(self.trunk.request("INVITE"))
        self.assertEqual((answer.nonce, answer.algorithm), ("s", "SHA-256"))
        self.says(486)

    def test_ACKAndBYEInAnAuthenticatedCall(self) -> None:
        """The ACK repeats the INVITE's answer, the BYE has one of its own (22.1, 22.3)."""
        call, _ = self.challenged(challenge("n1"))
        self.says(200, body=ANSWER)
        invite, ack = self.trunk.request("INVITE"), self.trunk.request("ACK")
        self.assertEqual(ack.header("Authorization"), invite.header("Authorization"))
        self.assertEqual(ack.cseq.number, 2)
        call.hangup()
        bye = self.trunk.request("BYE")
        self.assertEqual(bye.cseq.number, 3)
        self.assertEqual(self.answerOf(bye).nonceCount, 2)
        self.trunk.reply(bye, 200)

    def test_theBYEIsChallenged(self) -> None:
        """A new nonce, stale or not, is answered; the call is over when that is confirmed."""
        call, listener = self.challenged(challenge("n1"))
        self.says(200, body=ANSWER)
        gone = call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 401, headers=[challenge("n2")])
        bye = self.trunk.request("BYE")
        answer = self.answerOf(bye)
        self.assertEqual((bye.cseq.number, answer.nonce, answer.nonceCount), (4, "n2", 1))
        self.assertNoResult(gone)
        self.trunk.reply(bye, 200)
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(len(listener.ends), 1)

    def test_theBYEAloneIsChallenged(self) -> None:
        """So is one where the INVITE was not."""
        call, _ = self.dial(auth=AUTH)
        self.says(200, body=ANSWER)
        self.assertIsNone(self.trunk.request("ACK").header("Authorization"))
        call.hangup()
        self.trunk.reply(self.trunk.request("BYE"), 407, headers=[proxys(challenge("n"))])
        self.answerOf(self.trunk.request("BYE"), "Proxy-Authorization")
        self.trunk.confirm("BYE")
        self.assertNothingLeft()

    def test_CANCELInAnAuthenticatedCall(self) -> None:
        """It is that of the second INVITE, number and branch, without credentials (22.1)."""
        call, _ = self.challenged(challenge("n1"))
        self.says(180)
        call.hangup()
        invite, cancel = self.trunk.request("INVITE"), self.trunk.request("CANCEL")
        self.assertEqual(cancel.cseq.number, 2)
        self.assertEqual(cancel.via.branch, invite.via.branch)
        self.assertIsNone(cancel.header("Authorization"))
        self.trunk.reply(cancel, 200)
        self.says(487)
        self.assertNothingLeft()

    def test_aReINVITEFromThereNeedsNoCredentials(self) -> None:
        """What the far end asks in the call is answered as in any other."""
        self.challenged(challenge("n1"))
        self.says(200, body=ANSWER)
        callee = Callee(self.trunk, self.trunk.request("INVITE"))
        callee.ask("INVITE", body=ANSWER, contact=True)
        self.trunk.response("200 INVITE")
        callee.ask("BYE")
        self.trunk.response("200 BYE")

    def test_aWrongPassword(self) -> None:
        """A second challenge that does not call the nonce stale means: rejected (22.1)."""
        _, listener = self.challenged(challenge("n1"))
        self.says(401, [challenge("n2")])
        self.assertEqual(len(self.trunk.requests("INVITE")), 2)
        failure = self.rejection(listener)
        self.assertEqual(failure.sipCode, 401)
        self.assertIn("user and password were rejected", failure.reason)
        self.assertNotIn(AUTH[1], failure.reason)

    def test_auth_003_anAgedNonce(self) -> None:
        """stale=true: another answer at once, but not for ever (RFC 7616 3.3)."""
        _, listener = self.challenged(challenge("n0"))
        for number in range(1, 9):
            if listener.ends:
                break
            self.says(401, [challenge(f"n{number}", stale=True)])
        self.assertIn("in a row", self.rejection(listener).reason)
        self.assertEqual(len(self.trunk.requests("INVITE")), 5)
        _, listener = self.challenged(challenge("n0"))
        self.says(401, [challenge("n0", stale=True)])  # the same again: no use
        self.assertIn("rejected", self.rejection(listener).reason)

    def test_whatCannotBeAnswered(self) -> None:
        """The reason names what was offered, what was missing, what was broken."""
        for lines, words in (
            ([("WWW-Authenticate", "Bearer x")], "no Digest challenge"),
            ([challenge("n", algorithm="AKAv1-MD5")], "AKAv1-MD5"),
            ([challenge("n", qops=("other",))], "other"),
            ([("WWW-Authenticate", 'Digest realm="x"')], "broken"),
            ([], "without a challenge"),
        ):
            _, listener = self.challenged(*lines)
            self.assertIn(words, self.rejection(listener).reason)
            self.assertEqual(len(self.trunk.requests("INVITE")), 1)
            self.trunk.heard.clear()

    def test_withoutAnAccount(self) -> None:
        """The reason says how to give one."""
        _, listener = self.dial()
        self.says(401, [challenge("n")])
        self.assertIn("auth=(user, password)", self.rejection(listener).reason)

    def test_anAuthThatIsNone(self) -> None:
        """ValueError that does not repeat it."""
        for auth in (("alice",), "alice:s3cr3t-pw", ("", "x"), ("a\r\n", "s3cr3t-pw"), (1, "x")):
            error = self.assertRaises(
                ValueError,
                self.agent.placeCall,
                "sip:200@203.0.113.30",
                ANSWER,
                Listener(self.clock),
                auth=auth,
            )
            self.assertNotIn("s3cr3t", str(error))

    def test_security_005_noSecretInLogOrRepr(self) -> None:
        """Neither password nor digest is in a log line, a repr or a failure."""
        call, listener = self.challenged(challenge("n1"))
        response = self.answerOf(self.trunk.request("INVITE")).response
        self.says(401, [challenge("n2")])
        account = repr(call.account) + repr(call) + repr(self.trunk.request("INVITE"))
        for text in (*self.texts, account, repr(self.rejection(listener))):
            self.assertNotIn(AUTH[1], text)
            self.assertNotIn(response, text)


class StrangerTests(ChallengedTestCase):
    """Whoever is not the host dialled learns nothing, though it names the same realm."""

    def setUp(self) -> None:
        super().setUp()
        self.mallory = FarEnd(self.wire, ("203.0.113.99", 5060), "mallory")

    def noneIn(self, end: FarEnd) -> None:
        """No credentials have come there."""
        for _, message in end.heard:
            self.assertIsNone(message.header("Authorization"), message)
            self.assertIsNone(message.header("Proxy-Authorization"), message)

    def test_aChallengeAfterARedirection(self) -> None:
        """The host that a 302 names gets no answer, even if the first host had one."""
        _, listener = self.challenged(challenge("n1"))
        self.says(302, [("Contact", "<sip:x@203.0.113.99>")])
        self.noneIn(self.mallory)
        self.mallory.answers().says(401, headers=[challenge("n1")])
        self.assertEqual(len(self.mallory.requests("INVITE")), 1)
        failure = self.rejection(listener)
        self.assertIn("203.0.113.99 asks for a password", failure.reason)
        self.noneIn(self.mallory)

    def test_aRedirectionWithinTheHost(self) -> None:
        """Another user of the host dialled is asked with credentials."""
        self.challenged(challenge("n1"))
        self.says(302, [("Contact", "<sip:other@203.0.113.30>")])
        answer = self.answerOf(self.trunk.request("INVITE"))
        self.assertEqual((answer.uri, answer.nonceCount), ("sip:other@203.0.113.30", 2))
        self.says(486)

    def test_ACKAndBYEToAStranger(self) -> None:
        """A Contact elsewhere: ACK and BYE go there bare, its challenge is left alone."""
        call, _ = self.challenged(challenge("n1"))
        self.trunk.contact = "<sip:x@203.0.113.99>"
        self.says(200, body=ANSWER)
        gone = call.hangup()
        self.assertEqual(self.mallory.labels(), ["ACK", "BYE"])
        self.mallory.reply(self.mallory.request("BYE"), 401, headers=[challenge("n1")])
        self.assertIsNone(self.successResultOf(gone))
        self.assertEqual(self.mallory.labels(), ["ACK", "BYE"])
        self.noneIn(self.mallory)
        self.assertIn("BYE was refused with 401", call.findings[-1])

    def test_anotherRealm(self) -> None:
        """The first realm holds: a phone behind the trunk cannot ask for its own."""
        _, listener = self.challenged(challenge("n1"))
        other = str(Challenge("mallory.example", "n2"))
        self.says(407, [("Proxy-Authenticate", other)])
        failure = self.rejection(listener)
        self.assertIn("mallory.example", failure.reason)
        self.assertEqual(len(self.trunk.requests("INVITE")), 2)
