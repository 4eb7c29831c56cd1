"""The ports where SIP is heard, and how connections are made: UDP, TCP, TLS, WebSocket.

Lives here: opening them by what --listen says, and why one cannot be had. Not here: what comes in
(shtoom.sip.udp, shtoom.sip.stream), certificates (doug.tls), which ports there are (doug.exchange).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorSocket, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from doug.settings import Endpoint, Settings
from doug.tls import Certificates, TLSEndpoint, TLSFailed, words
from shtoom.sip import websocket
from shtoom.sip.framing import IFramer
from shtoom.sip.gate import Gate
from shtoom.sip.probe import Probes
from shtoom.sip.stream import StreamLimits, StreamTransport
from shtoom.sip.transport import SECURE, WEB, Address
from shtoom.sip.udp import MAX_DATAGRAM, UDPTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort

    from shtoom.agent.agent import UserAgent

__all__ = ["PortFailed", "SIPPorts", "connectionLimits", "portTrouble"]


class PortFailed(Exception):
    """A port that needs something which is not here; the text is one line with the remedy."""


A_TURN = 4096  # bytes that a SIP port reads in one turn of the reactor: then sound has its own
CONNECT = 5  # seconds that a connection has to come about: a call waits meanwhile
BACKLOG = 512


def connectionLimits(settings: Settings) -> StreamLimits:
    """Of each port."""
    return StreamLimits(settings.maxConnections, settings.maxSourceConnections)


class SIPPorts:
    """Opens ports for one user agent. gate: of sources. localAddressFor: as for UDPTransport."""

    def __init__(
        self,
        reactor: Any,
        agent: UserAgent,
        settings: Settings,
        *,
        gate: Gate,
        localAddressFor: Callable[[str], str],
    ) -> None:
        self._reactor, self._agent, self._settings = reactor, agent, settings
        self._gate, self._localAddressFor = gate, localAddressFor
        self._certificates = Certificates(settings)

    def open(self, endpoint: Endpoint) -> tuple[UDPTransport | StreamTransport, IListeningPort]:
        """Raises CannotListenError, TLSFailed for certificates that cannot be used, PortFailed."""
        if endpoint.transport == "udp":
            return self._openUDP(endpoint)
        return self._openStream(endpoint)

    def _openUDP(self, endpoint: Endpoint) -> tuple[UDPTransport | StreamTransport, IListeningPort]:
        transport = UDPTransport(
            self._agent.layer,
            self._settings.fixedAddress,
            self._localAddressFor,
            self._reactor.seconds,
            Probes(self._reactor, endpoint.host),
            gate=self._gate,
            longest=self._settings.maxMessage,
        )
        transport.noisy = False  # the server's own line says where it listens
        port = _listenUDP(self._reactor, endpoint, transport)
        port.maxThroughput = A_TURN  # type: ignore[attr-defined]
        return transport, port

    def _openStream(
        self, endpoint: Endpoint
    ) -> tuple[UDPTransport | StreamTransport, IListeningPort]:
        name = endpoint.transport.upper()
        secure, web = name in SECURE, name in WEB
        if web and (why := websocket.missing()) is not None:
            raise PortFailed(why)
        connect = None if web else self._connectTLS if secure else self._connectTCP
        transport = StreamTransport(
            name,
            self._agent.layer,
            self._reactor,
            connect,
            advertise=self._settings.fixedAddress,
            localAddressFor=self._localAddressFor,
            isWanted=self._agent.isWanted,
            trusts=self._agent.policy.trusts,
            limits=connectionLimits(self._settings),
            words=words if secure else Failure.getErrorMessage,
            gate=self._gate,
            longest=self._settings.maxMessage,
            framing=self._webSocket if web else None,
        )
        factory: Any = transport.factory
        if secure:
            factory = self._certificates.accepting(factory, self._reactor)
            self._certificates.checkTrust()
        port = _listenTCP(self._reactor, endpoint, factory)
        transport.bound((endpoint.host, port.getHost().port))  # type: ignore[attr-defined]
        return transport, port

    def _webSocket(self) -> IFramer:
        return websocket.WebSocketFramer(self._settings.wsOrigins, self._settings.maxMessage)

    def _connectTCP(self, address: Address, host: str) -> IStreamClientEndpoint:
        make = TCP6ClientEndpoint if ":" in address[0] else TCP4ClientEndpoint
        endpoint: IStreamClientEndpoint = make(self._reactor, *address, timeout=CONNECT)
        return endpoint

    def _connectTLS(self, address: Address, host: str) -> IStreamClientEndpoint:
        try:
            options = self._certificates.connecting(host)
        except TLSFailed as error:  # the files of --tls-ca were right at the start
            return _NoEndpoint(error)
        return TLSEndpoint(options, self._connectTCP(address, host), self._reactor)


@implementer(IStreamClientEndpoint)
class _NoEndpoint:
    """Leads nowhere, for that reason."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """As IStreamClientEndpoint has it: fails."""
        return fail(self._error)


def _listenUDP(reactor: Any, endpoint: Endpoint, protocol: UDPTransport) -> IListeningPort:
    """Binds a port for SIP. Raises CannotListenError.

    An IPv6 socket is kept from taking IPv4 as well: peers would appear under mapped addresses,
    which no session description may name, and udp:*:5060 beside it could not be bound.
    """
    if ":" not in endpoint.host or not IReactorSocket.providedBy(reactor):
        port: IListeningPort = reactor.listenUDP(
            endpoint.port, protocol, endpoint.host, MAX_DATAGRAM
        )
        return port
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound:
        try:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setblocking(False)
            bound.bind((endpoint.host, endpoint.port))
        except OSError as e:
            raise CannotListenError(endpoint.host, endpoint.port, e) from e
        adopted: IListeningPort = reactor.adoptDatagramPort(
            bound.fileno(), socket.AF_INET6, protocol, MAX_DATAGRAM
        )
        return adopted


def _listenTCP(reactor: Any, endpoint: Endpoint, factory: Any) -> IListeningPort:
    """Binds a port for connections. Raises CannotListenError. IPv6 as in _listenUDP."""
    if ":" not in endpoint.host or not IReactorSocket.providedBy(reactor):
        port: IListeningPort = reactor.listenTCP(endpoint.port, factory, BACKLOG, endpoint.host)
        return port
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as bound:
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.setblocking(False)
            bound.bind((endpoint.host, endpoint.port))
            bound.listen(BACKLOG)
        except OSError as e:
            raise CannotListenError(endpoint.host, endpoint.port, e) from e
        adopted: IListeningPort = reactor.adoptStreamPort(bound.fileno(), socket.AF_INET6, factory)
        return adopted


def portTrouble(error: CannotListenError) -> str:
    """Why a port could not be bound, and what to do about it."""
    code = getattr(error.socketError, "errno", None)
    words = getattr(error.socketError, "strerror", None) or str(error.socketError)
    remedies = {
        EADDRINUSE: "another program has that port; stop it, or name another port",
        EADDRNOTAVAIL: "this machine has no such address; name one of its own, or * for all",
        EACCES: "ports below 1024 are for root; name a higher one",
    }
    return f"{words}: {remedies.get(code or 0, 'name another address or port')}"
