"""RTP packets (RFC 3550 5.1): bytes to a value and back, and the header alone for the media path.

Lives here: fixed header, CSRCs, header extension, padding; telling RTCP from RTP.
Not here: wrapping and loss (rtp.sequence), SSRC and latch (media.session), codecs.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage

_HEADER = Struct("!BBHII")
_FIRST = _HEADER.size
_PLAIN = 0x80  # version 2, no padding, no extension, no CSRCs

Buffer = bytes | bytearray | memoryview


class RTPPacket(NamedTuple):
    """timestamp: ticks of the payload's clock (8000 Hz for PCMU). payload: without padding."""

    payloadType: int
    sequence: int  # 16 bits, wraps
    timestamp: int  # 32 bits, wraps
    ssrc: int
    payload: bytes
    marker: bool = False

    def toBytes(self) -> bytes:
        """The datagram: a plain header, the payload. struct.error for a field out of range."""
        second = self.payloadType | self.marker << 7
        return _HEADER.pack(_PLAIN, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def parseRTP(datagram: bytes) -> RTPPacket:
    """Raises MalformedMessage: not version 2, or lengths that do not fit the datagram."""
    kind, marker, sequence, timestamp, ssrc, start, end = unpackHeader(datagram, len(datagram))
    return RTPPacket(kind, sequence, timestamp, ssrc, datagram[start:end], marker)


def unpackHeader(buffer: Buffer, length: int) -> tuple[int, bool, int, int, int, int, int]:
    """(payloadType, marker, sequence, timestamp, ssrc, payloadStart, payloadEnd) of a datagram.

    buffer: holds it from its first byte on; length: bytes of the datagram. The payload, without
    CSRCs, extension and padding, is buffer[payloadStart:payloadEnd] and may be empty. Raises
    MalformedMessage as parseRTP does. In the hot path: a plain header is one unpack.
    """
    if length >= _FIRST:
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(buffer)
        if first == _PLAIN:
            return second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, _FIRST, length
        if first >> 6 == 2:
            start, end = _payloadBounds(buffer, length, first)
            return second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, start, end
    raise MalformedMessage("RTP header", "version 2 and 12 bytes", bytes(buffer[:length]))


def isRTCP(datagram: Buffer) -> bool:
    """Whether this is RTCP on a port shared with RTP: second octet 192 to 223 (RFC 5761 4)."""
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


def _payloadBounds(buffer: Buffer, length: int, first: int) -> tuple[int, int]:
    """Where the payload begins and ends behind CSRCs and extension, before the padding."""
    start = _FIRST + 4 * (first & 0x0F)  # CSRCs
    if first & 0x10:  # extension: 16-bit profile, then its length in 32-bit words
        if start + 4 > length:
            raise MalformedMessage(
                "RTP header extension", "4 bytes at its start", bytes(buffer[:length])
            )
        start += 4 + 4 * (buffer[start + 2] << 8 | buffer[start + 3])
    padding = buffer[length - 1] if first & 0x20 else 0
    end = length - padding
    if start > end or (first & 0x20 and padding == 0):
        raise MalformedMessage(
            "RTP header", "lengths that fit the datagram", bytes(buffer[:length])
        )
    return start, end
