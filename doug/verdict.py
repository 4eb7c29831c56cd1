"""What was wrong with a call, in words with the remedy.

Lives here: the rules, each a pure function from the facts of an ended call to a finding.
Not here: gathering the facts (doug.farewell), counting packets (shtoom.media), following the wrong
addresses at all (shtoom.agent, shtoom.media.latch).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from shtoom.media.stats import MediaStats

__all__ = ["RULES", "CallFacts", "Finding", "judge"]

ENOUGH = 2.0  # seconds that an answered call must last before missing packets mean something
FEW = 50  # packets, from which on a share of them means something

# RFC 1918, RFC 6598, RFC 3927, loopback; RFC 4193, RFC 4291 2.5. The documentation addresses that
# Python counts as private stand for public ones here.
_PRIVATE = tuple(
    ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
    )
)

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
    of the user agent, in words. contactHost: of the far end's Contact; signallingHost: where its
    messages came from. mediaHost: in its SDP, None if it never sent one. stats: of its media
    session. expected: should packets have come (not held at the end)? keysUnmatched: keys that no
    state of the application wanted; keysWaiting: those of them, or not delivered at all, that came
    while a handler's Deferred pended. leftOut: did the media clock leave out sound meanwhile?
    notPlayed: items that could not be played, and why, with the remedy.
    appError: the handler and the error that the application ended with while the call was up.
    slowHandlers: those of the application that held the reactor, with file, line and seconds.
    survivors: what was still open after the end, in words.
    """

    answeredFor: float | None = None
    signalling: Sequence[str] = ()
    contactHost: str | None = None
    signallingHost: str | None = None
    mediaHost: str | None = None
    stats: MediaStats = NO_MEDIA
    expected: bool = True
    keysUnmatched: str = ""
    keysWaiting: str = ""
    leftOut: bool = False
    notPlayed: Sequence[str] = ()
    appError: str = ""
    slowHandlers: Sequence[str] = ()
    survivors: Sequence[str] = ()

    @property
    def latchedHost(self) -> str | None:
        """Where its packets came from, None if none came."""
        source = self.stats.latchedFrom
        return None if source is None else source[0]


Rule = Callable[[CallFacts], "Finding | None"]


def privateContact(facts: CallFacts) -> Finding | None:
    """The far end's Contact is an address that only its own network reaches."""
    host, source = facts.contactHost, facts.signallingHost
    if host is None or source is None or not _isPrivateElsewhere(host, source):
        return None
    if any(host in text for text in facts.signalling):
        return None  # the user agent had to do with it, and has said so
    return Finding(
        "private-contact",
        f"the far end's Contact says {host}, but it sends from {source}: requests go there; "
        "let it use its public address (STUN, or the NAT setting of the phone or trunk)",
    )


def privateMedia(facts: CallFacts) -> Finding | None:
    """Its SDP has an address that only its own network reaches."""
    host, source = facts.mediaHost, facts.latchedHost or facts.signallingHost
    if host is None or source is None or not _isPrivateElsewhere(host, source):
        return None
    return Finding(
        "private-media",
        f"the far end's SDP says {host}, but it is at {source}: its audio is heard only after it "
        "has sent some itself; let it use its public address (STUN, or its NAT setting)",
    )


def mediaFromElsewhere(facts: CallFacts) -> Finding | None:
    """Its packets came from another address than its SDP says, and not because of NAT alone."""
    said, came = facts.mediaHost, facts.latchedHost
    if said is None or came is None or said == came or _isPrivateElsewhere(said, came):
        return None
    return Finding(
        "media-elsewhere",
        f"RTP came from {came}, the SDP said {said}: a media proxy or a wrong address on the far "
        "end; audio follows what comes",
    )


def foreignMedia(facts: CallFacts) -> Finding | None:
    """Somebody else sent packets to the call's port."""
    if not _foreign(facts):
        return None
    return Finding(
        "foreign-media",
        f"{_foreign(facts)} RTP packets came from others than the far end and were dropped: "
        "an old stream of another call, or somebody who tries to be heard",
    )


def noMedia(facts: CallFacts) -> Finding | None:
    """Nothing was ever heard from the far end."""
    if not _shouldHaveMedia(facts) or facts.stats.packetsReceived:
        return None
    if _foreign(facts):
        return None  # said already, in a better way
    return Finding(
        "no-media",
        "no RTP came at all: see that the RTP ports (--rtp-ports) are open in the firewall, and "
        "that the address in our SDP can be reached from there (--advertise)",
    )


