"""DOC/recipes.md: each recipe is called, or calls, and does what the text above it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doug.testing import Lab, Phone, PhoneCall
from doug.testing.ear import readSound
from test.documents.example import Examples, ExampleTestCase, blockOf

RECIPES = "DOC/recipes.md"


class RecipeTestCase(ExampleTestCase):
    """heading, number: which block; it is loaded as self.module."""

    heading = ""
    tones = {
        name: 300 + 110 * i
        for i, name in enumerate(
            ("welcome", "one", "two", "times", "pin", "goodbye", "greeting", "alone")
        )
    }

    def setUp(self) -> None:
        super().setUp()
        self.module = self.saved("recipe", blockOf(RECIPES, self.heading))

    def assertOver(self, lab: Lab, *results: Any) -> None:
        """Nothing is left; that is what the applications returned."""
        lab.assertNothingLeft()
        self.assertEqual((lab.results, lab.failures), (list(results), []))


class MenuTests(RecipeTestCase):
    """Menu."""

    heading = "Menu"

    def test_submenus(self) -> None:
        """Into one, a choice there, and back."""
        lab, call = self.dial(self.module.Menus)
        for key, sound in (("2", "times.wav"), ("1", "two.wav"), ("*", "welcome.wav")):
            call.forget()
            call.press(key)
            lab.advance(1.0)
            call.assertHears(sound)
        call.press("1")
        lab.advance(4.0)
        call.assertHears("one.wav")
        call.assertHears("welcome.wav")
        call.press("9")
        lab.advance(1.0)
        call.assertHears("welcome.wav")
        call.hangUp()
        self.assertOver(lab, "main")

    def test_patience(self) -> None:
        """Three times, five seconds apart, then the call ends; a key begins anew."""
        lab, call = self.dial(self.module.Menus)
        lab.advance(18.0)  # three seconds of sound, five of silence, twice
        for _ in range(3):
            call.assertHears("welcome.wav", atLeast=1.0)
        self.assertEqual(call.state, "answered")
        call.press("9")
        lab.advance(3.0 + 5.0)
        self.assertEqual(call.state, "answered")
        lab.advance(20.0)
        self.assertEqual(call.state, "ended")
        self.assertOver(lab, "main")


class DigitsTests(RecipeTestCase):
    """Collecting digits, with another try."""

    heading = "Collecting digits, with another try"

    def setUp(self) -> None:
        super().setUp()
        self.lab, self.call = self.dial(self.module.PIN)

    def press(self, keys: str) -> None:
        """Two seconds for some keys."""
        self.call.press(keys)
        self.lab.advance(2.0)

    def test_right(self) -> None:
        """While the question is being said; `*` costs no try."""
        for keys in ("1*", "12*", "123*"):
            self.press(keys)
        self.press("2468")
        self.call.assertHears("welcome.wav")
        self.lab.advance(3.0)
        self.assertOver(self.lab, "in")

    def test_wrongThreeTimes(self) -> None:
        """Wrong ones, too few, and none at all; each is asked for again."""
        self.press("1111")
        self.call.assertHears("pin.wav")
        self.press("22")
        self.lab.advance(4.0)
        self.call.forget()
        self.lab.advance(2.0)
        self.call.assertHears("pin.wav")
        self.lab.advance(14.0)
        self.call.assertHears("goodbye.wav")
        self.lab.advance(3.0)
        self.assertEqual(self.call.state, "ended")
        self.assertOver(self.lab, "out")

    def test_hangUp(self) -> None:
        """At the first try."""
        self.call.hangUp()
        self.assertOver(self.lab, "out")


class VoicemailTests(RecipeTestCase):
    """Voicemail."""

    heading = "Voicemail"

    def greeted(self) -> tuple[Lab, PhoneCall]:
        """Greeting and beep are over, the caller speaks for three seconds."""
        lab, call = self.dial(self.module.Voicemail, folder=str(self.folder))
        lab.advance(2.5)
        call.assertHears("greeting.wav", atLeast=2.0)
        call.sayTone(440, 3.0)
        lab.advance(2.5)
        return lab, call

    def kept(self, lab: Lab) -> float:
        """The message's length in seconds."""
        lab.assertNothingLeft()
        [path] = lab.results
        return len(readSound(Path(path))) / 8000

    def test_aKeyEndsIt(self) -> None:
        """`#`; it is no part of the message."""
        lab, call = self.greeted()
        call.press("#")
        lab.advance(1.0)
        self.assertEqual(call.state, "ended")
        self.assertApproximates(self.kept(lab), 2.7, 0.3)

    def test_silenceEndsIt(self) -> None:
        """Four seconds of it."""
        lab, call = self.greeted()
        lab.advance(6.0)
        self.assertEqual(call.state, "ended")
        self.assertGreater(self.kept(lab), 3.0)

    def test_whoHangsUpIsHeardToo(self) -> None:
        """The message is complete."""
        lab, call = self.greeted()
        call.hangUp()
        lab.advance(1.0)
        self.assertApproximates(self.kept(lab), 2.7, 0.3)

    def test_nothingSaid(self) -> None:
        """A hang-up at the beep leaves no file."""
        lab, call = self.dial(self.module.Voicemail, folder=str(self.folder))
        lab.advance(2.8)
        call.hangUp()
        self.assertOver(lab, None)
        self.assertEqual(list(self.folder.glob("leg-*.wav")), [])

    def test_noSuchFolder(self) -> None:
        """The error says which, and why."""
        lab, _ = self.dial(self.module.Voicemail, folder=str(self.folder / "missing"))
        lab.advance(3.0)
        lab.assertNothingLeft()
        [error] = self.flushLoggedErrors(OSError)
        self.assertIn("missing", str(error.value))


