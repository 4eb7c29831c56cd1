"""What a session is told, and what it talks to: stream parameters, feeds, listeners.

Lives here: the values and interfaces between media and the floor above. Not here: what is done
with them (media.session and its parts).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import Enum

from zope.interface import Attribute, Interface

from shtoom.codecs import Codec

BEAT = 0.02  # seconds: all sound inside moves in frames of this length
FRAME_BYTES = 320  # of a beat's PCM: int16 samples of 8 kHz
SILENCE = bytes(FRAME_BYTES)
SHORTEST_PACKET, LONGEST_PACKET = 10, 60  # milliseconds of sound in a packet sent


class Idle(Enum):
    """What goes to a far end that is not spoken to. All begin with a second of silence."""

    SPARSE = "sparse"  # one packet a second, which keeps NATs open
    SILENCE = "silence"  # packets without a gap
    NONE = "none"  # nothing at all


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """What two sides have agreed on for one audio stream, as shtoom.media wants it.

    remote: (host, port) to send to, the host as numbers; None or host 0.0.0.0 for nowhere.
    codec, payloadType: to send with. accepts: payload types that may come. eventType: payload type
    of telephone-events (RFC 4733) to send, None for no keys; eventTypes: those under which they may
    come besides, for a far end that has numbers of its own; eventClock: Hz of their durations.
    ptime: milliseconds of sound a packet sent. send, receive: the direction, seen from here.
    signallingHost: where the far end's signalling comes from, which its media may come from too;
    isDirect: there is no proxy on the way, so its media hardly comes from anywhere else.
    """

    remote: tuple[str, int] | None
    codec: Codec
    payloadType: int
    accepts: Mapping[int, Codec]
    eventType: int | None = None
    ptime: int = 20
    send: bool = True
    receive: bool = True
    signallingHost: str | None = None
    isDirect: bool = False
    eventTypes: frozenset[int] = frozenset()
    eventClock: int = 8000

    @property
    def kinds(self) -> Set[int | None]:
        """All payload types that have a meaning now."""
        return {*self.accepts, *self.eventTypes, self.eventType}


class Lent:
    """Sound in memory that a feed lends to its session, to take packets from.

    data: as nextPayload() gives it. at: where the next packet begins. end: where the last one may
    end; the feed sets it to 0 to have all back.
    """

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end


class IFeed(Interface):
    """Where the sound that a session sends comes from."""

    lent = Attribute(
        """A Lent that goes on behind what nextPayload() gave last, or None.

        The session takes packets from it without asking, while there are whole ones.
        """
    )

    def nextPayload(size: int) -> bytes | None:  # noqa: N805
        """The next packet's sound in the codec's `uncoded`: size bytes, fewer only at its end.

        Called once a packet time. None or b"": nothing to say now, the session's idle policy holds.
        """


class IListener(Interface):
    """Who hears what comes from the far end."""

    def frameReceived(pcm: bytes) -> None:  # noqa: N805
        """20 ms: 160 samples of 8 kHz, int16 in machine order; silence where nothing came.

        Called exactly once a beat.
        """
