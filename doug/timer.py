"""What setTimer() returns.

Lives here: Timer. Not here: who keeps the timers of an application (doug.voiceapp).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from doug.events import BaseEvent, TimeoutEvent

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from doug.voiceapp import VoiceApp


class Timer:
    """Raises TimeoutEvent(timer) once, `delay` seconds after it was set. data: the user's own."""

    def __init__(self, app: VoiceApp, delay: float, data: Any = None) -> None:
        self.delay, self.data = delay, data
        self._app: VoiceApp | None = app
        self._call: IDelayedCall | None = app.reactor.callLater(delay, self._expired)

    def isActive(self) -> bool:
        """Still to run out?"""
        return self._call is not None

    def cancel(self) -> None:
        """No TimeoutEvent any more, not even one that is queued already. Again: nothing."""
        call, self._call = self._call, None
        app, self._app = self._app, None
        if call is not None:
            call.cancel()
        if app is not None:
            app.va_timerGone(self)
            app.va_withdraw(self._isOurs)

    def _expired(self) -> None:
        self._call = None
        app = self._app
        if app is not None:
            app.va_enqueue(TimeoutEvent(self))
            app.va_timerGone(self)

    def _isOurs(self, event: BaseEvent) -> bool:
        return isinstance(event, TimeoutEvent) and getattr(event, "timer", None) is self

    def __repr__(self) -> str:
        data = "" if self.data is None else f" data={self.data!r}"
        return f"<Timer of {self.delay:g} s{data}>"
