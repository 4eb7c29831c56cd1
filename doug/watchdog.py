"""Which line holds the reactor: seen by a second thread, since the first one is busy.

Handlers are timed where they are called (doug.statemachine). What else is an application's is
called by others: callbacks of Deferreds, later steps of generators, functions given to callLater.
While an application runs, the reactor's thread beats 20 times a second, and a thread looks as often
whether it has. If not, for 100 ms, it looks at the stack of the reactor's thread.

It looks as soon as it has the interpreter, which Python code gives up within the interval of
doug.process, and system calls at once. C code that computes and keeps it (a large power, a regular
expression) is seen at its end: at that line, or where the next one begins. Whoever stood still
himself meanwhile, without having computed, blames nobody: the process was stopped (SIGSTOP), or
the machine had no time for it.

Lives here: Watchdog (plain: times and stacks come in), the beat and the thread around it.
Not here: what a stack says (doug.stacks), sound that was left out (shtoom.media.clock).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Event, Thread, get_ident
from types import CodeType
from typing import Any, NamedTuple

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from doug.stacks import Seen, codesOf, seenIn
from doug.statemachine import StateMachine
from doug.watch import SLOW

__all__ = ["LOOK", "ReactorWatch", "Standstill", "Watchdog"]

LOOK = 0.05  # seconds between two looks, and between two beats
_QUIET = 1.0  # seconds between two log lines


class Standstill(NamedTuple):
    """The reactor was late. seconds: by so much, at least. seen: what it was at. app: the
    application that held it, if that is sure: seen twice, with no turn of the reactor between.
    """

    seconds: float
    seen: Seen
    app: StateMachine | None


class Watchdog:
    """What the reactor is at when it does not turn. Seconds are of one clock, any origin.

    look() is called by the thread that looks, all else by the reactor's.
    """

    def __init__(self) -> None:
        self._due: float | None = None  # the next beat; None: nothing to watch
        self._lookedAt = self._cpu = self._stoodUntil = float("-inf")
        self._sights: list[tuple[float, Seen]] = []  # of this standstill, not told yet
        self._last = (float("-inf"), "")  # the place that was seen last

    def expect(self, due: float | None) -> None:
        """The next beat is to come then. None: there will be none, and nothing to watch."""
        self._due = due

    def look(self, now: float, cpu: float, see: Callable[[], Seen | None]) -> None:
        """Is the beat late? Then what the reactor's thread is at is kept.

        cpu: seconds that the process has computed so far.
        """
        gap, computed = now - self._lookedAt, cpu - self._cpu
        self._lookedAt, self._cpu = now, cpu
        if gap > 2 * LOOK and computed < SLOW:
            self._stoodUntil = now
            return
        due, sights = self._due, self._sights
        if due is None or now - max(due, self._stoodUntil) <= SLOW or _agree(sights):
            return
        seen = see()
        if seen is not None:
            self._last = now, seen.place
            sights.append((now, seen))

    def seenSince(self, since: float) -> str:
        """The place that the reactor was seen at last, after that time; "" if it was not seen."""
        at, place = self._last
        return place if at >= since else ""

    def take(self, since: float, now: float) -> str:
        """The same, for who tells of it: the beat does not any more, of the time until now."""
        self._sights = [sight for sight in self._sights if sight[0] < since]
        self._stoodUntil = now
        return self.seenSince(since)

    def beat(self, now: float) -> Standstill | None:
        """The reactor turns. What is to be told of the time since the last beat, if anything is."""
        due, self._due = self._due, None
        sights, self._sights = self._sights, []
        if due is None or not sights:
            return None
        seen = sights[-1][1]
        seconds = now - max(due, self._stoodUntil)
        return Standstill(seconds, seen, seen.app if _agree(sights) else None)


def _agree(sights: list[tuple[float, Seen]]) -> bool:
    """Do the last two say the same? Then there is no need for more."""
    if len(sights) < 2:
        return False
    before, last = sights[-2][1], sights[-1][1]
    return last.app is before.app and (last.app is not None or last.place == before.place)


class ReactorWatch:
    """The beat of a real reactor, and the thread that looks at it, from start() to stop().

    isNeeded: asked at each beat: is there still somebody to watch? If not, both sleep until
    wake(). cpu: seconds that the process has computed.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        isNeeded: Callable[[], bool],
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._reactor, self._isNeeded, self._cpu = reactor, isNeeded, cpu
        self._dog = Watchdog()
        self._thread = Thread(target=self._look, name="doug-watchdog", daemon=True)
        self._awake, self._stopping = Event(), Event()
        self._call: IDelayedCall | None = None
        self._watched = 0  # the reactor's thread
        self._base: list[CodeType] = []
        self._toldAt = float("-inf")

    def start(self) -> None:
        """Starts the thread; the reactor may run later."""
        self._thread.start()
        self._call = self._reactor.callLater(0, self._beat)

    def stop(self) -> None:
        """For good: neither thread nor delayed call is left."""
        self._stopping.set()
        self._awake.set()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._thread.join()

    def wake(self) -> None:
        """Somebody is to be watched, from this moment on."""
        if self._call is None and not self._stopping.is_set():
            self._arm()

    def take(self, since: float) -> str:
        """See Watchdog."""
        return self._dog.take(since, self._reactor.seconds())

    def seenSince(self, since: float) -> str:
        """See Watchdog."""
        return self._dog.seenSince(since)

    def _arm(self) -> None:
        self._dog.expect(self._reactor.seconds() + LOOK)
        self._call = self._reactor.callLater(LOOK, self._beat)
        self._awake.set()

    def _beat(self) -> None:
        self._call = None
        if not self._watched:
            self._watched = get_ident()
            self._base = codesOf(sys._getframe(1))
        held = self._dog.beat(self._reactor.seconds())
        if held is not None:
            self._tell(held)
        if self._isNeeded():
            self._arm()
        else:
            self._awake.clear()

    def _tell(self, held: Standstill) -> None:
        if held.app is not None:
            held.app.va_heldIn(held.seen.place, held.seconds)
            return
        now = self._reactor.seconds()
        if now - self._toldAt < _QUIET:
            return
        self._toldAt = now
        self.log.warn(
            "the reactor stood still for {seconds:.2f} s, in {place}, and no call had sound "
            "meanwhile{remedy}",
            seconds=held.seconds,
            place=held.seen.place,
            remedy=": move slow work to deferToThread(f, ...)" if held.seen.isTheirs else "",
        )

    # The other thread

    def _look(self) -> None:
        seconds, cpu = self._reactor.seconds, self._cpu
        while not self._stopping.wait(LOOK):
            self._dog.look(seconds(), cpu(), self._see)
            self._awake.wait()

    def _see(self) -> Seen | None:
        return seenIn(sys._current_frames().get(self._watched), self._base)
