"""The application that disk.py calls: it speaks on and on, and records each call to a file.

Lives here: it alone, since the server under test imports it by name.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from test.long.withstandapps import Steady

_calls = count()


class Recorded(Steady):
    """The first call records to 00.raw, the next to 01.raw ... in the folder."""

    folder = "."

    def speak(self, event: Any) -> Any:
        event.getLeg().mediaRecord(Path(self.folder) / f"{next(_calls):02}.raw")
        return super().speak(event)
