"""Virtual phones: dialling, keys, words, hearing, both ends of a call."""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.python.failure import Failure
from twisted.trial.unittest import FailTest, SynchronousTestCase

from doug.testing import Lab, Phone, PhoneCall
from shtoom.audio.tones import sine
from shtoom.exceptions import CallFailed
from shtoom.media.files import AudioFileError
from test.testing.apps import Dialler, Echo, Leaver, Ringing, Speaker, prompt


class PhoneTestCase(SynchronousTestCase):
    """A phone calls an application: self.lab, self.phone, self.call."""

    def begin(self, app: Any = Speaker, seconds: float = 1.0, **options: Any) -> PhoneCall:
        """Dials and lets time pass. options: of the phone."""
        self.lab = Lab(app)
        self.phone = self.lab.phone(**options)
        self.call = self.phone.dial("sip:anything@doug")
        self.lab.advance(seconds)
        return self.call

    def failureText(self, f: Any, *args: Any) -> str:
        """The words of the AssertionError that f raises."""
        return str(self.assertRaises(AssertionError, f, *args))


class CallTests(PhoneTestCase):
    """How calls begin and end."""

    def test_aCallIsAnswered(self) -> None:
        """calling, then answered; nothing of it is left after hanging up."""
        call = self.begin(seconds=0.0)
        self.assertEqual(call.state, "calling")
        self.lab.advance(1.0)
        self.assertEqual((call.state, call.closed), ("answered", False))
        self.assertIn(180, call.provisional)
        call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual((call.state, call.closed), ("ended", True))
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, [""])

    def test_theFarEndHangsUp(self) -> None:
        """`ending` says who did, and that the call was well until then."""
        call = self.begin(Leaver, seconds=12.0)
        self.assertEqual(call.state, "ended")
        assert call.ending is not None
        self.assertTrue(call.ending.byRemote)
        self.assertIsNone(call.failure)
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["said"])

    def test_hangingUpWhileItRingsIsACancel(self) -> None:
        """The call is over for both sides; hanging up again is nothing."""
        call = self.begin(Ringing)
        self.assertEqual(call.state, "ringing")
        call.hangUp()
        self.lab.advance(1.0)
        call.hangUp()
        self.assertEqual(call.state, "ended")
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, [""])

    def test_holdAndResume(self) -> None:
        """Doug is told sendonly, and sendrecv again; what is said meanwhile is not heard."""
        call = self.begin()
        call.assertHears(prompt("about"))
        call.hold()
        self.lab.advance(0.2)
        call.forget()
        assert call.call is not None
        self.assertIn(b"a=recvonly", call.call.remoteSDP or b"")
        self.lab.advance(0.5)
        call.assertSilent(0.4)
        call.resume()
        self.lab.advance(0.5)
        self.assertIn(b"a=sendrecv", call.call.remoteSDP or b"")
        call.hangUp()
        self.assertIn("ended", self.failureText(call.hold))
        self.lab.assertNothingLeft()

    def test_anOfferOfTheTestsOwn(self) -> None:
        """One that is refused leaves the call as it was."""
        call = self.begin()
        call.reoffer(b"v=0\r\nnonsense")
        self.lab.advance(0.2)
        self.assertEqual(call.state, "answered")
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_aCallThatIsRefusedHasItsFailure(self) -> None:
        """With code and reason."""
        self.lab = Lab({"menu": Speaker})
        call = self.lab.phone().dial("sip:nobody@doug")
        self.lab.advance(1.0)
        self.assertEqual(call.state, "failed")
        assert isinstance(call.failure, CallFailed)
        self.assertEqual(call.failure.sipCode, 404)
        self.lab.assertNothingLeft()

    def test_onlyTheHostDougIsTheServer(self) -> None:
        """Other names are looked up, those that begin alike too."""
        self.lab = Lab(Speaker)
        phone = self.lab.phone()
        hosts = ["doug", "doug;x=y", "doug:5060", "dougal", "doug.example"]
        calls = [phone.dial(f"sip:a@{host}") for host in hosts]
        self.lab.advance(1.0)
        self.assertEqual([call.state for call in calls], ["answered"] * 3 + ["failed"] * 2)
        for host, call in zip(hosts[3:], calls[3:], strict=True):
            self.assertIn(host, str(call.failure))
        for call in calls:
            call.hangUp()
        self.lab.assertNothingLeft()

    def test_whoCallsAndWhatElseTheInviteSays(self) -> None:
        """fromURI and headers reach the application."""
        seen: list[Any] = []

        class Curious(Speaker):
            def answer(self, event: Any) -> Any:
                dialog = event.getDialog()
                seen.extend([str(dialog.getCaller()), dialog.getHeader("X-Colour")])
                return super().answer(event)

        self.lab = Lab(Curious)
        phone = self.lab.phone()
        call = phone.dial("sip:a@doug", fromURI="sip:bob@b.example", headers=[("X-Colour", "red")])
        self.lab.advance(1.0)
        self.assertEqual(seen, ["sip:bob@b.example", "red"])
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_phonesCallAtTheSameTime(self) -> None:
        """Each has an address, a name and a call of its own; one phone may have several calls."""
        self.lab = Lab(Speaker)
        phones = [self.lab.phone(), self.lab.phone("bob"), self.lab.phone()]
        self.assertEqual([phone.name for phone in phones], ["phone0", "bob", "phone2"])
        self.assertEqual(len({phone.host.address for phone in phones}), 3)
        calls = [phone.dial("sip:a@doug") for phone in (*phones, phones[0])]
        self.lab.advance(2.0)
        for call in calls:
            call.assertHears(prompt("about"))
            call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(len(self.lab.results), 4)


