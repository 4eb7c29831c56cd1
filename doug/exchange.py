"""What all calls of a server share: SIP ports, user agent, media clock, prompts.

Lives here: opening and closing them, and the address and port that go with one call.
Not here: which application a call is for (doug.legmaker), what a call does (doug.leg).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from doug._version import __version__
from doug.dialplan import DialPlan
from doug.ownaddress import AddressWatch, LocalAddress
from doug.ports import PortFailed, SIPPorts, connectionLimits, portTrouble
from doug.publicaddress import PublicAddress
from doug.relations import Relations
from doug.settings import Endpoint, Settings
from doug.tls import TLSFailed
from doug.tracing import Tracing
from shtoom.agent.agent import IUserAgentUser, UserAgent
from shtoom.agent.keepalive import FlowKeeper
from shtoom.agent.lag import LagWatch
from shtoom.agent.policy import CallPolicy
from shtoom.agent.sessiontimer import SessionPolicy
from shtoom.exceptions import TransportFailed
from shtoom.media.clock import MediaClock
from shtoom.media.disk import Disk
from shtoom.media.inband import Inband
from shtoom.media.io import IMediaIO
from shtoom.media.ports import PortPool
from shtoom.media.prompts import PromptCache
from shtoom.sdp.offeranswer import Capabilities
from shtoom.sip.gate import Gate
from shtoom.sip.names import INames
from shtoom.sip.resolver import Resolver
from shtoom.sip.scanners import Scanners
from shtoom.sip.stream import StreamTransport
from shtoom.sip.timers import Timers
from shtoom.sip.transport import ISIPTransport, Peer
from shtoom.sip.udp import UDPTransport
from shtoom.sip.uri import parseURI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IListeningPort

    from shtoom.agent.registration import Registration
    from shtoom.media.session import MediaSession

ANYWHERE = "192.0.2.1"  # RFC 5737: nobody's, so the default route is what leads there


class StartFailed(Exception):
    """A server that cannot start; the text is one line that names option and remedy."""


class Exchange:
    """The network side of a server. agent: its calls. media: the clock of its sessions.
    dialPlan: what may be dialled.

    mediaIO: makes the IMediaIO, given the reactor. localAddressFor: tells which address of this
    machine leads to a host; hasAddress: is that one of this machine? wallTime: seconds since 1970.
    names: DNS, None for none. relations: whom we know. scanners: whom we do not hear. tracing: who
    sees messages. No port is open before listen(). Raises StartFailed if the file that
    registrations are kept in cannot be had.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        user: IUserAgentUser,
        *,
        mediaIO: Callable[[Any], IMediaIO],
        deferToThread: Callable[..., Deferred[Any]],
        deferToDisk: Callable[..., Deferred[Any]],
        rng: Random,
        timers: Timers,
        localAddressFor: Callable[[str], str],
        hasAddress: Callable[[str], bool],
        wallTime: Callable[[], float],
        names: INames | None,
        trunkChanged: Callable[[str, str], None] = lambda name, state: None,
    ) -> None:
        self.reactor, self.settings, self.rng = reactor, settings, rng
        self.agent = UserAgent(
            reactor,
            user,
            resolver=Resolver(reactor, names, rng),
            rng=rng,
            timers=timers,
            product=f"Doug/{__version__}",
            policy=CallPolicy(
                rng,
                maxCalls=settings.maxCalls,
                maxEarlyCalls=settings.maxEarlyCalls,
                limitLoopback=settings.limitLoopback,
            ),
        )
        self.agent.sessionPolicy = SessionPolicy(settings.sessionExpires, settings.minSE)
        self._lag = LagWatch(reactor)
        self.agent.policy.isOverloaded = self._lag.isOverloaded
        self.agent.layer.mostUnanswered = settings.maxTransactions
        self.scanners = Scanners(
            settings.scanners,
            settings.maxGuesses,
            knows=self._isKnown,
            seconds=reactor.seconds,
        )
        self._gate = Gate(
            settings.sourceRate,
            trusts=self.agent.policy.trusts,
            isLive=self.agent.isLive,
            isOverloaded=lambda: self.isOverloaded,
            isScanner=self.scanners.isOne,
        )
        self.dialPlan = DialPlan(settings.dialOut, settings.gateway)
        self.agent.mayDial = self.dialPlan.mayDial
        self.io = mediaIO(reactor)
        ports = PortPool(*settings.rtpPorts, rng)
        self.media = MediaClock(
            reactor, self.io, ports, rng=rng, idle=settings.idle, isLocal=self._isLocal
        )
        self.media.onLate = self._late
        self.inband = Inband(reactor)
        self.prompts = PromptCache(deferToThread)
        self.disk = Disk(reactor, deferToDisk)
        self._localAddressFor = LocalAddress(localAddressFor)
        self._public = PublicAddress(self.agent, settings, self._registrations)
        self.agent.onSeen = self._public.seen
        self._addresses = AddressWatch(
            reactor,
            self.agent,
            lambda host: self._public.isTold(host) or hasAddress(host),
            settings.fixedAddress,
        )
        self._flows = FlowKeeper(self.agent)
        self.agent.onRegister = self._flows.begin
        try:
            self.relations = Relations(
                self.agent,
                settings,
                rng,
                deferToThread,
                wallTime=wallTime,
                isOurs=self._isOurs,
                refused=self.scanners.refused,
                trunkChanged=trunkChanged,
            )
        except OSError as e:  # of the file that registrations are kept in
            self.io.close()
            raise StartFailed(str(e)) from e
        self.agent.policy.isTrunk = self.relations.trunking.sends
        self.tracing = Tracing(reactor, self.agent, settings, wallTime)
        self._sipPorts = SIPPorts(
            reactor, self.agent, settings, gate=self._gate, localAddressFor=self._localAddressFor
        )
        self._hosts: dict[ISIPTransport, str] = {}
        self._ports: list[IListeningPort] = []
        self.heard: list[tuple[Endpoint, UDPTransport | StreamTransport]] = []
        self._ownPorts: frozenset[int] = frozenset()

    def reload(self, settings: Settings) -> None:
        """What is new in the settings holds from now on, but for what counts at the start alone.

        Raises OSError, with nothing changed.
        """
        self.relations.reload(settings)
        self.tracing.reload(settings)
        self.settings = settings
        policy = self.agent.policy
        policy.maxCalls, policy.maxEarlyCalls = settings.maxCalls, settings.maxEarlyCalls
        policy.limitLoopback = settings.limitLoopback
        self.agent.layer.mostUnanswered = settings.maxTransactions
        self.agent.sessionPolicy = SessionPolicy(settings.sessionExpires, settings.minSE)
        if settings.sourceRate != self._gate.rate:
            self._gate.setRate(settings.sourceRate)
        for transport in self._hosts:
            if isinstance(transport, StreamTransport):
                transport.limits = connectionLimits(settings)
        self.scanners.change(settings.scanners, settings.maxGuesses)
        self.dialPlan = DialPlan(settings.dialOut, settings.gateway)
        self.agent.mayDial = self.dialPlan.mayDial

    def listen(self) -> list[Endpoint]:
        """Opens the SIP ports; returns where. Raises StartFailed if one cannot be had."""
        for number, endpoint in enumerate(self.settings.listen):
            said = self.settings.said("listen", endpoint, number)
            try:
                transport, port = self._sipPorts.open(endpoint)
            except CannotListenError as e:
                raise StartFailed(f"{said}: {portTrouble(e)}") from e
            except (TLSFailed, PortFailed) as e:
                raise StartFailed(f"{said}: {e}") from e
            self._ports.append(port)
            self._hosts[transport] = endpoint.host
            self.agent.addTransport(transport)
            self._public.take(transport, endpoint.host)
            bound = port.getHost().port  # type: ignore[attr-defined]
            self._ownPorts |= {bound}
            self.heard.append((endpoint._replace(port=bound), transport))
        self.tracing.start()
        self._flows.begin()
        self._public.start().addCallback(lambda _: self.relations.start())
        return [endpoint for endpoint, _ in self.heard]

    def _registrations(self) -> list[Registration]:
        trunks = self.relations.trunking.trunks.values()
        return [trunk.registration for trunk in trunks if trunk.registration is not None]

    def peerFor(self, toURI: str) -> Peer:
        """By which of our ports a call to that URI leaves, as far as can be told before it does.

        Raises TransportFailed if there is none.
        """
        names = self.agent.transportNames
        try:
            uri = parseURI(toURI)
        except ValueError:  # the user agent tells what is wrong with it
            host = ""
        else:
            host = uri.host
            names = [uri.transport.upper()] if uri.transport else names
        if host.lower() == "localhost":
            host = "127.0.0.1"
        elif not _isLiteral(host):
            host = ANYWHERE  # a name is looked up when it is dialled; most are beyond the router
        open_ = [self.agent.transportFor(name, host) for name in names]
        transport = next((t for t in open_ if t is not None), None)
        if transport is None:
            raise TransportFailed(f"this server has no {names[0]} port to call from (--listen)")
        return Peer(transport, (host, 0))

    def openSession(self, peer: Peer) -> MediaSession:
        """Media for a call with that peer, on the address that SIP with it uses.

        Raises MediaPortsExhausted, or TransportFailed if that address cannot be had.
        """
        host = self._hosts[peer.transport]
        if not host:
            host = "::" if ":" in peer.address[0] else "0.0.0.0"
        try:
            return self.media.openSession(host)
        except OSError as e:
            raise TransportFailed(f"no media socket on {host}: {e.strerror or e}") from e

    def capabilities(
        self, peer: Peer, port: int, codecs: tuple[str, ...] | None = None
    ) -> Capabilities:
        """What a new call with that peer may agree on. port: of its media session. codecs: None
        for those of the server.
        """
        address, _ = peer.transport.sentBy(peer.address[0])
        self._addresses.begin()
        return Capabilities(
            codecs=codecs if codecs is not None else self.settings.codecs,
            events=True,
            address=address,
            port=port,
            sessionID=self.rng.getrandbits(47),
            version=1,
            ownPorts=self._ownPorts,
        )

    def checkPlacing(self) -> None:
        """Raises CallFailed if no call may be placed now."""
        policy = self.agent.policy
        refusal = policy.refusalOfOurs(len(self.agent.calls))
        if refusal is not None:
            raise policy.failure(refusal)

    @property
    def isOverloaded(self) -> bool:
        """Is the reactor too late for new calls?"""
        return self._lag.overloaded

    def _late(self, seconds: float) -> None:
        """Sound was left out."""
        self._lag.isOverloaded()

    def _isOurs(self, host: str, port: int) -> bool:
        """Do they lead to a SIP port of ours?"""
        return port in self._ownPorts and _isLiteral(host) and self._isLocal(host)

    def _isKnown(self, host: str) -> bool:
        """Is somebody of ours there?"""
        return self.relations.isKnown(host)

    def _isLocal(self, host: str) -> bool:
        """Is it an address of this machine, or the one that phones reach it by?"""
        try:
            return self._public.isTold(host) or host == self._localAddressFor(host)
        except OSError:  # no way there
            return False

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself, without any call: registrations, connections."""
        found = [*self.relations.timers(), *self.tracing.timers()]
        found += [*self._flows.timers(), *self._public.timers()]
        for transport in self._hosts:
            if isinstance(transport, StreamTransport):
                found += transport.timers()
        return found

    async def close(self) -> None:
        """Closes all ports and connections; calls are left as they are."""
        self.agent.stop()
        self._lag.stop()
        self._addresses.stop()
        self._flows.stop()
        self._public.stop()
        self.media.close()
        self.io.close()
        self.prompts.clear()
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        await self.tracing.close()
        for transport in self._hosts:
            if isinstance(transport, StreamTransport):
                transport.close()


def _isLiteral(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
