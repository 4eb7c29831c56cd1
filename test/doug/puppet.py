"""An application that a test plays by hand, on a call in virtual time.

Lives here: what tests of legs share. Not here: the laboratory (doug.testing).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.events import BaseEvent, CallStartedEvent, Event, OptionalEvent
from doug.leg import Leg
from doug.testing import Lab, PhoneCall
from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader


class Puppet(VoiceApp):
    """Keeps every event; `hooks` maps the name of an event to what is done in its handler.

    answers: does it answer by itself? events: all but the first.
    """

    answers = True
    keepAlive = True

    def __start__(self) -> Any:
        self.events: list[BaseEvent] = []
        self.hooks: dict[str, Callable[[Any], Any]] = {}
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """A call, or none."""
        self.leg = event.getLeg()
        if self.answers and self.leg is not None:
            self.leg.answerCall(self)
        return [(Event, self.note), (OptionalEvent, self.note)]

    def note(self, event: BaseEvent) -> Any:
        """Any event."""
        self.events.append(event)
        hook = self.hooks.get(event.getEventName())
        return hook(event) if hook is not None else None

    def names(self) -> list[str]:
        """Of the events so far, without their common ending."""
        return [event.getEventName().removesuffix("Event") for event in self.events]

    def last(self) -> Any:
        """The last event."""
        return self.events[-1]


class Silent(Puppet):
    """Leaves the call ringing."""

    answers = False


class LegTestCase(SynchronousTestCase):
    """A phone calls a Puppet. self.lab, self.call, self.app, self.leg; files in self.folder."""

    appClass: type[Puppet] = Puppet

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def begin(self, *, seconds: float = 0.5, **options: Any) -> None:
        """Dials and lets time pass. options: of the Phone; lab=: of the Lab."""
        self.lab = Lab(self.appClass, **options.pop("lab", {}))
        self.phone = self.lab.phone(**options)
        self.call: PhoneCall = self.phone.dial("sip:puppet@doug")
        self.lab.advance(seconds)
        [app] = self.lab.application.listVoiceapps().values()
        assert isinstance(app, Puppet)
        self.app = app
        self.leg: Leg = app.leg

    def finish(self) -> None:
        """The application returns, nothing is left of the call."""
        self.app.returnResult("over")
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.failures, [])

    def wav(self, name: str, hz: float, seconds: float) -> str:
        """A file with a tone; its path."""
        return self.write(name, sine(hz, seconds, 0.3))

    def write(self, name: str, samples: NDArray[np.int16]) -> str:
        """A file of 8 kHz mono; its path."""
        path = self.folder / name
        path.write_bytes(wavHeader(2 * len(samples)) + samples.astype("<i2").tobytes())
        return str(path)
