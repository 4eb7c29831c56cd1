"""Faults of applications: what one call does wrong ends at most that call."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.conferencing import newConferenceMember
from doug.events import (
    IGNORE_EVENT,
    ApplicationSpecificEvent,
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
)
from doug.exceptions import StateMachineError
from doug.source import Source
from doug.statemachine import StateMachine
from doug.testing import Lab, PhoneCall, VirtualReactor
from test.doug.faulty import Fault
from test.doug.witnesses import BEAT, Good, Witnesses
from test.support.logs import logged


def lineOf(mark: str) -> int:
    """The line of this file that ends with that remark."""
    lines = Path(__file__).read_text().splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return number


class Machine(StateMachine):
    """A state machine alone; `handle` is what its one handler does."""

    keepAlive = True

    def __init__(self, reactor: Any, handle: Callable[[Machine], Any]) -> None:
        self.outcomes: list[Any] = []
        self.handled = 0
        self.handle = handle
        done: Deferred[Any] = Deferred()
        done.addBoth(self.outcomes.append)
        super().__init__(done, reactor)
        self.va_start()

    def __start__(self) -> Any:
        return [(ApplicationSpecificEvent, self.came)]

    def came(self, event: BaseEvent) -> Any:  # came
        """Any event."""
        self.handled += 1
        return self.handle(self)


class Real(VirtualReactor):
    """Virtual delays, but the time of the wall between two readings, as handlers spend it."""

    def seconds(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()


class SlowTests(SynchronousTestCase):
    """A handler that holds the reactor for more than 100 ms is named."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()

    def lines(self, handle: Callable[[Machine], Any], seconds: float = 1.0) -> list[str]:
        """What is logged of slow handlers when one event is handled so."""
        self.machine = Machine(self.reactor, handle)
        with logged() as lines:
            self.machine.raiseEvent(ApplicationSpecificEvent())
            self.reactor.advance(seconds)
        return [line for line in lines if "held the reactor" in line]

    def test_isNamedWithFileAndLine(self) -> None:
        """By application, handler, file, line and seconds, with the remedy."""
        [line] = self.lines(lambda machine: self.reactor.stall(0.3))
        place = f"came (test_faults.py, line {lineOf('came')})"
        self.assertIn(f"Machine: {place} held the reactor for 0.30 s", line)
        self.assertIn("deferToThread", line)
        self.assertEqual(self.machine.va_slow.keys(), {place})

    def test_notBelow(self) -> None:
        """100 ms are let pass."""
        self.assertEqual(self.lines(lambda machine: self.reactor.stall(0.1)), [])

    def test_oneThatRaisesToo(self) -> None:
        """It is named, and then its error is told."""

        def handle(machine: Machine) -> None:
            self.reactor.stall(0.3)
            raise ZeroDivisionError

        self.assertEqual(len(self.lines(handle)), 1)
        [failure] = self.machine.outcomes
        failure.trap(ZeroDivisionError)

    def test_laterStepsOfACoroutine(self) -> None:
        """The line that it went on from; what it waited for is nobody's fault."""

        async def handle(machine: Machine) -> Any:
            await deferLater(machine.reactor, 0.5)  # waits
            self.reactor.stall(0.2)
            await deferLater(machine.reactor, 0.5)
            return [(ApplicationSpecificEvent, machine.came)]

        [line] = self.lines(handle, 2.0)
        self.assertIn(f"came (test_faults.py, line {lineOf('waits')}) held the reactor", line)
        self.assertEqual(len(self.machine.getCurrentEvents()), 1)

    def test_aCoroutineIsTheSameAsWithoutAWatch(self) -> None:
        """Errors go in and out of it, it can be cancelled, and what it returns counts."""
        failing: Deferred[None] = Deferred()
        seen: list[str] = []

        async def handle(machine: Machine) -> Any:
            try:
                await failing
            except KeyError as error:
                seen.append(repr(error))
            try:
                await Deferred()
            finally:
                seen.append("cancelled")

        self.assertEqual(self.lines(handle), [])
        failing.errback(KeyError("x"))
        self.machine.returnResult("over")
        self.reactor.advance(0.0)
        self.assertEqual(seen, ["KeyError('x')", "cancelled"])
        self.assertEqual(self.machine.outcomes, ["over"])

    def test_generatorsThatAreLists(self) -> None:
        """They run when the list is taken up, also from a coroutine."""

        def pairs(machine: Machine) -> Any:
            self.reactor.stall(0.2)
            yield ApplicationSpecificEvent, machine.came

        async def later(machine: Machine) -> Any:
            await deferLater(machine.reactor, 0.5)
            return pairs(machine)

        for handle in (pairs, later):
            [line] = self.lines(handle)
            self.assertIn(f"came (test_faults.py, line {lineOf('came')}) held the reactor", line)
            self.assertEqual(len(self.machine.getCurrentEvents()), 1)

    def test_constructors(self) -> None:
        """With file and line, and in the verdict."""

        class Slow(Good):
            def __init__(self, *args: Any, **kwargs: Any) -> None:  # constructor
                super().__init__(*args, **kwargs)
                self.reactor.stall(0.3)  # type: ignore[attr-defined]

            def gone(self, event: CallEndedEvent) -> None:
                self.returnResult(event.verdict)

        lab = Lab(Slow)
        with logged() as lines:
            call = lab.phone().dial("sip:x@doug")
            lab.advance(1.0)
            call.hangUp()
            lab.advance(10.0)
        place = f"__init__ (test_faults.py, line {lineOf('constructor')})"
        self.assertIn(f"{place} held the reactor for 0.30 s", "".join(lines))
        self.assertIn(f"{place}: 0.30 s", "".join(str(finding) for finding in lab.results[0]))
        lab.assertNothingLeft()

    def test_sourcesToo(self) -> None:
        """What is asked for a frame, and given one, in each beat."""

        class Slow(Source):
            def read(self) -> bytes:  # read
                lab.reactor.stall(0.15)
                return b""

            def write(self, frame: bytes) -> None:  # write
                lab.reactor.stall(0.25)

        class Playing(Good):
            def speak(self, event: CallAnsweredEvent) -> Any:
                self.mediaPlay(source := Slow())
                self.mediaRecord(source)
                return [(CallEndedEvent, self.gone)]

            def gone(self, event: CallEndedEvent) -> None:
                self.returnResult(event.verdict)

        lab = Lab(Playing)
        call = lab.phone().dial("sip:x@doug")
        with logged() as lines:
            lab.advance(1.0)
            call.hangUp()
            lab.advance(10.0)
        for name in ("read", "write"):
            place = f"{name} (test_faults.py, line {lineOf(name)}) held the reactor for 0."
            self.assertTrue([line for line in lines if place in line], name)
        self.assertIn("slow-handler", [finding.rule for finding in lab.results[0]])
        lab.assertNothingLeft()

    def test_manyOfThem(self) -> None:
        """Each is logged, but the verdict's list has an end."""
        machine = Machine(self.reactor, lambda machine: None)
        with logged():
            for number in range(20):
                machine.va_held(0.2, self.test_notBelow, ("somewhere.py", number))
        self.assertEqual(len(machine.va_slow), 5)

    def test_forReal(self) -> None:
        """By the clock that the server goes by, and a handler that does sleep."""
        self.reactor = Real()
        [line] = self.lines(lambda machine: time.sleep(0.11))
        self.assertRegex(line, r"held the reactor for 0\.\d\d s")


