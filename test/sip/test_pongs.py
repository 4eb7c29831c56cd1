"""Connections whose far end has gone without a word (RFC 5626 4.4.1)."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import CallFailed
from shtoom.sip.handles import ClientTransaction
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.probe import KEEP_ALIVE
from shtoom.sip.stream import StreamTransport
from shtoom.sip.timers import Timers
from shtoom.sip.transactions import TransactionLayer
from shtoom.sip.transport import Peer
from test.sip.streamed import PLAIN
from test.sip.test_stream import SERVER, Net


class Asking:
    """Who asks, and hears that there is no answer."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def responseReceived(self, response: Response) -> None:
        """None comes."""

    def transactionFailed(self, failure: CallFailed) -> None:
        """For which reason?"""
        self.failures.append(failure.reason)


class PongTests(SynchronousTestCase):
    """A client's connection; its far end may be deaf."""

    def setUp(self) -> None:
        self.net = Net()
        self.net.connect()

    def goDeaf(self) -> None:
        """Nothing that the far end is sent arrives."""
        self.net.pumps[0].server.dataReceived = lambda data: None

    def client(self) -> StreamTransport:
        """Which asks."""
        return self.net.client

    def test_aProbeIsAnswered(self) -> None:
        self.client().probe(SERVER)
        self.net.pass_(0.1)
        self.net.pass_(20.0)
        self.assertEqual((len(self.client()), self.net.atClient.lost), (1, []))
        self.assertEqual(self.net.server.counts["keepAlive"], 1)

    def test_noAnswerIsTheEnd(self) -> None:
        """After ten seconds, and those who have sent over it hear of it."""
        self.goDeaf()
        self.client().probe(SERVER)
        self.net.pass_(9.9)
        self.assertEqual(len(self.client()), 1)
        self.net.pass_(0.2)
        self.assertEqual((len(self.client()), self.net.atClient.lost), (0, [SERVER]))
        self.assertIn("was not answered within 10 s", self.net.atClient.failures[0][0])
        self.assertEqual(self.client().counts["gone"], 1)
        self.assertEqual(self.client().timers(), [])

    def test_whoeverHasAnsweredOneAnswersTheNext(self) -> None:
        """Whoever never has need not: few say whether they do."""
        self.client().send(KEEP_ALIVE, SERVER)
        self.net.pass_(0.1)
        self.goDeaf()
        self.client().send(KEEP_ALIVE, SERVER)
        self.net.pass_(10.1)
        self.assertEqual(self.net.atClient.lost, [SERVER])
        self.setUp()
        self.goDeaf()
        self.client().send(KEEP_ALIVE, SERVER)
        self.net.pass_(60.0)
        self.assertEqual(self.net.atClient.lost, [])

    def test_aRequestWithoutAnswerAsks(self) -> None:
        """At its end: a connection that is alive stays, one that is not goes."""
        for deaf in (False, True):
            self.setUp()
            user: Any = Asking()
            layer = TransactionLayer(self.net.clock, user, Timers(), Random(1))
            request = parse(PLAIN)
            assert isinstance(request, Request)
            if deaf:
                self.goDeaf()
            sent = layer.sendRequest(request, Peer(self.client(), SERVER), user)
            self.assertIsInstance(sent, ClientTransaction)
            self.net.pass_(32.1)
            self.assertEqual(len(user.failures), 1)
            self.assertEqual(len(self.client()), 1)
            self.net.pass_(0.1)
            self.net.pass_(10.0)
            self.assertEqual(len(self.client()), 0 if deaf else 1)
