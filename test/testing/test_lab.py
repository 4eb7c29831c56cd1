"""The laboratory: routes, arguments, results, failures, bad networks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.events import CallStartedEvent
from doug.exceptions import EventNotSpecifiedError
from doug.settings import Settings
from doug.testing import Conditions, Lab, PhoneCall
from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from shtoom.sip.timers import Timers
from test.testing.apps import Dialler, Echo, Leaver, Speaker, prompt


class ServingTests(SynchronousTestCase):
    """Which application answers, and what becomes of it."""

    def dial(self, lab: Lab, user: str = "anything") -> PhoneCall:
        """A call that has been up for a second, if anybody answers."""
        call = lab.phone().dial(f"sip:{user}@doug")
        lab.advance(1.0)
        return call

    def test_oneApplicationForAll(self) -> None:
        """Whomever they dial."""
        lab = Lab(Speaker)
        for user in ("a", "b"):
            call = self.dial(lab, user)
            self.assertEqual(call.state, "answered")
            call.hangUp()
        lab.assertNothingLeft()

    def test_routesByUser(self) -> None:
        """Each user part has its application; "" is for all others."""
        lab = Lab({"echo": Echo, "": Speaker})
        kinds = []
        for user in ("echo", "else"):
            self.dial(lab, user)
            kinds += [type(app) for app in lab.application.listVoiceapps().values()]
            lab.phones[-1].calls[0].hangUp()
            lab.advance(1.0)
        self.assertEqual(kinds, [Echo, Speaker])
        lab.assertNothingLeft()

    def test_withoutAnApplicationForAllOthersTheyAreRefused(self) -> None:
        """404, and no application is made."""
        lab = Lab({"echo": Echo})
        call = self.dial(lab, "else")
        assert call.failure is not None
        self.assertEqual(call.failure.sipCode, 404)
        self.assertEqual(lab.results, [])
        lab.assertNothingLeft()

    def test_argumentsBecomeAttributes(self) -> None:
        """As those of --args do."""
        lab = Lab(Speaker, prompt=str(prompt("welcome")))
        call = self.dial(lab)
        lab.advance(1.0)
        call.assertHears(prompt("welcome"))
        call.hangUp()
        lab.assertNothingLeft()

    def test_settingsAreTheServers(self) -> None:
        """Apart from applications and arguments, which are the lab's."""
        lab = Lab(Speaker, settings=Settings(maxCalls=1))
        first, second = self.dial(lab), self.dial(lab)
        self.assertEqual((first.state, second.state), ("answered", "failed"))
        first.hangUp()
        lab.assertNothingLeft()

    def test_timersAreSIPs(self) -> None:
        """A T1 of 0.1 s: who does not answer is given up after 6.4 s, not 32."""
        lab = Lab(Dialler, timers=Timers(t1=0.1))
        lab.application.startVoiceApp(to="sip:nobody@198.51.100.99")
        lab.advance(7.0)
        [(code, _)] = lab.results
        self.assertEqual(code, 408)
        lab.assertNothingLeft()

    def test_resultsComeInOrder(self) -> None:
        """Of all applications, with a call and without."""
        lab = Lab({"a": Leaver, "": Dialler})
        call = self.dial(lab, "a")
        lab.application.startVoiceApp(to=lab.phone("bob", onCall="busy").uri)
        lab.advance(12.0)
        self.assertEqual(lab.results, [(486, "Busy Here"), "said"])
        self.assertEqual((call.state, lab.failures), ("ended", []))
        lab.assertNothingLeft()

    def test_failuresAreKeptAndLogged(self) -> None:
        """An application that raises ends its own call; the test that expects it says so."""

        class Broken(Speaker):
            def pressed(self, event: Any) -> None:
                raise KeyError(event.digits)

        lab = Lab(Broken)
        broken, fine = self.dial(lab), self.dial(lab)
        broken.press("1")
        lab.advance(1.0)
        self.assertEqual((broken.state, fine.state), ("ended", "answered"))
        self.assertEqual([str(failure.value) for failure in lab.failures], ["'1'"])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        fine.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(lab.results, [""])

    def test_anEventThatNothingMatches(self) -> None:
        """Is such a failure."""

        class Deaf(Speaker):
            def answer(self, event: CallStartedEvent) -> Any:
                super().answer(event)
                return []

        lab = Lab(Deaf)
        call = self.dial(lab)
        self.assertEqual(call.state, "ended")
        self.assertIsInstance(lab.failures[0].value, EventNotSpecifiedError)
        self.flushLoggedErrors(EventNotSpecifiedError)
        lab.assertNothingLeft()

    def test_IPv6(self) -> None:
        """A lab at an IPv6 address, and a phone on a host of that family."""
        lab = Lab(Speaker, address="2001:db8::10")
        phone = lab.phone(host=lab.network.host("2001:db8::20"))
        call = phone.dial("sip:a@doug")
        lab.advance(2.0)
        call.assertHears(prompt("about"))
        call.hangUp()
        lab.assertNothingLeft()


