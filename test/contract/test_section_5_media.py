"""The contract, section 5: what a leg plays and records. A test for each sentence."""

from __future__ import annotations

import io
import os
from pathlib import Path

from doug.events import MediaPlayContentDoneEvent, MediaPlayUserBargeInEvent
from doug.source import SilenceSource
from shtoom.media.files import openReader
from test.doug.puppet import LegTestCase, Puppet, Silent


class PlayTests(LegTestCase):
    """mediaPlay(playlist)."""

    def test_oneItemOrAList(self) -> None:
        """Lists join; each call has its one end."""
        self.begin()
        one, two = self.wav("1.wav", 440, 0.5), self.wav("2.wav", 600, 0.5)
        self.leg.mediaPlay(one)
        self.leg.mediaPlay([two, Path(one)])
        self.lab.advance(0.4)
        self.call.assertHearsTone(440, 0.2)
        self.lab.advance(0.5)
        self.call.assertHearsTone(600, 0.2)
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["MediaPlayContentDone"] * 2)
        self.assertEqual(self.app.last().source, Path(one))
        self.assertEqual(self.app.last().playlist, [two, Path(one)])
        self.finish()

    def test_openFiles(self) -> None:
        """A WAV by its first bytes, else raw samples; they are closed."""
        self.begin()
        wav = Path(self.wav("a.wav", 440, 0.5)).open("rb")  # noqa: SIM115 - the leg closes it
        raw = io.BytesIO(Path(self.wav("b.wav", 600, 0.5)).read_bytes()[44:])
        self.leg.mediaPlay([wav, raw])
        self.lab.advance(0.4)
        self.call.assertHearsTone(440, 0.2)
        self.lab.advance(0.5)
        self.call.assertHearsTone(600, 0.2)
        self.lab.advance(1.0)
        self.assertTrue(wav.closed and raw.closed)
        self.finish()

    def test_pathIsRelativeToTheAppsModule(self) -> None:
        """The module's folder first, then the current one."""

        class Here(Puppet):
            """Of this module."""

        self.appClass = Here
        self.begin()
        path = os.path.relpath(self.wav("a.wav", 440, 0.5), Path(__file__).parent)
        self.assertFalse(Path(path).exists())
        self.leg.mediaPlay([path, os.path.relpath(self.wav("b.wav", 600, 0.5))])
        self.lab.advance(0.4)
        self.call.assertHearsTone(440, 0.2)
        self.lab.advance(0.6)
        self.assertEqual(self.app.names()[1:], ["MediaPlayContentDone"])
        self.finish()

    def test_unreadableItemIsReportedAfterTheRest(self) -> None:
        """ContentFailed names it; the queue goes on."""
        self.begin()
        good = self.wav("a.wav", 440, 0.5)
        self.leg.mediaPlay(["/nowhere/b.wav", good])
        self.lab.advance(0.4)
        self.call.assertHearsTone(440, 0.2)
        self.lab.advance(1.0)
        event = self.app.last()
        self.assertEqual(event.getEventName(), "MediaPlayContentFailedEvent")
        self.assertEqual([item for item, _ in event.failed], ["/nowhere/b.wav"])
        self.assertIn("/nowhere/b.wav", event.reason)
        self.finish()

    def test_timeoutEndsThatPlayAlone(self) -> None:
        """MediaPlayTimerExpiredEvent; the queue goes on."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), timeout=0.5)
        self.leg.mediaPlay(self.wav("b.wav", 600, 0.5))
        self.lab.advance(0.9)
        self.call.assertHearsTone(600, 0.2)
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["MediaPlayTimerExpired", "MediaPlayContentDone"])
        self.finish()

    def test_beforeTheAnswerItWaits(self) -> None:
        """What is queued on a leg that rings is heard from the answer on."""
        self.appClass = Silent
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 0.5))
        self.lab.advance(2.0)
        self.leg.answerCall(self.app)
        self.lab.advance(1.0)
        self.call.assertHears(self.folder / "a.wav")
        self.assertEqual(self.app.names(), ["CallAnswered", "MediaPlayContentDone"])
        self.finish()

    def test_isPlayingIsFalseOnSilence(self) -> None:
        """Nothing, or a SilenceSource."""
        self.begin()
        self.assertFalse(self.leg.isPlaying())
        self.leg.mediaPlay(SilenceSource())
        self.assertFalse(self.leg.isPlaying())
        self.leg.mediaPlay(self.wav("a.wav", 440, 0.5))
        self.assertTrue(self.leg.isPlaying())
        self.lab.advance(1.0)
        self.assertFalse(self.leg.isPlaying())
        self.finish()


class BargeInTests(LegTestCase):
    """bargeIn=True."""

    def test_singleModeIsOneEventAtTheFirstKey(self) -> None:
        """Sound and queue end; play's end and key are the same event."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), bargeIn=True)
        self.leg.mediaPlay(self.wav("b.wav", 600, 5.0))
        self.lab.advance(1.0)
        self.call.press("5")
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["MediaPlayUserBargeIn"])
        self.assertEqual(self.app.last().digits, "5")
        self.assertEqual(self.app.last().source, str(self.folder / "a.wav"))
        self.call.assertSilent(0.2)
        self.finish()

    def test_whileCollectingOneEventAtTheEndOfTheString(self) -> None:
        """With all digits."""
        self.begin()
        self.leg.dtmfMode(single=False)
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), bargeIn=True)
        self.lab.advance(1.0)
        self.call.press("12")
        self.lab.advance(1.0)
        self.call.assertSilent(0.2)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.call.press("#")
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["MediaPlayUserBargeIn"])
        self.assertEqual(self.app.last().digits, "12#")
        self.finish()

    def test_stringThatTimesOutIsADTMFTimeout(self) -> None:
        """DTMFTimeoutEvent is the only event then."""
        self.begin()
        self.leg.dtmfMode(interDigitTimeout=1.0)
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), bargeIn=True)
        self.lab.advance(1.0)
        self.call.press("1")
        self.lab.advance(3.0)
        self.assertEqual(self.app.names()[1:], ["DTMFTimeout"])
        self.assertEqual(self.app.last().digits, "1")
        self.finish()

    def test_withoutItThePromptIsHeardToItsEnd(self) -> None:
        """And no key vanishes."""
        self.begin()
        self.leg.dtmfMode(interDigitTimeout=2.0)
        self.leg.mediaPlay(self.wav("a.wav", 440, 3.0))
        self.lab.advance(1.0)
        self.call.press("1")
        self.lab.advance(2.5)
        self.call.press("2#")
        self.lab.advance(1.0)
        self.assertEqual(
            self.app.names()[1:], ["MediaPlayContentDone", "DTMFTimeout", "DTMFReceived"]
        )
        self.assertEqual([e.digits for e in self.app.events[2:]], ["1", "2#"])  # type: ignore[attr-defined]
        self.finish()

    def test_nextPromptFollowsAtOnce(self) -> None:
        """The key's handler plays the next one: heard within two frames and the way there."""
        self.begin()
        next_ = self.wav("b.wav", 600, 1.0)
        self.leg.mediaPlay(next_)
        self.lab.advance(2.0)  # now it is cached
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), bargeIn=True)
        self.app.hooks["MediaPlayUserBargeInEvent"] = lambda event: self.leg.mediaPlay(next_)
        self.lab.advance(1.0)
        self.call.forget()
        self.call.press("5")
        self.lab.advance(0.6)
        self.call.assertHearsTone(600, 0.2)
        self.finish()


