"""From where a stream's packets are taken, and so where its own go (symmetric RTP, RFC 4961).

Lives here: the decision, packet by packet, against strangers and for phones behind NAT; now is
passed in. Not here: sockets, and what is in the packets (media.incoming).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from typing import NamedTuple

from shtoom.addresses import MOST, ipAddress

Address = tuple[str, int]

REOPENS = 2.0  # seconds without RTP after which the same stream may come from elsewhere
PATIENCE = 2.0  # seconds that an announced source has before an unannounced one is believed
MISLED = 0.2  # the same, behind a proxy if a private address was announced; for what goes on, too
TRIAL = 0.1  # seconds in which a new source that may be the wrong one is taken, but not heard
KEYLESS = 3.0  # seconds in which an unannounced source is heard, but presses no keys
SLOWEST, FASTEST = 5.0, 150.0  # packets a second of what may be a phone; the packets last 10-60 ms
_MOST_MISSING = 4  # packets in a row that a stream may lose and be the same
_MOST_CANDIDATES = 16

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


@lru_cache(MOST)
def isPrivate(host: str) -> bool:
    """Can only be reached from its own network? False for what is no address."""
    try:
        address = ipAddress(host)
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE if network.version == address.version)


class _Candidate(NamedTuple):
    """A stream of somebody who was not announced. since: seconds of its beginning."""

    since: float
    sequence: int
    packets: int


class Latch:
    """The one source that a stream is taken from.

    The host of the SDP is believed at its first packet, from any port, and its port there wins over
    others of that host; the host that the signalling comes from too, as long as the SDP's was not
    heard. Any other must show a stream of one SSRC at the pace of a phone, and is heard only while
    the announced ones are silent: both for PATIENCE seconds, or MISLED ones if the SDP has a
    private address, the packets do not, and a proxy is on the way, so that the phone is not where
    its signalling comes from; never while the far end is to send nothing. Its keys are taken later
    still. Sound goes to it only if the SDP has a private address, where it could not arrive:
    carriers that send from another place than they listen at are heard, and thieves get nothing.

    Once latched, the source stays, unless a better one is heard. A new description opens the latch
    again for those that are as good; REOPENS seconds without RTP, off hold, do for the same stream:
    its SSRC, its sequence going on.

    source: (host, port), None before the first. isAnswered: does it get our sound? trustedFrom:
    until then, in seconds, a source that a better one may oust should not be heard; keysFrom: until
    then its keys do not count. ssrc, sequence, heardAt: of its last packet. Who finds that packets
    come from source need not ask admits(), but keeps these true for when it has to.
    """

    __slots__ = ("_candidates", "_described", "_direct", "_held", "_rank", "_signalling", "_since",
                 "heardAt", "isAnswered", "keysFrom", "sequence", "source", "ssrc",
                 "trustedFrom")  # fmt: skip

    def __init__(self) -> None:
        self.source: Address | None = None
        self.ssrc: int | None = None
        self.sequence = 0
        self.isAnswered = False
        self.trustedFrom = self.keysFrom = float("-inf")
        self.heardAt = float("-inf")
        self._rank = _STRANGER  # of the present source
        self._described: Address | None = None
        self._signalling: str | None = None
        self._since = float("-inf")
        self._held = self._direct = False
        self._candidates: dict[tuple[Address, int], _Candidate] = {}

    def expect(
        self,
        remote: Address | None,
        signallingHost: str | None,
        held: bool,
        now: float,
        direct: bool = False,
    ) -> None:
        """A description has come: who may be heard from now on.

        remote: the SDP's; None (or a hold by 0.0.0.0, RFC 3264 8.4) keeps who was expected before.
        held: the far end is to send nothing, so its silence tells nothing. direct: its signalling
        comes from itself, by way of no proxy.
        """
        self._direct = direct
        if remote is not None:
            self._described = remote
        self._signalling, self._held, self._since = signallingHost, held, now
        self._candidates.clear()
        if self.source is not None:
            self._rank = self._rankOf(self.source)
            if self._rank != _STRANGER:
                self.keysFrom = self.trustedFrom

    def admits(self, source: Address, ssrc: int, sequence: int, now: float) -> bool:
        """Is this packet, with a payload type that was agreed on, taken? Then source is its own."""
        if source != self.source:
            rank = self._rankOf(source)
            goesOn = ssrc == self.ssrc and self._goesOn(sequence, now)
            if not (goesOn or self._mayChange(rank)):
                return False
            misled = goesOn or self._isMisled(source[0])
            if rank == _STRANGER:
                if self._held:
                    return False  # nobody is to speak: silence tells nothing
                patience = MISLED if goesOn or (misled and not self._direct) else PATIENCE
                if not self._proven((source, ssrc), sequence, patience, now):
                    return False
            self.source, self._rank = source, rank
            self.isAnswered = rank != _STRANGER or misled or self._described is None
            doubtful = rank in (_STRANGER, _DESCRIBED)
            self.trustedFrom = now + TRIAL if doubtful else float("-inf")
            self.keysFrom = self.trustedFrom
            if rank == _STRANGER and not goesOn:
                self.keysFrom = now + KEYLESS
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

    def _mayChange(self, rank: int) -> bool:
        if self.source is None or rank > self._rank:
            return True
        return self.heardAt < self._since and rank >= min(self._rank, _DESCRIBED)

    def _goesOn(self, sequence: int, now: float) -> bool:
        """Is it, after a silence off hold, what the stream may have come to meanwhile?"""
        silent = now - self.heardAt
        if self._held or silent < REOPENS:
            return False
        return 0 < (sequence - self.sequence) & 0xFFFF <= silent * FASTEST

    def _proven(self, who: tuple[Address, int], sequence: int, patience: float, now: float) -> bool:
        """Has it shown for so long what a phone sends, and nobody better anything?"""
        candidates = self._candidates
        since, last, count = candidates.pop(who, (now, sequence - 1, 0))
        if (last - sequence) & 0xFFFF > _MOST_MISSING:  # else it comes late, or once more
            if (sequence - last) & 0xFFFF > _MOST_MISSING + 1:
                since, count = now, 0
            last, count = sequence, count + 1
        if len(candidates) >= _MOST_CANDIDATES:
            del candidates[next(iter(candidates))]
        candidates[who] = _Candidate(since, last, count)
        shown = now - since
        if shown < patience or now - max(self._since, self.heardAt) < patience:
            return False
        return SLOWEST * shown <= count <= FASTEST * shown

    def _isMisled(self, host: str) -> bool:
        """Did the SDP name an address that nothing comes from where `host` is?"""
        described = self._described
        return described is not None and isPrivate(described[0]) and not isPrivate(host)
