"""What a server with phones tells those whom it does not know, and those whom it refuses.

Lives here: whole servers, and what their answers give away. Not here: the rules one by one
(test.doug.test_admission, test.agent.test_gatekeeper, test.agent.test_registrar).
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import Answering, parseChallenges
from shtoom.sip.message import Response
from test.cases.actor import Actor
from test.cases.case import FieldCase

PHONES = {"alice": Phone("a", 2), "bob": Phone("b")}
NOT_WHO_ASKS = ("Via", "From", "To", "Call-ID", "CSeq", "WWW-Authenticate")


class StrangerCase(FieldCase):
    """alice and bob have accounts; mallory has none."""

    settings = Settings(phones=PHONES)

    def setUp(self) -> None:
        super().setUp()
        self.number = 0

    def ask(
        self,
        actor: Actor,
        method: str = "INVITE",
        user: str = "alice",
        *,
        host: str = "doug",
        called: str = "app",
        lines: tuple[str, ...] = (),
    ) -> Response:
        """The answer to a request of the actor's, From and for a REGISTER To that user."""
        self.number += 1
        to = f"{user}@{host}" if method == "REGISTER" else f"{called}@doug"
        uri = "sip:doug" if method == "REGISTER" else f"sip:{called}@doug"
        head = (
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {actor.host}:5060;branch=z9hG4bK{actor.name}{self.number}",
            f"From: <sip:{user}@{host}>;tag=1",
            f"To: <sip:{to}>",
            f"Call-ID: {actor.name}{self.number}",
            f"CSeq: {self.number} {method}",
            f"Contact: <sip:{user}@{actor.host}>",
            f"X-Filler: {'x' * 400}",  # no answer is cut for want of bytes in the request
        )
        actor.raw("\r\n".join([*head, *lines, "Content-Length: 0", "", ""]).encode())
        return actor.response(f"(18|[2-6][0-9])[0-9] {method}")

    def signed(
        self,
        actor: Actor,
        method: str,
        user: str,
        password: str,
        *,
        who: str | None = None,
        **how: Any,
    ) -> Response:
        """The same, with an answer to its challenge. who: whose password, if not the user's."""
        first = self.ask(actor, method, user, **how)
        if first.code != 401:
            return first
        challenge = parseChallenges(first.headers.getLines("WWW-Authenticate"))[-1]
        answering = Answering(challenge, who or user, password, "1")
        uri = "sip:doug" if method == "REGISTER" else "sip:app@doug"
        line = f"Authorization: {answering.answer(method, uri)}"
        return self.ask(actor, method, user, lines=(line,), **how)


def told(response: Response) -> object:
    """What an answer tells, but for what it repeats and what changes each time."""
    lines = [line for line in response.headers if line[0] not in NOT_WHO_ASKS]
    realms = parseChallenges(response.headers.getLines("WWW-Authenticate"))
    return response.code, response.reason, lines, [c._replace(nonce="") for c in realms]


class EnumerationTests(StrangerCase):
    """Who asks does not learn which users there are."""

    def test_callersAreAskedWhoeverTheySay(self) -> None:
        """And whatever they answer; the same for REGISTER."""
        for method in ("INVITE", "REGISTER"):
            known = [told(self.ask(self.mallory, method, user)) for user in PHONES]
            unknown = [told(self.ask(self.mallory, method, user)) for user in ("carol", "100")]
            self.assertEqual(len({str(each) for each in (*known, *unknown)}), 1, method)
            guesses = [
                told(self.signed(self.mallory, method, user, "x")) for user in ("alice", "carol")
            ]
            self.assertEqual(guesses[0], guesses[1], method)
            self.assertIn("(401, ", str(guesses[0]))

    def test_patienceIsTheSameForAll(self) -> None:
        """With who is not there it ends as early."""
        codes = {
            user: [self.signed(self.mallory, "REGISTER", user, f"x{n}").code for n in range(7)]
            for user in ("alice", "carol")
        }
        self.assertEqual(codes["alice"], codes["carol"])
        self.assertEqual(codes["alice"], [401] * 5 + [403] * 2)

    def test_manyCallersOfOneNumberAreAScanner(self) -> None:
        """Whoever they say that they are: after 20 users in a minute there is silence."""
        for number in range(30):
            try:
                self.ask(self.mallory, user=f"u{number}")
            except AssertionError:
                break
            self.lab.advance(0.1)
        self.assertIn(number, (19, 20, 21))
        self.assertLogged("scanner 203.0.113.99 is dropped")

    def test_thoseWhoAreHereAreNoScanners(self) -> None:
        """Phones behind one router call as many as they like, from the first moment on."""
        for number in range(30):
            response = self.signed(self.alice, "INVITE", "alice", "a")
            self.assertEqual(response.code, 180, number)
            self.lab.advance(1)

    def test_theLogNamesThem(self) -> None:
        """In the words that it has for others who are refused."""
        self.ask(self.mallory, user="carol")
        self.assertLogged("call by 203.0.113.99:5060 to sip:app@doug is refused by anonymous")


