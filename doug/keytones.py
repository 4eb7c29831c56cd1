"""Keys as tones in the sound, for a far end that takes no telephone-events.

Lives here: a feed that says keys while they are down. Not here: tones themselves
(shtoom.audio.tones), keys as telephone-events (shtoom.media.outgoing).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from zope.interface import implementer

from shtoom.audio.frames import RATE
from shtoom.audio.tones import dtmf
from shtoom.codecs import Codec
from shtoom.media.coding import encoderOf
from shtoom.media.stream import IFeed

__all__ = ["KeyTones", "ToneKey"]

SHORTEST = 0.07  # seconds of a tone: ITU-T Q.24 lets a receiver miss those below 40 ms
PAUSE = 0.05  # seconds of silence between two keys, by the same


class ToneKey:
    """One key of KeyTones, down until release()."""

    def __init__(self, digit: str, rate: int) -> None:
        self._wave = dtmf(digit, 1.0, rate=rate)  # all tones are whole numbers of Hz: it repeats
        self._rate = rate
        self._said = 0  # samples, the pause after it included
        self._total: int | None = None  # samples of tone

    @property
    def isOver(self) -> bool:
        """Is it said, with the pause after it?"""
        return self._total is not None and self._said >= self._total + round(PAUSE * self._rate)

    def release(self, duration: float) -> None:
        """It was down for so many seconds: comes up then, or now if that is past."""
        shortest = max(self._said, round(SHORTEST * self._rate))
        self._total = max(shortest, round(duration * self._rate))

    def say(self, samples: NDArray[np.int16]) -> int:
        """Adds the next samples to those of a packet; how many of them are this key's."""
        end = len(samples)
        tone = end
        if self._total is not None:
            end = min(end, self._total + round(PAUSE * self._rate) - self._said)
            tone = max(0, min(end, self._total - self._said))
        samples[:tone] = self._wave[np.arange(self._said, self._said + tone) % len(self._wave)]
        self._said += end
        return end


@implementer(IFeed)
class KeyTones:
    """Says keys one after the other; whenOver is called with the last of them.

    codec: of the payload, one without state.
    """

    def __init__(self, codec: Codec, whenOver: Callable[[], None]) -> None:
        self.useCodec(codec)
        self.lent = None  # a key may come up at any time
        self._whenOver = whenOver
        self._keys: deque[ToneKey] = deque()

    def useCodec(self, codec: Codec) -> None:
        """The payload's codec from now on."""
        self._encoder = encoderOf(codec)
        self._bytes = codec.byteRate // RATE  # a sample

    def press(self, digit: str) -> ToneKey:
        """A key goes down, after those before it. ValueError for one that there is not."""
        key = ToneKey(digit, RATE)
        self._keys.append(key)
        return key

    def nextPayload(self, size: int) -> bytes | None:
        """The next packet of the keys."""
        samples = np.zeros(size // self._bytes, np.int16)
        at = 0
        while at < len(samples) and self._keys:
            at += self._keys[0].say(samples[at:])
            if self._keys[0].isOver:
                self._keys.popleft()
        if not at:
            return None
        if not self._keys:
            self._whenOver()
        return self._encoder.encode(samples)
