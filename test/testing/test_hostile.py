"""The phones of the catalogue themselves: none of them is a plain one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.events import CallRejectedEvent, CallStartedEvent
from doug.testing import Lab, hostile
from doug.testing.hostile.base import SIP_PORT
from doug.testing.hostile.offers import Glare
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.phone import TRANSPORTS
from doug.voiceapp import VoiceApp
from test.support.listeners import everyTransport
from test.testing.apps import Dialler, Echo

KEY = "5"


class Plain(hostile.HostilePhone):
    """Nothing is odd about it."""

    number = 0


class OddityTests(SynchronousTestCase):
    """The same call, by the same chance, of each and of a plain one."""

    def setUp(self) -> None:
        self.listens = everyTransport(self.mktemp())

    def said(
        self, kind: type[hostile.HostilePhone], dials: bool, over: str = "udp"
    ) -> list[tuple[float, int, bytes]]:
        """All that such a phone said in its first seconds: when, from which port, what.

        Of connections: each segment, before it is encrypted.
        """
        lab = Lab(Echo if dials else Dialler, settings=self.listens.settings)

        def left(phone: hostile.HostilePhone, data: bytes, port: int) -> Iterable[bytes]:
            segments = list(kind.left(phone, data, port))
            if over != "udp" and port == SIP_PORT:
                datagrams.append((lab.reactor.seconds(), 0, b"".join(segments)))
            return segments

        noted = type("Noted", (kind,), {"left": left})
        phone = lab.phone(kind=noted, keys=KEY, transport=over)
        here = phone.host.address
        datagrams: list[tuple[float, int, bytes]] = []

        def note(data: bytes, source: tuple[str, int], destination: tuple[str, int]) -> None:
            if source[0] == here:
                datagrams.append((lab.reactor.seconds(), source[1], data))

        lab.network.observers.append(note)
        if dials:
            phone.dial("sip:odd@doug")
        else:
            lab.application.startVoiceApp(to=phone.uri)
        lab.reactor.advance(2.0)
        return datagrams

    def test_eachDoesWhatNoPlainPhoneDoes(self) -> None:
        """As caller, as called, as it says of itself; Glare waits for an offer."""
        for dials, over in product((True, False), self.listens.over):
            plain = self.said(Plain, dials, over)
            self.assertEqual(self.said(Plain, dials, over), plain)
            self.assertGreater(len(plain), 40)
            for kind in hostile.all(dials=dials, answers=not dials, over=(over,)):
                if kind is not Glare:
                    self.assertNotEqual(self.said(kind, dials, over), plain, kind)

    def test_eitherList(self) -> None:
        """Those that are odd both ways are in both."""
        callers, called = set(hostile.all()), set(hostile.all(dials=False, answers=True))
        both = hostile.all(dials=True, answers=True)
        self.assertEqual(callers | called, set(both))
        self.assertLess(len(callers & called), len(both))
        every = hostile.all(answers=True, registers=True, over=TRANSPORTS)
        self.assertEqual(every, list(hostile.HOSTILE_PHONES.values()))
        self.assertEqual({kind.over for kind in both}, {"udp"})
        self.assertEqual({kind.over for kind in every}, set(TRANSPORTS))

    def test_complaintsNameThePhone(self) -> None:
        """With class and number."""
        phone = Lab(Echo).phone(kind=hostile.HOSTILE_PHONES[1])
        assert isinstance(phone, hostile.HostilePhone)
        phone.complain("that was wrong")
        self.assertEqual(phone.complaints, ["Compact (1): that was wrong"])


def deaf(kind: type[hostile.HostilePhone], wanted: str, limit: int = 0) -> type[Any]:
    """Such a phone, by way of a server that says a message only so often, or sends no "RTP"."""

    class Deaf(kind):  # type: ignore[misc, valid-type]
        heard = 0

        def arrived(self, data: bytes, port: int) -> Iterable[bytes]:
            message = RawMessage.read(data) if port == SIP_PORT else None
            if (message.label if message is not None else "RTP") == wanted:
                self.heard += 1
                if self.heard > limit:
                    return ()
            said: Iterable[bytes] = super().arrived(data, port)
            return said

    return Deaf


class Canceller(VoiceApp):
    """Dials `to`, for two seconds."""

    to: str

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.dial)]

    def dial(self, event: CallStartedEvent) -> Any:
        """No call yet."""
        self.placeCall(self.to, timeout=2.0)
        return [(CallRejectedEvent, self.returnResult)]


class ComplaintTests(SynchronousTestCase):
    """Servers that do what is not right, and the phones that say so."""

    def complaints(
        self, app: type[VoiceApp], kind: type[hostile.HostilePhone], seconds: float
    ) -> list[str]:
        """What a phone says of a call of the application to it, or from it."""
        self.lab = Lab(app)
        phone = self.lab.phone(kind=kind, keys="1", stays=4.0)
        assert isinstance(phone, hostile.HostilePhone)
        self.phone = phone
        if kind.dials:
            self.phone.dial("sip:odd@doug")
        else:
            self.lab.application.startVoiceApp(to=self.phone.uri)
        self.lab.advance(seconds)
        return [text.partition(": ")[2] for text in self.phone.complaints]

    def test_whoAnswersTheCancel(self) -> None:
        """20: without an ACK, without a BYE."""
        kind = hostile.HOSTILE_PHONES[20]
        self.assertEqual(self.complaints(Canceller, kind, 10.0), [])
        for label in ("ACK", "BYE"):
            self.assertIn(
                f"its 200 had no {label} within 5 s",
                self.complaints(Canceller, deaf(kind, label), 10.0),
            )

    def test_whoNeverAcknowledges(self) -> None:
        """23: its 200 is not repeated, or there is no BYE, or it comes too soon."""
        kind = hostile.HOSTILE_PHONES[23]
        self.assertEqual(self.complaints(Echo, kind, 40.0), [])
        (once,) = self.complaints(Echo, deaf(kind, "200 INVITE", 1), 40.0)
        self.assertEqual(once, "a 200 without an ACK came 1 times in 32 s")
        (never,) = self.complaints(Echo, deaf(kind, "BYE"), 40.0)
        self.assertEqual(never, "no BYE came within 37 s of a 200 without an ACK")
        self.complaints(Echo, kind, 3.0)
        (call,) = self.phone.calls
        assert call.call is not None
        bye = RawMessage("BYE sip:x SIP/2.0", [("Call-ID", call.call.callID)], b"")
        self.assertEqual(list(self.phone.sipIn(bye)), [bye])
        self.assertIn("BYE comes 3.0 s after a 200 without an ACK", self.phone.complaints[0])

    def test_whoSpeaksBeforeItAnswers(self) -> None:
        """25, 26: nothing comes after the answer."""
        for number in (25, 26):
            kind = hostile.HOSTILE_PHONES[number]
            self.assertEqual(self.complaints(Dialler, kind, 5.0), [])
            self.assertEqual(
                self.complaints(Dialler, deaf(kind, "RTP"), 5.0),
                ["it has answered, and no RTP comes"],
            )

    def test_whoIsNotTheOneThatRang(self) -> None:
        """25: sound goes to the one that rang, or the ACK does."""
        kind = hostile.HOSTILE_PHONES[25]
        self.assertEqual(self.complaints(Dialler, kind, 1.0), [])
        self.lab.network.send(bytes(172), ("192.0.2.10", 40000), (self.phone.host.address, 43000))
        self.lab.advance(0.1)
        (call,) = self.phone.calls
        assert call.call is not None
        other = [("Call-ID", call.call.callID), ("To", "<sip:a@b>;tag=a")]
        list(self.phone.sipIn(RawMessage("ACK sip:x SIP/2.0", other, b"")))
        there, ack = self.phone.complaints
        self.assertIn("sound goes to the phone that did not answer", there)
        self.assertIn("ACK is for <sip:a@b>;tag=a", ack)

    def test_whoHasAnotherCodec(self) -> None:
        """29: no BYE, no reason in it, or sound all the same."""
        kind = hostile.HOSTILE_PHONES[29]
        self.assertEqual(self.complaints(Dialler, kind, 10.0), [])
        (never,) = self.complaints(Dialler, deaf(kind, "BYE"), 10.0)
        self.assertEqual(never, "its 200 had no BYE within 5 s")
        (first,) = self.complaints(Dialler, deaf(kind, "ACK"), 3.0)
        self.assertEqual(first, "BYE comes before the ACK of its 200")
        self.complaints(Dialler, deaf(kind, "BYE"), 0.5)
        (call,) = self.phone.calls
        assert call.call is not None
        bye = RawMessage("BYE sip:x SIP/2.0", [("Call-ID", call.call.callID)], b"")
        list(self.phone.sipIn(bye))
        list(self.phone.rtpIn(RawPacket(0, False, 1, 1, 1, b"")))
        reason, sound = self.phone.complaints
        self.assertIn("the BYE gives as reason nothing", reason)
        self.assertIn("sound comes in 0, which it did not answer with", sound)


class RawTests(SynchronousTestCase):
    """Bytes to values and back."""

    def test_messages(self) -> None:
        """Content-Length follows the body; what is no message is none."""
        data = b"BYE sip:x SIP/2.0\r\nTo: a;tag=1\r\nContent-Length: 2\r\n\r\nhi"
        message = RawMessage.read(data)
        assert message is not None
        self.assertEqual((message.label, message.inDialog), ("BYE", True))
        self.assertEqual(message.toBytes(), data)
        message.giveBody(b"")
        self.assertTrue(message.toBytes().endswith(b"Content-Length: 0\r\n\r\n"))
        self.assertIsNone(RawMessage.read(b"\r\n\r\n"))
        answer = RawMessage.read(b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n")
        assert answer is not None
        self.assertEqual(answer.label, "200 INVITE")

    def test_packets(self) -> None:
        """Sequence and timestamp wrap; keep-alives are no packets."""
        packet = RawPacket(0, True, 65535, 0xFFFFFFFF, 7, b"x")
        self.assertEqual(RawPacket.read(packet.toBytes()), packet)
        packet.sequence += 1
        packet.timestamp += 1
        again = RawPacket.read(packet.toBytes())
        assert again is not None
        self.assertEqual((again.sequence, again.timestamp), (0, 0))
        self.assertIsNone(RawPacket.read(b""))
