"""Compressed sound, by what others made: a wheel, a program, here one of the tests' own."""

from __future__ import annotations

import io
import os
import stat
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from threading import Barrier, Thread
from typing import BinaryIO, ClassVar

import numpy as np
from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from shtoom.media import convert, converted, files
from shtoom.media.convert import ConversionFailed, fromWav, missing, toWav
from shtoom.media.converted import Converted
from shtoom.media.files import AudioFileError, openReader
from shtoom.media.recording import Recording, RecordingFailed
from test.support.wavfile import chunk, fmt, level, riff, strongest

NONE = "no_such_module"
PCM = sine(440, 0.5, 0.3).astype("<i2").tobytes()
WAV = wavHeader(len(PCM)) + PCM
MARK = b"ID3"  # what makes an MP3 of a WAV here

PROGRAM = f"""#!{sys.executable}
import sys, time
source = sys.argv[sys.argv.index("-i") + 1].removeprefix("file:")
dest = sys.argv[-1].removeprefix("file:")
data = open(source, "rb").read()
if b"broken" in data:
    sys.exit("header missing\\nInvalid data found")
if b"slow" in data:
    time.sleep(600)
if b"bomb" in data:
    data = bytes(1 << 20)
if b"GSM" in data:
    data = {MARK + WAV!r}
mark = {MARK!r}
open(dest, "wb").write(data[3:] if data.startswith(mark) else mark + data)
"""


class InThreads(SynchronousTestCase):
    """A folder, and recordings into it."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def put(self, name: str, data: bytes) -> str:
        """A file; its path."""
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def record(self, path: str) -> list[RecordingFailed]:
        """Half a second; its failures."""
        failures: list[RecordingFailed] = []
        recording = Recording(path, self.inThread, failures.append)
        recording.write(PCM)
        self.successResultOf(recording.close())
        return failures

    def inThread(self, f: object, *args: object) -> Deferred[object]:
        """At once."""
        return execute(f, *args)  # type: ignore[arg-type]


class ProgramTestCase(InThreads):
    """With that program as ffmpeg, no other in the path, and no wheel."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(convert, "WHEEL", NONE)
        self.patch(convert, "WRAPPER", NONE)
        (self.folder / "bin").mkdir()
        self.program = self.folder / "bin" / "ffmpeg"
        self.program.write_text(PROGRAM)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        before = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", before)
        os.environ["PATH"] = str(self.folder / "bin")


