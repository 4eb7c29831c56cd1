"""The phones of the catalogue themselves: none of them is a plain one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Lab, hostile
from doug.testing.hostile.base import SIP_PORT
from doug.testing.hostile.offers import Glare
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.phone import TRANSPORTS
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
