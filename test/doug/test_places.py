"""Whatever is wrong with what a file has said is told with file and line, at any time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.application import StartFailed
from doug.rehearsal import Level, rehearse
from doug.settings import Settings
from doug.tap import Options, makeService
from doug.testing import VirtualReactor
from test.support.logs import logLines

HEAD = '[server]\napp = "doug.demo.Demo"\nlisten = ["udp:127.0.0.1:0"]\nrtp-ports = "20000-20002"\n'
PHONE = '[phone.a]\npassword = "x"\n'


class PlacesCase(SynchronousTestCase):
    """A file."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "doug.toml"

    def options(self, text: str, *words: str) -> Options:
        self.path.write_text(text)
        options = Options()
        options.parseOptions([f"--config={self.path}", *words])
        return options

    def settings(self, text: str, *words: str) -> Settings:
        return self.options(text, *words).settings()

    def at(self, line: int, rest: str = "") -> str:
        """How such an error begins."""
        return f"{self.path}, line {line}: {rest}"


class CheckTests(PlacesCase):
    """--check."""

    def wrong(self, beginning: str, text: str, *words: str) -> None:
        """That alone is wrong."""
        settings = self.settings(text, *words)
        lines = rehearse(settings, lambda hosts: {}, lambda: 0.0)
        said = [line.text for line in lines if line.level is Level.WRONG]
        self.assertEqual(len(said), 1, said)
        self.assertTrue(said[0].startswith(beginning), f"{said[0]} != {beginning}")

    def test_eachOption(self) -> None:
        one = HEAD.replace('"udp:127.0.0.1:0"', '"udp:127.0.0.1:0", "udp:203.0.113.1:0"')
        for beginning, text in [
            (self.at(3, "listen=udp:203.0.113.1:0: Cannot assign"), one),
            (self.at(5, "hold-music=no.wav: no.wav cannot"), f'{HEAD}hold-music = "no.wav"\n'),
            (self.at(5, "certificate=/no/x.pem: No such"), f'{HEAD}certificate = "/no/x.pem"\n'),
            (self.at(5, "tls-ca=/no/x.pem: No such"), f'{HEAD}tls-ca = "/no/x.pem"\n'),
            (self.at(5, "anonymous=reject: there"), f'{HEAD}anonymous = "reject"\n'),
            (self.at(5, "registrations=/tmp: regis"), f'{HEAD}registrations = "/tmp"\n{PHONE}'),
            (self.at(5, "doug.demo.app.Demo: x = no.wav"), f'{HEAD}args = "x=no.wav"\n'),
            (self.at(5, "trunk t (192.0.2.1): no tcp"), TRUNK.format(line='transport = "tcp"')),
            (self.at(8, "doug.demo.app.Demo: x = no.wav"), ROUTE + "args = {x = ['no.wav']}\n"),
            (self.at(9, "the route of calls to 1"), f"{ROUTE}\n{ROUTE.removeprefix(HEAD)}"),
            (self.at(2, "doug.demo.app.Demo for all"), f'{HEAD}\n[[route]]\napp = "{DEMO}"\n'),
        ]:
            self.wrong(beginning, text)

    def test_theCommandLineGoesBefore(self) -> None:
        """What it says over the file is told as its own, all of a list."""
        text = f'{HEAD}tls-ca = "/no/x.pem"\n'
        self.wrong("--tls-ca=/no/y.pem: No such file", text, "--tls-ca=/no/y.pem")
        two = "--listen=tcp:203.0.113.1:0"
        self.wrong(f"{two}: Cannot assign", HEAD, "--listen=udp:127.0.0.1:0", two)
        text = f'{HEAD}args = ["x=no.wav", "y=no.wav"]\n'
        said = self.settings(text, "--args=x=1")
        self.assertEqual((said.place("args", "x"), said.place("args", "y")), ("", self.at(5)))


