"""Requests that are too large for a datagram (RFC 3261 18.1.1).

Lives here: which of them go by TCP though UDP was asked for, and where that has failed. Not here:
the way back to UDP (outbound.py, lines.py), connections (sip.stream).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from shtoom.sip.transport import Address, ISIPTransport, Peer
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from shtoom.exceptions import CallFailed
    from shtoom.sip.message import Request
    from shtoom.sip.uri import URI

LARGEST = 1300
"""Bytes of a request that goes by UDP anywhere: fragments of datagrams get lost on many ways."""

VIA = 100
"""Bytes that its Via will have."""

NOT_AGAIN = 600.0
"""Seconds for which a host that has no TCP is asked for none."""

MOST_KNOWN = 1000


class BigRequests:
    """What to do with them. transportFor: as Lines has it. now: seconds."""

    log = Logger()

    def __init__(
        self,
        transportFor: Callable[[str, str], ISIPTransport | None],
        now: Callable[[], float],
    ) -> None:
        self._transportFor, self._now = transportFor, now
        self._without: dict[Address, float] = {}  # TCP; until

    def instead(self, request: Request, peer: Peer, hop: URI) -> Peer | None:
        """By TCP to the same address; None: the way that was found is right.

        hop: what led to `peer`. Who names a transport has it.
        """
        if peer.transport.name != "UDP" or hop.transport is not None:
            return None
        if len(request.toBytes()) + VIA <= LARGEST:
            return None
        if self._without.get(peer.address, 0.0) > self._now():
            return None
        transport = self._transportFor("TCP", peer.address[0])
        return Peer(transport, peer.address) if transport is not None else None

    def failed(self, request: Request, peer: Peer, failure: CallFailed) -> None:
        """There was no TCP at `peer`."""
        self._without.pop(peer.address, None)
        self._without[peer.address] = self._now() + NOT_AGAIN
        if len(self._without) > MOST_KNOWN:
            del self._without[next(iter(self._without))]
        self.log.warn(
            "call {callID}: {method} of {size} bytes goes to {at} by UDP, where it may get lost: "
            "{failure}",
            callID=request.callID,
            method=request.method,
            size=len(request.toBytes()),
            at=hostPort(*peer.address),
            failure=failure.reason,
        )
