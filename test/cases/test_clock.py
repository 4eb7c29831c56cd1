"""Clocks that step, and a machine that stands still (cases life-007 and 008)."""

from __future__ import annotations

import re
from pathlib import Path

import doug
from doug.events import (
    CallEndedEvent,
    MediaRecordDoneEvent,
    MediaRecordRemoteClosedEvent,
    TimeoutEvent,
)
from doug.settings import Settings
from doug.testing.ear import readSound
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import Answering, parseChallenges
from test.cases.case import FieldCase
from test.cases.media import assertGapless, loud


class ClockCases(FieldCase):
    """Wall clocks that step, and machines that stand still."""

    def test_life_007_theWallClockSteps(self) -> None:
        """Timers, packets and durations do not know it."""
        call = self.answered()
        app = self.app
        app.leg.mediaPlay(self.soundFile(31.0))
        app.setTimer(30)
        self.lab.advance(0.1)
        self.lab.stepClock(3600)
        packets = self.alice.media.during(20.0)
        self.assertEqual(app.got(TimeoutEvent), [])
        self.lab.stepClock(-7200)
        packets += self.alice.media.during(9.8)
        assertGapless(packets)
        self.assertEqual(app.got(TimeoutEvent), [])
        self.lab.advance(0.2)
        self.assertEqual(len(app.got(TimeoutEvent)), 1)
        self.hangUp(call)
        self.assertNear(app.got(CallEndedEvent)[0].duration, 30.1, 0.1)
        self.assertStillWell()

    def test_life_008_theMachineStandsStill(self) -> None:
        """What was missed is left out: no burst, the timestamp moves on, one log line."""
        prompt = self.soundFile(6.0)
        calls = [self.answered() for _ in range(5)]
        for app in self.desk:
            app.leg.mediaPlay(prompt)
        self.lab.advance(1.0)
        last = {packet.source: packet for packet in self.alice.media.packets}
        self.logged.clear()
        self.lab.reactor.stall(3.02)
        packets = self.alice.media.during(0.1)
        for call in calls:
            mine = [packet for packet in packets if packet.source == call.media]
            self.assertLessEqual(len(mine), 6)
            first, before = mine[0], last[call.media]
            self.assertTrue(first.rtp.marker)
            moved = first.rtp.timestamp - before.rtp.timestamp & 0xFFFFFFFF
            self.assertNear(moved / 8000, first.at - before.at, 0.021)
            self.assertEqual(first.rtp.sequence, before.rtp.sequence + 1 & 0xFFFF)
        self.assertEqual(len([text for text in self.logged if "late by 3" in text]), 1)
        assertGapless([p for p in self.alice.media.during(1.0) if p.source == calls[0].media])
        for call in calls:
            self.hangUp(call)
        self.assertStillWell()

    def test_life_008_aSuspendOfTenMinutes(self) -> None:
        """The clock has run on: calls are up, timers fire once, sound goes on without a burst."""
        call = self.answered()
        app, phone = self.app, self.alice.media
        app.setTimer(30)
        app.leg.mediaPlay(self.soundFile(8.0))
        phone.say(call.media, count=50)
        self.lab.advance(1.0)
        before = phone.packets[-1]
        self.lab.reactor.stall(600.0)
        phone.say(call.media, count=200, seq=51, ts=8000)
        packets = phone.during(0.1)
        self.assertLessEqual(len(packets), 6)
        self.assertTrue(packets[0].rtp.marker)
        moved = packets[0].rtp.timestamp - before.rtp.timestamp & 0xFFFFFFFF
        self.assertNear(moved / 8000, packets[0].at - before.at, 0.021)
        assertGapless(phone.during(1.0))
        self.lab.advance(2.0)
        self.assertEqual(app.names, ["CallAnsweredEvent", "TimeoutEvent"])
        self.assertEqual(
            len([text for text in self.logged if re.search(r"late by (599|600)", text)]), 1
        )
        ringing = self.ringing(actor=self.bob)
        ringing.cancel()
        self.bob.response("487 INVITE")
        ringing.ackRefusal()
        self.hangUp(call)
        self.assertStillWell()

    def test_life_008_aRecordingGoesOn(self) -> None:
        """Over a standstill: three seconds are silence, of ten minutes one is, and no more."""
        for still, missing in ((3.0, 0.0), (600.0, 540.0)):
            call = self.answered()
            path = Path(self.mktemp() + ".wav")
            self.app.leg.mediaRecord(path)
            self.alice.media.say(call.media, count=50)
            self.lab.advance(1.0)
            self.lab.reactor.stall(still)
            self.alice.media.say(call.media, count=100, seq=51, ts=8000)
            self.lab.advance(2.0)
            self.assertEqual(self.app.got(MediaRecordDoneEvent), [])
            self.hangUp(call)
            self.lab.advance(0.1)
            (done,) = self.app.got(MediaRecordDoneEvent)
            self.assertIs(type(done), MediaRecordRemoteClosedEvent)
            heard = readSound(path)
            self.assertNear(len(heard) / 8000, done.duration, 0.021)
            self.assertNear(done.duration, 3.0 + still - missing, 0.2)
            self.assertNear(len(loud(heard[-12000:])) / 8000, 1.5, 0.1)
        self.assertStillWell()

    def test_life_007_nothingGoesByTheWallClock(self) -> None:
        """But what people read (names of files, the demo's time, messages, the status), what a
        restart is to outlive (registrations), and certificates; only where it is handed in.
        """
        root = Path(doug.__file__).parent
        reading, asking = [], []
        for path in (*root.rglob("*.py"), *(root.parent / "shtoom").rglob("*.py")):
            text = path.read_text()
            if re.search(r"\btime\.time\b|\bfrom time import .*\btime\b|\.now\(|utcnow", text):
                reading.append(path.name)
            if re.search(r"\bwallTime\(\)", text.replace("_wallTime", "wallTime")):
                asking.append(path.name)
        wanted = ["app.py", "application.py", "rehearsal.py", "spool.py"]
        self.assertEqual(sorted(reading), wanted)
        self.assertEqual(sorted(asking), ["application.py", "registrar.py", "trace.py"])


