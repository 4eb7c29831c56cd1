"""What outlives its call is found, named by the line that made it, and counted; else nothing is."""

from __future__ import annotations

import gc
import io
import re
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from doug.conferencing import newConferenceMember
from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
)
from doug.testing import Lab, PhoneCall
from doug.testing.media import MemoryMediaSocket
from doug.timer import Timer
from doug.voiceapp import VoiceApp
from shtoom.agent.call import Call
from test.doug.faulty import Fault
from test.long.reload import EACH, KEYS, MOST_BYTES, Load, grown
from test.support.logs import logged

CALLS = 150  # of one load
TRACED = 30  # of one whose bytes are counted, which takes longer


class Keeping(VoiceApp):
    """Answers, opens one thing, and ends with its call. verdicts: of all calls."""

    verdicts: list[str] = []

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.opens), (CallEndedEvent, self.gone)]

    def opens(self, event: CallAnsweredEvent) -> Any:
        """What is to be left open."""

    def gone(self, event: CallEndedEvent) -> Any:
        """The caller has left."""
        self.verdicts += [finding.text for finding in event.verdict]
        self.returnResult("gone")


class SurvivorTests(SynchronousTestCase):
    """Each kind of thing that does not close is in the log, with the line that made it."""

    def setUp(self) -> None:
        self.verdicts: list[str] = []

    def begin(self, app: type[Keeping]) -> PhoneCall:
        """A call that is up."""
        self.lab = Lab(app, verdicts=self.verdicts)
        call = self.lab.phone().dial("sip:x@doug")
        self.lab.advance(0.5)
        self.assertEqual(call.state, "answered")
        return call

    def lineOf(self, mark: str) -> str:
        """Where the remark of that name stands, as Doug says it."""
        lines = Path(__file__).read_text().splitlines()
        [number] = [n for n, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
        return f"test_leaks.py line {number}"

    def survivorsOf(self, call: PhoneCall, seconds: float = 1.0) -> list[str]:
        """What the log names when the caller hangs up; as many are counted."""
        with logged() as lines:
            call.hangUp()
            self.lab.advance(seconds)
        found = [line for line in lines if " is over, but " in line]
        self.assertEqual(self.lab.application.leaks.count, len(found))
        return [re.sub(r".* is over, but (.*) is still open", r"\1", line) for line in found]

    def test_nothing(self) -> None:
        """Of a call in which everything was opened and nothing left."""

        class Thorough(Keeping):
            def opens(self, event: CallAnsweredEvent) -> Any:
                seat = newConferenceMember("room", event.leg)
                self.mediaPlay([seat])
                self.mediaRecord(seat)
                self.mediaRecord(io.BytesIO())
                self.setTimer(100.0)
                self.deferToThread(len, "job")
                self.placeCall("sip:nobody@198.51.100.99")
                self.sendDTMF("1")

            def gone(self, event: CallEndedEvent) -> Any:
                self.returnResult("over")

        self.assertEqual(self.survivorsOf(self.begin(Thorough), 80.0), [])
        self.lab.assertNothingLeft()

    def test_aSocket(self) -> None:
        """That does not close: in the verdict too."""
        call = self.begin(Keeping)
        [session] = self.lab.application.exchange.media.sessions

        def stuck(socket: MemoryMediaSocket) -> None:
            if socket.port == session.port:
                raise OSError("stuck")

        self.patch(MemoryMediaSocket, "close", stuck)
        name = f"media session on port {session.port}"
        self.assertEqual(self.survivorsOf(call), [name])
        self.assertTrue(any(name in text for text in self.verdicts))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_aRecording(self) -> None:
        """Whose disk hangs."""

        class Recording(Keeping):
            def opens(self, event: CallAnsweredEvent) -> Any:
                self.mediaRecord(io.BytesIO())  # recording

        self.patch(Lab, "advance", lambda lab, seconds: lab.reactor.advance(seconds))
        call = self.begin(Recording)
        self.patch(self.lab.reactor, "callInThreadWithCallback", lambda *args: None)
        [name] = self.survivorsOf(call, 60.0)
        self.assertIn(f"made in opens, {self.lineOf('recording')}", name)
        self.assertTrue(any(name in text for text in self.verdicts))

    def test_aSeat(self) -> None:
        """In a room that does not let go."""

        class Sitting(Keeping):
            def opens(self, event: CallAnsweredEvent) -> Any:
                seat = newConferenceMember("room", event.leg)  # seat
                seat.room.removeMember = self.stuck  # type: ignore[method-assign]

            def stuck(self, member: Any) -> None:
                raise Fault("stuck")

        call = self.begin(Sitting)
        seat = f"seat in room 'room' (made in {self.lineOf('seat')})"
        self.assertEqual(self.survivorsOf(call), [seat])
        self.assertEqual(len(self.flushLoggedErrors(Fault)), 1)

    def test_aTimer(self) -> None:
        """That cannot be cancelled."""

        class Timing(Keeping):
            def opens(self, event: CallAnsweredEvent) -> Any:
                self.setTimer(1000.0)  # timer

        self.patch(Timer, "cancel", lambda timer: None)
        line = self.lineOf("timer")
        self.assertEqual(
            self.survivorsOf(self.begin(Timing)), [f"timer of 1000 s (made in opens, {line})"]
        )

    def test_aJobInAThread(self) -> None:
        """That goes on for minutes; one that takes half a minute is none."""

        def slow() -> None:
            """Never done here."""

        class Working(Keeping):
            def opens(self, event: CallAnsweredEvent) -> Any:
                self.deferToThread(slow)  # job

        done: list[Any] = []
        self.patch(Lab, "advance", lambda lab, seconds: lab.reactor.advance(seconds))
        lab = self.lab = Lab(Working, verdicts=self.verdicts)
        self.patch(
            lab.reactor, "callInThreadWithCallback", lambda onResult, *args: done.append(onResult)
        )
        calls = [lab.phone().dial("sip:x@doug") for _ in range(2)]
        lab.advance(0.5)
        calls[0].hangUp()
        lab.advance(30.0)
        done[0](True, None)
        lab.advance(50.0)
        self.assertEqual(lab.application.leaks.count, 0)
        line = self.lineOf("job")
        self.assertEqual(
            self.survivorsOf(calls[1], 80.0), [f"job slow in a thread (made in opens, {line})"]
        )

    def test_aDialog(self) -> None:
        """Of a call that was placed and never comes to its end."""

        class Dialling(Keeping):
            def opens(self, event: CallAnsweredEvent) -> Any:
                self.placeCall("sip:nobody@198.51.100.99")  # dialog

        call = self.begin(Dialling)
        mine = {app.va_callID for app in self.lab.application.listVoiceapps().values()}
        cleanUp = Call.cleanUp
        self.patch(Call, "cleanUp", lambda call: call.callID not in mine or cleanUp(call))
        self.assertEqual(
            self.survivorsOf(call, 150.0), [f"its dialog (made in {self.lineOf('dialog')})"]
        )

    def test_aDeferred(self) -> None:
        """Of a handler, when it has had its minute: counted, and named with file and line."""

        class Waiting(Keeping):
            def gone(self, event: CallEndedEvent) -> Any:  # waiting
                return Deferred()

        call = self.begin(Waiting)
        with logged() as lines:
            call.hangUp()
            self.lab.advance(61.0)
        number = self.lineOf("waiting").removeprefix("test_leaks.py ")
        place = f"the Deferred of gone (test_leaks.py, {number}) is cancelled"
        self.assertEqual(len([line for line in lines if place in line]), 1)
        self.assertEqual(self.lab.application.leaks.count, 1)
        self.assertEqual(len(self.flushLoggedErrors(CancelledError)), 1)

    def test_aCoroutineThatCannotBeCancelled(self) -> None:
        """It survives its application."""

        class Clinging(Keeping):
            async def opens(self, event: CallAnsweredEvent) -> Any:
                self.reactor.callLater(1.0, self.returnResult, "over")
                while True:
                    try:
                        await Deferred()
                    except CancelledError:
                        continue

        with logged() as lines:
            self.begin(Clinging)
            self.lab.advance(1.0)
        self.assertEqual(len([line for line in lines if "the Deferred of opens (" in line]), 1)
        self.assertEqual(self.lab.application.leaks.count, 1)


class LoadTests(SynchronousTestCase):
    """The same load twice in one process."""

    def test_sameLoadTwice(self) -> None:
        """With the collector off: no objects more, nor strings, which it does not know, and not
        5 % more memory; a call leaves less than 100 bytes."""
        gc.collect()
        gc.freeze()  # what is there already is not looked at again and again
        self.addCleanup(gc.unfreeze)
        load = Load()
        first, second = load.twice(CALLS)
        self.assertEqual(second.keys[KEYS], CALLS // EACH)
        self.assertFalse(grown(first, second), (first, second))
        self.assertLess(load.left(TRACED), MOST_BYTES)
        self.assertEqual(load.lab.application.leaks.count, 0)
        load.lab.assertNothingLeft()
