"""doug.recorder: what is recorded, how it ends (contract sections 3 and 5, mediaRecord)."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.events import MediaRecordRemoteClosedEvent
from doug.recorder import Limits, isQuiet
from doug.source import FileSource, Source
from shtoom.audio.tones import sine
from shtoom.media.files import openReader
from test.doug.sounds import SoundHost

TONE = sine(440, 0.02).tobytes()
DONE, TIMEOUT = "MediaRecordDoneEvent", "MediaRecordTimeoutExceededEvent"


class Ear(Source):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed = 0

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        self.closed += 1


class FullDisk(io.BytesIO):
    """Takes nothing."""

    closes = 0

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        self.closes += 1


class RecorderTestCase(SynchronousTestCase):
    """A recorder that hears a beat every 20 ms."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.host = SoundHost(str(folder))
        self.recorder = self.host.recorder
        self.path = folder / "r.wav"

    def settle(self) -> None:
        """Lets threads do their part."""
        for _ in range(5):
            self.host.reactor.advance(0)

    def record(self, dest: object, beep: bool = False, **limits: object) -> None:
        self.recorder.record(dest, Limits(**limits), beep)  # type: ignore[arg-type]

    def seconds(self) -> float:
        with openReader(self.path) as reader:
            return len(reader.read()) / 8000


class FileTests(RecorderTestCase):
    """Recording to a file."""

    def test_oneFrameABeatFromTheBeatAfterTheCall(self) -> None:
        """Silence for what is missing: the file is as long as the time that passed."""
        self.record(self.path)
        self.host.beats(10, TONE)
        self.host.beats(5)
        self.recorder.stop()
        self.settle()
        with openReader(self.path) as reader:
            self.assertEqual(reader.read().tobytes(), TONE * 10 + bytes(320) * 5)

    def test_maxDurationEndsIt(self) -> None:
        """With MediaRecordTimeoutExceededEvent, after so much sound to the frame."""
        self.record(str(self.path), maxDuration=0.5)
        self.host.beats(30, TONE)
        self.settle()
        self.assertEqual(self.host.ended, [(str(self.path), TIMEOUT)])
        self.assertEqual((self.host.records[0].duration, self.seconds()), (0.5, 0.5))

    def test_theServersLimitEndsItToo(self) -> None:
        """Only where the application's is longer, or none; a Source is no file and has none."""
        self.host.maxRecording = 0.5
        for wish, seconds in ((None, 0.5), (0.3, 0.3), (9.0, 0.5)):
            self.host.ended.clear()
            self.record(str(self.path), maxDuration=wish)
            self.host.beats(40, TONE)
            self.settle()
            self.assertEqual(self.host.names(), [TIMEOUT])
            self.assertAlmostEqual(self.seconds(), seconds, 6)
        self.record(Ear())
        self.host.beats(40, TONE)
        self.assertTrue(self.recorder.recording)

    def test_silenceEndsIt(self) -> None:
        """maxSilence in one piece; speech begins it anew; a noisy line is silent too."""
        noise = sine(100, 0.02, 0.005).tobytes()
        self.record(self.path, maxSilence=0.2)
        self.host.beats(9, noise)
        self.host.beats(3, TONE)
        self.host.beats(5)
        self.host.beats(4, noise)
        self.assertTrue(self.recorder.recording)
        self.host.beats(1)
        self.settle()
        self.assertEqual(self.host.names(), [DONE])
        self.assertEqual(self.seconds(), 22 * 0.02)

    def test_terminatorEndsItAndMeansNothingElse(self) -> None:
        """keyPressed() says whether the key was meant for the recording."""
        self.record(self.path, terminators="#*")
        self.host.beats(5, TONE)
        self.assertFalse(self.recorder.keyPressed("1"))
        self.assertTrue(self.recorder.keyPressed("#"))
        self.assertFalse(self.recorder.keyPressed("#"))
        self.settle()
        self.assertEqual(self.host.names(), [DONE])

    def test_eventComesWhenTheFileIsComplete(self) -> None:
        """So that the application may play it at once."""
        self.record(self.path, terminators="#")
        self.host.beats(40, TONE)
        self.recorder.keyPressed("#")
        self.assertEqual(self.host.ended, [])
        self.assertFalse(self.recorder.recording)
        self.settle()
        self.assertEqual(self.host.names(), [DONE])
        self.assertEqual(self.seconds(), 0.8)

    def test_secondFileEndsTheFirst(self) -> None:
        """One file at a time; the first ends with MediaRecordDoneEvent."""
        other = io.BytesIO()
        self.record(self.path)
        self.host.beats(3, TONE)
        self.record(other)
        self.settle()
        self.assertEqual(self.host.ended, [(self.path, DONE)])
        self.assertTrue(self.recorder.recording)

    def test_stopIsSilent(self) -> None:
        """No event, not even for one that is just being closed; the file is complete."""
        self.record(self.path, terminators="#")
        self.host.beats(5, TONE)
        self.recorder.keyPressed("#")
        self.recorder.stop()
        self.settle()
        self.assertEqual(self.host.ended, [])
        self.assertEqual(self.seconds(), 0.1)

    def test_beepComesBeforeIt(self) -> None:
        """The tone is played first, the recording has none of it, and no event of its own."""
        self.record(self.path, beep=True, maxDuration=0.1)
        self.assertTrue(self.recorder.recording)
        heard = self.host.beats(40, TONE)
        self.assertEqual(len(heard), 2000)
        self.settle()
        self.assertEqual(self.host.names(), [TIMEOUT])
        self.assertEqual(self.seconds(), 0.1)


