"""The pool of RTP ports."""

from __future__ import annotations

from errno import EACCES, EADDRINUSE
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MediaPortsExhausted
from shtoom.media.ports import PortPool


def free(port: int) -> int:
    """Binds any port."""
    return port


class PortPoolTests(SynchronousTestCase):
    """RTP stands on even ports (RFC 3550 11)."""

    def test_onlyEvenPortsOfTheRangeAreHandedOut(self) -> None:
        """Both ends of the range count, odd ones are left to RTCP."""
        pool = PortPool(10001, 10010, Random(1))
        ports = [pool.take(free) for _ in range(len(pool))]
        self.assertEqual(sorted(ports), [10002, 10004, 10006, 10008, 10010])

    def test_portsOfOthersArePassedOver(self) -> None:
        """A port that another process holds is skipped and may be free later."""
        held = {10000, 10002}

        def bind(port: int) -> int:
            if port in held:
                raise OSError(EADDRINUSE, "Address already in use")
            return port

        pool = PortPool(10000, 10004, Random(1))
        self.assertEqual(pool.take(bind), 10004)
        held.clear()
        self.assertEqual({pool.take(bind), pool.take(bind)}, {10000, 10002})

    def test_noneLeftSaysWhichRangeAndWhichOption(self) -> None:
        """The error is the answer to the caller (503) and the hint for the operator."""
        pool = PortPool(10000, 10003, Random(1))
        pool.take(free)
        pool.take(free)
        error = self.assertRaises(MediaPortsExhausted, pool.take, free)
        self.assertEqual(error.sipCode, 503)
        for part in ("10000-10003", "2 of 2", "--rtp-ports"):
            self.assertIn(part, str(error))

    def test_portsHeldByOthersAreTold(self) -> None:
        """Who holds the ports makes the difference between a leak and a neighbour."""

        def bind(port: int) -> int:
            raise OSError(EADDRINUSE, "Address already in use")

        pool = PortPool(10000, 10003, Random(1))
        error = self.assertRaises(MediaPortsExhausted, pool.take, bind)
        self.assertIn("0 of 2", str(error))
        self.assertIn("2 held by others", str(error))

    def test_otherFaultsGoUpAndLoseNoPort(self) -> None:
        """What is not a taken port is the caller's to explain."""

        def bind(port: int) -> int:
            raise OSError(EACCES, "Permission denied")

        pool = PortPool(10000, 10000, Random(1))
        self.assertRaises(OSError, pool.take, bind)
        self.assertEqual(pool.take(free), 10000)

    def test_aPortGivenBackComesLast(self) -> None:
        """Late packets of the call before must not reach the next one."""
        pool = PortPool(10000, 10010, Random(1))
        first = pool.take(free)
        pool.giveBack(first)
        self.assertEqual([pool.take(free) for _ in range(len(pool))][-1], first)

    def test_whatWasNotTakenCannotBeGivenBack(self) -> None:
        """A port given back twice would serve two calls."""
        pool = PortPool(10000, 10010, Random(1))
        port = pool.take(free)
        pool.giveBack(port)
        self.assertRaises(ValueError, pool.giveBack, port)

    def test_rangesWithoutAnEvenPortAreRefused(self) -> None:
        """The message names the option."""
        for first, last in ((10001, 10001), (0, 10), (20, 10), (10, 65536)):
            error = self.assertRaises(ValueError, PortPool, first, last, Random(1))
            self.assertIn("--rtp-ports", str(error))

    @given(st.lists(st.booleans(), max_size=60))
    @settings(max_examples=50, deadline=None)
    def test_noPortIsHeldTwice(self, takes: list[bool]) -> None:
        """Whatever the order of taking and giving back."""
        pool = PortPool(10000, 10018, Random(1))
        held: list[int] = []
        for take in takes:
            if take and len(held) < len(pool):
                port = pool.take(free)
                self.assertNotIn(port, held)
                held.append(port)
            elif held:
                pool.giveBack(held.pop(0))
            self.assertEqual(pool.taken, len(held))
