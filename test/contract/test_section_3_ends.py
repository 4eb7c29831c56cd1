"""Contract section 3: exactly one end for each play and leg, and their order at a hang-up."""

from __future__ import annotations

from typing import Any

from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    Event,
    MediaDoneEvent,
    MediaPlayRemoteClosedEvent,
    MediaRecordRemoteClosedEvent,
)
from shtoom.media.files import openReader
from test.doug.puppet import LegTestCase, Puppet


class Busy(Puppet):
    """Plays and records; then waits with the list of `entries`, which names methods."""

    entries: Any = [(CallEndedEvent, "over")]
    path = ""

    def started(self, event: CallStartedEvent) -> Any:
        self.leg = event.getLeg()
        self.leg.answerCall(self)
        return [(CallAnsweredEvent, self.begin)]

    def begin(self, event: CallAnsweredEvent) -> Any:
        self.leg.mediaPlay([f"{self.path}/a.wav"], loop=True)
        self.leg.mediaPlay([f"{self.path}/a.wav"], loop=True)
        self.leg.mediaRecord(f"{self.path}/r.wav")
        return [(kind, getattr(self, name)) for kind, name in self.entries]

    def over(self, event: Event) -> Any:
        """Keeps it."""
        self.note(event)


class HangUpOrderTests(LegTestCase):
    """The far end hangs up while sound is played and recorded."""

    appClass = Busy

    def namesWith(self, *entries: tuple[type[Event], str]) -> list[str]:
        """The events that an application with those entries gets."""
        self.wav("a.wav", 440, 1.0)

        class Entries(Busy):
            pass

        Entries.entries = list(entries)
        self.appClass = Entries
        self.begin(lab={"path": str(self.folder)}, seconds=1.0)
        self.call.hangUp()
        self.lab.advance(0.5)
        return self.app.names()

    def test_endOfTheCallFirst(self) -> None:
        """An application that goes on after MediaDoneEvent does not, for a caller who has gone."""
        names = self.namesWith((MediaDoneEvent, "over"), (CallEndedEvent, "over"))
        self.assertEqual(names, ["CallEnded", "MediaRecordRemoteClosed", "MediaPlayRemoteClosed"])
        self.finish()

    def test_mediaFirstIfTheListNamesARemoteClosed(self) -> None:
        """Record before play."""
        names = self.namesWith(
            (MediaRecordRemoteClosedEvent, "over"),
            (MediaPlayRemoteClosedEvent, "over"),
            (CallEndedEvent, "over"),
        )
        self.assertEqual(names, ["MediaRecordRemoteClosed", "MediaPlayRemoteClosed", "CallEnded"])
        self.finish()

    def test_unmatchedRemoteClosedIsDropped(self) -> None:
        """CallEndedEvent alone is enough; of two plays only the one that was heard would end."""
        self.assertEqual(self.namesWith((CallEndedEvent, "over")), ["CallEnded"])
        self.finish()

    def test_fileIsCompleteWhenTheEventComes(self) -> None:
        """All that was said until the hang-up is in it, whichever event is handled."""
        self.wav("a.wav", 440, 1.0)
        self.begin(lab={"path": str(self.folder)}, seconds=1.0)
        seen: list[float] = []

        def look(event: Event) -> None:
            with openReader(self.folder / "r.wav") as reader:
                seen.append(reader.duration or 0.0)

        self.app.hooks["CallEndedEvent"] = look
        self.call.hangUp()
        self.lab.advance(0.5)
        self.assertAlmostEqual(seen[0], 1.0, 1)
        self.finish()

    def test_sameForADroppedCall(self) -> None:
        """dropCall() ends it as the far end does."""
        self.wav("a.wav", 440, 1.0)

        class Naming(Busy):
            entries: Any = [(MediaDoneEvent, "over"), (CallEndedEvent, "over")]

        self.appClass = Naming
        self.begin(lab={"path": str(self.folder)}, seconds=1.0)
        self.lab.application.dropCall(self.app.va_cookie)
        self.lab.advance(0.5)
        self.assertEqual(
            self.app.names(), ["CallEnded", "MediaRecordRemoteClosed", "MediaPlayRemoteClosed"]
        )
        self.assertEqual(self.call.state, "ended")
        self.assertEqual(self.app.events[0].reason, "dropped by the server")  # type: ignore[attr-defined]
        self.finish()


