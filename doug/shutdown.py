"""How a server ends: its calls may go on for a while, then nothing is left open.

Lives here: the order of the last things, how long each may take, what the log says of them.
Not here: who asks for it (doug.application, doug.process), closing ports (doug.exchange).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from doug.process import HURRY

if TYPE_CHECKING:
    from doug.exchange import Exchange
    from doug.jobs import Jobs
    from doug.voiceapp import VoiceApp

__all__ = ["Shutdown"]

LAST_WORDS = 3.0  # seconds that the far ends, the applications and the disk have at shutdown
NAMED = 5  # of what the shutdown waits for, in the log
GLANCE = 0.02  # seconds between two looks at who is not done yet


class Shutdown:
    """The end of one server that runs. begun: is it under way?

    exchange: closed with it. apps: those that run, by cookie, and jobs, as they come and go. As
    long as it is not over, a second signal to the process is hurry().
    """

    log = Logger()

    def __init__(
        self, reactor: Any, exchange: Exchange, apps: Mapping[str, VoiceApp], jobs: Jobs
    ) -> None:
        self._reactor, self._exchange, self._apps, self._jobs = reactor, exchange, apps, jobs
        self.begun = self._hurried = False
        self._onHurry: Any = reactor.addSystemEventTrigger("during", HURRY, self._secondSignal)

    def hurry(self) -> None:
        """If it is under way: calls that may still go on end now."""
        if self.begun and not self._hurried:
            self._hurried = True
            self.log.info("hurried: all calls end now")

    def _secondSignal(self) -> None:
        self._onHurry = None  # the reactor has forgotten it
        self.hurry()

    async def run(self, drainTimeout: float) -> None:
        """No new calls; those that are up have drainTimeout seconds, then our BYE ends them.

        Returns when all is closed: twice LAST_WORDS after that at the latest.
        """
        self.begun = True
        exchange, apps, jobs = self._exchange, self._apps, self._jobs
        exchange.agent.policy.draining = True
        left = Deferred.fromCoroutine(exchange.relations.stop(LAST_WORDS))
        if drainTimeout:
            self._logWaiting(drainTimeout)
        await self._wait(drainTimeout, lambda: self._hurried or not exchange.agent.calls)
        await left
        gone = exchange.agent.shutdown()  # legs hear of it at once, applications on the next turn
        await deferLater(self._reactor, GLANCE)
        self._logWaiting(2 * LAST_WORDS)
        await self._wait(LAST_WORDS, lambda: not any(app.va_isBusy() for app in apps.values()))
        for app in list(apps.values()):
            app.returnResult(None)
        await self._wait(LAST_WORDS, lambda: gone.called and not apps and not jobs.count)
        await exchange.close()
        self.log.info(
            "all ports are closed; {calls} calls were not confirmed as ended, {jobs} jobs in "
            "threads not done",
            calls=len(exchange.agent.calls),
            jobs=jobs.count,
        )
        if self._onHurry is not None:
            self._reactor.removeSystemEventTrigger(self._onHurry)
            self._onHurry = None

    def _logWaiting(self, limit: float) -> None:
        """What it waits for, if that is anything, so that nobody takes it for a hang."""
        waiting = [
            f"{call.direction} call {call.callID}, {call.state.name.lower()}"
            for call in self._exchange.agent.calls
        ]
        waiting += [f"the application {app.va_describe()}" for app in self._apps.values()]
        if self._jobs.count:
            waiting.append(f"{self._jobs.count} jobs in threads")
        if waiting:
            more = f" and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
            self.log.info(
                "shutting down, for {limit:g} s at most, waits for: {waiting}{more}",
                limit=limit,
                waiting="; ".join(waiting[:NAMED]),
                more=more,
            )

    async def _wait(self, limit: float, holds: Callable[[], bool]) -> None:
        """Until holds(), for `limit` seconds at most."""
        end = self._reactor.seconds() + limit
        while not holds() and self._reactor.seconds() < end:
            await deferLater(self._reactor, GLANCE)
