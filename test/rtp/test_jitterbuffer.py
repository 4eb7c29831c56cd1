"""The play-out buffer: order, gaps, restarts, delay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.rtp.jitterbuffer import JitterBuffer

FRAME = 160
BEAT = 0.02
PHASE = 0.007  # of the turns, behind the moment a packet without jitter comes

words = st.integers(0, 0xFFFFFFFF)


class Arrival(NamedTuple):
    """A packet on its way. now: seconds of arrival."""

    now: float
    sequence: int
    timestamp: int
    payload: bytes
    ssrc: int = 1
    marker: bool = False


def sound(start: int, samples: int) -> bytes:
    """Samples of a sawtooth that tells their place: the same place, the same bytes."""
    return bytes((start + i) * 7 % 251 for i in range(samples))


def frame(number: int) -> bytes:
    """160 bytes that are like no other frame's."""
    return number.to_bytes(4, "big") * 40


def numbersOf(frames: Iterable[bytes | None]) -> list[int | None]:
    """The numbers of frames made by frame(); None for a turn without one."""
    return [None if each is None else int.from_bytes(each[:4], "big") for each in frames]


def stream(numbers: Iterable[int], start: float = 0.0, ssrc: int = 1) -> list[Arrival]:
    """Packets of 20 ms, one a number, each at its time."""
    return [
        Arrival(start + BEAT * n, n & 0xFFFF, FRAME * n & 0xFFFFFFFF, frame(n), ssrc)
        for n in numbers
    ]


def play(
    arrivals: Iterable[Arrival], buffer: JitterBuffer | None = None, until: float | None = None
) -> list[bytes | None]:
    """What each turn gives, 20 ms after the other, from the first packet to half a second after
    the last (or `until`)."""
    buffer = buffer or JitterBuffer()
    waiting = sorted(arrivals, key=lambda each: each.now)
    begin = waiting[0].now + PHASE
    end = waiting[-1].now + 0.5 if until is None else until
    frames = []
    for i in range(round((end - begin) / BEAT)):
        now = begin + i * BEAT
        while waiting and waiting[0].now <= now:
            each = waiting.pop(0)
            buffer.put(
                each.sequence, each.timestamp, each.ssrc, each.payload, each.marker, each.now
            )
        frames.append(buffer.pop(now))
    return frames


def trimmed(frames: list[bytes | None]) -> list[bytes | None]:
    """Without the turns before the first frame and after the last."""
    while frames and frames[0] is None:
        frames = frames[1:]
    while frames and frames[-1] is None:
        frames = frames[:-1]
    return frames


def longestGap(frames: list[bytes | None]) -> int:
    """The most turns in a row without a frame, ends left out."""
    longest = run = 0
    for each in trimmed(frames):
        run = 0 if each is not None else run + 1
        longest = max(longest, run)
    return longest


