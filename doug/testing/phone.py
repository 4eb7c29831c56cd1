"""Virtual phones: real SIP and RTP over the in-memory network, driven by a test.

Lives here: Phone, one device with an address of its own. Not here: what its user does and hears
(phonecall.py), the server (lab.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.endpoints import TCP4ClientEndpoint
from zope.interface import implementer

from doug.settings import Settings
from doug.testing.ear import Sound
from doug.testing.media import MemoryMediaIO
from doug.testing.phonecall import PhoneCall
from doug.tls import Certificates, TLSEndpoint
from shtoom.agent.agent import IUserAgentUser, UserAgent
from shtoom.agent.inbound import InboundCall
from shtoom.exceptions import CallFailed, CallRejected
from shtoom.media.clock import MediaClock
from shtoom.media.ports import PortPool
from shtoom.sip.digest import Challenge, parseAnswer
from shtoom.sip.framing import Framer, IFramer
from shtoom.sip.resolver import Resolver, ResolvingReactor
from shtoom.sip.stream import StreamTransport
from shtoom.sip.timers import Timers
from shtoom.sip.udp import UDPTransport
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint

    from doug.testing.network import Address, MemoryHost, MemoryPort
    from doug.testing.reactor import VirtualReactor
    from doug.testing.streams import MemoryStreamPort

__all__ = ["Phone"]

RTP_PORTS = (40000, 41998)
TRANSPORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}  # and the port of each
CONNECT = 5  # seconds that a connection has to come about
ON_CALL = ("answer", "ring", "busy", "decline")
SERVER = re.compile(r"@doug(?![\w.-])")
REALM = "doug.testing"  # that of a phone's challenges


@implementer(IUserAgentUser)
class Phone:
    """A phone on the in-memory network.

    name: its user part. codecs: by name, best first. ptime: milliseconds of sound a packet.
    events: does it know RFC 4733? onCall: what it does when it rings, one of "answer", "ring"
    (for ever), "busy", "decline". answerAfter: seconds of ringing. earlySound: what it says while
    it rings, to those who hear early media. redirectTo: addresses that it sends every caller to.
    auth: user and password that it asks every caller for. transport: "udp", "tcp"
    or "tls". certificate: what it shows over TLS (PEM, with its key); it believes any.
    findFile: where the sound of a relative path is. outcomes: how applications have ended, for
    failed assertions. ValueError for an onCall or a transport that there is not.
    """

    def __init__(
        self,
        reactor: VirtualReactor,
        host: MemoryHost,
        rng: Random,
        *,
        name: str = "alice",
        serverAddress: str = "",
        codecs: Iterable[str] = ("PCMU", "PCMA"),
        ptime: int = 20,
        events: bool = True,
        onCall: str = "answer",
        answerAfter: float = 0.0,
        earlySound: Sound | None = None,
        redirectTo: Iterable[str] = (),
        auth: tuple[str, str] | None = None,
        timers: Timers | None = None,
        transport: str = "udp",
        certificate: str | None = None,
        findFile: Callable[[str], str] = str,
        outcomes: Callable[[], str] = str,
    ) -> None:
        if onCall not in ON_CALL:
            raise ValueError(f"onCall: wanted one of {', '.join(ON_CALL)}, got {onCall!r}")
        self.reactor, self.host, self.name = reactor, host, name
        self.serverAddress = serverAddress
        self.codecs, self.ptime, self.events = tuple(codecs), ptime, events
        self.onCall, self.answerAfter, self.findFile = onCall, answerAfter, findFile
        self.earlySound, self.redirectTo, self.auth = earlySound, tuple(redirectTo), auth
        self.outcomes = outcomes
        self.calls: list[PhoneCall] = []
        self.io = MemoryMediaIO(host)
        self.clock = MediaClock(reactor, self.io, PortPool(*RTP_PORTS, rng), rng=rng, phases=2)
        self.agent = UserAgent(
            reactor,
            self,
            rng=rng,
            resolver=Resolver(cast(ResolvingReactor, reactor)),
            timers=timers if timers is not None else Timers(),
            product=f"Phone/{name}",
        )
        if transport not in TRANSPORTS:
            raise ValueError(f"transport: wanted {', '.join(TRANSPORTS)}, got {transport!r}")
        self.transport = transport
        self._streams: StreamTransport | None = None
        self._nonces: set[str] = set()
        self.port: MemoryPort | MemoryStreamPort
        if transport == "udp":
            self._listenUDP()
        else:
            self._listenStreams(certificate)
        self.rng = rng

    @property
    def uri(self) -> str:
        """What to dial to reach this phone."""
        return f"sip:{self.name}@{hostPort(self.host.address, None)}{self._param}"

    @property
    def connections(self) -> int:
        """How many it has open, or is making."""
        return len(self._streams) if self._streams is not None else 0

    @property
    def _param(self) -> str:
        return "" if self.transport == "udp" else f";transport={self.transport}"

    def _listenUDP(self) -> None:
        transport = UDPTransport(
            self.agent.layer, localAddressFor=lambda remoteHost: self.host.address
        )
        self.port = self.host.listenUDP(5060, transport)
        self.agent.addTransport(transport)

    def _listenStreams(self, certificate: str | None) -> None:
        port = TRANSPORTS[self.transport]
        certificates = Certificates(Settings(certificate=certificate, tlsVerify=False))
        secure = self.transport == "tls"

        def connect(address: Address, name: str) -> IStreamClientEndpoint:
            plain = TCP4ClientEndpoint(self.host, *address, timeout=CONNECT)
            if not secure:
                return plain
            return TLSEndpoint(certificates.connecting(name), plain, self.reactor)

        transport = self._streams = StreamTransport(
            self.transport.upper(),
            self.agent.layer,
            self.reactor,
            connect,
            localAddressFor=lambda remoteHost: self.host.address,
            isWanted=self.agent.isWanted,
            framing=self.framing,
        )
        factory: Any = transport.factory
        if secure:
            factory = certificates.accepting(factory, self.reactor)
        self.port = self.host.listenTCP(port, factory)
        transport.bound((self.host.address, port))
        self.agent.addTransport(transport)

    def framing(self) -> IFramer:
        """What finds messages on one of its connections, and writes them."""
        return Framer()

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself, without any call."""
        return self._streams.timers() if self._streams is not None else []

    def dial(
        self,
        uri: str,
        *,
        fromURI: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        sdp: bytes | None = None,
    ) -> PhoneCall:
        """Calls `uri`; the host "doug" is the server of the lab.

        fromURI: who it says it is. headers: more of them on the INVITE. sdp: an offer of the
        test's own making instead of the phone's.
        """
        call = self._newCall()
        offer = call.offer() if sdp is None else sdp
        server = f"@{self.serverAddress}{self._param}"
        target = SERVER.sub(server, uri) if self.serverAddress else uri
        caller = fromURI if fromURI is not None else self.uri
        call.began(self.agent.placeCall(target, offer, call, fromURI=caller, headers=headers))
        return call

    def callReceived(self, call: InboundCall) -> None:
        """The phone rings, or refuses, as onCall and the rest say."""
        if self.auth is not None and not self.isKnown(call, *self.auth):
            challenge = Challenge(REALM, f"{self.rng.getrandbits(64):016x}", "SHA-256", ("auth",))
            self._nonces.add(challenge.nonce)
            headers = [("WWW-Authenticate", str(challenge))]
            call.reject(CallFailed("Unauthorized", 401), headers)
            return
        if self.redirectTo:
            contacts = [("Contact", f"<{uri}>") for uri in self.redirectTo]
            call.reject(CallFailed("Moved Temporarily", 302), contacts)
            return
        if self.onCall == "busy":
            raise CallFailed("Busy Here", 486)
        if self.onCall == "decline":
            raise CallRejected
        mine = self._newCall()
        mine.began(call)
        call.user = mine
        if self.earlySound is None:
            call.ring()
        else:
            mine.speakEarly(self.earlySound)
        if self.onCall == "answer":  # "ring" leaves it at that
            mine.later(self.answerAfter, mine.answer)

    def callUp(self, call: PhoneCall) -> None:
        """A call is answered, either way; a phone that does something of its own then begins."""

    def _newCall(self) -> PhoneCall:
        call = PhoneCall(self, self.clock.openSession(self.host.address))
        self.calls.append(call)
        return call

    def isKnown(self, call: InboundCall, user: str, password: str) -> bool:
        """Has the INVITE the right answer to a challenge of this phone?"""
        request = call.request
        value = request.header("Authorization") if request is not None else None
        if request is None or value is None:
            return False
        answer = parseAnswer(value)
        return (
            answer.nonce in self._nonces
            and (answer.username, answer.realm, answer.uri) == (user, REALM, request.uriText)
            and answer.matches(password, request.method, request.body)
        )

    def close(self) -> None:
        """Takes the phone off the network."""
        for call in self.calls:
            call.close()
        self.clock.close()
        self.io.close()
        self.agent.stop()
        self.port.stopListening()
        if self._streams is not None:
            self._streams.close()
