"""Contract section 3: each event of the hierarchy in an actual call, in the test of its name.

Not here: the classes by themselves (test_section_3_events.py), their order at the end of a call
(test_section_3_ends.py).
"""

from __future__ import annotations

import os
from typing import Any

import doug.events
from doug.events import (
    ApplicationSpecificEvent,
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallHeldEvent,
    CallLegEvent,
    CallProgressEvent,
    CallRejectedEvent,
    CallResumedEvent,
    CallStartedEvent,
    CallTransferredEvent,
    CallTransferRequestedEvent,
    DTMFReceivedEvent,
    DTMFTimeoutEvent,
    Event,
    InboundCallStartedEvent,
    MediaDoneEvent,
    MediaPlayContentDoneEvent,
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
    MediaPlayRemoteClosedEvent,
    MediaPlayTimerExpiredEvent,
    MediaPlayUserBargeInEvent,
    MediaRecordDoneEvent,
    MediaRecordFailedEvent,
    MediaRecordRemoteClosedEvent,
    MediaRecordStoreFailedEvent,
    MediaRecordTimeoutExceededEvent,
    OptionalEvent,
    OutboundCallStartedEvent,
    TimeoutEvent,
)
from shtoom.media.files import openReader
from test.doug.bridged import BridgeTestCase
from test.doug.puppet import Puppet

PARENTS = (BaseEvent, Event, OptionalEvent, MediaDoneEvent, MediaPlayDoneEvent, CallLegEvent,
           CallStartedEvent)  # fmt: skip


class Fare(ApplicationSpecificEvent):
    """An event of an application's own."""


class Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, room: int) -> None:
        self.room, self.closed = room, 0

    def write(self, data: bytes) -> int:
        """As the system would."""
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return len(data)

    def close(self) -> None:
        """Counted."""
        self.closed += 1


