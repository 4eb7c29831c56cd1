"""DOC/coverage.md: nothing that the documentation of 2004 names is missing.

Each test exists, each page says it.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

import doug.events
from doug import VoiceApp
from doug.dialog import Dialog
from doug.leg import Leg
from test.documents.markdown import Document

CHAPTERS = (
    "Doug Concepts",
    "The State Machine",
    "VoiceApps, Legs, Events and more",
    "Miscellenous Concepts",  # as it was spelled
    "Bridging/connectLegs",
    "Implementing a Doug VoiceApp",
    "Event handlers",
    "Required methods",
    "Forbidden methods",
    "Conferencing",
    "Hooking the bastard together",
    "__start__",
    "va_",
    "shtoom.doug.events",
    "scripts/shmessage.py",
    "scripts/testcisco.py",
    "scripts/testcall.py",
)
APPLICATION = (
    "connectLegs(leg1, leg2=None)",
    "dtmfMode(single, inband, leg=None)",
    "getDefaultLeg()",
    "getLeg(cookie)",
    "isPlaying(leg=None)",
    "isRecording(leg=None)",
    "mediaPlay(playlist, leg=None)",
    "mediaRecord(dest, leg=None)",
    "mediaStop(leg=None)",
    "placeCall(toURI, fromURI)",
    "returnError(error)",
    "returnResult(result)",
    "sendDTMF()",
    "setTimer(delay)",
)
LEG = (
    "answerCall(voiceapp)",
    "dtmfMode(single=False, inband=False, timeout=0)",
    "getCookie()",
    "getDialog()",
    "hangupCall()",
    "isPlaying()",
    "isRecording()",
    "mediaPlay(playlist)",
    "mediaRecord(savefile)",
    "mediaStop()",
    "rejectCall(exception)",
    "sendDTMF(digits, duration=0.1, delay=0.5)",
)
EVENTS = (
    "Event",
    "DTMFReceivedEvent",
    "DTMFTimeoutEvent",
    "MediaDoneEvent",
    "MediaPlayDoneEvent",
    "MediaPlayContentDoneEvent",
    "MediaPlayContentFailedEvent",
    "MediaPlayUserBargeInEvent",
    "MediaPlayTimerExpiredEvent",
    "MediaPlayRemoteClosedEvent",
    "MediaRecordDoneEvent",
    "MediaRecordRemoteClosedEvent",
    "MediaRecordTimeoutExceededEvent",
    "MediaRecordFailedEvent",
    "MediaRecordStoreFailedEvent",
    "CallLegEvent",
    "CallAnsweredEvent",
    "CallRejectedEvent",
    "CallStartedEvent",
    "InboundCallStartedEvent",
    "OutboundCallStartedEvent",
    "CallEndedEvent",
    "TimeoutEvent",
    "ApplicationSpecificEvent",
)
METHODS = (
    "CallLegEvent.getLeg()",
    "CallLegEvent.getDialog()",
    "Dialog.getCaller()",
    "Dialog.getCallee()",
)


class Row(NamedTuple):
    """One of the table. item: without marks of code. test: dotted. page: a link."""

    section: str
    item: str
    test: str
    page: str


def rows() -> list[Row]:
    """All of DOC/coverage.md."""
    found, section = [], ""
    for line in Document("DOC/coverage.md").prose.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if line.startswith("| ") and not line.startswith("| of 2004"):
            item, test, page = line.strip("| ").split(" | ")
            found.append(Row(section, item.replace("`", ""), test.strip("`"), page))
    return found


def below(link: str) -> str:
    """What a link of DOC/coverage.md leads to: a page, or a part of it with all its sub-parts."""
    page, _, anchor = link.partition("#")
    text = Document(f"DOC/{page}").text
    if not anchor:
        return text
    for heading in re.finditer(r"^(#+) (.+)$", text, re.MULTILINE):
        if re.sub(r"[^\w\- ]", "", heading[2].lower()).replace(" ", "-") == anchor:
            rest = text[heading.end() :]
            return re.split(rf"^#{{1,{len(heading[1])}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return ""


class CoverageTests(SynchronousTestCase):
    """The table against the tests, the names of 2004, and the classes."""

    def test_everyTestExists(self) -> None:
        """It is imported and looked up, as trial does."""
        for row in rows():
            module, case, method = row.test.rsplit(".", 2)
            found = getattr(import_module(module), case, None)
            self.assertIsNotNone(found, f"{row.item}: {row.test}")
            self.assertTrue(callable(getattr(found, method, None)), f"{row.item}: {row.test}")
            self.assertTrue(method.startswith("test"), row.test)

    def test_nothingIsMissing(self) -> None:
        """Each name of 2004 is an item under its heading."""
        for section, names in (
            ("Concepts and chapters", CHAPTERS),
            ("Application methods", APPLICATION),
            ("Leg methods", LEG),
            ("Events", EVENTS),
            ("Event and dialog methods", METHODS),
        ):
            items = [row.item for row in rows() if row.section == section]
            for name in names:
                whole = re.compile(rf"(^|\W){re.escape(name)}($|\W)")
                found = [item for item in items if item == name or whole.search(item)]
                self.assertTrue(found, f"{section}: {name}")

    def test_eachRowHasAPage(self) -> None:
        """That its link leads somewhere is test_links.py's."""
        for row in rows():
            self.assertRegex(row.page, r"^\[[\w ]+\]\([\w.]+(#[\w-]+)?\)$", row.item)

    def test_thePageSaysIt(self) -> None:
        """Each method and event is named where its row leads, below that very heading."""
        for row in rows():
            name = row.item.partition("(")[0].partition(":")[0].rpartition(".")[2]
            if row.section != "Concepts and chapters":
                link = row.page.partition("(")[2].rstrip(")")
                self.assertRegex(below(link), rf"\b{name}\b", f"{row.item}: {link}")

    def test_everyNameIsThereWithItsParameters(self) -> None:
        """In the order and with the names and defaults of 2004; more may follow."""
        for owner, signatures in ((VoiceApp, APPLICATION), (Leg, LEG)):
            for signature in signatures:
                name, _, rest = signature.partition("(")
                has = inspect.signature(getattr(owner, name)).parameters
                wanted = [p.partition("=") for p in rest.rstrip(")").split(", ") if p]
                for (parameter, _, default), (given, value) in zip(
                    wanted, list(has.items())[1:], strict=False
                ):
                    self.assertEqual(parameter, given, f"{owner.__name__}.{signature}")
                    if default:
                        self.assertEqual(default, str(value.default), signature)

    def test_everyEventIsThere(self) -> None:
        """With its methods; so are the dialog's."""
        for name in EVENTS:
            self.assertTrue(inspect.isclass(getattr(doug.events, name)))
        for name in METHODS:
            owner, _, method = name.rstrip("()").partition(".")
            found = Dialog if owner == "Dialog" else getattr(doug.events, owner)
            self.assertTrue(callable(getattr(found, method)), name)
