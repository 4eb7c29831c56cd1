"""Who searches for accounts is not heard: by User-Agent, or by all the users that it tries."""

from __future__ import annotations

from dataclasses import replace

from doug.settings import Settings
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import Answering, parseChallenges
from shtoom.sip.scanners import LONGEST_USER, SCANNERS
from test.cases.actor import Actor
from test.cases.case import FieldCase


class NamedTests(FieldCase):
    """By User-Agent."""

    settings = Settings(sourceRate=0.0)

    def test_theUsualOnes(self) -> None:
        """Nothing comes back, nobody hears of them; each is counted, a line a second tells."""
        agents = (*SCANNERS, "SIPVicious 0.3.3", "Friendly-Scanner/1", "x sipcli/v1.8", "PPLSIP")
        methods = ("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE")
        for agent in agents:
            for method in methods:
                body = self.mallory.offer if method == "INVITE" else b""
                self.mallory.ask(method, body=body, with_={"User-Agent": agent})
                self.lab.advance(0.05)
        self.assertEqual(self.mallory.heard, [])
        self.assertEqual(self.desk, [])
        told = [line for line in self.logged if line.startswith("scanner 203.0.113.99 is dropped")]
        self.assertIn("its User-Agent has friendly-scanner (--scanners)", told[0])
        self.assertTrue(2 <= len(told) <= 3, told)
        scanners = self.lab.application.exchange.scanners
        self.assertEqual(scanners.counts["named"], len(agents) * len(methods))
        self.assertStillWell()

    def test_phonesAreHeard(self) -> None:
        """Whatever else has such a word in it; and a call that is up may call itself so."""
        call = self.alice.invite(
            with_={"User-Agent": "Yealink SIP-T46S", "Subject": "sipvicious", "Server": "sipcli"}
        )
        self.alice.response("180 INVITE")
        self.accept(call)
        call.ask("BYE", with_={"User-Agent": "sipvicious"})
        self.alice.response("200 BYE")
        self.assertStillWell()

    def test_otherWords(self) -> None:
        """--scanners says which."""
        self.lab.application.exchange.scanners.change(("evil",), 20)
        self.mallory.ask("OPTIONS", with_={"User-Agent": "Dr. EVIL"})
        self.mallory.nothing(".*", 0.5)
        self.mallory.ask("OPTIONS", with_={"User-Agent": "sipvicious"})
        self.mallory.response("200 OPTIONS")
        self.lab.application.exchange.scanners.change((), 0)
        self.mallory.ask("OPTIONS", with_={"User-Agent": "Dr. EVIL"})
        self.mallory.response("200 OPTIONS")
        self.assertStillWell()


