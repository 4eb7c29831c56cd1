"""The applications of the soak: one for each thing that Doug can do, and some that do wrong.

Lives here: applications. Each has an end of its own, at the latest after LONGEST seconds. Not here:
who calls them (soakpeers.py), the run (soak.py).
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from doug import VoiceApp
from doug.conferencing import newConferenceMember
from doug.demo import Demo
from doug.events import (
    ApplicationSpecificEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    MediaPlayDoneEvent,
    MediaRecordDoneEvent,
    TimeoutEvent,
)
from doug.exceptions import StateMachineError
from doug.source import EchoSource, Source
from shtoom.exceptions import UserBusy

LONGEST = 45.0  # seconds of a call
ROOMS = 4
FILES = 1000  # names of recordings, more than calls at a time
PROMPTS = (
    "about",
    "conference",
    "echo",
    "menu",
    "nobody",
    "record",
    "time",
    "voicemail",
    "welcome",
)


class IntendedError(Exception):
    """What the faulty applications raise."""


INTENDED = (IntendedError, StateMachineError, CancelledError)  # the last: what never came


class Means:
    """What all applications of a run share: chance, counters, a folder, whom they may call."""

    def __init__(self, rng: Random, folder: str, prompts: str, others: Callable[[], str]) -> None:
        self.rng, self.folder, self.prompts, self.others = rng, folder, prompts, others
        self.ends: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.recordings = 0

    def prompt(self) -> str:
        """One of the sounds of the demo."""
        return os.path.join(self.prompts, f"{self.rng.choice(PROMPTS)}.wav")

    def file(self) -> str:
        """A file to record to."""
        self.recordings = (self.recordings + 1) % FILES
        suffix = self.rng.choice((".wav", ".wav", ".ul", ".raw"))
        return os.path.join(self.folder, f"{self.recordings}{suffix}")


class Guest(VoiceApp):
    """Answers, then does what its class is for."""

    means: Means

    def __start__(self) -> Any:
        self.setTimer(LONGEST * self.means.rng.uniform(0.6, 1.0))
        return [(CallStartedEvent, self.started)]

    @property
    def usual(self) -> list[Any]:
        """What ends it in every state."""
        return [(CallEndedEvent, self.ended), (TimeoutEvent, self.late), (Event, self.other)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        self.leg: Any = event.leg
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.serve), *self.usual]

    def serve(self, event: CallAnsweredEvent) -> Any:
        """The caller hears us."""
        return self.usual

    def other(self, event: Event) -> None:
        """Nothing that it cares for."""

    def late(self, event: TimeoutEvent) -> None:
        """It has been long enough."""
        self.returnResult("time")

    def ended(self, event: CallEndedEvent) -> Any:
        """Its call is over."""
        self.means.ends[f"server: {event.reason.partition(' (')[0]}"] += 1
        for finding in event.verdict:
            self.means.findings[finding.rule] += 1
        if self.getDefaultLeg() is None:
            self.returnResult("over")


class Play(Guest):
    """A few prompts, then the end."""

    def serve(self, event: CallAnsweredEvent) -> Any:
        """Says them."""
        prompts = [self.means.prompt() for _ in range(self.means.rng.randint(1, 3))]
        self.mediaPlay(prompts, timeout=self.means.rng.choice((None, None, 2.0)))
        return [(MediaPlayDoneEvent, self.said), *self.usual]

    def said(self, event: MediaPlayDoneEvent) -> None:
        """All of it."""
        self.returnResult("said")


class Record(Guest):
    """Records to a file or a file object, and plays it back."""

    def serve(self, event: CallAnsweredEvent) -> Any:
        """After the beep."""
        rng = self.means.rng
        self.file = self.means.file()
        dest: Any = self.file if rng.random() < 0.7 else io.BytesIO()
        self.mediaRecord(
            dest, beep=True, maxDuration=rng.uniform(1.0, 15.0), maxSilence=3.0, terminators="#"
        )
        return [(MediaRecordDoneEvent, self.recorded), *self.usual]

    def recorded(self, event: MediaRecordDoneEvent) -> Any:
        """Plays what there is."""
        if event.dest is self.file and self.getDefaultLeg() is not None:
            self.mediaPlay(self.file)
            return [(MediaPlayDoneEvent, self.heard), *self.usual]
        return self.usual

    def heard(self, event: MediaPlayDoneEvent) -> None:
        """Enough."""
        self.returnResult("recorded")


class Keys(Guest):
    """A menu that keys cut short; four of them, or #, end it."""

    def serve(self, event: CallAnsweredEvent) -> Any:
        """In one of the ways of collecting keys."""
        rng = self.means.rng
        self.dtmfMode(rng.random() < 0.5, rng.random() < 0.3, maxDigits=4, interDigitTimeout=3.0)
        self.mediaPlay(self.means.prompt(), bargeIn=True, loop=True)
        self.keys = ""
        return [(DTMFReceivedEvent, self.pressed), *self.usual]

    def pressed(self, event: DTMFReceivedEvent) -> Any:
        """A key or more."""
        self.keys += event.digits
        if len(self.keys) >= 4 or "#" in self.keys:
            return self.finish()
        if not self.isPlaying():
            self.mediaPlay(self.means.prompt(), bargeIn=True, loop=True)
        return None

    def finish(self) -> Any:
        """Presses some itself, then the end."""
        done = self.sendDTMF("12#")
        done.addCallback(lambda _: self.raiseEvent(ApplicationSpecificEvent()))
        return [(ApplicationSpecificEvent, self.sent), *self.usual]

    def sent(self, event: ApplicationSpecificEvent) -> None:
        """They are out."""
        self.returnResult(self.keys)


