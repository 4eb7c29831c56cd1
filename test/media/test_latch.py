"""The latch: whose packets are taken."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.media.latch import KEYLESS, MISLED, PATIENCE, REOPENS, TRIAL, Latch, isPrivate

PHONE = ("198.51.100.20", 40000)
OTHER_PORT = ("198.51.100.20", 47777)
STRANGER = ("203.0.113.99", 50000)
PRIVATE = ("10.1.33.103", 40000)


class LatchTests(SynchronousTestCase):
    """Symmetric RTP (RFC 4961) without a door for strangers (RFC 7362 5)."""

    def setUp(self) -> None:
        self.latch = Latch()
        self.latch.expect(PHONE, None, held=False, now=0.0)

    def run_(
        self,
        source: tuple[str, int],
        count: int,
        start: float,
        *,
        ssrc: int = 1,
        first: int = 0,
        every: float = 0.02,
    ) -> list[bool]:
        """count packets in sequence, one each `every` seconds."""
        return [self.latch.admits(source, ssrc, first + n, start + every * n) for n in range(count)]

    def test_theHostOfTheSDPIsTakenAtItsFirstPacket(self) -> None:
        """From any port: a NAT may have mapped it."""
        self.assertTrue(self.latch.admits(OTHER_PORT, 1, 5, 0.0))
        self.assertEqual(self.latch.source, OTHER_PORT)

    def test_aSecondPortOfTheSameHostIsAStranger(self) -> None:
        """Others may stand behind the same NAT."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.assertEqual(set(self.run_(OTHER_PORT, 20, 0.02, ssrc=2)), {False})

    def test_aStrangerIsNotTakenWhileTheSDPMaySpeak(self) -> None:
        """In the first two seconds the announced address has its chance."""
        self.assertEqual(set(self.run_(STRANGER, 90, 0.0)), {False})
        self.assertTrue(self.latch.admits(PHONE, 9, 0, 1.9))

    def test_aStrangerIsTakenIfTheSDPIsSilent(self) -> None:
        """A far end that sends from another address than it receives at is heard in the end."""
        for every in (0.01, 0.02, 0.04, 0.06):
            self.setUp()
            results = self.run_(STRANGER, 300, 0.0, every=every)
            self.assertLess(abs(results.index(True) * every - PATIENCE), every + 1e-6)

    def test_aStrangerGetsNoSoundIfTheSDPCouldBeRight(self) -> None:
        """What it was to get goes on to the SDP's address: there it can arrive."""
        self.run_(STRANGER, 110, 0.0)
        self.assertEqual((self.latch.source, self.latch.isAnswered), (STRANGER, False))
        self.latch.admits(PHONE, 9, 0, 3.0)
        self.assertTrue(self.latch.isAnswered)

    def test_aStrangerGetsSoundIfTheSDPIsPrivate(self) -> None:
        """There it could not arrive."""
        self.latch.expect(PRIVATE, None, held=False, now=0.0)
        self.run_(PHONE, 20, 0.0)
        self.assertTrue(self.latch.isAnswered)

    def test_aStrangersKeysWait(self) -> None:
        """Until it was heard for long; those of who was announced, or goes on, do not."""
        results = self.run_(STRANGER, 110, 0.0)
        self.assertAlmostEqual(self.latch.keysFrom, 0.02 * results.index(True) + KEYLESS)
        self.latch.expect(STRANGER, None, held=False, now=2.2)
        self.assertLess(self.latch.keysFrom, 2.2)
        self.run_((STRANGER[0], 1), 5, 2.2)
        self.assertAlmostEqual(self.latch.keysFrom, 2.2 + TRIAL)

    def test_aStreamThatIsNoPhonesIsNeverTaken(self) -> None:
        """Two hundred packets a second, or one, for half a minute, whatever the SDP says."""
        for described in (PHONE, PRIVATE):
            for every in (0.005, 1.0):
                self.latch = Latch()
                self.latch.expect(described, "192.0.2.1", held=False, now=0.0)
                results = self.run_(STRANGER, round(30 / every), 0.0, every=every)
                self.assertEqual(set(results), {False}, (described, every))

    def test_aStreamOnABadLineIsTaken(self) -> None:
        """A tenth is lost, a tenth comes twice, a tenth late."""
        order = [n for n in range(150) if n % 10 != 3]
        for n in range(0, len(order) - 1, 10):
            order[n], order[n + 1] = order[n + 1], order[n]
        taken = [
            self.latch.admits(STRANGER, 1, n, 0.02 * i)
            for i, n in enumerate(order)
            for _ in range(2 if i % 10 == 5 else 1)
        ]
        self.assertTrue(taken[-1])

    def test_aPrivateSDPIsHardlyWaitedFor(self) -> None:
        """A phone behind NAT is heard soon, wherever its signalling came from."""
        self.latch.expect(PRIVATE, None, held=False, now=0.0)
        results = self.run_(PHONE, 20, 0.0)
        self.assertEqual(results.index(True), round(MISLED / 0.02))

    def test_aPrivateSDPWithoutAProxyIsWaitedFor(self) -> None:
        """The phone comes from where its signalling does, but for a NAT with many addresses."""
        self.latch.expect(PRIVATE, PHONE[0], held=False, now=0.0, direct=True)
        results = self.run_(STRANGER, 110, 0.0)
        self.assertEqual(results.index(True), round(PATIENCE / 0.02))
        self.assertTrue(self.latch.isAnswered)
        self.assertTrue(self.latch.admits(PHONE, 9, 0, 2.3))

    def test_aStreamIsAskedForLaterToo(self) -> None:
        """However long the announced source is silent: as long as at first."""
        self.latch.expect(PRIVATE, None, held=False, now=0.0)
        results = self.run_(PHONE, 20, 5.0)
        self.assertEqual(results.index(True), round(MISLED / 0.02))

    def test_packetsOutOfSequenceProveNothing(self) -> None:
        """Sprayed packets do not add up."""
        self.latch.expect(PRIVATE, None, held=False, now=0.0)
        for n in range(50):
            self.assertFalse(self.latch.admits(STRANGER, 1, n * 7, 0.005 * n))
        for n in range(50):
            self.assertFalse(self.latch.admits(STRANGER, n, n, 1 + 0.005 * n))

    def test_strangersDoNotKeepEachOtherOut(self) -> None:
        """A sprayer between the packets of the phone behind NAT does not reset its count."""
        self.latch.expect(PRIVATE, None, held=False, now=0.0)
        for n in range(10):
            self.assertFalse(self.latch.admits(PHONE, 1, n, 0.3 + 0.02 * n))
            for other in range(4):
                self.assertFalse(self.latch.admits(STRANGER, 2 + 4 * n + other, n, 0.3 + 0.02 * n))
        self.assertTrue(self.latch.admits(PHONE, 1, 10, 0.5))

    def test_theHostOfTheSignallingIsTakenAtItsFirstPacket(self) -> None:
        """The usual NAT: a private SDP, media from where the INVITE came from."""
        self.latch.expect(PRIVATE, PHONE[0], held=False, now=0.0)
        self.assertFalse(self.latch.admits(STRANGER, 2, 0, 0.0))
        self.assertTrue(self.latch.admits(PHONE, 1, 0, 0.0))
        self.assertEqual(set(self.run_(STRANGER, 100, 0.02, ssrc=2)), {False})

    def test_theSDPWinsOverAStrangerThatWasFirst(self) -> None:
        """Its first packet takes the stream back, and keeps it."""
        self.run_(STRANGER, 110, 0.0)
        self.assertEqual(self.latch.source, STRANGER)
        self.assertTrue(self.latch.admits(PHONE, 9, 0, 2.5))
        self.assertEqual(self.latch.source, PHONE)
        self.assertEqual(set(self.run_(STRANGER, 60, 2.52, first=110)), {False})

    def test_aNewDescriptionOpensTheLatch(self) -> None:
        """After a re-INVITE the phone may speak from another port."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.latch.expect(PHONE, None, held=False, now=1.0)
        self.assertTrue(self.latch.admits(OTHER_PORT, 2, 5, 1.01))
        self.assertEqual(self.latch.source, OTHER_PORT)

    def test_aNewDescriptionOpensTheLatchToNoStranger(self) -> None:
        """Where the phone was heard before, and is expected again, it may be silent for long."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.latch.expect(PHONE, None, held=False, now=1.0)
        self.assertEqual(set(self.run_(STRANGER, 500, 1.0, ssrc=2)), {False})
        self.latch.expect(("198.51.100.77", 5000), None, held=False, now=11.0)
        self.assertIn(True, self.run_(STRANGER, 110, 11.0, ssrc=2))

    def test_thePortOfTheSDPWinsOverAnotherOfItsHost(self) -> None:
        """Which may be somebody else behind the same NAT; the other way it is no reason."""
        self.assertTrue(self.latch.admits(OTHER_PORT, 2, 5, 0.0))
        self.assertFalse(self.latch.isSettled)
        self.assertTrue(self.latch.admits(PHONE, 1, 5, 0.1))
        self.assertEqual(self.latch.source, PHONE)
        self.assertTrue(self.latch.isSettled)
        self.assertFalse(self.latch.admits(OTHER_PORT, 2, 6, 0.12))

    def test_whoMayBeTheWrongOneIsOnTrial(self) -> None:
        """Another port of the SDP's host, and strangers; not its port, nor who signals."""
        self.latch.admits(OTHER_PORT, 2, 5, 0.0)
        self.assertEqual(self.latch.trustedFrom, TRIAL)
        self.latch.admits(PHONE, 1, 5, 0.05)
        self.assertLess(self.latch.trustedFrom, 0.05)
        self.latch = Latch()
        self.latch.expect(PRIVATE, PHONE[0], held=False, now=0.0)
        self.run_(STRANGER, 11, 0.0)
        self.assertAlmostEqual(self.latch.trustedFrom, MISLED + TRIAL)
        self.latch.admits(PHONE, 1, 5, 0.3)
        self.assertLess(self.latch.trustedFrom, 0.3)

    def test_anOpenLatchClosesAtTheNextPacket(self) -> None:
        """Who goes on from the old port after a re-INVITE keeps the stream."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.latch.expect(PHONE, None, held=False, now=1.0)
        self.assertTrue(self.latch.admits(PHONE, 1, 6, 1.01))
        self.assertFalse(self.latch.admits(OTHER_PORT, 2, 5, 1.02))

    def test_aNewHostInTheSDPWinsOverTheOldOne(self) -> None:
        """The media moved to another machine; the old one may go on for a while."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.latch.expect(("198.51.100.77", 5000), None, held=False, now=1.0)
        self.assertTrue(self.latch.admits(PHONE, 1, 6, 1.01))
        self.assertTrue(self.latch.admits(("198.51.100.77", 5000), 3, 0, 1.02))
        self.assertFalse(self.latch.admits(PHONE, 1, 7, 1.03))

    def test_silenceOpensTheLatchForTheSameStream(self) -> None:
        """A NAT that maps anew in mid-call: two seconds without RTP, then the same SSRC."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.assertFalse(self.latch.admits(OTHER_PORT, 1, 6, REOPENS - 0.01))
        self.assertFalse(self.latch.admits(OTHER_PORT, 2, 6, REOPENS))
        self.assertTrue(self.latch.admits(OTHER_PORT, 1, 6, REOPENS))

    def test_theSameStreamFromAStrangersAddress(self) -> None:
        """A phone that goes over to another network: soon, and it gets sound, and presses keys."""
        self.run_(PHONE, 50, 0.0)
        results = self.run_(STRANGER, 60, 3.5, first=60)
        self.assertEqual(results.index(True), round(MISLED / 0.02))
        self.assertTrue(self.latch.isAnswered)
        self.assertEqual(self.latch.keysFrom, self.latch.trustedFrom)

    def test_silenceDoesNotOpenTheLatchToOtherNumbers(self) -> None:
        """The SSRC may be guessed; the sequence has to go on from where it was, too."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        for sequence in (4, 5, 5 + 301, 40000):
            self.assertFalse(self.latch.admits(OTHER_PORT, 1, sequence, REOPENS))
        self.assertTrue(self.latch.admits(OTHER_PORT, 1, 5 + 300, REOPENS))

    def test_noStrangerIsTakenOnHold(self) -> None:
        """Nobody is to speak, so that nobody does tells nothing."""
        self.latch.expect(PHONE, None, held=True, now=0.0)
        self.assertEqual(set(self.run_(STRANGER, 500, 0.0)), {False})
        self.assertIsNone(self.latch.source)

    def test_silenceOnHoldTellsNothing(self) -> None:
        """Who was asked to be silent is not gone."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.latch.expect(PHONE, None, held=True, now=1.0)
        self.latch.admits(PHONE, 1, 6, 1.0)
        self.assertFalse(self.latch.admits(OTHER_PORT, 1, 7, 20.0))

    def test_holdWithoutAnAddressKeepsWhoWasExpected(self) -> None:
        """c=0.0.0.0 says nothing of the place (RFC 3264 8.4)."""
        self.latch.expect(None, None, held=True, now=1.0)
        self.assertTrue(self.latch.admits(PHONE, 1, 5, 1.5))

    def test_aNewSSRCFromTheSameSourceIsTaken(self) -> None:
        """A transfer behind the far end (RFC 3550 8.2)."""
        self.latch.admits(PHONE, 1, 5, 0.0)
        self.assertTrue(self.latch.admits(PHONE, 2, 900, 0.02))
        self.assertEqual(self.latch.ssrc, 2)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from([STRANGER, ("203.0.113.98", 1000), OTHER_PORT]),
                st.integers(0, 3),
                st.integers(0, 8),
                st.floats(0, 0.5),
            ),
            max_size=60,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_nobodyTakesAStreamThatIsAlive(
        self, others: list[tuple[tuple[str, int], int, int, float]]
    ) -> None:
        """Whatever strangers send between packets of the far end."""
        latch = Latch()
        latch.expect(PHONE, None, held=False, now=0.0)
        now = 0.0
        latch.admits(PHONE, 1, 0, now)
        for n, (source, ssrc, sequence, wait) in enumerate(others):
            now += wait
            self.assertFalse(latch.admits(source, ssrc, sequence, now))
            self.assertTrue(latch.admits(PHONE, 1, n, now))
        self.assertEqual(latch.source, PHONE)


class IsPrivateTests(SynchronousTestCase):
    """Addresses that mean nothing to others (RFC 1918, 6598, 3927, 4193)."""

    def test_privateAndPublic(self) -> None:
        """Names and addresses of documentation count as public."""
        for host in ("10.1.33.103", "192.168.0.9", "172.31.1.1", "127.0.0.1", "fd00::1", "fe80::1"):
            self.assertTrue(isPrivate(host), host)
        for host in ("198.51.100.20", "172.32.0.1", "2001:db8::1", "phone.example.net", ""):
            self.assertFalse(isPrivate(host), host)
