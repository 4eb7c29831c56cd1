"""Is the reactor late? What callers hear first when a server is overloaded.

Lives here: the measure (plain), and the beat that feeds it. Not here: what follows from it
(policy.py), frames that were left out because of it (shtoom.media.clock).
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

BEAT = 0.02
LATE = 0.06
"""Seconds by which a beat may be late: about what jitter buffers hide."""

LONG = 1.0
"""Seconds of being late, less those of being on time, that make an overload."""

_ONE_BEAT = 0.25  # seconds that one beat counts at most: a single stall, however long, is none
_WATCHED = 2.0  # seconds for which it beats after it was asked: an idle server sleeps


class LagMeter:
    """Rises with the time spent late, falls with that spent on time. overloaded: what it says.

    An overload begins when it is full, and ends when it is empty again.
    """

    def __init__(self) -> None:
        self.overloaded = False
        self._level = 0.0

    @property
    def isCalm(self) -> bool:
        """Was nothing late of late?"""
        return self._level == 0.0

    def beat(self, late: float, elapsed: float) -> None:
        """A beat came, so many seconds late, so many after the last one."""
        step = min(elapsed, _ONE_BEAT)
        self._level = max(0.0, min(LONG, self._level + (step if late > LATE else -step)))
        if self._level == LONG:
            self.overloaded = True
        elif self.isCalm:
            self.overloaded = False


class LagWatch:
    """Beats while somebody asks, and tells the log of an overload, its begin and its end."""

    log = Logger()

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor, self._meter = reactor, LagMeter()
        self._call: IDelayedCall | None = None
        self._due = self._last = self._until = self._since = 0.0
        self._stopped = False

    def isOverloaded(self) -> bool:
        """Ask at each new call, and when sound was late: it is watched for a while from then on."""
        now = self._reactor.seconds()
        self._until = now + _WATCHED
        if self._call is None and not self._stopped:
            self._last = now
            self._arm(now)
        return self._meter.overloaded

    @property
    def overloaded(self) -> bool:
        """The same, for those whose asking is no cause to watch on."""
        return self._meter.overloaded

    def stop(self) -> None:
        """For good; no delayed call is left."""
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _arm(self, now: float) -> None:
        self._due = now + BEAT
        self._call = self._reactor.callLater(BEAT, self._beat)

    def _beat(self) -> None:
        now = self._reactor.seconds()
        before, late = self._meter.overloaded, now - self._due
        self._meter.beat(late, now - self._last)
        self._last = now
        if self._meter.overloaded and not before:
            self._since = now
            self.log.warn(
                "overload: the reactor was late by more than {limit:.0f} ms for {long:g} s, now by "
                "{late:.0f}; new calls get 503 until it is on time again",
                limit=1000 * LATE,
                long=LONG,
                late=1000 * late,
            )
        elif before and not self._meter.overloaded:
            self.log.warn(
                "the overload is over after {seconds:.1f} s: new calls are taken again",
                seconds=now - self._since,
            )
        if now < self._until or not self._meter.isCalm:
            self._arm(now)
        else:
            self._call = None
