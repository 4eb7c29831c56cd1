"""Is each case from the field a test, or known to wait for a feature?"""

from __future__ import annotations

import re
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

import test
from test.cases import NOT_YET
from test.support import corpusRoot

IDENTITY = re.compile(r"^- id: (\S+)$", re.MULTILINE)
TEST = re.compile(r"^ +def test_([a-z0-9]+)_(\d{3})(?:_|\()", re.MULTILINE)


def cases() -> set[str]:
    """All that there are: beside the corpus."""
    folder = corpusRoot().parent / "cases"
    if not folder.is_dir():
        raise SkipTest(f"{folder} is not there: cases and tests are not compared")
    return {name for file in folder.glob("*.yaml") for name in IDENTITY.findall(file.read_text())}


def tested() -> set[str]:
    """What tests are named after."""
    folder = Path(test.__file__).parent
    sources = (file.read_text(encoding="utf-8") for file in folder.rglob("test_*.py"))
    return {f"{area}-{number}" for source in sources for area, number in TEST.findall(source)}


class EveryCaseTests(SynchronousTestCase):
    """The files of cases, the names of tests, and the list of what is not yet."""

    def test_eachCaseIsATestOrWaits(self) -> None:
        """None is forgotten."""
        found = cases()
        self.assertGreater(len(found), 80)
        self.assertEqual(sorted(found - tested() - NOT_YET.keys()), [])

    def test_theListIsTrue(self) -> None:
        """What it names is a case, and has no test: who wrote one takes it off NOT_YET."""
        self.assertEqual(sorted(NOT_YET.keys() - cases()), [])
        self.assertEqual(sorted(NOT_YET.keys() & tested()), [])

    def test_noTestIsNamedAfterACaseThatIsNot(self) -> None:
        """A slip in a number would hide a case."""
        areas = {name.rpartition("-")[0] for name in cases()}
        named = {name for name in tested() if name.rpartition("-")[0] in areas}
        self.assertEqual(sorted(named - cases()), [])
