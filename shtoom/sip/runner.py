"""Where machines meet the clock: one heap of deadlines and one delayed call for all of them.

Lives here: waking each machine when its deadline comes. Not here: what its effects do (the
`perform` of its owner), the machines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from shtoom.sip.effects import Effect

A_TURN = 16
"""Machines that are woken in one turn of the reactor; the others follow in the next ones, so that
sound has its own between: an end of a call takes a quarter of a millisecond and more."""


class Machine(Protocol):
    """What the runner knows of a machine."""

    @property
    def deadline(self) -> float | None:
        """When timeReached() wants its turn; None for never."""

    def timeReached(self, now: float) -> Sequence[Effect]:
        """That time has come. Leaves deadline None or later than now."""


M = TypeVar("M", bound=Machine)


class _Entry(Generic[M]):
    """A place in the heap; machine is None once the place is void, so that nothing is held."""

    __slots__ = ("at", "machine")

    def __init__(self, at: float, machine: M) -> None:
        self.at = at
        self.machine: M | None = machine


class Runner(Generic[M]):
    """Runs the machines of one owner.

    perform: called with (machine, effect) for each effect, in order. It may call run() again.
    len(runner): how many machines wait for their deadline.
    """

    log = Logger()

    def __init__(self, reactor: IReactorTime, perform: Callable[[M, Effect], None]) -> None:
        self._reactor, self._perform = reactor, perform
        self._heap: list[tuple[float, int, _Entry[M]]] = []
        self._entries: dict[M, _Entry[M]] = {}
        self._pushed = 0
        self._call: IDelayedCall | None = None
        self._callAt = 0.0
        self._waking = self._stopped = False

    def __len__(self) -> int:
        return len(self._entries)

    def run(self, machine: M, effects: Sequence[Effect]) -> None:
        """After each input to a machine: notes its deadline, then performs its effects.

        In this order, since an effect may call back in. After stop() nothing is done.
        """
        if self._stopped:
            return
        self._note(machine)
        for effect in effects:
            self._perform(machine, effect)

    def forget(self, machine: M) -> None:
        """The machine is not woken any more."""
        entry = self._entries.pop(machine, None)
        if entry is not None:
            entry.machine = None
            self._rest()

    def stop(self) -> None:
        """Forgets all machines, for good; no delayed call is left."""
        self._stopped = True
        for entry in self._entries.values():
            entry.machine = None
        self._entries.clear()
        self._rest()

    def _note(self, machine: M) -> None:
        deadline = machine.deadline
        if deadline is None:
            self.forget(machine)
            return
        entry = self._entries.get(machine)
        if entry is not None:
            if entry.at <= deadline:
                return  # put off: looked at again when the old time comes
            entry.machine = None
        self._pushed += 1
        self._entries[machine] = entry = _Entry(deadline, machine)
        heappush(self._heap, (deadline, self._pushed, entry))
        if not self._waking:
            self._callBy(deadline)

    def _callBy(self, deadline: float) -> None:
        delay = max(0.0, deadline - self._reactor.seconds())
        if self._call is None:
            self._call, self._callAt = self._reactor.callLater(delay, self._wake), deadline
        elif deadline < self._callAt:
            self._call.reset(delay)
            self._callAt = deadline

    def _rest(self) -> None:
        """When no machine waits, no delayed call is left either."""
        if not self._entries:
            self._heap.clear()
            if self._call is not None:
                self._call.cancel()
                self._call = None

    def _wake(self) -> None:
        self._call, self._waking = None, True
        now, heap, woken = self._reactor.seconds(), self._heap, 0
        while heap and heap[0][0] <= now and woken < A_TURN:
            machine = heappop(heap)[2].machine
            if machine is not None:
                woken += 1
                del self._entries[machine]
                self._wakeOne(machine, now)
        self._waking = False
        while heap and heap[0][2].machine is None:
            heappop(heap)
        if heap:
            self._callBy(heap[0][0])

    def _wakeOne(self, machine: M, now: float) -> None:
        deadline = machine.deadline
        if deadline is None or deadline > now:
            self._note(machine)
            return
        try:
            self.run(machine, machine.timeReached(now))
        except Exception:  # one machine's trouble must not stop the others' clock
            self.log.failure("a deadline of {machine} failed", machine=machine)
