"""What tests of the documents' examples share: the reader's folder, and modules in it.

Lives here: saving, importing and running what a document shows. Not here: which block is run by
which test (the tests; test_examples.py sees that none is left out).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import TestResult

from twisted.trial.unittest import SynchronousTestCase, TestCase, TestSuite

from doug.testing import Lab, PhoneCall
from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from test.documents.markdown import Block, Document

Examples = dict[tuple[str, str], list[Callable[..., None]]]
"""Which test runs which block of Python: (document, heading) -> a test for each block."""

TONES = {"welcome": 350, "one": 440, "two": 620}  # Hz of the sounds that examples play


class ExampleTestCase(SynchronousTestCase):
    """Modules of the reader's, in self.folder, beside some WAVs.

    tones: the WAVs, a tone of so many Hz each.
    """

    tones = TONES

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        for name, hz in self.tones.items():
            tone = sine(hz, 3.0, 0.3)
            path = self.folder / f"{name}.wav"
            path.write_bytes(wavHeader(2 * len(tone)) + tone.astype("<i2").tobytes())
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))

    def write(self, name: str, text: str) -> None:
        """A module, saved."""
        (self.folder / f"{name}.py").write_text(text, encoding="utf-8")

    def load(self, name: str) -> Any:
        """A module, imported, and forgotten when the test is over."""
        module = import_module(name)
        self.addCleanup(sys.modules.pop, name)
        return module

    def saved(self, name: str, text: str) -> Any:
        """A module, saved and imported."""
        self.write(name, text)
        return self.load(name)

    def dial(self, app: Any, **options: Any) -> tuple[Lab, PhoneCall]:
        """A lab that serves the application, and a call to it, a second old."""
        lab = Lab(app, **options)
        call = lab.phone().dial("sip:example@doug")
        lab.advance(1.0)
        return lab, call

    def runTests(self, name: str) -> None:
        """All tests of the reader's module pass."""
        result = TestResult()
        TestSuite(list(_testsOf(self.load(name), name))).run(result)
        self.assertEqual([text for _, text in (*result.errors, *result.failures)], [])
        self.assertGreater(result.testsRun, 0)


def _testsOf(module: Any, name: str) -> Iterator[TestCase]:
    for case in vars(module).values():
        if isinstance(case, type) and case.__module__ == name:
            yield from (case(test) for test in vars(case) if test.startswith("test"))


def blockOf(document: str, heading: str, number: int = 0) -> str:
    """The text of the number-th block of Python under a heading."""
    return python(Document(document))[heading][number].text


def python(document: Document) -> dict[str, list[Block]]:
    """Its blocks of Python by heading."""
    found: dict[str, list[Block]] = {}
    for block in document.blocks:
        if block.language == "python":
            found.setdefault(block.heading, []).append(block)
    return found
