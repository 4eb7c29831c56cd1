"""Whom Doug tells a password, and whom it believes: trunks, strangers, REFER."""

from __future__ import annotations

from collections.abc import Iterator

from doug.events import CallRejectedEvent
from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registration import RegistrationState
from shtoom.exceptions import CallFailed, UserBusy
from shtoom.sip.digest import Answering, Challenge, parseAnswer, parseChallenges
from shtoom.sip.message import Request, Response
from test.cases.actor import Actor, Dialogue, sdp
from test.cases.case import FieldCase

REALM = "provider.example"
OFFICE = Trunk("office", "203.0.113.30", user="doug", password="s3cret", realm=REALM, register=True)
ANYWHERE = Trunk("pbx", "203.0.113.31", user="pbx", password="geheim", inbound="password")
CREDENTIALS = ("Authorization", "Proxy-Authorization")


def challenge(nonce: str = "n", realm: str = REALM, **more: object) -> dict[str, str]:
    """The header of a 401."""
    return {"WWW-Authenticate": str(Challenge(realm, nonce, qops=("auth",), **more))}  # type: ignore[arg-type]


def credentials(actor: Actor) -> list[str]:
    """All that were ever told that actor."""
    requests = [heard.message for heard in actor.heard if isinstance(heard.message, Request)]
    return [value for r in requests for name in CREDENTIALS for value in r.headers.getLines(name)]


class LeakCase(FieldCase):
    """A trunk with a pinned realm, and a stranger."""

    settings = Settings(trunks={"office": OFFICE}, anonymous="app", sourceRate=0.0)

    def setUp(self) -> None:
        super().setUp()
        self.lab.advance(0.01)
        self.register = self.trunk.request("REGISTER")

    def refuse(self, request: Request) -> None:
        """The stranger asks for the password."""
        self.mallory.reply(request, 401, tag="m", with_=challenge())

    def registered(self) -> None:
        """At the trunk, with its password."""
        self.trunk.reply(self.register, 401, with_=challenge())
        again = self.trunk.request("REGISTER")
        self.assertIsNotNone(again.header("Authorization"))
        self.trunk.reply(again, 200, tag="r")

    def leave(self) -> None:
        """The end: the trunk lets us go."""
        relations = self.lab.application.exchange.relations
        for trunk in relations.trunking.trunks.values():
            trunk.abandon()

    def called(self) -> Dialogue:
        """A call of ours to the trunk that is up, with a password."""
        self.dial("sip:200@203.0.113.30")
        self.trunk.takes(self.trunk.request("INVITE")).says(401, with_=challenge())
        self.trunk.request("ACK")
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.01)
        return call

    def moved(self) -> None:
        """A call to the trunk whose far end says that it is at the stranger's now."""
        call = self.called()
        description = sdp(self.trunk.host, 30000, "0 101", number=2001, version=2)
        call.reinvite(description, {"Contact": "<sip:200@203.0.113.99>"})
        self.trunk.response("200 INVITE")
        call.ack()
        self.lab.advance(0.1)


class LeakTests(LeakCase):
    """A stranger asks as the trunk would, in its realm: it has no answer, whatever it asks for."""

    def test_INVITE(self) -> None:
        """Dialled by an application, and reached by the trunk's redirection."""
        self.registered()
        self.dial("sip:200@203.0.113.99")
        self.refuse(self.mallory.request("INVITE"))
        self.mallory.request("ACK")
        self.dial("sip:200@203.0.113.30")
        self.trunk.takes(self.trunk.request("INVITE")).says(401, with_=challenge())
        self.trunk.request("ACK")
        moved = {"Contact": "<sip:200@203.0.113.99>"}
        self.trunk.takes(self.trunk.request("INVITE")).says(302, with_=moved)
        self.trunk.request("ACK")
        self.refuse(self.mallory.request("INVITE"))
        self.mallory.request("ACK")
        self.lab.advance(1.0)
        self.assertEqual(len(self.mallory.labels()), 4)
        self.assertEqual(len(credentials(self.mallory)), 0)
        self.assertEqual([app.names[-1] for app in self.desk], ["CallRejectedEvent"] * 2)
        self.leave()
        self.assertStillWell()

    def test_BYE(self) -> None:
        """Of a stranger's call, and of the trunk's that has moved to a stranger's address."""
        self.registered()
        self.answered(actor=self.mallory)
        self.app.leg.hangupCall()
        self.refuse(self.mallory.request("BYE"))
        self.moved()
        self.app.leg.hangupCall()
        self.refuse(self.mallory.request("BYE"))
        self.lab.advance(1.0)
        self.assertEqual(len(credentials(self.mallory)), 0)
        self.leave()
        self.assertStillWell()

    def test_reINVITE(self) -> None:
        """The same for what puts on hold."""
        self.registered()
        self.answered(actor=self.mallory)
        for move in (lambda: None, self.moved):
            move()
            held = self.app.leg.hold()
            self.refuse(self.mallory.request("INVITE"))
            self.mallory.request("ACK")
            self.assertEqual(self.failureResultOf(held, CallFailed).value.sipCode, 401)
        for app in self.desk:
            app.leg.hangupCall()
        self.lab.advance(1.0)
        for _ in range(2):
            self.mallory.reply(self.mallory.request("BYE"), 200)
        self.lab.advance(1.0)
        self.assertEqual(len(credentials(self.mallory)), 0)
        self.leave()
        self.assertStillWell()

    def test_REGISTER(self) -> None:
        """An answer that did not come from the trunk, and a registrar that sends us elsewhere."""
        self.mallory.reply(self.register, 401, tag="m", with_=challenge("theirs"))
        self.lab.advance(1.0)
        self.trunk.reply(self.register, 302, with_={"Contact": "<sip:203.0.113.99>"})
        self.lab.advance(3.0)
        self.assertEqual(self.mallory.heard, [])
        self.leave()
        self.assertStillWell()


