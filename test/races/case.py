"""What the races share: messages that are lost, and how each race ends.

Lives here: RaceCase. Not here: actors and the application (test.cases).
"""

from __future__ import annotations

import re

from doug.events import BaseEvent, CallEndedEvent
from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from test.cases.actor import DOUG, Dialogue
from test.cases.case import FieldCase, Scripted
from test.cases.media import Address

TIMERS = 66.0
"""Seconds after which a call is gone whatever the far end does: twice 64*T1, and a little."""


class RaceCase(FieldCase):
    """Each race ends with assertOver().

    A race is between messages on their way: what is said and done without time in between crosses
    on the network, which takes half a millisecond.
    """

    def setUp(self) -> None:
        super().setUp()
        self.spoken: list[tuple[bytes, Address]] = []  # by the far ends, and from where
        self.lab.network.observers.append(self._note)

    def _note(self, data: bytes, source: Address, destination: Address) -> None:
        if destination == DOUG:
            self.spoken.append((data, source))

    def again(self, pattern: str) -> None:
        """The last message like "INVITE" that a far end has sent is sent once more."""
        found = [(d, source) for d, source in self.spoken if re.fullmatch(pattern, label(d))]
        data, source = found[-1]
        self.lab.network.send(data, source, DOUG)

    def settle(self, seconds: float = 0.01) -> None:
        """What is on its way arrives, and is answered."""
        self.lab.advance(seconds)

    def lose(self, pattern: str, count: int = 1) -> None:
        """The next so many messages like "200 INVITE" or "BYE" are lost, whoever sends them."""
        left = count

        def drop(data: bytes, source: Address, destination: Address) -> bool:
            nonlocal left
            if not left or not re.fullmatch(pattern, label(data)):
                return False
            left -= 1
            return True

        self.lab.network.drop = drop

    def rung(self) -> tuple[Scripted, Dialogue]:
        """A call of ours that rings at the trunk."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(180)
        self.settle()
        return app, call

    def unanswered(self) -> tuple[Scripted, Dialogue]:
        """A call of ours of which nothing was heard yet."""
        app = self.dial()
        return app, self.trunk.takes(self.trunk.request("INVITE"))

    def accepted(self) -> tuple[Scripted, Dialogue]:
        """A call from alice that has its 200, but no ACK yet."""
        call = self.ringing()
        self.app.leg.answerCall(self.app)
        self.alice.response("200 INVITE")
        return self.app, call

    def assertOver(self, *ends: type[BaseEvent]) -> None:
        """Each application heard of one end of its call, the last thing it heard; that stays so
        when all timers have run out; then a plain call works, and nothing is left of any.

        ends: of which kind, one for each application; CallEndedEvent if there are none.
        """
        self.settle(0.1)
        apps = list(self.desk)
        kinds: list[type[BaseEvent]] = [*ends] or [CallEndedEvent] * len(apps)
        for app, kind in zip(apps, kinds, strict=True):
            self.assertOneEnd(app, kind)
        heard = [list(app.events) for app in apps]
        self.lab.advance(TIMERS)
        self.assertEqual([app.events for app in apps], heard)
        self.assertEqual(self.lab.application.exchange.agent.calls, set())
        self.lab.network.drop = None
        self.assertStillWell()

    def whatAlice(self, pattern: str = ".*") -> list[str]:
        """What alice has heard after the 180."""
        return [label for label in self.alice.labels(pattern) if not label.startswith("1")]


def label(data: bytes) -> str:
    """ "200 INVITE" or "BYE"; "" for what is no SIP."""
    try:
        message = parse(data)
    except MalformedMessage:
        return ""
    if isinstance(message, Request):
        return message.method
    return f"{message.code} {message.cseq.method}"