class FloodTests(SynchronousTestCase):
    """Thousands of events at once."""

    def flood(self, count: int, handle: Callable[[Machine], Any] = lambda machine: None) -> Machine:
        """That many are raised in one turn."""
        self.reactor = VirtualReactor()
        machine = Machine(self.reactor, handle)
        for _ in range(count):
            machine.raiseEvent(ApplicationSpecificEvent())
        return machine

    def test_tenThousandAreDelivered(self) -> None:
        """As long as no handler makes them wait."""
        machine = self.flood(10_000)
        self.reactor.advance(1.0)
        self.assertEqual((machine.handled, machine.outcomes), (10_000, []))

    def test_oneMoreIsTooMany(self) -> None:
        """Ten times maxQueuedEvents: whoever raises without end does not fill the memory."""
        machine = self.flood(10_001)
        self.reactor.advance(1.0)
        [failure] = machine.outcomes
        self.assertIn("10 times maxQueuedEvents", failure.getErrorMessage())

    def test_othersHaveTheirTurnMeanwhile(self) -> None:
        """What takes longer than 5 ms goes on in the next turn, in order."""
        machine = self.flood(100, lambda machine: self.reactor.stall(0.001))
        turns: list[int] = []

        def other() -> None:
            turns.append(machine.handled)
            if machine.handled < 100:
                self.reactor.callLater(0, other)

        self.reactor.callLater(0, other)
        self.reactor.advance(1.0)
        self.assertEqual(machine.handled, 100)
        most = max(after - before for before, after in pairwise(turns))
        self.assertLessEqual(most, 6)