class OrderTests(SynchronousTestCase):
    """What comes out is what was sent, in its order."""

    def test_playingStartsAfterTheTarget(self) -> None:
        """The first frame comes at the turn nearest to minDelay after the first packet."""
        for delay, turns in ((20.0, 1), (40.0, 2), (100.0, 5)):
            frames = play(stream(range(20)), JitterBuffer(minDelay=delay))
            self.assertEqual(frames.index(frame(0)), turns)

    def test_evenStreamComesOutWhole(self) -> None:
        """Without loss and jitter each turn has the next frame, across both wraps."""
        numbers = range(65530, 65580)
        self.assertEqual(numbersOf(trimmed(play(stream(numbers)))), list(numbers))
        wrapping = [
            Arrival(BEAT * n, n, (0xFFFFFF00 + FRAME * n) & 0xFFFFFFFF, frame(n)) for n in range(20)
        ]
        self.assertEqual(numbersOf(trimmed(play(wrapping))), list(range(20)))

    def test_orderIsRestored(self) -> None:
        """Neighbours that changed places come out in order, the very first two as well."""
        packets = stream(range(20))
        for a in (0, 7, 12):
            packets[a] = packets[a]._replace(now=packets[a].now + 0.025)
        self.assertEqual(numbersOf(trimmed(play(packets))), list(range(20)))

    def test_repeatsAreDropped(self) -> None:
        """A packet that comes twice, at once or after its turn, is played once."""
        packets = stream(range(20))
        packets += [each._replace(now=each.now + 0.001) for each in packets]
        packets += [each._replace(now=each.now + 0.2) for each in packets[:15]]
        buffer = JitterBuffer()
        self.assertEqual(numbersOf(trimmed(play(packets, buffer))), list(range(20)))
        self.assertEqual(buffer.stats.useless, 35)
        self.assertEqual(buffer.stats.late, 0)

    def test_lossIsOneEmptyTurn(self) -> None:
        """Each lost frame is one turn without, and the delay is what it was."""
        packets = stream(n for n in range(30) if n not in {5, 11, 12, 13, 14, 20})
        expected = [n if n not in {5, 11, 12, 13, 14, 20} else None for n in range(30)]
        self.assertEqual(numbersOf(trimmed(play(packets))), expected)

    def test_lateFrameIsStillPlayedAtTheTurnAfter(self) -> None:
        """A frame that misses its turn by less than 20 ms is not lost; the delay grows by one."""
        packets = stream(range(30))
        packets[10] = packets[10]._replace(now=packets[10].now + 0.055)
        expected = [*range(10), None, *range(10, 30)]
        self.assertEqual(numbersOf(trimmed(play(packets))), expected)

    def test_latecomersAreCounted(self) -> None:
        """A frame given up that comes after all is dropped and counted as late."""
        packets = stream(range(30))
        packets[10] = packets[10]._replace(now=packets[10].now + 0.15)
        buffer = JitterBuffer()
        expected = [*range(10), None, *range(11, 30)]
        self.assertEqual(numbersOf(trimmed(play(packets, buffer))), expected)
        self.assertEqual((buffer.stats.late, buffer.stats.useless), (1, 0))

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.integers(0, 90), max_size=200),
        st.integers(0, 0xFFFF),
        words,
        st.sampled_from((80, 160, 240)),
        st.integers(0, 3),
    )
    def test_everyFrameIsPlayedOnceAtMost(
        self, arrivals: list[int], sequence: int, timestamp: int, size: int, turns: int
    ) -> None:
        """Whatever is lost, repeated and re-ordered: each sample comes once, and in order."""
        buffer = JitterBuffer(bytesPerSample=2)  # two bytes, so that each sample has its number
        frames = []
        for i, n in enumerate(arrivals):
            now = BEAT * i
            samples = [(n * size + s + 1).to_bytes(2, "big") for s in range(size)]
            buffer.put(
                (sequence + n) & 0xFFFF,
                (timestamp + n * size) & 0xFFFFFFFF,
                1,
                b"".join(samples),
                False,
                now,
            )
            frames += [buffer.pop(now) for _ in range(turns)]
        frames += [buffer.pop(BEAT * (len(arrivals) + i)) for i in range(60)]
        played = b"".join(each for each in frames if each is not None)
        numbers = [int.from_bytes(played[i : i + 2], "big") for i in range(0, len(played), 2)]
        # A hole within a frame holds the sample before it: equal neighbours are one.
        once = [n for i, n in enumerate(numbers) if i == 0 or n != numbers[i - 1]]
        self.assertEqual(once, sorted(set(once)))

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 0xFFFF),
                words,
                st.integers(0, 2),
                st.sampled_from((0, 1, 80, 159, 160, 161, 240, 480, 5000)),
                st.booleans(),
                st.integers(0, 3),
                st.floats(0, 0.6),
            ),
            max_size=80,
        )
    )
    def test_anyHeaderIsTaken(
        self, steps: list[tuple[int, int, int, int, bool, int, float]]
    ) -> None:
        """No numbers raise; what is held stays within maxDelay; a frame has its 160 samples."""
        buffer = JitterBuffer(maxDelay=200)
        now = 0.0
        for sequence, timestamp, ssrc, size, marker, turns, pause in steps:
            now += pause
            buffer.put(sequence, timestamp, ssrc, bytes(size), marker, now)
            self.assertLessEqual(buffer.stats.delay, 200.0)
            for _ in range(turns):
                played = buffer.pop(now)
                self.assertTrue(played is None or len(played) == FRAME)
        drained = [buffer.pop(now + BEAT * i) for i in range(60)]
        self.assertLessEqual(len(drained) - drained.count(None), 10)
        self.assertEqual(buffer.stats.delay, 0.0)

    def test_strayOfAnotherTimeIsDropped(self) -> None:
        """An older sequence number with a timestamp far ahead moves nothing."""
        packets = stream(range(30))
        packets.append(Arrival(0.301, 10, 500_000, frame(99)))
        self.assertEqual(numbersOf(trimmed(play(packets))), list(range(30)))

    def test_olderPacketHoldsNoMoreThanFits(self) -> None:
        """An older packet of eight seconds is cut where the newer ones begin, played or not."""
        for late in (0.021, 0.56):
            packets = stream(range(30))
            packets.append(packets[12]._replace(now=0.24 + late, payload=frame(12) * 400))
            self.assertEqual(numbersOf(trimmed(play(packets))), list(range(30)))

    def test_piecesAreBounded(self) -> None:
        """However small the packets are, no more than 128 are held."""
        buffer = JitterBuffer()
        for i in range(200):
            buffer.put(i, i, 1, b"x", False, 0.0)
        self.assertEqual(buffer.stats.useless, 72)


