"""Text from the wire in log lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.shown import LONGEST, SENTENCE, shown


class ShownTests(SynchronousTestCase):
    """Whatever a stranger writes."""

    def test_aSentenceMayBeLonger(self) -> None:
        """One of ours, with a remedy behind such a text."""
        self.assertEqual(shown("x" * 900, SENTENCE), "x" * 900)
        self.assertEqual(shown("x" * 2000, SENTENCE), "x" * 997 + "...")
        self.assertEqual(shown("\r\n", 2), "\\r\\n")

    def test_plainTextIsShownAsItIs(self) -> None:
        """Letters of any script, quotes, backslashes."""
        for text in ("sip:a@b", "Zoë Ä 你好", 'x "y" \\z'):
            self.assertEqual(shown(text), text)

    def test_controlCharactersAreEscaped(self) -> None:
        """Line ends, escapes of terminals, octets that are no UTF-8."""
        self.assertEqual(shown("a\r\nb\x1b[31m\0"), "a\\r\\nb\\x1b[31m\\x00")
        self.assertEqual(shown(b"\xff".decode("utf-8", "surrogateescape")), "\\udcff")
        self.assertEqual(shown("\u2028"), "\\u2028")

    def test_longTextIsCut(self) -> None:
        """At LONGEST characters."""
        self.assertEqual(len(shown("x" * 1000)), LONGEST)

    @given(st.text(st.characters(), max_size=300))
    def test_anythingCanBeWritten(self, text: str) -> None:
        """It is one line, and UTF-8."""
        line = shown(text)
        self.assertTrue(line.isprintable())
        line.encode("utf-8")
