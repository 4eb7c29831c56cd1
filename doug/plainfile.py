"""Files that an option names: read whole, or a reason in words why not.

Lives here: refusing what is no file, such as a pipe that nobody writes to, before it holds a server
up. Not here: what is in them (doug.config, doug.tls).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["readWhole"]


def readWhole(path: Path) -> bytes:
    """All of a file. Raises OSError, whose strerror says what is wrong, for all else as well."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # which a pipe does not wait with
    except ValueError as error:  # a NUL in its name
        raise OSError(0, str(error)) from None
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(0, f"it is {kind}, wanted a file")
    with open(number, "rb") as file:
        return file.read()
