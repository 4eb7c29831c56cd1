"""Fifty calls record to a disk that does not answer for a while; one of them is listened to.

    python -m test.long.disk [--calls 50]

Starts `twistd doug` on a free loopback port. Each call records to a pipe, which takes a quarter of
a second of sound and is read here; a disk that stalls is one that is not read. Says for each stall
how many packets of the call came, the largest gap between two of them, by the kernel's own time
stamps, and how many recordings had failed by then. Ends with 0 if no packet was lost, no gap was
above 60 ms, no recording failed in a stall of a second, and all had in one of three.

Lives here: that run. Not here: the application (diskapps.py), the caller (withstand.py).
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import tempfile
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from test.long.withstand import CALLER, LARGEST_GAP, Caller, Part, measure
from test.peers.server import Doug

PIPE = 4096  # bytes that a pipe takes
STALLS = (0.0, 1.0, 3.0)  # seconds


class Disk:
    """The pipes of all recordings, read by a thread unless they are to stall."""

    def __init__(self, folder: Path, calls: int) -> None:
        self._pipes = []
        for number in range(calls):
            path = folder / f"{number:02}.raw"
            os.mkfifo(path)
            pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)
            self._pipes.append(pipe)
        self._reading, self._over = threading.Event(), False
        self._reading.set()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._over:
            self._reading.wait()
            for pipe in self._pipes:
                try:
                    os.read(pipe, PIPE)
                except BlockingIOError:
                    continue
            time.sleep(0.01)

    def stall(self, seconds: float) -> None:
        """Nothing is read meanwhile, and a moment is left for what comes of it."""
        if seconds:
            self._reading.clear()
        time.sleep(seconds)
        self._reading.set()
        time.sleep(1.0)

    def close(self) -> None:
        """No more of it."""
        self._over = True
        self._thread.join()
        for pipe in self._pipes:
            os.close(pipe)


def run(calls: int, disk: Disk, folder: Path) -> list[tuple[Part, int]]:
    """What was heard in each of STALLS, and how many recordings had failed by then."""
    app, words = "test.long.diskapps.Recorded", [f"--args=folder={folder}"]
    parts = []
    with Doug(app, args=words) as doug:
        callers = [
            Caller(CALLER, (CALLER, doug.port), "x", f"disk{number}") for number in range(calls)
        ]
        if not all(caller.call() for caller in callers):
            raise RuntimeError("a call was not answered")
        talking = threading.Thread(target=callers[0].talk)
        talking.start()
        time.sleep(2.0)
        for seconds in STALLS:
            part = measure(
                f"the disk stalls for {seconds:g} s", callers[0], partial(disk.stall, seconds)
            )
            parts.append((part, doug.log().count("recording failed")))
        ended = [caller.hangUp() for caller in callers]
        talking.join()
        for caller in callers:
            caller.close()
        if not all(ended):
            raise RuntimeError("a call did not end")
    return parts


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=50)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="disk-") as folder,
        closing(Disk(Path(folder), given.calls)) as disk,
    ):
        parts = run(given.calls, disk, Path(folder))
    for part, failed in parts:
        sys.stdout.write(
            f"{part.name:24} {part.seconds:5.1f} s  {part.packets:4} packets, {part.lost} lost, "
            f"largest gap {part.gap:.1f} ms, {failed} recordings failed\n"
        )
    failures = [failed for _, failed in parts]
    heard = all(not part.lost and part.gap <= LARGEST_GAP for part, _ in parts)
    return int(not heard or failures != [0, 0, given.calls])


if __name__ == "__main__":
    sys.exit(main())