class DialledTests(PhoneTestCase):
    """What a phone does when Doug dials it."""

    def dialled(self, **options: Any) -> Phone:
        """A phone that Doug dials, half a second later."""
        self.lab = Lab(Dialler)
        phone = self.lab.phone("bob", **options)
        self.lab.application.startVoiceApp(to=phone.uri)
        self.lab.advance(0.5)
        return phone

    def over(self, *results: Any) -> None:
        """The application has returned that, nothing is left."""
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, list(results))

    def test_itAnswers(self) -> None:
        """And hears what Doug has to say."""
        phone = self.dialled()
        [call] = phone.calls
        self.assertEqual(call.state, "answered")
        self.lab.advance(12.0)
        call.assertHears(prompt("about"), atLeast=7.0)
        self.assertEqual(call.state, "ended")
        self.over("said")

    def test_itAnswersAfterAWhile(self) -> None:
        """answerAfter: seconds of ringing."""
        phone = self.dialled(answerAfter=3.0)
        [call] = phone.calls
        self.assertEqual(call.state, "ringing")
        self.lab.advance(3.0)
        self.assertEqual(call.state, "answered")
        self.lab.advance(12.0)
        self.over("said")

    def test_itIsBusy(self) -> None:
        """486."""
        self.assertEqual(self.dialled(onCall="busy").calls, [])
        self.over((486, "Busy Here"))

    def test_itDeclines(self) -> None:
        """603."""
        self.dialled(onCall="decline")
        self.over((603, "Decline"))

    def test_itRingsForEver(self) -> None:
        """Until Doug has waited long enough; a test may still answer it by hand."""
        [call] = self.dialled(onCall="ring").calls
        self.lab.advance(61.0)
        self.assertEqual(call.state, "ended")
        self.over((408, "no answer within 60 s"))
        [call] = self.dialled(onCall="ring").calls
        call.answer()
        self.lab.advance(12.0)
        self.over("said")

    def test_itWouldHaveAnsweredLater(self) -> None:
        """What it had in mind goes with the call: no timer is left of it."""
        self.dialled(answerAfter=300.0)
        self.over((408, "no answer within 60 s"))

    def test_nothingElseIsKnown(self) -> None:
        """The error names what is."""
        lab = Lab(Dialler)
        error = self.assertRaises(ValueError, lab.phone, onCall="explode")
        self.assertEqual(
            str(error), "onCall: wanted one of answer, ring, busy, decline, got 'explode'"
        )
        lab.assertNothingLeft()


