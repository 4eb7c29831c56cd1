"""A caller who waits for an answer: word that it still rings, and the time that it gives us.

Lives here: the 1xx of each minute (RFC 3261 13.3.1.1), the INVITE's Expires (13.3.1).
Not here: what is answered (inbound.py), the 100 of a slow user (sip/inviteserver.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from shtoom.sip.message import Request, Response

MINUTE = 60.0
"""Seconds between two provisional responses: a proxy may give up a call of which it hears nothing
for three minutes, and one of them may be lost."""

MOST_DIGITS = 10
"""Of the seconds in Expires: up to 2**32-1 (20.19)."""


class Waiting:
    """One of them. respond: sends a response to the INVITE. expired: its time is over."""

    __slots__ = ("_expiry", "_reactor", "_respond", "_word")

    def __init__(
        self,
        reactor: IReactorTime,
        request: Request,
        respond: Callable[[Response], None],
        expired: Callable[[], None],
    ) -> None:
        self._reactor, self._respond = reactor, respond
        self._word: IDelayedCall | None = None
        seconds = _seconds(request.header("Expires"))
        self._expiry = reactor.callLater(seconds, expired) if seconds else None

    def rings(self, response: Response) -> None:
        """Sends that 1xx, and again each minute until the next or stop()."""
        _cancel(self._word)
        self._word = self._reactor.callLater(MINUTE, self.rings, response)
        self._respond(response)

    def stop(self) -> None:
        """The caller has its final response."""
        _cancel(self._word)
        _cancel(self._expiry)
        self._word = self._expiry = None


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def _seconds(value: str | None) -> int:
    """0 for no Expires, for one that cannot be read, and for the 0 of callers who mean none."""
    text = (value or "").strip()
    readable = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
    return int(text) if readable else 0
