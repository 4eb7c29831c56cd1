"""The demo application: a menu with a choice for each thing that Doug can do.

Lives here: the conversation alone, as an example of how one is written. The prompts beside it are
made by scripts/make_prompts.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime
from typing import Any

from doug.conferencing import newConferenceMember
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    MediaDoneEvent,
    MediaPlayDoneEvent,
    MediaRecordDoneEvent,
    TimeoutEvent,
)
from doug.source import EchoSource
from doug.voiceapp import VoiceApp
from shtoom.sip.fields import parseNameAddress

PATIENCE = 6.0  # seconds without a key after the menu before it is said again
TIMES = 3  # how often the menu is said to somebody who presses nothing
LONGEST = 60.0  # seconds of a recording
QUIET = 4.0  # seconds of silence that end a recording
ROOM = "demo"  # the conference of all callers


class Demo(VoiceApp):
    """1 hears an announcement, 2 an echo, 3 records, 4 plays it back, 5 is the conference room,

    6 says the time, 7 calls back, 8 connects with `target` (--args=target=sip:...), 9 or # says
    goodbye.
    """

    leg: Any
    target = ""
    folder: str | None = None
    asked = 0

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        self.leg = event.getLeg()
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.welcome), self.whenGone]

    @property
    def whenGone(self) -> Any:
        """The pair that every state of this application has."""
        return (CallEndedEvent, self.gone)

    def welcome(self, event: CallAnsweredEvent) -> Any:
        """The caller hears us from here on."""
        return self.menu("welcome.wav")

    def menu(self, *before: str) -> Any:
        """Says what `before` names, then the menu; any key cuts it short."""
        self.say(*before, "menu.wav", bargeIn=True)
        return [(DTMFReceivedEvent, self.chosen), (MediaPlayDoneEvent, self.wait), self.whenGone]

    def wait(self, event: MediaDoneEvent) -> Any:
        """The menu was said to its end and nothing was pressed yet."""
        self.timer = self.setTimer(PATIENCE)
        return [(DTMFReceivedEvent, self.chosen), (TimeoutEvent, self.repeat), self.whenGone]

    def repeat(self, event: TimeoutEvent) -> Any:
        """Nothing pressed: the menu again, but not for ever."""
        self.asked += 1
        return self.menu() if self.asked < TIMES else self.goodbye(event)

    def chosen(self, event: DTMFReceivedEvent) -> Any:
        """A key of the menu."""
        self.asked = 0
        if hasattr(self, "timer"):
            self.timer.cancel()
        choices = {
            "1": self.announce,
            "2": self.echo,
            "3": self.record,
            "4": self.playBack,
            "5": self.conference,
            "6": self.time,
            "7": self.callBack,
            "8": self.connect,
            "9": self.goodbye,
            "#": self.goodbye,
        }
        choice = choices.get(event.digits)
        return choice(event) if choice is not None else self.menu("unknown.wav")

    def announce(self, event: DTMFReceivedEvent) -> Any:
        """An announcement; a key goes back to the menu."""
        self.say("about.wav", bargeIn=True)
        return [(MediaPlayDoneEvent, self.back), self.whenGone]

    def echo(self, event: DTMFReceivedEvent) -> Any:
        """Everything said comes back, until a key is pressed."""
        self.say("echo.wav")
        return [(MediaPlayDoneEvent, self.startEcho), self.whenGone]

    def startEcho(self, event: MediaDoneEvent) -> Any:
        """The explanation is over."""
        source = EchoSource()
        self.leg.mediaPlay(source)
        self.leg.mediaRecord(source)
        return [(DTMFReceivedEvent, self.stopEcho), self.whenGone]

    def stopEcho(self, event: DTMFReceivedEvent) -> Any:
        """A key ends the echo."""
        self.leg.mediaStop()
        return self.menu()

    def record(self, event: DTMFReceivedEvent) -> Any:
        """Leaves a message."""
        self.say("record.wav")
        return [(MediaPlayDoneEvent, self.startRecording), self.whenGone]

    def startRecording(self, event: MediaDoneEvent) -> Any:
        """After the explanation a beep, then the caller speaks; #, silence or time end it."""
        self.leg.mediaRecord(
            self.recording, beep=True, terminators="#", maxSilence=QUIET, maxDuration=LONGEST
        )
        return [(MediaRecordDoneEvent, self.recorded), self.whenGone]

    def recorded(self, event: MediaRecordDoneEvent) -> Any:
        """The message is kept as long as the call lasts."""
        self.say("recorded.wav")
        return [(MediaPlayDoneEvent, self.playBack), self.whenGone]

    def playBack(self, event: Any) -> Any:
        """The caller's own message, if there is one."""
        if not os.path.exists(self.recording):
            return self.menu("nothing.wav")
        self.leg.mediaPlay(self.recording, bargeIn=True)
        return [(MediaPlayDoneEvent, self.back), self.whenGone]

    def conference(self, event: DTMFReceivedEvent) -> Any:
        """Everybody who is in the room hears everybody else, until a key is pressed."""
        self.say("conference.wav")
        return [(MediaPlayDoneEvent, self.enterRoom), self.whenGone]

    def enterRoom(self, event: MediaDoneEvent) -> Any:
        """The explanation is over."""
        member = newConferenceMember(ROOM, self.leg)
        self.leg.mediaPlay(member)
        self.leg.mediaRecord(member)
        return [(DTMFReceivedEvent, self.leaveRoom), self.whenGone]

    def leaveRoom(self, event: DTMFReceivedEvent) -> Any:
        """A key: the seat is free again."""
        self.leg.mediaStop()
        return self.menu()

    def time(self, event: DTMFReceivedEvent) -> Any:
        """This machine's, on the day of 24 hours."""
        now = datetime.now().astimezone()
        self.say("time.wav", *spokenTime(now.hour, now.minute), bargeIn=True)
        return [(MediaPlayDoneEvent, self.back), self.whenGone]

    def callBack(self, event: DTMFReceivedEvent) -> Any:
        """Hangs up and calls the caller."""
        self.say("callback.wav")
        return [(MediaPlayDoneEvent, self.hangUp), (CallEndedEvent, self.dialCaller)]

    def hangUp(self, event: MediaDoneEvent) -> Any:
        """The caller knows what comes."""
        self.leg.hangupCall()
        return [(CallEndedEvent, self.dialCaller)]

    def dialCaller(self, event: CallEndedEvent) -> Any:
        """Where the phone says it is; the address of its owner may be known to no one but it."""
        dialog = self.leg.getDialog()
        contact = dialog.getHeader("Contact")
        phone = dialog.getCaller() if contact is None else parseNameAddress(contact).uri
        self.leg = self.placeCall(str(phone), str(dialog.getCallee()))
        return [(CallAnsweredEvent, self.welcome), (CallRejectedEvent, self.gone), self.whenGone]

    def connect(self, event: DTMFReceivedEvent) -> Any:
        """With the address that the server was started with."""
        if not self.target:
            return self.menu("nobody.wav")
        self.say("connecting.wav")
        self.other = self.placeCall(self.target)
        return [
            (CallAnsweredEvent, self.connected),
            (CallRejectedEvent, self.notConnected),
            (MediaPlayDoneEvent, IGNORE_EVENT),
            self.whenGone,
        ]

    def connected(self, event: CallAnsweredEvent) -> Any:
        """Both hear each other until one of them hangs up."""
        self.leg.mediaStop()
        self.connectLegs(self.leg, self.other)
        return [(CallEndedEvent, self.apart), (DTMFReceivedEvent, IGNORE_EVENT)]

    def apart(self, event: CallEndedEvent) -> Any:
        """Back to the menu, if it was not the caller who hung up."""
        return self.menu() if event.getLeg() is self.other else self.gone(event)

    def notConnected(self, event: CallRejectedEvent) -> Any:
        """Busy, nobody there, no such address."""
        return self.menu("nobody.wav")

    def back(self, event: MediaDoneEvent) -> Any:
        """From a leaf to the menu."""
        return self.menu()

    def goodbye(self, event: Any) -> Any:
        """The last words."""
        self.say("goodbye.wav")
        return [(MediaPlayDoneEvent, self.gone), self.whenGone]

    def gone(self, event: Any) -> Any:
        """Either side has had enough."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.returnResult("goodbye")

    def say(self, *prompts: str, bargeIn: bool = False) -> None:
        """Plays prompts of this package, one after the other."""
        self.leg.mediaPlay([f"prompts/{name}" for name in prompts], bargeIn=bargeIn)

    @property
    def recording(self) -> str:
        """Where this call's message is: a folder of its own, gone with the call."""
        if self.folder is None:
            self.folder = tempfile.mkdtemp(prefix="doug-demo-")
        return os.path.join(self.folder, "message.wav")


def spokenTime(hour: int, minute: int) -> list[str]:
    """The prompts that say a time: fourteen hundred, fourteen oh five, fourteen thirty two."""
    if minute == 0:
        words = ["00"]  # hundred
    else:
        words = [*(["0"] if minute < 10 else []), *number(minute)]
    return [f"number-{word}.wav" for word in [*number(hour), *words]]


def number(value: int) -> list[str]:
    """The words of a number from 0 to 59."""
    if value <= 20:
        return [str(value)]
    return [str(value - value % 10), *([str(value % 10)] if value % 10 else [])]
