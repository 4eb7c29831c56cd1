"""Where a request inside a dialog goes: the address it names, or where the peer was seen.

Lives here: the choice between the two, as a pure function, and its finding in words.
Not here: names to addresses (sip.resolver), route sets (sip.dialog).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_INSIDE = tuple(
    ip_network(net)
    for net in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16", "::/128", "::1/128", "fc00::/7", "fe80::/10"),
    )
)
"""Networks whose addresses mean something to neighbours only (RFC 1918, 6598, 4193 ...).

The networks for documentation are none of them: they stand for public ones.
"""


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The IP address that `host` is, None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def isInside(host: str) -> bool:
    """Does that IP address mean something to neighbours only? A name does not."""
    address = literal(host.partition("%")[0])
    return address is not None and any(address in network for network in _INSIDE)


def observedInstead(host: str, seenAt: str) -> str | None:
    """Why requests for `host` had better go to `seenAt`, where the peer's packets come from.

    None: `host` is fine: a name, the same host, or an address that may be reached from anywhere.
    """
    named, seen = literal(host), literal(seenAt)
    if named is None or seen is None or named == seen:
        return None
    if isInside(host):
        return (
            f"the peer says it is at {host}, which cannot be reached from other networks; its "
            f"packets came from {seenAt}, so requests in the call go there (set its public address "
            "or STUN on the phone, or a proxy that records its route)"
        )
    return None
