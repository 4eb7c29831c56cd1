"""HEPv3, by which Homer and its like are shown SIP messages: one UDP datagram for each.

The packet: "HEP3", its length, then chunks of vendor, type, length and data, all big-endian (the
HEP3 draft of the SIPCAPTURE project; vendor 0 has the types below). Lives here: the packets, and
who sends them. Not here: which messages, and what is masked in them (trace.py).
"""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from shtoom.exceptions import CallFailed, TransportFailed, checkText
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.uri import URI, hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from shtoom.sip.resolver import Resolver
    from shtoom.sip.trace import Traced
    from shtoom.sip.transport import Address

__all__ = ["HEPSender", "HEPTarget", "encodeHEP", "parseHEP"]

USUAL_PORT = 9060
USUAL_ID = 2001
LONGEST = 60_000
"""Bytes of a message that one datagram carries; what is longer is cut."""

LOOK_AGAIN = 30.0
"""Seconds until a name that is not known is looked up again."""

_SIP = 1  # the payload's kind
_PROTOCOLS = {"UDP": 17}  # of IP; TCP carries all the others
_TCP = 6
_IPV4, _IPV6 = 2, 10  # families, as Linux numbers them


class HEPTarget(NamedTuple):
    """Where packets go. host: an IP address or a name. agentID: who we are there."""

    host: str
    port: int = USUAL_PORT
    agentID: int = USUAL_ID
    password: str | None = None


def parseHEP(text: str) -> HEPTarget:
    """'HOST[:PORT][,ID[,PASSWORD]]', an IPv6 host in brackets; ValueError says what is wrong."""
    where, *more = text.split(",", 2)
    wanted = "wanted HOST:PORT[,ID[,PASSWORD]], such as 192.0.2.7:9060,2001"
    host, port = where, str(USUAL_PORT)
    if not where.endswith("]") and ":" in where:
        host, _, port = where.rpartition(":")
    bare = host.strip("[]")
    if not bare or any(c.isspace() for c in bare) or (":" in bare) != host.startswith("["):
        raise ValueError(f"{wanted}; there is no host in it")
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError(f"{wanted}; what is after the colon is no port")
    agent = more[0] if more else str(USUAL_ID)
    if not (agent.isascii() and agent.isdigit()) or int(agent) >= 2**32:
        raise ValueError(f"{wanted}; the ID is a number below 2^32")
    try:
        checkText("hep", text)
    except ValueError:  # which shows all of it
        raise ValueError(f"{wanted}; without CR, LF or NUL") from None
    return HEPTarget(bare, int(port), int(agent), more[1] if len(more) > 1 else None)


def encodeHEP(message: Traced, ours: Address, target: HEPTarget) -> bytes:
    """One packet. ours: the address of our end, of the peer's family."""
    transport, far = message.peer
    source, destination = (ours, far) if message.isSent else (far, ours)
    addresses = [ip_address(host.partition("%")[0]) for host, _ in (source, destination)]
    isIPv6 = addresses[0].version == 6
    microseconds = round(message.when * 1_000_000)
    chunks = [
        (1, bytes([_IPV6 if isIPv6 else _IPV4])),
        (2, bytes([_PROTOCOLS.get(transport.name, _TCP)])),
        (5 if isIPv6 else 3, addresses[0].packed),
        (6 if isIPv6 else 4, addresses[1].packed),
        (7, source[1].to_bytes(2, "big")),
        (8, destination[1].to_bytes(2, "big")),
        (9, (microseconds // 1_000_000).to_bytes(4, "big")),
        (10, (microseconds % 1_000_000).to_bytes(4, "big")),
        (11, bytes([_SIP])),
        (12, target.agentID.to_bytes(4, "big")),
        (17, message.callID.encode("utf-8", "surrogateescape")),
        (15, message.data[:LONGEST]),
    ]
    if target.password is not None:
        chunks.insert(-2, (14, target.password.encode("utf-8", "surrogateescape")))
    body = b"".join(
        b"\0\0" + kind.to_bytes(2, "big") + (len(data) + 6).to_bytes(2, "big") + data
        for kind, data in chunks
    )
    return b"HEP3" + (len(body) + 6).to_bytes(2, "big") + body


class HEPSender(DatagramProtocol):
    """Shows every message to a target, from a port of its own; shtoom.sip.trace.Messages.

    reactor: for listenUDP. resolver: of the target's name. counts: sent; failed, by the network or
    because the name is not known as yet.
    """

    noisy = False
    log = Logger()

    def __init__(self, reactor: Any, target: HEPTarget, resolver: Resolver) -> None:
        self.target, self._reactor, self._resolver = target, reactor, resolver
        self.counts: Counter[str] = Counter()
        self._quietLog = QuietLog(self.log, reactor.seconds)
        self._port: Any = None
        self._at: Address | None = None
        self._looking: Deferred[None] | None = None
        self._again: IDelayedCall | None = None

    def start(self) -> None:
        """Finds the target. Raises nothing: what is wrong is logged, and tried again."""
        uri = URI("sip", None, None, hostPort(self.target.host, None), self.target.port)
        self._looking = self._resolver.resolve(uri, ("UDP",)).addCallbacks(
            self._found, self._notFound
        )

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself."""
        return [self._again] if self._again is not None and self._again.active() else []

    def close(self) -> Deferred[None] | None:
        """No more packets; what it returns fires when the port is closed."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
        for call in self.timers():
            call.cancel()
        port, self._port = self._port, None
        self._at = None
        stopped: Deferred[None] | None = port.stopListening() if port is not None else None
        return stopped

    def told(self, message: Traced) -> None:
        """As Messages has it."""
        at = self._at
        if at is None or self.transport is None:
            self.counts["failed"] += 1
            return
        packet = encodeHEP(message, _ours(message), self.target)
        try:
            self.transport.write(packet, at)
        except OSError as error:  # nobody waits for it: the next one tells
            self.counts["failed"] += 1
            self._quietLog.warn(
                "hep", "--hep={at}: {error}", at=hostPort(*at), error=error.strerror or str(error)
            )
        else:
            self.counts["sent"] += 1

    def _found(self, places: list[tuple[str, int, str]]) -> None:
        host, port, _ = places[0]
        self._port = self._reactor.listenUDP(0, self, "::" if ":" in host else "")
        self._at = (host, port)

    def _notFound(self, failure: Any) -> None:
        if failure.check(CancelledError):
            return
        failure.trap(CallFailed)
        self.log.warn(
            "--hep={host}: {reason}; looked up again in {wait:g} s",
            host=self.target.host,
            reason=failure.getErrorMessage(),
            wait=LOOK_AGAIN,
        )
        self._again = self._reactor.callLater(LOOK_AGAIN, self.start)


def _ours(message: Traced) -> Address:
    """The address that the far end has of us; of its family, whatever is advertised."""
    host = message.peer.address[0]
    nowhere = "::" if ":" in host else "0.0.0.0"
    try:
        ours = message.peer.transport.sentBy(host)
    except TransportFailed:
        return nowhere, 0
    return ours if (":" in ours[0]) == (":" in host) else (nowhere, ours[1])
