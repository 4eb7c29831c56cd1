"""Phones with session timers (RFC 4028) of their own kind (catalogue 16 and 17).

Lives here: what they ask for and do not answer. Not here: hold (offers.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import HostilePhone
from doug.testing.hostile.raw import RawMessage
from doug.testing.phonecall import PhoneCall
from shtoom.agent.sessiontimer import SessionPolicy

LEAST = 90  # seconds, of a server without settings
PUT_DOWN = 0.6  # seconds from the answer to the hold that is never ended
PATIENCE = 85.0  # seconds: half of LEAST, 64*T1, and some


class AsksTooOften(HostilePhone):
    """Wants its session refreshed each minute. Right: 422 with Min-SE when it dials; when it is
    called it is its wish that counts, and the call goes on."""

    number = 16
    interval = 60

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.agent.sessionPolicy = SessionPolicy(self.interval, self.interval)

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        refresher = {"200 INVITE": "uac", "INVITE": "uas"}.get(message.label)  # the server
        if refresher and message.inDialog and message.value("Session-Expires"):
            message.put(("Session-Expires", f"{self.interval};refresher={refresher}"))
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "422 INVITE" and int(message.value("Min-SE") or 0) < LEAST:
            self.complain("422 without a Min-SE that helps")
        said = message.value("Session-Expires").partition(";")[0]
        if message.label == "200 INVITE" and said and int(said) < LEAST:
            self.complain(f"its {said} s are taken")
        yield message


class NeverRefreshed(AsksTooOften):
    """Is put down on hold and answers no refresh. Right: BYE."""

    number = 17
    interval = LEAST

    def callUp(self, call: PhoneCall) -> None:
        """Its user goes away."""
        call.sayTone(440, PUT_DOWN)
        self.later(self.firstKey, self.press, call)
        self.inCall(PUT_DOWN, PhoneCall.hold, call)
        self.inCall(PATIENCE, self._isStillUp, call)

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "UPDATE" or (message.label == "INVITE" and message.inDialog):
            return ()
        return super().sipIn(message)

    def _isStillUp(self, call: PhoneCall) -> None:
        self.complain("nobody misses it")
        call.hangUp()
