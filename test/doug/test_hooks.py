"""Whatever of an application raises, and wherever: its call ends at most, its neighbours' go on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, fail, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

import doug.events
from doug import VoiceApp
from doug.conferencing import Room
from doug.events import (
    BaseEvent,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    Event,
    MediaPlayContentFailedEvent,
    MediaRecordFailedEvent,
    MediaRecordStoreFailedEvent,
    OptionalEvent,
)
from doug.testing import Lab, PhoneCall
from test.doug.faulty import (
    Fault,
    FaultySeat,
    Reading,
    Unspeakable,
    readFiles,
    sources,
    unspeakable,
    writtenFiles,
)
from test.doug.witnesses import Good, Witnesses

Fails = Callable[[Any], Any]


class Hooked(VoiceApp):
    """Answers, then does `do`; events that it knows of are written down."""

    do: Fails = staticmethod(lambda app: None)
    name = ""

    def __start__(self) -> Any:
        self.got: list[str] = []
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.answered), (CallEndedEvent, self.gone)]

    def answered(self, event: CallAnsweredEvent) -> Any:
        """The place of most faults."""
        returned = type(self).do(self)
        return [(CallEndedEvent, self.gone), (Event, self.other)] if returned is None else returned

    def other(self, event: Event) -> None:
        """What else happened."""
        self.got.append(type(event).__name__)

    def gone(self, event: CallEndedEvent) -> Any:
        """The caller has left."""
        self.returnResult([self.name, *self.got])


def failingAt(kind: type[BaseEvent], how: Fails) -> type[VoiceApp]:
    """An application whose handler of that event fails; the event is raised as soon as it is up."""

    class Failing(Hooked):
        @staticmethod
        def do(app: Any) -> Any:
            event = kind.__new__(kind)
            event.__dict__.update(leg=app.getDefaultLeg(), digits="1", reason="", verdict=[])
            app.raiseEvent(event)
            return [(kind, lambda event: how(app)), (Event, app.other), (OptionalEvent, app.other)]

    return Failing


def raises(app: VoiceApp) -> Any:
    """At once."""
    raise Fault("on purpose")


def failed(app: VoiceApp) -> Any:
    """A Deferred that has failed already."""
    return fail(Fault("on purpose"))


def failsLater(app: VoiceApp) -> Any:
    """A Deferred that fails in a while."""
    return deferLater(app.reactor, 0.1, raises, app)


async def raisesInACoroutine(app: VoiceApp) -> Any:
    """At its first step."""
    raise Fault("on purpose")


async def raisesInACoroutineLater(app: VoiceApp) -> Any:
    """At its second step."""
    await deferLater(app.reactor, 0.1)
    raise Fault("on purpose")


@inlineCallbacks
def raisesInline(app: VoiceApp) -> Any:
    """Behind a yield."""
    yield deferLater(app.reactor, 0.1)
    raise Fault("on purpose")


def generates(app: VoiceApp) -> Any:
    """A list that raises while it is read."""
    yield (Event, app.va_describe)
    raise Fault("on purpose")


def stubborn(app: VoiceApp) -> Any:
    """A Deferred whose canceller raises, and an end before it fires."""
    app.reactor.callLater(0.1, app.returnError, Fault("on purpose"))
    return Deferred(unspeakable)


def exits(app: VoiceApp) -> Any:
    """As if it had the process for itself."""
    raise SystemExit(Fault("on purpose"))


WAYS: tuple[Fails, ...] = (
    raises,
    failed,
    failsLater,
    raisesInACoroutine,
    raisesInACoroutineLater,
    raisesInline,
    generates,
    stubborn,
    unspeakable,
    exits,
)
KINDS = [
    kind
    for kind in vars(doug.events).values()
    if isinstance(kind, type) and issubclass(kind, BaseEvent) and not kind.__name__.startswith("_")
]


class HookTestCase(SynchronousTestCase):
    """A lab whose users are applications, by what they do wrong; and good calls beside them."""

    witnesses = 3

    def setUp(self) -> None:
        self.errors: list[LogEvent] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_failure") is not None:
                self.errors.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def serve(self, apps: dict[str, type[VoiceApp]]) -> None:
        """The good calls are up."""
        self.lab = Lab({**apps, "good": Good})
        self.good = Witnesses(self.lab, self.witnesses)
        self.phone = self.lab.phone()

    def callAll(self, users: Iterable[str], seconds: float = 1.0) -> dict[str, PhoneCall]:
        """Calls all of them, talks, and hangs up where nobody else has."""
        calls = {user: self.phone.dial(f"sip:{user}@doug") for user in users}
        self.good.press(1)
        self.lab.advance(0.3)
        for call in calls.values():
            if call.state == "answered":
                call.sayTone(440, seconds)
        self.lab.advance(seconds)
        self.good.press(2)
        self.states = {user: call.state for user, call in calls.items()}
        for call in calls.values():
            call.hangUp()
        self.lab.advance(0.5)
        return calls

    def assertHarmless(self) -> None:
        """The good calls are unharmed; nothing is left of any."""
        self.assertEqual(self.good.faults(), [])
        self.lab.assertNothingLeft()
        self.flushLoggedErrors()


class HandlerTests(HookTestCase):
    """Handlers that fail end their call."""

    def endEach(self, apps: dict[str, type[VoiceApp]], state: str = "ended") -> None:
        """Each call is ended by the server, with the one error that was raised on purpose."""
        self.serve(apps)
        self.callAll(apps)
        self.assertEqual({user for user, was in self.states.items() if was != state}, set())
        self.assertEqual(len(self.lab.failures), len(apps))
        for failure in self.lab.failures:
            self.assertTrue(failure.check(Fault, SystemExit), failure)
        self.assertHarmless()

    def test_ofEachEvent(self) -> None:
        """Of whatever class, those that no list must have too."""
        self.assertGreater(len(KINDS), 25)
        self.endEach({f"e{n}": failingAt(kind, raises) for n, kind in enumerate(KINDS)})

    def test_inEachWay(self) -> None:
        """At once, later, in a coroutine, in a generator, in what is cancelled."""
        self.endEach({f"w{n}": failingAt(CallRejectedEvent, way) for n, way in enumerate(WAYS)})

    def test_start(self) -> None:
        """__start__, in each way: the caller is refused, at once or later."""
        apps = {
            f"s{n}": type("Start", (Hooked,), {"__start__": lambda app, way=way: way(app)})
            for n, way in enumerate(WAYS)
            if way is not generates
        }
        self.endEach(apps, "failed")

    def test_init(self) -> None:
        """An application that cannot even be made: 500, and its media port is free again."""

        class Unborn(Hooked):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                raise Fault("on purpose")

        self.serve({"x": Unborn})
        call = self.callAll(["x"])["x"]
        assert call.failure is not None
        self.assertEqual(call.failure.sipCode, 500)
        self.assertHarmless()

    def test_unknownEvent(self) -> None:
        """What gets all that nothing matches."""

        class Unknown(Hooked):
            unknownEvent = staticmethod(raises)

            @staticmethod
            def do(app: Any) -> Any:
                app.raiseEvent(CallRejectedEvent(app.getDefaultLeg(), "no"))
                return [(CallEndedEvent, app.gone)]

        self.endEach({"x": Unknown})

    def test_atTheEndOfTheCall(self) -> None:
        """The last event's handler fails: there is no call any more, but an error to tell of."""

        class Last(Hooked):
            def gone(self, event: CallEndedEvent) -> Any:
                raise Fault("on purpose")

        self.serve({"x": Last})
        self.callAll(["x"])
        self.assertEqual(len(self.lab.failures), 1)
        self.assertHarmless()

    def test_whoTakesResults(self) -> None:
        """acceptResults and acceptErrors of the server's own subclass."""
        self.serve({"x": Hooked, "y": failingAt(CallRejectedEvent, raises)})
        self.patch(self.lab.application, "acceptErrors", unspeakable)
        self.callAll(["y"])
        self.patch(self.lab.application, "acceptResults", unspeakable)
        self.callAll(["x"])
        self.assertEqual(len(self.lab.application.listVoiceapps()), self.witnesses)
        self.patch(self.lab.application, "acceptResults", lambda c, r: self.lab.results.append(r))
        self.assertHarmless()

    def test_oneThatIsCancelledAndWaitsOn(self) -> None:
        """pendingLimit is its end all the same, and an error."""

        class Clinging(Hooked):
            async def gone(self, event: CallEndedEvent) -> Any:
                while True:
                    try:
                        await Deferred()
                    except Exception:
                        continue

        self.serve({"x": Clinging})
        self.callAll(["x"])
        self.lab.advance(61.0)
        [failure] = self.lab.failures
        self.assertIn("gone waits on", failure.getErrorMessage())
        self.assertHarmless()


