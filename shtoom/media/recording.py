"""Recordings: sound from the tick into a file, written by a thread.

Lives here: the queue between tick and disk, and what becomes of a recording when the disk is full
or slow. Not here: how each kind of file is written (media.writers), when a recording ends
(doug.recorder).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from shtoom.audio.frames import RATE
from shtoom.media.files import wordsOf
from shtoom.media.writers import WritableFile, writerFor

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    DeferToThread = Callable[..., Deferred[Any]]

__all__ = ["Recording", "RecordingFailed", "WritableFile"]

SECOND = 2 * RATE  # bytes of PCM, of each channel
PIECE = SECOND // 2  # handed to the thread at a time, or more
BEHIND = 2 * SECOND  # that may wait for a slow disk
MOST = 64 * SECOND  # that may wait at all
AT_ONCE = 0.005  # seconds: what comes faster is what piled up while the process stood still


class RecordingFailed(Exception):
    """A recording that could not be opened, or not be stored to its end.

    reason: in words, with the path, the system's text and what was kept. opened: False if there was
    no file to write to, True if the file ended before the sound did.
    """

    def __init__(self, reason: str, opened: bool) -> None:
        super().__init__(reason)
        self.reason, self.opened = reason, opened


class Recording:
    """One recording. Its file is opened at once, its sound comes by write(), close() ends it.

    All but the queue happens in threads, one job of a recording at a time and in order, in pieces
    of half a second and more; a WAV's header is renewed with each, so the file is a valid one at
    any time. When it fails, `onFailed` is told once, later writes are ignored and the file is
    closed: what was written stays. close() may be called then, and need not.
    """

    __slots__ = (
        "_behind",
        "_channels",
        "_closed",
        "_closing",
        "_deferToThread",
        "_lastAt",
        "_onFailed",
        "_opened",
        "_pending",
        "_pendingBytes",
        "_received",
        "_seconds",
        "_whenClosed",
        "_working",
        "_writeTogether",
        "_writer",
        "failure",
    )

    def __init__(
        self,
        dest: str | os.PathLike[str] | WritableFile,
        deferToThread: DeferToThread,
        onFailed: Callable[[RecordingFailed], object],
        writeTogether: DeferToThread | None = None,
        channels: int = 1,
        *,
        seconds: Callable[[], float] | None = None,
    ) -> None:
        """dest: a path, overwritten, by its suffix .wav, .raw, .sln, .ul or .al; or an open binary
        file, closed at the end, which gets what its name says and else 8 kHz 16-bit PCM.

        deferToThread: f(*args) in a thread, its result by a Deferred that fires later. onFailed: in
        the reactor thread, possibly out of write(). writeTogether: as deferToThread, for pieces
        that may share a job with those of other files (Disk.together); None for a job each.
        seconds: the time, by which sound that comes at once, after the process has stood still, is
        not held against a disk that had no time for it; None counts all.
        channels: of the sound; two are always written as WAV. ValueError: a suffix that cannot be
        written.
        """
        self._writer = writerFor(dest, channels)
        self._channels = channels
        self._deferToThread, self._onFailed = deferToThread, onFailed
        self._writeTogether = writeTogether
        self._pending: list[bytes] = []
        self._seconds, self._lastAt = seconds, float("-inf")
        self._pendingBytes = self._received = 0
        self._behind = 0  # of those that wait, bytes that came in their own time
        self._opened = self._closing = self._closed = False
        self._whenClosed: list[Deferred[None]] = []
        self.failure: RecordingFailed | None = None
        self._work(self._writer.open)

    @property
    def name(self) -> str:
        """Of the file, for people."""
        return self._writer.name

    @property
    def duration(self) -> float:
        """Seconds of sound that were taken; the last of them may still wait for the disk."""
        return self._received / SECOND / self._channels

    @property
    def patience(self) -> float:
        """Seconds that close() takes at most, if all is well."""
        return self._writer.patience

    def write(self, pcm: bytes) -> None:
        """Takes whole samples of 8 kHz 16-bit little-endian PCM; from the tick, never blocks.

        Ignored once the recording has failed or is closing.
        """
        if self._closing:
            return
        self._pending.append(pcm)
        self._received += len(pcm)
        self._pendingBytes += len(pcm)
        now = self._seconds() if self._seconds is not None else float("inf")
        if now - self._lastAt >= AT_ONCE:
            self._behind += len(pcm)
        if self._seconds is not None:
            self._lastAt = now
        if self._pendingBytes < PIECE * self._channels:
            return
        if not self._working:
            self._writePending()
        elif max(self._behind / BEHIND, self._pendingBytes / MOST) > self._channels:
            waits = self._pendingBytes / SECOND / self._channels
            self._fail(f"{self.name}: the disk is too slow, {waits:.1f} s of sound wait for it")

    def close(self) -> Deferred[None]:
        """Writes what waits and closes the file; fires when that is done, or has failed.

        More than once is harmless.
        """
        if self._closed and not self._working:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._whenClosed.append(done)
        self._closing = True
        if not self._working:
            self._goOn()
        return done

    # --- one job at a time --------------------------------------------------------------------

    def _work(self, job: Callable[..., None], *args: bytes) -> None:
        self._working = True
        run = self._deferToThread
        if args and self._writeTogether is not None and self._writer.isRegular:
            run = self._writeTogether
        run(job, *args).addCallbacks(self._worked, self._jobFailed)

    def _worked(self, _: None) -> None:
        self._opened = True
        self._goOn()

    def _jobFailed(self, failure: Failure) -> None:
        self._pending.clear()
        self._pendingBytes = self._behind = 0
        words = wordsOf(failure.value)
        if not self._opened:
            folder = os.path.dirname(self.name)
            if isinstance(failure.value, FileNotFoundError) and not os.path.isdir(folder):
                words = f"{words}: there is no folder {folder}: make it"
            self._fail(f"{self.name}: cannot be opened: {words}")
        else:
            kept = f"{self._writer.bytes} bytes ({self._writer.seconds:.1f} s) are kept"
            self._fail(f"{self.name}: cannot be written: {words}; {kept}")
        self._goOn()

    def _goOn(self) -> None:
        """No job is under way: the next piece, or the end."""
        self._working = False
        if self._pendingBytes >= PIECE * self._channels or (self._closing and self._pending):
            self._writePending()
        elif self._closing and not self._closed:
            self._closed = True
            self._work(self._writer.close)
        elif self._closed:
            waiting, self._whenClosed = self._whenClosed, []
            for done in waiting:
                done.callback(None)

    def _writePending(self) -> None:
        piece = b"".join(self._pending)
        self._pending.clear()
        self._pendingBytes = self._behind = 0
        self._work(self._writer.write, piece)

    def _fail(self, reason: str) -> None:
        self._closing = True
        if self.failure is None:
            self.failure = RecordingFailed(reason, self._opened)
            self._onFailed(self.failure)
