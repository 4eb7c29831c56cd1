"""The way back to registered phones behind NAT is kept open.

A router forgets a UDP flow that nobody uses, some after 30 seconds, and the phone is not reached
any more until it registers anew (RFC 5626 3.5). Over connections it is the phone's to keep them.

Lives here: which flows, and when something is sent. Not here: registrations of ours, which keep
their own flow (registration.py), phones (registrar.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from twisted.logger import Logger

from shtoom.exceptions import MalformedMessage, TransportFailed
from shtoom.sip.probe import KEEP_ALIVE
from shtoom.sip.uri import hostPort, parseURI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from shtoom.agent.agent import UserAgent
    from shtoom.agent.registrar import Binding
    from shtoom.sip.transport import Address

__all__ = ["FlowKeeper", "isBehindNAT"]

BEAT, SLOTS = 1.0, 25
"""Seconds between two turns, and in how many of them each phone has had its packet: 25 s, spread so
that thousands of phones are not served at once."""


def isBehindNAT(binding: Binding) -> bool:
    """Does its Contact name another place than where it registered from, over UDP?"""
    if binding.transport != "UDP" or binding.path:
        return False
    try:
        uri = parseURI(binding.contact)
    except MalformedMessage:
        return True
    return (uri.host.strip("[]"), uri.port or 5060) != (binding.host, binding.port)


class FlowKeeper:
    """Of the phones of one user agent's registrar. begin() at each REGISTER; it ends by itself.

    What has run out is forgotten on the way. sent: packets.
    """

    log = Logger()

    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._turn: IDelayedCall | None = None
        self._slot = 0
        self.sent = 0

    def begin(self) -> None:
        """There may be a flow to keep."""
        if self._turn is None and self._agent.registrar is not None:
            self._turn = self._agent.reactor.callLater(BEAT, self._next)

    def stop(self) -> None:
        """No more."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.cancel()

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself."""
        return [self._turn] if self._turn is not None else []

    def _next(self) -> None:
        self._turn = None
        registrar = self._agent.registrar
        users = registrar.users() if registrar is not None else []
        if registrar is None or not users:
            return
        self.begin()
        self._slot = (self._slot + 1) % SLOTS
        for user in users:
            if crc32(user.encode("utf-8", "surrogateescape")) % SLOTS == self._slot:
                registrar.expire(user)
                for flow in {(b.host, b.port) for b in registrar.bindings(user) if isBehindNAT(b)}:
                    self._keep(flow)

    def _keep(self, flow: Address) -> None:
        transport = self._agent.transportFor("UDP", flow[0])
        if transport is None:
            return
        try:
            transport.send(KEEP_ALIVE, flow)
        except TransportFailed as error:
            self.log.debug("{at}: {why}", at=hostPort(*flow), why=error.reason)
        else:
            self.sent += 1
