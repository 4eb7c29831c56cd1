"""The beat: absolute, in phases, asleep without sessions, late with grace."""

from __future__ import annotations

import itertools
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from shtoom.media.clock import MediaClock
from shtoom.rtp.packet import RTPPacket
from test.media.support import ALICE, HOST, MALLORY, Bench, Ear, Log, Tone, parameters, speech


class ScheduleTests(SynchronousTestCase):
    """Fifty packets a second, whatever happens."""

    def test_fiftyPacketsASecondOverAMinute(self) -> None:
        """The schedule is absolute, so no rounding adds up (50.00 ± 0.02)."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        bench.runFor(60.0)
        packets = bench.packets(session)
        self.assertLessEqual(abs(len(packets) - 3000), 1)
        gaps = {round(b[0] - a[0], 6) for a, b in itertools.pairwise(packets)}
        self.assertEqual(gaps, {0.02})
        session.close()

    def test_packetTimesGoOutAtAnEvenBeat(self) -> None:
        """10 to 60 ms as agreed, 30 without a stagger (RFC 3264 5.1)."""
        for ptime, size in ((10, 80), (20, 160), (30, 240), (40, 320), (60, 480), (25, 160)):
            bench = Bench()
            session = bench.session(ptime=ptime)
            session.feed = Tone()
            bench.runFor(3.0)
            packets = bench.packets(session)
            even = ptime // 10 * 10
            self.assertLessEqual(abs(len(packets) - 3000 // even), 1)
            for (at, packet), (nextAt, follower) in itertools.pairwise(packets):
                self.assertAlmostEqual(nextAt - at, even / 1000, 6)
                self.assertEqual((follower.timestamp - packet.timestamp) & 0xFFFFFFFF, size)
            self.assertEqual({len(packet.payload) for _, packet in packets}, {size})
            session.close()

    def test_aPacketTimeOutOfRangeIsRefused(self) -> None:
        """Values that SDP would never agree on."""
        bench = Bench()
        for ptime in (9, 61, 0, -20):
            self.assertRaises(ValueError, bench.session, ptime=ptime)

    def test_aNewPacketTimeTakesEffectAtOnce(self) -> None:
        """A re-INVITE with another ptime; sequence and timestamp go on."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        bench.runFor(1.0)
        before = [packet for _, packet in bench.packets(session)][-1]
        bench.forget()
        session.start(parameters(ptime=40))
        bench.runFor(1.0)
        packets = [packet for _, packet in bench.packets(session)]
        self.assertIn(len(packets), (24, 25, 26))
        self.assertEqual(packets[0].sequence, (before.sequence + 1) & 0xFFFF)
        self.assertEqual({len(packet.payload) for packet in packets}, {320})
        session.close()
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_manySessionsAreSpreadOverThePhases(self) -> None:
        """So that they do not send in one burst."""
        bench = Bench()
        opened = 0
        for upTo, phases, most in ((40, 1, 40), (300, 2, 250), (800, 4, 260)):
            for _ in range(upTo - opened):
                bench.session().feed = Tone()
            opened = upTo
            bench.runFor(0.1)
            bench.forget()
            bench.runFor(0.02)
            times = [round(at, 6) for at, *_ in bench.io.sent]
            self.assertEqual(len(times), upTo)
            self.assertEqual(len(set(times)), phases)
            self.assertLessEqual(max(times.count(at) for at in set(times)), most)

    def test_fewSessionsShareAPhase(self) -> None:
        """And the clock ticks for that phase alone, fifty times a second."""
        bench = Bench()
        for _ in range(3):
            bench.session().feed = Tone()
        bench.runFor(0.5)
        polls = bench.io.polls
        bench.runFor(1.0)
        self.assertLessEqual(abs(bench.io.polls - polls - 50), 1)

    def test_howOftenSocketsAreRead(self) -> None:
        """In each slot; once a beat where more turns would cost too much, twice for echoes."""
        for sessions, forwards, wanted in (
            (40, None, 200),
            (150, None, 50),
            (150, "echo", 100),
            (150, "bridge", 200),
            (150, "bridge, echo", 100),
            (150, "bridge, none", 50),
            (300, None, 100),
            (800, None, 200),
        ):
            bench = Bench()
            other = bench.session()
            for _ in range(sessions - 1):
                session = bench.session()
            for forward in forwards.split(", ") if forwards else ():
                session.forwardTo = {"echo": session, "bridge": other, "none": None}[forward]
            bench.runFor(0.1)
            polls = bench.io.polls
            self.assertIsNone(bench.io.waker)
            bench.runFor(0.2)
            self.assertLessEqual(abs(bench.io.polls - polls - wanted / 5), 1, sessions)

    def test_theClockSleepsWithoutSessions(self) -> None:
        """No timer, no waker: before the first start, and after the last close."""
        bench = Bench()
        waiting = bench.media.openSession(HOST)
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        session = bench.session()
        self.assertEqual(len(bench.clock.getDelayedCalls()), 1)
        self.assertIsNotNone(bench.io.waker)
        bench.runFor(0.1)
        session.close()
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        self.assertIsNone(bench.io.waker)
        waiting.close()

    def test_theBeatIsTheSameAfterSleep(self) -> None:
        """The schedule is that of the clock's origin."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        bench.runFor(0.1)
        first = bench.packets(session)[0][0]
        session.close()
        bench.runFor(5.0071)
        session = bench.session()
        session.feed = Tone()
        bench.forget()
        bench.runFor(0.1)
        beats = (bench.packets(session)[0][0] - first) / 0.005
        self.assertAlmostEqual(beats, round(beats), 6)

    def test_eachClockHasAPhaseOfItsOwn(self) -> None:
        """Drawn from its rng."""
        starts = set()
        for seed in range(5):
            bench = Bench(rng=Random(seed))
            session = bench.session()
            session.feed = Tone()
            bench.runFor(0.1)
            starts.add(round(bench.packets(session)[0][0], 6))
        self.assertEqual(len(starts), 5)

    def test_settingsThatMakeNoSenseAreRefused(self) -> None:
        """The message says what is possible."""
        error = self.assertRaises(ValueError, Bench, phases=3)
        self.assertIn("2, 4 or 8", str(error))
        error = self.assertRaises(ValueError, Bench, idle="never")
        self.assertIn("sparse, silence, none", str(error))

    def test_closeEndsAllSessions(self) -> None:
        """No timer is left, and all ports are free."""
        bench = Bench()
        sessions = [bench.session() for _ in range(3)]
        bench.media.close()
        self.assertTrue(all(session.closed for session in sessions))
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        self.assertEqual((bench.ports.taken, bench.io.open_), (0, set()))


class LateTests(SynchronousTestCase):
    """What happens when the reactor stood still."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.log = Log(self)

    def test_twoBeatsAreMadeUpFor(self) -> None:
        """Up to 40 ms no frame is lost."""
        session = self.bench.session()
        session.feed = Tone()
        self.bench.runFor(1.0)
        before = len(self.bench.packets(session))
        for stall in (0.02, 0.025, 0.03, 0.035, 0.04):
            self.bench.stall(stall)
            self.bench.runFor(0.2 - stall)
        packets = [packet for _, packet in self.bench.packets(session)]
        self.assertLessEqual(abs(len(packets) - before - 50), 1)
        self.assertEqual({packet.marker for packet in packets[1:]}, {False})
        self.assertGreater(self.bench.media.lateBeats, 0)
        self.assertEqual(self.bench.media.skippedFrames, 0)

    def test_life_008_aLongStallIsLeftOut(self) -> None:
        """No burst, marker, the timestamp moved on by the time, the prompt not; one log line."""
        sessions = [self.bench.session() for _ in range(50)]
        for session in sessions:
            session.feed = Tone()
        self.bench.runFor(1.0)
        last = {session: self.bench.packets(session)[-1][1] for session in sessions}
        self.bench.forget()
        lates: list[float] = []
        self.bench.media.onLate = lates.append
        self.bench.stall(3.0)
        back = self.bench.clock.seconds()
        self.bench.runFor(2.0)
        for session in sessions:
            packets = self.bench.packets(session)
            self.assertLessEqual(len([at for at, _ in packets if at < back + 0.1]), 6)
            first = packets[0][1]
            self.assertTrue(first.marker)
            moved = (first.timestamp - last[session].timestamp) & 0xFFFFFFFF
            self.assertLessEqual(abs(moved - 160 - 24000), 160)
            self.assertEqual(first.sequence, (last[session].sequence + 1) & 0xFFFF)
            self.assertEqual(first.payload[0], (last[session].payload[0] + 1) % 251)
            self.assertEqual({packet.marker for _, packet in packets[1:]}, {False})
            self.assertIn(len(packets), (100, 101))
        self.assertEqual(len(self.bench.media.sessions), 50)
        self.assertEqual(self.bench.media.skippedFrames // 50, 149)
        self.assertEqual(len(lates), 1)
        lines = self.log.lines("reactor was late by")
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"reactor was late by (2\.9|3)[.0-9]* s")

    def test_listenersGetSilenceForTheTimeThatIsGone(self) -> None:
        """So a recording keeps its clock."""
        session, ear = self.bench.session(), Ear()
        session.addListener(ear)
        self.bench.runFor(1.0)
        self.bench.stall(3.0)
        self.bench.runFor(1.0)
        self.assertLessEqual(abs(len(ear.frames) - 250), 1)

    def test_whatCameDuringTheStallIsReceivedFirst(self) -> None:
        """A key that was pressed meanwhile is reported once the reactor is back."""
        session = self.bench.session()
        keys: list[object] = []
        session.onKey = keys.append
        self.bench.runFor(0.1)
        self.bench.io.waker = None
        self.bench.arrives(session, RTPPacket(101, 1, 0, 7, bytes([5, 10, 0, 160]), True))
        self.bench.stall(3.0)
        self.assertEqual(len(keys), 1)

    def test_oddPacketTimesKeepTheirBeat(self) -> None:
        """30 ms packets after a stall: timestamps still tell the time."""
        session = self.bench.session(ptime=30)
        session.feed = Tone()
        self.bench.runFor(1.0)
        self.bench.stall(1.01)
        self.bench.runFor(1.0)
        packets = self.bench.packets(session)
        start, first = packets[0]
        settled = [(at, packet) for at, packet in packets if not 1.0 < at < 2.05]
        for at, packet in settled:
            ticks = (packet.timestamp - first.timestamp) & 0xFFFFFFFF
            self.assertAlmostEqual(at - start, ticks / 8000, 6)

    def test_lateBeatsAreCounted(self) -> None:
        """By more than a beat."""
        self.bench.session()
        self.bench.runFor(1.0)
        self.assertEqual(self.bench.media.lateBeats, 0)
        self.bench.stall(0.045)
        self.assertEqual(self.bench.media.lateBeats, 1)


