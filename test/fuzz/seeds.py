"""Tests that are run on many seeds of a Random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Test = Callable[[Any, int], None]


def onSeeds(count: int) -> Callable[[Test], Callable[[Any], None]]:
    """Runs a test on `count` of them.

    A failure names its seed: to look for a smaller number would not make it any clearer.
    """
    manner = settings(
        max_examples=count,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )

    def decorate(test: Test) -> Callable[[Any], None]:
        return manner(given(st.integers(0, (1 << 32) - 1))(test))

    return decorate