class MediaTests(HookTestCase):
    """What is played and recorded to: an error there is an event, and the call goes on."""

    PLAYED, RECORDED = MediaPlayContentFailedEvent, MediaRecordFailedEvent
    STORED = MediaRecordStoreFailedEvent

    def use(self, things: Iterable[tuple[str, Any]], method: str) -> None:
        """Plays, records to, or both, each in a call of its own."""
        self.things = dict(things)

        def doing(thing: Any) -> Fails:
            def do(app: Any) -> None:
                if "p" in method:
                    app.mediaPlay(thing)
                if "r" in method:
                    app.mediaRecord(thing)

            return do

        apps = {
            f"u{n}": type("Using", (Hooked,), {"do": staticmethod(doing(thing)), "name": name})
            for n, (name, thing) in enumerate(self.things.items())
        }
        self.serve(apps)
        self.callAll(apps)
        self.ended = {name for name, was in zip(self.things, self.states.values(), strict=True)
                      if was != "answered"}  # fmt: skip
        self.got = {name: set(got) for name, *got in self.lab.results}
        self.assertHarmless()

    def assertTold(self, told: str, *kinds: type[Event]) -> None:
        """So ends what went wrong, in one of these events; nothing else does.

        told: what those are called that had one, as a regular expression.
        """
        names = {kind.__name__ for kind in kinds}
        had = {name for name, got in self.got.items() if names & got}
        self.assertEqual(had, {name for name in self.got if re.search(told, name)})

    def test_sources(self) -> None:
        """Only one that hangs up itself, or that mediaPlay cannot take, ends its call."""
        self.use(sources(), "pr")
        self.assertEqual(self.ended, {"endless raises", "it hangs up its own leg"})
        self.assertTold("read raises|read gives (None|text|a number|too)|all|done", self.PLAYED)
        self.assertTold("write raises|all|an echo", self.RECORDED)

    def test_filesThatArePlayed(self) -> None:
        """All calls stay up."""
        self.use(readFiles(), "p")
        self.assertEqual(self.ended, set())
        self.assertTold("read (raises|gives (None|text))|name raises|repr|closed", self.PLAYED)

    def test_filesThatAreRecordedTo(self) -> None:
        """Likewise, but for one that mediaRecord cannot take."""
        self.use(writtenFiles(), "r")
        self.assertEqual(self.ended, {"name raises"})
        self.assertTold("write (raises|gives|takes)|tell|seek|repr", self.RECORDED, self.STORED)

    def test_pathsThatCannotBe(self) -> None:
        """Far back in a list too, where they are looked at only when their turn comes."""

        class Nowhere(os.PathLike[str]):
            def __fspath__(self) -> str:
                raise Unspeakable

        good = ["/no/such/file.wav"] * 4
        paths = ["x" * 5000, "nul\0.wav", "/proc/self/mem", "/", "", Nowhere()]
        self.use([(str(n), [*good, path]) for n, path in enumerate(paths)], "p")
        self.assertEqual(self.ended, set())
        self.assertTold("", self.PLAYED)

    def test_seatsInAConference(self) -> None:
        """A member that raises leaves; the others talk on, and the room closes with the last."""
        room = Room("faulty")

        def sitting(what: str) -> Fails:
            def do(app: Any) -> None:
                seat = FaultySeat(room, app.getDefaultLeg(), what)
                app.mediaPlay([seat])
                app.mediaRecord(seat)

            return do

        apps = {
            what: type("Sitting", (Hooked,), {"do": staticmethod(sitting(what))})
            for what in ("read", "write", "short", "close", "nothing")
        }
        self.serve(apps)
        calls = self.callAll(apps)
        self.assertEqual(set(self.states.values()), {"answered"})
        self.assertGreater(abs(calls["nothing"].heard).max(), 1000)
        self.assertEqual((room.isOpen(), room.memberCount()), (False, 0))
        self.assertHarmless()

    def test_whatWasNeverBegun(self) -> None:
        """Files and Sources that wait for the answer are closed, and may fail at that."""

        last = Reading()

        class Waiting(Hooked):
            def started(self, event: CallStartedEvent) -> Any:
                for _, thing in (*sources(), *readFiles()):
                    if "endless" not in type(thing).__dict__:
                        event.leg.mediaPlay(thing)
                event.leg.mediaPlay(last)
                return [(CallEndedEvent, self.gone)]

        self.serve({"x": Waiting})
        self.callAll(["x"])
        self.assertTrue(last.closed)
        self.assertHarmless()
