"""Contract section 5: what is played and recorded, by kind of file, on whole calls.

Not here: how plays and recordings end (test_section_5_media.py), Sources
(test_section_7_sources.py), good and broken files of the field (test.cases.test_files).
"""

from __future__ import annotations

import io
from pathlib import Path
from struct import pack

import numpy as np
from numpy.typing import NDArray

from doug.source import Source
from shtoom import codecs
from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from shtoom.media.files import openReader
from test.doug.puppet import LegTestCase

ULAW, ALAW = codecs.find("PCMU"), codecs.find("PCMA")


class PlayTests(LegTestCase):
    """mediaPlay(playlist)."""

    def assertPlays(self, *items: object, hz: float = 440) -> None:
        """Each is half a second of that tone, and the list is all there is to hear."""
        self.leg.mediaPlay(list(items))
        for _ in items:
            self.lab.advance(0.5)
            self.call.assertHearsTone(hz, 0.4)
        self.lab.advance(0.2)
        self.assertEqual(self.app.names()[-1], "MediaPlayContentDone")

    def test_byItsSuffixOrFirstBytes(self) -> None:
        """.wav of any rate, .raw and .sln as 8 kHz 16-bit little-endian mono, .ul, .al, .au."""
        self.begin()
        samples = sine(440, 0.5, 0.3)
        rates = []
        for rate in (8000, 16000, 44100):
            wide = (9000 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)).astype("<i2")
            path = self.folder / f"{rate}.wav"
            path.write_bytes(wavHeader(2 * len(wide), rate=rate) + wide.tobytes())
            rates.append(path)
        raw = samples.astype("<i2").tobytes()
        au = b".snd" + pack(">5I", 24, len(samples), 1, 8000, 1) + ULAW.encode(samples)
        kinds = {"a.raw": raw, "a.sln": raw, "a.ul": ULAW.encode(samples),
                 "a.al": ALAW.encode(samples), "a.au": au}  # fmt: skip
        for name, data in kinds.items():
            (self.folder / name).write_bytes(data)
        self.assertPlays(*rates, *(str(self.folder / name) for name in kinds))
        self.finish()

    def test_anOpenFileIsTakenByItsFirstBytes(self) -> None:
        """A WAV or AU, else raw; read and close are all that it needs."""

        class File:
            def __init__(self, data: bytes) -> None:
                self.file, self.closed = io.BytesIO(data), 0

            def read(self, size: int = -1) -> bytes:
                return self.file.read(size)

            def close(self) -> None:
                self.closed += 1

        self.begin()
        raw = sine(440, 0.5, 0.3).astype("<i2").tobytes()
        files = [File(raw), File(wavHeader(len(raw)) + raw)]
        self.assertPlays(*files)
        self.assertEqual([file.closed for file in files], [1, 1])
        self.finish()

    def test_listsJoinWithoutGap(self) -> None:
        """Two halves of a tone, of one list and of two, are the whole tone."""
        self.begin()
        samples = sine(440, 1.0, 0.3)
        halves = [self.write("1.wav", samples[:3999]), self.write("2.wav", samples[3999:])]
        self.leg.mediaPlay(halves)
        self.leg.mediaPlay(halves[0])
        self.leg.mediaPlay(halves[1])
        self.lab.advance(2.3)
        heard = self.call.heard[-int(2.3 * 8000) :].astype(int)
        loud = abs(heard[: len(heard) // 20 * 20]).reshape(-1, 20).max(axis=1) > 3000
        first, last = loud.argmax(), len(loud) - loud[::-1].argmax()
        self.assertTrue(loud[first:last].all())
        self.assertEqual(round((last - first) * 20 / 8000, 1), 2.0)
        self.assertEqual(self.app.names()[1:], ["MediaPlayContentDone"] * 3)
        self.finish()

    def test_loop(self) -> None:
        """Over and over, without an event, until it is stopped."""
        self.begin()
        self.leg.mediaPlay([self.wav("a.wav", 440, 0.3)], loop=True)
        self.lab.advance(5.0)
        self.call.assertHearsTone(440, 4.0)
        self.assertTrue(self.leg.isPlaying())
        self.leg.mediaStop()
        self.lab.advance(0.5)
        self.call.assertSilent(0.3)
        self.assertEqual(self.app.names(), ["CallAnswered"])
        self.finish()


class Ear(Source):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, frame: bytes) -> None:
        """A frame of it."""
        self.frames.append(frame)


class RecordTests(LegTestCase):
    """mediaRecord(savefile)."""

    def record(self, dest: object) -> None:
        """A second of what the caller says."""
        self.call.sayTone(440, 2.0)
        self.lab.advance(0.3)
        self.leg.mediaRecord(dest)
        self.lab.advance(1.0)
        self.leg.mediaStopRecording()
        self.lab.advance(1.0)

    def assertTone(self, samples: NDArray[np.int16]) -> None:
        """A second of 440 Hz."""
        self.assertEqual(round(len(samples) / 8000, 1), 1.0)
        spectrum = abs(np.fft.rfft(samples.astype(float)))
        self.assertEqual(round(float(spectrum.argmax()) * 8000 / len(samples), -1), 440)

    def test_bySuffix(self) -> None:
        """.wav, .raw and .sln, .ul."""
        self.begin()
        for name in ("r.wav", "r.raw", "r.sln", "r.ul"):
            self.record(self.folder / name)
            with openReader(self.folder / name) as reader:
                self.assertTone(reader.read())
        self.assertEqual((self.folder / "r.ul").stat().st_size * 2,
                         (self.folder / "r.raw").stat().st_size)  # fmt: skip
        self.finish()

    def test_toAnOpenFile(self) -> None:
        """write and close are all that it needs: 8 kHz 16-bit mono; closed once."""

        class File:
            def __init__(self) -> None:
                self.data, self.closed = b"", 0

            def write(self, data: bytes) -> None:
                self.data += data

            def close(self) -> None:
                self.closed += 1

        self.begin()
        file = File()
        self.record(file)
        self.assertTone(np.frombuffer(file.data, "<i2"))
        self.assertEqual(file.closed, 1)
        self.finish()

    def test_oneFileAndOneSourceAtOnce(self) -> None:
        """A second one of the same kind ends the first with MediaRecordDoneEvent."""
        self.begin()
        first, second = str(self.folder / "1.wav"), str(self.folder / "2.wav")
        ears = [Ear(), Ear()]
        self.call.sayTone(440, 5.0)
        self.leg.mediaRecord(first)
        self.leg.mediaRecord(ears[0])
        self.lab.advance(1.0)
        self.leg.mediaRecord(second)
        self.lab.advance(1.0)
        self.leg.mediaRecord(ears[1])
        self.lab.advance(1.0)
        self.assertEqual(self.app.names()[1:], ["MediaRecordDone"] * 2)
        events: list[object] = [event.dest for event in self.app.events[1:]]  # type: ignore[attr-defined]
        self.assertEqual(events, [first, ears[0]])
        with openReader(Path(first)) as reader:
            self.assertEqual(round(len(reader.read()) / 8000, 1), 1.0)
        self.assertEqual([round(len(ear.frames) * 0.02, 1) for ear in ears], [2.0, 1.0])
        self.assertTrue(self.leg.isRecording())
        self.finish()
