"""Sound of 8 kHz on its way into a codec and out of it, whatever the codec's rate and state.

Lives here: one stream each way, whole sounds, what a stream says in a codec with state. Not here:
codecs (shtoom.codecs), filters (audio.resample), one codec's stream as another's (media.translate).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shtoom.audio.frames import RATE
from shtoom.audio.resample import Resampler, resampleAll
from shtoom.codecs import Codec, Decoder, Encoder

__all__ = ["Voice", "decoderOf", "encoded", "encoderOf", "voiceOf"]

Samples = NDArray[np.int16]


def decoderOf(codec: Codec, rate: int = RATE) -> Decoder:
    """For one stream: payload to samples of that rate."""
    decoder = codec.decoder()
    return decoder if codec.rate == rate else _ResamplingDecoder(decoder, codec.rate, rate)


def encoderOf(codec: Codec, rate: int = RATE) -> Encoder:
    """For one stream: samples of that rate to payload."""
    encoder = codec.encoder()
    return encoder if codec.rate == rate else _ResamplingEncoder(encoder, rate, codec.rate)


def encoded(samples: Samples, codec: Codec) -> bytes:
    """A whole sound of 8 kHz, int16 [n], in a codec."""
    if codec.rate != RATE:
        samples = resampleAll(samples, RATE, codec.rate)
    return codec.encode(samples)


class _Steady:
    """A resampler that gives for each piece as much as it took, 3 ms late."""

    __slots__ = ("_from", "_resampler", "_to")

    def __init__(self, fromRate: int, toRate: int) -> None:
        self._from, self._to = fromRate, toRate
        self._resampler = Resampler(fromRate, toRate)

    def push(self, samples: Samples) -> Samples:
        """int16 [n] to int16 [n * toRate / fromRate]."""
        out = self._resampler.push(samples)
        missing = len(samples) * self._to // self._from - len(out)
        return np.concatenate((np.zeros(missing, np.int16), out)) if missing > 0 else out


class _ResamplingDecoder:
    __slots__ = ("_decoder", "_steady")

    def __init__(self, decoder: Decoder, fromRate: int, toRate: int) -> None:
        self._decoder, self._steady = decoder, _Steady(fromRate, toRate)

    def decode(self, payload: bytes | bytearray | memoryview) -> Samples:
        """The next payload."""
        return self._steady.push(self._decoder.decode(payload))


class _ResamplingEncoder:
    __slots__ = ("_encoder", "_steady")

    def __init__(self, encoder: Encoder, fromRate: int, toRate: int) -> None:
        self._encoder, self._steady = encoder, _Steady(fromRate, toRate)

    def encode(self, pcm: Samples) -> bytes:
        """The next samples."""
        return self._encoder.encode(self._steady.push(pcm))


class Voice:
    """All that one stream says in a codec with state, by one encoder from beginning to end.

    The far end's decoder follows that encoder, so prompts, tones, silence and what is translated
    have to pass through it, in the order of their sending. Sound comes as samples, `codec.uncoded`.
    """

    __slots__ = ("_encoder", "_ratio", "_uncoded", "codec")

    def __init__(self, codec: Codec) -> None:
        self.codec, self._uncoded = codec, codec.uncoded
        self._encoder = codec.encoder()
        self._ratio = self._uncoded.byteRate // codec.byteRate

    def encode(self, sound: bytes) -> bytes:
        """The next sound as payload."""
        return self._encoder.encode(self._uncoded.decode(sound))

    def silence(self, size: int) -> bytes:
        """The next `size` bytes of payload, if nothing is said in them."""
        return self.encode(bytes(size * self._ratio))

    def ask(self, nextSound: Callable[[int], bytes | None], size: int) -> bytes | None:
        """`size` bytes of payload from a feed; None if it has nothing to say."""
        wanted = size * self._ratio
        sound = nextSound(wanted)
        return self.encode(sound.ljust(wanted, b"\0")) if sound else None


def voiceOf(codec: Codec) -> Voice | None:
    """For one stream; None for a codec without state, whose payload is cut and joined as it is."""
    return None if codec.uncoded is codec else Voice(codec)
