"""What a call has opened: it is closed with the call, and what stays open is named.

Lives here: the list of one call. Not here: what is on it (doug.leg and its parts put it there).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

__all__ = ["CallScope", "Opened"]

log = Logger()


class Opened:
    """One thing that a call has opened, until closed() or the scope's end.

    name: in words ("recording /var/spool/1.wav"). handler: the state of the application that it
    was made in, "" for none.
    """

    __slots__ = ("_close", "_scope", "handler", "name")

    def __init__(
        self, scope: CallScope, name: str, close: Callable[[], object], handler: str
    ) -> None:
        self._scope: CallScope | None = scope
        self._close: Callable[[], object] | None = close
        self.name, self.handler = name, handler

    def closed(self) -> None:
        """It is closed, by whomever; again: nothing."""
        scope, self._scope = self._scope, None
        self._close = None
        if scope is not None:
            scope.forget(self)

    def close(self) -> None:
        """Has it closed, once; it stays on the list until it says that it is closed."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def __str__(self) -> str:
        return f"{self.name} (made in {self.handler})" if self.handler else self.name


class CallScope:
    """What one call has open, in the order of opening. name: of the call, for log lines."""

    __slots__ = ("_opened", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._opened: dict[Opened, None] = {}

    def __len__(self) -> int:
        return len(self._opened)

    def add(self, name: str, close: Callable[[], object], handler: str = "") -> Opened:
        """Puts a thing on the list. close: closes it; called at most once, at the call's end."""
        opened = Opened(self, name, close, handler)
        self._opened[opened] = None
        return opened

    def forget(self, opened: Opened) -> None:
        """It is closed."""
        self._opened.pop(opened, None)

    def close(self) -> None:
        """The call is over: closes all, the latest first. An error of one is logged, no more."""
        for opened in reversed(tuple(self._opened)):
            try:
                opened.close()
            except Exception:
                log.failure("{call}: closing {what} failed", call=self.name, what=str(opened))

    def survivors(self) -> list[str]:
        """What is still open after close(), in words; each is logged, and the list is empty then.

        A thing that is closed by a thread may be here rightly for a moment.
        """
        names = [str(opened) for opened in self._opened]
        for name in names:
            log.warn("{call} is over, but {what} is still open", call=self.name, what=name)
        for opened in tuple(self._opened):
            opened.closed()
        return names
