"""The applications that withstand.py calls: one that speaks on and on, one that always fails.

Lives here: they alone, since the server under test imports them by name.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from doug import VoiceApp
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    MediaDoneEvent,
)
from doug.source import Source
from shtoom.audio.tones import sine

_FRAME = sine(400, 0.02).tobytes()  # whole periods: one frame follows the other without a click


class Tone(Source):
    """400 Hz without end."""

    endless = True

    def read(self) -> bytes:
        """As Source has it."""
        return _FRAME


class Steady(VoiceApp):
    """Answers, and speaks until the caller hangs up."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: Any) -> Any:
        event.getLeg().answerCall(self)
        return [(CallAnsweredEvent, self.speak), (CallEndedEvent, self.over)]

    def speak(self, event: Any) -> Any:
        event.getLeg().mediaPlay(Tone())
        return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

    def over(self, event: Any) -> None:
        self.returnResult(None)


HOOKS = ("__start__", "started", "answered", "done", "key", "ended")
_turn = count()


class Faulty(VoiceApp):
    """Raises in one of its handlers, each call in the next one."""

    def failIn(self, hook: str) -> None:
        """Raises if it is this hook's turn."""
        if HOOKS[self.turn % len(HOOKS)] == hook:
            raise RuntimeError(f"{hook} fails, as it is meant to")

    def __start__(self) -> Any:
        self.turn = next(_turn)
        self.failIn("__start__")
        return [(CallStartedEvent, self.started)]

    def started(self, event: Any) -> Any:
        self.failIn("started")
        event.getLeg().answerCall(self)
        return [(CallAnsweredEvent, self.answered), (CallEndedEvent, self.ended)]

    def answered(self, event: Any) -> Any:
        self.failIn("answered")
        event.getLeg().mediaPlay("nowhere.wav")
        return [
            (MediaDoneEvent, self.done),
            (DTMFReceivedEvent, self.key),
            (CallEndedEvent, self.ended),
        ]

    def done(self, event: Any) -> Any:
        self.failIn("done")
        return [(DTMFReceivedEvent, self.key), (CallEndedEvent, self.ended)]

    def key(self, event: Any) -> Any:
        self.failIn("key")
        return [(CallEndedEvent, self.ended), (Event, IGNORE_EVENT)]

    def ended(self, event: Any) -> None:
        self.failIn("ended")
        self.returnResult(None)
