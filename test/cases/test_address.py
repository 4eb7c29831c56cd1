"""Our own address changes while calls are up, or is one that was given."""

from __future__ import annotations

from doug.events import CallEndedEvent
from doug.settings import Endpoint, Settings
from doug.testing import hostile
from shtoom.sip.message import Request
from test.cases.actor import Dialogue
from test.cases.case import FieldCase
from test.cases.media import assertGapless, loud


class AddressCases(FieldCase):
    """A machine whose address changes."""

    now = "192.0.2.77"

    def renumbered(self) -> None:
        """It has the other address; the actors send there from now on."""
        self.lab.renumber(self.now)
        for actor in self.actors.values():
            actor.server = (self.now, 5060)

    def assertMoved(self, call: Dialogue, invite: Request) -> None:
        """A re-INVITE that has the new address in Contact, Via and description."""
        self.assertEqual(invite.contact.uri.host if invite.contact else "", self.now)
        self.assertEqual(invite.via.host, self.now)
        text = invite.body.decode()
        self.assertIn(f"c=IN IP4 {self.now}\r\n", text)
        self.assertRegex(text, rf"o=- \d+ 2 IN IP4 {self.now}\r\n")
        self.assertEqual(call.media, (self.now, call.media[1]))

    def test_ourAddressChangesInACall(self) -> None:
        """The far end is told within seconds, and both hear each other again."""
        call = self.answered()
        ear = self.listen()
        self.app.leg.mediaPlay(self.soundFile(20.0))
        self.alice.media.say(call.media, count=50)
        self.lab.advance(1.0)
        self.renumbered()
        began = self.lab.reactor.seconds()
        invite = self.alice.request("INVITE", within=3.0)
        self.assertMoved(call, invite)
        self.alice.reply(invite, 200, body=self.alice.answer)
        self.alice.request("ACK")
        self.alice.media.say(call.media, count=150, seq=200, ts=32000)
        before = len(ear.frames)
        assertGapless([p for p in self.alice.media.during(1.0) if p.source == call.media])
        self.assertGreater(len(loud(ear.heard[before * 160 :])) / 8000, 0.9)
        self.assertLess(self.lab.reactor.seconds() - began, 5.0)
        self.assertLogged("no address 192.0.2.10 any more")
        self.assertEqual(self.app.names, ["CallAnsweredEvent"])
        self.lab.advance(10.0)
        self.assertEqual(self.alice.labels("INVITE"), ["INVITE"])
        self.hangUp(call)
        self.assertStillWell()

    def test_ourAddressChangesInACallOfOurs(self) -> None:
        """The same on a call that was placed; new calls have the new address at once."""
        app, call = self.dialled()
        self.renumbered()
        self.answered(actor=self.bob)
        self.assertEqual(self.bob.heard[-1].message.contact.uri.host, self.now)  # type: ignore[union-attr]
        self.app.leg.hangupCall()
        self.bob.reply(self.bob.request("BYE"), 200)
        invite = self.trunk.request("INVITE", within=3.0)
        self.assertMoved(call, invite)
        self.trunk.reply(invite, 200, body=self.trunk.answer)
        self.trunk.request("ACK")
        app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertStillWell()

    def test_aFarEndThatDoesNotTakeIt(self) -> None:
        """It is asked once; the call goes on, and its verdict says what may be wrong."""
        call = self.answered()
        self.renumbered()
        self.alice.reply(self.alice.request("INVITE", within=3.0), 488)
        self.alice.request("ACK")
        self.lab.advance(20.0)
        self.assertEqual(self.alice.labels("INVITE"), ["INVITE"])
        self.hangUp(call)
        findings = " ".join(str(each) for each in self.app.got(CallEndedEvent)[0].verdict)
        self.assertIn("our address changed", findings)
        self.assertStillWell()

    def test_bothSidesAtTheSameTime(self) -> None:
        """A far end that makes an offer just then gets 491, as we do; ours comes again."""
        call = self.answered()
        self.renumbered()
        invite = self.alice.request("INVITE", within=3.0)
        call.reinvite()
        self.alice.response("491 INVITE")
        call.ackRefusal()
        self.alice.reply(invite, 491)
        self.alice.request("ACK")
        for _ in range(6):  # it is busy for longer than one offer is repeated
            again = self.alice.request("INVITE", within=4.1)
            self.alice.reply(again, 491)
            self.alice.request("ACK")
        again = self.alice.request("INVITE", within=4.1)
        self.assertEqual(again.contact.uri.host if again.contact else "", self.now)
        self.alice.reply(again, 200, body=self.alice.answer)
        self.alice.request("ACK")
        self.hangUp(call)
        self.assertStillWell()

    def test_phonesOfTheLab(self) -> None:
        """They follow. One makes an offer whenever one comes, and hears no more of us (15)."""
        hosts = [self.lab.network.host(f"198.51.100.{number}") for number in (60, 61)]
        plain = self.lab.phone(host=hosts[0])
        glaring = self.lab.phone(kind=hostile.HOSTILE_PHONES[15], host=hosts[1], stays=60.0)
        calls = [phone.dial("sip:app@doug") for phone in (plain, glaring)]
        self.lab.advance(0.02)
        for app in self.desk:
            app.leg.answerCall(app)
            app.leg.mediaPlay(self.soundFile(20.0))
        self.lab.advance(0.5)
        self.renumbered()
        self.lab.advance(4.5)
        followed = calls[0].call
        assert followed is not None
        assert followed.dialog is not None
        self.assertEqual(followed.dialog.remoteTarget.host, self.now)
        self.assertIn(self.now.encode(), followed.remoteSDP or b"")
        for app, call in zip(self.desk, calls, strict=True):
            call.assertHearsTone(440, 0.2)
            app.leg.hangupCall()
        self.lab.advance(0.1)
        self.assertEqual([call.state for call in calls], ["ended", "ended"])
        self.assertStillWell()


class BoundAddressCases(FieldCase):
    """A server that is bound to one address."""

    settings = Settings(listen=(Endpoint("udp", "192.0.2.10", 5060),))

    def test_anAddressThatTheServerIsBoundTo(self) -> None:
        """There is nothing to tell: the log says, once, what is to be done."""
        call = self.answered()
        self.lab.network.hosts.discard("192.0.2.10")
        self.lab.advance(10.0)
        self.assertEqual(self.alice.labels("INVITE"), [])
        told = [text for text in self.logged if "must be started anew" in text]
        self.assertEqual(len(told), 1)
        self.hangUp(call)
        self.assertStillWell()


class GivenAddressCases(FieldCase):
    """A server that tells an address which is not its machine's (--advertise)."""

    settings = Settings(advertise="203.0.113.200")

    def test_anAddressThatWasGivenIsNotLookedFor(self) -> None:
        """It is told whatever our own ones are: nothing changes for the far end."""
        call = self.answered()
        self.lab.advance(10.0)
        self.assertEqual(self.alice.labels("INVITE"), [])
        self.hangUp(call)
        self.assertNothingLeft()
