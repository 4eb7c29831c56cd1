"""assertNothingLeft(): each kind of leftover is found, and named so that its maker is found too."""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from doug.events import CallEndedEvent, CallStartedEvent
from doug.settings import Settings
from doug.testing import Lab, PhoneCall
from test.testing.apps import Ringing, Speaker, prompt


def lineOf(mark: str) -> int:
    """The line of this file that ends with that remark."""
    lines = Path(__file__).read_text().splitlines()
    [number] = [n for n, line in enumerate(lines, 1) if line.endswith(f"# {mark}")]
    return number


class LeftoversTestCase(SynchronousTestCase):
    """self.lab serves an application, self.call is a call to it."""

    def begin(self, app: Any = Speaker, seconds: float = 1.0, **options: Any) -> PhoneCall:
        """Dials and lets time pass. options: of the lab."""
        self.lab = Lab(app, **options)
        self.call = self.lab.phone().dial("sip:anything@doug")
        self.lab.advance(seconds)
        return self.call

    def left(self) -> list[str]:
        """What is left behind, one by one; afterwards the lab is off and clean."""
        error = self.assertRaises(AssertionError, self.lab.assertNothingLeft)
        head, *lines = str(error).splitlines()
        self.assertEqual(head, "left behind:")
        self.assertEqual(len(set(lines)), len(lines), "one leftover is named twice")
        self.lab.assertNothingLeft()
        return [line.strip() for line in lines]


class DeferredTests(LeftoversTestCase):
    """A handler waits for a Deferred of somebody else's that nobody fires."""

    def assertNamed(self, mark: str, function: str, state: str) -> None:
        """The one leftover is the Deferred that was made in the line of that remark."""
        self.call.hangUp()
        [line] = self.left()
        self.assertRegex(line, rf"^\w+ \(call .+\) waits in {state} for a Deferred that never ")
        place = f'made at File "{__file__}", line {lineOf(mark)}, in {function}: '
        self.assertIn(place, line)
        self.assertTrue(line.endswith(f"# {mark}"), line)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_inAPlainHandler(self) -> None:
        """The line that made what the handler returned."""

        class Plain(Speaker):
            def answer(self, event: CallStartedEvent) -> Any:
                event.leg.answerCall(self)
                return Deferred()  # plain

        self.begin(Plain)
        self.assertNamed("plain", "answer", "answer")

    def test_inInlineCallbacks(self) -> None:
        """The line that made what is waited for, not that of the coroutine's own Deferred."""

        class Inline(Speaker):
            @inlineCallbacks
            def answer(self, event: CallStartedEvent) -> Generator[Any, Any, Any]:
                event.leg.answerCall(self)
                yield deferLater(self.reactor, 0.1)
                yield Deferred()  # inline
                return [(CallEndedEvent, self.gone)]

        self.begin(Inline)
        self.assertNamed("inline", "answer", "answer")

    def test_inACoroutine(self) -> None:
        """The same for async def, and for what it awaits through another one."""

        class Coroutine(Speaker):
            async def answer(self, event: CallStartedEvent) -> Any:
                event.leg.answerCall(self)
                await deferLater(self.reactor, 0.1)
                await self.look()
                return [(CallEndedEvent, self.gone)]

            async def look(self) -> None:
                """Somewhere else."""
                await Deferred.fromCoroutine(self.lookThere())

            async def lookThere(self) -> None:
                """Further away."""
                await Deferred()  # coroutine

        self.begin(Coroutine)
        self.assertNamed("coroutine", "lookThere", "answer")

    def test_whatADeferredWaitsFor(self) -> None:
        """A callback returned another one, and that is what never fires."""

        class Chained(Speaker):
            def answer(self, event: CallStartedEvent) -> Any:
                event.leg.answerCall(self)
                done: Deferred[Any] = deferLater(self.reactor, 0.1)
                return done.addCallback(lambda _: Deferred())  # chained

        self.begin(Chained)
        self.assertNamed("chained", "<lambda>", "answer")

    def test_aListOfThem(self) -> None:
        """The line that made the list."""

        class Several(Speaker):
            def answer(self, event: CallStartedEvent) -> Any:
                event.leg.answerCall(self)
                both: list[Deferred[Any]] = [Deferred(), deferLater(self.reactor, 0.1)]
                return DeferredList(both, consumeErrors=True)  # several

        self.begin(Several)
        self.assertNamed("several", "answer", "answer")

    def test_inTheFirstList(self) -> None:
        """__start__ may be a coroutine too."""

        class Late(Speaker):
            async def __start__(self) -> Any:
                await Deferred()  # start

        self.begin(Late)
        self.assertNamed("start", "__start__", "__start__")

    def test_ofAnApplicationWithoutACall(self) -> None:
        """startVoiceApp() runs its first lines outside of advance(); they are named as well."""

        class Alone(Speaker):
            async def __start__(self) -> Any:
                await Deferred()  # alone

        self.lab = Lab(Alone)
        self.lab.application.startVoiceApp()
        [line] = self.left()
        self.assertIn(f'File "{__file__}", line {lineOf("alone")}, in __start__: ', line)

    def test_thatTheTestMade(self) -> None:
        """Of what was made outside of the lab no line is known; the handler is named."""
        gate: Deferred[None] = Deferred()

        class Gated(Speaker):
            async def answer(self, event: CallStartedEvent) -> Any:
                event.leg.answerCall(self)
                await gate

        self.begin(Gated).hangUp()
        [line] = self.left()
        self.assertRegex(line, r"waits in answer .* made outside of lab\.advance\(\)")

    def test_whileTheCallIsUp(self) -> None:
        """The caller did not hang up either: the Deferred is named, and the call."""

        class Plain(Speaker):
            def answer(self, event: CallStartedEvent) -> Any:
                event.leg.answerCall(self)
                return Deferred()  # still up

        self.begin(Plain)
        lines = self.left()
        self.assertIn(f"line {lineOf('still up')}, in answer: ", lines[0])
        self.assertIn("phone0's call is answered", lines)

    def test_oneThatFiresInTimeIsNone(self) -> None:
        """An application may take half a minute for its last steps."""

        class Thorough(Speaker):
            async def gone(self, event: CallEndedEvent) -> Any:  # type: ignore[override]
                await deferLater(self.reactor, 30.0)
                self.returnResult("tidied up")

        self.begin(Thorough).hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["tidied up"])

    def test_whatTheServerAllowsCounts(self) -> None:
        """pendingLimit of the settings: looked at just before it is over."""

        class Thorough(Speaker):
            async def gone(self, event: CallEndedEvent) -> Any:  # type: ignore[override]
                await deferLater(self.reactor, 30.0)  # too slow

        self.begin(Thorough, settings=Settings(pendingLimit=5.0))
        self.assertNamed("too slow", "gone", "gone")


