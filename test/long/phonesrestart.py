"""Doug, the registrar of real phones, is restarted: how soon is each phone reached again?

    python -m test.long.phonesrestart [SECONDS]

baresip and linphone as they are set up by their makers, over UDP, TCP and TLS; Doug is away for
SECONDS (3), and calls each of them every five seconds until it answers. Doug does not believe the
certificate of a phone, and baresip's TCP port is not closed to it: that is how a phone without NAT
is found. One line for each. Exit code 1 if one took more than 70 seconds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from test.peers.peers import HOST, Baresip, Process, freePort, makeCertificate
from test.peers.server import Doug
from test.peers.softphones import Linphone
from test.peers.test_kamailio import begin
from test.peers.test_registrar import registers

LIMIT = 70.0
EVERY = 5.0
MINUTE = 60.0
"""What linphone waits between two tries if nobody sets it."""

KINDS = ("udp", "tcp", "tls")
HEAD = """\
[server]
anonymous = "app"
digest = "MD5"
registrations = "{folder}/registrations.sqlite"
"""


def say(text: str) -> None:
    """A line of the result."""
    print(text, flush=True)  # noqa: T201 - a script


class Restart:
    """One server, at the same ports each time, and six phones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {kind: freePort() for kind in KINDS}
        self.certificate, self.key = makeCertificate(folder)
        self.phones: dict[str, Baresip | Linphone] = {}
        self.configuration = folder / "doug.toml"
        text = HEAD.format(folder=folder)
        for kind in KINDS:
            baresip, linphone = f"baresip-{kind}", f"linphone-{kind}"
            port = self.ports[kind]
            self.phones[baresip] = Baresip(
                baresip, registrar=f"{HOST}:{port}", password="s", transport=kind
            )
            self.phones[linphone] = Linphone(
                linphone,
                registrar=f"localhost:{port}" if kind == "tls" else f"{HOST}:{port}",
                password="s",
                transport=kind,
                ca=self.certificate,
                retry=MINUTE,
            )
            text += "".join(f'[phone.{u}]\npassword = "s"\n' for u in (baresip, linphone))
        self.configuration.write_text(text)

    def doug(self) -> Doug:
        """Starts it."""
        doug = Doug(
            "test.peers.apps.DialsAll",
            port=self.ports["udp"],
            args=[
                f"--config={self.configuration}",
                f"--listen=tcp:{HOST}:{self.ports['tcp']}",
                f"--listen=tls:{HOST}:{self.ports['tls']}",
                f"--certificate={self.certificate}",
                f"--private-key={self.key}",
                f"--args=users={' '.join(self.phones)}",
                f"--args=host={HOST}:{self.ports['udp']}",
            ],
        )
        doug.start()
        return doug

    def measure(self, away: float) -> dict[str, float]:
        """Seconds from the restart until each was reached; LIMIT and more if one was not."""
        doug: Process = self.doug()
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(registers, self.phones.values()))
            doug.stop()
            time.sleep(away)
            doug = again = self.doug()
            begun = time.monotonic()
            found: dict[str, float] = {}
            results = again.dir / "dialled.txt"
            number = 0
            while len(found) < len(self.phones) and time.monotonic() < begun + LIMIT + EVERY:
                number += 1
                begin(again, f"go-{number}")
                time.sleep(EVERY)
                words = results.read_text() if results.exists() else ""
                for user in self.phones:
                    if f"{user} answered" in words:
                        found.setdefault(user, time.monotonic() - begun)
            return {user: found.get(user, LIMIT + EVERY) for user in self.phones}
        finally:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda phone: phone.stop(), self.phones.values()))
            doug.stop()


def main() -> int:
    """All phones at once."""
    away = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as folder:
        found = Restart(Path(folder)).measure(away)
    for user, seconds in found.items():
        say(f"{user}: reached at most {seconds:.0f} s after the restart")
    return 0 if max(found.values()) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
