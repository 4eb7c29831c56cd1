"""What an application did not get of what came for it, or did not want.

Lives here: keys and other events that were dropped, came too late, or stopped nothing. Not here:
what is made of it (doug.apprules), when a key stops a prompt (doug.player).
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from doug.events import BaseEvent, DTMFReceivedEvent

if TYPE_CHECKING:
    from doug.play import Play

__all__ = ["Losses"]

HEEDED = 1.0  # seconds that an application has to stop a prompt by itself after a key
MOST = 5  # events that are named


class Losses:
    """Of one leg.

    unmatched: keys that were dropped because no entry of its application's state matched; waited:
    those that had to wait for a handler's Deferred before; unheeded: those in a prompt that went
    on; events: other events that nothing matched, with the state, the first few.
    """

    __slots__ = ("_ignored", "_waiting", "events", "unheeded", "unmatched", "waited")

    def __init__(self) -> None:
        self._waiting: list[DTMFReceivedEvent] = []
        self._ignored: list[tuple[str, Play, float]] = []
        self.unmatched = self.waited = self.unheeded = ""
        self.events: list[str] = []

    def mustWait(self, event: DTMFReceivedEvent) -> None:
        """Keys came while a handler's Deferred pends."""
        self._waiting.append(event)

    def dropped(self, event: BaseEvent, state: str) -> None:
        """Nothing in that state matched it."""
        if not isinstance(event, DTMFReceivedEvent):
            what = f"{event.getEventName()} in {state}"
            if what not in self.events and len(self.events) < MOST:
                self.events.append(what)
        elif event in self._waiting:
            self.waited += event.digits
        else:
            self.unmatched += event.digits

    def ignored(self, digit: str, play: Play, now: float) -> None:
        """A key came while a prompt was heard that does not stop for keys."""
        self._ignored.append((digit, play, now))

    def promptEnded(self, play: Play, now: float) -> None:
        """A prompt has come to its end, or to that of the call, and was not stopped before."""
        mine = [digit for digit, heard, at in self._ignored if heard is play and now - at >= HEEDED]
        self.unheeded += "".join(mine)
        self._ignored = [entry for entry in self._ignored if entry[1] is not play]

    def close(self, queue: Container[object]) -> None:
        """The leg is over; what still waits in the application's queue may never be heard."""
        self.waited += "".join(event.digits for event in self._waiting if event in queue)
        self._waiting.clear()
        self._ignored.clear()
