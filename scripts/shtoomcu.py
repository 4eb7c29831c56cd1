#!/usr/bin/env python3
"""Conferences: all who dial the same user hear each other, sip:planning@ADDRESS, sip:lunch@ADDRESS.

shtoomcu.py --listen=udp:*:5060
"""

import sys

from doug import VoiceApp
from doug.conferencing import newConferenceMember
from doug.events import IGNORE_EVENT, CallAnsweredEvent, CallEndedEvent, CallStartedEvent, Event
from doug.script import serve


class ConferenceApp(VoiceApp):
    """One member; the room is the user part that was dialled."""

    def __start__(self):
        return [(CallStartedEvent, self.answerCall)]

    def answerCall(self, event):
        """A call comes in."""
        event.getLeg().answerCall(self)
        return [(CallAnsweredEvent, self.enter), (CallEndedEvent, self.allDone)]

    def enter(self, event):
        """The caller is there."""
        leg = event.getLeg()
        member = newConferenceMember(leg.getDialog().getCallee().username or "", leg)
        leg.mediaPlay([member])
        leg.mediaRecord(member)
        return [(CallEndedEvent, self.allDone), (Event, IGNORE_EVENT)]

    def allDone(self, event):
        """The member has hung up, and has left the room by that."""
        self.returnResult("left")


if __name__ == "__main__":
    from twisted.internet import reactor

    sys.exit(serve(ConferenceApp, reactor, __doc__))
