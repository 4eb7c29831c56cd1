"""Files that callers leave: names that lead nowhere else, nothing half visible."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from doug.spool import LONGEST, Spool, safeName

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
