"""What several tests need and no app author does: the corpus, a stepped clock."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.internet.task import Clock


def corpusRoot() -> Path:
    """The folder of test data named by DOUG_CORPUS; SkipTest with one line if there is none."""
    root = os.environ.get("DOUG_CORPUS")
    if not root:
        raise SkipTest("DOUG_CORPUS is not set: tests on the corpus are left out")
    return Path(root)


def corpusCases(name: str) -> Iterator[tuple[str, bytes | None, dict[str, Any]]]:
    """(id, bytes of its file or None, the case) of each case of the set `name`."""
    folder = corpusRoot() / name
    for case in json.loads((folder / "expect.json").read_text())["cases"]:
        data = (folder / case["file"]).read_bytes() if case.get("file") else None
        yield case["id"], data, case


def runFor(clock: Clock, seconds: float) -> None:
    """Advance a Clock by `seconds`, stopping at each delayed call on the way."""
    end = clock.seconds() + seconds
    while True:
        due = [c.getTime() for c in clock.getDelayedCalls() if c.getTime() <= end]
        if not due:
            break
        clock.advance(max(0.0, min(due) - clock.seconds()))
    clock.advance(max(0.0, end - clock.seconds()))
