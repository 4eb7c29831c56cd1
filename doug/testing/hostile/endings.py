"""Phones whose call the server has to end: it cannot come about, or was not wanted (20, 23, 29).

Lives here: what the phone then hears of it. Not here: other courses of messages (courses.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import HostilePhone
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.phonecall import PhoneCall

SOON = 5.0  # seconds in which an ACK and a BYE are there, lost once and repeated
ACK_TIME = 32.0  # seconds that the ACK of a 200 is waited for (RFC 3261 13.3.1.4, 64*T1)
REPEATS = 5  # of eleven copies of a 200 those that a bad line lets through at the least
UNACCEPTABLE = "488"


class _Unwanted(HostilePhone):
    """Its 200 is one that the server cannot use: it hears an ACK, and then BYE."""

    dials = False

    def __init__(self, *args: Any, **options: Any) -> None:
        self._heard: dict[str, set[str]] = {}  # Call-ID -> since the 200
        super().__init__(*args, **options)

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        call = message.value("Call-ID")
        if message.label == "200 INVITE" and call not in self._heard:
            self._heard[call] = set()
            self.later(SOON, self._look, call)
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        heard = self._heard.get(message.value("Call-ID"))
        if heard is not None:
            if message.label == "BYE" and "BYE" not in heard:
                if "ACK" not in heard:
                    self.complain("BYE comes before the ACK of its 200")
                self.ended(message)
            heard.add(message.label)
        yield message

    def ended(self, bye: RawMessage) -> None:
        """The server has ended it."""

    def _look(self, call: str) -> None:
        for wanted in {"ACK", "BYE"} - self._heard[call]:
            self.complain(f"its 200 had no {wanted} within {SOON:g} s")


class AnswersTheCancel(_Unwanted):
    """Rings, and answers when it is cancelled. Right: ACK and BYE."""

    number = 20

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "onCall": "ring"})

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        if message.label == "CANCEL" and call is not None:
            call.answer()
        yield from super().sipIn(message)


class AnotherCodec(_Unwanted):
    """Answers with a codec that was not offered. Right: ACK, BYE, a reason with both."""

    number = 29

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label == "200 INVITE":
            body = re.sub(rb"(m=audio \d+ RTP/AVP)[^\r]*", rb"\1 18", message.body)
            message.body = body + b"a=rtpmap:18 G729/8000\r\n"
        yield from super().sipOut(message)

    def ended(self, bye: RawMessage) -> None:
        if f"cause={UNACCEPTABLE}" not in bye.value("Reason"):
            self.complain(f"the BYE gives as reason {bye.value('Reason') or 'nothing'}")

    def rtpIn(self, packet: RawPacket) -> Iterable[RawPacket]:
        if self._heard:
            self.complain(f"sound comes in {packet.payloadType}, which it did not answer with")
        yield packet


class NeverAcknowledges(HostilePhone):
    """Never sends an ACK, and does not hang up. Right: the 200 is repeated for 32 s, then BYE."""

    number = 23
    answers = False

    def __init__(self, *args: Any, **options: Any) -> None:
        self._answers: dict[str, list[float]] = {}  # Call-ID -> seconds of each 200
        self._ended: set[str] = set()
        super().__init__(*args, **options)

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label != "ACK":
            yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call, now = message.value("Call-ID"), self.reactor.seconds()
        if message.label == "200 INVITE":
            if call not in self._answers:
                self.later(ACK_TIME + SOON, self._look, call)
            self._answers.setdefault(call, []).append(now)
        elif message.label == "BYE" and call in self._answers and call not in self._ended:
            self._ended.add(call)
            self._judge(self._answers[call], now)
        yield message

    def callUp(self, call: PhoneCall) -> None:
        """Its user just listens."""

    def _judge(self, answers: list[float], now: float) -> None:
        waited = now - answers[0]
        if waited < ACK_TIME - 1.0:
            self.complain(f"BYE comes {waited:.1f} s after a 200 without an ACK")
        elif len(answers) < REPEATS:
            self.complain(f"a 200 without an ACK came {len(answers)} times in {waited:.0f} s")

    def _look(self, call: str) -> None:
        if call not in self._ended:
            self.complain(f"no BYE came within {ACK_TIME + SOON:g} s of a 200 without an ACK")
