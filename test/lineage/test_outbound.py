"""The outbound reference application in virtual time: it walks the inbound one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from doug.testing import Lab
from doug.testing.ear import readSound
from doug.testing.hearing import locate
from test.lineage.inbound import Switchboard
from test.lineage.outbound import Errand
from test.lineage.sounds import makeSounds
from test.support.secondserver import SecondServer


class ErrandTests(SynchronousTestCase):
    """Two servers: the switchboard's, and one whose application was started without a call."""

    def setUp(self) -> None:
        makeSounds()
        Switchboard.lookUps.clear()
        self.lab = Lab(Switchboard)

    def errand(self, **args: str) -> None:
        """The application is started and dials at once."""
        self.server = SecondServer(self.lab, Errand, "192.0.2.11", **args)
        self.server.startVoiceApp()

    def over(self) -> None:
        """Nothing is left on either side."""
        self.server.close()
        self.lab.assertNothingLeft()

    def test_walksTheSwitchboard(self) -> None:
        """It hears the menu, presses 1, types the account, hears its answer, and hangs up."""
        self.errand()
        self.lab.advance(7.0)
        self.assertEqual(len(Switchboard.lookUps), 1)
        Switchboard.lookUps.pop().callback("ivr/thanks.wav")
        self.lab.advance(10.0)
        self.over()
        self.assertEqual(self.server.results, ["sip:switchboard@192.0.2.10"])
        self.assertEqual(self.lab.results, ["1 4711#"])
        heard = readSound("ivr/heard.wav")
        for name in ("welcome", "menu", "account", "thanks"):
            self.assertIsNotNone(locate(heard, readSound(f"ivr/{name}.wav")), name)

    def test_isRejected(self) -> None:
        """CallRejectedEvent: the application ends with returnError."""
        self.errand(caller=Switchboard.barred)
        self.lab.advance(1.0)
        self.over()
        self.assertEqual(len(self.server.failures), 1)
        self.assertIn("does not want to talk", str(self.server.failures[0].value))

    def test_isCutOff(self) -> None:
        """The switchboard ends the call: the event comes in the middle of the errand."""
        self.errand()
        self.lab.advance(2.0)
        for cookie in self.lab.application.listVoiceapps():
            self.lab.application.dropCall(cookie)
        self.lab.advance(1.0)
        self.over()
        self.assertIn("hung up", str(self.server.failures[0].value))
