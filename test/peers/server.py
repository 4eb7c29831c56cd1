"""Doug as a process of its own, for tests against real phones.

Lives here: starting `twistd doug` or a script on a free loopback port and reading its log. Not
here: the peers (peers.py) and the applications they call (apps.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from test.peers.peers import HOST, Process, freePort, isBound

ROOT = Path(__file__).resolve().parent.parent.parent
RTP_PORTS = "10000-11998"  # beside the range from which the peers take theirs


class Doug(Process):
    """`twistd doug` serving one application; its folder is the current one of the server.

    app: "module.Class". script: run this script of scripts/ instead, with the same options. files:
    how many descriptors it may have, hard limit included; None for as many as we may. port: 0 for
    a free one.
    """

    program = sys.executable
    readySeconds = 15.0

    def __init__(
        self,
        app: str = "",
        *,
        script: str = "",
        args: Iterable[str] = (),
        rtpPorts: str = RTP_PORTS,
        files: int | None = None,
        port: int = 0,
    ) -> None:
        super().__init__()
        self.port = port or freePort()
        self.target = f"{HOST}:{self.port}"
        self._command = [f"--listen=udp:{self.target}", f"--rtp-ports={rtpPorts}", *args]
        if script:
            self._command = [str(ROOT / "scripts" / script), *self._command]
        else:
            twistd = str(Path(sys.executable).parent / "twistd")
            self._command = [twistd, "-n", "--pidfile=", "doug", f"--app={app}", *self._command]
        self._limited = ["/bin/sh", "-c", f'ulimit -n {files}; exec "$0" "$@"'] if files else []

    def argv(self) -> list[str]:
        return [*self._limited, sys.executable, *self._command]

    def env(self) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return dict(super().env(), PYTHONPATH=path, PYTHONUNBUFFERED="1", TMPDIR=str(self.dir))

    def ready(self) -> bool:
        return bool(isBound(self.port))
