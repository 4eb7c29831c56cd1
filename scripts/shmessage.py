#!/usr/bin/env python3
"""Answers, plays an announcement, hangs up: the simplest application there is.

shmessage.py --listen=udp:127.0.0.1:5070 --args=announcement=hello.wav
"""

import sys
from pathlib import Path

import doug.demo
from doug import VoiceApp
from doug.events import CallAnsweredEvent, CallEndedEvent, CallStartedEvent, MediaPlayDoneEvent
from doug.script import serve
from doug.scriptargs import sound


class MessageApp(VoiceApp):
    """Plays `announcement` (a file) to everybody who calls."""

    announcement = str(Path(doug.demo.__file__).parent / "prompts" / "welcome.wav")

    def __start__(self):
        return [(CallStartedEvent, self.answerCall)]

    def answerCall(self, event):
        """A call comes in."""
        event.getLeg().answerCall(self)
        return [(CallAnsweredEvent, self.beginAnnouncement), (CallEndedEvent, self.allDone)]

    def beginAnnouncement(self, event):
        """The caller is there."""
        self.mediaPlay([self.announcement])
        return [(MediaPlayDoneEvent, self.allDone), (CallEndedEvent, self.allDone)]

    def allDone(self, event):
        """The announcement, or the caller's patience, is at its end."""
        self.returnResult("played")


if __name__ == "__main__":
    from twisted.internet import reactor

    checks = {"announcement": sound(MessageApp)}
    sys.exit(serve(MessageApp, reactor, __doc__, checks=checks))
