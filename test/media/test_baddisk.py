"""Recordings to disks that are full, slow or forbidden.

Not here: what a killed process leaves behind (test/doug/test_killed.py).
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import tracemalloc
from errno import ENOSPC
from pathlib import Path
from shutil import which
from typing import Any

from twisted.internet.defer import execute
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.frames import FRAME_BYTES
from shtoom.media.recording import Recording, RecordingFailed
from test.media.pcm import SECOND, frames, readWav, sound
from test.support.rights import asNobody
from test.support.threads import HeldThreads, LaterThreads


class ManyRecordingsTests(SynchronousTestCase):
    """Fifty calls record to a disk that does not answer."""

    def test_memoryHasABound(self) -> None:
        """Two seconds of sound each and no more, however long it takes."""
        threads, failures = HeldThreads(), list[RecordingFailed]()
        folder = Path(self.mktemp())
        folder.mkdir()
        many = [
            Recording(folder / f"{n}.wav", threads.deferToThread, failures.append)
            for n in range(50)
        ]
        held = []
        tracemalloc.start()
        try:
            for _ in range(6):
                for _ in range(50):
                    for recording in many:
                        recording.write(bytes(bytearray(FRAME_BYTES)))
                held.append(tracemalloc.get_traced_memory()[0] / len(many))
        finally:
            tracemalloc.stop()
        self.assertEqual(len(failures), 50)
        self.assertLess(max(held), 2.5 * SECOND)
        self.assertApproximates(held[-1], held[-3], 500)
        threads.runAll()
        self.assertEqual(len(readWav(folder / "49.wav")), 2 * SECOND + FRAME_BYTES)


class BadDiskTests(SynchronousTestCase):
    """Disks that are full, rights that are missing, files that raise."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.threads = LaterThreads()
        self.failures: list[RecordingFailed] = []

    def failureOf(self, dest: Any, seconds: float = 1.0) -> RecordingFailed:
        """What a recording to `dest` fails with; the sound goes on coming."""
        self.failures.clear()
        recording = Recording(dest, self.threads.deferToThread, self.failures.append)
        for frame in frames(sound(seconds)):
            recording.write(frame)
            self.threads.clock.advance(0.02)
        closed = recording.close()
        self.threads.settle()
        self.assertIsNone(self.successResultOf(closed))
        [failure] = self.failures
        self.assertIs(recording.failure, failure)
        return failure

    def test_files_005_aDirectoryWithoutRights(self) -> None:
        """Not opened: the path and 'Permission denied'."""
        self.folder.chmod(0o500)
        self.addCleanup(self.folder.chmod, 0o700)
        with asNobody():
            failure = self.failureOf(self.folder.absolute() / "a.wav")
        self.assertFalse(failure.opened)
        self.assertIn(f"{self.folder / 'a.wav'}: cannot be opened: Permission", failure.reason)

    def test_files_005_aDirectoryThatDoesNotExist(self) -> None:
        """Not opened: the path and 'No such file or directory', long before the first piece."""
        path = self.folder.absolute() / "nowhere" / "a.wav"
        failure = self.failureOf(path, 0.02)
        self.assertFalse(failure.opened)
        wanted = f"there is no folder {path.parent}: make it"
        self.assertEqual(
            failure.reason, f"{path}: cannot be opened: No such file or directory: {wanted}"
        )

    def test_aPipeThatNobodyReads(self) -> None:
        """Not opened, and no thread waits for its reader."""
        os.mkfifo(self.folder / "pipe.raw")
        failure = self.failureOf(self.folder / "pipe.raw", 0.02)
        self.assertFalse(failure.opened)
        self.assertIn("pipe.raw: cannot be opened: No such device or address", failure.reason)

    def test_aRelativePathIsToldInFull(self) -> None:
        """Who reads the log need not know what the server's current folder is."""
        failure = self.failureOf("nowhere/a.wav", 0.02)
        self.assertIn(f"{os.path.abspath('nowhere/a.wav')}: cannot be opened", failure.reason)

    def test_files_005_aFullDisk(self) -> None:
        """Not stored: path, what was kept, 'No space left'; told once."""
        path = self.folder / "a.raw"
        path.symlink_to("/dev/full")
        failure = self.failureOf(path, 3.0)
        self.assertTrue(failure.opened)
        self.assertIn(f"{path}: cannot be written: No space left on device", failure.reason)
        self.assertIn("0 bytes (0.0 s) are kept", failure.reason)

    def test_files_005_aDiskThatIsFullAtTheEnd(self) -> None:
        """The last piece is written by close(): its failure is told all the same."""
        path = self.folder / "a.raw"
        path.symlink_to("/dev/full")
        self.assertIn("No space left", self.failureOf(path, 0.1).reason)

    def test_files_005_aFileLikeThatRaises(self) -> None:
        """Not stored, in the exception's words; close() was called once."""

        class Raising:
            name = "mailbox 7"

            def __init__(self, error: Exception) -> None:
                self.error, self.closings, self.taken = error, 0, 0

            def write(self, data: bytes) -> None:
                if self.taken:
                    raise self.error
                self.taken = len(data)

            def close(self) -> None:
                self.closings += 1

        for error, words in (
            (RuntimeError("quota"), "RuntimeError: quota"),
            (OSError(ENOSPC, os.strerror(ENOSPC)), "No space left on device"),
        ):
            dest = Raising(error)
            failure = self.failureOf(dest, 2.0)
            self.assertTrue(failure.opened)
            self.assertIn(f"mailbox 7: cannot be written: {words}", failure.reason)
            self.assertIn("8000 bytes (0.5 s) are kept", failure.reason)
            self.assertEqual(dest.closings, 1)

    def test_files_005_aFileLikeThatRaisesWhenItIsClosed(self) -> None:
        """A buffer that finds the disk full: told, and close() still ends."""

        class Buffered:
            def write(self, data: bytes) -> None:
                pass

            def close(self) -> None:
                raise OSError(ENOSPC, os.strerror(ENOSPC))

        self.assertIn("No space left on device", self.failureOf(Buffered()).reason)

    def test_files_005_aHundredCallsOnAFullDisk(self) -> None:
        """A hundred failures, one for each, and no job is left behind."""
        path = self.folder / "a.raw"
        path.symlink_to("/dev/full")
        many = [
            Recording(path, self.threads.deferToThread, self.failures.append) for _ in range(100)
        ]
        for frame in frames(sound(1.0)):
            for recording in many:
                recording.write(frame)
            self.threads.clock.advance(0.02)
        self.assertEqual(len(self.failures), 100)
        self.threads.settle()
        self.assertEqual(self.threads.clock.getDelayedCalls(), [])

    def test_files_005_aDiskThatFillsAnywhereLeavesAReadableFile(self) -> None:
        """Twenty limits, within a sample, a header or a piece: the file holds all that fitted."""
        out = self.child(_LIMITED)
        self.assertEqual(len(out), 20)
        for limit, (failed, kept, claimed, size) in out.items():
            fitting = (int(limit) - 44) // 2 * 2
            self.assertEqual((failed, kept, claimed), (1, fitting, fitting), limit)
            self.assertEqual(size, 44 + fitting, limit)

    def test_files_005_aRealDiskThatIsFull(self) -> None:
        """A file system in memory with a few pages left: ENOSPC, a WAV of what fitted."""
        disk = self.folder.absolute() / "disk"
        disk.mkdir()
        script = 'mount -t tmpfs -o size=256k tmpfs "$0" && exec "$@"'
        mount = ["unshare", "-m", "sh", "-c", script, str(disk)]
        if which("unshare") is None or subprocess.run([*mount, "true"], check=False).returncode:
            self.skipTest("this user may not mount a file system")
        out = self.child(_FULL, *mount)
        self.assertEqual(len(out), 20)
        for free, (failed, told, kept, claimed, size) in out.items():
            self.assertEqual((failed, told), (1, 1), free)
            self.assertEqual(kept, claimed)
            self.assertEqual(size, 44 + kept)
            self.assertGreater(kept, int(free) - 4096, free)

    def child(self, program: str, *within: str) -> dict[str, list[int]]:
        """Runs a program in a Python of its own; what it prints, as "name number number" lines."""
        done = subprocess.run(
            [*within, sys.executable, "-c", program, str(self.folder)],
            env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), OPENBLAS_NUM_THREADS="1"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [line.split() for line in done.stdout.splitlines()]
        return {name: [int(n) for n in numbers] for name, *numbers in lines}

    def test_files_001_aCopyTakenAtAnyMomentIsAWav(self) -> None:
        """Another thread copies the file while it grows, and opens the copies."""
        path = self.folder / "a.wav"
        recording = Recording(path, execute, self.failures.append)
        copies: list[int] = []
        errors: list[BaseException] = []
        ended = threading.Event()

        def copyOn() -> None:
            try:
                while not ended.is_set():
                    copies.append(len(readWav(io.BytesIO(path.read_bytes()))))
            except BaseException as error:
                errors.append(error)

        copier = threading.Thread(target=copyOn)
        copier.start()
        pcm = frames(sound(0.5))
        for _ in range(400):
            for frame in pcm:
                recording.write(frame)
        recording.close()
        ended.set()
        copier.join()
        self.assertEqual((errors, self.failures), ([], []))
        self.assertEqual(copies, sorted(copies))
        self.assertEqual(len(readWav(path)), 200 * SECOND)


