"""One mediaPlay(): its list of items, where it is in it, how it may end.

Lives here: going through a list, loops, items that fail, sounds made ahead of their turn.
Not here: one item's sound (doug.sound), which of several plays is heard (doug.player).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from doug.sound import FileSound, SourceSound, closeFile
from doug.source import Source

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from doug.sound import Sound
    from shtoom.codecs import Codec

__all__ = ["Play"]


class Play:
    """A list while it is played.

    playlist: the items as given. place: index of the current one. failed: (item, reason) of those
    that could not be played. timeout: seconds until it ends in any case; None for none. whenOver:
    called instead of an event, for what Doug itself plays.
    """

    __slots__ = ("_dead", "_gave", "_make", "bargeIn", "failed", "loop", "place", "playlist",
                 "sounds", "timeout", "timer", "whenOver")  # fmt: skip

    def __init__(
        self,
        playlist: Sequence[Any],
        make: Callable[[Any], Sound],
        *,
        bargeIn: bool = False,
        timeout: float | None = None,
        loop: bool = False,
        whenOver: Callable[[], None] | None = None,
    ) -> None:
        self.playlist, self._make = list(playlist), make
        self.bargeIn, self.timeout, self.loop, self.whenOver = bargeIn, timeout, loop, whenOver
        self.place = 0
        self.sounds: dict[int, Sound] = {}
        self.failed: list[tuple[Any, str]] = []
        self.timer: IDelayedCall | None = None
        self._dead: set[int] = set()  # places that will not be played (again)
        self._gave = False  # did any sound come since the beginning of the list?

    @property
    def isOver(self) -> bool:
        """Nothing is left to play."""
        return self.place >= len(self.playlist)

    @property
    def sound(self) -> Sound | None:
        """The current one."""
        return self.sounds.get(self.place)

    @property
    def givesWay(self) -> bool:
        """Has it no end by itself?"""
        item = None if self.isOver else self.playlist[self.place]
        return self.loop or (isinstance(item, Source) and item.endless)

    def prepare(self, count: int, codec: Codec | None) -> int:
        """Makes the next `count` sounds, loads them if a codec is known; how many there are."""
        place, prepared = self.place, 0
        while prepared < count and place < len(self.playlist):
            if place not in self.sounds:
                sound = self.sounds[place] = self._make(self.playlist[place])
                if codec is not None:
                    sound.useCodec(codec)
            prepared += 1
            place = self._after(place)
            if place == self.place:
                break
        return prepared

    def advance(self) -> bool:
        """The current sound is over: on to the next, or to the end. False: it will come again."""
        place = self.place
        sound = self.sounds[place]
        self._gave = self._gave or sound.at > 0
        if self.loop and sound.failure is None:
            sound.rewind()
        if sound.failure is not None:
            self.failed.append((sound.item, sound.failure))
        if not self.loop or sound.failure is not None or sound.over:
            self._dead.add(place)
            self.sounds.pop(place).close()
        following = self._after(place)
        if following <= place:  # once round; a list that gives no sound would go round for ever
            following = following if self._gave else len(self.playlist)
            self._gave = False
        self.place = following
        return place in self._dead

    def sourceDone(self, source: Source) -> int:
        """That Source is done. Returns how many items it was that had not begun to be played."""
        gone = 0
        for place, item in self.waiting():
            sound = self.sounds.get(place)
            if item is source and isinstance(sound, SourceSound | FileSound):
                sound.sourceDone()
            elif item is source:
                self._dead.add(place)
                gone += 1
        if self.place in self._dead:
            self.place = self._after(self.place)
        return gone

    def waiting(self) -> list[tuple[int, Any]]:
        """(place, item) of all that is not over yet."""
        return [(p, item) for p, item in enumerate(self.playlist) if p not in self._dead]

    def close(self) -> None:
        """Lets go of sounds, files and timer."""
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()
        for place, item in self.waiting():
            if place in self.sounds:
                self.sounds[place].close()
            else:
                closeFile(item)
        self.sounds.clear()
        self.place = len(self.playlist)

    def _after(self, place: int) -> int:
        """The next place that is to be played; len(playlist) if there is none."""
        size = len(self.playlist)
        places = range(place + 1, size + place + 1 if self.loop else size)
        return next((p % size for p in places if p % size not in self._dead), size)
