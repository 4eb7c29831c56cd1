"""Is this prompt in what was heard? Comparing sounds by correlation.

Lives here: pure functions on int16 arrays of 8 kHz mono. A prompt is cut into pieces of 100 ms,
each looked for where the one before it ends: gaps, loss and a cut end show as what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 8000
PIECE = 800  # samples: long enough to be told from others, short enough for a cut prompt
SLACK = 400  # samples that a piece may lie off its place: re-buffering moves sound a little
BEGINNINGS = 10  # so many pieces may begin a run: a second of the start may be lost
GAP = 1  # pieces in a row that a run goes on without
ALIKE = 0.85  # normalised correlation from which two pieces are the same sound
QUIET = 100.0  # root mean square below which a piece is silence and says nothing
BLOCK = 8192  # samples that are searched at once for a beginning
WINDOW = 2048  # and for a piece that has its place: at least PIECE + 2 * SLACK

Samples = NDArray[np.int16]
Floats = NDArray[Any]  # float32, of _spectra complex64: half the time


class Match(NamedTuple):
    """Where a prompt was found. start, end: sample numbers in what was heard. seconds: of sound
    found. wanted: seconds of sound (without silence) that the prompt has."""

    start: int
    end: int
    seconds: float
    wanted: float


def locate(heard: Samples, prompt: Samples, enough: float | None = None) -> Match | None:
    """The first run of the prompt's pieces in `heard` that has `enough` seconds (None: more than
    half of the prompt), else the longest; None if no piece is there.

    Only pieces that are not silence count. A run begins with one of the prompt's first pieces.
    """
    places, pieces = _cut(prompt)
    if not places:
        return None
    wanted = len(places) * pieces.shape[-1] / RATE
    best: Match | None = None
    for at, begin in _beginnings(heard, pieces[:BEGINNINGS]):
        end, count = _follow(heard, at, pieces[begin:], places[begin:])
        match = Match(at, end, count * pieces.shape[-1] / RATE, wanted)
        if best is None or match.seconds > best.seconds:
            best = match
            if match.seconds > wanted / 2 if enough is None else match.seconds >= enough:
                break
    return best


def heardShare(heard: Samples, prompt: Samples) -> float:
    """The share, 0..1, of the prompt's sound (silence left out) that is in `heard` in one run."""
    match = locate(heard, prompt)
    return match.seconds / match.wanted if match is not None else 0.0


def toneShare(heard: Samples, hz: float) -> float:
    """The share, 0..1, of the power of `heard` that lies at `hz`; 0 for silence."""
    audio = heard.astype(np.float64)
    power = float(np.dot(audio, audio))
    if not len(audio) or power < len(audio) * 100:
        return 0.0
    turn = np.exp(-2j * np.pi * hz / RATE * np.arange(len(audio)))
    return min(1.0, float(2 * abs(np.dot(audio, turn)) ** 2 / len(audio) / power))


def _cut(prompt: Samples) -> tuple[list[int], Floats]:
    """Where the pieces of a prompt begin, those of silence left out, and the pieces, of norm 1."""
    sound = prompt.astype(np.float32)
    if len(sound) < PIECE:
        pieces = sound[np.newaxis]
    else:
        pieces = sound[: len(sound) // PIECE * PIECE].reshape(-1, PIECE)
    norms = np.linalg.norm(pieces, axis=1)
    loud = np.flatnonzero(norms > QUIET * np.sqrt(pieces.shape[-1]))
    return [int(number) * PIECE for number in loud], pieces[loud] / norms[loud, np.newaxis]


def _beginnings(heard: Samples, pieces: Floats) -> Iterator[tuple[int, int]]:
    """(place in `heard`, number of the piece) of all that are alike, in order of time."""
    length = pieces.shape[-1]
    spectra = _spectra(pieces, BLOCK)
    for offset in range(0, len(heard) - length + 1, BLOCK - length + 1):
        alike = _alike(heard[offset : offset + BLOCK], spectra, length)
        found = [(at, number) for number, row in enumerate(alike) for at in _peaks(row)]
        yield from ((offset + at, number) for at, number in sorted(found))


def _follow(heard: Samples, at: int, pieces: Floats, places: list[int]) -> tuple[int, int]:
    """Where the run ends that begins with the first piece at `at`, and how many pieces it has."""
    length = pieces.shape[-1]
    count, missed, last = 1, 0, places[0]
    for place, piece in zip(places[1:], pieces[1:], strict=True):
        expected = at + place - last
        found = _findNear(heard, expected, piece)
        if found is not None:
            at, last, missed = found, place, 0
            count += 1
        else:
            missed += 1
            if missed > GAP:
                break
    return at + length, count


def _findNear(heard: Samples, expected: int, piece: Floats) -> int | None:
    """Where a piece is: at the expected place, as nearly always, or else near it."""
    there = heard[expected : expected + len(piece)].astype(np.float32)
    if len(there) == len(piece):
        energy = max(float(np.dot(there, there)), _floor(len(piece)))
        if np.dot(there, piece) >= ALIKE * np.sqrt(energy):
            return expected
    start = max(0, expected - SLACK)
    window = heard[start : expected + len(piece) + SLACK]
    if len(window) < len(piece):
        return None
    alike = _alike(window, _spectra(piece[np.newaxis], WINDOW), len(piece))[0]
    return start + int(alike.argmax()) if alike.max() >= ALIKE else None


def _peaks(alike: Floats) -> Iterator[int]:
    """Where a piece is most alike, once in half its length: a pitch is alike in each period."""
    over = np.flatnonzero(alike >= ALIKE)
    while len(over):
        window = alike[over[0] : over[0] + PIECE // 2]
        yield int(over[0] + window.argmax())
        over = over[over >= over[0] + PIECE // 2]


def _spectra(pieces: Floats, size: int) -> Floats:
    """What _alike needs of pieces that are searched for in up to `size` samples."""
    return np.conj(np.fft.rfft(pieces, size))


def _alike(heard: Samples, spectra: Floats, length: int) -> Floats:
    """The normalised correlation of each piece, a row, with each place of `heard`, a column."""
    audio = heard.astype(np.float32)
    size = 2 * (spectra.shape[-1] - 1)
    correlation = np.fft.irfft(np.fft.rfft(audio, size) * spectra, size)
    squares = np.concatenate(([0.0], np.cumsum(audio * audio, dtype=np.float64)))
    energy = squares[length:] - squares[:-length]
    alike: Floats = correlation[:, : len(energy)] / np.sqrt(np.maximum(energy, _floor(length)))
    return alike


def _floor(length: int) -> float:
    """The least energy that so many samples are taken to have: silence resembles nothing."""
    return QUIET * QUIET / 4 * length
