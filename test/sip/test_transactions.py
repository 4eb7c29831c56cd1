"""Requests of peers: matching, repeats, CANCEL, ACK, merged and malformed ones (RFC 3261 17.2)."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from shtoom.exceptions import MalformedMessage, Refusal, TransportFailed
from shtoom.sip.handles import ServerTransaction
from shtoom.sip.parser import parse
from shtoom.sip.states import State
from shtoom.sip.transactions import LONGEST_ANSWER, MOST_REPEATED, MOST_UNANSWERED
from shtoom.sip.transport import Peer
from test.sip.support import ALICE, SDP, LayerTestCase, request

STRAY_ACK = (
    b"ACK sip:192.0.2.10 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 203.0.113.99:5060;branch=z9hG4bKx\r\n"
    b"From: <sip:m@example.org>;tag=1\r\n"
    b"To: <sip:app@example.com>;tag=2\r\n"
    b"Call-ID: stray\r\n"
    b"CSeq: 1 ACK\r\n"
    b"Content-Length: 0\r\n\r\n"
)
HOST = "SIP/2.0/UDP 198.51.100.20:5060"


class ServerTests(LayerTestCase):
    """An agent that answers, or not, and alice."""

    def invite(self, **kwargs: object) -> ServerTransaction:
        """An INVITE of alice's; the agent has said nothing yet, unless it has `answers`."""
        self.arrive(request(**kwargs))  # type: ignore[arg-type]
        return self.agent.requests[-1][0]

    def test_aNewRequestGoesToTheAgent(self) -> None:
        """With its transaction, which knows where it came from."""
        transaction = self.invite(body=SDP)
        received = self.agent.requests[0][1]
        self.assertEqual((received.method, received.body), ("INVITE", SDP))
        self.assertIs(transaction.request, received)
        self.assertEqual(transaction.peer, Peer(self.wire, ALICE))
        self.assertEqual((len(self.layer), self.layer.unanswered), (1, 1))

    def test_aRepeatIsNotHandedUp(self) -> None:
        """It gets the last response again (17.2.1)."""
        transaction = self.invite()
        self.invite()
        transaction.respond(self.agent.requests[0][1].respond(180, toTag="d1"))
        self.invite()
        self.assertEqual(len(self.agent.requests), 1)
        self.assertEqual(self.codes, [180, 180])
        self.assertEqual(self.layer.counts["repeat"], 2)

    def test_responsesGoWhereTheViaSays(self) -> None:
        """To the source with rport, else to the port of the sent-by (18.2.2, RFC 3581 4)."""
        self.agent.answers = (200,)
        natted = ("203.0.113.7", 40000)
        self.arrive(
            request("OPTIONS", via="SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bKa;rport"), natted
        )
        self.arrive(
            request("OPTIONS", via="SIP/2.0/UDP 10.0.0.5:5062;branch=z9hG4bKb", callID="c2"), natted
        )
        self.assertEqual([to for _, _, to in self.wire.sent], [natted, ("203.0.113.7", 5062)])
        self.assertEqual(self.messages()[0].via.received, "203.0.113.7")
        self.assertEqual(self.messages()[0].via.rport, "40000")

    def test_ACKOfARefusalIsAbsorbed(self) -> None:
        """It ends the repeats, and the agent hears nothing of it (17.2.1)."""
        self.agent.answers = (100, 486)
        self.invite()
        self.runFor(1.0)
        self.assertEqual(self.codes, [100, 486, 486])
        self.arrive(request("ACK", toTag="d1"))
        self.runFor(3.0)
        self.assertEqual((self.codes, self.agent.acks), ([100, 486, 486], []))
        self.assertNothingLeft()

    def test_ACKOfA2xxGoesToTheAgent(self) -> None:
        """Whether it has a branch of its own, or wrongly that of its INVITE (17.2.3)."""
        self.agent.answers = (200,)
        self.invite()
        self.arrive(request("ACK", via=f"{HOST};branch=z9hG4bKother;rport", toTag="d1"))
        self.arrive(request("ACK", toTag="d1"))
        self.assertEqual(
            [(str(a), p.address) for a, p in self.agent.acks],
            [("ACK sip:app@192.0.2.10 SIP/2.0", ALICE)] * 2,
        )

    def test_a2xxThatIsCutShortIsRepeatedAsItWas(self) -> None:
        """Whoever waits for its repeats knows it by its bytes, and a forged source is sent no more
        by them (RFC 6026 7.1).
        """
        transaction = self.invite()
        long = [(f"X-{n}", "x" * 40) for n in range(9)]
        headers = [("Allow", "INVITE, ACK, CANCEL, BYE"), ("Supported", "timer"), *long]
        answer = self.agent.requests[0][1].respond(200, toTag="d1", headers=headers, body=SDP)
        for _ in range(3):
            transaction.respond(answer)
            self.runFor(0.5)
        said = [data for _, data, _ in self.wire.sent]
        self.assertEqual(len(said), 3)
        self.assertNotIn(b"Supported", said[0])
        self.assertEqual(len(set(said)), 1)
        self.assertNothingLeft()

    def test_refusalWithoutACKIsCounted(self) -> None:
        """After timer H, in the log once, and nothing is left."""
        self.agent.answers = (404,)
        self.invite()
        self.assertNothingLeft()
        self.assertEqual(self.layer.counts["noAck"], 1)

    def test_refusalsOfManyINVITEsAreNotRepeated(self) -> None:
        """Timer G stops while too many of them have no ACK: their sources may be forged. A repeat
        of the INVITE still gets its answer; an ACK, and timer H, make room.
        """
        self.agent.answers = (404,)
        for n in range(MOST_REPEATED + 1):
            self.invite(via=f"{HOST};branch=z9hG4bK{n};rport", callID=f"c{n}")
        self.assertEqual(len(self.codes), MOST_REPEATED + 1)
        self.runFor(3.0)
        self.assertEqual(len(self.codes), MOST_REPEATED + 1)
        self.invite(via=f"{HOST};branch=z9hG4bK0;rport", callID="c0")
        self.assertEqual(len(self.codes), MOST_REPEATED + 2)
        ack = request("ACK", via=f"{HOST};branch=z9hG4bK0;rport", callID="c0", toTag="d1")
        self.arrive(ack)
        self.assertEqual(self.layer.unacknowledged, MOST_REPEATED)
        self.arrive(ack)
        self.assertEqual(self.layer.unacknowledged, MOST_REPEATED)
        self.runFor(40.0)
        self.assertEqual((self.layer.unacknowledged, len(self.layer)), (0, 0))
        self.invite(via=f"{HOST};branch=z9hG4bKnew;rport", callID="new")
        before = len(self.codes)
        self.runFor(1.0)
        self.assertEqual(len(self.codes), before + 1)

    def test_theLayerLimitsItself(self) -> None:
        """Beyond 10 000 unanswered requests a new one gets 503 with Retry-After, statelessly."""
        for n in range(MOST_UNANSWERED):
            via = f"{HOST};branch=z9hG4bK{n};rport"
            self.layer.messageReceived(
                request("OPTIONS", via=via, callID=f"c{n}"), Peer(self.wire, ALICE)
            )
        self.assertEqual((len(self.layer), self.wire.sent), (MOST_UNANSWERED, []))
        self.invite(via=f"{HOST};branch=z9hG4bKx;rport")
        self.assertEqual(self.codes, [503])
        self.assertIn(int(self.messages()[0].header("Retry-After") or 0), range(5, 31))
        self.assertEqual(len(self.layer), MOST_UNANSWERED)
        bye = request("BYE", via=f"{HOST};branch=z9hG4bKy;rport", toTag="d1")
        self.arrive(bye)  # inside a dialog: let through
        self.assertEqual(str(self.agent.requests[-1][1]), str(bye))
        transaction, options = self.agent.requests[0]
        transaction.respond(options.respond(200, toTag="d1"))
        self.agent.requests[-1][0].respond(bye.respond(200))
        self.invite(via=f"{HOST};branch=z9hG4bKz;rport")
        self.assertEqual(self.agent.requests[-1][1].method, "INVITE")

    def test_refuse(self) -> None:
        """503 to a request without looking at it; silence for a response and for an ACK."""
        refused = (request("OPTIONS"), request("ACK"), request("OPTIONS").respond(200))
        for message in refused:
            self.layer.refuse(message, Peer(self.wire, ALICE), Refusal("rate", "Too many", "Wait"))
        self.assertEqual((self.codes, self.layer.counts["refused"]), ([503], 1))
        self.assertEqual((self.agent.requests, len(self.layer)), ([], 0))

    def test_aLongAnswerToWhatIsMalformed(self) -> None:
        """Is none: what is copied of it would fill packets."""
        for length, count in ((2000, 1), (LONGEST_ANSWER, 0)):
            error = MalformedMessage("header line", "name: value", "x")
            via = f"{HOST};branch=z9hG4bK{'a' * length};rport"
            error.request = request("OPTIONS", via=via)
            before = len(self.codes)
            self.layer.malformedReceived(error, b"", Peer(self.wire, ALICE))
            self.assertEqual(len(self.codes) - before, count)
        self.assertEqual(self.layer.counts["tooLong"], 1)

    def test_answeredOnesDoNotCount(self) -> None:
        """Those that only absorb repeats take no place."""
        self.agent.answers = (200,)
        for n in range(3):
            self.invite(via=f"{HOST};branch=z9hG4bK{n};rport", callID=f"c{n}")
        self.assertEqual((len(self.layer), self.layer.unanswered), (3, 0))

    def test_anAgentThatRaisesAnswers500(self) -> None:
        """An exception ends that request alone, is logged, and the caller hears at once."""
        self.agent.raises = RuntimeError("boom")
        self.invite()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.codes, [500])
        self.agent.raises = None
        self.agent.answers = (200,)
        self.invite(via=f"{HOST};branch=z9hG4bK2;rport", callID="c2")
        self.assertEqual(self.codes, [500, 200])

    def test_aHeaderFoundBrokenLaterAnswers400(self) -> None:
        """What is parsed on first use, such as Contact, is the peer's fault."""
        self.agent.raises = MalformedMessage("Contact header", "a closing >", b"<sip:x")
        self.invite()
        self.assertEqual(self.codes, [400])
        self.assertIn("Contact header: wanted a closing >", self.lines[0])

    def test_anAgentThatRaisesAfterAnsweringIsDone(self) -> None:
        """Its final response stands."""
        self.agent.answers = (486,)
        transaction = self.invite()
        self.assertIsNone(transaction.request)
        self.agent.raises = RuntimeError("boom")
        self.agent.answers = ()
        self.invite()
        self.assertEqual(self.codes, [486, 486])

    def test_aResponseThatCannotBeSentIsLost(self) -> None:
        """It is counted; the repeated INVITE gets it, and does not ring a second time."""
        self.wire.fails = TransportFailed("Network is unreachable")
        self.agent.answers = (180,)
        self.invite()
        self.wire.fails = None
        self.invite()
        self.assertEqual((len(self.agent.requests), self.codes), (1, [180]))
        self.assertEqual(self.layer.counts["sendFailed"], 1)

    def test_stop(self) -> None:
        """After stop() no timer is left, nothing is sent, nothing handed up."""
        transaction = self.invite()
        invite = self.agent.requests[0][1]
        self.layer.stop()
        transaction.respond(invite.respond(486, toTag="d1"))
        self.invite(via=f"{HOST};branch=z9hG4bK2")
        self.layer.malformedReceived(MalformedMessage("x", "y", b""), b"", Peer(self.wire, ALICE))
        self.assertEqual((self.wire.sent, len(self.agent.requests)), ([], 1))
        self.assertEqual((self.clock.getDelayedCalls(), len(self.layer)), ([], 0))

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["INVITE", "OPTIONS", "BYE", "ACK", "CANCEL"]),
                st.sampled_from(["z9hG4bK1", "z9hG4bK2", "1"]),
                st.sampled_from([None, "d1"]),
                st.sampled_from([(), (100,), (100, 200), (486,)]),
                st.sampled_from([0.0, 0.3, 33.0]),
            ),
            max_size=25,
        )
    )
    def test_anyOrderOfRequests(
        self, steps: list[tuple[str, str, str | None, tuple[int, ...], float]]
    ) -> None:
        """Whatever comes: the books balance, and all that is answered is forgotten in time."""
        self.setUp()
        for method, branch, toTag, answers, pause in steps:
            self.agent.answers = answers
            self.arrive(request(method, via=f"{HOST};branch={branch};rport", toTag=toTag))
            self.runFor(pause)
            unanswered = [t for t, _ in self.agent.requests if t.request is not None]
            self.assertEqual(self.layer.unanswered, len(unanswered))
        for transaction, received in self.agent.requests:
            transaction.respond(received.respond(481, toTag="d1"))
        self.assertNothingLeft()
        self.assertEqual(self.layer.unanswered, 0)


