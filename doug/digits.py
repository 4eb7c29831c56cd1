"""The keys of a leg, one by one or as strings (sans-I/O).

Lives here: what a press is, how presses become strings, the times that end one.
Not here: what is one press (doug.keys), events and what a key does to a prompt (doug.legmedia,
doug.player).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

KEYS = "0123456789*#ABCD"
"""What can be pressed (RFC 4733 3.2, the sixteen keys of DTMF)."""


@dataclass(slots=True)
class Press:
    """One press of one key; `event.evidence` is a list of them, one for each of its digits.

    at: seconds of the reactor's clock when it was first seen. how: the form in which it was: as
    "rfc4733" (telephone-event), "inband" (tones in the sound) or "info" (SIP INFO). seen: all its
    forms, others may be added after the event. duration: seconds, None until the key was let go
    (an event comes at the start), or if nobody tells.
    """

    digit: str
    at: float
    how: str = "rfc4733"
    duration: float | None = None
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.seen:
            self.seen.append(self.how)


@dataclass(frozen=True, slots=True)
class DigitMode:
    """How keys become strings, as Leg.dtmfMode sets it.

    single: each key by itself; nothing else counts then. terminators: keys that end a string.
    maxDigits: so many keys end it too. interDigitTimeout: seconds allowed between two keys.
    timeout: seconds allowed from the first key to the last, 0 for any. ValueError names what is
    out of range.
    """

    single: bool = True
    terminators: str = "#"
    maxDigits: int | None = None
    interDigitTimeout: float | None = None
    timeout: float = 0.0

    def __post_init__(self) -> None:
        checkKeys("terminators", self.terminators)
        if self.maxDigits is not None and self.maxDigits < 1:
            raise ValueError(f"maxDigits: wanted 1 or more, or None, got {self.maxDigits}")
        if self.interDigitTimeout is not None and self.interDigitTimeout <= 0:
            raise ValueError(
                f"interDigitTimeout: wanted seconds above 0, or None, got {self.interDigitTimeout}"
            )
        if self.timeout < 0:
            raise ValueError(f"timeout: wanted seconds, 0 for none, got {self.timeout}")


class Collected(NamedTuple):
    """A string that is over. timedOut: by its time, not by its last key. bargedIn: one of its
    keys stopped a prompt."""

    digits: str
    presses: list[Press]
    timedOut: bool
    bargedIn: bool


class DigitCollector:
    """Keys in, strings out.

    Every input returns what is complete by now, in order; deadline: when timeReached() wants its
    turn, None for never. Keys come de-duplicated, at their start. No key is lost: each is in
    exactly one string, in the order pressed.

    | mode            | what happens                         | outcome                           |
    |-----------------|--------------------------------------|-----------------------------------|
    | single          | any key                              | that key                          |
    | single          | time passes                          | nothing, timeouts do not count    |
    | collecting      | a terminator                         | the string, terminator included   |
    | collecting      | the maxDigits-th key                 | the string                        |
    | collecting      | another key                          | nothing yet                       |
    | collecting      | no key yet, time passes              | nothing: no time runs before one  |
    | collecting      | interDigitTimeout since the last key | the string so far, timedOut       |
    | collecting      | timeout since the first key          | the string so far, timedOut       |
    | collecting      | a key at or after either time        | the string so far, timedOut; the  |
    |                 |                                      | key begins the next one           |
    | any             | a key that stopped a prompt          | as above; the string it belongs   |
    |                 |                                      | to is bargedIn, timed out or not  |
    | mode is changed | keys were waiting                    | taken as if pressed in the new    |
    |                 |                                      | mode, at the times they had       |
    """

    __slots__ = ("_bargedIn", "_presses", "mode")

    def __init__(self, mode: DigitMode | None = None) -> None:
        self.mode = mode if mode is not None else DigitMode()
        self._presses: list[Press] = []
        self._bargedIn = False

    @property
    def digits(self) -> str:
        """What waits for its end."""
        return "".join(press.digit for press in self._presses)

    @property
    def deadline(self) -> float | None:
        """When the string that waits is over without another key."""
        if not self._presses:
            return None
        mode, ends = self.mode, []
        if mode.timeout:
            ends.append(self._presses[0].at + mode.timeout)
        if mode.interDigitTimeout is not None:
            ends.append(self._presses[-1].at + mode.interDigitTimeout)
        return min(ends, default=None)

    def keyPressed(self, press: Press, bargedIn: bool = False) -> list[Collected]:
        """A key goes down at press.at. bargedIn: it stopped a prompt."""
        over = self.timeReached(press.at)
        self._presses.append(press)
        self._bargedIn = self._bargedIn or bargedIn
        mode = self.mode
        if (
            mode.single
            or press.digit in mode.terminators
            or (mode.maxDigits is not None and len(self._presses) >= mode.maxDigits)
        ):
            over.append(self._take(timedOut=False))
        return over

    def timeReached(self, now: float) -> list[Collected]:
        """Ends a string whose time is over."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return []
        return [self._take(timedOut=True)]

    def setMode(self, mode: DigitMode, now: float) -> list[Collected]:
        """Another mode, from the keys on that wait."""
        waiting, bargedIn = self._presses, self._bargedIn
        self.mode, self._presses, self._bargedIn = mode, [], False
        over: list[Collected] = []
        for press in waiting:
            over += self.keyPressed(press, bargedIn)
            bargedIn = False
        return over + self.timeReached(now)

    def forgetBargeIn(self) -> None:
        """The prompt that the string stopped is no longer of interest; its keys stay."""
        self._bargedIn = False

    def _take(self, timedOut: bool) -> Collected:
        over = Collected(self.digits, self._presses, timedOut, self._bargedIn)
        self._presses, self._bargedIn = [], False
        return over


def checkKeys(name: str, keys: str) -> None:
    """ValueError, naming the argument, unless all of `keys` can be pressed."""
    wrong = [key for key in keys if key not in KEYS]
    if wrong:
        raise ValueError(f"{name}: wanted some of 0-9 A-D * #, got {wrong[0]!r} in {keys!r}")