class FailureTests(RecorderTestCase):
    """What cannot be stored."""

    def test_folderThatDoesNotExist(self) -> None:
        """MediaRecordFailedEvent with the path and the system's words."""
        self.record("/nowhere/at/all.wav")
        self.settle()
        self.assertEqual(self.host.names(), ["MediaRecordFailedEvent"])
        self.assertIn("/nowhere/at/all.wav", self.host.records[0].reason)
        self.assertIn("No such file", self.host.records[0].reason)

    def test_suffixThatCannotBeWritten(self) -> None:
        """As one that cannot be opened; the reason names it."""
        self.record("message.doc")
        self.settle()
        self.assertEqual(self.host.names(), ["MediaRecordFailedEvent"])
        self.assertIn("a .doc file", self.host.records[0].reason)

    def test_fullDiskEndsTheRecordingWithinASecond(self) -> None:
        """MediaRecordStoreFailedEvent; the file is closed once."""
        disk = FullDisk()
        self.record(disk)
        self.host.beats(50, TONE)
        self.settle()
        self.assertEqual(self.host.names(), ["MediaRecordStoreFailedEvent"])
        self.assertIn("No space left", self.host.records[0].reason)
        self.assertEqual(disk.closes, 1)

    def test_diskFullAtTheEnd(self) -> None:
        """What fails while the file is being closed is told, whatever ended it."""
        self.record(FullDisk(), terminators="#")
        self.host.beats(5, TONE)
        self.recorder.keyPressed("#")
        self.settle()
        self.assertEqual(self.host.names(), ["MediaRecordStoreFailedEvent"])

    def test_wrongDestIsRefused(self) -> None:
        """TypeError names what was given, ValueError what is out of range."""
        error = self.assertRaises(TypeError, self.record, 7)
        self.assertIn("7", str(error))
        self.assertRaises(ValueError, Limits, maxDuration=0)
        self.assertRaises(ValueError, Limits, maxSilence=-1)
        self.assertRaises(ValueError, Limits, terminators="x")
        self.assertFalse(self.recorder.recording)


