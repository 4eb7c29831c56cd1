"""Header lines in order, under any of their names (RFC 3261 7.3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.sip.headers import Headers


class HeadersTests(SynchronousTestCase):
    """An ordered multi-map."""

    def test_compactFormsAndLetterCaseAreOneHeader(self) -> None:
        """7.3.3, 7.3.1: v, VIA and Via are the same."""
        headers = Headers([("v", "1"), ("Subject", "x"), ("VIA", "2, 3")])
        self.assertEqual(headers.getAll("Via"), ["1", "2", "3"])
        self.assertEqual(headers.get("via"), "1")
        self.assertEqual(headers.get("s"), "x")
        self.assertIn("V", headers)
        self.assertNotIn("To", headers)
        self.assertIsNone(headers.get("To"))

    def test_commasPartOnlyWhereTheHeaderIsAList(self) -> None:
        """7.3.1: a Subject or Date with a comma is one value."""
        headers = Headers([("Subject", "a, b"), ("Date", "Sat, 13 Nov 2010 23:29:00 GMT")])
        self.assertEqual(headers.getAll("Subject"), ["a, b"])
        self.assertEqual(headers.getAll("Date"), ["Sat, 13 Nov 2010 23:29:00 GMT"])

    def test_unknownHeadersAreKeptAsTheyStand(self) -> None:
        """Name and value of what nobody knows are not touched."""
        lines = [("x-MiXed", "  a ,b;;"), ("X-Other", "")]
        self.assertEqual(list(Headers(lines)), lines)

    def test_replacingKeepsThePlaceOfTheFirst(self) -> None:
        """All lines of the name go, the new ones stand where the first was."""
        headers = Headers([("Via", "1"), ("To", "t"), ("v", "2"), ("From", "f")])
        changed = headers.replacing("Via", "a", "b")
        self.assertEqual(list(changed), [("Via", "a"), ("Via", "b"), ("To", "t"), ("From", "f")])
        self.assertEqual(list(changed.replacing("New", "n"))[-1], ("New", "n"))

    def test_addingPrependingWithout(self) -> None:
        """The other variations leave the original alone."""
        headers = Headers([("To", "t")])
        self.assertEqual(list(headers.adding("X", "1")), [("To", "t"), ("X", "1")])
        self.assertEqual(list(headers.prepending("Via", "v")), [("Via", "v"), ("To", "t")])
        self.assertEqual(len(headers.without("t")), 0)
        self.assertEqual(len(headers), 1)

    def test_duplicated(self) -> None:
        """A header that may stand once is named when it stands twice, in any spelling."""
        self.assertEqual(Headers([("To", "a"), ("t", "b")]).duplicated(), "To")
        self.assertIsNone(Headers([("Via", "a"), ("Via", "b"), ("To", "c")]).duplicated())

    def test_security_007_lineEndsAndNULAreRefused(self) -> None:
        """What would split the message is a ValueError that names the header."""
        for name, value in (("X-A", "1\r\nX-B: 2"), ("X-A", "1\n"), ("X-A", "a\0"), ("X-A", "\r")):
            with self.subTest(value):
                error = self.assertRaises(ValueError, Headers, [(name, value)])
                self.assertIn("X-A", str(error))
                self.assertRaises(ValueError, Headers().adding, name, value)
                self.assertRaises(ValueError, Headers().replacing, name, value)
                self.assertRaises(ValueError, Headers().prepending, name, value)
        self.assertRaises(ValueError, Headers, [("X-A\r\nX-B", "2")])
        self.assertRaises(ValueError, Headers, [("X A", "2")])
