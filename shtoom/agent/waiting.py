"""A caller who waits for an answer: word that it still rings, and the time that it gives us.

Lives here: the 1xx of each minute (RFC 3261 13.3.1.1), the INVITE's Expires (13.3.1).
Not here: what is answered (inbound.py), the 100 of a slow user (sip/inviteserver.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from shtoom.sip.message import Request, Response

MINUTE = 60.0
"""Seconds between two provisional responses: a proxy may give up a call of which it hears nothing
for three minutes, and one of them may be lost."""

MOST_MINUTES = 60
"""How often that is: a caller may have vanished long since, and nothing tells of it over UDP."""

MOST_DIGITS = 10
"""Of the seconds in Expires: up to 2**32-1 (20.19)."""


class IWaitedFor(Protocol):
    """The call that is waited for."""

    def expired(self) -> None:
        """The time is over that the INVITE gave."""

    def waitedTooLong(self, minutes: int) -> None:
        """So are all the minutes in which anybody may still be there."""


class Waiting:
    """One of them. respond: sends a response to the INVITE. call: hears when it is to end."""

    __slots__ = ("_call", "_expiry", "_minutes", "_reactor", "_respond", "_word")

    def __init__(
        self,
        reactor: IReactorTime,
        request: Request,
        respond: Callable[[Response], None],
        call: IWaitedFor,
    ) -> None:
        self._reactor, self._respond = reactor, respond
        self._call: IWaitedFor | None = call
        self._minutes = 0
        self._word: IDelayedCall | None = None
        seconds = _seconds(request.header("Expires"))
        self._expiry = reactor.callLater(seconds, call.expired) if seconds else None

    def rings(self, response: Response) -> None:
        """Sends that 1xx, and again each minute until the next or stop()."""
        _cancel(self._word)
        self._word = self._reactor.callLater(MINUTE, self._again, response)
        self._respond(response)

    def _again(self, response: Response) -> None:
        self._minutes += 1
        if self._minutes < MOST_MINUTES:
            self.rings(response)
        elif self._call is not None:
            self._call.waitedTooLong(self._minutes)

    def stop(self) -> None:
        """The caller has its final response."""
        self._call = None
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
