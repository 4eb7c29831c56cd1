"""Root may do everything: tests of what others may not run as nobody for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534


@contextmanager
def asNobody() -> Iterator[None]:
    """This process has no rights to anybody's files meanwhile; it changes nothing if not root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
