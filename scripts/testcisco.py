#!/usr/bin/env python3
"""Calls an IVR and walks through it: waits for each prompt to end, then presses the next keys.

testcisco.py sip:ivr@192.0.2.1 --args="keys=1 4711# 9" --args=heard=heard.wav

Prints what it heard and pressed. Arguments: keys, what to press after each prompt, apart by spaces
(a comma in them is a pause); heard, a file for all that was heard [none]; patience, seconds to wait
for the end of a prompt [15]. Exit code as testcall.py.
"""

import sys

from doug import VoiceApp
from doug.events import (
    IGNORE_EVENT,
    ApplicationSpecificEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    Event,
    MediaRecordFailedEvent,
    TimeoutEvent,
)
from doug.keysender import checkSending
from doug.recorder import isQuiet
from doug.script import dial
from doug.scriptargs import recording, seconds
from doug.source import Source
from shtoom.exceptions import CallFailed

FRAME = 0.02  # seconds
SOUND, PAUSE = 0.2, 1.0  # seconds: a prompt is as long as the first at least, and then as quiet
PRESS, GAP = 0.1, 0.2  # seconds of a key, and between two


class PromptOver(ApplicationSpecificEvent):
    """The far end has said something. seconds: for how long."""

    def __init__(self, seconds):
        self.seconds = seconds


class Ear(Source):
    """Listens for the ends of prompts."""

    def __init__(self, app):
        self.app, self.sound, self.quiet = app, 0.0, 0.0

    def write(self, frame):
        """20 ms of the far end."""
        if not isQuiet(frame):
            self.sound += FRAME + (self.quiet if self.sound else 0.0)
            self.quiet = 0.0
            return
        self.quiet += FRAME
        if self.quiet >= PAUSE:
            if self.sound >= SOUND:
                self.app.raiseEvent(PromptOver(self.sound))
            self.sound = 0.0


class WalkApp(VoiceApp):
    """Goes from prompt to prompt."""

    keys = ""
    heard = ""
    patience = 15.0

    def __start__(self):
        self.steps, self.done = self.keys.split(), []
        return [(CallStartedEvent, self.dialling)]

    def dialling(self, event):
        """The call is on its way."""
        return [(CallAnsweredEvent, self.begin), (CallRejectedEvent, self.notAnswered)]

    def notAnswered(self, event):
        """Busy, nobody there, no such address."""
        self.returnError(CallFailed(event.reason, event.sipCode))

    def begin(self, event):
        """The IVR has answered."""
        self.leg = event.getLeg()
        self.ear = Ear(self)
        self.leg.mediaRecord(self.ear)
        if self.heard:
            self.leg.mediaRecord(self.heard)
        return self.listen()

    def listen(self):
        """Until the prompt is over, or for as long as patience lasts."""
        self.timer = self.setTimer(float(self.patience))
        return [
            (PromptOver, self.heardPrompt),
            (TimeoutEvent, self.heardNothing),
            (MediaRecordFailedEvent, self.notRecorded),
            (CallEndedEvent, self.hungUp),
            (Event, IGNORE_EVENT),
        ]

    def heardPrompt(self, event):
        """It waits for us."""
        self.timer.cancel()
        self.done.append(f"heard {event.seconds:.1f} s")
        return self.press()

    def heardNothing(self, event):
        """It may wait all the same."""
        self.done.append("heard nothing")
        return self.press()

    async def press(self):
        """The next keys; after the last of them it has the last word."""
        if not self.steps:
            self.leg.hangupCall()
            return [(CallEndedEvent, self.allDone), (Event, IGNORE_EVENT)]
        keys = self.steps.pop(0)
        await self.leg.sendDTMF(keys, PRESS, GAP)
        self.done.append(f"pressed {keys}")
        return self.listen()

    def notRecorded(self, event):
        """The file for what was heard cannot be written."""
        self.returnError(CallFailed(event.reason))

    def hungUp(self, event):
        """It ends the call: at the end of our way, or in the middle of it."""
        if self.ear.sound >= SOUND:
            self.done.append(f"heard {self.ear.sound:.1f} s")
        if self.steps:
            self.done.append(f"{event.reason}, {' '.join(self.steps)} not pressed")
            self.returnError(CallFailed(", ".join(self.done)))
        else:
            self.allDone(event)

    def allDone(self, event):
        """The call is over."""
        self.returnResult(", ".join(self.done))


def keys(text):
    """What can be pressed."""
    for word in text.split():
        checkSending(word, PRESS, GAP)


CHECKS = {"keys": keys, "heard": recording, "patience": seconds}

if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(dial(WalkApp, reactor, __doc__, checks=CHECKS))