class ThingsTests(LeftoversTestCase):
    """All other kinds."""

    def test_anApplicationThatNeverEnds(self) -> None:
        """Its name, its call and the state that it is in."""

        class Endless(Speaker):
            keepAlive = True

            def gone(self, event: CallEndedEvent) -> Any:
                return []

        self.begin(Endless).hangUp()
        [line] = self.left()
        self.assertRegex(line, r"^application Endless \(call .+\), still in state gone$")

    def test_aTimer(self) -> None:
        """The function that it calls, with file and line."""

        def nag() -> None:  # nag
            """Never called."""

        class Nagging(Speaker):
            def gone(self, event: CallEndedEvent) -> None:
                self.reactor.callLater(1000.0, nag)
                self.returnResult("over")

        self.begin(Nagging).hangUp()
        [line] = self.left()
        self.assertIn(f"nag ({__file__}:{lineOf('nag')}) due at 1001.", line)

    def left(self) -> list[str]:
        """Timers outlive a lab: only here it is not clean afterwards."""
        error = self.assertRaises(AssertionError, self.lab.assertNothingLeft)
        return [line.strip() for line in str(error).splitlines()[1:]]

    def test_anOpenFile(self) -> None:
        """By its name; closed, it is gone, and so it is when nobody holds it any more."""
        path = Path(self.mktemp()).absolute()
        files: list[Any] = []

        class Careless(Speaker):
            def gone(self, event: CallEndedEvent) -> None:
                files.append(path.open("wb"))
                self.returnResult("over")

        self.begin(Careless).hangUp()
        self.assertEqual(self.left(), [f"file {path}"])
        files.pop().close()
        self.lab.assertNothingLeft()

    def test_aFileThatWasOpenBefore(self) -> None:
        """Is none of the lab's; opened a second time it is."""
        path = Path(self.mktemp()).absolute()
        with path.open("wb"):
            self.begin().hangUp()
            self.lab.assertNothingLeft()
            self.begin()
            with path.open("rb"):
                self.call.hangUp()
                self.assertEqual(self.left(), [f"file {path}"])

    def test_aFileInACycleCountsAsClosed(self) -> None:
        """It is closed by the collector of garbage, so that is run first."""
        path = Path(self.mktemp()).absolute()

        class Circular(Speaker):
            def gone(self, event: CallEndedEvent) -> None:
                cycle: list[Any] = [path.open("wb", buffering=0)]
                cycle.append(cycle)
                self.returnResult("over")

        with self.subTest(), CollectorOff():
            self.begin(Circular).hangUp()
            self.lab.assertNothingLeft()

    def test_aCallThatIsUp(self) -> None:
        """The phone that still talks comes first after the application; then what belongs to it."""
        self.begin()
        lines = self.left()
        self.assertRegex(lines[0], r"^application Speaker \(call .+\), still in state said$")
        self.assertEqual(lines[1], "phone0's call is answered")
        kinds = {line.split()[0] for line in lines}
        self.assertEqual(kinds, {"application", "phone0's", "dialog", "media", "timer"})

    def test_aCallThatRingsIsNone(self) -> None:
        """Its caller has no patience for ever: it ends by itself, and so nothing is left."""
        self.begin(Ringing)
        self.lab.assertNothingLeft()
        self.assertEqual(self.call.state, "failed")

    def test_aSocket(self) -> None:
        """That an application bound for itself."""

        class Bound(Speaker):
            def gone(self, event: CallEndedEvent) -> None:
                self.reactor.listenUDP(7000, DatagramProtocol())  # type: ignore[attr-defined]
                self.returnResult("over")

        self.begin(Bound).hangUp()
        self.assertEqual(self.left(), ["socket 192.0.2.10:7000"])

    def test_aMediaSession(self) -> None:
        """That nobody closed; its port is named."""
        self.begin().hangUp()
        session = self.lab.application.exchange.media.openSession("192.0.2.10")
        lines = self.left()
        self.assertEqual(
            lines, [f"media session at port {session.port}", f"media socket at port {session.port}"]
        )

    def test_severalAtOnce(self) -> None:
        """All are listed; the error of one does not hide the other."""
        path = Path(self.mktemp()).absolute()
        files: list[Any] = []

        class Careless(Speaker):
            keepAlive = True

            def gone(self, event: CallEndedEvent) -> Any:
                files.append(path.open("wb"))
                return []

        self.begin(Careless).hangUp()
        lines = self.left()
        self.assertEqual([line.split()[0] for line in lines], ["application", "file"])
        files.pop().close()