class Bad(VoiceApp):
    """Does one thing wrong in the handler of its answer. fault: which. kept: all that leaks."""

    kept: ClassVar[list[Any]] = []
    fault = ""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, getattr(self, self.fault))]

    def raises(self, event: CallAnsweredEvent) -> Any:
        """An error."""
        raise Fault("on purpose")

    def blocks(self, event: CallAnsweredEvent) -> Any:  # blocks
        """For 300 ms."""
        self.reactor.stall(0.3)  # type: ignore[attr-defined]
        return self.usual

    def waits(self, event: CallAnsweredEvent) -> Any:
        """For what never comes."""
        return Deferred()

    def floods(self, event: CallAnsweredEvent) -> Any:
        """10 000 events."""
        for _ in range(10_000):
            self.raiseEvent(ApplicationSpecificEvent())
        return self.usual

    def floodsAndWaits(self, event: CallAnsweredEvent) -> Any:
        """10 000 events, while a Deferred pends."""
        self.reactor.callLater(0.1, self.floods, event)
        return Deferred()

    def leaks(self, event: CallAnsweredEvent) -> Any:
        """Leg, Source, seat and room, recording, timer and itself are kept for ever."""
        seat = newConferenceMember("kept", event.leg)
        self.mediaPlay([seat])
        self.mediaRecord(seat)
        self.mediaRecord(io.BytesIO())
        self.kept.extend((self, event, event.leg, seat, seat.room, self.setTimer(1000.0)))
        return self.usual

    @property
    def usual(self) -> list[Any]:
        """What ends it."""
        return [(ApplicationSpecificEvent, IGNORE_EVENT), (CallEndedEvent, self.gone)]

    def gone(self, event: CallEndedEvent) -> None:
        """The caller has left."""
        self.returnResult(event.verdict)


FAULTS = ("raises", "waits", "floods", "floodsAndWaits", "leaks", "blocks")


class HundredTests(SynchronousTestCase):
    """One call of a hundred does wrong, and the 99 are unharmed."""

    def setUp(self) -> None:
        self.addCleanup(Bad.kept.clear)
        apps = {fault: type("Bad", (Bad,), {"fault": fault}) for fault in FAULTS}
        self.lab = Lab({**apps, "good": Good})
        self.good = Witnesses(self.lab, 99)
        self.phone = self.lab.phone()

    def call(self, fault: str) -> PhoneCall:
        """One that does this, beside the others, who press keys; it hangs up, if it has to."""
        call = self.phone.dial(f"sip:{fault}@doug")
        self.good.press(FAULTS.index(fault))
        self.lab.advance(0.4)
        self.state = call.state
        call.hangUp()
        self.lab.advance(0.2)
        return call

    def test_oneOfAHundred(self) -> None:
        """Raises, waits for ever, raises 10 000 events, keeps all it has, blocks for 300 ms."""
        for fault, state in (
            ("raises", "ended"),
            ("waits", "answered"),
            ("floods", "answered"),
            ("floodsAndWaits", "ended"),
            ("leaks", "answered"),
        ):
            self.call(fault)
            self.assertEqual(self.state, state, fault)
            self.assertEqual(self.good.gaps(), [], fault)
        self.assertEqual(len(Bad.kept), 6)
        with logged() as lines:
            self.call("blocks")
        place = f"blocks (test_faults.py, line {lineOf('blocks')}) held the reactor for 0.30 s"
        self.assertEqual(len([line for line in lines if place in line]), 1)
        for seconds, sequence, timestamp in self.good.gaps():
            self.assertEqual(sequence, 1)
            self.assertLess(seconds, 0.3 + 2 * BEAT)
            self.assertTrue(abs(timestamp / 8000 - seconds) <= BEAT + 0.001)
        self.assertEqual(self.good.faults(gaps=2), [])  # late, and on time again
        self.lab.advance(61.0)  # pendingLimit
        self.lab.assertNothingLeft()
        self.assertEqual(len(self.flushLoggedErrors(Fault, StateMachineError, CancelledError)), 3)
