"""Who is heard: a bucket of tokens for each source, asked before a datagram is parsed.

Lives here: the buckets, and which of them a datagram draws from. Not here: sockets (udp.py), the
503 (transactions.py), which calls are taken (shtoom.agent.policy).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from itertools import islice

from shtoom.exceptions import Refusal
from shtoom.sip.sources import sourceOf

LIMITED = (
    "{host} sends more than {rate:g} requests a second (--source-rate): refused or dropped; if it "
    "is a gateway of yours, raise that limit, else block it in the firewall"
)
"""For the log."""

MOST_SOURCES = 10_000
"""Sources that are kept; who was silent for longest is forgotten, as if it had a full bucket."""

ANSWERS = 1.0
"""Refusals a second and source that are answered; the others meet silence."""

OF_A_CALL, AT_ONCE = 0.2, 6.0
"""Messages a second, and at once, that a call that goes on has for itself, whoever sends how many
others: enough for what brings it about, changes it and ends it."""

_CALL_ID = re.compile(rb"[\r\n](?:call-id|i)[ \t]*+:[ \t]*+([^\r\n]*)", re.IGNORECASE)
_TO = re.compile(rb"[\r\n](?:to|t)[ \t]*+:((?:[^\r\n]++|\r?\n[ \t])*+)", re.IGNORECASE)
_TAG = re.compile(rb";\s*+tag\s*+=", re.IGNORECASE)
_WITHOUT_TAG = (b"SIP/2.0 ", b"ACK ", b"CANCEL ")  # they belong to a request that was heard

_LOOKED_AT = 4096  # bytes of a datagram: a Call-ID stands before that


def tooMany(rate: float) -> Refusal:
    """What its source is told, if anything."""
    value = f"more than {rate:g} requests a second (--source-rate)"
    return Refusal("source-rate", value, "if you are its gateway, have it raise that limit")


class Verdict(Enum):
    """What becomes of a datagram."""

    PASS = "pass"
    REFUSE = "refuse"  # 503, without looking at it any further
    DROP = "drop"
    SCANNER = "scanner"  # dropped, and said already


class TokenBuckets:
    """For each key so many tokens a second, and `burst` at once, twice as many if None.

    most: keys that are kept; one whose tokens are all there again need not be. len(): those that
    are.
    """

    def __init__(
        self, rate: float, burst: float | None = None, *, most: int = MOST_SOURCES
    ) -> None:
        self.rate, self._most = rate, most
        self._burst = max(1.0, 2 * rate if burst is None else burst)
        self._buckets: dict[object, tuple[float, float]] = {}  # tokens, when; the idlest first

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: object, now: float) -> bool:
        """One token of that key's, if there is one. now: seconds."""
        tokens, at = self._buckets.pop(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self.rate)
        taken = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if taken else tokens), now
        for idlest in tuple(islice(self._buckets, 2)):  # one more than was added: they get fewer
            left, since = self._buckets[idlest]
            full = left + (now - since) * self.rate >= self._burst
            if full or len(self._buckets) > self._most:
                del self._buckets[idlest]
        return taken


class Gate:
    """The limits of sources.

    rate: requests a second of one source, 0 for no limit. trusts: is that host free of them?
    isLive: is that the Call-ID of a call that goes on? What is said inside of one (with a To tag)
    does not count among the other requests of its source: the call has a small bucket for itself,
    and beyond that all calls of the source share one, so that they are no way around the gate.
    isOverloaded: then all strangers together have no more than one of them else. isScanner: is that
    message from one, given the host?
    """

    def __init__(
        self,
        rate: float,
        *,
        trusts: Callable[[str], bool],
        isLive: Callable[[bytes], bool],
        isOverloaded: Callable[[], bool] = lambda: False,
        isScanner: Callable[[bytes, str], bool] = lambda data, host: False,
    ) -> None:
        self._trusts, self._isLive, self._isOverloaded = trusts, isLive, isOverloaded
        self._isScanner = isScanner
        self._answers = TokenBuckets(ANSWERS)
        self.setRate(rate)

    def setRate(self, rate: float) -> None:
        """That many requests a second from now on; all sources begin anew."""
        self.rate = rate
        self._requests = TokenBuckets(rate)
        self._ofCalls, self._inCalls = TokenBuckets(OF_A_CALL, AT_ONCE), TokenBuckets(rate)

    def weigh(self, datagram: bytes, host: str, now: float) -> Verdict:
        """What is to become of it. host: the IP address that it came from. now: seconds."""
        if self._trusts(host):
            return Verdict.PASS
        callID = self._callOf(datagram)
        if callID is not None:
            served = not self.rate or self._servesCall(callID, host, now)
            return Verdict.PASS if served else Verdict.DROP
        isACK = datagram[:4] == b"ACK "
        if not isACK and self._isScanner(datagram, host):  # an ACK ends the repeats of a refusal
            return Verdict.SCANNER
        if not self.rate:
            return Verdict.PASS
        source = sourceOf(host)
        if not self._requests.take((source, isACK), now):  # each INVITE has an ACK to it
            if not isACK and self._answers.take(source, now):
                return Verdict.REFUSE
            return Verdict.DROP
        if self._isOverloaded() and not self._requests.take(None, now):
            return Verdict.DROP
        return Verdict.PASS

    def _callOf(self, datagram: bytes) -> bytes | None:
        """The Call-ID of the call that it is said in, None if it is in none.

        Not so an INVITE that comes again, and other requests that begin something.
        """
        found = _CALL_ID.search(datagram, 0, _LOOKED_AT)
        callID = found[1].strip() if found is not None else b""
        if not self._isLive(callID):
            return None
        if not datagram.startswith(_WITHOUT_TAG):
            to = _TO.search(datagram, 0, _LOOKED_AT)
            if to is None or _TAG.search(to[1]) is None:
                return None
        return callID

    def _servesCall(self, callID: bytes, host: str, now: float) -> bool:
        if self._ofCalls.take(callID, now):
            return True
        return self._inCalls.take(sourceOf(host), now) and (
            not self._isOverloaded() or self._inCalls.take(None, now)
        )
