"""Files that callers leave: names that lead nowhere else, nothing half visible."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import doug.spool
from doug.events import (
    CallAnsweredEvent,
    CallEndedEvent,
    CallStartedEvent,
    MediaRecordRemoteClosedEvent,
)
from doug.spool import LONGEST, Spool, safeName
from doug.testing import Lab
from doug.voiceapp import VoiceApp
from shtoom.media import writers
from shtoom.media.writers import writerFor
from test.media.pcm import SECOND, readWav, sound

HOSTILE = (
    "../../etc/passwd", "..", ".", "/etc/passwd", "/", "a/b", "a\\b", "..\\..\\x", "a\0b", "\0",
    "x" * 300, "CON", "NUL", "~", "~root", "-rf", "--", "a b", "a\nb", "\r\n", "$(reboot)", "`id`",
    "%2e%2e%2f", "..%2f", "é", "\u202egnp.exe", "\udcff\udcfe", "名前", "|ls", ";ls", "&", "*", "?",
    "<x>", '"', "'", "", ".hidden", "file.wav/", "....//", "a:b", "tmp/../new",
)  # fmt: skip


class NameTests(SynchronousTestCase):
    """safeName()."""

    def test_ordinaryUsersKeepTheirNames(self) -> None:
        """Letters, digits, + - and _."""
        for name in ("alice", "+431234567", "bob_2", "call-centre"):
            self.assertEqual(safeName(name), name)
        self.assertEqual(safeName(None), "unknown")
        self.assertEqual(safeName("", "nobody"), "nobody")

    @given(st.text(max_size=400))
    @settings(max_examples=100, deadline=None)
    def test_anyTextIsOneHarmlessPart(self, text: str) -> None:
        """No separator, no dot, nothing empty, nothing long."""
        name = safeName(text)
        self.assertRegex(name, r"\A[A-Za-z0-9+_-]+\Z")
        self.assertLessEqual(len(name), LONGEST)


class SpoolTests(SynchronousTestCase):
    """A folder of the test's own."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp())
        self.spool = Spool(self.root)

    def files(self) -> list[Path]:
        """All that there is above the spool, and in it."""
        return [path for path in self.root.parent.rglob("*") if path.is_file()]

    def test_hostileNamesStayBeneathIt(self) -> None:
        """Each is a file directly in tmp/, readable by us alone."""
        for who in HOSTILE:
            draft = self.spool.create(who, ".wav")
            draft.close()
            self.assertEqual(draft.path.parent, self.spool.root / "tmp")
            self.assertEqual(stat.S_IMODE(draft.path.stat().st_mode), 0o600)
        self.assertEqual(len(self.files()), len(HOSTILE))
        for path in self.files():
            self.assertEqual(path.parent, self.root / "tmp")

    def test_suffixesLeadNowhere(self) -> None:
        """A dot, letters and digits, or nothing."""
        for suffix in ("/../x", ".wav/../../x", "\0", ".", "..", ".wav\n", " .wav", "wav", ".w/v"):
            self.assertRaises(ValueError, self.spool.create, "alice", suffix)
        self.assertFalse(self.root.exists())
        for suffix in ("", ".wav", ".G722"):
            draft = self.spool.create("alice", suffix)
            self.assertTrue(draft.path.name.endswith(suffix))
            draft.discard()

    def test_aFileAppearsWhenItIsComplete(self) -> None:
        """In tmp/ while it is written, in new/ after keep(), with all that was written."""
        draft = self.spool.create("alice", ".wav")
        draft.write(b"half")
        self.assertEqual(list((self.root / "new").iterdir()), [])
        draft.write(b"and half")
        kept = draft.keep()
        self.assertEqual(kept.parent, self.spool.root / "new")
        self.assertEqual(kept.read_bytes(), b"halfand half")
        self.assertEqual(list((self.root / "tmp").iterdir()), [])

    def test_aDiscardedFileIsGone(self) -> None:
        """From tmp/, and it never was in new/."""
        self.spool.create("alice", ".wav").discard()
        self.assertEqual(self.files(), [])

    def test_twoOfOneCallerAreTwo(self) -> None:
        """Within one second too."""
        names = {self.spool.create("alice", ".wav").keep().name for _ in range(5)}
        self.assertEqual(len(names), 5)

    def test_aLinkInPlaceOfAFolderIsRefused(self) -> None:
        """Nothing is written where it leads."""
        elsewhere = Path(self.mktemp())
        elsewhere.mkdir()
        self.root.mkdir()
        os.symlink(elsewhere.absolute(), self.root / "tmp")
        self.assertRaises(OSError, self.spool.create, "alice", ".wav")
        self.assertEqual(list(elsewhere.iterdir()), [])


