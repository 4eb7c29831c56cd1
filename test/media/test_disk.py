"""Small writes of many recordings in one job of a thread."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from shtoom.media import disk
from shtoom.media.disk import GATHER, MOST, Disk, DiskThreads
from shtoom.media.recording import PIECE, Recording
from test.support.threads import HeldThreads


def divide(dividend: int, divisor: int) -> float:
    """A job that may fail."""
    return dividend / divisor


class DiskTests(SynchronousTestCase):
    """Jobs are held until the test runs them."""

    def setUp(self) -> None:
        self.clock, self.threads = Clock(), HeldThreads()
        self.disk = Disk(self.clock, self.threads.deferToThread)

    def test_whatIsAskedForWithinAMomentIsOneJob(self) -> None:
        """Each has its own result."""
        results = [self.disk.together(divide, n, 2) for n in (2, 4, 6)]
        self.assertEqual(self.threads.waiting, [])
        self.clock.advance(GATHER)
        self.assertEqual(len(self.threads.waiting), 1)
        self.threads.runAll()
        self.assertEqual([self.successResultOf(r) for r in results], [1.0, 2.0, 3.0])

    def test_theFailureOfOneIsNoOthers(self) -> None:
        """It fails its own Deferred; those behind it are run."""
        good, bad, last = (self.disk.together(divide, 1, n) for n in (1, 0, 2))
        self.clock.advance(GATHER)
        self.threads.runAll()
        self.assertEqual((self.successResultOf(good), self.successResultOf(last)), (1.0, 0.5))
        self.failureResultOf(bad, ZeroDivisionError)

    def test_laterJobsDoNotWaitForAThreadThatIsStuck(self) -> None:
        """They go into another one."""
        stuck = self.disk.together(divide, 1, 1)
        self.clock.advance(GATHER)
        later = self.disk.together(divide, 2, 1)
        self.clock.advance(GATHER)
        self.assertEqual(len(self.threads.waiting), 2)
        del self.threads.waiting[0]
        self.threads.runAll()
        self.assertEqual(self.successResultOf(later), 2.0)
        self.assertNoResult(stuck)

    def test_nothingIsLeftWhenNothingIsAskedFor(self) -> None:
        """No timer runs on an idle disk."""
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SharedRecordingTests(SynchronousTestCase):
    """Recordings that share a disk."""

    def setUp(self) -> None:
        self.clock, self.threads = Clock(), HeldThreads()
        self.disk = Disk(self.clock, self.threads.deferToThread)

    def record(self, dest: Any) -> Recording:
        """A recording whose file is open."""
        recording = Recording(
            dest, self.threads.deferToThread, self.fail, writeTogether=self.disk.together
        )
        self.threads.runAll()
        return recording

    def test_piecesOfManyFilesAreOneJob(self) -> None:
        """And each file has its own."""
        folder = Path(self.mktemp())
        folder.mkdir()
        recordings = [self.record(folder / f"{n}.raw") for n in range(5)]
        for number, recording in enumerate(recordings):
            recording.write(bytes([number]) * PIECE)
        self.clock.advance(GATHER)
        self.assertEqual(len(self.threads.waiting), 1)
        self.threads.runAll()
        for number in range(5):
            self.assertEqual((folder / f"{number}.raw").read_bytes(), bytes([number]) * PIECE)
        for recording in recordings:
            recording.close()
        self.threads.runAll()

    def test_aPipeIsNoCompanyForFiles(self) -> None:
        """Who reads it may take for ever: its pieces are jobs of their own."""
        path = Path(self.mktemp() + ".raw")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        recording = self.record(path)
        recording.write(b"x" * PIECE)
        self.assertEqual(len(self.threads.waiting), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.threads.runAll()
        self.assertEqual(os.read(reader, 2 * PIECE), b"x" * PIECE)
        recording.close()
        self.threads.runAll()


class DiskThreadsTests(SynchronousTestCase):
    """Real threads; each test ends with none of them."""

    def setUp(self) -> None:
        self.patch(disk, "IDLE", 0.05)
        self.others = set(threading.enumerate())
        self.threads = DiskThreads()
        self.results: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
        self.addCleanup(self.assertAllEnd)

    def give(self, f: Any, *args: Any) -> None:
        """A job."""
        self.threads.callInThreadWithCallback(lambda *result: self.results.put(result), f, *args)

    def result(self) -> Any:
        """Of the job that is done next."""
        succeeded, value = self.results.get(timeout=30)
        self.assertTrue(succeeded, value)
        return value

    def running(self) -> list[threading.Thread]:
        """Those threads."""
        ours = set(threading.enumerate()) - self.others
        return [thread for thread in ours if thread.name == "doug-disk"]

    def assertAllEnd(self) -> None:
        """After a while without jobs."""
        for thread in self.running():
            thread.join(30)
        self.assertEqual(self.running(), [])

    def test_aJobThatIsStuckHoldsUpNoOther(self) -> None:
        """Up to MOST of them; then they wait their turn, and all are done."""
        released, begun = threading.Event(), SimpleQueue[int]()

        def stuck(number: int) -> int:
            begun.put(number)
            released.wait(30)
            return number

        for number in range(MOST - 1):
            self.give(stuck, number)
        self.give(divide, 3, 1)
        self.assertEqual(self.result(), 3.0)
        for number in range(MOST - 1, 3 * MOST):
            self.give(stuck, number)
        first = [begun.get(timeout=30) for _ in range(MOST)]
        self.assertEqual(sorted(first), list(range(MOST)))
        self.assertEqual(len(self.running()), MOST)
        self.assertTrue(all(thread.daemon for thread in self.running()))
        released.set()
        self.assertEqual(sorted(self.result() for _ in range(3 * MOST)), list(range(3 * MOST)))

    def test_oneThreadIsEnoughForOneJobAfterAnother(self) -> None:
        """What it raises is its result."""
        for dividend in range(20):
            self.give(divide, dividend, 1)
            self.assertEqual(self.result(), dividend)
        self.assertLessEqual(len(self.running()), 2)
        self.give(divide, 1, 0)
        succeeded, failure = self.results.get(timeout=30)
        self.assertFalse(succeeded)
        failure.trap(ZeroDivisionError)

    def test_afterAPauseItBeginsAgain(self) -> None:
        """The threads have ended meanwhile."""
        for _ in range(3):
            self.give(divide, 1, 1)
            self.assertEqual(self.result(), 1.0)
            self.assertAllEnd()
