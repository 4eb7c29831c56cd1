"""An outbound call that walks an IVR, as the documentation of 2004 has it (its testcisco.py)."""

from shtoom.doug import VoiceApp
from shtoom.doug.events import *


class Errand(VoiceApp):
    """Calls the switchboard, keeps what it says, chooses 1, types the account, says goodbye."""

    number = "sip:switchboard@192.0.2.10"
    caller = "sip:errand@192.0.2.11"
    account = "4711#"

    def __start__(self):
        return [(OutboundCallStartedEvent, self.dial)]

    def dial(self, event):
        self.placeCall(self.number, self.caller)
        return [(CallAnsweredEvent, self.listen), (CallRejectedEvent, self.refused)]

    def refused(self, event):
        self.returnError(Exception("the switchboard does not want to talk to us"))
        return []

    def listen(self, event):
        self.leg = event.getLeg()
        self.mediaRecord("ivr/heard.wav", self.leg)
        return self.after(3, self.choose)

    def choose(self, event):
        self.leg.sendDTMF("1")
        return self.after(2, self.typeAccount)

    def typeAccount(self, event):
        self.leg.sendDTMF(self.account, duration=0.1, delay=0.2)
        return self.after(4, self.leave)

    def leave(self, event):
        if not self.isRecording(self.leg):
            self.returnError(Exception("nothing was recorded"))
            return []
        self.mediaStop(self.leg)
        self.leg.hangupCall()
        return [(CallEndedEvent, self.allDone)]

    def after(self, delay, handler):
        self.setTimer(delay)
        return [
            (TimeoutEvent, handler),
            (MediaRecordDoneEvent, self.cutOff),
            (CallEndedEvent, self.cutOff),
        ]

    def cutOff(self, event):
        self.returnError(Exception("the switchboard hung up"))
        return []

    def allDone(self, event):
        self.returnResult(str(event.getDialog().getCallee()))
        return []
