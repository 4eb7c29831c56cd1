"""What a session can tell of its media: counts, times, addresses.

Lives here: the value. Not here: the counting (media.incoming, media.outgoing), conclusions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class MediaStats:
    """One session up to now.

    packetsReceived: taken from the far end, sound and keys, repeats too. lost: by their sequence
    numbers. dropped: datagrams that were not taken, by reason. firstPacketAt, lastPacketAt: in the
    reactor's seconds; None before any. remoteAddress: where packets go. latchedFrom: where they
    come from, None before any. refusals: datagrams that the system did not take from us. late:
    packets that came after their turn to be played, as far as anybody listened. describedAt: when
    the present description came. elsewhere: what the SDP said, and from where packets came all the
    same for two seconds and more; None if they agreed. pauses: silences that the far end made on
    purpose. unheard: seconds that its first packet was waited for, off hold; 0 once it came.
    """

    packetsSent: int
    packetsReceived: int
    lost: int
    dropped: Mapping[str, int]
    firstPacketAt: float | None
    lastPacketAt: float | None
    remoteAddress: Address | None
    latchedFrom: Address | None
    refusals: int
    late: int = 0
    describedAt: float = float("-inf")
    elsewhere: tuple[Address, Address] | None = None
    pauses: int = 0
    unheard: float = 0.0
