"""The demo in virtual time: each of its choices, and callers who do the unexpected."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import doug.demo
from doug.demo import Demo
from doug.testing import Lab, PhoneCall

PROMPTS = Path(doug.demo.__file__).parent / "prompts"


class DemoTests(SynchronousTestCase):
    """A phone calls and presses keys."""

    def setUp(self) -> None:
        self.lab = Lab(Demo)
        self.call = self.lab.phone().dial("sip:demo@doug")

    def hears(self, *names: str) -> PhoneCall:
        """The prompts are heard, in that order."""
        for name in names:
            self.call.assertHears(PROMPTS / f"{name}.wav")
        return self.call

    def press(self, keys: str, then: float) -> None:
        """Presses keys and lets time pass."""
        self.call.press(keys)
        self.lab.advance(then)

    def over(self, result: str | None = "goodbye") -> None:
        """The call is over, the application has returned, nothing is left."""
        self.lab.assertNothingLeft()
        self.assertEqual(self.call.state, "ended")
        self.assertEqual(self.lab.results, [result])
        self.assertEqual(self.lab.failures, [])

    def test_welcomeAndMenu(self) -> None:
        """Both are said at once, in full."""
        self.lab.advance(13.0)
        self.hears("welcome", "menu").hangUp()
        self.over()

    def test_aKeyCutsTheMenuShort(self) -> None:
        """1 during the menu: the announcement comes within a tenth of a second."""
        self.lab.advance(3.0)
        self.call.forget()
        self.press("1", 0.6)
        self.hears("about").hangUp()
        self.over()

    def test_echo(self) -> None:
        """2: what is said comes back, until a key is pressed."""
        self.lab.advance(1.0)
        self.press("2", 6.0)
        self.hears("echo")
        self.call.sayTone(440, 2.0)
        self.lab.advance(1.5)
        self.call.assertHearsTone(440)
        self.lab.advance(1.0)
        self.press("5", 2.0)
        self.hears("menu").hangUp()
        self.over()

    def test_recordAndPlayBack(self) -> None:
        """3, speaking, #: the message comes back; 4 plays it once more."""
        self.lab.advance(1.0)
        self.press("3", 5.0)
        self.hears("record")
        self.call.sayTone(600, 3.0)
        self.lab.advance(3.0)
        self.press("#", 2.5)
        self.hears("recorded")
        self.call.assertHearsTone(600)
        self.lab.advance(3.0)
        self.press("4", 1.5)
        self.call.assertHearsTone(600)
        self.call.hangUp()
        self.over()

    def test_nothingRecordedYet(self) -> None:
        """4 without a message says so."""
        self.lab.advance(1.0)
        self.press("4", 2.5)
        self.hears("nothing").hangUp()
        self.over()

    def test_aKeyThatDoesNothing(self) -> None:
        """It is said, and the menu follows."""
        self.lab.advance(1.0)
        self.press("7", 4.0)
        self.hears("unknown", "menu").hangUp()
        self.over()

    def test_goodbye(self) -> None:
        """9: the last words are heard to their end, then Doug hangs up."""
        self.lab.advance(1.0)
        self.press("9", 4.0)
        self.hears("goodbye")
        self.over()

    def test_whoPressesNothingIsLetGo(self) -> None:
        """The menu three times, then goodbye."""
        self.lab.advance(60.0)
        self.hears("welcome", "menu", "menu", "menu", "goodbye")
        self.over()

    def test_hangingUpAtAnyMoment(self) -> None:
        """Wherever the caller leaves, nothing stays behind."""
        for keys in ("", "1", "2", "3", "9"):
            with self.subTest(keys):
                self.setUp()
                self.lab.advance(1.0)
                self.press(keys, 5.5 if keys in "23" else 1.0)
                self.call.hangUp()
                self.over()
