"""What a handler may return: pairs of (event class, handler), and how handlers are named.

Lives here: checking them, words for what is wrong with them. Not here: what is done with them
(doug.statemachine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import unwrap
from typing import Any

from doug.events import IGNORE_EVENT, BaseEvent
from doug.watch import Line, whereIs
from shtoom.words import reprOf

__all__ = ["Returned", "Transition", "nameOf", "pairsOf", "placeOf"]

Transition = tuple[type[BaseEvent], Any]
Returned = Any  # an iterable of pairs, None, or a Deferred or coroutine of one


def nameOf(handler: object) -> str:
    """A handler by its name alone."""
    return getattr(handler, "__name__", None) or reprOf(handler)


def placeOf(handler: Any, line: Line | None = None) -> str:
    """A handler by its name, file and line; line: another one than its first."""
    if line is None:
        code = getattr(unwrap(getattr(handler, "__func__", handler)), "__code__", None)
        if code is None:
            return nameOf(handler)
        line = code.co_filename, code.co_firstlineno
    return whereIs(nameOf(handler), line)


def pairsOf(returned: Returned, whose: Callable[[], str]) -> list[Transition]:
    """The pairs that a handler returned; TypeError names handler and value if they are none.

    whose: says which handler it was, if it comes to that.
    """
    wanted = "wanted a list of (event class, handler) pairs"
    if not isinstance(returned, Iterable) or isinstance(returned, str | bytes):
        raise TypeError(f"{whose()} returned {reprOf(returned)}: {wanted}")
    pairs = list(returned)
    for pair in pairs:
        wrong = _wrongWith(pair)
        if wrong is not None:
            raise TypeError(f"{whose()} returned {reprOf(pairs)}: {wanted}, {wrong}{_hint(pairs)}")
    return [(pair[0], pair[1]) for pair in pairs]


def _wrongWith(pair: Any) -> str | None:
    """Why that is no pair (event class, handler); None: it is one."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return f"{reprOf(pair)} is none"
    eventClass, handler = pair
    if not isinstance(eventClass, type) or not issubclass(eventClass, BaseEvent):
        return f"{reprOf(eventClass)} is no event class"
    if callable(handler) or handler is IGNORE_EVENT:
        return None
    if handler is None:
        return f"the handler of {eventClass.__name__} is None; IGNORE_EVENT drops an event"
    return f"the handler of {eventClass.__name__}, {reprOf(handler)}, cannot be called"


def _hint(pairs: list[Any]) -> str:
    if pairs and isinstance(pairs[0], type) and issubclass(pairs[0], BaseEvent):
        return "; one pair alone needs a list around it: [(event class, handler)]"
    return ""