class FollowingTests(SynchronousTestCase):
    """Packets whose header is known are taken without it."""

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from((1, 1, 1, 1, 1, 1, 2, 0, -2, 40, 5000)),  # step of the sequence
                st.sampled_from((160, 160, 160, 160, 80, 240)),
                st.integers(0, 9).map(lambda n: n == 0),  # marker
                st.sampled_from((1, 1, 1, 0, 2)),  # turns
                st.sampled_from((0.02, 0.02, 0.02, 0.0, 0.1, 0.9)),
            ),
            max_size=120,
        ),
        st.integers(0, 0xFFFF),
        words,
    )
    def test_putNextIsPutWithoutAHeader(
        self,
        steps: list[tuple[int, int, bool, int, float]],
        sequence: int,
        timestamp: int,
    ) -> None:
        """Two buffers that get the same packets, one of them without known headers, are equal."""
        plain, quick = JitterBuffer(), JitterBuffer()
        now, known = 0.0, None
        place, newest = 0, -1  # on a line that does not wrap
        for i, (step, size, marker, turns, pause) in enumerate(steps):
            now += pause
            place += step
            sequence = (sequence + step) & 0xFFFF
            timestamp = (timestamp + step * 160) & 0xFFFFFFFF
            payload = bytes([i]) * size
            plain.put(sequence, timestamp, 1, payload, marker, now)
            follows = (sequence, timestamp) == known and not marker
            if not follows or not quick.putNext(payload, now):
                quick.put(sequence, timestamp, 1, payload, marker, now)
            following = (sequence + 1) & 0xFFFF, (timestamp + size) & 0xFFFFFFFF
            known = following if place > newest else None  # nothing follows an older one
            newest = max(newest, place)
            for _ in range(turns):
                self.assertEqual(quick.pop(now), plain.pop(now))
            self.assertEqual(quick.stats, plain.stats)

    def test_withoutALineItHasToBeTold(self) -> None:
        """A fresh buffer, a frame of another size, a full buffer."""
        buffer = JitterBuffer()
        self.assertFalse(buffer.putNext(bytes(160), 0.0))
        buffer.put(1, 0, 1, bytes(160), False, 0.0)
        self.assertTrue(buffer.putNext(bytes(160), 0.0))
        self.assertFalse(buffer.putNext(bytes(80), 0.0))
        while buffer.putNext(bytes(160), 0.0):
            self.assertLessEqual(buffer.stats.delay, 300.0)


