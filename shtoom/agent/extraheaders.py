"""Headers that an application adds to our messages: what may stand there, and what is ours alone.

Lives here: the check, before anything is sent or changed. Not here: how lines are written (sip).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shtoom.sip.headers import Headers

OF_EACH = (
    *("Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Route", "Record-Route"),
    *("Content-Length", "Content-Type"),
)
"""Headers that nobody else writes, whatever the message is: two of them, and it is malformed."""

OF_A_DIALOG = (*OF_EACH, "Contact", "Session-Expires")
"""Of responses that make a dialog. A refusal may well name another Contact (RFC 3261 21.3)."""

OF_AN_INVITE = (*OF_A_DIALOG, "Allow", "Supported", "Require", "Min-SE")

_NONE = Headers.trusted(())


def extraHeaders(lines: Iterable[tuple[str, str]], own: Collection[str] = OF_EACH) -> Headers:
    """The lines, if they may stand in a message beside ours. own: those that are ours.

    ValueError names the one that may not: for CR, LF, NUL and what cannot be encoded, a name that
    is no token, a header of ours, one that may stand once and stands twice.
    """
    headers = Headers(lines)
    if not headers.lines:
        return _NONE
    for name in own:
        if name in headers:
            raise ValueError(f"headers: {name} is written by the user agent")
    twice = headers.duplicated()
    if twice is not None:
        raise ValueError(f"headers: {twice} may stand once")
    return headers
