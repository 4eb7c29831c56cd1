"""Datagrams of all sizes, and what befalls connections (cases transport-001 to 006)."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from doug.settings import Settings, parseEndpoint
from shtoom.sip.message import Request
from test.cases.actor import DOUG, Dialogue
from test.cases.case import FieldCase, Scripted
from test.cases.wires import StreamActor


class DatagramCases(FieldCase):
    """What a datagram may hold, and what ours hold."""

    def test_transport_002_keepAlives(self) -> None:
        """CRLFs and zeros are dropped, unanswered, without a log line (RFC 5626 4.4.1)."""
        for data in (b"\r\n\r\n", b"\r\n", b"\0\0\0\0", b"\0", b""):
            self.alice.raw(data)
        self.alice.nothing(".*", during=1)
        self.assertEqual(self.logged, [])
        self.assertStillWell()

    def test_transport_002_lineEndsBeforeTheRequest(self) -> None:
        """They are skipped; so is what follows the message (RFC 3261 7.5)."""
        call = self.alice.ask("OPTIONS")
        self.alice.response("200 OPTIONS")
        request = (
            "OPTIONS sip:192.0.2.10 SIP/2.0\r\n"
            "Via: SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bKcrlf\r\n"
            "From: <sip:a@example.net>;tag=1\r\nTo: <sip:192.0.2.10>\r\n"
            f"Call-ID: crlf{call.callID}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        self.alice.raw("\r\n\r\n" + request + "\r\n\r\n")
        self.alice.response("200 OPTIONS")
        self.assertStillWell()

    def test_transport_003_contentLengthInAllThatWeSend(self) -> None:
        """Each message has it, right, whatever it is (RFC 3261 18.3, 20.14)."""
        call = self.answered()
        call.reoffer()
        call.ask("NOTIFY")
        self.alice.response("405 NOTIFY")
        self.alice.ask("OPTIONS")
        self.alice.response("200 OPTIONS")
        cancelled = self.ringing()
        cancelled.cancel()
        self.alice.response("200 CANCEL")
        self.alice.response("487 INVITE")
        cancelled.ackRefusal()
        self.desk[0].leg.hangupCall()
        self.alice.reply(self.alice.request("BYE"), 200)
        _, outbound = self.dialled()
        self.hangUp(outbound)
        heard = self.alice.heard + self.trunk.heard
        self.assertGreater(len({each.label for each in heard}), 10)
        for each in heard:
            head, _, body = each.data.partition(b"\r\n\r\n")
            self.assertEqual(head.count(b"\r\nContent-Length: %d" % len(body)), 1, each.label)
        self.assertStillWell()

    def test_transport_004_lengthsThatDisagree(self) -> None:
        """Extra bytes are dropped; too few are 400 in words that have both numbers (18.3)."""
        size = len(self.alice.offer)
        call = self.alice.invite(with_={"Content-Length": "60"})  # ends within the c= line
        self.alice.response("(400|488) INVITE")
        call.ackRefusal()
        call = self.alice.invite(with_={"Content-Length": "9999"})
        refusal = self.alice.response("400 INVITE")
        self.assertRegex(refusal.reason, f"9999.*{size}|{size}.*9999")
        self.assertLogged(f"9999.*{size}|{size}.*9999")
        call.ackRefusal()
        self.assertEqual(self.desk, [])
        call = self.alice.invite(drop=["Content-Length"])
        self.alice.response("180 INVITE")
        self.accept(call)
        self.hangUp(call)
        call = self.alice.invite(
            self.alice.offer + b"\r\n\r\n", with_={"Content-Length": str(size)}
        )
        self.alice.response("180 INVITE")
        self.accept(call)
        self.hangUp(call)
        self.assertStillWell()

    def test_transport_004_aResponseThatIsTooShort(self) -> None:
        """It is discarded; the next copy is whole and counts (18.3)."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=self.trunk.answer, with_={"Content-Length": "9999"})
        self.trunk.nothing("ACK", during=0.3)
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.01)
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_transport_005_bigINVITEs(self) -> None:
        """Datagrams up to 64 KiB are read; our own INVITE stays below 1300 bytes (18.1.1)."""
        for size in (4000, 8000, 60000):
            pad = {f"X-Pad{n}": "A" * 4000 for n in range(size // 4000)}
            call = self.ringing(with_=pad)
            self.accept(call)
            self.assertEqual(self.app.leg.getDialog().getHeader("X-Pad0"), "A" * 4000)
            self.hangUp(call)
        self.dialled()
        self.assertLess(len(self.trunk.heard[0].data), 1300)
        self.hangUpOurs()

    def test_transport_005_aBigINVITEOfOurs(self) -> None:
        """Without TCP it goes by UDP, whole (lenient: RFC 3261 18.1.1 asks for TCP)."""
        self.ringing()
        app, alice = self.app, self.alice
        app.placeCall("sip:200@203.0.113.30", headers={"X-Pad": "A" * 2000})
        invite = self.trunk.request("INVITE")
        self.assertEqual(invite.header("X-Pad"), "A" * 2000)
        call = self.trunk.takes(invite)
        call.says(200, body=self.trunk.answer)
        self.assertIsInstance(self.trunk.request("ACK"), Request)
        app.returnResult("done")
        self.trunk.reply(self.trunk.request("BYE"), 200)
        alice.response("480 INVITE")
        self.assertStillWell()

    def hangUpOurs(self) -> None:
        """The application of the last call hangs up, and all is well."""
        self.app.leg.hangupCall()
        self.trunk.reply(self.trunk.request("BYE"), 200)
        self.assertStillWell()


TCP = Settings(listen=(parseEndpoint("udp:*:5060"), parseEndpoint("tcp:*:5060")), rtpTimeout=0.0)


class ConnectionCases(FieldCase):
    """The same over connections."""

    settings = TCP
    kind = StreamActor
    alice: StreamActor
    bob: StreamActor
    trunk: StreamActor
    mallory: StreamActor

    def test_transport_001_manyMessagesInOneSegment(self) -> None:
        """ACK, BYE and OPTIONS in one read are three; one in a hundred reads is one (18.3)."""
        self.alice.connect()
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        glued = Glue(self.alice)
        call.ack()
        call.bye()
        self.alice.ask("OPTIONS")
        glued.send()
        self.alice.response("200 BYE")
        self.alice.response("200 OPTIONS")
        self.assertIn("CallEndedEvent", self.app.names)
        glued = Glue(self.alice)
        self.alice.ask("OPTIONS")
        glued.send(1)
        self.alice.response("200 OPTIONS")
        self.alice.nothing("[4-6].*", during=0.2)
        self.assertEqual(self.alice.wires, 1)
        self.assertStillWell()

    def test_transport_002_lineEndsOnAStream(self) -> None:
        """A ping gets its pong; others before and after messages are skipped (RFC 5626 4.4.1)."""
        self.alice.connect()
        self.alice.raw("\r\n\r\n")
        self.lab.advance(0.1)
        self.assertEqual(self.alice.rest, 1)
        glued = Glue(self.alice)
        for between in ("\r\n", "\r\n\r\n\r\n", "\n\r\n"):
            self.alice.raw(between)
            self.alice.ask("OPTIONS")
        glued.send()
        for _ in range(3):
            self.alice.response("200 OPTIONS")
        self.assertEqual(self.logged, [])
        self.assertStillWell()

    def test_transport_003_contentLengthOnAStream(self) -> None:
        """It is in all that we send; what comes without it is 400, and the end (18.3)."""
        self.alice.connect()
        call = self.ringing()
        call.cancel()
        self.alice.response("200 CANCEL")
        self.alice.response("487 INVITE")
        call.ackRefusal()
        for heard in self.alice.heard:
            head, _, body = heard.data.partition(b"\r\n\r\n")
            self.assertEqual(head.count(b"\r\nContent-Length: %d" % len(body)), 1, heard.label)
        self.alice.ask("OPTIONS", drop=["Content-Length"])
        self.alice.response("400 OPTIONS")
        self.lab.advance(0.1)
        self.assertIsNone(self.alice.wire)
        self.assertStillWell()

    def test_transport_004_lengthsThatCannotBe(self) -> None:
        """Ten wrong ones: each is 400 with the connection closed within a second (18.3)."""
        bad = ("", "x", "-1", "1e3", "0x10", "12 12", "4294967297", "99999999999", "70000", "1,2")
        for length in bad:
            self.mallory.connect()
            asked = self.lab.reactor.seconds()
            self.mallory.ask("OPTIONS", with_={"Content-Length": length})
            self.mallory.response("(400|513) OPTIONS")
            while self.mallory.wire is not None:
                self.lab.advance(0.01)
            self.assertLess(self.lab.reactor.seconds() - asked, 1.0, length)
        self.assertEqual(self.mallory.wires, 10)
        self.assertStillWell()

    def test_transport_005_aBigINVITEGoesByTCP(self) -> None:
        """So it does where TCP is; what comes after it, being small, goes by UDP (18.1.1)."""
        self.trunk.listen()
        self.trunk.namesTransport = False
        app, call = self.bigCall()
        invite = self.trunk.heard[0]
        self.assertEqual((invite.via, invite.message.via.transport), ("TCP", "TCP"))
        self.assertNotIn("transport", str(invite.message.contact))
        self.answers(call)
        ack = next(heard for heard in self.trunk.heard if heard.label == "ACK")
        self.assertEqual((ack.via, ack.message.via.transport), ("UDP", "UDP"))
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertEqual(self.trunk.labels("INVITE"), ["INVITE"])
        self.assertStillWell()

    def test_transport_005_whereTCPIsRefused(self) -> None:
        """It goes by UDP at once, with a warning; the next one does not try TCP for a while."""
        before = self.lab.reactor.seconds()
        for _ in range(2):
            app, call = self.bigCall()
            self.answers(call)
            self.hangUp(call)
            self.assertOneEnd(app)
        self.assertLess(self.lab.reactor.seconds() - before, 1.0)
        invites = [heard for heard in self.trunk.heard if heard.label == "INVITE"]
        self.assertEqual({(h.via, h.message.via.transport) for h in invites}, {("UDP", "UDP")})
        self.assertEqual(len(invites), 2)
        warnings = [line for line in self.logged if "goes to 203.0.113.30:5060 by UDP" in line]
        self.assertEqual(len(warnings), 1)
        self.trunk.listen()
        self.lab.advance(601.0)
        app, call = self.bigCall()
        self.assertEqual(self.trunk.heard[-1].via, "TCP")
        self.answers(call)
        self.hangUp(call)
        self.assertStillWell()

    def test_transport_005_whereTCPIsSilent(self) -> None:
        """After five seconds it goes by UDP."""
        self.lab.network.hosts.discard(self.trunk.host)
        app, call = self.bigCall(within=6.0)
        self.assertNear(self.lab.reactor.seconds(), 5.0, 0.1)
        self.answers(call)
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_transport_005_whoNamesUDPHasUDP(self) -> None:
        """So has who is called with ;transport=udp."""
        self.trunk.listen()
        app, call = self.bigCall(uri="sip:200@203.0.113.30;transport=udp")
        self.assertEqual(self.trunk.heard[-1].via, "UDP")
        self.answers(call)
        self.hangUp(call)
        self.assertOneEnd(app)
        self.assertStillWell()

    def test_transport_005_aBigRequestInTheCall(self) -> None:
        """A BYE with long headers: by TCP, or by UDP after all."""
        for listens in (True, False):
            app, _ = self.dialled()
            if listens:
                self.trunk.listen()
            app.leg.hangupCall(headers={"X-Pad": "A" * 2000})
            self.trunk.reply(self.trunk.request("BYE"), 200)
            self.assertEqual(self.trunk.heard[-1].via, "TCP" if listens else "UDP")
            self.assertOneEnd(app)
            if listens:
                self.trunk.hangUpWire()
                self.trunk.deaf()
                self.trunk.forget()
        self.assertStillWell()

    def test_transport_006_ourRequestsGoOverTheCallersConnection(self) -> None:
        """Its Contact names a port where nobody listens (RFC 5626 5.3, RFC 5923 5)."""
        self.alice.contactPort = 51234
        self.alice.connect()
        self.answered()
        self.app.leg.hangupCall()
        bye = self.alice.request("BYE")
        self.assertEqual(self.alice.heard[-1].via, "TCP")
        self.alice.reply(bye, 200)
        self.assertEqual(self.alice.wires, 1)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_transport_006_theConnectionIsGoneAndTheTargetListens(self) -> None:
        """A new one is made to it."""
        self.alice.listen()
        self.alice.connect()
        self.answered()
        self.alice.hangUpWire()
        self.app.leg.hangupCall()
        self.alice.reply(self.alice.request("BYE"), 200)
        self.assertEqual(self.alice.wires, 2)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_transport_006_theConnectionIsGoneForGood(self) -> None:
        """The call ends on this side, and the log says why."""
        self.alice.contactPort = 51234
        self.alice.connect()
        self.answered()
        self.lab.network.reset(self.alice.host)
        self.lab.advance(0.1)
        self.assertNotIn("CallEndedEvent", self.app.names)  # sound goes on
        self.app.leg.hangupCall()
        self.lab.advance(1.0)
        self.assertOneEnd(self.app)
        self.assertLogged("BYE was not confirmed: 503 TCP to 198.51.100.20:51234: .*refused")
        self.assertStillWell()

    def test_transport_006_theAnswerToWhatCameOverAConnectionThatIsGone(self) -> None:
        """Goes over a new one to the sender's own port (18.2.2)."""
        self.alice.listen()
        self.alice.connect()
        call = self.ringing()
        self.alice.hangUpWire()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        self.assertEqual(self.alice.wires, 2)
        call.ack()
        self.lab.advance(0.01)
        self.hangUp(call)
        self.assertOneEnd(self.app)
        self.assertStillWell()

    def test_security_004_silentAndSlowConnections(self) -> None:
        """500 say nothing, 50 a byte a second: another's call rings within a second.

        Those above 100 of a source are closed; the slow ones after 30 s, the silent after 120.
        """
        crowd = []
        for n in range(6):
            crowd.append(Crowd(self, f"203.0.113.{100 + n}"))
            crowd[-1].open(84)
            crowd[-1].trickle(9)
        greedy = Crowd(self, "203.0.113.98")
        greedy.open(150)
        self.lab.advance(0.1)
        self.assertEqual(len(greedy.up), 100)
        self.assertEqual(sum(len(c.up) for c in crowd), 6 * 93)
        self.alice.connect()
        began = self.lab.reactor.seconds()
        call = self.ringing()
        self.assertLess(self.lab.reactor.seconds() - began, 1.0)
        self.accept(call)
        self.lab.advance(35.0)
        self.assertEqual(sum(len(c.up) for c in crowd), 6 * 84)
        self.lab.advance(90.0)
        self.assertEqual(sum(len(c.up) for c in (*crowd, greedy)), 0)
        self.assertIsNotNone(self.alice.wire)  # a call goes on over it
        self.hangUp(call)
        self.assertStillWell()

    # --- helpers --------------------------------------------------------------------------------

    def bigCall(
        self, uri: str = "sip:200@203.0.113.30", within: float = 0.5
    ) -> tuple[Scripted, Dialogue]:
        """A call to the trunk whose INVITE is too large for UDP, and has come there."""
        app = self.dial(uri, headers={"X-Pad": "A" * 2000})
        invite = self.trunk.request("INVITE", within)
        self.assertEqual(invite.header("X-Pad"), "A" * 2000)
        return app, self.trunk.takes(invite)

    def answers(self, call: Dialogue) -> None:
        """The trunk answers."""
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.01)
        self.trunk.wire = None  # what it says from now on goes by UDP


class Glue:
    """Keeps back what an actor says until send()."""

    def __init__(self, actor: StreamActor) -> None:
        self._wire, self._kept = actor.wire, b""
        self._transport, self._wire.transport = self._wire.transport, self

    def write(self, data: bytes) -> None:
        """From the actor."""
        self._kept += data

    def send(self, size: int | None = None) -> None:
        """All of it at once, or so many bytes at a time."""
        self._wire.transport = self._transport
        size = size or len(self._kept)
        for at in range(0, len(self._kept), size):
            self._transport.write(self._kept[at : at + size])


class Crowd:
    """A host that opens connections and does not use them. up: those that are open."""

    def __init__(self, case: FieldCase, host: str) -> None:
        self._lab, self._machine = case.lab, case.lab.network.host(host)
        self.up: list[Idler] = []

    def open(self, count: int, word: bytes = b"") -> None:
        """So many more. word: said a byte a second."""
        for _ in range(count):
            factory = ClientFactory()
            factory.protocol = lambda: Idler(self, word)
            factory.noisy = False
            self._machine.connectTCP(*DOUG, factory)
        self._lab.advance(0.01)

    def later(self, f: Callable[[], None]) -> IDelayedCall:
        """Calls it in a second."""
        return self._lab.reactor.callLater(1.0, f)

    def trickle(self, count: int) -> None:
        """So many that say a byte a second."""
        self.open(count, b"OPTIONS sip:192.0.2.10 SIP/2.0\r\nX-Long: ")


class Idler(Protocol):
    """One connection of a Crowd."""

    def __init__(self, crowd: Crowd, word: bytes) -> None:
        self._crowd, self._word = crowd, word
        self._next: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """From Twisted."""
        self._crowd.up.append(self)
        if self._word:
            self._say()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """From Twisted."""
        self._crowd.up.remove(self)
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _say(self) -> None:
        byte, self._word = self._word[:1], self._word[1:] + b"x"
        if self.transport is not None:
            self.transport.write(byte)
        self._next = self._crowd.later(self._say)
