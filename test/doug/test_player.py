"""doug.player: the queue, its joints, its ends (contract sections 3 and 5, mediaPlay)."""

from __future__ import annotations

import io
from pathlib import Path
from timeit import repeat

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.player import Player
from doug.source import EchoSource, FileSource, SilenceSource, Source
from shtoom.audio.tones import sine
from shtoom.codecs import ULAW_TO_ALAW
from test.doug.sounds import PCMA, PCMU, SIZE, SoundHost, ramp, writeWav

DONE, FAILED = "MediaPlayContentDoneEvent", "MediaPlayContentFailedEvent"


class Speaker(Source):
    """Gives `count` frames of a tone and is done with the last; counts what is done to it."""

    def __init__(self, count: int, frame: bytes = sine(440, 0.02).tobytes()) -> None:
        self.count, self.frame, self.closed = count, frame, 0

    def read(self) -> bytes:
        self.count -= 1
        if self.count == 0 and self.leg is not None:
            self.leg._sourceDone(self)
        return self.frame

    def close(self) -> None:
        self.closed += 1


class PlayerTestCase(SynchronousTestCase):
    """A player with files in a folder of its own: a.wav 500, b.wav 300, c.wav 480 samples."""

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.host = SoundHost(str(folder))
        self.player = self.host.player
        self.a = writeWav(folder / "a.wav", ramp(500))
        self.b = writeWav(folder / "b.wav", ramp(300, 1000))
        self.c = writeWav(folder / "c.wav", ramp(480, 2000))
        self.folder = folder

    def cached(self, *names: str) -> None:
        """Loads files, so that they play from the next beat on."""
        for name in names:
            self.host.loadClip(str(self.folder / name), PCMU)
        self.host.reactor.advance(0)


