"""Offer and answer (RFC 3264) for one audio stream: pure functions from values to values.

Lives here: the answer to an offer, an offer of ours, what an answer to it agrees to.
Not here: the text (sdp.description), when offers travel (agent.call), sockets (media).

Streams that are not taken are answered with port 0 in their place. Only plain RTP is agreed to:
what insists on SRTP (RTP/SAVP and the like) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from shtoom.exceptions import NotAcceptable
from shtoom.sdp.description import (
    DIRECTIONS,
    Connection,
    Line,
    MediaDescription,
    SessionDescription,
)
from shtoom.sdp.formats import STATIC, TELEPHONE_EVENT, Format

PROFILES = ("RTP/AVP", "RTP/AVPF")
EVENT_TYPE = 101  # what everybody uses; the first of ours, others follow
EVENTS = "0-15"  # the sixteen keys (RFC 4733 3.2)

_FIRST_DYNAMIC = 96
_TIMING = re.compile(r"\d{1,20} \d{1,20}", re.ASCII)
_SHORTEST, _LONGEST = 10, 60  # ms in a packet
_ENCODINGS = {
    "PCMU": STATIC[0],
    "PCMA": STATIC[8],
    "G722": STATIC[9],
    "OPUS": Format(-1, "opus", 48000, 2),  # RFC 7587 7: always these, whatever is sent
}


@dataclass(frozen=True)
class Capabilities:
    """What our side can do, and where.

    codecs: encoding names in our order of liking; events: whether keys are taken as
    telephone-events; address: the IP literal that the far end reaches us by, port: its RTP port;
    sessionID, version: of our o= line, the version grows by one with each change (`renewed`);
    ptime: ms a packet that we send if the far end has no wish; direction: what our side wants,
    "sendonly" while it holds the call; ownPorts: others of ours at that address that are no far
    end's, such as those of SIP. ValueError for a codec without a known clock, or a direction that
    is none.
    """

    codecs: tuple[str, ...]
    events: bool
    address: str
    port: int
    sessionID: int
    version: int
    ptime: int = 20
    direction: str = "sendrecv"
    ownPorts: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        for name in self.codecs:
            if name.upper() not in _ENCODINGS:
                raise ValueError(f"codecs: wanted some of {', '.join(_ENCODINGS)}, got {name!r}")
        if self.direction not in DIRECTIONS:
            raise ValueError(f"direction: wanted one of {DIRECTIONS}, got {self.direction!r}")

    @property
    def connection(self) -> Connection:
        """Our c= line; never with brackets (RFC 8866 9)."""
        address = self.address.strip("[]")
        return Connection("IP6" if ":" in address else "IP4", address)


class AgreedStream(NamedTuple):
    """What both sides have settled on for the sound.

    codec: our name of it; rate: its RTP clock in Hz; payloadType: to send with; accepts: payload
    types that may come in, each with its codec; eventType: payload type of keys that come in, or
    None; ptime: ms a packet to send; remoteHost, remotePort: where to; send: whether we may send
    (not while held), receive: whether the far end may; eventClock: Hz of its timestamps;
    sendEventType: payload type of keys to send, or None.
    """

    codec: str
    rate: int
    payloadType: int
    accepts: Mapping[int, str]
    eventType: int | None
    ptime: int
    remoteHost: str
    remotePort: int
    send: bool
    receive: bool
    eventClock: int = 8000
    sendEventType: int | None = None


class Negotiated(NamedTuple):
    """answer: the description to send back; stream: what it agrees to."""

    answer: SessionDescription
    stream: AgreedStream


def negotiate(offer: SessionDescription, capabilities: Capabilities) -> Negotiated:
    """Answer an offer (RFC 3264 6): the first audio line with a codec of ours is taken.

    Of what it offers, our first codec is chosen, under the payload type that the offer gave it.
    Raises NotAcceptable (488 with a Warning, RFC 3261 20.43) naming why no line can be taken.
    """
    failure: NotAcceptable | None = None
    for taken in offer.media:
        if taken.type != "audio" or taken.port == 0:
            continue
        try:
            stream, formats = _accept(taken, capabilities)
        except NotAcceptable as refusal:
            failure = failure or refusal
            continue
        media = (
            _sectionOf(medium.proto, formats, stream, capabilities)
            if medium is taken
            else replace(medium, port=0, count=1, lines=())
            for medium in offer.media
        )
        return Negotiated(_describe(capabilities, tuple(media), offer.line("t")), stream)
    if failure:
        try:
            raise failure
        finally:
            del failure  # else it and this frame hold one another
    kinds = ", ".join(f"{_plain(medium.type)} {medium.port}" for medium in offer.media[:8])
    raise _refusal(304, f"no audio stream is offered (offered: {kinds or 'no stream at all'})")


def makeOffer(capabilities: Capabilities, direction: str = "sendrecv") -> SessionDescription:
    """An offer of one audio stream with all our codecs, and events for each of their clocks."""
    if direction not in DIRECTIONS:
        raise ValueError(f"direction: wanted one of {DIRECTIONS}, got {direction!r}")
    formats = []
    dynamic = _FIRST_DYNAMIC
    for name in capabilities.codecs:
        encoding = _ENCODINGS[name.upper()]
        if encoding.payloadType < 0:
            encoding = encoding._replace(payloadType=dynamic)
            dynamic += 1
        formats.append(encoding)
    if capabilities.events:
        clocks = dict.fromkeys(each.rate for each in formats)
        formats += [
            Format(EVENT_TYPE + i, TELEPHONE_EVENT, clock, 1, EVENTS)
            for i, clock in enumerate(clocks)
        ]
    medium = _section(PROFILES[0], formats, capabilities.port, capabilities.ptime, direction)
    return _describe(capabilities, (medium,), None)


def readAnswer(
    offer: SessionDescription, answer: SessionDescription, capabilities: Capabilities
) -> AgreedStream:
    """What an answer to our offer agrees to (RFC 3264 7).

    Lines beyond those offered are ignored. Raises NotAcceptable if the audio is refused, or
    naming what was answered and what was offered if they have no codec in common.
    """
    place, offered = next(
        (i, medium) for i, medium in enumerate(offer.media) if medium.type == "audio"
    )
    answered = answer.media[place] if place < len(answer.media) else None
    if answered is None or answered.type != "audio" or answered.port == 0:
        raise _refusal(304, "the answer refuses the audio stream")
    remote = _reachable(answered, capabilities)
    ours = _codecsIn(offered, capabilities.codecs)
    names = [name for _, name in ours]
    common = _codecsIn(answered, tuple(names))
    if not common:
        raise _refusal(
            305, f"no codec in common: answered {_named(answered)}, offered {', '.join(names)}"
        )
    # The far end's order counts now: what it put first is what it sends (RFC 3264 7).
    chosen, codec = min(common, key=lambda pair: answered.formats.index(pair[0]))
    theirEvents = _eventsFor(answered, chosen.rate) if capabilities.events else None
    ourEvents = _eventsFor(offered, theirEvents.rate) if theirEvents else None
    mayReceive, maySend = _flow(answered.direction)
    wantSend, wantReceive = _flow(offered.direction)
    return AgreedStream(
        codec=codec,
        rate=chosen.rate,
        payloadType=chosen.payloadType,
        accepts={each.payloadType: name for each, name in ours},
        eventType=ourEvents.payloadType if ourEvents else None,
        ptime=_packetTime(answered, capabilities.ptime),
        remoteHost=remote.host,
        remotePort=answered.port,
        send=maySend and wantSend and not remote.isUnspecified,
        receive=mayReceive and wantReceive,
        eventClock=ourEvents.rate if ourEvents else 8000,
        sendEventType=theirEvents.payloadType if theirEvents else None,
    )


def renewed(
    description: SessionDescription, previous: SessionDescription | None
) -> SessionDescription:
    """The description with the o= version that fits after `previous` (RFC 3264 8).

    The same version if nothing else has changed, else one more; previous None: as it is.
    """
    if previous is None or previous.origin is None or description.origin is None:
        return description
    version = int(previous.origin.split()[2])
    same = _withVersion(description, version)
    return same if same == previous else _withVersion(description, version + 1)


def _accept(
    medium: MediaDescription, capabilities: Capabilities
) -> tuple[AgreedStream, list[Format]]:
    """What to agree to of one audio line, and the formats to answer it with."""
    if medium.proto.upper() not in PROFILES:
        offered = _plain(medium.proto)
        raise _refusal(302, f"profile {offered} is not supported; offer {PROFILES[0]}")
    remote = _reachable(medium, capabilities)
    common = _codecsIn(medium, capabilities.codecs)
    if not common:
        raise _refusal(
            305,
            f"no codec in common: offered {_named(medium)}, "
            f"supported {', '.join(capabilities.codecs)}",
        )
    chosen, codec = common[0]
    events = _eventsFor(medium, chosen.rate) if capabilities.events else None
    theySend, theyReceive = _flow(medium.direction)
    wantSend, wantReceive = _flow(capabilities.direction)
    stream = AgreedStream(
        codec=codec,
        rate=chosen.rate,
        payloadType=chosen.payloadType,
        accepts={each.payloadType: name for each, name in common},
        eventType=events.payloadType if events else None,
        ptime=_packetTime(medium, capabilities.ptime),
        remoteHost=remote.host,
        remotePort=medium.port,
        send=theyReceive and wantSend and not remote.isUnspecified,
        receive=theySend and wantReceive,
        eventClock=events.rate if events else 8000,
        sendEventType=events.payloadType if events else None,
    )
    formats = [chosen._replace(fmtp=None)]
    if events:
        formats.append(events._replace(channels=1, fmtp=EVENTS))
    return stream, formats


def _reachable(medium: MediaDescription, capabilities: Capabilities) -> Connection:
    """Where a medium's packets go; raises NotAcceptable for a place that we never send to."""
    connection = medium.connection
    if connection is None:
        raise _refusal(301, "the description has no c= line, so no address to send to")
    if connection.isMulticast:
        raise _refusal(330, f"{connection.address} is a multicast or broadcast address")
    if not connection.isLiteral:
        raise _refusal(301, f"host name {connection.address} in c=; an IP address is needed")
    ours = capabilities.connection.family
    if connection.family != ours:
        raise _refusal(300, f"address {connection.address} is {connection.family}, ours is {ours}")
    isOurs = medium.port == capabilities.port or medium.port in capabilities.ownPorts
    if isOurs and connection.isSameHost(capabilities.connection):
        raise _refusal(399, f"{connection.address} port {medium.port} is one of our own")
    return connection


