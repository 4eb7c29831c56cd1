"""One codec's payload as another's, without a detour by PCM.

Lives here: mu-law and A-law, byte by byte. Not here: codecs that need state or another rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shtoom.codecs import ALAW_TO_ULAW, ULAW_TO_ALAW, Codec

_TABLES: Mapping[tuple[str, str], bytes] = MappingProxyType(
    {("PCMU", "PCMA"): ULAW_TO_ALAW, ("PCMA", "PCMU"): ALAW_TO_ULAW}
)


def translated(payload: bytes, source: Codec, target: Codec) -> bytes | None:
    """A payload of `source` as `target`; None where there is no way between the two."""
    if source is target:
        return payload
    table = _TABLES.get((source.name, target.name))
    return None if table is None else payload.translate(table)
