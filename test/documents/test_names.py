"""Options, events, methods and their keywords that the documents name exist."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from twisted.scripts._twistd_unix import ServerOptions
from twisted.trial.unittest import SynchronousTestCase, TestCase

import doug.application
import doug.conferencing
import doug.events
import doug.source
import doug.testing
import doug.testing.hostile
import shtoom.exceptions
from doug import VoiceApp
from doug.application import DougApplication
from doug.bridge import Bridge
from doug.conferencing import ConfSource, Room
from doug.dialog import Dialog, Party
from doug.leg import Leg
from doug.settings import Settings
from doug.tap import Options
from doug.testing import Lab, Phone, PhoneCall, VirtualReactor
from doug.timer import Timer
from test.documents.markdown import Document, documents

MODULES = (
    doug.application,
    doug.conferencing,
    doug.events,
    doug.source,
    doug.testing,
    doug.testing.hostile,
    shtoom.exceptions,
    builtins,
)
APPLICATION = (
    *(Leg, VoiceApp, Dialog, Timer, doug.events.TimeoutEvent),
    doug.events.CallTransferRequestedEvent,
    *(doug.source.Source, VirtualReactor, str),
)
SERVER = (DougApplication, Room, ConfSource, Bridge, Party, *APPLICATION)
TESTING = (PhoneCall, Phone, Lab, TestCase, DougApplication, *APPLICATION)


class OptionTests(SynchronousTestCase):
    """DOC/running.md and `twistd doug --help`."""

    def test_theTableHasAllOptionsAndNoOther(self) -> None:
        """In both directions."""
        helped = set(re.findall(r"--[a-z-]+", str(Options())))
        rows = [
            li for li in Document("DOC/running.md").prose.splitlines() if li.startswith("| `--")
        ]
        tabled = {option for row in rows for option in re.findall(r"`(--[a-z-]+)", row)}
        self.assertEqual(tabled, helped - {"--app=module"} | {"--app"})

    def test_defaultsAreTheTables(self) -> None:
        """What the help calls a default is what the table does, and what Settings has."""
        running = Document("DOC/running.md").prose
        settings = Settings()
        defaults = {
            "listen": str(settings.listen[0]),
            "rtp-ports": "-".join(map(str, settings.rtpPorts)),
            "idle": settings.idle,
        }
        helped = " ".join(str(Options()).split())
        for option, default in defaults.items():
            value = re.escape(default)
            self.assertRegex(running, rf"\| `--{option}=.*`{value}`")
            self.assertRegex(helped, rf"--{option}= .*\[default: {value}\]")

    def test_optionsOnCommandLinesExist(self) -> None:
        """Wherever a document shows a line with twistd, in text or code."""
        known = set(re.findall(r"--[a-z_-]+", f"{Options()} {ServerOptions()}"))
        for document in documents():
            for line in document.text.splitlines():
                if "twistd" in line:
                    named = set(re.findall(r"(?<![\w-])--[a-z][a-z_-]*", line))
                    self.assertLessEqual(named, known, f"{document.name}: {line}")


class EventTests(SynchronousTestCase):
    """Events, wherever they are named."""

    def test_everyEventExists(self) -> None:
        """In doug.events, unless an example makes it; the plural is allowed."""
        for document in documents():
            made = re.findall(r"^class (\w+Event)\b", document.text, re.MULTILINE)
            for name in re.findall(r"\b[A-Z]\w*Event\b", document.text):
                self.assertIn(name, [*doug.events.__all__, *made], document.name)

    def test_everyEventOfTheContractIsExplained(self) -> None:
        """In DOC/applications.md, but for those that only group others or are an author's own."""
        text = Document("DOC/applications.md").text
        groups = {
            "ApplicationSpecificEvent",
            "BaseEvent",
            "CallLegEvent",
            "Event",
            "InboundCallStartedEvent",
            "MediaDoneEvent",
            "OptionalEvent",
            "OutboundCallStartedEvent",
        }
        wanted = {name for name in doug.events.__all__ if name not in groups}
        missing = [name for name in sorted(wanted) if not re.search(rf"\b{name}", text)]
        self.assertEqual(missing, [])


class MethodTests(SynchronousTestCase):
    """Calls in the text: the method exists, and takes the keywords that are shown."""

    def test_ofApplications(self) -> None:
        """DOC/applications.md names methods of VoiceApp, Leg, Dialog and Source."""
        self.assertExist("DOC/applications.md", APPLICATION)

    def test_ofTests(self) -> None:
        """DOC/testing.md names methods of Lab, Phone and PhoneCall as well."""
        self.assertExist("DOC/testing.md", TESTING)

    def test_ofTutorialAndConcepts(self) -> None:
        """Methods of the server, of rooms, bridges and timers, too."""
        for name in ("DOC/tutorial.md", "DOC/concepts.md"):
            self.assertExist(name, SERVER)

    def test_ofMigration(self) -> None:
        """In the last column of its tables, which is ours."""
        for line in Document("DOC/migration.md").prose.splitlines():
            if line.startswith("| "):
                ours = line.strip("| ").split(" | ")[-1]
                self.assertCallsExist(re.findall("`([^`]+)`", ours), SERVER, line)

    def test_ofTheREADME(self) -> None:
        """In what there is of it."""
        self.assertExist("README.md", TESTING)

    def assertExist(self, name: str, owners: tuple[type, ...]) -> None:
        """Every call in the code of the text is one of these classes' methods."""
        count = self.assertCallsExist(Document(name).spans, owners, name)
        self.assertTrue(count or name == "README.md", f"no calls were found in {name}")

    def assertCallsExist(self, spans: list[str], owners: tuple[type, ...], where: str) -> int:
        """The same for pieces of code; returns how many calls there are."""
        count = 0
        for span in spans:
            for method, keywords in calls(span):
                count += 1
                candidates = list(find(method, owners))
                self.assertTrue(candidates, f"{where}: {span}")
                taken = {p for c in candidates for p in parameters(c)}
                self.assertLessEqual(keywords, taken, f"{where}: {span}")
        return count

    def test_keywordsAlone(self) -> None:
        """`bargeIn=True` and the like are keywords of one of these methods."""
        for name, owners in (("DOC/applications.md", APPLICATION), ("DOC/testing.md", TESTING)):
            everything = {
                parameter
                for owner in owners
                for member in vars(owner).values()
                if callable(member)
                for parameter in parameters(member)
            }
            for span in Document(name).spans:
                if keyword := re.match(r"([a-z]\w*)=", span):
                    self.assertIn(keyword[1], everything, f"{name}: {span}")


def calls(span: str) -> Iterator[tuple[str, set[str]]]:
    """(name of the function, keywords) of each call in a piece of code; … stands for more of it."""
    code = span.replace(", …", "").replace("…", "None").replace(" or ", ", ")
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name is not None:
                yield name, {k.arg for k in node.keywords if k.arg is not None}


def find(name: str, owners: tuple[type, ...]) -> Iterator[Callable[..., Any]]:
    """Methods of these classes, and functions and classes of the public modules, of that name."""
    for owner in (*owners, *MODULES):
        found = getattr(owner, name, None)
        if callable(found):
            yield found
    if name == "unknownEvent":  # a method that applications may have
        yield VoiceApp.raiseEvent


def parameters(function: Callable[..., Any]) -> set[str]:
    """Names of its parameters; of one that hands them on (**options), as far as it has names."""
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a built-in one
        return set()
