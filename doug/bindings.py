"""The bindings of registered phones on disk, so that they outlive a restart.

Lives here: one SQLite file, written by a thread. Not here: what bindings are (shtoom.agent
.registrar).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shtoom.agent.registrar import Binding

__all__ = ["BindingStore", "trouble"]

_OLDEST = 9  # fields of a Binding that every version has kept
_TABLE = "CREATE TABLE IF NOT EXISTS bindings (user TEXT PRIMARY KEY, devices TEXT NOT NULL)"


def trouble(path: Path) -> str | None:
    """Why registrations cannot be kept in that file, which need not be there yet; None: they can.

    Nothing is written.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not _may(folder, os.W_OK | os.X_OK):  # SQLite has a second file beside its own
        return f"{folder} cannot be written"
    if not path.exists():
        return None
    if not path.is_file():
        return "it is no file"
    if not _may(path, os.R_OK | os.W_OK):
        return "it cannot be read and written"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            [(found,)] = database.execute("PRAGMA quick_check(1)")
            if found == "ok" and list(database.execute("PRAGMA table_info(bindings)")):
                database.execute("SELECT user, devices FROM bindings LIMIT 1")
    except sqlite3.Error as error:
        return _words(error)
    return None if found == "ok" else f"it is broken: {found.splitlines()[0]}"


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _words(error: sqlite3.Error) -> str:
    return f"it is no file of registrations ({error})"


class BindingStore:
    """An IBindingStore.

    path: the file, made if there is none. deferToThread: runs what may wait for the disk. Raises
    OSError, whose strerror says why, if the file cannot be had.
    """

    log = Logger()

    def __init__(self, path: Path, deferToThread: Callable[..., Deferred[Any]]) -> None:
        if (why := trouble(path)) is not None:
            raise OSError(0, why, str(path))
        self._path, self._deferToThread = path, deferToThread
        self._waiting: dict[str, list[Binding]] = {}
        self._writing: Deferred[None] | None = None
        try:
            with self._open() as database:
                database.execute(_TABLE)
        except sqlite3.Error as error:
            raise OSError(0, _words(error), str(path)) from error

    def load(self) -> dict[str, list[Binding]]:
        """As IBindingStore has it. What cannot be read is left out, and logged."""
        found = {}
        with self._open() as database:
            for user, devices in database.execute("SELECT user, devices FROM bindings"):
                try:
                    found[user] = [_binding(fields) for fields in json.loads(devices)]
                except (ValueError, TypeError, OverflowError, RecursionError) as error:
                    self.log.warn(
                        "{path}: what was kept of {user} is left out: {error}",
                        path=str(self._path),
                        user=user,
                        error=str(error),
                    )
        return found

    def save(self, user: str, bindings: list[Binding]) -> None:
        """As IBindingStore has it; written soon, in the order of the calls."""
        self._waiting[user] = bindings
        if self._writing is None:
            self._write()

    def close(self) -> Deferred[None]:
        """Fires when all is written."""
        done: Deferred[None] = Deferred()
        if self._writing is None:
            done.callback(None)
        else:
            self._writing.addBoth(lambda _: done.callback(None))
        return done

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._writing = Deferred()
        self._deferToThread(self._put, waiting).addBoth(self._written)

    def _written(self, outcome: Any) -> None:
        if isinstance(outcome, Failure):
            self.log.warn(
                "{path}: registrations are not kept: {error}",
                path=str(self._path),
                error=outcome.getErrorMessage(),
            )
        done, self._writing = self._writing, None
        if self._waiting:
            self._write()
            if self._writing is not None and done is not None:
                self._writing.chainDeferred(done)
        elif done is not None:
            done.callback(None)

    def _put(self, waiting: dict[str, list[Binding]]) -> None:
        """In a thread."""
        with self._open() as database:
            for user, bindings in waiting.items():
                if bindings:
                    database.execute(
                        "INSERT OR REPLACE INTO bindings VALUES (?, ?)",
                        (user, json.dumps([_fields(binding) for binding in bindings])),
                    )
                else:
                    database.execute("DELETE FROM bindings WHERE user = ?", (user,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end of the block, or takes all back."""
        with closing(sqlite3.connect(self._path, timeout=5.0)) as database, database:
            yield database


def _fields(binding: Binding) -> list[Any]:
    """As they are kept: without the connection, which ends with the process."""
    return [*binding[:_OLDEST], binding.device]


def _binding(fields: list[Any]) -> Binding:
    contact, until, callID, number, q, path, transport, host, port = fields[:_OLDEST]
    return Binding(
        str(contact), float(until), str(callID), int(number), float(q),
        tuple(map(str, path)), str(transport), str(host), int(port),
        device="".join(map(str, fields[_OLDEST : _OLDEST + 1])),
    )  # fmt: skip
