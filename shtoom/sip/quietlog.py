"""A log that no flood can fill: one line a second for each reason, and how many it stands for."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

EVERY = 1.0
"""Seconds between two lines of one reason."""


class QuietLog:
    """seconds: the time. In its methods, reason names a kind of line: no text of the network."""

    def __init__(self, log: Logger, seconds: Callable[[], float]) -> None:
        self._log, self._seconds = log, seconds
        self._quietUntil: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def warn(self, reason: str, format: str, /, **values: object) -> None:
        """A warning, as twisted.logger has it."""
        unsaid = self._turn(reason)
        if unsaid is not None:
            self._log.warn(format + unsaid, **values)

    def failure(self, reason: str, format: str, failure: Failure, /, **values: object) -> None:
        """A failure with its traceback."""
        unsaid = self._turn(reason)
        if unsaid is not None:
            self._log.failure(format + unsaid, failure, LogLevel.critical, **values)

    def _turn(self, reason: str) -> str | None:
        """None: be quiet. Else what to add to the line."""
        now = self._seconds()
        if now < self._quietUntil.get(reason, now):
            self._unsaid[reason] = self._unsaid.get(reason, 0) + 1
            return None
        self._quietUntil[reason] = now + EVERY
        unsaid = self._unsaid.pop(reason, 0)
        return f" (and {unsaid} more like it before)" if unsaid else ""
