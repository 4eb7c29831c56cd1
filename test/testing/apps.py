"""Applications that tests of the laboratory serve.

Lives here: well-behaved ones. Those that leave something behind stand beside the test that says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import doug.demo
from doug import VoiceApp
from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    MediaPlayDoneEvent,
)
from doug.source import EchoSource

PROMPTS = Path(doug.demo.__file__).parent / "prompts"


def prompt(name: str) -> Path:
    """A spoken prompt of the demo."""
    return PROMPTS / f"{name}.wav"


class Speaker(VoiceApp):
    """Answers, says `prompt`, notes keys, and returns them when the caller has gone."""

    prompt: str = str(PROMPTS / "about.wav")

    def __start__(self) -> Any:
        self.keys = ""
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.speak), (CallEndedEvent, self.gone)]

    def speak(self, event: CallAnsweredEvent) -> Any:
        """The caller hears us."""
        event.leg.mediaPlay(self.prompt)
        return [
            (MediaPlayDoneEvent, self.said),
            (DTMFReceivedEvent, self.pressed),
            (CallEndedEvent, self.gone),
        ]

    def said(self, event: MediaPlayDoneEvent) -> None:
        """To its end; the call stays up."""

    def pressed(self, event: DTMFReceivedEvent) -> None:
        """A key."""
        self.keys += event.digits

    def gone(self, event: CallEndedEvent) -> None:
        """The caller has had enough."""
        self.returnResult(self.keys)


class Leaver(Speaker):
    """Hangs up when it has said its words."""

    def said(self, event: MediaPlayDoneEvent) -> None:
        """Nothing more to say."""
        self.returnResult("said")


class Echo(Speaker):
    """Everything said comes back."""

    def speak(self, event: CallAnsweredEvent) -> Any:
        """By one object that plays what it records."""
        source = EchoSource()
        event.leg.mediaPlay(source)
        event.leg.mediaRecord(source)
        return [(CallEndedEvent, self.gone)]


class Ringing(Speaker):
    """Never answers."""

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls, and may ring."""
        return [(CallEndedEvent, self.gone)]


class Dialler(Speaker):
    """Started without a call: dials `to`, says its words, hangs up. Returns how it went."""

    to: str

    def answer(self, event: CallStartedEvent) -> Any:
        """No call yet: place one."""
        self.placeCall(self.to)
        return [
            (CallAnsweredEvent, self.speak),
            (CallRejectedEvent, self.refused),
            (CallEndedEvent, self.gone),
        ]

    def refused(self, event: CallRejectedEvent) -> None:
        """They would not talk to us."""
        self.returnResult((event.sipCode, event.reason))

    def said(self, event: MediaPlayDoneEvent) -> None:
        """All said."""
        self.returnResult("said")
