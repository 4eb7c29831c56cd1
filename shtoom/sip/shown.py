"""Text from the wire as log lines and reasons may have it.

Lives here: one function. Not here: which text that is (shtoom.agent, doug), how often a line is
written (quietlog.py).
"""

from __future__ import annotations

LONGEST = 200
"""Characters of one text in a log line."""
SENTENCE = 1000
"""Characters of a sentence of ours that has such texts, or an application's, in it."""


def shown(text: object, longest: int = LONGEST) -> str:
    """`text` on one line: nothing in it moves a cursor, begins a line or fails to be encoded.

    Control characters, and octets that are no UTF-8, are shown as \\x1b and the like; what is
    longer than `longest` characters is cut.
    """
    whole = str(text)
    if len(whole) > longest:
        whole = whole[: longest - 3] + "..."
    if whole.isprintable():
        return whole
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole)
