"""Many ports at once, on real sockets: UDP, TCP, TLS, WebSocket; IPv4 and IPv6 side by side."""

from __future__ import annotations

import re
import signal
import socket
import ssl
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.framing import Framer, Whole
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.websocket import missing
from test.peers.peers import freePort, makeCertificate
from test.peers.server import Doug

KINDS = ("udp", "tcp", "tls", "ws", "wss")
HOSTS = ("127.0.0.1", "[::1]")
REQUEST = (
    "{method} sip:{host} SIP/2.0\r\nVia: SIP/2.0/{kind} {host};branch=z9hG4bK{branch};rport\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>{tag}\r\nCall-ID: {callID}\r\n"
    "CSeq: {number} {method}\r\n"
    "Contact: <sip:a@{host}:9>\r\nMax-Forwards: 70\r\n{type}Content-Length: {length}\r\n\r\n{body}"
)
OFFER = (
    "v=0\r\no=- 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0\r\na=inactive\r\n"
)


class ListenersTests(SynchronousTestCase):
    """One server with ten ports: UDP and TCP have the same number, in both families."""

    timeout = 60

    def setUp(self) -> None:
        if (why := missing()) is not None:
            self.skipTest(why)
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("this machine has no IPv6")
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        certificate, key = makeCertificate(self.folder)
        self.config = self.folder / "doug.toml"
        self.config.write_text("[limits]\nmax-calls = 100\n")
        numbers = {"udp": freePort(), "tls": freePort(), "ws": freePort(), "wss": freePort()}
        numbers["tcp"] = numbers["udp"]
        self.ports = {(kind, host): numbers[kind] for kind in KINDS for host in HOSTS}
        own = ("udp", "127.0.0.1")  # which Doug's own option names
        self.doug = Doug(
            "test.peers.apps.Echo",
            port=numbers["udp"],
            args=[
                f"--config={self.config}",
                *(f"--listen={k}:{h}:{n}" for (k, h), n in self.ports.items() if (k, h) != own),
                f"--certificate={certificate}",
                f"--private-key={key}",
            ],
        )
        self.addCleanup(self.doug.stop)
        self.doug.start()
        found = self.doug.waitLog(r"Echo at (.*), media ports", 10.0)
        heard = re.findall(r"\b(udp|tcp|tls|ws|wss):(127\.0\.0\.1|\[::1\]):(\d+)", found[1])
        self.assertEqual({(kind, host): int(port) for kind, host, port in heard}, self.ports)

    def line(self, kind: str, host: str) -> Line:
        line = Line(kind, host.strip("[]"), self.ports[kind, host])
        self.addCleanup(line.close)
        return line

    def test_callsGoByEachAndAReloadTouchesNone(self) -> None:
        """Calls that are up and connections that are open go on over SIGHUP; all ports answer."""
        calls = []
        for n, (kind, host) in enumerate(self.ports):
            line = self.line(kind, host)
            answer = line.ask("INVITE", callID=f"c{n}")
            self.assertEqual(answer.code, 200, (kind, host))
            contact = answer.contact
            assert contact is not None
            self.assertEqual(contact.uri.host, host.strip("[]"))
            self.assertEqual(contact.uri.port, self.ports[kind, host])
            self.assertIn(f" {host.strip('[]')}\r\n", answer.body.decode())
            line.say("ACK", callID=f"c{n}", tag=answer.toAddress.tag)
            calls.append((line, f"c{n}", answer.toAddress.tag))
        self.config.write_text("[limits]\nmax-calls = 10\n")
        assert self.doug.proc is not None
        self.doug.proc.send_signal(signal.SIGHUP)
        self.doug.waitLog("new settings: maxCalls")
        for n, (line, callID, tag) in enumerate(calls):
            self.assertEqual(line.ask("OPTIONS", callID=f"o{n}").code, 200)
            self.assertEqual(line.ask("BYE", callID=callID, tag=tag, number=2).code, 200)
        for n, (kind, host) in enumerate(self.ports):
            with closing(self.line(kind, host)) as line:
                answer = line.ask("OPTIONS", callID=f"n{n}")
                self.assertEqual(answer.code, 200, (kind, host))
                self.assertIn(answer.via.received or host, host)


class Line:
    """One client's way to a port, which stays open."""

    def __init__(self, kind: str, host: str, port: int) -> None:
        self.kind, self.host = kind, host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        way = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
        self._wire: socket.socket = socket.socket(family, way)
        self._wire.settimeout(10)
        self._wire.connect((host, port))
        self._framer, self._waiting = Framer(), list[bytes]()
        if kind in ("tls", "wss"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self._wire = context.wrap_socket(self._wire)
        self._web = None
        if kind in ("ws", "wss"):
            from test.support.webclient import WebClient

            self._web = WebClient()
            self._wire.sendall(self._web.hello)
            while self._web.accepted is None:
                self._web.received(self._wire.recv(65536))

    def close(self) -> None:
        """It is over."""
        self._wire.close()

    def ask(self, method: str, *, callID: str, tag: str | None = None, number: int = 1) -> Response:
        """The final response to a request."""
        self.say(method, callID=callID, tag=tag, number=number)
        while True:
            message = parse(self._hear())
            if isinstance(message, Request):
                raise AssertionError(f"a request came: {message.method}")
            if message.code >= 200 and (message.callID, message.cseq.method) == (callID, method):
                return message

    def say(self, method: str, *, callID: str, tag: str | None, number: int = 1) -> None:
        """Sends a request. tag: of the far end."""
        ipv6 = ":" in self.host
        body = OFFER.format(family="IP6" if ipv6 else "IP4", host=self.host)
        body = body if method == "INVITE" else ""
        text = REQUEST.format(
            method=method,
            host=f"[{self.host}]" if ipv6 else self.host,
            kind=self.kind.upper(),
            branch=f"{callID}{method}",
            tag="" if tag is None else f";tag={tag}",
            callID=callID,
            number=number,
            type="Content-Type: application/sdp\r\n" if body else "",
            length=len(body),
            body=body,
        )
        self._wire.sendall(text.encode() if self._web is None else self._web.say(text))

    def _hear(self) -> bytes:
        """The next message."""
        while not self._waiting:
            data = self._wire.recv(65536)
            if not data:
                raise AssertionError(f"the {self.kind} connection was closed")
            if self._web is not None:
                self._web.received(data)
                self._waiting, self._web.messages = self._web.messages, []
            elif self.kind == "udp":
                self._waiting.append(data)
            else:
                pieces = self._framer.received(data)
                self._waiting += [piece.data for piece in pieces if isinstance(piece, Whole)]
        return self._waiting.pop(0)
