"""More calls than there is room for: those that are up keep their sound, the others are told."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.settings import Settings
from doug.testing import Lab
from doug.testing.phone import Phone
from doug.testing.phonecall import PhoneCall
from doug.trunks import Trunk
from test.doug.callees import Notes

TICK = 50  # packets a second


class CapacityTests(SynchronousTestCase):
    """Three times the load that is admitted, in virtual time."""

    def serve(self, **settings: Any) -> Lab:
        self.notes: list[Any] = []
        settings = {"idle": "silence", "sourceRate": 0.0, **settings}
        self.lab = Lab(Notes, settings=Settings(**settings), notes=self.notes)
        return self.lab

    def up(self, phone: Phone) -> PhoneCall:
        """A call that is up."""
        call = phone.dial("sip:doug@doug")
        self.lab.advance(1)
        self.assertEqual(call.state, "answered")
        return call

    def offer(self, phone: Phone, rate: int, seconds: int) -> list[PhoneCall]:
        """So many new calls a second, evenly."""
        calls = []
        for _ in range(rate * seconds):
            calls.append(phone.dial("sip:doug@doug"))
            self.lab.advance(1 / rate)
        self.lab.advance(1)
        return calls

    def refusedBy(self, calls: list[PhoneCall], code: int) -> int:
        """Those with that code; a 503 says when to come again."""
        failures = [call.failure for call in calls if call.failure is not None]
        found = [failure for failure in failures if failure.sipCode == code]
        if found and code == 503:
            self.assertTrue(all(5 <= (failure.retryAfter or 0) <= 30 for failure in found))
            self.assertGreater(len({failure.retryAfter for failure in found}), 5)
        return len(found)

    def assertGapless(self, call: PhoneCall, seconds: int, before: int) -> None:
        """Each packet of that time came, in turn."""
        stats = call.session.stats
        self.assertEqual(stats.packetsReceived - before, seconds * TICK)
        self.assertEqual((stats.lost, stats.late), (0, 0))

    def finish(self, calls: list[PhoneCall]) -> None:
        for call in calls:
            if call.state == "answered":
                call.hangUp()
        self.lab.advance(2)
        self.lab.assertNothingLeft()

    def test_ofTheServer(self) -> None:
        """--max-calls admits a third of them, and gives 503 to the others; none is lost."""
        self.serve(maxCalls=15)
        first = self.up(self.lab.phone("first"))
        before = first.session.stats.packetsReceived
        calls = self.offer(self.lab.phone("many"), 14, 3)
        taken = [call for call in calls if call.state == "answered"]
        self.assertEqual((len(taken), self.refusedBy(calls, 503)), (14, 28))
        counts = [call.session.stats.packetsReceived for call in taken]
        self.lab.advance(5)
        self.assertGapless(first, 9, before)
        for call, count in zip(taken, counts, strict=True):
            self.assertGapless(call, 5, count)
        self.finish([first, *calls])

    def test_ofATrunk(self) -> None:
        """max-rate and max-calls of one trunk are no matter of another's."""
        self.serve(
            trunks={
                "busy": Trunk("busy", "198.51.100.20", maxRate=2.0),
                "small": Trunk("small", "198.51.100.21", maxCalls=3),
                "other": Trunk("other", "198.51.100.22"),
            }
        )
        busy, small, other = (self.lab.phone(name) for name in ("busy", "small", "other"))
        first = self.up(other)
        before = first.session.stats.packetsReceived
        calls = self.offer(busy, 6, 4)
        # four at once, two a second from then on: a third, but for the first ones
        self.assertEqual(self.refusedBy(calls, 503), 24 - (4 + 2 * 4 - 1))
        few = self.offer(small, 3, 3)
        self.assertEqual((self.refusedBy(few, 486), self.refusedBy(few, 503)), (6, 0))
        more = self.up(other)
        self.assertGapless(first, 10, before)
        self.finish([first, more, *calls, *few])
