"""Servers whose calls are put through (REFER): what tests of that share.

Lives here: two applications, Alice and a trunk by hand. Not here: SIP (test.cases.actor).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.events import (
    BaseEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    CallTransferRequestedEvent,
    Event,
    OptionalEvent,
)
from doug.leg import Leg
from doug.settings import Settings
from doug.testing import Lab
from doug.trunks import Trunk
from test.cases.actor import Actor, Dialogue

OFFICE, BRANCH = "203.0.113.30", "203.0.113.31"  # trunks
TARGET = f"<sip:300@{OFFICE}>"
ELSEWHERE = "203.0.113.99"
Decide = Callable[[CallTransferRequestedEvent], Any]


class Clerk(VoiceApp):
    """Answers; does with a transfer as `decide` says; is over with its last leg.

    desk: the test's list of applications. events: all but the first.
    """

    desk: list[Clerk]
    deciding: list[Decide]

    def __start__(self) -> Any:
        self.events: list[Any] = []
        self.desk.append(self)
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        self.leg = event.leg
        event.leg.answerCall(self)
        return [(Event, self.note), (OptionalEvent, self.note)]

    def note(self, event: BaseEvent) -> Any:
        """Any event."""
        self.events.append(event)
        if isinstance(event, CallTransferRequestedEvent):
            return self.deciding[0](event)
        if isinstance(event, CallEndedEvent | CallRejectedEvent) and not self.getDefaultLeg():
            self.returnResult("over")
        return None

    @property
    def names(self) -> list[str]:
        """What came after the answer, and of which leg: 1 is the first that it had."""
        legs: list[Leg] = []
        found = []
        for event in self.events:
            leg = event.leg
            if leg not in legs:
                legs.append(leg)
            name = event.getEventName().removesuffix("Event").removeprefix("Call")
            found.append(f"{name} {legs.index(leg) + 1}")
        return found[1:]


class Unaware(VoiceApp):
    """Knows nothing of transfers: ends with the end of a call, and with an error for what else."""

    desk: list[Any]
    deciding: list[Decide]

    def __start__(self) -> Any:
        self.desk.append(self)
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(Event, self.ended)]

    def ended(self, event: Any) -> Any:
        """Its answer is the first."""
        if isinstance(event, CallEndedEvent):
            self.returnResult(event.reason)
            return None
        return [(CallEndedEvent, self.ended)]


class TransferCase(SynchronousTestCase):
    """Alice, who calls, and an office, a trunk, by hand; Mallory is nobody's."""

    app: type[VoiceApp] = Clerk
    settings: dict[str, Any] = {}
    transfers = "app"

    def setUp(self) -> None:
        self.desk: list[Clerk] = []
        self.deciding: list[Decide] = [self.accept]
        office = Trunk("office", OFFICE, transfers=self.transfers)
        trunks = {"office": office, "branch": Trunk("branch", BRANCH)}
        settings = Settings(**{"trunks": trunks, "anonymous": "app", **self.settings})
        self.lab = Lab(self.app, settings=settings, desk=self.desk, deciding=self.deciding)
        self.alice = Actor(self.lab, "alice", "198.51.100.20", 40000)
        self.office = Actor(self.lab, "office", OFFICE, 30000)
        self.mallory = Actor(self.lab, "mallory", ELSEWHERE, 50000)
        self.caller = self.alice
        self.accepted: list[Leg | None] = []

    def accept(self, event: CallTransferRequestedEvent, **wishes: Any) -> None:
        """As the handler of most tests does."""
        self.accepted.append(event.accept(**wishes))

    def call(self, actor: Actor | None = None) -> Dialogue:
        """A call that is up."""
        caller = self.caller = actor if actor is not None else self.alice
        call = caller.invite()
        caller.response("200 INVITE")
        call.ack()
        self.lab.advance(0.01)
        return call

    def refer(self, call: Dialogue, target: str = TARGET, **more: str) -> None:
        """The far end wants that."""
        lines = {"Refer-To": target, "Contact": f"<{call.actor.contact}>"}
        lines |= {name.replace("_", "-"): value for name, value in more.items()}
        call.ask("REFER", with_=lines)

    def told(self, code: int, within: float = 0.5) -> str:
        """What a NOTIFY says; it is answered."""
        notify = self.caller.request("NOTIFY", within)
        self.caller.reply(notify, code)
        return notify.body.decode().strip() + " " + (notify.header("Subscription-State") or "")

    def dialled(self) -> Dialogue:
        """The call to the office."""
        return self.office.takes(self.office.request("INVITE"))

    def up(self, call: Dialogue) -> None:
        """The office answers."""
        call.says(200, body=self.office.answer)
        self.office.request("ACK")
        self.lab.advance(0.01)

    def hangUp(self, call: Dialogue) -> None:
        """The far end does."""
        call.bye()
        call.actor.response("200 BYE")
        self.lab.advance(0.01)

    def leave(self) -> None:
        """Nothing is left, and nobody was called whom nobody meant."""
        self.lab.advance(1.0)
        for actor in (self.alice, self.office, self.mallory):
            actor.close()
        self.lab.assertNothingLeft()
        self.assertEqual(self.mallory.heard, [])
