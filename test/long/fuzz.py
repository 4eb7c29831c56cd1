"""A million messages, most of them broken, to a whole server in virtual time.

    python -m test.long.fuzz [--kind bare|office] [--messages 1000000] [--seed 1]

The same as test.fuzz.test_sip, with other seeds and for longer; "office" is the server with phones,
trunks and TCP. A new server is made for each 100 000 messages; after each 10 000 a plain call is to
work (sound, a key, the end), and after a pause for all timers of RFC 3261 no call, transaction or
application is to be left. Prints each fault, a line for each 100 000 and a result; ends with 0 if
nothing was raised, nothing was left, and the memory has grown by 10 MB at most: over the second
half of the messages to the first server, and over all servers that come after it.
DOUG_CORPUS, if set, adds the messages of the corpus.

Lives here: that run. Not here: messages and server (test.fuzz).
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from twisted.logger import globalLogBeginner

from test.fuzz.officefuzz import OfficeFuzz
from test.fuzz.sipfuzz import SIPFuzz

KINDS: dict[str, type[SIPFuzz]] = {"bare": SIPFuzz, "office": OfficeFuzz}
PART = 10_000  # messages between two plain calls
SERVER = 100_000  # messages to one server
MOST_GROWTH = 10.0  # MB


class Run:
    """What has come of it until now.

    faults: what was logged as an error, and checks that did not hold, in words. failed: how many
    checks did not. resident: MB in the middle and at the end of the first server, then at the end
    of each.
    """

    def __init__(self, kind: str) -> None:
        self._kind = KINDS[kind]
        self.resident: list[float] = []
        self.messages = self.failed = 0
        self.answers: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.faults: list[str] = []
        self.began = time.monotonic()

    def serve(self, seed: int, count: int) -> None:
        """One server, and so many messages to it."""
        fuzz = self._kind(seed)
        left = count
        while left > 0:
            part = min(PART, left)
            fuzz.send(part)
            left -= part
            for check in (fuzz.assertWell, fuzz.settle):
                self.check(fuzz, check.__name__, check)
            if not self.resident and left <= count / 2:
                self.measure()
        if len(self.resident) == 1:
            self.measure()
        self.check(fuzz, "close", fuzz.close)
        self.messages += fuzz.messages
        self.answers += fuzz.answers
        self.requests += fuzz.requests

    def check(self, fuzz: SIPFuzz, name: str, check: Callable[[], None]) -> None:
        """Asks for one of the things that must hold; goes on if it does not."""
        raised, fuzz.faults[:] = list(fuzz.faults), []
        try:
            check()
        except AssertionError as error:
            self.failed += 1
            raised.append(f"{name}: {error}")
        for fault in raised:
            say(fault)
        self.faults += raised

    def measure(self) -> None:
        """Notes the memory."""
        gc.collect()
        self.resident.append(residentMegabytes())

    @property
    def growth(self) -> float:
        """MB: of one server that has met as much again, or of servers one after the other."""
        middle, end, *others = self.resident
        return max(end - middle, others[-1] - others[0] if others else 0.0)

    def __str__(self) -> str:
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(self.answers.items()))
        ours = ", ".join(f"{method}: {count}" for method, count in sorted(self.requests.items()))
        return (
            f"{self.messages} messages, {len(self.faults)} tracebacks and failed checks "
            f"({self.failed} of these after a pause); answers {codes}; own requests {ours}; "
            f"{residentMegabytes():.1f} MB resident, {time.monotonic() - self.began:.0f} s"
        )


def say(what: object) -> None:
    """A line for who runs it."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def residentMegabytes() -> float:
    """Memory of this process that is in use now."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def main(args: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", choices=tuple(KINDS), default="bare")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(args)
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False)
    run = Run(options.kind)
    seed = options.seed
    while run.messages < options.messages:
        run.serve(seed, min(SERVER, options.messages - run.messages))
        seed += 1
        run.measure()
        say(run)
    middle, end, *others = run.resident
    say(
        f"resident in the middle of the first server {middle:.1f} MB, at its end {end:.1f} MB, "
        f"without it {others[0]:.1f} MB, without the last one {others[-1]:.1f} MB: grown by "
        f"{run.growth:.1f}, {MOST_GROWTH:.0f} MB are allowed"
    )
    return 1 if run.faults or run.growth > MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
