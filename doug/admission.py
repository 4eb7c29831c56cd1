"""Who may call: trunks, phones that register here, and everybody else if that is wanted.

Lives here: the rules, asked of each INVITE, OPTIONS and REGISTER outside of calls. Not here: how
many calls there may be (shtoom.agent.policy), how often a source may ask (shtoom.sip.gate), whose
password is right (shtoom.agent.gatekeeper), what a REGISTER does (shtoom.agent.registrar).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from twisted.logger import Logger

from shtoom.addresses import ipAddress
from shtoom.agent.gatekeeper import Gatekeeper, Verdict
from shtoom.exceptions import Refusal
from shtoom.sip.quietlog import QuietLog
from shtoom.sip.reason import reasonHeader
from shtoom.sip.shown import shown
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from doug.livetrunk import LiveTrunk
    from doug.trunking import Trunking
    from doug.trunks import Network
    from shtoom.sip.headers import Line
    from shtoom.sip.message import Request, Response
    from shtoom.sip.transport import Peer
    from shtoom.sip.uri import URI

__all__ = ["Admission", "Caller"]


STRANGER = Refusal(
    "anonymous",
    "it is of no trunk and no phone here",
    'name its network in a [trunk.NAME], or let anybody call: anonymous = "app"',
)
"""Nobody knows the caller."""


class Caller(NamedTuple):
    """Whom a call is from. Both None: anybody."""

    trunk: LiveTrunk | None = None
    phone: str | None = None

    def identity(self, request: Request) -> str | None:
        """The URI of who calls, if there is somebody who answers for it."""
        if self.trunk is not None:
            return self.trunk.callerOf(request)
        return str(request.fromAddress.uri) if self.phone is not None else None


class Admission:
    """The rules of one server.

    gatekeeper: of phones and trunks with passwords; None without these. isPhone: is there a phone
    of that user? isOurs: would a caller of that address, at that peer, be one of our phones?
    anonymous: what becomes of callers whom nobody knows: "app", "reject", or "auto", which rejects
    them as soon as a trunk or a phone is configured: a server that can dial out is worth the search
    for it. allow, deny: networks; a source in `deny`, or not in `allow` if
    that names some, is refused whatever it knows. refused: told of each host of which somebody
    was not let in, and as which user, or to call whom. refusals: counts them by rule.
    """

    log = Logger()

    def __init__(
        self,
        trunking: Trunking,
        gatekeeper: Gatekeeper | None,
        isPhone: Callable[[str], bool],
        now: Callable[[], float],
        *,
        isOurs: Callable[[URI, Peer], bool] = lambda uri, peer: False,
        anonymous: str = "auto",
        allow: tuple[Network, ...] = (),
        deny: tuple[Network, ...] = (),
        refused: Callable[[str, str], None] = lambda host, user: None,
        refusals: Counter[str] | None = None,
    ) -> None:
        self._refused = refused
        self._refusals: Counter[str] = refusals if refusals is not None else Counter()
        self._trunking, self._gatekeeper, self._isPhone = trunking, gatekeeper, isPhone
        self._isOurs = isOurs
        self._now, self._allow, self._deny = now, allow, deny
        self._open = anonymous == "app" or (
            anonymous == "auto" and not trunking.trunks and gatekeeper is None
        )
        self._quietLog = QuietLog(self.log, now)

    def admit(self, request: Request, peer: Peer) -> Response | None:
        """What a request that may not be served is answered; None: it may.

        Phones, and trunks that are told by it, are asked for their password, at each call: the
        address proves nothing. Whose REGISTER it may be is the registrar's to say.
        """
        host = peer.address[0]
        rule = self._listed(host)
        if rule is not None:
            refusal = Refusal("access", rule, "see allow and deny in [server]")
            return self._refuse(request, peer, refusal)
        free = request.method in ("OPTIONS", "REGISTER")
        if free or self._trunkOf(request, peer) is not None:
            return None
        if self._gatekeeper is not None and self._asks(self._gatekeeper, request, peer):
            return self._ask(self._gatekeeper, request, peer)
        if self._open:
            return None
        self._refused(host, request.uri.user or "")
        return self._refuse(request, peer, STRANGER)

    def callerOf(self, request: Request, peer: Peer) -> Caller:
        """Whom a call is from that was admitted."""
        trunk = self._trunkOf(request, peer)
        if trunk is not None:
            return Caller(trunk)
        gatekeeper = self._gatekeeper
        if gatekeeper is None or not self._asks(gatekeeper, request, peer):
            return Caller()
        return self._known(request, gatekeeper.named(request) or "") or Caller()

    def _trunkOf(self, request: Request, peer: Peer) -> LiveTrunk | None:
        """The trunk that it is of by its address; not for a phone that stands, or comes, there."""
        caller = request.fromAddress.uri
        if self._isPhone(caller.user or "") and self._isOurs(caller, peer):
            return None
        return self._trunking.of(request, peer)

    def _asks(self, gatekeeper: Gatekeeper, request: Request, peer: Peer) -> bool:
        """Has it to know a password? Where strangers are refused, whoever it is: else they learn
        which names there are. Where they are served, who calls in a name of ours, be there such a
        user or not, or brings the credentials of one.
        """
        if not self._open or self._isOurs(request.fromAddress.uri, peer):
            return True
        named = gatekeeper.named(request) or ""
        return self._isPhone(named) or self._trunking.ofUser(named) is not None

    def _known(self, request: Request, user: str) -> Caller | None:
        """Whose call it is that knows the password of that user. A phone is no other phone."""
        if self._isPhone(user):
            return Caller(None, user) if user == request.fromAddress.uri.user else None
        trunk = self._trunking.ofUser(user)
        return None if trunk is None else Caller(trunk)

    def _ask(self, gatekeeper: Gatekeeper, request: Request, peer: Peer) -> Response | None:
        host, user = peer.address[0], request.fromAddress.uri.user or ""
        judgement = gatekeeper.judge(request, host, self._now())
        if judgement.verdict is Verdict.RIGHT and self._known(request, judgement.user):
            return None
        if judgement.verdict is Verdict.WAIT:
            why = f"too many wrong passwords, for {judgement.wait:.0f} s more"
            wait = ("Retry-After", str(int(judgement.wait) + 1))
            refusal = Refusal("guesses", why, "see who it is, or deny it")
            return self._refuse(request, peer, refusal, wait)
        if judgement.verdict in (Verdict.RIGHT, Verdict.WRONG):
            self._refused(host, judgement.user)
            self._refusals["password"] += 1
            self._quietLog.warn(
                "password",
                "call by {source} as {user}: wrong password",
                source=hostPort(*peer.address),
                user=shown(user),
            )
        elif judgement.verdict is Verdict.MISSING and not self._mayAnswer(user):
            for name in (user, request.uri.user or ""):
                self._refused(host, name)
            self._log(request, peer, STRANGER)
        stale = judgement.verdict is Verdict.STALE
        return request.respond(401, headers=gatekeeper.challenges(host, self._now(), stale=stale))

    def _mayAnswer(self, user: str) -> bool:
        """Is a call of that user without credentials perhaps but the first of two? Calls of a trunk
        with a password are anybody's.
        """
        return self._isPhone(user) or self._trunking.hasPasswords

    def _listed(self, host: str) -> str | None:
        """Which list refuses that source."""
        address = ipAddress(host.partition("%")[0])
        denied = next((network for network in self._deny if address in network), None)
        if denied is not None:
            return f"deny has {denied}"
        if self._allow and not any(address in network for network in self._allow):
            return "allow does not have it"
        return None

    def _refuse(self, request: Request, peer: Peer, refusal: Refusal, *headers: Line) -> Response:
        """403 in one form, which fail2ban and people can read."""
        self._log(request, peer, refusal)
        return request.respond(403, headers=(*headers, reasonHeader(refusal, 403)))

    def _log(self, request: Request, peer: Peer, refusal: Refusal) -> None:
        self._refusals[refusal.rule] += 1
        self._quietLog.warn(
            refusal.rule,
            "{what} by {source} to {called} is refused by {rule}: {value}; {remedy}",
            what=request.method if request.method == "REGISTER" else "call",
            source=hostPort(*peer.address),
            called=shown(request.uri),
            rule=refusal.rule,
            value=refusal.reason,
            remedy=refusal.remedy,
        )
