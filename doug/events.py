"""What can happen to an application: the hierarchy of events, in the contract's order.

A handler for a class gets its subclasses too. Events that later versions add derive from
OptionalEvent, which is no Event: no entry written before them, not even a catch-all
(Event, handler), gets one by accident.

Lives here: the classes and IGNORE_EVENT, and nothing else is exported. Not here: who raises them
(doug.leg, doug.timer ...), how they are delivered (doug.statemachine).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final

from shtoom.exceptions import bare
from shtoom.sip.headers import Headers

if TYPE_CHECKING:
    from doug.bridge import Bridge
    from doug.dialog import Dialog
    from doug.leg import Leg
    from doug.timer import Timer
    from doug.transferring import Transferring
    from shtoom.exceptions import CallFailed

__all__ = [
    "IGNORE_EVENT",
    "ApplicationSpecificEvent",
    "BaseEvent",
    "CallAnsweredEvent",
    "CallEndedEvent",
    "CallHeldEvent",
    "CallLegEvent",
    "CallProgressEvent",
    "CallRejectedEvent",
    "CallResumedEvent",
    "CallStartedEvent",
    "CallTransferRequestedEvent",
    "CallTransferredEvent",
    "DTMFReceivedEvent",
    "DTMFTimeoutEvent",
    "Event",
    "InboundCallStartedEvent",
    "MediaDoneEvent",
    "MediaPlayContentDoneEvent",
    "MediaPlayContentFailedEvent",
    "MediaPlayDoneEvent",
    "MediaPlayRemoteClosedEvent",
    "MediaPlayTimerExpiredEvent",
    "MediaPlayUserBargeInEvent",
    "MediaRecordDoneEvent",
    "MediaRecordFailedEvent",
    "MediaRecordRemoteClosedEvent",
    "MediaRecordStoreFailedEvent",
    "MediaRecordTimeoutExceededEvent",
    "OptionalEvent",
    "OutboundCallStartedEvent",
    "TimeoutEvent",
]


class _Ignore(Enum):
    IGNORE_EVENT = "IGNORE_EVENT"

    def __repr__(self) -> str:
        return "IGNORE_EVENT"


IGNORE_EVENT: Final = _Ignore.IGNORE_EVENT


class _Unmatched(Enum):
    """What becomes of an event that no entry of the current list matches."""

    ERROR = "error"  # unknownEvent, or the app's end with EventNotSpecifiedError
    TOLERATE = "tolerate"  # unknownEvent, or a log line; an error only to a strict app
    DROP = "drop"  # nothing at all


class BaseEvent:
    """What Event and OptionalEvent have in common; not for entries of applications."""

    unmatched: ClassVar[_Unmatched] = _Unmatched.ERROR

    def getEventName(self) -> str:
        """The name of the class."""
        return type(self).__name__

    def _details(self) -> Mapping[str, object]:
        """What repr() shows; only what is set, since subclasses may leave out our __init__."""
        return {}

    def __repr__(self) -> str:
        shown = " ".join(f"{name}={value!r}" for name, value in self._details().items())
        return f"<{self.getEventName()} {shown}>" if shown else f"<{self.getEventName()}>"


class Event(BaseEvent):
    """The root of all events that an application must expect."""


class OptionalEvent(BaseEvent):
    """The root of events that an application may ask for; unmatched, they are dropped silently."""

    unmatched = _Unmatched.DROP


class _OnLeg(BaseEvent):
    """An event that has a leg."""

    leg: Leg

    def getLeg(self) -> Leg:
        """The leg that it happened on."""
        return self.leg

    def getDialog(self) -> Dialog:
        """The SIP dialog of that leg."""
        return self.leg.getDialog()

    def _details(self) -> Mapping[str, object]:
        details = dict(super()._details())
        if hasattr(self, "leg"):
            details["leg"] = self.leg
        return details


class _Reasoned(BaseEvent):
    """An event with words that say why."""

    reason: str

    def _details(self) -> Mapping[str, object]:
        details = dict(super()._details())
        if getattr(self, "reason", ""):
            details["reason"] = self.reason
        return details


class _FarEndSaid(BaseEvent):
    """An event with a SIP message of the far end behind it.

    headers: (name, value) of each of its lines, () if there is no message.
    """

    headers: Sequence[tuple[str, str]] = ()

    def getHeader(self, name: str) -> str | None:
        """The first such header of that message, compact forms included; None if there is none."""
        return Headers.trusted(self.headers).get(name)


class DTMFReceivedEvent(_OnLeg, Event):
    """Keys from the far end.

    digits: one key in single mode, else all that were collected, with the terminator: "12#".
    evidence: how each press was seen; its length is added when the key is let go.
    """

    unmatched = _Unmatched.TOLERATE

    def __init__(self, digits: str, leg: Leg, evidence: Sequence[Any] | None = None) -> None:
        self.digits, self.leg = digits, leg
        self.evidence: Sequence[Any] = evidence if evidence is not None else []

    def _details(self) -> Mapping[str, object]:
        details = {"digits": self.digits} if hasattr(self, "digits") else {}
        return {**details, **super()._details()}


class DTMFTimeoutEvent(DTMFReceivedEvent):
    """Keys were being collected and the rest did not come in time; digits: those that did."""


class MediaDoneEvent(_OnLeg, Event):
    """Playing or recording is over. source: what was played, or recorded to, as it was given."""

    def __init__(self, source: Any, leg: Leg) -> None:
        self.source, self.leg = source, leg


class MediaPlayDoneEvent(MediaDoneEvent):
    """One mediaPlay() is over. source: its last item as given. playlist: all of them."""

    va_at: float = 0.0  # when it came to the queue, in seconds of the reactor

    def __init__(self, source: Any, leg: Leg, playlist: Sequence[Any] | None = None) -> None:
        super().__init__(source, leg)
        self.playlist: Sequence[Any] = playlist if playlist is not None else [source]


class MediaPlayContentDoneEvent(MediaPlayDoneEvent):
    """All of it was played to the end."""


class MediaPlayContentFailedEvent(_Reasoned, MediaPlayDoneEvent):
    """Some of it could not be played, the rest was.

    failed: (item, reason in words) of each that could not. reason: those reasons in one line.
    """

    def __init__(
        self,
        source: Any,
        leg: Leg,
        playlist: Sequence[Any] | None = None,
        failed: Sequence[tuple[Any, str]] = (),
    ) -> None:
        super().__init__(source, leg, playlist)
        self.failed = list(failed)
        self.reason = "; ".join(reason for _, reason in self.failed)


class MediaPlayUserBargeInEvent(DTMFReceivedEvent, MediaPlayDoneEvent):
    """Keys stopped the sound: both the end of the play and the digits."""

    def __init__(
        self,
        digits: str,
        source: Any,
        leg: Leg,
        playlist: Sequence[Any] | None = None,
        evidence: Sequence[Any] | None = None,
    ) -> None:
        MediaPlayDoneEvent.__init__(self, source, leg, playlist)
        self.digits = digits
        self.evidence = evidence if evidence is not None else []


class MediaPlayTimerExpiredEvent(MediaPlayDoneEvent):
    """The timeout of that mediaPlay() ended it."""


class MediaPlayRemoteClosedEvent(MediaPlayDoneEvent):
    """The call ended while it played; unmatched it is dropped, CallEndedEvent comes as well."""

    unmatched = _Unmatched.DROP


class MediaRecordDoneEvent(MediaDoneEvent):
    """A recording is over and complete. dest: where it went, as given. duration: seconds."""

    def __init__(self, dest: Any, leg: Leg, duration: float = 0.0) -> None:
        super().__init__(dest, leg)
        self.dest, self.duration = dest, duration


class MediaRecordRemoteClosedEvent(MediaRecordDoneEvent):
    """The call ended while it recorded; unmatched it is dropped, CallEndedEvent comes as well."""

    unmatched = _Unmatched.DROP


class MediaRecordTimeoutExceededEvent(MediaRecordDoneEvent):
    """It reached its maxDuration."""


class MediaRecordFailedEvent(_Reasoned, MediaRecordDoneEvent):
    """It could not be made, or went wrong on the way; reason: why, in words."""

    def __init__(self, dest: Any, leg: Leg, duration: float = 0.0, reason: str = "") -> None:
        super().__init__(dest, leg, duration)
        self.reason = reason


class MediaRecordStoreFailedEvent(_Reasoned, MediaRecordDoneEvent):
    """It could not be stored: disk full, file closed; reason: path and the system's words."""

    def __init__(self, dest: Any, leg: Leg, duration: float = 0.0, reason: str = "") -> None:
        super().__init__(dest, leg, duration)
        self.reason = reason


