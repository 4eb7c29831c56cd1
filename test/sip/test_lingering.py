"""What is kept for RFC 3261's half minute after a call: bytes and keys, nobody's objects."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable

from shtoom.sip.message import Request
from shtoom.sip.transport import Peer
from test.sip.support import SDP, TRUNK, Asker, LayerTestCase, request

MORE = (
    ("Contact", "<sip:alice@198.51.100.20:5060>"),
    ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE"),
    ("Supported", "replaces, timer"),
    ("User-Agent", "A phone 1.0"),
    ("Content-Type", "application/sdp"),
)
MOST_KEPT = 2048
"""Bytes a transaction."""


class LingeringTests(LayerTestCase):
    """Calls that are over, within the 32 s."""

    def server(self, n: int, code: int, method: str = "INVITE") -> None:
        """A request of a peer that the agent answers with that code."""
        self.agent.answers = (180, code) if method == "INVITE" else (code,)
        via = f"SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKnashds{n:08};rport"
        callID = f"{n:08}-4b7d9e2c@198.51.100.20"
        toTag = None if method == "INVITE" else "d1"
        self.arrive(request(method, via=via, callID=callID, toTag=toTag, more=MORE, body=SDP * 4))

    def client(self, n: int, code: int, method: str = "INVITE") -> tuple[Asker, Request]:
        """A request of ours that is answered with that code; a 2xx to INVITE gets its ACK."""
        outgoing = request(
            method, via=None, callID=f"{n:08}-4b7d9e2c@192.0.2.10", more=MORE, body=SDP * 4
        )
        asker = self.ask(outgoing)
        answer = self.answerFrom(code, headers=MORE, body=SDP * 4)
        self.wire.sent.clear()
        self.arrive(answer, TRUNK)
        if method == "INVITE" and code < 300:
            ack = request("ACK", via=None, callID=outgoing.callID, toTag="t1")
            self.layer.sendStateless(ack, Peer(self.wire, TRUNK))
            self.transaction.user = None
        return asker, outgoing

    def test_noUserAndNoMessageIsKept(self) -> None:
        """The transaction of an answered request holds neither (server and client, all kinds)."""
        for code in (200, 486):
            for method in ("INVITE", "BYE"):
                self.server(code, code, method)
        server = [weakref.ref(received) for _, received in self.agent.requests]
        self.agent.requests.clear()
        gc.collect()
        self.assertEqual([ref() for ref in server], [None] * 4)
        self.assertEqual(len(self.layer), 4)

    def test_noUserOfOursIsKept(self) -> None:
        """Nor who asked, nor what was asked or answered."""
        kept: list[weakref.ref[object]] = []
        for n, (code, method) in enumerate(
            ((200, "INVITE"), (486, "INVITE"), (200, "BYE"), (481, "BYE"))
        ):
            asker, outgoing = self.client(n, code, method)
            kept += [weakref.ref(asker), weakref.ref(outgoing), weakref.ref(asker.responses[0])]
        del asker, outgoing
        del self.transaction
        gc.collect()
        self.assertEqual([ref() for ref in kept], [None] * 12)
        self.assertEqual(len(self.layer), 4)
        self.assertNothingLeft()

    def test_nothingNeedsTheCollector(self) -> None:
        """The objects of a request go by counting references alone."""
        self.agent.answers = (180, 486)
        gc.collect()
        gc.disable()
        try:
            self.server(1, 486)
            gone = weakref.ref(self.agent.requests[0][1])
            self.agent.requests.clear()
            self.assertIsNone(gone())
        finally:
            gc.enable()

    def test_lessThan2KBEach(self) -> None:
        """Measured for each kind of answered request, of about 1 KB on the wire."""
        kinds: dict[str, Callable[[int], object]] = {
            "server INVITE 200": lambda n: self.server(n, 200),
            "server INVITE 486": lambda n: self.server(n, 486),
            "server BYE 200": lambda n: self.server(n, 200, "BYE"),
            "client INVITE 200": lambda n: self.client(n, 200),
            "client INVITE 486": lambda n: self.client(n, 486),
            "client BYE 200": lambda n: self.client(n, 200, "BYE"),
        }
        gc.freeze()  # what is there already is not looked at again and again
        self.addCleanup(gc.unfreeze)
        self.sizes = {name: self.measure(begin) for name, begin in kinds.items()}
        self.assertEqual({n: s for n, s in self.sizes.items() if s > MOST_KEPT}, {})

    def measure(self, begin: Callable[[int], object]) -> float:
        """Bytes that each of 300 leaves behind, in a layer of its own."""
        self.setUp()
        begin(0)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for n in range(1, 301):
            begin(n)
            self.wire.sent.clear()
            self.agent.requests.clear()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        self.assertEqual(len(self.layer), 301)
        return (after - before) / 300