class MergedTests(LayerTestCase):
    """One request that reaches us on two ways (8.2.2.2)."""

    def test_aCopyGets482(self) -> None:
        """Same From tag, Call-ID and CSeq, no To tag, another branch."""
        self.agent.answers = (180,)
        self.arrive(request())
        self.arrive(
            request(via="SIP/2.0/UDP 198.51.100.77;branch=z9hG4bK9"), ("198.51.100.77", 5060)
        )
        self.assertEqual(self.codes, [180, 482])
        self.assertEqual((len(self.agent.requests), len(self.layer)), (1, 1))

    def test_anOtherNumberIsNoCopy(self) -> None:
        """The next attempt, after a 401 say, has another CSeq."""
        self.agent.answers = (401,)
        self.arrive(request())
        self.arrive(request(via=f"{HOST};branch=z9hG4bK2", number=2))
        self.assertEqual(self.codes, [401, 401])

    def test_insideADialogNothingIsMerged(self) -> None:
        """The rule is for requests without To tag."""
        self.agent.answers = (200,)
        self.arrive(request("BYE", toTag="d1"))
        self.arrive(request("BYE", toTag="d1", via=f"{HOST};branch=z9hG4bK2"))
        self.assertEqual(self.codes, [200, 200])

    def test_forgottenWithItsTransaction(self) -> None:
        """Afterwards the same request is a new one."""
        self.agent.answers = (200,)
        self.arrive(request("OPTIONS"))
        self.assertNothingLeft()
        self.arrive(request("OPTIONS", via=f"{HOST};branch=z9hG4bK2"))
        self.assertEqual(self.codes, [200, 200])


