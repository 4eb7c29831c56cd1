"""One call's audio: its port, what it sends, what it hears, with whom.

Lives here: the life of a session, and what the floor above sets and asks. Not here: the two halves
that do the work (media.incoming, media.outgoing), the beat (media.clock).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from shtoom.addresses import ipAddress
from shtoom.media.doubt import Doubt
from shtoom.media.incoming import Incoming
from shtoom.media.io import IFocusingSocket, IMediaSocket
from shtoom.media.outgoing import Outgoing
from shtoom.media.schedule import Schedule
from shtoom.media.stats import MediaStats
from shtoom.media.stream import (
    LONGEST_PACKET,
    SHORTEST_PACKET,
    Idle,
    IFeed,
    IListener,
    StreamParameters,
)
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased, TelephoneEventSender

if TYPE_CHECKING:
    from shtoom.media.clock import MediaClock

__all__ = ["IFeed", "IListener", "MediaSession", "StreamParameters"]

_NOWHERE = ("0.0.0.0", "::")  # RFC 3264 8.4: an address that stands for hold


class MediaSession:
    """The audio of one call, from openSession() of a MediaClock until close().

    Nothing is sent, and what comes is dropped, until start() says what was agreed on.
    """

    __slots__ = (
        "__weakref__", "_clock", "_final", "_focusing", "_forwardTo", "_forwardedBy", "_incoming",
        "_outgoing", "_socket", "_stream",
    )  # fmt: skip

    def __init__(
        self,
        clock: MediaClock,
        socket: IMediaSocket,
        rng: Random,
        idle: Idle,
        schedule: Schedule,
    ) -> None:
        self._clock: MediaClock | None = clock
        self._socket = socket
        self._outgoing = Outgoing(socket, rng, idle, schedule)
        self._incoming = Incoming(self._outgoing, schedule, clock.isOurs)
        self._focusing = socket if IFocusingSocket.providedBy(socket) else None
        self._forwardTo: MediaSession | None = None
        self._forwardedBy: set[MediaSession] = set()
        self._final: MediaStats | None = None
        self._stream: StreamParameters | None = None  # what start() was told last
        socket.owner = self._incoming
        self.label = f"media port {socket.port}"

    @property
    def host(self) -> str:
        """The address that the port is bound to."""
        return str(self._socket.host)

    @property
    def port(self) -> int:
        """The RTP port, an even one, for the session's life."""
        return int(self._socket.port)

    @property
    def closed(self) -> bool:
        """Is it over?"""
        return self._clock is None

    @property
    def label(self) -> str:
        """What names the call in log lines."""
        return self._incoming.label

    @label.setter
    def label(self, label: str) -> None:
        self._incoming.label = self._outgoing.label = label

    def start(self, stream: StreamParameters) -> None:
        """Begins, or goes on by other parameters (re-INVITE). Units as in StreamParameters.

        The same ones again change nothing: a re-INVITE may be a keep-alive. Else SSRC, sequence
        and timestamp go on as they are; the latch is open again. A ptime between two multiples of
        10 ms is rounded down. ValueError: ptime out of range, a remote host that is a name (to look
        it up would hold everybody up), or the session is closed.
        """
        clock = self._clock
        if clock is None:
            raise ValueError(f"start: the session of {self.label} is closed")
        if stream == self._stream:
            return
        if not SHORTEST_PACKET <= stream.ptime <= LONGEST_PACKET:
            raise ValueError(
                f"ptime: wanted {SHORTEST_PACKET} to {LONGEST_PACKET} ms, got {stream.ptime}"
            )
        remote = stream.remote
        if remote is not None and (remote[0] in _NOWHERE or remote[1] == 0):
            remote = None
        if remote is not None:
            ipAddress(remote[0])
        if remote is not None and remote != self._incoming.described:
            self._outgoing.address = remote
        ptime = stream.ptime // 10 * 10
        self.unfocus()
        clock.poll()  # what came before the session was up is not part of it
        self._stream = stream
        self._outgoing.configure(stream, ptime)
        self._incoming.configure(stream, remote, clock.seconds())
        clock.sessionStarted(self._incoming, self._outgoing, ptime)

    def doubt(self) -> None:
        """The far end may be somebody else than who says so: a second of sound until trust().

        It counts as that, too, if something is heard from there.
        """
        self._outgoing.doubt = Doubt(lambda: self._incoming.latch.isAnswered)

    def trust(self) -> None:
        """The far end is who it says it is."""
        self._outgoing.doubt = None

    def review(self, now: float) -> None:
        """Once a second, while many sessions are up: whom to listen to alone. now: seconds."""
        if self._focusing is not None and self._clock is not None:
            self._outgoing.direct(self._focusing.focus(self._incoming.focus(now)))

    def unfocus(self) -> None:
        """Datagrams of anybody are of interest again."""
        if self._focusing is not None:
            self._outgoing.direct(self._focusing.focus(None))

    # --- what it sends ------------------------------------------------------------------------

    @property
    def feed(self) -> IFeed | None:
        """Who is asked for sound to send, a packet at a time; None for nobody."""
        return self._outgoing.feed

    @feed.setter
    def feed(self, feed: IFeed | None) -> None:
        self._outgoing.feed = feed

    def sendEvent(self, digit: str, duration: float) -> Deferred[None]:
        """Presses a key, one of 0-9 * # A-D, for so many seconds (RFC 4733).

        The Deferred fires with None after the last packet, or when the session closes. Keys wait
        for those before them; sound waits for keys. ValueError: no such key, or the far end does
        not take telephone-events.
        """
        return self._outgoing.sendEvent(digit, duration)

    def pressKey(self, digit: str) -> TelephoneEventSender | None:
        """A key goes down; release(seconds) of what is returned ends it. Else as sendEvent().

        None if nothing can be sent now, as the far end holds the call.
        """
        return self._outgoing.pressKey(digit)

    @property
    def takesEvents(self) -> bool:
        """Does the far end take telephone-events?"""
        return self._outgoing.takesEvents

    @property
    def sends(self) -> bool:
        """May anything be said now? Not before start(), not on hold."""
        return self._outgoing.sends

    # --- what it hears ------------------------------------------------------------------------

    def addListener(self, listener: IListener) -> None:
        """Hands it a frame of PCM every 20 ms, from the next beat on."""
        self._incoming.addListener(listener)

    def removeListener(self, listener: IListener) -> None:
        """Hands it nothing any more; one that is not there is no error."""
        self._incoming.removeListener(listener)

    @property
    def onKey(self) -> Callable[[KeyPressed | KeyReleased], None] | None:
        """Called with each key of the far end at its first packet, and again at its end."""
        return self._incoming.onKey

    @onKey.setter
    def onKey(self, onKey: Callable[[KeyPressed | KeyReleased], None] | None) -> None:
        self._incoming.onKey = onKey

    @property
    def forwardTo(self) -> MediaSession | None:
        """The session whose far end hears this one's, packet by packet as they come.

        Itself: the far end hears itself. Keys are not forwarded. What the other session's feed
        says goes before.
        """
        return self._forwardTo

    @forwardTo.setter
    def forwardTo(self, other: MediaSession | None) -> None:
        clock = self._clock
        if other is not None and (other.closed or clock is None):
            raise ValueError(f"forwardTo: {(self if self.closed else other).label} is closed")
        before = self._forwardTo
        if before is not None:
            before._forwardedBy.discard(self)
        self._forwardTo = other
        self._incoming.target = None if other is None else other._outgoing
        if other is not None:
            other._forwardedBy.add(self)
        for change, session in ((-1, before), (1, other)):
            if session is not None and clock is not None:
                clock.forwardingChanged(change, session is self)

    # --- its end ------------------------------------------------------------------------------

    @property
    def stats(self) -> MediaStats:
        """Counts, times and addresses up to now; after the end as they were then."""
        if self._final is not None:
            return self._final
        incoming, outgoing = self._incoming, self._outgoing
        heard = incoming.firstAt is not None
        return MediaStats(
            packetsSent=outgoing.packetsSent,
            packetsReceived=incoming.packetsReceived,
            lost=incoming.lost,
            dropped=dict(incoming.dropped),
            firstPacketAt=incoming.firstAt,
            lastPacketAt=incoming.heardAt if heard else None,
            remoteAddress=outgoing.address,
            latchedFrom=incoming.latch.source,
            refusals=outgoing.refusals,
            late=incoming.late,
            describedAt=incoming.describedAt,
            elsewhere=incoming.elsewhere,
            pauses=incoming.pauses,
            unheard=0.0 if self._clock is None else incoming.unheard(self._clock.seconds()),
        )

    def close(self) -> None:
        """Gives back port and socket, and lets go of everybody; again: nothing.

        Deferreds of sendEvent() that are still out fire before this returns.
        """
        clock = self._clock
        if clock is None:
            return
        self._final = self.stats
        self.forwardTo = None
        self._clock = None
        for other in tuple(self._forwardedBy):
            other.forwardTo = None
        clock.sessionClosed(self, self._incoming, self._outgoing, self._socket)
        self._socket.owner = None
        self._incoming.close()
        self._outgoing.close()
