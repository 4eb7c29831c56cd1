"""`twistd doug`: its options, its mistakes, what it makes of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from doug.demo import Demo
from doug.settings import Endpoint, Settings
from doug.tap import Options, makeService
from doug.testing import VirtualReactor

DEMO = "--app=doug.demo.Demo"


class OptionsTests(SynchronousTestCase):
    """Options to settings."""

    def settings(self, *words: str) -> Settings:
        """What these options mean."""
        return makeService(self.options(*words), VirtualReactor()).application.settings

    def options(self, *words: str) -> Options:
        """The options, read."""
        options = Options()
        options.parseOptions(list(words))
        return options

    def test_defaults(self) -> None:
        """Only the application has to be named."""
        settings = self.settings(DEMO)
        self.assertEqual(settings, Settings(apps={"": Demo}))
        self.assertEqual([str(e) for e in settings.listen], ["udp:*:5060"])
        self.assertEqual(settings.rtpPorts, (10000, 20000))

    def test_allOfThem(self) -> None:
        """Repeatable ones in their order."""
        settings = self.settings(
            DEMO,
            "--app=echo=doug.demo.Demo",
            "--listen=udp:127.0.0.1:5070",
            "--listen=udp:[::1]:0",
            "--rtp-ports=30000-30100",
            "--advertise=203.0.113.5",
            "--args=greeting=a=b.wav",
            "--dougargs=times=3",
            "--idle=none",
            "--max-calls=7",
            "--max-calls=menu=3",
            "--max-calls=echo=4",
            "--max-early-calls=8",
            "--max-call-duration=90",
            "--rtp-timeout=0",
            "--max-legs=9",
            "--max-queued-events=10",
            "--max-transactions=11",
            "--max-message=4000",
            "--max-connections=30",
            "--max-source-connections=3",
            "--source-rate=2.5",
            "--limit-loopback",
            "--drain-timeout=2.5",
            "--codecs=pcma,pcmu",
        )
        self.assertEqual(settings.apps, {"": Demo, "echo": Demo})
        self.assertEqual(
            settings.listen, (Endpoint("udp", "127.0.0.1", 5070), Endpoint("udp", "::1", 0))
        )
        self.assertEqual(settings.rtpPorts, (30000, 30100))
        self.assertEqual(settings.advertise, "203.0.113.5")
        self.assertEqual(settings.args, {"greeting": "a=b.wav", "times": "3"})
        self.assertEqual((settings.idle, settings.maxCalls), ("none", 7))
        self.assertEqual(settings.codecs, ("PCMA", "PCMU"))
        self.assertEqual(settings.userCalls, {"menu": 3, "echo": 4})
        self.assertEqual((settings.maxEarlyCalls, settings.maxLegs), (8, 9))
        self.assertEqual((settings.maxCallDuration, settings.rtpTimeout), (90, 0))
        self.assertEqual((settings.maxQueuedEvents, settings.maxTransactions), (10, 11))
        self.assertEqual((settings.maxMessage, settings.sourceRate), (4000, 2.5))
        self.assertEqual((settings.maxConnections, settings.maxSourceConnections), (30, 3))
        self.assertEqual((settings.limitLoopback, settings.drainTimeout), (True, 2.5))

    def test_usersWithoutADefault(self) -> None:
        """Other users have no application then."""
        self.assertEqual(set(self.settings("--app=echo=doug.demo.Demo").apps), {"echo"})

    def test_mistakesAreOneLineAndExitCodeOne(self) -> None:
        """The line names the option, and what would be right."""
        for words, wanted in [
            ([], "--app=module.Class"),
            (["--app=demo"], "module.Class"),
            (["--app==doug.demo.Demo"], "USER=module.Class"),
            ([DEMO, DEMO], "have doug.demo.Demo already"),
            (["--app=doug.demo.Nobody"], "doug.demo"),
            ([DEMO, "--listen=5060"], "--listen=5060: wanted TRANSPORT[:HOST]:PORT"),
            ([DEMO, "--rtp-ports=1"], "--rtp-ports=1: wanted FIRST-LAST"),
            ([DEMO, "--advertise=me"], "--advertise=me: wanted an IP address"),
            ([DEMO, "--args=x"], "--args=x: wanted NAME=VALUE"),
            ([DEMO, "--args=1x=2"], "NAME=VALUE"),
            ([DEMO, "--args=mediaPlay=2"], "'mediaPlay'"),
            ([DEMO, "--idle=loud"], "--idle=loud: wanted one of sparse, silence, none"),
            ([DEMO, "--codecs=gsm"], "--codecs=gsm: no codec 'gsm': there are PCMU, PCMA, G722"),
            ([DEMO, "--max-calls=many"], "--max-calls=many: wanted a number"),
            ([DEMO, "--max-calls=0"], "--max-calls=0: wanted a number, 1 or more"),
            ([DEMO, "--max-calls=menu="], "--max-calls=menu=: wanted a number, 1 or more"),
            ([DEMO, "--source-rate=fast"], "--source-rate=fast: wanted a number a second, 0 or"),
            ([DEMO, "--drain-timeout=-1"], "--drain-timeout=-1: wanted seconds, 0 or more"),
            ([DEMO, "--drain-timeout=nan"], "--drain-timeout=nan: wanted seconds, 0 or more"),
            ([DEMO, "--bogus"], "option --bogus not recognized: see twistd doug --help"),
            ([DEMO, "doug.demo.Demo"], "did you mean --app=doug.demo.Demo?"),
        ]:
            with self.assertRaises(SystemExit) as caught:
                self.settings(*words)
            code: Any = caught.exception.code  # a text: exit code 1, and the text on stderr
            self.assertNotIn("\n", code)
            self.assertTrue(code.startswith("twistd doug: "), code)
            self.assertIn(wanted, code)

    def test_help(self) -> None:
        """Every option has a line, defaults included."""
        text = str(Options())
        for word in (
            *("--app=", "--listen=", "--rtp-ports=", "--advertise=", "--args=", "--dougargs="),
            *(
                "--idle=",
                "--max-calls=",
                "--drain-timeout=",
                "udp:*:5060",
                "10000-20000",
                "sparse",
                "mymodule.MyApp",
            ),
        ):
            self.assertIn(word, text)


class PluginTests(SynchronousTestCase):
    """twistd itself, in a process of its own."""

    def twistd(self, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
        """What `twistd -n doug words` does in a folder with a module `app` that has this code."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "app.py").write_text(code)
        root = str(Path(__file__).parents[2])
        twistd = str(Path(sys.executable).parent / "twistd")
        return subprocess.run(
            [twistd, "-n", "--pidfile=", "doug", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def test_twistdFindsIt(self) -> None:
        """Under the name doug."""
        names = [maker.tapname for maker in getPlugins(IServiceMaker)]
        self.assertEqual(names.count("doug"), 1)

    def test_helpSaysHowToCallIt(self) -> None:
        """Once, and as one types it."""
        done = self.twistd("--help")
        self.assertTrue(done.stdout.startswith("Usage: twistd [options] doug --app="), done.stdout)
        self.assertEqual(done.stdout.count("Usage:"), 1)

    def test_anExceptionWhileImportingIsOneLine(self) -> None:
        """Not a traceback of Twisted: nothing but that line, exit code 1."""
        done = self.twistd("--app=app.Menu", code="import json\nint('many')\n")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        [line] = done.stderr.splitlines()
        for word in ("app.Menu", "ValueError", "'many'", "app.py, line 2"):
            self.assertIn(word, line)

    def test_aPortInUseIsOneLine(self) -> None:
        """It names the option; exit code 1."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            option = f"--listen=udp:127.0.0.1:{taken.getsockname()[1]}"
            done = self.twistd(DEMO, option)
        self.assertEqual(done.returncode, 1)
        [line] = done.stderr.splitlines()
        self.assertIn(f"{option}: Address already in use", line)
        self.assertNotIn("Traceback", done.stdout)

    def test_checkTriesAndEnds(self) -> None:
        """Nothing is served, whatever is found; the exit code says whether all is well."""
        port, media = "--listen=udp:127.0.0.1:0", "--rtp-ports=20000-20010"
        done = self.twistd(DEMO, port, media, "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("ok    --listen=udp:127.0.0.1:0: SIP is heard there", done.stdout)
        done = self.twistd(DEMO, port, media, "--check", "--args=greeting=none.wav")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("WRONG doug.demo.app.Demo: greeting = none.wav", done.stdout)
