"""What an assertion of the laboratory raises.

Lives here: the choice of the class. Not here: the assertions (lab.py, ear.py, phonecall.py).
"""

from __future__ import annotations

import sys

__all__ = ["failed"]


def failed(text: str) -> AssertionError:
    """The exception to raise.

    trial counts only its own subclass of AssertionError as a failure, everything else as an error;
    other test runners have no need of trial.
    """
    trial = sys.modules.get("twisted.trial.unittest")
    kind: type[AssertionError] = AssertionError if trial is None else trial.FailTest
    return kind(text)
