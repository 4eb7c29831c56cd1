"""Requests of ours: Via, responses, CANCEL, forks, failures (RFC 3261 17.1, RFC 6026 7.2)."""

from __future__ import annotations

from typing import Any

from shtoom.exceptions import TransactionTimeout, TransportFailed
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from shtoom.sip.states import State
from shtoom.sip.transport import Peer
from test.sip.support import ALICE, TRUNK, Asker, LayerTestCase, Wire, request

BROKEN = TransportFailed("Network is unreachable")


def invite(**kwargs: Any) -> Request:
    """One of ours, without Via."""
    return request(via=None, **kwargs)


class ClientTests(LayerTestCase):
    """We ask, the trunk answers."""

    def respond(self, code: int, toTag: str | None = "t1", **kwargs: Any) -> None:
        """The trunk responds to our last request."""
        self.arrive(self.answerFrom(code, toTag, **kwargs), TRUNK)

    def ack(self, toTag: str = "t1", peer: tuple[str, int] = TRUNK) -> None:
        """We acknowledge a 2xx."""
        self.layer.sendStateless(invite(method="ACK", toTag=toTag), Peer(self.wire, peer))

    def test_theLayerAddsTheVia(self) -> None:
        """Transport, an address that the peer can reach, a unique branch, rport (8.1.1.7)."""
        self.ask(invite())
        self.ask(invite(callID="c2"))
        first, second = self.messages()
        self.assertEqual(
            (first.via.transport, first.via.host, first.via.port), ("UDP", *("192.0.2.10", 5060))
        )
        self.assertEqual(first.via.rport, "")
        self.assertRegex(first.via.branch or "", r"\Az9hG4bK[0-9a-f]{20}\Z")
        self.assertNotEqual(first.via.branch, second.via.branch)
        self.assertEqual(first.headers.lines[0][0], "Via")
        self.assertEqual(self.wire.sent[0][2], TRUNK)

    def test_responsesReachWhoAsked(self) -> None:
        """By branch and method (17.1.3); a final one ends it, and the user is let go."""
        first, second = self.ask(invite(method="OPTIONS")), self.ask(invite(method="OPTIONS"))
        self.respond(100, None)
        self.respond(200)
        self.assertEqual((first.codes, second.codes), ([], [100, 200]))
        self.assertIsNone(self.transaction.user)
        self.respond(200)
        self.assertEqual((second.codes, self.agent.strays), ([100, 200], []))

    def test_refusalOfAnINVITE(self) -> None:
        """Goes to the user once; the ACK goes out for each copy (17.1.1.2)."""
        asker = self.ask(invite())
        self.respond(486)
        self.respond(486)
        self.assertEqual((asker.codes, self.transaction.user), ([486], None))
        self.assertEqual([line.split()[0] for line in self.lines], ["INVITE", "ACK", "ACK"])
        self.assertEqual(self.messages()[1].via, self.messages()[0].via)
        self.assertNothingLeft()

    def test_repeatOf2xxGetsItsACKAgain(self) -> None:
        """The ACK that was sent statelessly, by itself, to where it went (13.2.2.4)."""
        asker = self.ask(invite())
        self.respond(200)
        self.ack(peer=("203.0.113.31", 5062))
        self.respond(200)
        self.respond(200)
        self.assertEqual(asker.codes, [200])
        acks = [(data, to) for _, data, to in self.wire.sent if data.startswith(b"ACK")]
        self.assertEqual(len(acks), 3)
        self.assertEqual(len(set(acks)), 1)
        self.assertEqual(acks[0][1], ("203.0.113.31", 5062))
        self.assertNotEqual(self.messages()[0].via.branch, self.messages()[1].via.branch)

    def test_2xxBeforeTheACKIsRepeatedToTheUser(self) -> None:
        """A user that could not send its ACK yet hears the 2xx again."""
        asker = self.ask(invite())
        self.respond(200)
        self.respond(200)
        self.assertEqual(asker.codes, [200, 200])

    def test_each2xxOfAForkReachesTheUser(self) -> None:
        """Another To tag is another dialog, with an ACK of its own (RFC 6026 7.2)."""
        asker = self.ask(invite())
        self.respond(200)
        self.ack()
        self.respond(200, "t2")
        self.assertEqual([r.toAddress.tag for r in asker.responses], ["t1", "t2"])
        self.ack("t2")
        for tag in ("t1", "t2"):
            self.respond(200, tag)
        tags = [m.toAddress.tag for m in self.messages() if str(m).startswith("ACK")]
        self.assertEqual((tags, len(asker.responses)), (["t1", "t2", "t1", "t2"], 2))
        self.assertNothingLeft()

    def test_aUserThatIsDoneHearsNoMore(self) -> None:
        """ACKs go on by themselves; a 2xx of yet another fork is the agent's to leave."""
        asker = self.ask(invite())
        self.respond(200)
        self.ack()
        self.transaction.user = None
        self.respond(200)
        self.respond(200, "t2")
        self.assertEqual(
            (asker.codes, [s.toAddress.tag for s in self.agent.strays]), ([200], ["t2"])
        )
        self.ack("t2")
        self.respond(200, "t2")
        self.assertEqual(len(self.agent.strays), 1)
        self.assertEqual([line.split()[0] for line in self.lines], ["INVITE"] + ["ACK"] * 4)
        self.assertNothingLeft()

    def test_anotherUserMayTakeOver(self) -> None:
        """So that a call that is over is not held by its transaction; it hears the other forks."""
        asker, heir = self.ask(invite()), Asker()
        self.respond(200)
        self.ack()
        self.transaction.user = heir
        self.respond(200)
        self.respond(200, "t2")
        self.assertEqual(asker.codes, [200])
        self.assertEqual([r.toAddress.tag for r in heir.responses], ["t2"])
        self.assertEqual(self.agent.strays, [])

    def test_noUserBeforeTheAnswer(self) -> None:
        """The transaction goes on: refusals are acknowledged, a 2xx is the agent's."""
        asker = self.ask(invite())
        self.transaction.user = None
        self.respond(180)
        self.respond(200)
        self.assertEqual((asker.codes, [s.code for s in self.agent.strays]), ([], [200]))
        other = self.ask(invite(callID="c2"))
        self.transaction.user = None
        self.respond(486)
        self.assertEqual((other.codes, self.lines[-1].split()[0]), ([], "ACK"))
        self.assertNothingLeft()

    def test_2xxAfterTheTransactionIsStray(self) -> None:
        """Later than 64*T1 after the first, it goes to the agent."""
        asker = self.ask(invite())
        self.respond(200)
        self.ack()
        late = self.answerFrom(200)
        self.runFor(33.0)
        self.arrive(late, TRUNK)
        self.assertEqual((asker.codes, [s.code for s in self.agent.strays]), ([200], [200]))

    def test_responsesOfOthersAreStray(self) -> None:
        """Another branch, or another method: nobody here waits for it (17.1.3)."""
        asker = self.ask(invite())
        mine = self.answerFrom(200)
        self.arrive(mine.replacing("Via", "SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKother"), TRUNK)
        self.arrive(mine.replacing("CSeq", "1 OPTIONS"), TRUNK)
        self.assertEqual((asker.codes, len(self.agent.strays)), ([], 2))
        self.assertEqual(self.layer.counts["stray"], 2)

    def test_responseWithTwoViasIsNotOurs(self) -> None:
        """It was meant for somebody else (8.1.3.3)."""
        asker = self.ask(invite())
        self.arrive(self.answerFrom(200).adding("Via", "SIP/2.0/UDP 198.51.100.20"), TRUNK)
        self.assertEqual((asker.codes, self.agent.strays), ([], []))
        self.assertEqual(self.layer.counts["manyVias"], 1)

    def test_noAnswer(self) -> None:
        """Timer B or F: the user is told once, and nothing is left."""
        for method in ("INVITE", "BYE"):
            asker = self.ask(invite(method=method, callID=method))
            self.assertNothingLeft()
            self.assertIsInstance(asker.failures[0], TransactionTimeout)
            self.assertEqual(len(asker.failures), 1)

    def test_transportFailure(self) -> None:
        """The user is told with the system's words, on a later turn (17.1.4)."""
        self.wire.fails = BROKEN
        for method in ("INVITE", "OPTIONS"):
            asker = self.ask(invite(method=method, callID=method))
            self.assertEqual(asker.failures, [])
            self.runFor(0.0)
            self.assertEqual(asker.failures, [BROKEN])
        self.assertNothingLeft()
        self.assertEqual(self.layer.counts["sendFailed"], 2)

    def test_theLastWordsOfACallAreSaidAgain(self) -> None:
        """BYE and CANCEL that find no way count as lost: timer E repeats them, F ends them."""
        inviter = self.ask(invite())
        self.respond(180)
        self.wire.fails = BROKEN
        canceller = Asker()
        self.layer.sendCancel(self.transaction, canceller)
        asker = self.ask(invite(method="BYE", callID="c2"))
        self.runFor(0.3)
        self.assertEqual((canceller.failures, asker.failures), ([], []))
        self.wire.fails = None
        self.runFor(0.3)
        self.assertEqual([str(m).split()[0] for m in self.messages()[1:]], ["CANCEL", "BYE"])
        self.respond(200)
        self.assertEqual(asker.codes, [200])
        self.wire.fails = BROKEN
        silent = self.ask(invite(method="BYE", callID="c3"))
        self.assertNothingLeft()
        self.assertIsInstance(silent.failures[0], TransactionTimeout)
        self.assertIsInstance(canceller.failures[0], TransactionTimeout)
        self.assertIsInstance(inviter.failures[0], TransactionTimeout)

    def test_theLastWordsOverAConnection(self) -> None:
        """A connection that is broken says so once for all: nothing is repeated there."""
        self.wire = Wire(self.clock, reliable=True)
        self.wire.fails = BROKEN
        asker = self.ask(invite(method="BYE"))
        self.runFor(0.0)
        self.assertEqual(asker.failures, [BROKEN])
        self.assertNothingLeft()

    def test_noWayToThePeer(self) -> None:
        """No address of ours leads there: nothing is sent, the user is told likewise."""
        for method in ("INVITE", "BYE"):
            asker = self.ask(invite(method=method, callID=method), ("192.0.2.254", 5060))
            self.assertEqual(asker.failures, [])
            self.runFor(0.0)
            self.assertEqual([str(f) for f in asker.failures], ["503 no way to 192.0.2.254"])
        self.layer.sendStateless(invite(method="ACK"), Peer(self.wire, ("192.0.2.254", 5060)))
        self.assertEqual(self.wire.sent, [])
        self.assertNothingLeft()

    def test_aRequestWithoutResponseAsksWhetherAnybodyIsThere(self) -> None:
        """With each repeat, at the address that it goes to; no more once a response has come."""
        self.ask(invite())
        self.runFor(2.0)
        self.assertEqual(self.wire.probed, [(0.5, TRUNK), (1.5, TRUNK)])
        self.respond(100)
        self.runFor(60.0)
        self.ask(invite(method="OPTIONS", callID="c2"))
        self.runFor(0.6)
        self.respond(100)
        self.runFor(10.0)
        self.assertEqual(len(self.wire.probed), 3)

    def test_nobodyListensThere(self) -> None:
        """The network says so: all that had no response from that address has failed (18.4)."""
        askers = [
            self.ask(invite()),
            self.ask(invite(method="OPTIONS", callID="c2")),
            self.ask(invite(callID="c3"), ALICE),
        ]
        refusal = TransportFailed("nobody listens at 203.0.113.30:5060")
        self.layer.unreachable(refusal, Peer(self.wire, TRUNK))
        self.assertEqual([asker.failures for asker in askers], [[], [], []])  # on a later turn
        self.runFor(1.0)
        self.assertEqual([asker.failures for asker in askers], [[refusal], [refusal], []])
        self.assertEqual(len(self.layer), 1)

    def test_whoHasRespondedListens(self) -> None:
        """Whatever the network, or one who forges its word, says of it."""
        for code, method in ((100, "INVITE"), (180, "INVITE"), (200, "INVITE"), (100, "OPTIONS")):
            asker = self.ask(invite(method=method, callID=f"{code}-{method}"))
            self.respond(code)
            self.layer.unreachable(TransportFailed("forged"), Peer(self.wire, TRUNK))
            self.runFor(1.0)
            self.assertEqual((asker.codes, asker.failures), ([code], []))

    def test_anACKThatCannotBeSentIsCounted(self) -> None:
        """The repeated 2xx asks for it again."""
        asker = self.ask(invite())
        self.respond(200)
        self.wire.fails = BROKEN
        self.ack()
        self.wire.fails = None
        self.respond(200)
        self.assertEqual((asker.codes, asker.failures), ([200], []))
        self.assertEqual([line.split()[0] for line in self.lines], ["INVITE", "ACK"])
        self.assertEqual(self.layer.counts["sendFailed"], 1)

    def test_whatIsNoTransactionIsRefused(self) -> None:
        """ACK and CANCEL have methods of their own; the error says which."""
        for method in ("ACK", "CANCEL"):
            with self.assertRaisesRegex(ValueError, method):
                self.ask(invite(method=method))

    def test_stop(self) -> None:
        """After stop() nothing is sent and nobody told; to begin something is an error."""
        asker = self.ask(invite())
        self.layer.stop()
        self.ack()
        self.arrive(self.answerFrom(200), TRUNK)
        self.runFor(40.0)
        self.assertEqual((asker.codes, asker.failures, len(self.wire.sent)), ([], [], 1))
        with self.assertRaises(RuntimeError):
            self.ask(invite())

    def test_twoTargetsWithOneCallID(self) -> None:
        """The same INVITE at a second address is a transaction of its own; both end in order."""
        first, second = self.ask(invite()), self.ask(invite(), ("203.0.113.31", 5060))
        answers = [m.respond(200, toTag="t1") for m in self.messages() if isinstance(m, Request)]
        for answer in answers:
            self.arrive(answer, TRUNK)
        self.ack()
        self.assertEqual((first.codes, second.codes), ([200], [200]))
        self.assertNothingLeft()


