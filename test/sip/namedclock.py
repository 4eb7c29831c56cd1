"""A clock that knows names, for tests of where a request goes."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.task import Clock
from zope.interface import implementer


@implementer(IHostResolution)
class Resolution:
    """One look-up; as Twisted's own it cannot be cancelled."""

    name = "x"

    def cancel(self) -> None:
        """As HostResolution has it."""
        raise NotImplementedError


@implementer(IHostnameResolver)
class Names:
    """A server of names that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, IResolutionReceiver]] = []
        self.error: Exception | None = None

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """As IHostnameResolver has it."""
        if self.error is not None:
            raise self.error
        self.asked.append((hostName, resolutionReceiver))
        resolution = Resolution()
        resolutionReceiver.resolutionBegan(resolution)
        return resolution

    def answer(self, *addresses: str) -> None:
        """To the look-up that was asked for last."""
        _, receiver = self.asked[-1]
        for address in addresses:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, 0))
        receiver.resolutionComplete()


class Reactor(Clock):
    """A Clock that knows names."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = Names()
