"""The trunks of a server while it runs: registered, asked whether they are up, told apart.

Lives here: a Registration for each that registers, OPTIONS pings, which trunk a call is from, or
goes to. Not here: trunks as values (doug.trunks), who else may call (doug.admission), registering
(shtoom.agent.registration).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shtoom.agent.credentials import Account
from shtoom.agent.dialling import ANONYMOUS
from shtoom.agent.lines import Outcome
from shtoom.agent.registration import Registration, RegistrationState
from shtoom.exceptions import (
    CallFailed,
    MalformedMessage,
    ServiceUnavailable,
    TransportFailed,
    UserBusy,
)
from shtoom.sip.fields import NameAddress, parseNameAddress
from shtoom.sip.gate import TokenBuckets
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request
from shtoom.sip.transport import Peer
from shtoom.sip.uri import URI, parseURI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from doug.dialplan import DialWishes
    from doug.trunks import Trunk
    from shtoom.agent.agent import UserAgent
    from shtoom.agent.call import Call

__all__ = ["LiveTrunk", "Trunking"]

LEAVING = 5.0
"""Seconds that a trunk which is configured no more has to unregister."""

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

    def checkFree(self) -> None:
        """May it have one more call now? Raises CallFailed if it has as many as it may (486: the
        server has room), or if they come too fast (503: others of the far end may take them).
        """
        most, rate, now = self.trunk.maxCalls, self.trunk.maxRate, self._agent.reactor.seconds()
        if most is not None and len(self._calls) >= most:
            raise UserBusy(f"{most} calls of trunk {self.trunk.name} are up (its max-calls)")
        if rate is None:
            return
        if self._rate is None or self._rate.rate != rate:
            self._rate = TokenBuckets(rate)
        if not self._rate.take(None, now):
            raise ServiceUnavailable(
                f"more than {rate:g} new calls a second of trunk {self.trunk.name} (its max-rate)",
                retryAfter=self._agent.policy.retryAfter(),
            )

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
        address = ip_address(host.partition("%")[0])
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
                self.log.warn("{trunk} is down: {reason}", trunk=str(self.trunk), reason=reason)
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


class Trunking:
    """All trunks of a server. onChange: told of the one whose state has changed."""

    def __init__(
        self,
        agent: UserAgent,
        trunks: Iterable[Trunk],
        onChange: Callable[[LiveTrunk], None] = lambda trunk: None,
    ) -> None:
        self._agent, self._onChange = agent, onChange
        self.trunks = {trunk.name: LiveTrunk(agent, trunk, onChange) for trunk in trunks}
        self._leaving: dict[LiveTrunk, Deferred[None]] = {}

    def start(self) -> None:
        """All begin."""
        for trunk in self.trunks.values():
            trunk.start()

    def reload(self, trunks: Iterable[Trunk]) -> None:
        """These and no others from now on: new ones begin, those that are gone unregister.

        One that registers otherwise than before does so once it has unregistered.
        """
        before, self.trunks = self.trunks, {}
        for trunk in trunks:
            old = before.pop(trunk.name, None)
            if old is not None and old.change(trunk):
                self.trunks[trunk.name] = old
                continue
            new = self.trunks[trunk.name] = LiveTrunk(self._agent, trunk, self._onChange)
            if old is None:
                new.start()
            else:
                new.succeed(old)
                self._leave(old, new.start)
        for old in before.values():
            self._leave(old, lambda: None)

    def _leave(self, trunk: LiveTrunk, then: Callable[[], None]) -> None:
        late = self._agent.reactor.callLater(LEAVING, trunk.abandon)

        def gone(_: object) -> None:
            self._leaving.pop(trunk, None)
            if late.active():
                late.cancel()
            then()

        left: Deferred[None] = Deferred()
        self._leaving[trunk] = left
        trunk.stop().addCallback(gone).chainDeferred(left)

    async def stop(self, limit: float) -> None:
        """All unregister, within `limit` seconds or not at all."""
        ending = [trunk.stop() for trunk in self.trunks.values()]
        left = DeferredList([*ending, *self._leaving.values()])
        late = self._agent.reactor.callLater(limit, self._abandon)
        await left
        if late.active():
            late.cancel()

    def _abandon(self) -> None:
        for trunk in (*self.trunks.values(), *self._leaving):
            trunk.abandon()

    def to(self, uri: URI) -> LiveTrunk | None:
        """The trunk that a call to `uri` goes by: that of its host."""
        for trunk in self.trunks.values():
            same = trunk.trunk.host.lower() == uri.host.lower()
            if same and (trunk.trunk.port or 5060) == (uri.port or 5060):
                return trunk
        return None

    def toAddress(self, address: str) -> LiveTrunk | None:
        """As to(); an address that cannot be read goes by none."""
        try:
            return self.to(parseURI(address.strip()))
        except MalformedMessage:
            return None

    def sends(self, host: str) -> bool:
        """Do requests of any trunk come from that IP address?"""
        return any(trunk.sends(host) for trunk in self.trunks.values())

    def of(self, request: Request, peer: Peer) -> LiveTrunk | None:
        """The trunk that a request from there is of; of several, the one whose user it is for.

        None for one whose calls need a password (see ofUser).
        """
        host = peer.address[0]
        sending = [
            trunk
            for trunk in self.trunks.values()
            if trunk.trunk.inbound == "address" and trunk.sends(host)
        ]
        users = (request.uri.user, request.toAddress.uri.user)
        for trunk in sending:
            if trunk.trunk.user is not None and trunk.trunk.user in users:
                return trunk
        return sending[0] if sending else None

    def ofUser(self, user: str) -> LiveTrunk | None:
        """The trunk whose calls are told by a password, and by that user name."""
        for trunk in self.trunks.values():
            credentials = trunk.trunk.credentials
            if trunk.trunk.inbound == "password" and credentials is not None:
                if credentials[0] == user:
                    return trunk
        return None

    @property
    def hasPasswords(self) -> bool:
        """Are there trunks whose calls are told by a password?"""
        return any(trunk.trunk.inbound == "password" for trunk in self.trunks.values())

    def unregistered(self) -> list[LiveTrunk]:
        """Those that want to be registered and are not."""
        return [
            trunk
            for trunk in self.trunks.values()
            if trunk.registration is not None
            and trunk.registration.state is not RegistrationState.REGISTERED
        ]
