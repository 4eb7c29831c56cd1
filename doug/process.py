"""Settings of the process, made once at start by the plug-in and the scripts.

Lives here: what numpy, the interpreter lock, the clock and the garbage collector need so that
sound is on time. Not here: anything about calls.
"""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

SWITCH_INTERVAL = 0.001  # seconds that a thread may hold the interpreter while the reactor waits
COLLECT_AFTER = 10_000  # objects made: a look at so many takes 3 ms, at ten times as many 30
HURRY = "hurry"  # the reactor's event of a second signal, see IReactorCore.addSystemEventTrigger

log = Logger()


def tellInOneLine(kind: type[Exception], name: str) -> None:
    """An exception of that kind that ends the process is a line on standard error, and in the log.

    name: of the program. Others keep their traceback.
    """
    before = sys.excepthook

    def tell(
        raised: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(raised, kind):
            before(raised, error, trace)
            return
        log.critical("{error}", error=str(error))
        if sys.__stderr__ is not None:
            sys.__stderr__.write(f"{name}: {error}\n")

    sys.excepthook = tell


def stopOnce(reactor: Any) -> None:
    """A second signal while the first one's shutdown is under way hurries it: the event HURRY."""
    stop = reactor.stop

    def stopUnlessStopping() -> None:
        try:
            stop()
        except ReactorNotRunning:
            log.info("shutting down already, now in a hurry; kill -9 leaves calls as they are")
            reactor.fireSystemEvent(HURRY)

    reactor.stop = stopUnlessStopping


def onSignal(reactor: Any, number: int, do: Callable[[], object]) -> None:
    """do() is called on a turn of the reactor after each such signal to the process."""

    def signalled(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(do)

    signal.signal(number, signalled)


def tune(reactor: Any) -> None:
    """Call it once, with everything imported and before the reactor runs.

    Twisted's reactors go by wall time: a clock that is set back would stop every timer, so this one
    is given the monotonic one; unless calls are delayed already, which would be lost by that.
    """
    if reactor.getDelayedCalls():
        log.warn("timers go by wall time: something has set one before Doug was started")
    else:
        reactor.seconds = time.monotonic
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 50, 100)
