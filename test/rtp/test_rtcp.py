"""RTCP compounds: RFC 3550 6."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.rtp.rtcp import (
    Goodbye,
    OtherPacket,
    ReceiverReport,
    ReportBlock,
    RTCPPacket,
    SenderReport,
    SourceChunk,
    SourceDescription,
    buildRTCP,
    parseRTCP,
)

words = st.integers(0, 0xFFFFFFFF)
texts = st.text(max_size=20)
blocks = st.lists(
    st.builds(
        ReportBlock,
        words,
        st.integers(0, 255),
        st.integers(-0x800000, 0x7FFFFF),
        words,
        words,
        words,
        words,
    ),
    max_size=31,
).map(tuple)
chunks = st.builds(
    SourceChunk, words, st.lists(st.tuples(st.integers(1, 8), texts), max_size=4).map(tuple)
)
packets: st.SearchStrategy[RTCPPacket] = st.one_of(
    st.builds(SenderReport, words, st.integers(0, (1 << 64) - 1), words, words, words, blocks),
    st.builds(ReceiverReport, words, blocks),
    st.builds(SourceDescription, st.lists(chunks, max_size=31).map(tuple)),
    st.builds(Goodbye, st.lists(words, max_size=31).map(tuple), st.none() | texts),
    st.builds(
        OtherPacket,
        st.integers(204, 207),
        st.integers(0, 31),
        st.binary(max_size=5).map(lambda body: body * 4),
    ),
)


class RTCPTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(st.lists(packets, min_size=1, max_size=4))
    def test_whatIsBuiltIsParsed(self, compound: list[RTCPPacket]) -> None:
        """A compound built and parsed is the same (6.1)."""
        self.assertEqual(parseRTCP(buildRTCP(compound)), tuple(compound))

    @settings(max_examples=100, deadline=None)
    @given(
        st.sampled_from((0x80, 0x81, 0xA1, 0x9F, 0x41)),
        st.integers(199, 207),
        st.binary(max_size=60),
        st.booleans(),
    )
    def test_anyBytesParseOrAreRefused(
        self, first: int, kind: int, body: bytes, fits: bool
    ) -> None:
        """Whatever arrives gives packets or MalformedMessage."""
        body = body[: len(body) // 4 * 4] if fits else body
        data = bytes([first, kind]) + (len(body) // 4).to_bytes(2, "big") + body
        try:
            parsed = parseRTCP(data)
        except MalformedMessage:
            return
        self.assertEqual(len(parsed), 1)
        self.assertEqual(parsed[0].packetType, kind)

    def test_lossSticksAtItsEnds(self) -> None:
        """The cumulative loss is signed, 24 bits, and does not wrap (6.4.1)."""
        for told, sent in ((-5, -5), (1 << 30, 0x7FFFFF), (-(1 << 30), -0x800000)):
            report = ReceiverReport(1, (ReportBlock(2, 0, told, 0, 0, 0, 0),))
            (parsed,) = parseRTCP(buildRTCP([report]))
            assert isinstance(parsed, ReceiverReport)
            self.assertEqual(parsed.reports[0].cumulativeLost, sent)

    def test_canonicalName(self) -> None:
        """The CNAME of a chunk, or None (6.5.1)."""
        self.assertEqual(SourceChunk(1, ((2, "Ann"), (1, "ann@host"))).cname, "ann@host")
        self.assertIsNone(SourceChunk(1, ()).cname)

    def test_paddingIsForTheLastPacket(self) -> None:
        """Padding ends the compound, in whole words, or it is refused (6.4.1)."""
        report = buildRTCP([ReceiverReport(1)])
        padded = b"\xa1\xcb\x00\x02" + bytes(7) + b"\x04"
        self.assertEqual(parseRTCP(report + padded), (ReceiverReport(1), Goodbye((0,))))
        for broken in (padded + report, padded[:-1] + b"\x03", padded[:-1] + b"\x0c"):
            self.assertRaises(MalformedMessage, parseRTCP, broken)

    def test_tooMuchIsNamed(self) -> None:
        """32 sources, a long text, a body of odd length: ValueError; a large number: struct's."""
        for packet in (
            Goodbye(tuple(range(32))),
            Goodbye((1,), "x" * 256),
            OtherPacket(204, 0, b"abc"),
        ):
            self.assertRaises(ValueError, buildRTCP, [packet])
        self.assertRaises(struct.error, buildRTCP, [ReceiverReport(1 << 32)])
