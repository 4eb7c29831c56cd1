"""A source sends 2000 requests a second, while a call goes on and others are set up.

    python -m test.long.flood [--seconds 60] [--rate 2000] [--unlimited]

Starts `twistd doug --limit-loopback` on a free loopback port and calls it from one address; from a
second come REGISTER, OPTIONS, SUBSCRIBE, MESSAGE, PUBLISH and INVITE in turn; from a third a call a
second. Says the largest gap of the running call (kernel's time stamps) and what it lost, how long
the others took from INVITE to 200, what the flooder heard, and the server's memory before and
after. Ends with 0 if nothing was lost, no gap was above 60 ms, each call was set up within a second
and memory grew by less than 50 MB. --unlimited: no --source-rate, to see what that is good for.

Lives here: that run. Not here: the phone (withstand.py), the application (withstandapps.py).
"""

from __future__ import annotations

import argparse
import re
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from test.long.withstand import CALLER, LARGEST_GAP, REST, Caller, measure
from test.peers.server import Doug

FLOODER, OTHERS = "127.0.0.5", "127.0.0.6"
METHODS = ("REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "PUBLISH", "INVITE")
LONGEST = 1.0  # seconds from INVITE to 200
GROWTH = 50.0  # MB
_TURN = 0.005  # seconds between two handfuls
_OFFER = (
    f"v=0\r\no=- 1 1 IN IP4 {FLOODER}\r\ns=-\r\nc=IN IP4 {FLOODER}\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\n"
)


def request(number: int, server: tuple[str, int]) -> bytes:
    """The next one of the flood."""
    method = METHODS[number % len(METHODS)]
    body = _OFFER if method == "INVITE" else ""
    return (
        f"{method} sip:steady@{server[0]}:{server[1]} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {FLOODER}:5060;branch=z9hG4bKflood{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:100@{FLOODER}>;tag={number}\r\n"
        f"To: <sip:steady@{server[0]}>\r\nCall-ID: flood-{number}\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:100@{FLOODER}>\r\n"
        + ("Content-Type: application/sdp\r\n" if body else "")
        + f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Flood:
    """sent: datagrams. heard: answers, by their code. bytesSent, bytesHeard."""

    def __init__(self, server: tuple[str, int], rate: int) -> None:
        self._server, self._rate = server, rate
        self.sent = self.bytesSent = self.bytesHeard = 0
        self.heard: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        """For so long; for a thread of its own."""
        began = time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((FLOODER, 0))
            sock.setblocking(False)
            while (passed := time.monotonic() - began) < seconds:
                while self.sent < passed * self._rate:
                    data = request(self.sent, self._server)
                    sock.sendto(data, self._server)
                    self.sent += 1
                    self.bytesSent += len(data)
                self._read(sock)
                time.sleep(_TURN)
            time.sleep(REST)
            self._read(sock)

    def _read(self, sock: socket.socket) -> None:
        while True:
            try:
                data = sock.recv(65535)
            except BlockingIOError:
                return
            self.bytesHeard += len(data)
            self.heard[data[8:11].decode(errors="replace")] += 1


def memory(pid: int) -> float:
    """The resident memory of a process, in MB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found is not None else 0.0


def setUps(server: tuple[str, int], seconds: float) -> list[float]:
    """A call a second; how long each took until its 200, infinite if it was refused."""
    took = []
    for number in range(int(seconds)):
        began = time.monotonic()
        caller = Caller(OTHERS, server, "steady", f"other{number}")
        took.append(time.monotonic() - began if caller.call() else float("inf"))
        caller.hangUp()
        caller.close()
        time.sleep(max(0.0, began + 1.0 - time.monotonic()))
    return took


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--unlimited", action="store_true")
    given = parser.parse_args()
    more = ["--limit-loopback", *(["--source-rate=0"] if given.unlimited else [])]
    write = sys.stdout.write
    with Doug("test.long.withstandapps.Steady", args=more) as doug:
        assert doug.proc is not None
        server = (CALLER, doug.port)
        caller = Caller(CALLER, server, "steady", "running")
        if not caller.call():
            raise RuntimeError("the call was not answered")
        talking = threading.Thread(target=caller.talk)
        talking.start()
        time.sleep(REST)
        before = memory(doug.proc.pid)
        flood, took = Flood(server, given.rate), []
        flooding = threading.Thread(target=flood.run, args=(given.seconds,))

        def run() -> None:
            flooding.start()
            took.extend(setUps(server, given.seconds))
            flooding.join()

        part = measure("the flood", caller, run)
        after = memory(doug.proc.pid)
        caller.hangUp()
        talking.join()
        caller.close()
        log = doug.log()
    named = [line for line in log.splitlines() if "--source-rate" in line]
    write(
        f"{flood.sent} requests in {given.seconds:g} s, {flood.sent / given.seconds:.0f} a second; "
        f"answers {dict(sorted(flood.heard.items()))}, bytes out / in "
        f"{flood.bytesHeard / max(1, flood.bytesSent):.2f}\n"
        f"running call: {part.packets} packets, {part.lost} lost, largest gap {part.gap:.1f} ms\n"
        f"other calls: {len(took)}, INVITE to 200 at most {1000 * max(took, default=0):.0f} ms\n"
        f"memory: {before:.1f} MB before, {after:.1f} MB after; {len(named)} lines of the log\n"
    )
    well = part.lost == 0 and part.gap <= LARGEST_GAP and max(took, default=0) < LONGEST
    return int(not well or after - before > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
