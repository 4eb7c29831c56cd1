"""The trace: whose messages are shown, how they are written, what is masked."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from shtoom.sip.trace import (
    MOST,
    MOST_LINES,
    Trace,
    Traced,
    fullForm,
    masked,
    oneLine,
    parseSubject,
)
from shtoom.sip.transport import Address, Peer
from test.sip.namedwire import Wire

AT: Address = ("198.51.100.20", 5062)
INVITE = (
    b"INVITE sip:bob:hunter2@192.0.2.10 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.20:5062;branch=z9hG4bK1\r\n"
    b"Call-ID: abc@phone\r\n"
    b'Authorization: Digest username="alice", realm="doug", nonce="n1", uri="sip:x",\r\n'
    b'  response="0123456789abcdef0123456789abcdef", cnonce="c"\r\n'
    b"proxy-authorization : Basic YWxpY2U6c2VjcmV0\r\n"
    b"Content-Type: application/sdp\r\n\r\n"
    b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0m|2^20\r\n"
    b"a=ice-pwd:YH75Fviy6338Vbrhrlp8Yh\r\n"
)
INFO = (
    b"INFO sip:a@b SIP/2.0\r\ni: k1\r\nContent-Type: application/dtmf-relay\r\n"
    b"Content-Length: 24\r\n\r\nSignal=5\r\nDuration=250\r\n"
)


PEER = Peer(Wire(), AT)


class SubjectTests(SynchronousTestCase):
    """What --trace-sip says."""

    def test_allOrANetworkOrACallID(self) -> None:
        for text, host, callID, wanted in (
            ("all", "198.51.100.20", "", True),
            ("198.51.100.20", "198.51.100.20", "x", True),
            ("198.51.100.20", "198.51.100.21", "198.51.100.20", False),
            ("198.51.100.7/24", "198.51.100.20", "", True),
            ("[2001:db8::1]", "2001:db8::1", "", True),
            ("2001:db8::/32", "fe80::1%eth0", "", False),
            ("abc@", "198.51.100.20", "abc@phone", True),
            ("abc@", "198.51.100.20", "xabc@phone", False),
        ):
            self.assertEqual(parseSubject(text).covers(host, callID), wanted, text)

    def test_whatNobodyCanMean(self) -> None:
        for text in ("", "a b", "a\nb", "\0"):
            self.assertRaises(ValueError, parseSubject, text)


class MaskTests(SynchronousTestCase):
    """Secrets are in no log and in no capture."""

    def test_whatIsMasked(self) -> None:
        """Digest responses, folded too; other credentials; passwords in URIs; keys of media."""
        found = masked(INVITE)
        for secret in (b"0123456789abcdef", b"YWxpY2U6", b"hunter2", b"PS1uQCVee", b"YH75Fviy"):
            self.assertNotIn(secret, found)
        for kept in (b"sip:bob:***@192.0.2.10", b'nonce="n1"', b'response="***", cnonce="c"'):
            self.assertIn(kept, found)
        self.assertIn(b"Basic ***\r\n", found)
        self.assertIn(b"|2^20", found)
        body = INVITE.partition(b"\r\n\r\n")[2]
        self.assertEqual(len(found.partition(b"\r\n\r\n")[2]), len(body))

    def test_passwordsAreFoundInLinearTime(self) -> None:
        """Four times the addresses that have none take about four times as long, not sixteen."""

        def seconds(count: int) -> float:
            data = b"OPTIONS sip:a SIP/2.0\r\nX: " + b"sip:" * count + b"\r\n\r\n"
            found = []
            for _ in range(5):
                begin = time.thread_time()
                self.assertEqual(masked(data), data)
                found.append(time.thread_time() - begin)
            return min(found)

        self.assertLess(seconds(16000), 9 * seconds(4000))

    def test_keysOnRequest(self) -> None:
        self.assertEqual(masked(INFO), INFO)
        self.assertEqual(masked(INFO, True), INFO.replace(b"Signal=5", b"Signal=*"))
        plain = b"INFO sip:a@b SIP/2.0\r\nc: application/dtmf\r\n\r\n12#"
        self.assertEqual(masked(plain, True), plain.replace(b"12#", b"***"))
        other = b"INFO sip:a@b SIP/2.0\r\nc: text/plain\r\n\r\n12#"
        self.assertEqual(masked(other, True), other)

    def test_unmaskedIsUntouched(self) -> None:
        """What has no secret is as it was: ports are no passwords."""
        plain = (
            b"REGISTER sip:192.0.2.10:5060 SIP/2.0\r\nContact: <sip:a@b:5060>, <sip:[::1]:5060>\r\n"
            b"From: <sip:192.0.2.10:5060>;x=a@b\r\nCall-ID: response=5\r\n\r\nresponse=1"
        )
        self.assertEqual(masked(plain), plain.replace(b"response=5", b'response="***"'))

    @given(st.binary(max_size=300), st.booleans())
    def test_anyBytes(self, data: bytes, keys: bool) -> None:
        """Nothing that a stranger sends is too much for it."""
        masked(b"Authorization: " + data, keys)
        text = fullForm(Traced(data, PEER, True, 0.0, ""))
        self.assertTrue(text.replace("\n    | ", "").isprintable())


class WritingTests(SynchronousTestCase):
    """What stands in the log."""

    def setUp(self) -> None:
        self.now = 1_700_000_000.25
        self.lines: list[str] = []

    def trace(self, *subjects: str, **options: Any) -> Trace:
        trace = Trace(lambda: self.now, **options)
        trace.subjects.update(map(parseSubject, subjects))
        observer = implementer(ILogObserver)(lambda event: self.lines.append(formatEvent(event)))
        trace.log = Logger("trace", observer=observer)
        return trace

    def test_oneLine(self) -> None:
        """Time, direction, transport, peer, start line, Call-ID."""
        trace = self.trace("all")
        trace.received(INVITE, PEER)
        trace.sent(b"SIP/2.0 200 OK\r\ni:abc@phone\r\n\r\n", PEER)
        first, second = self.lines
        self.assertRegex(
            first,
            r"^2023-11-14T22:13:20\.250Z UDP from 198\.51\.100\.20:5062: "
            r"INVITE sip:bob:\*\*\*@192\.0\.2\.10 SIP/2\.0 \(Call-ID abc@phone, \d+ bytes\)$",
        )
        self.assertRegex(second, r"Z UDP to 198\.51\.100\.20:5062: SIP/2\.0 200 OK \(Call-ID abc@")

    def test_wholeMessages(self) -> None:
        """Each line behind a bar, so that none can pass for a line of the log."""
        trace = self.trace("all", full=True)
        trace.received(b"BYE sip:a SIP/2.0\r\nX: \x1b[31m\xff\n2026 all is well\r\n\r\n", PEER)
        (text,) = self.lines
        _, *lines = text.split("\n")
        self.assertEqual(lines[1:3], ["    | X: \\x1b[31m\\xff", "    | 2026 all is well"])
        trace.received(b"x\n" * 2 * MOST_LINES, PEER)
        self.assertEqual(self.lines[1].count("\n"), MOST_LINES + 1)

    def test_onlyTheSubjects(self) -> None:
        trace = self.trace("192.0.2.0/24", "abc@")
        for callID in (b"abc@phone", b"other"):
            trace.received(b"BYE sip:a SIP/2.0\r\nCall-ID: %s\r\n\r\n" % callID, PEER)
        self.assertEqual(len(self.lines), 1)

    def test_theBodyNamesNoCallID(self) -> None:
        message = b"BYE sip:a SIP/2.0\r\n\r\nCall-ID: abc@phone\r\n"
        self.trace("abc@").received(message, PEER)
        self.assertEqual(self.lines, [])

    def test_whatIsNoMessage(self) -> None:
        """Shown as it is; keep-alives are not."""
        trace = self.trace("all")
        trace.received(b"\r\n\r\n", PEER)
        trace.received(b"\x80\0\0", PEER)
        (line,) = self.lines
        self.assertIn(r": \x80\x00\x00 (Call-ID none, 3 bytes)", line)

    def test_aFloodFillsNoDisk(self) -> None:
        """So many a second, and how many more."""
        trace = self.trace("all")
        for _ in range(MOST + 50):
            trace.received(INVITE, PEER)
        self.assertEqual((len(self.lines), trace.unsaid), (MOST, 50))
        self.now += 1
        trace.received(INVITE, PEER)
        self.assertRegex(self.lines[MOST], "^50 more messages")
        self.assertEqual(len(self.lines), MOST + 2)

    def test_offOrOn(self) -> None:
        """A watcher alone is told of all, and the log of nothing."""
        told: list[Traced] = []

        class Watcher:
            def told(self, message: Traced) -> None:
                told.append(message)

        self.assertFalse(self.trace().isOn)
        self.assertTrue(self.trace("all").isOn)
        watched = self.trace(watcher=Watcher())
        self.assertTrue(watched.isOn)
        watched.sent(INVITE, PEER)
        self.assertEqual(self.lines, [])
        ((data, peer, isSent, when, callID),) = told
        self.assertEqual((peer, isSent, when, callID), (PEER, True, self.now, "abc@phone"))
        self.assertEqual(data, masked(INVITE))
        self.assertIn("INVITE", oneLine(told[0]))
