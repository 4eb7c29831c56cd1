"""The keys of one leg: from the forms that they come in to the events that applications get.

Lives here: what a key does to prompts and recordings, the time that ends a string, in-band
detection on and off. Not here: what is one press (doug.keys), one string (doug.digits), keys that
are sent (doug.keysender).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall

from doug.digits import Collected, DigitCollector, DigitMode
from doug.events import DTMFReceivedEvent, DTMFTimeoutEvent, MediaPlayUserBargeInEvent
from doug.keys import INBAND, INFO, RFC4733, KeySightings
from doug.play import Play
from shtoom.media.inband import Inband, InbandEar
from shtoom.rtp.telephoneevent import KeyPressed, KeyReleased
from shtoom.sip.keyinfo import KeyInfo

if TYPE_CHECKING:
    from doug.leg import Leg
    from doug.legmedia import LegMedia

__all__ = ["LegKeys"]

UNTOLD = 0.1  # seconds of a key in an INFO that does not say how long it was


class LegKeys:
    """What the far end presses. barged: the play that the string being collected has stopped."""

    def __init__(self, leg: Leg, media: LegMedia, inband: Inband) -> None:
        self._leg, self._media, self._inband = leg, media, inband
        self._reactor = media.reactor
        self._sightings = KeySightings()
        self._collector = DigitCollector()
        self._timer: IDelayedCall | None = None
        self._ear: InbandEar | None = None
        self.barged: Play | None = None

    # What the leg does with it

    def setMode(self, mode: DigitMode, inband: bool) -> None:
        """How keys become strings from now on, and whether tones in the sound are keys."""
        self._listen(inband)
        self._tell(self._collector.setMode(mode, self._reactor.seconds()))

    def forgetBargeIn(self) -> None:
        """The prompt that a key has stopped is no longer of interest; keys stay."""
        self._collector.forgetBargeIn()
        self.barged = None

    def reset(self) -> None:
        """As of a new leg; keys that waited are dropped."""
        self._stopTimer()
        self._listen(False)
        self._collector = DigitCollector()

    def close(self) -> None:
        """Nothing is heard any more."""
        self._stopTimer()
        self._listen(False)

    # The forms in which keys come

    def heard(self, key: KeyPressed | KeyReleased) -> None:
        """A telephone-event (RFC 4733); a bridge passes all of them on."""
        bridge = self._media.bridge
        if isinstance(key, KeyReleased):
            self._sightings.ended(key.digit, RFC4733, self._reactor.seconds(), key.duration)
        elif self._began(key.digit, RFC4733):
            return
        if bridge is not None:
            bridge.keyHeard(self._media, key)

    def infoReceived(self, key: KeyInfo) -> None:
        """An INFO request; a bridge passes it on, unless it has the same press already."""
        now = self._reactor.seconds()
        bridge = self._media.bridge
        before = self._sightings.count
        taken = self._began(key.digit, INFO)
        self._sightings.ended(key.digit, INFO, now, key.duration)
        if bridge is not None and not taken and self._sightings.count > before:
            bridge.keyHeard(self._media, KeyPressed(key.digit, 0))
            bridge.keyHeard(self._media, KeyReleased(key.digit, 0, key.duration or UNTOLD))

    def _toneBegan(self, digit: str) -> None:
        self._began(digit, INBAND)

    def _toneEnded(self, digit: str, duration: float) -> None:
        self._sightings.ended(digit, INBAND, self._reactor.seconds(), duration)

    def _listen(self, inband: bool) -> None:
        session = self._media.session
        if inband and self._ear is None and session is not None:
            self._ear = self._inband.listen(session, self._toneBegan, self._toneEnded)
        elif not inband and self._ear is not None:
            self._ear.close()
            self._ear = None
            self._sightings.lost(INBAND)

    # What becomes of them

    def _began(self, digit: str, how: str) -> bool:
        """A key is seen. True if it ends a recording and means nothing else."""
        press = self._sightings.began(digit, how, self._reactor.seconds())
        if press is None:
            return False
        if self._media.recorder.keyPressed(digit):
            return True
        barged = self._media.player.bargeIn()
        if barged is not None:
            self.barged = barged
        elif (prompt := self._media.player.prompt) is not None:
            self._media.losses.ignored(digit, prompt, press.at)
        self._tell(self._collector.keyPressed(press, barged is not None))
        return False

    def _tell(self, strings: Sequence[Collected]) -> None:
        for string in strings:
            barged = None
            if string.bargedIn:
                barged, self.barged = self.barged, None
            self._leg.raiseKeys(self._event(string, barged))
        self._armTimer()

    def _event(self, string: Collected, barged: Play | None) -> DTMFReceivedEvent:
        digits, leg = string.digits, self._leg
        if string.timedOut:
            return DTMFTimeoutEvent(digits, leg, string.presses)
        if barged is None:
            return DTMFReceivedEvent(digits, leg, string.presses)
        last = barged.playlist[-1] if barged.playlist else None
        return MediaPlayUserBargeInEvent(digits, last, leg, barged.playlist, string.presses)

    def _armTimer(self) -> None:
        self._stopTimer()
        deadline = self._collector.deadline
        if deadline is not None:
            delay = max(0.0, deadline - self._reactor.seconds())
            self._timer = self._reactor.callLater(delay, self._timeReached)

    def _timeReached(self) -> None:
        self._timer = None
        self._tell(self._collector.timeReached(self._reactor.seconds()))

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
