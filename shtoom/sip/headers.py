"""Header lines in order, found by any of their names.

Lives here: compact forms, letter case, which headers are comma lists, what an application may put
into a line. Not here: the meaning of values (fields.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shtoom.exceptions import checkText
from shtoom.sip.fields import isToken, splitCommas

Line = tuple[str, str]

_COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

# Headers whose value may be a comma list (RFC 3261 7.3.1 and the RFCs that define the others).
LISTS = frozenset(
    (
        *("accept", "accept-contact", "accept-encoding", "accept-language"),
        *("accept-resource-priority", "alert-info", "allow", "allow-events", "call-info"),
        *("contact", "content-encoding", "content-language", "diversion", "error-info"),
        *("geolocation", "history-info", "in-reply-to", "p-asserted-identity", "p-associated-uri"),
        *("p-preferred-identity", "path", "proxy-require", "reason", "record-route", "recv-info"),
        *("reject-contact", "request-disposition", "require", "resource-priority", "route"),
        *("security-client", "security-server", "security-verify", "service-route", "supported"),
        *("unsupported", "via", "warning"),
    )
)

# Headers that may stand once.
SINGLE = frozenset(
    (
        *("call-id", "content-disposition", "content-length", "content-type", "cseq", "event"),
        *("expires", "from", "max-forwards", "min-expires", "min-se", "rack", "refer-to"),
        *("referred-by", "replaces", "rseq", "session-expires", "subscription-state", "to"),
    )
)


def _spellings() -> dict[str, str]:
    """The usual spellings of usual headers, so that most look-ups need no second thought."""
    usual = LISTS | SINGLE | {"server", "subject", "user-agent", "authorization", "min-se"}
    known = {"Call-ID": "call-id", "CSeq": "cseq", "Min-SE": "min-se"}
    for name in usual:
        known[name] = known[name.title()] = name
    for letter, name in _COMPACT.items():
        known[letter] = known[letter.upper()] = name
    return known


_KNOWN = _spellings()


def canonical(name: str) -> str:
    """The name under which all spellings of a header are one: long form, lower case."""
    known = _KNOWN.get(name)
    return known if known is not None else _KNOWN.get(lower := name.lower(), lower)


def isHeaderName(name: str) -> bool:
    """May this stand before the colon of a header line?"""
    return name in _KNOWN or isToken(name)


class Headers:
    """An immutable multi-map of header lines; names keep the spelling they came with.

    lines: (name, value). ValueError names a line that would break the message (CR, LF, NUL).
    """

    __slots__ = ("_index", "lines")

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.lines: tuple[Line, ...] = tuple(checkLine(name, value) for name, value in lines)
        self._index: dict[str, list[str]] | None = None

    @classmethod
    def trusted(cls, lines: Iterable[Line]) -> Headers:
        """From lines that were checked already: the parser's, or those of another message."""
        headers = cls.__new__(cls)
        headers.lines = tuple(lines)
        headers._index = None
        return headers

    @property
    def _byName(self) -> dict[str, list[str]]:
        """Canonical name to values; made when first asked for, since what is sent never is."""
        if self._index is not None:
            return self._index
        index: dict[str, list[str]] = {}
        for name, value in self.lines:
            key = canonical(name)
            if key in index:
                index[key].append(value)
            else:
                index[key] = [value]
        self._index = index
        return index

    def get(self, name: str) -> str | None:
        """The value of the first such line, None if there is none."""
        values = self._byName.get(canonical(name))
        return values[0] if values else None

    def getLines(self, name: str) -> list[str]:
        """The value of each such line, as it stands."""
        return list(self._byName.get(canonical(name), ()))

    def getAll(self, name: str) -> list[str]:
        """Each value; comma lists are split where the header may be one (RFC 3261 7.3.1)."""
        key = canonical(name)
        lines = self._byName.get(key)
        if not lines:
            return []
        if key not in LISTS:
            return list(lines)
        return [part for line in lines for part in splitCommas(line, name)]

    def replacing(self, name: str, *values: str) -> Headers:
        """With these values in the place of the first such line (at the end if there is none)."""
        checked = [checkLine(name, value) for value in values]
        key = canonical(name)
        out: list[Line] = []
        placed = False
        for line in self.lines:
            if canonical(line[0]) != key:
                out.append(line)
            elif not placed:
                placed = True
                out += checked
        return Headers.trusted(out if placed else [*out, *checked])

    def without(self, name: str) -> Headers:
        """Without any such line."""
        key = canonical(name)
        if key not in self._byName:
            return self
        return Headers.trusted(line for line in self.lines if canonical(line[0]) != key)

    def adding(self, name: str, value: str) -> Headers:
        """With one more line at the end."""
        return Headers.trusted((*self.lines, checkLine(name, value)))

    def prepending(self, name: str, value: str) -> Headers:
        """With one more line on top."""
        return Headers.trusted((checkLine(name, value), *self.lines))

    def duplicated(self) -> str | None:
        """The name of a header that may stand once and stands twice, None if all is well."""
        index = self._byName
        if len(index) == len(self.lines):
            return None
        for name, _ in self.lines:
            key = canonical(name)
            if key in SINGLE and len(index[key]) > 1:
                return name
        return None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and canonical(name) in self._byName

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.lines == other.lines

    def __hash__(self) -> int:
        return hash(self.lines)

    def __repr__(self) -> str:
        return f"Headers({list(self.lines)!r})"


def checkLine(name: str, value: str) -> Line:
    """A line that an application may send. ValueError names what would break the message."""
    if not isinstance(name, str) or not isHeaderName(name):
        raise ValueError(f"header name {name!r}: wanted a token, such as X-Account")
    return name, checkText(f"header {name}", value)
