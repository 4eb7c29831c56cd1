"""A second server in a laboratory, for applications of two servers that call each other."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from doug.application import DougApplication
from doug.settings import Settings
from doug.testing import Lab, MemoryHost, VirtualReactor
from doug.testing.media import MemoryMediaIO
from doug.voiceapp import VoiceApp


class SecondServer(DougApplication):
    """Serves `app` at another address of the lab's network. close() it before the lab.

    results, failures: as Lab has them.
    """

    def __init__(self, lab: Lab, app: type[VoiceApp], address: str, **args: Any) -> None:
        self.lab = lab
        self.results: list[Any] = []
        self.failures: list[Failure] = []
        host = lab.network.host(address)
        super().__init__(
            app,
            reactor=Elsewhere(lab.reactor, host),
            settings=replace(Settings(), args=args),
            mediaIO=lambda reactor: MemoryMediaIO(host),
            rng=Random(address),
            localAddressFor=lambda remote: address,
            wallTime=lab.wallTime,
            names=lambda reactor: None,
            diskThreads=lab.reactor,
        )
        self.start()

    def acceptResults(self, cookie: str, result: Any) -> None:
        """Kept."""
        self.results.append(result)

    def acceptErrors(self, cookie: str, error: Failure) -> None:
        """Kept."""
        self.failures.append(error)

    def close(self) -> None:
        """Off."""
        self.shutdown()
        self.lab.advance(10.0)


class Elsewhere:
    """The lab's reactor, seen from another host."""

    def __init__(self, reactor: VirtualReactor, host: MemoryHost) -> None:
        self._reactor, self.host = reactor, host

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> Any:
        """On that host."""
        return self.host.listenUDP(port, protocol, interface)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
