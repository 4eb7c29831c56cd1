"""From where a stream's packets are taken, and so where its own go (symmetric RTP, RFC 4961).

Lives here: the decision, packet by packet, against strangers and for phones behind NAT; now is
passed in. Not here: sockets, and what is in the packets (media.incoming).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

Address = tuple[str, int]

IN_SEQUENCE = 4  # packets that an unannounced source must show
REOPENS = 2.0  # seconds without RTP after which the same stream may come from elsewhere
PATIENCE = 1.0  # seconds that an announced source has before an unannounced one is believed
MISLED = 0.2  # the same, if what was announced is a private address
TRIAL = 0.1  # seconds in which a new source that may be the wrong one is taken, but not heard
FASTEST = 150.0  # packets a second that a stream may have sent while nothing of it came
_MOST_CANDIDATES = 4

# RFC 1918, 6598, 3927, 4193 and loopback: addresses that a far end may write by mistake. Those
# that ipaddress calls private are more: examples and benchmarks are as good as public here.
_PRIVATE = [
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
]

_STRANGER, _SIGNALLED, _DESCRIBED, _EXACT = range(4)


def isPrivate(host: str) -> bool:
    """Can only be reached from its own network? False for what is no address."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE if network.version == address.version)


class Latch:
    """The one source that a stream is taken from.

    The host of the SDP is believed at its first packet, from any port, and its port there wins over
    others of that host; the host that the signalling comes from too, as long as the SDP's was not
    heard. Any other must show IN_SEQUENCE packets in sequence of one SSRC, and is heard only while
    the announced ones are silent: for PATIENCE seconds, or MISLED ones if the SDP has a private
    address and the packets do not; never while the far end is to send nothing. Once latched, the
    source stays, unless a better one is heard. A new description opens the latch again for those
    that are as good; REOPENS seconds without RTP, off hold, do for the same stream: its SSRC, its
    sequence going on.

    source: (host, port), None before the first. trustedFrom: until then, in seconds, a source that
    a better one may oust should get sound, but not be heard. ssrc, sequence, heardAt: of its last
    packet. Who finds that packets come from source need not ask admits(), but keeps these true for
    when it has to.
    """

    __slots__ = ("_candidates", "_described", "_held", "_rank", "_signalling", "_since", "heardAt",
                 "sequence", "source", "ssrc", "trustedFrom")  # fmt: skip

    def __init__(self) -> None:
        self.source: Address | None = None
        self.ssrc: int | None = None
        self.sequence = 0
        self.trustedFrom = float("-inf")
        self.heardAt = float("-inf")
        self._rank = _STRANGER  # of the present source
        self._described: Address | None = None
        self._signalling: str | None = None
        self._since = float("-inf")
        self._held = False
        self._candidates: dict[tuple[Address, int], tuple[int, int]] = {}

    def expect(
        self, remote: Address | None, signallingHost: str | None, held: bool, now: float
    ) -> None:
        """A description has come: who may be heard from now on.

        remote: the SDP's; None (or a hold by 0.0.0.0, RFC 3264 8.4) keeps who was expected before.
        held: the far end is to send nothing, so its silence tells nothing.
        """
        if remote is not None:
            self._described = remote
        self._signalling, self._held, self._since = signallingHost, held, now
        self._candidates.clear()
        if self.source is not None:
            self._rank = self._rankOf(self.source)

    def admits(self, source: Address, ssrc: int, sequence: int, now: float) -> bool:
        """Is this packet, with a payload type that was agreed on, taken? Then source is its own."""
        if source != self.source:
            rank = self._rankOf(source)
            if not self._mayChange(rank, ssrc, sequence, now):
                return False
            if rank == _STRANGER and not self._proven(source, ssrc, sequence, now):
                return False
            self.source, self._rank = source, rank
            doubtful = rank in (_STRANGER, _DESCRIBED)
            self.trustedFrom = now + TRIAL if doubtful else float("-inf")
            self._candidates.clear()
        self.ssrc, self.sequence, self.heardAt = ssrc, sequence, now
        return True

    @property
    def isSettled(self) -> bool:
        """Can nobody take the stream over while it goes on?"""
        if self._rank == _SIGNALLED and self.source is not None:
            return self._isMisled(self.source[0])
        return self._rank == _EXACT

    def outranks(self, source: Address) -> bool:
        """Is the present source a better one than this?"""
        return self._rank > self._rankOf(source)

    def _rankOf(self, source: Address) -> int:
        described = self._described
        if described is not None and source[0] == described[0]:
            return _EXACT if source[1] == described[1] else _DESCRIBED
        return _SIGNALLED if source[0] == self._signalling else _STRANGER

    def _mayChange(self, rank: int, ssrc: int, sequence: int, now: float) -> bool:
        if rank == _STRANGER and self._held:
            return False  # nobody is to speak: silence tells nothing
        if self.source is None or rank > self._rank:
            return True
        if self.heardAt < self._since and rank >= min(self._rank, _DESCRIBED):
            return True
        return ssrc == self.ssrc and not self._held and self._goesOn(sequence, now)

    def _goesOn(self, sequence: int, now: float) -> bool:
        """Is it, after a silence, what the stream may have come to meanwhile?"""
        silent = now - self.heardAt
        return silent >= REOPENS and 0 < (sequence - self.sequence) & 0xFFFF <= silent * FASTEST

    def _proven(self, source: Address, ssrc: int, sequence: int, now: float) -> bool:
        candidates = self._candidates
        last, count = candidates.pop((source, ssrc), (sequence, 0))
        count = count + 1 if sequence == (last + 1) & 0xFFFF else 1
        if len(candidates) >= _MOST_CANDIDATES:
            del candidates[next(iter(candidates))]
        candidates[source, ssrc] = sequence, count
        if count < IN_SEQUENCE:
            return False
        patience = MISLED if self._isMisled(source[0]) else PATIENCE
        return now - max(self._since, self.heardAt) >= patience

    def _isMisled(self, host: str) -> bool:
        """Did the SDP name an address that nothing comes from where `host` is?"""
        described = self._described
        return described is not None and isPrivate(described[0]) and not isPrivate(host)
