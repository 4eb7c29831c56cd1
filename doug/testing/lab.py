"""The laboratory: an application served on a virtual clock and network, with phones to call it.

Lives here: building server and phones, letting time pass, finding what a call has left behind.
Not here: what a phone does (phone.py), how datagrams travel (network.py).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from random import Random
from typing import Any

from twisted.internet import defer
from twisted.python.failure import Failure

from doug.application import DougApplication
from doug.settings import Settings
from doug.testing.media import MemoryMediaIO
from doug.testing.network import Conditions, MemoryNetwork
from doug.testing.phone import Phone
from doug.testing.reactor import VirtualReactor
from doug.voiceapp import VoiceApp

SERVER = "192.0.2.10"
FIRST_PHONE = 20  # 198.51.100.20, the addresses of RFC 5737
REST = 70.0  # seconds after which even RFC 3261's timers of an ended call have run out


class Lab:
    """A Doug server, a network and phones in one test, all in virtual time.

    app: the VoiceApp class to serve, or a mapping of called user -> class ("" for all others).
    seed: of everything that is left to chance. conditions: how datagrams travel. settings: as for
    the server; args: keyword arguments of the app.

    results: what apps returned by returnResult, in order. failures: what ended apps by
    returnError, as Failures; they are logged as well, as in the real server.
    """

    def __init__(
        self,
        app: type[VoiceApp] | Mapping[str, type[VoiceApp]],
        *,
        seed: int = 0,
        conditions: Conditions | None = None,
        settings: Settings | None = None,
        **args: Any,
    ) -> None:
        self._debugging = defer.getDebugging()
        defer.setDebugging(True)  # so that a Deferred that never fires can name its creator
        self._files = _openFiles()
        self.rng = Random(seed)
        self.reactor = VirtualReactor()
        self.network = MemoryNetwork(self.reactor, Random(seed + 1), conditions)
        self.reactor.host = self.network.host(SERVER)
        self.phones: list[Phone] = []
        self.results: list[Any] = []
        self.failures: list[Failure] = []
        self.io = MemoryMediaIO(self.reactor.host)
        self.application = self._serve(app, settings if settings is not None else Settings(), args)

    def _serve(
        self,
        app: type[VoiceApp] | Mapping[str, type[VoiceApp]],
        settings: Settings,
        args: dict[str, Any],
    ) -> DougApplication:
        routes = {"": app} if isinstance(app, type) else dict(app)
        lab = self

        class LabApplication(DougApplication):
            def acceptResults(self, cookie: Any, result: Any) -> None:
                lab.results.append(result)
                super().acceptResults(cookie, result)

            def acceptErrors(self, cookie: Any, error: Failure) -> None:
                lab.failures.append(error)
                super().acceptErrors(cookie, error)

        raise RuntimeError(routes, settings, args, LabApplication)

    def phone(self, name: str | None = None, **options: Any) -> Phone:
        """A new phone with an address of its own. options: as Phone has them."""
        number = len(self.phones)
        host = self.network.host(f"198.51.100.{FIRST_PHONE + number}")
        phone = Phone(
            self.reactor,
            host,
            Random(self.rng.random()),
            name=name if name is not None else f"phone{number}",
            serverAddress=SERVER,
            **options,
        )
        self.phones.append(phone)
        return phone

    def advance(self, seconds: float) -> None:
        """Lets so many seconds pass for server, network and phones."""
        self.reactor.advance(seconds)

    def assertNothingLeft(self) -> None:
        """Ends a test: after a minute's rest nothing of any call is left, in the server or here.

        Checked: sockets, timers, files, dialogs, transactions, apps and their Deferreds. An app
        that still waits for a Deferred is named with the line that made it. AssertionError lists
        all that was found.
        """
        raise NotImplementedError


def _openFiles() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))
