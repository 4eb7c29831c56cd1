"""What is under way while a description changes: payload types of the one before, for a second.

Lives here: which they are and how long they are understood. Not here: what is in such packets
(media.incoming), when a description changes (the floor above).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shtoom.codecs import Codec
from shtoom.media.stream import StreamParameters

SWITCHING = 1.0  # seconds


class FormerTypes:
    """Payload types that have no meaning any more, and what they meant.

    A number that has a new meaning is none of them; nor is a codec whose RTP clock is another one,
    as its packets have no place in the stream.
    """

    __slots__ = ("_kinds", "_until")

    def __init__(self) -> None:
        self._kinds: dict[int, Codec | None] = {}  # None: telephone-events
        self._until = float("-inf")

    def replaced(
        self,
        accepts: Mapping[int, Codec],
        eventTypes: Iterable[int | None],
        by: StreamParameters,
        now: float,
    ) -> None:
        """A description with these types of sound and keys is over; another one is in force."""
        known, clock = by.kinds, by.codec.clock
        before: dict[int, Codec | None] = {kind: None for kind in eventTypes if kind is not None}
        before |= accepts
        former = self._kinds if now < self._until else {}
        if not before.keys() <= known:
            self._until = now + SWITCHING
        self._kinds = {
            kind: codec
            for kind, codec in (former | before).items()
            if kind not in known and (codec is None or codec.clock == clock)
        }

    def codecOf(self, kind: int, now: float) -> Codec | None:
        """The codec of sound under a former type; None if it is none."""
        return self._kinds.get(kind) if now < self._until else None

    def hasKeys(self, kind: int, now: float) -> bool:
        """Did telephone-events come under that type until now?"""
        return now < self._until and self._kinds.get(kind, self) is None
