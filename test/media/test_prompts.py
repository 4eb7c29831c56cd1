"""The prompt cache: read once for all calls, files that change, bounds, long and open files."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from shtoom import codecs
from shtoom.media.clips import Clip, IClip, StreamedClip
from shtoom.media.files import AudioFileError, openReader
from shtoom.media.prompts import PromptCache
from test.support.threads import HeldThreads, LaterThreads
from test.support.wavfile import tone, wav

PCMU, PCMA = codecs.find("PCMU"), codecs.find("PCMA")


def payloadOf(clip: Any, size: int = 160) -> bytes:
    """All that a clip gives, packet by packet."""
    pieces = []
    while piece := clip.take(size):
        pieces.append(piece)
    return b"".join(pieces)


class WithFolder(SynchronousTestCase):
    """A folder, a cache, and threads that answer on the next turn."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.threads = LaterThreads()
        self.cache = PromptCache(self.threads.deferToThread)

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def prompt(self, name: str = "a.wav", hz: float = 440, seconds: float = 0.5) -> Path:
        return self.put(name, wav(tone(hz, seconds, 8000)))

    def loaded(self, source: Any, codec: codecs.Codec = PCMU) -> Any:
        """The clip, whether it was there or had to be read."""
        result = self.cache.load(source, codec)
        if isinstance(result, Deferred):
            self.threads.settle()
            return self.successResultOf(result)
        return result


class CacheTests(WithFolder):
    """What is kept, and for how long."""

    def test_aPromptIsReadOnceAndThenAtHand(self) -> None:
        """The first load is a Deferred, the second a clip; both play all of it."""
        path = self.prompt()
        first = self.cache.load(path, PCMU)
        assert isinstance(first, Deferred)
        self.threads.settle()
        again = self.cache.load(str(path), PCMU)
        assert isinstance(again, Clip)
        with openReader(path) as reader:
            wanted = PCMU.encode(reader.readAt(8000))
        self.assertEqual(payloadOf(self.successResultOf(first)), wanted)
        self.assertEqual(payloadOf(again), wanted)
        self.assertEqual(self.threads.jobs, 1)

    def test_clipsOfOnePromptShareItsBytesNotItsPlace(self) -> None:
        """Two callers hear it at different times."""
        path = self.prompt()
        one, other = self.loaded(path), self.loaded(path)
        self.assertIs(one.payload, other.payload)
        one.take(800)
        self.assertEqual((one.position, other.position), (0.1, 0.0))

    def test_loadsAtTheSameTimeShareOneReading(self) -> None:
        """A hundred calls that begin at once read the file once; each has its own clip."""
        path = self.prompt()
        loads = [self.cache.load(path, PCMU) for _ in range(100)]
        self.threads.settle()
        clips = [self.successResultOf(load) for load in loads]  # type: ignore[arg-type]
        self.assertEqual(self.threads.jobs, 1)
        self.assertEqual(len({id(clip) for clip in clips}), 100)

    def test_aFileThatWasReplacedIsHeardAtTheNextLoad(self) -> None:
        """By its time, size or inode; the old sound is forgotten, what plays goes on."""
        path = self.prompt(hz=440)
        old = self.loaded(path)
        os.replace(self.prompt("b.wav", hz=880), path)
        os.utime(path, ns=(1, 1))
        new = self.loaded(path)
        self.assertNotEqual(old.payload, new.payload)
        self.assertLess(self.cache.bytes, 2 * len(new.payload))
        os.utime(path, ns=(1, 2))
        self.assertIsInstance(self.cache.load(path, PCMU), Deferred)
        self.threads.settle()
        os.replace(self.prompt("c.wav", hz=880), path)
        os.utime(path, ns=(1, 2))
        self.assertIsInstance(self.cache.load(path, PCMU), Deferred)

    def test_eachCodecHasItsOwnBytes(self) -> None:
        """The same file for a mu-law and an A-law caller."""
        path = self.prompt()
        ulaw, alaw = self.loaded(path), self.loaded(path, PCMA)
        self.assertEqual(ulaw.payload.translate(codecs.ULAW_TO_ALAW)[:8], alaw.payload[:8])
        self.assertIs(self.loaded(path, PCMA).payload, alaw.payload)

    def test_theLeastRecentlyPlayedGoesFirst(self) -> None:
        """The bound is one of bytes; what is larger than all of it is not kept."""
        self.cache.maxBytes = 15000
        a, b, c = (self.prompt(f"{n}.wav", seconds=0.8) for n in "abc")
        self.loaded(a)
        self.loaded(b)
        self.assertIsInstance(self.cache.load(a, PCMU), Clip)
        self.loaded(c)
        self.assertLessEqual(self.cache.bytes, 15000)
        self.assertIsInstance(self.cache.load(a, PCMU), Clip)
        self.assertIsInstance(self.cache.load(c, PCMU), Clip)
        self.assertEqual(self.loaded(b).duration, 0.8)
        self.assertEqual(self.loaded(self.prompt("big.wav", seconds=3)).duration, 3)
        self.assertIsInstance(self.cache.load(b, PCMU), Clip)

    def test_clearForgetsAll(self) -> None:
        """As after a change of prompts that kept time and size."""
        path = self.prompt()
        self.loaded(path)
        self.cache.clear()
        self.assertEqual(self.cache.bytes, 0)
        self.assertIsInstance(self.cache.load(path, PCMU), Deferred)

    def test_whatCannotBeReadFailsForAllWhoWait(self) -> None:
        """With AudioFileError, not out of load(), and on a later turn; then it is tried anew."""
        path = self.folder / "late.wav"
        loads: list[Any] = [self.cache.load(path, PCMU) for _ in range(2)]
        for load in loads:
            self.assertNoResult(load)
        self.threads.settle()
        for load in loads:
            error = self.failureResultOf(load, AudioFileError).value
            self.assertIn("No such file", str(error))
        self.prompt("late.wav")
        self.assertEqual(self.loaded(path).duration, 0.5)

    def test_aFileThatGrowsWhileItIsReadIsNotKept(self) -> None:
        """Half a prompt must not be heard for ever."""
        held = HeldThreads()
        self.cache = PromptCache(held.deferToThread)
        path = self.prompt()
        load: Any = self.cache.load(path, PCMU)
        done, job, args = held.waiting.pop()

        class Growing(type(PCMU)):  # type: ignore[misc]
            def __init__(self) -> None:
                """Is PCMU, and has the file written to while it encodes."""

            rate = 8000

            def encode(self, pcm: Any) -> bytes:
                with path.open("ab") as file:
                    file.write(b"more")
                return PCMU.encode(pcm)

        done.callback(job(args[0], Growing(), *args[2:]))
        self.assertEqual(self.successResultOf(load).duration, 0.5)
        self.assertEqual(self.cache.bytes, 0)

    def test_whoCancelsDoesNotTakeItFromTheOthers(self) -> None:
        """A caller who hangs up while a prompt is read."""
        path = self.prompt()
        gone: Any = self.cache.load(path, PCMU)
        stays: Any = self.cache.load(path, PCMU)
        gone.cancel()
        self.threads.settle()
        self.failureResultOf(gone, CancelledError)
        self.assertEqual(self.successResultOf(stays).duration, 0.5)

    def test_bothKindsOfClipAreIClips(self) -> None:
        """All that the interface has."""
        self.assertTrue(verifyObject(IClip, self.loaded(self.prompt())))
        clip = self.loaded(io.BytesIO(bytes(1600)))
        self.assertTrue(verifyObject(IClip, clip))
        clip.close()
        self.threads.settle()