class SoundFileTests(SynchronousTestCase):
    """Where assertHears and say look for a file."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        tone = sine(440, 1.0, 0.3)
        (self.folder / "beep.wav").write_bytes(wavHeader(2 * len(tone)) + tone.tobytes())

    def test_besideTheApplication(self) -> None:
        """Where the application itself finds it, although that is not the current folder."""
        (self.folder / "beeping.py").write_text(
            "from test.testing.apps import Speaker\n\n\n"
            "class Beeper(Speaker):\n    prompt = 'beep.wav'\n"
        )
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        self.addCleanup(sys.modules.pop, "beeping")
        from beeping import Beeper  # type: ignore[import-not-found]

        lab = Lab(Beeper)
        call = lab.phone().dial("sip:a@doug")
        lab.advance(1.5)
        call.assertHears("beep.wav")
        call.say("beep.wav")
        call.hangUp()
        lab.assertNothingLeft()

    def test_elseFromTheCurrentFolder(self) -> None:
        """Or by its whole path."""
        lab = Lab(Echo)
        call = lab.phone().dial("sip:a@doug")
        lab.advance(1.0)
        call.say(str(self.folder / "beep.wav"))
        lab.advance(0.8)
        call.assertHearsTone(440)
        call.say(str(self.folder.relative_to(Path.cwd()) / "beep.wav"))
        lab.advance(1.0)
        call.assertHearsTone(440)
        call.hangUp()
        lab.assertNothingLeft()


class BadNetworkTests(SynchronousTestCase):
    """Whole calls over bad lines."""

    def call(self, seed: int, conditions: Conditions) -> tuple[Lab, PhoneCall]:
        """A call that presses two keys, listens for eight seconds, and hangs up."""
        lab = Lab(Speaker, seed=seed, conditions=conditions)
        call = lab.phone().dial("sip:a@doug")
        lab.advance(5.0)
        call.press("12")
        lab.advance(5.0)
        call.hangUp()
        lab.assertNothingLeft()
        return lab, call

    def test_aCallGoesOnAllTheSame(self) -> None:
        """Delay, jitter, 5 % loss, repeats: whatever the seed the prompt and both keys arrive."""
        bad = Conditions(delay=0.05, jitter=0.03, loss=0.05, duplicate=0.01)
        for seed in range(5):
            lab, call = self.call(seed, bad)
            call.assertHears(prompt("about"), atLeast=1.0)
            call.assertDoesNotHear(prompt("goodbye"))
            self.assertEqual(lab.results, ["12"], seed)
            self.assertGreater(lab.network.lost, 10)

    def test_reordering(self) -> None:
        """Every tenth packet comes a packet and a half late: the buffer puts them in order."""
        lab, call = self.call(1, Conditions(reorder=0.1, reorderBy=0.03))
        self.assertGreater(call.assertHears(prompt("about"), atLeast=5.0).seconds, 5.0)
        self.assertEqual(lab.results, ["12"])

    def test_theSameSeedGivesTheSameCall(self) -> None:
        """To the sample; another seed gives another."""
        bad = Conditions(delay=0.05, jitter=0.03, loss=0.05, duplicate=0.01, reorder=0.05)
        heard = [self.call(seed, bad)[1].heard.tobytes() for seed in (7, 7, 8)]
        self.assertEqual(heard[0], heard[1])
        self.assertNotEqual(heard[0], heard[2])

    def test_aLineThatIsCutAndMended(self) -> None:
        """Conditions may change during a call: silence for a second, then the prompt goes on."""
        lab = Lab(Speaker)
        call = lab.phone().dial("sip:a@doug")
        lab.advance(3.0)
        lab.network.conditions = Conditions(loss=1.0)
        lab.advance(1.0)
        call.assertSilent()
        lab.network.conditions = Conditions()
        call.forget()
        lab.advance(4.0)
        self.assertGreater(int(abs(call.heard[-8000:]).max()), 1000)
        call.hangUp()
        lab.assertNothingLeft()

    def test_aChosenDatagramIsLost(self) -> None:
        """drop: the first 200 to the INVITE; it comes again, and the call is up."""
        lab = Lab(Speaker)
        dropped: list[bytes] = []

        def first200(data: bytes, source: Any, destination: Any) -> bool:
            chosen = not dropped and data.startswith(b"SIP/2.0 200")
            if chosen:
                dropped.append(data)
            return chosen

        lab.network.drop = first200
        call = lab.phone().dial("sip:a@doug")
        lab.advance(0.4)
        self.assertEqual(call.state, "ringing")
        lab.advance(0.6)
        self.assertEqual((call.state, len(dropped)), ("answered", 1))
        call.hangUp()
        lab.assertNothingLeft()
