"""The addresses of this machine: which one leads to a host, and calls whose address is gone.

Lives here: asking, and looking now and then while calls are up. Not here: what a far end is told
(shtoom.agent.moving), sockets.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EADDRNOTAVAIL, EMFILE, ENFILE

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from shtoom.agent.agent import UserAgent
from shtoom.agent.moving import addressTold, move

LOOK = 2.0  # seconds between two looks
_NO_DESCRIPTOR = (EMFILE, ENFILE)


def hasAddress(host: str) -> bool:
    """Has this machine that IP address? Asked of the system by binding a socket for a moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError as e:
        return e.errno != EADDRNOTAVAIL
    return True


class LocalAddress:
    """Tells which address of ours leads to a host, even if no descriptor is left to ask with.

    Then it is the one that it told last: calls that are up must be able to end.
    """

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._ask = ask
        self._last: dict[bool, str] = {}  # by: is it IPv6?

    def __call__(self, host: str) -> str:
        """Raises OSError if there is no way there."""
        try:
            found = self._last[":" in host] = self._ask(host)
        except OSError as e:
            last = self._last.get(":" in host)
            if e.errno not in _NO_DESCRIPTOR or last is None:
                raise
            return last
        return found


class AddressWatch:
    """Sees that far ends know where we are, while there are calls.

    hasAddress: as above. given: the address that we tell whatever our own ones are, if any.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        agent: UserAgent,
        hasAddress: Callable[[str], bool],
        given: str | None,
    ) -> None:
        self._reactor, self._agent, self._hasAddress = reactor, agent, hasAddress
        self._given = given
        self._gone: set[str] = set()
        self._look: IDelayedCall | None = None

    def begin(self) -> None:
        """There is a call: looks from now on, until there is none."""
        if self._look is None and self._given is None:
            self._look = self._reactor.callLater(LOOK, self._lookNow)

    def stop(self) -> None:
        """No more."""
        look, self._look = self._look, None
        if look is not None:
            look.cancel()

    def _lookNow(self) -> None:
        self._look = None
        calls = list(self._agent.calls)
        if not calls:
            self._gone.clear()
            return
        self.begin()
        told = {addressTold(call) for call in calls} - {""}
        gone = {host for host in told if not self._hasAddress(host)}
        for host in gone - self._gone:
            self.log.warn(
                "this machine has no address {host} any more, which far ends of calls were told; "
                "where SIP is heard at all addresses (--listen=udp:*:5060) they are told the new "
                "one, a server that is bound to {host} must be started anew",
                host=host,
            )
        self._gone = gone
        for call in calls:
            if addressTold(call) in gone:
                move(call)
