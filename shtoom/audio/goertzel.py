"""DTMF keys found in sound: frames of 20 ms of many legs at once (ITU-T Q.23, Q.24).

Lives here: the filter bank, what makes two tones a key, what makes a key a press. Not here: where
frames come from and whom presses are told (media.inband), tones made (audio.tones).

A frame is one row. One matrix product gives for all rows the power at two probes around each of
the eight tones, and in the band below them, where hum and dial tone are. What may be a key after
that, and rows that are in the middle of one, are looked at closely:

- both tones loud enough, their levels alike (twist), their frequencies right: the two probes are
  equal at the nominal frequency, and how they differ tells how far off it the tone is;
- little else in the frame, and no voice below: speech and music seldom have two tones alone;
- long enough: one frame full of it, and half a frame or more of the same tones beside it. How much
  of a frame a tone fills is seen by its amplitude there.

A press ends when the tones were off for a frame and a half in all, or with another key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shtoom.audio.frames import FRAME, RATE
from shtoom.audio.tones import DTMF_TONES

__all__ = ["DTMFDetector", "ToneEnded", "ToneStarted"]

FULL_SCALE = 3.17  # dBm0 of a sine of full scale (ITU-T G.711)
QUIETEST = -30.0  # dBm0 of each tone; Q.24 wants -25 heard and -55 not
HIGH_LOUDER = 6.0  # dB that the high tone may be above the low one; Q.24 wants 4
LOW_LOUDER = 10.0  # and the low one above the high one; Q.24 wants 8
OFF = 0.023  # of its frequency that a tone may be off; Q.24 wants 0.015 heard and 0.035 not
PURE = 0.85  # share of the power above the low band that the two tones have in a full frame
BELOW = 0.6  # as much power as this part of theirs may be in the low band: more is a voice
BESIDE = 0.5  # frames of the tones that must be beside the full one: 30 ms in all
BREAK = 1.5  # frames without the tones that end a press
FULL = 0.8  # of a frame that the tones of a key that is down fill if they never stopped
LOUDER_BESIDE = 1.25  # the frame beside may be so many times as loud as the full one

_PROBE = 10.0  # Hz between a tone and its probes
_LOW_BAND = 480.0  # Hz, where hum, dial tone and the pitch of voices are
_KEYS = "123A456B789C*0#D"  # low tone * 4 + high tone
_TONES = sorted({hz for pair in DTMF_TONES.values() for hz in pair})

Floats = NDArray[Any]  # float32


class ToneStarted(NamedTuple):
    """A key is heard. row: whose."""

    row: int
    key: str


class ToneEnded(NamedTuple):
    """It is no longer heard. frames: how many it lasted."""

    row: int
    key: str
    frames: int


class _Bank(NamedTuple):
    """filters [160, c] and sums [c, 17]: squares of the filters' outputs, summed, are the powers of
    eight lower probes, eight upper ones, and of the low band. A tone's lean is (upper - lower) /
    (upper + lower): 0 on its frequency, least and most [8] at the limits. Its power is
    (upper + lower) * (1 + bend * lean ** 2), bend [8]."""

    filters: Floats
    sums: Floats
    least: Floats
    most: Floats
    bend: Floats


def _makeBank() -> _Bank:
    low = _lowBand()
    probes = [_waves(hz + side * _PROBE) for side in (-1, 1) for hz in _TONES]
    filters = np.concatenate([*(p - p @ low @ low.T for p in probes), low.T]).T
    sums = np.zeros((filters.shape[1], 17))
    for i in range(16):
        sums[2 * i : 2 * i + 2, i] = 1.0
    sums[32:, 16] = 1.0

    def respond(tone: int, off: float) -> tuple[float, float]:
        """(lean, the probes' power as a part of the sine's)."""
        waves = _waves(_TONES[tone] * (1 + off))
        *powers, below = ((waves @ filters) ** 2 @ sums).mean(axis=0)
        lower, upper = powers[tone], powers[tone + 8]
        energy = (waves**2).sum(axis=1).mean() - below
        return (upper - lower) / (upper + lower), (upper + lower) / energy

    tones = range(len(_TONES))
    for tone in tones:
        filters[:, [2 * tone, 2 * tone + 1, 16 + 2 * tone, 17 + 2 * tone]] /= np.sqrt(
            respond(tone, 0.0)[1]
        )
    bent = [respond(tone, OFF) for tone in tones]
    parts = (
        filters,
        sums,
        [respond(tone, -OFF)[0] for tone in tones],
        [lean for lean, _ in bent],
        [(1 / power - 1) / lean**2 for lean, power in bent],
    )
    return _Bank(*(np.array(part, np.float32) for part in parts))


def _waves(hz: float) -> NDArray[np.float64]:
    """A frame of cosine and one of sine, [2, 160]."""
    time = (np.arange(FRAME) - (FRAME - 1) / 2) / RATE
    return np.stack([np.cos(2 * np.pi * hz * time), np.sin(2 * np.pi * hz * time)])


def _lowBand() -> NDArray[np.float64]:
    """An orthonormal basis, [160, c], of what a frame can hold of the low band."""
    apart = np.subtract.outer(np.arange(FRAME), np.arange(FRAME))
    values, vectors = np.linalg.eigh(np.sinc(2 * _LOW_BAND / RATE * apart) * 2 * _LOW_BAND / RATE)
    basis: NDArray[np.float64] = vectors[:, values > 0.5]
    return basis


_BANK = _makeBank()
_NOTHING = -1  # no key


def _power(dBm0: float) -> float:
    """What a sine of that level has in a frame: the sum of its squares."""
    amplitude = 32767 * 10 ** ((dBm0 - FULL_SCALE) / 20)
    return float(amplitude**2 / 2 * FRAME)


_QUIETEST = _power(QUIETEST)
_TWIST_LOW, _TWIST_HIGH = 10 ** (LOW_LOUDER / 10), 10 ** (HIGH_LOUDER / 10)


# Columns of a row's state. A key that was full once waits for the frame that confirms it.
_KEY, _KEY_LOW, _KEY_HIGH, _GONE, _LASTED, _WAITS, _WAITS_LOW, _WAITS_HIGH, _HAD = range(9)
_ROOM = 16  # rows at first
_IDLE = np.array([_NOTHING, 0, 0, 0, 0, _NOTHING, 0, 0, 0], np.float32)


class DTMFDetector:
    """Presses in the sound of many legs; add() gives a leg its row, remove() takes it back."""

    def __init__(self) -> None:
        self._rows = 0  # that were given out, some of them back
        self._freeRows: list[int] = []
        self._state = np.tile(_IDLE, (_ROOM, 1))
        self._busy = np.zeros(_ROOM, np.bool_)
        self._before = np.zeros((_ROOM, 9), np.float32)  # of the last frame: eight tones, and all
        self._makeRoom(_ROOM)

    def _makeRoom(self, frames: int) -> None:
        """Arrays to work in; fresh ones would cost more than the work."""
        self._sound = np.empty((frames, FRAME), np.float32)
        self._filtered = np.empty((frames, _BANK.filters.shape[1]), np.float32)
        self._powers = np.empty((frames, 17), np.float32)
        self._now = np.empty((frames, 9), np.float32)
        self._bent = np.empty((frames, 8), np.float32)

    def add(self) -> int:
        """A row for another leg."""
        if self._freeRows:
            row = self._freeRows.pop()
        else:
            row = self._rows
            self._rows += 1
            if row == len(self._busy):
                self._state = np.concatenate([self._state, self._state])
                self._busy = np.concatenate([self._busy, self._busy])
                self._before = np.concatenate([self._before, self._before])
        self._state[row], self._busy[row], self._before[row] = _IDLE, False, 0.0
        return row

    def remove(self, row: int) -> None:
        """The row is free for another leg."""
        self._freeRows.append(row)

    def run(self, frames: NDArray[np.int16], rows: Sequence[int]) -> list[ToneStarted | ToneEnded]:
        """The next frames of some rows, int16 [n, 160]; what they tell, mostly nothing.

        rows: whose, each of them once. A press is told at the end of its second frame, or of its
        third where half a frame or less of it was in the first. ValueError for another shape.
        """
        count = len(rows)
        if frames.shape != (count, FRAME):
            raise ValueError(f"frames: wanted [{count}, {FRAME}], got {list(frames.shape)}")
        if count > len(self._sound):
            self._makeRoom(2 * count)
        sound, filtered = self._sound[:count], self._filtered[:count]
        powers, now = self._powers[:count], self._now[:count]
        sound[:] = frames
        np.matmul(sound, _BANK.filters, out=filtered)
        np.multiply(filtered, filtered, out=filtered)
        np.matmul(filtered, _BANK.sums, out=powers)
        tones, energy, below = now[:, :8], now[:, 8], powers[:, 16]
        lower, lean, bent = powers[:, :8], powers[:, 8:16], self._bent[:count]
        np.add(lower, lean, out=tones)
        tones += 1.0  # so much as nothing, and yet no division by zero
        lean -= lower
        lean /= tones
        np.multiply(lean, lean, out=bent)
        bent *= _BANK.bend
        bent += 1.0
        tones *= bent
        np.einsum("ij,ij->i", sound, sound, out=energy)
        energy -= below
        # Rows of eight are too short for max(axis=1), which takes ten times as long.
        low, high = _largest(tones[:, :4]), _largest(tones[:, 4:])
        likely = low + high >= np.maximum(PURE * energy, below / BELOW)
        likely &= np.minimum(low, high) >= _QUIETEST
        places = np.array(rows, np.intp)
        told: list[ToneStarted | ToneEnded] = []
        matter = likely | self._busy[places]
        if matter.any():
            among = np.flatnonzero(matter)
            told = self._look(places[among], likely[among], now[among], lean[among])
        self._before[places] = now
        return told

    def _look(
        self, rows: NDArray[np.intp], likely: NDArray[np.bool_], now: Floats, lean: Floats
    ) -> list[ToneStarted | ToneEnded]:
        """Closely at these rows: those that likely hear a key, or are in the middle of one."""
        heard = np.where(likely, _keys(now, lean), _NOTHING)
        matter = self._busy[rows]
        matter |= heard >= 0
        if not matter.any():
            return []
        rows, now, heard = rows[matter], now[matter], heard[matter]
        before, state = self._before[rows], self._state[rows]
        told: list[ToneStarted | ToneEnded] = []
        each = np.arange(len(rows))

        # Those that are down: the tones go on, or have been off long enough, or are others.
        key = state[:, _KEY].astype(np.intp)
        down = key >= 0
        full = _fill(now, each, key, state[:, _KEY_LOW], state[:, _KEY_HIGH])
        state[:, _GONE] = np.where(full > FULL, 0.0, state[:, _GONE] + 1 - full)
        state[:, _LASTED] += 1
        over = down & ((state[:, _GONE] >= BREAK) | ((heard >= 0) & (heard != key)))
        for i in np.flatnonzero(over):
            lasted = int(state[i, _LASTED] - np.ceil(state[i, _GONE]))
            told.append(ToneEnded(int(rows[i]), _KEYS[key[i]], lasted))
        state[over, _KEY] = _NOTHING
        free = ~down | over

        # Those that wait for as much of the tones again beside the full frame.
        waits = state[:, _WAITS].astype(np.intp)
        beside = _fill(now, each, waits, state[:, _WAITS_LOW], state[:, _WAITS_HIGH])
        sure = free & (waits >= 0) & (beside + state[:, _HAD] >= BESIDE)
        new = np.where(sure, waits, _NOTHING)
        low, high = state[:, _WAITS_LOW].copy(), state[:, _WAITS_HIGH].copy()

        # Those that hear a key: the frame before may have been part of it.
        fresh = free & ~sure & (heard >= 0)
        at = np.maximum(heard, 0)
        nowLow, nowHigh = now[each, at >> 2], now[each, 4 + (at & 3)]
        had = _fill(before, each, heard, nowLow, nowHigh)
        had[before[:, 8] > LOUDER_BESIDE * now[:, 8]] = 0.0
        enough = fresh & (had >= BESIDE)
        new[enough] = heard[enough]
        low[enough], high[enough] = nowLow[enough], nowHigh[enough]
        waiting = fresh & ~enough
        state[:, _WAITS] = np.where(waiting, heard, _NOTHING)
        state[:, _WAITS_LOW], state[:, _WAITS_HIGH], state[:, _HAD] = nowLow, nowHigh, had

        started = new >= 0
        for i in np.flatnonzero(started):
            told.append(ToneStarted(int(rows[i]), _KEYS[new[i]]))
        state[started, _KEY] = new[started]
        state[started, _KEY_LOW], state[started, _KEY_HIGH] = low[started], high[started]
        state[started, _GONE], state[started, _LASTED] = 0.0, 2.0
        self._state[rows] = state
        self._busy[rows] = (state[:, _KEY] >= 0) | (state[:, _WAITS] >= 0)
        return told


def _keys(now: Floats, lean: Floats) -> NDArray[np.intp]:
    """The key in each of these frames by twist and frequencies, as a place in _KEYS; else -1."""
    each = np.arange(len(now))
    low = now[:, :4].argmax(axis=1)
    high = now[:, 4:8].argmax(axis=1) + 4
    lowPower, highPower = now[each, low], now[each, high]
    good = (lowPower <= highPower * _TWIST_LOW) & (highPower <= lowPower * _TWIST_HIGH)
    for tone in (low, high):
        good &= (lean[each, tone] > _BANK.least[tone]) & (lean[each, tone] < _BANK.most[tone])
    return np.where(good, low * 4 + high - 4, _NOTHING)


def _fill(
    powers: Floats, each: NDArray[np.intp], key: NDArray[np.intp], low: Floats, high: Floats
) -> Floats:
    """How much of a frame the tones of a key fill, 0 to 1, where low and high are theirs in a full
    one; 0 where there is no key."""
    at = np.maximum(key, 0)
    parts = np.minimum(
        powers[each, at >> 2] / np.maximum(low, 1.0),
        powers[each, 4 + (at & 3)] / np.maximum(high, 1.0),
    )
    filled: Floats = np.where(key >= 0, np.sqrt(np.minimum(parts, 1.0)), 0.0)
    return filled


def _largest(tones: Floats) -> Floats:
    """The largest of each row of four."""
    left = np.maximum(tones[:, 0], tones[:, 1])
    right = np.maximum(tones[:, 2], tones[:, 3])
    largest: Floats = np.maximum(left, right, out=left)
    return largest