class SizeTests(SynchronousTestCase):
    """Packets of any length come out as frames of 20 ms."""

    def sizes(self, sizes: Iterable[int]) -> list[bytes | None]:
        """The turns after packets of these sizes, each sent when its last sample is there."""
        arrivals = []
        position = 0
        for i, size in enumerate(sizes):
            when = (position + size) / 8000
            arrivals.append(Arrival(when, i, position, sound(position, size)))
            position += size
        return trimmed(play(arrivals))

    def test_rtp_002(self) -> None:
        """From 40 ms to 20, 30 and 10 ms without a word: not a sample is missing."""
        sizes = [320] * 50 + [160] * 100 + [240] * 60 + [80] * 100
        frames = self.sizes(sizes)
        self.assertNotIn(None, frames)
        played = b"".join(each or b"" for each in frames)
        self.assertEqual(played, sound(0, sum(sizes)))

    def test_steadySizesComeOutWhole(self) -> None:
        """10 to 60 ms, and sizes that are no whole part of a frame."""
        for size in (80, 160, 240, 320, 480, 123, 200):
            count = 8000 // size
            frames = self.sizes([size] * count)
            whole = size * count // FRAME
            self.assertEqual(
                b"".join(each or b"" for each in frames)[: size * count], sound(0, size * count)
            )
            self.assertTrue(all(frames[:whole]), size)

    def test_unfinishedTailIsPlayed(self) -> None:
        """Half a frame at the end comes out too, and holds its last sample."""
        frames = self.sizes([240] * 5)
        self.assertEqual(frames[-1], sound(1120, 80) + sound(1199, 1) * 80)

    def test_soundGoesOnBehindAnUnfinishedTail(self) -> None:
        """What comes after a tail was played, its timestamp going on, is played whole."""
        arrivals = [Arrival(0.03 * i, i, 240 * i, sound(240 * i, 240)) for i in range(10)]
        arrivals[5:] = [each._replace(now=each.now + 0.2) for each in arrivals[5:]]
        frames = [each for each in trimmed(play(arrivals)) if each is not None]
        self.assertEqual(b"".join(frames[8:])[:1200], sound(1200, 1200))

    def test_lossOfAnUnevenPacketIsPartOfTwoFrames(self) -> None:
        """Of 30 ms lost, one turn is empty and the rest holds the sample before."""
        arrivals = [
            Arrival(0.03 * i, i, 240 * i, sound(240 * i, 240)) for i in range(40) if i != 21
        ]
        frames = trimmed(play(arrivals))
        self.assertEqual(frames[30], sound(4800, 160))
        self.assertEqual(frames[31], sound(4960, 80) + sound(5039, 1) * 80)
        self.assertEqual(frames[32], None)
        self.assertEqual(frames[33], sound(5280, 160))

    def test_holesCloseUpWhereAMadeUpByteWouldSpoilWhatFollows(self) -> None:
        """patch=False: what came is given, and nothing else."""
        arrivals = [
            Arrival(0.03 * i, i, 240 * i, sound(240 * i, 240)) for i in range(40) if i != 21
        ]
        frames = trimmed(play(arrivals, JitterBuffer(patch=False)))
        self.assertEqual(frames[31:34], [sound(4960, 80), None, sound(5280, 160)])
        tens = [Arrival(0.01 * i, i, 80 * i, sound(80 * i, 80)) for i in range(80) if i % 7]
        frames = trimmed(play(tens, JitterBuffer(patch=False)))
        wanted = b"".join(each.payload for each in tens)
        self.assertEqual(b"".join(each or b"" for each in frames), wanted)

    def test_sampleOfTwoBytes(self) -> None:
        """bytesPerSample counts for sizes of payloads and frames."""
        buffer = JitterBuffer(bytesPerSample=2)
        arrivals = [Arrival(0.03 * i, i, 240 * i, sound(480 * i, 480)) for i in range(10)]
        frames = trimmed(play(arrivals, buffer))
        self.assertEqual(b"".join(each or b"" for each in frames), sound(0, 4800))


