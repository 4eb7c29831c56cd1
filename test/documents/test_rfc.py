"""DOC/rfc.md: what it says of each RFC has a test that exists, or says that it is not there."""

from __future__ import annotations

import re
from importlib import import_module
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from test.documents.markdown import Document

LEVELS = ("full", "partial", "not")
MUST_BE_THERE = ("3261", "3263", "3264", "3311", "3325", "3326", "3327", "3515", "3550", "3551",
    "3581", "3891", "4028", "4320", "4733", "5626", "5922", "6026", "7118", "8760")  # fmt: skip
SECTIONS_OF_3261 = ("7", "8.1", "8.2", "9", "10.2", "10.3", "11", "12", "13", "14", "15", "16.7",
    "17", "18", "19", "20", "22")  # fmt: skip


class Row(NamedTuple):
    """One of the table. level: a word, and what is missing behind a colon. tests: dotted."""

    rfc: str
    section: str
    level: str
    tests: list[str]


def rows() -> list[Row]:
    """All of DOC/rfc.md."""
    found = []
    for line in Document("DOC/rfc.md").prose.splitlines():
        if re.match(r"\| \d", line):
            rfc, section, level, tests = [cell.strip() for cell in line.strip("|").split("|")]
            found.append(Row(rfc, section, level, re.findall(r"`([^`]+)`", tests)))
    return found


class RFCTests(SynchronousTestCase):
    """The table against the tests."""

    def test_everyTestExists(self) -> None:
        """It is imported and looked up, as trial does."""
        for row in rows():
            for name in row.tests:
                module, case, method = name.rsplit(".", 2)
                found = getattr(import_module(module), case, None)
                self.assertIsNotNone(found, f"{row.rfc} {row.section}: {name}")
                self.assertTrue(callable(getattr(found, method, None)), f"{row.rfc}: {name}")
                self.assertTrue(method.startswith("test"), name)

    def test_theLevelIsOneOfThree(self) -> None:
        """What is partial says what is missing; what is there at all has a test."""
        for row in rows():
            word, _, rest = row.level.partition(":")
            self.assertIn(word, LEVELS, f"{row.rfc} {row.section}")
            self.assertEqual(bool(row.tests), word != "not", f"{row.rfc} {row.section}")
            if word == "partial":
                self.assertTrue(rest.strip(), f"{row.rfc} {row.section}")

    def test_nothingIsLeftOut(self) -> None:
        """Each RFC that this server has to do with, and each part of the one that it is about."""
        there = rows()
        for rfc in MUST_BE_THERE:
            self.assertTrue([row for row in there if row.rfc == rfc], rfc)
        sections = [row.section for row in there if row.rfc == "3261"]
        for wanted in SECTIONS_OF_3261:
            here = re.compile(rf"(^|, ){re.escape(wanted)}\b")
            self.assertTrue([text for text in sections if here.search(text)], wanted)

    def test_noRowTwice(self) -> None:
        """One level for one section."""
        found = [(row.rfc, row.section) for row in rows()]
        self.assertEqual(len(found), len(set(found)))
