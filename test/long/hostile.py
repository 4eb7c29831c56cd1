"""Hostile phones on bad networks, against every application that is shipped, seed after seed.

    python -m test.long.hostile [seeds]

Each phone of doug.testing.hostile calls, or is called, over a line that loses 5 %, doubles 2 % and
re-orders; each server must be well afterwards. Prints a line for what was wrong; exit code 1 then.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

from doug.demo import Demo
from doug.testing import Conditions, Lab, hostile
from doug.voiceapp import VoiceApp
from shtoom.exceptions import CallFailed
from test.scripts.loading import load

BAD = Conditions(delay=0.02, jitter=0.02, loss=0.05, duplicate=0.02, reorder=0.02)
SEEDS = 20
STAYS = 2.0  # seconds of a call
LONGEST = 240.0  # seconds until all calls must be over


def served() -> Iterator[tuple[str, type[VoiceApp], dict[str, Any]]]:
    """The applications that answer."""
    yield "demo", Demo, {}
    yield "shmessage", load("shmessage").MessageApp, {}
    yield "shecho", load("shecho").EchoApp, {}
    yield "shtoomcu", load("shtoomcu").ConferenceApp, {}
    yield "shtam", load("shtam").VoicemailApp, {"spool": tempfile.mkdtemp()}


def dialling() -> Iterator[tuple[str, type[VoiceApp], dict[str, Any]]]:
    """The applications that dial."""
    yield "testcall", load("testcall").CallApp, {}
    yield "testcisco", load("testcisco").WalkApp, {"keys": "1", "patience": 0.5}


@implementer(ILogObserver)
class Errors:
    """What was logged as an error, but calls that did not come about."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        globalLogBeginner.beginLoggingTo([self], discardBuffer=True, redirectStandardIO=False)

    def __call__(self, event: dict[str, Any]) -> None:
        """From the log."""
        failure = event.get("log_failure")
        if event["log_level"] >= LogLevel.error or failure is not None:
            if failure is None or not failure.check(CallFailed):
                text = formatEvent(event)
                self.texts.append(text if failure is None else f"{text}: {failure.getTraceback()}")

    def taken(self) -> list[str]:
        """Those since the last time."""
        texts, self.texts = self.texts, []
        return texts


def visits(app: type[VoiceApp], args: dict[str, Any], seed: int, calls: bool) -> list[str]:
    """All phones, beside each other, on one server; what was wrong."""
    lab = Lab(app, seed=seed, conditions=BAD, **args)
    for number, kind in enumerate(hostile.all(dials=calls, answers=not calls)):
        phone = lab.phone(kind=kind, keys="1", stays=STAYS)
        if calls:
            lab.reactor.callLater(0.1 * number, phone.dial, "sip:odd@doug")
        else:
            lab.reactor.callLater(0.1 * number, lab.application.placeCall, phone.uri)
    found: list[str] = []
    try:
        lab.reactor.advance(LONGEST)
        lab.assertNothingLeft()
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
    return found


def main(seeds: int) -> int:
    """Returns the exit code."""
    errors, wrong, runs = Errors(), 0, 0
    began = time.process_time()
    for seed in range(seeds):
        for apps, calls in ((served(), True), (dialling(), False)):
            for name, app, args in apps:
                found = [*visits(app, args, seed, calls), *errors.taken()]
                runs += len(hostile.all(dials=calls, answers=not calls))
                wrong += len(found)
                for text in found:
                    sys.stdout.write(f"{name}, seed {seed}: {text}\n")
    seconds = time.process_time() - began
    sys.stdout.write(f"{runs} calls of {seeds} seeds in {seconds:.0f} s: {wrong} things wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS))