class SourceTests(RecorderTestCase):
    """Recording to a Source (contract section 7)."""

    def test_eachFrameIsWritten(self) -> None:
        """320 bytes a beat; stop closes it once."""
        ear = Ear()
        self.record(ear)
        self.host.beats(3, TONE)
        self.assertTrue(ear.isRecording())
        self.recorder.stop()
        self.assertEqual((ear.frames, ear.closed), ([TONE] * 3, 1))
        self.assertFalse(ear.isRecording())

    def test_fileAndSourceAtOnce(self) -> None:
        """One of each kind; a second Source ends the first alone."""
        first, second = Ear(), Ear()
        self.record(self.path)
        self.record(first)
        self.host.beats(2, TONE)
        self.record(second)
        self.host.beats(2, TONE)
        self.settle()
        self.assertEqual(self.host.ended, [(first, DONE)])
        self.assertEqual((len(first.frames), len(second.frames)), (2, 2))
        self.recorder.stop()
        self.settle()
        self.assertEqual(self.seconds(), 0.08)

    def test_writeThatRaisesEndsIt(self) -> None:
        """With MediaRecordFailedEvent that names Source and error; the file goes on."""

        class Broken(Ear):
            def write(self, frame: bytes) -> None:
                raise RuntimeError("too loud")

        broken = Broken()
        self.record(self.path)
        self.record(broken)
        self.host.beats(2, TONE)
        self.settle()
        self.assertEqual(self.host.ended, [(broken, "MediaRecordFailedEvent")])
        self.assertIn("too loud", self.host.records[0].reason)
        self.assertEqual(broken.closed, 1)
        self.assertTrue(self.recorder.recording)

    def test_sourceDoneEndsBothUses(self) -> None:
        """The recording first, then the play; closed after both (contract section 7)."""
        both = Ear()
        self.host.player.play([both])
        self.record(both)
        self.host.beat()
        self.host.sourceDone(both)
        self.assertEqual(self.host.names(), [DONE, "MediaPlayContentDoneEvent"])
        self.assertEqual(both.closed, 1)

    def test_fileSourceIsWrittenInAThread(self) -> None:
        """As a file: by its name, closed once complete; it counts as the one file."""
        source = FileSource(self.path.open("wb"), "w")
        self.record(source)
        self.host.beats(10, TONE)
        self.assertTrue(source.isRecording())
        self.record(io.BytesIO())
        self.settle()
        self.assertEqual(self.host.ended, [(source, DONE)])
        self.assertEqual(self.seconds(), 0.2)
        self.assertFalse(source.isRecording())


class EndTests(RecorderTestCase):
    """The leg's end."""

    def test_closeReturnsWhatRanAndTellsWhenAllIsComplete(self) -> None:
        """Recordings just being closed are told of before that."""
        told: list[str] = []
        self.record(self.path, terminators="#")
        self.host.beats(5, TONE)
        self.recorder.keyPressed("#")
        other = self.path.with_name("o.wav")
        self.record(other)
        self.host.beats(3, TONE)
        running = self.recorder.close(MediaRecordRemoteClosedEvent)
        self.recorder.whenClosed(lambda: told.append("closed"))
        self.assertEqual(told, [])
        self.settle()
        self.assertEqual(told, ["closed"])
        self.assertEqual(
            [(r.dest, r.how) for r in running], [(other, MediaRecordRemoteClosedEvent)]
        )
        self.assertEqual(self.host.ended, [(self.path, DONE)])
        self.assertEqual(len(self.host.closed), 2)

    def test_withoutRecordingsItIsClosedAtOnce(self) -> None:
        """Nothing waits for a thread then."""
        told: list[str] = []
        self.assertEqual(self.recorder.close(MediaRecordRemoteClosedEvent), ())
        self.recorder.whenClosed(lambda: told.append("closed"))
        self.assertEqual(told, ["closed"])


class QuietTests(SynchronousTestCase):
    """What counts as silence."""

    def test_levels(self) -> None:
        """Up to -42 dB of full scale a frame is silence."""
        self.assertTrue(isQuiet(bytes(320)))
        self.assertTrue(isQuiet(sine(440, 0.02, 0.01).tobytes()))
        self.assertFalse(isQuiet(sine(440, 0.02, 0.02).tobytes()))
