"""What a transport has received, on its way in: past the gate, into the trace, read, handed on.

Lives here: what all transports do alike with one message. Not here: sockets (udp.py, stream.py),
who is heard (gate.py), how a message is read (parser.py), what it means (the receiver).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from shtoom.exceptions import MalformedMessage
from shtoom.sip.gate import LIMITED, Gate, Verdict, tooMany
from shtoom.sip.message import Request
from shtoom.sip.parser import parse
from shtoom.sip.transport import markReceived
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from shtoom.sip.quietlog import QuietLog
    from shtoom.sip.transport import Peer, Receiver

__all__ = ["Inlet"]


class Inlet:
    """The way in of one transport.

    receiver: takes what comes. counts, quietLog: of the transport; counted are malformed, limited
    (by the gate) and scanner (dropped by it). seconds: the time. gate: whom not to hear; None:
    nobody. longest: bytes of a message that is read.
    """

    def __init__(
        self,
        receiver: Receiver,
        counts: Counter[str],
        quietLog: QuietLog,
        seconds: Callable[[], float],
        *,
        gate: Gate | None,
        longest: int,
    ) -> None:
        self._receiver, self._gate, self._longest = receiver, gate, longest
        self._seconds, self._counts, self._quietLog = seconds, counts, quietLog

    def received(self, data: bytes, peer: Peer) -> None:
        """One whole message. What its receiver raises goes on."""
        verdict = Verdict.PASS
        if self._gate is not None:
            verdict = self._gate.weigh(data, peer.address[0], self._seconds())
            if verdict is Verdict.SCANNER:
                self._counts["scanner"] += 1
                return
            if verdict is not Verdict.PASS:
                self._counts["limited"] += 1
                rate = self._gate.rate
                self._quietLog.warn("limited", LIMITED, host=peer.address[0], rate=rate)
            if verdict is Verdict.DROP:
                return
        if self._receiver.trace is not None:
            self._receiver.trace.received(data, peer)
        try:
            message = parse(data, self._longest)
            if isinstance(message, Request):
                message = markReceived(message, peer.address)
        except MalformedMessage as error:
            if verdict is Verdict.PASS:
                self._malformed(error, data, peer)
            return
        if verdict is Verdict.REFUSE and self._gate is not None:
            self._receiver.refuse(message, peer, tooMany(self._gate.rate))
        else:
            self._receiver.messageReceived(message, peer)

    def broken(self, error: MalformedMessage, data: bytes, peer: Peer) -> None:
        """What does not tell where it ends: it is no message."""
        if self._receiver.trace is not None:
            self._receiver.trace.received(data, peer)
        self._malformed(error, data, peer)

    def _malformed(self, error: MalformedMessage, data: bytes, peer: Peer) -> None:
        self._counts["malformed"] += 1
        at = hostPort(*peer.address)
        self._quietLog.warn(
            "malformed", "no SIP message from {at}: {error}", at=at, error=str(error)
        )
        self._receiver.malformedReceived(error, data, peer)
