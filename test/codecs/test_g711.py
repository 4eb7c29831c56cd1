"""G.711 against its own tables of decision values, all 65 536 samples of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom import codecs
from shtoom.codecs import ALAW_TO_ULAW, ULAW_TO_ALAW
from shtoom.codecs.g711 import PCMA, PCMU

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)


def decisionValues(steps: list[tuple[int, int]], unit: int) -> NDArray[np.int64]:
    """Column 3 of the tables of G.711: where one interval ends and the next begins.

    steps: how many intervals of which width, in the table's units. unit: one of them in 16 bits.
    """
    return np.cumsum([width for count, width in steps for _ in range(count)]) * unit


def byDecisionValues(decisions: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the interval of each of ALL_SAMPLES, negative ones mirrored at -1/2."""
    samples = ALL_SAMPLES.astype(np.int64)
    magnitudes = np.where(samples < 0, -1 - samples, samples)
    return np.minimum(np.searchsorted(decisions, magnitudes, side="right"), 127)


class G711Tests(SynchronousTestCase):
    """ITU-T G.711 tables 1 and 2."""

    def test_muLawFollowsTheDecisionValuesOfTable2(self) -> None:
        """One interval of 1 unit, 15 of 2, then 16 each of 4, 8 ... 256 (G.711 table 2)."""
        steps = [(1, 1), (15, 2), *((16, 2 << s) for s in range(1, 8))]
        number = byDecisionValues(decisionValues(steps, unit=4))
        wanted = np.where(ALL_SAMPLES < 0, 0x7F - number, 0xFF - number)
        encoded = np.frombuffer(codecs.find("PCMU").encode(ALL_SAMPLES), np.uint8)
        self.assertTrue(np.array_equal(encoded, wanted))

    def test_aLawFollowsTheDecisionValuesOfTable1(self) -> None:
        """32 intervals of 2 units, then 16 each of 4, 8 ... 128; even bits inverted (table 1)."""
        steps = [(32, 2), *((16, 4 << s) for s in range(6))]
        number = byDecisionValues(decisionValues(steps, unit=8))
        wanted = np.where(ALL_SAMPLES < 0, number, number + 128) ^ 0x55
        encoded = np.frombuffer(codecs.find("PCMA").encode(ALL_SAMPLES), np.uint8)
        self.assertTrue(np.array_equal(encoded, wanted))

    def test_aCodeDecodesToTheMiddleOfItsInterval(self) -> None:
        """Column 7 of the tables: y = (x n + x n+1) / 2; mu-law's first is 0."""
        for name, steps, unit in (
            ("PCMU", [(1, 1), (15, 2), *((16, 2 << s) for s in range(1, 8))], 4),
            ("PCMA", [(32, 2), *((16, 4 << s) for s in range(6))], 8),
        ):
            upper = decisionValues(steps, unit)
            lower = np.concatenate(([0], upper[:-1]))
            middle = (lower + upper) // 2
            if name == "PCMU":
                middle[0] = 0
                codes = 0xFF - np.arange(128)
            else:
                codes = (np.arange(128) + 128) ^ 0x55
            codec = codecs.find(name)
            decoded = codec.decode(bytes(codes.astype(np.uint8)))
            self.assertEqual(decoded.tolist(), middle.tolist(), name)
            negative = codec.decode(bytes((codes ^ 0x80).astype(np.uint8)))
            self.assertEqual(negative.tolist(), (-middle).tolist(), name)

    def test_wellKnownValues(self) -> None:
        """Silence and both ends of the scale have the codes that all of telephony knows."""
        ends = np.array([0, 32767, -32768], np.int16)
        self.assertEqual(codecs.find("PCMU").encode(ends), b"\xff\x80\x00")
        self.assertEqual(codecs.find("PCMA").encode(ends), b"\xd5\xaa\x2a")
        self.assertEqual(codecs.find("PCMU").decode(b"\x80\x00").tolist(), [32124, -32124])
        self.assertEqual(codecs.find("PCMA").decode(b"\xaa\x2a").tolist(), [32256, -32256])

    def test_decodedAndEncodedAgainIsTheSameCode(self) -> None:
        """All 256 codes of A-law, all of mu-law but 0x7F: its minus zero comes back as zero."""
        for name, wanted in (
            ("PCMA", ALL_CODES),
            ("PCMU", ALL_CODES[:0x7F] + b"\xff" + ALL_CODES[0x80:]),
        ):
            codec = codecs.find(name)
            self.assertEqual(codec.encode(codec.decode(ALL_CODES)), wanted, name)

    def test_aBatchIsTheSameAsItsLegs(self) -> None:
        """Hundred legs in one look-up, into arrays that are used again each tick."""
        pcm = ALL_SAMPLES[:16000].reshape(100, 160)
        for codec in (PCMU, PCMA):
            codes = np.frombuffer(codec.encode(pcm.ravel()), np.uint8).reshape(100, 160)
            decoded = np.empty((100, 160), np.int16)
            self.assertIs(codec.decodeBatch(codes, decoded), decoded)
            self.assertTrue(np.array_equal(decoded[7], codec.decode(codes[7].tobytes())))

    def test_oneLawToTheOtherWithoutPCM(self) -> None:
        """translate() gives what decoding and encoding gives."""
        ulaw, alaw = codecs.find("PCMU"), codecs.find("PCMA")
        payload = ulaw.encode(ALL_SAMPLES[::7])
        self.assertEqual(payload.translate(ULAW_TO_ALAW), alaw.encode(ulaw.decode(payload)))
        back = payload.translate(ULAW_TO_ALAW)
        self.assertEqual(back.translate(ALAW_TO_ULAW), ulaw.encode(alaw.decode(back)))


class RegistryTests(SynchronousTestCase):
    """Finding a codec."""

    def test_namesAreFoundInAnyCase(self) -> None:
        """Encoding names are case-insensitive (RFC 4855 3)."""
        self.assertIs(codecs.find("pcmu"), codecs.find("PCMU"))
        self.assertEqual(codecs.names()[:2], ("PCMU", "PCMA"))

    def test_anUnknownNameIsToldWithThoseThatThereAre(self) -> None:
        """The error names the culprit and the choice."""
        error = self.assertRaises(LookupError, codecs.find, "G729")
        self.assertIn("'G729'", str(error))
        self.assertIn("PCMU, PCMA", str(error))

    def test_silenceIsOneFrame(self) -> None:
        """20 ms that decode to zeros, or to the value nearest to it."""
        for name in codecs.names():
            codec = codecs.find(name)
            decoded = codec.decode(codec.silence)
            self.assertEqual(len(decoded), codec.frameSamples)
            self.assertEqual((codec.frameSamples, len(codec.silence)), (codec.rate // 50, 160))
            self.assertLessEqual(int(np.abs(decoded).max()), 8)