class RealmTests(LeakCase):
    """A trunk whose realm is configured tells its password in no other."""

    def test_anotherRealm(self) -> None:
        """Neither to register nor for a call; the reason says so."""
        self.trunk.reply(self.register, 401, with_=challenge(realm="other.example"))
        self.lab.advance(0.5)
        trunk = self.lab.application.exchange.relations.trunking.trunks["office"]
        assert trunk.registration is not None
        self.assertIs(trunk.registration.state, RegistrationState.FAILED)
        self.assertIn(f"it is for {REALM} alone", trunk.registration.reason)
        app = self.dial("sip:200@203.0.113.30")
        other = challenge(realm="other.example")
        self.trunk.takes(self.trunk.request("INVITE")).says(401, with_=other)
        self.trunk.request("ACK")
        self.lab.advance(0.1)
        self.assertEqual(app.names, ["CallRejectedEvent"])
        self.assertEqual(len(credentials(self.trunk)), 0)
        self.leave()
        self.assertStillWell()

    def test_itsOwnRealmAmongOthers(self) -> None:
        """Of several challenges the one in that realm is answered."""
        lines = {**challenge(realm="other.example"), "X": "y"}
        lines["WWW-Authenticate"] += f", {challenge('mine')['WWW-Authenticate']}"
        self.trunk.reply(self.register, 401, with_=lines)
        again = self.trunk.request("REGISTER")
        answer = parseAnswer(again.header("Authorization") or "")
        self.assertEqual((answer.realm, answer.nonce), (REALM, "mine"))
        self.trunk.reply(again, 200, tag="r")
        self.leave()
        self.assertStillWell()


class PathTests(FieldCase):
    """Digest along a path: a proxy and its server, nonces that age, counts (RFC 3261 22.3)."""

    settings = Settings(
        trunks={"office": Trunk("office", "203.0.113.30", user="doug", password="s3cret")},
        anonymous="app",
    )

    def answers(self, request: Request) -> Iterator[tuple[str, str, int | None]]:
        """(header, nonce, count) of each credential; all are right."""
        for name in CREDENTIALS:
            for value in request.headers.getLines(name):
                answer = parseAnswer(value)
                self.assertTrue(answer.matches("s3cret", request.method, request.body), name)
                yield name, answer.nonce, answer.nonceCount

    def test_407And401AlongOnePath(self) -> None:
        """Both answers go along from then on, in the ACK and in the BYE; counts rise."""
        app = self.dial("sip:200@203.0.113.30")
        proxys = {"Proxy-Authenticate": challenge("p", "proxy.example")["WWW-Authenticate"]}
        self.trunk.takes(self.trunk.request("INVITE")).says(407, with_=proxys)
        self.trunk.request("ACK")
        second = self.trunk.request("INVITE")
        self.assertEqual(list(self.answers(second)), [("Proxy-Authorization", "p", 1)])
        same = challenge("s", "proxy.example")
        self.trunk.takes(second).says(401, with_=same)
        self.trunk.request("ACK")
        third = self.trunk.request("INVITE")
        both = [("Authorization", "s", 1), ("Proxy-Authorization", "p", 2)]
        self.assertEqual(list(self.answers(third)), both)
        call = self.trunk.takes(third)
        call.says(200, body=self.trunk.answer)
        ack = self.trunk.request("ACK")
        self.assertEqual(len(ack.headers.getLines("Authorization")), 1)
        self.assertEqual(len(ack.headers.getLines("Proxy-Authorization")), 1)
        self.lab.advance(0.01)
        app.leg.hangupCall()
        bye = self.trunk.request("BYE")
        counts = [("Authorization", "s", 2), ("Proxy-Authorization", "p", 3)]
        self.assertEqual(list(self.answers(bye)), counts)
        self.trunk.reply(bye, 200)
        self.assertStillWell()

    def test_staleAndAuthInt(self) -> None:
        """An aged nonce is replaced at once; a body is signed where only that is offered."""
        self.dial("sip:200@203.0.113.30")
        for nonce in ("a", "b"):
            lines = challenge(nonce, stale=nonce == "b")
            lines["WWW-Authenticate"] = lines["WWW-Authenticate"].replace('"auth"', '"auth-int"')
            self.trunk.takes(self.trunk.request("INVITE")).says(401, with_=lines)
            self.trunk.request("ACK")
        invite = self.trunk.request("INVITE")
        self.assertEqual(list(self.answers(invite)), [("Authorization", "b", 1)])
        self.assertIn("qop=auth-int", invite.header("Authorization") or "")
        self.trunk.takes(invite).says(486)
        self.trunk.request("ACK")
        self.assertStillWell()


