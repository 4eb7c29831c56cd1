"""A session's life: opened, started, closed, and nothing left."""

from __future__ import annotations

import gc
import weakref

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MediaPortsExhausted
from test.media.support import ALICE, HOST, Bench, Ear, Tone, parameters


class LifeTests(SynchronousTestCase):
    """What a call opens is gone with it."""

    def test_closeGivesEverythingBack(self) -> None:
        """Port, socket, timer, waker; closing twice is harmless."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        session.addListener(Ear())
        session.sendEvent("1", 0.1)
        session.forwardTo = session
        bench.talk(session, 5)
        session.close()
        session.close()
        self.assertTrue(session.closed)
        self.assertEqual(bench.clock.getDelayedCalls(), [])
        self.assertEqual((bench.ports.taken, bench.io.open_, bench.io.waker), (0, set(), None))
        self.assertEqual(bench.media.sessions, set())
        bench.forget()
        bench.runFor(1.0)
        self.assertEqual(bench.io.sent, [])

    def test_countsFreeASessionWithoutTheCollector(self) -> None:
        """No cycle outlives close(): session, feed, listener, receiver of keys."""
        bench = Bench()
        gc.disable()
        self.addCleanup(gc.enable)
        for bridged in (False, True):
            session, other = bench.session(), bench.session()
            feed, ear = Tone(), Ear()
            session.feed = feed
            session.addListener(ear)
            session.onKey = session.addListener  # type: ignore[assignment]
            session.forwardTo = other if bridged else session
            if bridged:
                other.forwardTo = session
            bench.talk(session, 5)
            session.sendEvent("1", 0.5)
            watched = [weakref.ref(thing) for thing in (session, other, feed, ear)]
            session.close()
            other.close()
            bench.io.sockets.clear()
            del session, other, feed, ear
            self.assertEqual([ref() for ref in watched], [None] * 4)

    def test_aClosedSessionWhoseFarEndIsStillForwardingIsFreed(self) -> None:
        """The one that lives on holds nothing of the one that is over."""
        bench = Bench()
        gc.disable()
        self.addCleanup(gc.enable)
        alice, bob = bench.session(), bench.session()
        alice.forwardTo = bob
        watched = weakref.ref(bob)
        bob.close()
        bench.io.sockets.pop(bob.port)
        del bob
        self.assertIsNone(watched())
        bench.talk(alice, 5)

    def test_statsOutliveTheSession(self) -> None:
        """The verdict on a call is made after its end."""
        bench = Bench()
        session = bench.session()
        session.feed = Tone()
        bench.talk(session, 50)
        before = session.stats
        session.close()
        self.assertEqual(session.stats, before)
        self.assertEqual(before.remoteAddress, ALICE)
        self.assertEqual(before.latchedFrom, ALICE)
        self.assertEqual((before.packetsReceived, before.lost), (50, 0))
        self.assertIn(before.packetsSent, (49, 50, 51))

    def test_aClosedSessionCannotBeStarted(self) -> None:
        """The error names the call."""
        bench = Bench()
        session = bench.session()
        session.label = "call 4711"
        session.close()
        error = self.assertRaises(ValueError, session.start, parameters())
        self.assertIn("call 4711", str(error))

    def test_aNameIsNoAddress(self) -> None:
        """A look-up inside the beat would stop all sound."""
        bench = Bench()
        error = self.assertRaises(ValueError, bench.session, remote=("phone.example.net", 40000))
        self.assertIn("phone.example.net", str(error))

    def test_sessionsAreRefusedWhenNoPortIsLeft(self) -> None:
        """And served again when one is free."""
        bench = Bench()
        sessions = [bench.media.openSession(HOST) for _ in range(len(bench.ports))]
        self.assertRaises(MediaPortsExhausted, bench.media.openSession, HOST)
        sessions[0].close()
        bench.media.openSession(HOST)

    def test_aThousandCallsLeaveNothing(self) -> None:
        """Opened, started, talking, closed: the number of objects stays flat."""
        bench = Bench()

        def calls(count: int) -> None:
            for _ in range(count):
                session = bench.session()
                session.feed = Tone()
                session.addListener(Ear())
                bench.talk(session, 1)
                session.close()
                bench.io.sockets.clear()
                bench.forget()

        gc.disable()
        self.addCleanup(gc.enable)
        calls(20)
        gc.collect()
        before = len(gc.get_objects())
        calls(200)
        self.assertLess(len(gc.get_objects()) - before, 100)
