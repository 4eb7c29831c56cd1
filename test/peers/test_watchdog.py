"""What holds the reactor of a server, by its log: a process, its thread that looks, its clock."""

from __future__ import annotations

import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.peers import blocking
from test.peers.caller import Caller
from test.peers.server import Doug


def lineOf(mark: str) -> str:
    """The line of that application which ends with that remark, as Doug says it."""
    lines = Path(blocking.__file__).read_text().splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return f"(blocking.py, line {number})"


class WatchdogTests(SynchronousTestCase):
    """`twistd doug` and a caller."""

    timeout = 60

    def up(self, app: str) -> tuple[Doug, Caller]:
        """A call that is up."""
        doug = Doug(app)
        self.addCleanup(doug.stop)
        doug.start()
        caller = Caller(doug.port)
        self.addCleanup(caller.close)
        self.assertEqual(caller.invite().code, 200)
        return doug, caller

    def test_whereverItBlocks(self) -> None:
        """File and line are in the log: of the constructor, a list's generator, a later step of a
        generator, a callback, a plain function of callLater, a computation in C."""
        doug, caller = self.up("test.peers.blocking.Blocking")
        caller.request("BYE")
        doug.waitLog("ended after")
        log = doug.log()
        for named in (
            f"__init__ {lineOf('constructor')} held the reactor for ",
            f" at block {lineOf('block')}, and no call",
            f" at lists {lineOf('generator')}, and no call",
            f"steps {lineOf('step')} held the reactor for ",
            f"called {lineOf('callback')} held the reactor for ",
            " s, in plain (blocking.py, line ",
            f"computes {lineOf('computes')} held the reactor for ",
            f" at computes {lineOf('in C')}, and no call",
        ):
            self.assertIn(named, log)
        self.assertRegex(
            log, r"sessions are left out; it was seen at \w+ \(blocking.py, line \d+\)"
        )
        self.assertIn(f"steps {lineOf('step')}: ", log)  # the verdict
        self.assertNotIn("Traceback", log)

    def test_SIGSTOPIsNobodysFault(self) -> None:
        """The process stands still: sound is left out, but no line is named."""
        doug, caller = self.up("test.peers.apps.Echo")
        caller.speak(0.5)
        assert doug.proc is not None
        doug.proc.send_signal(signal.SIGSTOP)
        caller.speak(1.0)
        doug.proc.send_signal(signal.SIGCONT)
        caller.speak(0.5)
        caller.ask("BYE")
        self.assertEqual(caller.response("BYE").code, 200)
        doug.waitLog("ended after")
        self.assertIn("or the machine stood still", doug.log())
        self.assertNotRegex(doug.log(), r", line \d+\)")
