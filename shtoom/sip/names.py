"""What DNS says of a name: NAPTR, SRV and addresses, kept for as long as it says.

Lives here: asking by twisted.names, the cache. Not here: which of the answers is taken
(resolver.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from socket import AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.defer import TimeoutError as NobodyAnswered
from twisted.names import dns
from twisted.names.client import Resolver as Client
from twisted.names.error import DNSNameError, DomainError
from twisted.names.hosts import searchFileForAll
from twisted.python.filepath import FilePath

if TYPE_CHECKING:
    from twisted.python.failure import Failure

TIMEOUTS = (0.8, 1.6)
"""Seconds for each try: a call waits meanwhile."""

NOTHING_FOR = 30.0
"""Seconds that "there is none" is believed for: people correct their DNS while they try."""

STALE = 3600.0
"""Seconds beyond its time that an answer is used if no server of names answers."""

MOST_KEPT = 2000
"""Answers in the cache."""

MOST_CHARACTERS = 253
"""Of a name, its dots included."""

RESOLV_CONF = Path("/etc/resolv.conf")
HOSTS = Path("/etc/hosts")


class NAPTR(NamedTuple):
    """RFC 3403 4.1. replacement: without a dot at its end, as all names here."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class SRV(NamedTuple):
    """RFC 2782."""

    priority: int
    weight: int
    port: int
    target: str


class NoNames(Exception):
    """No server of names answered; says nothing about the name."""


class INames(Protocol):
    """Where records come from. Each method fires with [] if there are none, fails with NoNames."""

    def naptr(self, name: str) -> Deferred[list[NAPTR]]:
        """Where the services of a domain are described."""

    def srv(self, name: str) -> Deferred[list[SRV]]:
        """Who serves _sip._udp.example.com."""

    def addresses(self, name: str) -> Deferred[list[str]]:
        """A and AAAA, IPv4 first."""

    def local(self, name: str) -> list[str]:
        """What this machine itself knows (its hosts file); [] for nothing: DNS is to be asked."""


class _Kept(NamedTuple):
    records: list[Any]
    until: float


