"""The property that all four transaction machines share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from shtoom.sip.effects import Effect, Ended
from shtoom.sip.states import State

Move = tuple[str, Any, float]
"""Input, its argument (None: it has none), seconds that pass before it."""


def moves(*inputs: tuple[str, Sequence[Any]]) -> st.SearchStrategy[list[Move]]:
    """Any order of these inputs and of timeReached, with any pauses."""
    pauses = st.one_of(st.just(0.0), st.floats(0.0, 40.0))
    choices = [
        st.tuples(st.just(name), st.sampled_from(list(arguments)), pauses)
        for name, arguments in (*inputs, ("timeReached", [None]))
    ]
    return st.lists(st.one_of(*choices), max_size=25)


def checkDeadlines(machine: Any, steps: list[Move]) -> None:
    """Plays the moves, and time in between, as a runner does.

    After each input the deadline is None or not past; when it comes, timeReached() leaves it None
    or later than now; Ended comes once, leaves TERMINATED and no deadline, and nothing follows it.
    """
    now, ended = 100.0, 0

    def do(call: Callable[..., list[Effect]], *args: Any) -> None:
        nonlocal ended
        before = ended
        effects = call(*args, now)
        ended += sum(isinstance(effect, Ended) for effect in effects)
        assert not (before and effects), f"{effects} after the end"
        assert machine.deadline is None or machine.deadline >= now
        assert (machine.state is State.TERMINATED) == (ended == 1), (machine.state, ended)
        assert not ended or machine.deadline is None

    do(machine.start)
    for name, argument, pause in steps:
        end = now + pause
        while machine.deadline is not None and machine.deadline <= end:
            now = max(now, machine.deadline)
            do(machine.timeReached)
            assert machine.deadline is None or machine.deadline > now
        now = end
        do(getattr(machine, name), *(() if argument is None else (argument,)))
    assert ended <= 1
