"""What the cases share: a lab, the actors of the field, an application that a test leads by hand.

Lives here: FieldCase, Scripted and Ear. Not here: SIP (actor.py), RTP (media.py).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from doug.events import (
    BaseEvent,
    CallEndedEvent,
    CallRejectedEvent,
    Event,
    MediaPlayRemoteClosedEvent,
    MediaRecordRemoteClosedEvent,
    OptionalEvent,
)
from doug.leg import Leg
from doug.settings import Settings
from doug.source import Source
from doug.testing import Lab
from doug.voiceapp import VoiceApp
from shtoom.audio.tones import sine
from shtoom.sip.message import Response
from test.cases.actor import DOUG, Actor, Dialogue, With
from test.cases.media import Address, Samples
from test.support.logs import logLines
from test.support.wavfile import tone, wav

E = TypeVar("E", bound=BaseEvent)

ACTORS = {
    "alice": ("198.51.100.20", 40000),
    "bob": ("198.51.100.21", 41000),
    "trunk": ("203.0.113.30", 30000),
    "trunk2": ("203.0.113.31", 31000),
    "trunk3": ("203.0.113.32", 32000),
    "mallory": ("203.0.113.99", 50000),
}
VISITOR = "198.51.100.99"  # where the plain call after each case comes from


class Scripted(VoiceApp):
    """Does nothing by itself: events are written down, the test calls the methods.

    How running sound ended is heard before the end of the call, since the list names it.
    desk: the test's list of applications, the oldest first. events: all that came.
    """

    desk: list[Scripted]

    def __start__(self) -> Any:
        self.events: list[BaseEvent] = []
        self.legs: list[Leg] = []
        self.desk.append(self)
        closed = MediaPlayRemoteClosedEvent, MediaRecordRemoteClosedEvent
        return [(kind, self.came) for kind in (*closed, Event, OptionalEvent)]

    def came(self, event: BaseEvent) -> None:
        """Writes it down; the application ends with its last leg."""
        self.events.append(event)
        leg = getattr(event, "leg", None)
        if leg is not None and leg not in self.legs:
            self.legs.append(leg)
        if isinstance(event, CallEndedEvent | CallRejectedEvent) and not self.getDefaultLeg():
            self.returnResult("over")

    @property
    def leg(self) -> Leg:
        """Its first leg, ended or not."""
        return self.legs[0]

    def got(self, kind: type[E]) -> list[E]:
        """The events of a class and its subclasses."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def names(self) -> list[str]:
        """The classes of all events but the first."""
        return [event.getEventName() for event in self.events[1:]]