class FaultTests(SynchronousTestCase):
    """One session's trouble is its own."""

    def test_aSocketThatCannotSendHarmsNobody(self) -> None:
        """The refusals are counted, the beat goes on, one line is logged."""
        bench, log = Bench(), Log(self)
        session = bench.session()
        session.feed = Tone()
        bench.io.fault = OSError(101, "Network is unreachable")
        bench.runFor(0.5)
        bench.io.fault = None
        bench.runFor(0.5)
        self.assertIn(session.stats.refusals, (24, 25, 26))
        self.assertIn(len(bench.packets(session)), (24, 25, 26))
        [line] = log.lines("cannot send RTP")
        self.assertIn(f"to {ALICE[0]} port {ALICE[1]}: ", line)

    def test_sessionsMayOpenAndCloseInsideABeat(self) -> None:
        """A feed that hangs up the call, and one that starts the next."""
        bench = Bench()
        sessions = [bench.session() for _ in range(12)]

        class HangsUp(Tone):
            def nextPayload(self, size: int) -> bytes | None:
                for other in sessions:
                    other.close()
                bench.session().feed = Tone()
                return bytes(size)

        for session in sessions:
            session.feed = HangsUp()
        bench.runFor(0.5)
        self.assertEqual(len(bench.media.sessions), 1)
        (last,) = bench.media.sessions
        self.assertGreater(len(bench.packets(last)), 20)
        last.close()
        self.assertEqual(bench.clock.getDelayedCalls(), [])


