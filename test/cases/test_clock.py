"""Clocks that step, and a machine that stands still (cases life-007 and 008)."""

from __future__ import annotations

import re
import time
from pathlib import Path

import doug
from doug.events import (
    CallEndedEvent,
    MediaRecordDoneEvent,
    MediaRecordRemoteClosedEvent,
    TimeoutEvent,
)
from doug.testing.ear import readSound
from test.cases.case import FieldCase
from test.cases.media import assertGapless, loud


class ClockCases(FieldCase):
    """Wall clocks that step, and machines that stand still."""

    def test_life_007_theWallClockSteps(self) -> None:
        """Timers, packets and durations do not know it."""
        call = self.answered()
        app, real = self.app, time.time
        app.leg.mediaPlay(self.soundFile(31.0))
        app.setTimer(30)
        self.lab.advance(0.1)
        self.patch(time, "time", lambda: real() + 3600)
        packets = self.alice.media.during(20.0)
        self.assertEqual(app.got(TimeoutEvent), [])
        self.patch(time, "time", lambda: real() - 3600)
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
        """But what people read: names of files, the demo's time, log lines."""
        root = Path(doug.__file__).parent
        found = []
        for path in (*root.rglob("*.py"), *(root.parent / "shtoom").rglob("*.py")):
            text = path.read_text()
            if re.search(r"\btime\.time\(|\bfrom time import .*\btime\b|\.now\(|utcnow", text):
                found.append(path.name)
        self.assertEqual(sorted(found), ["app.py", "spool.py"])
