"""An inbound IVR as the documentation of 2004 has it: menu, account number, message, operator."""

from shtoom.doug import VoiceApp
from shtoom.doug.events import *
from shtoom.exceptions import CallRejected
from twisted.internet.defer import Deferred

PATIENCE = 4  # seconds without a key


class Switchboard(VoiceApp):
    """1: account number, looked up elsewhere. 2: leaves a message. 3: the operator. 0: the end."""

    barred = "sip:nuisance@198.51.100.20"
    operator = "sip:operator@198.51.100.21"
    number = "sip:switchboard@192.0.2.10"
    lookUps = []  # Deferreds that somebody fires when an account is found

    def __start__(self):
        self.pressed = []
        self.timers = 0
        return [(CallStartedEvent, self.callStarted)]

    def callStarted(self, event):
        self.caller = event.getLeg()
        if str(event.getDialog().getCaller()) == self.barred:
            self.caller.rejectCall(CallRejected("not you again"))
        else:
            self.caller.answerCall(self)
        return self.state((CallAnsweredEvent, self.welcome))

    def state(self, *pairs):
        """Timers cannot be cancelled, so every state may meet an old one."""
        self.current = [*pairs, (TimeoutEvent, self.oldTimer), (CallEndedEvent, self.allDone)]
        return self.current

    def oldTimer(self, event):
        self.timers -= 1
        return self.current

    # The menu

    def welcome(self, event):
        return self.menu(["ivr/welcome.wav", "ivr/menu.wav"])

    def menu(self, playlist):
        self.dtmfMode(True, False, self.caller)
        self.mediaPlay(playlist)
        return self.state(
            (DTMFReceivedEvent, self.chosen), (MediaPlayContentDoneEvent, self.waitForKey)
        )

    def waitForKey(self, event):
        self.timers += 1
        self.setTimer(PATIENCE)
        return self.state((DTMFReceivedEvent, self.chosen), (TimeoutEvent, self.waited))

    def waited(self, event):
        self.timers -= 1
        return self.current if self.timers else self.hangUp(event)

    def chosen(self, event):
        if self.isPlaying():
            self.mediaStop()
        self.pressed.append(event.digits)
        choices = {"1": self.account, "2": self.message, "3": self.dial, "0": self.hangUp}
        choice = choices.get(event.digits)
        return choice(event) if choice else self.menu(["ivr/menu.wav"])

    # 1: a string of keys, and an answer that takes its time

    def account(self, event):
        self.caller.dtmfMode(single=False, inband=False, timeout=5)
        self.caller.mediaPlay(["ivr/account.wav"])
        return self.state(
            (DTMFTimeoutEvent, self.account),
            (DTMFReceivedEvent, self.lookUp),
            (MediaPlayDoneEvent, self.typing),
        )

    def typing(self, event):
        return self.state((DTMFTimeoutEvent, self.account), (DTMFReceivedEvent, self.lookUp))

    def lookUp(self, event):
        self.mediaStop()
        self.pressed.append(event.digits)
        self.dtmfMode(single=True, inband=False)
        found = Deferred()
        found.addCallback(lambda sound: self.menu([sound, "ivr/menu.wav"]))
        self.lookUps.append(found)
        return found

    # 2: a message

    def message(self, event):
        self.mediaRecord("ivr/message.wav")
        return self.state((DTMFReceivedEvent, self.thanks), (MediaRecordDoneEvent, self.allDone))

    def thanks(self, event):
        if self.isRecording():
            self.mediaStop()
        self.mediaPlay(["ivr/thanks.wav"])
        return self.state((MediaPlayDoneEvent, self.hangUp))

    # 3: the operator

    def dial(self, event):
        self.placeCall(self.operator, self.number)
        return self.state((CallAnsweredEvent, self.connect), (CallRejectedEvent, self.noOperator))

    def noOperator(self, event):
        return self.menu(["ivr/sorry.wav", "ivr/menu.wav"])

    def connect(self, event):
        self.connectLegs(self.caller, event.getLeg())
        return self.talk(event)

    def talk(self, event):
        return self.state((DTMFReceivedEvent, self.talk))

    # The end

    def hangUp(self, event):
        self.getDefaultLeg().hangupCall()
        return self.state()

    def allDone(self, event):
        self.returnResult(" ".join(self.pressed))
        return []
