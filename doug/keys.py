"""One press, however many forms it comes in (sans-I/O).

Lives here: which sightings of a key are the same press. Not here: the forms (RFC 4733 in
shtoom.rtp.telephoneevent, tones in shtoom.media.inband, INFO in shtoom.sip.keyinfo), strings of
keys (doug.digits).

Gateways often send a key in two forms at once: the tone leaks into the sound before it is turned
into an event, an INFO follows when the key is let go. A sighting in one form is the press that
was seen in another form, if that one is still down or came up a moment ago; presses and sightings
of one form keep their order. What no press fits is a press of its own.
"""

from __future__ import annotations

from collections import deque

from doug.digits import Press
from shtoom.rtp.telephoneevent import MAX_PRESSES_A_SECOND

__all__ = ["INBAND", "INFO", "RFC4733", "KeySightings"]

RFC4733 = "rfc4733"
INBAND = "inband"
INFO = "info"

SLACK = 0.35  # seconds that one form may be behind the end of the press as another form had it
LONGEST = 10.0  # seconds; a press whose end nobody saw is over then


class _Known:
    """A press of late. down: the forms in which it has not ended. lastAt: of its last sign."""

    __slots__ = ("down", "lastAt", "press")

    def __init__(self, press: Press) -> None:
        self.press = press
        self.down = {press.how}
        self.lastAt = press.at


class KeySightings:
    """Sightings in, presses out, each once, when it is first seen. count: of presses so far.

    In any second there are no more than MAX_PRESSES_A_SECOND, in whatever forms; the rest is none.
    """

    __slots__ = ("_known", "_pressedAt", "count")

    def __init__(self) -> None:
        self._known: list[_Known] = []
        self._pressedAt: deque[float] = deque(maxlen=MAX_PRESSES_A_SECOND)
        self.count = 0

    def began(self, digit: str, how: str, now: float) -> Press | None:
        """A key is seen in the form `how`; the Press if it is a new one. now: seconds."""
        self._known = [known for known in self._known if self._isOpen(known, now)]
        same = self._same(digit, how)
        if same is not None:
            if how not in same.press.seen:
                same.press.seen.append(how)
            same.down.add(how)
            same.lastAt = now
            return None
        pressedAt = self._pressedAt
        if len(pressedAt) == MAX_PRESSES_A_SECOND and now - pressedAt[0] < 1.0:
            return None
        pressedAt.append(now)
        press = Press(digit, now, how)
        self.count += 1
        self._known.append(_Known(press))
        return press

    def ended(self, digit: str, how: str, now: float, duration: float | None) -> None:
        """That form of it is over. duration: seconds, as that form tells it.

        The press has the duration of the first form that tells one, or of RFC 4733.
        """
        for known in self._known:
            if known.press.digit == digit and how in known.down:
                known.down.discard(how)
                known.lastAt = now
                if duration is not None and (known.press.duration is None or how == RFC4733):
                    known.press.duration = duration
                return

    def lost(self, how: str) -> None:
        """There is no more of that form; what is down in it will not be told to end."""
        for known in self._known:
            known.down.discard(how)

    def _same(self, digit: str, how: str) -> _Known | None:
        """The first press that this may be, after the last that was seen in the form."""
        found = None
        for known in self._known:
            if how in known.press.seen:
                found = None
                if how == INBAND and RFC4733 in known.down and known.press.digit == digit:
                    found = known  # a tone with a hole in it, in a press that goes on
            elif found is None and known.press.digit == digit:
                found = known
        return found

    @staticmethod
    def _isOpen(known: _Known, now: float) -> bool:
        if known.down:
            return now < known.press.at + LONGEST
        return now < known.lastAt + SLACK
