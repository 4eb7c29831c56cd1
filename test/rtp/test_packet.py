"""RTP headers: RFC 3550 5.1."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.rtp.packet import RTPPacket, isRTCP, parseRTP, unpackHeader

PACKET = RTPPacket(0, 7, 1120, 0x11223344, bytes(160), marker=True)

packets = st.builds(
    RTPPacket,
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=40),
    st.booleans(),
)


class ParseRTPTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(packets)
    def test_whatIsWrittenIsRead(self, packet: RTPPacket) -> None:
        """A packet written and parsed is the same packet (5.1)."""
        self.assertEqual(parseRTP(packet.toBytes()), packet)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0x7F, 0xC0), st.binary(min_size=8, max_size=80))
    def test_anyBytesParseOrAreRefused(self, first: int, rest: bytes) -> None:
        """Whatever arrives gives a version 2 packet that fits, or MalformedMessage (5.1)."""
        try:
            packet = parseRTP(bytes([first]) + rest)
        except MalformedMessage:
            return
        self.assertEqual(first >> 6, 2)
        self.assertLessEqual(len(packet.payload) + 4 * (first & 0x0F), len(rest) - 11)

    def test_csrcsAreSkipped(self) -> None:
        """CC counts sources of 4 bytes each between header and payload (5.1)."""
        data = bytearray(PACKET.toBytes())
        data[0] |= 3
        data[12:12] = bytes(range(12))
        self.assertEqual(parseRTP(bytes(data)), PACKET)

    def test_extensionIsSkipped(self) -> None:
        """X: four bytes, then as many words as the last two of them say (5.3.1)."""
        data = bytearray(PACKET.toBytes())
        data[0] |= 0x10
        data[12:12] = bytes.fromhex("bede000110ff0000")
        self.assertEqual(parseRTP(bytes(data)), PACKET)

    def test_paddingIsCutOff(self) -> None:
        """P: the last byte counts the padding, itself included (5.1)."""
        data = bytearray(PACKET.toBytes() + bytes(3) + b"\x04")
        data[0] |= 0x20
        self.assertEqual(parseRTP(bytes(data)), PACKET)

    def test_lengthsThatDoNotFitAreRefused(self) -> None:
        """Padding of 0 or beyond the payload, extension or CSRCs past the end (5.1)."""
        header = PACKET.toBytes()[1:12]
        for first, rest in (
            (0xA0, b"\x01\x00"),
            (0xA0, b"\x01\x03"),
            (0xA0, b""),
            (0x90, b"\xbe\xde\x00"),
            (0x90, b"\xbe\xde\x00\x01\x00"),
            (0x8F, bytes(59)),
        ):
            with self.assertRaises(MalformedMessage):
                parseRTP(bytes([first]) + header + rest)

    def test_errorNamesWhatWasWanted(self) -> None:
        """A short packet is refused in words."""
        error = self.assertRaises(MalformedMessage, parseRTP, bytes(11))
        self.assertIn("version 2 and 12 bytes", str(error))


class HeaderTests(SynchronousTestCase):
    def test_bufferMayBeLongerThanTheDatagram(self) -> None:
        """unpackHeader reads a datagram at the start of a larger buffer, padding and all."""
        data = bytearray(PACKET.toBytes() + b"\x00\x02")
        data[0] |= 0x20
        buffer = memoryview(bytes(data) + b"\xff" * 100)
        self.assertEqual(unpackHeader(buffer, len(data)), (0, True, 7, 1120, 0x11223344, 12, 172))

    def test_secondOctetTellsRTCP(self) -> None:
        """On one port, types 192 to 223 are RTCP (RFC 5761 4)."""
        self.assertTrue(isRTCP(bytes.fromhex("80c80001")))
        self.assertFalse(isRTCP(PACKET.toBytes()))
        self.assertFalse(isRTCP(b"\x80"))
