"""Reading sound files: formats, rates, header lies, open files, errors in words."""

from __future__ import annotations

import io
import os
import shutil
import tracemalloc
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.wav import MAX_HEAD
from shtoom.media import convert
from shtoom.media.files import AudioFileError, openReader
from shtoom.media.sniff import formatOf
from test.support import corpusCases, corpusRoot
from test.support.wavfile import FLOAT, PCM, ULAW, chunk, fmt, level, riff, strongest, tone, wav


def readAll(source: Any) -> NDArray[np.int16]:
    """A whole file at 8 kHz, as a prompt is read."""
    with openReader(source) as reader:
        return reader.readAt(8000)


def withoutConverter(test: SynchronousTestCase) -> None:
    """In this test there is none."""
    test.patch(convert, "WHEEL", "no_such_module")
    test.patch(convert, "PROGRAM", "no-such-program")


class Folder(SynchronousTestCase):
    """A folder to put files into."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def put(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def refusal(self, source: Any) -> AudioFileError:
        error: AudioFileError = self.assertRaises(AudioFileError, openReader, source)
        self.assertTrue(error.what)
        self.assertTrue(error.remedy)
        return error


class FormatTests(Folder):
    """Which file is what, and what it sounds like; without a converter (test_convert.py)."""

    def setUp(self) -> None:
        super().setUp()
        withoutConverter(self)

    def test_files_004_pitchLengthAndLevelAreRight(self) -> None:
        """440 Hz, 3.00 s, whatever the rate, width and number of channels; no offset."""
        stereo = np.stack([tone(440, 3, 44100)] * 2, axis=1)
        for name, data in {
            "44.1 kHz 16-bit stereo": wav(stereo, 44100),
            "48 kHz 24-bit mono": wav(tone(440, 3, 48000), 48000, PCM, 24),
            "8 kHz 8-bit unsigned": wav(tone(440, 3, 8000), 8000, PCM, 8),
            "8 kHz mu-law": wav(tone(440, 3, 8000), 8000, ULAW, 8),
            "16 kHz float32": wav(tone(440, 3, 16000), 16000, FLOAT, 32),
        }.items():
            path = self.put("tone.wav", data)
            with openReader(path) as reader:
                self.assertApproximates(reader.duration, 3.0, 0.001, name)
                out = reader.readAt(8000)
            self.assertApproximates(len(out), 24000, 160, name)
            self.assertApproximates(strongest(out), 440, 1, name)
            self.assertApproximates(level(out), 0.5, 0.01, name)
            self.assertLess(abs(float(out[:23999].mean())), 32, name)

    def test_files_004_nothingAbove4kHzFoldsBack(self) -> None:
        """A sweep to 20 kHz at 48 kHz: silence from 4 kHz on."""
        time = np.arange(2 * 48000) / 48000
        sweep = 0.9 * np.sin(2 * np.pi * (4010 * time + 4000 * time**2))
        out = readAll(self.put("sweep.wav", wav(sweep, 48000)))
        self.assertLess(20 * np.log10(float(np.abs(out[40:-40]).max()) / (0.9 * 32767)), -40)

    def test_files_003_noByteOfAnotherChunkIsHeard(self) -> None:
        """Chunks around the sound, of odd length too, and one of megabytes before it."""
        sound = wav(tone(1000, 0.1, 8000))[44:]
        noise = b"\x7f\x80" * 500
        head = chunk(b"fmt ", fmt(PCM, 8000, 1, 16))
        data = riff(
            chunk(b"bext", noise + b"x"),
            head,
            chunk(b"JUNK", noise * 4000),
            chunk(b"data", sound),
            chunk(b"LIST", noise),
        )
        for source in (self.put("chunks.wav", data), io.BytesIO(data)):
            self.assertEqual(readAll(source).astype("<i2").tobytes(), sound)

    def test_files_003_aFileWithoutSoundIsRefusedByName(self) -> None:
        """fmt but no data; MP3 bytes in a .wav; each with the file's name and a way out."""
        empty = self.put("no data.wav", riff(chunk(b"fmt ", fmt(PCM, 8000, 1, 16))))
        error = self.refusal(empty)
        self.assertIn("no data.wav ends before its data chunk", str(error))
        self.assertIn(f"ffmpeg -i '{empty}' -ar 8000", str(error))
        frame = b"\xff\xfb\x90\x00" + bytes(413)
        error = self.refusal(self.put("song.wav", frame * 5))
        self.assertIn("song.wav is MP3", str(error))

    def test_aBrokenHeaderIsNotFollowedForEver(self) -> None:
        """Chunks that claim gigabytes, in a file without end: a bounded part of it is read."""
        for head in (
            b"RIFF\xff\xff\xff\xffWAVEJUNK\xff\xff\xff\x7f",
            b"RIFF\xff\xff\xff\xffWAVE" + b"JUNK\0\0\0\1" * 2,
            b".snd\x7f\xff\xff\xff" + b"\xff" * 16,
        ):
            endless = Endless(head)
            error = self.refusal(endless)
            self.assertRegex(error.what, "has its sound (at|behind)|chunks and no data")
            self.assertLess(endless.given, MAX_HEAD + (1 << 20), head)
            self.assertTrue(endless.closed)

    def test_samplesWithoutHeaderGoByTheirSuffix(self) -> None:
        """.raw and .sln are 8 kHz 16-bit, .ul and .al G.711; any first bytes are samples."""
        pcm = wav(tone(700, 0.2, 8000))[44:]
        for suffix, data in {
            ".raw": pcm,
            ".SLN": b"ID3\0" + pcm,
            ".ul": wav(tone(700, 0.2, 8000), 8000, ULAW, 8)[44:],
            ".al": wav(tone(700, 0.2, 8000), 8000, 6, 8)[44:],
        }.items():
            out = readAll(self.put("sound" + suffix, data))
            self.assertApproximates(strongest(out), 700, 2, suffix)
            self.assertApproximates(len(out), 1600, 2, suffix)

    def test_theFirstBytesWinOverTheName(self) -> None:
        """A WAV is a WAV, whatever it is called."""
        data = wav(tone(700, 0.2, 8000))
        for name in ("a.raw", "a.mp3", "a.ul", "noname"):
            self.assertEqual(len(readAll(self.put(name, data))), 1600)

    def test_aFileOfUnknownKindIsRefused(self) -> None:
        """By what it begins with; an empty one is called empty."""
        error = self.refusal(self.put("page.mp3", b"<html>Not found"))
        self.assertIn("begins with b'<html>Not fo'", str(error))
        self.assertIn("is empty", str(self.refusal(self.put("empty.wav", b""))))
        self.assertIn("is GSM 6.10", str(self.refusal(self.put("a.gsm", b"\xd4\x7c"))))
        self.assertEqual(len(readAll(self.put("empty.raw", b""))), 0)

    def test_whatCannotBeOpenedIsToldInTheSystemsWords(self) -> None:
        """Missing, a folder, a pipe that would block for ever, a name with NUL, no rights."""
        missing = self.refusal(self.folder / "missing.wav")
        self.assertIn("missing.wav cannot be opened (No such file or directory)", str(missing))
        self.assertIn("is a folder", str(self.refusal(self.folder)))
        os.mkfifo(self.folder / "pipe.wav")
        self.assertIn("is not a plain file", str(self.refusal(str(self.folder / "pipe.wav"))))
        self.assertIn("null", str(self.refusal("a\0b.wav")))
        if os.geteuid():
            self.put("secret.wav", b"").chmod(0)
            secret = self.refusal(self.folder / "secret.wav")
            self.assertIn("Permission denied", str(secret))


