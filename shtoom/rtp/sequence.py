"""Sequence numbers that wrap, and what they tell of a stream (RFC 3550 A).

Lives here: extension of 16 bit counters; loss, repeats, re-ordering, jitter of one source.
Not here: the order of playing (rtp.jitterbuffer), reports on the wire (rtp.rtcp).
"""

from __future__ import annotations

MAX_DROPOUT = 3000  # RFC 3550 A.1: a larger step forward is a restart
MAX_MISORDER = 100  # RFC 3550 A.1: a packet older than that is no latecomer

_SEEN_MASK = (1 << MAX_MISORDER) - 1  # a bit for each packet that may still come late


def extend16(value: int, near: int) -> int:
    """The integer closest to `near` whose low 16 bits are `value`."""
    return near + ((value - near + 0x8000) & 0xFFFF) - 0x8000


class SequenceTracker:
    """Receiver statistics of one source (RFC 3550 A.1, A.3, A.8); a new SSRC needs a new one.

    clock: RTP clock in Hz. Counts since the first packet: received (repeats too), duplicates,
    reordered (came after a later one), restarts. jitter is in ticks of the clock. highest is the
    sequence number with its wraps counted above bit 15, -1 before the first packet.
    A jump beyond MAX_DROPOUT or MAX_MISORDER restarts the numbers once the next packet follows it
    in sequence; until then it is a stray and not counted.
    """

    __slots__ = (
        "_badSequence",
        "_base",
        "_expectedBefore",
        "_expectedPrior",
        "_lostPrior",
        "_seen",
        "_transit",
        "clock",
        "duplicates",
        "highest",
        "jitter",
        "received",
        "reordered",
        "restarts",
    )

    def __init__(self, clock: int = 8000) -> None:
        self.clock = clock
        self.received = 0
        self.duplicates = 0
        self.reordered = 0
        self.restarts = 0
        self.jitter = 0.0
        self.highest = -1
        self._base = 0
        self._expectedBefore = 0  # packets of the stretches before a restart
        self._seen = 0  # bit n: highest - n has arrived
        self._badSequence = -1
        self._transit = 0.0
        self._expectedPrior = 0
        self._lostPrior = 0

    def packetReceived(self, sequence: int, timestamp: int, now: float) -> bool:
        """Count one packet; False for a repeat of a recent one, and for a stray.

        now: seconds of arrival, any origin.
        """
        highest = self.highest
        if sequence == (highest + 1) & 0xFFFF and highest >= 0:
            self.highest = highest + 1
            self._seen = (self._seen << 1 | 1) & _SEEN_MASK
        elif highest < 0:
            self._begin(sequence)
            self.received = 1
            self._transit = now * self.clock - timestamp
            return True
        elif not self._outOfOrder(sequence):
            return False
        self.received += 1
        transit = now * self.clock - timestamp
        step = (transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000
        self._transit = transit
        self.jitter += (abs(step) - self.jitter) / 16
        return True

    def followed(self, count: int) -> None:
        """Count packets that came in sequence behind the highest; cheaper than one by one.

        For who looks at sequence numbers itself and leaves the irregular ones to packetReceived.
        The jitter is not moved. ValueError before the first packet.
        """
        if self.highest < 0:
            raise ValueError("followed: no packet was received yet")
        self.highest += count
        self.received += count
        shift = min(count, MAX_MISORDER)
        self._seen = (self._seen << shift | (1 << shift) - 1) & _SEEN_MASK

    @property
    def expected(self) -> int:
        """Packets that the sequence numbers account for (A.3)."""
        if self.highest < 0:
            return 0
        return self._expectedBefore + self.highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that did not come; one still on its way counts until it arrives."""
        return self.expected - (self.received - self.duplicates)

    def fractionLost(self) -> int:
        """Loss in 1/256 since the last call, which ends that interval (A.3)."""
        expected, lost = self.expected, self.lost
        newExpected, newLost = expected - self._expectedPrior, lost - self._lostPrior
        self._expectedPrior, self._lostPrior = expected, lost
        if newExpected <= 0 or newLost <= 0:
            return 0
        return min(255, (newLost << 8) // newExpected)

    def _outOfOrder(self, sequence: int) -> bool:
        """Place a packet that is not the next one; False: a repeat, or a stray not to count."""
        extended = extend16(sequence, self.highest)
        step = extended - self.highest
        if 0 < step < MAX_DROPOUT:
            self.highest = extended
            self._seen = (self._seen << step | 1) & _SEEN_MASK
            return True
        if -MAX_MISORDER < step <= 0:
            if self._seen >> -step & 1:
                self.received += 1
                self.duplicates += 1
                return False
            self._base = min(self._base, extended)
            self._seen |= 1 << -step
            self.reordered += 1
            return True
        if sequence == self._badSequence:
            self._expectedBefore = self.expected
            self._begin((sequence - 1) & 0xFFFF)
            self.highest += 1
            self._seen = 3
            self.received += 1  # the stray was the first of the new stretch
            self.restarts += 1
            return True
        self._badSequence = (sequence + 1) & 0xFFFF
        return False

    def _begin(self, sequence: int) -> None:
        self.highest = self._base = sequence
        self._seen = 1
        self._badSequence = -1
