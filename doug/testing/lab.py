"""The laboratory: an application served on a virtual clock and network, with phones to call it.

Lives here: building server and phones, letting time pass. Not here: what a phone does (phone.py),
how datagrams travel (network.py), what a call may have left behind (leftovers.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from twisted.python.failure import Failure

from doug.application import DougApplication
from doug.legmedia import findFile
from doug.settings import Settings
from doug.testing.failing import failed
from doug.testing.leftovers import Leftovers, namingDeferreds
from doug.testing.media import MemoryMediaIO
from doug.testing.network import Conditions, MemoryHost, MemoryNetwork
from doug.testing.phone import Phone
from doug.testing.reactor import VirtualReactor
from doug.voiceapp import VoiceApp
from shtoom.sip.timers import DEFAULT_TIMERS, Timers
from shtoom.sip.uri import hostPort

SERVER = "192.0.2.10"
FIRST_PHONE = 20  # 198.51.100.20: the documentation addresses of RFC 5737


class Lab:
    """A Doug server, a network and phones in one test, all in virtual time.

    address: the server's, IPv4 or IPv6 (then give phone() a host of that family).
    app: the VoiceApp class to serve, or a mapping of called user -> class ("" for all others).
    seed: of everything that is left to chance. conditions: how datagrams travel. settings: of the
    server. args: attributes of the application, as --args has them.

    results: what applications returned by returnResult, in order. failures: what ended others by
    returnError, as Failures; they are logged as well, as in the real server.
    """

    def __init__(
        self,
        app: type[VoiceApp] | Mapping[str, type[VoiceApp]],
        *,
        seed: int = 0,
        conditions: Conditions | None = None,
        settings: Settings | None = None,
        timers: Timers = DEFAULT_TIMERS,
        address: str = SERVER,
        **args: Any,
    ) -> None:
        self._rng = Random(seed)
        self.reactor = VirtualReactor()
        self.network = MemoryNetwork(self.reactor, self._chance(), conditions)
        self.reactor.host = self.network.host(address)
        self.io = MemoryMediaIO(self.reactor.host)
        self.phones: list[Phone] = []
        self.results: list[Any] = []
        self.failures: list[Failure] = []
        self._leftovers = Leftovers()
        self._closed = False
        self._stepped = 0.0
        settings = settings if settings is not None else Settings()
        apps = {"": app} if isinstance(app, type) else dict(app)
        self.application = LabApplication(
            self,
            settings=replace(
                settings, apps={**settings.apps, **apps}, args={**settings.args, **args}
            ),
            reactor=self.reactor,
            mediaIO=lambda reactor: self.io,
            rng=self._chance(),
            timers=timers,
            localAddressFor=lambda host: self.io.host.address,
            hasAddress=lambda host: host in self.network.hosts,
            wallTime=self.wallTime,
            names=lambda reactor: None,
            diskThreads=self.reactor,
        )
        self.application.start()

    def phone(
        self,
        name: str | None = None,
        *,
        kind: type[Phone] = Phone,
        host: MemoryHost | None = None,
        **options: Any,
    ) -> Phone:
        """A new phone with an address of its own. kind: its class. options: as that has them.

        Over TLS it shows the certificate of the server, unless it has one of its own.
        """
        number = len(self.phones)
        phone = kind(
            self.reactor,
            host if host is not None else self.host(),
            self._chance(),
            name=name if name is not None else f"phone{number}",
            serverAddress=hostPort(self.io.host.address, None),
            findFile=self._findFile,
            outcomes=self._outcomes,
            **{"certificate": self.application.settings.certificate, **options},
        )
        self.phones.append(phone)
        return phone

    def host(self) -> MemoryHost:
        """The host that the next phone stands on; for tests that send datagrams of their own."""
        return self.network.host(f"198.51.100.{FIRST_PHONE + len(self.phones)}")

    def renumber(self, address: str) -> None:
        """The server's machine has another address from now on; at the old one nobody is.

        Phones that are made later know of it.
        """
        self.io.host.renumber(address)

    def wallTime(self) -> float:
        """What the clock of the server's machine shows: seconds, as the reactor's but for steps."""
        return self.reactor.seconds() + self._stepped

    def stepClock(self, seconds: float) -> None:
        """That clock is set forward (back, if below 0), as by an administrator; no time passes."""
        self._stepped += seconds

    def advance(self, seconds: float) -> None:
        """Lets so many seconds pass for server, network and phones."""
        with namingDeferreds():
            self.reactor.advance(seconds)

    def assertNothingLeft(self) -> None:
        """Ends a test: when all calls had time to end, nothing of them is left.

        Looked for: sockets, timers, files, dialogs, transactions, applications, Deferreds. An
        application that waits for a Deferred is named with the line that made the Deferred.
        AssertionError lists all that was found. Server and phones are off afterwards.
        """
        found = [] if self._closed else self._leftovers.find(self)
        self.close()
        found += self._leftovers.findAfterClose(self)
        if found:
            raise failed("left behind:\n  " + "\n  ".join(dict.fromkeys(found)))

    def close(self) -> None:
        """Switches server and phones off; again: nothing. A lab may also just be forgotten."""
        if not self._closed:
            self._closed = True
            self.application.shutdown()
            self.application.hurry()
            self.advance(10.0)
            for phone in self.phones:
                phone.close()
            if self.network.connections:  # they close on both sides
                self.advance(1.0)

    def _findFile(self, path: str) -> str:
        """Where one of the applications finds a sound of that name."""
        found = (findFile(path, app) for app in self.application.settings.apps.values())
        return next((file for file in found if os.path.exists(file)), path)

    def _outcomes(self) -> str:
        """The last words of applications, for a phone that has heard something else."""
        returned = [f"an application returned {result!r}" for result in self.results[-2:]]
        errors = [
            f"an application ended with {type(failure.value).__name__}: {failure.value}"
            for failure in self.failures[-2:]
        ]
        return "".join(f"; {words}" for words in (*returned, *errors))

    def _chance(self) -> Random:
        return Random(self._rng.random())


class LabApplication(DougApplication):
    """A server that keeps what applications returned."""

    def __init__(self, lab: Lab, **options: Any) -> None:
        super().__init__(**options)
        self._lab = lab

    def startVoiceApp(self, **args: Any) -> str:
        """As the server does."""
        with namingDeferreds():
            return super().startVoiceApp(**args)

    def placeCall(self, toURI: str, fromURI: str | None = None, **args: Any) -> str:
        """As the server does."""
        with namingDeferreds():
            return super().placeCall(toURI, fromURI, **args)

    def acceptResults(self, cookie: str, result: Any) -> None:
        """Kept in the lab."""
        self._lab.results.append(result)
        super().acceptResults(cookie, result)

    def acceptErrors(self, cookie: str, error: Failure) -> None:
        """Kept in the lab."""
        self._lab.failures.append(error)
        super().acceptErrors(cookie, error)
