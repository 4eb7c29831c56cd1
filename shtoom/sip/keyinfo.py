"""Keys in INFO requests: application/dtmf-relay and application/dtmf, read and written.

Lives here: the bodies. No RFC has them (RFC 6086 A names them as what is in use); gateways and
phones differ in line ends, spaces and in how they write star and pound, and all of that is read.
Not here: the requests (shtoom.agent.call), keys in RTP (shtoom.rtp.telephoneevent).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage

__all__ = ["DTMF", "DTMF_RELAY", "KEY_BODIES", "KeyInfo", "keyInfoBody", "parseKeyInfo"]

DTMF_RELAY = "application/dtmf-relay"
DTMF = "application/dtmf"
KEY_BODIES = (DTMF_RELAY, DTMF)

_KEYS = "0123456789*#ABCD"  # 10 is star, 11 pound, 12 to 15 are A to D, as in RFC 4733 3.2
_FLASH = ("16", "!", "F", "FLASH", "HF")  # a hook flash, which is no key
_LONGEST = 60_000  # milliseconds; more is a mistake of the sender's
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class KeyInfo(NamedTuple):
    """A key that was pressed. duration: seconds, None if the sender does not say."""

    digit: str
    duration: float | None = None


def parseKeyInfo(contentType: str, body: bytes) -> KeyInfo | None:
    """The key in a body of one of KEY_BODIES; None for a hook flash.

    Raises MalformedMessage for anything else, ValueError for another content type.
    """
    text = body.decode("latin-1")
    if contentType == DTMF:
        return _key(text.strip(), None, body)
    if contentType != DTMF_RELAY:
        raise ValueError(f"contentType: wanted one of {KEY_BODIES}, got {contentType!r}")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            fields.setdefault(name.strip().lower(), value.strip())
    if "signal" not in fields:
        raise MalformedMessage(DTMF_RELAY, "a line Signal=KEY", body)
    return _key(fields["signal"], fields.get("duration"), body)


def keyInfoBody(digit: str, duration: float) -> bytes:
    """The application/dtmf-relay body for a key, held for so many seconds. Raises ValueError."""
    if len(digit) != 1 or digit.upper() not in _KEYS:
        raise ValueError(f"digit: wanted one of {_KEYS}, got {digit!r}")
    return b"Signal=%c\r\nDuration=%d\r\n" % (digit.upper().encode(), round(duration * 1000))


def _key(signal: str, duration: str | None, body: bytes) -> KeyInfo | None:
    signal = signal.upper()
    if signal in _FLASH:
        return None
    seconds = None
    if duration is not None and _NUMBER.fullmatch(duration) and 0 < int(duration) <= _LONGEST:
        seconds = int(duration) / 1000
    if len(signal) == 1 and signal in _KEYS:
        return KeyInfo(signal, seconds)
    if len(signal) == 2 and _NUMBER.fullmatch(signal) and int(signal) < len(_KEYS):
        return KeyInfo(_KEYS[int(signal)], seconds)
    raise MalformedMessage("signal of a key", "0-9, *, #, A-D, or 10 to 16", body)
