"""Many ports at once, on real sockets: UDP, TCP, TLS, WebSocket; IPv4 and IPv6 side by side."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.message import Response
from shtoom.sip.parser import parse
from shtoom.sip.websocket import missing
from test.peers.peers import makeCertificate
from test.peers.server import Doug

KINDS = ("tcp", "tls", "ws", "wss")
HOSTS = ("127.0.0.1", "[::1]")
OPTIONS = (
    "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/{kind} {host};branch=z9hG4bK{n};rport\r\n"
    "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class ListenersTests(SynchronousTestCase):
    """One server with ten ports."""

    timeout = 60

    def test_eachAnswers(self) -> None:
        """All of them, over the connection that the request came on, in its address family."""
        if (why := missing()) is not None:
            self.skipTest(why)
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("this machine has no IPv6")
        folder = Path(self.mktemp())
        folder.mkdir()
        certificate, key = makeCertificate(folder.resolve())
        asked = [f"{kind}:{host}:0" for kind in KINDS for host in HOSTS] + ["udp:[::1]:0"]
        doug = Doug(
            "test.peers.apps.Echo",
            args=[
                *(f"--listen={each}" for each in asked),
                f"--certificate={certificate}",
                f"--private-key={key}",
            ],
        )
        self.addCleanup(doug.stop)
        doug.start()
        doug.waitLog(r"udp:\[::1\]:\d", 10.0)
        ports = re.findall(r"\b(udp|tcp|tls|ws|wss):(127\.0\.0\.1|\[::1\]):(\d+)", doug.log())
        found = {(kind, host): int(port) for kind, host, port in ports}
        self.assertEqual(len(found), 10, doug.log())
        for n, ((kind, host), port) in enumerate(found.items()):
            answer = self.ask(kind, host.strip("[]"), port, n)
            self.assertEqual((answer.code, answer.callID), (200, str(n)), (kind, host))
            self.assertIn(answer.via.received or host, host)

    def ask(self, kind: str, host: str, port: int, n: int) -> Response:
        """OPTIONS, and its answer."""
        shown = f"[{host}]" if ":" in host else host
        text = OPTIONS.format(host=shown, kind=kind.upper(), n=n).encode()
        if kind == "udp":
            with socket.socket(
                socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
            ) as caller:
                caller.settimeout(10)
                caller.sendto(text, (host, port))
                data = caller.recv(65536)
        else:
            with socket.create_connection((host, port), timeout=10) as plain:
                wire: socket.socket = plain
                if kind in ("tls", "wss"):
                    context = ssl.create_default_context()
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    wire = context.wrap_socket(plain)
                data = over(wire, text, kind in ("ws", "wss"))
                wire.close()
        message = parse(data)
        assert isinstance(message, Response)
        return message


def over(wire: socket.socket, text: bytes, web: bool) -> bytes:
    """What comes for what is said, over a connection."""
    if not web:
        wire.sendall(text)
        return wire.recv(65536)
    from test.support.webclient import WebClient

    client = WebClient()
    wire.sendall(client.hello)
    while client.accepted is None:
        client.received(wire.recv(65536))
    wire.sendall(client.say(text.decode()))
    while not client.messages:
        client.received(wire.recv(65536))
    return client.messages[0]