class StopTests(LegTestCase):
    """mediaStop() and mediaStopRecording()."""

    def test_stopsAllWithoutEvent(self) -> None:
        """The queue is dropped, files are complete."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 5.0), timeout=1.0)
        self.leg.mediaPlay(self.wav("b.wav", 600, 5.0))
        self.leg.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(0.5)
        self.leg.mediaStop()
        self.assertFalse(self.leg.isPlaying() or self.leg.isRecording())
        self.lab.advance(2.0)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        with openReader(self.folder / "r.wav") as reader:
            self.assertAlmostEqual(reader.duration or 0, 0.5, 1)
        self.finish()

    def test_withdrawsEventsThatAreQueued(self) -> None:
        """A play that has just ended is not told of any more (section 2, stale events)."""
        self.begin()
        self.leg.raiseEvent(MediaPlayContentDoneEvent("a.wav", self.leg))
        self.leg.mediaStop()
        self.lab.advance(0.5)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()

    def test_keyThatIsQueuedIsNotLost(self) -> None:
        """A barge-in that was not delivered yet comes as a key."""
        self.begin()
        self.leg.raiseEvent(MediaPlayUserBargeInEvent("7", "a.wav", self.leg))
        self.leg.mediaStop()
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["DTMFReceived"])
        self.assertEqual(self.app.last().digits, "7")
        self.finish()

    def test_recordingAlone(self) -> None:
        """mediaStopRecording() leaves the playing, and gives no event."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 1.0))
        self.leg.mediaRecord(str(self.folder / "r.wav"))
        self.lab.advance(0.5)
        self.leg.mediaStopRecording()
        self.assertFalse(self.leg.isRecording())
        self.assertTrue(self.leg.isPlaying())
        self.lab.advance(2.0)
        self.assertEqual(self.app.names(), ["CallAnswered", "MediaPlayContentDone"])
        self.finish()