LEAST = 44 + SECOND
SECONDS = 3
MESSAGE = sound(SECONDS)


class Crash(BaseException):
    """The process is no more."""


class System:
    """Stands for the module os; ends the process before a call of the system, and stays ended.

    calls: (name, file) of those that were made. file: what a descriptor stands for.
    """

    MEANT = ("open", "close", "fsync", "rename", "unlink", "listdir", "fstat", "dup")

    def __init__(self, until: float = float("inf")) -> None:
        self._until = until
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.MEANT:
            return real

        def call(*words: Any, **options: Any) -> Any:
            if name != "close" or len(self.calls) < self._until:  # an ended process closes all
                self.step(name, words[0])
            return real(*words, **options)

        return call

    def step(self, name: str, what: Any = "") -> None:
        """Before each call."""
        if len(self.calls) >= self._until:
            raise Crash
        where = os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else str(what)
        self.calls.append((name, Path(where).name))


class CrashTests(SynchronousTestCase):
    """A process that is killed between any two calls of the system, and the next one."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()

    def during(self, system: System, job: Callable[[], Any]) -> bool:
        """Runs it with that system; did it get through? What it had open is closed."""
        patched = self.patch(doug.spool, "os", system)
        self.patch(writers, "os", system)
        try:
            job()
        except Crash:
            return False
        finally:
            patched.restore()
        return True

    def messages(self, folder: str) -> list[bytes]:
        """The sound of those in tmp/ or new/; each must be a WAV that can be read."""
        paths = (self.root / folder).glob("*")
        return [readWav(path) for path in paths]

    def leaveAMessage(self, spool: Spool, system: System) -> Path:
        """As a recording does, in pieces; keep() is the end of it."""
        draft = spool.create("alice", ".wav")
        writer = writerFor(draft)
        system.step("header")
        writer.open()
        for second in range(SECONDS):
            system.step("write")
            writer.write(MESSAGE[second * SECOND : (second + 1) * SECOND])
        system.step("last close")
        writer.close()
        return draft.keep()

    def test_theMessageIsAbsentOrWhole(self) -> None:
        """In new/ there is nothing or all of it; then what was written is recovered."""
        ended, crashes = False, 0
        while not ended:
            self.setUp()
            system = System(crashes)
            spool = Spool(self.root)
            ended = self.during(system, partial(self.leaveAMessage, spool, system))
            self.assertIn(self.messages("new"), ([], [MESSAGE]), system.calls[-1:])
            written = SECOND * [name for name, _ in system.calls].count("write")
            kept = len(self.messages("new"))
            moved = Spool(self.root).recover(LEAST)
            self.assertEqual(len(moved), 1 - kept if written >= SECOND else 0)
            self.assertEqual(self.messages("new"), [MESSAGE[:written]] if written else [])
            self.assertEqual(self.messages("tmp"), [])
            crashes += 1
        self.assertGreater(crashes, 20)
        self.assertEqual(self.messages("new"), [MESSAGE])

    def test_whoRecoversMayBeKilledToo(self) -> None:
        """The message is in tmp/ or in new/, whole; the next one finds it."""
        ended, crashes = False, 0
        while not ended:
            self.setUp()
            spool, system = Spool(self.root), System(crashes)
            writer = writerFor(spool.create("alice", ".wav"))
            writer.open()
            writer.write(MESSAGE)
            del writer
            ended = self.during(system, partial(spool.recover, LEAST))
            self.assertEqual(self.messages("tmp") + self.messages("new"), [MESSAGE])
            spool.recover(LEAST)
            self.assertEqual((self.messages("tmp"), self.messages("new")), ([], [MESSAGE]))
            crashes += 1
        self.assertGreater(crashes, 6)

    def test_itIsOnTheDiskBeforeItIsSeen(self) -> None:
        """One fsync of the message, when it ends; then its new name, and one of the folder."""
        Spool(self.root).create("check", ".wav").discard()
        system = System()
        self.during(system, partial(self.leaveAMessage, Spool(self.root), system))
        (kept,) = (self.root / "new").iterdir()
        lasting = [call for call in system.calls if call[0] in ("fsync", "rename", "last close")]
        self.assertEqual(
            lasting,
            [("last close", ""), ("fsync", kept.name), ("rename", kept.name), ("fsync", "new")],
        )

    def test_newFoldersAreOnTheDiskToo(self) -> None:
        """Or a power failure would take them away with the first message."""
        system = System()
        self.during(system, lambda: Spool(self.root).create("alice", ".wav").release())
        synced = [what for name, what in system.calls if name == "fsync"]
        self.assertEqual(synced, [self.root.name, self.root.parent.name])


class RecoverTests(SynchronousTestCase):
    """What recover() leaves alone."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.spool = Spool(self.root)

    def test_whatIsBeingWrittenStays(self) -> None:
        """By this process, closed or not, until it is kept; by others as well."""
        draft = self.spool.create("alice", ".wav")
        draft.write(bytes(100))
        self.assertEqual(Spool(self.root).recover(1), [])
        draft.close()
        self.assertEqual(Spool(self.root).recover(1), [])
        self.assertEqual(draft.keep().stat().st_size, 100)
        self.assertEqual(self.spool.recover(1), [])

    def test_whatAnApplicationForgotIsRecovered(self) -> None:
        """Its Draft is garbage; too little of it is no message."""
        for size in (99, 100):
            draft = self.spool.create("alice", ".wav")
            draft.write(bytes(size))
            draft.release()
        (found,) = self.spool.recover(100)
        self.assertEqual((found.parent, found.stat().st_size), (self.root / "new", 100))
        self.assertEqual(os.listdir(self.root / "tmp"), [])

    def test_whatIsNoFileOfOursStays(self) -> None:
        """A link, a folder, a pipe; and without a spool there is nothing to do."""
        self.assertEqual(self.spool.recover(1), [])
        self.spool.create("check", ".wav").discard()
        tmp = self.root / "tmp"
        (tmp / "link").symlink_to(__file__)
        (tmp / "folder").mkdir()
        os.mkfifo(tmp / "pipe")
        self.assertEqual(self.spool.recover(1), [])
        self.assertEqual(sorted(os.listdir(tmp)), ["folder", "link", "pipe"])
        self.assertRaises(ValueError, self.spool.recover, 0)

    def test_aDraftThatIsRemovedBeforeItIsLockedIsMadeAnew(self) -> None:
        """recover() of another process comes between its open and its lock."""
        root = self.root

        class Locks:
            LOCK_EX, LOCK_NB = fcntl.LOCK_EX, fcntl.LOCK_NB
            removed: tuple[str, ...] = ()

            def flock(self, file: Any, how: int) -> None:
                if not self.removed:
                    self.removed = tuple(os.listdir(root / "tmp"))
                    os.unlink(root / "tmp" / self.removed[0])
                fcntl.flock(file, how)

        locks = Locks()
        self.patch(doug.spool, "fcntl", locks)
        draft = self.spool.create("alice", ".wav")
        self.assertEqual(len(locks.removed), 1)
        self.assertNotIn(draft.path.name, locks.removed)
        self.assertTrue(draft.keep().exists())


