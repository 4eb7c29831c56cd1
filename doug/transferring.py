"""A far end that wants its call to be put through (REFER): asked for, followed, done.

Lives here: whose decision it is, which addresses may be called, what becomes of both legs. Not
here: REFER and NOTIFY as messages (shtoom.agent.transfer), dialling (doug.application), the events
(doug.events).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from doug.dialplan import DialWishes
from doug.events import BaseEvent, CallTransferredEvent, CallTransferRequestedEvent
from doug.transitions import Transition
from shtoom.exceptions import CallFailed
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from doug.bridge import Bridge
    from doug.leg import Leg
    from doug.voiceapp import VoiceApp
    from shtoom.agent.calluser import CallEnding
    from shtoom.agent.transfer import Transfer

__all__ = ["Transferring", "transferAsked"]

LEFT = 5.0
"""Seconds that a far end has to hang up whose call was put through; then we do."""

GIVEN_UP = 487  # the status of a call that was cancelled (RFC 3261 21.4.25)

log = Logger()


def transferAsked(leg: Leg, transfer: Transfer) -> None:
    """A REFER in the call of that leg: its application's to decide, or its trunk's policy's."""
    app = leg.getVoiceApp()
    if app is None or app.va_over or leg.transfer is not None:
        transfer.refuse()
        return
    live = app.va_application.exchange.relations.trunking.trunks.get(leg.trunk or "")
    trunk = None if live is None else live.trunk
    policy = "app" if trunk is None else trunk.transfers
    log.info(
        "call {callID}: the far end wants {target} to be called in its place (transfers: {policy})",
        callID=leg.callID,
        target=shown(transfer.target),
        policy=policy,
    )
    own = trunk is not None and trunk.leads(transfer.target)
    asked = Transferring(leg, transfer, app, leg.trunk if own else None)
    if policy == "refuse":
        asked.refuse(CallFailed("Transfers are not followed here (transfers of the trunk)", 603))
    elif policy == "follow":
        asked.follow(app)
    else:
        event = CallTransferRequestedEvent(leg, asked.target, asked)
        event.headers = tuple(transfer.request.headers)
        app.va_enqueue(event)
        app.va_enqueue(Undecided(asked))


class Undecided:
    """Behind the event in the queue: its turn comes when a handler has done what it will do."""

    def __init__(self, asked: Transferring) -> None:
        self._asked = asked

    def expand(self, current: Sequence[Transition]) -> Sequence[BaseEvent]:
        """Nothing; what was not accepted is refused."""
        self._asked.refuse(None)
        return ()

    def __repr__(self) -> str:
        return f"<Undecided {self._asked.target}>"