class ClosingFile(io.BytesIO):
    """An open file that counts how often it is closed."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.closings = 0

    def close(self) -> None:
        self.closings += 1


class StreamTests(WithFolder):
    """Long files and open files."""

    def long(self, seconds: float = 61.5) -> Path:
        """Noise, so that no part of it is like another."""
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, round(seconds * 8000))
        return self.put("long.wav", wav(noise))

    def play(self, clip: StreamedClip) -> bytes:
        """All of it, a packet each tick, with threads that answer between ticks."""
        pieces = []
        while piece := clip.take(160):
            pieces.append(piece)
            self.threads.settle()
        return b"".join(pieces)

    def test_aLongFileIsStreamedAndNotKept(self) -> None:
        """More than a minute: read while it plays, all of it, a few seconds in hand."""
        path = self.long()
        clip = self.loaded(path)
        self.assertIsInstance(clip, StreamedClip)
        self.assertEqual(clip.duration, 61.5)
        self.assertLess(self.cache.bytes, 2000)
        jobs = self.threads.jobs
        with openReader(path) as reader:
            self.assertTrue(self.play(clip) == PCMU.encode(reader.readAt(8000)))
        self.assertEqual(clip.underruns, 0)
        self.assertApproximates(self.threads.jobs - jobs, 31, 2)
        clip.close()
        self.threads.settle()

    def test_eachCallHasItsOwnStream(self) -> None:
        """Two who hear the same long file, from the beginning each."""
        path = self.long()
        one, other = self.loaded(path), self.loaded(path)
        begin = one.take(160)
        one.take(1600)
        self.assertEqual(other.take(160), begin)

    def test_aStreamIsPlayedOnceMoreWithoutAGap(self) -> None:
        """rewind() in the middle and at the end; the first seconds are at hand."""
        clip = self.loaded(self.long())
        whole = self.play(clip)
        for taken in (0, 16000, 5000):
            clip.rewind()
            self.assertEqual(clip.position, 0)
            got = b"".join(self.takeSettled(clip) for _ in range(taken // 160))
            self.assertTrue(got == whole[: len(got)])
        clip.rewind()
        self.assertTrue(self.play(clip) == whole)
        self.assertEqual(clip.underruns, 0)
        clip.close()
        self.threads.settle()

    def takeSettled(self, clip: StreamedClip) -> bytes:
        piece = clip.take(160)
        self.threads.settle()
        return piece

    def test_rewindWhileAPieceIsReadBeginsAnew(self) -> None:
        """What the thread brings then belongs to the past."""
        held = HeldThreads()
        path = self.long()
        clip = StreamedClip(openReader(path), PCMU, held.deferToThread, lambda: openReader(path))
        begin = clip.take(16000)
        self.assertEqual(len(held.waiting), 1)
        clip.rewind()
        held.runAll()
        with openReader(path) as reader:
            wanted = PCMU.encode(reader.readAt(8000, 10.0))
        got = b""
        for _ in range(4):
            got += clip.take(16000)
            held.runAll()
        self.assertTrue(got == wanted[:64000])
        self.assertTrue(begin == wanted[:16000])
        self.assertEqual(held.most, 1)

    def test_aSlowDiskIsSilenceAndCounted(self) -> None:
        """The sound waits, nothing of it is lost."""
        held = HeldThreads()
        path = self.long()
        clip = StreamedClip(openReader(path), PCMU, held.deferToThread, lambda: openReader(path))
        first = clip.take(16500)
        self.assertEqual(clip.take(160), PCMU.silence)
        self.assertEqual(clip.underruns, 2)
        self.assertEqual(clip.position, 2.0)
        held.runOne()
        rest = clip.take(800)
        with openReader(path) as reader:
            wanted = PCMU.encode(reader.readAt(8000, 4.0))
        self.assertTrue(first[:16000] + rest == wanted[:16800])
        self.assertEqual(first[16000:], PCMU.silence * 3 + PCMU.silence[:20])

    def test_closingWhileAPieceIsReadClosesTheFileAfterwards(self) -> None:
        """Once, and only when the thread has let go of it; a closed clip is over."""
        held = HeldThreads()
        file = ClosingFile(bytes(20 * 16000))
        clip = StreamedClip(openReader(file), PCMU, held.deferToThread, None)
        clip.take(160)
        clip.close()
        clip.close()
        self.assertEqual((clip.take(160), file.closings), (b"", 0))
        held.runAll()
        self.assertEqual(file.closings, 1)

    def test_anOpenFileIsPlayedFromTheFirstPieceOn(self) -> None:
        """WAV by its first bytes, else 8 kHz PCM; closed by the clip."""
        sound = wav(tone(440, 0.5, 8000))
        for data in (sound, sound[44:]):
            file = ClosingFile(data)
            clip = self.loaded(file)
            self.assertEqual(self.play(clip), self.loaded(self.prompt()).payload)
            self.assertEqual(clip.underruns, 0)
            clip.rewind()
            self.assertEqual(len(self.play(clip)), 4000)
            clip.close()
            self.threads.settle()
            self.assertEqual(file.closings, 1)

    def test_aLongOpenFileIsPlayedOnlyOnce(self) -> None:
        """Its first minute is not kept beyond that; the error says what to do."""
        clip = self.loaded(ClosingFile(bytes(62 * 16000)))
        self.assertEqual(len(self.play(clip)), 62 * 8000)
        error = self.assertRaises(AudioFileError, clip.rewind)
        self.assertIn("give its path instead", str(error))

    def test_anOpenFileThatCannotBePlayedIsClosed(self) -> None:
        """Refused, or given up by its caller before it was opened."""
        file = ClosingFile(b"fLaC" + bytes(100))
        load: Any = self.cache.load(file, PCMU)
        self.threads.settle()
        self.failureResultOf(load, AudioFileError)
        self.assertEqual(file.closings, 1)
        file = ClosingFile(bytes(16000))
        load = self.cache.load(file, PCMU)
        load.cancel()
        self.threads.settle()
        self.failureResultOf(load, CancelledError)
        self.assertEqual(file.closings, 1)

    def test_aFileThatFailsOnTheWayEndsTheClipWithTheReason(self) -> None:
        """What was read is played, then it is over and `failure` tells."""

        class Failing(ClosingFile):
            def read(self, size: int | None = -1) -> bytes:
                piece = super().read(size)
                if not piece:
                    raise OSError(5, "Input/output error")
                return piece

        clip = self.loaded(Failing(np.arange(3 * 8000, dtype=np.int16).tobytes()))
        self.assertIsNone(clip.failure)
        self.assertLessEqual(len(self.play(clip)), 3 * 8000)
        self.assertIn("Input/output error", str(clip.failure))
        clip.close()
        self.threads.settle()
