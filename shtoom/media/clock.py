"""The beat of all media: 20 ms, on an absolute schedule, in phases.

Lives here: when sessions send and hear, what happens when the reactor was late, when sockets are
read. Not here: what is sent and heard (media.outgoing, media.incoming, media.listening).

Time is cut into slots, a phase apart (5 ms for four phases), numbered from the clock's origin. A
session keeps its place in them for its life: it hears in each slot of its phase, and sends in
every slot of its packet time, which is any multiple of 10 ms.

    slot     0    1    2    3    4    5    6    7    8
    phase    0    1    2    3    0    1    2    3    0
    20 ms    A    B    C    .    A    B    C    .    A
    30 ms    D    .    .    .    .    .    D    .    .

While few sessions are up they share a phase, only the slots that hold one are run, and the
reactor wakes the clock when a datagram comes. With many, every slot is run and reads all sockets,
which costs less than to be woken for each datagram. Without sessions the clock sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from random import Random

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from shtoom.media.incoming import Incoming
from shtoom.media.io import Address, IMediaIO, IMediaSocket
from shtoom.media.listening import Listening, deliver
from shtoom.media.outgoing import Outgoing
from shtoom.media.ports import PortPool
from shtoom.media.session import MediaSession
from shtoom.media.stream import BEAT, SILENCE, Idle
from shtoom.media.timeline import Timeline

LATEST = 2 * BEAT  # seconds: beats that are later are left out
_LONGEST_PADDING = 3000  # beats of silence that a listener gets for those left out, a minute
_EPSILON = 1e-6  # seconds by which a clock may round
_QUIET = 1.0  # seconds between two log lines of one kind

_log = Logger()


class MediaClock:
    """Opens sessions and moves them through time.

    phases: into how many parts a beat is cut: 2, 4 or 8. few: so many sessions are served as
    they come instead of by polling. idle: "sparse", "silence" or "none" (stream.Idle). rng: for
    the clock's origin, SSRCs and the like. isLocal: is that an address of this machine?

    sessions: those that are open. lateBeats: slots that were run more than a beat late.
    skippedFrames: frames that were left out, over all sessions. onLate: called with the seconds
    when beats were left out.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        io: IMediaIO,
        ports: PortPool,
        *,
        rng: Random,
        phases: int = 4,
        few: int = 8,
        idle: str = "sparse",
        isLocal: Callable[[str], bool] = lambda host: False,
    ) -> None:
        if idle not in [policy.value for policy in Idle]:
            wanted = ", ".join(policy.value for policy in Idle)
            raise ValueError(f"idle: wanted one of {wanted}, got {idle!r}")
        self._reactor, self._io, self._ports, self._rng = reactor, io, ports, rng
        self._phases, self._few, self._idle, self._isLocal = phases, few, Idle(idle), isLocal
        self._timeline = Timeline(phases)
        self._step = self._timeline.length
        self._origin = reactor.seconds() + BEAT * rng.random()
        self._armed = 0  # the slot that _call is for
        self._call: IDelayedCall | None = None
        self._waking = False  # the reactor watches the sockets
        self._hearing: list[tuple[Incoming, ...]] = [()] * phases
        self._sending: dict[int, list[tuple[Outgoing, ...]]] = {}  # by slots a packet
        self._places: dict[MediaSession, tuple[int, int, int]] = {}  # phase, slots a packet, offset
        self._listening = Listening()
        self._faultLoggedAt = self._lateLoggedAt = float("-inf")
        self.sessions: set[MediaSession] = set()
        self.lateBeats = self.skippedFrames = 0
        self.onLate: Callable[[float], None] | None = None

    def seconds(self) -> float:
        """The reactor's time."""
        return self._reactor.seconds()

    def openSession(self, host: str) -> MediaSession:
        """A session with a port of its own on `host`.

        Raises MediaPortsExhausted when no port is left, OSError when host is not this machine's.
        """
        socket = self._io.open(host, self._ports)
        session = MediaSession(self, socket, self._rng, self._idle, self._timeline)
        self.sessions.add(session)
        return session

    def close(self) -> None:
        """Closes all sessions and stops."""
        for session in tuple(self.sessions):
            session.close()
        self._arm()

    # --- for sessions -------------------------------------------------------------------------

    def sessionStarted(self, session: MediaSession, incoming: Incoming, outgoing: Outgoing) -> None:
        """It takes its place in the beat, or another one if its packet time has changed."""
        slots = self._timeline.slots(outgoing.packetTime / 1000)
        place = self._places.get(session)
        if place is None:
            self._passEmptySlots()
            phase = self._choosePhase()
            self._hearing[phase] += (incoming,)
        elif place[1] == slots:
            return
        else:
            phase = place[0]
            self._takeOut(outgoing, place)
        buckets = self._sending.setdefault(slots, [()] * slots)
        offset = phase
        if slots != self._phases:
            offset = min(range(slots), key=lambda n: len(buckets[n]))
        buckets[offset] += (outgoing,)
        self._places[session] = phase, slots, offset
        self._arm()

    def sessionClosed(
        self, session: MediaSession, incoming: Incoming, outgoing: Outgoing, socket: IMediaSocket
    ) -> None:
        """It leaves the beat, and its port is free."""
        self.sessions.discard(session)
        place = self._places.pop(session, None)
        if place is not None:
            phase = place[0]
            self._hearing[phase] = tuple(i for i in self._hearing[phase] if i is not incoming)
            self._takeOut(outgoing, place)
            self._arm()
        socket.close()
        self._ports.giveBack(socket.port)

    def isOurs(self, address: Address) -> bool:
        """Is it the port of a session here?"""
        return self._ports.isTaken(address[1]) and self._isLocal(address[0])

    def poll(self) -> None:
        """Reads all that waits, now."""
        self._receive(self._reactor.seconds())

    def _takeOut(self, outgoing: Outgoing, place: tuple[int, int, int]) -> None:
        _, slots, offset = place
        buckets = self._sending[slots]
        buckets[offset] = tuple(o for o in buckets[offset] if o is not outgoing)
        if not any(buckets):
            del self._sending[slots]

    def _choosePhase(self) -> int:
        """The one that is used already while sessions are few, else the emptiest."""
        sizes = [len(group) for group in self._hearing]
        wanted = max(sizes) if len(self._places) < self._few else min(sizes)
        return sizes.index(wanted)

    # --- time ---------------------------------------------------------------------------------

    def _timeOf(self, slot: int) -> float:
        return self._origin + slot * self._step

    def _busy(self, slot: int) -> bool:
        if self._hearing[slot % self._phases]:
            return True
        for slots, buckets in self._sending.items():  # noqa: SIM110 - half the time of any()
            if buckets[slot % slots]:
                return True
        return False

    def _passEmptySlots(self) -> None:
        """Slots that have passed without a session in them are no business of a new one."""
        now = self._reactor.seconds()
        timeline = self._timeline
        if not self._places:
            timeline.slot = max(timeline.slot, ceil((now - self._origin) / self._step))
        while self._timeOf(timeline.slot) <= now and not self._busy(timeline.slot):
            timeline.slot += 1

    def _arm(self) -> None:
        """Sees to it that the next slot is run, and that datagrams wake the clock if need be."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        active = len(self._places)
        waking = 0 < active < self._few
        if waking != self._waking:
            self._waking = waking
            self._io.wakeOn(self.poll if waking else None)
        if active:
            slot = self._timeline.slot
            while waking and not self._busy(slot):
                slot += 1
            self._armed = slot
            delay = self._timeOf(slot) - self._reactor.seconds()
            self._call = self._reactor.callLater(max(0.0, delay), self._tick)

    def _tick(self) -> None:
        """Reads all sockets, then runs the slots that are due."""
        self._call = None
        timeline = self._timeline
        now = self._reactor.seconds()
        late = now - self._timeOf(self._armed)
        timeline.slot = self._armed  # no session is in those before it
        self._receive(now)
        if late > BEAT:
            self.lateBeats += 1
            if late > LATEST:
                self._skip(late, now)
        now += _EPSILON
        while self._timeOf(timeline.slot) <= now:
            slot = timeline.slot
            timeline.slot = slot + 1
            self._run(slot, now)
        self._arm()

    def _run(self, slot: int, now: float) -> None:
        group = self._hearing[slot % self._phases]
        if group:
            self._listening.run(group, now)
        for slots, buckets in tuple(self._sending.items()):
            for outgoing in buckets[slot % slots]:
                if outgoing.wakeAt <= slot:
                    try:
                        outgoing.tick(slot)
                    except Exception:
                        self._fault(outgoing.label)

    def _receive(self, now: float) -> None:
        for incoming, data, source in self._io.receive():
            try:
                incoming.received(data, source, now)
            except Exception:
                self._fault(incoming.label)

    def _skip(self, late: float, now: float) -> None:
        """The reactor stood still: what could not be said or heard meanwhile is left out."""
        beats = int(late / BEAT)
        self._timeline.slot = self._armed + beats * self._phases
        for group in tuple(self._hearing):
            for incoming in group:
                for _ in range(min(beats, _LONGEST_PADDING)):
                    deliver(incoming, SILENCE)
        self.skippedFrames += beats * len(self._places)
        if now - self._lateLoggedAt >= _QUIET:
            self._lateLoggedAt = now
            _log.warn(
                "reactor was late by {late:.2f} s: {beats} frames of {sessions} sessions are left "
                "out; something held it for that long, or the machine stood still",
                late=late,
                beats=beats,
                sessions=len(self._places),
            )
        if self.onLate is not None:
            self.onLate(late)

    def _fault(self, label: str) -> None:
        """A fault of ours in one session's packet; the others go on. One log line a second."""
        now = self._reactor.seconds()
        if now - self._faultLoggedAt >= _QUIET:
            self._faultLoggedAt = now
            _log.failure("{label}: a packet could not be handled", label=label)
