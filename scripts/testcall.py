#!/usr/bin/env python3
"""Calls an address, plays an announcement, hangs up, and prints how it went.

testcall.py sip:alice@192.0.2.1 --args=announcement=hello.wav

Exit code 0: it was played; 2: the call did not come about, or failed; 1: a mistake on this line.
"""

import sys
from pathlib import Path

import doug.demo
from doug import VoiceApp
from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
)
from doug.script import dial
from doug.scriptargs import sound
from shtoom.exceptions import CallFailed


class CallApp(VoiceApp):
    """Plays `announcement` (a file) to whoever answers."""

    announcement = str(Path(doug.demo.__file__).parent / "prompts" / "welcome.wav")

    def __start__(self):
        return [(CallStartedEvent, self.dialling)]

    def dialling(self, event):
        """The call is on its way."""
        return [(CallAnsweredEvent, self.play), (CallRejectedEvent, self.notAnswered)]

    def notAnswered(self, event):
        """Busy, nobody there, no such address."""
        self.returnError(CallFailed(event.reason, event.sipCode))

    def play(self, event):
        """Somebody has answered."""
        self.mediaPlay([self.announcement])
        return [
            (MediaPlayContentFailedEvent, self.notPlayed),
            (MediaPlayDoneEvent, self.hangUp),
            (CallEndedEvent, self.hungUp),
        ]

    def notPlayed(self, event):
        """There is no such file, or it is no sound."""
        self.returnError(CallFailed(event.reason))

    def hangUp(self, event):
        """All of it was played."""
        event.getLeg().hangupCall()
        return [(CallEndedEvent, self.allDone)]

    def hungUp(self, event):
        """They did not wait."""
        self.returnError(CallFailed(f"{event.reason} after {event.duration:.1f} s, before the end"))

    def allDone(self, event):
        """The call is over."""
        findings = "; ".join(str(finding) for finding in event.verdict) or "nothing was wrong"
        self.returnResult(f"played {self.announcement} in {event.duration:.1f} s; {findings}")


if __name__ == "__main__":
    from twisted.internet import reactor

    checks = {"announcement": sound(CallApp)}
    sys.exit(dial(CallApp, reactor, __doc__, checks=checks))
