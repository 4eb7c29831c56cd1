"""Digest authentication (RFC 3261 22, RFC 7616, RFC 8760): challenges and the answers to them.

Lives here: challenges and credentials as values, which challenge to take, the computation for both
sides, nonce counts. Not here: whom a password is for (shtoom.agent.credentials).
No password, and nothing computed from one, appears in a repr or in an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from hmac import compare_digest
from typing import NamedTuple

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import quote, splitCommas, unquote
from shtoom.sip.shown import shown

_SCHEME = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+)(?:[ \t]+(.*))?\Z", re.DOTALL)
_PARAM = re.compile(
    r'([A-Za-z0-9\-.!%*_+`\'~]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^" \t]+)\Z', re.DOTALL
)

ALGORITHMS = {
    name: hashName
    for name, hashName in (
        ("sha-512-256", "sha512_256"),
        ("sha-512-256-sess", "sha512_256"),
        ("sha-256", "sha256"),
        ("sha-256-sess", "sha256"),
        ("md5-sess", "md5"),
        ("md5", "md5"),
    )
    if hashName in hashlib.algorithms_available
}
"""Those that are computed, the strongest first: name in lower case -> name in hashlib."""

_STRENGTH = {name: number for number, name in enumerate(reversed(ALGORITHMS))}
QOPS = ("auth", "auth-int")
"""Qualities of protection, the one we like best first."""

ANSWERED_BY = {
    "WWW-Authenticate": "Authorization",
    "Proxy-Authenticate": "Proxy-Authorization",
}
"""Header of a challenge -> that of its answer."""


class Challenge(NamedTuple):
    """A Digest challenge: the value of WWW-Authenticate or Proxy-Authenticate.

    algorithm, opaque: as written, None if absent. qops: in lower case, () for none (RFC 2069).
    stale: the nonce has aged, user and password were right.
    """

    realm: str
    nonce: str
    algorithm: str | None = None
    qops: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @property
    def usable(self) -> bool:
        """Can it be answered: are algorithm and one of its qops known here?"""
        return self._algorithm in ALGORITHMS and (not self.qops or self.qop is not None)

    @property
    def qop(self) -> str | None:
        """The quality of protection to answer with, None for none."""
        return next((qop for qop in QOPS if qop in self.qops), None)

    @property
    def strength(self) -> int:
        """The greater, the stronger; -1 for one that cannot be used."""
        return _STRENGTH[self._algorithm] if self.usable else -1

    @property
    def _algorithm(self) -> str:
        return (self.algorithm or "MD5").lower()

    def __str__(self) -> str:
        lines = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}"]
        if self.opaque is not None:
            lines.append(f"opaque={quote(self.opaque)}")
        if self.stale:
            lines.append("stale=true")
        if self.algorithm is not None:
            lines.append(f"algorithm={self.algorithm}")
        if self.qops:
            lines.append(f'qop="{",".join(self.qops)}"')
        return "Digest " + ", ".join(lines)


class Answer(NamedTuple):
    """Digest credentials: the value of Authorization or Proxy-Authorization.

    uri: as its sender wrote it. response: in hexadecimal digits. nonceCount: None without qop.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str | None = None
    qop: str | None = None
    cnonce: str = ""
    nonceCount: int | None = None
    opaque: str | None = None

    def matches(self, password: str, method: str, body: bytes = b"") -> bool:
        """Is it made with that password, for a request of that method and body?

        What is compared takes the same time, however much of it is right. The caller looks at
        username, realm, uri, nonce and its count. An algorithm that is not known never matches.
        """
        if (self.algorithm or "MD5").lower() not in ALGORITHMS:
            return False
        right = _response(self, password, method, body)
        return compare_digest(right.encode(), self.response.lower().encode("utf-8", "replace"))

    def __str__(self) -> str:
        lines = [
            f"username={quote(self.username)}",
            f"realm={quote(self.realm)}",
            f"nonce={quote(self.nonce)}",
            f"uri={quote(self.uri)}",
            f'response="{self.response}"',
        ]
        if self.algorithm is not None:
            lines.append(f"algorithm={self.algorithm}")
        if self.opaque is not None:
            lines.append(f"opaque={quote(self.opaque)}")
        if self.cnonce:
            lines.append(f"cnonce={quote(self.cnonce)}")
        if self.qop is not None:
            lines += [f"qop={self.qop}", f"nc={self.nonceCount or 0:08x}"]
        return "Digest " + ", ".join(lines)

    def __repr__(self) -> str:
        return f"<Answer of {self.username!r} for {self.realm!r}>"


