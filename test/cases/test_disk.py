"""Disks that are full or do not answer, while calls record to them (cases files-001 and 005)."""

from __future__ import annotations

import io
import os
from errno import ENOSPC
from pathlib import Path

from doug.events import (
    CallEndedEvent,
    MediaRecordDoneEvent,
    MediaRecordFailedEvent,
    MediaRecordRemoteClosedEvent,
    MediaRecordStoreFailedEvent,
    MediaRecordTimeoutExceededEvent,
)
from doug.settings import Settings
from doug.testing.ear import readSound
from shtoom.media.writers import PATIENCE
from test.cases.actor import Dialogue
from test.cases.case import FieldCase
from test.cases.media import assertGapless, jumps, loud, sound
from test.support.threads import HeldThreads

SIZES = (
    *(0, 10, 43, 44, 45, 46, 47, 1000, 8043, 8044, 8045, 8100),
    *(16043, 16044, 16045, 20001, 24043, 24044, 30000, 40001),
)  # bytes that a disk has left: 20 of them


class SmallDisk(io.BytesIO):
    """A file that grows to `room` bytes, as on a disk that has no more. closings: of close().

    kept: all that was in it at its end.
    """

    def __init__(self, name: str, room: int) -> None:
        super().__init__()
        self.name, self.room, self.closings = name, room, 0
        self.kept = b""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """As much as fits; ENOSPC if nothing does."""
        fitting = data[: self.room - self.tell()]
        if data and not fitting:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        return super().write(fitting)

    def close(self) -> None:
        """What is in it is kept."""
        self.closings += 1
        self.kept = self.getvalue()
        super().close()


class QuotaCases(FieldCase):
    """--max-recording."""

    settings = Settings(maxRecording=2.0)

    def test_aRecordingWithoutLimitHasTheServers(self) -> None:
        """Two seconds are kept; the event is that of a time that is over, the log says why."""
        path = Path(self.mktemp() + ".wav")
        call = self.answered()
        self.app.leg.mediaRecord(path)
        self.alice.media.say(call.media, count=200)
        self.lab.advance(3.0)
        (event,) = self.app.got(MediaRecordDoneEvent)
        self.assertIs(type(event), MediaRecordTimeoutExceededEvent)
        self.assertEqual(len(readSound(path)), 16000)
        self.assertLogged("recording ended after 2 s, as long as one may last .--max-recording.")
        self.hangUp(call)
        self.assertStillWell()


