"""A real registrar is killed and started anew without its bindings: how soon is Doug registered?

    python -m test.long.trunkrestart [TIMES]

Over UDP with expires = 60 and over TCP it is away for 1, 5 and 20 seconds in turn; over UDP with
expires = 600 and qualify = 5 for 8, 12 and 20, as nothing tells of a moment there. One line for
each restart. Exit code 1 if one took more than 35 seconds, if there were two bindings at any time,
or more than eight REGISTER in a minute.
"""

from __future__ import annotations

import re
import sys
import time

from test.peers.peers import Process, waitFor
from test.peers.proxies import Kamailio
from test.peers.server import Doug

LIMIT = 35.0
MOST = 8
OUTAGES, LONG_OUTAGES = (1.0, 5.0, 20.0), (8.0, 12.0, 20.0)
USERS = {"doug": "d-secret"}
WAYS = {
    "UDP, expires 60": 'expires = 60\ntransport = "udp"',
    "UDP, expires 600, qualify 5": 'expires = 600\nqualify = 5\ntransport = "udp"',
    "TCP, expires 600": 'expires = 600\ntransport = "tcp"',
}


ANSWER = re.compile(r"T(\d\d):(\d\d):(\d\d\.\d+)Z \w+ from \S+: SIP/2\.0 .*\n((?:\t +\|.*\n)*)")
"""In the trace: when it came, and its lines."""


def bindings(proxy: Kamailio) -> int:
    """Of Doug, at that registrar."""
    return len(re.findall(r"Address: ", proxy.rpc("ul.dump")))


def most(times: list[float]) -> int:
    """REGISTER in any minute."""
    return max((sum(first <= when < first + 60 for when in times) for first in times), default=0)


def say(text: str) -> None:
    """A line of the result."""
    print(text, flush=True)  # noqa: T201 - a script


def measure(way: str, count: int) -> bool:
    """Some restarts; was all as it should be?"""
    started: list[Process] = []
    proxy = Kamailio.registrar(USERS)
    configuration = proxy.dir.with_suffix(".toml")
    try:
        started.append(proxy.start())
        configuration.write_text(
            f'[trunk.office]\nhost = "{proxy.uri}"\nuser = "doug"\npassword = "d-secret"\n'
            f"register = true\n{WAYS[way]}\n"
        )
        args = [
            f"--config={configuration}",
            "--trace-sip=all",
            "--trace-full",
            "--listen=tcp:127.0.0.1:0",
        ]
        doug = Doug("test.peers.apps.Echo", args=args)
        started.append(doug.start())
        waitFor("the first registration", lambda: bindings(proxy) == 1, 10.0)
        isRight = True
        for number in range(count):
            outages = LONG_OUTAGES if "qualify" in way else OUTAGES
            outage = outages[number % len(outages)]
            time.sleep(3.0)
            proxy.kill()
            proxy.stop()
            time.sleep(outage)
            proxy = Kamailio.registrar(USERS, port=proxy.port)
            started.append(proxy.start())
            begun = time.monotonic()
            waitFor("a binding", lambda: bindings(proxy) > 0, 400.0, every=0.2)  # noqa: B023
            took = time.monotonic() - begun
            found = bindings(proxy)
            isRight = isRight and took <= LIMIT and found == 1
            say(f"{way}: away for {outage:g} s, registered again after {took:.1f} s")
        times = [
            int(h) * 3600 + int(m) * 60 + float(s)
            for h, m, s, text in ANSWER.findall(doug.log())
            if re.search(r"CSeq: \d+ REGISTER", text)
        ]
        say(f"{way}: {len(times)} REGISTER arrived, at most {most(times)} in a minute")
        return isRight and most(times) <= MOST
    finally:
        for process in reversed(started):
            process.stop()
        configuration.unlink()


def main() -> int:
    """All ways."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    right = [measure(way, count) for way in WAYS]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
