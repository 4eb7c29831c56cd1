"""doug.digits: each row of the collector's truth table, and what holds for any order of inputs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.digits import KEYS, Collected, DigitCollector, DigitMode, Press


def pressed(
    collector: DigitCollector, keys: str, at: float = 0.0, gap: float = 0.1
) -> list[Collected]:
    """Presses keys in turn; all that came out."""
    over: list[Collected] = []
    for i, key in enumerate(keys):
        over += collector.keyPressed(Press(key, at + i * gap))
    return over


class SingleTests(SynchronousTestCase):
    """Each key by itself (contract section 5, dtmfMode)."""

    def test_singleModeIsOnAtFirst(self) -> None:
        """A new leg has single mode on."""
        self.assertTrue(DigitCollector().mode.single)

    def test_eachKeyIsAnOutcome(self) -> None:
        """Terminators mean nothing in single mode."""
        over = pressed(DigitCollector(), "1#2")
        self.assertEqual([c.digits for c in over], ["1", "#", "2"])
        self.assertFalse(any(c.timedOut or c.bargedIn for c in over))

    def test_timeoutIsIgnored(self) -> None:
        """timeout has no meaning where nothing waits."""
        collector = DigitCollector(DigitMode(timeout=1.0, interDigitTimeout=1.0))
        pressed(collector, "1")
        self.assertIsNone(collector.deadline)
        self.assertEqual(collector.timeReached(1000.0), [])

    def test_keyThatStoppedAPromptSaysSo(self) -> None:
        """In single mode barge-in is one outcome, at once."""
        [over] = DigitCollector().keyPressed(Press("5", 0.0), bargedIn=True)
        self.assertTrue(over.bargedIn)


class CollectingTests(SynchronousTestCase):
    """Strings (contract section 5, dtmfMode)."""

    def collector(self, **options: object) -> DigitCollector:
        return DigitCollector(DigitMode(single=False, **options))  # type: ignore[arg-type]

    def test_terminatorEndsAndBelongsToTheString(self) -> None:
        """A string ends with # and includes it."""
        collector = self.collector()
        self.assertEqual(pressed(collector, "12"), [])
        [over] = pressed(collector, "#")
        self.assertEqual((over.digits, over.timedOut), ("12#", False))
        self.assertEqual(collector.digits, "")

    def test_terminatorAloneIsAString(self) -> None:
        """Nothing but # is a string too."""
        self.assertEqual([c.digits for c in pressed(self.collector(), "##")], ["#", "#"])

    def test_terminatorsCanBeOthers(self) -> None:
        """The original ended strings at * as well."""
        over = pressed(self.collector(terminators="#*"), "1*2#")
        self.assertEqual([c.digits for c in over], ["1*", "2#"])

    def test_maxDigitsEndAString(self) -> None:
        """So many keys end it without a terminator; a terminator still does."""
        over = pressed(self.collector(maxDigits=3), "12345#")
        self.assertEqual([c.digits for c in over], ["123", "45#"])

    def test_noTimeRunsBeforeTheFirstKey(self) -> None:
        """timeout counts from the first key, so there is none before it."""
        collector = self.collector(timeout=2.0, interDigitTimeout=1.0)
        self.assertIsNone(collector.deadline)
        self.assertEqual(collector.timeReached(99.0), [])

    def test_interDigitTimeoutRunsFromTheLastKey(self) -> None:
        """Each key starts it anew."""
        collector = self.collector(interDigitTimeout=2.0)
        pressed(collector, "12", at=10.0, gap=1.5)
        self.assertEqual(collector.deadline, 13.5)
        self.assertEqual(collector.timeReached(13.4), [])
        [over] = collector.timeReached(13.5)
        self.assertEqual((over.digits, over.timedOut), ("12", True))
        self.assertIsNone(collector.deadline)

    def test_timeoutRunsFromTheFirstKey(self) -> None:
        """Further keys do not prolong it."""
        collector = self.collector(timeout=3.0)
        pressed(collector, "123", at=10.0, gap=1.0)
        self.assertEqual(collector.deadline, 13.0)
        [over] = collector.timeReached(13.0)
        self.assertEqual((over.digits, over.timedOut), ("123", True))

    def test_theEarlierOfTwoTimesCounts(self) -> None:
        """With both, whichever comes first."""
        collector = self.collector(timeout=3.0, interDigitTimeout=2.0)
        pressed(collector, "1")
        self.assertEqual(collector.deadline, 2.0)
        pressed(collector, "2", at=1.5)
        self.assertEqual(collector.deadline, 3.0)

    def test_keyAfterTheTimeBeginsTheNextString(self) -> None:
        """Even if nobody called timeReached in between."""
        collector = self.collector(interDigitTimeout=1.0)
        pressed(collector, "12")
        [over] = pressed(collector, "3", at=5.0)
        self.assertEqual((over.digits, over.timedOut), ("12", True))
        self.assertEqual(collector.digits, "3")

    def test_bargeInIsToldAtTheEndOfTheString(self) -> None:
        """One outcome with all digits, though only the first key stopped the prompt."""
        collector = self.collector()
        collector.keyPressed(Press("1", 0.0), bargedIn=True)
        [over] = pressed(collector, "2#", at=0.5)
        self.assertEqual((over.digits, over.bargedIn), ("12#", True))
        self.assertFalse(pressed(collector, "3#")[0].bargedIn)

    def test_bargeInOfAStringThatTimesOut(self) -> None:
        """It is both, so that the play's end can be told."""
        collector = self.collector(timeout=1.0)
        collector.keyPressed(Press("1", 0.0), bargedIn=True)
        [over] = collector.timeReached(1.0)
        self.assertTrue(over.bargedIn and over.timedOut)

    def test_forgottenBargeInLeavesTheKeys(self) -> None:
        """After mediaStop() the string is an ordinary one."""
        collector = self.collector()
        collector.keyPressed(Press("1", 0.0), bargedIn=True)
        collector.forgetBargeIn()
        [over] = pressed(collector, "#")
        self.assertEqual((over.digits, over.bargedIn), ("1#", False))


