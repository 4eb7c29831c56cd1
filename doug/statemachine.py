"""The state machine that every application is: one current list, one queue, one way in.

A state is a list of (event class, handler) pairs. Every event is appended to one queue, which is
delivered from callLater(0), never inside the call that raised it. A handler returns the next list,
a Deferred of it, or is a coroutine; until that is there, events wait. Their order never changes.

Lives here: lists, matching, the queue, results. Knows nothing of telephony.
Not here: what handlers may return (doug.transitions), legs, timers, the methods that applications
call (doug.voiceapp).

Names that begin with va_ belong to the implementation, so that applications may use all others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from inspect import iscoroutine
from itertools import islice
from threading import get_ident
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from doug.events import IGNORE_EVENT, BaseEvent
from doug.exceptions import EventNotSpecifiedError, NonEventError, StateMachineError
from doug.transitions import Returned, Transition, nameOf, pairsOf, placeOf
from doug.watch import SLOW, TURN, Held, Line, timed
from shtoom.words import reprOf, strOf

MODES = ("error", "log", "strict")
UNKNOWN = "unknownEvent"  # a method of this name gets what nothing matches
FLOOD = 10  # times maxQueuedEvents: more events than that may not wait for their turn either
REMEMBERED = 5  # slow handlers, for the verdict


class Expanding(Protocol):
    """An entry of the queue that becomes events only when its turn comes."""

    def expand(self, current: Sequence[Transition]) -> Sequence[BaseEvent]:
        """The events that it stands for, in order, under the list that is current now."""


class StateMachine:
    """A machine that hands events to handlers; subclasses have __start__ and the handlers.

    deferred: fires once with the result of the machine. reactor: for callLater.

    unhandledEvents: what becomes of an event that nothing matches: "error" ends the machine
    (a key is dropped with a log line), "log" is a warning, "strict" ends it for a key too.
    keepAlive: True lets it wait although nothing is under way that could raise an event.
    maxQueuedEvents: how many events wait for a handler's Deferred; ten times as many for nothing
    but their turn.
    """

    unhandledEvents: str = "error"
    keepAlive: bool = False
    maxQueuedEvents: int = 1000

    va_log = Logger()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.unhandledEvents not in MODES:
            raise ValueError(
                f"{cls.__name__}.unhandledEvents: wanted one of {', '.join(MODES)}, "
                f"got {cls.unhandledEvents!r}"
            )

    def __init__(self, deferred: Deferred[Any], reactor: IReactorTime) -> None:
        self.reactor = reactor
        self.va_deferred: Deferred[Any] | None = deferred
        self.va_outcome: Any = None
        self.va_over = False
        self.va_thread = get_ident()
        self.va_list: list[Transition] = []
        self.va_state = ""
        self.va_entered: Any = None  # the handler
        self.va_lister: Any = None  # the function that returned the list
        self.va_queue: deque[BaseEvent | Expanding] = deque()
        self.va_turn: IDelayedCall | None = None
        self.va_pending: Deferred[Any] | None = None
        self.va_slow: dict[str, Held] = {}  # handlers that held the reactor

    # What applications call

    def __start__(self) -> Returned:
        """Returns the first list of (event class, handler) pairs."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method __start__ that returns the first list of "
            "(event class, handler) pairs"
        )

    def raiseEvent(self, event: BaseEvent) -> None:
        """Queues an event, from wherever in the reactor's thread.

        What is no event ends the machine with NonEventError. After the end nothing happens.
        Raises RuntimeError in another thread.
        """
        self.va_checkThread("raiseEvent")
        if isinstance(event, BaseEvent):
            self.va_enqueue(event)
        elif not self.va_over:
            self.returnError(
                NonEventError(
                    f"raiseEvent wants an instance of an event class, got {reprOf(event)}"
                )
            )

    _triggerEvent = raiseEvent

    def getCurrentState(self) -> str:
        """The name of the handler that was entered last."""
        return self.va_state

    def getCurrentEvents(self) -> list[Transition]:
        """The current list of (event class, handler) pairs."""
        return list(self.va_list)

    def returnResult(self, result: Any = None) -> None:
        """Ends the machine; on the next turn its Deferred fires with result. Once; later: nothing.

        Events still queued are dropped. Raises RuntimeError in another thread.
        """
        self.va_checkThread("returnResult")
        self.va_end(result)

    def returnError(self, error: Failure | BaseException) -> None:
        """Ends the machine; on the next turn its Deferred fails with error. Once, as returnResult.

        error: anything that is neither exception nor Failure becomes a StateMachineError of it.
        """
        self.va_checkThread("returnError")
        if isinstance(error, Failure):
            failure = error
        elif isinstance(error, BaseException):
            failure = Failure(error)
        else:
            failure = Failure(StateMachineError(error))
        self.va_end(failure)

    # The life of the machine

    def va_describe(self) -> str:
        """Which machine this is, for log lines."""
        return type(self).__name__

    def va_describeError(self) -> str:
        """The handler entered last, and the error that the machine has ended with."""
        where, outcome = f"{type(self).__name__}.{self.va_state}", self.va_outcome
        if not isinstance(outcome, Failure):
            return where
        error = outcome.value
        return f"{where}: {' '.join(f'{type(error).__name__}: {strOf(error)}'.split())}"

    def va_start(self, *events: BaseEvent) -> None:
        """Enters __start__; events are queued behind it, before what has happened already."""
        self.va_queue.extendleft(reversed(events))
        self.va_enter(self.__start__, "__start__", ())
        self.va_poke()

    def va_end(self, outcome: Any) -> None:
        """It is over with that result, or a Failure; once: what comes later is left out."""
        if self.va_over:
            return
        self.va_over = True
        self.va_outcome = outcome
        if self.va_queue:
            usual = all(
                isinstance(entry, BaseEvent) and entry.unmatched is entry.unmatched.DROP
                for entry in self.va_queue
            )
            self.va_log.emit(
                LogLevel.debug if usual else LogLevel.info,
                "{app}: ended, {count} queued event(s) dropped: {events}",
                app=self.va_describe(),
                count=len(self.va_queue),
                events=", ".join(reprOf(entry) for entry in islice(self.va_queue, 5)),
            )
            self.va_queue.clear()
        self.va_list = []
        if self.va_turn is not None:
            self.va_turn.cancel()
            self.va_turn = None
        try:
            self.va_release(isinstance(outcome, Failure))
        finally:
            self.reactor.callLater(0, self.va_finish)

    def va_release(self, failed: bool) -> None:
        """Subclasses give up what they hold; called once, at the end."""

    def va_finish(self) -> None:
        """Nothing is to come any more: tells the result."""
        pending, self.va_pending = self.va_pending, None
        if pending is not None:
            self.va_cancel(pending)
        deferred, self.va_deferred = self.va_deferred, None
        outcome, self.va_outcome = self.va_outcome, None
        if deferred is not None:
            deferred.callback(outcome)  # a Failure makes it an errback

    def va_cancel(self, pending: Deferred[Any]) -> None:
        """Cancels a handler's Deferred; what its own canceller raises is logged, no more."""
        try:
            pending.cancel()
        except Exception:
            self.va_log.failure(
                "{app}: the Deferred of {state} could not be cancelled",
                app=self.va_describe(),
                state=self.va_state,
            )

    def va_isBusy(self) -> bool:
        """Does a handler's Deferred pend, or an event wait for its turn?"""
        return self.va_pending is not None or bool(self.va_queue)

    def va_isWaiting(self) -> bool:
        """Is anything under way that may raise an event?"""
        return False

    def va_watchPending(self) -> None:
        """Subclasses may limit how long a Deferred pends; called when one begins and is over."""

    # The queue

    def va_checkThread(self, method: str) -> None:
        """RuntimeError, naming the method, in another thread than the reactor's."""
        if get_ident() != self.va_thread:
            raise RuntimeError(
                f"{method}() was called outside the reactor's thread; "
                f"use reactor.callFromThread(app.{method}, ...)"
            )

    def va_enqueue(self, entry: BaseEvent | Expanding) -> None:
        """Appends to the queue and sees that it is delivered."""
        if self.va_over:
            self.va_log.debug(
                "{app}: {event} came after the end", app=self.va_describe(), event=entry
            )
            return
        if len(self.va_queue) >= self.maxQueuedEvents and self.va_isFlooded(entry):
            return
        self.va_queue.append(entry)
        self.va_poke()

    def va_isFlooded(self, entry: BaseEvent | Expanding) -> bool:
        """With so many events in the queue: ends the machine, if one more is too many."""
        limit = self.maxQueuedEvents
        if self.va_pending is not None:
            wait = f"{limit} events (maxQueuedEvents) wait for the Deferred of {self.va_state}"
        elif len(self.va_queue) >= FLOOD * limit:
            wait = (
                f"{FLOOD * limit} events ({FLOOD} times maxQueuedEvents) wait to be handled in "
                f"state {self.va_state}"
            )
        else:
            return False
        self.returnError(StateMachineError(f"{wait}, and one more came: {reprOf(entry)}"))
        return True

    def va_withdraw(self, matches: Callable[[BaseEvent], bool]) -> int:
        """Takes back queued events for which matches(event) is true; returns how many."""
        kept = [e for e in self.va_queue if not (isinstance(e, BaseEvent) and matches(e))]
        count = len(self.va_queue) - len(kept)
        self.va_queue = deque(kept)
        return count

    def va_poke(self) -> None:
        """On the next turn: deliver what is queued, or see that there is nothing to wait for."""
        if self.va_turn is None and self.va_pending is None and not self.va_over:
            self.va_turn = self.reactor.callLater(0, self.va_drain)

    def va_drain(self) -> None:
        """Delivers what was queued when the turn began; what is raised meanwhile has its own.

        So has what is left after TURN seconds: other calls want to be served too.
        """
        self.va_turn = None
        count = len(self.va_queue)
        seconds = self.reactor.seconds
        end = seconds() + TURN
        while count and self.va_queue and self.va_pending is None and seconds() <= end:
            count -= 1
            entry = self.va_queue.popleft()
            if isinstance(entry, BaseEvent):
                self.va_deliver(entry)
            else:
                events = entry.expand(self.va_list)
                self.va_queue.extendleft(reversed(events))
                count += len(events)
        if self.va_over or self.va_pending is not None:
            return
        if self.va_queue:
            self.va_poke()
        elif not self.keepAlive and not self.va_isWaiting():
            self.va_log.warn(
                "{app}: ended by itself in state {state}: no leg, timer, Deferred or event is left "
                "that it could wait for (keepAlive = True would let it wait)",
                app=self.va_describe(),
                state=self.va_state,
            )
            self.returnResult(None)

    def va_deliver(self, event: BaseEvent) -> None:
        """Matches one event against the current list; the first match wins."""
        for eventClass, handler in self.va_list:
            if isinstance(event, eventClass):
                if handler is not IGNORE_EVENT:
                    self.va_enter(handler, nameOf(handler), (event,))
                return
        self.va_unmatched(event)

    def va_unmatched(self, event: BaseEvent) -> None:
        """No entry of the current list takes that event: its class says what becomes of it."""
        unmatched = event.unmatched
        if unmatched is unmatched.DROP:
            return
        unknownEvent = getattr(self, UNKNOWN, None)
        if unknownEvent is not None:
            self.va_enter(unknownEvent, UNKNOWN, (event,))
            return
        tolerated = unmatched is unmatched.TOLERATE and self.unhandledEvents != "strict"
        if tolerated or self.unhandledEvents == "log":
            self.va_log.warn(
                "{app}: nothing in state {state} matches {event!r}: dropped",
                app=self.va_describe(),
                state=self.va_state,
                event=event,
            )
            self.va_dropped(event)
            return
        if self.va_lister is None:
            text = "__start__ returned None; is a return missing?"
        else:
            handled = ", ".join(c.__name__ for c, _ in self.va_list) or "nothing"
            text = (
                f"state {self.va_state} handles {handled}; add ({type(event).__name__}, ...) to "
                f"the list that {placeOf(self.va_lister)} returns"
            )
        self.returnError(EventNotSpecifiedError(f"no handler for {reprOf(event)}: {text}"))

    def va_dropped(self, event: BaseEvent) -> None:
        """An event came that no state wanted, and the machine went on."""

    # Handlers

    def va_enter(self, handler: Callable[..., Returned], name: str, args: tuple[Any, ...]) -> None:
        """Calls a handler and takes up what it returns, now or when its Deferred fires."""
        if name != UNKNOWN:
            self.va_state = name
        self.va_entered = getattr(handler, "__func__", handler)  # bound it would be a cycle
        seconds = self.reactor.seconds
        began = seconds()
        try:
            returned = handler(*args)
        except (Exception, SystemExit):  # sys.exit() in one call must not stop the others
            self.va_held(seconds() - began, handler)
            self.va_handlerFailed(Failure(), name)
            return
        self.va_held(seconds() - began, handler)
        if iscoroutine(returned):
            steps = timed(returned, seconds, lambda took, line: self.va_held(took, handler, line))
            returned = Deferred.fromCoroutine(steps)
        if isinstance(returned, Deferred):
            self.va_pending = returned
            returned.addCallback(self.va_handlerDone, handler, name)
            returned.addErrback(self.va_handlerFailed, name)
            self.va_watchPending()
        else:
            self.va_become(returned, handler, name)

    def va_held(self, took: float, handler: Callable[..., Any], line: Line | None = None) -> None:
        """A handler has held the reactor for so many seconds. line: where it went on, if it has."""
        if took <= SLOW:
            return
        self.va_heldIn(placeOf(handler, line), took, self.va_seenSince(took))

    def va_heldIn(self, place: str, took: float, seen: str = "") -> None:
        """What it did in that place has held the reactor. seen: the line that it was seen at."""
        before = self.va_slow.get(place)
        if before is not None and took < 2 * before.took:
            return  # said before
        held = Held(place, took, seen)
        self.va_log.warn(
            "{app}: {held}, and no call had sound meanwhile: move slow work to "
            "self.deferToThread(f, ...)",
            app=self.va_describe(),
            held=str(held),
        )
        if before is not None or len(self.va_slow) < REMEMBERED:
            self.va_slow[place] = held

    def va_seenSince(self, took: float) -> str:
        """Which line the reactor was seen at in the last seconds, if somebody looks."""
        return ""

    def va_handlerDone(self, returned: Returned, handler: Callable[..., Any], name: str) -> None:
        """The Deferred of a handler fired."""
        self.va_pending = None
        self.va_watchPending()
        self.va_become(returned, handler, name)
        self.va_poke()

    def va_handlerFailed(self, failure: Failure, name: str) -> None:
        """A handler raised, or its Deferred failed."""
        self.va_pending = None
        self.va_watchPending()
        if not self.va_over:
            self.returnError(failure)
        elif not failure.check(CancelledError):
            self.va_log.failure(
                "{app}: {handler} failed after the end",
                failure,
                app=self.va_describe(),
                handler=name,
            )

    def va_become(self, returned: Returned, handler: Callable[..., Any], name: str) -> None:
        """Makes what a handler returned the current list."""
        if returned is None or self.va_over:
            return
        seconds = self.reactor.seconds
        began = seconds()
        try:
            pairs = pairsOf(returned, lambda: f"{type(self).__name__}.{placeOf(handler)}")
        except Exception:
            self.returnError(Failure())
            return
        finally:
            self.va_held(seconds() - began, handler)  # it may be a generator
        if pairs or name != UNKNOWN:
            self.va_list = pairs
            self.va_lister = getattr(handler, "__func__", handler)  # bound it would be a cycle
