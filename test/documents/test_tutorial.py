"""DOC/tutorial.md, as a reader follows it: each module as it stands."""

from __future__ import annotations

import os

from test.documents.example import Examples, ExampleTestCase, blockOf

TUTORIAL = "DOC/tutorial.md"


class TutorialTests(ExampleTestCase):
    """The sounds are those of the tutorial, too."""

    tones = {}

    def setUp(self) -> None:
        super().setUp()
        before = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        exec(blockOf(TUTORIAL, "Something to say"), {})

    def test_firstCall(self) -> None:
        """The application that welcomes, and its test."""
        self.write("shop", blockOf(TUTORIAL, "The first call"))
        self.load("shop")
        self.write("test_shop", blockOf(TUTORIAL, "Testing it"))
        self.runTests("test_shop")

    def test_menu(self) -> None:
        """The application with a menu, and its tests."""
        self.write("shop", blockOf(TUTORIAL, "A menu", 0))
        self.load("shop")
        self.write("test_shop", blockOf(TUTORIAL, "A menu", 1))
        self.runTests("test_shop")


EXAMPLES: Examples = {
    (TUTORIAL, "Something to say"): [TutorialTests.test_menu],
    (TUTORIAL, "The first call"): [TutorialTests.test_firstCall],
    (TUTORIAL, "Testing it"): [TutorialTests.test_firstCall],
    (TUTORIAL, "A menu"): 2 * [TutorialTests.test_menu],
}
