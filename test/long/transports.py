"""What a call costs over UDP, TCP, TLS and WebSocket, and the memory of one that is up.

    python -m test.long.transports [--calls 500] [--up 200] [--against FOLDER [--rounds 3]]

Starts `twistd doug` on free loopback ports and places calls without sound over one connection of
each kind in turn: calls that end at once, for the server's processor time of one (the kernel's
count, so other programs matter little), and calls that stay up together, for the memory of one.
Prints a line a kind: milliseconds a call, how many a second that makes with one core, kilobytes of
a call. Ends with 0 if all calls were answered and ended.

With --against the server of another tree (a worktree of an older commit) is measured, and ours, in
turn, over UDP alone and with the options that all versions have.

Lives here: that run. Not here: calls with sound (test/bench).
"""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

from shtoom.sip.framing import Framer, Whole
from shtoom.sip.message import Response
from shtoom.sip.parser import parse
from test.peers.peers import HOST, freePort, makeCertificate
from test.peers.server import ROOT, Doug
from test.support.webclient import WebClient

APP = "test.peers.apps.Echo"
KINDS = ("udp", "tcp", "tls", "ws")
TICK = os.sysconf("SC_CLK_TCK")
WARM = 50

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
REQUEST = (
    "{method} sip:echo@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/{kind} 127.0.0.1;branch=z9hG4bK{number}{method};rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:echo@127.0.0.1>{tag}\r\nCall-ID: {number}\r\n"
    "CSeq: {cseq} {method}\r\nContact: <sip:a@127.0.0.1>\r\n{body}"
)


class Client:
    """One connection, or socket, of a kind; calls come one after the other."""

    def __init__(self, kind: str, port: int) -> None:
        self._kind = kind.upper()
        datagrams = kind == "udp"
        self._wire: Any = socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
        )
        self._wire.settimeout(20)
        self._wire.connect((HOST, port))
        if not datagrams:  # else each BYE waits 40 ms for the system's word of the ACK before it
            self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind == "tls":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._wire = context.wrap_socket(self._wire)
        self._framer = None if datagrams else Framer()
        self._web = WebClient() if kind == "ws" else None
        self._come: list[bytes] = []
        self._number = 0
        if self._web is not None:
            self._wire.sendall(self._web.hello)
            while self._web.accepted is None:
                self._web.received(self._wire.recv(65536))

    def call(self) -> tuple[int, str]:
        """One that is up: its number, and the To tag."""
        self._number += 1
        body = f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n{OFFER}"
        self._say("INVITE", self._number, "", 1, body)
        tag = f";tag={self._answer('INVITE').toAddress.tag}"
        self._say("ACK", self._number, tag, 1)
        return self._number, tag

    def hangUp(self, number: int, tag: str) -> None:
        """Its end."""
        self._say("BYE", number, tag, 2)
        self._answer("BYE")

    def close(self) -> None:
        """The connection is not needed any more."""
        self._wire.close()

    def _say(
        self, method: str, number: int, tag: str, cseq: int, body: str = "Content-Length: 0\r\n\r\n"
    ) -> None:
        text = REQUEST.format(
            method=method, kind=self._kind, number=number, tag=tag, cseq=cseq, body=body
        )
        self._wire.sendall(text.encode() if self._web is None else self._web.say(text))

    def _answer(self, method: str) -> Response:
        while True:
            message = parse(self._next())
            if isinstance(message, Response) and message.code >= 200:
                if message.code != 200 or message.cseq.method != method:
                    raise RuntimeError(f"{message.code} {message.reason} to {message.cseq.method}")
                return message

    def _next(self) -> bytes:
        while not self._come:
            data = self._wire.recv(65536)
            if not data:
                raise RuntimeError("the server has closed the connection")
            if self._web is not None:
                self._web.received(data)
                self._come, self._web.messages = self._web.messages, []
            elif self._framer is None:
                self._come = [data]
            else:
                pieces = self._framer.received(data)
                self._come = [piece.data for piece in pieces if isinstance(piece, Whole)]
        return self._come.pop(0)


def processor(pid: int) -> float:
    """Seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int) -> float:
    """Kilobytes that it has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e3


class Tree(Doug):
    """A server of another folder, by its own applications."""

    def __init__(self, folder: str) -> None:
        super().__init__(APP)
        self._folder = folder

    def env(self) -> dict[str, str]:
        return dict(super().env(), PYTHONPATH=self._folder)


def listening(kind: str) -> tuple[Doug, int]:
    """A server of ours for that kind, and its port."""
    certificate, key = makeCertificate(Path(tempfile.mkdtemp()))
    port = freePort()
    doug = Doug(
        APP,
        args=[
            f"--listen={kind}:{HOST}:{port}",
            f"--certificate={certificate}",
            f"--private-key={key}",
            "--rtp-timeout=0",
        ],
    )
    doug.start()
    doug.waitLog(f"{kind}:{HOST}:{port}", 10.0)
    return doug, port


def measure(doug: Doug, kind: str, port: int, calls: int, up: int) -> str:
    """A server that was started, over one kind, in words; it is stopped."""
    try:
        pid = doug.proc.pid
        client = Client(kind, port)
        for _ in range(WARM):
            client.hangUp(*client.call())
        began = processor(pid)
        for _ in range(calls):
            client.hangUp(*client.call())
        cost = (processor(pid) - began) / calls * 1000
        before = memory(pid)
        held = [client.call() for _ in range(up)]
        each = (memory(pid) - before) / up
        for call in held:
            client.hangUp(*call)
        client.close()
    finally:
        doug.stop()
    return (
        f"{cost:.2f} ms a call, {1000 / cost:.0f} a second with one core; "
        f"{each:.0f} kB for each of {up} that are up\n"
    )


def main() -> int:
    """The run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--up", type=int, default=200)
    parser.add_argument("--against", metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.against is not None:
        for folder in (options.against, str(ROOT)) * options.rounds:
            tree = Tree(folder)
            tree.start()
            say(f"{folder}: {measure(tree, 'udp', tree.port, options.calls, options.up)}")
        return 0
    for kind in KINDS:
        doug, port = listening(kind)
        say(f"{kind}: {measure(doug, kind, port, options.calls, options.up)}")
    return 0


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
