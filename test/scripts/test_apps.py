"""The scripts' applications in virtual time."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

import doug.demo
from doug.testing import Lab
from test.peers.server import ROOT

WELCOME = Path(doug.demo.__file__).parent / "prompts" / "welcome.wav"


def load(name: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class MessageTests(SynchronousTestCase):
    """shmessage.py."""

    def test_playsItsAnnouncementAndHangsUp(self) -> None:
        """The caller hears all of it, then the call is over."""
        lab = Lab(load("shmessage").MessageApp)
        call = lab.phone().dial("sip:x@doug")
        lab.advance(3.0)
        call.assertHears(WELCOME, atLeast=1.0)
        lab.assertNothingLeft()
        self.assertEqual((call.state, lab.results), ("ended", ["played"]))

    def test_anotherAnnouncement(self) -> None:
        """--args=announcement= names the file."""
        goodbye = WELCOME.with_name("goodbye.wav")
        lab = Lab(load("shmessage").MessageApp, announcement=str(goodbye))
        call = lab.phone().dial("sip:x@doug")
        lab.advance(4.0)
        call.assertHears(goodbye)
        lab.assertNothingLeft()

    def test_aMissingAnnouncementEndsTheCall(self) -> None:
        """The file is not there: the caller is let go, the server lives."""
        lab = Lab(load("shmessage").MessageApp, announcement="/nowhere/at/all.wav")
        call = lab.phone().dial("sip:x@doug")
        lab.advance(1.0)
        self.assertEqual(call.state, "ended")
        lab.assertNothingLeft()

    def test_theCallerHangsUpFirst(self) -> None:
        """In the middle of the announcement."""
        lab = Lab(load("shmessage").MessageApp)
        call = lab.phone().dial("sip:x@doug")
        lab.advance(0.5)
        call.hangUp()
        lab.assertNothingLeft()
        self.assertEqual(lab.results, ["played"])


class EchoTests(SynchronousTestCase):
    """shecho.py."""

    def test_whatIsSaidComesBack(self) -> None:
        """At once, or after --args=delay= seconds."""
        for delay in ("0", "0.5"):
            with self.subTest(delay):
                lab = Lab(load("shecho").EchoApp, delay=delay)
                call = lab.phone().dial("sip:x@doug")
                lab.advance(0.5)
                call.sayTone(440, 1.0)
                lab.advance(1.0 + float(delay))
                call.assertHearsTone(440, 0.3)
                call.hangUp()
                lab.assertNothingLeft()
                self.assertEqual(lab.results, ["done"])
