"""The scripts' applications in virtual time."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import doug.demo
from doug.demo import Demo
from doug.testing import Lab, PhoneCall
from doug.testing.ear import readSound
from doug.testing.hearing import locate, toneShare
from shtoom.exceptions import CallFailed
from test.scripts.loading import load
from test.support.secondserver import SecondServer

WELCOME = Path(doug.demo.__file__).parent / "prompts" / "welcome.wav"


class MessageTests(SynchronousTestCase):
    """shmessage.py."""

    def test_playsItsAnnouncementAndHangsUp(self) -> None:
        """The caller hears all of it, then the call is over."""
        lab = Lab(load("shmessage").MessageApp)
        call = lab.phone().dial("sip:x@doug")
        lab.advance(3.0)
        call.assertHears(WELCOME, atLeast=1.0)
        lab.assertNothingLeft()
        self.assertEqual((call.state, lab.results), ("ended", ["played"]))

    def test_anotherAnnouncement(self) -> None:
        """--args=announcement= names the file."""
        goodbye = WELCOME.with_name("goodbye.wav")
        lab = Lab(load("shmessage").MessageApp, announcement=str(goodbye))
        call = lab.phone().dial("sip:x@doug")
        lab.advance(4.0)
        call.assertHears(goodbye)
        lab.assertNothingLeft()

    def test_aMissingAnnouncementEndsTheCall(self) -> None:
        """The file is not there: the caller is let go, the server lives."""
        lab = Lab(load("shmessage").MessageApp, announcement="/nowhere/at/all.wav")
        call = lab.phone().dial("sip:x@doug")
        lab.advance(1.0)
        self.assertEqual(call.state, "ended")
        lab.assertNothingLeft()

    def test_theCallerHangsUpFirst(self) -> None:
        """In the middle of the announcement."""
        lab = Lab(load("shmessage").MessageApp)
        call = lab.phone().dial("sip:x@doug")
        lab.advance(0.5)
        call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(lab.results, ["played"])


class EchoTests(SynchronousTestCase):
    """shecho.py."""

    def test_whatIsSaidComesBack(self) -> None:
        """At once, or after --args=delay= seconds."""
        for delay in ("0", "0.5"):
            with self.subTest(delay):
                lab = Lab(load("shecho").EchoApp, delay=delay)
                call = lab.phone().dial("sip:x@doug")
                lab.advance(0.5)
                call.sayTone(440, 1.0)
                lab.advance(1.0 + float(delay))
                call.assertHearsTone(440, 0.3)
                call.hangUp()
                lab.assertNothingLeft()
                self.assertEqual(lab.results, ["done"])


class VoicemailTests(SynchronousTestCase):
    """shtam.py."""

    def setUp(self) -> None:
        self.spool = Path(self.mktemp())

    def call(self, **args: Any) -> tuple[Lab, PhoneCall]:
        """A caller who has heard the greeting and the tone."""
        lab = Lab(load("shtam").VoicemailApp, spool=str(self.spool), greeting=str(WELCOME), **args)
        call = lab.phone("../alice").dial("sip:x@doug")
        lab.advance(1.7)
        call.assertHears(WELCOME)
        call.assertHearsTone(1000, 0.05)
        lab.advance(0.3)
        return lab, call

    def messages(self) -> list[Path]:
        """Those that are complete; there are no others."""
        self.assertEqual(list((self.spool / "tmp").iterdir()), [])
        return list((self.spool / "new").iterdir())

    def test_aMessageIsKeptWhenTheCallerHangsUp(self) -> None:
        """All that was said, under a name that leads nowhere else."""
        lab, call = self.call()
        call.sayTone(440, 3.0)
        lab.advance(2.0)
        self.assertEqual(list((self.spool / "new").iterdir()), [])
        lab.advance(1.0)
        call.hangUp()
        lab.assertNothingLeft()
        (message,) = self.messages()
        self.assertRegex(message.name, r"\A\d{8}T\d{6}Z-_alice-[0-9a-f]{12}\.wav\Z")
        heard = readSound(message)
        self.assertLess(abs(len(heard) / 8000 - 3.1), 0.3)
        self.assertGreater(toneShare(heard[8000:16000], 440), 0.9)
        self.assertEqual((lab.results, lab.failures), (["done"], []))

    def test_hashAndSilenceEndAMessageToo(self) -> None:
        """The caller is thanked, then Doug hangs up."""
        for key in ("#", ""):
            with self.subTest(key):
                self.setUp()
                lab, call = self.call()
                call.sayTone(440, 2.0)
                lab.advance(2.0)
                if key:
                    call.press(key)
                lab.advance(10.0)
                call.assertHears(WELCOME.with_name("goodbye.wav"))
                self.assertEqual(call.state, "ended")
                lab.assertNothingLeft()
                self.assertEqual(len(self.messages()), 1)

    def test_whoHangsUpAtTheToneLeavesNothing(self) -> None:
        """Nor does who hangs up during the greeting."""
        lab, call = self.call()
        call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(self.messages(), [])
        lab = Lab(load("shtam").VoicemailApp, spool=str(self.spool))
        call = lab.phone().dial("sip:x@doug")
        lab.advance(1.0)
        call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(self.messages(), [])

    def test_whatAKilledServerLeftIsKept(self) -> None:
        """After the next call, or when the script starts again; what is too short is removed."""
        for again in ("call", "start"):
            with self.subTest(again):
                self.setUp()
                (self.spool / "tmp").mkdir(parents=True)
                (self.spool / "new").mkdir()
                for name, source in (("a-bob-1.wav", WELCOME.read_bytes()), ("b-eve-2.wav", b"")):
                    (self.spool / "tmp" / name).write_bytes(source)
                if again == "call":
                    lab, call = self.call()
                    call.hangUp()
                    lab.assertNothingLeft()
                else:
                    said = StringIO()
                    self.patch(sys, "stdout", said)
                    load("shtam").folder(str(self.spool))
                    self.assertIn("a-bob-1.wav", said.getvalue())
                (message,) = self.messages()
                self.assertEqual(message.name, "a-bob-1.wav")
                self.assertEqual(message.read_bytes(), WELCOME.read_bytes())

    def test_aSpoolThatCannotBeWrittenEndsTheCall(self) -> None:
        """The server lives, the failure names the path."""
        self.spool.write_bytes(b"not a folder")
        lab = Lab(load("shtam").VoicemailApp, spool=str(self.spool), greeting=str(WELCOME))
        call = lab.phone().dial("sip:x@doug")
        lab.advance(3.0)
        self.assertEqual(call.state, "ended")
        self.assertIn(str(self.spool), str(lab.failures[0].value))
        lab.assertNothingLeft()
        self.flushLoggedErrors(OSError)


class ConferenceTests(SynchronousTestCase):
    """shtoomcu.py."""

    def test_theDialledUserIsTheRoom(self) -> None:
        """Two in one room hear each other, a third in another hears nothing."""
        lab = Lab(load("shtoomcu").ConferenceApp)
        one, two = (lab.phone().dial("sip:planning@doug") for _ in range(2))
        third = lab.phone().dial("sip:lunch@doug")
        lab.advance(0.5)
        one.sayTone(440, 2.0)
        lab.advance(1.5)
        two.assertHearsTone(440)
        one.assertSilent()
        third.assertSilent()
        for call in (one, two, third):
            call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(lab.results, ["left"] * 3)
        self.assertEqual(lab.failures, [])


class CallTests(SynchronousTestCase):
    """testcall.py."""

    def call(self, onCall: str = "answer", seconds: float = 4.0, **args: Any) -> Lab:
        """A phone is called."""
        lab = Lab(load("testcall").CallApp, **args)
        phone = lab.phone("alice", onCall=onCall)
        lab.application.placeCall(phone.uri)
        lab.advance(seconds)
        return lab

    def test_playsAndHangsUp(self) -> None:
        """Who answers hears all of it."""
        lab = self.call()
        (call,) = lab.phones[0].calls
        call.assertHears(WELCOME, atLeast=1.0)
        self.assertEqual(call.state, "ended")
        lab.assertNothingLeft()
        self.assertRegex(lab.results[0], r"\Aplayed .*welcome.wav in 1\.\d s; ")

    def test_saysWhyNot(self) -> None:
        """Busy, declined, no such file: a CallFailed with the words for it."""
        nowhere = "/nowhere/at/all.wav"
        for words, onCall, announcement in (
            ("486 Busy Here", "busy", WELCOME),
            ("603 Decline", "decline", WELCOME),
            (nowhere, "answer", nowhere),
        ):
            with self.subTest(words):
                lab = self.call(onCall, announcement=str(announcement))
                (failure,) = lab.failures
                self.assertIs(failure.type, CallFailed)
                self.assertIn(words, str(failure.value))
                lab.assertNothingLeft()
                self.flushLoggedErrors(CallFailed)

    def test_theyHangUpInTheMiddle(self) -> None:
        """That is no success."""
        lab = self.call(seconds=0.7)
        lab.phones[0].calls[0].hangUp()
        lab.advance(1.0)
        self.assertIn("before the end", str(lab.failures[0].value))
        lab.assertNothingLeft()
        self.flushLoggedErrors(CallFailed)


class WalkTests(SynchronousTestCase):
    """testcisco.py walks the demo, which another server serves."""

    def walk(self, seconds: float, **args: str) -> tuple[Lab, SecondServer]:
        """A call to the demo."""
        lab = Lab(Demo)
        caller = SecondServer(lab, load("testcisco").WalkApp, "192.0.2.11", **args)
        caller.placeCall("sip:demo@192.0.2.10")
        lab.advance(seconds)
        return lab, caller

    def over(self, lab: Lab, caller: SecondServer) -> None:
        """Nothing is left on either side."""
        caller.close()
        lab.assertNothingLeft()

    def test_pressesWhenAPromptIsOver(self) -> None:
        """Each key comes after the prompt before it; the last prompt is heard to its end."""
        heard = Path(self.mktemp()).with_suffix(".wav")
        lab, caller = self.walk(50.0, keys="4 9", heard=str(heard), patience="30")
        self.over(lab, caller)
        self.assertEqual(lab.results, ["goodbye"])
        (result,) = caller.results
        self.assertRegex(
            result, r"\Aheard \d+\.\d s, pressed 4, heard \d+\.\d s, pressed 9, heard 2\.\d s\Z"
        )
        samples = readSound(heard)
        for name in ("welcome", "nothing", "menu", "goodbye"):
            match = locate(samples, readSound(WELCOME.with_name(f"{name}.wav")), 0.3)
            self.assertIsNotNone(match, name)

    def test_pressesAnywayWhenPatienceEnds(self) -> None:
        """A prompt that never ends, or never begins."""
        lab, caller = self.walk(20.0, keys="9", patience="3")
        self.over(lab, caller)
        self.assertIn("heard nothing, pressed 9", caller.results[0])

    def test_aPromptThatDoesNotWaitForKeys(self) -> None:
        """The IVR hangs up first: what was not pressed is named."""
        lab, caller = self.walk(60.0, keys="9 1 2", patience="30")
        self.over(lab, caller)
        self.assertIn("pressed 9", str(caller.failures[0].value))
        self.assertIn("1 2 not pressed", str(caller.failures[0].value))

    def test_aWrongKeyIsAMistake(self) -> None:
        """ValueError, before anything is pressed."""
        lab, caller = self.walk(60.0, keys="x", patience="30")
        self.over(lab, caller)
        self.assertIs(caller.failures[0].type, ValueError)
