"""doug.source: kinds of Sources and the book of their uses (contract section 7)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from doug.source import (
    EchoSource,
    FileSource,
    SilenceSource,
    Source,
    SourceUses,
    convertToSource,
)
from shtoom.audio.tones import sine
from test.doug.sounds import ramp, writeWav


class Counting(Source):
    """Counts how often it is closed; leaves out the base's __init__, as old ones do."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class KindTests(SynchronousTestCase):
    """The Sources that come with Doug."""

    def test_baseIsSilentAndTakesAnything(self) -> None:
        """read() is silence, write() forgets; no leg, no use."""
        source = Source()
        source.write(bytes(320))
        source.close()
        self.assertEqual((source.read(), source.rate, source.getLeg()), (b"", 8000, None))
        self.assertFalse(source.isPlaying() or source.isRecording() or source.endless)

    def test_silenceAndEchoHaveNoEnd(self) -> None:
        """They give way to lists that have one."""
        self.assertTrue(SilenceSource().endless and EchoSource().endless)
        self.assertEqual(SilenceSource().read(), b"")

    def test_echoWithoutDelay(self) -> None:
        """What is written in a beat is read in it."""
        echo = EchoSource()
        echo.write(b"a")
        self.assertEqual(echo.read(), b"a")
        self.assertEqual(echo.read(), b"")

    def test_echoComesAfterItsDelay(self) -> None:
        """A multiple of 20 ms; silence before."""
        echo = EchoSource(delay=0.06)
        heard = []
        for frame in (b"a", b"b", b"c", b"d", b"e"):
            echo.write(frame)
            heard.append(echo.read())
        self.assertEqual(heard, [b"", b"", b"", b"a", b"b"])
        self.assertRaises(ValueError, EchoSource, -1)

    def test_unreadEchoIsBounded(self) -> None:
        """While another list is heard the old frames go; after it the delay is as it was."""
        echo = EchoSource(delay=0.04)
        for i in range(1000):
            echo.write(bytes([i % 256]))
        echo.write(b"z")
        self.assertEqual(echo.read(), bytes([998 % 256]))

    def test_onlyAPlainEchoIsDirect(self) -> None:
        """With a delay, or changed by a subclass, frames go through read() and write()."""

        class Loud(EchoSource):
            def write(self, frame: bytes) -> None:
                super().write(frame)

        self.assertTrue(EchoSource().isDirect)
        self.assertFalse(EchoSource(0.02).isDirect or Loud().isDirect)


class FileSourceTests(SynchronousTestCase):
    """Open files as Sources."""

    def test_readsFramesOfAWav(self) -> None:
        """Header left out, in pieces of 320 bytes, b"" after the end."""
        path = Path(self.mktemp())
        writeWav(path, ramp(400))
        file = path.open("rb")
        source = FileSource(file, "r")
        frames = [source.read() for _ in range(4)]
        self.assertEqual(b"".join(frames), ramp(400).tobytes())
        self.assertEqual([len(frame) for frame in frames], [320, 320, 160, 0])
        source.close()
        self.assertTrue(file.closed)

    def test_writesFramesAsTheyAre(self) -> None:
        """Mode "w": headerless; reading it is silence."""
        file = io.BytesIO()
        source = FileSource(file, "w")
        source.write(b"ab")
        source.write(b"cd")
        self.assertEqual((file.getvalue(), source.read()), (b"abcd", b""))
        source.close()
        self.assertTrue(file.closed)

    def test_takenFileIsClosedByTheTaker(self) -> None:
        """close() of the Source leaves it, so that it is closed once."""
        file = io.BytesIO()
        source = FileSource(file, "w")
        self.assertIs(source.takeFile(), file)
        source.close()
        self.assertFalse(file.closed)
        self.assertIsNone(source.takeFile())

    def test_otherModesAreRefused(self) -> None:
        """ValueError names the two that there are."""
        self.assertRaises(ValueError, FileSource, io.BytesIO(), "rw")


class ConvertTests(SynchronousTestCase):
    """convertToSource(thing, mode)."""

    def test_sourceStaysItself(self) -> None:
        """Whatever the mode."""
        source = EchoSource()
        self.assertIs(convertToSource(source, "r"), source)
        self.assertIs(convertToSource(source, "w"), source)

    def test_pathAndFileBecomeFileSources(self) -> None:
        """A path is opened."""
        path = self.mktemp()
        written = convertToSource(path, "w")
        written.write(sine(440, 0.02).tobytes())
        written.close()
        read = convertToSource(Path(path), "r")
        self.assertEqual(read.read(), sine(440, 0.02).tobytes())
        read.close()
        self.assertIsInstance(convertToSource(io.BytesIO(), "r"), FileSource)

    def test_whatCannotBeOneIsNamed(self) -> None:
        """ValueError for the mode, TypeError for the thing, OSError for a path without file."""
        self.assertRaises(ValueError, convertToSource, EchoSource(), "x")
        error = self.assertRaises(TypeError, convertToSource, 42, "r")
        self.assertIn("42", str(error))
        self.assertRaises(FileNotFoundError, convertToSource, "/nowhere/x.wav", "r")


class UsesTests(SynchronousTestCase):
    """One leg at a time, closed once."""

    def setUp(self) -> None:
        self.errors: list[Any] = []
        leg: Any = "leg 1"
        self.uses = SourceUses(leg, lambda source, error: self.errors.append(error))

    def test_playedAndRecordedOnOneLeg(self) -> None:
        """Closed when the last use is gone, once."""
        source = Counting()
        self.uses.claim(source, "play")
        self.uses.claim(source, "record")
        self.assertTrue(source.isPlaying() and source.isRecording())
        self.assertEqual(source.getLeg(), "leg 1")
        self.uses.release(source, "play")
        self.assertEqual((source.closed, source.isPlaying(), len(self.uses)), (0, False, 1))
        self.uses.release(source, "record")
        self.uses.release(source, "record")
        self.assertEqual((source.closed, len(self.uses)), (1, 0))

    def test_secondLegIsRefused(self) -> None:
        """ValueError; after its end on the first leg it may go to another."""
        other: Any = "leg 2"
        others = SourceUses(other, lambda source, error: None)
        source = Counting()
        self.uses.claim(source, "play")
        self.assertRaises(ValueError, others.claim, source, "record")
        self.uses.release(source, "play")
        others.claim(source, "record")
        self.assertEqual(source.leg, "leg 2")

    def test_closeThatRaisesIsTold(self) -> None:
        """And harms nothing else."""

        class Broken(Source):
            def close(self) -> None:
                raise OSError("stuck")

        source = Broken()
        self.uses.claim(source, "play")
        self.uses.release(source, "play")
        self.assertIsInstance(self.errors[0], OSError)
        self.assertEqual(len(self.uses), 0)
