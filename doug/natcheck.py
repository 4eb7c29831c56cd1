"""What a far phone would see of this server, in words with a remedy.

Lives here: findings from what a STUN server has said. Not here: asking it (doug.publicaddress,
scripts/shtoominfo.py), findings about this machine alone (doug.checks).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from shtoom.agent.routing import isInside
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from doug.settings import Settings
    from shtoom.sip.transport import Address

__all__ = ["Sight", "sightFindings"]


class Sight(NamedTuple):
    """What came of asking. local: the port that asked, as this machine knows it.

    server: who was asked. seen: how that one sees the port, None if it never said. elsewhere: how
    another address of it does, None if that is not known. problem: why there was no answer, or "".
    """

    local: Address
    server: str
    seen: Address | None = None
    elsewhere: Address | None = None
    problem: str = ""


def sightFindings(settings: Settings, sight: Sight) -> Iterator[str]:
    """A sentence for each thing that far phones would suffer from; none without NAT."""
    local, seen, elsewhere = sight.local, sight.seen, sight.elsewhere
    first, last = settings.rtpPorts
    if sight.problem:
        known = hostPort(*seen) if seen is not None else f"{local[0]}, the address on the way there"
        yield (
            f"the STUN server {sight.server} does not tell how this server is seen "
            f"({sight.problem}): phones are told {known}; name another STUN server, or the public "
            "address itself, with --advertise"
        )
    if seen is None or seen == local:
        return
    if isInside(seen[0]):
        yield (
            f"the STUN server {sight.server} sees this server at {seen[0]}, which is no public "
            "address: it stands behind the same NAT; name one on the Internet with --advertise"
        )
        return
    if seen[0] != local[0]:
        yield (
            f"this server is at {local[0]}, and behind NAT: phones outside are told {seen[0]}; "
            f"what they send arrives if the router passes UDP ports {local[1]} (SIP) and "
            f"{first}-{last} (--rtp-ports) on to this machine; where it does not, calls between "
            "this server and phones that are behind NAT, too, have no sound"
        )
    if elsewhere is not None and elsewhere != seen:
        yield (
            f"the NAT shows this port as {hostPort(*seen)} to one far end and as "
            f"{hostPort(*elsewhere)} to another (symmetric NAT): what STUN finds is of no use to "
            f"phones; pass UDP port {local[1]} on to this machine, and name the public address "
            "with --advertise"
        )
    elif seen[1] != local[1]:
        yield (
            f"the NAT shows UDP port {local[1]} as port {seen[1]} outside; that is told to phones, "
            "and kept open; where the router passes a port of its own on to this machine, let it "
            "be the same one"
        )
