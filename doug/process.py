"""Settings of the process, made once at start by the plug-in and the scripts.

Lives here: what numpy, the interpreter lock, the clock and the garbage collector need so that
sound is on time. Not here: anything about calls.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

SWITCH_INTERVAL = 0.001  # seconds that a thread may hold the interpreter while the reactor waits
COLLECT_AFTER = 100_000  # objects: collections are rare, and short since start-up is frozen


def tune(reactor: Any) -> None:
    """Call it once, with everything imported and before the reactor runs.

    Twisted's reactor goes by wall time: a clock that is set back would stop every timer, so it is
    given the monotonic one, before any call is delayed.
    """
    reactor.seconds = time.monotonic
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 50, 100)
