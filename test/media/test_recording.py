"""Recordings: valid at every moment, whole at the end, and what becomes of them on a bad disk."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from shtoom.audio.frames import FRAME_BYTES, toSamples
from shtoom.media.recording import Recording, RecordingFailed
from test.media.pcm import SECOND, frames, readWav, sound
from test.support.threads import HeldThreads, LaterThreads


class WorkingDisk(SynchronousTestCase):
    """A folder, ticks and threads that do what they should."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.threads = LaterThreads()
        self.failures: list[RecordingFailed] = []

    def record(self, dest: Any) -> Recording:
        return Recording(dest, self.threads.deferToThread, self.failures.append)

    def tick(self, recording: Recording, pcm: bytes) -> None:
        """Ticks of 20 ms."""
        for frame in frames(pcm):
            recording.write(frame)
            self.threads.clock.advance(0.02)

    def end(self, recording: Recording) -> None:
        closed = recording.close()
        self.threads.settle()
        self.assertIsNone(self.successResultOf(closed))


class RecordingTests(WorkingDisk):
    """To a path."""

    def test_nothingOfTheEndIsCut(self) -> None:
        """A length that is no multiple of anything comes back to the last sample."""
        pcm = sound(2.777)
        recording = self.record(self.folder / "a.wav")
        self.tick(recording, pcm)
        self.end(recording)
        self.assertEqual(readWav(self.folder / "a.wav"), pcm)
        self.assertApproximates(recording.duration, 2.777, 0.001)
        self.assertEqual(self.failures, [])

    def test_soundOnlyAtTheEndIsKept(self) -> None:
        """write() and close() in one breath, before the file was even opened."""
        recording = self.record(self.folder / "a.wav")
        recording.write(sound(0.02))
        self.end(recording)
        self.assertEqual(readWav(self.folder / "a.wav"), sound(0.02))

    def test_anEmptyRecordingIsAFileAllTheSame(self) -> None:
        """A header and no samples."""
        self.end(self.record(self.folder / "a.wav"))
        self.assertEqual(readWav(self.folder / "a.wav"), b"")

    def test_theSuffixChoosesTheCoding(self) -> None:
        """.raw and .sln as it comes, .ul and .al as G.711, in any case."""
        pcm = sound(0.7)
        for suffix, data in {
            ".raw": pcm,
            ".SLN": pcm,
            ".ul": codecs.find("PCMU").encode(toSamples(pcm)),
            ".al": codecs.find("PCMA").encode(toSamples(pcm)),
        }.items():
            path = self.folder / f"a{suffix}"
            recording = self.record(str(path))
            self.tick(recording, pcm)
            self.end(recording)
            self.assertEqual(path.read_bytes(), data, suffix)

    def test_anUnknownSuffixIsRefusedAtOnce(self) -> None:
        """With the path and what may be."""
        for name, words in (("a.doc", "to a .doc file"), ("a", "without a suffix")):
            error = self.assertRaises(ValueError, self.record, self.folder / name)
            self.assertIn(words, str(error))
            self.assertIn(str(self.folder / name), str(error))
            self.assertIn(".wav, .raw, .sln, .ul, .al", str(error))
        self.assertEqual(self.threads.jobs, 0)

    def test_anOlderFileIsReplaced(self) -> None:
        """Nothing of a longer one shines through."""
        path = self.folder / "a.wav"
        path.write_bytes(b"x" * 50000)
        recording = self.record(path)
        self.tick(recording, sound(0.5))
        self.end(recording)
        self.assertEqual(path.stat().st_size, 44 + 8000)

    def test_twoChannelsAreAWav(self) -> None:
        """Whole, with a header that says so; half a second of both is a piece."""
        path = self.folder / "both.wav"
        recording = Recording(path, self.threads.deferToThread, self.failures.append, channels=2)
        left, right = toSamples(sound(1.3)), toSamples(sound(1.3))[::-1]
        pcm = np.stack([left, right], axis=1).tobytes()
        for at in range(0, len(pcm), 2 * FRAME_BYTES):
            recording.write(pcm[at : at + 2 * FRAME_BYTES])
            self.threads.clock.advance(0.02)
        self.assertAlmostEqual(recording.duration, 1.3, 6)
        self.end(recording)
        with wave.open(str(path)) as file:
            self.assertEqual(file.getparams()[:4], (2, 2, 8000, 10400))
            self.assertEqual(file.readframes(10400), pcm)
        self.assertEqual(self.failures, [])

    def test_twoChannelsAreNothingElse(self) -> None:
        """No other kind says how many it has: ValueError at once."""
        for name in ("a.raw", "a.ul"):
            with self.assertRaisesRegex(ValueError, "2 channels"):
                Recording(
                    self.folder / name, self.threads.deferToThread, self.failures.append, channels=2
                )

    def test_theDiskIsWrittenInPiecesOfHalfASecond(self) -> None:
        """Ten seconds are twenty jobs, and one each to open and close."""
        recording = self.record(self.folder / "a.wav")
        self.tick(recording, sound(10))
        self.end(recording)
        self.assertEqual(self.threads.jobs, 22)

    def test_theHeaderIsTrueEachSecond(self) -> None:
        """After each tick the file is a WAV, at most a second shorter than what came so far."""
        path = self.folder / "a.wav"
        recording = self.record(path)
        self.threads.settle()
        for number, frame in enumerate(frames(sound(3.3)), 1):
            recording.write(frame)
            self.threads.clock.advance(0.02)
            kept = len(readWav(path))
            self.assertGreaterEqual(kept, number * FRAME_BYTES - SECOND)
        self.end(recording)

    def test_closingTwiceIsHarmless(self) -> None:
        """Each close() has its Deferred; what comes after it is ignored."""
        recording = self.record(self.folder / "a.wav")
        first, second = recording.close(), recording.close()
        recording.write(sound(1))
        self.threads.settle()
        for closed in (first, second, recording.close()):
            self.assertIsNone(self.successResultOf(closed))
        self.assertEqual(readWav(self.folder / "a.wav"), b"")

    def test_aDeferToThreadThatIsDoneAtOnceServesToo(self) -> None:
        """Inline, without a turn of the reactor between."""
        recording = Recording(self.folder / "a.wav", execute, self.failures.append)
        for frame in frames(sound(1.3)):
            recording.write(frame)
        self.successResultOf(recording.close())
        self.assertEqual(readWav(self.folder / "a.wav"), sound(1.3))


