"""Headers of packets in a row, as one number."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.media.headers import LENGTH, NO_ROW, header, packetsBetween, rowEnd, step
from shtoom.rtp.packet import RTPPacket


class HeaderTests(SynchronousTestCase):
    """RFC 3550 5.1, by one sum."""

    @given(
        st.integers(0, 127),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.sampled_from((80, 160, 240, 480, 960)),
        st.integers(0, 0xFFFF),
    )
    @settings(max_examples=100, deadline=None)
    def test_aRowIsWhatItsPacketsAre(  # noqa: PLR0917 - the fields of a header
        self, kind: int, sequence: int, timestamp: int, ssrc: int, samples: int, n: int
    ) -> None:
        """Each packet of a row has the header that its fields give; no field wraps in it."""
        first = header(kind, sequence, timestamp, ssrc)
        count = packetsBetween(first, rowEnd(first, samples))
        self.assertLessEqual(1, count)
        n = min(n, count - 1)
        wanted = RTPPacket(kind, sequence + n, timestamp + n * samples, ssrc, b"")
        self.assertEqual((first + n * step(samples)).to_bytes(LENGTH, "big"), wanted.toBytes())
        self.assertEqual(packetsBetween(first, first + n * step(samples)), n)

    def test_aRowEndsWhereAFieldWraps(self) -> None:
        """Sequence 65535 is the last of its row, so is a timestamp in the last packet time."""
        ends = {(65535, 0): 1, (65530, 0): 6, (0, 2**32 - 1): 1, (0, 2**32 - 320): 2, (0, 0): 65536}
        for (sequence, timestamp), count in ends.items():
            first = header(0, sequence, timestamp, 1)
            self.assertEqual(packetsBetween(first, rowEnd(first, 160)), count)

    def test_noRowHasNoPackets(self) -> None:
        """What stands for no row is no header, and no way from itself."""
        self.assertLess(NO_ROW, header(0, 0, 0, 0))
        self.assertEqual(packetsBetween(NO_ROW, NO_ROW), 0)

    def test_numbersMayHaveWrapped(self) -> None:
        """The header behind sequence 65535 has sequence 0."""
        self.assertEqual(header(0, 0x10000, 2**32, 1), header(0, 0, 0, 1))
