"""What the upper parts of SIP know of a transport, and where a response goes.

Lives here: ISIPTransport, Peer, the rules of `received` and `rport` (RFC 3261 18.2, RFC 3581), the
local address towards a host. Not here: sockets of SIP (udp.py).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from zope.interface import Attribute, Interface

from shtoom.exceptions import MalformedMessage, TransportFailed
from shtoom.sip.fields import splitCommas

if TYPE_CHECKING:
    from shtoom.exceptions import Refusal
    from shtoom.sip.fields import Via
    from shtoom.sip.message import Request, Response
    from shtoom.sip.trace import Trace

Address = tuple[str, int]
"""(host, port): host an IP address without brackets."""

SIP_PORT = 5060
"""The port of a sent-by that names none, over UDP and TCP (RFC 3261 18.2.2)."""

SIPS_PORT = 5061
"""The same, over TLS."""

Told = Callable[[str], tuple[str, int | None] | None]
"""What a peer at that host is told of a port, before all else: a host, and a port unless it is the
one that is bound."""

SECURE = ("TLS", "WSS")
"""The transports that are."""

WEB = ("WS", "WSS")
"""Those that only peers can make connections of (RFC 7118)."""

_WILDCARDS = ("", "0.0.0.0", "::")
_DISCARD_PORT = 9


class ISIPTransport(Interface):
    """One way to exchange SIP messages with peers."""

    name = Attribute("As in a Via: 'UDP'.")
    reliable = Attribute("Does it repeat what is lost by itself? (bool)")

    def sentBy(remoteHost: str) -> Address:  # noqa: N805
        """(host, port) by which a peer at remoteHost, an IP address, can reach us.

        Raises TransportFailed if no address of this machine leads there.
        """

    def send(data: bytes, address: Address) -> None:  # noqa: N805
        """Sends one message. Raises TransportFailed with the system's words."""

    def isOpen(address: Address) -> bool:  # noqa: N805
        """Is there a connection with that peer, over which it is reached without a new one?"""

    def flow(address: Address) -> int:  # noqa: N805
        """Which connection the peer there has opened: a number that no other ever has; 0: none.

        Another may come to have that address once it is over (NAT, a proxy on this machine).
        """

    def named(address: Address, host: str) -> None:  # noqa: N805
        """That address was found for this name: whom a certificate is to be for."""

    def probe(address: Address) -> None:  # noqa: N805
        """A request to that address had no response yet: is anybody there?

        If the network says no, the receiver's unreachable() is told, on a later turn. A connection
        over which nothing comes is over: flowLost().
        """


class Peer(NamedTuple):
    """The far end of a message: by which transport, and its (host, port) there."""

    transport: ISIPTransport
    address: Address


class Receiver(Protocol):
    """Who takes what arrives: a TransactionLayer.

    trace: is shown each message as it came, before it is read; None: nobody wants to see it.
    """

    trace: Trace | None

    def messageReceived(self, message: Request | Response, peer: Peer) -> None:
        """A message; a request has `received` and `rport` in its top Via."""

    def malformedReceived(self, error: MalformedMessage, data: bytes, peer: Peer) -> None:
        """What is no message; error.request is set if it may be answered."""

    def refuse(self, message: Request | Response, peer: Peer, refusal: Refusal) -> None:
        """503 to a message that nobody looks at any further, if it is a request."""

    def unreachable(self, failure: TransportFailed, peer: Peer) -> None:
        """Nobody listens there, as the network says."""


def defaultPort(name: str) -> int:
    """The port of an address by that transport that names none (RFC 3261 18.2.2, 19.1.2)."""
    return SIPS_PORT if name in SECURE else SIP_PORT


def markReceived(request: Request, source: Address) -> Request:
    """The request with `received`, and `rport` if asked for, in its top Via.

    source: where it came from (RFC 3261 18.2.1, RFC 3581 4). A `received` that the sender has
    written itself is replaced: a response must never go to a third party.
    """
    via = request.via
    host = source[0].partition("%")[0]
    if via.rport is not None:
        via = via.replacing(received=host, rport=str(source[1]))
    elif via.received is not None or via.host != host:
        via = via.replacing(received=host)
    else:
        return request
    first, *others = request.headers.getLines("Via")
    top = ", ".join((str(via), *splitCommas(first)[1:]))
    marked = request.replacing("Via", top, *others)
    marked.via = via  # known: not to be parsed again
    return marked


def responseAddress(via: Via, source: Address) -> Address:
    """Where the responses to a request go that came from `source` with that top Via.

    The source itself if the Via has `rport` (RFC 3581 4), else the source's host and the port of
    the sent-by (RFC 3261 18.2.2). `maddr` is not followed: it would let a sender name a victim.
    """
    if via.rport is not None:
        return source
    return source[0], via.port if via.port is not None else SIP_PORT


def toldNothing(host: str) -> None:
    """Nobody knows better."""


def ownAddress(
    bound: Address, remoteHost: str, advertise: str | None, localAddressFor: Callable[[str], str]
) -> Address:
    """What a peer at remoteHost is told of a port that is bound there.

    advertise: instead of any address of ours. localAddressFor: asked when the port is bound to all
    of them. Raises TransportFailed if no address of this machine leads there.
    """
    host, port = bound
    if advertise is not None:
        return advertise, port
    if host not in _WILDCARDS:
        return host, port
    try:
        return localAddressFor(remoteHost), port
    except OSError as e:
        raise TransportFailed(f"no way to {remoteHost}: {e.strerror or e}") from e


def localAddressFor(host: str) -> str:
    """The address of this machine that packets to `host`, an IP address, leave from.

    Nothing is sent. Raises OSError if there is no way there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((host, _DISCARD_PORT))
        address: str = probe.getsockname()[0]
    return address
