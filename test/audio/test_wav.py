"""Headers of WAV and AU files: what is believed of them, what is refused in words."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.wav import (
    AudioFormat,
    BadHeader,
    Encoding,
    ReadAt,
    parseAu,
    parseWav,
    toMono16,
    wavHeader,
)
from test.support.wavfile import PCM, chunk, coded, extensible, fmt, riff, tone, wav

FMT = chunk(b"fmt ", fmt(PCM, 8000, 1, 16))
DATA = chunk(b"data", b"\1\0\2\0")


def readerOf(data: bytes) -> ReadAt:
    """What files are to the parsers; asserts that they never ask for what has gone by."""
    last = [0]

    def readAt(offset: int, size: int) -> bytes:
        assert offset >= last[0]
        assert 0 <= size < 100
        last[0] = offset
        return data[offset : offset + size]

    return readAt


class ParseWavTests(SynchronousTestCase):
    """The walk over chunks."""

    def refusal(self, data: bytes) -> str:
        return str(self.assertRaises(BadHeader, parseWav, readerOf(data)))

    def test_files_003_chunksAreWalkedByTheirSizes(self) -> None:
        """Unknown chunks before, between and behind are skipped, pad bytes are honoured."""
        short = chunk(b"fmt ", fmt(PCM, 8000, 1, 16) + b"\0\0")
        long = chunk(b"fmt ", extensible(PCM, 8000, 1, 16))
        for name, chunks in {
            "JUNK(28) fmt data": (chunk(b"JUNK", bytes(28)), FMT, DATA),
            "fmt LIST data": (FMT, chunk(b"LIST", b"INFOISFT"), DATA),
            "fmt(18, cbSize 0) data": (short, DATA),
            "fmt(40, extensible PCM) data": (long, DATA),
            "bext(odd) fmt data LIST": (
                chunk(b"bext", bytes(601)),
                FMT,
                DATA,
                chunk(b"LIST", b"x"),
            ),
        }.items():
            data = riff(*chunks)
            found = parseWav(readerOf(data))
            self.assertEqual(found[:4], (Encoding.PCM, 8000, 1, 2), name)
            self.assertEqual((data[found.dataStart :][:4], found.dataSize), (b"\1\0\2\0", 4), name)

    def test_files_003_aFileWithoutDataIsRefused(self) -> None:
        """The text says which chunk is missing."""
        self.assertIn("ends before its data chunk", self.refusal(riff(FMT)))
        self.assertIn("ends before its fmt chunk", self.refusal(riff()))
        self.assertIn("ends within its fmt chunk", self.refusal(riff(FMT)[:30]))

    def test_sizesThatARecorderNeverWroteMeanToTheEnd(self) -> None:
        """0 where the RIFF size knows no more either, and ffffffff, as a pipe's writer has it."""
        for riffSize, dataSize in ((0, 0), (36, 0), (0xFFFFFFFF, 0), (0xFFFFFFFF, 0xFFFFFFFF)):
            data = bytearray(riff(FMT, DATA))
            data[4:8], data[40:44] = struct.pack("<I", riffSize), struct.pack("<I", dataSize)
            self.assertIsNone(parseWav(readerOf(bytes(data))).dataSize)

    def test_noSamplesBeforeAnotherChunkAreNoSamples(self) -> None:
        """A size of 0 is true where the RIFF size says that something else follows."""
        data = riff(FMT, chunk(b"data", b""), chunk(b"LIST", bytes(100)))
        self.assertEqual(parseWav(readerOf(data)).dataSize, 0)

    def test_aHeaderThatMakesNoSenseIsRefused(self) -> None:
        """With the claim that makes none."""
        for tag, rate, channels, bits, words in (
            (PCM, 0, 1, 16, "claims 0 samples a second"),
            (PCM, 4_000_000, 1, 16, "claims 4000000 samples a second"),
            (PCM, 8000, 0, 16, "claims 0 channels"),
            (PCM, 8000, 65, 16, "claims 65 channels"),
            (PCM, 8000, 1, 0, "PCM samples of 0 bits"),
            (PCM, 8000, 1, 64, "PCM samples of 64 bits"),
            (3, 8000, 1, 16, "float samples of 16 bits"),
            (7, 8000, 1, 16, "mu-law samples of 16 bits"),
            (49, 8000, 1, 0, "coded as GSM 6.10 (tag 49)"),
            (0x1234, 8000, 1, 16, "an unknown kind (tag 4660)"),
        ):
            head = chunk(b"fmt ", fmt(tag, rate, channels, bits))
            self.assertIn(words, self.refusal(riff(head, DATA)))

    def test_whatIsNoRIFFIsRefused(self) -> None:
        """Big-endian RIFX, other bytes, sub-formats of others, fmt behind data."""
        self.assertIn("RIFX", self.refusal(b"RIFX" + riff(FMT, DATA)[4:]))
        self.assertIn("no WAV file", self.refusal(b"<html>"))
        self.assertIn("before the fmt chunk", self.refusal(riff(DATA, FMT)))
        other = chunk(b"fmt ", extensible(PCM, 8000, 1, 16)[:-1] + b"?")
        self.assertIn("unknown sub-format", self.refusal(riff(other, DATA)))

    def test_theWalkHasABound(self) -> None:
        """A file of nothing but empty chunks is given up."""
        self.assertIn("1000 chunks", self.refusal(riff(*[chunk(b"JUNK", b"")] * 3000)))

    def test_samplesInALargerBox(self) -> None:
        """24 bits in 32, as blockAlign tells: left-aligned."""
        head = struct.pack("<HHIIHH", PCM, 2, 48000, 384000, 8, 24)
        found = parseWav(readerOf(riff(chunk(b"fmt ", head), DATA)))
        self.assertEqual((found.width, found.frameBytes), (4, 8))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=60), st.integers(0, 44), st.binary(max_size=8))
    def test_anyBytesAreAFormatOrRefused(self, tail: bytes, at: int, patch: bytes) -> None:
        """Nothing else ever comes of a broken header, and no endless walk."""
        data = bytearray(wav(tone(1000, 0.001, 8000)) + tail)
        data[at : at + len(patch)] = patch
        for parse in (parseWav, parseAu):
            try:
                found = parse(readerOf(bytes(data)))
            except BadHeader:
                continue
            self.assertGreater(found.frameBytes, 0)
            toMono16(bytes(data[found.dataStart :]), found)


