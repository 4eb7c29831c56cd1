"""Words for what others have made: an application's objects and errors, whose own may raise.

Lives here: repr() and str() that never do; imports nothing. Not here: wire text in log lines
(shtoom.sip.shown).
"""

from __future__ import annotations

__all__ = ["reprOf", "strOf"]


def reprOf(thing: object) -> str:
    """repr(thing); if that raises, its class."""
    try:
        return repr(thing)
    except Exception as error:
        return f"<{type(thing).__name__}, whose repr() raises {type(error).__name__}>"


def strOf(thing: object) -> str:
    """str(thing); if that raises, its class."""
    try:
        return str(thing)
    except Exception as error:
        return f"<{type(thing).__name__}, whose str() raises {type(error).__name__}>"