class ReadTests(ProgramTestCase):
    """openReader() of what Doug does not read itself."""

    def test_aFileIsConverted(self) -> None:
        """By its first bytes, from a path or an open file; nothing is left of it on the disk."""
        path = self.put("song.mp3", MARK + WAV)
        for source in (path, io.BytesIO(MARK + WAV)):
            with openReader(source) as reader:
                self.assertEqual(reader.read().astype("<i2").tobytes(), PCM)
        with toWav(path, "MP3") as wav:
            self.assertFalse(Path(str(wav.name)).exists())

    def test_whatTheProgramSaysIsTheReason(self) -> None:
        """The last line of it, with the file's name and a way out; an open file is closed."""
        file = io.BytesIO(MARK + b"broken")
        error = self.assertRaises(AudioFileError, openReader, file)
        self.assertIn("is MP3 that cannot be converted (Invalid data found)", str(error))
        self.assertTrue(file.closed)

    def test_withoutTheProgramItIsNamed(self) -> None:
        """And how to get it."""
        self.program.unlink()
        error = self.assertRaises(AudioFileError, openReader, self.put("a.mp3", MARK + WAV))
        self.assertIn("a.mp3 is MP3, which nothing here converts: install ffmpeg", str(error))
        self.assertIn("pip install '.[formats]'", str(error))
        self.assertIn("ffmpeg", str(missing("MPEG-4")))
        self.assertNotIn(".[formats]", str(missing("MPEG-4")))
        self.assertRaises(ConversionFailed, toWav, "a.mp3", "MP3")

    def test_oneThatHangsIsEnded(self) -> None:
        """With all that it has started."""
        self.patch(convert, "SECONDS", 0.5)
        error = self.assertRaises(ConversionFailed, toWav, self.put("a.mp3", MARK + b"slow"), "MP3")
        self.assertIn("more than 0.5 s", str(error))

    def test_oneThatWritesTooMuchIsEnded(self) -> None:
        """A few bytes may be days of sound: the disk is not filled with them."""
        self.patch(convert, "LARGEST", 1 << 16)
        error = self.assertRaises(ConversionFailed, toWav, self.put("a.mp3", MARK + b"bomb"), "MP3")
        self.assertIn("File too large", str(error))

    def test_oneThatMakesNoWavIsNotAskedAgain(self) -> None:
        """Else it would go round for ever."""
        error = self.assertRaises(AudioFileError, openReader, io.BytesIO(MARK + MARK + WAV))
        self.assertIn("of which the converter made MP3", str(error))

    def test_oneThatIsTooLargeIsNotBegun(self) -> None:
        """It is not cut: who listens would not know why the song ends."""
        self.patch(files, "LARGEST", 1000)
        error = self.assertRaises(AudioFileError, openReader, io.BytesIO(MARK + WAV))
        self.assertIn("is MP3 that cannot be converted (it is larger than", str(error))

    def test_aWavOfAnotherCodingIsConverted(self) -> None:
        """Its header is good, its samples are GSM 6.10; not one of a kind that nobody knows."""
        data = riff(chunk(b"fmt ", fmt(49, 8000, 1, 0)), chunk(b"data", b"GSM"))
        for source in (self.put("a.wav", data), io.BytesIO(data)):
            with openReader(source) as reader:
                self.assertEqual(reader.read().astype("<i2").tobytes(), PCM)
        unknown = riff(chunk(b"fmt ", fmt(0x1234, 8000, 1, 0)), chunk(b"data", b"???"))
        self.assertRaises(AudioFileError, openReader, io.BytesIO(unknown))


class WriteTests(ProgramTestCase):
    """Recording to a suffix of COMPRESSED."""

    def test_itIsConvertedWhenItIsClosed(self) -> None:
        """A WAV beside it until then; an older file is replaced."""
        path = self.put("r.mp3", b"old")
        self.assertEqual(self.record(path), [])
        self.assertEqual(Path(path).read_bytes(), MARK + WAV)
        self.assertEqual(sorted(os.listdir(self.folder)), ["bin", "r.mp3"])

    def test_whatCannotBeConvertedIsKept(self) -> None:
        """As the WAV; the reason names it, the older file is as it was."""
        path = self.put("r.mp3", b"old")
        self.program.write_text(f"#!{sys.executable}\nraise SystemExit('no encoder')\n")
        (failure,) = self.record(path)
        self.assertTrue(failure.opened)
        self.assertIn(f"it cannot be converted (no encoder): see {path}.wav", failure.reason)
        with openReader(f"{path}.wav") as reader:
            self.assertTrue(np.array_equal(reader.read(), np.frombuffer(PCM, "<i2")))
        self.assertEqual(Path(path).read_bytes(), b"old")
        self.assertRaises(ConversionFailed, fromWav, f"{path}.wav", path)

    def test_withoutTheProgramItIsNotBegun(self) -> None:
        """The reason says what is missing; no file is made."""
        self.program.unlink()
        (failure,) = self.record(str(self.folder / "r.ogg"))
        self.assertFalse(failure.opened)
        self.assertIn("nothing here makes a .ogg file: install ffmpeg", failure.reason)
        self.assertEqual(os.listdir(self.folder), ["bin"])