class OpenFileTests(WorkingDisk):
    """Binary file-likes."""

    def test_anOpenFileGetsPCMAndIsClosedOnce(self) -> None:
        """Only write and close are needed; what write returns does not matter."""

        class Sink:
            def __init__(self) -> None:
                self.data, self.closings = b"", 0

            def write(self, data: bytes) -> None:
                self.data += data

            def close(self) -> None:
                self.closings += 1

        sink = Sink()
        recording = self.record(sink)
        self.tick(recording, sound(1.25))
        self.end(recording)
        self.assertEqual((sink.data, sink.closings), (sound(1.25), 1))

    def test_aFileThatTakesAFewBytesAtATimeGetsThemAll(self) -> None:
        """write() may say how much it took, as raw files do."""
        taken: list[bytes] = []

        class Narrow(io.RawIOBase):
            def write(self, data: Any) -> int:
                taken.append(bytes(data[:999]))
                return len(taken[-1])

        recording = self.record(Narrow())
        self.tick(recording, sound(1.25))
        self.end(recording)
        self.assertEqual(b"".join(taken), sound(1.25))

    def test_anOpenFileWithAWavsNameBecomesAWav(self) -> None:
        """From where it stands, with a header that is renewed."""
        path = self.folder / "a.wav"
        recording = self.record(path.open("wb"))
        self.tick(recording, sound(1.25))
        self.end(recording)
        self.assertEqual(readWav(path), sound(1.25))

    def test_theHeaderIsRenewedAfterTheSoundIsThere(self) -> None:
        """After each single write() of the recording the file is a WAV already."""
        lengths: list[int] = []

        class Watched(io.BytesIO):
            name = "watched.wav"

            def write(self, data: Any) -> int:
                count = super().write(data)
                lengths.append(len(readWav(io.BytesIO(self.getvalue()))))
                return count

        recording = self.record(Watched())
        self.tick(recording, sound(1.75))
        self.end(recording)
        self.assertEqual(lengths, [0, 0, 8000, 8000, 16000, 16000, 24000, 24000, 28000])

    def test_nothingWaitsInABufferOfPythons(self) -> None:
        """Each piece is in the file, whatever open() was told to buffer."""
        for name, kept in (("a.raw", 0), ("a.wav", 44)):
            path = self.folder / name
            recording = self.record(path.open("wb", buffering=1 << 20))
            self.tick(recording, sound(1.25))
            self.assertEqual(path.stat().st_size, kept + SECOND, name)
            self.end(recording)

    def test_aWavThatCannotSeekIsRefused(self) -> None:
        """At once, with the file's name."""

        class Pipe(io.RawIOBase):
            name = "live.wav"

        error = self.assertRaises(ValueError, self.record, Pipe())
        self.assertIn("live.wav", str(error))


