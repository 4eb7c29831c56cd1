"""No mistake in a file, and no line of the log, shows a password that is in it."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from doug.config import ConfigError, readConfig
from doug.options import Options
from doug.rehearsal import rehearse
from doug.reloading import reread
from doug.settings import Settings
from doug.testing import Lab
from test.doug.callees import Notes
from test.support.logs import logLines

SECRETS = ("sEcReT1", "sEcReT2", "sEcReT3", "sEcReT4", "sEcReT5")
WHOLE = """
[server]
app = "doug.demo.Demo"
register = ["sip:u:sEcReT1@192.0.2.3", "sip:v:sEcReT1@192.0.2.4;transport=tcp"]
args = ["token=sEcReT2", "times=3"]
rtp-ports = "20000-20002"
[limits]
max-calls = 7
[log]
hep = "192.0.2.7:9060,2001,sEcReT3"
[trunk.office]
host = "192.0.2.1:5060"
user = "4930"
password = "sEcReT4"
networks = ["192.0.2.0/24"]
codecs = ["pcmu"]
qualify = 30
register = true
[trunk.home]
host = "192.0.2.2"
user = "u"
password = 'sEcReT4'
inbound = "password"
[phone.alice]
password = "sEcReT5"
max-contacts = 2
[[route]]
app = "doug.demo.Demo"
user = "1"
args = {token = "sEcReT2", greeting = "hello.wav"}
"""
SIGNS = (*"\"'=[]{},\\\n@:9", "sip:", "\\u0000", "\\n")
KINDS = (
    *("[{}]", "[[{}]]", "{{a = {}}}", "[7, {}]", "{} {}", '"{}"'),
    "[{{host = 'a', password = {}}}]",
)


def mutated(text: str, rng: Random) -> str:
    """The file with some mistakes that people make: a value of another kind, a line somewhere else
    or twice, another table, a sign too many or too few, the rest cut off.
    """
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        line = lines[at]
        key, equals, value = line.partition(" = ")
        match rng.randrange(6):
            case 0 if equals:
                kind = rng.choice(KINDS)
                lines[at] = f"{key} = {kind.format(*[value] * kind.count('{}'))}"
            case 1:
                lines.insert(rng.randrange(len(lines)), lines.pop(at))
            case 2:
                sign = rng.choice(SIGNS)
                where = rng.randrange(len(line) + 1)
                lines[at] = line[:where] + sign + line[where:]
            case 3 if line:
                where = rng.randrange(len(line))
                lines[at] = line[:where] + line[where + 1 :]
            case 4:
                lines.insert(at, line)
            case 5 if line.startswith("["):
                lines[at] = rng.choice(("[trunk.x.y]", "[server.trunk]", "[phone]", "[x]", "[log]"))
    whole = "\n".join(lines)
    return whole[: rng.randrange(len(whole))] if rng.random() < 0.1 else whole + "\n"


class BrokenFileTests(SynchronousTestCase):
    """Files with mistakes."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()

    def secretsIn(self, text: str) -> list[str]:
        """Parts of a secret, too."""
        return re.findall("sEcR[eT0-9]*|cReT", text)

    def errorOf(self, text: str) -> str:
        """What a start says of such a file, or "" if it takes it."""
        self.path.write_text(text, encoding="utf-8")
        options = Options()
        try:
            options.parseOptions([f"--config={self.path}"])
            settings = options.settings()
        except UsageError as error:
            self.assertNotIn("\n", str(error))
            return str(error)
        self.assertEqual(self.secretsIn(repr(settings.trunks) + repr(settings.phones)), [])
        return ""

    def test_noErrorShowsOne(self) -> None:
        """Hundreds of files; most of them are wrong, each for one line."""
        rng, wrong = Random(7), 0
        self.assertEqual(self.errorOf(WHOLE), "")
        for _ in range(500):
            text = mutated(WHOLE, rng)
            error = self.errorOf(text)
            wrong += bool(error)
            self.assertEqual(self.secretsIn(error), [], f"{error}\n{text}")
        self.assertGreater(wrong, 250)

    def test_theKindIsNamedInsteadOfTheValue(self) -> None:
        for text, words in [
            ("[server.trunk]\nhost = 'a'\npassword = 'sEcReT9'\n", "trunk: wanted a text or a"),
            (
                "[log]\nhep = ['h,1,sEcReT9', ['h,1,sEcReT9']]\n",
                "hep: wanted a text or a nu",
            ),
            ("[log]\nhep = 'h:sEcReT9'\n", "hep: wanted HOST:PORT[,ID[,PASSWORD]]"),
            ('[log]\nhep = "h,1,sEc\\u0000ReT9"\n', "without CR, LF or NUL"),
            ("[server]\nargs = 'my-token=sEcReT9'\n", "args: wanted NAME=VALUE"),
            ("[server]\nregister = 'sip:u:sEcReT9@'\n", "register: wanted sip:USER:PASSWORD@HOST"),
            ("[trunk.a]\nhost='a.b'\nnetworks=[{password='sEcReT9'}]\n", "networks: wanted a list"),
            ("[trunk.a]\nhost='a.b'\ncodecs=[['sEcReT9']]\n", "codecs: wanted a text"),
            ("[trunk.a]\nhost='u:sEcReT9@a.b'\n", "host: wanted HOST[:PORT]"),
        ]:
            error = self.errorOf(text)
            self.assertIn(f"{self.path}, line", error)
            self.assertIn(words, error)
            self.assertEqual(self.secretsIn(error), [])

    def test_theCommandLine(self) -> None:
        for words in (
            "--register=sip:u:sEcReT9@",
            "--hep=h,x,sEcReT9",
            "--hep=h:sEcReT9",
            "--args=my-token=sEcReT9",
        ):
            error = str(self.assertRaises(UsageError, Options().parseOptions, [words]))
            self.assertEqual(self.secretsIn(error), [])

    def test_theLogShowsNone(self) -> None:
        """Not at SIGHUP with files that are wrong, nor with those that are right; nor --check."""
        lab = Lab(Notes, settings=Settings(rtpTimeout=0.0), notes=[])
        said = logLines(self)
        rng = Random(8)
        self.path.write_text(WHOLE)
        options = Options()
        options.parseOptions([f"--config={self.path}"])
        for number in range(50):
            self.path.write_text(mutated(WHOLE, rng) if number % 5 else WHOLE)
            reread(options, lab.application, Notes)
            lab.advance(0.5)
        self.assertGreater(sum("nothing is changed" in line for line in said), 15)
        self.assertGreater(sum("new settings" in line for line in said), 10)
        lines = rehearse(lab.application.settings, lambda hosts: {}, lambda: 0.0)
        said += [line.text for line in lines]
        self.assertEqual(self.secretsIn("\n".join(said)), [])
        lab.close()

    def test_readConfigAlone(self) -> None:
        self.path.write_text("[trunk.a]\nhost='a.b'\nuser='u'\npassword=[['sEcReT9']]\n")
        error = self.assertRaises(ConfigError, readConfig, self.path)
        self.assertIn("line 4: password: wanted a text in quotes", str(error))