class CancelTests(LayerTestCase):
    """9.2."""

    def test_CANCELOfAPendingINVITE(self) -> None:
        """It is answered 200 with the INVITE's To tag, then the agent is told of its INVITE."""
        self.agent.answers = (100, 180)
        self.arrive(request())
        self.arrive(request("CANCEL"))
        transaction, invite = self.agent.requests[0]
        self.assertEqual(self.agent.cancelled, [transaction])
        transaction.respond(invite.respond(487, toTag="d1"))
        self.assertEqual(self.codes, [100, 180, 200, 487])
        reply = self.messages()[2]
        self.assertEqual((reply.cseq, reply.toAddress.tag), ((1, "CANCEL"), "d1"))

    def test_aRepeatedCANCELIsAnsweredAgain(self) -> None:
        """The agent hears of it once, even if its INVITE is still open."""
        self.agent.answers = (180,)
        self.arrive(request())
        self.arrive(request("CANCEL"))
        self.arrive(request("CANCEL"))
        self.assertEqual((self.codes, len(self.agent.cancelled)), ([180, 200, 200], 1))

    def test_beforeAnyTag(self) -> None:
        """Before the first response above 100 the 200 has a tag of its own, always the same."""
        self.agent.answers = (100,)
        self.arrive(request())
        self.arrive(request("CANCEL"))
        self.arrive(request("CANCEL"))
        tags = [m.toAddress.tag for m in self.messages() if m.cseq.method == "CANCEL"]
        self.assertEqual(len(tags), 2)
        self.assertEqual(len(set(tags)), 1)
        self.assertIsNotNone(tags[0])

    def test_unmatchedGets481(self) -> None:
        """No such INVITE: the layer says so itself, and keeps nothing."""
        self.arrive(request("CANCEL"))
        self.arrive(request("OPTIONS"))
        self.arrive(request("CANCEL"))  # only an INVITE can be cancelled
        self.assertEqual((self.codes, self.agent.cancelled), ([481, 481], []))
        self.assertEqual(len(self.layer), 1)

    def test_transaction_004_CANCELAfterTheFinalResponse(self) -> None:
        """It has no effect but its own 200; a BYE before the ACK is handed up (9.2, 15.1.2)."""
        self.agent.answers = (200,)
        self.arrive(request())
        self.arrive(request("CANCEL"))
        self.arrive(request("BYE", via=f"{HOST};branch=z9hG4bK2;rport", toTag="d1", number=2))
        self.assertEqual(
            [(m.cseq.method, m.toAddress.tag) for m in self.messages()],
            [("INVITE", "d1"), ("CANCEL", "d1"), ("BYE", "d1")],
        )
        self.assertEqual((self.codes, self.agent.cancelled), ([200, 200, 200], []))
        self.assertNothingLeft()
        self.assertEqual(self.codes, [200, 200, 200])


