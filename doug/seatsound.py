"""A conference seat in the shape that a player takes from.

Lives here: packets of sound that is mixed and encoded for many seats at once. Not here: the mix
(doug.desk), other Sources (doug.sound).
"""

from __future__ import annotations

from collections.abc import Callable

from doug.conferencing import ConfSource
from doug.sound import SourceSound
from shtoom.audio.frames import FRAME

__all__ = ["SeatSound"]


class SeatSound(SourceSound):
    """What a member hears. In a codec that takes its frames as they are mixed (a byte a sample, 8
    kHz) they come encoded; in others as PCM, as from any Source."""

    __slots__ = ("_seat",)

    def __init__(self, seat: ConfSource, seconds: Callable[[], float]) -> None:
        super().__init__(seat, seconds)
        self._seat = seat

    def ready(self, size: int) -> bytes | None:
        """The shorter way to a packet of one frame; None: it has to be asked for by take()."""
        codec = self._codec
        if size != FRAME or self._buffer or self._done or codec is None:
            return None
        if len(codec.silence) != FRAME:
            return None
        payload = self._seat.payload(codec)
        if not payload:
            return None
        self.at += size
        return payload

    def take(self, size: int) -> bytes:
        """As any Source; the room is told before how many frames it takes."""
        codec = self._codec
        if codec is not None:
            frame = len(codec.silence)
            self._seat.expect(-(-(size - len(self._buffer)) // frame))
        return super().take(size)
