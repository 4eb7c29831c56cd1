"""Phones that speak over connections, and what they take for granted of them (catalogue 53, 57).

Lives here: segments, and which connection a message takes. Not here: empty lines and lengths
(messages.py), which are the same in datagrams.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import HostilePhone
from doug.testing.hostile.raw import RawMessage
from doug.testing.phone import TRANSPORTS
from doug.testing.phonecall import PhoneCall

NOBODY = 51234  # a port where no phone listens
PATIENCE = 1.0  # seconds


class ConfirmsAndHangsUp(HostilePhone):
    """Its ACK and its BYE come in one segment. Right: both are heard."""

    number = 53
    answers = False
    over = "tcp"

    def __init__(self, *args: Any, **options: Any) -> None:
        self._kept: dict[str, bytes] = {}  # by Call-ID: from the 200 to the BYE
        self._asked: set[str] = set()  # from the BYE to its answer
        super().__init__(*args, **options)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "200 INVITE":
            self._kept.setdefault(message.value("Call-ID"), b"")
        elif message.label == "200 BYE":
            self._asked.discard(message.value("Call-ID"))
        yield message

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        call = message.value("Call-ID")
        if message.label == "ACK" and call in self._kept:
            self._kept[call] = message.toBytes()
            return
        if message.label == "BYE":
            self._asked.add(call)
            self.later(PATIENCE, self._isAnswered, call)
            yield self._kept.pop(call, b"")
        yield message

    def _isAnswered(self, call: str) -> None:
        if call in self._asked:
            self.complain("its BYE is not answered")

    def callUp(self, call: PhoneCall) -> None:
        self.later(0.0, call.hangUp)


class NobodyAtItsContact(HostilePhone):
    """Its Contact names a port where nobody listens. Right: what is said to it in a call goes over
    the connection that there is."""

    number = 57
    over = "tls"

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        contact = message.value("Contact")
        if contact:
            own = f":{TRANSPORTS[self.transport]}"
            message.put(("Contact", contact.replace(own, f":{NOBODY}")))
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label in ("ACK", "BYE") and self.connections > 1:
            self.complain(f"{message.label} came over a connection of its own")
        yield message
