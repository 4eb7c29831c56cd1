"""A leg's side of offer and answer: which description is in force, what it means for the media.

Lives here: the glue between shtoom.sdp and shtoom.media, which do not know each other.
Not here: the rules of RFC 3264 (shtoom.sdp.offeranswer), when offers travel (shtoom.agent).
"""

from __future__ import annotations

from dataclasses import replace

from shtoom import codecs
from shtoom.addresses import ipAddress
from shtoom.exceptions import CallFailed, MalformedMessage
from shtoom.media.stream import StreamParameters
from shtoom.sdp.description import SessionDescription, parseSDP
from shtoom.sdp.offeranswer import (
    AgreedStream,
    Capabilities,
    makeOffer,
    negotiate,
    readAnswer,
    renewed,
)

__all__ = ["Negotiation", "streamParameters"]


class Negotiation:
    """The descriptions of one leg.

    stream: what is agreed on, None before. offering: our offer is out, its answer not here yet.
    All methods raise NotAcceptable (488) where the two
    sides have nothing in common, CallFailed (400) for a description that cannot be read.
    """

    __slots__ = ("_capabilities", "_local", "offering", "stream")

    def __init__(self, capabilities: Capabilities) -> None:
        """capabilities: what our side can do, at an address that the far end reaches."""
        self._capabilities = capabilities
        self._local: SessionDescription | None = None
        self.stream: AgreedStream | None = None
        self.offering = False

    @property
    def held(self) -> bool | None:
        """Does the far end not listen? None if that cannot be told, as we ask it not to."""
        if self.direction == "inactive":
            return None
        return self.stream is not None and not self.stream.send

    @property
    def direction(self) -> str:
        """What our side wants: "sendrecv"; "sendonly" or "inactive" while it holds the call."""
        return self._capabilities.direction

    @direction.setter
    def direction(self, direction: str) -> None:
        self._capabilities = replace(self._capabilities, direction=direction)

    def answer(self, sdp: bytes) -> bytes:
        """Our answer to an offer; the version of its o= line is raised only if it has changed."""
        agreed = negotiate(_parsed(sdp), self._capabilities)
        self._local = renewed(agreed.answer, self._local)
        self.stream = agreed.stream
        return self._local.toBytes()

    def offer(self) -> bytes:
        """An offer of all that we can do, in the direction that we want."""
        self._local = renewed(makeOffer(self._capabilities, self.direction), self._local)
        self.offering = True
        return self._local.toBytes()

    def moved(self, address: str) -> bytes:
        """An offer of the same at another address of ours, which counts from now on."""
        self._capabilities = replace(self._capabilities, address=address)
        return self.offer()

    def answered(self, sdp: bytes) -> list[str]:
        """The answer to our offer. Returns what is odd about it, in words with the remedy."""
        self.offering = False
        return self.early(sdp)

    def early(self, sdp: bytes) -> list[str]:
        """An answer that came before the call was answered: another may replace it (RFC 3960)."""
        if self._local is None:
            raise RuntimeError("an answer came where nothing was offered")
        answer = _parsed(sdp)
        self.stream = readAnswer(self._local, answer, self._capabilities)
        if len(answer.media) <= len(self._local.media):
            return []
        return [
            "the answer had more media lines than offered, which are ignored; the far end should "
            "answer line by line (RFC 3264 6)"
        ]


def streamParameters(
    stream: AgreedStream, signallingHost: str | None, isDirect: bool = False
) -> StreamParameters:
    """What was agreed on, as the media floor wants it.

    signallingHost: where the far end's messages come from; its media may come from there too.
    isDirect: they pass no proxy. A far end that names a loopback address and is not on this machine
    is heard first: what is sent to ourselves would only reach who should not have it.
    """
    itself = _isLoopback(stream.remoteHost) and not _isLoopback(signallingHost or "127.0.0.1")
    return StreamParameters(
        remote=None if itself else (stream.remoteHost, stream.remotePort),
        codec=codecs.find(stream.codec),
        payloadType=stream.payloadType,
        accepts={kind: codecs.find(name) for kind, name in stream.accepts.items()},
        eventType=stream.sendEventType,
        eventTypes=frozenset(() if stream.eventType is None else (stream.eventType,)),
        eventClock=stream.eventClock,
        ptime=stream.ptime,
        send=stream.send,
        receive=stream.receive,
        signallingHost=signallingHost,
        isDirect=isDirect,
    )


def _isLoopback(host: str) -> bool:
    return ipAddress(host).is_loopback


def _parsed(sdp: bytes) -> SessionDescription:
    try:
        return parseSDP(sdp)
    except MalformedMessage as error:
        raise CallFailed(f"Bad session description: {error}", 400) from None