class CollectorOff:
    """No garbage is collected unless somebody asks for it."""

    def __enter__(self) -> None:
        gc.disable()

    def __exit__(self, *exception: object) -> None:
        gc.enable()


class NeighbourTests(LeftoversTestCase):
    """One lab and the next, and what of it reaches beyond."""

    def test_nothingIsLeftOfAGoodCall(self) -> None:
        """Whether it was called, talked to, or never used; twice is as good as once."""
        self.begin()
        self.call.assertHears(prompt("about"))
        self.call.hangUp()
        for _ in range(2):
            self.lab.assertNothingLeft()
        Lab(Speaker).assertNothingLeft()

    def test_afterClose(self) -> None:
        """close() ends calls and applications; nothing is left then."""
        self.begin()
        self.lab.close()
        self.lab.close()
        self.assertEqual(self.call.state, "ended")
        self.lab.assertNothingLeft()

    def test_aLabThatFailsLeavesNoTrace(self) -> None:
        """Whatever comes out of advance(), Deferreds are as they were; likewise at its end."""
        self.assertFalse(defer.getDebugging())
        debugging: list[bool] = []

        class Broken(Speaker):
            def answer(self, event: CallStartedEvent) -> Any:
                debugging.append(defer.getDebugging())
                self.reactor.callLater(0.1, {}.__getitem__, "missing")
                return super().answer(event)

        self.assertRaises(KeyError, self.begin, Broken)
        self.assertEqual((debugging, defer.getDebugging()), ([True], False))
        self.assertRaises(AssertionError, self.lab.assertNothingLeft)
        self.assertFalse(defer.getDebugging())

    def test_aLabThatIsNeverClosedDisturbsNoOther(self) -> None:
        """Its call stays up; a second lab sees nothing of it, in whatever order they go on."""
        first = self.begin()
        second = Lab(Speaker)
        call = second.phone().dial("sip:anything@doug")
        second.advance(1.0)
        self.lab.advance(1.0)
        call.hangUp()
        second.assertNothingLeft()
        self.assertFalse(defer.getDebugging())
        self.assertEqual(first.state, "answered")

    def test_whoWantsDebuggingKeepsIt(self) -> None:
        """What was switched on before stays on."""
        defer.setDebugging(True)
        self.addCleanup(defer.setDebugging, False)
        self.begin().hangUp()
        self.lab.assertNothingLeft()
        self.assertTrue(defer.getDebugging())
