"""Members of conferences, and what they hear, for tests of rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.conferencing import ConfSource, newConferenceMember
from doug.events import IGNORE_EVENT, CallAnsweredEvent, CallEndedEvent, CallStartedEvent, Event
from doug.testing import Lab, PhoneCall

SAMPLE = 4000  # the last half second of what was heard: bins of 2 Hz


class Member(VoiceApp):
    """Puts its caller into the room that was dialled."""

    seats: list[ConfSource] = []

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.ring)]

    def ring(self, event: Any) -> Any:
        """A call."""
        self.leg = event.leg
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.enter), (CallEndedEvent, self.over)]

    def enter(self, event: Any) -> Any:
        """The caller is there."""
        self.seat = newConferenceMember(self.leg.getDialog().getCallee().username, self.leg)
        self.seats.append(self.seat)
        self.leg.mediaPlay([self.seat])
        self.leg.mediaRecord(self.seat)
        return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

    def over(self, event: Any) -> Any:
        """The caller has gone."""
        self.returnResult("left")


def tonesIn(call: PhoneCall, tones: Sequence[float]) -> set[float]:
    """Which of these tones (even numbers of Hz) are in the last half second that was heard."""
    spectrum = np.abs(np.fft.rfft(call.heard[-SAMPLE:].astype(np.float64))) / (SAMPLE / 2)
    return {hz for hz in tones if spectrum[round(hz * SAMPLE / 8000)] > 200.0}


class ConferenceTestCase(SynchronousTestCase):
    """A server, phones that dial in."""

    def setUp(self) -> None:
        Member.seats = []
        self.lab = Lab({"": Member, "chair": Chair})

    def dial(self, count: int, room: str = "blue", **options: Any) -> list[PhoneCall]:
        """So many phones in a room. options: of the phones."""
        calls = []
        for _ in range(count):
            calls.append(self.lab.phone(**options).dial(f"sip:{room}@doug"))
            self.lab.advance(0.007)  # each in a phase of its own
        self.lab.advance(0.5)
        return calls

    def finish(self, *calls: PhoneCall) -> None:
        """All hang up, nothing is left."""
        for call in calls:
            call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.failures, [])


class Chair(Member):
    """Another application."""
