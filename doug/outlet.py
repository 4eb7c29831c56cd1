"""A log that nobody reads: what is written to a pipe or terminal never waits for its reader.

A process that writes to a full pipe stands still until somebody reads; a server would be silent
for as long. Lives here: where the lines go. Not here: what is logged; log files, which take all.
"""

from __future__ import annotations

import atexit
import os
import select
import stat
import time
from io import TextIOBase
from threading import RLock
from typing import Any

from twisted.internet.interfaces import IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["MOST", "Outlet", "withoutWaiting"]

AT_ONCE = select.PIPE_BUF  # bytes that a pipe takes whole if it takes any
MOST = 1_000_000  # bytes kept for a reader who is slow
LAST = 1.0  # seconds for what waits when the process ends


def withoutWaiting(stream: Any, reactor: Any) -> Any:
    """What writes to the same place as that stream and never waits; of a file: the stream."""
    try:
        number = stream.fileno()
        mode = os.fstat(number).st_mode
    except (AttributeError, OSError, ValueError):  # there is none, or it is in memory
        return stream
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(number)):
        return stream
    stream.flush()
    outlet = Outlet(number, reactor)
    atexit.register(outlet.finish)
    return outlet


@implementer(IWriteDescriptor)
class Outlet(TextIOBase):
    """Text to a descriptor. What its reader has not taken waits, up to MOST bytes; the rest is
    dropped, and counted in a line of its own once the reader reads again.

    May be written to by threads and by signal handlers. dropped: lines, since that was last said.
    """

    def __init__(self, number: int, reactor: Any) -> None:
        super().__init__()
        self._number, self._reactor = number, reactor
        self._waiting = bytearray()
        self._watched = False
        self._lock = RLock()
        self._room = select.poll()
        self._room.register(number, select.POLLOUT)
        self.dropped = 0

    def write(self, text: str) -> int:
        """As files do."""
        with self._lock:
            if self.dropped and len(self._waiting) <= MOST // 2:
                self._waiting += b"%d lines are not here: nobody read the log\n" % self.dropped
                self.dropped = 0
            data = text.encode("utf-8", "backslashreplace")
            if self.dropped or len(self._waiting) + len(data) > MOST:
                self.dropped += text.count("\n")
            else:
                self._waiting += data
            self._push()
            if self._waiting and not self._watched:
                self._watched = True
                self._reactor.callFromThread(self._reactor.addWriter, self)
        return len(text)

    def flush(self) -> None:
        """As much of it as is taken now."""
        with self._lock:
            self._push()

    def finish(self, seconds: float = LAST) -> None:
        """The process ends: its reader has so long for what waits, and is waited for."""
        end = time.monotonic() + seconds
        with self._lock:
            self._push()
            while self._waiting and (left := end - time.monotonic()) > 0:
                self._room.poll(left * 1000)
                self._push()

    def fileno(self) -> int:
        """As files and selectables do."""
        return self._number

    def isatty(self) -> bool:
        """As files do."""
        return os.isatty(self._number)

    def writable(self) -> bool:
        """As files do."""
        return True

    def _push(self) -> None:
        while self._waiting and self._room.poll(0):
            part = bytes(self._waiting[:AT_ONCE])
            del self._waiting[:AT_ONCE]  # before: a signal handler may write meanwhile
            try:
                taken = os.write(self._number, part)
            except BlockingIOError:
                taken = 0
            except OSError:  # the reader is gone, and nobody is left to be told
                self._waiting.clear()
                return
            self._waiting[:0] = part[taken:]
            if not taken:
                return

    # IWriteDescriptor: something waits, and there is room again

    def doWrite(self) -> None:
        """From the reactor."""
        with self._lock:
            self._push()
            if not self._waiting:
                self._watched = False
                self._reactor.removeWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        """From the reactor: the reader is gone, or the reactor ends."""
        with self._lock:
            self._watched = False
            self._push()

    def logPrefix(self) -> str:
        """From the reactor."""
        return "log"