class QueueTests(PlayerTestCase):
    """Lists one after the other."""

    def test_cachedFileBeginsAtTheNextBeat(self) -> None:
        """A cached prompt needs no thread: the packet after the call has its first bytes."""
        self.cached("a.wav")
        jobs = self.host.reactor.threadJobs
        self.player.play(["a.wav"])
        self.assertEqual(self.host.beat(), self.a[:SIZE])
        self.assertEqual(self.host.reactor.threadJobs, jobs)

    def test_fileThatIsNotCachedIsLoadedInAThread(self) -> None:
        """Until it is there, there is nothing to say."""
        self.player.play(["a.wav"])
        self.assertIsNone(self.player.nextPayload(SIZE))
        self.assertEqual(self.host.beats(4), self.a)

    def test_listsJoinToTheSample(self) -> None:
        """The last partial frame of an item is filled with the first bytes of the next one."""
        self.cached("a.wav", "b.wav", "c.wav")
        self.player.play(["a.wav", "b.wav"])
        self.player.play(["c.wav"])
        wanted = self.a + self.b + self.c
        packets = [self.host.beat() for _ in range(len(wanted) // SIZE)]
        self.assertEqual({len(packet) for packet in packets}, {SIZE})
        self.assertEqual(b"".join(packets), wanted[: len(packets) * SIZE])

    def test_eachPlayEndsOnceWithItsLastPacket(self) -> None:
        """Two queued calls give two events, each with the packet that has its last sound."""
        self.cached("a.wav", "c.wav")
        self.player.play(["c.wav"])
        self.player.play(["a.wav"])
        self.host.beats(2)
        self.assertEqual(self.host.ended, [])
        self.host.beat()
        self.assertEqual(self.host.ended, [(["c.wav"], DONE)])
        self.host.beats(4)
        self.assertEqual(self.host.ended, [(["c.wav"], DONE), (["a.wav"], DONE)])
        self.assertFalse(self.player.busy)
        self.host.beats(5)
        self.assertEqual(len(self.host.ended), 2)

    def test_emptyListEndsAtTheNextBeat(self) -> None:
        """Nothing to play is played at once."""
        self.player.play([])
        self.host.beat()
        self.assertEqual(self.host.names(), [DONE])

    def test_unreadableItemsAreNamedAndTheRestIsPlayed(self) -> None:
        """One ContentFailed at the end of the list, with item and reason of each failure."""
        (self.folder / "bad.wav").write_bytes(b"RIFFxxxx")
        self.player.play(["missing.wav", "a.wav", "bad.wav"])
        self.assertEqual(self.host.beats(6).rstrip(b"\xff"), self.a)
        self.assertEqual(self.host.names(), [FAILED])
        [play] = self.host.plays
        self.assertEqual([item for item, _ in play.failed], ["missing.wav", "bad.wav"])
        self.assertIn("No such file", play.failed[0][1])
        self.assertIn("bad.wav", play.failed[1][1])

    def test_allUnreadableStillEndsOnce(self) -> None:
        """Nothing was heard, the end comes all the same; a loop does not go round for ever."""
        self.player.play(["missing.wav"], loop=True)
        self.player.play(["missing.wav", "missing.wav"])
        self.host.beats(3)
        self.assertEqual(self.host.names(), [FAILED, FAILED])

    def test_loopWithoutAnySoundEnds(self) -> None:
        """A file of no samples is played at once; over and over it would take for ever."""
        writeWav(self.folder / "empty.wav", ramp(0))
        self.player.play(["empty.wav", "empty.wav"], loop=True)
        self.host.beats(3)
        self.assertEqual(self.host.names(), [DONE])

    def test_stopIsSilentForAllThatIsQueued(self) -> None:
        """mediaStop() ends all plays without event, at once."""
        self.cached("a.wav")
        self.player.play(["a.wav"])
        self.player.play(["b.wav"], timeout=1.0)
        self.host.beat()
        self.player.stop()
        self.assertEqual(self.host.beats(5), b"")
        self.host.reactor.advance(2)
        self.assertEqual(self.host.ended, [])
        self.assertEqual(self.host.reactor.getDelayedCalls(), [])

    def test_beforeTheCodecIsKnownNothingPlays(self) -> None:
        """What is queued on a leg that rings begins when it is answered."""
        player = self.host.player = Player(self.host)
        player.play(["a.wav"])
        self.assertIsNone(player.nextPayload(SIZE))
        player.useCodec(PCMU)
        self.host.beat()
        self.assertEqual(self.host.beats(4)[:SIZE], self.a[SIZE : 2 * SIZE])

    def test_codecMayChangeInTheMiddle(self) -> None:
        """A re-INVITE to A-law goes on at the same sample, in A-law."""
        self.cached("a.wav")
        self.player.play(["a.wav", Speaker(2)])
        self.host.beat()
        self.player.useCodec(PCMA)
        self.assertEqual(self.host.beat(), self.a[160:320].translate(ULAW_TO_ALAW))

    def test_fewerThanAPacketAtTheEnd(self) -> None:
        """The session pads the last packet; the player gives what there is."""
        self.cached("b.wav")
        self.player.play(["b.wav"])
        self.assertEqual([len(self.host.beat()) for _ in range(3)], [160, 140, 0])

    def test_otherPacketTimes(self) -> None:
        """A packet may be of any size: 30 ms of a file, then of a Source."""
        self.cached("a.wav")
        self.player.play(["a.wav", Speaker(6)])
        sizes = [len(self.player.nextPayload(240) or b"") for _ in range(7)]
        self.assertEqual(sum(sizes), 500 + 6 * 160)
        self.assertEqual(sizes[:6], [240] * 6)

    def test_wrongItemsAreRefusedBeforeAnythingIsQueued(self) -> None:
        """TypeError names the item; the Sources beside it are not claimed."""
        source = Speaker(3)
        error = self.assertRaises(TypeError, self.player.play, [source, 7])
        self.assertIn("7", str(error))
        self.assertFalse(source.isPlaying())
        self.assertRaises(ValueError, self.player.play, ["a.wav"], timeout=0)
        self.assertFalse(self.player.busy)

    def test_commonCaseIsASlice(self) -> None:
        """A packet of a cached prompt takes well under a few microseconds of Python."""
        writeWav(self.folder / "long.wav", ramp(8000 * 50))
        self.cached("long.wav")
        self.player.play(["long.wav"])
        self.player.nextPayload(SIZE)
        best = min(repeat(lambda: self.player.nextPayload(SIZE), number=400, repeat=5)) / 400
        self.assertLess(best, 5e-6)


class LoopTests(PlayerTestCase):
    """What has no end by itself."""

    def test_loopJoinsItsEndToItsBeginning(self) -> None:
        """Over and over, without a gap and without event."""
        self.cached("a.wav", "b.wav")
        self.player.play(["a.wav", "b.wav"], loop=True)
        wanted = (self.a + self.b) * 3
        self.assertEqual(self.host.beats(15), wanted[: 15 * SIZE])
        self.assertEqual(self.host.ended, [])

    def test_loopGivesWayAndGoesOnWhereItWas(self) -> None:
        """A list queued behind a loop is heard at once; the loop is not lost (section 7)."""
        self.cached("a.wav", "c.wav")
        self.player.play(["a.wav"], loop=True)
        heard = self.host.beat()
        self.player.play(["c.wav"])
        self.assertEqual(self.host.beats(3), self.c)
        self.assertEqual(self.host.ended, [(["c.wav"], DONE)])
        heard += self.host.beats(5)
        self.assertEqual(heard, (self.a * 3)[: 6 * SIZE])

    def test_sourceWithoutEndGivesWay(self) -> None:
        """So does a list that has come to an endless Source."""
        music = Speaker(-1, sine(300, 0.02).tobytes())
        music.endless = True
        self.cached("b.wav", "c.wav")
        self.player.play(["b.wav", music])
        self.assertEqual(self.host.beats(2)[:300], self.b)
        self.player.play(["c.wav"])
        self.assertEqual(self.host.beats(3)[: 480 - 20][-100:], self.c[360:460])
        self.host.beat()
        self.assertIs(self.player.source, music)
        self.assertEqual(self.host.names(), [DONE])

    def test_ofSeveralWithoutEndTheLastIsHeard(self) -> None:
        """And the one before it when that is done."""
        first, second = EchoSource(), EchoSource()
        self.player.play([first])
        self.player.play([second])
        self.assertIs(self.player.source, second)
        self.host.sourceDone(second)
        self.assertIs(self.player.source, first)
        self.assertEqual(self.host.ended, [([second], DONE)])

    def test_loopOfAnOpenFileIsRewound(self) -> None:
        """The file is read once, what it gave is kept."""
        self.player.play([io.BytesIO((self.folder / "a.wav").read_bytes())], loop=True)
        self.host.beats(1)
        heard = self.host.beats(10)
        at = heard.find(self.a)
        self.assertGreaterEqual(at, 0)
        self.assertEqual(heard[at : at + 1000], self.a * 2)
        self.player.stop()

    def test_unreadableItemOfALoopIsToldOfWhenItIsStopped(self) -> None:
        """It is left out in each round; timing out, the play still has its one end."""
        self.cached("a.wav")
        self.player.play(["missing.wav", "a.wav"], loop=True, timeout=0.5)
        self.host.beats(30)
        self.assertEqual(self.host.names(), ["MediaPlayTimerExpiredEvent"])
        self.assertEqual(len(self.host.plays[0].failed), 1)


class TimeoutTests(PlayerTestCase):
    """timeout=, seconds of a play's own time."""

    def test_endsThatPlayAloneAndTheQueueGoesOn(self) -> None:
        """The next list begins with the next packet."""
        self.cached("a.wav", "c.wav")
        self.player.play(["a.wav"], loop=True, timeout=0.1)
        self.player.play(["c.wav"], timeout=9.0)
        self.host.beats(3)
        self.assertEqual(self.host.names(), [DONE])
        self.host.beats(5)
        self.assertEqual(self.host.names(), [DONE, "MediaPlayTimerExpiredEvent"])
        self.assertFalse(self.player.busy)
        self.assertEqual(self.host.reactor.getDelayedCalls(), [])

    def test_countsFromWhenItIsHeard(self) -> None:
        """Not while it waits in the queue."""
        self.cached("c.wav", "a.wav")
        self.player.play(["c.wav"])
        self.player.play(["a.wav"], timeout=0.09)
        self.host.beats(7)
        self.assertEqual(self.host.names(), [DONE, DONE])


class BargeInTests(PlayerTestCase):
    """The first key."""

    def test_stopsTheSoundAndDropsTheQueue(self) -> None:
        """The play that was heard is returned, those waiting give no event."""
        self.cached("a.wav")
        self.player.play(["a.wav"], bargeIn=True)
        self.player.play(["b.wav"])
        self.host.beat()
        play = self.player.bargeIn()
        assert play is not None
        self.assertEqual(play.playlist, ["a.wav"])
        self.assertEqual(self.host.beats(3), b"")
        self.assertEqual(self.host.ended, [])

    def test_onlyIfThePlayThatIsHeardAllowsIt(self) -> None:
        """A prompt that must be heard goes on, whatever waits behind it."""
        self.cached("a.wav")
        self.player.play(["a.wav"])
        self.player.play(["b.wav"], bargeIn=True)
        self.assertIsNone(self.player.bargeIn())
        self.assertEqual(self.host.beat(), self.a[:SIZE])

    def test_ofNothing(self) -> None:
        """A key without a prompt stops nothing."""
        self.assertIsNone(self.player.bargeIn())


class SourceTests(PlayerTestCase):
    """Sources in the queue (contract section 7)."""

    def test_framesAreEncodedAndJoined(self) -> None:
        """After 300 bytes of a file the Source's frames follow without a gap, then the next."""
        self.cached("b.wav", "c.wav")
        source = Speaker(3)
        self.player.play(["b.wav", source, "c.wav"])
        tone = PCMU.encode(sine(440, 0.02))
        wanted = self.b + tone * 3 + self.c
        self.assertEqual(self.host.beats(8), wanted[: 8 * SIZE])
        self.assertEqual(source.closed, 1)

    def test_silenceCostsNothing(self) -> None:
        """b"" is silence: nothing to say, the session's idle policy holds; it is not playing."""
        self.player.play([SilenceSource()])
        self.assertIsNone(self.player.nextPayload(SIZE))
        self.assertTrue(self.player.busy)
        self.assertFalse(self.player.playing)

    def test_silenceWithinAPacketKeepsItsPlace(self) -> None:
        """Of two frames in a packet of 40 ms one may be silence."""

        class Stutter(Source):
            on = False

            def read(self) -> bytes:
                self.on = not self.on
                return sine(440, 0.02).tobytes() if self.on else b""

        self.player.play([Stutter()])
        tone = PCMU.encode(sine(440, 0.02))
        self.assertEqual(self.player.nextPayload(320), tone + PCMU.silence)

    def test_shortFrameIsPadded(self) -> None:
        """With silence to 20 ms."""
        self.player.play([Speaker(2, sine(440, 0.01).tobytes())])
        tone = PCMU.encode(sine(440, 0.01))
        self.assertEqual(self.host.beat(), tone + PCMU.silence[:80])

    def test_longFrameIsAnError(self) -> None:
        """The play ends with ContentFailed, which says how long it was; the rest is played."""
        self.cached("c.wav")
        self.player.play([Speaker(9, bytes(322)), "c.wav"])
        self.assertEqual(self.host.beats(3), self.c)
        self.assertEqual(self.host.names(), [FAILED])
        self.assertIn("322 bytes", self.host.plays[0].failed[0][1])

    def test_readThatRaisesIsAnError(self) -> None:
        """The reason names Source and error; the Source is closed."""

        class Broken(Speaker):
            def read(self) -> bytes:
                raise OSError("no microphone")

        source = Broken(1)
        self.player.play([source])
        self.host.beat()
        self.assertEqual(self.host.names(), [FAILED])
        self.assertIn("no microphone", self.host.plays[0].failed[0][1])
        self.assertEqual(source.closed, 1)

    def test_closedOnceWhenItsLastUseIsGone(self) -> None:
        """Queued twice and recorded to, it is closed after the last of it."""
        source = Speaker(-1)
        self.player.play([source])
        self.player.play(["a.wav", source])
        self.player.stop()
        self.assertEqual(source.closed, 1)
        self.assertFalse(source.isPlaying())

    def test_doneBeforeItsTurnIsLeftOut(self) -> None:
        """What is done while it waits is not played, and closed."""
        self.cached("a.wav", "b.wav", "c.wav")
        source = Speaker(-1)
        self.player.play(["a.wav", "b.wav", "c.wav", source])
        self.host.sourceDone(source)
        self.assertEqual(source.closed, 1)
        self.assertEqual(self.host.beats(8), self.a + self.b + self.c)
        self.assertEqual(self.host.names(), [DONE])

    def test_fileSourceIsReadInAThread(self) -> None:
        """An open file played as a Source joins like a file, and is closed."""
        self.cached("c.wav")
        file = (self.folder / "a.wav").open("rb")
        source = FileSource(file, "r")
        self.player.play([source, "c.wav"])
        self.assertEqual(self.host.beats(6), (self.a + self.c)[: 6 * SIZE])
        self.host.beat()
        self.host.reactor.advance(0)
        self.assertTrue(file.closed)
        self.assertFalse(source.isPlaying())

    def test_openFilesThatNeverHadTheirTurnAreClosed(self) -> None:
        """Given to mediaPlay(), they are the player's."""
        files = [io.BytesIO(bytes(3200)) for _ in range(6)]
        self.player.play(files)
        self.host.beat()
        self.player.stop()
        self.host.reactor.advance(0.1)
        self.assertEqual([file.closed for file in files], [True] * 6)


class AnyListTests(SynchronousTestCase):
    """Whatever is queued in whatever order."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.lists(st.sampled_from([0, 1, 159, 160, 161, 500]), max_size=5), max_size=4),
        st.sampled_from([80, 160, 240, 320]),
    )
    def test_allIsHeardOnceAndEachPlayEndsOnce(self, lists: list[list[int]], size: int) -> None:
        """The payload is the joined items, to the byte; plays end in their order."""
        host = SoundHost()
        wanted = b""
        for sizes in lists:
            items = []
            for n in sizes:
                sound = ramp(n, len(wanted))
                wanted += PCMU.encode(sound)
                items.append(io.BytesIO(sound.astype("<i2").tobytes()))
            host.player.play(items)
        heard = b""
        for _ in range(200):
            host.reactor.advance(0.02)
            heard += host.player.nextPayload(size) or b""
        self.assertEqual(heard.replace(b"\xff", b""), wanted)
        self.assertEqual(host.names(), [DONE] * len(lists))
        self.assertFalse(host.player.busy)