class KeyTests(PhoneTestCase):
    """press()."""

    def test_keysArriveInOrder(self) -> None:
        """Strings of them too, also those that are pressed before the last ones are through."""
        call = self.begin()
        call.press("12#")
        call.press("*A")
        self.lab.advance(2.0)
        call.press("0")
        self.lab.advance(1.0)
        call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["12#*A0"])

    def test_durationAndGap(self) -> None:
        """In seconds: three keys of 0.3 s, 0.5 s apart, take 1.9 s to the start of the last end."""
        call = self.begin()
        [app] = self.lab.application.listVoiceapps().values()
        call.press("123", duration=0.3, gap=0.5)
        self.lab.advance(0.7)
        self.assertEqual(app.keys, "1")  # type: ignore[attr-defined]
        self.lab.advance(0.3)
        self.assertEqual(app.keys, "12")  # type: ignore[attr-defined]
        self.lab.advance(1.0)
        self.assertEqual(app.keys, "123")  # type: ignore[attr-defined]
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_hangingUpWhileAKeyIsDown(self) -> None:
        """The rest is not pressed; nothing is left of it."""
        call = self.begin()
        call.press("123", duration=0.5, gap=200.0)
        self.lab.advance(0.7)
        call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["1"])

    def test_aPhoneWithoutEvents(self) -> None:
        """events=False: RFC 4733 is not offered, and a key cannot be pressed."""
        call = self.begin(events=False)
        assert call.stream is not None
        self.assertIsNone(call.stream.eventType)
        self.assertIn("RFC 4733", self.failureText(call.press, "1"))
        call.assertHears(prompt("about"))
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_thereAreNoOtherKeys(self) -> None:
        """Nothing is pressed if one of them does not exist."""
        call = self.begin()
        self.assertRaises(ValueError, call.press, "12x")
        call.press("3")
        self.lab.advance(1.0)
        call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["3"])

    def test_onlyACallThatIsUpTakesKeysAndWords(self) -> None:
        """Before the answer and after the end the error says how the call stands."""
        call = self.begin(Ringing)
        self.assertEqual(
            self.failureText(call.press, "1"), "the call is ringing: nothing can be pressed"
        )
        self.assertEqual(
            self.failureText(call.sayTone, 440, 1.0), "the call is ringing: nothing can be said"
        )
        call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(
            self.failureText(call.press, "1"), "the call is ended: nothing can be pressed"
        )
        self.lab.assertNothingLeft()


class SpeechTests(PhoneTestCase):
    """say(), hearing oneself by an echo."""

    def test_wordsFromAFile(self) -> None:
        """They come back, whole."""
        call = self.begin(Echo)
        call.say(prompt("welcome"))
        self.lab.advance(3.0)
        match = call.assertHears(prompt("welcome"))
        self.assertEqual(match.seconds, match.wanted)
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_wordsQueue(self) -> None:
        """A tone, a silence, another tone, one after the other."""
        call = self.begin(Echo)
        call.sayTone(440, 1.0)
        call.saySilence(1.0)
        call.sayTone(620, 1.0, level=0.1)
        self.lab.advance(1.0)
        call.assertHearsTone(440)
        self.lab.advance(1.0)
        call.assertSilent()
        self.lab.advance(1.0)
        call.assertHearsTone(620)
        self.lab.advance(1.0)
        call.assertSilent()
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_anyPacketTimeAndCodec(self) -> None:
        """10 to 60 ms, both laws: what was said comes back to the sample's order."""
        for codec in ("PCMU", "PCMA"):
            for ptime in (10, 20, 30, 40, 60):
                call = self.begin(Echo, codecs=(codec,), ptime=ptime)
                assert call.stream is not None
                self.assertEqual((call.stream.codec, call.stream.ptime), (codec, ptime))
                call.say(prompt("welcome"))
                self.lab.advance(3.0)
                match = call.assertHears(prompt("welcome"))
                self.assertEqual(match.seconds, match.wanted, f"{codec}, {ptime} ms")
                call.hangUp()
                self.lab.assertNothingLeft()

    def test_theCodecOfThePhone(self) -> None:
        """Doug speaks A-law to a phone that knows nothing else."""
        call = self.begin(codecs=("PCMA",))
        call.assertHears(prompt("about"))
        call.hangUp()
        self.lab.assertNothingLeft()

    def test_theUserDoesNotWaitForTheReactor(self) -> None:
        """Samples may be given as they are; heard has all since the answer, 8000 a second."""
        call = self.begin(Echo)
        call.say(sine(440, 0.5, 0.3))
        self.lab.advance(2.0)
        self.assertEqual(call.heard.dtype, np.int16)
        self.assertApproximates(len(call.heard) / 8000, 3.0, 0.1)
        call.hangUp()
        self.lab.assertNothingLeft()