_COMMON = """
import os, resource, sys, wave
from twisted.internet.defer import execute
from shtoom.media.recording import Recording
folder = sys.argv[1]
path = os.path.join(folder, "a.wav")
frame = bytes(320)
"""
_LIMITED = (
    _COMMON
    + """
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit in [44, 45, 46, 8043, 8044, 8045, 8046] + list(range(9000, 80000, 5501)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    failures = []
    recording = Recording(path, execute, failures.append)
    for _ in range(300):
        recording.write(frame)
    recording.close()
    with wave.open(path) as file:
        kept = len(file.readframes(file.getnframes()))
    with open(path, "rb") as file:
        claimed = int.from_bytes(file.read(44)[40:], "little")
    print(limit, len(failures), kept, claimed, os.path.getsize(path))
"""
)
_FULL = (
    _COMMON
    + """
from errno import ENOSPC
disk = os.path.join(folder, "disk")
path = os.path.join(disk, "a.wav")
for pages in range(1, 21):
    with open(os.path.join(disk, "filler"), "wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            filler.truncate(filler.tell() - 4096 * pages)
    failures = []
    recording = Recording(path, execute, failures.append)
    for _ in range(300):
        recording.write(frame)
    recording.close()
    with wave.open(path) as file:
        kept = len(file.readframes(file.getnframes()))
    with open(path, "rb") as file:
        claimed = int.from_bytes(file.read(44)[40:], "little")
    told = sum(path in f.reason and os.strerror(ENOSPC) in f.reason for f in failures)
    print(4096 * pages, len(failures), told, kept, claimed, os.path.getsize(path))
    os.unlink(path)
"""
)
