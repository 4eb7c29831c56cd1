"""Streams to messages (RFC 3261 7.5, 18.3; RFC 5626 3.5.1)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.framing import Broken, Framer, Piece, Ping, Whole
from shtoom.sip.message import Request
from shtoom.sip.parser import MAX_BYTES
from test.sip.streamed import NO_LENGTH, PLAIN, WITH_BODY, message

FOLDED = message("Content-Length:\r\n\t3\r\n", b"abc")
ENDLESS = b"OPTIONS " + b"x" * MAX_BYTES


def framed(data: bytes, cuts: list[int]) -> list[Piece]:
    """The pieces of a stream that comes in parts."""
    framer, pieces, edges = Framer(), [], [0, *sorted(cuts), len(data)]
    for begin, end in pairwise(edges):
        pieces += framer.received(data[begin:end])
    return pieces


def shown(pieces: list[Piece]) -> list[str]:
    return [str(piece.error) if isinstance(piece, Broken) else repr(piece) for piece in pieces]


class FramingTests(SynchronousTestCase):
    """Where messages begin and end."""

    def broken(self, data: bytes) -> Broken:
        *_, last = framed(data, [])
        assert isinstance(last, Broken), last
        return last

    def test_threeMessagesInOneRead(self) -> None:
        stream = PLAIN + WITH_BODY + FOLDED
        wanted = [Whole(PLAIN), Whole(WITH_BODY), Whole(FOLDED)]
        self.assertEqual(framed(stream, []), wanted)

    def test_oneMessageInAHundredReads(self) -> None:
        cuts = [len(WITH_BODY) * n // 100 for n in range(1, 100)]
        self.assertEqual(framed(WITH_BODY, cuts), [Whole(WITH_BODY)])

    def test_lineEndsBetweenMessagesAreSkipped(self) -> None:
        stream = b"\r\n" + PLAIN + b"\n\r\n" + PLAIN + b"\n\n" + PLAIN
        self.assertEqual(framed(stream, []), [Whole(PLAIN)] * 3)

    def test_twoLineEndsAreAPing(self) -> None:
        stream = b"\r\n\r\n" + PLAIN + b"\r\n\r\n\r\n" + PLAIN
        self.assertEqual(framed(stream, []), [Ping(), Whole(PLAIN), Ping(), Whole(PLAIN)])

    def test_aPongIsSkipped(self) -> None:
        self.assertEqual(framed(b"\r\n", []), [])

    def test_within(self) -> None:
        framer = Framer()
        framer.received(PLAIN + b"\r\n")
        self.assertFalse(framer.within)
        framer.received(b"O")
        self.assertTrue(framer.within)

    def test_withoutContentLengthItIsBrokenAndAnswerable(self) -> None:
        broken = self.broken(NO_LENGTH + PLAIN)
        self.assertEqual(broken.error.code, 400)
        self.assertIn("Content-Length", str(broken.error))
        assert isinstance(broken.error.request, Request)
        self.assertEqual(broken.error.request.callID, "c")

    def test_badLengthsAreBroken(self) -> None:
        for bad in ("-1", "+3", "0x10", "1e3", "", "1 2", "9999999999", "٣"):
            broken = self.broken(message(f"Content-Length: {bad}\r\n"))
            self.assertEqual(broken.error.code, 400, bad)

    def test_twoLengthsThatDifferAreBroken(self) -> None:
        broken = self.broken(message("Content-Length: 0\r\nl: 5\r\n", b"abcde"))
        self.assertEqual(broken.error.code, 400)

    def test_aMessageTooLargeIsAnswered513(self) -> None:
        broken = self.broken(message(f"Content-Length: {MAX_BYTES}\r\n"))
        self.assertEqual(broken.error.code, 513)
        self.assertIsInstance(broken.error.request, Request)

    def test_aHeadWithoutEndIsBrokenAtTheLimit(self) -> None:
        framer = Framer()
        self.assertEqual(framer.received(ENDLESS[: MAX_BYTES - 1]), [])
        [broken] = framer.received(b"x")
        assert isinstance(broken, Broken)
        self.assertIsNone(broken.error.request)

    def test_nothingFollowsABrokenOne(self) -> None:
        framer = Framer()
        framer.received(NO_LENGTH)
        self.assertEqual(framer.received(PLAIN), [])

    def test_anAckIsNeverAnswered(self) -> None:
        broken = self.broken(NO_LENGTH.replace(b"OPTIONS", b"ACK"))
        self.assertIsNone(broken.error.request)

    @given(st.data())
    def test_everyCutOfAStreamGivesTheSamePieces(self, data: st.DataObject) -> None:
        parts = st.sampled_from(
            [PLAIN, WITH_BODY, FOLDED, b"\r\n", b"\n", b"\r\n\r\n", NO_LENGTH, b"rubbish\r\n\r\n"]
        )
        stream = b"".join(data.draw(st.lists(parts, max_size=6)))
        cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
        self.assertEqual(shown(framed(stream, cuts)), shown(framed(stream, [])))

    @given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
    def test_everyCutOfRubbishGivesTheSamePieces(self, rubbish: bytes, cuts: list[int]) -> None:
        cuts = [cut for cut in cuts if cut <= len(rubbish)]
        self.assertEqual(shown(framed(rubbish, cuts)), shown(framed(rubbish, [])))

    def test_everySingleCutAndByteByByte(self) -> None:
        stream = b"\r\n\r\n" + PLAIN + b"\r\n\r\n" + WITH_BODY + FOLDED + NO_LENGTH
        whole = shown(framed(stream, []))
        self.assertEqual(shown(framed(stream, list(range(len(stream))))), whole)
        for cut in range(len(stream)):
            self.assertEqual(shown(framed(stream, [cut])), whole)
