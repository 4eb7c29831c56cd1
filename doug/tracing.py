"""The trace of a server: what its settings say, and what is switched while it runs.

Lives here: who is shown messages, and when the transaction layer needs to show them at all. Not
here: how a message is written (shtoom.sip.trace), Homer's packets (shtoom.sip.hep).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger

from shtoom.sip.hep import HEPSender, parseHEP
from shtoom.sip.trace import Trace, parseSubject

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from doug.settings import Settings
    from shtoom.agent.agent import UserAgent

__all__ = ["Tracing"]


class Tracing:
    """Of one user agent. trace: shows messages as long as there is something to show."""

    log = Logger()

    def __init__(
        self, reactor: Any, agent: UserAgent, settings: Settings, wallTime: Callable[[], float]
    ) -> None:
        self._agent, self._configured = agent, settings.traceSIP
        self._homer: HEPSender | None = None
        if settings.hep is not None:
            self._homer = HEPSender(reactor, parseHEP(settings.hep), agent.resolver)
        self.trace = Trace(
            wallTime,
            full=settings.traceFull,
            maskKeys=settings.traceNoDigits,
            watcher=self._homer,
        )
        self.trace.subjects.update(map(parseSubject, settings.traceSIP))

    def start(self) -> None:
        """The ports are open."""
        if self._homer is not None:
            self._homer.start()
        self._switch()

    def reload(self, settings: Settings) -> None:
        """What --trace-sip has named before is shown no more, what it names now is."""
        subjects = self.trace.subjects
        subjects.difference_update(map(parseSubject, self._configured))
        subjects.update(map(parseSubject, settings.traceSIP))
        self._configured = settings.traceSIP
        self.trace.full, self.trace.maskKeys = settings.traceFull, settings.traceNoDigits
        self._switch()

    def follow(self, what: str, isOn: bool) -> None:
        """Shows messages of `what` from now on, or no more; "all" ends all others too.

        what: as --trace-sip has it. ValueError if it is nothing of that kind.
        """
        subject, subjects = parseSubject(what), self.trace.subjects
        if isOn:
            subjects.add(subject)
        elif subject == parseSubject("all"):
            subjects.clear()
        else:
            subjects.discard(subject)
        self._switch()
        self.log.info(
            "SIP messages of {what} are {written} the log",
            what=what,
            written="written into" if isOn else "no longer written into",
        )

    def toggle(self) -> None:
        """All messages, or none."""
        self.follow("all", not self.trace.subjects)

    def timers(self) -> list[IDelayedCall]:
        """Those that run as long as the server does."""
        return self._homer.timers() if self._homer is not None else []

    def close(self) -> Deferred[Any]:
        """Nothing is shown any more; fires when no port is open."""
        self._agent.layer.trace = None
        return maybeDeferred(self._homer.close) if self._homer is not None else succeed(None)

    def _switch(self) -> None:
        self._agent.layer.trace = self.trace if self.trace.isOn else None
