"""Calls go on while three times as many new ones come as the server can serve.

    python -m test.long.overload [--calls 20] [--seconds 15] [--times 3]

Starts `twistd doug` on a free loopback port and finds out how many short calls a second it serves:
callers who each wait for the last one to end. Then `calls` calls with sound go on while new ones
come at `times` that rate, whatever becomes of them. Says what the calls heard (packets lost, the
largest gap by the kernel's time stamps, how many packets came within 60 ms of the one before), and
what the new ones were told. Ends with 0 if the calls heard 99.9 % of their packets in time, and if
each of the new ones was served, or refused by a 503 with Retry-After.

Lives here: that run, and its callers. Not here: the calls that go on (withstand.py).
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import re
import select
import socket
import sys
import threading
import time
from collections import Counter
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from test.long.withstand import LARGEST_GAP, Caller, droppedAt
from test.peers.server import Doug

HOST = "127.0.0.1"
AT_ONCE = 32  # callers who find out how many calls a second are served
WARM = 2.0  # seconds before that is counted
COUNTED = 5.0  # seconds in which it is
LAST = 32.0  # seconds that the last calls have for their answers (RFC 3261 17.1.1.2, timer B)
T1 = 0.5  # seconds until a request is said again
IN_TIME = 0.999  # of the packets of the calls that go on

_OFFER = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\n"
_CALL = re.compile(rb"^Call-ID: *(\S+)", re.M | re.I)
_TO = re.compile(rb"^To: *([^\r\n]+)", re.M | re.I)
_CSEQ = re.compile(rb"^CSeq: *\d+ +(\w+)", re.M | re.I)


class ShortCalls:
    """Calls from one socket: INVITE, ACK, BYE at once.

    ended: of each, "served" or its refusal. repeated: requests that were said again.
    """

    def __init__(self, port: int, name: str) -> None:
        self._server = (HOST, port)
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._sip.bind((HOST, 0))
        self._sip.setblocking(False)
        self._at = f"{HOST}:{self._sip.getsockname()[1]}"
        self._offer = _OFFER.format(HOST, 9)
        self._name, self._made = name, 0
        self.under: dict[bytes, tuple[bytes, float]] = {}  # what was said last, and how often
        self._again: list[tuple[float, bytes, bytes]] = []  # when what is to be said again
        self.ended: Counter[str] = Counter()
        self.repeated = 0

    def _say(self, method: str, callID: bytes, to: bytes, number: str, body: str = "") -> None:
        """number: of the CSeq, and whatever else makes it a transaction of its own."""
        cseq = number.rstrip("a")
        text = (
            f"{method} sip:steady@{HOST}:{self._server[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._at};branch=z9hG4bK{callID.decode()}{number};rport\r\n"
            "Max-Forwards: 70\r\n"
            f"From: <sip:load@{self._at}>;tag=f\r\nTo: {to.decode()}\r\n"
            f"Call-ID: {callID.decode()}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:load@{self._at}>\r\n"
            f"{'Content-Type: application/sdp' if body else 'X-None: 0'}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        data = text.encode()
        self._send(data)
        if method != "ACK":
            self.under[callID] = data, T1
            heappush(self._again, (time.monotonic() + T1, callID, data))

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # it is said again
            self._sip.sendto(data, self._server)

    def repeat(self) -> None:
        """What had no answer is said again (RFC 3261 17.1)."""
        now = time.monotonic()
        while self._again and self._again[0][0] <= now:
            _, callID, data = heappop(self._again)
            said, interval = self.under.get(callID, (b"", 0.0))
            if said is data:
                self._send(data)
                self.repeated += 1
                self.under[callID] = data, 2 * interval
                heappush(self._again, (now + 2 * interval, callID, data))

    def begin(self) -> None:
        """One more call."""
        self._made += 1
        callID = f"{self._name}{self._made}".encode()
        self._say("INVITE", callID, b"<sip:steady@%s>" % HOST.encode(), "1", self._offer)

    def hear(self, wait: float) -> None:
        """What has come, after `wait` seconds at most."""
        self.repeat()
        if not select.select([self._sip], [], [], max(0.0, wait))[0]:
            return
        while True:
            try:
                data = self._sip.recv(65535)
            except BlockingIOError:
                return
            self._heard(data)

    def _heard(self, data: bytes) -> None:
        found, to, cseq = _CALL.search(data), _TO.search(data), _CSEQ.search(data)
        if found is None or to is None or cseq is None or not data.startswith(b"SIP/2.0 "):
            return
        callID, code = found[1], int(data[8:11])
        if callID not in self.under:
            return
        if code < 200:
            self.under[callID] = b"", 0.0
            return
        if cseq[1] == b"BYE":
            del self.under[callID]
            self.ended["served"] += 1
            return
        self._say("ACK", callID, to[1], "1a" if code == 200 else "1")
        if code == 200:
            self._say("BYE", callID, to[1], "2")
        else:
            del self.under[callID]
            wise = b"\r\nretry-after:" in data.lower()
            self.ended[f"{code}{' with Retry-After' if wise else ''}"] += 1


def served(port: int) -> float:
    """Calls a second, if AT_ONCE callers each begin another when theirs has ended."""
    calls = ShortCalls(port, "closed")
    begun, counted = time.monotonic(), 0
    while (now := time.monotonic() - begun) < WARM + COUNTED:
        while len(calls.under) < AT_ONCE:
            calls.begin()
        if now < WARM:
            counted = calls.ended["served"]
        calls.hear(0.05)
    return (calls.ended["served"] - counted) / COUNTED


def offered(port: int, rate: float, seconds: float, results: Any) -> None:
    """As many calls a second, for so long; puts what became of them into `results`."""
    calls, begun, made = ShortCalls(port, "open"), time.monotonic(), 0
    while (now := time.monotonic() - begun) < seconds:
        while made < now * rate:
            calls.begin()
            made += 1
        calls.hear(0.002)
    last = time.monotonic() + LAST
    while calls.under and time.monotonic() < last:
        calls.hear(0.1)
    results.put((made, dict(calls.ended), len(calls.under), calls.repeated))


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--times", type=float, default=3.0)
    given = parser.parse_args()
    say = sys.stdout.write
    with Doug("test.long.withstandapps.Steady") as doug:
        capacity = served(doug.port)
        say(f"{capacity:.0f} short calls a second are served\n")
        time.sleep(LAST)
        server = (HOST, doug.port)
        callers = [Caller(HOST, server, "steady", f"running{n}") for n in range(given.calls)]
        if not all(caller.call() for caller in callers):
            raise RuntimeError("the calls that are to go on were not answered")
        talking = [threading.Thread(target=caller.talk, daemon=True) for caller in callers]
        for thread in talking:
            thread.start()
        time.sleep(1.0)
        results: Any = multiprocessing.Queue()
        rate, dropped = given.times * capacity, droppedAt(doug.port)
        load = multiprocessing.Process(
            target=offered, args=(doug.port, rate, given.seconds, results)
        )
        load.start()
        made, ended, unanswered, repeated = results.get()
        load.join()
        dropped = droppedAt(doug.port) - dropped
        for caller in callers:
            caller.hangUp()
        for thread in talking:
            thread.join()
    gaps = [(b[0] - a[0]) * 1000 for c in callers for a, b in pairwise(c.heard)]
    lost = sum((b[1] - a[1] - 1) & 0xFFFF for c in callers for a, b in pairwise(c.heard))
    inTime = sum(gap <= LARGEST_GAP for gap in gaps) / max(1, len(gaps) + lost)
    say(f"{made} calls, {made / given.seconds:.0f} a second: {ended}, {unanswered} without ")
    say(f"answer; {repeated} requests were repeated, {dropped} datagrams dropped by the kernel\n")
    say(f"{given.calls} calls went on: {len(gaps)} packets, {lost} lost, largest gap ")
    say(f"{max(gaps, default=0.0):.1f} ms, {inTime:.3%} in time\n")
    strange = set(ended) - {"served", "503 with Retry-After"}
    return int(inTime < IN_TIME or bool(strange) or unanswered > 0.01 * made)


if __name__ == "__main__":
    sys.exit(main())
