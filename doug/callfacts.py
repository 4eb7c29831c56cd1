"""What is known of an ended call, and what may be found wrong with it.

Lives here: the values that the rules of the verdict go from and to. Not here: the rules
(doug.networkrules, doug.apprules), gathering the facts (doug.farewell).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shtoom.media.latch import isPrivate
from shtoom.media.stats import MediaStats

__all__ = ["NO_MEDIA", "CallFacts", "Finding", "Rule", "isPrivateElsewhere"]

NO_MEDIA = MediaStats(0, 0, 0, {}, None, None, None, None, 0)


class Finding(NamedTuple):
    """One thing that was wrong. rule: its short name. text: what, and what to do about it."""

    rule: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call at its end.

    answeredFor: seconds from answer to end, None if it was never answered. signalling: findings
    of the user agent, in words. unacknowledged: that no ACK came, and for how long it was waited
    for. ourHost: in the Contact that the far end has of us; contactHost: of its own Contact, None
    if requests go by way of proxies; signallingHost: where its messages came from. mediaHost: in
    its SDP, None if it never sent one.
    stats: of its media session. expected: should packets have come (not held at the end)? listens:
    should they have gone?
    silentFor: seconds from its last packet to the end, 0 if none came or either side held the call.
    keysUnmatched: keys that no state of the application wanted; keysWaiting: those of them, or not
    delivered at all, that came while a handler's Deferred pended; keysUnheeded: those that came in
    a prompt which was not to be stopped by them. eventsUnmatched: other events that no state
    wanted, with the state. pending: the handler whose Deferred pended when the call ended, if not
    the application ended it.
    leftOut: did the media clock leave out sound meanwhile? notPlayed: items that could not be
    played, and why, with the remedy. notRecorded: why recordings failed, with their files.
    appError: the handler and the error that the application ended with while the call was up.
    slowHandlers: those of the application that held the reactor, with file, line and seconds.
    survivors: what was still open after the end, in words.
    """

    answeredFor: float | None = None
    signalling: Sequence[str] = ()
    unacknowledged: str = ""
    ourHost: str | None = None
    contactHost: str | None = None
    signallingHost: str | None = None
    mediaHost: str | None = None
    stats: MediaStats = NO_MEDIA
    expected: bool = True
    listens: bool = True
    silentFor: float = 0.0
    keysUnmatched: str = ""
    keysWaiting: str = ""
    keysUnheeded: str = ""
    eventsUnmatched: Sequence[str] = ()
    pending: str = ""
    leftOut: bool = False
    notPlayed: Sequence[str] = ()
    notRecorded: Sequence[str] = ()
    appError: str = ""
    slowHandlers: Sequence[str] = ()
    survivors: Sequence[str] = ()

    @property
    def latchedHost(self) -> str | None:
        """Where its packets came from, None if none came."""
        source = self.stats.latchedFrom
        return None if source is None else source[0]


Rule = Callable[[CallFacts], Finding | None]


def isPrivateElsewhere(host: str | None, source: str | None) -> bool:
    """Is `host` a private address and `source` a public one?

    Within one private network the two may differ rightly; of a name nothing is known.
    """
    if host is None or source is None:
        return False
    return isPrivate(host.strip("[]")) and not isPrivate(source.strip("[]"))