class Transferring:
    """One transfer, from the wish of a leg's far end to its outcome.

    target: the address that is to be called. The application hears of its leg's end no sooner than
    it is known what became of it: most phones hang up as soon as they have been heard.
    """

    def __init__(self, leg: Leg, transfer: Transfer, app: VoiceApp, trunk: str | None) -> None:
        """trunk: that of the leg, if it leads to the target."""
        self.target = str(transfer.target)
        self._leg, self._transfer, self._trunk = leg, transfer, trunk
        self._app: VoiceApp | None = app  # None when it is over: applications keep events
        self._isUnderWay = True  # is its outcome not known yet?
        self._newLeg: Leg | None = None  # while it is dialled
        self._isQuiet = False  # does the application hear of it alone if it asks?
        self._bridge: Bridge | None = None  # of a leg that has ended meanwhile
        self._tellEnd: Callable[[], None] | None = None  # of that leg
        self._timer: IDelayedCall | None = None
        leg.transfer = self
        transfer.onRefused = self._over

    # Whose decision it is

    def accept(
        self, fromURI: str | None, timeout: float, headers: Mapping[str, str], anyHost: bool
    ) -> Leg | None:
        """Calls the target; None if it is refused, or decided already. ValueError for a wish."""
        app = self._app
        if app is None or app.va_over or self._transfer.isDecided:
            log.info("call {callID}: accept comes too late: ignored", callID=self._leg.callID)
            return None
        if not anyHost and not self._isKnown(app):
            self.refuse(
                CallFailed("Only addresses of this server's trunks and phones are called", 403)
            )
            return None
        caller = None if fromURI is None else str(fromURI)  # a Party, too
        return self._dial(app, DialWishes(caller, timeout, headers, trunk=self._trunk))

    def refuse(self, failure: CallFailed | None) -> None:
        """Nobody is called; failure: 603 if None. Decided already: nothing."""
        if self._transfer.isDecided:
            return
        log.info(
            "call {callID}: the transfer to {target} is refused: {reason}",
            callID=self._leg.callID,
            target=shown(self.target),
            reason=shown(failure or "nobody accepts it"),
        )
        self._transfer.refuse(failure)

    def follow(self, app: VoiceApp) -> None:
        """By the policy of its trunk: addresses there alone."""
        if self._trunk is None:
            self.refuse(CallFailed("Only addresses of the same trunk are called", 403))
            return
        self._isQuiet = True
        self._dial(app, DialWishes(trunk=self._trunk))

    # What its two legs report

    def rings(self, code: int) -> None:
        """The new leg: 101 to 199."""
        self._transfer.report(code)

    def answered(self) -> None:
        """The new leg is up: it takes the other's place."""
        leg, newLeg, self._newLeg = self._leg, self._newLeg, None
        if newLeg is None:
            return
        self._transfer.report(200)
        newLeg.quiet, leg.quiet = False, self._isQuiet
        newLeg.raiseEvent(CallTransferredEvent(leg, newLeg, self._rejoined(newLeg)))
        log.info(
            "call {callID}: put through to {target} as call {other}",
            callID=leg.callID,
            target=shown(self.target),
            other=newLeg.callID,
        )
        self._isUnderWay = False
        if leg.ended or self._app is None:
            self._over()
        else:
            self._timer = self._app.reactor.callLater(LEFT, self._leave)

    def newLegEnded(self, how: CallEnding | CallFailed) -> None:
        """The new leg was never answered: the call goes on as it was."""
        if self._newLeg is None:
            return
        self._newLeg = None
        code = how.sipCode if how.sipCode is not None and how.sipCode >= 300 else GIVEN_UP
        self._transfer.report(code)
        log.info(
            "call {callID}: the transfer to {target} has failed: {code} {reason}",
            callID=self._leg.callID,
            target=shown(self.target),
            code=code,
            reason=shown(how.reason),
        )
        self._over()

    def legEnds(self) -> None:
        """The leg is about to end; its sound is still there."""
        self._bridge = self._leg.bridge
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def whenKnown(self, tell: Callable[[], None]) -> None:
        """The leg has ended: tell says so, now or when it is known what becomes of the other."""
        self._tellEnd = tell
        if not self._isUnderWay:
            self._over()

    def appEnded(self) -> None:
        """The application is over."""
        self._newLeg = None
        self._transfer.refuse()
        self._over()

    # How it is done

    def _isKnown(self, app: VoiceApp) -> bool:
        """Does the target lead to a trunk or a phone of this server?"""
        target, relations = self._transfer.target, app.va_application.exchange.relations
        if target.param("maddr") is not None:  # that is where it would lead
            return False
        if relations.trunking.to(target) is not None:
            return True
        try:
            return bool(relations.flowsTo(self.target))
        except CallFailed:  # a phone that is not registered now
            return True

    def _dial(self, app: VoiceApp, wishes: DialWishes) -> Leg:
        newLeg = app.va_application.placeLeg(app, self.target, wishes)
        newLeg.quiet = self._isQuiet
        self._newLeg = newLeg
        self._transfer.accept(wishes.timeout)
        if newLeg.outcome is not None:  # it was not even dialled
            self.newLegEnded(newLeg.outcome)
        else:
            newLeg.watcher = self
        return newLeg

    def _rejoined(self, newLeg: Leg) -> Bridge | None:
        """Who was connected with the leg is connected with the new one, on the same side."""
        leg = self._leg
        bridge = self._bridge if leg.ended else leg.bridge
        if bridge is None:
            return None
        other = next(each for each in bridge.legs if each is not leg)
        if other.ended or other.getVoiceApp() is not newLeg.getVoiceApp():
            return None
        if other.bridge not in (None, bridge):  # the application has done something else meanwhile
            return None
        first, second = (newLeg, other) if bridge.legs[0] is leg else (other, newLeg)
        return first.connect(second, bridge.relayKeys)

    def _leave(self) -> None:
        self._timer = None
        self._leg.drop("put through, and the far end did not hang up")

    def _over(self) -> None:
        """Its outcome is known. If the leg is still up, its far end may ask for another."""
        self._isUnderWay = False
        self._bridge = self._app = None
        if self._leg.transfer is self:
            self._leg.transfer = None
        tell, self._tellEnd = self._tellEnd, None
        if tell is not None:
            tell()