class ParseAuTests(SynchronousTestCase):
    """Sun's audio files."""

    def au(self, size: int, code: int, start: int = 24) -> bytes:
        return b".snd" + struct.pack(">IIIII", start, size, code, 16000, 2) + bytes(start - 24)

    def test_allCodingsAreKnown(self) -> None:
        """mu-law, 8 to 32 bits, float and double, A-law; the header may be longer."""
        for code, encoding, width in (
            (1, Encoding.ULAW, 1),
            (2, Encoding.PCM, 1),
            (3, Encoding.PCM, 2),
            (4, Encoding.PCM, 3),
            (5, Encoding.PCM, 4),
            (6, Encoding.FLOAT, 4),
            (7, Encoding.FLOAT, 8),
            (27, Encoding.ALAW, 1),
        ):
            found = parseAu(readerOf(self.au(100, code, 32)))
            self.assertEqual(found, AudioFormat(encoding, 16000, 2, width, 32, 100, True))

    def test_anUnknownSizeMeansToTheEnd(self) -> None:
        """ffffffff, as the format has it."""
        self.assertIsNone(parseAu(readerOf(self.au(0xFFFFFFFF, 1))).dataSize)

    def test_brokenHeadersAreRefused(self) -> None:
        """Short, its sound within itself, an unknown coding."""
        broken = (
            (self.au(1, 1)[:20], "ends within its header"),
            (b".snd" + bytes(20), "within its header"),
            (self.au(1, 23), "AU encoding 23"),
        )
        for data, words in broken:
            error = self.assertRaises(BadHeader, parseAu, readerOf(data))
            self.assertIn(words, str(error))


