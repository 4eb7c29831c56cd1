"""IP addresses, read once: the same few are asked about for each call, again and again.

Lives here: that cache. Not here: what is asked of an address (networks, private ones, sources).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

MOST = 512
"""Addresses that are kept."""


@lru_cache(MOST)
def ipAddress(text: str) -> IPv4Address | IPv6Address:
    """As ipaddress.ip_address(); ValueError for what is none, which is not kept."""
    return ip_address(text)
