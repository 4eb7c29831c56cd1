"""Lines for readers who do not read."""

from __future__ import annotations

import os
from collections.abc import Callable
from fcntl import F_SETPIPE_SZ, fcntl
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.logger import Logger, LogPublisher, textFileLogObserver
from twisted.trial.unittest import SynchronousTestCase

from doug.outlet import MOST, Outlet, withoutWaiting

PIPE = 4096  # bytes that one of these holds


class Reactor:
    """Knows who wants to write."""

    def __init__(self) -> None:
        self.writers: list[Any] = []

    def callFromThread(self, f: Callable[..., object], *args: Any) -> None:
        f(*args)

    def addWriter(self, writer: Any) -> None:
        self.writers.append(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers.remove(writer)


class OutletTests(SynchronousTestCase):
    """A pipe whose reader is this test."""

    def setUp(self) -> None:
        self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        fcntl(writer, F_SETPIPE_SZ, PIPE)
        self.file = os.fdopen(writer, "w")
        self.addCleanup(self.file.close)
        self.reactor = Reactor()
        self.outlet = withoutWaiting(self.file, self.reactor)

    def tearDown(self) -> None:
        if self.reader >= 0:
            os.close(self.reader)

    def read(self) -> str:
        """All that is there, the reactor running meanwhile."""
        text = b""
        while True:
            try:
                text += os.read(self.reader, 1 << 20)
            except BlockingIOError:
                if not self.reactor.writers:
                    return text.decode()
            for writer in list(self.reactor.writers):
                writer.doWrite()

    def test_whoReadsHasAllAtOnce(self) -> None:
        self.assertIsInstance(self.outlet, Outlet)
        self.assertEqual(self.outlet.write("ä\n"), 2)
        self.outlet.flush()
        self.assertEqual(os.read(self.reader, 100).decode(), "ä\n")
        self.assertEqual(self.reactor.writers, [])

    def test_whatIsNotReadWaits(self) -> None:
        """In order, whole, and without a turn of the reactor for what is there at once."""
        lines = [f"{n:0100}\n" for n in range(1000)]
        for line in lines:
            self.outlet.write(line)
        self.assertEqual(self.reactor.writers, [self.outlet])
        self.assertEqual(self.read(), "".join(lines))
        self.assertEqual(self.reactor.writers, [])
        self.outlet.write("more\n")
        self.assertEqual(self.read(), "more\n")

    def test_whatIsTooMuchIsCounted(self) -> None:
        """Whole lines are dropped; the first line after them says how many."""
        line = "x" * 99 + "\n"
        count = (MOST + PIPE) // len(line) + 500
        for _ in range(count):
            self.outlet.write(line)
        lines = self.read().splitlines()
        self.assertEqual(set(lines), {"x" * 99})
        self.outlet.write("again\n")
        notice, last = self.read().splitlines()
        self.assertEqual(notice, f"{count - len(lines)} lines are not here: nobody read the log")
        self.assertEqual(last, "again")
        self.assertGreaterEqual(count - len(lines), 500)

    def test_theEndOfTheProcess(self) -> None:
        """Who reads has all; who does not is waited for, and not for ever."""
        text = "".join(f"{n:0100}\n" for n in range(1000))
        self.outlet.write(text)
        self.outlet.finish(0.0)
        got: list[str] = []
        reads = Thread(target=lambda: got.append(self.readAll(len(text))))
        reads.start()
        self.outlet.finish(20.0)
        reads.join()
        self.assertEqual(got, [text])

    def readAll(self, size: int) -> str:
        """So many bytes, as a process that reads."""
        os.set_blocking(self.reader, True)
        text = b""
        while len(text) < size:
            text += os.read(self.reader, size)
        return text.decode()

    def test_theReaderIsGone(self) -> None:
        """Nothing is raised, nothing is kept."""
        for n in range(100):
            self.outlet.write(f"{n:0100}\n")
        os.close(self.reader)
        self.reader = -1
        self.outlet.write("nobody\n")
        for writer in list(self.reactor.writers):
            writer.doWrite()
        self.assertEqual(self.reactor.writers, [])

    def test_anObserverOfTheLog(self) -> None:
        """Half a character of a stranger's is a line, too."""
        log = Logger(observer=LogPublisher(textFileLogObserver(self.outlet)))
        log.info("{text}", text="\udce4 rings")
        self.assertIn("\\udce4 rings\n", self.read())

    def test_filesAreFiles(self) -> None:
        """They have room, or an error; what is none stays what it is."""
        with Path(self.mktemp()).open("w") as file:
            self.assertIs(withoutWaiting(file, self.reactor), file)
        for stream in (None, StringIO(), file):
            self.assertIs(withoutWaiting(stream, self.reactor), stream)
