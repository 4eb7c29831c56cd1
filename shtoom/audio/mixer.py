"""Mixing: groups of speakers, each of whom hears the loudest others of its group.

Lives here: the sums, over all groups as one array. Not here: who is in which group and when a
frame is heard (doug.conferencing).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shtoom.audio.frames import FRAME

__all__ = ["NEW", "Group", "Mixer"]

NEW = -1  # the row of who has none yet
FADE = 0.64  # share of its power that a speaker keeps from frame to frame: words do not chop
LOUDEST, SOFTEST = 32767, -32768
_SPAN = float(2 * FRAME * SOFTEST * SOFTEST)  # more than the power of any frame

Samples = NDArray[np.float32]
Rows = NDArray[np.intp]


class Group(NamedTuple):
    """rows: of its members, as they are until now. most: how many of them are mixed at most."""

    rows: Sequence[int]
    most: int


class Mixer:
    """A row of samples for each speaker, the rows of a group side by side.

    A frame stays in its row until the next one replaces it. Sums are made of float32, which holds
    those of five hundred speakers without rounding.

    A row of zeros is behind the last one: it stands for whom there is not.
    """

    def __init__(self) -> None:
        self._frames: Samples = np.zeros((1, FRAME), np.float32)
        self._power: NDArray[np.float64] = np.zeros(1)
        self.arrange(())

    def arrange(self, groups: Sequence[Group]) -> None:
        """These are the groups from now on; rows are numbered through, in their order.

        Who was in a row takes frame and loudness along.
        """
        sizes = [len(group.rows) for group in groups]
        before = np.array([row for group in groups for row in group.rows] + [NEW], np.intp)
        nobody = len(before) - 1
        fresh = before == NEW
        self._frames, self._power = self._frames[before], self._power[before]
        self._frames[fresh] = self._power[fresh] = 0
        self._groupOf: Rows = np.repeat(np.arange(len(groups)), sizes)
        # In the order of loudness each group has the places that its rows have.
        self._first = np.append(self._groupOf * _SPAN, np.inf)
        widest = max((min(size, group.most) for size, group in zip(sizes, groups, strict=True)),
                     default=0)  # fmt: skip
        self._speaking: Rows = np.full((len(groups), widest), nobody, np.intp)
        self._next: Rows = np.full(len(groups), nobody, np.intp)
        self._ranked = False  # does anybody have to be louder than another?
        place = 0
        for number, (size, group) in enumerate(zip(sizes, groups, strict=True)):
            count = min(size, group.most)
            self._speaking[number, :count] = np.arange(place, place + count)
            if count < size:
                self._next[number] = place + count
                self._ranked = True
            place += size

    def silence(self, row: int) -> None:
        """Who is in that row says nothing any more."""
        self._frames[row] = self._power[row] = 0

    def mix(
        self, rows: Sequence[int], frames: NDArray[np.int16], over: Iterable[tuple[int, Any]] = ()
    ) -> tuple[NDArray[np.int16], list[int]]:
        """New frames, int16 [n, 160], of so many rows, each at most once.

        over: (number of a group, samples [160] that all of it hear besides). Returns int16 [k, 160]
        and for each of the given rows where in it is what it hears. The first of the k are, by
        group, what those hear who do not speak.
        """
        these = np.array(rows, np.intp)
        spoken = frames.astype(np.float32)
        self._frames[these] = spoken
        speaks: NDArray[np.bool_] | slice = slice(None)
        speaking, following = self._speaking, self._next
        if self._ranked:
            speaking, following, speaks = self._loudest(these, spoken)
        speakers, groups = these[speaks], len(speaking)
        heard: Samples = np.empty((groups + len(speakers), FRAME), np.float32)
        heard[:groups] = np.add.reduce(self._frames.take(speaking, axis=0), axis=1)
        for number, samples in over:
            heard[number] += samples
        inGroup = self._groupOf[speakers]
        own = heard[groups:]
        np.subtract(heard[inGroup], spoken[speaks], out=own)
        if self._ranked:
            own += self._frames[following[inGroup]]
        np.minimum(heard, LOUDEST, out=heard)
        np.maximum(heard, SOFTEST, out=heard)
        places = self._groupOf[these]
        places[speaks] = np.arange(groups, len(heard))
        return heard.astype(np.int16), places.tolist()

    def _loudest(
        self, these: Rows, spoken: Samples
    ) -> tuple[NDArray[np.intp], Rows, NDArray[np.bool_]]:
        """After new frames of these rows: by group who is mixed and who would be next, whom those
        hear who are mixed themselves; which of these rows are mixed."""
        power = np.einsum("ij,ij->i", spoken, spoken)
        self._power[these] = np.maximum(power, FADE * self._power[these])
        order = (self._first - self._power).argsort()
        speaking = order[self._speaking]
        among = np.zeros(len(order), np.bool_)
        among[speaking] = True
        return speaking, order[self._next], among[these]