class OnePlayEndTests(LegTestCase):
    """One end for each play, at a hang-up too."""

    def test_stringThatNeverCameToItsEnd(self) -> None:
        """Its first key stopped the prompt: that ends with RemoteClosed."""
        self.begin()
        self.leg.dtmfMode()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), bargeIn=True)
        self.lab.advance(1.0)
        self.call.press("12")
        self.lab.advance(1.0)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["CallEnded", "MediaPlayRemoteClosed"])
        self.finish()

    def test_playThatNeverBegan(self) -> None:
        """Queued on a leg that was not answered, it gives none."""

        class Ringing(Puppet):
            answers = False

        self.appClass = Ringing
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0))
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallEnded"])
        self.finish()


class OneEndTests(LegTestCase):
    """One end for each leg."""

    def test_farEndHangsUp(self) -> None:
        """CallEndedEvent with reason and duration."""
        self.begin()
        self.lab.advance(9.5)
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "CallEnded"])
        self.assertAlmostEqual(self.app.last().duration, 10.0, 1)
        self.assertIn("hung up", self.app.last().reason)
        self.assertEqual(self.app.last().verdict, [])
        self.finish()

    def test_callerCancelsWhileItRings(self) -> None:
        """CallEndedEvent with 487; it was never answered."""

        class Silent(Puppet):
            answers = False

        self.appClass = Silent
        self.begin()
        self.call.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names(), ["CallEnded"])
        self.assertEqual((self.app.last().sipCode, self.app.last().duration), (487, 0.0))
        self.finish()

    def test_outboundNeverAnswered(self) -> None:
        """CallRejectedEvent with the far end's code: busy, declining, nobody there."""
        self.begin()
        for onCall, code in (("busy", 486), ("decline", 603)):
            self.app.placeCall(self.lab.phone(onCall=onCall).uri)
            self.lab.advance(1.0)
            self.assertIsInstance(self.app.last(), CallRejectedEvent)
            self.assertEqual(self.app.last().sipCode, code)
        self.app.placeCall("no address at all")
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[-1], "CallRejected")
        names = [name for name in self.app.names() if name != "CallProgress"]
        self.assertEqual(names, ["CallAnswered", *["CallRejected"] * 3])
        self.finish()

    def test_nobodyAnswersInTime(self) -> None:
        """CallRejectedEvent after timeout= seconds."""
        self.begin()
        self.app.placeCall(self.lab.phone(onCall="ring").uri, timeout=5.0)
        self.lab.advance(10.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "CallProgress", "CallRejected"])
        self.assertEqual(self.app.last().sipCode, 408)
        self.finish()

    def test_outboundAnswered(self) -> None:
        """CallProgressEvent, CallAnsweredEvent, sound both ways, CallEndedEvent."""
        self.begin()
        phone = self.lab.phone(answerAfter=1.0)
        leg = self.app.placeCall(phone.uri)
        self.lab.advance(2.0)
        self.assertEqual(self.app.names()[1:], ["CallProgress", "CallAnswered"])
        self.assertIs(self.app.last().getLeg(), leg)
        leg.mediaPlay(self.wav("a.wav", 440, 1.0))
        self.lab.advance(0.5)
        [there] = phone.calls
        there.assertHearsTone(440, 0.3)
        there.hangUp()
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[3:], ["CallEnded", "MediaPlayRemoteClosed"])
        self.assertIs(self.app.getDefaultLeg(), self.leg)
        self.finish()

    def test_noACK(self) -> None:
        """CallEndedEvent after 64*T1, its verdict says what happened."""

        class Quiet(Puppet):
            answers = False

        self.appClass = Quiet
        self.begin()
        self.lab.network.drop = lambda data, source, to: data.startswith(b"ACK")
        self.leg.answerCall(self.app)
        self.leg.mediaPlay(self.wav("a.wav", 440, 1.0), loop=True)
        self.lab.advance(40.0)
        self.assertEqual(self.app.names(), ["CallEnded", "MediaPlayRemoteClosed"])
        [finding] = self.app.events[0].verdict  # type: ignore[attr-defined]
        self.assertIn("no ACK", str(finding))
        self.finish()
