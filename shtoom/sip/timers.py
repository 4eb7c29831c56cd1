"""The timers of SIP transactions as one frozen value (RFC 3261 17, table 4; RFC 6026).

Lives here: the four base values and what follows from them. Not here: who waits for what (the
machines), the clock that wakes them (runner.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """All in seconds. t1: round trip estimate. t2: longest pause between repeats.

    t4: how long a message may stay in the network. d: how long a refused INVITE's client waits
    for repeats over an unreliable transport. Raises ValueError if one is not above zero.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    d: float = 32.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(f"{name}: wanted more than 0 seconds, got {value}")

    @property
    def patience(self) -> float:
        """64*T1: how long a transaction waits for the other side (timers B, F, H, J, L, M)."""
        return 64 * self.t1

    @property
    def i(self) -> float:
        """How long repeats of an ACK are absorbed, over an unreliable transport (17.2.1)."""
        return self.t4

    @property
    def k(self) -> float:
        """How long repeats of a final response are absorbed, likewise (17.1.2.2)."""
        return self.t4


DEFAULT_TIMERS = Timers()
"""The values that RFC 3261 recommends."""

TRYING_AFTER = 0.2
"""Seconds after which an INVITE that its user has not answered gets a 100 (17.2.1)."""
