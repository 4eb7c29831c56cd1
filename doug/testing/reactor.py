"""A reactor whose time is a number: hours pass in the time their work takes.

Lives here: the clock, delayed calls, a thread pool that works inline, name look-up from a table.
Not here: the network (network.py); a VirtualReactor hands ports and connections to the host that
it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import (
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IReactorTime,
    IResolutionReceiver,
)
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.protocol import ClientFactory, DatagramProtocol, Factory

    from doug.testing.network import MemoryHost, MemoryPort
    from doug.testing.streams import MemoryConnector, MemoryStreamPort

MOST_VOID = 50
"""Places of cancelled calls that are kept at least: to clear up for fewer takes longer."""


@implementer(IDelayedCall)
class VirtualCall:
    """One call to come; what VirtualReactor.callLater returns."""

    __slots__ = ("_reactor", "args", "called", "cancelled", "func", "kw", "time")

    def __init__(
        self,
        reactor: VirtualReactor,
        time: float,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        self._reactor, self.time = reactor, time
        self.func: Callable[..., Any] | None = func
        self.args, self.kw = args, kw
        self.called = self.cancelled = False

    def getTime(self) -> float:
        """When it is due, in the reactor's seconds."""
        return self.time

    def active(self) -> bool:
        """Still to come?"""
        return not (self.called or self.cancelled)

    def cancel(self) -> None:
        """Raises AlreadyCancelled or AlreadyCalled when there is nothing to cancel."""
        self._mustBeActive()
        self.cancelled = True
        self.func, self.args, self.kw = None, (), {}
        self._reactor._cancelled()

    def reset(self, secondsFromNow: float) -> None:
        """Due so many seconds from now instead."""
        self._mustBeActive()
        self._reactor._move(self, self._reactor.seconds() + secondsFromNow)

    def delay(self, secondsLater: float) -> None:
        """Due so many seconds later than it was."""
        self._mustBeActive()
        self._reactor._move(self, self.time + secondsLater)

    def _mustBeActive(self) -> None:
        if self.cancelled:
            raise AlreadyCancelled
        if self.called:
            raise AlreadyCalled

    def __str__(self) -> str:
        func: Any = self.func
        while isinstance(func, partial):
            func = func.func
        name = getattr(func, "__qualname__", repr(func))
        code = getattr(func, "__code__", None)
        where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
        return f"{name}{where} due at {self.time:.3f} s"