class CallBackTests(RecipeTestCase):
    """Call back."""

    heading = "Call back"

    def test_refusedThenCalled(self) -> None:
        """486, and two seconds later the phone rings."""
        lab = Lab(self.module.CallBack)
        phone = lab.phone("alice", answerAfter=1.0)
        call = phone.dial("sip:back@doug")
        lab.advance(1.0)
        self.assertEqual(str(call.failure), "486 calling you back")
        lab.advance(4.0)
        _, back = phone.calls
        back.assertHears("welcome.wav")
        lab.advance(3.0)
        self.assertOver(lab, "called back")

    def test_notReached(self) -> None:
        """Who does not answer."""
        lab = Lab(self.module.CallBack)
        lab.phone("alice", onCall="ring").dial("sip:back@doug")
        lab.advance(40.0)
        self.assertOver(lab, "not reached")


class ConferenceTests(RecipeTestCase):
    """Conference with a PIN."""

    heading = "Conference with a PIN"

    def test_roomsAreApart(self) -> None:
        """Two in one room, one in another; a wrong PIN is asked for again."""
        lab = Lab(self.module.Rooms)
        calls = [lab.phone().dial("sip:rooms@doug") for _ in range(3)]
        lab.advance(1.0)
        calls[0].press("9999")
        lab.advance(1.5)
        calls[0].assertHears("pin.wav")
        for call, pin in zip(calls, ("1111", "1111", "2222"), strict=True):
            call.forget()
            call.press(pin)
            lab.advance(1.5)
        calls[0].assertHears("alone.wav")
        calls[1].assertDoesNotHear("alone.wav")
        calls[2].assertHears("alone.wav")
        lab.advance(3.0)
        calls[0].sayTone(440, 1.0)
        lab.advance(0.9)
        calls[1].assertHearsTone(440)
        calls[2].assertSilent()
        calls[1].press("0")
        lab.advance(1.0)
        calls[1].assertHears("pin.wav")
        for call in calls:
            call.hangUp()
        self.assertOver(lab, "left", "left", "left")


class NotificationTests(RecipeTestCase):
    """Notification."""

    heading = "Notification"

    def notify(self, *phones: dict[str, Any]) -> tuple[Lab, list[Phone]]:
        """Phones, all of which are called; half a minute passes."""
        exec(blockOf(RECIPES, self.heading, 1), vars(self.module))
        lab = Lab(self.module.Notify)
        called = [lab.phone(f"p{i}", **options) for i, options in enumerate(phones)]
        numbers = [phone.uri for phone in called]
        cookies = self.module.notify(lab.application, numbers, "one.wav")
        self.assertEqual(sorted(cookies), sorted(lab.application.listVoiceapps()))
        lab.advance(1.0)
        return lab, called

    def test_confirmed(self) -> None:
        """Both hear the message; the one who presses a key is done, the other is called again."""
        lab, phones = self.notify({}, {})
        for phone in phones:
            phone.calls[0].assertHears("one.wav")
        phones[0].calls[0].press("1")
        lab.advance(1.0)
        self.assertEqual(lab.results, [(phones[0].uri, "confirmed")])
        lab.advance(72.0)
        self.assertEqual([len(phone.calls) for phone in phones], [1, 2])
        phones[1].calls[1].press("1")
        self.assertOver(lab, *((phone.uri, "confirmed") for phone in phones))

    def test_threeTries(self) -> None:
        """Busy each time."""
        lab, [phone] = self.notify({"onCall": "busy"})
        lab.advance(130.0)
        self.assertOver(lab, (phone.uri, "Busy Here"))


EXAMPLES: Examples = {
    (RECIPES, MenuTests.heading): [MenuTests.test_submenus],
    (RECIPES, DigitsTests.heading): [DigitsTests.test_right],
    (RECIPES, VoicemailTests.heading): [VoicemailTests.test_aKeyEndsIt],
    (RECIPES, CallBackTests.heading): [CallBackTests.test_refusedThenCalled],
    (RECIPES, ConferenceTests.heading): [ConferenceTests.test_roomsAreApart],
    (RECIPES, NotificationTests.heading): 2 * [NotificationTests.test_confirmed],
}
