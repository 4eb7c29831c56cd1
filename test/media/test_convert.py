"""Compressed sound, by a program of another: here one of the tests' own, which copies."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import numpy as np
from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from shtoom.media import convert
from shtoom.media.convert import ConversionFailed, canConvert, fromWav, toWav
from shtoom.media.files import AudioFileError, openReader
from shtoom.media.recording import Recording, RecordingFailed

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
mark = {MARK!r}
open(dest, "wb").write(data[3:] if data.startswith(mark) else mark + data)
"""


class ConvertTestCase(SynchronousTestCase):
    """With that program as ffmpeg, and no other in the path."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        (self.folder / "bin").mkdir(parents=True)
        self.program = self.folder / "bin" / "ffmpeg"
        self.program.write_text(PROGRAM)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        before = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", before)
        os.environ["PATH"] = str(self.folder / "bin")

    def put(self, name: str, data: bytes) -> str:
        """A file; its path."""
        path = self.folder / name
        path.write_bytes(data)
        return str(path)


class ReadTests(ConvertTestCase):
    """openReader() of what Doug does not read itself."""

    def test_aFileIsConverted(self) -> None:
        """By its first bytes, from a path or an open file; nothing is left of it on the disk."""
        path = self.put("song.mp3", MARK + WAV)
        for source in (path, io.BytesIO(MARK + WAV)):
            with openReader(source) as reader:
                self.assertEqual(reader.read().astype("<i2").tobytes(), PCM)
        with toWav(path) as wav:
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
        self.assertFalse(canConvert())
        error = self.assertRaises(AudioFileError, openReader, self.put("a.mp3", MARK + WAV))
        self.assertIn("a.mp3 is MP3, for which ffmpeg is needed: install ffmpeg", str(error))
        self.assertRaises(ConversionFailed, toWav, "a.mp3")

    def test_oneThatHangsIsEnded(self) -> None:
        """With all that it has started."""
        self.patch(convert, "SECONDS", 0.5)
        error = self.assertRaises(ConversionFailed, toWav, self.put("a.mp3", MARK + b"slow"))
        self.assertIn("more than 0.5 s", str(error))


class WriteTests(ConvertTestCase):
    """Recording to a suffix of COMPRESSED."""

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
        self.assertIn("for a .ogg file ffmpeg is needed: install ffmpeg", failure.reason)
        self.assertEqual(os.listdir(self.folder), ["bin"])
