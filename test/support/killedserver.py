"""A server that records until it is killed, and what is then in its folder.

    python -m test.support.killedserver FOLDER PORT CALLS

Lives here: the server (it calls itself over loopback and says on standard output when all calls
record), starting and killing it, looking at what it left behind. How much it had heard is counted
in a file that is mapped into memory and so outlives it.
"""

from __future__ import annotations

import subprocess
import sys
import wave
from mmap import mmap
from pathlib import Path
from random import Random
from select import select
from typing import Any, NamedTuple

from doug import VoiceApp
from doug.application import DougApplication
from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    Event,
    InboundCallStartedEvent,
    MediaRecordTimeoutExceededEvent,
    OutboundCallStartedEvent,
)
from doug.settings import Endpoint, Settings
from doug.source import Source
from doug.spool import Spool
from shtoom.audio.tones import sine
from shtoom.audio.wav import wavHeader
from test.peers.peers import freePort

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("wav", "raw", "mail")  # of the calls, in turn
FRAME = 320  # bytes
COUNTER = 4  # bytes
LIFE = 60.0  # seconds of a server that nobody kills
MESSAGE = 0.3  # seconds of one in the spool; the next begins when it is kept


class Counter(Source):
    """How many frames were heard, in mapped memory."""

    def __init__(self, memory: mmap, place: int) -> None:
        self._memory, self._place, self._count = memory, place, 0

    def write(self, frame: bytes) -> None:
        """One more."""
        self._count += 1
        self._memory[self._place : self._place + COUNTER] = self._count.to_bytes(COUNTER, "little")


class Records(VoiceApp):
    """Calls itself; the called side records to what its user part says: wav0, raw1, mail2 ..."""

    folder: Path
    memory: mmap
    calls: int

    def __start__(self) -> Any:
        return [
            (InboundCallStartedEvent, self.answer),
            (OutboundCallStartedEvent, self.wait),
        ]

    def wait(self, event: Any) -> Any:
        """The calling side."""
        return [(CallAnsweredEvent, self.speak), (Event, IGNORE_EVENT)]

    def speak(self, event: Any) -> Any:
        """A tone without end."""
        event.leg.mediaPlay(str(self.folder / "tone.wav"), loop=True)
        return [(Event, IGNORE_EVENT)]

    def answer(self, event: Any) -> Any:
        """The called side."""
        self.name = event.leg.getDialog().getCallee().username
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.record), (Event, IGNORE_EVENT)]

    async def record(self, event: Any) -> Any:
        """Both ways, from one moment on."""
        kind, number = self.name[:-2], int(self.name[-2:])
        if kind == "mail":
            await self.recordMessage(event)
        else:
            self.mediaRecord(self.folder / f"{self.name}.{kind}")
            self.mediaRecord(Counter(self.memory, number * COUNTER))
        if number == self.calls - 1:
            sys.stdout.write("recording\n")
            sys.stdout.flush()
        return [(MediaRecordTimeoutExceededEvent, self.keep), (Event, IGNORE_EVENT)]

    async def recordMessage(self, event: Any) -> None:
        """One after the other."""
        self.draft = await self.deferToThread(Spool(self.folder).create, self.name, ".wav")
        self.mediaRecord(self.draft, maxDuration=MESSAGE)

    async def keep(self, event: Any) -> None:
        """A message is complete."""
        await self.deferToThread(self.draft.keep)
        await self.recordMessage(event)


def serve(folder: Path, port: int, calls: int) -> None:
    """Until it is killed."""
    from twisted.internet import reactor as process  # noqa: TID251 - this module is a program

    reactor: Any = process
    with (folder / "counts").open("r+b") as file:
        memory = mmap(file.fileno(), calls * COUNTER)
    application = DougApplication(
        reactor=reactor,
        settings=Settings(
            listen=(Endpoint("udp", "127.0.0.1", port),),
            rtpPorts=(port + 1, port + 4 * calls + 1),
            apps={"": Records},
            args={"folder": folder, "memory": memory, "calls": calls},
        ),
    )
    application.start()
    for number in range(calls):
        kind = KINDS[number % len(KINDS)]
        reactor.callLater(
            0.013 * number, application.placeCall, f"sip:{kind}{number:02}@127.0.0.1:{port}"
        )
    reactor.callLater(LIFE, reactor.stop)
    reactor.run()


class Left(NamedTuple):
    """Of one recording. heard, kept: seconds."""

    name: str
    heard: float
    kept: float


class KilledServer:
    """One such server, killed at a random moment of `rng`.

    folder: must exist. Its process is started at once.
    """

    def __init__(self, folder: Path, calls: int) -> None:
        self.folder, self.calls = folder.absolute(), calls
        tone = sine(440, 2.0, 0.3).astype("<i2").tobytes()
        (self.folder / "tone.wav").write_bytes(wavHeader(len(tone)) + tone)
        (self.folder / "counts").write_bytes(bytes(calls * COUNTER))
        port = freePort(run=4 * calls + 3)
        words = [str(self.folder), str(port), str(calls)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "test.support.killedserver", *words],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def kill(self, rng: Random, longest: float) -> None:
        """kill -9, at most so many seconds after all calls record. RuntimeError: they never did."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            ready, _, _ = select([stdout], [], [], LIFE)
            if not ready or stdout.readline() != b"recording\n":
                raise RuntimeError((self.folder / "log").read_text())
            self._process.wait(rng.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            pass  # as it should
        finally:
            self.end()

    def end(self) -> None:
        """It is killed, if it was not."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def recordings(self) -> list[Left]:
        """Of calls that record to one file. wave.Error, EOFError: one cannot be read."""
        counts = (self.folder / "counts").read_bytes()
        found = []
        for number in range(self.calls):
            kind = KINDS[number % len(KINDS)]
            if kind != "mail":
                path = self.folder / f"{kind}{number:02}.{kind}"
                count = int.from_bytes(counts[number * COUNTER :][:COUNTER], "little")
                found.append(Left(path.name, count * 0.02, len(soundOf(path)) / 16000))
        return found

    def messages(self) -> list[float]:
        """Seconds of those in new/."""
        return [len(readWav(path)) / 16000 for path in (self.folder / "new").iterdir()]

    def orphans(self) -> list[float]:
        """Seconds of those that were unfinished, now recovered."""
        return [len(readWav(path)) / 16000 for path in Spool(self.folder).recover(44)]


def soundOf(path: Path) -> bytes:
    """Of a recording that may not have been begun when its server was killed."""
    if not path.exists() or not path.stat().st_size:
        return b""
    return readWav(path) if path.suffix == ".wav" else path.read_bytes()


def readWav(path: Path) -> bytes:
    """Its sound, by Python's library; ValueError if its header claims more than there is."""
    with wave.open(str(path)) as file:
        data: bytes = file.readframes(file.getnframes())
        if len(data) != 2 * file.getnframes():
            raise ValueError(f"{path}: {len(data)} bytes of {2 * file.getnframes()}")
        return data


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
