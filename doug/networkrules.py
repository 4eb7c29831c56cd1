"""Rules of the verdict about the way between the far end and here: addresses, ACK, RTP.

Lives here: pure functions from the facts of an ended call to a finding. Not here: following wrong
addresses at all (shtoom.agent, shtoom.media.latch), counting packets (shtoom.media).
"""

from __future__ import annotations

from doug.callfacts import CallFacts, Finding, isPrivateElsewhere

ENOUGH = 2.0  # seconds that an answered call must last before missing packets mean something
FEW = 50  # packets, from which on a share of them means something
SILENT = 10.0  # seconds: who sends nothing for so long at the end of a call was cut off before


def noACK(facts: CallFacts) -> Finding | None:
    """The call was answered, and the far end never said that it knows."""
    if not facts.unacknowledged:
        return None
    ours, source = facts.ourHost, facts.signallingHost
    if isPrivateElsewhere(ours, source):
        why = (
            f"our Contact says {ours}, which cannot be reached from {source}: name the public "
            "address (--advertise)"
        )
    elif facts.stats.packetsReceived:
        why = (
            "its sound came, so it has our 200, and its ACK went elsewhere: see that the address "
            f"in our Contact ({ours}) can be reached from there (--advertise), and that proxies on "
            "the way record their route"
        )
    else:
        why = (
            f"no sound came either, so our 200 did not get to {source}, or its user is gone: see "
            "that the firewall lets the SIP port through both ways"
        )
    return Finding("no-ack", f"{facts.unacknowledged}: {why}")


def privateContact(facts: CallFacts) -> Finding | None:
    """The far end's Contact is an address that only its own network reaches."""
    host, source = facts.contactHost, facts.signallingHost
    if host is None or not isPrivateElsewhere(host, source):
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
    if not isPrivateElsewhere(host, source):
        return None
    return Finding(
        "private-media",
        f"the far end's SDP says {host}, but it is at {source}: its audio is heard only after it "
        "has sent some itself; let it use its public address (STUN, or its NAT setting)",
    )


def mediaFromElsewhere(facts: CallFacts) -> Finding | None:
    """Its packets came from another address than its SDP says, and not because of NAT alone."""
    if facts.stats.elsewhere is None:
        return None
    (said, _), (came, _) = facts.stats.elsewhere
    if isPrivateElsewhere(said, came):
        return None
    to = facts.stats.remoteAddress
    ours = "follows it" if to is not None and to[0] == came else f"goes to {said} all the same"
    return Finding(
        "media-elsewhere",
        f"RTP came from {came}, the SDP said {said}: a media proxy or a wrong address on the far "
        f"end, which should name the one that it sends from; it is heard late, and ours {ours}",
    )


def foreignMedia(facts: CallFacts) -> Finding | None:
    """Somebody else sent packets to the call's port, and not just the last of another call."""
    foreign = facts.stats.dropped.get("not the far end", 0)
    if foreign < FEW or mediaFromElsewhere(facts) is not None:
        return None  # those of who was heard in the end are among them
    return Finding(
        "foreign-media",
        f"{foreign} RTP packets came from others than the far end and were dropped: an old "
        "stream of another call, or somebody who tries to be heard; a proxy that should be heard "
        "has to name its address in the SDP",
    )


def noMedia(facts: CallFacts) -> Finding | None:
    """Nothing was ever heard from the far end, whoever else was there."""
    if not _wasUp(facts) or facts.stats.unheard < ENOUGH:
        return None
    return Finding(
        "no-media",
        "no RTP came from the far end: see that the RTP ports (--rtp-ports) are open in the "
        "firewall, and that the address in our SDP can be reached from there (--advertise)",
    )


def oneWay(facts: CallFacts) -> Finding | None:
    """The far end was heard, but did not hear us; or the other way round from some time on."""
    stats = facts.stats
    if not _wasUp(facts) or not facts.expected or not stats.packetsReceived:
        return None
    if facts.listens and not stats.packetsSent:
        return Finding(
            "one-way",
            "the far end was heard, but no RTP could be sent to it: its SDP has an address that "
            f"cannot be reached from here ({facts.mediaHost or 'none'}); see its NAT setting",
        )
    if stats.refusals and 2 * stats.refusals >= stats.packetsSent:
        return Finding(
            "one-way",
            f"the far end was heard, but this machine did not take {stats.refusals} of "
            f"{stats.packetsSent} RTP packets to it (the log has 'cannot send RTP'): see the route "
            "to it, and the local firewall",
        )
    if facts.silentFor >= SILENT and not facts.stats.pauses:
        return Finding(
            "one-way",
            f"no RTP came in the last {facts.silentFor:.0f} s: a NAT or firewall on the way has "
            "forgotten the call, or the far end lost its network; see that its phone sends packets "
            "in silence too (no VAD)",
        )
    return None


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


def jitter(facts: CallFacts) -> Finding | None:
    """More of its packets came after their turn than can be hidden (5 %)."""
    came, late = facts.stats.packetsReceived, facts.stats.late
    if came < FEW or late * 20 < came:
        return None
    return Finding(
        "jitter",
        f"{100 * late / came:.0f} % of the far end's RTP packets came too late to be played: see "
        "the network between it and here (Wi-Fi, a link that is full)",
    )


def _wasUp(facts: CallFacts) -> bool:
    return facts.answeredFor is not None and facts.answeredFor >= ENOUGH
