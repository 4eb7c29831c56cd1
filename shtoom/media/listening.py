"""One beat of listening: a frame out of each play-out buffer, decoded together, handed out.

Lives here: the batch over all sessions of one codec, if it has no state. Not here: the buffers
themselves (rtp.jitterbuffer), when a beat is due (media.clock).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from twisted.logger import Logger

from shtoom.codecs import Codec, G711Codec
from shtoom.media.incoming import Incoming
from shtoom.media.stream import FRAME_BYTES, SILENCE

_SINGLY = 2  # up to so many frames are decoded faster one by one
_FRAME = FRAME_BYTES // 2

_log = Logger()


class Listening:
    """Gives each listener of a group of sessions its frame of 20 ms.

    The arrays for decoding are kept from beat to beat, and grow with the largest group.
    """

    def __init__(self) -> None:
        self._pcm = np.empty((32, _FRAME), np.int16)

    def run(self, group: Iterable[Incoming], now: float) -> None:
        """One beat for these sessions; now: seconds."""
        heard: dict[Codec, tuple[list[Incoming], list[bytes]]] = {}
        for incoming in group:
            if incoming.keyIsDown:
                incoming.timeReached(now)
            jitter, codec = incoming.jitter, incoming.codec
            if jitter is None or codec is None:
                continue
            payload = jitter.pop(now)
            if payload is None:
                deliver(incoming, SILENCE)
                continue
            batch = heard.get(codec)
            if batch is None:
                heard[codec] = [incoming], [payload]
            else:
                batch[0].append(incoming)
                batch[1].append(payload)
        for codec, (sessions, payloads) in heard.items():
            self._decode(codec, sessions, payloads)

    def _decode(self, codec: Codec, sessions: list[Incoming], payloads: list[bytes]) -> None:
        count = len(payloads)
        if count <= _SINGLY or not isinstance(codec, G711Codec):
            for incoming, payload in zip(sessions, payloads, strict=True):
                if incoming.decoder is not None:
                    pcm = incoming.decoder.decode(payload).tobytes()
                    deliver(incoming, pcm.ljust(FRAME_BYTES, b"\0"))
            return
        if count > len(self._pcm):
            self._pcm = np.empty((2 * count, _FRAME), np.int16)
        coded = np.frombuffer(b"".join(payloads), np.uint8).reshape(count, -1)
        pcm = codec.decodeBatch(coded, self._pcm[:count]).tobytes()
        start = 0
        for incoming in sessions:
            deliver(incoming, pcm[start : start + FRAME_BYTES])
            start += FRAME_BYTES


def deliver(incoming: Incoming, pcm: bytes) -> None:
    """A frame to all listeners of one session; one that fails is taken off."""
    for listener in incoming.listeners:
        try:
            listener.frameReceived(pcm)
        except Exception:
            _log.failure("{label}: a listener failed and is taken off", label=incoming.label)
            incoming.removeListener(listener)