class SlowDiskTests(SynchronousTestCase):
    """Jobs that take their time."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp() + ".wav")
        self.threads = HeldThreads()
        self.failures: list[RecordingFailed] = []
        self.recording = Recording(self.path, self.threads.deferToThread, self.failures.append)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.one_of(st.integers(1, 2000), st.none()), max_size=60))
    def test_anyOrderOfSoundAndDiskGivesTheWholeFile(self, steps: list[int | None]) -> None:
        """int: that many samples come; None: a job ends. One job at a time, nothing lost."""
        threads = HeldThreads()
        path = Path(self.mktemp() + ".wav")
        recording = Recording(path, threads.deferToThread, self.failures.append)
        rng = np.random.default_rng(1)
        written = b""
        for step in steps:
            if step is None:
                if threads.waiting:
                    threads.runOne()
            elif recording.failure is None:
                piece = rng.bytes(2 * step)
                recording.write(piece)
                written += piece
        recording.close()
        threads.runAll()
        self.assertEqual(readWav(path), written)
        self.assertEqual(threads.most, 1)
        path.unlink()

    def test_twoSecondsBehindEndTheRecording(self) -> None:
        """In words; what had come until then is in the file, which is closed."""
        for frame in frames(sound(2.0)):
            self.recording.write(frame)
        self.assertEqual(self.failures, [])
        self.recording.write(sound(0.02))
        self.recording.write(sound(1.0))
        [failure] = self.failures
        self.assertIn(f"{self.path}: the disk is too slow, 2.0 s of sound", failure.reason)
        self.threads.runAll()
        self.assertEqual(readWav(self.path), sound(2.0) + sound(0.02))
        self.successResultOf(self.recording.close())

    def test_aProcessThatStoodStillIsNoSlowDisk(self) -> None:
        """What piled up for five seconds comes at once; the disk had no time for it."""
        clock = Clock()
        path = Path(self.mktemp() + ".wav")
        recording = Recording(
            path, self.threads.deferToThread, self.failures.append, seconds=clock.seconds
        )
        self.threads.runAll()

        def play(seconds: float, step: float) -> None:
            for frame in frames(sound(seconds)):
                clock.advance(step)
                recording.write(frame)

        play(1.0, 0.02)  # a piece is under way, and its end is not told
        clock.advance(5.0)
        play(5.0, 0.0)
        play(0.5, 0.02)
        self.assertEqual(self.failures, [])
        self.threads.runAll()
        play(1.0, 0.02)
        play(2.2, 0.02)  # now it is the disk's fault
        self.assertEqual(len(self.failures), 1)
        self.threads.runAll()
        self.assertGreaterEqual(len(readWav(path)), len(sound(7.5)))

    def test_whatWaitsHasABoundAfterAStallToo(self) -> None:
        clock = Clock()
        path = Path(self.mktemp() + ".wav")
        recording = Recording(
            path, self.threads.deferToThread, self.failures.append, seconds=clock.seconds
        )
        for frame in frames(sound(1.0)) * 66:
            recording.write(frame)
        self.assertEqual(len(self.failures), 1)
        self.threads.runAll()

    def test_aStallOfASecondIsNoFailure(self) -> None:
        """The disk catches up with one large piece."""
        self.threads.runOne()
        for frame in frames(sound(2.4)):
            self.recording.write(frame)
        self.threads.runOne()
        [(_, _, (piece,))] = self.threads.waiting
        self.assertEqual(len(piece), round(1.9 * SECOND))
        self.recording.close()
        self.threads.runAll()
        self.assertEqual(readWav(self.path), sound(2.4))
        self.assertEqual(self.failures, [])
