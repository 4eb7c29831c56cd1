"""Where one call may go: the URI dialled, and what redirections name (RFC 3261 8.1.3.4).

Lives here: the order, and the bounds that keep redirections from going round. Pure values.
Not here: which of them may be dialled at all (UserAgent.mayDial), names to addresses
(sip.resolver).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shtoom.exceptions import MalformedMessage
from shtoom.sip.fields import NameAddress, parseNameAddress

if TYPE_CHECKING:
    from shtoom.sip.message import Response
    from shtoom.sip.uri import URI

FOLLOWED = (300, 301, 302)
"""305 wants a proxy for this one call and 380 another service: neither can be had by dialling."""

MOST_REDIRECTIONS = 5
MOST_TARGETS = 10


class Targets:
    """The URIs of one call, each tried once.

    dialled: the first. current: the one that next() gave last.
    """

    __slots__ = ("_ahead", "_followed", "_seen", "current", "dialled")

    def __init__(self, dialled: URI) -> None:
        self.dialled = self.current = dialled
        self._ahead = [dialled]
        self._seen = [dialled]
        self._followed = 0

    def next(self) -> URI | None:
        """The next one to try; None: there are no more."""
        if not self._ahead:
            return None
        self.current = self._ahead.pop(0)
        return self.current

    def redirected(self, response: Response) -> str | None:
        """Takes note of a 3xx: its contacts are next, by their q. Says why if there are none."""
        if response.code not in FOLLOWED:
            return "which is not followed"
        if self._followed == MOST_REDIRECTIONS:
            return f"which is not followed after {MOST_REDIRECTIONS} others"
        self._followed += 1
        named = sorted(_contacts(response), key=_preference, reverse=True)
        sip = [requestURI(contact.uri) for contact in named if contact.uri.scheme == "sip"]
        if not sip:
            return "where no sip: address is"
        new: list[URI] = []
        for uri in sip:
            if len(self._seen) < MOST_TARGETS and not any(uri.equivalent(s) for s in self._seen):
                self._seen.append(uri)
                new.append(uri)
        self._ahead[:0] = new
        return None if new else "where the call was already"


def requestURI(uri: URI) -> URI:
    """Without what may not stand in a Request-URI (19.1.1): headers are nobody's to add."""
    params = tuple(pair for pair in uri.params if pair[0].lower() != "method")
    if not uri.headers and len(params) == len(uri.params):
        return uri
    return replace(uri, params=params, headers=())


def _contacts(response: Response) -> list[NameAddress]:
    """Those that can be read."""
    found = []
    for value in response.headerValues("Contact"):
        try:
            found.append(parseNameAddress(value, "Contact header"))
        except MalformedMessage:
            continue
    return found


def _preference(contact: NameAddress) -> float:
    """q (20.10), 1 if there is none or it is no number."""
    try:
        q = float(contact.param("q") or 1.0)
    except ValueError:
        return 1.0
    return q if 0.0 <= q <= 1.0 else 1.0
