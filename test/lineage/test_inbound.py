"""The inbound reference application in virtual time: a phone walks through all of it."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Lab, PhoneCall
from doug.testing.ear import readSound
from test.lineage.inbound import Switchboard
from test.lineage.sounds import makeSounds


class SwitchboardTests(SynchronousTestCase):
    """One phone, and an operator for those who want one."""

    def setUp(self) -> None:
        makeSounds()
        Switchboard.lookUps.clear()
        self.lab = Lab(Switchboard)

    def call(self, name: str = "alice") -> PhoneCall:
        """A phone calls; one second has passed."""
        call = self.lab.phone(name).dial("sip:switchboard@doug")
        self.lab.advance(1.0)
        return call

    def over(self, call: PhoneCall, *results: str) -> None:
        """The call has ended, the application has returned, nothing is left."""
        self.lab.assertNothingLeft()
        self.assertEqual(call.state, "ended")
        self.assertEqual(self.lab.results, list(results))
        self.assertEqual(self.lab.failures, [])

    def test_welcomeAndMenuThenTheCallEnds(self) -> None:
        """Who presses nothing hears both prompts, and is let go after four seconds."""
        call = self.call()
        self.lab.advance(4.0)
        call.assertHears("ivr/welcome.wav")
        call.assertHears("ivr/menu.wav")
        self.assertEqual(call.state, "answered")
        self.lab.advance(2.0)
        self.over(call, "")

    def test_anUnwantedCallerIsRejected(self) -> None:
        """rejectCall(CallRejected): 603 with the words of the application."""
        call = self.call("nuisance")
        self.assertEqual(call.state, "failed")
        assert call.failure is not None
        self.assertEqual(str(call.failure), "603 not you again")
        self.lab.assertNothingLeft()

    def test_anAccountNumberIsCollectedAndLookedUp(self) -> None:
        """Keys up to # are one event; what comes while the Deferred pends is not lost."""
        call = self.call()
        call.press("1")
        self.lab.advance(1.0)
        call.assertHears("ivr/account.wav")
        call.press("4711#")
        self.lab.advance(2.0)
        call.press("0")  # too early: nothing is being said
        self.lab.advance(1.0)
        self.assertEqual(call.state, "answered")
        Switchboard.lookUps.pop().callback("ivr/thanks.wav")
        self.over(call, "1 4711# 0")

    def test_anUnfinishedAccountNumberIsAskedForAgain(self) -> None:
        """Five seconds after the first key DTMFTimeoutEvent comes."""
        call = self.call()
        call.press("1")
        self.lab.advance(2.0)
        call.forget()
        call.press("47")
        self.lab.advance(6.0)
        call.assertHears("ivr/account.wav")
        call.press("4711#")
        self.lab.advance(2.0)
        Switchboard.lookUps.pop().callback("ivr/thanks.wav")
        self.lab.advance(1.0)
        call.assertHears("ivr/thanks.wav")
        call.hangUp()
        self.over(call, "1 4711#")

    def test_aMessageIsRecorded(self) -> None:
        """The file has what was said, from the tick after mediaRecord to mediaStop."""
        call = self.call()
        call.press("2")
        self.lab.advance(1.0)
        call.sayTone(440, 2.0)
        self.lab.advance(2.5)
        call.press("#")
        self.lab.advance(0.5)
        call.assertHears("ivr/thanks.wav")
        self.over(call, "2")
        seconds = len(readSound(Path("ivr/message.wav"))) / 8000
        self.assertLess(abs(seconds - 3.5), 0.2)

    def test_whoHangsUpInTheMiddleEndsTheApplication(self) -> None:
        """Wherever it happens: CallEndedEvent, one result."""
        for keys in ("", "1", "2", "9"):
            with self.subTest(keys):
                self.lab = Lab(Switchboard)
                call = self.call()
                if keys:
                    call.press(keys)
                self.lab.advance(1.0)
                call.hangUp()
                self.over(call, keys)

    def test_theOperatorIsBusy(self) -> None:
        """CallRejectedEvent: the caller is told, and has the menu again."""
        call = self.call()
        self.lab.phone("operator", onCall="busy")
        call.press("3")
        self.lab.advance(1.5)
        call.assertHears("ivr/sorry.wav")
        call.press("0")
        self.over(call, "3 0")

    def test_theOperatorIsConnected(self) -> None:
        """connectLegs: both hear each other, and the end of one ends the other's call."""
        call = self.call()
        operator = self.lab.phone("operator", answerAfter=0.5)
        call.press("3")
        self.lab.advance(2.0)
        call.sayTone(440, 2.0)
        operator.calls[0].sayTone(600, 2.0)
        self.lab.advance(1.5)
        operator.calls[0].assertHearsTone(440)
        call.assertHearsTone(600)
        operator.calls[0].hangUp()
        self.over(call, "3")
