"""A bridge: two legs whose far ends hear each other and each other's keys.

Lives here: which two, keys on their way, the recording of both sides, its end. Not here: how sound
gets across (shtoom.media.session), what else a leg plays and records (doug.legmedia).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from doug.events import MediaRecordDoneEvent, MediaRecordRemoteClosedEvent
from doug.recorder import Limits, Record
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased

if TYPE_CHECKING:
    from doug.leg import Leg
    from doug.legmedia import HeldKey, LegMedia
    from shtoom.media.session import MediaSession

__all__ = ["Bridge"]

log = Logger()


class Bridge:
    """Two legs connected, from VoiceApp.connectLegs() until close().

    It closes by itself when a leg ends, goes to another application or into another bridge; the
    leg that stays hears silence, or what is played to it. What a leg plays goes before the sound of
    the other one, so a prompt is heard by one side alone.

    legs: the two, leg1 first. closed: is it over? relayKeys: do keys get across?
    """

    def __init__(
        self,
        legs: tuple[Leg, ...],
        sides: tuple[LegMedia, LegMedia] | None,
        relayKeys: bool = True,
    ) -> None:
        """Made by connectLegs(). sides: None for one that is closed from the beginning."""
        self.legs, self.relayKeys = legs, relayKeys
        self._sides = sides
        self._down: dict[LegMedia, HeldKey] = {}  # keys that are down, by who pressed them
        self._record: Record | None = None
        if sides is not None:
            for side in sides:
                if side.bridge is not None:
                    side.bridge.close()
            for side in sides:
                side.join(self)

    @property
    def closed(self) -> bool:
        """Is it over?"""
        return self._sides is None

    def close(self) -> None:
        """Each far end is for itself again, both calls stay up. Again: nothing.

        A recording of both sides ends with MediaRecordDoneEvent.
        """
        self._close(MediaRecordDoneEvent)

    def mediaRecord(
        self, dest: Any, *, maxDuration: float | None = None, maxSilence: float | None = None
    ) -> None:
        """Records both sides as stereo, leg1 left and leg2 right, until the bridge closes.

        dest: a path that ends in .wav, or an open binary file that can seek. maxDuration,
        maxSilence: seconds, as in Leg.mediaRecord. Ends with exactly one MediaRecordDoneEvent of
        leg1: MediaRecordRemoteClosedEvent when a leg has ended. It is one of leg1's recordings,
        beside what that leg records of its own side: leg1.mediaStop() and mediaStopRecording() stop
        it too. A second one ends the first. Raises TypeError or ValueError for what could never be
        recorded to.
        """
        limits = Limits(maxDuration, maxSilence)
        if self._sides is None:
            log.debug("{bridge}: mediaRecord on a bridge that is closed", bridge=repr(self))
            return
        self._record = self._sides[0].recorder.recordBoth(dest, limits)

    def mediaStopRecording(self) -> None:
        """Stops the recording of both sides, without event."""
        record, self._record = self._record, None
        if record is not None and self._sides is not None:
            self._sides[0].stopRecord(record)

    def isRecording(self) -> bool:
        """Are both sides recorded?"""
        sides, record = self._sides, self._record
        return sides is not None and record is not None and record in sides[0].recorder.records

    def __repr__(self) -> str:
        legs = " ".join(repr(leg) for leg in self.legs)
        return f"<Bridge {legs}{' (closed)' if self.closed else ''}>"

    # What the two sides call

    def sessionBehind(self, side: LegMedia) -> MediaSession | None:
        """The other side's."""
        return None if self._sides is None else self._otherThan(side, self._sides).session

    def hearerOf(self, side: LegMedia) -> MediaSession | None:
        """Who hears that side: nobody while we have put one of the two on hold."""
        if self._sides is None or any(each.holding for each in self._sides):
            return None
        return self.sessionBehind(side)

    def holdChanged(self, side: LegMedia) -> None:
        """That side is on hold, or no longer; it sees to itself."""
        if self._sides is not None:
            self._otherThan(side, self._sides).reroute()

    def keyHeard(self, side: LegMedia, key: KeyPressed | KeyReleased) -> None:
        """A key of that side goes down or comes up: at the other far end too."""
        if not self.relayKeys or self._sides is None:
            return
        held = self._down.pop(side, None)
        if isinstance(key, KeyReleased):
            if held is not None:
                held.release(key.duration)
            return
        if held is not None:
            held.release(0.0)
        pressed = self._otherThan(side, self._sides).pressKey(key.digit)
        if pressed is not None:
            self._down[side] = pressed

    def sideEnded(self) -> None:
        """The leg of one side is over."""
        self._close(MediaRecordRemoteClosedEvent)

    def _close(self, how: type[MediaRecordDoneEvent]) -> None:
        sides, self._sides = self._sides, None
        record, self._record = self._record, None
        if sides is None:
            return
        for held in self._down.values():
            held.release(0.0)
        self._down.clear()
        if record is not None:
            sides[0].recorder.end(record, how)
        for side in sides:
            side.join(None)

    @staticmethod
    def _otherThan(side: LegMedia, sides: tuple[LegMedia, LegMedia]) -> LegMedia:
        return sides[1] if sides[0] is side else sides[0]
