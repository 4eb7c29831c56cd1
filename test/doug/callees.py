"""Applications that answer, for tests of what becomes of a call on its way to them."""

from __future__ import annotations

from typing import Any

from doug import VoiceApp
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    Event,
    InboundCallStartedEvent,
    OutboundCallStartedEvent,
)


class Notes(VoiceApp):
    """Answers or dials, and writes down what became of it."""

    notes: list[Any]
    toURI = ""
    fromURI: str | None = None

    def __start__(self) -> Any:
        return [(OutboundCallStartedEvent, self.dial), (CallStartedEvent, self.ring)]

    def ring(self, event: Any) -> Any:
        self.notes.append((type(self).__name__, event.leg.trunk, event.leg.phone))
        event.leg.answerCall(self)
        return self.rest()

    def dial(self, event: Any) -> Any:
        self.leg = self.placeCall(self.toURI, self.fromURI)
        return self.rest()

    def rest(self) -> Any:
        return [
            (CallAnsweredEvent, self.up),
            (CallRejectedEvent, self.over),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def up(self, event: Any) -> Any:
        self.notes.append(("up", event.leg.trunk))
        return self.rest()

    def over(self, event: Any) -> None:
        self.notes.append((type(event).__name__, getattr(event, "sipCode", None)))
        self.returnResult(None)


class Other(Notes):
    """The same by another name."""


class Hello(VoiceApp):
    """Answers, and waits for the end."""

    def __start__(self) -> Any:
        return [(InboundCallStartedEvent, self.answer)]

    def answer(self, event: Any) -> Any:
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, IGNORE_EVENT), (CallEndedEvent, self.over)]

    def over(self, event: Any) -> None:
        self.returnResult(None)
