"""DOC/concepts.md: each example is run in a call, for what the text beside it says."""

from __future__ import annotations

from typing import Any

from twisted.application.service import IServiceCollection

from doug.service import DougService
from doug.settings import Settings
from doug.testing import Lab, Phone, PhoneCall, VirtualReactor
from shtoom.exceptions import CallNotAnswered, UserBusy
from test.documents.example import Examples, ExampleTestCase, blockOf

CONCEPTS = "DOC/concepts.md"
LOBBY = blockOf(CONCEPTS, "The state machine", 0)


class StateMachineTests(ExampleTestCase):
    """The lobby: a state that waits for many things."""

    def setUp(self) -> None:
        super().setUp()
        self.lobby = self.saved("lobby", LOBBY)
        self.lab, self.call = self.dial(self.lobby.Lobby)
        self.call.assertHears("welcome.wav")

    def announced(self) -> None:
        """The announcement, then the end."""
        self.lab.advance(1.0)
        self.call.assertHears("one.wav")
        self.lab.assertNothingLeft()
        self.assertEqual(self.call.state, "ended")
        self.assertEqual(self.lab.results, ["over"])

    def test_aKey(self) -> None:
        """0 announces; another key keeps the state."""
        self.call.press("5")
        self.lab.advance(1.0)
        self.call.assertHears("welcome.wav")
        self.call.press("0")
        self.announced()

    def test_anEventFromOutside(self) -> None:
        """As the second example raises it for all who wait."""
        exec(blockOf(CONCEPTS, "The state machine", 1), vars(self.lobby))
        self.lobby.coffeeIsReady(self.lab.application)
        self.announced()


class OutboundTests(ExampleTestCase):
    """An application that is started without a call."""

    def wake(self, **phone: Any) -> Lab:
        """What becomes of it, forty seconds later."""
        block = blockOf(CONCEPTS, "VoiceApps, legs, events and more")
        lab = Lab(self.saved("wakeup", block).WakeUp)
        alice: Phone = lab.phone("alice", **phone)
        lab.application.startVoiceApp(number=alice.uri)
        lab.advance(40.0)
        lab.assertNothingLeft()
        return lab

    def test_progressThenAnswer(self) -> None:
        """CallProgressEvent came, since the list names it."""
        self.assertEqual(self.wake(answerAfter=3.0).results, ["rang"])

    def test_busy(self) -> None:
        """The failure is the exception of that code."""
        self.wake(onCall="busy")
        self.assertEqual(len(self.flushLoggedErrors(UserBusy)), 1)

    def test_noAnswer(self) -> None:
        """Thirty seconds of ringing."""
        self.wake(onCall="ring")
        self.assertEqual(len(self.flushLoggedErrors(CallNotAnswered)), 1)


class BridgeTests(ExampleTestCase):
    """An operator behind the application."""

    def connect(self, **phone: Any) -> tuple[Lab, PhoneCall, Phone]:
        """A caller, two seconds after the call began, and the operator's phone."""
        app = self.saved("operator_", blockOf(CONCEPTS, "Bridging: connectLegs")).Operator
        lab = Lab(app)
        operator = lab.phone("operator", **phone)
        app.operator = operator.uri
        call = lab.phone("alice").dial("sip:office@doug")
        lab.advance(2.0)
        return lab, call, operator

    def test_bothTalk(self) -> None:
        """Each hears the other until # parts them; the calls stay up."""
        lab, call, operator = self.connect(answerAfter=1.0)
        call.assertHears("welcome.wav")
        [other] = operator.calls
        call.sayTone(440, 1.0)
        other.sayTone(620, 1.0)
        lab.advance(0.9)
        other.assertHearsTone(440)
        call.assertHearsTone(620)
        call.press("#")
        lab.advance(1.0)
        call.sayTone(440, 1.0)
        lab.advance(1.0)
        other.assertSilent()
        self.assertEqual((call.state, other.state, other.keys), ("answered", "answered", "#"))
        other.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(lab.results, ["connected"])

    def test_busy(self) -> None:
        """The caller is told."""
        lab, call, _ = self.connect(onCall="busy")
        call.assertHears("two.wav")
        lab.assertNothingLeft()
        self.assertEqual(lab.results, ["alone"])


class ConferenceTests(ExampleTestCase):
    """Three in a room."""

    def test_everybodyHearsTheOthers(self) -> None:
        """And never themselves."""
        lab = Lab(self.saved("meeting", blockOf(CONCEPTS, "Conferencing")).Meeting)
        calls = [lab.phone().dial("sip:meeting@doug") for _ in range(3)]
        lab.advance(1.0)
        calls[0].sayTone(440, 1.0)
        lab.advance(0.9)
        calls[1].assertHearsTone(440)
        calls[2].assertHearsTone(440)
        calls[0].assertSilent()
        for call in calls:
            call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(lab.results, 3 * ["left"])


class HookingTests(ExampleTestCase):
    """Ways to run an application."""

    def test_aService(self) -> None:
        """The file for twistd has a service of that application, which is not started yet."""
        self.saved("lobby", LOBBY)
        names: dict[str, Any] = {}
        exec(blockOf(CONCEPTS, "Hooking it together", 0), names)
        [service] = list(IServiceCollection(names["application"]))
        self.assertIsInstance(service, DougService)
        self.assertEqual(service.application.getPref("rtpPorts"), (12000, 13000))
        self.assertRaises(RuntimeError, lambda: service.application.exchange)

    def test_resultsAreAccepted(self) -> None:
        """By the methods of the subclass."""
        names: dict[str, Any] = {}
        exec(blockOf(CONCEPTS, "Hooking it together", 1), names)
        lobby = self.saved("lobby", LOBBY).Lobby
        reactor = VirtualReactor()
        office = names["Office"](lobby, reactor=reactor, settings=Settings())
        cookie = office.startVoiceApp()
        app = office.listVoiceapps()[cookie]
        app.returnResult(5)
        reactor.advance(0.1)
        self.assertEqual(office.last, (cookie, 5))
        error = ValueError("no coffee")
        cookie = office.startVoiceApp()
        office.listVoiceapps()[cookie].returnError(error)
        reactor.advance(0.1)
        self.assertEqual(office.last, (cookie, error))


EXAMPLES: Examples = {
    (CONCEPTS, "The state machine"): [
        StateMachineTests.test_aKey,
        StateMachineTests.test_anEventFromOutside,
    ],
    (CONCEPTS, "VoiceApps, legs, events and more"): [OutboundTests.test_progressThenAnswer],
    (CONCEPTS, "Bridging: connectLegs"): [BridgeTests.test_bothTalk],
    (CONCEPTS, "Conferencing"): [ConferenceTests.test_everybodyHearsTheOthers],
    (CONCEPTS, "Hooking it together"): [
        HookingTests.test_aService,
        HookingTests.test_resultsAreAccepted,
    ],
}