class OpenTests(StrangerCase):
    """Anybody may call, but not in our name."""

    settings = Settings(phones=PHONES, anonymous="app")

    def test_ourNamesAreAskedFor(self) -> None:
        """Whichever they are, and strangers of elsewhere are served, whatever they are called."""
        for user in ("alice", "carol"):
            for host, code in (("doug", 401), ("192.0.2.10", 401), ("example.net", 180)):
                response = self.ask(self.mallory, user=user, host=host)
                self.assertEqual(response.code, code, (user, host))

    def test_aRegisteredPhoneIsAskedWhateverItsHost(self) -> None:
        """Its account may have a name of the server that the server does not know."""
        self.assertEqual(self.signed(self.alice, "REGISTER", "alice", "a").code, 200)
        host = "pbx.example.com"
        self.assertEqual(self.ask(self.alice, user="alice", host=host).code, 401)
        self.assertEqual(self.ask(self.mallory, user="alice", host=host).code, 180)


class PasswordTrunkTests(StrangerCase):
    """Calls of a trunk come from anywhere, as anybody."""

    settings = Settings(
        phones=PHONES,
        trunks={"far": Trunk("far", "198.51.100.40", user="far", password="f", inbound="password")},
    )

    def test_itsCallersAreNoScanner(self) -> None:
        """Each call begins without credentials, in the name of another caller."""
        for number in range(30):
            self.assertEqual(self.ask(self.mallory, user=f"+4930{number}").code, 401)
            self.lab.advance(0.1)


class ListTests(StrangerCase):
    """Networks that are refused."""

    settings = Settings(phones=PHONES, deny=(ip_network("203.0.113.0/24"),))

    def test_nobodyRegistersFromADeniedNetwork(self) -> None:
        """Nor is there a challenge to guess at; others register."""
        self.assertEqual(self.signed(self.mallory, "REGISTER", "alice", "a").code, 403)
        self.assertLogged("REGISTER by 203.0.113.99:5060 to sip:doug is refused by access")
        self.assertEqual(self.signed(self.alice, "REGISTER", "alice", "a").code, 200)


class OfferTests(StrangerCase):
    """Settings of the challenge."""

    settings = Settings(phones=PHONES, digest=("MD5",), qop=("auth-int", "auth"))

    def test_theSettingsSayWhatIsOffered(self) -> None:
        """A client that knows one of them is let in."""
        [challenge] = parseChallenges(
            self.ask(self.alice, "REGISTER").headers.getLines("WWW-Authenticate")
        )
        self.assertEqual((challenge.algorithm, challenge.qops), ("MD5", ("auth-int", "auth")))
        self.assertEqual(self.signed(self.alice, "REGISTER", "alice", "a").code, 200)


class NeighbourTests(StrangerCase):
    """A phone that stands where a trunk is told by its address."""

    settings = Settings(phones=PHONES, trunks={"office": Trunk("office", "198.51.100.20")})

    def test_aPhoneOnTheMachineOfATrunkIsAPhone(self) -> None:
        """It is asked for its password; whoever else calls from there is the trunk."""
        self.assertEqual(self.alice.host, "198.51.100.20")
        self.assertEqual(self.ask(self.alice).code, 401)
        for user, host in (("alice", "elsewhere.example"), ("+4930123", "doug")):
            self.assertEqual(self.ask(self.alice, user=user, host=host).code, 180)
            self.assertEqual(self.app.leg.trunk, "office")
