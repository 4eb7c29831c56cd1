"""Is anybody at that UDP address? What ICMP says about it (RFC 3261 18.4).

The system tells ICMP errors to connected sockets alone; with the SIP port's own socket an error
that one peer causes would be met by whatever is sent next, to anybody. So a socket of its own asks,
for a request that had no response when it was repeated: few ever are.

Lives here: those sockets. Not here: the SIP port (udp.py), whom an answer concerns
(transactions.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IListeningPort

    from shtoom.sip.transport import Address

PATIENCE = 3.0
"""Seconds that a socket waits for ICMP: longer than any way there and back."""

MOST = 32
"""Sockets at a time: descriptors are for calls, and a hundred callers may vanish at once."""

KEEP_ALIVE = b"\r\n\r\n"
"""What every SIP port takes and nobody answers (RFC 5626 3.5.1)."""

log = Logger()


class Probes:
    """The questions that are under way, one socket for each address.

    reactor: for listenUDP and callLater. interface: the address that the SIP port is bound to. The
    socket has a port of its own, which who forges ICMP would have to guess within PATIENCE.
    """

    def __init__(self, reactor: Any, interface: str = "") -> None:
        self._reactor, self._interface = reactor, interface
        self._probes: dict[Address, _Probe] = {}

    def __len__(self) -> int:
        return len(self._probes)

    def ask(self, address: Address, refused: Callable[[], None]) -> None:
        """Sends a keep-alive there; refused() is called if ICMP says that nobody listens.

        If a question to that address is under way it is put once more, in the time that there is.
        Beyond MOST of them nobody is asked: the timers of the request will tell.
        """
        probe = self._probes.get(address)
        if probe is None and len(self._probes) >= MOST:
            return
        if probe is None:
            probe = _Probe(address, lambda: self._over(address, refused))
            interface = self._interface or ("::" if ":" in address[0] else "")
            try:
                probe.port = self._reactor.listenUDP(0, probe, interface)
            except CannotListenError as e:  # no descriptor is left, say: the timers will tell
                log.debug("nobody asks at {at}: {error}", at=hostPort(*address), error=str(e))
                return
            self._probes[address] = probe
            probe.timer = self._reactor.callLater(PATIENCE, self._over, address, None)
        probe.ask()

    def close(self) -> None:
        """Nothing is asked any more."""
        for address in list(self._probes):
            self._over(address, None)

    def _over(self, address: Address, then: Callable[[], None] | None) -> None:
        probe = self._probes.pop(address, None)
        if probe is not None:
            probe.close()
            if then is not None:
                then()


class _Probe(DatagramProtocol):
    """A socket that is connected to one address. refused: called once, if that refuses."""

    noisy = False

    def __init__(self, address: Address, refused: Callable[[], None]) -> None:
        self._address, self._refused = address, refused
        self._connected = False
        self.port: IListeningPort | None = None
        self.timer: IDelayedCall | None = None

    def ask(self) -> None:
        """Sends the keep-alive. No way there: who sent the request has heard it already."""
        transport = cast(Any, self.transport)
        try:
            if not self._connected:
                transport.connect(*self._address)
                self._connected = True
            transport.write(KEEP_ALIVE)
        except OSError as e:
            log.debug("{at} cannot be asked: {error}", at=hostPort(*self._address), error=str(e))

    def close(self) -> None:
        """Gives the socket back."""
        port, self.port = self.port, None
        if port is not None:
            maybeDeferred(port.stopListening)
        if self.timer is not None and self.timer.active():
            self.timer.cancel()

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Somebody is there, and says so: a response to the request tells more."""

    def connectionRefused(self) -> None:
        """The port is unreachable, as reactors other than epoll's tell it."""
        self._refused()

    def stopProtocol(self) -> None:
        """Twisted's epoll reactor closes a UDP port that has an error: the same, unless we did."""
        if self.port is not None:
            self.port = None
            self._refused()
