"""A phone that signals over WebSocket as a browser does, on a real socket, beside a proxy.

Lives here: WebPhone, blocking; its sound is plain RTP, which no browser has. Needs the extra
`websocket`. Not here: the frames (test.support.webclient), browsers (test_browser.py).
"""

from __future__ import annotations

import re
import socket
from itertools import count

from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from test.peers.caller import PATIENCE
from test.peers.peers import HOST
from test.support.webclient import WebClient

NOWHERE = "df7jal23ls0d.invalid"
"""Its own host, which nobody can reach (RFC 7118 5.2)."""


class WebPhone:
    """One user, one call at a time. port: of the WebSocket. close() it."""

    def __init__(self, port: int, user: str) -> None:
        self.user = user
        self.numbers = count(1)
        self.callID, self.local, self.remote = "", "", ""
        self.target, self.route = "", list[str]()  # of requests in the call
        self.media = ("", 0)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((HOST, 0))
        self.rtp.settimeout(PATIENCE)
        self.client = WebClient()
        self.wire = socket.create_connection((HOST, port), PATIENCE)
        self.wire.sendall(self.client.hello)
        while self.client.accepted is None:
            self.wire.sendall(self.client.received(self._bytes()))

    def close(self) -> None:
        """Its sockets."""
        self.wire.close()
        self.rtp.close()

    # --- what it does ---------------------------------------------------------------------------

    def register(self) -> Response:
        """The registrar's answer."""
        self._begin(f"<sip:{self.user}@{HOST}>", f"sip:{HOST}")
        return self.ask("REGISTER")

    def call(self, uri: str) -> Response:
        """The final answer; acknowledged if it is 200."""
        self._begin(f"<{uri}>", uri)
        response = self.ask("INVITE", self.description("sendrecv"))
        self.remote = str(response.header("To"))
        if response.code == 200:
            self.route = list(reversed(response.headerValues("Record-Route")))
            self._established(response)
            self.say("ACK", response.cseq.number)
        return response

    def again(self, direction: str) -> Response:
        """A re-INVITE with that direction; its final answer, acknowledged."""
        response = self.ask("INVITE", self.description(direction))
        self.say("ACK", response.cseq.number)
        return response

    def isCalled(self) -> Request:
        """Answers the next call; its INVITE."""
        invite = self.request("INVITE", self.description("sendrecv"))
        self.callID = invite.callID
        self.local, self.remote = str(invite.header("To")) + ";tag=w", str(invite.header("From"))
        self.route = list(invite.headerValues("Record-Route"))
        self._established(invite)
        return invite

    def ask(self, method: str, body: str = "") -> Response:
        """The final response to a request of its own."""
        number = next(self.numbers)
        self.say(method, number, body)
        while True:
            message = self.next()
            if isinstance(message, Response) and message.code >= 200:
                if message.cseq.number == number and message.callID == self.callID:
                    return message

    def request(self, method: str, body: str = "") -> Request:
        """The next request of that method, answered with 200."""
        while True:
            message = self.next()
            if isinstance(message, Request) and message.method == method:
                response = message.respond(
                    200,
                    toTag="w",
                    headers=[("Contact", f"<sip:{self.user}@{NOWHERE};transport=ws>")],
                    body=body.encode(),
                    contentType="application/sdp" if body else None,
                )
                self.wire.sendall(self.client.say(response.toBytes().decode()))
                return message

    def hears(self) -> bool:
        """It sends a packet of sound: does one come?"""
        self.rtp.sendto(b"\x80\x00\0\1\0\0\0\0\0\0\0\7" + b"\x10\x90" * 80, self.media)
        return len(self.rtp.recv(2048)) > 160

    # --- messages -------------------------------------------------------------------------------

    def say(self, method: str, number: int, body: str = "") -> None:
        """A request, along the route of the call."""
        lines = [
            f"{method} {self.target} SIP/2.0",
            f"Via: SIP/2.0/WS {NOWHERE};branch=z9hG4bK{self.callID}{number}{method}",
            "Max-Forwards: 70",
            *(f"Route: {hop}" for hop in self.route),
            f"From: {self.local}",
            f"To: {self.remote}",
            f"Call-ID: {self.callID}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:{self.user}@{NOWHERE};transport=ws>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self.wire.sendall(self.client.say("\r\n".join([*lines, "", body])))

    def next(self) -> Request | Response:
        """What comes next. TimeoutError after PATIENCE."""
        while not self.client.messages:
            self.wire.sendall(self.client.received(self._bytes()))
        return parse(self.client.messages.pop(0))

    def description(self, direction: str) -> str:
        """Its SDP."""
        port = self.rtp.getsockname()[1]
        return (
            f"v=0\r\no=- 1 {next(self.numbers)} IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\n"
            f"t=0 0\r\nm=audio {port} RTP/AVP 0\r\na={direction}\r\n"
        )

    def _begin(self, remote: str, target: str) -> None:
        self.callID = f"{self.user}-{next(self.numbers)}"
        self.local = f"<sip:{self.user}@{HOST}>;tag=w"
        self.remote, self.target, self.route = remote, target, []

    def _established(self, message: Request | Response) -> None:
        self.target = str(message.contacts[0].uri)
        found = re.search(r"m=audio (\d+)", message.body.decode())
        if found is not None:
            self.media = (HOST, int(found[1]))

    def _bytes(self) -> bytes:
        data = self.wire.recv(65536)
        if not data:
            raise ConnectionError("the proxy has closed the connection")
        return data
