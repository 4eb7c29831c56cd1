"""The contract, section 3: the hierarchy of events, and who raises which at a call's beginning.

How calls and media end is in test_section_3_ends.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug import events
from doug.events import (
    IGNORE_EVENT,
    BaseEvent,
    CallEndedEvent,
    CallProgressEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    InboundCallStartedEvent,
    MediaDoneEvent,
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
    MediaPlayRemoteClosedEvent,
    MediaPlayUserBargeInEvent,
    MediaRecordRemoteClosedEvent,
    OptionalEvent,
    OutboundCallStartedEvent,
)
from doug.testing import Lab
from doug.timer import Timer
from doug.voiceapp import HangUp, VoiceApp
from test.contract.support import AppTestCase, First
from test.doug.puppet import LegTestCase, Puppet

SEED = """
Event
  DTMFReceivedEvent
    DTMFTimeoutEvent
    MediaPlayUserBargeInEvent
  MediaDoneEvent
    MediaPlayDoneEvent
      MediaPlayContentDoneEvent
      MediaPlayContentFailedEvent
      MediaPlayUserBargeInEvent
      MediaPlayTimerExpiredEvent
      MediaPlayRemoteClosedEvent
    MediaRecordDoneEvent
      MediaRecordRemoteClosedEvent
      MediaRecordTimeoutExceededEvent
      MediaRecordFailedEvent
      MediaRecordStoreFailedEvent
  CallLegEvent
    CallAnsweredEvent
    CallRejectedEvent
    CallStartedEvent
      InboundCallStartedEvent
      OutboundCallStartedEvent
    CallEndedEvent
  TimeoutEvent
  ApplicationSpecificEvent
"""

leg: Any = "a leg"


class HierarchyTests(SynchronousTestCase):
    """The seed's classes, and those that were added."""

    def test_seedsHierarchy(self) -> None:
        """Each class derives from the one above it; and from no other event of the seed."""
        above: list[type] = []
        for line in SEED.strip().splitlines():
            depth = (len(line) - len(line.lstrip())) // 2
            event = getattr(events, line.strip())
            del above[depth:]
            for parent in above:
                self.assertTrue(issubclass(event, parent), f"{event} from {parent}")
            above.append(event)
        seed = set(SEED.split())
        for name in seed - {"MediaPlayUserBargeInEvent", "Event"}:
            parents = [b.__name__ for b in getattr(events, name).__bases__ if b.__name__ in seed]
            self.assertEqual(len(parents), 1, name)

    def test_addedEventsAreNoEvents(self) -> None:
        """D: they derive from OptionalEvent, which has only BaseEvent in common with Event."""
        self.assertFalse(issubclass(OptionalEvent, Event))
        self.assertTrue(issubclass(OptionalEvent, BaseEvent) and issubclass(Event, BaseEvent))
        for name in events.__all__:
            value = getattr(events, name)
            if name not in SEED and name not in ("BaseEvent", "OptionalEvent", "IGNORE_EVENT"):
                self.assertTrue(issubclass(value, OptionalEvent), name)

    def test_eventNameIsTheClassName(self) -> None:
        """getEventName(), of subclasses too."""
        self.assertEqual(First().getEventName(), "First")
        self.assertEqual(CallEndedEvent(leg).getEventName(), "CallEndedEvent")

    def test_attributes(self) -> None:
        """What each class carries beside its leg."""
        failed = [("a.wav", "no such file"), ("b.wav", "not audio")]
        cases: list[tuple[Any, dict[str, Any]]] = [
            (DTMFReceivedEvent("5", leg), {"digits": "5", "evidence": []}),
            (MediaDoneEvent("a.wav", leg), {"source": "a.wav"}),
            (
                MediaPlayDoneEvent("b.wav", leg, ["a.wav", "b.wav"]),
                {"source": "b.wav", "playlist": ["a.wav", "b.wav"]},
            ),
            (
                MediaPlayContentFailedEvent("b.wav", leg, ["a.wav", "b.wav"], failed),
                {"failed": failed, "reason": "no such file; not audio"},
            ),
            (
                MediaPlayUserBargeInEvent("5", "a.wav", leg),
                {"digits": "5", "source": "a.wav", "playlist": ["a.wav"]},
            ),
            (
                events.MediaRecordDoneEvent("out.wav", leg, 2.5),
                {"source": "out.wav", "dest": "out.wav", "duration": 2.5},
            ),
            (
                events.MediaRecordStoreFailedEvent("out.wav", leg, 2.5, "disk full"),
                {"dest": "out.wav", "duration": 2.5, "reason": "disk full"},
            ),
            (CallRejectedEvent(leg, "Busy Here", 486), {"reason": "Busy Here", "sipCode": 486}),
            (InboundCallStartedEvent(leg, {"a": 1}), {"args": {"a": 1}}),
            (
                CallEndedEvent(leg, "bye", 200, 1.5, ["odd"]),
                {"reason": "bye", "sipCode": 200, "duration": 1.5, "verdict": ["odd"]},
            ),
        ]
        for event, wanted in cases:
            self.assertIs(event.getLeg(), leg)
            self.assertEqual({name: getattr(event, name) for name in wanted}, wanted)

    def test_reprNamesClassDigitsLegAndReason(self) -> None:
        """Never an address alone."""
        for event, wanted in [
            (DTMFReceivedEvent("12#", leg), "<DTMFReceivedEvent digits='12#' leg='a leg'>"),
            (CallEndedEvent(leg, "bye"), "<CallEndedEvent leg='a leg' reason='bye'>"),
            (CallStartedEvent(None), "<CallStartedEvent leg=None>"),
            (First(), "<First>"),
        ]:
            self.assertEqual(repr(event), wanted)
        self.assertEqual(repr(IGNORE_EVENT), "IGNORE_EVENT")

    def test_ownEventsNeedNotCallOurInit(self) -> None:
        """A subclass that forgets it can still be shown and queued."""

        class Own(CallEndedEvent):
            def __init__(self) -> None:
                self.mine = 1

        self.assertEqual(repr(Own()), "<Own>")


