"""Which line holds the reactor: when is looked, what a stack says, who tells of it.

The thread and real time: test.peers.test_watchdog.
"""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from doug.stacks import Seen, codesOf, seenIn
from doug.testing import VirtualReactor
from doug.watchdog import LOOK, Standstill, Watchdog
from test.doug.test_faults import Machine

HERE = "test_watchdog.py"


class Sight:
    """What is seen, as a test says; looks: how often somebody looked."""

    def __init__(self, *seen: Seen | None) -> None:
        self.seen = list(seen)
        self.looks = 0

    def __call__(self) -> Seen | None:
        self.looks += 1
        return self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]


class WatchdogTests(SynchronousTestCase):
    """A turn was due at 10 s; it is looked each 0.1 s, at 10.05, 10.15 and 10.25."""

    def setUp(self) -> None:
        self.dog = Watchdog()
        self.due = 10.0
        self.now = self.cpu = 8.95
        self.machine = Machine(VirtualReactor(), lambda machine: None)

    def look(self, until: float, sight: Sight) -> None:
        """Until that second."""
        while self.now < until - 1e-9:
            self.now += LOOK
            self.dog.look(self.now, self.cpu, self.due, sight)

    def test_a100msArePassed(self) -> None:
        """Then it looks, until it has seen the same twice, and that is told at the next turn."""
        sight = Sight(seen := Seen("f (x.py, line 1)", self.machine, True))
        self.look(10.05, sight)
        self.assertEqual(sight.looks, 0)
        self.look(10.45, sight)
        self.assertEqual(sight.looks, 2)
        self.assertEqual(self.dog.seenSince(10.0), "f (x.py, line 1)")
        self.assertEqual(self.dog.turned(10.5), Standstill(0.5, seen, self.machine))
        self.assertIsNone(self.dog.turned(10.6))

    def test_onTimeNothingIsSeen(self) -> None:
        """Nor looked for."""
        sight = Sight(None)
        for _ in range(100):
            self.look(self.due + LOOK / 2, sight)
            self.due += LOOK
            self.assertIsNone(self.dog.turned(self.due))
        self.assertEqual(sight.looks, 0)

    def test_whoIsSeenOnceIsNotBlamed(self) -> None:
        """Many small things may have held it: the log names a line, no application is guilty."""
        others = [Machine(VirtualReactor(), lambda machine: None) for _ in range(10)]
        sight = Sight(*(Seen("f (x.py, line 1)", other, True) for other in others))
        self.look(10.45, sight)
        self.assertGreater(sight.looks, 2)
        held = self.dog.turned(10.5)
        assert held is not None
        self.assertEqual((held.seen.place, held.app), ("f (x.py, line 1)", None))

    def test_aHandlerThatTells(self) -> None:
        """It is not told once more; what comes behind it has its own 100 ms."""
        first = Seen("f (x.py, line 1)", self.machine, True)
        self.look(10.25, Sight(first))
        self.assertEqual(self.dog.take(10.0, 10.27), first.place)
        sight = Sight(Seen("innocent (x.py, line 2)", None, True))
        self.look(10.35, sight)
        self.assertEqual(sight.looks, 0)
        self.assertIsNone(self.dog.turned(10.36))

    def test_twoInOneTurn(self) -> None:
        """Each has what was seen in its own time."""
        self.look(10.25, Sight(Seen("f (x.py, line 1)", self.machine, True)))
        self.assertEqual(self.dog.take(10.0, 10.3), "f (x.py, line 1)")
        self.look(10.55, Sight(seen := Seen("g (x.py, line 2)", None, True)))
        held = self.dog.turned(10.6)
        assert held is not None
        self.assertEqual((round(held.seconds, 3), held.seen), (0.3, seen))
        self.assertEqual(self.dog.seenSince(10.56), "")

    def test_aReactorThatWaits(self) -> None:
        """The turn is late, but nothing holds it: the machine has no time."""
        self.look(10.45, Sight(None))
        self.assertIsNone(self.dog.turned(10.5))

    def test_whoStoodStillHimselfBlamesNobody(self) -> None:
        """SIGSTOP: the thread did not run either, and nothing was computed."""
        sight = Sight(Seen("f (x.py, line 1)", None, True))
        self.look(9.95, sight)
        self.now = 12.0
        self.dog.look(self.now, self.cpu, self.due, sight)
        self.now = 12.09
        self.dog.look(self.now, self.cpu, self.due, sight)
        self.assertEqual(sight.looks, 0)
        self.assertIsNone(self.dog.turned(12.1))

    def test_aComputationThatLetsNobodyIn(self) -> None:
        """The thread is late too, but the process has computed: it looks at the end."""
        sight = Sight(Seen("f (x.py, line 1)", None, True))
        self.look(9.95, sight)
        for late, due in enumerate((self.due, None, 15.94), 1):
            self.now, self.cpu = self.now + 2.0, self.cpu + 0.5
            self.dog.look(self.now, self.cpu, due, sight)
            self.assertEqual(sight.looks, late)
            self.assertIsInstance(self.dog.turned(self.now), Standstill)