class ACKTests(LayerTestCase):
    """ACKs that come early, late, or for nothing."""

    def test_transaction_005_ACKInTheSameTurn(self) -> None:
        """One that arrives within the very call that sent the 200 reaches the agent (13.3.1.4)."""
        send, ack = self.wire.send, request("ACK", via=f"{HOST};branch=z9hG4bKack", toTag="d1")

        def answerAtOnce(data: bytes, address: tuple[str, int]) -> None:
            send(data, address)
            if data.startswith(b"SIP/2.0 200"):
                self.arrive(ack)

        self.wire.send = answerAtOnce  # type: ignore[method-assign]
        self.agent.answers = (180, 200)
        self.arrive(request())
        self.assertEqual([str(a) for a, _ in self.agent.acks], [str(ack)])
        self.assertNothingLeft()
        self.assertEqual(self.codes, [180, 200])

    def test_transaction_010_strayACK(self) -> None:
        """A hundred ACKs that belong to nothing are never answered and leave nothing (17)."""
        for _ in range(100):
            self.arrive(parse(STRAY_ACK), ("203.0.113.99", 5060))
        self.assertEqual((self.wire.sent, len(self.layer)), ([], 0))
        self.assertEqual(len(self.agent.acks), 100)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class OldClientTests(LayerTestCase):
    """A client of RFC 2543: no magic cookie (17.2.3)."""

    via = HOST

    def test_repeatAndACK(self) -> None:
        """Matched by URI, tags, Call-ID, CSeq and Via."""
        self.agent.answers = (486,)
        self.arrive(request(via=self.via))
        self.arrive(request(via=self.via))
        self.arrive(request("ACK", via=self.via, toTag="d1"))
        self.assertEqual((len(self.agent.requests), self.codes), (1, [486, 486]))
        self.assertEqual(self.agent.acks, [])
        self.assertNothingLeft()
        self.assertEqual(len(self.codes), 2)

    def test_ACKWithAnotherToTag(self) -> None:
        """It acknowledges what somebody else said: not this refusal, which goes on."""
        self.agent.answers = (486,)
        self.arrive(request(via=self.via))
        self.arrive(request("ACK", via=self.via, toTag="other"))
        self.runFor(1.0)
        self.assertEqual((self.codes, len(self.agent.acks)), ([486, 486], 1))

    def test_CANCEL(self) -> None:
        """Finds its INVITE too."""
        self.agent.answers = (180,)
        self.arrive(request(via=self.via))
        self.arrive(request("CANCEL", via=self.via))
        self.assertEqual((self.codes, len(self.agent.cancelled)), ([180, 200], 1))


