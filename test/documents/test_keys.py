"""Keys of the configuration file: each option is one, all are documented, examples can be read."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from doug.config import COMMAND_LINE, OPTION_TABLES, Config, ConfigError, readConfig
from doug.options import Options
from test.documents.markdown import Document, documents

RUNNING = "DOC/running.md"
SECTION = "The configuration file"


class FileCase(SynchronousTestCase):
    """Files of a test's making."""

    def read(self, text: str) -> Config:
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        return readConfig(self.path)

    def section(self) -> str:
        """What DOC/running.md says of the file."""
        text = Document(RUNNING).text.split(f"## {SECTION}\n")[1]
        return text.split("\n### ")[0]


class OptionKeyTests(FileCase):
    """The options of `twistd doug --help`."""

    def options(self) -> list[str]:
        return sorted(set(re.findall(r"--([a-z-]+)", str(Options()))) - {"app=module"})

    def test_eachIsAKeyOrForTheCommandLineAlone(self) -> None:
        """A flag is true or false; another option says what its value should be, or takes it."""
        found = self.options()
        self.assertGreater(len(found), 40)
        for name in found:
            for table in OPTION_TABLES:
                text = f"[{table}]\n{name} = true\n"
                if name in COMMAND_LINE:
                    error = self.assertRaises(ConfigError, self.read, text)
                    self.assertIn("belongs on the command line", str(error))
                    continue
                [given] = self.read(text).options
                try:
                    Options().take(given)
                except UsageError as error:
                    self.assertTrue(
                        str(error).endswith(f"{name}: wanted a text or a number"), str(error)
                    )

    def test_thoseOfTheCommandLineAreNamed(self) -> None:
        """In the section on the file; and each table."""
        section = self.section()
        self.assertLessEqual(set(COMMAND_LINE), set(self.options()))
        for word in (*COMMAND_LINE, *(f"[{table}]" for table in OPTION_TABLES)):
            self.assertIn(f"`{word}`", section)


class TableKeyTests(FileCase):
    """Keys of trunks, phones and routes."""

    def keys(self, text: str) -> list[str]:
        """Those that there are, as the mistake says them."""
        error = self.assertRaises(ConfigError, self.read, text + "no-such-key = 1\n")
        found = re.search(r"there is no such key: wanted (.*)\Z", str(error))
        assert found is not None, error
        return found[1].split(", ")

    def test_allAreDocumented(self) -> None:
        """In the text, or in the example, of DOC/running.md."""
        section = self.section()
        for text, least in (
            ('[trunk.x]\nhost = "a.example"\n', 15),
            ('[phone.x]\npassword = "a"\n', 2),
            ('[[route]]\napp = "a.B"\n', 4),
        ):
            keys = self.keys(text)
            self.assertGreaterEqual(len(keys), least)
            for key in keys:
                named = f"`{key}`" in section or re.search(rf"^{key} = ", section, re.MULTILINE)
                self.assertTrue(named, key)


class ExampleTests(FileCase):
    """Files that the documents show."""

    def test_allCanBeRead(self) -> None:
        """With all that they name; applications and certificates are the reader's."""
        count = 0
        for document in documents():
            for block in document.blocks:
                if block.language == "toml":
                    config = self.read(block.text)
                    options = Options()
                    for given in config.options:
                        options.take(given)
                    count += 1
        self.assertGreater(count, 5)
