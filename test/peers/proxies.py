"""Kamailio as a peer: one process on loopback with a configuration of the folder kamailio/.

Lives here: starting it. Not here: the other peers (peers.py), what is proven with it
(test_kamailio.py).
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from typing import Any

from test.peers.peers import (
    HERE,
    HOST,
    PeerError,
    Process,
    freePort,
    isBound,
    makeCertificate,
    render,
)

MODULES = (
    "/usr/lib/x86_64-linux-gnu/kamailio/modules/",
    "/usr/lib/aarch64-linux-gnu/kamailio/modules/",
    "/usr/lib64/kamailio/modules/",
    "/usr/lib/kamailio/modules/",
)


class Kamailio(Process):
    """Kamailio 5.6; made by registrar() or edge(). port: of SIP, UDP and TCP.

    wsPort: of an edge. tlsPort: of an edge, or a registrar with TLS.
    """

    program = "kamailio"
    package = "kamailio kamailio-tls-modules kamailio-websocket-modules kamailio-extra-modules"

    def __init__(self, config: str, port: int = 0, **fields: Any) -> None:
        super().__init__()
        self.port = port or freePort()
        self.uri = f"{HOST}:{self.port}"
        self.wsPort = self.tlsPort = 0
        modules = next((folder for folder in MODULES if os.path.isdir(folder)), MODULES[0])
        common = {"DIR": self.dir, "MODULES": modules, "FR_MS": 2000, "DEBUG": 1}
        render(HERE / "kamailio/common.cfg.in", self.dir / "common.cfg", **common)
        self.config = render(
            HERE / f"kamailio/{config}.cfg.in",
            self.dir / "kamailio.cfg",
            PORT=self.port,
            **common,
            **fields,
        )

    @classmethod
    def registrar(
        cls,
        users: dict[str, str],
        *,
        appUri: str = "sip:127.0.0.1:9",
        appPrefix: str = "app-",
        port: int = 0,
        tls: bool = False,
    ) -> Kamailio:
        """Registrar and proxy. users: name -> password. Calls to a name that begins with appPrefix
        go to appUri, whose own requests are not challenged. port: 0 for a free one. tls: has a TLS
        port, too.
        """
        tlsPort = freePort() if tls else 0
        lines = "\n".join(f'    $sht(users=>{name}) = "{word}";' for name, word in users.items())
        registrar = cls(
            "registrar",
            port,
            DEFINES="#!define WITH_TLS" if tls else "",
            TLS_PORT=tlsPort,
            USER_LINES=lines,
            APP_URI=appUri,
            APP_PREFIX=appPrefix,
            APP_PORT=_port(appUri),
            REALM="example.com",
            NONCE_SECONDS=300,
        )
        registrar.tlsPort = tlsPort
        if tls:
            makeCertificate(registrar.dir)
        return registrar

    @classmethod
    def edge(cls, appUri: str) -> Kamailio:
        """TLS, WS and WSS in front of appUri."""
        ws, tls = freePort(), freePort()
        edge = cls(
            "edge",
            WS_PORT=ws,
            TLS_PORT=tls,
            APP_URI=appUri,
            APP_PORT=_port(appUri),
            NG_PORT=0,
            DEFINES="",
        )
        edge.wsPort, edge.tlsPort = ws, tls
        makeCertificate(edge.dir)
        return edge

    @classmethod
    def capture(cls) -> Kamailio:
        """A server for HEPv3: its log has a line of each message that it has read in it."""
        return cls("capture")

    def argv(self) -> list[str]:
        folder = str(self.dir)
        return [
            *("kamailio", "-f", str(self.config), "-DD", "-E", "-m", "32", "-M", "4"),
            *("-w", folder, "-Y", folder, "-P", f"{folder}/kamailio.pid"),
        ]

    def ready(self) -> bool:
        """A control socket of one that was killed is there, too, and nobody behind it."""
        with socket.socket(socket.AF_UNIX) as asking:
            return isBound(self.port) and asking.connect_ex(str(self.dir / "ctl")) == 0

    def rpc(self, *words: str) -> str:
        """One command over its control socket, such as rpc("ul.dump")."""
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        done = subprocess.run(
            ["kamcmd", "-s", f"unix:{self.dir}/ctl", *words],
            capture_output=True,
            text=True,
            timeout=5,
            env=dict(os.environ, PATH=path),
            check=False,
        )
        if done.returncode:
            raise PeerError(f"kamcmd {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout


def _port(uri: str) -> str:
    found = re.search(r":(\d+)", uri.removeprefix("sip:"))
    if found is None:
        raise ValueError(f"appUri: wanted sip:HOST:PORT, got {uri!r}")
    return found[1]
