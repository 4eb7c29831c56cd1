"""Settings of a server that listens in all ways that it can."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from doug.settings import Settings, parseEndpoint


class Listens(NamedTuple):
    """over: the transports that it has."""

    settings: Settings
    over: tuple[str, ...]


def everyTransport(folder: str, address: str = "192.0.2.10") -> Listens:
    """UDP, TCP and, with the extra of that name, TLS, whose certificate is made in `folder`.

    It calls whoever has a certificate at all.
    """
    over, certificate = ["udp:*:5060", "tcp:*:5060"], None
    try:
        from test.support.certificates import selfSigned
    except ImportError:  # the extra tls is not there
        pass
    else:
        Path(folder).mkdir()
        certificate = str(selfSigned(Path(folder), address))
        over.append("tls:*:5061")
    listen = tuple(map(parseEndpoint, over))
    settings = Settings(listen=listen, certificate=certificate, tlsVerify=False)
    return Listens(settings, tuple(endpoint.transport for endpoint in listen))
