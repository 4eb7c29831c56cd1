"""Is this prompt in what was heard? Comparing sounds by correlation.

Lives here: pure functions on int16 arrays of 8 kHz mono. A prompt is cut into pieces of 100 ms,
each looked for where the one before it ends: gaps, loss and a cut end show as what they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 8000
PIECE = 800  # samples: long enough to be told from others, short enough for a cut prompt
SLACK = 400  # samples that a piece may lie off its place: re-buffering moves sound a little
ALIKE = 0.85  # normalised correlation from which two pieces are the same sound
QUIET = 100.0  # root mean square below which a piece is silence and says nothing

Samples = NDArray[np.int16]


class Match(NamedTuple):
    """Where a prompt was found. start, end: sample numbers in what was heard. seconds: of sound
    found. wanted: seconds of sound (without silence) that the prompt has."""

    start: int
    end: int
    seconds: float
    wanted: float


def locate(heard: Samples, prompt: Samples) -> Match | None:
    """The longest run of the prompt's pieces in `heard`; None if not even one piece is there.

    Only pieces that are not silence count. The run begins at the first piece that is found.
    """
    sound = prompt.astype(np.float64)
    audio = heard.astype(np.float64)
    places = [
        i
        for i in range(0, max(len(sound) - PIECE, 0) + 1, PIECE)
        if _rms(sound[i : i + PIECE]) > QUIET
    ]
    wanted = len(places) * PIECE / RATE
    best: Match | None = None
    for begin in range(min(len(places), 10)):
        first = places[begin]
        at = _find(audio, sound[first : first + PIECE], 0)
        if at is None:
            continue
        end, count = at + PIECE, 1
        for place in places[begin + 1 :]:
            expected = at + place - first
            window = audio[max(0, expected - SLACK) : expected + PIECE + SLACK]
            found = _find(window, sound[place : place + PIECE], max(0, expected - SLACK))
            if found is None:
                break
            at, first = found, place
            end, count = found + PIECE, count + 1
        match = Match(at - (first - places[begin]), end, count * PIECE / RATE, wanted)
        if best is None or match.seconds > best.seconds:
            best = match
        if best.seconds > wanted / 2:
            break
    return best


def heardShare(heard: Samples, prompt: Samples) -> float:
    """The share, 0..1, of the prompt's sound (silence left out) that is in `heard` in one run."""
    match = locate(heard, prompt)
    return match.seconds / match.wanted if match is not None and match.wanted else 0.0


def toneShare(heard: Samples, hz: float) -> float:
    """The share, 0..1, of the power of `heard` that lies at `hz`; 0 for silence."""
    audio = heard.astype(np.float64)
    power = float(np.dot(audio, audio))
    if not len(audio) or power < len(audio) * 100:
        return 0.0
    turn = np.exp(-2j * np.pi * hz / RATE * np.arange(len(audio)))
    return min(1.0, float(2 * abs(np.dot(audio, turn)) ** 2 / len(audio) / power))


def _rms(piece: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(piece * piece))) if len(piece) else 0.0


def _find(audio: NDArray[np.float64], piece: NDArray[np.float64], offset: int) -> int | None:
    """offset plus the earliest place of `audio` that is like `piece`, or None."""
    if len(audio) < len(piece):
        return None
    size = 1 << (len(audio) + len(piece) - 1).bit_length()
    product = np.fft.rfft(audio, size) * np.conj(np.fft.rfft(piece, size))
    correlation = np.fft.irfft(product, size)[: len(audio) - len(piece) + 1]
    squares = np.concatenate(([0.0], np.cumsum(audio * audio)))
    energy = squares[len(piece) :] - squares[: -len(piece)]
    floor = QUIET * QUIET / 4 * len(piece)  # near silence resembles nothing
    alike = correlation / np.sqrt(np.maximum(energy, floor) * np.dot(piece, piece))
    best = float(alike.max())
    if best < ALIKE:
        return None
    return offset + int(np.argmax(alike >= best - 0.02))