class CallLegEvent(_OnLeg, Event):
    """Something happened to a call."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg


class CallAnsweredEvent(_FarEndSaid, CallLegEvent):
    """The call is up; both sides can speak. getHeader(): of the answer to a placed call."""


class CallRejectedEvent(_Reasoned, _FarEndSaid, CallLegEvent):
    """A call that was placed did not come about. reason: in words. sipCode: 300..699 or None.

    failure: the same as an exception of shtoom.exceptions: UserBusy, CallNotAnswered, HostNotKnown
    ... getHeader(): of the response that refused it, if one did.
    """

    def __init__(
        self,
        leg: Leg,
        reason: str,
        sipCode: int | None = None,
        failure: CallFailed | None = None,
    ) -> None:
        super().__init__(leg)
        self.reason, self.sipCode = reason, sipCode
        self.failure = failure
        if failure is not None:
            bare(failure)
            self.headers = failure.headers


class CallStartedEvent(CallLegEvent):
    """An application was started, mostly for a new call, which is not answered yet.

    args: the keyword arguments that it was started with. leg: None if there is no call (yet).
    """

    leg: Leg

    def __init__(self, leg: Leg | None, args: Mapping[str, Any] | None = None) -> None:
        self.leg = leg  # type: ignore[assignment]
        self.args = dict(args or {})


class InboundCallStartedEvent(CallStartedEvent):
    """Somebody calls."""


class OutboundCallStartedEvent(CallStartedEvent):
    """The application is to place a call, or (leg not None) one is being placed for it."""


class CallEndedEvent(_Reasoned, _FarEndSaid, CallLegEvent):
    """The call is over; the one end of each leg.

    reason: in words. sipCode: the status that ended it, None where none did. duration: seconds
    from answer to end, 0.0 if it was never answered. verdict: what was found wrong with the call,
    in words with the remedy; empty for a sound one. getHeader(): of the far end's BYE, if it hung
    up.
    """

    def __init__(
        self,
        leg: Leg,
        reason: str = "",
        sipCode: int | None = None,
        duration: float = 0.0,
        verdict: Sequence[Any] = (),
    ) -> None:
        super().__init__(leg)
        self.reason, self.sipCode = reason, sipCode
        self.duration, self.verdict = duration, list(verdict)


class TimeoutEvent(Event):
    """A timer of setTimer() has run out."""

    def __init__(self, timer: Timer) -> None:
        self.timer = timer

    def getTimer(self) -> Timer:
        """The timer, with its data."""
        return self.timer

    def _details(self) -> Mapping[str, object]:
        return {"timer": self.timer} if hasattr(self, "timer") else {}


class ApplicationSpecificEvent(Event):
    """For applications: derive own events from this, or from Event."""


class CallProgressEvent(_Reasoned, _FarEndSaid, _OnLeg, OptionalEvent):
    """A call that was placed rings, or gets on. sipCode: 101..199. reason: its phrase.

    earlyMedia: from now on it is heard what the far end says before it answers, as placeCall was
    asked. getHeader(): of that response.
    """

    def __init__(self, leg: Leg, sipCode: int, reason: str = "", earlyMedia: bool = False) -> None:
        self.leg, self.sipCode, self.reason = leg, sipCode, reason
        self.earlyMedia = earlyMedia


class CallHeldEvent(_OnLeg, OptionalEvent):
    """The far end put the call on hold: it does not listen."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg


