"""Handlers that hold the reactor: while one computes or waits for a disk, no call has sound.

Lives here: from when on it is too long, a coroutine timed step by step. Not here: calling handlers
(doug.statemachine), what else holds the reactor (doug.watchdog), beats that were late
(shtoom.media.clock).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NamedTuple

__all__ = ["SLOW", "TURN", "Held", "Line", "timed", "whereIs"]

Line = tuple[str, int]  # file, number

SLOW = 0.1  # seconds from which on a handler is named in the log
TURN = 0.005  # seconds of one application's events before others, and sound, have their turn


class Held(NamedTuple):
    """Somebody held the reactor. place: a function, with file and line. took: seconds. seen: the
    line that it was seen at meanwhile, "" if nobody looked.
    """

    place: str
    took: float
    seen: str = ""

    def __str__(self) -> str:
        at = f", seen at {self.seen}" if self.seen else ""
        return f"{self.place} held the reactor for {self.took:.2f} s{at}"

    def inShort(self) -> str:
        """For a list of them."""
        at = f" at {self.seen}" if self.seen else ""
        return f"{self.place}: {self.took:.2f} s{at}"


def whereIs(name: str, line: Line) -> str:
    """A function and a line of its file, in words."""
    return f"{name} ({os.path.basename(line[0])}, line {line[1]})"


def timed(
    coroutine: Coroutine[Any, Any, Any],
    seconds: Callable[[], float],
    tell: Callable[[float, Line | None], None],
) -> Generator[Any, Any, Any]:
    """The same as the coroutine, for Deferred.fromCoroutine().

    tell: called with the seconds of each step, and the line that it began at.
    """
    step: Callable[[Any], Any] = coroutine.send
    given: Any = None
    while True:
        line = _lineOf(coroutine)
        began = seconds()
        try:
            awaited = step(given)
        except StopIteration as end:
            return end.value
        finally:
            given = None  # an exception would hold this frame, and this frame the exception
            tell(seconds() - began, line)
        try:
            given, step = (yield awaited), coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:
            given, step = error, coroutine.throw


def _lineOf(coroutine: Coroutine[Any, Any, Any]) -> Line | None:
    """Where it goes on: in the innermost coroutine that it waits for."""
    line = None
    inner: Any = coroutine
    while (frame := getattr(inner, "cr_frame", None)) is not None:
        line = frame.f_code.co_filename, frame.f_lineno
        inner = inner.cr_await
    return line
