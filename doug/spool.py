"""Files that callers leave, beneath one folder: whole or not there at all.

A file is made in tmp/ and moved to new/ when it is complete, as mail is (maildir), so that whoever
looks into new/ finds no half of one. Nothing that came over the network is part of a path as it is.

Lives here: names and moves. All of it blocks: call it in a thread.
Not here: what is written (shtoom.media.recording takes the file that create() returns).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from secrets import token_hex

__all__ = ["Draft", "Spool", "safeName"]

_UNSAFE = re.compile(r"[^A-Za-z0-9+_-]+")
LONGEST = 40  # characters of a name that are kept


def safeName(text: str | None, otherwise: str = "unknown") -> str:
    """`text` as a part of a file's name: ASCII letters, digits, + - and _, at most LONGEST.

    otherwise: for a text that is empty, or None.
    """
    return _UNSAFE.sub("_", text or "")[:LONGEST] or otherwise


class Spool:
    """A folder with tmp/ and new/ in it; they are made when first needed, for this user alone."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).expanduser().absolute()

    def create(self, who: str | None, suffix: str) -> Draft:
        """A new file in tmp/, open for writing. who: becomes a part of its name, made safe.

        Never one that was there already, nor one behind a link. Raises OSError.
        """
        for folder in ("tmp", "new"):
            (self.root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        return Draft(self, f"{now}-{safeName(who)}-{token_hex(6)}{suffix}")

    @contextmanager
    def opened(self, folder: str) -> Iterator[int]:
        """A descriptor of tmp/ or new/. OSError if it is a link, or no folder."""
        fd = os.open(self.root / folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield fd
        finally:
            os.close(fd)


class Draft(FileIO):
    """A file in tmp/, an open binary file; keep() or discard() it once it is closed.

    path: where it is.
    """

    def __init__(self, spool: Spool, name: str) -> None:
        self.spool, self._fileName = spool, name
        self.path = spool.root / "tmp" / name
        with spool.opened("tmp") as folder:
            super().__init__(
                str(self.path),
                "xb",  # O_CREAT and O_EXCL
                opener=lambda _, flags: os.open(
                    name, flags | os.O_NOFOLLOW, mode=0o600, dir_fd=folder
                ),
            )

    def keep(self) -> Path:
        """Moves it to new/, complete and on the disk; returns where it is. Raises OSError."""
        self.close()
        with self.spool.opened("tmp") as tmp, self.spool.opened("new") as new:
            written = os.open(self._fileName, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=tmp)
            try:
                os.fsync(written)
            finally:
                os.close(written)
            os.rename(self._fileName, self._fileName, src_dir_fd=tmp, dst_dir_fd=new)
            os.fsync(new)
        self.path = self.spool.root / "new" / self._fileName
        return self.path

    def discard(self) -> None:
        """Takes it away. Raises OSError."""
        self.close()
        with self.spool.opened("tmp") as tmp:
            os.unlink(self._fileName, dir_fd=tmp)