class OldClientWithBranchTests(OldClientTests):
    """The same with a branch that is not unique."""

    via = f"{HOST};branch=1"


class BareCookieTests(OldClientTests):
    """The same with a cookie and nothing behind it."""

    via = f"{HOST};branch=z9hG4bK"


class MalformedTests(LayerTestCase):
    """Datagrams that are no message."""

    def malformed(self, data: bytes) -> MalformedMessage:
        """As a transport reports it."""
        with self.assertRaises(MalformedMessage) as caught:
            parse(data)
        error: MalformedMessage = caught.exception
        self.layer.malformedReceived(error, data, Peer(self.wire, ("203.0.113.7", 40000)))
        return error

    def test_answeredWhereItCanBe(self) -> None:
        """400, with what is wrong in words, to where it came from, without a transaction."""
        good = request("OPTIONS", via="SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1;rport").toBytes()
        self.malformed(good.replace(b"Content-Length: 0", b"Content-Length: 99"))
        self.assertEqual(
            self.lines,
            ["SIP/2.0 400 body: wanted a body of Content-Length 99, datagram holds 0, got b''"],
        )
        reply = self.messages()[0]
        self.assertEqual(self.wire.sent[0][2], ("203.0.113.7", 40000))
        self.assertEqual((reply.via.received, reply.via.rport), ("203.0.113.7", "40000"))
        self.assertEqual((len(self.layer), self.layer.counts["malformed"]), (0, 1))

    def test_anotherVersionGets505(self) -> None:
        """The error's own code is used (21.5.6)."""
        self.malformed(request("OPTIONS").toBytes().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1))
        self.assertEqual(self.codes, [505])

    def test_neverAnACKOrAResponse(self) -> None:
        """Nor what cannot be answered."""
        for data in (
            request("ACK").toBytes().replace(b"Content-Length: 0", b"Content-Length: 99"),
            request().respond(200).toBytes().replace(b"CSeq: 1", b"CSeq: x"),
            b"hello\r\n\r\n",
        ):
            self.malformed(data)
        self.assertEqual(self.wire.sent, [])

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_brokenRequestsAreAnsweredInOneLine(self, data: st.DataObject) -> None:
        """What is sent for a broken request has whole lines, no body, and is not much longer."""
        self.setUp()
        whole = request(body=SDP).toBytes()
        at = data.draw(st.integers(0, len(whole)))
        datagram = whole[:at] + data.draw(st.binary(max_size=300)) + whole[at + 1 :]
        peer = Peer(self.wire, ALICE)
        try:
            message = parse(datagram)
        except MalformedMessage as error:
            self.layer.malformedReceived(error, datagram, peer)
        else:
            with contextlib.suppress(MalformedMessage):
                self.layer.messageReceived(message, peer)
        for _, sent, _ in self.wire.sent:
            self.assertTrue(sent.startswith(b"SIP/2.0 "))
            self.assertEqual(sent.index(b"\r\n\r\n"), len(sent) - 4)
            self.assertEqual(sent.count(b"\r"), sent.count(b"\r\n"))
            self.assertEqual(sent.count(b"\n"), sent.count(b"\r\n"))
        size = sum(len(sent) for _, sent, _ in self.wire.sent)
        self.assertLessEqual(size, 1.5 * len(datagram) + 300)


