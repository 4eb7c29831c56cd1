"""STUN (RFC 8489): what is asked, what is read, when it is asked again."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage, TransactionTimeout
from shtoom.sip.stun import (
    Binding,
    BindingRequest,
    STUNRefused,
    bindingRequest,
    isSTUN,
    parseBinding,
    transactionOf,
)
from test.support.stunserver import address, attribute, message

IPV4 = bytes.fromhex(  # RFC 5769 2.2
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
IPV6 = bytes.fromhex(  # 2.3
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275"
    "bfe3ed4180280004c8fb0b4c"
)
ID = bytes(range(12))
SERVER = ("203.0.113.7", 3478)


class ReadingTests(SynchronousTestCase):
    """What servers say."""

    def test_rfc5769(self) -> None:
        """The examples of the RFC, of both families."""
        self.assertEqual(parseBinding(IPV4), Binding(("192.0.2.1", 32853)))
        wanted = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
        self.assertEqual(parseBinding(IPV6), Binding(wanted))

    def test_olderServers(self) -> None:
        """MAPPED-ADDRESS and CHANGED-ADDRESS of RFC 3489; the XORed one is preferred."""
        at, other = ("198.51.100.1", 40000), ("203.0.113.8", 3479)
        plain = address(1, ("10.0.0.1", 1))
        for attributes, wanted in (
            ((address(1, at), address(5, other)), Binding(at, other)),
            ((plain, address(0x8020, at, ID)), Binding(at)),
            ((plain, address(0x20, at, ID), address(0x20, other, ID)), Binding(at)),
            ((address(0x20, at, ID), address(0x802C, other)), Binding(at, other)),
        ):
            self.assertEqual(parseBinding(message(0x0101, ID, *attributes)), wanted)

    def test_refusals(self) -> None:
        error = self.assertRaises(
            STUNRefused, parseBinding, message(0x0111, ID, attribute(9, b"\0\0\x04\x14Role"))
        )
        self.assertEqual(str(error), "420 Role")
        self.assertRaises(STUNRefused, parseBinding, message(0x0111, ID))
        words = attribute(9, b"\0\0\x04\x14\x1b[31m\r\nForged" + b"x" * 700)
        error = self.assertRaises(STUNRefused, parseBinding, message(0x0111, ID, words))
        self.assertTrue(str(error).isprintable() and len(str(error)) < 300, error)

    def test_whatIsNoAnswer(self) -> None:
        """MalformedMessage, for what must be understood and is not (6.3.1), too."""
        at = address(0x20, ("192.0.2.1", 1), ID)
        for data in (
            bindingRequest(ID),
            b"",
            message(0x0101, ID),
            message(0x0101, ID, at)[:-4],
            message(0x0101, ID, attribute(0x20, b"\0\3\0\0\0\0\0\0")),
            message(0x0101, ID, attribute(0x20, b"\0\1")),
            message(0x0101, ID, at, attribute(0x7FFF, b"")),
            message(0x0101, ID, at, b"\x80\x22\xff\xf0"),
        ):
            self.assertRaises(MalformedMessage, parseBinding, data)
        unknown = attribute(0xFFFF, b"x")
        self.assertEqual(parseBinding(message(0x0101, ID, at, unknown)).mapped, ("192.0.2.1", 1))

    @given(st.binary(max_size=60), st.booleans())
    def test_anyBytes(self, data: bytes, framed: bool) -> None:
        """Read, or refused by one of two exceptions."""
        whole = message(0x0101, ID, data) if framed else data
        try:
            parseBinding(whole)
        except (MalformedMessage, STUNRefused):
            return

    def test_neverTakenForSIP(self) -> None:
        self.assertTrue(isSTUN(IPV4))
        self.assertTrue(isSTUN(bindingRequest(ID)))
        for data in (b"\r\n\r\n", b"", b"OPTIONS sip:a SIP/2.0\r\n\r\n", bytes(20), IPV4 + b"\0"):
            self.assertFalse(isSTUN(data))


class AskingTests(SynchronousTestCase):
    """One request (6.2.1)."""

    def setUp(self) -> None:
        self.request = BindingRequest(SERVER, Random(1))

    def test_whenItIsRepeated(self) -> None:
        """0, 0.5, 1.5 ... 31.5 s; at 39.5 s it has failed."""
        times, now = [0.0], 0.0
        first = self.request.start(now)
        self.assertEqual(len(first), 20)
        while (deadline := self.request.deadline) is not None:
            self.assertIsNone(self.request.timeReached(deadline - 0.01))
            now = deadline
            again = self.request.timeReached(now)
            if again is not None:
                self.assertEqual(again, first)
                times.append(now)
        self.assertEqual(times, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])
        self.assertEqual(now, 39.5)
        self.assertIsInstance(self.request.failure, TransactionTimeout)

    def test_itsAnswerAndNoOther(self) -> None:
        """From whom it asked, with its transaction; once."""
        mine = transactionOf(self.request.start(0.0))
        right = message(0x0101, mine, address(0x20, ("192.0.2.1", 1), mine))
        wrong = message(0x0101, ID, address(0x20, ("192.0.2.66", 66), ID))
        self.assertFalse(self.request.received(wrong, SERVER))
        self.assertFalse(self.request.received(right, ("203.0.113.66", 3478)))
        self.assertIsNone(self.request.answer)
        self.assertTrue(self.request.received(right, SERVER))
        self.assertEqual(self.request.answer, Binding(("192.0.2.1", 1)))
        self.assertIsNone(self.request.deadline)
        self.assertFalse(self.request.received(right, SERVER))

    def test_aRefusalEndsIt(self) -> None:
        mine = transactionOf(self.request.start(0.0))
        self.request.received(message(0x0111, mine, attribute(9, b"\0\0\5\0No")), SERVER)
        self.assertIsInstance(self.request.failure, STUNRefused)
        self.assertIsNone(self.request.deadline)