class StackTests(SynchronousTestCase):
    """What is named: the application's innermost line, else its libraries', else the innermost."""

    def setUp(self) -> None:
        self.seen: list[Seen | None] = []
        self.base = codesOf(sys._getframe())

    def look(self, *args: Any) -> None:
        """From where it is called."""
        frame: FrameType | None = sys._getframe(1)
        self.seen.append(seenIn(frame, self.base[:-1]))

    def assertSeen(self, name: str, app: Any) -> None:
        """One place, in that function of this file; and of that application."""
        [seen] = self.seen
        assert seen is not None
        self.assertRegex(seen.place, rf"^{name} \({HERE}, line \d+\)$")
        self.assertIs(seen.app, app)
        self.assertTrue(seen.isTheirs)

    def machine(self, handle: Any) -> Machine:
        """Its handler has been called."""
        reactor = VirtualReactor()
        machine = Machine(reactor, lambda machine: None)
        machine.handle = handle
        machine.va_enter(machine.came, "came", (None,))
        reactor.advance(0.0)
        return machine

    def test_belowALibrary(self) -> None:
        """Twisted and Python are between the lines, and below the last one."""
        python: dict[str, Any] = {}
        exec(compile("def inside(look): look()", os.__file__, "exec"), python)

        def handler(machine: Machine) -> Any:
            done: Deferred[Any] = Deferred()
            done.addCallback(lambda items: sorted(items, key=helper))
            done.callback([1])

        def helper(item: int) -> int:
            python["inside"](self.look)
            return item

        machine = self.machine(handler)
        self.assertSeen("helper", machine)

    def test_aGenerator(self) -> None:
        """A later step: nothing of the machine is on the stack, but the generator knows it."""
        waits: Deferred[None] = Deferred()

        @inlineCallbacks
        def handler(machine: Machine) -> Any:
            yield waits
            self.look()

        machine = self.machine(handler)
        self.assertEqual(self.seen, [])
        waits.callback(None)
        self.assertSeen("handler", machine)

    def test_aFunctionAlone(self) -> None:
        """Nobody knows whose it is."""
        reactor = VirtualReactor()

        def function() -> None:
            look()

        look = self.look
        reactor.callLater(1.0, function)
        reactor.advance(1.0)
        self.assertSeen("function", None)

    def test_aReactorThatWaits(self) -> None:
        """Nothing but Twisted and Python."""
        done: Deferred[Any] = Deferred()
        found: list[Any] = []

        def inside(frame: FrameType) -> None:
            frames = [frame]
            while (outer := frames[-1].f_back) is not None:
                frames.append(outer)
            waiting = next(f for f in frames if f.f_code.co_name == "callback")
            found.append(seenIn(waiting, self.base[:-1]))

        done.addCallback(lambda _: inside(sys._getframe()))
        self.base = [*codesOf(sys._getframe()), None]  # type: ignore[list-item]
        done.callback(None)
        self.assertEqual(found, [None])

    def test_Doug(self) -> None:
        """It may be slow itself: the innermost line."""
        machine = self.machine(lambda machine: None)
        frames: list[FrameType | None] = []
        machine.va_describe = lambda: frames.append(sys._getframe(1)) or ""  # type: ignore
        self.base = codesOf(sys._getframe())
        machine.va_heldIn("x", 1.0)
        seen = seenIn(frames[0], [*self.base, None])  # type: ignore[list-item]
        assert seen is not None
        self.assertRegex(seen.place, r"^va_heldIn \(statemachine.py, line \d+\)$")
        self.assertEqual((seen.app, seen.isTheirs), (machine, False))
