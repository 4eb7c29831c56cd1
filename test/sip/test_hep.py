"""HEPv3: packets that others can read, and who sends them."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from doug.testing.network import MemoryNetwork
from doug.testing.reactor import VirtualReactor
from shtoom.exceptions import HostNotKnown
from shtoom.sip.hep import LONGEST, HEPSender, HEPTarget, encodeHEP, parseHEP
from shtoom.sip.trace import Traced
from shtoom.sip.transport import Address, Peer
from test.sip.namedwire import Wire
from test.support.hep import decode

MESSAGE = b"OPTIONS sip:192.0.2.10 SIP/2.0\r\nCall-ID: abc\r\n\r\n"
TARGET = HEPTarget("203.0.113.7", 9060, 77, "s3cret")
FAR: Address = ("198.51.100.20", 5062)


class TCP(Wire):
    """Over connections."""

    name = "TCP"


def traced(isSent: bool = False, far: Address = FAR, data: bytes = MESSAGE) -> Traced:
    return Traced(data, Peer(Wire(), far), isSent, 1_700_000_000.25, "abc")


class PacketTests(SynchronousTestCase):
    """Read by a decoder that shares no line with the encoder."""

    def test_allChunks(self) -> None:
        packet = decode(encodeHEP(traced(), ("192.0.2.10", 5060), TARGET))
        self.assertEqual(
            packet,
            {
                "ipFamily": 2,
                "ipProtocol": 17,
                "srcIp": "198.51.100.20",
                "dstIp": "192.0.2.10",
                "srcPort": 5062,
                "dstPort": 5060,
                "seconds": 1_700_000_000,
                "microseconds": 250_000,
                "payloadType": 1,
                "captureId": 77,
                "authKey": "s3cret",
                "correlationId": "abc",
                "payload": MESSAGE.decode(),
            },
        )

    def test_sentOverTCPByIPv6(self) -> None:
        message = Traced(MESSAGE, Peer(TCP(), ("2001:db8::20", 40000)), True, 0.0, "abc")
        packet = decode(encodeHEP(message, ("2001:db8::10", 5060), HEPTarget("192.0.2.7")))
        self.assertEqual((packet["ipFamily"], packet["ipProtocol"]), (10, 6))
        self.assertEqual((packet["srcIp"], packet["srcPort"]), ("2001:db8::10", 5060))
        self.assertEqual((packet["dstIp"], packet["dstPort"]), ("2001:db8::20", 40000))
        self.assertNotIn("authKey", packet)

    def test_whatIsLongIsCut(self) -> None:
        packet = encodeHEP(traced(data=b"x" * 70000), ("192.0.2.10", 5060), TARGET)
        self.assertEqual(len(str(decode(packet)["payload"])), LONGEST)


class TargetTests(SynchronousTestCase):
    """--hep."""

    def test_whatItMaySay(self) -> None:
        for text, wanted in (
            ("192.0.2.7", HEPTarget("192.0.2.7")),
            ("homer.example.net:9061", HEPTarget("homer.example.net", 9061)),
            ("[2001:db8::7]:9060,5", HEPTarget("2001:db8::7", 9060, 5)),
            ("h:1,5,pass,word", HEPTarget("h", 1, 5, "pass,word")),
        ):
            self.assertEqual(parseHEP(text), wanted)

    def test_whatItMayNot(self) -> None:
        for text in ("", ":9060", "h:0", "h:x", "h,x", "2001:db8::7", "h:1,-1", "a b", "h\n"):
            self.assertRaises(ValueError, parseHEP, text)


class Names:
    """A resolver that knows nothing at first."""

    def __init__(self) -> None:
        self.known = False

    def resolve(self, uri: Any, offered: Any) -> Deferred[Any]:
        if self.known:
            return succeed([("203.0.113.7", uri.port, "UDP")])
        failed: Deferred[Any] = Deferred()
        failed.errback(Failure(HostNotKnown(f"{uri.host} is not known")))
        return failed


class SenderTests(SynchronousTestCase):
    """Packets on a network."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.network = MemoryNetwork(self.reactor, Random(0), None)
        self.reactor.host = self.network.host("192.0.2.10")
        self.names, self.came = Names(), list[bytes]()
        self.network.bind(("203.0.113.7", 9060), lambda data, source: self.came.append(data))
        self.sender = HEPSender(self.reactor, HEPTarget("homer"), self.names)  # type: ignore[arg-type]

    def finish(self) -> None:
        self.sender.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(list(self.network.bound), [("203.0.113.7", 9060)])

    def test_aPacketForEachMessage(self) -> None:
        self.names.known = True
        self.sender.start()
        self.sender.told(traced())
        self.sender.told(traced(True))
        self.sender.told(traced(True, ("2001:db8::20", 5060)))
        self.reactor.advance(1)
        packets = list(map(decode, self.came))
        self.assertEqual(
            [(p["srcIp"], p["dstIp"]) for p in packets],
            [
                ("198.51.100.20", "192.0.2.10"),
                ("192.0.2.10", "198.51.100.20"),
                ("::", "2001:db8::20"),  # the address that is told is of the other family
            ],
        )
        self.assertEqual(self.sender.counts, {"sent": 3})
        self.finish()

    def test_aNameThatIsNotKnownYet(self) -> None:
        """It is looked up again; what passes meanwhile is lost, and nothing fails."""
        self.sender.start()
        self.sender.told(traced())
        self.names.known = True
        self.reactor.advance(29)
        self.assertEqual(len(self.sender.timers()), 1)
        self.reactor.advance(2)
        self.sender.told(traced())
        self.reactor.advance(1)
        self.assertEqual((len(self.came), self.sender.counts["failed"]), (1, 1))
        self.finish()

    def test_closedWhileTheNameIsNotKnown(self) -> None:
        self.sender.start()
        self.finish()
        self.sender.told(traced())
        self.assertEqual(self.came, [])