class RecordTests(LegTestCase):
    """mediaRecord(savefile)."""

    def test_whatIsSaidIsInTheFile(self) -> None:
        """From the beat after the call on, silence where nothing came."""
        self.begin()
        path = self.folder / "r.wav"
        self.leg.mediaRecord(path)
        self.lab.advance(1.0)
        self.call.sayTone(440, 1.0)
        self.lab.advance(2.0)
        self.call.hangUp()
        self.lab.advance(0.5)
        with openReader(path) as reader:
            samples = reader.read()
        self.assertAlmostEqual(len(samples) / 8000, 3.0, 1)
        loud = abs(samples.astype(int)) > 3000
        self.assertAlmostEqual(loud.argmax() / 8000, 1.05, 1)
        self.finish()

    def test_endsByKeyTimeAndSilence(self) -> None:
        """Each by its event; a terminator is no key for anything else."""
        self.begin()
        path = str(self.folder / "r.wav")
        self.leg.mediaRecord(path, terminators="#", maxSilence=5.0)
        self.call.sayTone(440, 8.0)
        self.lab.advance(1.0)
        self.call.press("#")
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["MediaRecordDone"])
        self.assertEqual((self.app.last().dest, self.app.last().source), (path, path))
        self.assertAlmostEqual(self.app.last().duration, 1.0, 1)
        self.leg.mediaRecord(path, maxDuration=1.0)
        self.lab.advance(2.0)
        self.assertEqual(self.app.last().getEventName(), "MediaRecordTimeoutExceededEvent")
        self.assertAlmostEqual(self.app.last().duration, 1.0)
        self.leg.mediaRecord(path, maxSilence=1.0)
        self.lab.advance(8.0)
        self.assertEqual(self.app.names()[3:], ["MediaRecordDone"])
        self.finish()

    def test_whatCannotBeOpened(self) -> None:
        """MediaRecordFailedEvent with path and reason; the call goes on."""
        self.begin()
        self.leg.mediaRecord("/nowhere/r.wav")
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["MediaRecordFailed"])
        self.assertIn("/nowhere/r.wav", self.app.last().reason)
        self.finish()

    def test_beepIsHeardFirst(self) -> None:
        """After the prompt that still plays; the far end's first words are in the file."""
        self.begin()
        self.leg.mediaPlay(self.wav("a.wav", 440, 0.5))
        self.leg.mediaRecord(str(self.folder / "r.wav"), beep=True, maxDuration=1.0)
        self.lab.advance(0.75)
        self.call.assertHearsTone(1000, 0.15)
        self.lab.advance(1.5)
        self.assertEqual(
            self.app.names()[1:], ["MediaPlayContentDone", "MediaRecordTimeoutExceeded"]
        )
        self.finish()