class ReadingTests(Folder):
    """Piece by piece, to the end and not beyond."""

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.floats(0, 0.3), max_size=10), st.sampled_from([8000, 11025, 48000]))
    def test_piecesAreTheWhole(self, pieces: list[float], rate: int) -> None:
        """Whatever the sizes asked for, the samples are those of one reading."""
        data = wav(tone(1000, 0.5, rate), rate)
        whole = readAll(io.BytesIO(data))
        with openReader(io.BytesIO(data)) as reader:
            got = [reader.readAt(8000, seconds) for seconds in pieces]
            got.append(reader.readAt(8000))
            self.assertTrue(reader.ended)
            self.assertEqual(len(reader.readAt(8000)), 0)
        self.assertTrue(np.array_equal(np.concatenate(got), whole))

    def test_readGivesTheFilesOwnRate(self) -> None:
        """So many seconds of it, less at the end, then nothing."""
        with openReader(self.put("a.wav", wav(tone(1000, 0.25, 16000), 16000))) as reader:
            self.assertEqual(reader.rate, 16000)
            lengths = [len(reader.read(0.1)) for _ in range(4)]
        self.assertEqual(lengths, [1600, 1600, 800, 0])

    def test_anHourBeginsAtOnce(self) -> None:
        """A sparse file of 115 MB: its length by the header, its first second without the rest."""
        path = self.put("hour.wav", wav(tone(1000, 1, 16000), 16000))
        with path.open("r+b") as file:
            file.truncate(44 + 3600 * 32000)
            file.seek(4)
            file.write((36 + 3600 * 32000).to_bytes(4, "little"))
            file.seek(40)
            file.write((3600 * 32000).to_bytes(4, "little"))
        with openReader(path) as reader:
            self.assertEqual(reader.duration, 3600.0)
            self.assertApproximates(strongest(reader.readAt(8000, 1.0)), 1000, 2)

    def test_manyChannelsAreReadInSmallerPieces(self) -> None:
        """64 channels of doubles at 384 kHz, 200 MB a second: no more than some MB at a time."""
        head = chunk(b"fmt ", fmt(FLOAT, 384_000, 64, 64))
        path = self.put("wide.wav", riff(head, chunk(b"data", b"")))
        with path.open("r+b") as file:
            file.truncate(44 + 384_000 * 512 // 20)
            file.seek(40)
            file.write(b"\xff" * 4)
        tracemalloc.start()
        try:
            self.assertEqual(len(readAll(path)), 400)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertLess(peak, 8 << 20)

    def test_aRateMayNotChangeOnTheWay(self) -> None:
        """The error names both."""
        with openReader(io.BytesIO(wav(tone(1000, 0.5, 8000)))) as reader:
            reader.readAt(8000, 0.1)
            error = self.assertRaises(ValueError, reader.readAt, 16000)
        self.assertIn("8000 Hz so far, now 16000", str(error))


class Trickle(io.RawIOBase):
    """An open file that gives a few bytes at a time and has nothing but read and close."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self.closings = 0

    def read(self, size: int = -1) -> bytes:
        piece, self._data = self._data[: min(7, size)], self._data[min(7, size) :]
        return piece

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation("seek")

    def close(self) -> None:
        self.closings += 1


class Endless(io.RawIOBase):
    """Begins as it should and then gives zeroes without end. given: bytes."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self._head, self.given = head, 0

    def read(self, size: int = -1) -> bytes:
        piece, self._head = self._head[:size].ljust(size, b"\0"), self._head[size:]
        self.given += size
        return piece


class OpenFileTests(Folder):
    """Binary file-likes."""

    def test_anOpenFileNeedsOnlyReadAndClose(self) -> None:
        """WAV and AU by their first bytes, else 8 kHz 16-bit PCM; closed once."""
        sound = wav(tone(1000, 0.1, 8000))
        au = b".snd" + b"".join(n.to_bytes(4, "big") for n in (24, 0xFFFFFFFF, 3, 8000, 1))
        big = np.frombuffer(sound[44:], "<i2").astype(">i2").tobytes()
        for data in (sound, sound[44:], au + big):
            file = Trickle(data)
            reader = openReader(file)
            self.assertEqual(reader.readAt(8000).astype("<i2").tobytes(), sound[44:])
            reader.close()
            reader.close()
            self.assertEqual(file.closings, 1)

    def test_anOpenFileOfUnknownLengthSaysSo(self) -> None:
        """duration is None; a WAV's header tells it."""
        with openReader(Trickle(bytes(320))) as reader:
            self.assertIsNone(reader.duration)
        with openReader(Trickle(wav(tone(1000, 0.5, 8000)))) as reader:
            self.assertEqual(reader.duration, 0.5)

    def test_theNameOfAnOpenFileHelpsWhereItsBytesSayNothing(self) -> None:
        """u-law is u-law; what should begin with a mark and does not is refused, not noise."""
        self.put("a.ul", wav(tone(700, 0.2, 8000), 8000, ULAW, 8)[44:])
        with (self.folder / "a.ul").open("rb") as file:
            self.assertApproximates(strongest(readAll(file)), 700, 2)
        page = self.put("page.mp3", b"<html>Not found</html>")
        with page.open("rb") as file:
            self.assertIn(f"{page} begins with b'<html>Not fo'", str(self.refusal(file)))
        with self.put("empty.wav", b"").open("rb") as file:
            self.assertIn("is empty", str(self.refusal(file)))
        with self.put("noname", bytes(320)).open("rb") as file:
            self.assertEqual(len(readAll(file)), 160)

    def test_anOpenFileWithoutANameIsCalledByItsClass(self) -> None:
        """Opened by its descriptor, its name is a number."""
        path = self.put("a.wav", wav(tone(700, 0.2, 8000)))
        with openReader(os.fdopen(os.open(path, os.O_RDONLY), "rb")) as reader:
            self.assertEqual(reader.name, "a BufferedReader")
            self.assertEqual(len(reader.readAt(8000)), 1600)

    def test_aRefusedFileIsClosed(self) -> None:
        """Compressed or broken: the file does not stay open."""
        withoutConverter(self)
        file = Trickle(b"OggS" + bytes(100))
        self.assertIn("a Trickle is Ogg", str(self.refusal(file)))
        self.assertEqual(file.closings, 1)

    def test_aFileThatRaisesIsAnErrorWithItsWords(self) -> None:
        """Whatever it raises, and whatever it gives that is no bytes."""

        class Broken:
            name = "line 7"

            def read(self, size: int) -> bytes:
                raise RuntimeError("hung up")

            def close(self) -> None:
                pass

        self.assertIn("line 7 cannot be read (RuntimeError: hung up)", str(self.refusal(Broken())))
        text: Any = io.StringIO("text")
        self.assertIn("gives str where bytes are wanted", str(self.refusal(text)))


class SniffTests(SynchronousTestCase):
    """First bytes."""

    def test_formatsAreKnownByTheirMarks(self) -> None:
        """Those that are read, and the others by name."""
        for head, name in (
            (b"RIFF\0\0\0\0WAVE", "WAV"),
            (b"RIFF\0\0\0\0AVI ", None),
            (b".snd", "AU"),
            (b"OggS", "Ogg"),
            (b"fLaC", "FLAC"),
            (b"ID3\4", "MP3"),
            (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
            (b"", None),
        ):
            self.assertEqual(formatOf(head), name, head)

    def test_MP3IsKnownByTwoFramesInARow(self) -> None:
        """One header alone may be two samples of PCM; MPEG-1 and MPEG-2 lengths."""
        for head, length in ((b"\xff\xfb\x90\x00", 417), (b"\xff\xf3\x82\x00", 209)):
            frame = head + bytes(length - 4)
            self.assertEqual(formatOf(frame * 2), "MP3")
            self.assertIsNone(formatOf(frame + bytes(400)))


class CorpusTests(SynchronousTestCase):
    """Prompts in every format, good and broken."""

    def test_eachFilePlaysOrIsRefusedAsItShould(self) -> None:
        """Length within its tolerance, the right sound, refusals with name and reason."""
        played, refused = self.readCorpus()
        self.assertGreater(played, 45)
        self.assertGreater(refused, 10)

    def test_withoutAConverterTheCompressedAreRefused(self) -> None:
        """With what to install; all others are read as ever."""
        withoutConverter(self)
        played, refused = self.readCorpus()
        self.assertGreater(played, 45)
        self.assertGreater(refused, 17)

    def readCorpus(self) -> tuple[int, int]:
        """How many were played and refused, each as it should be."""
        folder = Path(self.mktemp())
        folder.mkdir()
        played = refused = 0
        for name, _, case in corpusCases("audio"):
            path = corpusRoot() / "audio" / (case["file"] or case["path"])
            if "copy_as" in case:
                path = Path(shutil.copy(path, folder / case["copy_as"]))
            expect = case["expect"]
            try:
                out = readAll(path)
            except AudioFileError as error:
                refused += 1
                self.assertIn(str(path), str(error))
                self.assertTrue(error.what and error.remedy, name)
                self.assertIn(expect["action"], self.mayBeRefused(case), name)
                if "needs" in case:
                    self.assertIn("ffmpeg", error.remedy, name)
                continue
            played += 1
            self.assertNotEqual(expect["action"], "fail", name)
            if "duration" in expect:  # else it may be refused as well
                self.assertApproximates(
                    len(out) / 8000, expect["duration"], expect["tolerance"], name
                )
            self.assertSounds(out, expect.get("content"), name)
        return played, refused

    def mayBeRefused(self, case: dict[str, Any]) -> tuple[str, ...]:
        """What may be expected of a case that was refused: "play" if nothing converts it here."""
        ffmpeg, wheel = which(convert.PROGRAM), find_spec(convert.WHEEL)
        itself = "needs" not in case
        there = ffmpeg or (wheel and not str(case["file"]).endswith(".m4a"))
        return ("fail", "play-or-fail") if itself or there else ("fail", "play-or-fail", "play")

    def assertSounds(self, out: NDArray[np.int16], content: str | None, name: str) -> None:
        """As expect.json says."""
        match content:
            case "tone-1000":
                self.assertApproximates(strongest(out), 1000, 15, name)
                self.assertGreater(level(out), 0.05, name)
            case "speech":
                self.assertGreater(level(out), 0.05, name)
            case "nothing":
                self.assertEqual(len(out), 0, name)
            case "silence-or-tone":
                tonal = level(out) > 0 and abs(strongest(out) - 1000) < 15
                self.assertTrue(level(out) < 0.001 or tonal, name)
