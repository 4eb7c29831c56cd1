"""Without an extra one feature is missing, and says so; all else works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_G722 = """
import sys
sys.modules["G722"] = None  # so that importing it fails

from twisted.python.usage import UsageError

from doug.demo import Demo
from doug.options import Options
from doug.testing import Lab
from shtoom import codecs

print(codecs.names(), dict(codecs.missing()))
try:
    Options().parseOptions(["--codecs=g722,pcmu"])
except UsageError as e:
    print(e)
lab = Lab(Demo)
narrow, wide = lab.phone(codecs=("PCMU", "PCMA")), lab.phone(codecs=("PCMA",))
first, second = narrow.dial("sip:demo@doug"), wide.dial("sip:demo@doug")
lab.advance(3.0)
first.assertHears("prompts/welcome.wav")
second.assertHears("prompts/welcome.wav")
first.hangUp()
second.hangUp()
lab.advance(1.0)
lab.assertNothingLeft()
print("served")
"""


class WithoutTests(SynchronousTestCase):
    """In a process of its own, since a module is imported once."""

    def test_withoutG722(self) -> None:
        """It is not offered; who asks for it is told what to install."""
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_G722],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )
        remedy = "needs an extra: pip install '.[g722]' in Doug's folder"
        self.assertEqual(
            (done.stdout.splitlines(), done.stderr),
            (
                [
                    f"('PCMU', 'PCMA') {{'G722': {remedy!r}}}",
                    f"--codecs=g722,pcmu: G722 {remedy}",
                    "served",
                ],
                "",
            ),
        )
