"""The end of a leg: the events that tell of it, its verdict, its last log line.

Lives here: waiting for the recordings, gathering from the floors what they know of a call. Not
here: the rules of the verdict (doug.verdict), what was lost (doug.losses), when a leg ends
(doug.leg).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from twisted.logger import Logger, LogLevel

from doug.events import (
    BaseEvent,
    CallEndedEvent,
    CallRejectedEvent,
    MediaPlayRemoteClosedEvent,
)
from doug.patience import Patience
from doug.verdict import NO_MEDIA, CallFacts, Finding, judge
from shtoom.agent.calluser import CallEnding
from shtoom.exceptions import CallFailed, InvalidSIPURL
from shtoom.sip.fields import parseNameAddress
from shtoom.sip.shown import SENTENCE, shown

if TYPE_CHECKING:
    from doug.leg import Leg
    from doug.legcall import LegCall
    from doug.legmedia import LegMedia
    from doug.losses import Losses
    from doug.voiceapp import VoiceApp

__all__ = ["Farewell"]

PATIENCE = 5.0  # seconds that the end of a leg waits for the disk to take its recordings

log = Logger()


class Farewell:
    """What is to come between the end of a leg and the event that tells of it.

    Sound ends when this is made; after begin() the events come with the complete files.
    """

    def __init__(
        self,
        leg: Leg,
        call: LegCall,
        media: LegMedia,
        losses: Losses,
        how: CallEnding | CallFailed,
        *,
        appError: str,
    ) -> None:
        """how: a CallFailed for a call that was placed and never answered. appError: see
        CallFacts.
        """
        self._leg, self._media, self._how = leg, media, how
        self._byUs, self._dialled = call.byUs, call.dialled[1]
        self._play, self._records = media.close()
        app = leg.getVoiceApp()
        losses.close(app.va_queue if app is not None else ())
        self._facts = factsOf(call, media, losses, app, appError)
        if isinstance(how, CallEnding) and not self._byUs:
            self._facts = replace(self._facts, pending=pendingIn(app))
        self._patience: Patience | None = None
        self._over = False

    def begin(self) -> None:
        """Tells of the end as soon as all files are complete, or have had their time."""
        self._media.recorder.whenClosed(self._tell)
        if not self._over:
            self._patience = Patience(self._media.reactor, PATIENCE, self._tell)

    def _tell(self) -> None:
        """The last that is heard of the leg."""
        self._over = True
        if self._patience is not None:
            self._patience.cancel()
        leg = self._leg
        facts = replace(
            self._facts,
            notRecorded=tuple(self._media.notRecorded),
            survivors=leg.leaks.over(leg.scope),
        )
        verdict = judge(facts)
        logEnd(leg.scope.name, self._how, facts, verdict, self._dialled)
        if leg.transfer is not None:
            leg.transfer.whenKnown(partial(self._report, verdict))
        else:
            self._report(verdict)

    def _report(self, verdict: Sequence[Finding]) -> None:
        """The application hears of it."""
        leg, app = self._leg, self._leg.getVoiceApp()
        if app is not None and not app.va_over:
            app.va_hangUp(leg, self._mediaEvents(), self._endEvent(verdict))
        leg.forget()

    def _mediaEvents(self) -> list[BaseEvent]:
        """How running sound ended; nothing, if the application itself has ended the call."""
        if self._byUs:
            return []
        events: list[BaseEvent] = [self._media.recordEvent(record) for record in self._records]
        if self._play is not None:
            events.append(self._media.playEvent(self._play, MediaPlayRemoteClosedEvent))
        return events

    def _endEvent(self, verdict: Sequence[Finding]) -> BaseEvent:
        leg, how = self._leg, self._how
        if isinstance(how, CallFailed):
            return CallRejectedEvent(leg, how.reason, how.sipCode, how.with_traceback(None))
        duration = self._facts.answeredFor or 0.0
        event = CallEndedEvent(leg, how.reason, how.sipCode, duration, verdict)
        event.headers = how.headers
        return event


def factsOf(
    call: LegCall, media: LegMedia, losses: Losses, app: VoiceApp | None, appError: str
) -> CallFacts:
    """What the floors know of a call at its end."""
    dialog = call.call.dialog if call.call is not None else None
    peer = call.call.peer if call.call is not None else None
    stream, answeredAt, now = call.stream, call.answeredAt, media.reactor.seconds()
    stats = media.session.stats if media.session is not None else NO_MEDIA
    heardAt, silentFor = stats.lastPacketAt, 0.0
    if heardAt is not None and not call.isHeld:
        silentFor = now - max(heardAt, stats.describedAt)
    slow = app.va_slow if app is not None else {}
    return CallFacts(
        answeredFor=None if answeredAt is None else now - answeredAt,
        signalling=tuple(call.call.findings) if call.call is not None else (),
        unacknowledged=call.call.unacknowledged if call.call is not None else "",
        ourHost=hostOf(call.call.contact) if call.call is not None else None,
        contactHost=None if dialog is None or dialog.routeSet else dialog.remoteTarget.host,
        signallingHost=peer.address[0] if peer is not None else None,
        mediaHost=stream.remoteHost if stream is not None else None,
        stats=stats,
        expected=stream is not None and stream.receive,
        listens=stream is not None and stream.send,
        silentFor=silentFor,
        keysUnmatched=losses.unmatched,
        keysWaiting=losses.waited,
        keysUnheeded=losses.unheeded,
        eventsUnmatched=tuple(losses.events),
        leftOut=media.leftOut,
        notPlayed=tuple(media.notPlayed),
        appError=appError,
        slowHandlers=tuple(held.inShort() for held in slow.values()),
    )


def pendingIn(app: VoiceApp | None) -> str:
    """The handler whose Deferred pends, if one does."""
    if app is None or app.va_over or app.va_pending is None:
        return ""
    return f"{type(app).__name__}.{app.getCurrentState()}"


def hostOf(contact: str) -> str | None:
    """The host of a Contact of ours."""
    return parseNameAddress(contact).uri.host if contact else None


def logEnd(
    name: str,
    how: CallEnding | CallFailed,
    facts: CallFacts,
    verdict: Sequence[Finding],
    dialled: str = "",
) -> None:
    """The log's last line of a call; a warning if it was placed and there was nobody to ask.

    name: "call" and its Call-ID. dialled: the address of one that was placed.
    """
    findings = "; ".join(finding.text for finding in verdict)
    if facts.answeredFor is None:
        unasked = isinstance(how, InvalidSIPURL) or facts.signallingHost is None
        log.emit(
            LogLevel.warn if isinstance(how, CallFailed) and unasked else LogLevel.info,
            "{name}{dialled} never came up: {reason}{findings}",
            name=name,
            dialled=f" to {shown(dialled)}" if dialled else "",
            reason=shown(how.reason, SENTENCE),
            findings=f"; {findings}" if findings else "",
        )
        return
    if not findings and how.sipCode is None:
        findings = "nothing was wrong"
    stats = facts.stats
    log.info(
        "{name} ended after {duration:.2f} s: {reason}; {sent} packets sent, {received} "
        "received, {lost} lost{findings}",
        name=name,
        duration=facts.answeredFor or 0.0,
        reason=shown(how.reason, SENTENCE),
        sent=stats.packetsSent,
        received=stats.packetsReceived,
        lost=stats.lost,
        findings=f"; {findings}" if findings else "",
    )
