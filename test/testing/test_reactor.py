"""The virtual reactor: order, time, threads, names."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import (
    IDelayedCall,
    IHostnameResolver,
    IReactorTime,
    IResolutionReceiver,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from doug.testing import VirtualReactor
from shtoom.exceptions import HostNotKnown
from shtoom.sip.resolver import Resolver
from shtoom.sip.uri import parseURI


class TimeTests(SynchronousTestCase):
    """IReactorTime on a number; what was called is in self.calls, with its time."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.calls: list[tuple[str, float]] = []

    def note(self, name: str) -> None:
        """It was called."""
        self.calls.append((name, round(self.reactor.seconds(), 6)))

    def later(self, delay: float, name: str) -> IDelayedCall:
        """note(name) in so many seconds."""
        return self.reactor.callLater(delay, self.note, name)

    def test_itIsAReactorInTime(self) -> None:
        """It and its calls have all that the interfaces ask for."""
        verifyObject(IReactorTime, self.reactor)
        verifyObject(IDelayedCall, self.later(1, "a"))

    def test_callsComeInTheOrderOfTheirTime(self) -> None:
        """Whatever the order they were made in, each at its own time."""
        for delay in (3.0, 1.0, 2.0):
            self.later(delay, f"{delay}")
        self.reactor.advance(2.5)
        self.assertEqual(self.calls, [("1.0", 1.0), ("2.0", 2.0)])
        self.assertEqual(self.reactor.seconds(), 2.5)
        self.reactor.advance(0.5)
        self.assertEqual(self.calls[2:], [("3.0", 3.0)])

    def test_callsOfOneTimeComeInTheOrderTheyWereMade(self) -> None:
        """As on every reactor of Twisted."""
        for name in "abc":
            self.later(1.0, name)
        self.reactor.advance(1.0)
        self.assertEqual([name for name, _ in self.calls], ["a", "b", "c"])

    def test_callLaterZeroIsTheNextTurn(self) -> None:
        """Never inside the call that asks, after all that is due already, without time passing."""

        def first() -> None:
            self.later(0, "asked for by first")
            self.note("first")

        self.reactor.callLater(1.0, first)
        self.later(1.0, "second")
        self.reactor.advance(1.0)
        self.assertEqual(self.calls, [("first", 1.0), ("second", 1.0), ("asked for by first", 1.0)])

    def test_advanceZeroRunsWhatIsDue(self) -> None:
        """And nothing else."""
        self.later(0, "now")
        self.later(0.001, "soon")
        self.reactor.advance(0)
        self.assertEqual(self.calls, [("now", 0.0)])

    def test_whatIsMadeOnTheWayRunsOnTheWay(self) -> None:
        """A chain of calls inside one advance(), each at its time."""
        loop = LoopingCall(self.note, "tick")
        loop.clock = self.reactor
        loop.start(0.5)
        self.reactor.advance(1.2)
        loop.stop()
        self.assertEqual(self.calls, [("tick", 0.0), ("tick", 0.5), ("tick", 1.0)])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_aCancelledCallIsGone(self) -> None:
        """It is not called, not listed, and not cancelled twice."""
        call = self.later(1.0, "a")
        call.cancel()
        self.assertFalse(call.active())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.reactor.advance(2.0)
        self.assertEqual(self.calls, [])
        self.assertRaises(AlreadyCancelled, call.cancel)
        self.assertRaises(AlreadyCancelled, call.reset, 1.0)

    def test_aCallThatWasMadeIsOver(self) -> None:
        """It can be neither cancelled nor moved, not even by itself."""
        inside: list[bool] = []
        call = self.reactor.callLater(1.0, lambda: inside.append(call.active()))
        self.reactor.advance(1.0)
        self.assertEqual(inside, [False])
        self.assertRaises(AlreadyCalled, call.cancel)
        self.assertRaises(AlreadyCalled, call.delay, 1.0)

    def test_resetCountsFromNow(self) -> None:
        """Earlier or later than it was."""
        late, early = self.later(2.0, "late"), self.later(2.0, "early")
        self.reactor.advance(1.0)
        late.reset(2.0)
        early.reset(0.5)
        self.assertEqual((early.getTime(), late.getTime()), (1.5, 3.0))
        self.reactor.advance(5.0)
        self.assertEqual(self.calls, [("early", 1.5), ("late", 3.0)])

    def test_delayCountsFromWhereItWas(self) -> None:
        """Of a call at 2 s, delayed by 1 s: 3 s, whatever the time is."""
        call = self.later(2.0, "a")
        self.reactor.advance(1.0)
        call.delay(1.0)
        self.reactor.advance(1.5)
        self.assertEqual(self.calls, [])
        self.reactor.advance(0.5)
        self.assertEqual(self.calls, [("a", 3.0)])

    def test_aMovedCallIsListedOnce(self) -> None:
        """Also if it was moved to where it is; the list is in order of time."""
        last, first = self.later(2.0, "last"), self.later(1.0, "first")
        last.reset(2.0)
        self.assertEqual(self.reactor.getDelayedCalls(), [first, last])
        self.reactor.advance(3.0)
        self.assertEqual(self.calls, [("first", 1.0), ("last", 2.0)])

    def test_aNegativeDelayIsRefused(self) -> None:
        """The error says what was wanted and what came."""
        error = self.assertRaises(ValueError, self.reactor.callLater, -1, self.note, "a")
        self.assertIn("wanted 0 or more seconds, got -1", str(error))

    def test_whatACallRaisesComesOutOfAdvance(self) -> None:
        """At its time; what was due after it runs in the next advance()."""
        self.reactor.callLater(1.0, {}.__getitem__, "missing")
        self.later(1.0, "after it")
        self.assertRaises(KeyError, self.reactor.advance, 5.0)
        self.assertEqual(self.reactor.seconds(), 1.0)
        self.reactor.advance(0)
        self.assertEqual(self.calls, [("after it", 1.0)])

    def test_aCallSaysWhatItIs(self) -> None:
        """Function, file and line, and the time: what assertNothingLeft prints."""
        line = TimeTests.note.__code__.co_firstlineno
        call = self.reactor.callLater(1.5, partial(self.note, "a"))
        self.assertEqual(str(call), f"TimeTests.note ({__file__}:{line}) due at 1.500 s")

    def test_aStallRunsNothing(self) -> None:
        """Time passes as when a handler blocks; what fell due is late."""
        self.later(1.0, "late")
        self.reactor.stall(3.0)
        self.assertEqual(self.calls, [])
        self.reactor.advance(0)
        self.assertEqual(self.calls, [("late", 3.0)])