class RegistrationCases(FieldCase):
    """Registrations while the wall clock steps: ours at a trunk, and a phone's here."""

    settings = Settings(
        trunks={
            "office": Trunk("office", "203.0.113.30", user="u1", register=True, expires=600),
        },
        phones={"bob": Phone("builder")},
        anonymous="app",
    )

    def registerBob(self) -> None:
        """For 600 s."""
        party = "<sip:bob@192.0.2.10>"
        with_ = {"From": f"{party};tag=1", "To": party, "Contact": f"<{self.bob.contact}>"}
        ask = self.bob.ask("REGISTER", uri="sip:192.0.2.10", with_=with_)
        asked = self.bob.response("401 REGISTER")
        challenge = parseChallenges(asked.headers.getLines("WWW-Authenticate"))[0]
        self.lab.stepClock(3600)  # no nonce ages by that
        answer = Answering(challenge, "bob", "builder", "c").answer("REGISTER", "sip:192.0.2.10")
        with_ |= {"Authorization": str(answer), "Expires": "600", "CSeq": "7 REGISTER"}
        ask.ask("REGISTER", uri="sip:192.0.2.10", with_=with_)
        self.bob.response("200 REGISTER")
        self.granted = self.lab.reactor.seconds()

    def bobIsHere(self) -> bool:
        """Is a binding of his in force?"""
        registrar = self.lab.application.exchange.relations.registrar
        assert registrar is not None
        return bool(registrar.bindings("bob"))

    def test_life_007_registrationsGoOn(self) -> None:
        """Ours is refreshed when its time has come, a phone's lasts as long as it was granted."""
        self.grant()
        self.registerBob()
        for step in (3600, -7200, -3600):
            self.lab.stepClock(step)
            self.lab.advance(100.0)
            self.assertTrue(self.bobIsHere(), step)
            self.assertEqual(len(self.trunk.labels("REGISTER")), 1)
        self.lab.stepClock(-1e6)
        self.grant(within=298.0)
        self.lab.advance(self.granted + 598.0 - self.lab.reactor.seconds())
        self.assertTrue(self.bobIsHere())
        self.lab.advance(4.0)
        self.assertFalse(self.bobIsHere())
        for trunk in self.lab.application.exchange.relations.trunking.trunks.values():
            trunk.abandon()
        self.assertStillWell()

    def grant(self, within: float = 0.5) -> None:
        """The next REGISTER of ours gets its 600 s."""
        asked = self.trunk.request("REGISTER", within)
        contact = asked.header("Contact")
        self.trunk.reply(asked, 200, tag="r", with_={"Contact": f"{contact};expires=600"})
