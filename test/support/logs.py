"""What is logged while a test runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer


def logLines(test: SynchronousTestCase) -> list[str]:
    """What is logged from now on, as text, until the test is over."""
    lines: list[str] = []
    observer = implementer(ILogObserver)(lambda event: lines.append(formatEvent(event)))
    globalLogPublisher.addObserver(observer)
    test.addCleanup(globalLogPublisher.removeObserver, observer)
    return lines


@contextmanager
def logged() -> Iterator[list[str]]:
    """The lines that are logged meanwhile."""
    lines: list[str] = []
    observer = implementer(ILogObserver)(lambda event: lines.append(formatEvent(event)))
    globalLogPublisher.addObserver(observer)
    try:
        yield lines
    finally:
        globalLogPublisher.removeObserver(observer)
