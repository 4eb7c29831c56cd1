"""20 000 messages with something wrong in them, to servers in virtual time; each seed is drawn.

A long run of the same is test/long/fuzz.py.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from functools import lru_cache
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.fuzz.generators import datagrams
from test.fuzz.officefuzz import OfficeFuzz
from test.fuzz.seeds import onSeeds
from test.fuzz.sipfuzz import SIPFuzz

A_RUN = 1000  # messages
RUNS = 6
OFFICE_RUNS = 8
HALF = 1500  # messages of each half of the runs that look at the memory
MORE = 500  # pieces of memory that the second half may leave: one for three messages

CACHE: Any = type(lru_cache(len))

ANSWERS = {"100", "180", "200", "400", "405", "415", "480", "481", "486", "487", "488", "603"}
OFFICE_ANSWERS = {"100", "180", "200", "400", "401", "403", "405", "423", "480", "481", "488"}


class WholeServerTests(SynchronousTestCase):
    """reliability: whatever arrives, nothing is raised, nothing is left, and calls go on.

    met: of all runs of a test: answers, own requests, ends of calls.
    """

    def setUp(self) -> None:
        self.met: Counter[str] = Counter()

    def finish(self, fuzz: SIPFuzz) -> None:
        """The end of one run."""
        fuzz.close()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.met += fuzz.answers + fuzz.requests + fuzz.ends

    @onSeeds(RUNS)
    def bareServer(self, seed: int) -> None:
        """A server that anybody may call."""
        fuzz = SIPFuzz(seed)
        fuzz.send(A_RUN)
        fuzz.assertWell()
        self.finish(fuzz)

    def test_nothingIsRaisedAndNothingIsLeft(self) -> None:
        """Requests, responses, repeats, ACKs of calls in all states, most of them broken: no error
        is logged, a plain call works afterwards, no call, transaction, timer or socket is left.

        What is behind the parser is reached: calls in both directions, refusals of all kinds, ends
        from both sides. (Were all messages dropped, it would show nothing.)
        """
        self.bareServer()
        self.assertLessEqual(ANSWERS, set(self.met))
        self.assertLessEqual({"INVITE", "ACK", "BYE", "CANCEL"}, set(self.met))
        self.assertLessEqual({"CallEndedEvent", "CallRejectedEvent"}, set(self.met))

    @onSeeds(OFFICE_RUNS)
    def office(self, seed: int) -> None:
        """A server with phones, trunks and TCP."""
        fuzz = OfficeFuzz(seed)
        fuzz.send(A_RUN)
        fuzz.assertWell()
        fuzz.settle()
        self.finish(fuzz)
        self.met["registered"] += fuzz.office.registered
        self.met["signed"] += fuzz.office.signed
        self.met["connections"] += fuzz.wires.made

    def test_phonesAndTrunks(self) -> None:
        """REGISTERs and calls with credentials that were made wrong before they were signed, or
        afterwards; the answers of a trunk that we register at and call; all of it over TCP, too.

        As above; besides, a phone that is registered is reached, what is registered can be called
        and kept on disk, and we are registered again once the trunk is as it should be.
        """
        self.office()
        self.assertLessEqual(OFFICE_ANSWERS, set(self.met))
        self.assertLessEqual({"REGISTER", "OPTIONS", "INVITE", "ACK", "BYE"}, set(self.met))
        for what, least in (("registered", 30), ("signed", 2), ("connections", 5)):
            self.assertGreater(self.met[what], OFFICE_RUNS * least, what)

    @onSeeds(2)
    def test_memoryIsFlat(self, seed: int) -> None:
        """One server; what it holds when it is at rest does not grow with what it has met.

        Caches with a bound are emptied: thousands of addresses would fill them for long.
        """
        fuzz = SIPFuzz(seed)
        counts = []
        for _ in range(2):
            fuzz.send(HALF)
            fuzz.assertWell()
            fuzz.settle()
            counts.append(held())
        self.finish(fuzz)
        self.assertLess(counts[1] - counts[0], MORE)

    @onSeeds(2)
    def test_aSeedSaysEverything(self, seed: int) -> None:
        """The same seed gives the same messages and the same answers; another one, others."""
        for kind in (SIPFuzz, OfficeFuzz):
            runs = [kind(each) for each in (seed, seed, seed + 1)]
            for fuzz in runs:
                fuzz.send(100)
                fuzz.close()
            first, same, other = (fuzz.answers for fuzz in runs)
            self.assertEqual(first, same)
            self.assertNotEqual(first, other)
        self.assertEqual(list(datagrams(seed, 50)), list(datagrams(seed, 50)))


def held() -> int:
    """Pieces of memory in use, without those of caches that have a bound."""
    for each in gc.get_objects():
        if isinstance(each, CACHE) and each.cache_parameters()["maxsize"] is not None:
            each.cache_clear()
    gc.collect()
    return sys.getallocatedblocks()
