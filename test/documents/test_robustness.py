"""DOC/robustness.md: each row names a test that exists, whole rows are there, counts are right."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase

from doug.testing import hostile
from doug.verdict import RULES
from test.cases import test_hostilephones
from test.doug import test_hooks

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = re.compile(r"`(test\.[\w.]+)`")
EVERY = ("udp", "tcp", "tls")
CALLING = len(hostile.all(over=EVERY))
CALLED = len(hostile.all(dials=False, answers=True, over=EVERY))
COUNTS = {
    r"(\d+) phones of the catalogue of (\d+)": (
        len(hostile.HOSTILE_PHONES),
        len(hostile.HOSTILE_PHONES) + len(hostile.NOT_YET),
    ),
    r"(\d+) wait for a feature": (len(hostile.NOT_YET),),
    r"DiallingTests` \| (\d+) applications . (\d+) phones": (
        TestLoader().loadClass(test_hostilephones.DiallingTests).countTestCases(),
        CALLING,
    ),
    r"DialledTests` \| (\d+) applications . (\d+) phones": (
        TestLoader().loadClass(test_hostilephones.DialledTests).countTestCases(),
        CALLED,
    ),
    r"HeardTests\.test_keysAndSound` \| (\d+) phones": (CALLING,),
    r"HeardWhenCalledTests` \| (\d+) phones": (CALLED,),
    r"(\d+) or (\d+) of them at once": (
        len(hostile.all()),
        len(hostile.all(dials=False, answers=True)),
    ),
    r"(\d+) rules and the user agent's own words": (len(RULES),),
    r"(\d+) event classes, (\d+) ways": (len(test_hooks.KINDS), len(test_hooks.WAYS)),
}
"""What the page counts, and how many there are now: who adds one has to measure anew."""

PROGRAM = re.compile(r"python -m (test\.long\.\w+)")


def exists(name: str) -> bool:
    """Is there such a module, class or method?"""
    parts = name.split(".")
    for count in range(len(parts), 1, -1):
        try:
            found: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found is not None
    return False


class RobustnessTests(SynchronousTestCase):
    """The tables of the page."""

    def rows(self) -> list[list[str]]:
        """The cells of each row."""
        text = (ROOT / "DOC" / "robustness.md").read_text(encoding="utf-8")
        tables = text.partition("\n## ")[2]
        lines = [line for line in tables.splitlines() if line.startswith("|")]
        rows = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines]
        return [row for row in rows if not row[0].strip().startswith(("---", "threat or fault"))]

    def test_eachRowIsWhole(self) -> None:
        rows = self.rows()
        self.assertGreater(len(rows), 80)
        for row in rows:
            self.assertEqual(len(row), 4, row)
            self.assertTrue(all(cell.strip() for cell in row[:3]), row)

    def test_eachRowsTestExists(self) -> None:
        for row in self.rows():
            names = NAME.findall(row[2])
            self.assertTrue(names or PROGRAM.search(row[2]), row)
            for name in names:
                self.assertTrue(exists(name), f"{row[0].strip()}: {name}")

    def test_whatIsCounted(self) -> None:
        text = (ROOT / "DOC" / "robustness.md").read_text(encoding="utf-8")
        for pattern, counts in COUNTS.items():
            [found] = re.finditer(pattern, text)
            self.assertEqual(tuple(map(int, found.groups())), counts, pattern)

    def test_eachProgramExists(self) -> None:
        text = (ROOT / "DOC" / "robustness.md").read_text(encoding="utf-8")
        programs = set(PROGRAM.findall(text))
        self.assertTrue(programs)
        for name in programs:
            self.assertTrue((ROOT / name.replace(".", "/")).with_suffix(".py").is_file(), name)
