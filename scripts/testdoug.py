#!/usr/bin/env python3
"""Tries Doug on this machine: starts a server, calls it over loopback, says what works.

testdoug.py

Exit code 0: all of it; 2: something does not; 1: a mistake on this line.
"""

import io
import socket
import sys

import numpy as np

from doug import VoiceApp
from doug.application import DougApplication
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    MediaPlayDoneEvent,
    TimeoutEvent,
)
from doug.script import dial
from doug.settings import Endpoint, Settings
from doug.source import EchoSource
from doug.testing.hearing import toneShare
from shtoom.audio.tones import sine
from shtoom.exceptions import CallFailed

HOST, HZ, KEYS = "127.0.0.1", 440.0, "159#"


class EchoApp(VoiceApp):
    """The called side: sends back what it hears, notes the keys."""

    keys = ()

    def __start__(self):
        return [(CallStartedEvent, self.answerCall)]

    def answerCall(self, event):
        """We call."""
        event.getLeg().answerCall(self)
        return [(CallAnsweredEvent, self.echo), (CallEndedEvent, self.allDone)]

    def echo(self, event):
        """Until we hang up."""
        echo = EchoSource()
        self.mediaPlay([echo])
        self.mediaRecord(echo)
        self.dtmfMode(single=False)
        return [(DTMFReceivedEvent, self.key), (CallEndedEvent, self.allDone)]

    def key(self, event):
        """All of them, up to the #."""
        self.keys.append(event.digits)

    def allDone(self, event):
        """We have hung up."""
        self.returnResult(None)


class SelfTest(VoiceApp):
    """The calling side."""

    keys = ()

    def __start__(self):
        self.failed = 0
        return [(CallStartedEvent, self.dialling)]

    def check(self, what, works):
        """A line for each thing that was tried."""
        print(f"{'ok' if works else 'FAILED':8}{what}", flush=True)
        self.failed += not works

    def dialling(self, event):
        """The call is on its way."""
        return [(CallAnsweredEvent, self.speak), (CallRejectedEvent, self.notAnswered)]

    def notAnswered(self, event):
        """Not even that."""
        self.returnError(CallFailed(event.reason, event.sipCode))

    def speak(self, event):
        """A tone goes there, and comes back."""
        self.check("SIP: a call is placed and answered", True)
        self.leg = event.getLeg()
        self.heard = io.BytesIO()
        self.heard.close = lambda: None  # it is read after the recording has ended
        self.leg.mediaRecord(self.heard)
        self.leg.mediaPlay(io.BytesIO(sine(HZ, 1.0).tobytes()))
        return [(MediaPlayDoneEvent, self.listen), (CallEndedEvent, self.hungUp)]

    async def listen(self, event):
        """What has come back until now; then the keys."""
        self.leg.mediaStopRecording()
        await self.leg.sendDTMF(KEYS, duration=0.1, delay=0.1)
        self.setTimer(0.5)
        return [(TimeoutEvent, self.hangUp), (CallEndedEvent, self.hungUp), (Event, IGNORE_EVENT)]

    def hangUp(self, event):
        """All was said."""
        heard = np.frombuffer(self.heard.getvalue(), np.int16)
        self.check("RTP: sound goes out and comes back", toneShare(heard[-4000:], HZ) > 0.9)
        self.check(f"keys: {KEYS} is sent and received", list(self.keys) == [KEYS])
        self.leg.hangupCall()
        return [(CallEndedEvent, self.allDone), (Event, IGNORE_EVENT)]

    def hungUp(self, event):
        """The called side is not to do that."""
        self.returnError(CallFailed(f"{event.reason} after {event.duration:.1f} s, before the end"))

    def allDone(self, event):
        """The end."""
        findings = "; ".join(finding.text for finding in event.verdict)
        self.check(f"verdict: {findings or 'nothing was wrong with the call'}", not findings)
        if self.failed:
            self.returnError(CallFailed(f"{self.failed} of these do not work"))
        else:
            self.returnResult("Doug works on this machine")


def main(reactor):
    """Returns the exit code."""
    keys = []

    def start():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        settings = Settings(listen=(Endpoint("udp", HOST, port),), args={"keys": keys})
        server = DougApplication(EchoApp, reactor=reactor, settings=settings)
        server.start()
        reactor.addSystemEventTrigger("before", "shutdown", server.shutdown)
        return f"sip:selftest@{HOST}:{port}"

    class Calling(SelfTest):
        pass

    Calling.keys = keys
    return dial(Calling, reactor, __doc__, address=start)


if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(main(reactor))