class Echo(Guest):
    """Everything comes back, at once or later."""

    def serve(self, event: CallAnsweredEvent) -> Any:
        """By one object."""
        source = EchoSource(self.means.rng.choice((0.0, 0.0, 0.5)))
        self.mediaPlay(source)
        self.mediaRecord(source)
        return self.usual


class Conference(Guest):
    """One of a few rooms."""

    def serve(self, event: CallAnsweredEvent) -> Any:
        """Enters."""
        room = f"room {self.means.rng.randrange(ROOMS)}"
        member = newConferenceMember(room, self.leg, tones=self.means.rng.random() < 0.5)
        self.mediaPlay([member])
        if self.means.rng.random() < 0.9:
            self.mediaRecord(member)
        return self.usual


class Bridge(Guest):
    """Connects the caller with somebody else."""

    def serve(self, event: CallAnsweredEvent) -> Any:
        """Dials, with something to hear meanwhile."""
        self.mediaPlay(self.means.prompt(), loop=True)
        early = self.means.rng.random() < 0.3
        self.placeCall(self.means.others(), timeout=10.0, earlyMedia=early)
        return [
            (CallAnsweredEvent, self.connect),
            (CallRejectedEvent, self.refused),
            (CallEndedEvent, self.sideEnded),
            *self.usual,
        ]

    def connect(self, event: CallAnsweredEvent) -> Any:
        """Both are there."""
        if self.leg.ended:
            self.returnResult("the caller was gone")
            return
        self.mediaStop(self.leg)
        bridge = self.connectLegs(event.leg)
        if self.means.rng.random() < 0.3:
            bridge.mediaRecord(io.BytesIO())

    def refused(self, event: CallRejectedEvent) -> Any:
        """Nobody there."""
        self.means.ends[f"dialled: {event.sipCode}"] += 1
        self.returnResult("refused")

    def sideEnded(self, event: CallEndedEvent) -> Any:
        """Either leaves: the other one too."""
        self.ended(event)
        self.returnResult("one side has left")


class DialOut(Bridge):
    """Started without a call: dials somebody and says something."""

    def started(self, event: CallStartedEvent) -> Any:
        """With a call it is a Bridge."""
        if event.leg is not None:
            return super().started(event)
        self.leg = self.placeCall(self.means.others(), timeout=15.0)
        return [(CallAnsweredEvent, self.speak), (CallRejectedEvent, self.refused), *self.usual]

    def speak(self, event: CallAnsweredEvent) -> Any:
        """They are there."""
        self.mediaPlay([self.means.prompt(), self.means.prompt()])
        return [(MediaPlayDoneEvent, self.said), *self.usual]

    def said(self, event: MediaPlayDoneEvent) -> None:
        """All of it."""
        self.returnResult("said")


