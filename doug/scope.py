"""What a call or an application has opened: it is closed with it, and what stays open is named.

Lives here: the list of one of them. Not here: what is on it (doug.leg and its parts, doug.voiceapp
put it there), what becomes of those that stay (doug.leaks).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

import shtoom
import twisted

__all__ = ["CallScope", "Opened", "maker"]

log = Logger()

_HERE = Path(__file__).parent
_OURS = tuple(f"{path}{os.sep}" for path in (_HERE, Path(shtoom.__file__ or "").parent,
                                             Path(twisted.__file__ or "").parent))  # fmt: skip
_THEIRS = f"{_HERE / 'demo'}{os.sep}"  # an application like any other


class Opened:
    """One thing that was opened, until closed() or the scope's end.

    name: in words ("recording /var/spool/1.wav"). handler: the state of the application that it
    was made in, line: the line of it, "" for none. slow: does its closing take some time rightly?
    """

    __slots__ = ("_close", "_scope", "handler", "line", "name", "slow")

    def __init__(
        self,
        scope: CallScope,
        name: str,
        close: Callable[[], object] | None,
        handler: str,
        line: str,
        *,
        slow: bool,
    ) -> None:
        self._scope: CallScope | None = scope
        self._close = close
        self.name, self.handler, self.line, self.slow = name, handler, line, slow

    def closed(self, outcome: object = None) -> object:
        """It is closed, by whomever; again: nothing. Returns its argument, for a Deferred."""
        scope, self._scope = self._scope, None
        self._close = None
        if scope is not None:
            scope.forget(self)
        return outcome

    def close(self) -> None:
        """Has it closed, once; it stays on the list until it says that it is closed."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def __str__(self) -> str:
        made = ", ".join(filter(None, (self.handler, self.line)))
        return f"{self.name} (made in {made})" if made else self.name


class CallScope:
    """What one call or application has open, in the order of opening.

    name: of it, for log lines. whenEmpty: called with it as soon as the list is empty.
    """

    __slots__ = ("__weakref__", "_opened", "name", "whenEmpty")

    def __init__(self, name: str) -> None:
        self.name = name
        self._opened: dict[Opened, None] = {}
        self.whenEmpty: Callable[[CallScope], None] | None = None

    def __len__(self) -> int:
        return len(self._opened)

    def add(
        self,
        name: str,
        close: Callable[[], object] | None,
        handler: str = "",
        line: str = "",
        *,
        slow: bool = False,
    ) -> Opened:
        """Puts a thing on the list. close: closes it; called at most once, at the end. None: it
        ends by itself.
        """
        opened = Opened(self, name, close, handler, line, slow=slow)
        self._opened[opened] = None
        return opened

    def forget(self, opened: Opened) -> None:
        """It is closed."""
        self._opened.pop(opened, None)
        if not self._opened and self.whenEmpty is not None:
            whenEmpty, self.whenEmpty = self.whenEmpty, None
            whenEmpty(self)

    def close(self) -> None:
        """It is over: closes all, the latest first. An error of one is logged, no more."""
        for opened in reversed(tuple(self._opened)):
            try:
                opened.close()
            except Exception:
                log.failure("{call}: closing {what} failed", call=self.name, what=str(opened))

    def survivors(self, late: bool = False) -> list[str]:
        """What is still open after close(), in words; those are on the list no longer.

        late: those too that may take their time.
        """
        left = [opened for opened in self._opened if late or not opened.slow]
        for opened in left:
            opened.closed()
        return [str(opened) for opened in left]


def maker() -> str:
    """Which line of an application's has asked for what is being opened; "" if none has."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS) or file.startswith(_THEIRS):
            return f"{os.path.basename(file)} line {frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