class Ear(Source):
    """Keeps what a leg hears: record to it."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, frame: bytes) -> None:
        """20 ms of sound."""
        self.frames.append(frame)

    @property
    def heard(self) -> Samples:
        """All of it: int16 of 8 kHz."""
        return np.frombuffer(b"".join(self.frames), "<i2")


class FieldCase(SynchronousTestCase):
    """A server whose application is Scripted, and actors at their addresses.

    settings, serves (the application), server, people (name -> host, RTP port), kind (of actors),
    visitor: for subclasses to change.

    Each test ends with assertStillWell(): another call works, and nothing is left of any.
    """

    settings: Settings | None = None
    serves: type[Scripted] = Scripted
    server: Address = DOUG
    people: Mapping[str, tuple[str, int]] = ACTORS
    visitor = VISITOR
    kind: type[Actor] = Actor

    def setUp(self) -> None:
        self.desk: list[Scripted] = []
        self.lab = Lab(self.serves, settings=self.settings, address=self.server[0], desk=self.desk)
        self.actors = {
            name: self.kind(self.lab, name, *where, server=self.server)
            for name, where in self.people.items()
        }
        self.alice, self.bob = self.actors["alice"], self.actors["bob"]
        self.trunk, self.mallory = self.actors["trunk"], self.actors["mallory"]
        self.logged = logLines(self)

    # --- calls --------------------------------------------------------------------------------

    @property
    def app(self) -> Scripted:
        """The application of the last call."""
        return self.desk[-1]

    def ringing(
        self, offer: bytes | None = None, actor: Actor | None = None, with_: With | None = None
    ) -> Dialogue:
        """A call from alice that rings."""
        caller = actor if actor is not None else self.alice
        call = caller.invite(offer, with_=with_)
        caller.response("180 INVITE")
        return call

    def answered(self, offer: bytes | None = None, actor: Actor | None = None) -> Dialogue:
        """A call from alice that is up; the application has its CallAnsweredEvent."""
        call = self.ringing(offer, actor)
        self.accept(call)
        return call

    def accept(self, call: Dialogue, ack: bytes = b"") -> Response:
        """The application of the last call answers, the caller acknowledges; the 200."""
        self.app.leg.answerCall(self.app)
        response = call.actor.response("200 INVITE")
        call.ack(ack)
        self.lab.advance(0.01)
        self.assertIn("CallAnsweredEvent", self.app.names)
        return response

    def dial(
        self, uri: str = "sip:200@203.0.113.30", fromURI: str | None = None, **wishes: Any
    ) -> Scripted:
        """An application dials; its INVITE is on its way. wishes: those of VoiceApp.placeCall."""
        if wishes:
            self.lab.application.startVoiceApp()
            self.app.legs.append(self.app.placeCall(uri, fromURI, **wishes))
        else:
            self.lab.application.placeCall(uri, fromURI)
        self.lab.advance(0.0)
        return self.app

    def dialled(self) -> tuple[Scripted, Dialogue]:
        """A call to the trunk that is up."""
        app = self.dial()
        call = self.trunk.takes(self.trunk.request("INVITE"))
        call.says(200, body=self.trunk.answer)
        self.trunk.request("ACK")
        self.lab.advance(0.0)
        self.assertIn("CallAnsweredEvent", app.names)
        return app, call

    def hangUp(self, call: Dialogue) -> None:
        """The far end hangs up; the application hears of one end."""
        call.bye()
        call.actor.response("200 BYE")
        self.lab.advance(0.01)

    # --- sound --------------------------------------------------------------------------------

    def soundFile(self, seconds: float, hz: float = 440.0) -> str:
        """A WAV file of a tone."""
        path: str = self.mktemp() + ".wav"
        with open(path, "wb") as file:
            file.write(wav(tone(hz, seconds, 8000)))
        return path

    def listen(self) -> Ear:
        """Hears with the application from now on."""
        ear = Ear()
        self.app.leg.mediaRecord(ear)
        return ear

    # --- the end ------------------------------------------------------------------------------

    def assertNear(self, got: float, wanted: float, by: float) -> None:
        """Equal but for `by` (trial's assertAlmostEqual takes no delta)."""
        self.assertTrue(abs(got - wanted) <= by, f"{got} is not {wanted} +- {by}")

    def assertLogged(self, pattern: str) -> None:
        """Some line of the log is like it."""
        if not any(re.search(pattern, line) for line in self.logged):
            raise AssertionError(f"nothing like {pattern} in the log:\n" + "\n".join(self.logged))

    def assertOneEnd(self, app: Scripted, kind: type[BaseEvent] = CallEndedEvent) -> None:
        """The application heard of one end of its call, of this kind, and nothing after it."""
        ends = app.got(CallEndedEvent) + app.got(CallRejectedEvent)
        self.assertEqual([type(event) for event in ends], [kind])
        self.assertIs(app.events[-1], ends[0])

    def assertStillWell(self) -> None:
        """A plain call works, and then nothing is left of any call."""
        phone = self.lab.phone("visitor", host=self.lab.network.host(self.visitor))
        call = phone.dial("sip:app@doug")
        self.lab.advance(0.02)
        self.app.leg.answerCall(self.app)
        self.lab.advance(0.02)
        self.app.leg.mediaPlay(io.BytesIO(sine(700, 0.3, 0.3).tobytes()))
        self.lab.advance(0.3)
        call.assertHearsTone(700, 0.15)
        call.hangUp()
        self.assertNothingLeft()

    def assertNothingLeft(self) -> None:
        """After a minute and more nothing is left of any call."""
        self.lab.advance(1.0)
        for actor in self.actors.values():
            actor.close()
        self.lab.assertNothingLeft()