class EachEventTests(BridgeTestCase):
    """One test for each class that is raised; those above it are matched in it as well."""

    def test_everyClassHasItsTest(self) -> None:
        """Those that only group others have none of their own."""
        for name in doug.events.__all__:
            value = getattr(doug.events, name)
            if isinstance(value, type) and value not in PARENTS:
                self.assertTrue(hasattr(self, f"test_{name}"), name)

    def came(self, *kinds: type[BaseEvent]) -> Any:
        """The last event, which is of the first of these classes exactly, and of the others too."""
        event = self.app.last()
        self.assertIs(type(event), kinds[0], self.app.names())
        for kind in kinds[1:]:
            self.assertIsInstance(event, kind)
        if hasattr(event, "leg"):
            self.assertIs(event.getLeg(), event.leg)
            self.assertEqual(event.getDialog().getCallID(), event.leg.getDialog().getCallID())
        return event

    # Keys

    def test_DTMFReceivedEvent(self) -> None:
        """A key."""
        self.begin()
        self.call.press("5")
        self.lab.advance(0.5)
        event = self.came(DTMFReceivedEvent, Event)
        self.assertEqual((event.digits, event.leg), ("5", self.leg))
        self.assertEqual([press.how for press in event.evidence], ["rfc4733"])
        self.finish()

    def test_DTMFTimeoutEvent(self) -> None:
        """What was collected until the time was over."""
        self.begin()
        self.leg.dtmfMode(timeout=2)
        self.call.press("42")
        self.lab.advance(3.0)
        self.assertEqual(self.came(DTMFTimeoutEvent, DTMFReceivedEvent).digits, "42")
        self.finish()

    # Playing

    def test_MediaPlayContentDoneEvent(self) -> None:
        """After the last sound: the last item as given, and the list."""
        self.begin()
        items = [self.wav("a.wav", 440, 0.5), self.wav("b.wav", 620, 0.5)]
        self.leg.mediaPlay(items)
        self.lab.advance(0.9)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.lab.advance(0.2)
        event = self.came(MediaPlayContentDoneEvent, MediaPlayDoneEvent, MediaDoneEvent)
        self.assertEqual((event.source, event.playlist), (items[1], items))
        self.finish()

    def test_MediaPlayContentFailedEvent(self) -> None:
        """The rest of the list is heard; then it names what was not, and why."""
        self.begin()
        items = [self.wav("a.wav", 440, 0.5), "missing.wav", self.wav("b.wav", 620, 0.5)]
        self.leg.mediaPlay(items)
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.3)
        self.lab.advance(0.4)
        self.call.assertHearsTone(620, 0.3)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.lab.advance(0.2)
        event = self.came(MediaPlayContentFailedEvent, MediaPlayDoneEvent)
        ((item, reason),) = event.failed
        self.assertEqual((item, event.reason), ("missing.wav", reason))
        self.assertIn("missing.wav", reason)
        self.finish()

    def test_MediaPlayUserBargeInEvent(self) -> None:
        """The end of the play and the key are one event, which a handler for either gets."""
        self.begin()
        items = [self.wav("a.wav", 440, 5.0)]
        self.leg.mediaPlay(items, bargeIn=True)
        self.lab.advance(0.5)
        self.call.press("7")
        self.lab.advance(0.5)
        event = self.came(MediaPlayUserBargeInEvent, DTMFReceivedEvent, MediaPlayDoneEvent)
        self.assertEqual((event.digits, event.playlist, event.source), ("7", items, items[0]))
        self.assertEqual(len(self.app.events), 2)
        self.finish()

    def test_MediaPlayTimerExpiredEvent(self) -> None:
        """timeout= ends that play alone."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), timeout=1.0)
        self.lab.advance(1.1)
        self.came(MediaPlayTimerExpiredEvent, MediaPlayDoneEvent)
        self.assertFalse(self.leg.isPlaying())
        self.finish()

    def test_MediaPlayRemoteClosedEvent(self) -> None:
        """The far end hangs up in the middle of it."""
        self.begin()
        path = self.wav("a.wav", 440, 5.0)
        self.leg.mediaPlay(path)
        self.lab.advance(0.5)
        self.call.hangUp()
        self.lab.advance(0.5)
        self.assertEqual(self.came(MediaPlayRemoteClosedEvent, MediaPlayDoneEvent).source, path)
        self.assertEqual(self.app.names()[1:], ["CallEnded", "MediaPlayRemoteClosed"])
        self.finish()

    # Recording

    def record(self, seconds: float = 1.5, dest: Any = None, **limits: Any) -> Any:
        """The caller speaks for a second while it is recorded."""
        self.begin()
        self.path = str(self.folder / "r.wav")
        self.leg.mediaRecord(self.path if dest is None else dest, **limits)
        self.call.sayTone(440, 1.0)
        self.lab.advance(seconds)

    def duration(self) -> float:
        """Seconds in the file, to a tenth."""
        with openReader(self.path) as reader:
            return round(len(reader.read()) / 8000, 1)

    def test_MediaRecordDoneEvent(self) -> None:
        """By a key: with the file's name and length, which is complete by now."""
        self.record(1.0, terminators="#*")
        self.call.press("*")
        self.lab.advance(0.2)
        event = self.came(MediaRecordDoneEvent, MediaDoneEvent)
        self.assertEqual((event.dest, event.source), (self.path, self.path))
        self.assertEqual((round(event.duration, 1), self.duration()), (1.0, 1.0))
        self.assertEqual(len(self.app.events), 2)  # the key was meant for the recording
        self.finish()

    def test_MediaRecordDoneEvent_bySilence(self) -> None:
        """Nothing is said for maxSilence seconds."""
        self.record(5.0, maxSilence=2.0)
        event = self.came(MediaRecordDoneEvent)
        self.assertTrue(2.9 < event.duration < 3.2, event.duration)
        self.assertFalse(self.leg.isRecording())
        self.finish()

    def test_MediaRecordTimeoutExceededEvent(self) -> None:
        """maxDuration is over."""
        self.record(1.5, maxDuration=1.0)
        event = self.came(MediaRecordTimeoutExceededEvent, MediaRecordDoneEvent)
        self.assertEqual((event.duration, self.duration()), (1.0, 1.0))
        self.finish()

    def test_MediaRecordFailedEvent(self) -> None:
        """It cannot be begun; the call goes on."""
        self.record(0.5, dest=str(self.folder / "nowhere" / "r.wav"))
        event = self.came(MediaRecordFailedEvent, MediaRecordDoneEvent)
        self.assertIn("nowhere/r.wav", event.reason)
        self.assertIn("No such file", event.reason)
        self.assertEqual(self.call.state, "answered")
        self.finish()

    def test_MediaRecordStoreFailedEvent(self) -> None:
        """The disk is full in the middle of it, a file-like's or the system's; the call goes on."""
        full = Full(10000)
        self.record(3.0, dest=full)
        event = self.came(MediaRecordStoreFailedEvent, MediaRecordDoneEvent)
        self.assertIn("No space left", event.reason)
        self.assertEqual((event.dest, full.closed, self.call.state), (full, 1, "answered"))
        device = self.folder / "full.sln"
        os.symlink("/dev/full", device)
        self.leg.mediaRecord(device)
        self.lab.advance(3.0)
        event = self.came(MediaRecordStoreFailedEvent)
        self.assertIn("full.sln", event.reason)
        self.assertIn("No space left", event.reason)
        self.finish()

    def test_MediaRecordRemoteClosedEvent(self) -> None:
        """The far end hangs up: what was said is in the file."""
        self.record(1.0)
        self.call.hangUp()
        self.lab.advance(0.5)
        event = self.came(MediaRecordRemoteClosedEvent, MediaRecordDoneEvent)
        self.assertEqual((round(event.duration, 1), self.duration()), (1.0, 1.0))
        self.assertEqual(self.app.names()[1:], ["CallEnded", "MediaRecordRemoteClosed"])
        self.finish()

    # Calls

    def test_InboundCallStartedEvent(self) -> None:
        """Somebody calls; nothing is answered yet."""
        seen: list[Any] = []
        self.appClass = noting(seen)
        self.begin(lab={"greeting": "hello"})
        (event,) = seen
        self.assertIs(type(event), InboundCallStartedEvent)
        self.assertIsInstance(event, CallStartedEvent)
        self.assertEqual((event.leg, event.args), (self.leg, {"greeting": "hello"}))
        self.finish()

    def test_OutboundCallStartedEvent(self) -> None:
        """The server starts an application that is to dial, with a leg that dials or without."""
        seen: list[Any] = []
        self.appClass = noting(seen)
        self.begin()
        server = self.lab.application
        server.startVoiceApp(number=5)
        server.placeCall(self.lab.phone("bob").uri, number=6)
        self.lab.advance(0.1)
        for event, args in zip(seen[1:], ({"number": 5}, {"number": 6}), strict=True):
            self.assertIs(type(event), OutboundCallStartedEvent)
            self.assertEqual(event.args, args)
        self.assertIsNone(seen[1].leg)
        self.assertEqual(seen[2].getDialog().getDirection(), "outbound")
        for app in server.listVoiceapps().values():
            app.returnResult("over")
        self.finish()

    def test_CallAnsweredEvent(self) -> None:
        """The ACK has come: both can speak."""
        self.begin()
        self.came(CallAnsweredEvent, CallLegEvent)
        self.finish()

    def test_CallRejectedEvent(self) -> None:
        """A call that was placed is refused."""
        self.begin()
        leg = self.app.placeCall(self.lab.phone(onCall="busy").uri)
        self.lab.advance(0.5)
        event = self.came(CallRejectedEvent, CallLegEvent)
        self.assertEqual((event.leg, event.sipCode, event.reason), (leg, 486, "Busy Here"))
        self.finish()

    def test_CallEndedEvent(self) -> None:
        """The far end hangs up."""
        self.begin()
        self.call.hangUp()
        self.lab.advance(0.5)
        event = self.came(CallEndedEvent, CallLegEvent)
        self.assertEqual((event.reason, event.sipCode), ("the far end hung up", None))
        self.assertEqual((round(event.duration, 1), event.verdict), (0.5, []))
        self.finish()

    def test_CallProgressEvent(self) -> None:
        """It rings at the far end."""
        self.begin()
        leg = self.app.placeCall(self.lab.phone(onCall="ring").uri)
        self.lab.advance(0.5)
        event = self.came(CallProgressEvent, OptionalEvent)
        self.assertEqual((event.leg, event.sipCode, event.reason), (leg, 180, "Ringing"))
        self.finish()

    def test_CallHeldEvent(self) -> None:
        """The far end holds."""
        self.beginBoth()
        self.hold(self.call, "sendonly")
        self.assertIs(self.came(CallHeldEvent, OptionalEvent).leg, self.leg)
        self.finish()

    def test_CallResumedEvent(self) -> None:
        """And is back."""
        self.beginBoth()
        self.hold(self.call, "sendonly")
        self.hold(self.call, "sendrecv")
        self.assertIs(self.came(CallResumedEvent, OptionalEvent).leg, self.leg)
        self.assertEqual(self.app.names(), ["CallHeld", "CallResumed"])
        self.finish()

    def test_CallTransferRequestedEvent(self) -> None:
        """The far end wants its call to be put through."""
        self.begin()
        self.call.transfer("sip:carol@example.com")
        self.lab.advance(0.1)
        event = self.came(CallTransferRequestedEvent, OptionalEvent)
        self.assertEqual((event.leg, event.target), (self.leg, "sip:carol@example.com"))
        self.assertEqual(event.getHeader("Refer-To"), "<sip:carol@example.com>")
        self.finish()

    def test_CallTransferredEvent(self) -> None:
        """And was; who was connected with it is connected with the new leg."""
        self.beginBridge()
        carol = self.lab.phone("carol")
        self.app.hooks["CallTransferRequestedEvent"] = accepted
        self.bob.transfer(carol.uri)
        self.lab.advance(0.5)
        event = self.came(CallTransferredEvent, OptionalEvent)
        self.assertIs(event.leg, self.other)
        self.assertEqual(event.bridge.legs, (self.leg, event.newLeg))
        self.finish()

    # Others

    def test_TimeoutEvent(self) -> None:
        """A timer, with its data, in the middle of a call."""
        self.begin()
        timer = self.app.setTimer(2.0, {"tries": 3})
        self.lab.advance(1.9)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.lab.advance(0.2)
        event = self.came(TimeoutEvent, Event)
        self.assertIs(event.getTimer(), timer)
        self.assertEqual((timer.data, timer.delay), ({"tries": 3}, 2.0))
        self.finish()

    def test_ApplicationSpecificEvent(self) -> None:
        """An event of the application's own, raised by another part of the program."""
        self.begin()
        self.lab.reactor.callLater(0.1, self.app.raiseEvent, Fare())
        self.lab.advance(0.2)
        self.came(Fare, ApplicationSpecificEvent, Event)
        self.finish()


def accepted(event: CallTransferRequestedEvent) -> None:
    """Whoever it is."""
    event.accept(anyHost=True)


def noting(seen: list[Any]) -> type[Puppet]:
    """A Puppet that also keeps the event that it begins with."""

    class Noting(Puppet):
        def started(self, event: CallStartedEvent) -> Any:
            seen.append(event)
            return super().started(event)

    return Noting
