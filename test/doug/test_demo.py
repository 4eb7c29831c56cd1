"""The demo in virtual time: each of its choices, and callers who do the unexpected."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import doug.demo
from doug.demo import Demo
from doug.demo.app import spokenTime
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
        self.lab.advance(20.0)
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
        self.press("0", 4.0)
        self.hears("unknown", "menu").hangUp()
        self.over()

    def test_conference(self) -> None:
        """5: two callers hear each other and not themselves; a key leads back to the menu."""
        other = self.lab.phone().dial("sip:demo@doug")
        self.lab.advance(1.0)
        other.press("5")
        self.press("5", 5.0)
        self.hears("conference")
        self.call.sayTone(440, 2.0)
        self.lab.advance(1.5)
        other.assertHearsTone(440)
        self.call.assertSilent()
        self.lab.advance(1.0)
        self.press("1", 2.0)
        self.hears("menu").hangUp()
        other.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["goodbye"] * 2)

    def test_time(self) -> None:
        """6: the time is said, the menu follows."""
        self.lab.advance(1.0)
        self.press("6", 7.0)
        self.hears("time", "menu").hangUp()
        self.over()

    def test_timesInWords(self) -> None:
        """On the hour, the first minutes, the others."""
        for (hour, minute), words in {
            (14, 0): "14 00",
            (0, 5): "0 0 5",
            (9, 10): "9 10",
            (21, 19): "20 1 19",
            (20, 30): "20 30",
            (23, 59): "20 3 50 9",
        }.items():
            self.assertEqual(
                spokenTime(hour, minute), [f"number-{word}.wav" for word in words.split()]
            )
        for hour in range(24):
            for minute in range(60):
                for name in spokenTime(hour, minute):
                    self.assertTrue((PROMPTS / name).exists(), name)

    def test_callsBack(self) -> None:
        """7: the call ends, the phone rings, the menu is there again."""
        self.lab.advance(1.0)
        self.press("7", 4.0)
        self.hears("callback")
        self.assertEqual(self.call.state, "ended")
        self.call = self.lab.phones[0].calls[-1]
        self.assertEqual(self.call.state, "answered")
        self.lab.advance(1.0)
        self.hears("welcome").hangUp()
        self.over()

    def test_callsBackWhoHangsUpFirst(self) -> None:
        """Who hears that a call comes does not wait to be hung up on."""
        self.lab.advance(1.0)
        self.press("7", 1.0)
        self.call.hangUp()
        self.lab.advance(1.5)
        self.call = self.lab.phones[0].calls[-1]
        self.hears("welcome").hangUp()
        self.over()

    def test_nobodyIsThereToBeCalledBack(self) -> None:
        """The phone refuses: that is the end."""
        self.lab.phones[0].onCall = "busy"
        self.lab.advance(1.0)
        self.press("7", 4.0)
        self.over()

    def test_goodbye(self) -> None:
        """9: the last words are heard to their end, then Doug hangs up."""
        self.lab.advance(1.0)
        self.press("9", 4.0)
        self.hears("goodbye")
        self.over()

    def test_whoPressesNothingIsLetGo(self) -> None:
        """The menu three times, then goodbye."""
        self.lab.advance(90.0)
        self.hears("welcome", "menu", "menu", "menu", "goodbye")
        self.over()

    def test_hangingUpAtAnyMoment(self) -> None:
        """Wherever the caller leaves, nothing stays behind."""
        for keys in ("", "1", "2", "3", "5", "6", "8", "9"):
            with self.subTest(keys):
                self.setUp()
                self.lab.advance(1.0)
                self.press(keys, 5.5 if keys and keys in "235" else 1.0)
                self.call.hangUp()
                self.over()


class ConnectTests(SynchronousTestCase):
    """8, on a server that was told a target."""

    def setUp(self) -> None:
        self.lab = Lab(Demo, target="sip:bob@198.51.100.21")
        self.call = self.lab.phone("alice").dial("sip:demo@doug")
        self.lab.advance(1.0)

    def test_connectsUntilOneHangsUp(self) -> None:
        """Both hear each other; when the other is gone, the menu comes."""
        bob = self.lab.phone("bob", answerAfter=1.0)
        self.call.press("8")
        self.lab.advance(2.0)
        self.call.assertHears(PROMPTS / "connecting.wav")
        self.call.sayTone(440, 2.0)
        bob.calls[0].sayTone(600, 2.0)
        self.lab.advance(1.5)
        bob.calls[0].assertHearsTone(440)
        self.call.assertHearsTone(600)
        bob.calls[0].hangUp()
        self.lab.advance(1.0)
        self.call.assertHears(PROMPTS / "menu.wav")
        self.call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["goodbye"])

    def test_theCallerHangsUp(self) -> None:
        """So does the other leg."""
        bob = self.lab.phone("bob")
        self.call.press("8")
        self.lab.advance(2.0)
        self.call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(bob.calls[0].state, "ended")

    def test_nobodyThere(self) -> None:
        """The caller is told, and has the menu again."""
        self.lab.phone("bob", onCall="busy")
        self.call.press("8")
        self.lab.advance(3.0)
        self.call.assertHears(PROMPTS / "nobody.wav")
        self.call.hangUp()
        self.lab.assertNothingLeft()