class ArrivalTests(SynchronousTestCase):
    """Datagrams do not wait for the beat of their session."""

    def test_fewSessionsAreServedAsDatagramsCome(self) -> None:
        """Forwarded sound leaves in the moment of its coming."""
        bench = Bench()
        session = bench.session()
        session.forwardTo = session
        bench.runFor(0.0137)
        (packet,) = speech(1)
        bench.arrives(session, packet)
        self.assertEqual(bench.io.sent[-1][0], bench.clock.seconds())

    def test_aBridgeIsServedAsDatagramsComeAmongMoreSessions(self) -> None:
        """While any session forwards; without one they are polled again."""
        bench = Bench()
        sessions = [bench.session() for _ in range(20)]
        self.assertIsNone(bench.io.waker)
        sessions[0].forwardTo, sessions[1].forwardTo = sessions[1], sessions[0]
        bench.runFor(0.0137)
        (packet,) = speech(1)
        bench.arrives(sessions[0], packet)
        self.assertEqual(bench.io.sent[-1][0], bench.clock.seconds())
        sessions[0].forwardTo = None
        self.assertIsNotNone(bench.io.waker)
        sessions[0].close()
        self.assertIsNone(bench.io.waker)
        more = [bench.session() for _ in range(20)]
        more[0].forwardTo = more[0]
        self.assertIsNone(bench.io.waker)

    def test_manySessionsAreServedWithinAPhase(self) -> None:
        """5 ms at most."""
        bench = Bench()
        sessions = [bench.session() for _ in range(40)]
        sessions[0].forwardTo = sessions[0]
        bench.runFor(1.5)
        for n, packet in enumerate(speech(20)):
            at = bench.clock.seconds()
            bench.arrives(sessions[0], packet)
            bench.runFor(0.0213)
            sent = [(t, p) for t, p in bench.packets(sessions[0]) if p.payload == packet.payload]
            self.assertEqual(len(sent), 1, n)
            self.assertLessEqual(sent[0][0] - at, 0.005 + 1e-6)

    def test_theClockIsWhatTheFloorAboveNeeds(self) -> None:
        """A session has a host and an even port."""
        bench = Bench()
        session = bench.media.openSession(HOST)
        self.assertEqual((session.host, session.port % 2), (HOST, 0))
        self.assertIsInstance(bench.media, MediaClock)
        self.assertEqual(bench.destinations(session), [])
        self.assertNotEqual(ALICE[1], session.port)


