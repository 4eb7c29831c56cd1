"""Which line holds the reactor: seen by a second thread, since the first one is busy.

Handlers are timed where they are called (doug.statemachine). What else is an application's is
called by others: callbacks of Deferreds, later steps of generators, functions given to callLater.
While an application runs, a thread looks ten times a second whether the reactor turns: whether the
beat of the sound comes, or, in a call without sound, a call of its own. If none has for 100 ms, it
looks at the stack of the reactor's thread.

It looks as soon as it has the interpreter, which Python code gives up within the interval of
doug.process, and system calls at once. C code that computes and keeps it (a large power, a regular
expression) is seen at its end: at that line, or where the next one begins. Whoever stood still
himself meanwhile, without having computed, blames nobody: the process was stopped (SIGSTOP), or
the machine had no time for it.

Lives here: Watchdog (plain: times and stacks come in), the thread around it.
Not here: what a stack says (doug.stacks), sound that was left out (shtoom.media.clock).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Event, Thread, get_ident
from types import CodeType
from typing import Any, NamedTuple

from twisted.logger import Logger

from doug.stacks import Seen, codesOf, seenIn
from doug.statemachine import StateMachine
from doug.watch import SLOW

__all__ = ["LOOK", "ReactorWatch", "Standstill", "Watchdog"]

LOOK = 0.1  # seconds between two looks
AGAIN = 0.04  # seconds to the next one, if something has been seen
_WATCHED = 1.0  # seconds from wake() on, needed or not
_LATE_MYSELF = 1.5 * LOOK
_QUIET = 1.0  # seconds between two log lines


class Standstill(NamedTuple):
    """The reactor did not turn. seconds: for so long, at least. seen: what it was at. app: the
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
        self._lookedAt = self._stoodUntil = float("-inf")
        self._cpu = float("inf")  # so that the first look only begins
        self._since = 0.0  # when the first of these should have been a turn
        self._sights: list[tuple[float, Seen]] = []  # of this standstill, not told yet
        self._last = (float("-inf"), "")  # the place that was seen last

    def look(
        self, now: float, cpu: float, due: float | None, see: Callable[[], Seen | None]
    ) -> bool:
        """Is a turn late that was due then? What the reactor's thread is at is kept, if it is.

        cpu: seconds that the process has computed so far. due: None if none was. True: something
        was seen.
        """
        before, gap, computed = self._lookedAt, now - self._lookedAt, cpu - self._cpu
        self._lookedAt, self._cpu = now, cpu
        if gap > _LATE_MYSELF:
            if computed < SLOW:
                self._stoodUntil = now
                return False
            held = before + LOOK  # nobody else had the interpreter either
            due = held if due is None else min(due, held)
        if due is None:
            return False
        since, sights = max(due, self._stoodUntil), self._sights
        if now - since <= SLOW or _agree(sights):
            return False
        seen = see()
        if seen is None:
            return False
        if not sights:
            self._since = since
        self._last = now, seen.place
        sights.append((now, seen))
        return True

    def seenSince(self, since: float) -> str:
        """The place that the reactor was seen at last, after that time; "" if it was not seen."""
        at, place = self._last
        return place if at >= since else ""

    def take(self, since: float, now: float) -> str:
        """The same, for who tells of it: turned() does not any more, of the time until now."""
        self._sights = [sight for sight in self._sights if sight[0] < since]
        self._stoodUntil = now
        return self.seenSince(since)

    def turned(self, now: float) -> Standstill | None:
        """The reactor turns. What is to be told of the time before, if anything is."""
        sights, self._sights = self._sights, []
        self._stoodUntil = now
        if not sights:
            return None
        seen = sights[-1][1]
        return Standstill(now - self._since, seen, seen.app if _agree(sights) else None)


def _agree(sights: list[tuple[float, Seen]]) -> bool:
    """Do the last two say the same? Then there is no need for more."""
    if len(sights) < 2:
        return False
    before, last = sights[-2][1], sights[-1][1]
    return last.app is before.app and (last.app is not None or last.place == before.place)


class ReactorWatch:
    """The thread that looks at a real reactor, from start() to stop().

    isNeeded: asked by that thread: is there still somebody to watch? If not, it sleeps until
    wake(). beatDue: set by who knows: when the beat of the sound is due, None if it is not to come
    soon. cpu: seconds that the process has computed.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        isNeeded: Callable[[], bool],
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._reactor, self._isNeeded, self._cpu = reactor, isNeeded, cpu
        self.beatDue: Callable[[], float | None] = lambda: None
        self._dog = Watchdog()
        self._awake, self._wokenAt = Event(), 0.0
        self._stopped = False
        self._asked: float | None = None  # when _turned() was asked for, until it comes
        self._watched = 0  # the reactor's thread
        self._base: list[CodeType] = []
        self._toldAt = float("-inf")

    def start(self) -> None:
        """Starts the thread; the reactor may run later."""
        self._reactor.callFromThread(self._begin)
        Thread(target=self._look, name="doug-watchdog", daemon=True).start()

    def stop(self) -> None:
        """For good: the thread ends with its next look."""
        self._stopped = True
        self._awake.set()

    def wake(self) -> None:
        """Somebody is to be watched."""
        self._wokenAt = self._reactor.seconds()
        if not self._awake.is_set():
            self._awake.set()

    def take(self, since: float) -> str:
        """See Watchdog."""
        return self._dog.take(since, self._reactor.seconds())

    def seenSince(self, since: float) -> str:
        """See Watchdog."""
        return self._dog.seenSince(since)

    def _begin(self) -> None:
        self._watched = get_ident()
        self._base = codesOf(sys._getframe(1))

    def _turned(self) -> None:
        self._asked = None
        held = self._dog.turned(self._reactor.seconds())
        if held is not None:
            self._tell(held)

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
        wait = LOOK
        while not self._stopped:
            time.sleep(wait)
            wait = AGAIN if self._lookOnce() else LOOK
            if not self._isNeeded():
                self._awake.clear()
                asleep = self._reactor.seconds() > self._wokenAt + _WATCHED
                if asleep and not self._isNeeded() and not self._stopped:
                    self._awake.wait()

    def _lookOnce(self) -> bool:
        now = self._reactor.seconds()
        due = self.beatDue()
        soon = due is not None and due < now + LOOK
        asked = self._asked
        if asked is not None:
            due = min(asked, due) if due is not None else asked
        seen = self._dog.look(now, self._cpu(), due, self._see)
        if self._asked is None and (seen or not soon):
            self._ask(now)
        return seen

    def _ask(self, now: float) -> None:
        self._asked = now
        self._reactor.callFromThread(self._turned)

    def _see(self) -> Seen | None:
        return seenIn(sys._current_frames().get(self._watched), self._base)