class RestartTests(SynchronousTestCase):
    """Breaks in the numbers: sound goes on at once."""

    def both(self, change: Callable[[int], tuple[int, int, int]]) -> list[int | None]:
        """Turns of 15 ordinary packets, then 15 whose (sequence, timestamp, ssrc) is changed."""
        packets = stream(range(15))
        for n in range(15, 30):
            sequence, timestamp, ssrc = change(n)
            packets.append(
                Arrival(BEAT * n, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, frame(n), ssrc)
            )
        return numbersOf(trimmed(play(packets)))

    def test_rtp_001(self) -> None:
        """A new SSRC begins at once with numbers of its own; nothing of either is lost (8.2)."""
        played = self.both(lambda n: (n - 3, 777777 + FRAME * n, 2))
        self.assertEqual(played, list(range(30)))

    def test_timestampJumps(self) -> None:
        """A jump of the timestamp, forward, back or by half its range, is no silence."""
        for jump in (8000, -8000, 3_000_000_000, 1 << 31, -77):
            played = self.both(lambda n: (n, FRAME * n + jump, 1))  # noqa: B023 - called at once
            self.assertEqual(played, list(range(30)), jump)

    def test_sequenceJumps(self) -> None:
        """A jump of the sequence alone loses nothing."""
        for jump in (20000, -20000, 200):
            played = self.both(lambda n: (n + jump, FRAME * n, 1))  # noqa: B023 - called at once
            self.assertEqual(played, list(range(30)), jump)

    def test_senderBeginsAgain(self) -> None:
        """Both numbers far back under the same SSRC: one packet is the price (A.1)."""
        packets = stream(range(200))
        packets += [
            each._replace(now=each.now + 4.0, payload=frame(1000 + n))
            for n, each in enumerate(packets)
        ]
        played = numbersOf(trimmed(play(packets)))
        self.assertEqual(played, [*range(200), *range(1001, 1200)])

    def test_stragglersOfTheOldSourceAreDropped(self) -> None:
        """Packets of the SSRC before, still on their way, do not take the stream back."""
        old = stream(range(20))
        new = stream(range(20, 40), ssrc=2)
        old[19] = old[19]._replace(now=new[1].now + 0.001)
        played = numbersOf(trimmed(play(old + new)))
        self.assertEqual(played, [*range(19), *range(20, 40)])

    def test_pauseOfTheSenderKeepsItsLength(self) -> None:
        """Silence that is not sent (the timestamp goes on) is so long for the listener."""
        for pause in (10, 20, 100):
            packets = stream([*range(10), *range(10 + pause, 20 + pause)])
            packets[10] = packets[10]._replace(marker=True)
            expected = [*range(10), *[None] * pause, *range(10 + pause, 20 + pause)]
            self.assertEqual(numbersOf(trimmed(play(packets))), expected, pause)

    def test_pauseIsRoundedToTurns(self) -> None:
        """A gap that is no whole number of frames lasts the nearest number of turns."""
        for samples, turns in ((1640, 10), (1720, 11)):
            packets = stream(range(20))
            packets[10:] = [
                each._replace(now=each.now + samples / 8000, timestamp=each.timestamp + samples)
                for each in packets[10:]
            ]
            played = numbersOf(trimmed(play(packets)))
            self.assertEqual(played, [*range(10), *[None] * turns, *range(10, 20)])

    def test_talkspurtChoosesItsDelayAnew(self) -> None:
        """Delay that a spike has brought is gone with the next talkspurt (RFC 3551 4.1)."""
        for marker, wanted in ((False, 0.14), (True, 0.04)):
            packets = stream([*range(50), *range(70, 90)])
            packets[40:49] = [
                each._replace(now=max(each.now, packets[49].now)) for each in packets[40:49]
            ]
            packets[50] = packets[50]._replace(marker=marker)
            waits = play(packets).index(frame(70)) * BEAT + PHASE - packets[50].now
            self.assertTrue(wanted <= waits < wanted + 0.05, waits)

    def test_newSourceAfterSilenceIsBuffered(self) -> None:
        """A new SSRC that finds the buffer empty is played after the target, as a first one."""
        packets = stream(range(20)) + stream(range(30, 50), ssrc=2)
        frames = play(packets)
        self.assertEqual(frames.index(frame(30)), 30 + 2)

    def test_oldPacketsAfterAPauseAreLate(self) -> None:
        """Repeats that come when the stream has been silent for long are not played."""
        packets = stream(range(20))
        packets += [each._replace(now=each.now + 2.0) for each in packets[18:]]
        self.assertEqual(numbersOf(trimmed(play(packets))), list(range(20)))

    def test_pauseWithATimestampThatStoodStill(self) -> None:
        """After a pause the next packet begins afresh, even if its timestamp just goes on."""
        packets = stream(range(10)) + [
            each._replace(now=each.now + 3.0) for each in stream(range(10, 20))
        ]
        played = numbersOf(trimmed(play(packets)))
        self.assertEqual(played, [*range(10), *[None] * 150, *range(10, 20)])


