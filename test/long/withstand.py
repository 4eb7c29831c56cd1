"""One call goes on while the server is flooded, fed rubbish and let down by its application.

    python -m test.long.withstand [--options 20000] [--fuzz 10000] [--faults 120] [--json]

Starts `twistd doug` on a free loopback port, calls it, and while the call goes on sends, one after
the other: OPTIONS, 2000 a second; datagrams made by test.fuzz, 400 a second; and calls to an
application that raises in each of its handlers in turn. This machine is free of the limits of a
source, so all of it is read and answered. Many of the datagrams are calls without an ACK, so that
no others are taken (--max-early-calls) until these are given up: that is a part as well. Says for
each part how many packets of the call came and the largest gap between two of them, by the kernel's
own time stamps, what was sent and what the kernel dropped on the way in; ends with 0 if no packet
was lost, no gap was above 60 ms and not more than 1 % was dropped.

Lives here: that run. Not here: the applications (withstandapps.py), what the datagrams are
(test.fuzz).
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from test.fuzz.generators import datagrams
from test.long.withstandapps import HOOKS
from test.peers.server import Doug

CALLER, FLOODER, BROKEN, CALLERS = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
LARGEST_GAP = 60.0  # milliseconds
OPTIONS_RATE, FUZZ_RATE = 2000.0, 400.0  # a second: as many as the server reads
MOST_DROPPED = 0.01  # of what was sent
GIVEN_UP = 45.0  # seconds after which calls are taken again: a 200 waits 32 for its ACK
REST = 1.0  # seconds of the call before, between and after the parts
_TIMESTAMPNS = 35  # SO_TIMESTAMPNS of Linux, which Python does not name
_SILENCE = bytes([0xFF]) * 160


class Part(NamedTuple):
    """What the call heard during one part, and how the server fared.

    gap: the largest between two packets, milliseconds. sent: datagrams, or calls that were tried.
    answers: to what was sent, or calls that came about. dropped: datagrams that the kernel threw
    away, since nobody read them in time.
    """

    name: str
    seconds: float
    packets: int
    lost: int
    gap: float
    sent: int
    answers: int
    dropped: int

    @property
    def good(self) -> bool:
        """Did the call hear all, and the server nearly all?"""
        few = self.dropped <= MOST_DROPPED * self.sent
        return not self.lost and self.gap <= LARGEST_GAP and few


class Caller:
    """A phone on blocking sockets: one call, whose packets it keeps with their time of arrival."""

    def __init__(self, host: str, server: tuple[str, int], user: str, callID: str) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind((host, 0))
        self._sip.settimeout(5.0)
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind((host, 0))
        self._rtp.settimeout(0.2)
        self._rtp.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self._server, self._user, self._callID = server, user, callID
        self._at = f"{host}:{self._sip.getsockname()[1]}"
        self._host, self._to, self._branch = host, f"<sip:{user}@{server[0]}:{server[1]}>", 0
        self._media: tuple[str, int] | None = None
        self._over = threading.Event()
        self.heard: list[tuple[float, int]] = []  # (seconds, sequence)

    def request(self, method: str, number: int, body: str = "") -> bytes:
        """A request of this call."""
        self._branch += 1
        lines = [
            f"{method} sip:{self._user}@{self._server[0]}:{self._server[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._at};branch=z9hG4bK{self._callID}{self._branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:caller@{self._at}>;tag=f{self._callID}",
            f"To: {self._to}",
            f"Call-ID: {self._callID}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:caller@{self._at}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", body]).encode()

    def call(self) -> bool:
        """INVITE, and the ACK of the 200; False for another answer, or none."""
        port = self._rtp.getsockname()[1]
        offer = (
            f"v=0\r\no=- 1 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        )
        self._sip.sendto(self.request("INVITE", 1, offer), self._server)
        answer = self._final()
        if not answer.startswith("SIP/2.0 200"):
            if answer:
                self._sip.sendto(self.request("ACK", 1), self._server)
            return False
        to = re.search(r"^To: *(.*?)\r$", answer, re.M)
        media = re.search(r"^m=audio (\d+)", answer, re.M)
        if to is None or media is None:
            return False
        self._to, self._media = to[1], (self._server[0], int(media[1]))
        self._sip.sendto(self.request("ACK", 1), self._server)
        return True

    def _final(self) -> str:
        while True:
            try:
                answer = self._sip.recv(65535).decode(errors="replace")
            except TimeoutError:
                return ""
            if not answer.startswith("SIP/2.0 1"):
                return answer

    def talk(self) -> None:
        """Until hangUp(): sends silence, keeps what comes. For a thread of its own."""
        sequence, due = 0, time.monotonic()
        while not self._over.is_set():
            header = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, 7)
            if self._media is not None:
                self._rtp.sendto(header + _SILENCE, self._media)
            sequence, due = sequence + 1, due + 0.02
            while (left := due - time.monotonic()) > 0 and not self._over.is_set():
                self._rtp.settimeout(left)
                try:
                    data, control, _, _ = self._rtp.recvmsg(2048, 64)
                except TimeoutError:
                    break
                seconds, nanoseconds = struct.unpack("ll", control[0][2])
                self.heard.append((seconds + nanoseconds / 1e9, int.from_bytes(data[2:4], "big")))

    def press(self, event: int) -> None:
        """One key, by RFC 4733."""
        if self._media is None:
            return
        for n, (end, duration) in enumerate(((0, 160), (0, 320), (0x80, 480), (0x80, 480))):
            packet = struct.pack("!BBHII", 0x80, 101 | (0x80 if n == 0 else 0), 5000 + n, 9000, 7)
            self._rtp.sendto(packet + struct.pack("!BBH", event, end | 10, duration), self._media)

    def hangUp(self) -> bool:
        """BYE; False if nobody confirmed."""
        self._over.set()
        self._sip.sendto(self.request("BYE", 2), self._server)
        return bool(self._final())

    def close(self) -> None:
        """Gives its sockets back."""
        self._sip.close()
        self._rtp.close()


def flood(server: tuple[str, int], messages: Iterable[bytes], host: str, rate: float) -> int:
    """Sends all, so many a second; returns how many answers came back."""
    back = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        begun = time.monotonic()
        for number, message in enumerate(messages):
            early = begun + number / rate - time.monotonic()
            if early > 0.002:  # a few at a time, as a sleep is seldom shorter
                time.sleep(early)
                back += _answers(sock)
            sock.sendto(message, server)
        time.sleep(REST / 2)
        return back + _answers(sock)


def _answers(sock: socket.socket) -> int:
    count = 0
    while True:
        try:
            sock.recv(65535)
        except BlockingIOError:
            return count
        count += 1


def droppedAt(port: int) -> int:
    """Datagrams to a UDP port of this machine that found its buffer full, so far."""
    with open("/proc/net/udp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return sum(int(row[-1]) for row in rows if row[1].endswith(f":{port:04X}"))


def options(count: int, server: tuple[str, int]) -> Iterator[bytes]:
    """Requests that a peer sends to see whether we are there, each a new one."""
    for n in range(count):
        yield (
            f"OPTIONS sip:ping@{server[0]}:{server[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {FLOODER}:5060;branch=z9hG4bKflood{n};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:ping@{FLOODER}>;tag={n}\r\nTo: <sip:ping@{server[0]}>\r\n"
            f"Call-ID: flood-{n}\r\nCSeq: {n} OPTIONS\r\nContent-Length: 0\r\n\r\n"
        ).encode()


def faults(count: int, server: tuple[str, int]) -> int:
    """Calls an application that fails; returns how many calls were answered before it did."""
    answered = 0
    for n in range(count):
        caller = Caller(CALLERS, server, "faulty", f"faulty{n}")
        if caller.call():
            answered += 1
            time.sleep(0.04)
            caller.press(1)
            time.sleep(0.06)  # a BYE that came first would leave no key to hear
            caller.hangUp()
        caller.close()
    return answered


def untilTaken(server: tuple[str, int]) -> int:
    """Calls each second until one is taken, which is hung up; returns whether one was."""
    last = time.monotonic() + GIVEN_UP
    tried = 0
    while time.monotonic() < last:
        caller = Caller(CALLERS, server, "steady", f"plain{tried}")
        taken = caller.call() and caller.hangUp()
        caller.close()
        if taken:
            return 1
        tried += 1
        time.sleep(1.0)
    return 0


def measure(
    name: str, caller: Caller, run: Callable[[], object], sent: int = 0, port: int = 0
) -> Part:
    """What the call hears while run() runs, and a moment before and after.

    sent: how much run() sends; it may return the answers. port: of the server, 0 for none.
    """
    first, begun, before = max(0, len(caller.heard) - 1), time.monotonic(), droppedAt(port)
    answers = run()
    time.sleep(REST)
    heard = caller.heard[first:]
    gaps = [(b[0] - a[0]) * 1000 for a, b in pairwise(heard)]
    lost = sum((b[1] - a[1] - 1) & 0xFFFF for a, b in pairwise(heard))
    return Part(
        name,
        time.monotonic() - begun,
        len(heard) - 1,
        lost,
        max(gaps, default=0.0),
        sent,
        answers if isinstance(answers, int) else 0,
        droppedAt(port) - before,
    )


def rest() -> int:
    """Nothing, for a second."""
    time.sleep(REST)
    return 0


def withstand(
    optionsCount: int,
    fuzzCount: int,
    faultCount: int,
    seed: int,
    optionsRate: float = OPTIONS_RATE,
) -> list[Part]:
    """The whole run. Raises RuntimeError if the call, or a plain call afterwards, fails."""
    apps = "test.long.withstandapps"
    more = [f"--app=faulty={apps}.Faulty"]
    with Doug(f"{apps}.Steady", args=more) as doug:
        server = (CALLER, doug.port)
        caller = Caller(CALLER, server, "steady", "running")
        if not caller.call():
            raise RuntimeError("the call was not answered")
        talking = threading.Thread(target=caller.talk, daemon=True)
        talking.start()
        time.sleep(REST)
        pings, rubbish = options(optionsCount, server), datagrams(seed, fuzzCount)
        runs: tuple[tuple[str, int, Callable[[], int]], ...] = (
            ("nothing else", 0, rest),
            ("OPTIONS", optionsCount, lambda: flood(server, pings, FLOODER, optionsRate)),
            ("fuzzed datagrams", fuzzCount, lambda: flood(server, rubbish, BROKEN, FUZZ_RATE)),
            ("until calls are taken again", 1, lambda: untilTaken(server)),
            ("an application that raises", faultCount, lambda: faults(faultCount, server)),
        )
        parts = [measure(name, caller, run, sent, doug.port) for name, sent, run in runs]
        failed = {hook for hook in HOOKS if f"{hook} fails, as it is meant to" in doug.log()}
        if failed != set(HOOKS):
            raise RuntimeError(f"these hooks never failed: {set(HOOKS) - failed}")
        ended = caller.hangUp()
        talking.join()
        caller.close()
        again = Caller(CALLER, server, "steady", "afterwards")
        if not (ended and again.call() and again.hangUp()):
            raise RuntimeError("a plain call does not work afterwards")
        again.close()
    return parts


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--options", type=int, default=20_000)
    parser.add_argument("--fuzz", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    parts = withstand(given.options, given.fuzz, given.faults, given.seed)
    if given.json:
        sys.stdout.write(json.dumps([part._asdict() for part in parts]) + "\n")
    for part in parts if not given.json else ():
        sys.stdout.write(
            f"{part.name:28} {part.seconds:5.1f} s  {part.packets:4} packets, {part.lost} lost, "
            f"largest gap {part.gap:.1f} ms, {part.sent} sent, {part.answers} answers, "
            f"{part.dropped} dropped by the kernel\n"
        )
    return int(not all(part.good for part in parts))


if __name__ == "__main__":
    sys.exit(main())
