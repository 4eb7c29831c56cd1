"""What a far phone would see of this server, in words with a remedy.

Lives here: findings from what a STUN server has said, and asking it once, for command lines. Not
here: asking as a server does (doug.publicaddress), findings about this machine alone (doug.checks).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from random import SystemRandom
from typing import TYPE_CHECKING, NamedTuple

from doug.settings import Endpoint, Settings, stunServer
from shtoom.agent.routing import isInside
from shtoom.exceptions import CallFailed, TransactionTimeout, TransportFailed
from shtoom.sip.stun import Binding, BindingRequest
from shtoom.sip.transport import localAddressFor
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from shtoom.sip.transport import Address

__all__ = ["Sight", "askNow", "sightFindings"]

PATIENCE = 3.0
"""Seconds that a command line waits for a STUN server."""


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


def askNow(settings: Settings, patience: float = PATIENCE) -> Iterator[Sight]:
    """Asks the STUN server of --advertise about each UDP port, now, and waits for it.

    For command lines alone: it blocks, `patience` seconds a port at most. A port that is in use
    (the server itself runs) is asked about from another one.
    """
    server = stunServer(settings.advertise)
    if server is None:
        return
    for endpoint in settings.listen:
        if endpoint.transport == "udp":
            yield _ask(endpoint, *server, patience)


def _ask(endpoint: Endpoint, host: str, port: int, patience: float) -> Sight:
    isIPv6 = ":" in endpoint.host
    family = socket.AF_INET6 if isIPv6 else socket.AF_INET
    local = (endpoint.host or "0.0.0.0", endpoint.port)
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
        at = (str(found[0][4][0]), int(found[0][4][1]))
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            try:
                asking.bind(local)
            except OSError:
                asking.bind((local[0], 0))
            bound = asking.getsockname()[1]
            local = (localAddressFor(at[0]) if _isAny(endpoint.host) else endpoint.host, bound)
            answer = _answer(asking, at, patience)
            elsewhere = None
            if answer.other is not None and (":" in answer.other[0]) == isIPv6:
                with suppress(OSError, CallFailed):
                    elsewhere = _answer(asking, answer.other, patience).mapped
    except OSError as error:
        return Sight(local, host, problem=error.strerror or str(error))
    except CallFailed as error:
        return Sight(local, host, problem=error.reason)
    return Sight(local, host, answer.mapped, elsewhere)


def _answer(asking: socket.socket, server: Address, patience: float) -> Binding:
    """Raises OSError or CallFailed."""
    request = BindingRequest(server, SystemRandom())
    end = time.monotonic() + patience
    asking.sendto(request.start(time.monotonic()), server)
    while request.deadline is not None:
        now = time.monotonic()
        if now >= end:
            raise TransactionTimeout(f"no answer within {patience:g} s")
        asking.settimeout(max(0.001, min(request.deadline, end) - now))
        try:
            data, source = asking.recvfrom(2048)
        except TimeoutError:
            again = request.timeReached(time.monotonic())
            if again is not None:
                asking.sendto(again, server)
        else:
            request.received(data, source[:2])
    if request.answer is None:
        raise TransportFailed(f"its answer is of no use: {request.failure}")
    return request.answer


def _isAny(host: str) -> bool:
    return host in ("", "::", "0.0.0.0")
