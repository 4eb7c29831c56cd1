"""VoiceApp: what an application derives from, and the methods that it calls.

Lives here: legs and timers of one application, the default leg, how a far-end hang-up is told.
Not here: lists and queue (doug.statemachine), what a leg does (doug.leg), who starts applications
(doug.application).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall

from doug.bridge import Bridge
from doug.dialplan import DialWishes
from doug.events import (
    IGNORE_EVENT,
    BaseEvent,
    MediaPlayContentDoneEvent,
    MediaPlayContentFailedEvent,
    MediaPlayDoneEvent,
    MediaPlayRemoteClosedEvent,
    MediaRecordRemoteClosedEvent,
)
from doug.exceptions import StateMachineError
from doug.keysender import checkSending
from doug.scope import CallScope, Opened, maker
from doug.statemachine import StateMachine
from doug.timer import Timer
from doug.transitions import Transition, nameOf, placeOf

if TYPE_CHECKING:
    from doug.application import DougApplication
    from doug.leg import Leg

T = TypeVar("T")

REMOTE_CLOSED = (MediaPlayRemoteClosedEvent, MediaRecordRemoteClosedEvent)
ENDS = (MediaPlayContentDoneEvent, MediaPlayContentFailedEvent)
TOGETHER = 0.004  # seconds: less than from one phase of the media clock to the next


class HangUp:
    """The end of a leg in the queue: which of its events go first is known at delivery.

    media: how running media ended, record before play. ended: the one end of the leg.
    If the list that is current then names a RemoteClosed class exactly, or has no handler for
    `ended`, the media events go first. So an application that goes on to the next step when its
    prompt is over does not do so for a caller who has gone.
    """

    def __init__(self, leg: Leg, media: Sequence[BaseEvent], ended: BaseEvent) -> None:
        self.leg, self.media, self.ended = leg, tuple(media), ended

    def expand(self, current: Sequence[Transition]) -> Sequence[BaseEvent]:
        """The events in order, under the list that is current."""
        if self.leg.quiet:
            return ()
        named = any(eventClass in REMOTE_CLOSED for eventClass, _ in current)
        handled = any(
            isinstance(self.ended, eventClass) and handler is not IGNORE_EVENT
            for eventClass, handler in current
        )
        if named or not handled:
            return (*self.media, self.ended)
        return (self.ended, *self.media)

    def __repr__(self) -> str:
        return repr(self.ended)


class VoiceApp(StateMachine):
    """An application: one instance for each call (or each startVoiceApp()).

    Subclasses have __start__ and handlers. Keyword arguments become attributes; ValueError for the
    name of a method. Every leg=None means the default leg, the oldest that has not ended.

    Calls on a leg that has ended do nothing but a debug line: an application cannot know that the
    caller has just hung up.

    reactor: time (IReactorTime), virtual in tests.
    autoRinging: a new call is told at once that it rings (180); else leg.ringing() does.
    pendingLimit: seconds that a handler's Deferred may pend when the last leg has ended; like
    maxQueuedEvents the server's setting unless the class has a value of its own.
    """

    autoRinging: bool = True
    pendingLimit: float = 60.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in _overridden(cls):
            warnings.warn(
                f"{cls.__module__}.{cls.__qualname__} overrides {name}, which belongs to VoiceApp; "
                "give the method another name",
                UserWarning,
                stacklevel=2,
            )

    def __init__(
        self, deferred: Deferred[Any], application: DougApplication, cookie: str, **kwargs: Any
    ) -> None:
        super().__init__(deferred, application.reactor)
        self.va_application, self.va_cookie = application, cookie
        self.va_legs: dict[str, Leg] = {}
        self.va_hadLeg = False  # ever
        self.va_scope = CallScope(f"{type(self).__name__} ({cookie})")
        self.va_timers: dict[Timer, Opened] = {}
        self.va_limit: IDelayedCall | None = None
        self.va_callID = ""
        for limit in ("maxQueuedEvents", "pendingLimit"):
            if getattr(type(self), limit) == getattr(VoiceApp, limit):
                setattr(self, limit, getattr(application.settings, limit))
        checkArguments(type(self), kwargs)
        for name, value in kwargs.items():
            setattr(self, name, value)

    def va_seenSince(self, took: float) -> str:
        watch = self.va_application.watch
        return watch.take(self.reactor.seconds() - took) if watch is not None else ""

    # Legs

    def getDefaultLeg(self) -> Leg | None:
        """The oldest leg that has not ended (one that rings counts), else None."""
        return next((leg for leg in self.va_legs.values() if not leg.ended), None)

    def getLeg(self, cookie: str) -> Leg | None:
        """The leg of that cookie, None if it is over or another application's."""
        leg = self.va_legs.get(cookie)
        return None if leg is None or leg.ended else leg

    def placeCall(
        self,
        toURI: str,
        fromURI: str | None = None,
        *,
        timeout: float = 60.0,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        earlyMedia: bool = False,
        trunk: str | None = None,
    ) -> Leg:
        """Dials; returns the new leg at once.

        Later CallAnsweredEvent(leg) or CallRejectedEvent(leg, reason), the latter also for a broken
        address; before, CallProgressEvents for an application that lists them.

        toURI: sip:USER@HOST, or tel:NUMBER where the server has a gateway. fromURI: who calls, as
        the called party sees it: a URI, '"Name" <URI>', or "anonymous" (with Privacy: id).
        timeout: seconds to answer. headers: more of them for the INVITE. auth: (user, password)
        for the host of toURI, if it asks. earlyMedia: what the far end says before it answers is
        heard, and played to. trunk: the name of the trunk by which it goes, of whose host toURI is,
        or tel:NUMBER; None: a trunk of that host, if there is one, the one of fromURI first.
        ValueError for CR, LF or NUL in a header, and for a timeout or an auth that is none.
        """
        caller = None if fromURI is None else str(fromURI)  # a Party, too
        wishes = DialWishes(caller, timeout, headers or {}, auth, earlyMedia, trunk)
        return self.va_application.placeLeg(self, str(toURI), wishes)

    def connectLegs(self, leg1: Leg, leg2: Leg | None = None, relayKeys: bool = True) -> Bridge:
        """Bridges two legs: each far end hears the other. Returns the Bridge, which has close().

        leg2: None for the default leg. relayKeys: a key that goes down at one end goes down at the
        other too; it is reported either way. A bridge that one of the legs is in closes. When a
        leg has ended, nothing happens and the Bridge is a closed one. ValueError: a leg with
        itself.
        """
        first = self.va_legFor("connectLegs", leg1)
        second = self.va_legFor("connectLegs", leg2)
        if leg1 is leg2 or (first is second and first is not None):
            raise ValueError(f"connectLegs: wanted two legs, got {leg1!r} and itself")
        if first is None or second is None:
            return Bridge(tuple(leg for leg in (leg1, leg2) if leg is not None), None)
        return first.connect(second, relayKeys)

    # Media: see the methods of Leg

    def mediaPlay(self, playlist: Any, leg: Leg | None = None, **options: Any) -> None:
        """See Leg.mediaPlay."""
        on = self.va_legFor("mediaPlay", leg)
        if on is not None:
            on.mediaPlay(playlist, **options)

    def mediaRecord(self, dest: Any, leg: Leg | None = None, **options: Any) -> None:
        """See Leg.mediaRecord."""
        on = self.va_legFor("mediaRecord", leg)
        if on is not None:
            on.mediaRecord(dest, **options)

    def mediaStop(self, leg: Leg | None = None) -> None:
        """See Leg.mediaStop."""
        on = self.va_legFor("mediaStop", leg)
        if on is not None:
            on.mediaStop()

    def mediaStopRecording(self, leg: Leg | None = None) -> None:
        """See Leg.mediaStopRecording."""
        on = self.va_legFor("mediaStopRecording", leg)
        if on is not None:
            on.mediaStopRecording()

    def isPlaying(self, leg: Leg | None = None) -> bool:
        """See Leg.isPlaying."""
        on = self.va_legFor("isPlaying", leg)
        return on is not None and on.isPlaying()

    def isRecording(self, leg: Leg | None = None) -> bool:
        """See Leg.isRecording."""
        on = self.va_legFor("isRecording", leg)
        return on is not None and on.isRecording()

    def dtmfMode(
        self, single: bool = False, inband: bool = False, leg: Leg | None = None, **options: Any
    ) -> None:
        """See Leg.dtmfMode."""
        on = self.va_legFor("dtmfMode", leg)
        if on is not None:
            on.dtmfMode(single, inband, **options)

    def sendDTMF(
        self, digits: str, leg: Leg | None = None, duration: float = 0.1, delay: float = 0.5
    ) -> Deferred[None]:
        """See Leg.sendDTMF."""
        checkSending(digits, duration, delay)
        on = self.va_legFor("sendDTMF", leg)
        return succeed(None) if on is None else on.sendDTMF(digits, duration, delay)

    # Time and threads

    def setTimer(self, delay: float, data: Any = None) -> Timer:
        """TimeoutEvent(timer) comes in `delay` seconds, unless timer.cancel() or the app's end."""
        if delay < 0:
            raise ValueError(f"setTimer: wanted a delay of 0 or more seconds, got {delay!r}")
        timer = Timer(self, delay, data)
        if self.va_over:
            timer.cancel()
        else:
            name = f"timer of {delay:g} s"
            self.va_timers[timer] = self.va_scope.add(name, timer.cancel, self.va_state, maker())
        return timer

    def deferToThread(self, f: Callable[..., T], *args: Any, **kwargs: Any) -> Deferred[T]:
        """Runs f(*args, **kwargs) in a thread; the Deferred fires in the reactor's thread."""
        name = f"job {nameOf(f)} in a thread"
        job = self.va_scope.add(name, None, self.va_state, maker(), slow=True)
        return self.va_application.deferToThread(f, *args, **kwargs).addBoth(job.closed)

    # What legs, timers and the server call

    def va_describe(self) -> str:
        """For log lines: its class, and its first call or else its cookie."""
        name = type(self).__name__
        return f"{name} (call {self.va_callID})" if self.va_callID else f"{name} ({self.va_cookie})"

    def va_addLeg(self, leg: Leg) -> None:
        """The application has this leg from now on."""
        self.va_legs[leg.getCookie()] = leg
        self.va_hadLeg = True
        self.va_callID = self.va_callID or leg.callID
        self.va_watchPending()
        self.va_poke()

    def va_removeLeg(self, leg: Leg) -> None:
        """The leg is another application's; what is queued of it is withdrawn."""
        self.va_legs.pop(leg.getCookie(), None)
        self.va_withdraw(lambda event: getattr(event, "leg", None) is leg)
        self.va_watchPending()
        self.va_poke()

    def va_hangUp(self, leg: Leg, media: Sequence[BaseEvent], ended: BaseEvent) -> None:
        """The leg is over. media: how its running media ended, record before play."""
        self.va_legs.pop(leg.getCookie(), None)
        self.va_enqueue(HangUp(leg, media, ended))
        self.va_watchPending()

    def va_playEnded(self, event: MediaPlayDoneEvent) -> None:
        """Queues the end of a play; of those that end in one beat the elder leg's goes first.

        The media floor knows no legs: it goes by who was the last to have nothing to say.
        """
        event.va_at = self.reactor.seconds()
        self.va_enqueue(event)
        ages = {leg: age for age, leg in enumerate(self.va_legs.values())}
        place = len(self.va_queue) - 1
        while place > 0:
            before = self.va_queue[place - 1]
            if not isinstance(before, ENDS) or event.va_at - before.va_at >= TOGETHER:
                return
            if ages.get(before.leg, 0) <= ages.get(event.leg, 0):
                return
            self.va_queue[place - 1], self.va_queue[place] = event, before
            place -= 1

    def va_liveLegs(self) -> list[Leg]:
        """Its legs that have not ended, the oldest first."""
        return [leg for leg in self.va_legs.values() if not leg.ended]

    def va_timerGone(self, timer: Timer) -> None:
        """A timer has run out or was cancelled."""
        opened = self.va_timers.pop(timer, None)
        if opened is not None:
            opened.closed()
        self.va_poke()

    def va_isWaiting(self) -> bool:
        """Has it anything that an event could come of?"""
        return bool(self.va_legs or self.va_timers)

    def va_isBusy(self) -> bool:
        """As in StateMachine; or does a leg wait for its recordings to be complete?"""
        return super().va_isBusy() or bool(self.va_legs)

    def va_dropped(self, event: BaseEvent) -> None:
        """As in StateMachine; the verdict of that leg tells it."""
        leg: Leg | None = getattr(event, "leg", None) or self.getDefaultLeg()
        if leg is not None:
            leg.unmatched(event, self.va_state)

    def va_release(self, failed: bool) -> None:
        """Lets go of timers and legs. failed: has it ended with an error?"""
        for timer in list(self.va_timers):
            timer.cancel()
        legs, self.va_legs = self.va_legs, {}
        for leg in legs.values():
            try:
                leg.appEnded(failed)
            except Exception:
                self.va_log.failure(
                    "{app}: {leg} could not be left", app=self.va_describe(), leg=repr(leg)
                )
        self.va_watchPending()

    def va_finish(self) -> None:
        """As in StateMachine; what it still has open is closed, or named."""
        pending = self.va_pending
        super().va_finish()
        if pending is not None and (pending.paused or not pending.called):
            self.va_scope.add(f"the Deferred of {placeOf(self.va_entered)}", None)
        self.va_scope.name = self.va_describe()
        self.va_application.leaks.over(self.va_scope)

    def va_legFor(self, method: str, leg: Leg | None) -> Leg | None:
        """The leg that a method is for; None if it has ended."""
        if leg is None:
            leg = self.getDefaultLeg()
            if leg is None and not self.va_hadLeg:
                raise StateMachineError(
                    f"{method}: this {type(self).__name__} has no leg; it was started without a "
                    "call, so placeCall() first"
                )
        if leg is None or leg.ended:
            self.va_log.debug(
                "{app}: {method} on a leg that has ended", app=self.va_describe(), method=method
            )
            return None
        return leg

    def va_watchPending(self) -> None:
        """A Deferred pends for pendingLimit at most after the last leg has ended."""
        endless = self.va_pending is not None and self.va_hadLeg and not self.va_legs
        if endless and not self.va_over:
            if self.va_limit is None:
                self.va_limit = self.reactor.callLater(self.pendingLimit, self.va_limitReached)
        elif self.va_limit is not None:
            limit, self.va_limit = self.va_limit, None
            limit.cancel()

    def va_limitReached(self) -> None:
        """A handler's Deferred still pends, long after the last leg: it is cancelled."""
        self.va_limit = None
        pending = self.va_pending
        if pending is None:
            return
        self.va_log.warn(
            "{app}: the Deferred of {handler} is cancelled: it still pended {limit:g} s after the "
            "last leg had ended",
            app=self.va_describe(),
            handler=placeOf(self.va_entered),
            limit=self.pendingLimit,
        )
        self.va_application.leaks.count += 1
        self.va_cancel(pending)
        if self.va_pending is pending:  # a coroutine may go on to wait for something else
            self.returnError(StateMachineError(f"{self.va_state} waits on, though it is cancelled"))


def checkArguments(appClass: type[VoiceApp], names: Iterable[str]) -> None:
    """ValueError for names that cannot become attributes: of methods, and VoiceApp's own."""
    for name in names:
        if (
            name in RESERVED
            or name.startswith(("va_", "__"))
            or callable(getattr(appClass, name, None))
        ):
            raise ValueError(
                f"{name!r} is the name of a method of {appClass.__name__}, or belongs to VoiceApp; "
                "give the argument another name"
            )


PROTECTED = frozenset(
    name
    for owner in (StateMachine, VoiceApp)
    for name, value in vars(owner).items()
    if callable(value) and not name.startswith("__")
)
RESERVED = frozenset({"reactor"})


def _overridden(cls: type) -> Iterator[str]:
    """Names of VoiceApp that a new class, or a mixin of it, takes for itself."""
    owners = [o for o in cls.__mro__ if o is cls or not issubclass(o, StateMachine)]
    own = {name for owner in owners for name in vars(owner)}
    yield from sorted(n for n in own if n in PROTECTED or n.startswith("va_"))