class CallResumedEvent(_OnLeg, OptionalEvent):
    """The far end took the call off hold."""

    def __init__(self, leg: Leg) -> None:
        self.leg = leg


class CallTransferRequestedEvent(_FarEndSaid, _OnLeg, OptionalEvent):
    """The far end wants another to be called in its place (REFER). target: whom, a SIP URI.

    Refused (603) unless a handler calls accept() before its list, or the Deferred of it, is there:
    within 20 s. getHeader(): of the REFER, such as Referred-By.
    """

    def __init__(self, leg: Leg, target: str, transferring: Transferring) -> None:
        self.leg, self.target = leg, target
        self._transferring = transferring

    def accept(
        self,
        fromURI: str | None = None,
        *,
        timeout: float = 60.0,
        headers: Mapping[str, str] | None = None,
        anyHost: bool = False,
    ) -> Leg | None:
        """Calls the target for this application, as placeCall() does; returns the new leg.

        When that is answered, who was connected with this leg is connected with the new one, and
        CallTransferredEvent comes behind its CallAnsweredEvent. If it is not, CallRejectedEvent
        comes, and this call goes on as it was. CallEndedEvent of this leg waits for either.

        anyHost: an address of none of this server's trunks and phones, too, which else is refused
        (403). None: refused, or too late. ValueError as placeCall() has it.
        """
        return self._transferring.accept(fromURI, timeout, headers or {}, anyHost)

    def refuse(self, exception: CallFailed | None = None) -> None:
        """Nobody is called, and the call goes on. exception: for the answer, 603 if None."""
        self._transferring.refuse(exception)

    def _details(self) -> Mapping[str, object]:
        return {"target": self.target, **super()._details()}


class CallTransferredEvent(_OnLeg, OptionalEvent):
    """newLeg is up in the place of leg, whose end comes soon.

    bridge: of newLeg and who was connected with leg; None if nobody was.
    """

    def __init__(self, leg: Leg, newLeg: Leg, bridge: Bridge | None = None) -> None:
        self.leg, self.newLeg, self.bridge = leg, newLeg, bridge
