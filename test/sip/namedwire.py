"""A transport by name, for tests of what is seen of messages."""

from __future__ import annotations

from zope.interface import implementer

from shtoom.sip.transport import Address, ISIPTransport


@implementer(ISIPTransport)
class Wire:
    """A transport by name."""

    name, reliable = "UDP", False

    def sentBy(self, remoteHost: str) -> Address:
        return "192.0.2.10", 5060

    def send(self, data: bytes, address: Address) -> None:
        """Nobody sends."""

    def isOpen(self, address: Address) -> bool:
        return False

    def flow(self, address: Address) -> int:
        """There are no connections."""
        return 0

    def named(self, address: Address, host: str) -> None:
        """Nobody asks."""

    def probe(self, address: Address) -> None:
        """Nobody asks."""