class DictionaryTests(FieldCase):
    """By the users that are tried."""

    settings = Settings(
        trunks={"office": Trunk("office", "203.0.113.30")},
        phones={"alice": Phone("wonderland"), "bob": Phone("builder")},
        sourceRate=0.0,
    )

    def heardAt(self, actor: Actor, method: str) -> int:
        """Answers to requests of that method."""
        return len(actor.labels(f"[1-6].. {method}"))

    def register(self, actor: Actor, user: str, password: str | None = None) -> None:
        """With that password, after the challenge; None: without one."""
        party = f"<sip:{user}@192.0.2.10>"
        with_ = {"From": f"{party};tag=1", "To": party, "Contact": f"<{actor.contact}>"}
        ask = actor.ask("REGISTER", uri="sip:192.0.2.10", with_=with_)
        if password is None:
            self.lab.advance(0.02)
            return
        asked = actor.response("401 REGISTER")
        challenge = parseChallenges(asked.headers.getLines("WWW-Authenticate"))[0]
        answer = Answering(challenge, user, password, "c").answer("REGISTER", "sip:192.0.2.10")
        with_["Authorization"] = str(answer)
        ask.ask("REGISTER", uri="sip:192.0.2.10", with_={**with_, "CSeq": "7 REGISTER"})
        self.lab.advance(0.02)

    def test_usersThatThereAreNot(self) -> None:
        """Twenty are told what everybody is; then that source hears nothing for five minutes."""
        for number in range(100, 140):
            self.register(self.mallory, str(number))
        self.assertEqual(self.heardAt(self.mallory, "REGISTER"), 21)
        self.assertLogged(
            "scanner 203.0.113.99 is dropped for 300 s: it was refused as 21 different users"
        )
        self.mallory.invite()
        self.mallory.nothing(".*", 1.0)
        self.register(self.alice, "alice", "wonderland")
        self.alice.response("200 REGISTER")
        self.lab.advance(300.0)
        self.register(self.mallory, "999")
        self.mallory.response("401 REGISTER")
        self.assertGreater(self.lab.application.exchange.scanners.counts["barred"], 18)
        self.assertNothingLeft()

    def test_anIPv6NetworkIsOneSource(self) -> None:
        """Who has a /64 may try each user from another address; phones at home there are heard."""
        scanners = self.lab.application.exchange.scanners
        for number in range(30):
            scanners.refused(f"2001:db8::{number:x}", str(number))
        self.assertTrue(scanners.isOne(b"OPTIONS", "2001:db8::beef"))
        self.assertFalse(scanners.isOne(b"OPTIONS", "2001:db8:0:1::1"))
        self.assertEqual(scanners.counts["barred"], 1)

    def test_ofLongNamesTheBeginningIsKept(self) -> None:
        """Ten thousand sources with twenty names of 8 KB each would be 1.6 GB."""
        scanners = self.lab.application.exchange.scanners
        for number in range(30):
            scanners.refused("203.0.113.98", "x" * LONGEST_USER + str(number))
            scanners.refused("203.0.113.99", "x" * (LONGEST_USER - 2) + str(number))
        self.assertFalse(scanners.isOne(b"OPTIONS", "203.0.113.98"))
        self.assertTrue(scanners.isOne(b"OPTIONS", "203.0.113.99"))

    def test_numbersThatAreCalled(self) -> None:
        """INVITEs of a stranger to one number after the other; its own name is one, too."""
        for number in range(40):
            call = self.mallory.invite(uri=f"sip:00{number}5550100@192.0.2.10")
            self.lab.advance(0.05)
            call.ackRefusal()
        self.assertEqual(self.heardAt(self.mallory, "INVITE"), 20)
        self.assertEqual(self.desk, [])
        self.lab.advance(40.0)
        self.assertEqual(self.heardAt(self.mallory, "INVITE"), 20)  # each was acknowledged
        self.assertNothingLeft()

    def test_slowly(self) -> None:
        """A refusal counts for a minute; the same user counts once."""
        for number in range(30):
            self.register(self.mallory, str(number))
            self.lab.advance(3.5)
        for _ in range(40):
            self.register(self.mallory, "99")
        self.assertEqual(self.heardAt(self.mallory, "REGISTER"), 70)
        self.assertNothingLeft()

    def test_aPhoneFarmIsNone(self) -> None:
        """Phones that are here ask once without credentials: none of them was refused."""
        phones = {f"phone{n}": Phone("x") for n in range(40)}
        application = self.lab.application
        application.exchange.relations.reload(replace(application.settings, phones=phones))
        for name in phones:
            self.register(self.bob, name)
        self.assertEqual(len(self.bob.labels("401 REGISTER")), 40)
        self.bob.forget()
        for name in phones:
            self.register(self.bob, name, "x")
        self.assertEqual(len(self.bob.labels("200 REGISTER")), 40)
        self.assertNothingLeft()

    def test_whereAPhoneIsAtHomeNobodyIsBarred(self) -> None:
        """Else a forged source address would shut it out."""
        self.register(self.bob, "bob", "builder")
        for number in range(40):
            self.register(self.bob, str(number))
        self.assertEqual(len(self.bob.labels("401 REGISTER")), 41)
        self.assertNothingLeft()

    def test_itsCallGoesOn(self) -> None:
        """A call that is up is heard whatever else its source does."""
        application = self.lab.application
        settings = application.settings
        application.reload(replace(settings, anonymous="app", phones={"a": Phone("x")}))
        call = self.answered(actor=self.mallory)
        for number in range(40):
            self.register(self.mallory, str(number))
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.assertNothingLeft()
