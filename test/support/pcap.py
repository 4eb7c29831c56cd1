"""UDP payloads out of a classic pcap file, for tests on captures."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

_MAGIC = {  # first four bytes -> byte order, ticks a second
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_LINK_HEADER = {1: 14, 101: 0, 113: 16}  # Ethernet, raw IP, Linux cooked capture
_UDP = 17


class CapturedDatagram(NamedTuple):
    """when: seconds since the epoch; ports of sender and receiver; payload of the datagram."""

    when: float
    sourcePort: int
    port: int
    payload: bytes


def readPcap(data: bytes) -> Iterator[CapturedDatagram]:
    """The IPv4 UDP datagrams of a capture, in order; ValueError if it is no such file."""
    if data[:4] not in _MAGIC:
        raise ValueError(f"pcap: wanted its magic number, got {data[:4]!r}")
    order, ticks = _MAGIC[data[:4]]
    word = Struct(order + "I")
    record = Struct(order + "IIII")
    link = _LINK_HEADER[word.unpack_from(data, 20)[0]]
    position = 24
    while position + record.size <= len(data):
        seconds, fraction, size, _ = record.unpack_from(data, position)
        packet = data[position + record.size + link : position + record.size + size]
        position += record.size + size
        if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != _UDP:
            continue
        udp = packet[4 * (packet[0] & 15) :]
        sourcePort, port, length = (int.from_bytes(udp[i : i + 2], "big") for i in (0, 2, 4))
        yield CapturedDatagram(seconds + fraction / ticks, sourcePort, port, udp[8:length])