class MistakeTests(PlacesCase):
    """What ends a start before it begins, and is logged by SIGHUP."""

    def mistake(self, text: str) -> str:
        with self.assertRaises(SystemExit) as caught:
            makeService(self.options(text), VirtualReactor())
        return str(caught.exception.code).removeprefix("twistd doug: ")

    def test_applications(self) -> None:
        """One that there is none of, or whose arguments are methods: of a route, or of app."""
        for beginning, text in [
            (self.at(2, "app: no.Such: there is no module"), HEAD.replace(DEMO, "no.Such")),
            (self.at(6, "app: no.Such: there is no module"), f"{HEAD}{OTHER}"),
            (self.at(8, "args: "), ROUTE + "args = {mediaPlay = 1}\n"),
        ]:
            said = self.mistake(text)
            self.assertTrue(said.startswith(beginning), f"{said} != {beginning}")

    def test_valuesOfOneLine(self) -> None:
        for line in ('certificate = ""', 'tls-ca = "a\\u0000b"', 'registrations = "a\\nb"'):
            self.assertTrue(self.mistake(f"{HEAD}{line}\n").startswith(self.at(5)), line)

    def test_oneValueTwice(self) -> None:
        """In a list, or in two tables; but for options that may be repeated."""
        said = self.mistake(f"{HEAD}max-legs = [3, 4]\n")
        self.assertEqual(said, self.at(5, f"max-legs: said already at {self.path}, line 5"))
        said = self.mistake(f"{HEAD}max-legs = 3\n[limits]\nmax-legs = 3\n")
        self.assertEqual(said, self.at(7, f"max-legs: said already at {self.path}, line 5"))
        self.settings(f'{HEAD}[limits]\nmax-calls = [3, "menu=2"]\n')
        self.settings(f'{HEAD}dial-out = ["*.example.com", "1@192.0.2.1"]\n')

    def test_deepNesting(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            self.options(f"{HEAD}x = {'[' * 3000}\n")
        said = str(caught.exception.code)
        self.assertIn("nested too deep", said)
        self.assertNotIn("\n", said)


class StartTests(PlacesCase):
    """What only a start finds: StartFailed, which ends the process with one line."""

    def failure(self, text: str) -> str:
        service = makeService(self.options(text), VirtualReactor())
        error = self.assertRaises(StartFailed, service.startService)
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_eachOption(self) -> None:
        (self.folder / "garbage").write_bytes(b"garbage" * 1000)
        for path, words in (
            ("/tmp", "it is no file"),
            (f"{self.folder}/garbage", "it is no file of registrations"),
            ("/nowhere/phones.sqlite", "there is no folder /nowhere"),
        ):
            text = f'{HEAD}registrations = "{path}"\n{PHONE}'
            said = self.at(5, f"registrations={path}: registrations cannot be kept there: {words}")
            self.assertTrue(self.failure(text).startswith(said), self.failure(text))
        text = HEAD.replace("udp:", "tls:") + 'certificate = "/no/x.pem"\n'
        said = self.failure(text)
        self.assertTrue(said.startswith(self.at(3, "listen=tls:127.0.0.1:0: ")), said)
        self.assertIn(self.at(5, "certificate=/no/x.pem: No such file"), said)

    def test_theProcess(self) -> None:
        """One line on standard error, exit code 1, and no traceback anywhere."""
        self.path.write_text(f'{HEAD}registrations = "/tmp"\n{PHONE}')
        twistd = str(Path(sys.executable).parent / "twistd")
        done = subprocess.run(
            [twistd, "-n", "--pidfile=", "doug", "--config=doug.toml"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 1)
        [line] = done.stderr.splitlines()
        self.assertIn("doug.toml, line 5: registrations=/tmp: ", line)
        self.assertNotIn("Traceback", done.stdout)


class ReloadTests(PlacesCase):
    """SIGHUP: lines that move are no change."""

    def test_aRemarkChangesNothing(self) -> None:
        options: Any = self.options(HEAD)
        service = makeService(options, VirtualReactor())
        said = logLines(self)
        self.path.write_text(f"# a remark\n{HEAD}")
        options.reread()
        service.application.reload(options.settings())
        self.assertEqual(said[-1], "new settings: all is as before")
        moved = service.application.settings.said("rtp-ports", "20000-20002")
        self.assertEqual(moved, self.at(5, "rtp-ports=20000-20002"))


DEMO = "doug.demo.Demo"
TRUNK = f'{HEAD}[trunk.t]\nhost = "192.0.2.1"\n{{line}}\n'
OTHER = '[[route]]\napp = "no.Such"\n'
ROUTE = f'{HEAD}[[route]]\napp = "{DEMO}"\nuser = "1"\n'
