"""What a thread is at, told from its stack: the line that is the application's, and which one's.

Lives here: whose file is whose, which frame is named. Not here: when a stack is looked at
(doug.watchdog), how a place is written (doug.transitions).
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Sequence
from functools import lru_cache
from types import CodeType, FrameType
from typing import NamedTuple

import shtoom
import twisted
from doug.statemachine import StateMachine
from doug.watch import whereIs

__all__ = ["Seen", "codesOf", "seenIn"]

APPLICATION, LIBRARY, DOUG, BELOW = range(4)  # whose a frame is; BELOW: Twisted's, Python's


class Seen(NamedTuple):
    """place: a function, its file and line. app: the application that it is at work for, None if
    the stack does not tell. isTheirs: is the place an application's, or of its libraries?
    """

    place: str
    app: StateMachine | None
    isTheirs: bool


def codesOf(frame: FrameType | None) -> list[CodeType]:
    """The functions of a stack, outermost first. frame: the innermost."""
    codes = []
    while frame is not None:
        codes.append(frame.f_code)
        frame = frame.f_back
    return codes[::-1]


def seenIn(frame: FrameType | None, base: Sequence[CodeType]) -> Seen | None:
    """The innermost line of an application in a stack; else of its libraries; else of all.

    frame: the innermost. base: what every stack of the reactor begins with, which runs it and is
    not what it is at. None: there is nothing but Twisted and Python, as when it waits.
    """
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    common = 0
    while common < min(len(base), len(frames)) and frames[common].f_code is base[common]:
        common += 1
    inner = [(_whose(f.f_code.co_filename), f) for f in reversed(frames[common:])]
    best = min((whose for whose, _ in inner), default=BELOW)
    if best == BELOW:
        return None
    named = next(f for whose, f in inner if whose == best) if best != DOUG else inner[0][1]
    place = whereIs(named.f_code.co_name, (named.f_code.co_filename, named.f_lineno))
    apps = (_appIn(f, anyName=whose < DOUG) for whose, f in inner if whose != BELOW)
    return Seen(place, next((app for app in apps if app is not None), None), best < DOUG)


def _appIn(frame: FrameType, *, anyName: bool) -> StateMachine | None:
    """The application that a function is a method of; with anyName also one that it knows of."""
    names = frame.f_locals
    for value in (names.get("self"), *(names.values() if anyName else ())):
        if StateMachine in type(value).__mro__:  # isinstance() may ask the object
            app: StateMachine = value
            return app
    return None


@lru_cache(256)
def _whose(file: str) -> int:
    """Whose file that is."""
    if file.startswith(_OURS):
        return DOUG
    if file.startswith("<") or file.startswith(_TWISTED):
        return BELOW
    if not {"site-packages", "dist-packages"}.isdisjoint(file.split(os.sep)):
        return LIBRARY
    return BELOW if file.startswith(_PYTHON) else APPLICATION


def _folder(file: str | None) -> str:
    return os.path.join(os.path.dirname(file or ""), "")


_OURS = (_folder(__file__), _folder(shtoom.__file__))
_TWISTED = _folder(twisted.__file__)
_PYTHON = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib"))
