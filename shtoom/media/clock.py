"""The beat of all media: 20 ms, on an absolute schedule, in phases.

Lives here: what happens when the reactor was late, when sockets are read, faults of one session.
Not here: who is due when (media.schedule), what is sent and heard (media.outgoing,
media.incoming, media.listening).

How the clock follows the load (a turn of the reactor costs as much as ten packets and more):

    sessions    sockets are read
    none        not at all: the clock sleeps
    below few   when a datagram comes; slots are run only if there is something to do
    below SOME  in every slot
    from SOME   in the slots of the phases in use: one phase for each A_PHASE sessions, so that
                turns are large, but SIP has its own between them

While sessions forward, each wait is delay: datagrams are waited for up to more sessions, and
sockets are read twice a beat at least, in every slot if two people hear each other so.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from random import Random

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from shtoom.media.incoming import REVIEW, Incoming
from shtoom.media.io import Address, IMediaIO, IMediaSocket
from shtoom.media.listening import Listening, deliver
from shtoom.media.outgoing import Outgoing
from shtoom.media.ports import PortPool
from shtoom.media.schedule import NEVER, Schedule
from shtoom.media.session import MediaSession
from shtoom.media.stream import BEAT, SILENCE, Idle

SOME = 50  # sessions, where the clock changes its way
A_PHASE = 250  # sessions before one more phase is used: a burst of 5 ms or so
LATEST = 2 * BEAT  # seconds: beats that are later are left out
_LONGEST_PADDING = 3000  # beats of silence that a listener gets for those left out, a minute
_EPSILON = 1e-6  # seconds by which a clock may round
_REVIEWED_A_SLOT = 10
_QUIET = 1.0  # seconds between two log lines of one kind

_log = Logger()


class MediaClock:
    """Opens sessions and moves them through time.

    phases: into how many parts a beat is cut: 2, 4 or 8. few: below so many sessions datagrams
    are served as they come instead of by polling; fewForwarding: the same while any session
    forwards, where each wait is delay between two people. idle: "sparse", "silence" or "none"
    (stream.Idle). rng: for the clock's origin, SSRCs and the like. isLocal: is that an address of
    this machine?

    sessions: those that are open. lateBeats: slots that were run more than a beat late.
    skippedFrames: frames that were left out, over all sessions. onLate: called with the seconds
    when beats were left out. seenSince: tells which line the reactor was seen at after that time,
    "" if nobody has looked.
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
        fewForwarding: int = 32,
        idle: str = "sparse",
        isLocal: Callable[[str], bool] = lambda host: False,
    ) -> None:
        if idle not in [policy.value for policy in Idle]:
            wanted = ", ".join(policy.value for policy in Idle)
            raise ValueError(f"idle: wanted one of {wanted}, got {idle!r}")
        self._reactor, self._io, self._ports, self._rng = reactor, io, ports, rng
        self._few, self._idle, self._isLocal = few, Idle(idle), isLocal
        self._fewForwarding, self._forwarding, self._echoes = fewForwarding, 0, 0
        self._schedule = Schedule(phases, self._presentSlot, self._sooner)
        self._step = self._schedule.length
        self._origin = reactor.seconds() + BEAT * rng.random()
        self._armed = 0  # the slot that _call is for
        self._call: IDelayedCall | None = None
        self._waking = False  # the reactor watches the sockets
        self._ticking = False
        self._toReview: list[MediaSession] = []
        self._reviewAt = 0.0
        self._listening = Listening()
        self._faultLoggedAt = self._lateLoggedAt = float("-inf")
        self.sessions: set[MediaSession] = set()
        self.lateBeats = self.skippedFrames = 0
        self.onLate: Callable[[float], None] | None = None
        self.seenSince: Callable[[float], str] = lambda since: ""

    def seconds(self) -> float:
        """The reactor's time."""
        return self._reactor.seconds()

    @property
    def due(self) -> float | None:
        """When it runs next by itself, None if never or if it runs right now. For other threads."""
        return self._timeOf(self._armed) if self._call is not None else None

    def openSession(self, host: str) -> MediaSession:
        """A session with a port of its own on `host`.

        Raises MediaPortsExhausted when no port is left, OSError when host is not this machine's.
        """
        socket = self._io.open(host, self._ports)
        session = MediaSession(self, socket, self._rng, self._idle, self._schedule)
        self.sessions.add(session)
        return session

    def close(self) -> None:
        """Closes all sessions and stops."""
        for session in tuple(self.sessions):
            session.close()
        self._arm()

    # --- for sessions -------------------------------------------------------------------------

    def sessionStarted(self, incoming: Incoming, outgoing: Outgoing, packetTime: int) -> None:
        """It takes its place in the beat, or another one if its packet time (ms) has changed."""
        if outgoing.group is None:
            phase = self._schedule.choosePhase(self._phasesFor(self._schedule.placed))
            self._schedule.place(incoming, outgoing, phase, packetTime)
        else:
            self._schedule.packetTimeChanged(outgoing, packetTime)

    def sessionClosed(
        self, session: MediaSession, incoming: Incoming, outgoing: Outgoing, socket: IMediaSocket
    ) -> None:
        """It leaves the beat, and its port is free."""
        self.sessions.discard(session)
        if outgoing.group is not None:
            self._schedule.remove(incoming, outgoing)
            self._arm()
        socket.close()
        self._ports.giveBack(socket.port)

    def forwardingChanged(self, by: int, echo: bool) -> None:
        """So many more sessions forward what they hear, or fewer. echo: to their own far end."""
        self._forwarding += by
        if echo:
            self._echoes += by
        self._sooner()

    def isOurs(self, address: Address) -> bool:
        """Is it the port of a session here?"""
        return self._ports.isTaken(address[1]) and self._isLocal(address[0])

    def poll(self) -> None:
        """Reads all that waits, now."""
        self._schedule.passEmpty()
        self._receive(self._reactor.seconds())

    def _phasesFor(self, sessions: int) -> int:
        """Over how many phases so many sessions are spread, evenly apart."""
        phases = 1
        while phases < self._schedule.perBeat and sessions >= phases * A_PHASE:
            phases *= 2
        return phases

    # --- time ---------------------------------------------------------------------------------

    def _timeOf(self, slot: int) -> float:
        return self._origin + slot * self._step

    def _presentSlot(self) -> int:
        return ceil((self._reactor.seconds() - self._origin) / self._step)

    def _sooner(self) -> None:
        """Something is to be done that was not; a tick looks for itself at its end."""
        if not self._ticking:
            self._arm()

    def _nextSlot(self) -> int:
        """The next that has to be run."""
        schedule = self._schedule
        if self._waking:
            return schedule.nextBusy()
        slot = schedule.slot
        if schedule.placed < SOME:
            return slot
        if self._forwarding > self._echoes:
            return slot
        apart = schedule.perBeat // 2 if self._forwarding else schedule.perBeat
        while not (schedule.isUsed(slot, apart) or schedule.isBusy(slot)):
            slot += 1
        return slot

    def _arm(self) -> None:
        """Sees to it that the next slot is run, and that datagrams wake the clock if need be."""
        active = self._schedule.placed
        waking = 0 < active < (self._fewForwarding if self._forwarding else self._few)
        if waking != self._waking:
            self._waking = waking
            self._toReview.clear()
            for session in tuple(self.sessions) if waking else ():
                session.unfocus()
            self._io.wakeOn(self.poll if waking else None)
        slot = self._nextSlot() if active else NEVER
        call = self._call
        if call is not None:
            if slot == self._armed:
                return
            self._call = None
            call.cancel()
        self._armed = slot
        if slot < NEVER:
            delay = self._timeOf(slot) - self._reactor.seconds()
            self._call = self._reactor.callLater(max(0.0, delay), self._tick)

    def _tick(self) -> None:
        """Reads all sockets, then runs the slots that are due."""
        self._call = None
        self._ticking = True
        schedule = self._schedule
        try:
            now = self._reactor.seconds()
            late = now - self._timeOf(self._armed)
            schedule.slot = self._armed  # nothing is to be done in those before it
            self._receive(now)
            if late > BEAT:
                self.lateBeats += 1
                if late > LATEST:
                    self._skip(late, now)
            if not self._waking:
                self._review(now)
            now += _EPSILON
            while self._timeOf(schedule.slot) <= now:
                slot = schedule.slot
                schedule.slot = slot + 1
                self._run(slot, now)
        finally:  # a fault of one beat is not the end of all
            self._ticking = False
            self._arm()

    def _run(self, slot: int, now: float) -> None:
        schedule = self._schedule
        schedule.ring(slot)
        hearers = schedule.hearers(slot)
        if hearers:
            self._listening.run(hearers, now)
        put = schedule.outbox.append
        for outgoing in schedule.senders(slot):
            packet = next(outgoing.packets, None)
            if packet is not None:
                put((outgoing.send, packet, outgoing))
                continue
            try:
                outgoing.tick(slot)
            except Exception:
                self._fault(outgoing.label)
            if outgoing.wakeAt > slot:
                schedule.sleep(outgoing)
        self._flush()

    def _review(self, now: float) -> None:
        """Once a second for each session, a few of them in each slot."""
        if not self._toReview and now >= self._reviewAt:
            self._toReview = list(self.sessions)
            self._reviewAt = now + REVIEW
        for session in self._toReview[-_REVIEWED_A_SLOT:]:
            session.review(now)
        del self._toReview[-_REVIEWED_A_SLOT:]

    def _receive(self, now: float) -> None:
        for incoming, data, source in self._io.receive():
            try:
                incoming.received(data, source, now)
            except Exception:
                self._fault(incoming.label)
        self._flush()

    def _flush(self) -> None:
        outbox = self._schedule.outbox
        for send, packet, outgoing in outbox:
            try:
                send(packet)
            except OSError as e:
                outgoing.refused(e)
        outbox.clear()

    def _skip(self, late: float, now: float) -> None:
        """The reactor stood still: what could not be said or heard meanwhile is left out."""
        beats = int(late / BEAT)
        schedule = self._schedule
        schedule.skipTo(self._armed + beats * schedule.perBeat)
        for incoming in schedule.allHearers():
            until = self._reactor.seconds() + BEAT  # one that is slow would make us later still
            for _ in range(min(beats, _LONGEST_PADDING)):
                deliver(incoming, SILENCE)
                if self._reactor.seconds() > until:
                    break
        self.skippedFrames += beats * schedule.placed
        if now - self._lateLoggedAt >= _QUIET:
            self._lateLoggedAt = now
            seen = self.seenSince(now - late)
            _log.warn(
                "reactor was late by {late:.2f} s: {beats} frames of {sessions} sessions are left "
                "out; {cause}",
                late=late,
                beats=beats,
                sessions=schedule.placed,
                cause=f"it was seen at {seen}"
                if seen
                else "something held it for that long, or the machine stood still",
            )
        if self.onLate is not None:
            self.onLate(late)

    def _fault(self, label: str) -> None:
        """A fault of ours in one session's packet; the others go on. One log line a second."""
        now = self._reactor.seconds()
        if now - self._faultLoggedAt >= _QUIET:
            self._faultLoggedAt = now
            _log.failure("{label}: a packet could not be handled", label=label)
