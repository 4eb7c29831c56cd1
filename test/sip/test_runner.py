"""One heap of deadlines, one delayed call."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.effects import Effect, Ended, Send
from shtoom.sip.runner import A_TURN, Runner
from test.support import runFor


class Alarm:
    """A machine with a deadline that the test sets; it notes when it was woken."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        self.woken: list[float] = []
        self.next: list[float | None] = []
        self.effects: list[Effect] = []
        self.error: Exception | None = None

    def timeReached(self, now: float) -> list[Effect]:
        """As Machine has it; the deadline after this one is the first of `next`."""
        self.woken.append(now)
        self.deadline = self.next.pop(0) if self.next else None
        if self.error is not None:
            raise self.error
        return self.effects


class RunnerTests(SynchronousTestCase):
    """A runner of alarms on a Clock."""

    def setUp(self) -> None:
        """Builds it."""
        self.clock = Clock()
        self.done: list[tuple[Alarm, Effect]] = []
        self.runner: Runner[Alarm] = Runner(self.clock, lambda m, e: self.done.append((m, e)))

    def alarm(self, deadline: float | None) -> Alarm:
        """One alarm that the runner knows."""
        alarm = Alarm(deadline)
        self.runner.run(alarm, ())
        return alarm

    def test_oneDelayedCallForAll(self) -> None:
        """However many machines wait, the reactor holds one call, for the earliest."""
        for deadline in (5.0, 2.0, 9.0, 3.0):
            self.alarm(deadline)
        self.assertEqual([c.getTime() for c in self.clock.getDelayedCalls()], [2.0])
        self.assertEqual(len(self.runner), 4)

    def test_eachIsWokenAtItsTime(self) -> None:
        """At its own deadline, in the order of the deadlines."""
        alarms = [self.alarm(deadline) for deadline in (5.0, 2.0, 9.0, 3.0)]
        runFor(self.clock, 10.0)
        self.assertEqual([a.woken for a in alarms], [[5.0], [2.0], [9.0], [3.0]])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_putOffIsNotWokenEarly(self) -> None:
        """A deadline that moves away holds, and one that comes nearer does."""
        away, near = self.alarm(1.0), self.alarm(8.0)
        away.deadline, near.deadline = 6.0, 4.0
        self.runner.run(away, ())
        self.runner.run(near, ())
        runFor(self.clock, 10.0)
        self.assertEqual((away.woken, near.woken), ([6.0], [4.0]))

    def test_noDeadlineLeavesNoCall(self) -> None:
        """When the last machine needs no time any more, the delayed call goes."""
        alarm = self.alarm(1.0)
        alarm.deadline = None
        self.runner.run(alarm, ())
        self.assertEqual((self.clock.getDelayedCalls(), len(self.runner)), ([], 0))

    def test_aLateClockWakesAllThatAreDue(self) -> None:
        """After a stall each machine has its turn, once a deadline, at the time it is now."""
        alarms = [self.alarm(1.0), self.alarm(2.0), self.alarm(50.0)]
        alarms[0].next = [12.0]
        self.clock.advance(10.0)
        self.assertEqual([a.woken for a in alarms], [[10.0], [10.0], []])
        self.clock.advance(3.0)
        self.assertEqual(alarms[0].woken, [10.0, 13.0])

    def test_manyThatAreDueAtOnceLeaveTurnsBetween(self) -> None:
        """None has to wait for long, and none is left out."""
        alarms = [self.alarm(1.0) for _ in range(10 * A_TURN + 1)]
        turns: list[float] = []
        callLater = self.clock.callLater

        def later(delay: float, *call: Any) -> Any:
            turns.append(delay)
            return callLater(delay, *call)

        self.patch(self.clock, "callLater", later)
        self.clock.advance(1.0)
        self.assertEqual([alarm.woken for alarm in alarms], len(alarms) * [[1.0]])
        self.assertEqual(len(turns), 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_armedBeforeEffects(self) -> None:
        """An effect that raises, or stops time, finds its machine's deadline noted."""
        waiting: list[int] = []

        def perform(machine: Alarm, effect: Effect) -> None:
            waiting.append(len(runner))
            raise RuntimeError("boom")

        runner: Runner[Alarm] = Runner(self.clock, perform)
        alarm = Alarm(1.0)
        with self.assertRaises(RuntimeError):
            runner.run(alarm, [Send(b"x")])
        runFor(self.clock, 2.0)
        self.assertEqual((waiting, alarm.woken), ([1], [1.0]))

    def test_anEffectMayCallBackIn(self) -> None:
        """The deadline that it sets in doing so is the one that counts."""

        def perform(machine: Alarm, effect: Effect) -> None:
            machine.deadline = None
            runner.run(machine, ())

        runner: Runner[Alarm] = Runner(self.clock, perform)
        runner.run(Alarm(1.0), [Send(b"x")])
        self.assertEqual((len(runner), self.clock.getDelayedCalls()), (0, []))

    def test_effectsInOrder(self) -> None:
        """They are performed in the order that the machine gave."""
        alarm = Alarm()
        effects: list[Effect] = [Send(b"1"), Send(b"2"), Ended(None)]
        self.runner.run(alarm, effects)
        self.assertEqual(self.done, [(alarm, effect) for effect in effects])

    def test_errorStaysWithItsMachine(self) -> None:
        """A machine, or its owner, that raises is logged; the others are woken all the same."""
        broken, well = self.alarm(1.0), self.alarm(1.0)
        broken.error = RuntimeError("boom")
        later = self.alarm(2.0)
        runFor(self.clock, 3.0)
        self.assertEqual((well.woken, later.woken), ([1.0], [2.0]))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forget(self) -> None:
        """A machine that is forgotten is not woken."""
        alarm, other = self.alarm(1.0), self.alarm(2.0)
        self.runner.forget(alarm)
        self.runner.forget(alarm)
        runFor(self.clock, 3.0)
        self.assertEqual((alarm.woken, other.woken), ([], [2.0]))

    def test_stopIsForGood(self) -> None:
        """After stop() nothing is woken or performed, and no delayed call is left."""
        alarm = self.alarm(1.0)
        self.runner.stop()
        self.runner.run(alarm, [Send(b"x")])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        runFor(self.clock, 3.0)
        self.assertEqual((alarm.woken, self.done), ([], []))

    def test_stopFromWithin(self) -> None:
        """A machine's end may stop the runner while others are due at the same time."""
        first, second = self.alarm(1.0), self.alarm(1.0)
        first.effects = [Ended(None)]
        stopping: Runner[Alarm] = Runner(self.clock, lambda m, e: stopping.stop())
        stopping.run(first, ())
        stopping.run(second, ())
        self.runner.stop()
        runFor(self.clock, 3.0)
        self.assertEqual((first.woken, second.woken), ([1.0], []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_holdsNoMachineThatIsDone(self) -> None:
        """What needs no time any more is free at once, not when its old deadline comes."""
        other = self.alarm(60.0)
        alarm = self.alarm(32.0)
        gone = weakref.ref(alarm)
        alarm.deadline = None
        self.runner.run(alarm, ())
        del alarm
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(other.woken, [])

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 4), st.one_of(st.none(), st.integers(0, 30)), st.integers(0, 3)
            )
        )
    )
    def test_anyMovesOfDeadlines(self, moves: list[tuple[int, int | None, int]]) -> None:
        """However deadlines move: no machine wakes early, none is forgotten, one call at most."""
        clock = Clock()
        runner: Runner[Alarm] = Runner(clock, lambda m, e: None)
        alarms = [Alarm() for _ in range(5)]
        for which, ahead, passing in moves:
            alarm = alarms[which]
            alarm.deadline = None if ahead is None else clock.seconds() + ahead
            runner.run(alarm, ())
            waiting = [a.deadline for a in alarms if a.deadline is not None]
            calls = clock.getDelayedCalls()
            self.assertEqual(len(calls), 1 if waiting else 0)
            if waiting:
                self.assertLessEqual(calls[0].getTime(), min(waiting))
            self.assertEqual(len(runner), len(waiting))
            runFor(clock, passing)
            now = clock.seconds()
            self.assertTrue(all(a.deadline is None or a.deadline > now for a in alarms))
        runner.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
