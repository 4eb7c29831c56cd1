"""Files that calls play and record (cases files-001 to 005), in whole calls."""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
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
from shtoom.media import convert
from test.cases.case import FieldCase
from test.cases.media import assertGapless, loud, sound
from test.support.rights import asNobody
from test.support.wavfile import FLOAT, ULAW, chunk, coded, extensible, fmt, level, riff, tone, wav

TONE = tone(440, 1.0, 8000)
HEAD, DATA = chunk(b"fmt ", fmt(1, 8000, 1, 16)), chunk(b"data", coded(TONE, 1, 16))
NOISE = os.urandom(601)
PLAYED = {  # name: file
    "JUNK before fmt": riff(chunk(b"JUNK", bytes(28)), HEAD, DATA),
    "LIST before data": riff(HEAD, chunk(b"LIST", NOISE), DATA),
    "fmt of 18": riff(chunk(b"fmt ", fmt(1, 8000, 1, 16) + bytes(2)), DATA),
    "extensible": riff(chunk(b"fmt ", extensible(1, 8000, 1, 16)), DATA),
    "odd bext, LIST behind": riff(chunk(b"bext", NOISE), HEAD, DATA, chunk(b"LIST", NOISE)),
}
OTHERS = {
    "44.1 kHz stereo": wav(np.stack([tone(440, 1.0, 44100)] * 2, 1), 44100),
    "48 kHz 24 bit": wav(tone(440, 1.0, 48000), 48000, bits=24),
    "8 bit": wav(TONE, bits=8),
    "mu-law": wav(TONE, tag=ULAW, bits=8),
    "16 kHz float": wav(tone(440, 1.0, 16000), 16000, FLOAT, 32),
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

    def test_files_002_theHeaderSaysHowLongItIs(self) -> None:
        """Bytes a second are rate times block, in a recording of one side and of two."""
        call = self.answered()
        paths = self.folder / "one.wav", self.folder / "two.wav"
        self.app.leg.mediaRecord(paths[0])
        dialled = self.app.placeCall("sip:200@203.0.113.30")
        self.lab.advance(0.0)
        other = self.trunk.takes(self.trunk.request("INVITE"))
        other.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.app.connectLegs(self.app.leg, dialled).mediaRecord(paths[1])
        self.lab.advance(1.0)
        self.hangUp(call)
        self.hangUp(other)
        self.lab.advance(0.1)
        for path, channels in zip(paths, (1, 2), strict=True):
            header = path.read_bytes()[:44]
            fields = struct.unpack("<HHIIHH", header[20:36])
            self.assertEqual(fields, (1, channels, 8000, 16000 * channels, 2 * channels, 16))
            size = path.stat().st_size
            self.assertEqual(int.from_bytes(header[4:8], "little"), size - 8)
            self.assertEqual(int.from_bytes(header[40:44], "little"), size - 44)
            self.assertGreater(size, 44 + 15000 * channels)
        self.assertStillWell()

    def test_files_003_whatPlays(self) -> None:
        """Chunks by their sizes: a second of 440 Hz, no noise."""
        self.plays(PLAYED)

    def test_files_004_otherRatesAndCodings(self) -> None:
        """A second of 440 Hz at the right pitch, length and level."""
        self.plays(OTHERS)

    def test_files_004_aLongCompressedFile(self) -> None:
        """Converted for the first call that plays it; others find that, and nothing is left."""
        if convert.missing("flac") is not None:
            self.skipTest("nothing here converts FLAC")
        path = self.folder / "song.flac"
        convert.fromWav(self.soundFile(70.0), str(path))
        for _ in range(2):
            call = self.answered()
            self.alice.media.packets.clear()
            self.app.leg.mediaPlay(path)
            self.lab.advance(2.0)
            self.assertGreater(toneShare(loud(sound(self.alice.media.packets)), 440), 0.97)
            self.hangUp(call)
            self.patch(convert, "WHEEL", "no_such_module")
            self.patch(convert, "PROGRAM", "no-such-program")
        self.assertStillWell()

    def plays(self, files: Mapping[str, bytes]) -> None:
        """In a call, each of them: it ends well and sounds as it should."""
        call = self.answered()
        for name, data in files.items():
            path = self.folder / f"{name}.wav"
            path.write_bytes(data)
            self.alice.media.packets.clear()
            self.app.leg.mediaPlay(path)
            self.lab.advance(1.5)
            self.assertIs(type(self.app.events[-1]), MediaPlayContentDoneEvent, name)
            heard = loud(sound(self.alice.media.packets))
            self.assertNear(len(heard) / 8000, 1.0, 0.03)
            self.assertGreater(toneShare(heard, 440), 0.97, name)
            self.assertNear(level(heard), 0.5, 0.05)
        self.hangUp(call)
        self.assertStillWell()

    def test_files_003_whatDoesNot(self) -> None:
        """MediaPlayContentFailedEvent names the file; what is queued with it is heard."""
        self.patch(convert, "WHEEL", "no_such_module")
        self.patch(convert, "PROGRAM", "no-such-program")
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

    def recordTo(
        self,
        dest: object,
        kind: type[MediaRecordDoneEvent],
        rights: AbstractContextManager[None] | None = None,
    ) -> str:
        """Records 3 s to what fails; the call's own sound has no gap. The event's reason."""
        call = self.answered()
        self.app.leg.mediaPlay(self.soundFile(4.0))
        with rights or nullcontext():
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
        path = self.folder.absolute() / "r.wav"
        self.folder.chmod(0o500)
        self.addCleanup(self.folder.chmod, 0o700)
        reason = self.recordTo(path, MediaRecordFailedEvent, asNobody())
        self.assertIn(str(path), reason)
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

    def test_files_005_aHundredCallsOnAFullDisk(self) -> None:
        """An event and a log line for each, the sound of all without gaps."""
        path = self.folder / "r.raw"
        path.symlink_to("/dev/full")
        calls = []
        prompt = self.soundFile(2.0)
        for _ in range(100):
            call = self.answered()
            self.app.leg.mediaPlay(prompt)
            self.app.leg.mediaRecord(path)
            calls.append(call)
        self.lab.advance(0.8)
        packets = defaultdict(list)
        for packet in self.alice.media.packets:
            packets[packet.source].append(packet)
        for call in calls:
            assertGapless(packets[call.media])
        for app in self.desk:
            self.assertEqual(len(app.got(MediaRecordStoreFailedEvent)), 1)
        self.assertEqual(len([t for t in self.logged if "recording failed" in t]), 100)
        for call in calls:
            self.hangUp(call)
        self.assertStillWell()
