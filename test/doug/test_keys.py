"""doug.keys: which sightings of a key are one press, in whatever forms and order they come."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.digits import KEYS, Press
from doug.keys import INBAND, INFO, RFC4733, KeySightings


class PressTests(SynchronousTestCase):
    """One press in several forms."""

    def setUp(self) -> None:
        self.sightings = KeySightings()

    def began(self, digit: str, how: str, at: float) -> Press:
        """It must be a new press."""
        press = self.sightings.began(digit, how, at)
        assert press is not None
        return press

    def test_toneFirstThenTheEvent(self) -> None:
        """dtmf-003: reported when first seen; evidence has both forms."""
        press = self.began("8", INBAND, 0.0)
        self.assertIsNone(self.sightings.began("8", RFC4733, 0.05))
        self.assertEqual((press.how, press.seen), ("inband", ["inband", "rfc4733"]))

    def test_eventFirstThenTheTone(self) -> None:
        """A tone is found later than its event, also when the event has ended."""
        press = self.began("8", RFC4733, 0.0)
        self.sightings.ended("8", RFC4733, 0.08, 0.08)
        self.assertIsNone(self.sightings.began("8", INBAND, 0.12))
        self.assertEqual((press.how, press.seen), ("rfc4733", ["rfc4733", "inband"]))

    def test_infoWhenTheKeyIsLetGo(self) -> None:
        """However long the key was down."""
        press = self.began("1", RFC4733, 0.0)
        self.sightings.ended("1", RFC4733, 3.0, 3.0)
        self.assertIsNone(self.sightings.began("1", INFO, 3.1))
        self.assertEqual(press.seen, ["rfc4733", "info"])

    def test_allThreeForms(self) -> None:
        """Are one press."""
        self.began("1", INBAND, 0.0)
        self.assertIsNone(self.sightings.began("1", RFC4733, 0.02))
        self.assertIsNone(self.sightings.began("1", INFO, 0.2))

    def test_aLaterPressInOneFormOnlyIsAPress(self) -> None:
        """dtmf-003: after a moment the other form has nothing to do with it any more."""
        self.began("8", RFC4733, 0.0)
        self.sightings.ended("8", RFC4733, 0.1, 0.1)
        self.began("8", INBAND, 1.0)

    def test_noMoreThanTwentyInAnySecond(self) -> None:
        """Whoever sends more, in one form or another, is no person: the rest is dropped."""
        sightings = KeySightings()
        times = []
        for n in range(300):
            press = sightings.began("0123456789"[n % 10], (INFO, INBAND)[n % 2], n * 0.01)
            if press is not None:
                times.append(press.at)
        self.assertEqual((len(times), sightings.count), (60, 60))
        for first, later in zip(times, times[20:], strict=False):
            self.assertGreaterEqual(later - first, 1.0)

    def test_theSameKeyTwiceQuickly(self) -> None:
        """Forms keep their order: the second tone belongs to the second event."""
        self.began("5", RFC4733, 0.0)
        self.sightings.ended("5", RFC4733, 0.05, 0.05)
        self.began("5", RFC4733, 0.1)
        self.assertIsNone(self.sightings.began("5", INBAND, 0.11))
        self.sightings.ended("5", INBAND, 0.16, 0.05)
        self.assertIsNone(self.sightings.began("5", INBAND, 0.21))
        self.began("5", RFC4733, 0.3)

    def test_anotherKeyIsAnotherPress(self) -> None:
        """Whatever its form."""
        self.began("5", RFC4733, 0.0)
        self.began("6", INBAND, 0.05)

    def test_aToneWithAHoleIsTheEventThatIsDown(self) -> None:
        """Lost sound splits a tone; the event knows better."""
        self.began("5", RFC4733, 0.0)
        self.assertIsNone(self.sightings.began("5", INBAND, 0.08))
        self.sightings.ended("5", INBAND, 0.2, 0.1)
        self.assertIsNone(self.sightings.began("5", INBAND, 0.3))

    def test_aFormThatIsSwitchedOffEndsNothing(self) -> None:
        """Its presses are open for a moment as others are, no longer."""
        self.began("5", INBAND, 0.0)
        self.sightings.lost(INBAND)
        self.began("5", RFC4733, 1.0)

    def test_theDurationIsAddedToThePress(self) -> None:
        """As soon as one form tells it; RFC 4733 knows best."""
        press = self.began("1", INBAND, 0.0)
        self.sightings.began("1", RFC4733, 0.02)
        self.sightings.ended("1", INBAND, 0.2, 0.14)
        self.assertEqual(press.duration, 0.14)
        self.sightings.ended("1", RFC4733, 0.21, 0.12)
        self.assertEqual(press.duration, 0.12)

    def test_anEndWithoutABeginningIsHarmless(self) -> None:
        """As is one of another key, or a second one."""
        self.sightings.ended("1", RFC4733, 0.0, 0.1)
        press = self.began("2", RFC4733, 0.0)
        self.sightings.ended("1", RFC4733, 0.1, 0.1)
        self.sightings.ended("2", INBAND, 0.1, 0.1)
        self.assertIsNone(press.duration)


class AnyOrderTests(SynchronousTestCase):
    """What holds for all strings of keys."""

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(KEYS), st.floats(0.0, 1.0), st.booleans())))
    def test_oneFormAloneLosesNothing(self, steps: list[tuple[str, float, bool]]) -> None:
        """Each sighting is a press, whether ends are told or not."""
        for how in (RFC4733, INBAND, INFO):
            sightings, now = KeySightings(), 0.0
            for digit, gap, told in steps:
                now += gap
                self.assertIsNotNone(sightings.began(digit, how, now))
                if told:
                    sightings.ended(digit, how, now, 0.0)

    @settings(max_examples=100, deadline=None)
    @given(
        st.text(KEYS, min_size=1, max_size=12),
        st.floats(0.05, 0.3),
        st.floats(0.05, 0.3),
        st.floats(-0.15, 0.15),
    )
    def test_twoFormsOfAStringAreOneString(
        self, digits: str, on: float, off: float, lag: float
    ) -> None:
        """Tones that lead or lag behind their events by up to 150 ms double nothing."""
        script = []
        for i, digit in enumerate(digits):
            start = i * (on + off)
            for how, at in ((RFC4733, start), (INBAND, start + lag)):
                script += [(at, 1, digit, how), (at + on, 0, digit, how)]
        sightings, pressed = KeySightings(), ""
        for at, begins, digit, how in sorted(script):
            if not begins:
                sightings.ended(digit, how, at, on)
            elif sightings.began(digit, how, at) is not None:
                pressed += digit
        self.assertEqual(pressed, digits)