class PasswordTests(FieldCase):
    """A trunk whose calls come from anywhere, and know its password (inbound = "password")."""

    settings = Settings(trunks={"pbx": ANYWHERE}, realm="here", sourceRate=0.0)

    def ask(self, user: str = "pbx", password: str = "geheim", **more: str) -> Response:
        """An INVITE from bob's address that answers the challenge; the response to it."""
        call = self.bob.invite()
        asked = self.bob.response("401 INVITE")
        call.ackRefusal()
        self.challenge = parseChallenges(asked.headers.getLines("WWW-Authenticate"))[0]
        self.assertEqual(self.challenge.realm, "here")
        answer = Answering(self.challenge, user, password, "c").answer(
            "INVITE", "sip:app@192.0.2.10", self.bob.offer
        )
        self.call = self.bob.invite(uri="sip:app@192.0.2.10", with_={"Authorization": str(answer)})
        return self.bob.response("(180|401|403) INVITE")

    def test_theRightPassword(self) -> None:
        """Wherever it comes from, and whoever is in From."""
        self.assertEqual(self.ask().code, 180)
        self.assertEqual((self.app.leg.trunk, self.app.leg.phone), ("pbx", None))
        self.app.leg.rejectCall(UserBusy())
        self.bob.response("486 INVITE")
        self.call.ackRefusal()
        self.leave()

    def test_theWrongOne(self) -> None:
        """Asked again, and no application hears of it; the log names the source."""
        for user, password in (("pbx", "wrong"), ("nobody", "geheim")):
            self.assertEqual(self.ask(user, password).code, 401)
            self.call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.assertLogged("call by 198.51.100.21:5060 .*wrong password")
        self.leave()

    def test_itsAddressProvesNothing(self) -> None:
        """A call from the trunk's host without a password is asked for it."""
        trunk = self.actors["trunk2"]
        call = trunk.invite()
        trunk.response("401 INVITE")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.leave()

    def leave(self) -> None:
        """The plain call of a stranger is refused here: nothing is left all the same."""
        self.assertNothingLeft()


class ReferTests(FieldCase):
    """REFER is not followed where nobody accepts it: 603; 481 outside of calls."""

    def test_refused(self) -> None:
        """Nothing goes to where it points, the call goes on, a BYE right after it is as ever."""
        targets = {
            "<sip:127.0.0.1:8080>": 603,
            "<http://203.0.113.99/>": 403,
            "<sip:x@203.0.113.99;transport=tcp>": 603,
            "<sip:x@203.0.113.99?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>": 603,
            "<sip:x@[::1]>": 603,
            "<sip:x@203.0.113.99;method=MESSAGE>": 403,
            "sip:x@203.0.113.99, sip:y@203.0.113.99": 400,
        }
        call = self.answered()
        for target, code in targets.items():
            self.mallory.ask("REFER", with_={"Refer-To": target})
            self.mallory.response("481 REFER")
            call.ask("REFER", with_={"Refer-To": target})
            self.alice.response(f"{code} REFER")
        self.lab.advance(1.0)
        asked = ["CallTransferRequestedEvent"] * 3
        self.assertEqual(self.app.names, ["CallAnsweredEvent", *asked])
        self.assertEqual([label for label in self.mallory.labels() if "REFER" not in label], [])
        call.ask("REFER", with_={"Refer-To": "<sip:x@203.0.113.99>"})
        self.hangUp(call)
        self.alice.response("603 REFER")
        self.assertOneEnd(self.app)
        self.assertStillWell()


