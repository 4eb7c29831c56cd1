"""The contract, section 5: keys as tones in the sound, and keys that a leg sends, in a call."""

from __future__ import annotations

from typing import Any

from test.doug.puppet import LegTestCase


class InbandTests(LegTestCase):
    """dtmfMode(inband=True)."""

    def test_tonesAreKeys(self) -> None:
        """Once it is on, and not before; evidence says that they were heard."""
        self.begin(events=False)
        self.call.sayKeys("1")
        self.lab.advance(0.5)
        self.assertEqual(self.keys(), [])
        self.leg.dtmfMode(single=True, inband=True)
        self.call.sayKeys("23")
        self.lab.advance(0.6)
        self.assertEqual(self.keys(), ["2", "3"])
        self.assertEqual([seen.how for seen in self.app.last().evidence], ["inband"])
        self.finish()

    def test_onePressInTwoFormsIsOneKey(self) -> None:
        """As a tone and as a telephone-event at the same time (RFC 4733)."""
        self.begin()
        self.leg.dtmfMode(single=False, inband=True, maxDigits=2)
        for key in "55":
            self.call.press(key)
            self.call.sayKeys(key)
            self.lab.advance(1.0)
        self.assertEqual(self.keys(), ["55"])
        self.finish()

    def keys(self) -> list[str]:
        """What came as DTMFReceivedEvent."""
        return [event.digits for event in self.app.events if hasattr(event, "digits")]


class SendTests(LegTestCase):
    """sendDTMF(digits, duration, delay)."""

    def send(self, digits: str, **options: float) -> list[Any]:
        """A list that has something when the Deferred has fired."""
        fired: list[Any] = []
        self.leg.sendDTMF(digits, **options).addCallback(fired.append)
        return fired

    def test_asTelephoneEvents(self) -> None:
        """The default times: 0.1 seconds of each key, 0.5 between two; `,` pauses."""
        self.begin()
        fired = self.send("12,#")
        self.lab.advance(0.7)
        self.assertEqual((self.call.keys, fired), ("12", []))
        self.lab.advance(1.5)
        self.assertEqual((self.call.keys, fired), ("12", []))
        self.lab.advance(2.0)
        self.assertEqual((self.call.keys, fired), ("12#", [None]))
        self.finish()

    def test_asTones(self) -> None:
        """To a phone that does not know RFC 4733."""
        self.begin(events=False)
        fired = self.send("19*", duration=0.1, delay=0.1)
        self.lab.advance(1.5)
        self.assertEqual((self.call.tones, fired), ("19*", [None]))
        self.finish()

    def test_aWrongCharacterIsRefusedBeforeAnythingIsSent(self) -> None:
        """E and F have no tone."""
        self.begin()
        for digits in ("12E", "F", "1 2"):
            self.assertRaises(ValueError, self.leg.sendDTMF, digits)
        self.lab.advance(1.0)
        self.assertEqual(self.call.keys, "")
        self.finish()

    def test_theEndOfTheCallFiresIt(self) -> None:
        """Without an error; so does a call on a leg that has ended."""
        self.begin()
        fired = self.send("123456")
        self.lab.advance(1.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual((fired, self.send("1")), ([None], [None]))
        self.finish()
