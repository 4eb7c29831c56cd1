"""Whose password is right: digest authentication as the server (RFC 3261 22, RFC 7616, RFC 8760).

Lives here: nonces, challenges, the check of an answer, and patience with who guesses. Plain values:
requests and the time go in. Not here: how answers are computed (sip.digest), who has which password
(the caller), what is done with a request (registrar.py).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from shtoom.exceptions import MalformedMessage
from shtoom.sip.digest import ALGORITHMS as COMPUTED
from shtoom.sip.digest import ANSWERED_BY, QOPS, Answer, Challenge, parseAnswer
from shtoom.sip.sources import sourceOf

if TYPE_CHECKING:
    from shtoom.sip.message import Request

NONCE_LIFE = 60.0
"""Seconds that a nonce is taken; after that it is stale, and a client answers a new one."""

MOST_NONCES = 10_000
"""Nonces whose counts are kept; with more about, the oldest are stale before their time."""

PATIENCE = 5
"""Wrong answers of one source, as one user, in a row, before it has to wait."""

FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
"""Seconds that it waits then, twice as long after each further one."""

MOST_SOURCES, LONGEST_USER = 10_000, 60
"""Sources and users whose wrong answers are remembered, and how many characters of a user."""

ALGORITHMS = ("SHA-256", "MD5")
"""What is offered if nothing else is wanted, best first (RFC 8760 2.4); each makes a 401 larger."""

OFFERED_QOPS = ("auth",)
"""What is offered if nothing else is wanted. auth-int has the body hashed, and fails wherever a
router or a proxy on the way writes addresses into session descriptions."""

KNOWN = tuple(name.upper() for name in COMPUTED if not name.endswith("-sess"))
"""What may be offered."""

_SEALED, _SEAL = 12, 16  # octets of a nonce's seal, and characters of them

_NOBODY = "a password that nobody has"


class Verdict(Enum):
    """What there is to say of a request."""

    RIGHT = "right"
    MISSING = "no credentials"
    STALE = "for a nonce that has aged"
    WRONG = "wrong"
    WAIT = "too many wrong ones before"


class Judgement(NamedTuple):
    """verdict, and the user that it names ("" if there is none). wait: seconds, with WAIT."""

    verdict: Verdict
    user: str = ""
    wait: float = 0.0


class Gatekeeper:
    """The digest of one realm.

    passwordOf: user -> password, None for a user that there is none of. secret: makes nonces that
    nobody else can; new ones after a restart make all nonces stale, no more. A nonce is bound to
    the host that it was given to. algorithms, qops: what is offered, of KNOWN and of QOPS, in this
    order. An answer without any qop (RFC 2069) is taken too, once for each nonce.
    """

    def __init__(
        self,
        realm: str,
        passwordOf: Callable[[str], str | None],
        secret: bytes,
        algorithms: tuple[str, ...] = ALGORITHMS,
        qops: tuple[str, ...] = OFFERED_QOPS,
    ) -> None:
        self.realm, self._passwordOf, self._secret = realm, passwordOf, secret
        self.algorithms, self.qops = algorithms, qops
        self._given = 0
        self._counts: dict[str, int] = {}  # nonce -> the highest count that was taken
        self._staleBefore = float("-inf")
        # source, user -> in a row, patience again at
        self._wrong: dict[tuple[str, str], tuple[int, float]] = {}

    def challenges(
        self, host: str, now: float, *, stale: bool = False, header: str = "WWW-Authenticate"
    ) -> list[tuple[str, str]]:
        """Header lines for a 401 (or 407: Proxy-Authenticate) to a request from host."""
        nonce = self._nonce(host, now)
        return [
            (header, str(Challenge(self.realm, nonce, algorithm, self.qops, stale=stale)))
            for algorithm in self.algorithms
        ]

    def judge(
        self, request: Request, host: str, now: float, *, header: str = "WWW-Authenticate"
    ) -> Judgement:
        """Is it from whom it says? A user that there is none of costs the same time as a wrong
        password, and has the same verdict. The digest may be of another URI than the request's: a
        proxy between may have changed that (RFC 3261 22.4); a nonce counts once all the same.
        """
        answer = self._answerOf(request, ANSWERED_BY[header])
        if answer is None:
            return Judgement(Verdict.MISSING)
        wait = self._waiting(host, answer.username, now)
        if wait > 0:
            return Judgement(Verdict.WAIT, answer.username, wait)
        given = self._givenAt(answer.nonce, host)
        if given is None or now - given > NONCE_LIFE or given <= self._staleBefore:
            return Judgement(Verdict.STALE, answer.username)
        password = self._passwordOf(answer.username)
        right = answer.matches(password if password is not None else _NOBODY, *_signed(request))
        if not right or password is None:
            self._guessed(host, answer.username, now)
            return Judgement(Verdict.WRONG, answer.username)
        count = (
            (answer.nonceCount or 0) if answer.qop is not None else 0
        )  # else nobody has signed it
        if count <= self._counts.get(answer.nonce, -1):  # a replay
            return Judgement(Verdict.STALE, answer.username)
        self._keep(answer.nonce, count, now)
        self._wrong.pop(_guesser(host, answer.username), None)
        return Judgement(Verdict.RIGHT, answer.username)

    def named(self, request: Request) -> str | None:
        """The user that its credentials for this realm name, right or wrong; None without any."""
        answer = self._answerOf(request, "Authorization")
        return None if answer is None else answer.username

    # Nonces

    def _nonce(self, host: str, now: float) -> str:
        self._given += 1
        return self._sealed(f"{int(now * 1000):x}-{self._given:x}-", host)

    def _sealed(self, text: str, host: str) -> str:
        digest = hmac.digest(self._secret, f"{text} {host}".encode(), hashlib.sha256)
        seal = urlsafe_b64encode(digest[:_SEALED]).decode()  # short: see shtoom.sip.lean
        return f"{text}{seal}"

    def _givenAt(self, nonce: str, host: str) -> float | None:
        """When we gave it to that host; None: we never did."""
        if not nonce.isascii():  # what we give is, and octets that are no UTF-8 are no text
            return None
        open_ = nonce[:-_SEAL]
        if not hmac.compare_digest(nonce.encode(), self._sealed(open_, host).encode()):
            return None
        return int(open_.partition("-")[0], 16) / 1000

    def _keep(self, nonce: str, count: int, now: float) -> None:
        self._counts.pop(nonce, None)
        self._counts[nonce] = count
        while True:
            oldest = next(iter(self._counts))
            given = int(oldest.partition("-")[0], 16) / 1000
            if now - given <= NONCE_LIFE:
                break
            del self._counts[oldest]  # nobody may use it any more
        if len(self._counts) > MOST_NONCES:
            del self._counts[oldest]
            self._staleBefore = max(self._staleBefore, given)

    # The answer

    def _answerOf(self, request: Request, header: str) -> Answer | None:
        """The credentials for this realm, in an algorithm and a quality that were offered."""
        for value in request.headers.getLines(header):
            try:
                answer = parseAnswer(value)
            except MalformedMessage:
                continue
            algorithm = (answer.algorithm or "MD5").upper()
            offered = algorithm in self.algorithms and answer.qop in (None, *self.qops)
            if answer.realm == self.realm and offered:
                return answer
        return None

    # Patience

    def _waiting(self, host: str, user: str, now: float) -> float:
        return self._wrong.get(_guesser(host, user), (0, now))[1] - now

    def _guessed(self, host: str, user: str, now: float) -> None:
        """Counted by user, too: a success as one tells nothing of another, and one phone with an
        old password keeps out none of the others that are behind the same NAT.
        """
        inARow = self._wrong.pop(_guesser(host, user), (0, now))[0] + 1
        wait = 0.0
        if inARow >= PATIENCE:
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(inARow - PATIENCE, 20))
        self._wrong[_guesser(host, user)] = inARow, now + wait
        if len(self._wrong) > MOST_SOURCES:
            del self._wrong[next(iter(self._wrong))]


def parseAlgorithms(text: str) -> tuple[str, ...]:
    """'NAME,NAME...' in any case; ValueError says what is wrong."""
    return _names(text, KNOWN, str.upper)


def parseQops(text: str) -> tuple[str, ...]:
    """The same for qualities of protection, of QOPS."""
    return _names(text, QOPS, str.lower)


def _names(text: str, known: tuple[str, ...], spelt: Callable[[str], str]) -> tuple[str, ...]:
    found: list[str] = []
    for word in text.split(","):
        name = spelt(word.strip())
        if name not in known:
            raise ValueError(f"wanted names of {', '.join(known)}, got {word.strip()!r}")
        if name in found:
            raise ValueError(f"{name} is there twice")
        found.append(name)
    return tuple(found)


def _guesser(host: str, user: str) -> tuple[str, str]:
    """Who has to wait."""
    return sourceOf(host), user[:LONGEST_USER]


def _signed(request: Request) -> tuple[str, bytes]:
    return request.method, request.body