def _codecsIn(medium: MediaDescription, codecs: tuple[str, ...]) -> list[tuple[Format, str]]:
    """The formats of a medium that are codecs of the list, in its order, with its names."""
    wanted = {(_ENCODINGS[name.upper()].name or "").lower(): i for i, name in enumerate(codecs)}
    found = []
    for each in medium.formats:
        place = wanted.get((each.name or "").lower())
        if place is None:
            continue
        encoding = _ENCODINGS[codecs[place].upper()]
        if (each.rate, each.channels) == (encoding.rate, encoding.channels):
            found.append((place, each))
    found.sort(key=lambda pair: pair[0])  # stable: of two alike, the first offered
    return [(each, codecs[place]) for place, each in found]


def _eventsFor(medium: MediaDescription, clock: int) -> Format | None:
    """The telephone-event format for a codec of that clock (RFC 4733 2.1).

    If there is none of that clock, any other: keys with an odd clock beat no keys.
    """
    events = [each for each in medium.formats if each.isCalled(TELEPHONE_EVENT) and each.rate]
    return next((each for each in events if each.rate == clock), events[0] if events else None)


def _packetTime(medium: MediaDescription, usual: int) -> int:
    """ms a packet to send: the far end's wish in whole tens within our range, else ours."""
    ptime = medium.ptime or usual
    if not _SHORTEST <= ptime <= _LONGEST:
        ptime = usual
    if medium.maxptime is not None:
        ptime = max(_SHORTEST, min(ptime, medium.maxptime))
    return ptime - ptime % 10


