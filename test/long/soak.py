"""Hours of a server with a hundred calls at a time, in virtual time.

    python -m test.long.soak [--hours 2] [--calls 100] [--seed 1] [--real HOURS] [--trace]

Random applications (soakapps.py), random callers (soakpeers.py), a network that is good, bad, or
gone for one of the phones. Says a line each thousand calls, and at the end one with the result:
calls, unexpected tracebacks, calls that would not end, what was left behind, growth of the memory;
before it how calls ended, what their verdicts found, and warnings. Ends with 0 if all was well: no
traceback, nothing stuck or left, and 100 bytes a call of growth at most, over the second half of
20 000 calls or more (fewer tell nothing of it).
--real: after so many hours of the wall's clock it ends too.
--trace: which lines hold more memory than a thousand calls before (tracemalloc: half the speed).

Lives here: that run.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from statistics import linear_regression
from typing import NamedTuple

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

import doug.demo
from doug.settings import Settings
from doug.testing import Conditions, Lab
from test.long.soakapps import APPS, INTENDED, Means
from test.long.soakpeers import PHONES, Caller

STEP = 1.0  # virtual seconds between two looks at the run
WEATHER = 120.0  # virtual seconds of one kind of network
REST = 200.0  # virtual seconds in which the last calls end
EACH = 1000  # calls between two measurements
ENOUGH = 20  # measurements that tell something of the growth
MOST_GROWTH = 100.0  # bytes a call
SHOWN = 5  # tracebacks in full
WEATHERS = (
    Conditions(),
    Conditions(jitter=0.02),
    Conditions(jitter=0.005, loss=0.01, reorder=0.01),
    Conditions(delay=0.08, jitter=0.04, loss=0.05, duplicate=0.02),
)


class Sample(NamedTuple):
    """One measurement.

    memory: of the process, bytes, without its cache of prompts, which recordings that are played
    again fill up to its bound. objects: that the collector knows.
    """

    calls: int
    memory: int
    objects: int


class Soak:
    """One run. found: unexpected tracebacks, in full. warnings: log lines of a kind."""

    def __init__(self, calls: int, seed: int, folder: str, trace: bool = False) -> None:
        self.rng = Random(seed)
        self.trace = trace
        self.found: list[str] = []
        self.warnings: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self._snapshot: tracemalloc.Snapshot | None = None
        prompts = str(Path(doug.demo.__file__).parent / "prompts")
        self.means = Means(self.rng, folder, prompts, self._somebody)
        settings = Settings(rtpPorts=(10000, 10000 + 8 * calls + 200), idle="sparse")
        self.lab = Lab(APPS, seed=seed, settings=settings, means=self.means)
        self.phones = [self.lab.phone(f"p{n}", **kind) for n, kind in enumerate(PHONES)]
        self.callers = [
            Caller(self.lab, self.phones, self.rng, self.means.ends, n) for n in range(calls)
        ]
        self.lab.reactor.names["doug.example"] = ["192.0.2.10"]

    def _somebody(self) -> str:
        """Whom an application calls: a phone, the server itself, or nobody."""
        chance = self.rng.random()
        if chance < 0.04:
            return "sip:play@doug.example"
        if chance < 0.08:
            return self.rng.choice(
                ("sip:nobody@198.51.100.250", "sip:x@unknown.invalid", "tel:12", "nonsense")
            )
        return self.rng.choice(self.phones).uri

    @property
    def calls(self) -> int:
        """Begun so far."""
        return sum(caller.calls for caller in self.callers)

    def run(self, seconds: float, real: float = float("inf")) -> None:
        """So much virtual time, or real time if that is over before; then all calls end."""
        reactor = self.lab.reactor
        end = reactor.seconds() + seconds
        for caller in self.callers:
            reactor.callLater(self.rng.random() * 5.0, caller.next)
        self._changeWeather()
        last = time.monotonic() + real
        while reactor.seconds() < end and time.monotonic() < last:
            self._advance(STEP)
            self._housekeeping()
        for caller in self.callers:
            caller.running = False
        self.lab.network.conditions, self.lab.network.drop = Conditions(), None
        rest = reactor.seconds() + REST
        while reactor.seconds() < rest:
            self._advance(STEP)
            self._housekeeping()

    def _advance(self, seconds: float) -> None:
        try:
            self.lab.reactor.advance(seconds)
        except Exception:  # a fault of Doug's: noted as such, and the run goes on
            self.found.append(Failure().getTraceback())

    def _changeWeather(self) -> None:
        """The network is another one, and now and then it is gone for one phone."""
        network = self.lab.network
        network.conditions = self.rng.choice(WEATHERS)
        network.drop = None
        if self.rng.random() < 0.3:
            host = self.rng.choice(self.phones).host.address
            network.drop = lambda data, source, to: host in (source[0], to[0])
            self.lab.reactor.callLater(self.rng.uniform(5.0, 40.0), setattr, network, "drop", None)
        if any(caller.running for caller in self.callers):
            self.lab.reactor.callLater(WEATHER, self._changeWeather)

    def _housekeeping(self) -> None:
        """What only grows because this is a test is cut; measures."""
        self.lab.results.clear()
        self.lab.failures.clear()
        for phone in self.phones:
            phone.calls[:] = [call for call in phone.calls if not call.closed]
            for call in phone.calls:
                if self.rng.random() < 0.05:
                    call.hangUp()
        if self.calls // EACH > len(self.samples):
            self.samples.append(self._measure())

    def _measure(self) -> Sample:
        gc.collect()
        cached = self.lab.application.exchange.prompts.bytes
        sample = Sample(self.calls, memoryOfProcess() - cached, len(gc.get_objects()))
        say(
            f"{self.lab.reactor.seconds():8.0f} s virtual, {sample.calls} calls: "
            f"{sample.memory / 1e6:.1f} MB, {sample.objects} objects, {len(self.found)} tracebacks"
        )
        if self.trace:
            before, self._snapshot = self._snapshot, tracemalloc.take_snapshot()
            for line in grown(before, self._snapshot):
                say(f"    {line}")
        return sample

    def leftovers(self) -> str:
        """What is left behind, "" for nothing."""
        try:
            self.lab.assertNothingLeft()
        except AssertionError as error:
            return str(error)
        return ""

    @property
    def growth(self) -> float | None:
        """Bytes a call, of the second half of the measurements; None if they are too few."""
        if len(self.samples) < ENOUGH:
            return None
        late = self.samples[len(self.samples) // 2 :]
        line = linear_regression([each.calls for each in late], [each.memory for each in late])
        return line.slope

    def observe(self, event: LogEvent) -> None:
        """A line of the log: errors that no application made on purpose are kept."""
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            if not failure.check(*INTENDED) and not isIntended(failure):
                self.found.append(f"{formatEvent(event)}\n{failure.getTraceback()}")
        elif event["log_level"] >= LogLevel.warn:
            self.warnings[str(event.get("log_format"))[:70]] += 1


def isIntended(failure: Failure) -> bool:
    """Is it what a faulty application of ours returned instead of a list?"""
    return failure.check(TypeError) is not None and "'nonsense'" in failure.getErrorMessage()


def grown(before: tracemalloc.Snapshot | None, now: tracemalloc.Snapshot) -> list[str]:
    """The ten lines whose memory has grown the most."""
    if before is None:
        return []
    return [str(line) for line in now.compare_to(before, "lineno")[:10] if line.size_diff > 0]


def say(text: str) -> None:
    """A line for who watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def memoryOfProcess() -> int:
    """Bytes in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main() -> int:
    """Runs it; 0 if all is well."""
    parser = argparse.ArgumentParser(
        description="Hours of a server with many calls, in virtual time."
    )
    parser.add_argument("--hours", type=float, default=2.0, help="virtual hours")
    parser.add_argument("--calls", type=int, default=100, help="callers at a time")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance")
    parser.add_argument("--real", type=float, default=float("inf"), help="real hours at most")
    parser.add_argument("--trace", action="store_true", help="tell which lines hold more memory")
    args = parser.parse_args()
    if args.trace:
        tracemalloc.start()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(args.calls, args.seed, folder, args.trace)
        observer = implementer(ILogObserver)(partial(soak.observe))
        globalLogBeginner.beginLoggingTo([observer], discardBuffer=True, redirectStandardIO=False)
        soak.run(args.hours * 3600, args.real * 3600)
        virtual = soak.lab.reactor.seconds()
        left = soak.leftovers()
    real = time.monotonic() - began
    for text in soak.found[:SHOWN]:
        say(text)
    for what, counter in (("ends", soak.means.ends), ("findings", soak.means.findings)):
        say(f"{what}: " + ", ".join(f"{name} {n}" for name, n in counter.most_common()))
    say("warnings: " + ", ".join(f"{text!r} {n}" for text, n in soak.warnings.most_common(12)))
    stuck = sum(caller.stuck for caller in soak.callers)
    say(left or "nothing was left behind")
    growth = "memory not judged" if soak.growth is None else f"{soak.growth:+.1f} bytes a call"
    say(
        f"result: {virtual / 3600:.2f} virtual hours in {real / 3600:.2f} hours, "
        f"{virtual / real:.1f} times as fast, seed {args.seed}: {soak.calls} calls by {args.calls} "
        f"callers, {len(soak.found)} unexpected tracebacks, {stuck} stuck, "
        f"{len(left.splitlines()[1:])} left behind, {growth}"
    )
    grew = soak.growth is not None and soak.growth > MOST_GROWTH
    return 1 if soak.found or left or stuck or grew else 0


if __name__ == "__main__":
    sys.exit(main())