class DelayTests(SynchronousTestCase):
    """The delay follows the network and stays bounded."""

    def test_delaysMustFit(self) -> None:
        """minDelay is a frame at least, maxDelay a frame more; the error names both."""
        for least, most in ((10.0, 200.0), (200.0, 210.0)):
            error = self.assertRaises(ValueError, JitterBuffer, minDelay=least, maxDelay=most)
            self.assertIn(f"got {least:g} and {most:g}", str(error))

    def test_burstAfterAFreezeIsBounded(self) -> None:
        """After a second without network, what is too old is left out, and never over maxDelay."""
        packets = [
            each._replace(now=max(each.now, 2.0)) if each.now > 1.0 else each
            for each in stream(range(300))
        ]
        buffer = JitterBuffer(maxDelay=200)
        frames = play(packets, buffer)
        played = [n for n in numbersOf(frames) if n is not None]
        self.assertEqual(played, sorted(set(played)))
        self.assertEqual(played[-1], 299)
        self.assertGreater(buffer.stats.skipped, 30)
        # At the end a frame is played no more than a frame over the target after its arrival.
        turn = frames.index(frame(290))
        self.assertLess(turn * BEAT + PHASE - 290 * BEAT, 0.085)

    def test_delayComesDownAfterASpike(self) -> None:
        """Delay that a spike has brought goes again within some seconds, a frame at a time."""
        packets = [
            each._replace(now=max(each.now, 1.16)) if 1.0 < each.now <= 1.16 else each
            for each in stream(range(1000))
        ]
        frames = play(packets)
        turns = {n: turn for turn, n in enumerate(numbersOf(frames)) if n is not None}
        self.assertGreater(turns[70] - 70, 6)  # 140 ms and more
        self.assertLess(turns[999] - 999, 5)
        skipped = [n for n in range(1000) if n not in turns]
        self.assertTrue(all(b - a > 1 for a, b in pairwise(skipped)))

    def test_jitterOf60MsLosesNothing(self) -> None:
        """Uniform jitter of 60 ms, with the re-ordering that it brings: all frames, one delay."""
        rng = Random(4733)
        packets = [
            each._replace(now=each.now + rng.uniform(0, 0.06)) for each in stream(range(1000))
        ]
        played = numbersOf(trimmed(play(packets)))
        self.assertEqual([n for n in played if n is not None], list(range(1000)))
        self.assertLessEqual(played.count(None), 3)

    def test_delayGrowsForLatecomers(self) -> None:
        """Where every tenth packet takes 120 ms more, the delay grows until it is in time."""
        packets = [
            each._replace(now=each.now + 0.12) if n % 10 == 9 else each
            for n, each in enumerate(stream(range(300)))
        ]
        buffer = JitterBuffer()
        played = numbersOf(trimmed(play(packets, buffer)))
        self.assertEqual(played[-200:], list(range(100, 300)))
        self.assertGreater(buffer.stats.late, 1)

    def drifting(self, factor: float, jitter: float = 0.0) -> tuple[list[bytes | None], float]:
        """Turns of four minutes of a sender whose clock is off, and the longest delay in s."""
        rng = Random(1)
        packets = [
            each._replace(now=each.now * factor + rng.uniform(0, jitter))
            for each in stream(range(12000))
        ]
        frames = play(packets, until=packets[-1].now)
        numbers = numbersOf(frames)
        waits = [
            turn * BEAT + PHASE + packets[0].now - packets[n].now
            for turn, n in enumerate(numbers)
            if n is not None
        ]
        return frames, max(waits)

    def test_fastSender(self) -> None:
        """0.2 % fast for four minutes: a frame left out now and then, no gap, no growing delay."""
        for jitter in (0.0, 0.008):
            frames, longest = self.drifting(1 / 1.002, jitter)
            self.assertEqual(longestGap(frames), 0)
            self.assertLess(longest, 0.1)
            played = [n for n in numbersOf(frames) if n is not None]
            steps = [b - a for a, b in pairwise(played)]
            self.assertEqual(set(steps), {1, 2})
            self.assertTrue(15 <= steps.count(2) <= 30, steps.count(2))

    def test_slowSender(self) -> None:
        """0.2 % slow for four minutes: an empty turn now and then, nothing lost, never two."""
        for jitter in (0.0, 0.008):
            frames, longest = self.drifting(1.002, jitter)
            self.assertEqual(longestGap(frames), 1)
            self.assertLess(longest, 0.1)
            played = [n for n in numbersOf(frames) if n is not None]
            self.assertEqual(played, list(range(len(played))))
            self.assertLess(trimmed(frames).count(None), 35)
