"""Who counts as one source of messages, wherever sources are limited.

Lives here: sourceOf. Not here: the limits (gate.py, scanners.py, stream.py; shtoom.agent.policy,
shtoom.agent.gatekeeper).
"""

from __future__ import annotations

import socket


def sourceOf(host: str) -> str:
    """An IPv4 address is one; of IPv6 the /64 is, since one customer has so many addresses at
    least. host: an IP address.
    """
    if ":" not in host:
        return host
    network = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])[:8]
    return f"{socket.inet_ntop(socket.AF_INET6, network + bytes(8))}/64"
