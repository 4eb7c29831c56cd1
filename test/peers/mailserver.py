"""A mail server on loopback that keeps what it gets, for tests.

`python -m test.peers.mailserver PORT` makes a file of each message, 0.eml and so on, in the current
folder; MailServer is that as a process.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import ServerFactory
from twisted.mail import smtp
from zope.interface import implementer

from test.peers.peers import HOST, Process, freePort, isBound
from test.peers.server import ROOT

NUMBERS = count()


@implementer(smtp.IMessage)
class Kept:
    """One message, line by line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """Another line."""
        self.lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        """All of it is there: complete when it appears."""
        path = Path(f"{next(NUMBERS)}.eml")
        path.with_suffix(".part").write_bytes(b"\n".join(self.lines))
        path.with_suffix(".part").rename(path)
        return succeed(None)

    def connectionLost(self) -> None:
        """Not all of it will come."""


@implementer(smtp.IMessageDelivery)
class Delivery:
    """Takes whatever comes."""

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """None is needed."""
        return b"Received: by the test"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Anybody may send."""
        return origin

    def validateTo(self, user: Any) -> Any:
        """Everybody is here."""
        return Kept


class Factory(ServerFactory):
    """A server of it a connection."""

    def buildProtocol(self, addr: Any) -> smtp.ESMTP:
        """One client."""
        protocol = smtp.ESMTP()
        protocol.delivery = Delivery()
        protocol.factory = self
        return protocol


class MailServer(Process):
    """It as a process. port: where it listens."""

    program = sys.executable

    def __init__(self) -> None:
        super().__init__()
        self.port = freePort()

    def argv(self) -> list[str]:
        return [sys.executable, "-m", "test.peers.mailserver", str(self.port)]

    def env(self) -> dict[str, str]:
        return dict(super().env(), PYTHONPATH=str(ROOT))

    def ready(self) -> bool:
        return bool(isBound(self.port, "tcp"))


if __name__ == "__main__":
    from twisted.internet import reactor  # noqa: TID251 - a program of its own

    reactor.listenTCP(int(sys.argv[1]), Factory(), interface=HOST)
    reactor.run()