class ModeTests(SynchronousTestCase):
    """dtmfMode in the middle of a string."""

    def test_keysThatWaitAreTakenInTheNewMode(self) -> None:
        """No key vanishes when the mode changes."""
        collector = DigitCollector(DigitMode(single=False))
        pressed(collector, "1*2")
        over = collector.setMode(DigitMode(single=False, terminators="*"), 1.0)
        self.assertEqual([c.digits for c in over], ["1*"])
        self.assertEqual(collector.digits, "2")

    def test_singleModeGivesThemOneByOne(self) -> None:
        """And the first of them tells of the prompt that was stopped."""
        collector = DigitCollector(DigitMode(single=False))
        collector.keyPressed(Press("1", 0.0), bargedIn=True)
        pressed(collector, "2", at=0.1)
        over = collector.setMode(DigitMode(), 1.0)
        self.assertEqual([(c.digits, c.bargedIn) for c in over], [("1", True), ("2", False)])

    def test_theNewTimesCountFromThePresses(self) -> None:
        """A time that is over already ends the string at once."""
        collector = DigitCollector(DigitMode(single=False))
        pressed(collector, "1", at=0.0)
        [over] = collector.setMode(DigitMode(single=False, timeout=2.0), 5.0)
        self.assertTrue(over.timedOut)

    def test_whatIsOutOfRangeIsNamed(self) -> None:
        """The error names the argument."""
        for wrong in (
            {"terminators": "x"},
            {"maxDigits": 0},
            {"interDigitTimeout": 0.0},
            {"timeout": -1.0},
        ):
            error = self.assertRaises(ValueError, DigitMode, **wrong)
            self.assertIn(next(iter(wrong)), str(error))


modes = st.builds(
    DigitMode,
    single=st.booleans(),
    terminators=st.sampled_from(["", "#", "#*"]),
    maxDigits=st.none() | st.integers(1, 4),
    interDigitTimeout=st.none() | st.floats(0.1, 3.0),
    timeout=st.just(0.0) | st.floats(0.1, 5.0),
)
steps = st.lists(
    st.tuples(st.floats(0.0, 2.0), st.sampled_from(KEYS) | st.none() | modes, st.booleans()),
    max_size=30,
)


class AnyOrderTests(SynchronousTestCase):
    """Whatever happens in whatever order."""

    @settings(max_examples=100, deadline=None)
    @given(modes, steps)
    def test_eachKeyIsInExactlyOneString(
        self, mode: DigitMode, script: list[tuple[float, str | DigitMode | None, bool]]
    ) -> None:
        """Strings, joined in order, plus what waits, are the keys pressed; times lie ahead."""
        collector, now, keys = DigitCollector(mode), 0.0, ""
        over: list[Collected] = []
        for passed, what, barge in script:
            now += passed
            if isinstance(what, DigitMode):
                over += collector.setMode(what, now)
            elif what is None:
                over += collector.timeReached(now)
            else:
                keys += what
                over += collector.keyPressed(Press(what, now), barge)
            self.assertTrue(collector.deadline is None or collector.deadline > now)
            self.assertTrue(not collector.mode.single or collector.digits == "")
        self.assertEqual("".join(c.digits for c in over) + collector.digits, keys)
        self.assertTrue(all(c.digits for c in over))
        for string in over:
            self.assertEqual(string.digits, "".join(press.digit for press in string.presses))
        collector.timeReached(now + 10.0)
        self.assertIsNone(collector.deadline)


class TruthTableTests(SynchronousTestCase):
    """DOC/keys.md, row by row, said once more in another way."""

    @settings(max_examples=100, deadline=None)
    @given(modes, st.lists(st.tuples(st.floats(0.01, 2.0), st.sampled_from(KEYS)), max_size=20))
    def test_everyStringEndsAsTheTableSays(
        self, mode: DigitMode, script: list[tuple[float, str]]
    ) -> None:
        """Strings, and which of them timed out, for any mode and any rhythm."""
        collector, now = DigitCollector(mode), 0.0
        got: list[Collected] = []
        wanted: list[tuple[str, bool]] = []
        waiting, firstAt, lastAt = "", 0.0, 0.0
        for gap, key in script:
            now += gap
            got += collector.keyPressed(Press(key, now))
            tooLate = mode.timeout > 0 and now >= firstAt + mode.timeout
            between = mode.interDigitTimeout
            if waiting and (tooLate or (between is not None and now >= lastAt + between)):
                wanted.append((waiting, True))
                waiting = ""
            firstAt, lastAt = firstAt if waiting else now, now
            waiting += key
            full = mode.maxDigits is not None and len(waiting) == mode.maxDigits
            if mode.single or key in mode.terminators or full:
                wanted.append((waiting, False))
                waiting = ""
        self.assertEqual([(string.digits, string.timedOut) for string in got], wanted)
        self.assertEqual(collector.digits, waiting)
