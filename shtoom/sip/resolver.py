"""From a URI to the places where its requests may go, best first (RFC 3263, RFC 2782).

Lives here: which transport, host and port a URI leads to, by NAPTR, SRV and addresses. Not here:
asking DNS (names.py), what is done when a place does not answer (the user agent).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.exceptions import HostNotKnown
from shtoom.sip.names import NAPTR, SRV, INames, NoNames
from shtoom.sip.shown import shown
from shtoom.sip.transport import WEB
from shtoom.sip.uri import isHostName

if TYPE_CHECKING:
    from shtoom.sip.uri import URI

T = TypeVar("T")

Place = tuple[str, int, str]
"""(host, port, transport name): host an IP address without brackets, name as in a Via: "UDP"."""

PATIENCE = 5.0
"""Seconds for one look-up; a server of names that is silent must not hold a call for longer."""

MOST_TARGETS = 8
"""Hosts of one domain that are looked up; a call has not the time to try more."""

_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
_SERVICES = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
_NAPTR_SERVICES = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}


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
    """Looks up hosts, never blocking.

    names: DNS; None for the reactor's own resolver alone, which knows neither NAPTR nor SRV.
    rng: draws among the servers of equal priority; wanted with names.
    """

    def __init__(
        self, reactor: ResolvingReactor, names: INames | None = None, rng: Random | None = None
    ) -> None:
        self._reactor, self._names = reactor, names
        self._rng = rng if rng is not None else Random(0)

    def resolve(self, uri: URI, offered: Sequence[str] = ("UDP",)) -> Deferred[list[Place]]:
        """Where requests for `uri` may go, best first. offered: the transports that we have.

        An IP address needs no look-up, its Deferred has fired. With a port, or for a name that this
        machine knows by itself, only the address is looked up (4.1, 4.2). HostNotKnown names the
        host that has no address, or the URI that names none. cancel() gives the look-up up.
        """
        if uri.scheme not in ("sip", "sips") or not uri.host:
            return fail(HostNotKnown(f"{shown(uri)} names no host to send a request to"))
        host = uri.param("maddr") or uri.host
        named = "TLS" if uri.scheme == "sips" else (uri.transport or "").upper()
        transport = named or "UDP"
        port = uri.port if uri.port is not None else _PORTS.get(transport, 5060)
        literal = host.strip("[]")
        try:
            ip_address(literal)
        except ValueError:
            pass
        else:
            return succeed([(literal, port, transport)])
        if not isHostName(host):  # a maddr may be anything
            return fail(HostNotKnown(f"{shown(host)} is no host name"))
        if transport in WEB and host.lower().endswith(".invalid"):  # RFC 7118 5: that is no name
            return fail(HostNotKnown(f"{shown(host)} is reached by its own connection alone"))
        names = self._names
        if names is None or "." not in host.rstrip("."):
            return _LookUp(self._reactor, host, port, transport).done
        known = names.local(host)
        if known:
            return succeed([(address, port, transport) for address in known])
        if uri.port is not None:
            return Deferred.fromCoroutine(self._addresses(names, host, port, transport))
        usable = [named] if named else [name for name in offered if name in _SERVICES]
        return Deferred.fromCoroutine(self._search(names, host, usable, not named))

    async def _search(self, names: INames, host: str, usable: list[str], free: bool) -> list[Place]:
        """By NAPTR and SRV. free: is it DNS that says which transport is the best (4.1)?

        All is asked at once, so that a server of names that is silent costs its time once only.
        """
        none: Deferred[list[NAPTR]] = succeed([])
        naptr = self._limited(names.naptr(host)) if free else none
        services = {
            transport: self._limited(names.srv(f"{_SERVICES[transport]}.{host}"))
            for transport in usable
            if transport in _SERVICES
        }
        try:
            targets: list[tuple[str, SRV]] = []
            for transport, domain in _ways(await naptr, usable):
                targets += self._drawn(transport, await self._limited(names.srv(domain)))
            for transport, records in services.items() if not targets else ():
                targets += self._drawn(transport, await records)
        finally:
            unused: list[Deferred[Any]] = [naptr, *services.values()]
            for asked in unused:
                asked.addErrback(lambda failure: failure.trap(CancelledError))
                asked.cancel()
        if not targets:
            transport = usable[0] if usable else "UDP"
            return await self._addresses(names, host, _PORTS.get(transport, 5060), transport)
        if all(not srv.target for _, srv in targets):
            raise HostNotKnown(f"{shown(host)} says in DNS that it takes no calls (SRV)")
        places: list[Place] = []
        for transport, srv in targets[:MOST_TARGETS]:
            for address in names.local(srv.target) or await self._limited(
                names.addresses(srv.target)
            ):
                places.append((address, srv.port, transport))
        if not places:
            hosts = shown(", ".join(srv.target for _, srv in targets[:MOST_TARGETS]))
            raise HostNotKnown(
                f"{shown(host)} is served by {hosts} (SRV), which have no address in DNS"
            )
        return places

    async def _addresses(self, names: INames, host: str, port: int, transport: str) -> list[Place]:
        try:
            found = await self._limited(names.addresses(host), PATIENCE, silent=True)
        except NoNames as error:
            raise HostNotKnown(f"{shown(host)} could not be looked up: {shown(error)}") from None
        if not found:
            raise HostNotKnown(f"{shown(host)} has no address in DNS (NAPTR, SRV, A, AAAA)")
        return [(address, port, transport) for address in found]

    def _drawn(self, transport: str, records: list[SRV]) -> list[tuple[str, SRV]]:
        """In the order in which they are to be tried (RFC 2782): by priority, drawn by weight."""
        ordered: list[tuple[str, SRV]] = []
        for priority in sorted({record.priority for record in records}):
            equal = [record for record in records if record.priority == priority]
            while equal:
                mark = self._rng.uniform(0, sum(record.weight for record in equal))
                for record in sorted(equal, key=lambda record: record.weight):
                    mark -= record.weight
                    if mark <= 0:
                        break
                equal.remove(record)
                ordered.append((transport, record))
        return ordered

    def _limited(
        self, asked: Deferred[list[T]], seconds: float = PATIENCE / 2, silent: bool = False
    ) -> Deferred[list[T]]:
        """What it fires with; [] if nobody answers in time, or NoNames if `silent`."""
        late = False

        def tooLate() -> None:
            nonlocal late
            late = True
            asked.cancel()

        def over(outcome: list[T] | Failure) -> list[T] | Failure:
            if limit.active():
                limit.cancel()
            if not isinstance(outcome, Failure):
                return outcome
            if late and outcome.check(CancelledError):
                outcome = Failure(NoNames(f"DNS did not answer within {seconds:g} s"))
            if not silent and outcome.check(NoNames):
                return []
            return outcome

        limit = self._reactor.callLater(seconds, tooLate)
        return asked.addBoth(over)


def _ways(records: list[NAPTR], usable: list[str]) -> list[tuple[str, str]]:
    """(transport, domain of its SRV) of those NAPTRs that lead to what we have, best first."""
    ways = []
    for record in sorted(records, key=lambda record: (record.order, record.preference)):
        transport = _NAPTR_SERVICES.get(record.service, "")
        if transport in usable and record.flags == "s" and record.replacement:
            ways.append((transport, record.replacement))
    return ways


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
            self._finish(HostNotKnown(f"{shown(host)} is no host name: {shown(e)}"))

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
            self._finish(HostNotKnown(f"{shown(self._host)} has no address in DNS (A, AAAA)"))

    def _tooLong(self) -> None:
        host = shown(self._host)
        self._finish(HostNotKnown(f"DNS did not answer for {host} within {PATIENCE:g} s"))

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
