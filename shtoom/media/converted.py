"""WAVs that were made of compressed files, kept for a while: each is made once.

Lives here: which are kept, and that many who ask at the same time wait for one. Not here: making
them (media.files, media.convert), what is kept encoded in memory (media.prompts).

Files without a name, so that nothing is left of them however the process ends.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import BinaryIO

__all__ = ["Converted"]

MOST = 16  # files, each with a descriptor
LARGEST = 256 << 20  # bytes of all of them: five hours at 8 kHz


class Converted:
    """Open WAVs by what they were made of; the one least recently asked for goes first.

    From any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, BinaryIO] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}

    def open(self, key: Hashable, make: Callable[[], BinaryIO]) -> BinaryIO:
        """The WAV of this key, from its beginning, for the caller to close.

        key: path and state of what it is made of. make: makes it; what it raises comes out of here,
        and is tried again by the next. Blocking.
        """
        with self._lock:
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                kept = self._kept.get(key)
                if kept is not None:
                    self._kept.move_to_end(key)
                    return _again(kept)
            made = make()
            with self._lock:
                self._kept[key] = made
                wav = _again(made)
                self._makeRoom()
            return wav

    def clear(self) -> None:
        """Forgets all of them; who reads one reads on."""
        with self._lock:
            for kept in self._kept.values():
                kept.close()
            self._kept.clear()
            self._making.clear()

    def _makeRoom(self) -> None:
        size = sum(os.fstat(kept.fileno()).st_size for kept in self._kept.values())
        while len(self._kept) > MOST or (size > LARGEST and self._kept):
            key, oldest = self._kept.popitem(last=False)
            self._making.pop(key, None)
            size -= os.fstat(oldest.fileno()).st_size
            oldest.close()


def _again(wav: BinaryIO) -> BinaryIO:
    """The same file with a place of its own to read at."""
    return open(f"/proc/self/fd/{wav.fileno()}", "rb", buffering=0)