class ThreadTests(SynchronousTestCase):
    """deferToThread without threads."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()

    def defer(self, f: Any, *args: Any) -> Any:
        """As the server's deferToThread."""
        reactor: Any = self.reactor
        return deferToThreadPool(reactor, reactor.getThreadPool(), f, *args)

    def test_workIsDoneInlineAndItsResultComesOnALaterTurn(self) -> None:
        """So an application cannot come to rely on having it at once."""
        done: list[int] = [42]
        deferred = self.defer(done.pop)
        self.assertEqual(done, [])
        self.assertNoResult(deferred)
        self.reactor.advance(0)
        self.assertEqual(self.successResultOf(deferred), 42)
        self.assertEqual(self.reactor.threadJobs, 1)

    def test_stalledThreadsBeginLater(self) -> None:
        """In their order, when the disk answers again; what is asked for then begins at once."""
        begun: list[tuple[str, float]] = []

        def job(name: str) -> None:
            begun.append((name, self.reactor.seconds()))

        self.reactor.stallThreads(2.0)
        for name in ("first", "second"):
            deferToThreadPool(self.reactor, self.reactor, job, name)  # type: ignore[arg-type]
            self.reactor.advance(1.0)
        self.assertEqual(begun, [("first", 2.0), ("second", 2.0)])
        deferToThreadPool(self.reactor, self.reactor, job, "third")  # type: ignore[arg-type]
        self.assertEqual(begun[2:], [("third", 2.0)])
        self.reactor.advance(0.0)

    def test_errorsComeTheSameWay(self) -> None:
        """As a Failure of the Deferred."""
        deferred = self.defer({}.__getitem__, "missing")
        self.reactor.advance(0)
        self.failureResultOf(deferred, KeyError)

    def test_callFromThreadIsTheNextTurn(self) -> None:
        """With its arguments."""
        called: list[Any] = []
        self.reactor.callFromThread(called.append, "a")
        self.assertEqual(called, [])
        self.reactor.advance(0)
        self.assertEqual(called, ["a"])

    def test_coroutinesSleepInVirtualTime(self) -> None:
        """deferLater on this reactor takes no time of anybody's."""
        slept = deferLater(self.reactor, 3600.0, lambda: "an hour")
        self.reactor.advance(3599.0)
        self.assertNoResult(slept)
        self.reactor.advance(1.0)
        self.assertEqual(self.successResultOf(slept), "an hour")


class NameTests(SynchronousTestCase):
    """Names are a table."""

    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.reactor.names["phone.example"] = ["198.51.100.7", "2001:db8::7"]

    def test_aNameHasTheAddressesOfTheTable(self) -> None:
        """IPv4 and IPv6, on a later turn, as IHostnameResolver has it."""
        verifyObject(IHostnameResolver, self.reactor.nameResolver)
        receiver = Receiver()
        self.reactor.nameResolver.resolveHostName(receiver, "phone.example", 5060)
        self.assertEqual(receiver.addresses, [])
        self.reactor.advance(0)
        self.assertEqual(
            receiver.addresses,
            [IPv4Address("UDP", "198.51.100.7", 5060), IPv6Address("UDP", "2001:db8::7", 5060)],
        )
        self.assertTrue(receiver.complete)

    def test_anUnknownNameHasNone(self) -> None:
        """The resolver of SIP makes HostNotKnown of that."""
        found = Resolver(self.reactor).resolve(parseURI("sip:a@nowhere.example"))
        self.reactor.advance(0)
        self.assertIn("nowhere.example", str(self.failureResultOf(found, HostNotKnown).value))


@implementer(IResolutionReceiver)
class Receiver:
    """An IResolutionReceiver that keeps what comes."""

    def __init__(self) -> None:
        self.addresses: list[Any] = []
        self.complete = False

    def resolutionBegan(self, resolution: Any) -> None:
        """Nothing yet."""

    def addressResolved(self, address: Any) -> None:
        """One of them."""
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        """That was all."""
        self.complete = True


class PlaceTests(SynchronousTestCase):
    """Where a reactor listens."""

    def test_withoutAHostThereIsNoNetwork(self) -> None:
        """listenUDP says what is missing."""
        error = self.assertRaises(
            RuntimeError, VirtualReactor().listenUDP, 5060, DatagramProtocol()
        )
        self.assertIn("set reactor.host", str(error))

    def test_triggersAreKeptAndForgotten(self) -> None:
        """A virtual reactor neither starts nor stops: none is ever called."""
        reactor = VirtualReactor()
        trigger = reactor.addSystemEventTrigger("before", "shutdown", self.fail, "called")
        reactor.advance(10.0)
        reactor.removeSystemEventTrigger(trigger)
        self.assertRaises(ValueError, reactor.removeSystemEventTrigger, trigger)
