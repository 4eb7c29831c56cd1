"""One codec's payload as another's.

Lives here: mu-law and A-law, byte by byte; all else by way of PCM, stream by stream. Not here: the
codecs, and where two rates meet (media.coding).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shtoom.codecs import ALAW_TO_ULAW, ULAW_TO_ALAW, Codec
from shtoom.media.coding import decoderOf

__all__ = ["Translator", "translated"]

_TABLES: Mapping[tuple[str, str], bytes] = MappingProxyType(
    {("PCMU", "PCMA"): ULAW_TO_ALAW, ("PCMA", "PCMU"): ALAW_TO_ULAW}
)


def translated(payload: bytes, source: Codec, target: Codec) -> bytes | None:
    """A payload of `source` as `target`; None if that takes a Translator."""
    if source is target:
        return payload
    table = _TABLES.get((source.name, target.name))
    return None if table is None else payload.translate(table)


class Translator:
    """One stream, from whatever codec its packets are in to another.

    What decoder and encoder know of the stream is kept while both codecs stay the same.
    """

    __slots__ = ("_decoder", "_encoder", "_source", "_target")

    def __init__(self) -> None:
        self._source: Codec | None = None
        self._target: Codec | None = None

    def translate(self, payload: bytes, source: Codec, target: Codec) -> bytes:
        """The next payload."""
        simple = translated(payload, source, target)
        if simple is not None:
            return simple
        if source is not self._source or target is not self._target:
            self._source, self._target = source, target
            self._decoder = decoderOf(source, target.rate)
            self._encoder = target.encoder()
        return self._encoder.encode(self._decoder.decode(payload))