ANY_LEG: Any = SimpleNamespace(quiet=False)


class HangUpTests(AppTestCase):
    """D: the order at a far-end hang-up, by the list that is current at delivery."""

    record = MediaRecordRemoteClosedEvent("r.wav", leg)
    play = MediaPlayRemoteClosedEvent("p.wav", leg)
    ended = CallEndedEvent(leg)

    def order(self, *classes: Any) -> list[Any]:
        """The names of the events as they are delivered; a tuple ignores its class."""
        current = [(c[0], IGNORE_EVENT) if isinstance(c, tuple) else (c, print) for c in classes]
        hangUp = HangUp(ANY_LEG, [self.record, self.play], self.ended)
        return [event.getEventName() for event in hangUp.expand(current)]

    def test_callEndedFirst(self) -> None:
        """Where a handler matches it and no RemoteClosed class is named."""
        wanted = [e.getEventName() for e in (self.ended, self.record, self.play)]
        self.assertEqual(self.order(MediaDoneEvent, CallEndedEvent), wanted)
        self.assertEqual(self.order(MediaPlayDoneEvent, Event), wanted)

    def test_mediaFirst(self) -> None:
        """Record before play: where a RemoteClosed class is named, or nothing handles the end."""
        wanted = [e.getEventName() for e in (self.record, self.play, self.ended)]
        self.assertEqual(self.order(MediaPlayRemoteClosedEvent, CallEndedEvent), wanted)
        self.assertEqual(self.order(CallEndedEvent, MediaRecordRemoteClosedEvent), wanted)
        self.assertEqual(self.order(MediaPlayDoneEvent), wanted)
        self.assertEqual(self.order(MediaPlayDoneEvent, (CallEndedEvent,)), wanted)

    def test_itTakesItsOrderWhenItIsDelivered(self) -> None:
        """Not when the far end hangs up: a handler before it may change the list."""

        class App(VoiceApp):
            keepAlive = True

            def __start__(self) -> Any:
                self.got: list[str] = []
                return [(First, self.change), (CallEndedEvent, self.note)]

            def change(self, event: First) -> Any:
                return [(MediaPlayRemoteClosedEvent, self.note), (CallEndedEvent, self.note)]

            def note(self, event: BaseEvent) -> Any:
                self.got.append(event.getEventName())

        app = self.start(App, First())
        app.va_enqueue(HangUp(ANY_LEG, [self.play], self.ended))
        self.turn()
        self.assertEqual(app.got, ["MediaPlayRemoteClosedEvent", "CallEndedEvent"])


class BeginningTests(LegTestCase):
    """Which event an application begins with."""

    def first(self, begin: Any) -> Any:
        """The first event of an application that begin(server) starts."""

        class App(VoiceApp):
            seen: list[Any] = []

            def __start__(self) -> Any:
                return [(Event, self.note)]

            def note(self, event: Any) -> Any:
                App.seen.append(event)
                self.returnResult()

        self.lab = Lab(App)
        begin(self.lab)
        self.lab.advance(1.0)
        self.lab.assertNothingLeft()
        return App.seen[0]

    def test_newInboundCall(self) -> None:
        """InboundCallStartedEvent, so both CallStartedEvent and the subclass match."""
        event = self.first(lambda lab: lab.phone().dial("sip:app@doug"))
        self.assertIsInstance(event, InboundCallStartedEvent)
        self.assertIsInstance(event, CallStartedEvent)
        self.assertEqual(event.getDialog().getDirection(), "inbound")

    def test_startedWithoutACall(self) -> None:
        """OutboundCallStartedEvent with leg None and the keyword arguments as args."""
        event = self.first(lambda lab: lab.application.startVoiceApp(colour="red"))
        self.assertIsInstance(event, OutboundCallStartedEvent)
        self.assertIsNone(event.leg)
        self.assertEqual(event.args, {"colour": "red"})

    def test_placeCallRaisesNoCallStartedEvent(self) -> None:
        """D: inside an application progress is a CallProgressEvent, then comes the answer."""
        self.lab = Lab(Puppet)
        self.phone = self.lab.phone(answerAfter=1.0)
        cookie = self.lab.application.startVoiceApp()
        app = self.lab.application.listVoiceapps()[cookie]
        assert isinstance(app, Puppet)
        self.lab.advance(0.1)
        app.placeCall(self.phone.uri)
        self.lab.advance(2.0)
        self.assertEqual(app.names(), ["CallProgress", "CallAnswered"])
        progress = app.events[0]
        assert isinstance(progress, CallProgressEvent)
        self.assertEqual(progress.sipCode, 180)
        app.returnResult()
        self.lab.assertNothingLeft()


class TimeoutTests(AppTestCase):
    """TimeoutEvent."""

    def test_itHasItsTimer(self) -> None:
        """getTimer(), with its data and delay."""

        class App(VoiceApp):
            def __start__(self) -> Any:
                self.setTimer(3.0, "tea")
                return [(events.TimeoutEvent, self.over)]

            def over(self, event: events.TimeoutEvent) -> Any:
                self.returnResult(event.getTimer())

        self.start(App)
        self.run_(4.0)
        timer = self.outcomes[0]
        self.assertIsInstance(timer, Timer)
        self.assertEqual((timer.data, timer.delay), ("tea", 3.0))
