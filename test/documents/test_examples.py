"""Every piece of Python in the documents is run, as a reader would."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from doug.loader import loadApp
from doug.settings import Settings
from doug.testing import Lab, PhoneCall
from doug.testing.hearing import toneShare
from doug.trunks import Trunk
from test.documents import test_concepts, test_recipes, test_tutorial
from test.documents.example import Examples, ExampleTestCase, blockOf, python
from test.documents.markdown import ROOT, Document, documents


class READMETests(ExampleTestCase):
    """README.md: the ten-line application and its test."""

    def setUp(self) -> None:
        super().setUp()
        self.write("hello", blockOf("README.md", "Doug"))
        self.write("test_hello", blockOf("README.md", "Test it without a phone"))

    def test_theApplication(self) -> None:
        """`--app=hello.Hello`: a caller hears the greeting, then Doug hangs up."""
        hello = loadApp("hello.Hello")
        self.addCleanup(sys.modules.pop, "hello")
        lab = Lab(hello)
        call = lab.phone().dial("sip:hello@doug")
        lab.advance(5.0)
        match = call.assertHears("welcome.wav")
        self.assertGreater(match.seconds, 2.8)
        self.assertEqual(call.state, "ended")
        lab.assertNothingLeft()
        self.assertEqual((lab.results, lab.failures), (["greeted"], []))

    def test_itsTest(self) -> None:
        """The very command that README.md names, in the folder of the two modules."""
        [command] = [
            line.split()
            for line in Document("README.md").section("Test it without a phone").splitlines()
            if line.startswith("    python")
        ]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, *command[1:]],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertIn("PASSED (successes=1)", done.stdout, done.stdout + done.stderr)


class TestingGuideTests(ExampleTestCase):
    """DOC/testing.md."""

    def setUp(self) -> None:
        super().setUp()
        self.write("mymodule", blockOf("DOC/testing.md", "Testing an application", 0))

    def test_applicationAndTest(self) -> None:
        """Both modules as they stand."""
        self.write("test_mymodule", blockOf("DOC/testing.md", "Testing an application", 1))
        self.load("mymodule")
        self.runTests("test_mymodule")

    def test_hostilePhones(self) -> None:
        """The application of before meets all of them."""
        self.load("mymodule")
        self.write("test_hostile", blockOf("DOC/testing.md", "Hostile phones"))
        self.runTests("test_hostile")

    def test_badNetworks(self) -> None:
        """The lab of the example: a call over that line."""
        names: dict[str, Any] = {}
        imports = "from doug.testing import Conditions, Lab\nfrom mymodule import Menu\n"
        self.load("mymodule")
        exec(imports + blockOf("DOC/testing.md", "Bad networks"), names)
        lab: Lab = names["lab"]
        call = lab.phone().dial("sip:menu@doug")
        lab.advance(4.0)
        call.assertHears("welcome.wav")
        call.hangUp()
        lab.assertNothingLeft()
        self.assertGreater(lab.network.lost, 0)


class ApplicationsGuideTests(ExampleTestCase):
    """DOC/applications.md."""

    def answered(self, text: str) -> tuple[Lab, PhoneCall]:
        """A call to the application in that text."""
        lab, call = self.dial(self.saved("guide", text).Answer)
        self.assertEqual(call.state, "answered")
        return lab, call

    def over(self, lab: Lab, call: PhoneCall) -> None:
        """The caller hangs up; the application has noticed, nothing is left."""
        call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual((lab.results, lab.failures), (["hung up"], []))

    def test_eventsAndHandlers(self) -> None:
        """It answers, stays up, and ends with the call."""
        lab, call = self.answered(blockOf("DOC/applications.md", "Events and handlers"))
        lab.advance(60.0)
        self.assertEqual(call.state, "answered")
        self.over(lab, call)

    def test_connectingTwoLegs(self) -> None:
        """Caller and called hear each other; the recording has one left, the other right."""
        guide = self.saved("guide", blockOf("DOC/applications.md", "Connecting two legs"))
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.folder)
        lab = Lab(guide.Connect, target="sip:bob@198.51.100.20")
        bob = lab.phone("bob")
        call = lab.phone().dial("sip:connect@doug")
        lab.advance(1.0)
        call.sayTone(440, 1.0)
        bob.calls[0].sayTone(620, 1.0)
        lab.advance(1.0)
        call.assertHearsTone(620)
        bob.calls[0].assertHearsTone(440)
        bob.calls[0].hangUp()
        lab.advance(0.5)
        self.assertEqual((call.state, lab.results), ("ended", ["over"]))
        with wave.open("call.wav") as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
        self.assertGreater(toneShare(sound[-4000:, 0], 440), 0.9)
        self.assertGreater(toneShare(sound[-4000:, 1], 620), 0.9)
        lab.assertNothingLeft()

    def test_transfers(self) -> None:
        """Bob puts his caller through to Carol and is gone; the two talk until she hangs up."""
        self.write("connect", blockOf("DOC/applications.md", "Connecting two legs"))
        self.load("connect")
        guide = self.saved("guide", blockOf("DOC/applications.md", "Transfers"))
        office = {"office": Trunk("office", "198.51.100.22")}
        settings = Settings(trunks=office, anonymous="app")
        lab = Lab(guide.Desk, target="sip:bob@198.51.100.20", settings=settings)
        bob = lab.phone("bob")
        call = lab.phone().dial("sip:desk@doug")
        lab.advance(1.0)
        carol = lab.phone("carol")
        bob.calls[0].transfer("sip:nobody@example.com")
        lab.advance(0.1)
        bob.calls[0].transfer(carol.uri)
        bob.calls[0].hangUp()
        lab.advance(0.5)
        self.assertEqual((bob.calls[0].state, call.state), ("ended", "answered"))
        call.sayTone(440, 1.0)
        lab.advance(1.0)
        carol.calls[0].assertHearsTone(440)
        carol.calls[0].hangUp()
        lab.advance(0.5)
        self.assertEqual((call.state, lab.results), ("ended", ["over"]))
        lab.assertNothingLeft()

    def test_sources(self) -> None:
        """The handler in the place of the one above: what is said comes back."""
        lab, call = self.answered(
            blockOf("DOC/applications.md", "Events and handlers")
            + "\n"
            + indent(blockOf("DOC/applications.md", "Sources"), "    ")
            + "\n\nfrom doug.source import EchoSource\n"
        )
        call.sayTone(440, 2.0)
        lab.advance(1.0)
        call.assertHearsTone(440)
        self.over(lab, call)


class KeysGuideTests(ExampleTestCase):
    """DOC/keys.md."""

    def test_sending(self) -> None:
        """It dials, presses the keys after the pause, and hangs up."""
        self.write("guide", blockOf("DOC/keys.md", "Sending keys"))
        lab = Lab(self.load("guide").Remote)
        phone = lab.phone()
        lab.application.startVoiceApp(to=phone.uri)
        lab.advance(1.0)
        [call] = phone.calls
        self.assertEqual((call.state, call.keys), ("answered", ""))
        lab.advance(6.0)
        self.assertEqual((call.state, call.keys), ("ended", "1234#"))
        lab.assertNothingLeft()
        self.assertEqual((lab.results, lab.failures), (["done"], []))


EXAMPLES: Examples = {
    ("README.md", "Doug"): [READMETests.test_theApplication],
    ("README.md", "Test it without a phone"): [READMETests.test_itsTest],
    ("DOC/testing.md", "Testing an application"): 2 * [TestingGuideTests.test_applicationAndTest],
    ("DOC/testing.md", "Hostile phones"): [TestingGuideTests.test_hostilePhones],
    ("DOC/testing.md", "Bad networks"): [TestingGuideTests.test_badNetworks],
    ("DOC/applications.md", "Events and handlers"): [ApplicationsGuideTests.test_eventsAndHandlers],
    ("DOC/applications.md", "Transfers"): [ApplicationsGuideTests.test_transfers],
    ("DOC/applications.md", "Connecting two legs"): [ApplicationsGuideTests.test_connectingTwoLegs],
    ("DOC/applications.md", "Sources"): [ApplicationsGuideTests.test_sources],
    **test_concepts.EXAMPLES,
    **test_recipes.EXAMPLES,
    **test_tutorial.EXAMPLES,
    ("DOC/keys.md", "Sending keys"): [KeysGuideTests.test_sending],
}
"""All of them."""


class CompletenessTests(SynchronousTestCase):
    """No example escapes."""

    def test_everyBlockOfPythonIsRun(self) -> None:
        """A new one needs a test here, and its place in EXAMPLES."""
        found = {
            (document.name, heading): len(blocks)
            for document in documents()
            for heading, blocks in python(document).items()
        }
        self.assertEqual(found, {place: len(tests) for place, tests in EXAMPLES.items()})

    def test_everyBlockSaysWhatItIs(self) -> None:
        """Else it might be Python that is not run: fences name their language."""
        for document in documents():
            for block in document.blocks:
                self.assertTrue(block.language, f"{document.name}, line {block.line}")
