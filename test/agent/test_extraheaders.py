"""Headers and other text that a user of the user agent adds to its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.trial.unittest import SynchronousTestCase

from shtoom.agent.extraheaders import OF_A_DIALOG, OF_AN_INVITE, OF_EACH, extraHeaders
from shtoom.exceptions import CallFailed, UserBusy, checkText
from test.agent.support import ANSWER, OFFER, AgentTestCase, Listener

BROKEN = ("a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "\ud800", "\udc0d", "\udfff")
FINE = ("", "a", "Zo\u00eb \u540d", "\udcff", "\x0b\x1b", "\u2028", "a" * 9000)


class ExtraHeadersTests(SynchronousTestCase):
    """What may stand beside ours."""

    def test_whatMayBeSent(self) -> None:
        """As given, in order, names in any spelling."""
        for text in FINE:
            self.assertEqual(checkText("it", text), text)
            self.assertEqual(extraHeaders([("X-a", text)]).lines, (("X-a", text),))
        twice = [("X-A", "1"), ("x-a", "2"), ("Reason", "a"), ("Reason", "b")]
        self.assertEqual(extraHeaders(twice).lines, tuple(twice))
        self.assertEqual(len(extraHeaders(())), 0)

    def test_whatMayNot(self) -> None:
        """Values that end a line or cannot be encoded, names that are none: each by its name."""
        for text in (*BROKEN, None, 5, b"x"):
            error = self.assertRaises(ValueError, extraHeaders, [("X-A", text)])
            self.assertIn("header X-A", str(error))
            self.assertTrue(str(error).isprintable())
        for name in ("", "a b", "a:", "a\r\nb", "\u00e4", "\0", "a\t", None, 5):
            error = self.assertRaises(ValueError, extraHeaders, [(name, "x")])
            self.assertIn("header name", str(error))

    def test_whatIsOurs(self) -> None:
        """In every spelling, compact ones too; and what may stand once."""
        for own in (OF_EACH, OF_A_DIALOG, OF_AN_INVITE):
            for name in own:
                for spelling in (name, name.lower(), name.upper()):
                    error = self.assertRaises(ValueError, extraHeaders, [(spelling, "1")], own)
                    self.assertIn(f"{name} is written by the user agent", str(error))
        for compact in "vftilc":
            self.assertRaises(ValueError, extraHeaders, [(compact, "1")])
        error = self.assertRaises(ValueError, extraHeaders, [("Expires", "1"), ("expires", "2")])
        self.assertIn("Expires may stand once", str(error))


class EntryPointTests(AgentTestCase):
    """Each method that takes text: ValueError by name, nothing sent, nothing changed."""

    def refused(self, attempt: Callable[[str], object], named: str) -> None:
        """For all that is broken."""
        for text in BROKEN:
            before = len(self.wire.sent)
            error = self.assertRaises(ValueError, attempt, text)
            self.assertIn(named, str(error))
            self.assertEqual(len(self.wire.sent), before)

    def refusedHeaders(self, attempt: Callable[[Iterable[tuple[str, str]]], object]) -> None:
        """Values, names and headers of ours."""
        self.refused(lambda text: attempt([("X-A", text)]), "header X-A")
        self.refused(lambda text: attempt([(f"X{text}", "a")]), "header name")
        for name in OF_EACH:
            before = len(self.wire.sent)
            error = self.assertRaises(ValueError, attempt, [(name, "1")])
            self.assertIn(f"headers: {name}", str(error))
            self.assertEqual(len(self.wire.sent), before)

    def test_ringAnswerReject(self) -> None:
        """The caller still waits, and the right words still reach it."""
        self.alice.invites()
        call = self.inbound()
        self.refusedHeaders(lambda lines: call.ring(180, lines))
        self.refusedHeaders(lambda lines: call.answer(ANSWER, lines))
        self.refusedHeaders(lambda lines: call.reject(UserBusy(), lines))
        self.refusedHeaders(call.hangup)
        for broken in (call.ring, call.answer):
            first = 180 if broken == call.ring else ANSWER
            lines = [("m", "<sip:a@b>")]
            self.assertRaises(ValueError, broken, first, lines)
        self.assertTrue(call.ringing)
        call.reject(CallFailed("Moved", 302), [("Contact", "<sip:a@b>")])
        self.assertEqual(str(self.alice.response("302 INVITE").contact), "<sip:a@b>")
        self.assertNothingLeft()

    def test_failures(self) -> None:
        """What a CallFailed says, when it is made and when it is used."""
        self.refused(CallFailed, "reason")
        self.refused(lambda text: CallFailed(warning=text), "warning")
        for code in (299, 700, "486", None, 486.5):
            odd = type("Odd", (CallFailed,), {"sipCode": code})
            self.assertIn("sipCode", str(self.assertRaises(ValueError, odd)))
        for seconds in (-1, "5", 1.5):
            error = self.assertRaises(ValueError, CallFailed, retryAfter=seconds)
            self.assertIn("retryAfter", str(error))
        self.alice.invites()
        for name, value in (("reason", "a\r\nb"), ("warning", "\0"), ("sipCode", 200)):
            failure = UserBusy()
            setattr(failure, name, value)
            error = self.assertRaises(ValueError, self.inbound().reject, failure)
            self.assertIn(name, str(error))
        self.assertTrue(self.inbound().ringing)
        self.inbound().reject(UserBusy())
        self.assertNothingLeft()

    def test_placeCall(self) -> None:
        """Before there is a call."""
        listener = Listener(self.clock)

        def place(**wishes: object) -> object:
            return self.agent.placeCall("sip:b@203.0.113.30", OFFER, listener, **wishes)  # type: ignore[arg-type]

        self.refusedHeaders(lambda lines: place(headers=lines))
        self.refused(lambda text: place(displayName=text), "displayName")
        self.refused(lambda text: place(auth=(text, "p")), "auth")
        self.refused(lambda text: place(auth=("u", text)), "auth")
        for name in ("Contact", "Allow", "Supported", "Require"):
            self.assertRaises(ValueError, place, headers=[(name, "1")])
        self.assertNothingLeft()

    def test_inACall(self) -> None:
        """BYE and INFO."""
        caller, call, _ = self.establish()
        self.refusedHeaders(call.hangup)
        self.refused(lambda text: call.sendInfo(f"a/{text}", b""), "contentType")
        caller.bye()
        self.assertEqual(self.alice.labels()[-1], "200 BYE")
        self.assertNothingLeft()
