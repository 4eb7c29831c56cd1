"""Who has something to do in which slot of media time.

Lives here: slots, the groups of sessions that send and hear in them, alarms for those that sleep.
Not here: running the slots (media.clock), what is done in them (media.outgoing, media.listening).

Time is cut into slots, a phase apart (5 ms for four phases). A session has a phase for its life:
it hears in each slot of its phase, and sends in every slot of its packet time.

    slot     0    1    2    3    4    5    6    7    8
    phase    0    1    2    3    0    1    2    3    0
    20 ms    A    B    C    .    A    B    C    .    A
    30 ms    D    .    .    .    .    .    D    .    .

A session that has nothing to say or to hear is in no group, so that a beat does not touch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shtoom.media.stream import BEAT

if TYPE_CHECKING:
    from shtoom.media.incoming import Incoming
    from shtoom.media.outgoing import Outgoing

Datagram = tuple[Callable[[bytes], object], bytes, "Outgoing"]  # what sends it, it, whose it is

NEVER = 1 << 62
"""A slot that does not come."""


class Schedule:
    """slot: the number of the first slot that was not run. perBeat: slots in 20 ms, the phases.

    present: tells the first slot whose time has not come. whenSooner: called when there is
    something to do that there was not, maybe in the next slot. ValueError for a number of phases
    that does not divide packet times and G.711's samples.
    """

    def __init__(
        self, perBeat: int, present: Callable[[], int], whenSooner: Callable[[], None]
    ) -> None:
        if perBeat not in (2, 4, 8):
            raise ValueError(f"phases: wanted 2, 4 or 8, got {perBeat}")
        self.perBeat = perBeat
        self.slot = 0
        self.outbox: list[Datagram] = []  # to be sent before the turn is over
        self.placed = 0  # sessions
        self._present, self._whenSooner = present, whenSooner
        self._inPhase = [0] * perBeat  # sessions
        self._hearing: list[dict[Incoming, None]] = [{} for _ in range(perBeat)]
        self._sending: dict[int, list[dict[Outgoing, None]]] = {}  # by slots a packet
        self._alarms: dict[int, dict[Outgoing, None]] = {}  # who sleeps, by the slot of waking

    @property
    def length(self) -> float:
        """Seconds of a slot."""
        return BEAT / self.perBeat

    def slots(self, seconds: float) -> int:
        """So many seconds in slots, rounded."""
        return round(seconds * self.perBeat / BEAT)

    # --- who is there -------------------------------------------------------------------------

    def choosePhase(self, among: int) -> int:
        """For a new session: the emptiest of so many phases, evenly apart, used ones first.

        among: 1, or a number that divides the phases.
        """
        first = self._inPhase.index(max(self._inPhase))
        step = self.perBeat // among
        phases = [(first + n * step) % self.perBeat for n in range(among)]
        return min(phases, key=lambda phase: self._inPhase[phase])

    def place(self, incoming: Incoming, outgoing: Outgoing, phase: int, packetTime: int) -> None:
        """They take part from now on. packetTime: milliseconds, a multiple of 10."""
        self.placed += 1
        self._inPhase[phase] += 1
        incoming.group = self._hearing[phase]
        outgoing.phase = phase
        self._placeOutgoing(outgoing, packetTime)
        self.hearingChanged(incoming)
        self.wake(outgoing)

    def packetTimeChanged(self, outgoing: Outgoing, packetTime: int) -> None:
        """Another beat for who is placed already. packetTime: ms."""
        self._removeOutgoing(outgoing)
        self._placeOutgoing(outgoing, packetTime)
        self.wake(outgoing)

    def remove(self, incoming: Incoming, outgoing: Outgoing) -> None:
        """They take part no more."""
        self.placed -= 1
        self._inPhase[outgoing.phase] -= 1
        if incoming.group is not None:
            incoming.group.pop(incoming, None)
            incoming.group = None
        self._removeOutgoing(outgoing)

    def _placeOutgoing(self, outgoing: Outgoing, packetTime: int) -> None:
        slots = self.slots(packetTime / 1000)
        groups = self._sending.setdefault(slots, [{} for _ in range(slots)])
        first = outgoing.phase % slots
        offsets = range(first % 2, slots, 2) if slots > self.perBeat else (first,)
        outgoing.group = min((groups[n] for n in offsets), key=len)

    def _removeOutgoing(self, outgoing: Outgoing) -> None:
        if outgoing.group is not None:
            outgoing.group.pop(outgoing, None)
            outgoing.group = None
        self._clearAlarm(outgoing)

    # --- who has something to do --------------------------------------------------------------

    def hearingChanged(self, incoming: Incoming) -> None:
        """Has it something to do in each beat, or no more?"""
        group = incoming.group
        if group is not None:
            if not incoming.needsBeat:
                group.pop(incoming, None)
            elif incoming not in group:
                self.passEmpty()
                group[incoming] = None
                self._whenSooner()

    def wake(self, outgoing: Outgoing) -> None:
        """It has something to send, or to see to."""
        group = outgoing.group
        if group is not None and outgoing not in group:
            self._clearAlarm(outgoing)
            self.passEmpty()
            group[outgoing] = None
            self._whenSooner()

    def sleep(self, outgoing: Outgoing) -> None:
        """It has nothing to do until the slot of its wakeAt."""
        if outgoing.group is not None:
            outgoing.group.pop(outgoing, None)
            if outgoing.wakeAt < NEVER:
                outgoing.alarm = outgoing.wakeAt
                self._alarms.setdefault(outgoing.alarm, {})[outgoing] = None

    def _clearAlarm(self, outgoing: Outgoing) -> None:
        alarm, outgoing.alarm = outgoing.alarm, NEVER
        sleepers = self._alarms.get(alarm)
        if sleepers is not None:
            sleepers.pop(outgoing, None)
            if not sleepers:
                del self._alarms[alarm]

    # --- the slots ----------------------------------------------------------------------------

    def ring(self, slot: int) -> None:
        """Wakes those whose alarm is for this slot."""
        for outgoing in tuple(self._alarms.get(slot, ())):
            self.wake(outgoing)

    def hearers(self, slot: int) -> tuple[Incoming, ...]:
        """Who hears in this slot."""
        return tuple(self._hearing[slot % self.perBeat])

    def allHearers(self) -> list[Incoming]:
        """Who hears in any."""
        return [incoming for group in self._hearing for incoming in group]

    def senders(self, slot: int) -> list[Outgoing]:
        """Who sends in this slot."""
        senders: list[Outgoing] = []
        for slots, groups in self._sending.items():
            senders += groups[slot % slots]
        return senders

    def passEmpty(self) -> None:
        """Slots that went by with nothing to do in them are no business of who comes now."""
        present = self._present()
        if self.slot < present:
            self.slot = min(present, self.nextBusy())

    def skipTo(self, slot: int) -> None:
        """Slots up to this one are left out; alarms in them ring now."""
        for missed in [at for at in self._alarms if at < slot]:
            self.ring(missed)
        for groups in self._sending.values():
            for group in groups:
                for outgoing in group:
                    outgoing.endRow()
        self.slot = slot

    def isUsed(self, slot: int, apart: int) -> bool:
        """Is any session in this phase, or in one so many slots (a part of a beat) before?"""
        return any(self._inPhase[slot % apart :: apart])

    def isBusy(self, slot: int) -> bool:
        """Is there anything to do in this slot?"""
        if slot in self._alarms or self._hearing[slot % self.perBeat]:
            return True
        for slots, groups in self._sending.items():  # noqa: SIM110 - half the time of any()
            if groups[slot % slots]:
                return True
        return False

    def nextBusy(self) -> int:
        """The next slot with something to do, NEVER if there is none."""
        slot = self.slot
        nearest = min(self._alarms, default=NEVER)
        for phase, hearing in enumerate(self._hearing):
            if hearing:
                nearest = min(nearest, slot + (phase - slot) % self.perBeat)
        for slots, groups in self._sending.items():
            for offset, sending in enumerate(groups):
                if sending:
                    nearest = min(nearest, slot + (offset - slot) % slots)
        return nearest
