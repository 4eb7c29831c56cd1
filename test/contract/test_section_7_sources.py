"""Contract section 7: Sources on whole calls in virtual time."""

from __future__ import annotations

import numpy as np

from doug.source import EchoSource, FileSource, SilenceSource, Source, convertToSource
from shtoom.audio.tones import sine
from shtoom.media.files import openReader
from test.doug.puppet import LegTestCase

TONE = sine(450, 0.02, 0.3).tobytes()  # nine periods: frames join to one tone


class Log(Source):
    """Keeps the order of what is done to it; plays a tone."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.frames: list[bytes] = []

    def read(self) -> bytes:
        self.done.append("read")
        return TONE

    def write(self, frame: bytes) -> None:
        self.done.append("write")
        self.frames.append(frame)

    def close(self) -> None:
        self.done.append("close")


class SourceTests(LegTestCase):
    """read(), write(), close(), the leg, who is done."""

    def test_isHeardFrameByFrame(self) -> None:
        """read() gives one frame of 320 bytes, 50 a second."""
        self.begin()
        source = Log()
        self.leg.mediaPlay(source)
        self.lab.advance(1.0)
        self.assertAlmostEqual(source.done.count("read"), 50, delta=1)
        self.call.assertHearsTone(450)
        self.assertIs(source.getLeg(), self.leg)
        self.assertTrue(source.isPlaying())
        self.assertFalse(source.isRecording())
        self.finish()
        self.assertEqual(source.done.count("close"), 1)

    def test_hearsFrameByFrame(self) -> None:
        """write() gets 50 frames a second, silence where nothing came."""
        self.begin()
        source = Log()
        self.leg.mediaRecord(source)
        self.call.sayTone(600, 0.5)
        self.lab.advance(1.0)
        self.assertAlmostEqual(len(source.frames), 50, delta=1)
        self.assertEqual({len(frame) for frame in source.frames}, {320})
        heard = np.frombuffer(b"".join(source.frames), np.int16)
        self.assertGreater(int(abs(heard.astype(int)).max()), 8000)
        self.assertTrue(self.leg.isRecording() and source.isRecording())
        self.finish()

    def test_writeComesBeforeReadWithinABeat(self) -> None:
        """Played and recorded at the same time on one leg."""
        self.begin()
        source = Log()
        self.leg.mediaPlay(source)
        self.leg.mediaRecord(source)
        self.lab.advance(1.0)
        pairs = source.done if source.done[0] == "write" else source.done[1:]
        self.assertEqual(pairs[:20], ["write", "read"] * 10)
        self.leg.mediaStopRecording()
        self.assertNotIn("close", source.done)
        self.leg.mediaStop()
        self.assertEqual(source.done.count("close"), 1)
        self.finish()

    def test_secondLegIsRefused(self) -> None:
        """ValueError; nothing of the list is queued."""
        self.begin()
        source = Log()
        self.leg.mediaPlay(source)
        other = self.app.placeCall(self.lab.phone().uri)
        self.lab.advance(0.5)
        self.assertRaises(ValueError, other.mediaPlay, ["x.wav", source])
        self.assertRaises(ValueError, other.mediaRecord, source)
        self.assertFalse(other.isPlaying() or other.isRecording())
        self.finish()

    def test_sourceDoneEndsBothUses(self) -> None:
        """The recording's end is told first."""
        self.begin()
        source = Log()
        self.leg.mediaPlay(source)
        self.leg.mediaRecord(source)
        self.lab.advance(0.5)
        assert source.leg is not None
        source.leg._sourceDone(source)
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["MediaRecordDone", "MediaPlayContentDone"])
        self.assertEqual([e.source for e in self.app.events[1:]], [source] * 2)  # type: ignore[attr-defined]
        self.assertEqual(source.done.count("close"), 1)
        self.finish()

    def test_lateSourceDoneIsHarmless(self) -> None:
        """After mediaStop(), or the leg's end, nothing happens."""
        self.begin()
        source = Log()
        self.leg.mediaPlay(source)
        self.leg.mediaStop()
        self.leg._sourceDone(source)
        self.call.hangUp()
        self.lab.advance(0.5)
        self.leg._sourceDone(source)
        self.lab.advance(0.5)
        self.assertEqual(self.app.names(), ["CallAnswered", "CallEnded"])
        self.finish()

    def test_errorsEndThatUseAlone(self) -> None:
        """read() that raises: ContentFailed; write(): RecordFailed; the call goes on."""

        class Broken(Log):
            def read(self) -> bytes:
                raise OSError("no voice")

            def write(self, frame: bytes) -> None:
                if len(self.frames) == 20:
                    raise OSError("no ear")
                super().write(frame)

        self.begin()
        source = Broken()
        self.leg.mediaRecord(source)
        self.leg.mediaPlay(source)
        self.lab.advance(1.0)
        failed, recordFailed = self.app.events[1:]
        self.assertEqual(failed.getEventName(), "MediaPlayContentFailedEvent")
        self.assertIn("no voice", failed.reason)  # type: ignore[attr-defined]
        self.assertEqual(recordFailed.getEventName(), "MediaRecordFailedEvent")
        self.assertIn("no ear", recordFailed.reason)  # type: ignore[attr-defined]
        self.assertEqual(source.done.count("close"), 1)
        self.assertEqual(self.call.state, "answered")
        self.finish()

    def test_sourceWithoutEndGivesWayAndGoesOn(self) -> None:
        """Music goes on after the announcement that was queued behind it."""

        class Music(Log):
            endless = True

        self.begin()
        self.leg.mediaPlay(Music())
        self.lab.advance(0.5)
        self.call.assertHearsTone(450, 0.2)
        self.leg.mediaPlay(self.wav("a.wav", 600, 0.5))
        self.lab.advance(0.4)
        self.call.assertHearsTone(600, 0.2)
        self.lab.advance(0.5)
        self.call.assertHearsTone(450, 0.2)
        self.assertEqual(self.app.names()[1:], ["MediaPlayContentDone"])
        self.finish()


