"""Files that calls play and record (cases files-001, 003, 005), in whole calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path

import numpy as np

from doug.events import (
    MediaPlayContentDoneEvent,
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
    MediaRecordDoneEvent,
    MediaRecordFailedEvent,
    MediaRecordRemoteClosedEvent,
    MediaRecordStoreFailedEvent,
)
from doug.testing.ear import readSound
from doug.testing.hearing import toneShare
from test.cases.case import FieldCase
from test.cases.media import assertGapless, loud, sound
from test.support.wavfile import ULAW, chunk, coded, extensible, fmt, riff, tone, wav

TONE = tone(440, 1.0, 8000)
HEAD, DATA = chunk(b"fmt ", fmt(1, 8000, 1, 16)), chunk(b"data", coded(TONE, 1, 16))
NOISE = os.urandom(601)
PLAYED = {  # name: file
    "JUNK before fmt": riff(chunk(b"JUNK", bytes(28)), HEAD, DATA),
    "LIST before data": riff(HEAD, chunk(b"LIST", NOISE), DATA),
    "fmt of 18": riff(chunk(b"fmt ", fmt(1, 8000, 1, 16) + bytes(2)), DATA),
    "extensible": riff(chunk(b"fmt ", extensible(1, 8000, 1, 16)), DATA),
    "odd bext, LIST behind": riff(chunk(b"bext", NOISE), HEAD, DATA, chunk(b"LIST", NOISE)),
    "44.1 kHz stereo": wav(np.stack([tone(440, 1.0, 44100)] * 2, 1), 44100),
    "48 kHz 24 bit": wav(tone(440, 1.0, 48000), 48000, bits=24),
    "8 bit": wav(TONE, bits=8),
    "mu-law": wav(TONE, tag=ULAW, bits=8),
}
FAILED = {
    "no data.wav": riff(HEAD),
    "mp3.wav": b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00" + bytes(1000),
    "empty.wav": b"",
    "cut.wav": b"RIFF\xff\xff\xff\xffWAVEfmt ",
}


class FullDisk:
    """A file-like that takes `room` bytes, then raises. closings: of close()."""

    def __init__(self, room: int, error: Callable[[], Exception]) -> None:
        self.room, self.error, self.closings = room, error, 0
        self.taken = b""

    def write(self, data: bytes) -> None:
        """Some."""
        if len(self.taken) + len(data) > self.room:
            raise self.error()
        self.taken += data

    def close(self) -> None:
        """Once."""
        self.closings += 1


class FileCases(FieldCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def test_files_001_theFileIsReadableAllTheTime(self) -> None:
        """A copy taken while it records, at any moment, has all but the last second."""
        call = self.answered()
        path = self.folder / "r.wav"
        self.app.leg.mediaRecord(path)
        self.alice.media.say(call.media, count=400)
        for second in range(1, 8):
            self.lab.advance(1.0)
            copy = self.folder / "copy.wav"
            copy.write_bytes(path.read_bytes())
            self.assertGreater(len(readSound(copy)) / 8000, second - 1.0)
        self.hangUp(call)
        self.lab.advance(0.1)
        (done,) = self.app.got(MediaRecordDoneEvent)
        self.assertIs(type(done), MediaRecordRemoteClosedEvent)
        recorded = readSound(path)
        self.assertNear(len(recorded) / 8000, done.duration, 0.021)
        self.assertGreater(len(loud(recorded)) / 8000, 6.8)
        self.assertStillWell()

    def test_files_003_whatPlays(self) -> None:
        """Chunks by their sizes, other rates and widths: a second of 440 Hz, no noise."""
        call = self.answered()
        for name, data in PLAYED.items():
            path = self.folder / f"{name}.wav"
            path.write_bytes(data)
            self.alice.media.packets.clear()
            self.app.leg.mediaPlay(path)
            self.lab.advance(1.5)
            self.assertIs(type(self.app.events[-1]), MediaPlayContentDoneEvent, name)
            heard = loud(sound(self.alice.media.packets))
            self.assertNear(len(heard) / 8000, 1.0, 0.03)
            self.assertGreater(toneShare(heard, 440), 0.97, name)
        self.hangUp(call)
        self.assertStillWell()

    def test_files_003_whatDoesNot(self) -> None:
        """MediaPlayContentFailedEvent names the file; what is queued with it is heard."""
        call = self.answered()
        good = self.soundFile(0.4)
        for name, data in FAILED.items():
            path = self.folder / name
            path.write_bytes(data)
            self.alice.media.packets.clear()
            self.app.leg.mediaPlay([path, good])
            self.lab.advance(0.6)
            event = self.app.events[-1]
            assert isinstance(event, MediaPlayContentFailedEvent), (name, event)
            self.assertIn(name, event.reason)
            self.assertEqual([item for item, _ in event.failed], [path])
            self.assertGreater(len(loud(sound(self.alice.media.packets))) / 8000, 0.38)
        self.assertEqual(len(self.app.got(MediaPlayDoneEvent)), len(FAILED))
        self.hangUp(call)
        self.assertStillWell()

    def recordTo(self, dest: object, kind: type[MediaRecordDoneEvent]) -> str:
        """Records 3 s to what fails; the call's own sound has no gap. The event's reason."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(4.0))
        self.app.leg.mediaRecord(dest)
        self.alice.media.say(call.media, count=150)
        self.lab.advance(0.1)
        packets = self.alice.media.during(3.0)
        assertGapless(packets)
        self.assertEqual(len(packets), 150)
        (event,) = self.app.got(MediaRecordDoneEvent)
        self.assertIs(type(event), kind)
        self.assertEqual(len([t for t in self.logged if "recording failed" in t]), 1)
        self.hangUp(call)
        self.assertOneEnd(self.app)
        return str(event.reason)  # type: ignore[attr-defined]

    def test_files_005_aDirectoryThatDoesNotExist(self) -> None:
        """MediaRecordFailedEvent with the path and the system's words."""
        path = self.folder / "nowhere" / "r.wav"
        reason = self.recordTo(path, MediaRecordFailedEvent)
        self.assertIn(str(path), reason)
        self.assertIn("No such file or directory", reason)
        self.assertStillWell()

    def test_files_005_aDirectoryWithoutRights(self) -> None:
        """MediaRecordFailedEvent with the path and 'Permission denied'."""
        if not os.geteuid():
            self.skipTest("root may write everywhere")
        self.folder.chmod(0o500)
        self.addCleanup(self.folder.chmod, 0o700)
        reason = self.recordTo(self.folder / "r.wav", MediaRecordFailedEvent)
        self.assertIn(str(self.folder / "r.wav"), reason)
        self.assertIn("Permission denied", reason)
        self.assertStillWell()

    def test_files_005_aFullDisk(self) -> None:
        """MediaRecordStoreFailedEvent with path, bytes kept and 'No space left'."""
        path = self.folder / "r.raw"
        path.symlink_to("/dev/full")
        reason = self.recordTo(path, MediaRecordStoreFailedEvent)
        self.assertIn(str(path), reason)
        self.assertIn("No space left on device", reason)
        self.assertRegex(reason, "[0-9]+ bytes")
        self.assertStillWell()

    def test_files_005_aFileLikeThatRaises(self) -> None:
        """MediaRecordStoreFailedEvent with that exception; close() was called once."""
        for error, words in (
            (lambda: RuntimeError("quota"), "quota"),
            (lambda: OSError(ENOSPC, os.strerror(ENOSPC)), "No space left on device"),
        ):
            self.logged.clear()
            dest = FullDisk(20000, error)
            self.assertIn(words, self.recordTo(dest, MediaRecordStoreFailedEvent))
            self.assertEqual(dest.closings, 1)
            self.assertGreater(len(dest.taken), 8000)
        self.assertStillWell()

    def test_files_005_aDiskThatIsFullAtTheEnd(self) -> None:
        """Found out when the call is over: the event comes before its end all the same."""
        call = self.answered()
        self.app.leg.mediaRecord(FullDisk(0, lambda: OSError(ENOSPC, os.strerror(ENOSPC))))
        self.alice.media.say(call.media, count=10)
        self.lab.advance(0.1)
        self.hangUp(call)
        self.lab.advance(0.1)
        names = self.app.names
        self.assertIn("MediaRecordStoreFailedEvent", names)
        self.assertEqual(names.count("CallEndedEvent"), 1)
        self.assertStillWell()

    def test_files_005_tenCallsOnAFullDisk(self) -> None:
        """An event and a log line for each, the sound of all without gaps."""
        path = self.folder / "r.raw"
        path.symlink_to("/dev/full")
        calls = []
        prompt = self.soundFile(2.0)
        for _ in range(10):
            call = self.answered()
            self.app.leg.mediaPlay(prompt)
            self.app.leg.mediaRecord(path)
            calls.append(call)
        self.lab.advance(1.2)
        packets = self.alice.media.packets
        for source in {call.media for call in calls}:
            assertGapless([packet for packet in packets if packet.source == source])
        for app in self.desk:
            self.assertEqual(len(app.got(MediaRecordStoreFailedEvent)), 1)
        self.assertEqual(len([t for t in self.logged if "recording failed" in t]), 10)
        for call in calls:
            self.hangUp(call)
        self.assertStillWell()