class RealTests(InThreads):
    """What is installed, to mp3 and the like and back; without it, skipped."""

    WAYS: ClassVar = {
        "soundfile": (".mp3", ".ogg", ".flac"),
        "pydub": (".m4a",),
        "ffmpeg": (".m4a",),
    }

    def goThere(self, way: str) -> None:
        """A recording to each kind, by this way alone, is a tone of the right length."""
        names = {"WHEEL": "soundfile", "WRAPPER": "pydub", "PROGRAM": "ffmpeg"}
        if way != "soundfile" and which("ffmpeg") is None:
            self.skipTest("ffmpeg is not installed")
        if way != "ffmpeg" and find_spec(way) is None:
            self.skipTest(f"{way} is not installed")
        for constant, name in names.items():
            if name not in (way, "ffmpeg" if way == "pydub" else way):
                self.patch(convert, constant, NONE)
        for suffix in self.WAYS[way]:
            path = str(self.folder / f"r{suffix}")
            self.assertEqual(self.record(path), [])
            with openReader(path) as reader:
                heard = reader.readAt(8000)
            self.assertApproximates(len(heard) / 8000, 0.5, 0.15, suffix)
            self.assertApproximates(strongest(heard), 440, 5, suffix)
            self.assertApproximates(level(heard), 0.3, 0.1, suffix)

    def test_soundfile(self) -> None:
        """Needs no program."""
        self.goThere("soundfile")

    def test_pydub(self) -> None:
        """With ffmpeg behind it."""
        self.goThere("pydub")

    def test_ffmpegAlone(self) -> None:
        """Where pydub is not, or fails."""
        self.goThere("ffmpeg")

    def test_whatIsNoSoundIsRefusedByAll(self) -> None:
        """In words, with the file's name."""
        path = self.put("noise.ogg", b"OggS" + bytes(range(256)) * 40)
        error = self.assertRaises(AudioFileError, openReader, path)
        self.assertIn(path, str(error))
        self.assertRegex(error.what, r"\(.{4,}\)|nothing here converts")


class OnceTests(ProgramTestCase):
    """What was converted is kept."""

    def setUp(self) -> None:
        super().setUp()
        self.kept = Converted()
        self.addCleanup(self.kept.clear)
        self.path = self.put("song.mp3", MARK + WAV)
        self.calls = 0

    def made(self) -> BinaryIO:
        """A WAV; counted."""
        self.calls += 1
        return Path(self.put("made", WAV)).open("rb", buffering=0)

    def read(self, path: str | None = None) -> bytes:
        """A reader's sound."""
        with openReader(path or self.path, self.kept) as reader:
            return bytes(reader.read().astype("<i2").tobytes())

    def test_itIsMadeOnce(self) -> None:
        """Each reader has a place of its own; nothing converts any more."""
        self.assertEqual(self.read(), PCM)
        self.program.unlink()
        with openReader(self.path, self.kept) as one, openReader(self.path, self.kept) as other:
            self.assertEqual(len(one.read(0.1)), 800)
            self.assertEqual(other.read().astype("<i2").tobytes(), PCM)
            self.assertEqual(len(one.read()), len(PCM) // 2 - 800)

    def test_anotherFileOfThatNameIsAnother(self) -> None:
        """By its time, size and inode; a failure is not kept."""
        self.assertEqual(self.read(), PCM)
        self.put("song.mp3", MARK + b"broken")
        self.assertRaises(AudioFileError, self.read)
        half = wavHeader(len(PCM) // 2) + PCM[: len(PCM) // 2]
        self.put("song.mp3", MARK + half)
        self.assertEqual(self.read(), PCM[: len(PCM) // 2])

    def test_thereIsRoomForSome(self) -> None:
        """The oldest goes, whoever reads it reads on; none is left after clear()."""
        self.patch(converted, "MOST", 2)
        first = self.kept.open("first", self.made)
        for key in ("second", "third"):
            self.kept.open(key, self.made).close()
        self.assertEqual(first.read(), WAV)
        first.close()
        self.calls = 0
        for key in ("third", "second", "first"):
            self.kept.open(key, self.made).close()
        self.assertEqual(self.calls, 1)
        self.kept.clear()
        self.kept.open("first", self.made).close()
        self.assertEqual(self.calls, 2)

    def test_manyAtOnceWaitForOne(self) -> None:
        """A hundred callers of one long song: it is made once."""
        go = Barrier(8)

        def ask() -> None:
            go.wait(30)
            self.kept.open("song", self.made).close()

        threads = [Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(self.calls, 1)
