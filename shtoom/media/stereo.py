"""The sound of two sessions as one of two channels, beat by beat.

Lives here: the pairing of frames. Not here: files (media.recording), who listens to what (doug).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from zope.interface import implementer

from shtoom.media.stream import FRAME_BYTES, SILENCE, IListener

__all__ = ["BothSides"]

APART = 2  # frames that one side may be ahead, as phases and left-out beats make it


class BothSides:
    """Two listeners, left and right, whose frames go out together.

    A session gives its listeners one frame a beat, so the n-th frames of both are of one moment.
    A side that gives none (its session has not begun) is silence, and in step once it begins.

    write: gets 640 bytes, 160 int16 samples of each channel, left and right by turns.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.left, self.right = Side(), Side()
        self.left.other, self.right.other = self.right, self.left
        self.left.moved = self.right.moved = self._moved
        self._write = write

    def _moved(self) -> None:
        left, right = self.left.waiting, self.right.waiting
        while left and right:
            pair = np.empty((FRAME_BYTES // 2, 2), np.int16)
            pair[:, 0] = np.frombuffer(left.popleft(), np.int16)
            pair[:, 1] = np.frombuffer(right.popleft(), np.int16)
            self._write(pair.tobytes())


@implementer(IListener)
class Side:
    """One of the two. waiting: frames that wait for those of the other side. other, moved: set by
    who made it."""

    __slots__ = ("_silent", "moved", "other", "waiting")

    other: Side
    moved: Callable[[], None]

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self._silent = True  # nothing has come from it for some time

    def frameReceived(self, pcm: bytes) -> None:
        """20 ms of this side."""
        other = self.other
        if self._silent:  # it begins in step
            self._silent = False
            self.waiting.extend([SILENCE] * (len(other.waiting) - 1))
        self.waiting.append(pcm)
        if len(self.waiting) - len(other.waiting) > APART:
            other._silent = True
            other.waiting.append(SILENCE)
        self.moved()
