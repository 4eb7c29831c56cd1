"""Who searches servers for accounts: by its own words, or by all the users that it tries.

Lives here: telling such sources, before anything of theirs is parsed. Not here: how often a source
may ask at all (gate.py), who is refused and why (its callers).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from twisted.logger import Logger

from shtoom.sip.quietlog import QuietLog
from shtoom.sip.sources import sourceOf

SCANNERS = (
    *("friendly-scanner", "sipvicious", "sipcli", "sundayddr"),
    *("VaxSIPUserAgent", "pplsip"),
)
"""Words in User-Agent that no phone has."""

MOST_USERS = 20
"""Different users as which one source may be refused in a MINUTE."""

MINUTE, BARRED = 60.0, 300.0
"""Seconds that a refusal counts, and that who has too many of them is not heard."""

MOST_SOURCES, LONGEST_USER = 10_000, 60
"""Sources whose refusals are remembered, and how many characters of each user."""

_LOOKED_AT = 4096  # bytes of a message: a User-Agent stands before that


class Scanners:
    """The scanners of one server. Nothing of theirs is answered; one log line a second names one.

    words: that stand in a scanner's User-Agent, in any case. most: different users as which one
    source may be refused in a minute; 0 for any number. knows: is somebody at home at that host? It
    is never barred, since an address can be forged. seconds: the time.

    counts: messages that were dropped: named (by User-Agent), barred.
    """

    log = Logger()

    def __init__(
        self,
        words: Iterable[str],
        most: int,
        *,
        knows: Callable[[str], bool],
        seconds: Callable[[], float],
    ) -> None:
        self._knows, self._seconds = knows, seconds
        self._quietLog = QuietLog(self.log, seconds)
        self._tried: dict[str, dict[str, float]] = {}  # source -> user -> when; the latest last
        self._barred: dict[str, float] = {}  # source -> until
        self.counts: Counter[str] = Counter()
        self.change(words, most)

    def change(self, words: Iterable[str], most: int) -> None:
        """Others from now on."""
        self._most = most
        named = b"|".join(re.escape(word.encode()) for word in words)
        self._pattern = (
            re.compile(rb"[\r\n]user-agent[ \t]*+:[^\r\n]*?(" + named + rb")", re.IGNORECASE)
            if named
            else None
        )
        if not most:
            self._barred.clear()

    def isOne(self, data: bytes, host: str) -> bool:
        """Is that message from a scanner? host: the IP address that it came from."""
        source = sourceOf(host)
        until = self._barred.get(source)
        if until is not None:
            if self._seconds() < until:
                self.counts["barred"] += 1
                return True
            del self._barred[source]
        found = self._pattern.search(data, 0, _LOOKED_AT) if self._pattern is not None else None
        if found is None:
            return False
        self.counts["named"] += 1
        self._quietLog.warn(
            "named",
            "scanner {host} is dropped: its User-Agent has {word} (--scanners)",
            host=host,
            word=found[1].decode("ascii", "replace"),
        )
        return True

    def refused(self, host: str, user: str) -> None:
        """Somebody there was refused as that user, or for want of one."""
        if not self._most:
            return
        now, source = self._seconds(), sourceOf(host)
        tried = self._tried.pop(source, {})
        name = user[:LONGEST_USER]
        tried.pop(name, None)
        tried[name] = now
        self._tried[source] = tried = {u: at for u, at in tried.items() if now - at < MINUTE}
        if len(self._tried) > MOST_SOURCES:
            del self._tried[next(iter(self._tried))]
        if len(tried) <= self._most or self._knows(host):
            return
        del self._tried[source]
        self._barred[source] = now + BARRED
        if len(self._barred) > MOST_SOURCES:
            del self._barred[next(iter(self._barred))]
        self._quietLog.warn(
            "barred",
            "scanner {host} is dropped for {seconds:g} s: it was refused as {count} different "
            "users within a minute (--max-guesses)",
            host=host,
            seconds=BARRED,
            count=len(tried),
        )