class CodecTests(FieldCase):
    """A trunk's codecs hold in offers and answers of its calls alone."""

    settings = Settings(
        trunks={"office": Trunk("office", "203.0.113.30", codecs=("PCMA",))}, anonymous="app"
    )

    def test_answer(self) -> None:
        call = self.answered(actor=self.trunk)
        [answer] = [h.data for h in self.trunk.heard if h.label == "200 INVITE"]
        self.assertIn(b"RTP/AVP 8 101", answer)
        self.hangUp(call)
        call = self.answered()
        [answer] = [h.data for h in self.alice.heard if h.label == "200 INVITE"]
        self.assertIn(b"RTP/AVP 0 101", answer)
        self.hangUp(call)
        self.assertStillWell()

    def test_offer(self) -> None:
        for actor, formats in ((self.trunk, b"RTP/AVP 8 101"), (self.bob, b"RTP/AVP 0 8 ")):
            self.dial(f"sip:200@{actor.host}")
            invite = actor.request("INVITE")
            self.assertIn(formats, invite.body)
            actor.takes(invite).says(486)
            actor.request("ACK")
        self.assertStillWell()

    def test_nothingInCommon(self) -> None:
        call = self.trunk.invite(sdp(self.trunk.host, 30000, "0 101"))
        self.trunk.response("488 INVITE")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        self.assertStillWell()


class IdentityTests(FieldCase):
    """Who calls, as a trunk answers for it; a stranger answers for nothing."""

    settings = Settings(
        trunks={
            "office": Trunk("office", "203.0.113.30", identity="p-asserted-identity"),
            "plain": Trunk("plain", "203.0.113.31"),
        },
        anonymous="app",
    )

    def test_inbound(self) -> None:
        asserted = {"P-Asserted-Identity": '"Anna" <sip:+4930@example.com>, <tel:+4930>'}
        broken = {"P-Asserted-Identity": "<sip:>>"}
        for actor, with_, wanted in (
            (self.trunk, asserted, "sip:+4930@example.com"),
            (self.trunk, broken, "sip:trunk@example.net"),
            (self.trunk, {}, "sip:trunk@example.net"),
            (self.actors["trunk2"], asserted, "sip:trunk2@example.net"),
            (self.mallory, asserted, None),
        ):
            call = self.ringing(actor=actor, with_=with_)
            self.assertEqual(self.app.leg.identity, wanted)
            self.app.leg.rejectCall(UserBusy())
            actor.response("486 INVITE")
            call.ackRefusal()
        self.assertStillWell()


class RateTests(FieldCase):
    """No more new calls a second than max-rate says, both ways together."""

    settings = Settings(
        trunks={"office": Trunk("office", "203.0.113.30", maxRate=1.0)}, anonymous="app"
    )

    def test_tooFast(self) -> None:
        """Twice the rate at once, then 503 with Retry-After and a line; others are not meant."""
        calls = [self.trunk.invite() for _ in range(3)]
        self.lab.advance(0.1)
        codes = [label.split()[0] for label in self.trunk.labels()]
        self.assertEqual((codes.count("180"), codes.count("503")), (2, 1))
        [refused] = [
            heard.message
            for heard in self.trunk.heard
            if isinstance(heard.message, Response) and heard.message.code == 503
        ]
        self.assertTrue(5 <= int(refused.header("Retry-After") or 0) <= 30)
        self.assertLogged("more than 1 new calls a second of trunk office")
        dialling = self.dial("sip:200@203.0.113.30")
        self.lab.advance(0.01)
        self.assertEqual(dialling.names, ["CallRejectedEvent"])
        self.assertEqual(dialling.got(CallRejectedEvent)[0].sipCode, 503)
        other = self.ringing()
        for app in self.desk:
            app.returnResult(None)
        self.lab.advance(0.1)
        for call in (*calls, other):
            call.ackRefusal()
        self.lab.advance(2.0)
        self.trunk.forget()
        again = self.ringing(actor=self.trunk)
        self.app.leg.rejectCall(UserBusy())
        self.trunk.response("486 INVITE")
        again.ackRefusal()
        self.assertStillWell()
