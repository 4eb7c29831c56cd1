"""doug.toml, and what may be wrong with it."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.config import Config, ConfigError, Route, readConfig
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone

WHOLE = """
# A server at a provider.
[server]
listen = ["udp:*:5060", "udp:[::1]:5070"]
rtp-ports = "10000-10998"
info-keys = true

[limits]
max-calls = 40
source-rate = 2.5

[trunk.provider]
host = "sip.example.com:5080"
user = "4930123456"
password = "s3cret # no remark"
register = true
qualify = 30
max-rate = 2.5
networks = ["203.0.113.0/24", "2001:db8::/32"]
codecs = ["pcma", "pcmu"]
identity = "p-asserted-identity"

[trunk."the office"]
host = "[2001:db8::7]"

[phone.alice]
password = "wonderland"

[phone]
bob = {password = "builder", max-contacts = 2}

[[route]]
user = "100"
app = "ivr.Menu"
args = {greeting = "hello.wav"}

[[route]]
trunk = "provider"
app = "ivr.Voicemail"
"""


class ConfigTests(SynchronousTestCase):
    """Files, right and wrong."""

    def read(self, text: str) -> Config:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        return readConfig(self.path)

    def wrong(self, text: str, line: int | None, *words: str) -> None:
        error = self.assertRaises(ConfigError, self.read, text)
        where = f"{self.path}, line {line}:" if line else f"{self.path}"
        self.assertIn(where, str(error))
        for word in words:
            self.assertIn(word, str(error))
        self.assertNotIn("\n", str(error))

    def test_options(self) -> None:
        given = [(option.name, option.value) for option in self.read(WHOLE).options]
        self.assertEqual(
            given,
            [
                ("listen", "udp:*:5060"),
                ("listen", "udp:[::1]:5070"),
                ("rtp-ports", "10000-10998"),
                ("info-keys", True),
                ("max-calls", "40"),
                ("source-rate", "2.5"),
            ],
        )
        self.assertEqual(self.read(WHOLE).options[2].where, f"{self.path}, line 5")

    def test_trunks(self) -> None:
        trunks = self.read(WHOLE).trunks
        self.assertEqual(
            trunks["provider"],
            Trunk(
                name="provider",
                host="sip.example.com",
                port=5080,
                user="4930123456",
                password="s3cret # no remark",
                register=True,
                qualify=30,
                maxRate=2.5,
                networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")),
                codecs=("PCMA", "PCMU"),
                identity="p-asserted-identity",
            ),
        )
        self.assertEqual(trunks["the office"].host, "2001:db8::7")
        self.assertNotIn("s3cret", repr(trunks))

    def test_phones(self) -> None:
        phones = self.read(WHOLE).phones
        self.assertEqual(phones, {"alice": Phone("wonderland"), "bob": Phone("builder", 2)})

    def test_routes(self) -> None:
        self.assertEqual(
            self.read(WHOLE).routes,
            (
                Route("ivr.Menu", user="100", args={"greeting": "hello.wav"}),
                Route("ivr.Voicemail", trunk="provider"),
            ),
        )

    def test_nothing(self) -> None:
        self.assertEqual(self.read("# later\n"), Config())

    def test_aFileThatCannotBeRead(self) -> None:
        error = self.assertRaises(ConfigError, readConfig, Path("/nowhere/doug.toml"))
        self.assertIn("/nowhere/doug.toml: No such file", str(error))
        folder = Path(self.mktemp())
        folder.mkdir()
        os.mkfifo(folder / "pipe")  # nobody ever writes to it
        for path, words in (
            (folder, "it is a folder"),
            (folder / "pipe", "it is a pipe or a device"),
            (Path("/dev/zero"), "it is a pipe or a device"),
        ):
            error = self.assertRaises(ConfigError, readConfig, path)
            self.assertIn(f"{path}: {words}", str(error))
        path = Path(self.mktemp())
        path.write_bytes(b"# ok\n# \xff\n")
        error = self.assertRaises(ConfigError, readConfig, path)
        self.assertIn("line 2: the file is not in UTF-8", str(error))

    def test_whatEditorsWriteFirst(self) -> None:
        """A mark of byte order is none of the file's text."""
        config = self.read("\ufeff[limits]\nmax-calls = 3\n")
        self.assertEqual([option.value for option in config.options], ["3"])
        self.assertEqual(config.options[0].where, f"{self.path}, line 2")

    def test_noTOML(self) -> None:
        self.wrong("[server]\nlisten = udp:5060\n", 2, "nvalid value")
        self.wrong("[server\n", 1)

    def test_mistakesNameKeyAndLine(self) -> None:
        trunk = '[trunk.x]\nhost = "a.example.com"\n'
        table: list[tuple[str, int | None, tuple[str, ...]]] = [
            ("\n[sever]\nlisten = []\n", 2, ("sever", "[server]")),
            ("server = 3\n", 1, ("server", "[server]")),
            ("[server]\nlisten = [{}]\n", 2, ("listen", "wanted a text or a number")),
            ("[server]\ncheck = true\n", 2, ("check", "command line")),
            ('[trunk]\nx = "a"\n', 2, ("x", "[trunk.NAME]")),
            ('[trunk.x]\nuser = "a"\n', 1, ("host is missing",)),
            (trunk + "port = 5070\n", 3, ("port", "there is no such key", "user")),
            (trunk + "user = 49301\n", 3, ("user", "wanted a text in quotes")),
            (trunk + "password = 'x'\n", 3, ("password", "wanted a user, too")),
            (trunk + "register = true\n", 3, ("register", "wanted a user, too")),
            (trunk + "register = 'yes'\n", 3, ("register", "true or false")),
            (trunk + "expires = 10\n", 3, ("expires", "60 or more")),
            (trunk + "transport = 'sctp'\n", 3, ("transport", "udp, tcp")),
            (trunk + "networks = '203.0.113.0/24'\n", 3, ("networks", "list of networks")),
            (trunk + "networks = ['203.0.113.1/24']\n", 3, ("networks", "host bits")),
            (trunk + "codecs = ['opus9']\n", 3, ("codecs", "opus9")),
            (trunk + "refer = true\n", 3, ("refer", "there is no such key")),
            (trunk + "max-rate = 0\n", 3, ("max-rate", "above 0")),
            (trunk + "max-rate = '5'\n", 3, ("max-rate", "without quotes")),
            (trunk + "inbound = 'both'\n", 3, ("inbound", "address, password")),
            (trunk + "transfers = true\n", 3, ("transfers", "app, refuse, follow")),
            (trunk + "inbound = 'password'\n", 1, ("x", "user and password, too")),
            ('[trunk.x]\nhost = "a b"\n', 2, ("host", "wanted HOST[:PORT]")),
            ('[trunk.x]\nhost = "a.b"\nuser = "a\\nb"\n', 3, ("user", "one line")),
            ("[phone.a]\nmax-contacts = 3\n", 1, ("password is missing",)),
            ('[phone.a]\npasword = "x"\n', 2, ("no such key", "did you mean password?")),
            ("[phone]\na = {password = 'x', contacts = 3}\n", 2, ("contacts", "no such key")),
            ("[route]\napp = 'a.B'\n", 1, ("[[route]]",)),
            ("[[route]]\nuser = '1'\n", 1, ("app is missing",)),
            ("[[route]]\napp = 'a.B'\n[[route]]\napp = 'c.D'\nusr = '1'\n", 5, ("usr",)),
            ("[[route]]\napp = 'a.B'\ntrunk = 'y'\n", 3, ("trunk", "no [trunk.y]")),
            ("[[route]]\napp = 'a.B'\nargs = {'a b' = 1}\n", 3, ("args", "greeting")),
        ]
        table += [
            ("[server]\nlisten = [['a']]\n", 2, ("listen", "got a list")),
            ("[server]\nlisten = 2020-01-01\n", 2, ("listen", "got a date or time")),
            ("[[route]]\napp = 'a.B'\n\n[[route]]\nuser = '1'\n", 4, ("[[route]]: app is",)),
            ("route = [3]\n", 1, ("[[route]]", "a table of its own")),
            (trunk + "networks = [7]\n", 3, ("networks", "in quotes")),
            (trunk + "codecs = [['pcmu']]\n", 3, ("codecs", "in quotes")),
            ("[server]\napp = " + "[" * 3000 + "\n", None, ("nested too deep",)),
        ]
        for text, line, words in table:
            self.wrong(text, line, *words)
        self.wrong('[trunk."a\\nb"]\nhost = "a.b"\n', None, "name", "printable")
