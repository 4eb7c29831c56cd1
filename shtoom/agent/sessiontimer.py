"""Session timers (RFC 4028), sans-I/O: who keeps a call alive, and when it is dead.

Lives here: the headers, what is agreed on by them, the machine of one session. Pure values and
functions. Not here: refreshes on their way, the BYE (refreshing.py).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from shtoom.exceptions import MalformedMessage

if TYPE_CHECKING:
    from shtoom.sip.message import Message, Request, Response

__all__ = [
    "LEAST",
    "MOST_RAISES",
    "Asked",
    "Due",
    "SessionPolicy",
    "SessionTimer",
    "Terms",
    "asked",
    "leastOf",
    "raisedBy",
    "supportsTimer",
    "termsAsCallee",
    "termsAsCaller",
    "tooBrief",
    "withSession",
]

TAG = "timer"
LEAST = 90
"""Seconds that nobody may ask to go below (4)."""

SHORTEST = 30
"""Seconds of an interval that is kept to, whatever a far end says: refreshes cost work here."""

MOST_RAISES = 2
"""How often a 422 is followed before it is a refusal like any other: some would ask for ever."""

_LONGEST_NUMBER = 9  # digits
_AFTER_STANDSTILL = 32.0  # seconds for the refresh of a machine that has slept past the end


class SessionPolicy(NamedTuple):
    """What this side wants. expires: seconds to ask for, 0: never ask. least: to go down to."""

    expires: int = 0
    least: int = LEAST


class Asked(NamedTuple):
    """A Session-Expires header. refresher: "uac", "uas" or None, as the message has it."""

    interval: int
    refresher: str | None


class Terms(NamedTuple):
    """What both sides have agreed on. interval: seconds. refreshing: is it us who refresh?"""

    interval: int
    refreshing: bool


class Due(Enum):
    """What is to be done now."""

    REFRESH = auto()
    OVER = auto()


def asked(message: Message) -> Asked | None:
    """The Session-Expires of a message; None if there is none, or none that can be read."""
    number, _, rest = (message.header("Session-Expires") or "").partition(";")
    interval = _seconds(number)
    if not interval:
        return None
    for param in rest.split(";"):
        name, _, value = param.partition("=")
        if name.strip().lower() == "refresher" and value.strip().lower() in ("uac", "uas"):
            return Asked(interval, value.strip().lower())
    return Asked(interval, None)


def leastOf(message: Message) -> int:
    """The Min-SE of a message; LEAST if it says less, or nothing that can be read."""
    return max(LEAST, _seconds((message.header("Min-SE") or "").partition(";")[0]))


def supportsTimer(message: Message) -> bool:
    """Does whoever sent it know session timers?"""
    try:
        tags = [*message.headerValues("Supported"), *message.headerValues("Require")]
    except MalformedMessage:
        return False
    return TAG in (tag.lower() for tag in tags)


def tooBrief(request: Request, policy: SessionPolicy) -> Response | None:
    """422 for an interval below ours, to who can understand that; None if there is no cause (9)."""
    wanted = asked(request)
    if wanted is None or wanted.interval >= policy.least or not supportsTimer(request):
        return None
    return request.respond(422, headers=(("Min-SE", str(policy.least)),))


def withSession(invite: Request, policy: SessionPolicy) -> Request:
    """The first INVITE of a call of ours, with what it asks for (7.1). The callee may choose."""
    if policy.expires:
        invite = invite.adding("Session-Expires", str(max(policy.expires, policy.least)))
        if policy.least > LEAST:
            invite = invite.adding("Min-SE", str(policy.least))
    return invite


def raisedBy(response: Response, invite: Request) -> Request | None:
    """The INVITE once more, as a 422 to it asks for; None if there is nothing to raise (7.3)."""
    wanted, least = asked(invite), leastOf(response)
    if wanted is None or least <= wanted.interval:
        return None
    return invite.replacing("Session-Expires", str(least)).replacing("Min-SE", str(least))


def termsAsCallee(request: Request, current: Terms | None, policy: SessionPolicy) -> Terms | None:
    """What our 2xx to an INVITE or UPDATE says (9); None for no timer.

    current: what holds until then. Who leaves the refreshing to us gets it: a far end that takes it
    and then forgets it is met more often than one that cannot answer. One that does not know timers
    cannot refresh at all.
    """
    wanted, supports = asked(request), supportsTimer(request)
    if wanted is not None:
        usual = current.refreshing if current is not None else True
        refreshing = {"uac": False, "uas": True, None: usual}[wanted.refresher]
        return Terms(max(wanted.interval, policy.least), refreshing or not supports)
    if current is not None:
        return current if supports or current.refreshing else None
    if supports and policy.expires:
        return Terms(max(policy.expires, policy.least, leastOf(request)), True)
    return None


def termsAsCaller(response: Response, current: Terms | None) -> Terms | None:
    """What a 2xx to a request of ours says (7.2); None for no timer.

    It may say less than we wanted: that is kept to. A far end that says nothing refreshes nothing
    any more; to go on with it ourselves does no harm.
    """
    said = asked(response)
    if said is not None:
        return Terms(max(said.interval, SHORTEST), said.refresher != "uas")
    return current if current is not None and current.refreshing else None


class SessionTimer:
    """The session of one call, from a 2xx to the next one that refreshes it.

    Every input takes now (seconds, any origin). terms: what is agreed on. deadline: when
    timeReached() wants its turn.
    """

    __slots__ = ("_endAt", "_refreshAt", "terms")

    def __init__(self, terms: Terms, now: float) -> None:
        self.renew(terms, now)

    def renew(self, terms: Terms, now: float) -> None:
        """A 2xx was sent or received: the session goes on for another interval.

        Who refreshes does so at half time; the other side gives up min(32, a third) before the end
        (10).
        """
        self.terms = terms
        interval = terms.interval
        self._refreshAt = now + interval / 2 if terms.refreshing else None
        self._endAt = now + interval - (0 if terms.refreshing else min(32, interval / 3))

    @property
    def deadline(self) -> float:
        """The refresh, or the end."""
        return self._endAt if self._refreshAt is None else min(self._refreshAt, self._endAt)

    def refreshFailed(self, now: float) -> None:
        """It was refused, but not because the call is gone: once more in half of the time left."""
        if self.terms.refreshing:
            self._refreshAt = now + max(1.0, (self._endAt - now) / 2)

    def timeReached(self, now: float) -> Due | None:
        """What is due now, if anything.

        A machine that stood still past the end asks whether the call is still there.
        """
        if self._refreshAt is not None and now >= self._refreshAt:
            self._refreshAt = None
            if now >= self._endAt:
                self._endAt = now + _AFTER_STANDSTILL
            return Due.REFRESH
        return Due.OVER if now >= self._endAt else None


def _seconds(text: str) -> int:
    """A whole number; 0 for anything else."""
    text = text.strip()
    good = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if good else 0
