"""A leg's host in memory, for tests of players and recorders without a call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from doug.events import MediaPlayDoneEvent
from doug.play import Play
from doug.player import Player
from doug.recorder import Record, Recorder
from doug.source import Source, SourceUses
from doug.testing.reactor import VirtualReactor
from shtoom import codecs
from shtoom.audio.wav import wavHeader
from shtoom.media.prompts import PromptCache

PCMU, PCMA = codecs.find("PCMU"), codecs.find("PCMA")
SIZE = 160  # bytes of a packet


class SoundHost:
    """What a player and a recorder ask of their leg; ends are kept, in order.

    ended: (playlist, class name) of plays, (dest, class name) of recordings. changes: how often
    something else came to be played.
    """

    def __init__(self, folder: str = ".") -> None:
        self.folder = Path(folder)
        self.reactor = VirtualReactor()
        self.prompts = PromptCache(self.deferToThread)
        self.loadClip = self.prompts.load
        self.failures: list[tuple[Source, Exception]] = []
        self.maxRecording = 0.0
        self.sources = SourceUses(self, lambda s, e: self.failures.append((s, e)))  # type: ignore[arg-type]
        self.player = Player(self)
        self.player.useCodec(PCMU)
        self.recorder = Recorder(self)
        self.ended: list[tuple[Any, str]] = []
        self.plays: list[Play] = []
        self.records: list[Record] = []
        self.closed: list[Record] = []
        self.changes = 0

    def recordFailed(self, record: Record) -> None:
        """Of no interest: `ended` says it."""

    @property
    def writeTogether(self) -> Callable[..., Deferred[Any]]:
        """Pieces of recordings, a job each."""
        return self.deferToThread

    def deferToThread(self, f: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Inline, the result on the next turn."""
        pool: Any = self.reactor
        return deferToThreadPool(pool, pool, f, *args, **kwargs)

    def findFile(self, path: str | os.PathLike[str]) -> str:
        """In the test's folder."""
        return str(self.folder / path)

    def playEnded(self, play: Play, how: type[MediaPlayDoneEvent]) -> None:
        """Kept."""
        self.ended.append((play.playlist, how.__name__))
        self.plays.append(play)

    def recordEnded(self, record: Record) -> None:
        """Kept."""
        self.ended.append((record.dest, record.how.__name__))
        self.records.append(record)

    def recordClosed(self, record: Record) -> None:
        """Kept."""
        self.closed.append(record)

    def playerChanged(self) -> None:
        """Counted."""
        self.changes += 1

    def recorderChanged(self) -> None:
        """Nobody routes anything here."""

    def playTone(self, samples: NDArray[np.int16], whenOver: Callable[[], None]) -> None:
        """By the player, as a leg does."""
        self.player.playTone(samples, whenOver)

    def sourceDone(self, source: Source) -> None:
        """As a leg does."""
        self.recorder.sourceDone(source)
        self.player.sourceDone(source)

    _sourceDone = sourceDone

    # What the session does

    def beat(self, frame: bytes | None = None) -> bytes:
        """20 ms: a frame from the far end (silence if None), then a packet to it, b"" for none."""
        self.reactor.advance(0.02)
        for record in self.recorder.records:
            if not record.beeping:
                record.frameReceived(frame if frame is not None else bytes(320))
        return self.player.nextPayload(SIZE) or b""

    def beats(self, count: int, frame: bytes | None = None) -> bytes:
        """So many, joined."""
        return b"".join(self.beat(frame) for _ in range(count))

    def names(self) -> list[str]:
        """Of the ends so far."""
        return [name for _, name in self.ended]


def ramp(count: int, start: int = 0) -> NDArray[np.int16]:
    """Samples that mu-law tells apart from their neighbours and from silence."""
    values = np.array([200 + 2 * (i % 97) * 64 for i in range(start, start + count)])
    return values.astype(np.int16)


def writeWav(path: Path, samples: NDArray[np.int16]) -> bytes:
    """A file of 8 kHz mono. Returns its payload in PCMU."""
    path.write_bytes(wavHeader(len(samples) * 2) + samples.astype("<i2").tobytes())
    return PCMU.encode(samples)
