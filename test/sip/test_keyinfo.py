"""shtoom.sip.keyinfo: keys in INFO bodies as devices write them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.exceptions import MalformedMessage
from shtoom.sip.body import bodyParts
from shtoom.sip.keyinfo import DTMF, DTMF_RELAY, KEY_BODIES, KeyInfo, keyInfoBody, parseKeyInfo
from shtoom.sip.parser import parse
from test.support import corpusCases

KEYS = "0123456789*#ABCD"


class KeyInfoTests(SynchronousTestCase):
    """Reading is generous, writing strict."""

    def test_dtmf_004_whatDevicesWrite(self) -> None:
        """Line ends, spaces and case differ; 10 is star, 11 is pound."""
        for kind, body, wanted in (
            (DTMF_RELAY, b"Signal=5\r\nDuration=160\r\n", KeyInfo("5", 0.16)),
            (DTMF_RELAY, b"Signal= *\nDuration= 250\n", KeyInfo("*", 0.25)),
            (DTMF_RELAY, b"Duration=100\r\nsignal = d", KeyInfo("D", 0.1)),
            (DTMF_RELAY, b"Signal=10", KeyInfo("*")),
            (DTMF_RELAY, b"Signal=11\r\nDuration=soon", KeyInfo("#")),
            (DTMF_RELAY, b"Signal=16\r\nDuration=100", None),
            (DTMF, b"11", KeyInfo("#")),
            (DTMF, b" D\r\n", KeyInfo("D")),
            (DTMF, b"3", KeyInfo("3")),
        ):
            self.assertEqual(parseKeyInfo(kind, body), wanted, body)

    def test_whatIsNoKeyIsRefused(self) -> None:
        """The error says what was wanted and shows what came."""
        for kind, body in (
            (DTMF_RELAY, b"Signal=zz"),
            (DTMF_RELAY, b"Duration=100"),
            (DTMF_RELAY, b""),
            (DTMF, b"17"),
            (DTMF, b"12#"),
            (DTMF, "\u0663".encode()),
        ):
            self.assertRaises(MalformedMessage, parseKeyInfo, kind, body)
        self.assertRaises(ValueError, parseKeyInfo, "text/plain", b"1")

    @given(st.sampled_from(KEYS), st.integers(1, 60_000))
    @settings(max_examples=50, deadline=None)
    def test_whatIsWrittenIsRead(self, digit: str, milliseconds: int) -> None:
        """Any key, any duration of a press."""
        body = keyInfoBody(digit, milliseconds / 1000)
        self.assertEqual(parseKeyInfo(DTMF_RELAY, body), KeyInfo(digit, milliseconds / 1000))

    def test_onlyKeysAreWritten(self) -> None:
        """ValueError for a character that is none."""
        for digit in ("", "E", "12", ","):
            self.assertRaises(ValueError, keyInfoBody, digit, 0.1)

    @given(st.sampled_from(KEY_BODIES), st.binary(max_size=40))
    @settings(max_examples=100, deadline=None)
    def test_anyBytesAreAKeyOrRefused(self, kind: str, body: bytes) -> None:
        """A key, a flash, or MalformedMessage."""
        try:
            key = parseKeyInfo(kind, body)
        except MalformedMessage:
            return
        self.assertTrue(key is None or key.digit in KEYS)

    def test_messagesOfRealDevices(self) -> None:
        """The INFO requests of the corpus that have a key."""
        count = 0
        for name, data, case in corpusCases("sip"):
            wanted = case.get("fields", {}).get("dtmf")
            if wanted is None or data is None:
                continue
            [part] = bodyParts(parse(data))
            key = parseKeyInfo(part.contentType, part.content)
            digit = wanted["digit"] if isinstance(wanted, dict) else wanted
            self.assertEqual(key.digit if key else None, digit, name)
            count += 1
        self.assertGreater(count, 0)
