"""SIP over UDP (RFC 3261 18): datagrams to messages and back.

Lives here: the thin protocol. Not here: what becomes of a message (inlet.py), what it means (its
receiver), whether anybody is there (probe.py).
"""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from shtoom.exceptions import TransportFailed
from shtoom.sip.inlet import Inlet
from shtoom.sip.parser import MAX_BYTES, isKeepAlive
from shtoom.sip.probe import Probes
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.stun import isSTUN
from shtoom.sip.transport import (
    Address,
    ISIPTransport,
    Peer,
    Receiver,
    Told,
    localAddressFor,
    ownAddress,
    toldNothing,
)
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from shtoom.sip.gate import Gate

MAX_DATAGRAM = 65535
"""What listenUDP is to be given as maxPacketSize: Twisted's own value cuts large INVITEs."""

_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
_BUFFER_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)


@implementer(ISIPTransport)
class UDPTransport(DatagramProtocol):
    """One UDP port; hand it to listenUDP, with maxPacketSize=MAX_DATAGRAM.

    advertise: the address that peers are told instead of our own (no brackets). localAddressFor:
    tells the address of ours that leads to a host, asked when the port is bound to all of them.
    told, an attribute: knows better than both. onSTUN: takes STUN and where it came from.
    seconds: the time, for the limit of one log line a second for each reason.
    probes: ask whether anybody is there; None leaves it to the timers of a request. gate: whom not
    to hear; None: nobody. longest: bytes of a message that is read.
    counts: datagrams by what became of them: received, sent, keepAlive, malformed, limited (by the
    gate), scanner (dropped by it), error (an exception here or in what the receiver calls),
    sendFailed, sendDropped (buffer full: lost, as on the network); and refused, the probes that met
    nobody.
    """

    name = "UDP"
    reliable = False
    log = Logger()

    def __init__(
        self,
        receiver: Receiver,
        advertise: str | None = None,
        localAddressFor: Callable[[str], str] = localAddressFor,
        seconds: Callable[[], float] = time.monotonic,
        probes: Probes | None = None,
        *,
        gate: Gate | None = None,
        longest: int = MAX_BYTES,
    ) -> None:
        self.receiver, self.advertise = receiver, advertise
        self._probes = probes
        self.counts: Counter[str] = Counter()
        self.told: Told = toldNothing
        self.onSTUN: Callable[[bytes, Address], None] | None = None
        self._localAddressFor = localAddressFor
        self._quietLog = QuietLog(self.log, seconds)
        self._inlet = Inlet(
            receiver, self.counts, self._quietLog, seconds, gate=gate, longest=longest
        )
        self._bound: Address | None = None
        self._ours: str | None = None  # the address that was told last, if bound to all of them

    def startProtocol(self) -> None:
        """The port is bound."""
        if self.transport is not None:
            host = self.transport.getHost()
            self._bound = (host.host, host.port)

    def stopProtocol(self) -> None:
        """The port is closed: nothing can be sent any more."""
        self._bound = None
        if self._probes is not None:
            self._probes.close()

    def sentBy(self, remoteHost: str) -> Address:
        """As ISIPTransport has it."""
        if self._bound is None:
            raise TransportFailed("the UDP port is closed")
        told = self.told(remoteHost)
        if told is not None:
            return told[0], told[1] or self._bound[1]
        return self.routed(remoteHost)

    def routed(self, remoteHost: str) -> Address:
        """As sentBy, by `advertise` and the route there alone."""
        if self._bound is None:
            raise TransportFailed("the UDP port is closed")
        return ownAddress(self._bound, remoteHost, self.advertise, self._localAddressFor)

    def send(self, data: bytes, address: Address) -> None:
        """As ISIPTransport has it. What finds the socket's buffer full is lost and counted."""
        if self._bound is None or self.transport is None:
            raise TransportFailed("the UDP port is closed")
        try:
            self.transport.write(data, address)
        except (OSError, MessageLengthError, InvalidAddressError) as e:
            if isinstance(e, OSError) and e.errno in _BUFFER_FULL:
                self.counts["sendDropped"] += 1
                return
            self.counts["sendFailed"] += 1
            raise TransportFailed(f"UDP to {hostPort(*address)}: {_words(e)}") from e
        self.counts["sent"] += 1

    def isOpen(self, address: Address) -> bool:
        """As ISIPTransport has it: datagrams have no connections."""
        return False

    def flow(self, address: Address) -> int:
        """As ISIPTransport has it: there are none."""
        return 0

    def named(self, address: Address, host: str) -> None:
        """As ISIPTransport has it: nobody asks."""

    def probe(self, address: Address) -> None:
        """As ISIPTransport has it."""
        if self._probes is not None and self._bound is not None:
            self._probes.ask(address, partial(self._refused, address))

    def _refused(self, address: Address) -> None:
        self.counts["refused"] += 1
        failure = TransportFailed(
            f"nobody listens at {hostPort(*address)}, UDP (ICMP: port unreachable)"
        )
        self.receiver.unreachable(failure, Peer(self, address))

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """One datagram. Whatever goes wrong with it ends here."""
        self.counts["received"] += 1
        try:
            self._received(datagram, Peer(self, (addr[0], addr[1])))
        except Exception as e:
            self.counts["error"] += 1
            self._quietLog.failure(
                type(e).__name__,
                "a datagram from {host}:{port} was dropped",
                Failure(),
                host=addr[0],
                port=addr[1],
            )

    def _received(self, datagram: bytes, peer: Peer) -> None:
        if isKeepAlive(datagram):
            self.counts["keepAlive"] += 1
            return
        if self.onSTUN is not None and isSTUN(datagram):
            self.onSTUN(datagram, peer.address)
            return
        self._inlet.received(datagram, peer)


def _words(error: OSError | MessageLengthError | InvalidAddressError) -> str:
    if isinstance(error, InvalidAddressError):
        return f"{error.message}; listen on an address of its family, too"
    return getattr(error, "strerror", None) or str(error)
