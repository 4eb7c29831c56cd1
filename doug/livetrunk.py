"""One trunk of a server while it runs: registered, asked whether it is up, counted.

Lives here: its Registration, OPTIONS pings, look-ups of its addresses, its calls and limits, who it
says that calls. Not here: trunks as values (doug.trunks), all of them together (doug.trunking),
registering (shtoom.agent.registration).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shtoom.addresses import ipAddress
from shtoom.agent.credentials import Account
from shtoom.agent.dialling import ANONYMOUS
from shtoom.agent.lines import Outcome
from shtoom.agent.registration import Registration
from shtoom.exceptions import (
    CallFailed,
    InvalidSIPURL,
    MalformedMessage,
    ServiceUnavailable,
    TransportFailed,
    UserBusy,
)
from shtoom.sip.fields import NameAddress, parseNameAddress
from shtoom.sip.gate import TokenBuckets
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request
from shtoom.sip.shown import shown
from shtoom.sip.uri import URI, parseURI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from doug.dialplan import DialWishes
    from doug.trunks import Trunk
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.call import Call
    from shtoom.sip.transport import Peer

__all__ = ["LiveTrunk"]

OF_ACCOUNT = (
    *("host", "port", "transport", "register", "expires"),
    *("user", "password", "authUser", "realm"),
)
"""What of a trunk makes another registration of it."""

LOOK_UP = 300.0
"""Seconds between two look-ups of a trunk's addresses, which tell its calls from others."""

IDENTITY_HEADERS = {
    "p-asserted-identity": "P-Asserted-Identity",
    "remote-party-id": "Remote-Party-ID",
}

FORGOTTEN = (403, 404, 481)
"""Answers to a call of ours that may mean that the trunk does not know us any more."""

_DOWN = (408, 503)
"""Answers to a ping that say that nobody is there to take a call."""


