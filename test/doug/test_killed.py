"""Recordings of a real server that is killed: kill -9 at any moment (case files-001)."""

from __future__ import annotations

from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from test.support.killedserver import MESSAGE, KilledServer

SERVERS, CALLS, LONGEST = 2, 6, 1.4  # test/long/kill.py has more of them


class KilledTests(SynchronousTestCase):
    """Real sockets, threads and files; the moments are those of a seed."""

    def test_files_001_atAnyMoment(self) -> None:
        """All recordings can be read and lack a second at most; no message is seen by halves."""
        rng = Random(1)
        servers = []
        for _ in range(SERVERS):
            folder = Path(self.mktemp())
            folder.mkdir()
            servers.append(KilledServer(folder, CALLS))
            self.addCleanup(servers[-1].end)
        messages = []
        for server in servers:
            server.kill(rng, LONGEST)
        for server in servers:
            for left in server.recordings():
                self.assertTrue(left.kept >= left.heard - 1.0, left)
                self.assertTrue(left.kept <= left.heard + 0.02, left)
            messages += server.messages()
            self.assertTrue(all(0.0 <= kept <= MESSAGE for kept in server.orphans()))
            self.assertGreater(max(left.heard for left in server.recordings()), 0.0)
        self.assertEqual({round(seconds, 6) for seconds in messages}, {MESSAGE})
