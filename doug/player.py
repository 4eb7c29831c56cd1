"""The play queue of a leg: what is heard now, what comes next, and how each play ended.

Lives here: which play is heard, timeouts, barge-in, ends. A player is its session's feed: it is
asked for a packet's payload each packet time.
Not here: one play's list (doug.play), one item's sound (doug.sound), what a key means
(doug.legkeys), packets (shtoom.media).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from doug.conferencing import ConfSource
from doug.events import (
    MediaPlayContentDoneEvent,
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
    MediaPlayTimerExpiredEvent,
)
from doug.play import Play
from doug.seatsound import SeatSound
from doug.sound import FileSound, LoadClip, Sound, SourceSound, ToneSound
from doug.source import FileSource, SilenceSource, Source, SourceUses, isFile
from shtoom.codecs import Codec
from shtoom.media.clips import IClip
from shtoom.media.stream import IFeed, Lent
from shtoom.words import reprOf

__all__ = ["IPlayerHost", "Player"]

AHEAD = 3  # sounds that are loaded before their turn, the current one included


class IPlayerHost(Protocol):
    """What a player needs of its leg.

    sources: the book of its Sources. loadClip: paths and open files to clips.
    """

    @property
    def reactor(self) -> IReactorTime: ...
    @property
    def sources(self) -> SourceUses: ...
    @property
    def loadClip(self) -> LoadClip: ...

    def findFile(self, path: str | os.PathLike[str]) -> str:
        """The complete path of a sound file that an application names."""

    def playEnded(self, play: Play, how: type[MediaPlayDoneEvent]) -> None:
        """A play is over after its last sound, or its time."""

    def playerChanged(self) -> None:
        """What is played now is another thing than before, or nothing any more."""


@implementer(IFeed)
class Player:
    """The queue of one leg.

    Plays come in their order. One that has no end by itself (loop, a Source without end) gives way
    to one that has, and goes on where it was; of several without end the last one is heard. All
    that joins does so without a gap, to the sample. A play is over with the packet that holds the
    last of it.

    codec: of the payload; None until it is known, then nothing plays yet.
    """

    __slots__ = ("_current", "_filling", "_host", "_plays", "_ready", "_sound", "codec",
                 "lent")  # fmt: skip

    def __init__(self, host: IPlayerHost) -> None:
        self._host: IPlayerHost | None = host
        self.codec: Codec | None = None
        self._plays: list[Play] = []
        self._current: Play | None = None
        self._sound: Sound | None = None
        self._filling = False
        self.lent: Lent | None = None  # the current sound, if it is in memory
        self._ready: Callable[[int], bytes | None] | None = None  # else, if it is a seat's

    # What a leg does with it

    @property
    def busy(self) -> bool:
        """Is there anything to play, be it silence?"""
        return bool(self._plays)

    @property
    def playing(self) -> bool:
        """Is there anything to be heard?"""
        return bool(self._plays) and not isinstance(self.source, SilenceSource)

    @property
    def prompt(self) -> Play | None:
        """The play that is heard now, if it has an end by itself and a key does not stop it."""
        play = self._current
        deaf = play is not None and not (play.bargeIn or play.givesWay) and play.whenOver is None
        return play if deaf else None

    @property
    def source(self) -> Source | None:
        """The Source that is heard now, if it is one."""
        item = self._sound.item if self._sound is not None else None
        return item if isinstance(item, Source) else None

    def play(
        self,
        playlist: Sequence[Any],
        *,
        bargeIn: bool = False,
        timeout: float | None = None,
        loop: bool = False,
    ) -> None:
        """Queues a list, as Leg.mediaPlay() has it.

        timeout: seconds. Raises TypeError or ValueError for what could never be played.
        """
        if timeout is not None and timeout <= 0:
            raise ValueError(f"timeout: wanted seconds above 0, or None, got {timeout}")
        sources = self._openHost().sources
        for item in playlist:
            if isinstance(item, Source):
                sources.check(item)
            elif not isinstance(item, str | os.PathLike) and not isFile(item, "r"):
                raise TypeError(
                    "mediaPlay: wanted paths, Sources, or open binary files with read and close, "
                    f"got {reprOf(item)}"
                )
        for item in playlist:
            if isinstance(item, Source):
                sources.claim(item, "play")
        self._queue(Play(playlist, self._make, bargeIn=bargeIn, timeout=timeout, loop=loop))

    def playTone(self, samples: NDArray[np.int16], whenOver: Callable[[], None]) -> None:
        """Queues samples of Doug's own; `whenOver` is called with the last of it."""
        self._queue(Play([samples], ToneSound, whenOver=whenOver))

    def useCodec(self, codec: Codec) -> None:
        """The payload's codec from now on."""
        self._unbind()
        self.codec = codec
        for play in self._plays:
            for sound in play.sounds.values():
                sound.useCodec(codec)
        self._loadAhead()
        self._bind()

    def bargeIn(self) -> Play | None:
        """A key: if the play that is heard allows it, it is over and the queue is dropped.

        Returns that play; its end is the caller's to tell.
        """
        play = self._current
        return self.stop() if play is not None and play.bargeIn else None

    def stop(self) -> Play | None:
        """All of it is over without an event. Returns the play that was heard, if any was."""
        heard, plays = self._current, self._plays
        self._plays = []
        for play in plays:
            self._close(play)
        self._choose()
        begun = heard is not None and self.codec is not None and heard.whenOver is None
        return heard if begun else None

    def close(self) -> Play | None:
        """The leg is over: as stop(), and nothing is accepted any more."""
        heard = self.stop()
        self._host = None
        return heard

    def sourceDone(self, source: Source) -> None:
        """A Source says that it is done; what it gave is still played."""
        host = self._openHost()
        for play in self._plays:
            for _ in range(play.sourceDone(source)):
                host.sources.release(source, "play")
        if not self._filling and self._sound is not None and self._sound.over:
            self._unbind()
            self._soundOver()
            self._bind()

    # What the session asks

    def nextPayload(self, size: int) -> bytes | None:
        """The next `size` bytes of payload, fewer at an end; None for nothing to say."""
        lent = self.lent
        if lent is not None and lent.at + size <= lent.end:
            at, lent.at = lent.at, lent.at + size
            return lent.data[at : lent.at]
        if self._ready is not None:
            payload = self._ready(size)
            if payload is not None:
                return payload
        return self._fill(size)

    def _fill(self, size: int) -> bytes | None:
        """A packet across an end, or of sound that is not in memory."""
        payload = b""
        self._unbind()
        self._filling = True
        try:
            while self._current is not None:
                sound = self._sound
                if sound is not None and not sound.over:
                    payload += sound.take(size - len(payload))
                if sound is None or sound.over:
                    self._soundOver()
                elif len(payload) < size:
                    break  # silence, or its file is not loaded yet
                if len(payload) >= size and not (self._sound is not None and self._sound.over):
                    break
        finally:
            self._filling = False
            self._bind()
        return payload or None

    def _bind(self) -> None:
        sound = self._sound
        if sound is not None and not self._filling:
            if sound.data:  # all but its last packet: with that one it is over
                self.lent = Lent(sound.data, sound.at, len(sound.data) - 1)
            self._ready = sound.ready if isinstance(sound, SeatSound) else None

    def _unbind(self) -> None:
        lent, self.lent = self.lent, None
        if lent is not None:
            lent.end = 0
            if self._sound is not None:
                self._sound.at = lent.at
        self._ready = None

    # One play after the other

    def _queue(self, play: Play) -> None:
        self._plays.append(play)
        self._loadAhead()
        self._choose()

    def _make(self, item: Any) -> Sound:
        host = self._openHost()
        if isinstance(item, str | os.PathLike):
            return FileSound(item, item, self._loadFile)
        if not isinstance(item, Source):
            return FileSound(item, item, host.loadClip)
        if isinstance(item, ConfSource) and item.isPlain:
            return SeatSound(item, host.reactor.seconds)
        file = item.takeFile() if isinstance(item, FileSource) and item.mode == "r" else None
        return (
            SourceSound(item, host.reactor.seconds)
            if file is None
            else FileSound(item, file, host.loadClip)
        )

    def _loadFile(self, path: str | os.PathLike[str], codec: Codec) -> IClip | Deferred[IClip]:
        host = self._openHost()
        return host.loadClip(host.findFile(path), codec)

    def _loadAhead(self) -> None:
        wanted = AHEAD
        for play in self._plays:
            if wanted > 0:
                wanted -= play.prepare(wanted, self.codec)

    def _choose(self) -> None:
        """Who is heard: the first play with an end of its own, else the last one."""
        self._unbind()
        plays, before = self._plays, self._sound
        play = next((p for p in plays if not p.givesWay), plays[-1] if plays else None)
        if play is not None:
            play.prepare(1, self.codec)
            if play.timeout is not None and play.timer is None:
                reactor = self._openHost().reactor
                play.timer = reactor.callLater(play.timeout, self._timeIsUp, play)
        self._current, self._sound = play, play.sound if play is not None else None
        self._bind()
        if self._host is not None and (self._sound is not before or play is None):
            self._host.playerChanged()

    def _soundOver(self) -> None:
        """On to the next sound; after the last one the play is over."""
        play = self._current
        if play is None:
            return
        sound = play.sound
        if sound is not None:
            if play.advance() and isinstance(sound.item, Source):
                self._openHost().sources.release(sound.item, "play")
            self._loadAhead()
        if play.isOver:
            self._over(
                play, MediaPlayContentFailedEvent if play.failed else MediaPlayContentDoneEvent
            )
        self._choose()

    def _timeIsUp(self, play: Play) -> None:
        self._unbind()
        self._over(play, MediaPlayTimerExpiredEvent)
        self._choose()

    def _over(self, play: Play, how: type[MediaPlayDoneEvent]) -> None:
        self._plays.remove(play)
        self._close(play)
        if play.whenOver is not None:
            play.whenOver()
        else:
            self._openHost().playEnded(play, how)

    def _close(self, play: Play) -> None:
        waiting = play.waiting()
        play.close()
        host = self._openHost()
        for _, item in waiting:
            if isinstance(item, Source):
                host.sources.release(item, "play")

    def _openHost(self) -> IPlayerHost:
        if self._host is None:
            raise RuntimeError("the player's leg has ended")
        return self._host
