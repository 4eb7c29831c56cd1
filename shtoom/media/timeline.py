"""The slots that media time is cut into, as all parts of the media floor count them.

Lives here: the length of a slot, and which one is next. Not here: running them (media.clock).
"""

from __future__ import annotations

from shtoom.media.stream import BEAT


class Timeline:
    """slot: the number of the first slot that was not run. perBeat: slots in 20 ms.

    ValueError for a number that does not divide packet times of 10 ms and G.711's samples.
    """

    __slots__ = ("perBeat", "slot")

    def __init__(self, perBeat: int) -> None:
        if perBeat not in (2, 4, 8):
            raise ValueError(f"phases: wanted 2, 4 or 8, got {perBeat}")
        self.perBeat = perBeat
        self.slot = 0

    @property
    def length(self) -> float:
        """Seconds of a slot."""
        return BEAT / self.perBeat

    def slots(self, seconds: float) -> int:
        """So many seconds in slots, rounded."""
        return round(seconds * self.perBeat / BEAT)
