"""Phones that make offers inside a call: hold and its end, another codec (catalogue 10 to 15, 64).

Lives here: re-INVITEs. Not here: what the first INVITE and its answer say (messages.py,
courses.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from doug.testing.hostile.base import HostilePhone
from doug.testing.hostile.messages import Offerless
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.phonecall import PhoneCall

HOLD, AGAIN, RESUME = 0.3, 0.45, 0.6  # seconds after the answer
SETTLED = 0.05  # seconds in which packets of before may still come
_UNSPECIFIED = re.compile(rb"c=IN IP4 \S+")


class Holding(HostilePhone):
    """Holds and resumes. heldFrom: since when nothing should come, in seconds of the reactor."""

    heldFrom: float | None = None
    firstKey = RESUME + 0.1

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        self.inCall(HOLD, self.beginHold, call)
        self.inCall(RESUME, self.endHold, call)

    def beginHold(self, call: PhoneCall) -> None:
        """In its own way."""
        call.hold()
        self.heldFrom = self.reactor.seconds()

    def endHold(self, call: PhoneCall) -> None:
        """The call goes on."""
        self.heldFrom = None
        call.resume()

    def rtpIn(self, packet: RawPacket) -> Iterable[RawPacket]:
        held = self.heldFrom
        if held is not None and self.reactor.seconds() > held + SETTLED:
            self.complain("sound comes while the call is on hold")
            self.heldFrom = None
        yield packet


class ResumesWithoutOffer(Offerless, Holding):
    """Ends its hold by a re-INVITE without an offer. Right: the 200 offers sendrecv."""

    number = 10
    answers = True
    resuming = False

    def endHold(self, call: PhoneCall) -> None:
        """The offer is left out on its way."""
        self.resuming = True
        super().endHold(call)

    def asks(self, message: RawMessage) -> bool:
        return self.resuming and message.label == "INVITE" and message.inDialog

    def wasAsked(self, response: RawMessage) -> bool:
        return self.resuming

    def offered(self, sdp: str) -> None:
        self.resuming = False
        if any(f"a={held}" in sdp for held in ("sendonly", "recvonly", "inactive")):
            self.complain(f"the offer in the 200 leaves the call on hold: {sdp!r}")


class HoldsByAddress(Holding):
    """Holds by c=0.0.0.0 (RFC 2543). Right: nothing is sent until another address comes."""

    number = 11

    def beginHold(self, call: PhoneCall) -> None:
        local = call.call.localSDP if call.call is not None else None
        if local is not None:
            call.reoffer(_UNSPECIFIED.sub(b"c=IN IP4 0.0.0.0", local))
            self.heldFrom = self.reactor.seconds()


class NoLastLineEnd(Holding):
    """Its sendonly has no line end behind it. Right: recvonly, nothing is sent."""

    number = 12

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.hasSDP:
            message.body = message.body.removesuffix(b"\r\n")
        yield message


class OffersTheSame(HostilePhone):
    """Sends re-INVITEs in which nothing is new, as keep-alives. Right: the same answer each."""

    number = 13

    def __init__(self, *args: object, **options: object) -> None:
        self._answers: set[bytes] = set()
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        for seconds in (HOLD, AGAIN, RESUME):
            self.inCall(seconds, PhoneCall.resume, call)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        if message.label == "200 INVITE" and call is not None and call.state == "answered":
            self._answers.add(message.body)
            if len(self._answers) > 1:
                self.complain("the same offer had different answers")
        yield message


class HoldsTwice(Holding):
    """Holds what is on hold already. Right: nothing changes, one resume ends it."""

    number = 14

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        self.inCall(AGAIN, PhoneCall.hold, call)


class Glare(HostilePhone):
    """Makes an offer whenever one comes. Right: both get 491, and come again at other times."""

    number = 15

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        offered = message.label == "INVITE" and message.inDialog
        if offered and call is not None and call.state == "answered" and not self._met:
            self._met = True
            call.resume()
        yield message

    _met = False


class ChangesItsCodec(HostilePhone):
    """Goes over to another codec in the call. Right: both sides do, both types are taken 1 s."""

    number = 64

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        self.inCall(HOLD, self._change, call)

    def _change(self, call: PhoneCall) -> None:
        self.codecs = self.codecs[::-1]
        call.resume()
