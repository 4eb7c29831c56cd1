"""What it is that came to a media port and is no RTP.

Lives here: telling protocols apart by the first bytes (RFC 7983 7). Not here: what becomes of RTP
(media.incoming).
"""

from __future__ import annotations

from shtoom.rtp.packet import isRTCP


def whatItIs(data: bytes) -> str:
    """A name for the counts of a session."""
    if not data:
        return "keep-alive"
    first = data[0]
    if first >> 6 == 2:
        return "RTCP" if isRTCP(data) else "short RTP"
    if first <= 3:
        return "STUN"
    return "DTLS" if 20 <= first <= 63 else "not RTP"
