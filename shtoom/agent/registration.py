"""Registering at a provider or PBX (RFC 3261 10.2), and staying registered.

Lives here: one registration, from start() to stop(): when REGISTER is sent, what its answers mean,
the way back after a failure, keep-alives, what the registrar saw of our address. Not here: digest
(credentials.py), which trunks there are (doug.trunks), who registers here (registrar.py).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import ceil
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import Logger

from shtoom.agent.credentials import Account, Asked, NoAnswer
from shtoom.agent.dialling import refusedBy
from shtoom.agent.lines import Outcome, bareFailure
from shtoom.agent.options import ALLOW
from shtoom.agent.routing import literal
from shtoom.exceptions import CallFailed, MalformedMessage, TransportFailed, bare
from shtoom.sip.fields import NameAddress, parseNameAddress
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response
from shtoom.sip.probe import KEEP_ALIVE
from shtoom.sip.shown import shown
from shtoom.sip.transport import Address, Peer
from shtoom.sip.uri import URI, hostPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from shtoom.agent.agent import UserAgent
    from shtoom.sip.fields import Via

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
"""Seconds after a failure; each one doubles them (RFC 5626 4.5 has longer ones)."""

WRONG_PASSWORD_WAIT = 30.0
"""Seconds after a rejection that another try will hardly change: accounts are locked by less."""

REFUSALS = (401, 403, 404, 407)
"""Answers that say so."""

SOONEST = 10.0
"""Seconds from one registration to the next for connections that get lost."""

BELIEVED = 30.0
"""Seconds for which a registration is not doubted."""

MARGIN = 34.0
"""Seconds before the end by which a refresh begins: it may take 32 until it is given up."""

EVERY = 7.5
"""Seconds from one round to the next for each REGISTER that it takes: at most eight a minute."""

LEAST = 10
"""Seconds that a registrar has to grant: less cannot be kept up, and 0 is a refusal."""

SHORT = 120
"""Seconds below which a registration is refreshed at half its time."""

LOOK_AGAIN = 25.0
"""Seconds between two keep-alives, and two looks whether our own address has changed: routers
forget a silent UDP flow after 30."""

SOON = 0.1
"""Seconds until the first look after somebody has seen us elsewhere; each one that follows soon
doubles them."""

MOST_LEFT = 5
"""Addresses of before that a REGISTER takes back."""

MOST_RAISED = 3
"""How often one REGISTER is sent anew for a 423, each with a longer time."""


class RegistrationState(Enum):
    """How it stands with a registration."""

    IDLE = "not started"
    TRYING = "trying"
    REGISTERED = "registered"
    FAILED = "failed"  # and tried again later
    LEAVING = "leaving"
    ENDED = "ended"


class Registration:
    """One account at one registrar.

    name: for log lines. registrar: where REGISTER goes. address: our address of record there.
    account: answers challenges; None where none are expected. expires: seconds to ask for; a 423
    raises them for good. onChange: told of each change of state, and of a new `seenAs`.

    state, reason: how it stands, and why if it failed. since: when it came to stand so; until: when
    it runs out; in the reactor's seconds. contact: the URI that it is bound to, None before. peer:
    where the registrar answered from last. seenAs: (host, port) of ours as the registrar sees it,
    None before. sent, failures: counts; failures in a row begin again at the first success.
    """

    log = Logger()

    def __init__(
        self,
        agent: UserAgent,
        name: str,
        registrar: URI,
        address: URI,
        account: Account | None,
        *,
        expires: int = 600,
        onChange: Callable[[Registration], None] = lambda registration: None,
    ) -> None:
        self._agent, self.name, self.account = agent, name, account
        self.registrar, self.address = registrar, address
        self.expires, self.onChange = expires, onChange
        self.state, self.reason, self.since = RegistrationState.IDLE, "", self._now()
        self.contact: URI | None = None
        self.until = 0.0
        self.peer: Peer | None = None
        self.seenAs: Address | None = None
        self.sent = self.failures = 0
        self._callID, self._number = agent.newCallID(), 0
        self._since = 0.0  # when it was made last
        self._left: list[URI] = []
        self._hasty, self._moves, self._movedAt = False, 0, -LOOK_AGAIN
        self._doing: Deferred[None] = succeed(None)
        self._again: IDelayedCall | None = None
        self._looking: IDelayedCall | None = None

    def start(self) -> None:
        """Registers, and keeps it so. Again: nothing."""
        if self.state is RegistrationState.IDLE:
            self._agent.registrations.add(self)
            self._change(RegistrationState.TRYING)
            self._begin()

    def refresh(self) -> None:
        """Registers anew now: a flow is lost, an address has changed."""
        if self.state in (RegistrationState.REGISTERED, RegistrationState.FAILED):
            self._begin()

    def flowLost(self) -> None:
        """The connection that it was made over is gone: calls could not come in.

        A registrar that closes it each time is asked each SOONEST seconds.
        """
        if self.state is RegistrationState.REGISTERED:
            wait = max(0.0, self._since + SOONEST - self._now())
            self.log.info(
                "registration {name}: the connection is gone, it registers anew in {wait:.0f} s",
                name=self.name,
                wait=wait,
            )
            self._halt()
            self._again = self._agent.reactor.callLater(wait, self._begin)

    def doubt(self, why: str) -> None:
        """There is a sign that the registrar has forgotten us: registers anew.

        Not for signs that come soon after: those may mean something else.
        """
        isOld = self._now() - self._since > BELIEVED
        if self.state is RegistrationState.REGISTERED and isOld:
            self.log.info("registration {name}: {why}, it registers anew", name=self.name, why=why)
            self._begin()

    def lookSoon(self) -> None:
        """We may be reached elsewhere now: looks so in a moment, and registers anew if it is so.

        Later where that happens again and again.
        """
        self._hasty = True
        if self._looking is not None and self._looking.active():
            self._looking.reset(self._lookAfter())

    def stop(self) -> Deferred[None]:
        """Unregisters, if it is registered; fires when that is done, or has failed: never fails.

        How long to wait for it is the caller's to decide: abandon() ends it.
        """
        wasUp = self.state is RegistrationState.REGISTERED or self.until > self._now()
        self._halt()
        if not wasUp or self.contact is None:
            self._change(RegistrationState.ENDED)
            return succeed(None)
        self._change(RegistrationState.LEAVING)
        self._doing = Deferred.fromCoroutine(self._leave())
        self._doing.addErrback(self._notLeft)
        return self._doing

    def abandon(self) -> None:
        """Ends it at once, whatever is under way."""
        self._halt()
        if self.state is not RegistrationState.ENDED:
            self._change(RegistrationState.ENDED)

    def timers(self) -> list[IDelayedCall]:
        """What is to come by itself."""
        return [call for call in (self._again, self._looking) if call is not None]

    # One round

    def _begin(self) -> None:
        self._halt()
        self._doing = Deferred.fromCoroutine(self._register())
        self._doing.addErrback(self._failed)

    async def _register(self) -> None:
        before = self.sent
        response, peer = await self._everywhere(self.expires)
        soonest = EVERY * (self.sent - before)
        if response.code >= 300:
            raise refusedBy(response, "no such account, or no permission to register it")
        self.peer, self._since = peer, self._now()
        granted = self._granted(response)
        if granted < LEAST:
            wanted = f"the registrar grants {granted} s, {LEAST} are needed"
            raise CallFailed(wanted, 423, retryAfter=ceil(soonest))
        self.until = self._now() + granted
        self.failures = 0
        self._left.clear()
        self._see(response)
        self._change(RegistrationState.REGISTERED)
        self._again = self._agent.reactor.callLater(
            max(soonest, self._refreshAfter(granted)), self._begin
        )
        self._looking = self._agent.reactor.callLater(self._lookAfter(), self._look)

    def _lookAfter(self) -> float:
        """Seconds until the next look."""
        if not self._hasty:
            return LOOK_AGAIN
        now, before = self._now(), self._movedAt
        self._hasty, self._movedAt = False, now
        self._moves = min(self._moves + 1, 10) if now - before < 2 * LOOK_AGAIN else 0
        wait: float = SOON * 2**self._moves
        return min(LOOK_AGAIN, wait)

    async def _leave(self) -> None:
        if self.peer is not None:
            await self._ask(self.peer, 0)
        self._change(RegistrationState.ENDED)

    def _notLeft(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._logFailure("could not be ended, it runs out by itself", failure)
            self._change(RegistrationState.ENDED)

    def _failed(self, failure: Failure) -> None:
        """After a while again."""
        if not failure.check(CancelledError, CallFailed):
            self.log.failure("registration {name}: failed", failure, name=self.name)
        bareFailure(failure)
        if failure.check(CancelledError):
            return
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2**self.failures)
        self.failures = min(self.failures + 1, 30)
        error = failure.value
        if isinstance(error, CallFailed):
            if error.sipCode in REFUSALS:
                wait = max(wait, WRONG_PASSWORD_WAIT)
            if error.retryAfter is not None:
                wait = max(wait, min(float(error.retryAfter), LONGEST_WAIT))
        wait *= self._agent.rng.uniform(1.0, 1.25)
        self.reason = failure.getErrorMessage()
        self._logFailure(f"failed, the next try is in {wait:.0f} s", failure)
        self._again = self._agent.reactor.callLater(wait, self._begin)
        self._change(RegistrationState.FAILED)

    async def _everywhere(self, expires: int) -> tuple[Response, Peer]:
        """The answer of the first of the registrar's places that has one (RFC 3263 4.3)."""
        agent = self._agent
        places = await agent.resolver.resolve(self.registrar, agent.transportNames)
        failure: CallFailed = TransportFailed(
            f"{self.registrar}: no {' or '.join(sorted({name for *_, name in places}))} transport "
            "is open here"
        )
        for peer in agent.peersAt(self.registrar, places):
            if self.account is not None:
                self.account.trust(peer)
            try:
                response = await self._ask(peer, expires)
            except CallFailed as error:
                if error.sipCode in REFUSALS:
                    raise
                failure = bare(error)
                continue
            if response.code != 503:
                return response, peer
            failure = refusedBy(response)
        try:
            raise failure
        finally:
            del failure  # else it and this frame hold one another

    async def _ask(self, peer: Peer, expires: int) -> Response:
        """One REGISTER, and again with a password or a longer time. Raises CallFailed."""
        asked, raised = Asked(), 0
        while True:
            outcome = Outcome()
            request = self._request(peer, expires)
            if self.account is not None:
                request = self.account.sign(request, peer)
            self.sent += 1
            self._agent.layer.sendRequest(request, peer, outcome)
            response = await outcome.final
            if response.code in (401, 407) and self.account is not None:
                try:
                    self.account.challenged(response, peer, asked)
                except NoAnswer as why:
                    raise refusedBy(
                        response, f"the registrar rejected the credentials: {why}"
                    ) from None
            elif response.code == 423 and raised < MOST_RAISED and self._raise(response):
                raised += 1
                expires = self.expires
            else:
                return response

    def _request(self, peer: Peer, expires: int) -> Request:
        agent = self._agent
        contact = self.contact
        if contact is None or expires:
            contact = parseNameAddress(agent.contactFor(peer, self.address.user)).uri
            self._leaveBehind(contact)
            self.contact = contact
        self._number += 1
        gone = (f"{NameAddress('', uri)};expires=0" for uri in self._left)
        return Request(
            "REGISTER",
            self.registrar,
            Headers(
                (
                    ("Max-Forwards", "70"),
                    ("From", str(NameAddress("", self.address, (("tag", agent.newTag()),)))),
                    ("To", str(NameAddress("", self.address))),
                    ("Call-ID", self._callID),
                    ("CSeq", f"{self._number} REGISTER"),
                    ("Contact", ", ".join((str(NameAddress("", contact)), *gone))),
                    ("Expires", str(expires)),
                    ALLOW,
                    ("User-Agent", agent.product),
                )
            ),
        )

    def _leaveBehind(self, contact: URI) -> None:
        """We move to `contact`: the binding of before is taken back, or calls would come twice."""
        self._left = [uri for uri in self._left if not sameBinding(uri, contact)]
        if self.contact is not None and not sameBinding(self.contact, contact):
            self._left = [*self._left, self.contact][-MOST_LEFT:]

    # What an answer says

    def _granted(self, response: Response) -> int:
        """The seconds of our own binding, never of another device's (10.2.4)."""
        if self.contact is not None:
            try:
                mine = [c for c in response.contacts if sameBinding(c.uri, self.contact)]
            except MalformedMessage as error:
                self.log.info("registration {name}: {error}", name=self.name, error=str(error))
                mine = []
            for contact in mine:
                seconds = _seconds(contact.param("expires"))
                if seconds is not None:
                    return seconds
        seconds = _seconds(response.header("Expires"))
        return self.expires if seconds is None else seconds

    def _raise(self, response: Response) -> bool:
        """Asks for longer from now on, if the 423 wants that."""
        least = _seconds(response.header("Min-Expires"))
        if least is None or least <= self.expires:
            return False
        self.log.info(
            "registration {name}: the registrar wants {least} s at least, not {asked}",
            name=self.name,
            least=least,
            asked=self.expires,
        )
        self.expires = least
        return True

    def _see(self, response: Response) -> None:
        """Our address as the registrar sees it (RFC 3581 4)."""
        seen = _seenAt(response.via)
        if seen is not None and seen != self.seenAs:
            before, self.seenAs = self.seenAs, seen
            if before is not None:
                self.log.info(
                    "registration {name}: seen as {now}, before as {before}",
                    name=self.name,
                    now=hostPort(*seen),
                    before=hostPort(*before),
                )
                self.onChange(self)
            self._agent.onSeen(self)

    def _refreshAfter(self, granted: int) -> float:
        """Seconds: early, and not all registrations at the same time."""
        if granted < SHORT:
            return granted * self._agent.rng.uniform(0.4, 0.55)
        return min(granted * self._agent.rng.uniform(0.75, 0.9), granted - MARGIN)

    # Between two rounds

    def _look(self) -> None:
        """Keeps the flow open, and notices a new address of ours."""
        self._looking = self._agent.reactor.callLater(LOOK_AGAIN, self._look)
        peer = self.peer
        if peer is None:
            return
        try:
            contact = parseNameAddress(self._agent.contactFor(peer, self.address.user)).uri
            if self.contact is not None and not sameBinding(contact, self.contact):
                self.log.info(
                    "registration {name}: our address is {now} now, it was {before}",
                    name=self.name,
                    now=hostPort(contact.host, contact.port),
                    before=hostPort(self.contact.host, self.contact.port),
                )
                self._begin()
                return
            peer.transport.send(KEEP_ALIVE, peer.address)
        except TransportFailed as error:
            self.log.info("registration {name}: {error}", name=self.name, error=error.reason)
            self._begin()

    def _halt(self) -> None:
        """Nothing is under way, and nothing will be by itself."""
        for call in (self._again, self._looking):
            if call is not None and call.active():
                call.cancel()
        self._again = self._looking = None
        self._doing.cancel()

    def _change(self, state: RegistrationState) -> None:
        if state is RegistrationState.REGISTERED:
            self.reason = ""
        if state is self.state:
            return
        self.state, self.since = state, self._now()
        if state is RegistrationState.ENDED:
            self._agent.registrations.discard(self)
        if state in (RegistrationState.REGISTERED, RegistrationState.ENDED):
            self.log.info(
                "registration {name}: {state}{seconds}",
                name=self.name,
                state=state.value,
                seconds=f" for {self.until - self._now():.0f} s" if self.until else "",
            )
        self.onChange(self)

    def _logFailure(self, what: str, failure: Failure) -> None:
        self.log.warn(
            "registration {name} of {address}: {what}: {reason}",
            name=self.name,
            address=shown(self.address),
            what=what,
            reason=failure.getErrorMessage(),
        )

    def _now(self) -> float:
        return float(self._agent.reactor.seconds())


def sameBinding(one: URI, other: URI) -> bool:
    """Do both lead to the same port by the same transport? What is left out is the usual."""
    return placeOf(one) == placeOf(other)


def placeOf(uri: URI) -> tuple[str | None, str, int, str]:
    """What of a Contact tells it from others: user, host, port and transport."""
    transport = "tls" if uri.scheme == "sips" else (uri.transport or "udp").lower()
    port = uri.port if uri.port is not None else 5061 if transport == "tls" else 5060
    return uri.user, uri.host.lower(), port, transport


def _seenAt(via: Via) -> Address | None:
    """Where our request came from; None if the answer says something that is no address."""
    host, port = via.received or via.host, via.rport or str(via.port or 5060)
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        return None
    return None if literal(host) is None else (host, int(port))


def _seconds(text: str | None) -> int | None:
    """Delta-seconds; None for what is none."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