class SendCancelTests(LayerTestCase):
    """9.1."""

    def setUp(self) -> None:
        """An INVITE is out, and rings."""
        super().setUp()
        self.more = [("Route", "<sip:p.example.net;lr>"), ("Contact", "<sip:app@192.0.2.10>")]
        self.asker = self.ask(invite(more=self.more))
        self.invited = self.messages()[0]

    def ring(self) -> None:
        """The trunk rings."""
        self.arrive(self.answerFrom(180), TRUNK)

    def test_transaction_007_theCANCEL(self) -> None:
        """The INVITE's one Via, Request-URI, Call-ID, To, From, Route and number (9.1)."""
        self.ring()
        canceller = Asker()
        self.layer.sendCancel(self.transaction, canceller)
        cancel, mine = self.messages()[1], self.invited
        assert isinstance(cancel, Request)
        assert isinstance(mine, Request)
        self.assertEqual(cancel.headerValues("Via"), mine.headerValues("Via"))
        self.assertEqual(cancel.cseq, (mine.cseq.number, "CANCEL"))
        self.assertEqual((cancel.uri, cancel.callID), (mine.uri, mine.callID))
        for name in ("From", "To", "Route"):
            self.assertEqual(cancel.header(name), mine.header(name))
        self.assertIsNone(cancel.toAddress.tag)
        self.assertIsNone(cancel.header("Contact"))
        self.assertEqual([to for _, _, to in self.wire.sent], [TRUNK, TRUNK])
        self.arrive(cancel.respond(200, toTag="t1"), TRUNK)
        self.arrive(mine.respond(487, toTag="t1"), TRUNK)
        self.assertEqual((canceller.codes, self.asker.codes), ([200], [180, 487]))
        self.assertNothingLeft()

    def test_onlyWhatProceeds(self) -> None:
        """Before any response, after the final one, twice: an error in words (9.1)."""
        with self.assertRaisesRegex(ValueError, "CALLING"):
            self.layer.sendCancel(self.transaction, Asker())
        self.ring()
        self.layer.sendCancel(self.transaction, Asker())
        with self.assertRaisesRegex(ValueError, "cancelled already"):
            self.layer.sendCancel(self.transaction, Asker())
        self.arrive(self.answerFrom(487), TRUNK)
        with self.assertRaisesRegex(ValueError, "COMPLETED"):
            self.layer.sendCancel(self.transaction, Asker())

    def test_noFinalResponse(self) -> None:
        """64*T1 after the CANCEL the INVITE is given up (9.1)."""
        self.ring()
        self.runFor(50.0)
        self.layer.sendCancel(self.transaction, Asker())
        self.arrive(self.answerFrom(200).replacing("CSeq", "1 CANCEL"), TRUNK)
        self.runFor(31.0)
        self.assertEqual(self.asker.failures, [])
        self.runFor(2.0)
        self.assertIsInstance(self.asker.failures[0], TransactionTimeout)
        self.assertNothingLeft()

    def test_2xxAllTheSame(self) -> None:
        """It crossed the CANCEL: the user hears it as ever."""
        self.ring()
        self.layer.sendCancel(self.transaction, Asker())
        self.arrive(self.answerFrom(200), TRUNK)
        self.assertEqual(self.asker.codes, [180, 200])
        self.assertIs(self.transaction.state, State.ACCEPTED)


class SelfCallTests(LayerTestCase):
    """A call of ours to ourselves, through one layer."""

    def test_bothSidesInOneLayer(self) -> None:
        """Client and server transactions of one branch do not mix."""
        send = self.wire.send

        def loop(data: bytes, address: tuple[str, int]) -> None:
            send(data, address)
            self.arrive(parse(data), ALICE)

        self.wire.send = loop  # type: ignore[method-assign]
        self.agent.answers = (180, 200)
        asker = self.ask(invite(), ALICE)
        self.layer.sendStateless(invite(method="ACK", toTag="d1"), Peer(self.wire, ALICE))
        self.assertEqual((asker.codes, len(self.agent.acks)), ([180, 200], 1))
        self.assertNothingLeft()
