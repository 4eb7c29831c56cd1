"""Sound files with broken headers: read as far as they go, or refused by name; never for long.

Lives here: mutated WAV and AU files. Not here: what good ones sound like (test.media), converters
(which other programs are; there is none in these tests), the corpus of files.
"""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from struct import pack

from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.wav import MAX_CHUNKS, MAX_HEAD, MIN_RATE
from shtoom.media import convert
from shtoom.media.files import AudioFileError, AudioReader, openReader
from test.fuzz.mutation import BYTES, cut, flipped, mutated, repeated, stuffed
from test.fuzz.seeds import onSeeds
from test.support.wavfile import ALAW, FLOAT, PCM, ULAW, chunk, coded, extensible, fmt, riff, tone

SOUND = tone(440, 0.05, 8000)
KINDS = ((PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64), (ALAW, 8), (ULAW, 8))
WORDS = (0, 1, 2, 3, 7, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF)
NAMES = (
    b"fmt ",
    b"data",
    b"LIST",
    b"JUNK",
    b"fact",
    b"RIFF",
    b"WAVE",
    b"\0\0\0\0",
    b"FMT ",
    b"dat",
)
SUFFIXES = (".wav", ".WAV", ".au", ".raw", ".ul", ".mp3", ".xyz", "")
A_RUN = 150  # files of one seed
SLACK = 1 << 16  # bytes that are read at once


class Counting(io.BytesIO):
    """A file that counts how often it is asked, and what it gives."""

    reads = given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As files do."""
        data = super().read(size)
        self.reads += 1
        self.given += len(data)
        return data


def wavOf(rng: Random) -> bytes:
    """A good WAV of some kind."""
    tag, bits = rng.choice(KINDS)
    channels = rng.choice((1, 1, 2, 6))
    rate = rng.choice((8000, 8000, 16000, 44100, 48000, 11025))
    make = extensible if rng.random() < 0.3 else fmt
    chunks = [
        chunk(b"fmt ", make(tag, rate, channels, bits)),
        chunk(b"data", coded(SOUND, tag, bits)),
    ]
    for _ in range(rng.choice((0, 0, 1, 2))):
        other = chunk(rng.choice(NAMES[2:5]), rng.randbytes(rng.randint(0, 40)))
        chunks.insert(rng.randint(0, len(chunks)), other)
    return riff(*chunks)


def auOf(rng: Random) -> bytes:
    """A good AU of some kind."""
    code = rng.choice((1, 2, 3, 4, 5, 6, 7, 27))
    size = rng.choice((400, 0xFFFFFFFF))
    return pack(">4sIIIII", b".snd", 28, size, code, 8000, 1) + bytes(4) + rng.randbytes(400)


def reworded(rng: Random, data: bytes) -> bytes:
    """A number of the header is another one: sizes, rates, channels, widths, codings."""
    at = rng.randrange(4, max(5, min(len(data), 64)), 2)
    word = rng.choice((*WORDS, rng.getrandbits(32)))
    form = rng.choice(("<I", ">I", "<H", ">H"))
    raw = pack(form, word & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    return data[:at] + raw + data[at + len(raw) :]


def rechunked(rng: Random, data: bytes) -> bytes:
    """One more chunk, of any name and with any size; or very many of them."""
    one = rng.choice(NAMES) + pack("<I", rng.choice((0, 0, 1, rng.randrange(100), *WORDS)))
    count = rng.choice((1, 1, 1, 3, MAX_CHUNKS, 4 * MAX_CHUNKS))
    return data[:12] + one * count + data[12:]


def wronged(rng: Random, data: bytes) -> bytes:
    """Something is wrong with the header, seldom with what comes behind it."""
    if rng.random() < 0.2:
        return mutated(rng, data, BYTES)
    head = mutated(rng, data[:80], (reworded, reworded, reworded, flipped, stuffed, repeated, cut))
    return rechunked(rng, head + data[80:]) if rng.random() < 0.3 else head + data[80:]


class HeaderTests(SynchronousTestCase):
    """Paths and open files."""

    def setUp(self) -> None:
        self.patch(convert, "WHEEL", "no_such_module")
        self.patch(convert, "PROGRAM", "no-such-program")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def samplesOf(self, reader: AudioReader, most: int) -> int:
        """Reads all as a call does, in pieces; how much there was."""
        with reader:
            count = 0
            while not reader.ended:
                piece = reader.readAt(8000, 0.5)
                self.assertLessEqual(len(piece), 8000)
                count += len(piece)
                self.assertLessEqual(count, most)
        return count

    @onSeeds(10)
    def test_brokenHeadersAreReadOrRefused(self, seed: int) -> None:
        """Samples, no more of them than the bytes can be, or an error that names the file. Nothing
        is read twice; the steps are as many as there are bytes to read and chunks to pass."""
        rng = Random(seed)
        played = refused = 0
        for number in range(A_RUN):
            data = wronged(rng, rng.choice((wavOf, wavOf, auOf))(rng))
            most = len(data) * 8000 // MIN_RATE + 8000
            file = Counting(data)
            path = self.folder / f"{number % 4}{rng.choice(SUFFIXES)}"
            path.write_bytes(data)
            for source, name in ((file, "Counting"), (path, str(path))):
                try:
                    self.samplesOf(openReader(source), most)
                    played += 1
                except AudioFileError as error:
                    refused += 1
                    self.assertIn(name, str(error), (seed, data[:100]))
                    self.assertTrue(error.what and error.remedy, (seed, data[:100]))
            self.assertTrue(file.closed)
            self.assertLessEqual(file.given, len(data))
            self.assertLessEqual(file.reads, len(data) + MAX_CHUNKS, (seed, data[:100]))
        self.assertGreater(min(played, refused), A_RUN / 10)
        self.assertEqual(self.flushWarnings(), [])

    def test_headersOfAnyLength(self) -> None:
        """Good files, cut off at each byte of their header: an error, or the little there is."""
        rng = Random(1)
        for whole in (*(wavOf(rng) for _ in range(8)), *(auOf(rng) for _ in range(3))):
            for end in range(min(120, len(whole))):
                path = self.folder / "cut.wav"
                path.write_bytes(whole[:end])
                try:
                    self.samplesOf(openReader(path), 8 * end + 8000)
                except AudioFileError as error:
                    self.assertIn("cut.wav", str(error))

    def test_aHugeFileWithoutSound(self) -> None:
        """Gigabytes that begin as a WAV does: no more is read than a header may take."""
        path = self.folder / "huge.wav"
        head = b"RIFF" + pack("<I", 0xFFFFFFFF) + b"WAVE"
        for size in (0xFFFFFFF0, MAX_HEAD - 64):
            with path.open("wb") as file:
                file.write(head + b"JUNK" + pack("<I", size))
                file.truncate(3 << 30)  # it takes no room: there is nothing in it
            error = self.assertRaises(AudioFileError, openReader, path)
            self.assertRegex(str(error), "huge.wav has its sound behind [0-9]+ bytes")
        path.unlink()