class AssertionTests(PhoneTestCase):
    """assertHears and its kin, on a call that hears "about" for ten seconds."""

    def setUp(self) -> None:
        self.begin(seconds=4.0)

    def tearDown(self) -> None:
        self.call.hangUp()
        self.lab.assertNothingLeft()

    def test_itIsHeardWhereItIs(self) -> None:
        """The match has its place in all that was heard, and how much there was."""
        match = self.call.assertHears(prompt("about"), atLeast=2.0)
        self.assertLess(match.start, 8000)
        self.assertApproximates(match.end / 8000, 4.0, 0.5)
        self.assertGreater(match.wanted, 8.0)

    def test_whatApplicationsSaidLastIsTold(self) -> None:
        """When a prompt is not heard the cause is mostly there."""
        self.call.hangUp()
        self.lab.advance(1.0)
        self.lab.results.append("no such account")
        self.lab.failures.append(Failure(KeyError("prompt")))
        text = self.failureText(self.call.assertHears, prompt("goodbye"))
        self.assertIn("an application returned 'no such account'", text)
        self.assertIn("an application ended with KeyError: 'prompt'", text)

    def test_trialCountsItAsAFailure(self) -> None:
        """Not as an error: by its own exception, where it is there."""
        self.assertRaises(FailTest, self.call.assertHears, prompt("goodbye"))

    def test_anotherPromptIsNot(self) -> None:
        """The error names it, how long was listened, how loud it was, how the call stands."""
        text = self.failureText(self.call.assertHears, prompt("goodbye"))
        self.assertRegex(
            text,
            r"goodbye\.wav was not heard: 0\.\d s of it in [34]\.\d\d s of sound from second 0\.00 "
            r"on, at a level of \d{3,} \(call answered\)",
        )
        self.call.assertDoesNotHear(prompt("goodbye"))

    def test_assertDoesNotHearFindsWhatIsThere(self) -> None:
        """As assertHears would."""
        text = self.failureText(self.call.assertDoesNotHear, prompt("about"))
        self.assertRegex(text, r"about\.wav was heard: \d\.\d s of it")

    def test_moreThanThereIsWasNotHeard(self) -> None:
        """atLeast, in seconds; all of a shorter prompt will do."""
        self.failureText(self.call.assertHears, prompt("about"), 6.0)
        self.call.assertHears(prompt("about"), 2.0)

    def test_eachIsLookedForAfterTheOneBefore(self) -> None:
        """So a prompt that was heard once is not heard twice."""
        self.call.assertHears(prompt("about"), atLeast=2.5)
        self.call.assertDoesNotHear(prompt("welcome"))
        text = self.failureText(self.call.assertHears, prompt("welcome"))
        self.assertNotIn("from second 0.00", text)

    def test_forgetBeginsAnew(self) -> None:
        """What was heard until then does not count; it stays in `heard`."""
        before = len(self.call.heard)
        self.call.forget()
        self.call.assertDoesNotHear(prompt("about"))
        self.assertEqual(len(self.call.heard), before)

    def test_speechIsNeitherToneNorSilence(self) -> None:
        """The errors say what was there instead."""
        self.assertRegex(
            self.failureText(self.call.assertHearsTone, 440),
            r"a tone of 440 Hz has 0\.\d\d of the power, wanted 0\.9",
        )
        self.assertRegex(
            self.failureText(self.call.assertSilent), r"wanted silence, heard a level of \d{2,}"
        )

    def test_aFileThatIsNotThereIsNamed(self) -> None:
        """By the name that the test gave."""
        error = self.assertRaises(AudioFileError, self.call.assertHears, "no-such-file.wav")
        self.assertIn("no-such-file.wav", str(error))