class EchoTests(LegTestCase):
    """EchoSource(delay=0.0)."""

    def echo(self, source: EchoSource) -> None:
        self.leg.mediaPlay(source)
        self.leg.mediaRecord(source)

    def test_comesBackOnArrivalBitForBit(self) -> None:
        """Played and recorded on one leg it is the very payload, before the next beat."""
        self.begin()
        sent: list[tuple[float, bytes]] = []
        back: list[tuple[float, bytes]] = []
        here = self.phone.host.address

        def seen(data: bytes, source: tuple[str, int], to: tuple[str, int]) -> None:
            if data[0] == 0x80 and len(data) == 172:
                kept = sent if source[0] == here else back
                kept.append((self.lab.reactor.seconds(), data[12:]))

        self.echo(EchoSource())
        self.lab.advance(0.1)
        self.lab.network.observers.append(seen)
        self.call.say(sine(440, 1.0, 0.3) + sine(557, 1.0, 0.1))
        self.lab.advance(1.5)
        self.assertGreaterEqual(len(back), 50)
        loud = [payload for _, payload in sent][:50]
        returned = [payload for _, payload in back]
        at = returned.index(loud[0])
        self.assertEqual(returned[at : at + 50], loud)
        self.assertLess(back[at][0] - sent[0][0], 0.002)
        self.finish()

    def test_delayed(self) -> None:
        """What is said comes back `delay` later."""
        self.begin()
        self.echo(EchoSource(delay=1.0))
        self.call.sayTone(440, 0.5)
        self.lab.advance(0.9)
        self.call.assertSilent(0.4)
        self.lab.advance(0.6)
        self.call.assertHearsTone(440, 0.2)
        self.finish()

    def test_announcementOverAnEcho(self) -> None:
        """The echo gives way, and comes back after it; it is still recorded to."""
        self.begin()
        echo = EchoSource()
        self.echo(echo)
        self.call.sayTone(440, 5.0)
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.2)
        self.leg.mediaPlay(self.wav("a.wav", 700, 0.5))
        self.lab.advance(0.4)
        self.call.assertHearsTone(700, 0.2)
        self.assertTrue(echo.isRecording())
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.2)
        self.finish()

    def test_stopped(self) -> None:
        """Nothing comes back after mediaStop(); a second echo on the same call works."""
        self.begin()
        self.echo(EchoSource())
        self.call.sayTone(440, 5.0)
        self.lab.advance(0.5)
        self.leg.mediaStop()
        self.lab.advance(0.7)
        self.call.assertSilent(0.3)
        self.echo(EchoSource())
        self.lab.advance(0.5)
        self.call.assertHearsTone(440, 0.2)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()

    def test_recordedToAFileAtTheSameTime(self) -> None:
        """One file and one Source may record at once; both end when the caller goes."""
        self.begin()
        self.echo(EchoSource())
        self.leg.mediaRecord(str(self.folder / "r.wav"))
        self.call.sayTone(440, 1.0)
        self.lab.advance(1.0)
        self.call.assertHearsTone(440, 0.2)
        self.call.hangUp()
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1], "CallEnded")
        with openReader(self.folder / "r.wav") as reader:
            self.assertAlmostEqual(reader.duration or 0, 1.0, 1)
        self.finish()

    def test_aLimitIsKept(self) -> None:
        """maxDuration= of an echo is counted, though its packets need no looking at."""
        self.begin()
        echo = EchoSource()
        self.leg.mediaPlay(echo)
        self.leg.mediaRecord(echo, maxDuration=0.5)
        self.call.sayTone(440, 2.0)
        self.lab.advance(0.45)
        self.call.assertHearsTone(440, 0.2)
        self.lab.advance(0.5)
        self.assertEqual(self.app.names()[1:], ["MediaRecordTimeoutExceeded"])
        self.finish()


class OtherKindTests(LegTestCase):
    """SilenceSource, FileSource, convertToSource."""

    def test_silence(self) -> None:
        """Is no playing, and ends by mediaStop() or another list."""
        self.begin()
        self.leg.mediaPlay([SilenceSource()])
        self.lab.advance(1.0)
        self.call.assertSilent()
        self.assertFalse(self.leg.isPlaying())
        self.leg.mediaPlay(self.wav("a.wav", 440, 0.5))
        self.lab.advance(0.4)
        self.call.assertHearsTone(440, 0.2)
        self.finish()

    def test_files(self) -> None:
        """A file as a Source, both ways."""
        self.begin()
        self.leg.mediaPlay(convertToSource(self.wav("a.wav", 440, 0.5), "r"))
        out = (self.folder / "r.wav").open("wb")
        self.leg.mediaRecord(FileSource(out, "w"))
        self.call.sayTone(600, 2.0)
        self.lab.advance(0.4)
        self.call.assertHearsTone(440, 0.2)
        self.lab.advance(0.6)
        self.leg.mediaStopRecording()
        self.lab.advance(0.1)
        self.assertEqual(self.app.names()[1:], ["MediaPlayContentDone"])
        self.assertTrue(out.closed)
        with openReader(self.folder / "r.wav") as reader:
            self.assertAlmostEqual(reader.duration or 0, 1.0, 1)
        self.finish()