class Refuse(Guest):
    """Rings for a moment and refuses."""

    def started(self, event: CallStartedEvent) -> Any:
        """After a second."""
        self.leg = event.leg
        self.setTimer(self.means.rng.random())
        return [(TimeoutEvent, self.refuse), *self.usual]

    def refuse(self, event: TimeoutEvent) -> Any:
        """Busy."""
        self.leg.rejectCall(UserBusy())
        return self.usual


class Slow(Guest):
    """Handlers that wait: for time, for a thread, for both at once."""

    async def serve(self, event: CallAnsweredEvent) -> Any:
        """Answers late with what it has."""
        await deferLater(self.reactor, self.means.rng.uniform(0.0, 2.0))
        await self.deferToThread(sum, range(1000))
        self.mediaPlay(self.means.prompt())
        return [(MediaPlayDoneEvent, self.said), *self.usual]

    @inlineCallbacks
    def said(self, event: MediaPlayDoneEvent) -> Any:
        """One thing more."""
        yield deferLater(self.reactor, self.means.rng.uniform(0.0, 2.0))
        self.mediaPlay(self.means.prompt())


class Broken(Source):
    """Raises after a while."""

    def __init__(self, frames: int) -> None:
        self.left = frames

    def read(self) -> bytes:
        """Some silence, then none."""
        self.left -= 1
        if self.left < 0:
            raise IntendedError("read")
        return bytes(320)

    def write(self, frame: bytes) -> None:
        """Likewise."""
        self.left -= 1
        if self.left < 0:
            raise IntendedError("write")

    def close(self) -> None:
        """That too."""
        raise IntendedError("close")


class Faulty(Guest):
    """One fault or another."""

    kept: list[Any] = []  # what it keeps for ever, bounded here so that only Doug's leaks count

    def started(self, event: CallStartedEvent) -> Any:
        """Some fail at once."""
        if self.means.rng.random() < 0.1:
            raise IntendedError("started")
        return super().started(event)

    def serve(self, event: CallAnsweredEvent) -> Any:
        """The others now, or in a while."""
        fault = self.means.rng.choice(
            (
                self.raises,
                self.fails,
                self.waits,
                self.floods,
                self.keeps,
                self.breaks,
                self.returns,
            )
        )
        return fault()

    def raises(self) -> Any:
        """In a handler."""
        raise IntendedError("raised")

    async def fails(self) -> Any:
        """Later."""
        await deferLater(self.reactor, 1.0)
        raise IntendedError("failed")

    def waits(self) -> Any:
        """For what never comes."""
        return Deferred()

    def floods(self) -> Any:
        """More events than anybody wants, with a Deferred pending or without."""
        for _ in range(2000):
            self.raiseEvent(ApplicationSpecificEvent())
        return Deferred() if self.means.rng.random() < 0.5 else self.usual

    def keeps(self) -> Any:
        """Itself, its leg, and a Source in use."""
        source = EchoSource()
        self.mediaPlay(source)
        self.kept.append((self, self.leg, source))
        del self.kept[:-5]
        return self.usual

    def breaks(self) -> Any:
        """Sources that raise."""
        self.mediaPlay(Broken(50))
        self.mediaRecord(Broken(70))
        return self.usual

    def returns(self) -> Any:
        """What is no list."""
        return "nonsense"


class Menu(Demo):
    """The demo, counted."""

    means: Means

    def __start__(self) -> Any:
        self.target = self.means.others()
        return super().__start__()


APPS: dict[str, type[VoiceApp]] = {
    "": DialOut,
    "play": Play,
    "record": Record,
    "keys": Keys,
    "echo": Echo,
    "conference": Conference,
    "bridge": Bridge,
    "refuse": Refuse,
    "slow": Slow,
    "faulty": Faulty,
    "menu": Menu,
}