class DiskCases(FieldCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "r.wav"

    def recording(self) -> Dialogue:
        """A call that plays a prompt of 30 s and records alice, who speaks as long."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(30.0))
        self.app.leg.mediaRecord(self.path)
        self.alice.media.say(call.media, count=1500)
        self.lab.advance(1.0)
        return call

    def stalled(self, disk: float, seconds: float) -> None:
        """The disk stands still for `disk` seconds; the call's own packets come each 20 ms."""
        self.lab.reactor.stallThreads(disk)
        packets = self.alice.media.during(seconds)
        assertGapless(packets)
        self.assertEqual(len(packets), round(seconds * 50))

    def test_files_005_aDiskThatStallsASecond(self) -> None:
        """No gap in the sound of the call, nothing of the recording lost."""
        call = self.recording()
        self.stalled(1.0, 3.0)
        self.hangUp(call)
        self.lab.advance(0.1)
        (done,) = self.app.got(MediaRecordDoneEvent)
        self.assertIs(type(done), MediaRecordRemoteClosedEvent)
        self.assertNear(len(readSound(self.path)) / 8000, done.duration, 0.021)
        self.assertNear(len(loud(readSound(self.path))) / 8000, 4.0, 0.1)
        self.assertStillWell()

    def test_files_005_aPromptThatIsReadOnTheWay(self) -> None:
        """One of more than a minute, from a disk that stalls for three seconds: no gap, no cut."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(70.0))
        self.lab.advance(1.0)
        for _ in range(3):
            self.lab.reactor.stallThreads(3.0)
            packets = self.alice.media.during(6.0)
            assertGapless(packets)
            self.assertEqual((len(packets), jumps(sound(packets), 440)), (300, 0))
        self.hangUp(call)
        self.assertStillWell()

    def test_files_005_aDiskThatStallsForThree(self) -> None:
        """Beyond two the recording ends with its event; what was heard until then is kept."""
        call = self.recording()
        self.stalled(3.0, 4.0)
        (failed,) = self.app.got(MediaRecordDoneEvent)
        assert isinstance(failed, MediaRecordStoreFailedEvent)
        self.assertIn(f"{self.path.absolute()}: the disk is too slow", str(failed.reason))
        self.assertNear(len(loud(readSound(self.path))) / 8000, 3.0, 0.6)
        self.assertNear(len(readSound(self.path)) / 8000, failed.duration, 0.021)
        self.assertNotIn("CallEndedEvent", self.app.names)
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_files_005_aDiskThatNeverAnswers(self) -> None:
        """The event does not wait for it for ever; nor does the end of the call."""
        call = self.recording()
        self.stalled(3600.0, 3.0 + PATIENCE)
        (failed,) = self.app.got(MediaRecordDoneEvent)
        assert isinstance(failed, MediaRecordStoreFailedEvent)
        self.assertIn("the disk is too slow", str(failed.reason))
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.lab.advance(3600.0)
        self.assertStillWell()

    def test_files_005_aDeadDiskHoldsUpNothingElse(self) -> None:
        """Its threads are no others': a prompt that must be read first is heard."""
        dead = HeldThreads()
        self.lab.application.exchange.disk.alone = dead.deferToThread
        calls = []
        for _ in range(20):
            calls.append(self.answered())
            self.app.leg.mediaRecord(self.path)
        self.alice.media.packets.clear()
        self.app.leg.mediaPlay(self.soundFile(0.5))
        self.lab.advance(0.7)
        heard = [p for p in self.alice.media.packets if p.source == calls[-1].media]
        self.assertNear(len(loud(sound(heard))) / 8000, 0.5, 0.03)
        self.assertEqual(len(dead.waiting), 20)
        for call in calls:
            self.hangUp(call)
        self.lab.advance(PATIENCE)
        for app in self.desk:
            self.assertOneEnd(app)

    def test_files_005_aRecordingThatEndsOnADeadDisk(self) -> None:
        """A key ends it, the disk takes nothing more: told after PATIENCE, with the reason."""
        call = self.answered()
        self.app.leg.mediaRecord(self.path, maxDuration=2.0)
        self.alice.media.say(call.media, count=200)
        self.lab.advance(1.5)
        self.lab.reactor.stallThreads(3600.0)
        self.lab.advance(0.6 + PATIENCE - 0.2)
        self.assertEqual(self.app.got(MediaRecordDoneEvent), [])
        self.lab.advance(0.2)
        (failed,) = self.app.got(MediaRecordDoneEvent)
        assert isinstance(failed, MediaRecordStoreFailedEvent)
        self.assertRegex(str(failed.reason), "r.wav: the disk has not taken all of it 5 s after")
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.lab.advance(3600.0)
        self.assertEqual(len(self.app.got(MediaRecordDoneEvent)), 1)
        self.assertStillWell()

    def test_files_005_aSuspendIsNotTheDisks(self) -> None:
        """Disk and process stand still for ten minutes while a recording, or its call, ends."""
        for longest, how in (
            (2.0, MediaRecordTimeoutExceededEvent),
            (9.0, MediaRecordRemoteClosedEvent),
        ):
            call = self.answered()
            self.app.leg.mediaRecord(self.path, maxDuration=longest)
            self.alice.media.say(call.media, count=100)
            self.lab.advance(1.9)
            self.lab.reactor.stallThreads(603.0)
            self.lab.advance(0.2)
            if longest > 2.0:
                self.hangUp(call)
            self.lab.advance(1.0)
            self.lab.reactor.stall(600.0)
            self.lab.advance(1.0)
            self.assertEqual(self.app.got(MediaRecordDoneEvent), [])
            self.lab.advance(1.0)
            (done,) = self.app.got(MediaRecordDoneEvent)
            self.assertIs(type(done), how)
            if longest == 2.0:
                self.hangUp(call)
            self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_files_005_aCallThatEndsOnADeadDisk(self) -> None:
        """It ends after PATIENCE, and its recording with MediaRecordStoreFailedEvent."""
        call = self.recording()
        self.stalled(3600.0, 1.0)
        self.hangUp(call)
        self.lab.advance(PATIENCE - 0.1)
        self.assertEqual(self.app.got(CallEndedEvent), [])
        self.lab.advance(0.2)
        (failed,) = self.app.got(MediaRecordDoneEvent)
        self.assertIs(type(failed), MediaRecordStoreFailedEvent)
        self.assertOneEnd(self.app)
        self.lab.advance(3600.0)
        self.assertStillWell()

    def test_files_001_theVerdictNamesWhatWasNotRecorded(self) -> None:
        """Whether the disk was full on the way, at the end, or when nobody wanted to hear of it."""
        for room, seconds, ours in ((10, 0.5, False), (9000, 2.0, False), (9000, 0.7, True)):
            call = self.answered()
            disk = SmallDisk(f"disk {room}.wav", room)
            self.app.leg.mediaRecord(disk)
            self.alice.media.say(call.media, count=200)
            self.lab.advance(seconds)
            if ours:
                self.app.leg.hangupCall()
                self.alice.reply(self.alice.request("BYE"), 200)
            else:
                self.hangUp(call)
            self.lab.advance(0.2)
            (ended,) = self.app.got(CallEndedEvent)
            found = [finding for finding in ended.verdict if finding.rule == "not-recorded"]
            self.assertEqual(len(found), 1, (room, ours))
            self.assertRegex(found[0].text, f"disk {room}.wav: cannot be .*: No space left on")
            self.assertEqual(len([t for t in self.logged if "recording failed" in t]), 1)
            self.assertLogged(f"ended after .*not recorded to its end: disk {room}.wav")
            self.logged.clear()
        self.assertStillWell()

    def test_files_005_twentyCallsOnDisksThatFillUp(self) -> None:
        """At any byte: an event with name and errno's text, a WAV of all that fitted, no gap."""
        prompt = self.soundFile(5.0)
        calls, disks = [], [SmallDisk(f"disk {size}.wav", size) for size in SIZES]
        self.assertEqual(len(set(SIZES)), 20)
        for disk in disks:
            calls.append(self.answered())
            self.app.leg.mediaPlay(prompt)
            self.app.leg.mediaRecord(disk)
            self.alice.media.say(calls[-1].media, count=200)
        packets = self.alice.media.during(4.0)
        for call in calls:
            assertGapless([packet for packet in packets if packet.source == call.media])
        for app, disk in zip(self.desk, disks, strict=True):
            (event,) = app.got(MediaRecordDoneEvent)
            kind = MediaRecordStoreFailedEvent if disk.room >= 44 else MediaRecordFailedEvent
            self.assertIs(type(event), kind, disk.name)
            reason = str(event.reason)  # type: ignore[attr-defined]
            self.assertRegex(reason, f"^{disk.name}: cannot be .*: No space left on device")
            self.assertEqual(disk.closings, 1)
            self.assertEqual(len(disk.kept), disk.room)
            if disk.room >= 44:
                claimed = int.from_bytes(disk.kept[40:44], "little")
                self.assertEqual(claimed, (disk.room - 44) // 2 * 2, disk.name)
        self.assertEqual(len([t for t in self.logged if "recording failed" in t]), 20)
        for call in calls:
            self.hangUp(call)
        self.assertStillWell()
