"""From a URI to the places where its requests may go (RFC 3263).

Lives here: IP literals, and names with A and AAAA records. Not here: NAPTR and SRV; what is done
when a place does not answer (the user agent).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from zope.interface import implementer

from shtoom.exceptions import HostNotKnown

if TYPE_CHECKING:
    from shtoom.sip.uri import URI

Place = tuple[str, int, str]
"""(host, port, transport name): host an IP address without brackets, name as in a Via: "UDP"."""

PATIENCE = 5.0
"""Seconds for one look-up; a server of names that is silent must not hold a call for longer."""

_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061}


class ResolvingReactor(Protocol):
    """What the resolver needs of a reactor."""

    @property
    def nameResolver(self) -> IHostnameResolver:
        """As IReactorPluggableNameResolver has it."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object, **kw: object
    ) -> IDelayedCall:
        """As IReactorTime has it."""


class Resolver:
    """Looks up hosts by reactor.nameResolver, never blocking."""

    def __init__(self, reactor: ResolvingReactor) -> None:
        self._reactor = reactor

    def resolve(self, uri: URI) -> Deferred[list[Place]]:
        """Where requests for `uri` may go, best first: IPv4 before IPv6.

        An IP address needs no look-up, its Deferred has fired. HostNotKnown names the host that
        has no address, or the URI that names no host. cancel() gives the look-up up.
        """
        if uri.scheme not in ("sip", "sips") or not uri.host:
            return fail(HostNotKnown(f"{uri} names no host to send a request to"))
        host = uri.param("maddr") or uri.host
        transport = "TLS" if uri.scheme == "sips" else (uri.transport or "udp").upper()
        port = uri.port if uri.port is not None else _PORTS.get(transport, 5060)
        literal = host.strip("[]")
        try:
            ip_address(literal)
        except ValueError:
            return _LookUp(self._reactor, host, port, transport).done
        return succeed([(literal, port, transport)])


@implementer(IResolutionReceiver)
class _LookUp:
    """One look-up of one name. done: fires with its places, or fails with HostNotKnown."""

    def __init__(self, reactor: ResolvingReactor, host: str, port: int, transport: str) -> None:
        self._host, self._port, self._transport = host, port, transport
        self._found: list[str] = []
        self.done: Deferred[list[Place]] = Deferred(self._giveUp)
        self._limit = reactor.callLater(PATIENCE, self._tooLong)
        try:
            reactor.nameResolver.resolveHostName(
                self, host, port, (IPv4Address, IPv6Address), "UDP"
            )
        except ValueError as e:  # a name that IDNA refuses
            self._finish(HostNotKnown(f"{host} is no host name: {e}"))

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """From the reactor's resolver. Its cancel() does nothing in Twisted's own resolvers."""

    def addressResolved(self, address: IAddress) -> None:
        """From the reactor's resolver: one address."""
        if isinstance(address, IPv4Address | IPv6Address) and address.host not in self._found:
            self._found.append(address.host)

    def resolutionComplete(self) -> None:
        """From the reactor's resolver: there are no more."""
        if self._found:
            self._finish(None)
        else:
            self._finish(HostNotKnown(f"{self._host} has no address in DNS (A, AAAA)"))

    def _tooLong(self) -> None:
        self._finish(HostNotKnown(f"DNS did not answer for {self._host} within {PATIENCE:g} s"))

    def _giveUp(self, done: Deferred[list[Place]]) -> None:
        if self._limit.active():
            self._limit.cancel()

    def _finish(self, failure: HostNotKnown | None) -> None:
        if self._limit.active():
            self._limit.cancel()
        if self.done.called:
            return  # too late, or given up
        if failure is not None:
            self.done.errback(failure)
            return
        ordered = sorted(self._found, key=lambda host: ":" in host)
        self.done.callback([(host, self._port, self._transport) for host in ordered])
