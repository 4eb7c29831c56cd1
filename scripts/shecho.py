#!/usr/bin/env python3
"""Answers and sends back what it hears, until the caller hangs up.

shecho.py --listen=udp:127.0.0.1:5070 --args=delay=0.5
"""

import sys

from doug import VoiceApp
from doug.events import IGNORE_EVENT, CallAnsweredEvent, CallEndedEvent, CallStartedEvent, Event
from doug.script import serve
from doug.scriptargs import seconds
from doug.source import EchoSource


class EchoApp(VoiceApp):
    """The echo; `delay` in seconds."""

    delay = 0.0

    def __start__(self):
        return [(CallStartedEvent, self.answerCall)]

    def answerCall(self, event):
        """A call comes in."""
        event.getLeg().answerCall(self)
        return [(CallAnsweredEvent, self.beginEcho), (CallEndedEvent, self.allDone)]

    def beginEcho(self, event):
        """The caller is there."""
        echo = EchoSource(float(self.delay))
        self.mediaPlay([echo])
        self.mediaRecord(echo)
        return [(CallEndedEvent, self.allDone), (Event, IGNORE_EVENT)]

    def allDone(self, event):
        """The caller has hung up."""
        self.returnResult("done")


if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(serve(EchoApp, reactor, __doc__, checks={"delay": seconds}))
