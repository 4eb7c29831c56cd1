"""RTCP compound packets (RFC 3550 6): bytes to values and back.

Lives here: sender and receiver reports, source descriptions, BYE; all else is kept unread.
Not here: when to send (media.session), what the numbers come from (rtp.sequence).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import ClassVar, NamedTuple

from shtoom.exceptions import MalformedMessage

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
CNAME = 1  # SDES item (RFC 3550 6.5.1)

_HEADER = Struct("!BBH")
_WORD = Struct("!I")
_SENDER = Struct("!IQIII")
_BLOCK = Struct("!IIIIII")


class ReportBlock(NamedTuple):
    """Reception of one source (RFC 3550 6.4.1).

    fractionLost: 1/256 since the last report; cumulativeLost: packets, signed; highestSequence:
    with its wraps above bit 15; jitter: ticks; lastReport: middle 32 bits of the NTP time of the
    last sender report, 0 for none; delaySinceLast: since then, in 1/65536 s.
    """

    ssrc: int
    fractionLost: int
    cumulativeLost: int
    highestSequence: int
    jitter: int
    lastReport: int
    delaySinceLast: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR (RFC 3550 6.4.1). ntp: 64-bit NTP time, to which the RTP timestamp belongs."""

    ssrc: int
    ntp: int
    timestamp: int
    packetsSent: int
    octetsSent: int
    reports: tuple[ReportBlock, ...] = ()

    packetType: ClassVar[int] = SENDER_REPORT


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR (RFC 3550 6.4.2), of one who sends nothing."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    packetType: ClassVar[int] = RECEIVER_REPORT


class SourceChunk(NamedTuple):
    """What is said of one source. items: (type, text) in order (RFC 3550 6.5)."""

    ssrc: int
    items: tuple[tuple[int, str], ...]

    @property
    def cname(self) -> str | None:
        """The canonical name, or None."""
        return next((text for kind, text in self.items if kind == CNAME), None)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES (RFC 3550 6.5)."""

    chunks: tuple[SourceChunk, ...]

    packetType: ClassVar[int] = SOURCE_DESCRIPTION


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE (RFC 3550 6.6): these sources send no more. reason: words, or None."""

    ssrcs: tuple[int, ...]
    reason: str | None = None

    packetType: ClassVar[int] = GOODBYE


@dataclass(frozen=True, slots=True)
class OtherPacket:
    """A packet of a type not read here, as APP, XR or feedback. count: its five low bits."""

    packetType: int
    count: int
    body: bytes


RTCPPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | OtherPacket


def parseRTCP(datagram: bytes) -> tuple[RTCPPacket, ...]:
    """The packets of a compound, in order; a lone BYE is taken, too (many send it so).

    Raises MalformedMessage: wrong version, lengths or counts that do not fit, no RTCP type first,
    padding in any but the last packet.
    """
    packets: list[RTCPPacket] = []
    position = 0
    while position < len(datagram) or not packets:
        if len(datagram) - position < _HEADER.size:
            raise MalformedMessage("RTCP header", "4 bytes", datagram[position:])
        first, kind, words = _HEADER.unpack_from(datagram, position)
        end = position + _HEADER.size + 4 * words
        if first >> 6 != 2 or end > len(datagram):
            raise MalformedMessage(
                "RTCP header", "version 2 and a length that fits", datagram[position:]
            )
        if not packets and not 192 <= kind <= 223:
            raise MalformedMessage("RTCP header", "a packet type of 192 to 223", datagram)
        body = datagram[position + _HEADER.size : end]
        if first & 0x20:
            body = _unpadded(body, isLast=end == len(datagram))
        packets.append(_parseBody(kind, first & 0x1F, body))
        position = end
    return tuple(packets)


