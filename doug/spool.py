"""Files that callers leave, beneath one folder: whole or not there at all.

A file is made in tmp/ and moved to new/ when it is complete, as mail is (maildir), so that whoever
looks into new/ finds no half of one. It is locked until then: one that is not was left behind by a
process that was killed, and is recovered. Nothing that came over the network is part of a path as
it is.

Lives here: names, moves, locks. All of it blocks: call it in a thread.
Not here: what is written (shtoom.media.recording takes the file that create() returns).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from secrets import token_hex
from stat import S_ISREG

__all__ = ["Draft", "Spool", "safeName"]

_UNSAFE = re.compile(r"[^A-Za-z0-9+_-]+")
_SUFFIX = re.compile(r"(?:\.[A-Za-z0-9]+)?")
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

        suffix: "" or one such as ".wav", else ValueError. Never a file that was there already, nor
        one behind a link. Raises OSError.
        """
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"suffix: wanted one such as .wav, got {suffix!r}")
        self._makeFolders()
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        while True:
            draft = Draft(self, f"{now}-{safeName(who)}-{token_hex(6)}{suffix}")
            if draft.isThere:
                return draft
            draft.release()  # recover() has found it before it was locked

    def recover(self, least: int) -> list[Path]:
        """Moves what nobody writes any more from tmp/ to new/; returns where each of it is now.

        Left behind by a process that was killed, or by an application that failed. least: bytes,
        at least one; what is smaller is of no use to anybody and removed. What is being written, by
        whichever process, stays as it is. Raises OSError.
        """
        if least < 1:
            raise ValueError(f"least: wanted a byte or more, got {least}")
        if not (self.root / "tmp").is_dir():
            return []
        with self.opened("tmp") as tmp, self.opened("new") as new:
            names = sorted(os.listdir(tmp))
            moved = [name for name in names if _recovered(name, tmp, new, least)]
            if moved:
                os.fsync(new)
        return [self.root / "new" / name for name in moved]

    def _makeFolders(self) -> None:
        missing = [name for name in ("tmp", "new") if not (self.root / name).is_dir()]
        for name in missing:
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        if missing:  # or a power failure takes them away with all that is in them
            for folder in (self.root, self.root.parent):
                _sync(folder)

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

    path: where it is. It is locked until then, or until nobody knows it any more.
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
        self._locked = FileIO(os.dup(self.fileno()), "wb")
        fcntl.flock(self._locked, fcntl.LOCK_EX)

    @property
    def isThere(self) -> bool:
        """Has nobody removed it?"""
        return os.fstat(self._locked.fileno()).st_nlink > 0

    def keep(self) -> Path:
        """Moves it to new/, complete and on the disk; returns where it is. Raises OSError."""
        self.close()
        with self.spool.opened("tmp") as tmp, self.spool.opened("new") as new:
            os.fsync(self._locked.fileno())
            os.rename(self._fileName, self._fileName, src_dir_fd=tmp, dst_dir_fd=new)
            os.fsync(new)
        self.release()
        self.path = self.spool.root / "new" / self._fileName
        return self.path

    def discard(self) -> None:
        """Takes it away. Raises OSError."""
        self.close()
        with self.spool.opened("tmp") as tmp:
            os.unlink(self._fileName, dir_fd=tmp)
        self.release()

    def release(self) -> None:
        """Closes it and leaves it where it is; recover() may have it."""
        self.close()
        self._locked.close()


def _recovered(name: str, tmp: int, new: int, least: int) -> bool:
    """Was it moved from tmp to new?"""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=tmp)
    except OSError:
        return False  # complete by now, or no file of ours
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(fd)
        if not S_ISREG(found.st_mode):
            return False
        if found.st_size < least:
            os.unlink(name, dir_fd=tmp)
            return False
        os.fsync(fd)
        os.rename(name, name, src_dir_fd=tmp, dst_dir_fd=new)
    except (BlockingIOError, FileNotFoundError):
        return False  # being written, or complete by now
    finally:
        os.close(fd)
    return True


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
