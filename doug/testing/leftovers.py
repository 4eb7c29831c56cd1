"""What calls have left behind in a laboratory, in words.

Lives here: looking, and naming the line that made a Deferred nobody fires. Not here: the
laboratory (lab.py).
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

import doug

if TYPE_CHECKING:
    from doug.testing.lab import Lab

SETTLE = 2.0  # seconds in which ends of calls that were just asked for come about
REST = 70.0  # seconds after which even the timers of an ended call have run out (64*T1, twice)
_OURS = (str(Path(defer.__file__).parents[1]), str(Path(doug.__file__).parent))


class Leftovers:
    """Looks for them; made before the server is, since it counts open files."""

    def __init__(self) -> None:
        self._files = openFiles()

    def find(self, lab: Lab) -> list[str]:
        """Whatever is still there once all calls had time to end."""
        lab.advance(SETTLE)
        found = [
            f"{app.va_describe()} waits for a Deferred that never fired: {creator(pending)}"
            for app in lab.application.listVoiceapps().values()
            if (pending := app.va_pending) is not None
        ]
        lab.advance(REST)
        exchange = lab.application.exchange
        found += [
            f"application {a.va_describe()}" for a in lab.application.listVoiceapps().values()
        ]
        found += [f"dialog {call.callID}" for call in exchange.agent.calls]
        found += [f"media session at port {session.port}" for session in exchange.media.sessions]
        found += [f"media socket at port {socket.port}" for socket in lab.io.sockets]
        if len(exchange.agent.layer):
            found.append(f"{len(exchange.agent.layer)} transactions of the server")
        for phone in lab.phones:
            found += [f"{phone.name}'s call is {c.state}" for c in phone.calls if not c.closed]
        found += [f"timer {call}" for call in lab.reactor.getDelayedCalls()]
        return found

    def findAfterClose(self, lab: Lab) -> list[str]:
        """Whatever outlives server and phones."""
        found = [f"socket {host}:{port}" for host, port in lab.network.bound]
        found += [f"timer {call}" for call in lab.reactor.getDelayedCalls()]
        left = openFiles() - self._files
        if left:
            found += [f"file {name}" for name in sorted(left)]
        return found


def openFiles() -> set[str]:
    """The files that this process has open, by name; sockets and pipes are left out."""
    gc.collect()  # a file whose last reference is in a cycle counts as closed
    names = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the descriptor of the listing itself
            continue
        if name.startswith("/") and not name.startswith(("/dev/", "/proc/")):
            names.add(name)
    return names


def creator(deferred: Deferred[Any]) -> str:
    """The line that made a Deferred; of a coroutine's, the line that made what it waits for."""
    waited = _innermost(deferred)
    info = getattr(waited, "_debugInfo", None)
    lines = list(getattr(info, "creator", ())) or ["an unknown place"]
    foreign = [line for line in lines if not any(ours in line for ours in _OURS)]
    return " ".join((foreign or lines)[-1].split())


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
