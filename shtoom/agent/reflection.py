"""How a STUN server sees one of our SIP ports, asked from that port itself, again and again.

Lives here: when it is asked, and whom. Not here: STUN itself (shtoom.sip.stun), what the answer is
good for (doug.publicaddress).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from shtoom.exceptions import CallFailed, MalformedMessage, TransportFailed
from shtoom.sip.stun import Binding, BindingRequest, STUNRefused
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from shtoom.agent.lines import Lines
    from shtoom.sip.transport import Address
    from shtoom.sip.udp import UDPTransport
    from shtoom.sip.uri import URI

__all__ = ["Reflection"]

EVERY = 25.0
"""Seconds between two questions: routers forget a silent UDP flow after 30, and with it the port
that we tell others."""


NOBODY = "192.0.2.1"  # RFC 5737: so the default route leads there


class Reflection:
    """One port of ours in the eyes of one server.

    isIPv6: of the port. server: as a sip: URI of its host and port. onAnswer: told after each
    round, what came of it.

    seen: (host, port) of ours, None while nobody has told; once known it stays until another is
    told. asked: the server's address that was asked last. elsewhere: as seen, in the eyes of the
    server's other address, if it has one: another port there means a NAT that others do not reach
    us through (RFC 4787 4.1). problem: why the last round had no answer, "" if it had.
    """

    log = Logger()

    def __init__(
        self,
        lines: Lines,
        transport: UDPTransport,
        isIPv6: bool,
        server: URI,
        onAnswer: Callable[[Reflection], None],
    ) -> None:
        self.transport, self.isIPv6, self.server = transport, isIPv6, server
        self.seen: Address | None = None
        self.elsewhere: Address | None = None
        self.problem = ""
        self.asked = NOBODY
        self._lines, self._onAnswer = lines, onAnswer
        self._doing: Deferred[None] | None = None
        self._again: IDelayedCall | None = None
        self._question: _Question | None = None
        self._askedElsewhere = False

    def start(self) -> None:
        """Asks, from now on."""
        self.transport.onSTUN = self._received
        self._round()

    def stop(self) -> None:
        """Asks no more."""
        self.transport.onSTUN = None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.cancel()

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself."""
        calls = [self._again, self._question.timer if self._question is not None else None]
        return [call for call in calls if call is not None]

    def _round(self) -> None:
        self._again = None
        self._doing = Deferred.fromCoroutine(self._ask())
        self._doing.addCallbacks(self._told, self._notTold)

    async def _ask(self) -> None:
        places = await self._lines.resolver.resolve(self.server, ("UDP",))
        family = "IPv6" if self.isIPv6 else "IPv4"
        failure = TransportFailed(f"{self.server.host} has no {family} address")
        for host, port, _ in places:
            if (":" in host) != self.isIPv6:
                continue
            self.asked = host
            try:
                answer = await self._answerOf((host, port))
            except CallFailed as error:
                failure = TransportFailed(f"{hostPort(host, port)}: {error.reason}")
                continue
            if answer.mapped != self.seen:
                self.seen, self.elsewhere, self._askedElsewhere = answer.mapped, None, False
            await self._compare(answer)
            return
        try:
            raise failure
        finally:
            del failure  # else it and this frame hold one another

    async def _compare(self, answer: Binding) -> None:
        """Asks the server's other address, once for each address of ours."""
        other = answer.other
        if other is None or self._askedElsewhere or (":" in other[0]) != (":" in answer.mapped[0]):
            return
        self._askedElsewhere = True
        try:
            self.elsewhere = (await self._answerOf(other)).mapped
        except CallFailed as error:
            self.log.debug("{at}: {why}", at=hostPort(*other), why=error.reason)

    def _answerOf(self, server: Address) -> Deferred[Binding]:
        """Fails with TransactionTimeout, or TransportFailed for any other reason."""
        self._question = _Question(self._lines, self.transport, server)
        return self._question.ask()

    def _received(self, datagram: bytes, source: Address) -> None:
        """From the transport: STUN."""
        if self._question is not None:
            self._question.received(datagram, source)

    def _told(self, _: None) -> None:
        self.problem = ""
        self._next()

    def _notTold(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if not failure.check(CallFailed):
            self.log.failure("{server} cannot be asked", failure, server=self.server.host)
        self.problem = failure.getErrorMessage()
        self._next()

    def _next(self) -> None:
        self._question = None
        self._again = self._lines.reactor.callLater(EVERY, self._round)
        self._onAnswer(self)


class _Question:
    """A Binding request on its way; timer: its next repeat."""

    def __init__(self, lines: Lines, transport: UDPTransport, server: Address) -> None:
        self._lines, self._transport = lines, transport
        self._request = BindingRequest(server, lines.rng)
        self._answer: Deferred[Binding] = Deferred(self._cancelled)
        self.timer: IDelayedCall | None = None

    def ask(self) -> Deferred[Binding]:
        """Fires once."""
        self._send(self._request.start(self._lines.reactor.seconds()))
        return self._answer

    def received(self, datagram: bytes, source: Address) -> None:
        """It may be the answer."""
        if self._request.received(datagram, source):
            self._look()

    def _send(self, data: bytes) -> None:
        try:
            self._transport.send(data, self._request.server)
        except TransportFailed as error:
            self._request.failed(error)
        self._look()

    def _timeReached(self) -> None:
        self.timer = None
        data = self._request.timeReached(self._lines.reactor.seconds())
        if data is not None:
            self._send(data)
        else:
            self._look()

    def _look(self) -> None:
        """What has become of it?"""
        self._halt()
        request = self._request
        if request.answer is not None:
            self._answer.callback(request.answer)
        elif isinstance(request.failure, MalformedMessage | STUNRefused):
            self._answer.errback(TransportFailed(f"its answer is of no use: {request.failure}"))
        elif request.failure is not None:
            self._answer.errback(request.failure)
        elif request.deadline is not None:
            wait = max(0.0, request.deadline - self._lines.reactor.seconds())
            self.timer = self._lines.reactor.callLater(wait, self._timeReached)

    def _halt(self) -> None:
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _cancelled(self, _: Deferred[Binding]) -> None:
        self._halt()
