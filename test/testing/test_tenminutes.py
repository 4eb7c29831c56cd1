"""Ten minutes of a call with a menu, prompts and keys; how long that takes is printed."""

from __future__ import annotations

import sys
from time import perf_counter, process_time

from twisted.trial.unittest import SynchronousTestCase

from doug.demo import Demo
from doug.testing import Lab
from test.testing.apps import prompt

MINUTES = 10


class TenMinutesTests(SynchronousTestCase):
    """Virtual time is worth it if it is much shorter than the real one."""

    def test_menuAnnouncementMenu(self) -> None:
        """A key each six seconds, all the while something is said; each prompt is heard."""
        wall, cpu = perf_counter(), process_time()
        lab = Lab(Demo)
        call = lab.phone().dial("sip:demo@doug")
        lab.advance(1.0)
        rounds = 0
        while lab.reactor.seconds() < MINUTES * 60:
            for name in ("about", "menu"):  # the one is asked for, the other comes back
                call.forget()
                call.press("1")
                lab.advance(6.0)
                call.assertHears(prompt(name), atLeast=3.0)
            rounds += 1
        call.hangUp()
        lab.assertNothingLeft()
        wall, cpu = perf_counter() - wall, process_time() - cpu
        sys.stdout.write(
            f"{MINUTES} minutes, {lab.network.sent} datagrams, {2 * rounds} keys and prompts: "
            f"{wall:.2f} s, of which {cpu:.2f} s of this process's time\n"
        )
        self.assertEqual(lab.results, ["goodbye"])
        self.assertEqual(rounds, 50)
        self.assertGreater(lab.network.sent, 25000)