def oneWay(facts: CallFacts) -> Finding | None:
    """The far end was heard, but nothing could be sent to it."""
    if not _shouldHaveMedia(facts) or not facts.stats.packetsReceived:
        return None
    if facts.stats.packetsSent:
        return None
    return Finding(
        "one-way",
        "the far end was heard, but no RTP could be sent to it: its SDP has an address that cannot "
        f"be reached from here ({facts.mediaHost or 'none'})",
    )


def loss(facts: CallFacts) -> Finding | None:
    """More of its packets were lost than concealing can hide (5 %)."""
    came, lost = facts.stats.packetsReceived, facts.stats.lost
    if came + lost < FEW or lost * 20 < came + lost:
        return None
    return Finding(
        "loss",
        f"{100 * lost / (came + lost):.0f} % of the far end's RTP packets were lost on the way: "
        "see the network between it and here",
    )


def keysUnmatched(facts: CallFacts) -> Finding | None:
    """Keys came that the application had no handler for at that moment."""
    if not facts.keysUnmatched:
        return None
    return Finding(
        "keys-unmatched",
        f"keys {facts.keysUnmatched!r} were dropped, because no entry of the state that the "
        "application was in matches DTMFReceivedEvent",
    )


def keysWaiting(facts: CallFacts) -> Finding | None:
    """Keys came while a handler's Deferred pended, and the call ended before it fired."""
    if not facts.keysWaiting:
        return None
    return Finding(
        "keys-lost",
        f"keys {facts.keysWaiting!r} came while a handler's Deferred was pending and were never "
        "delivered: return the next list at once and let slow work raise an event of its own",
    )


def late(facts: CallFacts) -> Finding | None:
    """The media clock could not keep its beat."""
    if not facts.leftOut:
        return None
    return Finding(
        "late",
        "sound was left out because something held the reactor for more than 40 ms (the log has "
        "'reactor was late'): move slow work of handlers to self.deferToThread",
    )


def appFailed(facts: CallFacts) -> Finding | None:
    """The call is over because its application is."""
    if not facts.appError:
        return None
    return Finding(
        "app-failed",
        f"the application ended with an error in {facts.appError} (the log has the traceback)",
    )


def notPlayed(facts: CallFacts) -> Finding | None:
    """The application asked for a sound that could not be read."""
    if not facts.notPlayed:
        return None
    return Finding("not-played", f"not played: {'; '.join(facts.notPlayed)}")


def survivors(facts: CallFacts) -> Finding | None:
    """Something that the call had opened was not closed in time."""
    if not facts.survivors:
        return None
    return Finding(
        "survivors",
        f"still open after the end: {', '.join(facts.survivors)}; a recording that is here waits "
        "for its disk",
    )


RULES: tuple[Rule, ...] = (
    appFailed,
    privateContact,
    privateMedia,
    mediaFromElsewhere,
    foreignMedia,
    noMedia,
    oneWay,
    loss,
    keysUnmatched,
    keysWaiting,
    notPlayed,
    late,
    survivors,
)
"""In the order in which findings are told; those of the signalling come first."""


def judge(facts: CallFacts) -> list[Finding]:
    """All that was wrong; empty for a sound call."""
    findings = [Finding("signalling", text) for text in facts.signalling]
    findings += [finding for rule in RULES if (finding := rule(facts)) is not None]
    return findings


def _foreign(facts: CallFacts) -> int:
    """Packets that came from somebody else, by the session's count of what it dropped."""
    return facts.stats.dropped.get("not the far end", 0)


def _shouldHaveMedia(facts: CallFacts) -> bool:
    return facts.expected and facts.answeredFor is not None and facts.answeredFor >= ENOUGH


def _isPrivateElsewhere(host: str, source: str) -> bool:
    """Is `host` a private address and `source` a public one?

    Within one private network the two may differ rightly.
    """
    if host == source:
        return False
    try:
        said, came = ip_address(host.strip("[]")), ip_address(source.strip("[]"))
    except ValueError:
        return False  # a name: nothing is known
    return _isPrivate(said) and not _isPrivate(came)


def _isPrivate(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in _PRIVATE)
