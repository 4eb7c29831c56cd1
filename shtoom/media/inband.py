"""Keys in what sessions hear: the frames of a beat go to the detector together.

Lives here: collecting frames from play-out buffers, telling keys to those who asked. Not here: what
is a key (audio.goertzel), which keys were seen in another form as well (doug.keys).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from shtoom.audio.frames import FRAME, FRAME_SECONDS
from shtoom.audio.goertzel import DTMFDetector, ToneStarted
from shtoom.media.session import IListener, MediaSession

__all__ = ["Inband", "InbandEar"]

MANY = 16  # sessions that are listened to
GATHER = 0.01  # seconds; at 20 ms the next frame would overtake the one that waits

_log = Logger()


class Inband:
    """Listens for keys to any number of sessions of one clock.

    The frames that a slot brings are looked at when it is over, in the reactor's next turn; with
    MANY sessions those of several slots together, since a batch twice as large costs little more.
    Without listeners it does nothing and holds no timer.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._detector = DTMFDetector()
        self._ears: dict[int, InbandEar] = {}
        self._arrived: list[InbandEar] = []

    def listen(
        self,
        session: MediaSession,
        onPressed: Callable[[str], None],
        onReleased: Callable[[str, float], None],
    ) -> InbandEar:
        """Tells of keys in what the session hears, until close().

        onPressed: called with the key some 60 ms after its start. onReleased: with the key and
        the seconds that it lasted, to 20 ms.
        """
        ear = InbandEar(self, session, self._detector.add(), onPressed, onReleased)
        self._ears[ear.row] = ear
        session.addListener(ear)
        return ear

    def frameArrived(self, ear: InbandEar) -> None:
        """An ear has a frame."""
        if not self._arrived:
            self._reactor.callLater(GATHER if len(self._ears) >= MANY else 0, self._run)
        self._arrived.append(ear)

    def closed(self, ear: InbandEar) -> None:
        """An ear is no longer there."""
        self._detector.remove(ear.row)
        del self._ears[ear.row]

    def _run(self) -> None:
        arrived, self._arrived = self._arrived, []
        frames, rows = [], []
        for ear in arrived:
            if ear.frame is not None:
                frames.append(ear.frame)
                rows.append(ear.row)
                ear.frame = None
        if not rows:
            return
        sound = np.frombuffer(b"".join(frames), np.int16).reshape(len(rows), FRAME)
        for what in self._detector.run(sound, rows):
            told = self._ears.get(what.row)
            if told is None:  # closed by what another one was told
                continue
            try:
                if isinstance(what, ToneStarted):
                    told.onPressed(what.key)
                else:
                    told.onReleased(what.key, what.frames * FRAME_SECONDS)
            except Exception:
                _log.failure("{label}: {key} in the sound is lost", label=told.label, key=what.key)


@implementer(IListener)
class InbandEar:
    """A listener of one session. frame: 320 bytes that were not looked at yet."""

    __slots__ = ("_inband", "_session", "frame", "label", "onPressed", "onReleased", "row")

    def __init__(
        self,
        inband: Inband,
        session: MediaSession,
        row: int,
        onPressed: Callable[[str], None],
        onReleased: Callable[[str, float], None],
    ) -> None:
        self._inband, self._session = inband, session
        self.row, self.label = row, session.label
        self.onPressed, self.onReleased = onPressed, onReleased
        self.frame: bytes | None = None

    def frameReceived(self, pcm: bytes) -> None:
        """20 ms of sound; one that is overtaken by the next before anybody looked is left out."""
        if self.frame is None:
            self._inband.frameArrived(self)
        self.frame = pcm

    def close(self) -> None:
        """Hears nothing any more; once."""
        self.frame = None
        self._session.removeListener(self)
        self._inband.closed(self)
