"""The applications that real phones call in the tests; results go to files in the current folder.

Lives here: small VoiceApps. Not here: who serves and calls them (server.py, test_sipp.py ...).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doug import VoiceApp
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallHeldEvent,
    CallProgressEvent,
    CallRejectedEvent,
    CallResumedEvent,
    CallStartedEvent,
    CallTransferredEvent,
    CallTransferRequestedEvent,
    DTMFReceivedEvent,
    Event,
    MediaDoneEvent,
    TimeoutEvent,
)
from doug.source import EchoSource
from shtoom.exceptions import UserBusy


def note(name: str, text: str) -> None:
    """One more line in a file of results."""
    with Path(name).open("a") as results:
        results.write(f"{text}\n")


class Answering(VoiceApp):
    """Answers, does what a subclass wants, stays until the caller hangs up."""

    leg: Any

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.ring)]

    def ring(self, event: Any) -> Any:
        self.leg = event.getLeg()
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.begin), (CallEndedEvent, self.over)]

    def begin(self, event: Any) -> Any:
        self.answered()
        return [
            (DTMFReceivedEvent, self.key),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def answered(self) -> None:
        """What to do once the call is up."""

    def key(self, event: Any) -> Any:
        note("keys.txt", event.digits)

    def over(self, event: Any) -> Any:
        note("ended.txt", f"{event.getEventName()} {getattr(event, 'reason', '')}")
        self.returnResult("done")


class Echo(Answering):
    """Sends back what it hears."""

    def answered(self) -> None:
        echo = EchoSource()
        self.leg.mediaPlay(echo)
        self.leg.mediaRecord(echo)


class HeldEcho(Echo):
    """An echo that notes when it is put on hold, and taken off again."""

    def begin(self, event: Any) -> Any:
        super().begin(event)
        return self.waiting()

    def waiting(self) -> Any:
        """What it waits for all the time."""
        return [
            (CallHeldEvent, self.held),
            (CallResumedEvent, self.held),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def held(self, event: Any) -> Any:
        note("held.txt", event.getEventName())


class Announce(Answering):
    """Plays the same tone over and over."""

    def answered(self) -> None:
        self.leg.mediaPlay("tone.wav", loop=True)


class Holds(Answering):
    """Plays a tone, puts its caller on hold after 1.5 seconds, and ends that after 3.5."""

    def begin(self, event: Any) -> Any:
        self.leg.mediaPlay("tone.wav", loop=True)
        self.setTimer(1.5, self.leg.hold)
        self.setTimer(3.5, self.leg.resume)
        return [
            (TimeoutEvent, self.change),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def change(self, event: Any) -> None:
        method = event.getTimer().data
        done = method()
        done.addCallbacks(
            lambda _: note("holds.txt", method.__name__),
            lambda failure: note("holds.txt", failure.getErrorMessage()),
        )


class Record(Answering):
    """Keeps what the caller says."""

    def answered(self) -> None:
        self.leg.mediaRecord("message.wav")


class HangsUp(Answering):
    """Plays a tone once and hangs up first."""

    def begin(self, event: Any) -> Any:
        self.leg.mediaPlay("tone.wav")
        return [(MediaDoneEvent, self.over), (CallEndedEvent, self.over)]


class Rings(VoiceApp):
    """Lets it ring for ever."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.ring)]

    def ring(self, event: Any) -> Any:
        return [(CallEndedEvent, self.over)]

    def over(self, event: Any) -> Any:
        note("ended.txt", f"{event.getEventName()} {event.reason}")
        self.returnResult("never answered")


class SendsKeys(Answering):
    """Plays a tone, presses keys after two seconds, and notes when they were out."""

    keys = "12*#"

    def answered(self) -> None:
        self.leg.mediaPlay("tone.wav", loop=True)
        self.sendDTMF("," + self.keys, duration=0.1, delay=0.1).addCallback(self.sent)

    def sent(self, result: None) -> None:
        note("sent.txt", self.keys)


class HearsTones(Answering):
    """Notes the keys that come as tones."""

    def answered(self) -> None:
        self.leg.dtmfMode(single=True, inband=True)

    def key(self, event: Any) -> Any:
        note("keys.txt", f"{event.digits} {event.evidence[0].how}")


