"""What the --args of a script may be: looked at before it begins, so that a mistake costs no call.

Lives here: checks that scripts share, each from what was given to nothing, or a ValueError in
words. Not here: when they are made (doug.script).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import isfinite
from pathlib import Path

from doug.legmedia import findFile
from doug.voiceapp import VoiceApp
from shtoom.media.files import AudioFileError, openReader
from shtoom.media.writers import writerFor
from shtoom.sip.uri import parseURI

__all__ = ["Check", "address", "recording", "seconds", "sound"]

Check = Callable[[str], object]


def seconds(text: str) -> float:
    """A time."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0.0 or not isfinite(value):
        raise ValueError("wanted seconds, 0 or more, such as 2.5")
    return value


def address(text: str) -> None:
    """Whom an application may dial."""
    if parseURI(text.strip()).scheme not in ("sip", "tel"):
        raise ValueError("wanted an address to dial, such as sip:bob@192.0.2.1")


def sound(app: type[VoiceApp]) -> Check:
    """A sound file that an application of that class finds, and that can be played."""

    def check(text: str) -> None:
        try:
            openReader(findFile(text, app)).close()
        except AudioFileError as error:
            raise ValueError(str(error)) from None

    return check


def recording(text: str) -> None:
    """A file to record to: its kind can be written, its folder is there."""
    folder = Path(text).absolute().parent
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: make it, or name another one")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"nothing may be written to {folder}: name another folder")
    writerFor(text)
