"""20 000 messages with something wrong in them, to a server that answers calls with media.

A long run of the same is test/long/fuzz.py.
"""

from __future__ import annotations

import gc
import sys

from twisted.trial.unittest import SynchronousTestCase

from test.fuzz.generators import datagrams
from test.fuzz.seeds import onSeeds
from test.fuzz.sipfuzz import SIPFuzz

A_RUN = 1000  # messages
RUNS = 10
HALF = 4000  # messages of each half of the run that looks at the memory
MORE = 500  # pieces of memory that the second half may leave: one for eight messages


class WholeServerTests(SynchronousTestCase):
    """reliability: whatever arrives, nothing is raised, nothing is left, and calls go on."""

    @onSeeds(RUNS)
    def test_nothingIsRaisedAndNothingIsLeft(self, seed: int) -> None:
        """Requests, responses, repeats, ACKs of calls in all states, most of them broken: no error
        is logged, a plain call works afterwards, no call, transaction, timer or socket is left."""
        fuzz = SIPFuzz(seed)
        fuzz.send(A_RUN)
        fuzz.assertWell()
        fuzz.close()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertGreater(fuzz.answers.total(), A_RUN / 2)

    def test_memoryIsFlat(self) -> None:
        """One server; what it holds when it is at rest does not grow with what it has met."""
        fuzz = SIPFuzz(1)
        counts = []
        for _ in range(2):
            fuzz.send(HALF)
            fuzz.assertWell()
            fuzz.settle()
            gc.collect()
            counts.append(sys.getallocatedblocks())
        fuzz.close()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertLess(counts[1] - counts[0], MORE)

    def test_everyKindOfAnswerIsMet(self) -> None:
        """The fuzz reaches what is behind the parser: calls in both directions, refusals of all
        kinds, ends from both sides. (Were all its messages dropped, it would show nothing.)"""
        fuzz = SIPFuzz(2)
        fuzz.send(2 * A_RUN)
        fuzz.close()
        wanted = {
            "100",
            "180",
            "200",
            "400",
            "405",
            "415",
            "480",
            "481",
            "486",
            "487",
            "488",
            "603",
        }
        self.assertLessEqual(wanted, set(fuzz.answers))
        self.assertLessEqual({"INVITE", "ACK", "BYE", "CANCEL"}, set(fuzz.requests))
        self.assertLessEqual({"CallEndedEvent", "CallRejectedEvent"}, set(fuzz.ends))

    def test_aSeedSaysEverything(self) -> None:
        """The same seed gives the same messages and the same answers; another one, others."""
        runs = [SIPFuzz(seed) for seed in (3, 3, 4)]
        for fuzz in runs:
            fuzz.send(300)
            fuzz.close()
        first, same, other = (fuzz.answers for fuzz in runs)
        self.assertEqual(first, same)
        self.assertNotEqual(first, other)
        self.assertEqual(list(datagrams(5, 50)), list(datagrams(5, 50)))
