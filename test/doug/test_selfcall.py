"""A server that calls itself: two applications of one process talk to each other."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.events import IGNORE_EVENT, CallAnsweredEvent, CallEndedEvent, CallStartedEvent, Event
from doug.source import Source
from doug.testing import Lab
from shtoom.audio.tones import sine


class Tone(Source):
    """A tone of 500 Hz without end."""

    endless = True

    def __init__(self) -> None:
        self._frame = sine(500, 0.02, 0.3).tobytes()

    def read(self) -> bytes:
        return self._frame


class Speaks(VoiceApp):
    """Answers with a tone."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: Any) -> Any:
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.speak), (CallEndedEvent, self.over)]

    def speak(self, event: Any) -> Any:
        event.leg.mediaPlay(Tone())
        return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

    def over(self, event: Any) -> Any:
        self.returnResult("spoke")


class Connects(VoiceApp):
    """Connects its caller to the other application of the same server."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: Any) -> Any:
        self.caller = event.leg
        self.caller.answerCall(self)
        return [(CallAnsweredEvent, self.dial), (CallEndedEvent, self.over)]

    def dial(self, event: Any) -> Any:
        self.placeCall("sip:speaks@192.0.2.10")
        return [
            (CallAnsweredEvent, self.connect),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def connect(self, event: Any) -> Any:
        self.connectLegs(self.caller, event.leg)
        return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

    def over(self, event: Any) -> Any:
        self.returnResult("connected")


class SelfCallTests(SynchronousTestCase):
    """The media of both legs has ports of the same server."""

    def test_theCallerHearsTheOtherApplication(self) -> None:
        """Across a bridge and a call of the server to itself."""
        lab = Lab({"": Connects, "speaks": Speaks})
        call = lab.phone().dial("sip:connects@doug")
        lab.advance(3.0)
        call.assertHearsTone(500)
        call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(sorted(lab.results), ["connected", "spoke"])