def buildRTCP(packets: Iterable[RTCPPacket]) -> bytes:
    """The compound datagram; RFC 3550 6.1 wants a report first and an SDES with a CNAME in it.

    ValueError for more than 31 blocks, chunks or sources in a packet, or an item over 255 bytes;
    struct.error for a field out of range.
    """
    parts = []
    for packet in packets:
        count, body = _bodyOf(packet)
        if count > 31:
            raise ValueError(f"RTCP packet {packet.packetType}: wanted 31 entries at most")
        parts.append(_HEADER.pack(0x80 | count, packet.packetType, len(body) // 4) + body)
    return b"".join(parts)


def _unpadded(body: bytes, isLast: bool) -> bytes:
    padding = body[-1] if body else 0
    if not isLast or padding == 0 or padding % 4 or padding > len(body):
        raise MalformedMessage("RTCP padding", "whole words at the end of the last packet", body)
    return body[: len(body) - padding]


def _parseBody(kind: int, count: int, body: bytes) -> RTCPPacket:
    if kind == SENDER_REPORT:
        _need("RTCP SR", body, _SENDER.size + count * _BLOCK.size)
        ssrc, ntp, timestamp, sent, octets = _SENDER.unpack_from(body)
        blocks = _parseBlocks(body, _SENDER.size, count)
        return SenderReport(ssrc, ntp, timestamp, sent, octets, blocks)
    if kind == RECEIVER_REPORT:
        _need("RTCP RR", body, _WORD.size + count * _BLOCK.size)
        (ssrc,) = _WORD.unpack_from(body)
        return ReceiverReport(ssrc, _parseBlocks(body, _WORD.size, count))
    if kind == SOURCE_DESCRIPTION:
        return SourceDescription(_parseChunks(body, count))
    if kind == GOODBYE:
        _need("RTCP BYE", body, count * _WORD.size)
        ssrcs = tuple(_WORD.unpack_from(body, 4 * i)[0] for i in range(count))
        rest = body[4 * count :]
        # A reason that is shorter than its length says is taken as far as it goes.
        return Goodbye(ssrcs, _textOf(rest[1 : 1 + rest[0]]) if rest else None)
    return OtherPacket(kind, count, body)


def _need(where: str, body: bytes, size: int) -> None:
    if len(body) < size:
        raise MalformedMessage(where, f"{size} bytes behind its header", body)


def _parseBlocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for i in range(count):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, start + i * _BLOCK.size)
        lost = (loss & 0xFFFFFF) - ((loss & 0x800000) << 1)  # 24 bits, signed
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return tuple(blocks)


def _parseChunks(body: bytes, count: int) -> tuple[SourceChunk, ...]:
    chunks = []
    position = 0
    for _ in range(count):
        _need("RTCP SDES chunk", body[position:], _WORD.size + 1)
        (ssrc,) = _WORD.unpack_from(body, position)
        position += _WORD.size
        items = []
        while position < len(body) and body[position] != 0:
            size = body[position + 1] if position + 1 < len(body) else len(body)
            end = position + 2 + size
            if end > len(body):
                raise MalformedMessage("RTCP SDES item", "a length that fits", body[position:])
            items.append((body[position], _textOf(body[position + 2 : end])))
            position = end
        position += 4 - position % 4  # at least one zero ends the list, up to a whole word
        chunks.append(SourceChunk(ssrc, tuple(items)))
    return tuple(chunks)


def _bodyOf(packet: RTCPPacket) -> tuple[int, bytes]:
    """(count, body) of one packet."""
    if isinstance(packet, SenderReport):
        sender = _SENDER.pack(
            packet.ssrc, packet.ntp, packet.timestamp, packet.packetsSent, packet.octetsSent
        )
        return len(packet.reports), sender + _blockBytes(packet.reports)
    if isinstance(packet, ReceiverReport):
        return len(packet.reports), _WORD.pack(packet.ssrc) + _blockBytes(packet.reports)
    if isinstance(packet, SourceDescription):
        return len(packet.chunks), b"".join(_chunkBytes(chunk) for chunk in packet.chunks)
    if isinstance(packet, Goodbye):
        ssrcs = b"".join(_WORD.pack(ssrc) for ssrc in packet.ssrcs)
        reason = b"" if packet.reason is None else _counted(packet.reason)
        return len(packet.ssrcs), ssrcs + reason + bytes(-len(reason) % 4)
    if len(packet.body) % 4:
        raise ValueError(f"RTCP packet {packet.packetType}: wanted whole words of 4 bytes")
    return packet.count, packet.body


def _blockBytes(reports: tuple[ReportBlock, ...]) -> bytes:
    parts = []
    for ssrc, fraction, lost, *rest in reports:
        clamped = max(-0x800000, min(0x7FFFFF, lost))  # RFC 3550 6.4.1: it sticks at its ends
        parts.append(_BLOCK.pack(ssrc, fraction << 24 | clamped & 0xFFFFFF, *rest))
    return b"".join(parts)


def _chunkBytes(chunk: SourceChunk) -> bytes:
    items = b"".join(bytes([kind]) + _counted(text) for kind, text in chunk.items)
    return _WORD.pack(chunk.ssrc) + items + bytes(4 - len(items) % 4)


def _counted(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    if len(data) > 255:
        raise ValueError(f"RTCP text: wanted 255 bytes at most, got {len(data)}")
    return bytes([len(data)]) + data


def _textOf(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
