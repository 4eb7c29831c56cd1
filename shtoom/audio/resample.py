"""From one sample rate to another: a linear-phase FIR filter as one banded matrix product.

Lives here: whole arrays, and streams that keep their state. Not here: files, threads.

`up` output samples stand beside `down` input samples; this pattern, a period, repeats. Some
periods make a block: a row of input samples (overlapping its neighbours by the filter's length)
times a matrix gives a row of output samples, whatever the two rates are. The coefficients are
whole numbers and float64 holds every sum of their products exactly, so the order in which BLAS
adds does not matter: cut a stream as you like, the samples that come out are the same.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil, isqrt, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Resampler", "resampleAll"]

STOP = 60.0  # dB that aliases and images are down, from the Nyquist frequency on
TRANSITION = 0.15  # of the Nyquist frequency: 3.4 to 4 kHz at 8 kHz
_UNIT = float(1 << 30)  # the coefficient 1.0
_LARGEST = 1 << 20  # coefficients of one period; rates without a better ratio are approximated
_PIECE = 1 << 16  # input samples that resampleAll takes at a time

Samples = NDArray[np.int16]


class _Filter(NamedTuple):
    """reach: input samples on each side that one output sample hangs on.

    matrix: float64 [periods * down + 2 * reach, periods * up].
    """

    up: int
    down: int
    reach: int
    periods: int
    matrix: NDArray[np.float64]


class Resampler:
    """A stream of int16 samples at one rate, continued at another.

    Output comes as soon as the input that it hangs on is there, about 3 ms late at 8 kHz, and is
    aligned with the input: n samples in all give ceil(n * toRate / fromRate), after flush().
    Flat within 1 dB to 85 % of the lower rate's Nyquist frequency, 60 dB down beyond it.
    """

    __slots__ = ("_filter", "_held", "_skip", "fromRate", "toRate")

    def __init__(self, fromRate: int, toRate: int) -> None:
        """Rates in samples a second. Raises ValueError for one that is not positive."""
        if fromRate <= 0 or toRate <= 0:
            raise ValueError(f"sample rates: wanted positive ones, got {fromRate} and {toRate}")
        self.fromRate, self.toRate = fromRate, toRate
        self._filter = None if fromRate == toRate else _design(fromRate, toRate)
        self._reset()

    def _reset(self) -> None:
        reach = self._filter.reach if self._filter else 0
        self._held: NDArray[np.float64] = np.zeros(reach)  # begins `reach` before a period
        self._skip = 0  # samples of that period which have gone out

    def push(self, samples: Samples) -> Samples:
        """The next samples of the input, as many as you like; returns what they complete."""
        if self._filter is None:
            return samples.copy()
        up, down, reach, periods, matrix = self._filter
        held = np.concatenate((self._held, samples.astype(np.float64)))
        ready = max(0, -(-(len(held) - 2 * reach) * up // down))
        if ready <= self._skip:
            self._held = held
            return np.zeros(0, np.int16)
        rows = -(-ready // (periods * up))
        width = len(matrix)
        missing = (rows - 1) * periods * down + width - len(held)
        padded = np.concatenate((held, np.zeros(missing))) if missing > 0 else held
        rowStep = periods * down * padded.itemsize
        blocks = np.ndarray((rows, width), np.float64, padded, 0, (rowStep, padded.itemsize))
        out = (np.ascontiguousarray(blocks) @ matrix).reshape(-1)[self._skip : ready]
        out *= 1 / _UNIT
        np.rint(out, out=out)
        np.minimum(out, 32767, out=out)
        np.maximum(out, -32768, out=out)
        whole = ready // up
        self._held, self._skip = held[whole * down :], ready - whole * up
        return out.astype(np.int16)

    def flush(self) -> Samples:
        """What the end of the input gives, silence behind it; then all is as at the start."""
        if self._filter is None:
            return np.zeros(0, np.int16)
        last = self.push(np.zeros(self._filter.reach, np.int16))
        self._reset()
        return last


def resampleAll(samples: Samples, fromRate: int, toRate: int) -> Samples:
    """int16 [n] to int16 [ceil(n * toRate / fromRate)], aligned. ValueError for a bad rate."""
    resampler = Resampler(fromRate, toRate)
    pieces = [resampler.push(samples[i : i + _PIECE]) for i in range(0, len(samples), _PIECE)]
    return np.concatenate((*pieces, resampler.flush()))


@lru_cache(maxsize=32)
def _design(fromRate: int, toRate: int) -> _Filter:
    """A sinc with Kaiser's window; each output sample's coefficients add up to exactly 1."""
    ratio = Fraction(toRate, fromRate)
    ratio = ratio.limit_denominator(max(1, isqrt(int(_LARGEST / ratio))))
    up, down = ratio.numerator, ratio.denominator
    nyquist = min(1.0, toRate / fromRate) / 2  # in cycles an input sample
    reach = ceil((STOP - 8) / (2.285 * 2 * pi * TRANSITION * nyquist) / 2)
    periods = max(1, round(reach / down))
    time = np.arange(-reach, periods * down + reach)[:, None] - np.arange(periods * up) * down / up
    inside = np.abs(time) <= reach
    time = time[inside]
    cutoff = nyquist * (2 - TRANSITION)  # twice the middle of the transition
    window = np.i0(0.1102 * (STOP - 8.7) * np.sqrt(1 - (time / reach) ** 2))
    matrix = np.zeros(inside.shape)
    matrix[inside] = np.sinc(cutoff * time) * window
    matrix = np.rint(matrix * (_UNIT / matrix.sum(axis=0)))
    matrix[matrix.argmax(axis=0), np.arange(periods * up)] += _UNIT - matrix.sum(axis=0)
    return _Filter(up, down, reach, periods, matrix)
