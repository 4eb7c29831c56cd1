"""Reasons in words (RFC 3326 2)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import Refusal
from shtoom.sip.fields import parseParams
from shtoom.sip.headers import Headers
from shtoom.sip.reason import reasonHeader


class ReasonHeaderTests(SynchronousTestCase):
    """The header of an answer."""

    def test_ruleValueAndRemedy(self) -> None:
        line = reasonHeader(Refusal("max-calls", "5 calls are up", "raise it"), 503)
        wanted = 'SIP;cause=503;text="max-calls: 5 calls are up; raise it"'
        self.assertEqual(line, ("Reason", wanted))

    def test_whateverIsInIt(self) -> None:
        """One line and one value; its reader gets the text back."""
        refusal = Refusal("user", 'a"b\\, c\r\nEvil: 1\x1b\udcff', "x" * 5000)
        name, value = reasonHeader(refusal, 403)
        [only] = Headers([(name, value)]).getAll("Reason")
        self.assertEqual(only, value)
        self.assertTrue(value.isprintable() and len(value) < 1100)
        params = dict(parseParams(value.partition(";")[2], "Reason"))
        text = 'user: a"b\\, c\\r\\nEvil: 1\\x1b\\udcff; x'
        self.assertTrue(str(params["text"]).startswith(text))