class ToMono16Tests(SynchronousTestCase):
    """Samples of all kinds, full scale kept."""

    def test_everyCodingGivesTheSameSamples(self) -> None:
        """Integers of 8 to 32 bits and floats, within the finest step that they have."""
        sound = tone(1000, 0.01, 8000)
        wanted = np.rint(32767 * sound)
        for tag, bits, step in (
            (1, 8, 256),
            (1, 16, 0),
            (1, 24, 1),
            (1, 32, 1),
            (3, 32, 1),
            (3, 64, 1),
        ):
            encoding = Encoding.FLOAT if tag == 3 else Encoding.PCM
            found = AudioFormat(encoding, 8000, 1, bits // 8)
            out = toMono16(coded(sound, tag, bits), found)
            self.assertEqual(out.dtype, np.int16)
            self.assertLessEqual(int(np.abs(out - wanted).max()), step, found)

    def test_bigEndianSamples(self) -> None:
        """AU: 8-bit samples are signed there."""
        for width, raw, wanted in (
            (1, b"\x80\x7f", [-32768, 32512]),
            (2, b"\x80\x00\x00\x01", [-32768, 1]),
            (3, b"\x80\x00\x00\x00\x01\x00", [-32768, 1]),
            (4, b"\x80\x00\x00\x00\x00\x01\x00\x00", [-32768, 1]),
        ):
            found = AudioFormat(Encoding.PCM, 8000, 1, width, bigEndian=True)
            self.assertEqual(toMono16(raw, found).tolist(), wanted)

    def test_channelsAreAveraged(self) -> None:
        """Any number of them; half a frame at the end is dropped."""
        raw = np.array([100, 300, -7, 8, 9], "<i2").tobytes()
        self.assertEqual(toMono16(raw, AudioFormat(Encoding.PCM, 8000, 2, 2)).tolist(), [200, 0])
        self.assertEqual(toMono16(raw, AudioFormat(Encoding.PCM, 8000, 5, 2)).tolist(), [82])

    def test_floatsBeyondFullScaleAreClipped(self) -> None:
        """As are infinities; what is no number is silence."""
        raw = np.array([2.0, -2.0, np.inf, -np.inf, np.nan, 1e300], "<f8").tobytes()
        out = toMono16(raw, AudioFormat(Encoding.FLOAT, 8000, 1, 8))
        self.assertEqual(out.tolist(), [32767, -32768, 32767, -32768, 0, 32767])


class WavHeaderTests(SynchronousTestCase):
    """Headers made here."""

    def test_files_002_theBytesPerSecondAreRight(self) -> None:
        """rate * blockAlign; mu-law has tag 7 and a fact chunk (RFC 2361)."""
        for channels, encoding, width, byteRate, blockAlign in (
            (1, Encoding.PCM, 2, 16000, 2),
            (2, Encoding.PCM, 2, 32000, 4),
            (1, Encoding.ULAW, 1, 8000, 1),
        ):
            head = wavHeader(800, 8000, channels, encoding, width)
            tag, _, _, gotRate, gotAlign, bits = struct.unpack_from("<HHIIHH", head, 20)
            self.assertEqual((gotRate, gotAlign, bits), (byteRate, blockAlign, 8 * width))
            self.assertEqual((tag, b"fact" in head), (7, True) if width == 1 else (1, False))
            self.assertEqual(int.from_bytes(head[4:8], "little"), len(head) - 8 + 800)

    def test_files_002_anOddLengthCountsItsPadByte(self) -> None:
        """In the RIFF size, not in the data size."""
        head = wavHeader(801, encoding=Encoding.ULAW, width=1)
        self.assertEqual(int.from_bytes(head[4:8], "little"), len(head) - 8 + 802)
        self.assertEqual(int.from_bytes(head[-4:], "little"), 801)

    def test_thePythonLibraryReadsIt(self) -> None:
        """A witness that is not of our own making."""
        with wave.open(io.BytesIO(wavHeader(6) + bytes(6))) as file:
            self.assertEqual(file.getparams()[:4], (1, 2, 8000, 3))

    def test_moreThanAHeaderCanSayIsToTheEnd(self) -> None:
        """Three days of 8 kHz are 4 GiB: the recording goes on, and can be read."""
        for size in ((1 << 32) - 36, 1 << 32, 1 << 40):
            for encoding, width in ((Encoding.PCM, 2), (Encoding.ULAW, 1)):
                header = wavHeader(size, encoding=encoding, width=width)
                found = parseWav(readerOf(header))
                self.assertIsNone(found.dataSize)
        found = parseWav(readerOf(wavHeader((1 << 32) - 38)))
        self.assertEqual(found.dataSize, (1 << 32) - 38)

    def test_whatIsWrittenIsRead(self) -> None:
        """All codings, through parseWav()."""
        for encoding, width in (
            (Encoding.PCM, 1),
            (Encoding.PCM, 3),
            (Encoding.FLOAT, 8),
            (Encoding.ULAW, 1),
            (Encoding.ALAW, 1),
        ):
            head = wavHeader(48, 16000, 3, encoding, width)
            wanted = AudioFormat(encoding, 16000, 3, width, len(head), 48)
            self.assertEqual(parseWav(readerOf(head + bytes(48))), wanted)