class Names:
    """INames by DNS.

    reactor: for twisted.names. servers: (address, port) of each server of names; None for those of
    /etc/resolv.conf, which is read again when it has changed. hosts: the hosts file.
    timeouts: seconds that a server has for each try.
    """

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[tuple[str, int]] | None = None,
        hosts: Path = HOSTS,
        timeouts: Sequence[float] = TIMEOUTS,
    ) -> None:
        self._reactor, self._servers, self._timeouts = reactor, servers, tuple(timeouts)
        self._hosts = FilePath(str(hosts).encode())
        self._client: Any = None
        self._readAt = -1.0
        self._cache: dict[tuple[str, int], _Kept] = {}

    def naptr(self, name: str) -> Deferred[list[NAPTR]]:
        """As INames has it."""
        return self._ask(name, dns.NAPTR, _naptr)

    def srv(self, name: str) -> Deferred[list[SRV]]:
        """As INames has it."""
        return self._ask(name, dns.SRV, _srv)

    def addresses(self, name: str) -> Deferred[list[str]]:
        """As INames has it."""
        return Deferred.fromCoroutine(self._addresses(name))

    def local(self, name: str) -> list[str]:
        """As INames has it."""
        found = searchFileForAll(self._hosts, name.rstrip(".").encode("utf-8"))
        return sorted(map(str, found), key=lambda address: ":" in address)

    async def _addresses(self, name: str) -> list[str]:
        asked = [self._ask(name, dns.A, _address), self._ask(name, dns.AAAA, _address)]
        found: list[str] = []
        silent: NoNames | None = None
        for answer in asked:
            try:
                found += await answer
            except NoNames as error:
                silent = error
        try:
            if not found and silent is not None:
                raise silent
            return found
        finally:
            del silent  # else it and this frame hold one another

    def _ask(self, name: str, kind: int, read: Callable[[Any], Any]) -> Deferred[list[Any]]:
        if not isHostName(name):
            return succeed([])
        key = name.lower().rstrip("."), kind
        kept = self._cache.get(key)
        if kept is not None and kept.until > self._reactor.seconds():
            return succeed(kept.records)
        client = self._clientNow()
        if client is None:
            return self._silent(key, "/etc/resolv.conf names no server")
        query = dns.Query(key[0].encode("idna" if not name.isascii() else "ascii"), kind, dns.IN)
        answer: Deferred[Any] = client.query(query, self._timeouts)
        answer.addCallbacks(
            self._found, self._notFound, callbackArgs=(key, read), errbackArgs=(key,)
        )
        return answer

    def _clientNow(self) -> Any:
        """The client for the servers that there are now, None if there are none."""
        if self._servers is not None:
            changed, servers = self._client is None, list(self._servers)
        else:
            try:
                at = RESOLV_CONF.stat().st_mtime
            except OSError:
                return None
            changed = at != self._readAt
            servers = nameServers(RESOLV_CONF) if changed else []
            self._readAt = at
        if changed:
            self._client = Client(servers=servers, reactor=self._reactor) if servers else None
        return self._client

    def _found(self, answer: Any, key: tuple[str, int], read: Callable[[Any], Any]) -> list[Any]:
        headers = [header for header in answer[0] if header.type == key[1]]
        records = [read(header.payload) for header in headers]
        self._keep(key, records, min((header.ttl for header in headers), default=NOTHING_FOR))
        return records

    def _notFound(self, failure: Failure, key: tuple[str, int]) -> Any:
        if failure.check(DNSNameError):
            self._keep(key, [], NOTHING_FOR)
            return []
        if failure.check(NobodyAnswered):
            return self._silent(key, "no server of names answered")
        failure.trap(DomainError, OSError)
        return self._silent(key, f"the server of names failed ({type(failure.value).__name__})")

    def _silent(self, key: tuple[str, int], why: str) -> Deferred[list[Any]]:
        """No answer: the last one, if it is not too old."""
        kept = self._cache.get(key)
        if kept is not None and kept.until + STALE > self._reactor.seconds():
            return succeed(kept.records)
        return fail(NoNames(why))

    def _keep(self, key: tuple[str, int], records: list[Any], seconds: float) -> None:
        self._cache.pop(key, None)
        while len(self._cache) >= MOST_KEPT:
            del self._cache[next(iter(self._cache))]  # the one kept for longest
        self._cache[key] = _Kept(records, self._reactor.seconds() + seconds)


def isHostName(name: str) -> bool:
    """May DNS be asked for it (RFC 1035 2.3.4)? A peer writes what it likes into its Contact, and a
    name of thousands of labels takes long to be written into a question.
    """
    if len(name) > MOST_CHARACTERS:
        return False
    try:
        octets = name.rstrip(".").encode("ascii" if name.isascii() else "idna")
    except UnicodeError:
        return False
    labels = octets.split(b".")
    return len(octets) <= MOST_CHARACTERS and all(0 < len(label) < 64 for label in labels)


def nameServers(path: Path) -> list[tuple[str, int]]:
    """The servers that a resolv.conf names; [] if it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [(line[1], dns.PORT) for line in words if line[:1] == ["nameserver"] and len(line) > 1]


def _text(name: Any) -> str:
    return str(bytes(name.name).decode("ascii", "replace")).rstrip(".")


def _naptr(record: Any) -> NAPTR:
    flags, service = record.flags.string, record.service.string
    return NAPTR(
        record.order,
        record.preference,
        flags.decode("ascii", "replace").lower(),
        service.decode("ascii", "replace").upper(),
        _text(record.replacement),
    )


def _srv(record: Any) -> SRV:
    return SRV(record.priority, record.weight, record.port, _text(record.target))


def _address(record: Any) -> str:
    if record.TYPE == dns.A:
        return str(record.dottedQuad())
    return inet_ntop(AF_INET6, record.address)
