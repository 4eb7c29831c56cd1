"""Who counts as one source of messages, wherever sources are limited.

Lives here: sourceOf. Not here: the limits (gate.py, scanners.py, stream.py; shtoom.agent.policy,
shtoom.agent.gatekeeper).
"""

from __future__ import annotations

import socket


def sourceOf(host: str) -> str:
    """An IPv4 address is one, also as a socket of both families writes it (::ffff:192.0.2.1).

    Of IPv6 it is the /64, since one customer has so many addresses at least. host: an IP address.
    """
    if ":" not in host:
        return host
    address = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if address[:12] == _MAPPED:
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return f"{socket.inet_ntop(socket.AF_INET6, address[:8] + bytes(8))}/64"


_MAPPED = bytes(10) + b"\xff\xff"  # RFC 4291 2.5.5.2
