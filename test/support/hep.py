"""HEPv3 datagrams read, by other means than those that made them.

A packet is "HEP3", its length in two bytes, then chunks: vendor, type, length with these six bytes,
data; all big-endian. Vendor 0 is the common set.
"""

from __future__ import annotations

import ipaddress
import struct

NUMBERS = {
    1: "ipFamily",
    2: "ipProtocol",
    7: "srcPort",
    8: "dstPort",
    9: "seconds",
    10: "microseconds",
    11: "payloadType",
    12: "captureId",
    13: "keepAlive",
}
ADDRESSES = {3: "srcIp", 4: "dstIp", 5: "srcIp", 6: "dstIp"}
TEXTS = {14: "authKey", 15: "payload", 17: "correlationId", 19: "nodeName"}


class BadPacket(ValueError):
    """Says what is wrong with it."""


def decode(data: bytes) -> dict[str, object]:
    """One datagram. Raises BadPacket."""
    if data[:4] != b"HEP3" or len(data) < 6:
        raise BadPacket("does not begin with HEP3 and a length")
    (total,) = struct.unpack_from("!H", data, 4)
    if total != len(data):
        raise BadPacket(f"length field says {total}, packet has {len(data)} bytes")
    at, out = 6, dict[str, object]()
    while at < total:
        if at + 6 > total:
            raise BadPacket(f"half a chunk header at byte {at}")
        vendor, kind, size = struct.unpack_from("!HHH", data, at)
        if size < 6 or at + size > total:
            raise BadPacket(f"chunk {vendor}/{kind} at byte {at} has length {size}")
        body = data[at + 6 : at + size]
        at += size
        if vendor == 0 and kind in NUMBERS:
            out[NUMBERS[kind]] = int.from_bytes(body, "big")
        elif vendor == 0 and kind in ADDRESSES:
            out[ADDRESSES[kind]] = str(ipaddress.ip_address(body))
        elif vendor == 0 and kind in TEXTS:
            out[TEXTS[kind]] = body.decode("utf-8", "replace")
        else:
            raise BadPacket(f"chunk {vendor}/{kind} is not known")
    return out