class FocusTests(SynchronousTestCase):
    """With many sessions the system keeps strangers out of those that are settled."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.session = self.bench.session()
        self.others = [self.bench.session() for _ in range(20)]

    def focused(self) -> object:
        """The source that the first session's socket listens to alone."""
        return self.bench.io.sockets[self.session.port].focused

    def test_aStreamThatGoesOnIsInFocus(self) -> None:
        """Within a second or so; a stranger is not even counted then."""
        self.bench.talk(self.session, 100)
        self.assertEqual(self.focused(), ALICE)
        self.bench.talk(self.session, 5, MALLORY, ssrc=2)
        self.assertEqual(self.session.stats.dropped, {})

    def test_silenceEndsTheFocusForGood(self) -> None:
        """The far end may come back from another port, and is heard by the rules of the latch."""
        self.bench.talk(self.session, 100)
        self.bench.runFor(2.5)
        self.assertIsNone(self.focused())
        self.bench.talk(self.session, 100, (ALICE[0], 47777), sequence=200)
        self.assertEqual(self.session.stats.latchedFrom, (ALICE[0], 47777))
        self.assertIsNone(self.focused())

    def test_aNewDescriptionEndsTheFocus(self) -> None:
        """It may say that media comes from elsewhere now."""
        self.bench.talk(self.session, 100)
        other = ("198.51.100.77", 5000)
        self.session.start(parameters(other))
        self.assertIsNone(self.focused())
        self.bench.talk(self.session, 100, other, ssrc=9)
        self.assertEqual(self.focused(), other)

    def test_whoMayBeTakenOverIsNotInFocus(self) -> None:
        """A stranger that the SDP did not name: the one that it named may still speak."""
        session = self.bench.session()
        self.bench.talk(session, 150, MALLORY)
        self.assertEqual(session.stats.latchedFrom, MALLORY)
        self.assertIsNone(self.bench.io.sockets[session.port].focused)
        self.bench.talk(session, 1, ssrc=3)
        self.assertEqual(session.stats.latchedFrom, ALICE)

    def test_aPhoneBehindNATIsInFocusToo(self) -> None:
        """From its private address nothing can come."""
        session = self.bench.session(remote=("10.1.33.103", 40000), signallingHost=ALICE[0])
        self.bench.talk(session, 150)
        self.assertEqual(self.bench.io.sockets[session.port].focused, ALICE)

    def test_fewSessionsNeedNoFocus(self) -> None:
        """It ends when most of them are gone."""
        self.bench.talk(self.session, 100)
        for other in self.others:
            other.close()
        self.assertIsNone(self.focused())
        self.bench.talk(self.session, 100, sequence=200)
        self.assertIsNone(self.focused())