class ReliableServerTests(LayerTestCase):
    """Over TCP."""

    reliable = True

    def test_responsesGoBackOnTheConnection(self) -> None:
        """To the source, whatever the Via says (18.2.2)."""
        self.agent.answers = (200,)
        self.arrive(request("OPTIONS", via="SIP/2.0/TCP 10.0.0.5:5062;branch=z9hG4bKa"))
        self.assertEqual([to for _, _, to in self.wire.sent], [ALICE])
        self.assertEqual(len(self.layer), 0)

    def test_responsesOfAConnectionThatIsGone(self) -> None:
        """To the sender's address, at the port of its Via, or the usual one (18.2.2)."""
        self.wire.gone = True
        self.agent.answers = (200,)
        for sentBy in ("10.0.0.5:5062", "10.0.0.5"):
            via = f"SIP/2.0/TCP {sentBy};branch=z9hG4bK{len(sentBy)}"
            self.arrive(request("OPTIONS", via=via, callID=sentBy))
        hosts = [(ALICE[0], 5062), (ALICE[0], 5060)]
        self.assertEqual([to for _, _, to in self.wire.sent], hosts)

    def test_aRefusalEndsWithItsACK(self) -> None:
        """Timers G and I are zero (17.2.1)."""
        self.agent.answers = (486,)
        self.arrive(request(via="SIP/2.0/TCP 198.51.100.20;branch=z9hG4bKa"))
        self.runFor(10.0)
        self.assertEqual(self.agent.requests[0][0].state, State.COMPLETED)
        self.arrive(request("ACK", via="SIP/2.0/TCP 198.51.100.20;branch=z9hG4bKa", toTag="d1"))
        self.assertEqual((self.codes, len(self.layer)), ([486], 0))
