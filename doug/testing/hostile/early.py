"""Phones that speak before they answer (25, 26).

Lives here: what they say first, and whom the server answers then. Not here: answers of other kinds
(courses.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import SIP_PORT, HostilePhone
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.network import Address, MemoryHost
from doug.testing.phonecall import PhoneCall
from doug.testing.reactor import VirtualReactor
from shtoom.audio.tones import sine

HZ = 620.0  # of what they say before they answer
LASTS = 0.3  # seconds of it
OTHER_PORT = 43000  # where the first of two phones at one address has its RTP
SOON = 0.5  # seconds after the answer in which a server has sent RTP
UNDER_WAY = 0.1  # seconds in which packets from before the answer arrive
_EARLY = ("180 INVITE", "183 INVITE")


class _SpeaksFirst(HostilePhone):
    """Rings with a tone, then answers; wants to hear something, be it silence, from then on."""

    dials = False

    def __init__(self, *args: Any, **options: Any) -> None:
        early = {"earlySound": sine(HZ, LASTS), "answerAfter": LASTS}
        self._packets = 0
        super().__init__(*args, **{**early, **options})

    def rtpIn(self, packet: RawPacket) -> Iterable[RawPacket]:
        self._packets += 1
        yield packet

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        self._packets = 0
        self.inCall(SOON, self._listen, call)

    def _listen(self, call: PhoneCall) -> None:
        if not self._packets:
            self.complain("it has answered, and no RTP comes")


class Forks(_SpeaksFirst):
    """Two phones of one address: one says 183 and speaks, the other answers. Right: the other's."""

    number = 25

    def __init__(
        self, reactor: VirtualReactor, host: MemoryHost, *args: Any, **options: Any
    ) -> None:
        self._otherRings = False
        self._answeredAt = float("inf")
        super().__init__(reactor, host, *args, **options)
        host.network.bind((host.address, OTHER_PORT), self._otherHears)

    def close(self) -> None:
        """Off the network, both of them."""
        super().close()
        self.host.network.unbind((self.host.address, OTHER_PORT))

    def portOutside(self, port: int) -> int:
        return OTHER_PORT if self._otherRings and port != SIP_PORT else port

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label == "200 INVITE":
            self._otherRings = False
        elif message.label in _EARLY:
            self._otherRings = True
            message.put(("To", f"{message.value('To')}a"))
            message.body = re.sub(rb"m=audio \d+", b"m=audio %d" % OTHER_PORT, message.body)
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        if call is not None and call.call and call.call.dialog and message.inDialog:
            tag = f";tag={call.call.dialog.localTag}"
            if message.label in ("ACK", "BYE") and not message.value("To").endswith(tag):
                self.complain(f"{message.label} is for {message.value('To')}")
        yield message

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        self._answeredAt = self.reactor.seconds()

    def _otherHears(self, data: bytes, source: Address) -> None:
        if self.reactor.seconds() > self._answeredAt + UNDER_WAY:
            self.complain("sound goes to the phone that did not answer")


class RingsWithSound(_SpeaksFirst):
    """Its 180, not a 183, has a description. Right: early media as well."""

    number = 26

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        message.start = message.start.replace(" 183 ", " 180 ")
        yield message
