"""Who we are to the host that is dialled: user and password, and whom they are told (RFC 3261 22).

Lives here: which challenge is answered, and the answers that go along unasked. Not here: how they
are computed (sip.digest), what becomes of a call that is challenged (outbound.py).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from shtoom.exceptions import MalformedMessage, checkText
from shtoom.sip.digest import (
    ANSWERED_BY,
    Answering,
    Challenge,
    parseChallenges,
    strongest,
    unusable,
)
from shtoom.sip.shown import shown

if TYPE_CHECKING:
    from shtoom.sip.message import Request, Response
    from shtoom.sip.transport import Peer

MOST_STALE = 3
"""Aged nonces that one request is tried with anew."""

Lines = tuple[tuple[str, str], ...]


class NoAnswer(Exception):
    """A challenge that is not answered; the text says why, and has no secret in it."""


class Account:
    """User and password of one call. They serve at the addresses dialled, and for one realm.

    A digest given to anybody else could be passed on, or searched for the password at leisure. So
    the answer goes only to a host of trust(), where the address that the application dialled led,
    and only for `realm`; None: for that of the first challenge from there.
    """

    __slots__ = ("_answering", "_hosts", "_isPinned", "_password", "_realm", "_rng", "user")

    def __init__(self, user: str, password: str, rng: Random, realm: str | None = None) -> None:
        self.user, self._password, self._rng = user, password, rng
        self._hosts: set[str] = set()
        self._realm, self._isPinned = realm, realm is not None
        self._answering: dict[str, Answering] = {}  # by the header that the answer stands in

    def trust(self, peer: Peer) -> None:
        """The address dialled leads there."""
        self._hosts.add(peer.address[0])

    def trusts(self, peer: Peer) -> bool:
        """May an answer go there?"""
        return peer.address[0] in self._hosts

    def sign(self, request: Request, peer: Peer) -> Request:
        """The request with the answers that the peer is known to want; as it is for others."""
        for header in ANSWERED_BY.values():
            request = request.without(header)
            answering = self._answering.get(header)
            if answering is not None and self.trusts(peer):
                answer = answering.answer(request.method, request.uriText, request.body)
                request = request.adding(header, str(answer))
        return request

    def copied(self, invite: Request, ack: Request, peer: Peer) -> Request:
        """The ACK with the answers that its INVITE had, if it goes where they may go (22.1)."""
        for header in ANSWERED_BY.values():
            for value in invite.headers.getLines(header):
                if self.trusts(peer):
                    ack = ack.adding(header, value)
        return ack

    def challenged(self, response: Response, peer: Peer, asked: Asked) -> None:
        """A 401 or 407 to a request that went to `peer`: from now on sign() answers it.

        asked: what came of that request before. Raises NoAnswer.
        """
        if not self.trusts(peer):
            raise NoAnswer(f"{peer.address[0]} asks for a password, which is not where was dialled")
        found = False
        for header, answerHeader in ANSWERED_BY.items():
            values = response.headers.getLines(header)
            if not values:
                continue
            found = True
            challenge = self._choose(values)
            asked.refuseAgain(answerHeader, challenge)
            self._realm = challenge.realm
            cnonce = f"{self._rng.getrandbits(64):016x}"
            self._answering[answerHeader] = Answering(challenge, self.user, self._password, cnonce)
        if not found:
            raise NoAnswer("a password is asked for without a challenge")

    def _choose(self, values: list[str]) -> Challenge:
        try:
            challenges = parseChallenges(values)
        except MalformedMessage as error:
            raise NoAnswer(f"a password is asked for by a broken challenge: {error}") from None
        mine = [c for c in challenges if self._realm in (None, c.realm)]
        if challenges and not mine:
            which = "it is for" if self._isPinned else "it was told in"
            raise NoAnswer(
                f"a password is asked for in the realm {shown(challenges[0].realm)}, and {which} "
                f"{shown(self._realm)} alone"
            )
        challenge = strongest(mine)
        if challenge is None:
            raise NoAnswer(f"a password is asked for in no way that is known: {unusable(mine)}")
        return challenge

    def __repr__(self) -> str:
        return f"<Account {self.user!r}>"


class Asked:
    """The challenges that one request of ours has met."""

    __slots__ = ("_nonces",)

    def __init__(self) -> None:
        self._nonces: dict[str, list[str]] = {}

    def refuseAgain(self, header: str, challenge: Challenge) -> None:
        """Raises NoAnswer if the answer to an earlier challenge was wrong.

        One more of the same header says so, unless it is for an aged nonce; whether a server says
        so at the *first* challenge to a request makes no difference, since many do not.
        """
        nonces = self._nonces.setdefault(header, [])
        if nonces and (not challenge.stale or challenge.nonce in nonces):
            raise NoAnswer("user and password were rejected")
        if len(nonces) > MOST_STALE:
            raise NoAnswer(f"{len(nonces)} challenges in a row, each for a nonce that has aged")
        nonces.append(challenge.nonce)


def accountOf(
    auth: tuple[str, str] | None, rng: Random, realm: str | None = None
) -> Account | None:
    """From placeCall's arguments. ValueError, without the value in it, for what is no such pair."""
    if auth is None:
        return None
    pair = isinstance(auth, tuple | list) and len(auth) == 2
    if not pair or not all(isinstance(part, str) for part in auth):
        raise ValueError("auth: wanted a pair of strings, (user, password)")
    user, password = auth
    if not user or not _isSendable(user) or not _isSendable(password):
        raise ValueError("auth: wanted user and password without CR, LF or NUL")
    return Account(user, password, rng, realm)


def _isSendable(text: str) -> bool:
    try:
        checkText("auth", text)
    except ValueError:  # its text has the value in it
        return False
    return True
