"""The same load twice in one process, with the collector off: what is left that was not before.

    python -m test.long.reload [--calls 1000]

Short calls in virtual time that play, record, hear keys, set timers; either side hangs up. Says
objects, pieces of memory and all memory after each load, and the bytes that a call leaves; ends
with 0 if the second has left no more than 50 objects, a piece for two calls, 5 % of memory, and a
call less than 100 bytes.

Lives here: that load, and its run. test.doug.test_leaks has it too, with fewer calls.
"""

from __future__ import annotations

import argparse
import gc
import io
import sys
import tracemalloc
from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

from twisted.logger import globalLogBeginner

from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
)
from doug.testing import Lab
from doug.voiceapp import VoiceApp
from test.doug.witnesses import SOUND
from test.long.soak import memoryOfProcess

KEYS = "12"
EACH = 10  # calls, of which one presses KEYS
MOST_OBJECTS = 50
A_PIECE = 2  # calls that may leave one piece of memory, of whatever size, together
MOST_BYTES = 100  # that a call may leave
MOST_TRACED = 100  # calls whose bytes are counted, which takes ten times as long
MOST_MEMORY = 1.05  # times that of before


class Busy(VoiceApp):
    """Plays, records, collects keys, sets timers."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.serve), (CallEndedEvent, self.gone)]

    def serve(self, event: CallAnsweredEvent) -> Any:
        """All at once."""
        self.keys = ""
        self.mediaPlay(SOUND, bargeIn=True)
        self.mediaRecord(io.BytesIO())
        self.dtmfMode(maxDigits=2, interDigitTimeout=1.0)
        self.setTimer(100.0)
        return [
            (DTMFReceivedEvent, self.pressed),
            (CallEndedEvent, self.gone),
            (Event, lambda event: None),
        ]

    def pressed(self, event: DTMFReceivedEvent) -> None:
        """Keys."""
        self.keys += event.digits

    def gone(self, event: CallEndedEvent) -> None:
        """The caller has left."""
        self.returnResult(self.keys)


class After(NamedTuple):
    """A load of so many calls. objects: that the collector knows. pieces: of memory that Python
    has handed out, also those that it does not know: bytes, strings, numbers. memory: bytes of the
    process. keys: what calls have returned, and how often.
    """

    calls: int
    objects: int
    pieces: int
    memory: int
    keys: Counter[object]


class Load:
    """A server and a phone, warm."""

    def __init__(self) -> None:
        self.lab = Lab(Busy)
        self.phone = self.lab.phone()
        self.run(20)  # tables, caches

    def run(self, calls: int) -> After:
        """One after the other."""
        advance = self.lab.reactor.advance  # not the lab's: no notes of who makes Deferreds
        for number in range(calls):
            call = self.phone.dial("sip:x@doug")
            self.phone.calls.remove(call)
            advance(0.02)
            if number % EACH == 1:
                call.press(KEYS, duration=0.05, gap=0.05)
                advance(0.3)
            if number % 2:
                call.hangUp()
            else:
                for app in self.lab.application.listVoiceapps().values():
                    app.returnResult("")
            advance(0.01)
        advance(80.0)
        keys: Counter[object] = Counter(self.lab.results)
        self.lab.results.clear()
        objects = len(gc.get_objects())
        gc.collect()  # what Python keeps in store, tuples and the like, are pieces too
        return After(calls, objects, sys.getallocatedblocks(), memoryOfProcess(), keys)

    def twice(self, calls: int) -> tuple[After, After]:
        """With the collector off."""
        gc.collect()
        gc.disable()
        try:
            return self.run(calls), self.run(calls)
        finally:
            gc.enable()

    def left(self, calls: int) -> float:
        """How many bytes a call leaves, in new pieces or in those that grow.

        The less of two loads, as a table that grows does so for many calls at once.
        """
        sizes = []
        tracemalloc.start()
        try:
            for _ in range(3):
                self.run(calls)
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        return min(after - before for before, after in pairwise(sizes)) / calls


def grown(first: After, second: After) -> bool:
    """Has the second left more than chance does?"""
    return (
        abs(second.objects - first.objects) >= MOST_OBJECTS
        or second.pieces - first.pieces >= second.calls / A_PIECE
        or second.memory >= MOST_MEMORY * first.memory
    )


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1000, help="of one load")
    calls = parser.parse_args().calls
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    load = Load()
    both = load.twice(calls)
    for after in both:
        sys.stdout.write(
            f"{after.objects} objects, {after.pieces} pieces, {after.memory / 1e6:.2f} MB\n"
        )
    left = load.left(min(calls, MOST_TRACED))
    sys.stdout.write(f"{left:.0f} bytes a call\n")
    load.lab.assertNothingLeft()
    return int(grown(*both) or left >= MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())