def _flow(direction: str) -> tuple[bool, bool]:
    """(sends, receives) of the side that wrote it."""
    return direction in ("sendrecv", "sendonly"), direction in ("sendrecv", "recvonly")


def _sectionOf(
    proto: str, formats: list[Format], stream: AgreedStream, capabilities: Capabilities
) -> MediaDescription:
    direction = {
        (True, True): "sendrecv",
        (True, False): "sendonly",
        (False, True): "recvonly",
        (False, False): "inactive",
    }[stream.send, stream.receive]
    return _section(proto, formats, capabilities.port, stream.ptime, direction)


def _section(
    proto: str, formats: list[Format], port: int, ptime: int, direction: str
) -> MediaDescription:
    lines: list[Line] = [line for each in formats for line in each.lines()]
    lines += [("a", f"ptime:{ptime}"), ("a", direction)]
    names = tuple(str(each.payloadType) for each in formats)
    return MediaDescription("audio", port, proto, names, tuple(lines))


def _describe(
    capabilities: Capabilities, media: tuple[MediaDescription, ...], timing: str | None
) -> SessionDescription:
    """timing: the offer's t= line, which the answer repeats (RFC 3264 6)."""
    where = f"IN {capabilities.connection.family} {capabilities.connection.address}"
    lines = (
        ("v", "0"),
        ("o", f"- {capabilities.sessionID} {capabilities.version} {where}"),
        ("s", "-"),
        ("c", where),
        ("t", timing if timing and _TIMING.fullmatch(timing) else "0 0"),
    )
    return SessionDescription(lines, media)


def _withVersion(description: SessionDescription, version: int) -> SessionDescription:
    user, session, _, rest = (description.origin or "").split(" ", 3)
    origin = f"{user} {session} {version} {rest}"
    lines = tuple(
        ("o", origin) if letter == "o" else (letter, value) for letter, value in description.lines
    )
    return SessionDescription(lines, description.media)


def _refusal(code: int, why: str) -> NotAcceptable:
    return NotAcceptable(f"Not Acceptable Here: {why}", warning=f'{code} doug "{why}"')


def _named(medium: MediaDescription) -> str:
    """The encodings of a medium for a sentence; the first few."""
    names = [_plain(each.name or f"type {each.payloadType}") for each in medium.formats[:8]]
    return ", ".join(names) or "nothing"


def _plain(text: str) -> str:
    """Foreign text that can stand inside a quoted string of a header."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "?" for c in text)[
        :32
    ]
