"""shtoom.media.inband: keys in what sessions hear, looked for in all of them at once."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.tones import dtmf, silence
from shtoom.media.inband import Inband, InbandEar
from shtoom.media.session import MediaSession
from shtoom.rtp.packet import RTPPacket
from test.media.support import PCMU, Bench

KEYS = "0123456789*#ABCD"


def spoken(keys: str, on: float = 0.1, off: float = 0.1) -> list[RTPPacket]:
    """Tones as 20 ms packets of PCMU."""
    sound = np.concatenate([np.append(dtmf(key, on), silence(off)) for key in keys])
    data = PCMU.encode(sound)
    parts = [data[i : i + 160] for i in range(0, len(data) - 159, 160)]
    return [RTPPacket(0, i, 160 * i, 7, part, i == 0) for i, part in enumerate(parts)]


class InbandTests(SynchronousTestCase):
    """Sessions on a clock in virtual time."""

    def setUp(self) -> None:
        self.bench = Bench(idle="none")
        self.inband = Inband(self.bench.clock)
        self.told: dict[MediaSession, str] = {}
        self.lengths: list[float] = []

    def listen(self, session: MediaSession) -> InbandEar:
        """Notes what is heard of a session."""
        self.told[session] = ""

        def pressed(key: str) -> None:
            self.told[session] += key

        return self.inband.listen(session, pressed, lambda key, long: self.lengths.append(long))

    def arrive(self, *streams: tuple[MediaSession, list[RTPPacket]]) -> None:
        """Packets of several sessions, one each in 20 ms, and what is in the buffers after."""
        for number in range(max(len(packets) for _, packets in streams)):
            for session, packets in streams:
                if number < len(packets):
                    self.bench.arrives(session, packets[number])
            self.bench.runFor(0.02)
        self.bench.runFor(0.3)

    def test_manySessionsAtOnce(self) -> None:
        """Each hears its own keys, in whatever phase of the beat it is."""
        sessions = [self.bench.session() for _ in range(16)]
        for session in sessions:
            self.listen(session)
        wanted = {s: KEYS[i:] + KEYS[:i] for i, s in enumerate(sessions)}
        self.arrive(*((session, spoken(keys, 0.06, 0.06)) for session, keys in wanted.items()))
        self.assertEqual(self.told, wanted)

    def test_aPressEndsWithItsLength(self) -> None:
        """In seconds, to 20 ms."""
        session = self.bench.session()
        self.listen(session)
        self.arrive((session, spoken("5", 0.3)))
        self.assertEqual(len(self.lengths), 1)
        self.assertTrue(abs(self.lengths[0] - 0.3) < 0.03, self.lengths)

    def test_whoIsClosedHearsNothing(self) -> None:
        """Others go on, and a new one is not disturbed by what was heard before."""
        alice, bob = self.bench.session(), self.bench.session()
        ear, _ = self.listen(alice), self.listen(bob)
        packets = spoken("1", 0.5)
        for packet in packets[:2]:
            self.bench.arrives(alice, packet)
            self.bench.arrives(bob, packet)
            self.bench.runFor(0.02)
        ear.close()
        for packet in packets[2:]:
            self.bench.arrives(alice, packet)
            self.bench.arrives(bob, packet)
            self.bench.runFor(0.02)
        self.bench.runFor(0.3)
        self.assertEqual((self.told[alice], self.told[bob]), ("", "1"))

    def test_aFailingListenerDisturbsNobody(self) -> None:
        """Its error is logged."""
        alice, bob = self.bench.session(), self.bench.session()

        def fail(key: str) -> None:
            raise RuntimeError("of the test")

        self.inband.listen(alice, fail, lambda key, seconds: None)
        self.listen(bob)
        self.arrive((alice, spoken("12")), (bob, spoken("12")))
        self.assertEqual(self.told[bob], "12")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_nothingIsLeft(self) -> None:
        """Closed ears hold no timer, and none is made while nobody listens."""
        session = self.bench.session()
        self.listen(session).close()
        self.arrive((session, spoken("1")))
        session.close()
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])
        self.assertEqual(self.told[session], "")
