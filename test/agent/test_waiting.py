"""A caller who waits: word each minute, and an INVITE that expires (RFC 3261 13.3.1)."""

from __future__ import annotations

from shtoom.agent.calluser import CallEnding
from test.agent.support import ANSWER, AgentTestCase, Caller


class WaitingTests(AgentTestCase):
    """Alice calls."""

    def call(self, expires: str | None = None) -> Caller:
        """It rings."""
        return self.alice.invites(headers=[("Expires", expires)] if expires is not None else [])

    def test_the180EachMinute(self) -> None:
        """The same again, as long as it rings; a proxy gives up after three of silence."""
        self.call()
        self.run_(185.0)
        self.assertEqual(self.alice.times("180 INVITE"), [0.0, 60.0, 120.0, 180.0])
        self.assertEqual(len({m.toBytes() for m in self.alice.got("180 INVITE")}), 1)
        self.inbound().hangup()
        self.assertNothingLeft()

    def test_theLast1xxCounts(self) -> None:
        """Early media: the 183 with its description, a minute after it, not the 180."""
        self.call()
        self.run_(30.0)
        self.inbound().ring(183, sdp=ANSWER)
        self.run_(65.0)
        self.assertEqual(self.alice.times("180 INVITE"), [0.0])
        self.assertEqual(self.alice.times("183 INVITE"), [30.0, 90.0])
        self.assertEqual(self.alice.response("183 INVITE").body, ANSWER)
        self.inbound().hangup()
        self.assertNothingLeft()

    def test_notForEver(self) -> None:
        """A caller may be gone without a word: 480 after an hour, whatever was said meanwhile."""
        self.call()
        self.run_(1800.0)
        self.inbound().ring(183, sdp=ANSWER)
        self.run_(1799.9)
        self.assertEqual(self.heardBy().ends, [])
        self.run_(60.1)
        self.assertEqual(self.alice.labels()[-1], "480 INVITE")
        (ending,) = self.heardBy().ends
        assert isinstance(ending, CallEnding)
        self.assertEqual((ending.sipCode, ending.byRemote), (480, False))
        self.assertIn("not answered within 60 minutes", ending.reason)
        self.assertNothingLeft()

    def test_noneBeforeItRings(self) -> None:
        """A 100 is not repeated: it says nothing to who is behind a proxy (13.3.1.1)."""
        self.board.take = lambda call: None
        self.call()
        self.run_(130.0)
        self.assertEqual(self.alice.labels(), ["100 INVITE"])
        self.inbound().hangup()
        self.assertNothingLeft()

    def test_noneAfterTheFinalResponse(self) -> None:
        """Answered, refused, cancelled, left by BYE: all is said."""
        for last in ("answer", "hangup", "cancel", "bye"):
            caller = self.call("45")
            if last == "answer":
                self.inbound().answer(ANSWER)
                caller.ack()
            elif last == "hangup":
                self.inbound().hangup()
            elif last == "cancel":
                caller.cancel()
            else:
                caller.bye()
            self.run_(65.0)
            if last == "answer":
                self.assertEqual(self.heardBy().ends, [])
                caller.bye()
            self.assertEqual(len(self.heardBy().ends), 1)
        self.assertEqual(len(self.alice.got("180 INVITE")), 4)
        self.assertNothingLeft()

    def test_theINVITEExpires(self) -> None:
        """487 when its time is over, and an end that says so."""
        self.call("20")
        self.run_(19.9)
        self.assertEqual(self.heardBy().ends, [])
        self.run_(0.2)
        self.assertEqual(self.alice.labels()[-1], "487 INVITE")
        (ending,) = self.heardBy().ends
        assert isinstance(ending, CallEnding)
        self.assertEqual((ending.sipCode, ending.byRemote), (487, True))
        self.assertIn("expired", ending.reason)
        self.assertNothingLeft()

    def test_expiresThatCannotBeMeant(self) -> None:
        """0, words, and more than a number of 32 bits: as if there were none."""
        for expires in ("0", "soon", "-5", "99999999999", "Thu, 01 Dec 1994 16:00:00 GMT"):
            self.call(expires)
            self.run_(30.0)
            self.assertEqual(self.heardBy().ends, [])
            self.inbound().hangup()
        self.call("4294967295")
        self.inbound().hangup()
        self.assertNothingLeft()
