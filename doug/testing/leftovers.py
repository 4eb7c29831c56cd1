"""What calls have left behind in a laboratory, in words.

Lives here: looking, and naming the line that made a Deferred nobody fires. Not here: the
laboratory (lab.py).
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

import doug
import shtoom
import twisted

if TYPE_CHECKING:
    from doug.testing.lab import Lab
    from doug.voiceapp import VoiceApp

REST = 100.0  # seconds in which a call that is still dialled times out (60), and its timers (32)
STEP = 0.5  # seconds between two looks meanwhile
_OURS = tuple(f"{Path(m.__file__ or '').parent}{os.sep}" for m in (twisted, doug, shtoom))
_THEIRS = str(Path(doug.__file__).parent / "demo") + os.sep  # an application like any other


class Leftovers:
    """Looks for them; made before the server is, since it counts open files."""

    def __init__(self) -> None:
        self._files = openFiles()

    def find(self, lab: Lab) -> list[str]:
        """Whatever is still there once all calls had time to end."""
        found = _stuck(lab)
        exchange = lab.application.exchange
        for app in lab.application.listVoiceapps().values():
            pending = app.va_pending
            found.append(_still(app) if pending is None else _waiting(app, pending))
        for phone in lab.phones:
            found += [f"{phone.name}'s call is {c.state}" for c in phone.calls if not c.closed]
        found += [f"dialog {call.callID}" for call in exchange.agent.calls]
        found += [f"media session at port {session.port}" for session in exchange.media.sessions]
        found += [f"media socket at port {socket.port}" for socket in lab.io.sockets]
        if len(exchange.agent.layer):
            found.append(f"{len(exchange.agent.layer)} transactions of the server")
        own = exchange.timers()
        for phone in lab.phones:
            own += phone.timers()
        found += [f"timer {call}" for call in lab.reactor.getDelayedCalls() if call not in own]
        return found

    def findAfterClose(self, lab: Lab) -> list[str]:
        """Whatever outlives server and phones."""
        ports = (*lab.network.bound, *lab.network.listening)
        found = [f"socket {host}:{port}" for host, port in ports]
        found += [f"connection of {end.own} with {end.peer}" for end in lab.network.connections]
        found += [f"timer {call}" for call in lab.reactor.getDelayedCalls()]
        if openFiles() - self._files:
            gc.collect()  # a file whose last reference is in a cycle counts as closed
            found += [f"file {name}" for name in sorted((openFiles() - self._files).elements())]
        return found


def openFiles() -> Counter[str]:
    """The files that this process has open, by name; sockets, pipes and devices are left out."""
    names: Counter[str] = Counter()
    for fd in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the descriptor of the listing itself
            continue
        if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
            names[name] += 1
    return names


@contextmanager
def namingDeferreds() -> Iterator[None]:
    """Deferreds that are made within remember the line that made them."""
    before = defer.getDebugging()
    defer.setDebugging(True)
    try:
        yield
    finally:
        defer.setDebugging(before)


def creator(deferred: Deferred[Any]) -> str:
    """Which line made a Deferred; of a coroutine's, the line that made what it waits for."""
    info = getattr(_innermost(deferred), "_debugInfo", None)
    lines = list(getattr(info, "creator", None) or ())
    foreign = [line for line in lines if not any(o in line for o in _OURS) or _THEIRS in line]
    if not foreign:
        return "made outside of lab.advance(), where nobody took note of the line"
    return "made at " + ": ".join(part.strip() for part in foreign[-1].strip().splitlines())


def _stuck(lab: Lab) -> list[str]:
    """Lets REST seconds pass; says which handlers' Deferreds the server would give up meanwhile.

    An application has some time for its last steps (pendingLimit). Just before that is over its
    Deferred is looked at, and the application ended, so that no other error hides this one.
    """
    found = []
    end = lab.reactor.seconds() + REST
    while (now := lab.reactor.seconds()) < end:
        for app in lab.application.listVoiceapps().values():
            pending, limit = app.va_pending, app.va_limit
            if pending is not None and limit is not None and limit.getTime() < now + STEP:
                found.append(_waiting(app, pending))
                app.returnResult(None)
        lab.advance(STEP)
    return found


def _still(app: VoiceApp) -> str:
    return f"application {app.va_describe()}, still in state {app.getCurrentState()}"


def _waiting(app: VoiceApp, pending: Deferred[Any]) -> str:
    return (
        f"{app.va_describe()} waits in {app.getCurrentState()} for a Deferred that never fired, "
        f"{creator(pending)}"
    )


def _innermost(deferred: Deferred[Any]) -> Deferred[Any]:
    """Follows coroutines and chained Deferreds; Twisted has no public way to ask for these."""
    while True:
        inner = getattr(deferred, "_chainedTo", None)
        closure = getattr(getattr(deferred, "_canceller", None), "__closure__", None) or ()
        for cell in closure:
            inner = inner or getattr(cell.cell_contents, "waitingOn", None)
        if not isinstance(inner, Deferred):
            return deferred
        deferred = inner
