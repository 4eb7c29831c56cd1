"""What a far end hears that is put on hold: Doug's own tune, a file, or nothing.

Lives here: the tune, and its playing over and over. Not here: when a call is on hold
(doug.holding), what an application plays (doug.player), which waits meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from twisted.logger import Logger

from doug.play import Play
from doug.player import Player
from doug.source import SourceUses
from shtoom.audio.frames import RATE
from shtoom.codecs import Codec
from shtoom.media.clips import Clip, IClip
from shtoom.media.coding import encoded
from shtoom.sip.shown import SENTENCE, shown

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from doug.events import MediaPlayDoneEvent
    from doug.sound import LoadClip

__all__ = ["TUNE", "HoldMusic", "tune"]

TUNE = ""
"""The name of Doug's own tune, in the place of a file's."""

_NOTE = 0.4  # seconds
_LEVEL = 0.12  # of full scale: beside speech it is quiet
_BARS = (
    (0, 4, 7, 12, 7, 4),
    (9, 12, 16, 21, 16, 12),
    (5, 9, 12, 17, 12, 9),
    (7, 11, 14, 19, 14, 11),
)
"""Broken chords, C, A minor, F and G, in semitones above C: nobody's melody."""
_LOWEST = 261.63  # Hz: C4

log = Logger()


def tune() -> NDArray[np.int16]:
    """Doug's own music, ten seconds of 8 kHz, to be played over and over."""
    time = np.arange(int(_NOTE * RATE)) / RATE
    swell = (
        np.minimum(1.0, time / 0.02) * np.exp(-3.0 * time) * np.minimum(1.0, (_NOTE - time) / 0.02)
    )
    notes = []
    for step in (step for bar in _BARS for step in bar):
        hz = _LOWEST * 2 ** (step / 12)
        wave = np.sin(2 * np.pi * hz * time) + 0.3 * np.sin(4 * np.pi * hz * time)
        notes.append(wave * swell)
    return np.rint(np.concatenate(notes) * _LEVEL * 32767).astype(np.int16)


_payloads: dict[str, bytes] = {}  # by codec: encoded once, for all calls


class HoldMusic:
    """The music of one hold. feed: asked for it by the media session.

    A file that cannot be played is named in the log; the tune is heard in its place.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reactor: IReactorTime,
        sources: SourceUses,
        load: LoadClip,
        name: str,
    ) -> None:
        """path: complete, or TUNE. sources: the leg's book of them. name: its Call-ID."""
        self.reactor, self.sources = reactor, sources
        self._load, self._name = load, name
        self.feed = Player(self)
        self._play(path)

    def useCodec(self, codec: Codec) -> None:
        """The payload's codec from now on: one without state."""
        if self.feed.codec is not codec:
            self.feed.useCodec(codec)

    def close(self) -> None:
        """It is over."""
        self.feed.close()

    # What its player asks

    def loadClip(self, path: str | os.PathLike[str], codec: Codec) -> IClip | Deferred[IClip]:
        """The tune, or the file."""
        if path == TUNE:
            if codec.name not in _payloads:
                _payloads[codec.name] = encoded(tune(), codec)
            return Clip(_payloads[codec.name], codec, "hold music")
        return self._load(path, codec)

    def findFile(self, path: str | os.PathLike[str]) -> str:
        """It is complete."""
        return os.fspath(path)

    def playEnded(self, play: Play, how: type[MediaPlayDoneEvent]) -> None:
        """Music has no end: it could not be played."""
        reasons = "; ".join(reason for _, reason in play.failed)
        log.warn(
            "call {callID}: the hold music cannot be played, Doug's own is in its place: {reason}",
            callID=self._name,
            reason=shown(reasons, SENTENCE),
        )
        if play.playlist != [TUNE]:
            self._play(TUNE)

    def playerChanged(self) -> None:
        """The feed stays the same."""

    def _play(self, path: str | os.PathLike[str]) -> None:
        self.feed.play([path], loop=True)