class LiveTrunk:
    """One trunk of a running server.

    trunk: as it was configured. registration: None if it does not register. isUp: does it answer
    pings? None while that is not known, or not asked. addresses: of its hosts, as DNS has them.
    onChange: told when it is registered, unregistered, up or down.
    """

    log = Logger()

    def __init__(
        self, agent: UserAgent, trunk: Trunk, onChange: Callable[[LiveTrunk], None]
    ) -> None:
        self.trunk, self._agent, self._onChange = trunk, agent, onChange
        self.isUp: bool | None = None
        self.addresses: frozenset[str] = frozenset()
        self.registration: Registration | None = None
        self._loops: list[LoopingCall] = []
        self._stopped = False
        self._calls: set[Call] = set()
        self._rate: TokenBuckets | None = None
        if trunk.register:
            self.registration = Registration(
                agent,
                trunk.name,
                trunk.uri,
                trunk.address,
                self._account(),
                expires=trunk.expires,
                onChange=lambda _: onChange(self),
            )

    def start(self) -> None:
        """Registers, pings, looks its addresses up; nothing once it was stopped."""
        if self._stopped:
            return
        self._begin()
        if self.registration is not None:
            self.registration.start()

    def _begin(self) -> None:
        self._loop(self._lookUp, LOOK_UP)
        if self.trunk.qualify is not None:
            self._loop(self._ping, self.trunk.qualify)

    def _endLoops(self) -> None:
        for loop in self._loops:
            loop.stop()
        self._loops.clear()

    def stop(self) -> Deferred[None]:
        """Unregisters; fires when that is done. See Registration.stop()."""
        self._stopped = True
        self._endLoops()
        return self.registration.stop() if self.registration is not None else succeed(None)

    def change(self, trunk: Trunk) -> bool:
        """It is configured otherwise; False, and nothing done, if it needs another registration."""
        if any(getattr(trunk, name) != getattr(self.trunk, name) for name in OF_ACCOUNT):
            return False
        before, self.trunk = self.trunk, trunk
        if trunk.qualify != before.qualify and not self._stopped:
            self.isUp = None
            self._endLoops()
            self._begin()
        return True

    def succeed(self, before: LiveTrunk) -> None:
        """It takes the place of that one, and has its calls."""
        self._calls, self._rate = before._calls, before._rate
        if self.trunk.host == before.trunk.host:
            self.addresses = before.addresses

    def abandon(self) -> None:
        """Waits for nothing any more."""
        if self.registration is not None:
            self.registration.abandon()

    def timers(self) -> list[IDelayedCall]:
        """What is to come as long as the trunk is in use."""
        calls = [loop.call for loop in self._loops]
        if self.registration is not None:
            calls += self.registration.timers()
        return [call for call in calls if call is not None]

    def take(self, call: Call) -> None:
        """One more call of it, until that is gone."""
        self._calls.add(call)
        call.whenGone().addCallback(lambda _: self._gone(call))

    def _gone(self, call: Call) -> None:
        self._calls.discard(call)
        failure = call.failure
        if failure is not None and failure.sipCode in FORGOTTEN and self.registration is not None:
            self.registration.doubt(f"a call was refused ({failure.sipCode})")

    @property
    def calls(self) -> int:
        """How many of it are up, or on their way."""
        return len(self._calls)

    def checkFree(self) -> None:
        """May it have one more call now? Raises CallFailed if it has as many as it may (486: the
        server has room), or if they come too fast (503: others of the far end may take them).
        """
        most, rate, now = self.trunk.maxCalls, self.trunk.maxRate, self._agent.reactor.seconds()
        if most is not None and len(self._calls) >= most:
            busy = UserBusy(f"{most} calls of trunk {self.trunk.name} are up (its max-calls)")
            remedy = f"raise max-calls in [trunk.{self.trunk.name}] if it carries more"
            raise busy.because("max-calls", remedy)
        if rate is None:
            return
        if self._rate is None or self._rate.rate != rate:
            self._rate = TokenBuckets(rate)
        if not self._rate.take(None, now):
            full = ServiceUnavailable(
                f"more than {rate:g} new calls a second of trunk {self.trunk.name} (its max-rate)",
                retryAfter=self._agent.policy.retryAfter(),
            )
            remedy = f"raise max-rate in [trunk.{self.trunk.name}] if that is wanted"
            raise full.because("max-rate", remedy)

    def addressOf(self, toURI: str) -> URI:
        """What is dialled for what an application wants: an address there, or a number.

        Raises CallFailed for an address that is none of this trunk.
        """
        trunk, text = self.trunk, toURI.strip()
        if text[:4].lower() == "tel:":
            number = text.partition(":")[2]
            uri = URI("sip", number, None, trunk.host, trunk.port, (("user", "phone"),))
        else:
            try:
                uri = parseURI(text)
            except MalformedMessage as error:
                raise InvalidSIPURL(f"{toURI!r} is no address to dial: {error}") from None
        if not trunk.leads(uri):
            raise CallFailed(f"{shown(toURI)} is no address of {trunk}", 403)
        return trunk.dialled(uri)

    def wishes(self, wishes: DialWishes) -> DialWishes:
        """As an application wants a call, with what the trunk wants: our password, and who calls.

        A trunk that is told of callers in a header has our own address in From (RFC 3325 9.1).
        """
        trunk, caller = self.trunk, wishes.fromURI
        headers = dict(wishes.headers)
        mine = str(trunk.address) if trunk.user is not None else None
        if caller is not None and trunk.identity != "from" and mine is not None:
            told = mine if caller == ANONYMOUS else caller
            caller = ANONYMOUS if caller == ANONYMOUS else mine
            header = IDENTITY_HEADERS[trunk.identity]
            headers.setdefault(header, told if "<" in told else f"<{told}>")
        return replace(
            wishes,
            fromURI=caller if caller is not None else mine,
            auth=wishes.auth if wishes.auth is not None else trunk.credentials,
            realm=wishes.realm if wishes.auth is not None else trunk.realm,
            headers=headers,
        )

    def callerOf(self, request: Request) -> str:
        """The URI of who calls, by the header that the trunk says it in; else by From."""
        header = IDENTITY_HEADERS.get(self.trunk.identity)
        for value in request.headerValues(header) if header is not None else ():
            try:
                return str(parseNameAddress(value).uri)
            except MalformedMessage:
                continue
        return str(request.fromAddress.uri)

    def sends(self, host: str) -> bool:
        """Do its requests come from that IP address?"""
        if host in self.addresses:
            return True
        registration = self.registration
        if registration is not None and registration.peer is not None:
            if registration.peer.address[0] == host:
                return True
        address = ipAddress(host.partition("%")[0])
        return any(address in network for network in self.trunk.networks)

    def state(self) -> str:
        """How it stands, in words."""
        words = []
        if self.registration is not None:
            words.append(self.registration.state.value)
            if self.registration.reason:
                words.append(self.registration.reason)
        if self.isUp is not None:
            words.append("up" if self.isUp else "does not answer OPTIONS")
        return ", ".join(words) or "in use"

    def _account(self) -> Account | None:
        credentials = self.trunk.credentials
        if credentials is None:
            return None
        return Account(*credentials, self._agent.rng, self.trunk.realm)

    def _loop(self, run: Callable[[], Deferred[None]], seconds: float) -> None:
        loop = LoopingCall(run)
        loop.clock = self._agent.reactor
        self._loops.append(loop)
        loop.start(seconds)

    def _lookUp(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._lookUpNow()).addErrback(self._notKnown)

    async def _lookUpNow(self) -> None:
        agent = self._agent
        places = await agent.resolver.resolve(self.trunk.uri, agent.transportNames)
        self.addresses = frozenset(host for host, _, _ in places)

    def _notKnown(self, failure: Failure) -> None:
        failure.trap(CallFailed)
        self.log.warn(
            "{trunk}: {reason}; its calls are told by the addresses known before",
            trunk=str(self.trunk),
            reason=failure.getErrorMessage(),
        )

    def _ping(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._pingNow()).addErrback(self._noAnswer)

    async def _pingNow(self) -> None:
        agent = self._agent
        places = await agent.resolver.resolve(self.trunk.uri, agent.transportNames)
        reason = "no transport leads there"
        for peer in agent.peersAt(self.trunk.uri, places):
            outcome = Outcome()
            agent.layer.sendRequest(self._options(peer), peer, outcome)
            try:
                response = await outcome.final
            except CallFailed as error:
                reason = error.reason
                continue
            if response.code not in _DOWN:
                self._found(True, "")
                return
            reason = f"{response.code} {response.reason}"
        raise TransportFailed(reason)

    def _noAnswer(self, failure: Failure) -> None:
        failure.trap(CallFailed)
        self._found(False, failure.getErrorMessage())

    def _found(self, isUp: bool, reason: str) -> None:
        if isUp is not self.isUp and not self._stopped and self.trunk.qualify is not None:
            wasDown, self.isUp = self.isUp is False, isUp
            if isUp:
                self.log.info("{trunk} is up", trunk=str(self.trunk))
                if wasDown and self.registration is not None:  # it may have been started anew
                    self.registration.refresh()
            else:
                self.log.warn(
                    "{trunk} is down: {reason}", trunk=str(self.trunk), reason=shown(reason)
                )
            self._onChange(self)

    def _options(self, peer: Peer) -> Request:
        agent, trunk = self._agent, self.trunk
        host, port = peer.transport.sentBy(peer.address[0])
        caller = trunk.address if trunk.user is not None else URI("sip", "doug", None, host, port)
        return Request(
            "OPTIONS",
            trunk.uri,
            Headers(
                (
                    ("Max-Forwards", "70"),
                    ("From", str(NameAddress("", caller, (("tag", agent.newTag()),)))),
                    ("To", str(NameAddress("", trunk.uri))),
                    ("Call-ID", agent.newCallID()),
                    ("CSeq", "1 OPTIONS"),
                    ("Contact", agent.contactFor(peer, trunk.user)),
                    ("User-Agent", agent.product),
                )
            ),
        )
