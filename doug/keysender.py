"""Keys that a leg sends: one after the other, in the best form that the far end takes.

Lives here: what may be sent, the order and the times, the choice of the form. Not here: the packets
of a telephone-event (shtoom.media.outgoing), INFO requests (shtoom.agent.call).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from doug.digits import KEYS
from doug.keytones import ToneKey

__all__ = ["PAUSE", "IKeyWay", "KeySender", "checkSending"]

PAUSE = 2.0  # seconds of a "," as modems and phones count it
SHORTEST = 0.04  # seconds of a key, and between two, that every receiver hears (ITU-T Q.24)
LONGEST_KEY = 10.0  # seconds
LONGEST_DELAY = 60.0


class IKeyWay(Protocol):
    """What a KeySender needs of its leg."""

    @property
    def reactor(self) -> IReactorTime: ...

    @property
    def canSendKeys(self) -> bool:
        """May anything be said now?"""

    def sendEvent(self, digit: str, duration: float) -> Deferred[None] | None:
        """The key as a telephone-event of so many seconds; None if the far end takes none."""

    def sendInfo(self, digit: str, duration: float) -> Deferred[bool] | None:
        """The key as an INFO request. duration: seconds that it says.

        Fires with False if it is refused. None if it may not be.
        """

    def pressTone(self, digit: str) -> ToneKey | None:
        """The key as a tone, down until release() of what is returned."""


class _Key(NamedTuple):
    """A key, or "," for a pause. gap: seconds until the next. done: fires when it is out."""

    digit: str
    duration: float
    gap: float
    done: Deferred[None] | None


class KeySender:
    """The keys of one leg, in the order asked for."""

    def __init__(self, way: IKeyWay) -> None:
        self._way = way
        self._waiting: deque[_Key] = deque()
        self._sending: _Key | None = None
        self._timer: IDelayedCall | None = None
        self._infoRefused = False

    def send(self, digits: str, duration: float, delay: float) -> Deferred[None]:
        """After what is sent already; see Leg.sendDTMF. checkSending() has passed."""
        gap = max(SHORTEST, delay)
        keys = [
            _Key(d, PAUSE, 0.0, None) if d == "," else _Key(d, duration, gap, None)
            for d in digits.upper()
        ]
        if not keys:
            return succeed(None)
        done: Deferred[None] = Deferred()
        keys[-1] = keys[-1]._replace(done=done)
        self._waiting += keys
        self.next()
        return done

    def next(self) -> None:
        """The next key goes out, if it is its time and the leg can send it."""
        if self._sending is not None or self._timer is not None or not self._waiting:
            return
        if not self._way.canSendKeys:
            return
        key = self._sending = self._waiting.popleft()
        startedAt = self._way.reactor.seconds()
        if key.digit == ",":
            self._later(key.duration, lambda: self._sent(key, startedAt))
            return
        event = self._way.sendEvent(key.digit, key.duration)
        if event is not None:
            event.addCallback(lambda _: self._sent(key, startedAt))
            return
        info = None if self._infoRefused else self._way.sendInfo(key.digit, key.duration)
        if info is not None:
            info.addCallback(self._infoAnswered, key, startedAt)
            return
        self._sendTone(key, startedAt)

    def close(self) -> None:
        """Nothing is sent any more; who waits is told."""
        keys = [*self._waiting] if self._sending is None else [self._sending, *self._waiting]
        self._waiting.clear()
        self._sending = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for key in keys:
            if key.done is not None:
                key.done.callback(None)

    def _infoAnswered(self, taken: bool, key: _Key, startedAt: float) -> None:
        if self._sending is not key:
            return  # the leg ended in the middle of it
        if taken:
            self._sent(key, startedAt)
        else:
            self._infoRefused = True
            self._sendTone(key, self._way.reactor.seconds())

    def _sendTone(self, key: _Key, startedAt: float) -> None:
        tone = self._way.pressTone(key.digit)
        if tone is not None:
            tone.release(key.duration)
        self._later(key.duration, lambda: self._sent(key, startedAt))

    def _sent(self, key: _Key, startedAt: float) -> None:
        """It is out. The next follows `gap` seconds after this one's end."""
        if self._sending is not key:
            return  # the leg ended in the middle of it
        self._sending = None
        gap = startedAt + key.duration + key.gap - self._way.reactor.seconds()
        if gap > 0:
            self._later(gap, self.next)
        if key.done is not None:
            key.done.callback(None)
        self.next()

    def _later(self, seconds: float, f: Callable[[], None]) -> None:
        def run() -> None:
            self._timer = None
            f()

        self._timer = self._way.reactor.callLater(seconds, run)


def checkSending(digits: str, duration: float, delay: float) -> None:
    """ValueError, naming the argument, unless that can be sent. duration, delay: seconds."""
    wrong = [digit for digit in digits.upper() if digit not in KEYS and digit != ","]
    if wrong:
        raise ValueError(
            f"sendDTMF: digits: wanted 0-9, A-D, *, # and , (a pause), got {wrong[0]!r} in "
            f"{digits!r}" + (" (E and F have no tone)" if wrong[0] in "EF" else "")
        )
    for name, value, least, most in (
        ("duration", duration, SHORTEST, LONGEST_KEY),
        ("delay", delay, 0.0, LONGEST_DELAY),
    ):
        if not least <= value <= most:
            raise ValueError(f"sendDTMF: {name}: wanted {least:g} to {most:g} s, got {value!r}")