class Answering:
    """Answers one challenge, as often as its nonce is taken; counts the answers.

    challenge: usable, else ValueError. cnonce: of our making, unguessable. password: kept for
    algorithms with -sess and auth-int; never shown.
    """

    __slots__ = ("_cnonce", "_password", "challenge", "count", "user")

    def __init__(self, challenge: Challenge, user: str, password: str, cnonce: str) -> None:
        if not challenge.usable:
            raise ValueError(f"challenge: {unusable([challenge])}")
        self.challenge, self.user, self._password = challenge, user, password
        self._cnonce = cnonce
        self.count = 0

    def answer(self, method: str, uri: str, body: bytes = b"") -> Answer:
        """For the next request. uri: the Request-URI, letter for letter."""
        challenge, qop = self.challenge, self.challenge.qop
        self.count += 1
        session = (challenge.algorithm or "").lower().endswith("-sess")
        open_ = Answer(
            self.user,
            challenge.realm,
            challenge.nonce,
            uri,
            "",
            challenge.algorithm,
            qop,
            self._cnonce if qop is not None or session else "",
            self.count if qop is not None else None,
            challenge.opaque,
        )
        return open_._replace(response=_response(open_, self._password, method, body))

    def __repr__(self) -> str:
        return f"<Answering {self.challenge.realm!r} as {self.user!r}>"


def parseChallenges(values: Iterable[str]) -> list[Challenge]:
    """The Digest challenges in these header values, in order; other schemes are left out.

    Several may stand in one line. Raises MalformedMessage for a Digest without realm or nonce.
    """
    challenges = []
    for scheme, params in _schemes(values):
        if scheme == "digest":
            qops = tuple(q.strip().lower() for q in params.get("qop", "").split(",") if q.strip())
            challenges.append(
                Challenge(
                    _needed(params, "realm"),
                    _needed(params, "nonce"),
                    params.get("algorithm"),
                    qops,
                    params.get("opaque"),
                    params.get("stale", "").lower() == "true",
                )
            )
    return challenges


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """The one to answer; of equals the first; None if none can be.

    RFC 8760 2.4 has the client take the first that it knows. The strongest is the same wherever the
    server keeps its part, to name them in that order, and leaves nothing to who re-orders them.
    """
    best = max(challenges, key=lambda challenge: challenge.strength, default=None)
    return best if best is not None and best.usable else None


def unusable(challenges: Iterable[Challenge]) -> str:
    """Why none of them can be answered, in words."""
    offered = [
        f"{c.algorithm or 'MD5'}{' with qop ' + ','.join(c.qops) if c.qops else ''}"
        for c in challenges
    ]
    known = ", ".join(name.upper() for name in ALGORITHMS)
    what = shown(", ".join(offered)) or "no Digest challenge"
    return f"it offers {what}; known here are {known} with qop auth, auth-int or none"


def parseAnswer(value: str) -> Answer:
    """The credentials of a request. Raises MalformedMessage, without the value in it."""
    for scheme, params in _schemes([value]):
        if scheme != "digest":
            break
        qop, count = params.get("qop"), params.get("nc")
        if count is not None and not re.fullmatch(r"[0-9A-Fa-f]{8}", count):
            raise MalformedMessage("credentials", "an nc of eight hexadecimal digits", "another")
        return Answer(
            _needed(params, "username"),
            _needed(params, "realm"),
            _needed(params, "nonce"),
            _needed(params, "uri"),
            _needed(params, "response"),
            params.get("algorithm"),
            qop.lower() if qop is not None else None,
            params.get("cnonce", ""),
            int(count, 16) if count is not None else None,
            params.get("opaque"),
        )
    raise MalformedMessage("credentials", "the Digest scheme", "another")


def _response(answer: Answer, password: str, method: str, body: bytes) -> str:
    """RFC 7616 3.4.1 to 3.4.3; without qop as in RFC 2069."""
    algorithm = (answer.algorithm or "MD5").lower()

    def hashed(*parts: str | bytes) -> str:
        octets = b":".join(
            p if isinstance(p, bytes) else p.encode("utf-8", "surrogateescape") for p in parts
        )
        return hashlib.new(ALGORITHMS[algorithm], octets, usedforsecurity=False).hexdigest()

    first = hashed(answer.username, answer.realm, password)
    if algorithm.endswith("-sess"):
        first = hashed(first, answer.nonce, answer.cnonce)
    second = [method, answer.uri]
    if answer.qop == "auth-int":
        second.append(hashed(body))
    if answer.qop is None:
        return hashed(first, answer.nonce, hashed(*second))
    count = f"{answer.nonceCount or 0:08x}"
    return hashed(first, answer.nonce, count, answer.cnonce, answer.qop, hashed(*second))


def _schemes(values: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Scheme in lower case and parameters of each challenge; a comma parts both kinds."""
    found: list[tuple[str, dict[str, str]]] = []
    for value in values:
        if "\0" in value:  # what is challenged with it would have to be sent back
            raise MalformedMessage("challenge", "no NUL", "one")
        for item in splitCommas(value, "challenge"):
            param = _PARAM.match(item)
            if param is None:
                scheme = _SCHEME.match(item)
                if scheme is None:
                    raise MalformedMessage("challenge", "a scheme and name=value", "another")
                found.append((scheme[1].lower(), {}))
                param = _PARAM.match((scheme[2] or "").strip())
            if param is not None and found:
                name, text = param[1].lower(), param[2]
                found[-1][1].setdefault(name, unquote(text) if text[0] == '"' else text)
    return found


def _needed(params: dict[str, str], name: str) -> str:
    if name not in params:
        raise MalformedMessage("Digest", f"a {name}", "none")
    return params[name]