class Relay(Answering):
    """Dials out when it is called, and notes how that went."""

    target = ""

    def begin(self, event: Any) -> Any:
        self.placeCall(self.target)
        return [
            (CallAnsweredEvent, self.reached),
            (CallRejectedEvent, self.refused),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def reached(self, event: Any) -> Any:
        note("dialled.txt", "answered")
        event.getLeg().hangupCall()
        return [(CallEndedEvent, self.alone), (Event, IGNORE_EVENT)]

    def alone(self, event: Any) -> Any:
        return [(CallEndedEvent, self.over)]

    def refused(self, event: Any) -> Any:
        note("dialled.txt", f"{event.sipCode} {event.reason}")


class Dials(VoiceApp):
    """Refuses who calls and dials instead; writes down what comes of it.

    login: USER:PASSWORD. patience: seconds to answer. giveUpAfter: hangs up so many seconds after
    dialling. early: hears what comes before the answer, into early.wav.
    """

    target = login = giveUpAfter = early = ""
    patience = "60"

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.dial)]

    def dial(self, event: Any) -> Any:
        event.getLeg().rejectCall(UserBusy())
        user, colon, password = self.login.partition(":")
        self.outbound = self.placeCall(
            self.target,
            '"Doug" <sip:doug@example.com>',
            timeout=float(self.patience),
            auth=(user, password) if colon else None,
            earlyMedia=bool(self.early),
        )
        if self.early:
            self.outbound.mediaRecord("early.wav")
        if self.giveUpAfter:
            self.setTimer(float(self.giveUpAfter))
        return [
            (CallProgressEvent, self.progress),
            (TimeoutEvent, self.giveUp),
            (CallAnsweredEvent, self.answered),
            (CallRejectedEvent, self.rejected),
            (CallEndedEvent, self.ended),
            (Event, IGNORE_EVENT),
        ]

    def progress(self, event: Any) -> Any:
        note("dialled.txt", str(event.sipCode))

    def giveUp(self, event: Any) -> Any:
        self.outbound.hangupCall(headers={"Reason": "SIP;cause=200"})

    def answered(self, event: Any) -> Any:
        note("dialled.txt", "answered")
        self.outbound.hangupCall(headers={"Reason": "Q.850;cause=16"})

    def rejected(self, event: Any) -> Any:
        what = f"{event.sipCode} {type(event.failure).__name__}: {event.reason}"
        note("dialled.txt", f"{what} ({event.getHeader('Retry-After')})")
        self.returnResult("rejected")

    def ended(self, event: Any) -> Any:
        if event.getLeg() is self.outbound:
            note("dialled.txt", f"ended: {event.reason}")
            self.returnResult("ended")


class Stays(Dials):
    """Leaves it to whom it has dialled to hang up, and notes their keys.

    hold: puts them on hold, takes them off again, hangs up. listen: hears them into heard.wav for
    so many seconds, and hangs up.
    """

    hold = listen = ""

    def answered(self, event: Any) -> Any:
        note("dialled.txt", "answered")
        if self.hold:
            self.outbound.hold().addCallback(self.held)
        if self.listen:
            self.outbound.mediaRecord("heard.wav")
            self.setTimer(float(self.listen))
        return [
            (TimeoutEvent, self.giveUp),
            (DTMFReceivedEvent, self.key),
            (CallEndedEvent, self.ended),
            (Event, IGNORE_EVENT),
        ]

    def held(self, result: None) -> None:
        note("dialled.txt", "held")
        self.outbound.resume().addCallback(self.resumed)

    def resumed(self, result: None) -> None:
        note("dialled.txt", "resumed")
        self.outbound.hangupCall()

    def key(self, event: Any) -> Any:
        note("keys.txt", event.digits)


class DialsAll(VoiceApp):
    """Refuses who calls and dials all `users` (A B C) of `host` instead, all at once.

    Each that answers is heard for `listen` seconds, into USER.wav, and hung up on. dialled.txt
    tells of each.
    """

    users = host = ""
    listen = "0.8"

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.dial)]

    def dial(self, event: Any) -> Any:
        event.getLeg().rejectCall(UserBusy())
        self.dialled = {
            self.placeCall(f"sip:{user}@{self.host}", timeout=20.0): user
            for user in self.users.split()
        }
        return [
            (CallAnsweredEvent, self.answered),
            (TimeoutEvent, self.heard),
            (CallRejectedEvent, self.over),
            (CallEndedEvent, self.over),
            (Event, IGNORE_EVENT),
        ]

    def answered(self, event: Any) -> Any:
        user = self.dialled[event.getLeg()]
        note("dialled.txt", f"{user} answered")
        event.getLeg().mediaRecord(f"{user}.wav")
        self.setTimer(float(self.listen), event.getLeg())

    def heard(self, event: Any) -> Any:
        event.getTimer().data.hangupCall()

    def over(self, event: Any) -> Any:
        user = self.dialled.pop(event.getLeg(), "")
        if user:
            note("dialled.txt", f"{user} over: {event.reason}")
        if not self.dialled:
            self.returnResult("all over")


class Connect(Answering):
    """Dials `target` for its caller and connects the two."""

    target = ""

    def answered(self) -> None:
        self.connected = self.placeCall(self.target)

    def begin(self, event: Any) -> Any:
        self.answered()
        return [(CallAnsweredEvent, self.join), (CallRejectedEvent, self.over), *self.waiting()]

    def join(self, event: Any) -> Any:
        self.connectLegs(self.leg, event.getLeg())
        return self.waiting()

    def waiting(self) -> Any:
        """Keys are noted; the first who hangs up ends it for both."""
        return [(DTMFReceivedEvent, self.key), (CallEndedEvent, self.over), (Event, IGNORE_EVENT)]


class PutsThrough(Connect):
    """The same; the one who is dialled may put the caller through to anybody."""

    def waiting(self) -> Any:
        """Who calls ends it for all."""
        return [
            (CallTransferRequestedEvent, self.asked),
            (CallTransferredEvent, self.noted),
            (CallEndedEvent, self.left),
            (Event, IGNORE_EVENT),
        ]

    def asked(self, event: Any) -> None:
        note("transfers.txt", f"to {event.target}")
        event.accept(anyHost=True)

    def noted(self, event: Any) -> None:
        note("transfers.txt", event.getEventName())

    def left(self, event: Any) -> None:
        note("transfers.txt", event.reason)
        if event.leg is self.leg:
            self.over(event)
