"""Bindings on disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from doug.bindings import BindingStore
from shtoom.agent.registrar import Binding

HOME = Binding("sip:a@h", 1600.5, "c", 7, 0.5, ("<sip:e;lr>",), "UDP", "198.51.100.20", 40123)
AWAY = HOME._replace(contact="sip:a@elsewhere", path=())


class BindingStoreTests(SynchronousTestCase):
    """A file, written by a thread that works when the test says so."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.jobs: list[Callable[[], object]] = []
        self.store = BindingStore(self.path, self.defer)

    def defer(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append(lambda: execute(f, *args).chainDeferred(done))
        return done

    def work(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()

    def again(self) -> dict[str, list[Binding]]:
        """What the next process finds."""
        return BindingStore(self.path, self.defer).load()

    def test_keptAndFound(self) -> None:
        self.store.save("alice", [HOME, AWAY])
        self.store.save("bob", [AWAY])
        self.work()
        self.assertEqual(self.again(), {"alice": [HOME, AWAY], "bob": [AWAY]})

    def test_aConnectionIsNotKept(self) -> None:
        """Its number would be another's in the next process."""
        self.store.save("alice", [HOME._replace(transport="TCP", flow=7)])
        self.work()
        self.assertEqual(self.again(), {"alice": [HOME._replace(transport="TCP")]})

    def test_theDeviceIsKept(self) -> None:
        """What an older version has kept tells of none."""
        phone = HOME._replace(device='"<urn:uuid:1>" 1')
        self.store.save("alice", [phone])
        self.store.save("bob", [HOME])
        self.work()
        self.assertEqual(self.again(), {"alice": [phone], "bob": [HOME]})
        with closing(sqlite3.connect(self.path)) as database, database:
            (devices,) = database.execute(
                "SELECT devices FROM bindings WHERE user = 'alice'"
            ).fetchone()
            old = json.dumps([fields[:9] for fields in json.loads(devices)])
            database.execute("UPDATE bindings SET devices = ? WHERE user = 'alice'", (old,))
        self.assertEqual(self.again(), {"alice": [HOME], "bob": [HOME]})

    def test_theLastOneCounts(self) -> None:
        for bindings in ([HOME], [AWAY], [HOME, AWAY], []):
            self.store.save("alice", bindings)
        self.store.save("bob", [HOME])
        self.store.save("bob", [AWAY])
        self.work()
        self.assertEqual(self.again(), {"bob": [AWAY]})

    def test_closeWaitsForAll(self) -> None:
        self.successResultOf(self.store.close())
        self.store.save("alice", [HOME])
        self.store.save("bob", [HOME])
        closed = self.store.close()
        self.jobs.pop(0)()
        self.assertNoResult(closed)
        self.work()
        self.successResultOf(closed)
        self.assertEqual(set(self.again()), {"alice", "bob"})

    def test_aFileThatCannotBeHad(self) -> None:
        error = self.assertRaises(OSError, BindingStore, self.path / "x" / "y", self.defer)
        self.assertIn(str(self.path / "x" / "y"), str(error))

    def test_aFileThatIsNone(self) -> None:
        path = Path(self.mktemp())
        path.write_bytes(b"no database" * 1000)
        error = self.assertRaises(OSError, BindingStore, path, self.defer)
        self.assertIn(str(path), str(error))