class CallerTests(SynchronousTestCase):
    """A whole server whose application records under the name of whoever calls."""

    def test_callersOfHostileNames(self) -> None:
        """Each call leaves one file in new/, and nothing anywhere else."""
        root = Path(self.mktemp()).absolute()
        lab = Lab(Recording, spool=Spool(root / "spool"))
        phone = lab.phone()
        for who in HOSTILE:
            user = quote(who, safe="", errors="surrogateescape")
            call = phone.dial("sip:app@doug", fromURI=f"sip:{user}@example.net")
            lab.advance(0.5)
            call.hangUp()
            lab.advance(0.5)
        self.assertEqual(lab.failures, [])
        files = [path for path in root.rglob("*") if not path.is_dir()]
        self.assertEqual({path.parent for path in files}, {root / "spool" / "new"})
        self.assertEqual(len(files), len(HOSTILE))
        lab.assertNothingLeft()


class Recording(VoiceApp):
    """Keeps what a caller says."""

    spool: Spool

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.record), (CallEndedEvent, self.gone)]

    def record(self, event: CallAnsweredEvent) -> Any:
        """Under the caller's name."""
        self.draft = self.spool.create(event.leg.getDialog().getCaller().username, ".wav")
        event.leg.mediaRecord(self.draft)
        return [(MediaRecordRemoteClosedEvent, self.keep), (CallEndedEvent, self.gone)]

    def keep(self, event: MediaRecordRemoteClosedEvent) -> None:
        """The caller has hung up."""
        self.draft.keep()

    def gone(self, event: CallEndedEvent) -> None:
        """Nobody is there."""
        self.returnResult(None)
