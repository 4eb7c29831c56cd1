"""The end of a leg in facts and words: what its verdict is judged on, and its last log line.

Lives here: gathering from the floors what they know of a call, keys that were lost.
Not here: the rules (doug.verdict), when a leg ends and with which events (doug.leg).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, NamedTuple

from twisted.logger import Logger, LogLevel

from doug.verdict import CallFacts, Finding
from shtoom.exceptions import CallFailed, InvalidSIPURL
from shtoom.media.stats import MediaStats
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from doug.events import DTMFReceivedEvent
    from doug.player import Play
    from doug.recorder import Record
    from shtoom.agent.call import Call
    from shtoom.agent.calluser import CallEnding
    from shtoom.sdp.offeranswer import AgreedStream

__all__ = ["Ending", "KeyLosses", "factsOf", "logEnd"]

log = Logger()


class Ending(NamedTuple):
    """What is kept of a leg between its end and the event that tells of it.

    how: a CallFailed if the far end has never answered. play: what was heard. records: the
    recordings that ran. facts: for the verdict.
    """

    how: CallEnding | CallFailed
    play: Play | None
    records: Sequence[Record]
    facts: CallFacts


class KeyLosses:
    """Keys that an application did not get, or did not want.

    unmatched: dropped because no entry of its state matched. waited: dropped so after they had to
    wait for a handler's Deferred.
    """

    __slots__ = ("_waiting", "unmatched", "waited")

    def __init__(self) -> None:
        self._waiting: list[DTMFReceivedEvent] = []
        self.unmatched = self.waited = ""

    def mustWait(self, event: DTMFReceivedEvent) -> None:
        """Keys came while a handler's Deferred pends."""
        self._waiting.append(event)

    def dropped(self, event: DTMFReceivedEvent) -> None:
        """Nothing matched them."""
        if event in self._waiting:
            self.waited += event.digits
        else:
            self.unmatched += event.digits

    def close(self, queue: Container[object]) -> None:
        """The leg is over; what still waits in the application's queue may never be heard."""
        self.waited += "".join(event.digits for event in self._waiting if event in queue)
        self._waiting.clear()


def factsOf(
    call: Call | None,
    stats: MediaStats,
    stream: AgreedStream | None,
    keys: KeyLosses,
    *,
    answeredFor: float | None,
    leftOut: bool,
    notPlayed: Sequence[str] = (),
    appError: str = "",
) -> CallFacts:
    """What the floors know of a call at its end. stream: what was agreed on last.

    answeredFor: seconds, None if it was never answered. leftOut: did the media clock leave out
    sound meanwhile? notPlayed: items that could not be, and why. appError: see CallFacts.
    """
    dialog = call.dialog if call is not None else None
    peer = call.peer if call is not None else None
    return CallFacts(
        answeredFor=answeredFor,
        signalling=tuple(call.findings) if call is not None else (),
        contactHost=dialog.remoteTarget.host if dialog is not None else None,
        signallingHost=peer.address[0] if peer is not None else None,
        mediaHost=stream.remoteHost if stream is not None else None,
        stats=stats,
        expected=stream is not None and stream.receive,
        keysUnmatched=keys.unmatched,
        keysWaiting=keys.waited,
        leftOut=leftOut,
        notPlayed=tuple(notPlayed),
        appError=appError,
    )


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
            reason=how.reason,
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
        reason=how.reason,
        sent=stats.packetsSent,
        received=stats.packetsReceived,
        lost=stats.lost,
        findings=f"; {findings}" if findings else "",
    )
