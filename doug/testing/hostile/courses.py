"""Phones that do the unexpected between INVITE and BYE (catalogue 6 to 8, 18, 19, 21, 22, 24, 30,
31, 48, 51, 61).

Lives here: the order of messages, and answers. Not here: offers inside a call (offers.py), calls
that the server has to end (endings.py), sound before the answer (early.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import EVENT_TYPE, SIP_PORT, HostilePhone
from doug.testing.hostile.raw import RawMessage, RawPacket
from doug.testing.phonecall import PhoneCall
from shtoom.agent.inbound import InboundCall
from shtoom.sip.message import Response

ANOTHER_TYPE = 96
_EARLY = ("180 INVITE", "183 INVITE")
_FORMATS = re.compile(rb"^(?:m=|a=rtpmap:|a=fmtp:).*$", re.MULTILINE)


class RingsWithoutContact(HostilePhone):
    """Its 180 has a To tag and no Contact. Right: accepts it; the 200 has one."""

    number = 6
    dials = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label in _EARLY:
            message.drop("Contact")
        yield message


class TwoRecordRoutes(HostilePhone):
    """Sits behind two proxies, a line for each. Right: Route has both, the nearest first."""

    number = 7

    def routes(self) -> list[str]:
        """Its Record-Route headers."""
        return [f"<sip:{self.host.address}:{SIP_PORT};lr;p={n}>" for n in (1, 2)]

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.isFirstINVITE or message.label in (*_EARLY, "200 INVITE"):
            message.insert(*(("Record-Route", route) for route in self.routes()))
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        if call is not None and call.call and message.label in ("ACK", "BYE") and call.stream:
            nearest = 1 if call.call.direction == "outbound" else -1
            wanted = ", ".join(self.routes()[::nearest])
            if message.value("Route") != wanted:
                self.complain(f"{message.label} has the routes {message.value('Route')}")
        message.drop("Record-Route")  # the phone itself needs no proxy
        yield message


class StrictRouter(HostilePhone):
    """Sits behind a proxy of RFC 2543. Right: that is in the Request-URI, the phone in Route."""

    number = 8

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.isFirstINVITE or message.label in (*_EARLY, "200 INVITE"):
            message.insert(("Record-Route", f"<sip:{self.host.address}:{SIP_PORT}>"))
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "BYE" and message.start.split()[1] != (
            f"sip:{self.host.address}:{SIP_PORT}"
        ):
            self.complain(f"wanted the strict router first, got {message.start}")
        message.drop("Record-Route")
        yield message


class AsksWhileItWaits(HostilePhone):
    """Sends OPTIONS with the Call-ID of its INVITE, before that is answered. Right: 200."""

    number = 18
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        yield message
        if message.isFirstINVITE:
            number = int(message.value("CSeq").split()[0])
            options = message.copy()
            options.start = message.start.replace("INVITE", "OPTIONS", 1)
            options.put(("CSeq", f"{number + 1} OPTIONS"))
            options.newBranch("o")
            options.giveBody(b"")
            yield options

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label.endswith(" OPTIONS") and message.label != "200 OPTIONS":
            self.complain(f"OPTIONS is answered {message.start}")
        yield message


class Notifies(HostilePhone):
    """Sends a NOTIFY that nobody asked for. Right: it is refused, the call goes on."""

    number = 19

    def callUp(self, call: PhoneCall) -> None:
        super().callUp(call)
        self.inCall(0.2, self._notify, call)

    def _notify(self, call: PhoneCall) -> None:
        leg = call.call
        if leg is not None and leg.dialog is not None and leg.peer is not None:
            lines = (("Event", "presence"), ("Subscription-State", "active"))
            notify = leg.dialog.request("NOTIFY", None, lines)
            answer = self.agent.ask(leg.dialog, notify, leg.peer, [])
            answer.addCallbacks(self._answered, lambda failure: None)

    def _answered(self, response: Response) -> None:
        if response.code < 300:
            self.complain(f"a NOTIFY that nobody asked for is answered {response.code}")


class HangsUpBeforeItsACK(HostilePhone):
    """Sends BYE, then the ACK of the 200. Right: 200, and the other 200 is not repeated."""

    number = 21
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        call = self.callOf(message)
        if message.label == "ACK" and call is not None:
            self.later(0.0, call.hangUp)
            self.later(0.1, self.transmit, message.toBytes())
            return
        yield message


class AcknowledgesAtOnce(HostilePhone):
    """Its ACK is there before the server has done anything else. Right: that is an ACK."""

    number = 22
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label == "ACK":
            self.transmit(message.toBytes(), atOnce=True)
        else:
            yield message


class RepeatsItsAnswer(HostilePhone):
    """Sends its 200 once more after the BYE. Right: ACK again."""

    number = 24
    dials = False

    def __init__(self, *args: Any, **options: Any) -> None:
        self._said: dict[str, bytes] = {}
        self._acknowledged: dict[str, int] = {}
        super().__init__(*args, **options)

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label == "200 INVITE":
            self._said[message.value("Call-ID")] = message.toBytes()
        yield from self._leaves(message)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = message.value("Call-ID")
        if message.label == "ACK":
            self._acknowledged[call] = self._acknowledged.get(call, 0) + 1
        yield from self._leaves(message)

    def _leaves(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "BYE":
            self.later(0.5, self._repeat, message.value("Call-ID"))
        return (message,)

    def _repeat(self, call: str) -> None:
        said = self._said.pop(call, None)
        if said is not None:
            self.transmit(said)
            self.later(0.1, self._listen, call, self._acknowledged.get(call, 0))

    def _listen(self, call: str, before: int) -> None:
        if self._acknowledged.get(call, 0) <= before:
            self.complain("a repeated 200 had no ACK")


class ExtraVideo(HostilePhone):
    """Its answer has a line for video that nobody offered. Right: it is ignored."""

    number = 30
    dials = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label == "200 INVITE":
            message.body += b"m=video 40002 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\n"
        yield message


class AnotherEventType(HostilePhone):
    """Has its own payload type for keys, also in answers. Right: sends that, takes either."""

    number = 31

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        message.body = _renumbered(message.body, EVENT_TYPE, ANOTHER_TYPE)
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        message.body = _renumbered(message.body, ANOTHER_TYPE, EVENT_TYPE)
        yield message

    def rtpOut(self, packet: RawPacket) -> Iterable[RawPacket | bytes]:
        if packet.payloadType == EVENT_TYPE:
            packet.payloadType = ANOTHER_TYPE
        yield packet

    def rtpIn(self, packet: RawPacket) -> Iterable[RawPacket]:
        if packet.payloadType == EVENT_TYPE:
            self.complain(f"a key came as {EVENT_TYPE}, not as {ANOTHER_TYPE}")
        if packet.payloadType == ANOTHER_TYPE:
            packet.payloadType = EVENT_TYPE
        yield packet


class NeverContent(HostilePhone):
    """Asks for a password, and for another nonce after each. Right: one answer, then it is over."""

    number = 48
    dials = False

    def __init__(self, *args: Any, **options: Any) -> None:
        self._asked = 0
        super().__init__(*args, **{"auth": ("user", "password"), **options})

    def isKnown(self, call: InboundCall, user: str, password: str) -> bool:
        self._asked += 1
        if self._asked > 2:
            self.complain(f"dialled {self._asked} times")
        return False


class HangsUpBehindItsREFER(HostilePhone):
    """Wants `referTo` to be called in its place, and hangs up in the same breath. Right: an answer
    to either, and no news of it any more; what was on its way crosses."""

    number = 51
    referTo = "sip:51@192.0.2.51"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.answered: list[int] = []  # what its REFERs were

    def callUp(self, call: PhoneCall) -> None:
        call.sayTone(440, self.stays)
        self.later(self.firstKey, self.press, call)
        self.inCall(self.stays, self._refer, call)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        hasLeft = self.callOf(message) is None
        if message.label == "NOTIFY" and hasLeft and b" 100 " not in message.body:
            self.complain(f"has hung up, and hears {message.body.decode()}")
        yield message

    def _refer(self, call: PhoneCall) -> None:
        leg = call.call
        if leg is not None and leg.dialog is not None and leg.peer is not None:
            refer = leg.dialog.request("REFER", leg.contact, (("Refer-To", f"<{self.referTo}>"),))
            answer = self.agent.ask(leg.dialog, refer, leg.peer, [])
            answer.addCallbacks(
                lambda response: self.answered.append(response.code),
                lambda failure: self.complain("its REFER has no answer"),
            )
        call.hangUp()


class HangsUpAtOnce(HostilePhone):
    """Answers, or is answered, and hangs up in the same breath. Right: both events, once each."""

    number = 61

    def callUp(self, call: PhoneCall) -> None:
        call.hangUp()


def _renumbered(sdp: bytes, before: int, after: int) -> bytes:
    """One payload type by another, wherever formats are named."""
    old, new = rf"\b{before}\b".encode(), str(after).encode()
    return _FORMATS.sub(lambda line: re.sub(old, new, line[0]), sdp)