@implementer(IReactorTime, IHostnameResolver)
class VirtualReactor:
    """Time, threads and names for a whole server and its phones in one test.

    Calls run in the order of their time, then of their making; a call that is made for now runs
    after those that were made before it. Nothing sleeps.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._made = 0
        self._heap: list[tuple[float, int, VirtualCall]] = []
        self._void = 0  # places of it that calls had which were cancelled, about
        self.host: MemoryHost | None = None
        self.names: dict[str, list[str]] = {}
        self.threadJobs = 0
        self._threadsFrom = 0.0
        self._triggers: list[tuple[str, str, Callable[..., Any], tuple[Any, ...]]] = []

    # --- time ---------------------------------------------------------------------------------

    def seconds(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object
    ) -> IDelayedCall:
        """As IReactorTime has it. ValueError for a negative delay."""
        if delay < 0:
            raise ValueError(f"delay: wanted 0 or more seconds, got {delay}")
        call = VirtualCall(self, self._now + delay, callable, args, kwargs)
        self._made += 1
        heappush(self._heap, (call.time, self._made, call))
        return cast(IDelayedCall, call)

    def getDelayedCalls(self) -> list[VirtualCall]:
        """All that are still to come, soonest first."""
        coming = sorted(self._heap, key=lambda entry: entry[:2])
        return list(dict.fromkeys(c for due, _, c in coming if c.active() and c.time == due))

    def advance(self, seconds: float) -> None:
        """Lets so much time pass, running what falls due on the way.

        What a call raises comes out of here; the calls after it run in the next advance().
        """
        end = self._now + seconds
        heap = self._heap
        while heap and heap[0][0] <= end:
            due, _, call = heappop(heap)
            func = call.func
            if func is None or call.time != due or call.called:
                continue  # cancelled, or moved to another time
            self._now = max(self._now, due)
            call.called = True
            func(*call.args, **call.kw)
        self._now = max(self._now, end)

    def stall(self, seconds: float) -> None:
        """Time passes and nothing runs, as when a handler blocks: what falls due is late."""
        self._now += seconds

    def _cancelled(self) -> None:
        """As Twisted's reactors do: those far ahead do not pile up."""
        self._void += 1
        if self._void > MOST_VOID and self._void > len(self._heap) // 2:
            self._heap[:] = [entry for entry in self._heap if entry[2].active()]
            heapify(self._heap)
            self._void = 0

    def _move(self, call: VirtualCall, time: float) -> None:
        call.time = time
        self._made += 1
        heappush(self._heap, (time, self._made, call))

    # --- threads ------------------------------------------------------------------------------

    def getThreadPool(self) -> VirtualReactor:
        """Itself: work for a thread is done inline, its result comes on the next turn."""
        return self

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], None], func: Callable[..., Any], *a: Any, **kw: Any
    ) -> None:
        """As twisted.python.threadpool.ThreadPool has it; used by deferToThreadPool."""
        self.threadJobs += 1
        if self._threadsFrom > self._now:
            self.callLater(self._threadsFrom - self._now, self._work, onResult, func, a, kw)
        else:
            self._work(onResult, func, a, kw)

    def stallThreads(self, seconds: float) -> None:
        """Work that is given to threads begins when so many seconds have passed from now.

        As if the disk did not answer meanwhile.
        """
        self._threadsFrom = self._now + seconds

    def _work(
        self,
        onResult: Callable[[bool, Any], None],
        func: Callable[..., Any],
        a: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        try:
            result, success = func(*a, **kw), True
        except Exception:
            result, success = Failure(), False
        onResult(success, result)

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kw: Any) -> None:
        """On the next turn of the reactor."""
        self.callLater(0, callable, *args, **kw)

    # --- network, names, life cycle -----------------------------------------------------------

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> MemoryPort:
        """Binds a port of the in-memory host that this reactor stands on."""
        return self._onHost.listenUDP(port, protocol, interface)

    def listenTCP(
        self, port: int, factory: Factory, backlog: int = 50, interface: str = ""
    ) -> MemoryStreamPort:
        """Accepts connections at a port of that host."""
        return self._onHost.listenTCP(port, factory, backlog, interface)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory,
        timeout: float = 30,
        bindAddress: object = None,
    ) -> MemoryConnector:
        """Connects from that host."""
        return self._onHost.connectTCP(host, port, factory, timeout, bindAddress)

    @property
    def _onHost(self) -> MemoryHost:
        if self.host is None:
            raise RuntimeError("this VirtualReactor stands on no MemoryHost: set reactor.host")
        return self.host

    @property
    def nameResolver(self) -> VirtualReactor:
        """Itself: looks names up in the table `names` (name -> addresses)."""
        return self

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Iterable[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """As IHostnameResolver has it; the answer comes on the next turn."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        self.callLater(0, self._answer, resolutionReceiver, hostName, portNumber)
        return resolution

    def _answer(self, receiver: IResolutionReceiver, name: str, port: int) -> None:
        for address in self.names.get(name, []):
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("UDP", address, port))
        receiver.resolutionComplete()

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., Any], *args: Any
    ) -> tuple[str, str, Callable[..., Any], tuple[Any, ...]]:
        """Kept for fireSystemEvent(); a virtual reactor starts and stops nothing by itself."""
        trigger = (phase, eventType, callable, args)
        self._triggers.append(trigger)
        return trigger

    def fireSystemEvent(self, eventType: str) -> None:
        """Calls the triggers of that event, once, whatever their phase."""
        for trigger in [trigger for trigger in self._triggers if trigger[1] == eventType]:
            self._triggers.remove(trigger)
            trigger[2](*trigger[3])

    def removeSystemEventTrigger(
        self, triggerID: tuple[str, str, Callable[..., Any], tuple[Any, ...]]
    ) -> None:
        """Forgets a trigger."""
        self._triggers.remove(triggerID)


@implementer(IHostResolution)
class _Resolution:
    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Nothing is under way that could be stopped."""
