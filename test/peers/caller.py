"""A caller on a loopback socket who says just what a test wants, beside a server that is a process.

Lives here: Caller, blocking, of the standard library and Doug's parser alone. Not here: real phones
(peers.py).
"""

from __future__ import annotations

import re
import socket
import time
from itertools import count

from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from test.peers.peers import HOST

PATIENCE = 10.0  # seconds for an answer, on a busy machine
FRAME = 160
INVITE = (
    "INVITE sip:app@{target} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKgo\r\n"
    "From: <sip:test@127.0.0.1>;tag=1\r\nTo: <sip:app@{target}>\r\nCall-ID: go\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:test@127.0.0.1:{port}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Caller:
    """One call at a time from one socket. port: of the server. close() it."""

    numbers = count(1)

    def __init__(self, port: int) -> None:
        self.server = (HOST, port)
        self.sip = _bound()
        self.rtp = _bound()
        self.begin()

    def begin(self) -> None:
        """The next call."""
        self.number = next(self.numbers)
        self.callID = f"caller-{self.number}"
        self.to = "<sip:app@example.com>"
        self.cseq = 0
        self.media = ("", 0)
        self.spoken = 0  # packets of speak()

    def close(self) -> None:
        """Its sockets."""
        self.sip.close()
        self.rtp.close()

    # --- what it says -------------------------------------------------------------------------

    def ask(self, method: str, body: str = "", cseq: int | None = None) -> None:
        """A request, in the dialog once there is one."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        host, port = self.sip.getsockname()
        lines = [
            f"{method} sip:app@{self.server[0]}:{self.server[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{self.number}-{cseq}-{method};rport",
            "Max-Forwards: 70",
            f"From: <sip:caller@example.net>;tag={self.number}",
            f"To: {self.to}",
            f"Call-ID: {self.callID}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:caller@{host}:{port}>",
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += [f"Content-Length: {len(body)}", "", body]
        self.sip.sendto("\r\n".join(lines).encode(), self.server)

    def invite(self) -> Response:
        """Calls; the final response, acknowledged. It is answered if that is 200."""
        port = self.rtp.getsockname()[1]
        self.ask(
            "INVITE",
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        )
        response = self.response("INVITE")
        self.to = str(response.header("To"))
        self.ask("ACK", cseq=self.cseq)
        found = re.search(r"m=audio (\d+)", response.body.decode())
        if found is not None:
            self.media = (HOST, int(found[1]))
        return response

    def say(self, packets: int) -> None:
        """So many packets of a tone that is none, at once: 20 ms each by their timestamps."""
        for number in range(packets):
            head = b"\x80\x00" + number.to_bytes(2, "big") + (number * FRAME).to_bytes(4, "big")
            self.rtp.sendto(head + b"\0\0\0\7" + b"\x10\x90" * (FRAME // 2), self.media)

    def speak(self, seconds: float) -> None:
        """The same tone as a phone sends it, a packet each 20 ms; goes on behind the last time."""
        begun, packets = time.monotonic(), round(seconds * 50)
        for number in range(packets):
            time.sleep(max(0.0, begun + number * 0.02 - time.monotonic()))
            head = b"\x80\x00" + (self.spoken & 0xFFFF).to_bytes(2, "big")
            head += (self.spoken * FRAME).to_bytes(4, "big") + b"\0\0\0\7"
            self.rtp.sendto(head + b"\x10\x90" * (FRAME // 2), self.media)
            self.spoken += 1

    # --- what it hears ------------------------------------------------------------------------

    def response(self, method: str) -> Response:
        """The final response to the last request of that method; what else comes is dropped."""
        while True:
            message = self.next()
            if isinstance(message, Response) and message.callID == self.callID:
                if message.code >= 200 and message.cseq.method == method:
                    return message

    def request(self, method: str) -> Request:
        """The next request of that method in the call, answered with 200."""
        while True:
            message = self.next()
            if isinstance(message, Request) and message.method == method:
                self.sip.sendto(message.respond(200).toBytes(), self.server)
                return message

    def next(self) -> Request | Response:
        """What comes next. TimeoutError after PATIENCE."""
        while True:
            try:
                return parse(self.sip.recv(65535))
            except MalformedMessage:  # a keep-alive
                continue

    def hears(self) -> bool:
        """Does RTP come?"""
        return len(self.rtp.recv(2048)) > FRAME


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    sock.settimeout(PATIENCE)
    return sock
