"""Phones that register here (RFC 3261 10.3), and where they are.

Lives here: what a REGISTER does to the bindings of its user, its answer, and the bindings that are
in force. Not here: passwords and nonces (gatekeeper.py), where bindings are kept over a restart
(IBindingStore; doug.bindings), calls to phones (the user agent).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from twisted.logger import Logger

from shtoom.agent.dialling import Dialling
from shtoom.agent.gatekeeper import Gatekeeper, Verdict
from shtoom.agent.registration import placeOf
from shtoom.agent.routing import literal
from shtoom.exceptions import InvalidSIPURL, MalformedMessage, Refusal
from shtoom.sip.fields import NameAddress, parseNameAddress
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.reason import reasonHeader
from shtoom.sip.shown import shown
from shtoom.sip.sources import sourceOf
from shtoom.sip.uri import hostPort, parseURI

if TYPE_CHECKING:
    from shtoom.sip.message import Request, Response
    from shtoom.sip.transport import Address, Peer

GONE = -1
"""The number of a connection that is no more."""

SPARE = 10
"""Contacts in a REGISTER beyond those that may be there: some of before, that it takes back."""

MOST_HOPS = 20
"""Proxies on the way to a device: all of them stand in each call to it."""

MOST_ASKED = 1000
"""Phones whose unanswered challenges are counted."""

SHORTEST, USUAL, LONGEST = 60, 600, 3600
"""Seconds that a binding lasts: less is refused (423), more is shortened (10.3 step 7)."""


class Binding(NamedTuple):
    """One device of a user.

    contact: its URI, as it was written. until: when it ends, in seconds of the registrar's clock,
    which never steps; in a store of wall time, which goes on over a restart. callID, number: of the
    REGISTER that made it. q: how much it is liked, 0 to 1. path: the way there (RFC 3327), topmost
    first. transport, host, port: where it registered from; requests go there, back over its flow
    (RFC 5626), since few phones are reached otherwise. flow: the number of the connection that it
    came over, if the device has opened one, else 0; GONE for one of before a restart. device: what
    tells the device from others wherever it registers from (see _device), "" for nothing.
    """

    contact: str
    until: float
    callID: str
    number: int
    q: float
    path: tuple[str, ...]
    transport: str
    host: str
    port: int
    flow: int = 0
    device: str = ""

    def places(self, flowOf: Callable[[Address], int]) -> list[Address]:
        """Its flow, then the port that it says it listens at, on the same host.

        That is how a phone with a TCP connection of its own is reached when that is gone (we have
        been started anew). No other host: a Contact may say anything, and is not to be believed.
        flowOf: as ISIPTransport.flow. Whoever has connected from there since is somebody else.
        """
        at = self.host, self.port
        found = [at] if flowOf(at) == self.flow else []
        contact = parseURI(self.contact)
        own = self.host, contact.port or (5061 if self.transport == "TLS" else 5060)
        if not self.path and contact.host.strip("[]") == self.host and own not in found:
            if flowOf(own) == 0:
                found.append(own)
        return found

    def check(self) -> None:
        """MalformedMessage says why no call could be made to it: its contact is dialled, and its
        path is put into the call, both as they stand here.
        """
        try:
            Dialling(self.contact, None, None, (), 1.0).target()
        except InvalidSIPURL:
            wanted = "a sip: address that can be called"
            raise MalformedMessage("Contact header", wanted, self.contact) from None
        checkPath(self.path)
        if literal(self.host.partition("%")[0]) is None:
            raise MalformedMessage("flow", "an IP address", self.host)


class IBindingStore(Protocol):
    """Where bindings outlive the process. What it raises is logged: phones register again."""

    def load(self) -> Mapping[str, list[Binding]]:
        """All of them, by user."""

    def save(self, user: str, bindings: list[Binding]) -> None:
        """Those of one user from now on."""


class Phone(NamedTuple):
    """Who may register. maxContacts: devices at a time."""

    password: str
    maxContacts: int = 5

    def __repr__(self) -> str:
        """Without the password."""
        return f"Phone(maxContacts={self.maxContacts})"


class Registrar:
    """The bindings of some users.

    gatekeeper: its realm, and what it thinks of credentials. phones: user -> who may register, as
    it is at the moment of asking. store: None to forget all at the end. now, wallTime: seconds; the
    first one never steps, and counts here, the second one counts in the store. onRefused: told of
    the host of each that is refused, and as which user.
    """

    log = Logger()

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        phones: Callable[[str], Phone | None],
        store: IBindingStore | None,
        now: Callable[[], float],
        wallTime: Callable[[], float],
    ) -> None:
        self._gatekeeper, self._phones, self._store = gatekeeper, phones, store
        self._now, self._wallTime = now, wallTime
        self._quietLog = QuietLog(self.log, now)
        self.onRefused: Callable[[str, str], None] = lambda host, user: None
        self._users: dict[str, list[Binding]] = {}
        self._sources: dict[str, set[str]] = {}  # where they register from -> their users
        self._asked: dict[tuple[str, str], int] = {}  # host, user -> challenges without an answer
        if store is not None:
            for user, bindings in store.load().items():
                self._put(user, self._usable(user, bindings))

    def bindings(self, user: str) -> list[Binding]:
        """The devices of that user, the ones liked best first; [] for none, or no such user."""
        if self._phones(user) is None:
            return []
        return sorted(self._live(user), key=lambda binding: -binding.q)

    def registered(self) -> dict[str, int]:
        """User -> devices, of those that have some."""
        found = {user: len(self.bindings(user)) for user in self._users}
        return {user: count for user, count in found.items() if count}

    def users(self) -> list[str]:
        """Of whom there are bindings, in force or not."""
        return list(self._users)

    def expire(self, user: str) -> None:
        """Forgets those of that user that have run out."""
        live = self._live(user)
        if len(live) < len(self._users.get(user, ())):
            self._keep(user, live)

    def isReachedBy(self, peer: Peer) -> bool:
        """Does a binding lead there?"""
        flow = (peer.transport.name, *peer.address, peer.transport.flow(peer.address))
        found = self._from(peer.address[0])
        return any((b.transport, b.host, b.port, b.flow) == flow for b in found)

    def isAt(self, host: str) -> bool:
        """Has a phone registered from that source (see sourceOf)? host: an IP address."""
        return any(True for _ in self._from(host))

    def answer(self, request: Request, peer: Peer) -> Response:
        """What a REGISTER is answered, and done about it. Raises MalformedMessage."""
        host = peer.address[0]
        judgement = self._gatekeeper.judge(request, host, self._now())
        if judgement.verdict is Verdict.WAIT:
            value = f"too many wrong passwords, for {judgement.wait:.0f} s more"
            refusal = Refusal("guesses", value, "see who it is, or deny it")
            wait = ("Retry-After", str(int(judgement.wait) + 1))
            return self._refuse(request, peer, refusal, wait)
        if judgement.verdict is not Verdict.RIGHT:
            if judgement.verdict is Verdict.WRONG:
                self.onRefused(host, judgement.user)
                self._quietLog.warn(
                    "password",
                    "REGISTER from {source} is refused: wrong password for {user}",
                    source=hostPort(*peer.address),
                    user=shown(judgement.user),
                )
            elif judgement.verdict is Verdict.MISSING:
                self._unanswered(request, peer)
                self._searched(host, request.toAddress.uri.user or "")
            stale = judgement.verdict is Verdict.STALE
            lines = self._gatekeeper.challenges(host, self._now(), stale=stale)
            return request.respond(401, headers=lines)
        user = request.toAddress.uri.user or ""
        self._asked.pop((host, user), None)
        phone = self._phones(user)
        if phone is None or user != judgement.user:  # 10.3 step 4
            value = f"{shown(judgement.user)} may not register {shown(user)}"
            return self._refuse(request, peer, Refusal("user", value, "it has no such account"))
        return self._update(request, peer, user, phone)

    def _update(self, request: Request, peer: Peer, user: str, phone: Phone) -> Response:
        """10.3 steps 6 to 8."""
        checkPath(request.headerValues("Path"))
        before, named = self._live(user), request.headerValues("Contact")
        if "*" in named:
            if len(named) > 1 or _expires(request, None) != 0:
                raise MalformedMessage("Contact header", "* alone, with Expires: 0", "more")
            if any(self._outOfOrder(request, binding) for binding in before):
                return request.respond(500, "CSeq out of order")
            return self._done(request, user, before, [])
        if len(named) > phone.maxContacts + SPARE:  # before any of them is read
            return self._tooMany(request, peer, phone)
        known = {placeOf(parseURI(binding.contact)): binding for binding in before}
        after, made = dict(known), dict[tuple[str | None, str, int, str], Binding]()
        for contact in request.contacts:
            seconds, place = _expires(request, contact), placeOf(contact.uri)
            if 0 < seconds < SHORTEST:
                return request.respond(423, headers=(("Min-Expires", str(SHORTEST)),))
            device = _device(request, contact)
            elsewhere = [p for p, b in known.items() if device and b.device == device]
            for old in (place, *elsewhere):
                if old in known and self._outOfOrder(request, known[old]):
                    return request.respond(500, "CSeq out of order")
                after.pop(old, None)
            made.pop(place, None)
            if seconds:
                made[place] = self._binding(request, peer, contact, min(seconds, LONGEST))
                made[place].check()
        after |= made
        if len(after) > phone.maxContacts:
            return self._tooMany(request, peer, phone)
        return self._done(request, user, before, list(after.values()))

    def _tooMany(self, request: Request, peer: Peer, phone: Phone) -> Response:
        user = request.toAddress.uri.user or ""
        value = f"{phone.maxContacts} devices are registered, no more may be"
        remedy = f"raise max-contacts in [phone.{user}], or have old ones unregister"
        return self._refuse(request, peer, Refusal("max-contacts", value, remedy))

    def _done(
        self, request: Request, user: str, before: list[Binding], after: list[Binding]
    ) -> Response:
        if after != before:
            self._keep(user, after)
        now = self._now()
        lines = tuple(
            ("Contact", f"<{b.contact}>;expires={max(0, round(b.until - now))}") for b in after
        )
        path = tuple(("Path", value) for value in request.headerValues("Path"))  # RFC 3327 5.3
        return request.respond(200, headers=(*lines, *path))

    def _binding(self, request: Request, peer: Peer, contact: NameAddress, seconds: int) -> Binding:
        host, port = peer.address
        return Binding(
            contact=str(contact.uri),
            until=self._now() + seconds,
            callID=request.callID,
            number=request.cseq.number,
            q=_liking(contact.param("q")),
            path=tuple(request.headerValues("Path")),
            transport=peer.transport.name,
            host=host,
            port=port,
            flow=peer.transport.flow(peer.address),
            device=_device(request, contact),
        )

    def _keep(self, user: str, bindings: list[Binding]) -> None:
        old = {binding.contact for binding in self._users.get(user, [])}
        new = {binding.contact for binding in bindings}
        for contact in sorted(new - old):
            self.log.info("{user} is registered at {at}", user=shown(user), at=shown(contact))
        for contact in sorted(old - new):
            self.log.info("{user} is gone from {at}", user=shown(user), at=shown(contact))
        self._put(user, bindings)
        if self._store is not None:
            try:
                ahead = self._wallTime() - self._now()
                self._store.save(user, [b._replace(until=b.until + ahead) for b in bindings])
            except Exception:
                self.log.failure("the bindings of {user} are not kept", user=shown(user))

    def _usable(self, user: str, bindings: list[Binding]) -> list[Binding]:
        """Those of the store that can be called: an older version may have kept others. No
        connection has outlived the restart, and nothing lasts longer than it may: the wall clock
        may have stepped back meanwhile.
        """
        found, fault = [], ""
        now, wallTime = self._now(), self._wallTime()
        for binding in bindings:
            try:
                binding.check()
                flow = 0 if binding.transport == "UDP" else GONE
                until = now + min(binding.until - wallTime, LONGEST)
                found.append(binding._replace(flow=flow, until=until))
            except MalformedMessage as error:
                fault = str(error)
        if fault:
            self.log.warn(
                "{count} of the bindings kept of {user} cannot be used any more, and are left out: "
                "{fault}",
                count=len(bindings) - len(found),
                user=shown(user),
                fault=fault,
            )
        return found

    def _put(self, user: str, bindings: list[Binding]) -> None:
        """They are all of that user."""
        for source in {sourceOf(binding.host) for binding in self._users.pop(user, [])}:
            self._sources[source].discard(user)
            if not self._sources[source]:
                del self._sources[source]
        if bindings:
            self._users[user] = bindings
        for binding in bindings:
            self._sources.setdefault(sourceOf(binding.host), set()).add(user)

    def _from(self, host: str) -> Iterator[Binding]:
        """Those in force that were made from there."""
        source = sourceOf(host)
        for user in self._sources.get(source, ()):
            if self._phones(user) is not None:
                yield from (b for b in self._live(user) if sourceOf(b.host) == source)

    def _live(self, user: str) -> list[Binding]:
        now = self._now()
        return [binding for binding in self._users.get(user, []) if binding.until > now]

    def _outOfOrder(self, request: Request, binding: Binding) -> bool:
        """Is it older than what made the binding (10.3 step 7)?"""
        return request.callID == binding.callID and request.cseq.number <= binding.number

    def _unanswered(self, request: Request, peer: Peer) -> None:
        """A phone of ours asks again and again, and never tells its password: say why that may be.

        Some that know MD5 alone give up at the sight of another algorithm (RFC 8760 2.4 has them
        pass it over).
        """
        key = peer.address[0], request.toAddress.uri.user or ""
        if self._phones(key[1]) is None:
            return
        count = self._asked.pop(key, 0) + 1
        self._asked[key] = count
        if len(self._asked) > MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        if count == 2 and self._gatekeeper.algorithms != ("MD5",):
            offered = ", ".join(self._gatekeeper.algorithms)
            self.log.warn(
                "{user} at {source} does not answer our challenge ({offered}): has it a password? "
                "Old phones know MD5 alone, and take it if nothing else is offered: --digest=MD5",
                user=shown(key[1]),
                source=hostPort(*peer.address),
                offered=offered,
            )

    def _searched(self, host: str, user: str) -> None:
        """A first request has no credentials yet: that tells nothing of somebody who is here."""
        if self._phones(user) is None:
            self.onRefused(host, user)

    def _refuse(
        self, request: Request, peer: Peer, refusal: Refusal, *headers: tuple[str, str]
    ) -> Response:
        """403 in one form, as callers get it."""
        self._quietLog.warn(
            refusal.rule,
            "REGISTER by {source} to {called} is refused by {rule}: {value}; {remedy}",
            source=hostPort(*peer.address),
            called=shown(request.uri),
            rule=refusal.rule,
            value=refusal.reason,
            remedy=shown(refusal.remedy),
        )
        lines = (*headers, reasonHeader(refusal, 403))
        return request.respond(403, refusal.reason, headers=lines)


def checkPath(path: Sequence[str]) -> None:
    """Raises MalformedMessage for what may not stand in the Route of a call (RFC 3327 5.3)."""
    if len(path) > MOST_HOPS:
        raise MalformedMessage("Path header", f"at most {MOST_HOPS} hops", f"{len(path)}")
    for value in path:
        uri = parseNameAddress(value, "Path header").uri
        if uri.scheme not in ("sip", "sips") or "\0" in value:
            raise MalformedMessage("Path header", "sip: URIs, without NUL", value)


def _expires(request: Request, contact: NameAddress | None) -> int:
    """Seconds asked for: by the Contact, by Expires, else the usual (10.3 step 7)."""
    texts: Iterable[str | None] = (
        contact.param("expires") if contact is not None else None,
        request.header("Expires"),
    )
    for text in texts:
        digits = (text or "").strip()
        if digits.isascii() and digits.isdigit():
            return min(int(digits[:10]), 2**31)
    return USUAL


def _device(request: Request, contact: NameAddress) -> str:
    """The device and which of its ways it is (RFC 5626 6); "" if it does not say.

    One that does not number its ways has one in each row of REGISTER (10.2: one Call-ID). Without
    that, a phone whose connection breaks now and then has soon more places than it may.
    """
    instance = contact.param("+sip.instance")
    return f"{instance} {contact.param('reg-id') or request.callID}" if instance else ""


def _liking(text: str | None) -> float:
    """A q value; 1 if there is none that can be read."""
    try:
        return min(1.0, max(0.0, float(text or "1")))
    except ValueError:
        return 1.0
