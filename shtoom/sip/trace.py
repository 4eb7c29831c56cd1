"""What is said on the network, message by message, for a log and for those who watch (hep.py).

Lives here: which messages are shown (subjects), how one is written in a log, what is masked in it.
Not here: where messages pass (transactions.py for those sent, the transports for those received),
who switches it on (doug.tracing).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple, Protocol

from twisted.logger import Logger

from shtoom.exceptions import checkText
from shtoom.sip.parser import isKeepAlive
from shtoom.sip.shown import LONGEST, shown
from shtoom.sip.uri import hostPort

if TYPE_CHECKING:
    from shtoom.sip.transport import Peer

__all__ = ["Messages", "Subject", "Trace", "Traced", "masked", "parseSubject"]

MOST = 200
"""Messages a second that are written; the others are counted: no flood fills the disk."""

MOST_LINES = 400
"""Lines of one message that are written, where whole ones are."""

LONGEST_LINE = 8192

ALL = "all"


class Subject(NamedTuple):
    """Whose messages are shown: those of a network, or those whose Call-ID begins so; else all."""

    network: IPv4Network | IPv6Network | None = None
    callID: str = ""

    def covers(self, host: str, callID: str) -> bool:
        """Is a message with that peer one of them?"""
        if self.network is not None:
            return ip_address(host.partition("%")[0]) in self.network
        return callID.startswith(self.callID)


def parseSubject(text: str) -> Subject:
    """ "all", an IP address or network, or else how a Call-ID begins; ValueError for none."""
    checkText("subject", text)
    if not text or any(c.isspace() for c in text):
        raise ValueError("wanted all, an IP address or network, or the beginning of a Call-ID")
    if text == ALL:
        return Subject()
    try:
        return Subject(ip_network(text.strip("[]"), strict=False))
    except ValueError:
        return Subject(callID=text)


class Traced(NamedTuple):
    """One message. data: as it was on the wire, secrets masked. when: seconds since 1970."""

    data: bytes
    peer: Peer
    isSent: bool
    when: float
    callID: str


class Messages(Protocol):
    """Who is shown messages, whatever the subjects are."""

    def told(self, message: Traced) -> None:
        """One more. Raises nothing."""


class Trace:
    """Shows messages that pass. A layer's `trace` is this as long as isOn, else None.

    wallTime: seconds since 1970. full: whole messages, not one line each? maskKeys: are digits in
    the bodies of INFO masked? watcher: is told of all messages, besides. counts: shown, and unsaid
    (more than MOST in a second).
    """

    log = Logger()

    def __init__(
        self,
        wallTime: Callable[[], float],
        *,
        full: bool = False,
        maskKeys: bool = False,
        watcher: Messages | None = None,
    ) -> None:
        self._wallTime, self._watcher = wallTime, watcher
        self.full, self.maskKeys = full, maskKeys
        self.subjects: set[Subject] = set()
        self.shown = self.unsaid = 0
        self._second, self._inSecond, self._untold = 0, 0, 0

    @property
    def isOn(self) -> bool:
        """Is anybody to be told of anything?"""
        return bool(self.subjects) or self._watcher is not None

    def received(self, data: bytes, peer: Peer) -> None:
        """A message, or what is none, as it came from there."""
        self._passed(data, peer, False)

    def sent(self, data: bytes, peer: Peer) -> None:
        """A message as it goes there."""
        self._passed(data, peer, True)

    def _passed(self, data: bytes, peer: Peer, isSent: bool) -> None:
        if isKeepAlive(data):
            return
        callID = _callID(data)
        host = peer.address[0]
        wanted = any(subject.covers(host, callID) for subject in self.subjects)
        if not wanted and self._watcher is None:
            return
        now = self._wallTime()
        traced = Traced(masked(data, self.maskKeys), peer, isSent, now, callID)
        if self._watcher is not None:
            self._watcher.told(traced)
        if wanted and self._mayWrite(now):
            self.shown += 1
            self.log.info("{text}", text=fullForm(traced) if self.full else oneLine(traced))

    def _mayWrite(self, now: float) -> bool:
        if int(now) != self._second:
            if self._untold:
                self.log.info(
                    "{count} more messages passed in one second, not written", count=self._untold
                )
            self._second, self._inSecond, self._untold = int(now), 0, 0
        self._inSecond += 1
        if self._inSecond > MOST:
            self._untold += 1
            self.unsaid += 1
            return False
        return True


# --- how a message is written -------------------------------------------------------------------


def oneLine(message: Traced) -> str:
    """Time (UTC), direction, transport, peer, start line, Call-ID, size; on one line."""
    when = datetime.fromtimestamp(message.when, UTC).isoformat(timespec="milliseconds")
    transport, address = message.peer
    start = message.data.lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r")
    return (
        f"{when.removesuffix('+00:00')}Z {transport.name} {'to' if message.isSent else 'from'} "
        f"{hostPort(*address)}: {shown(_text(start))} (Call-ID {shown(message.callID) or 'none'}, "
        f"{len(message.data)} bytes)"
    )


def fullForm(message: Traced) -> str:
    """As one line, and all lines of the message, each after "| " so that none can be another."""
    lines = message.data.split(b"\n", MOST_LINES)
    more = len(lines) > MOST_LINES
    written = [shown(_text(line.removesuffix(b"\r")), LONGEST_LINE) for line in lines[:MOST_LINES]]
    if more:
        written.append("... and more")
    return "\n    | ".join((oneLine(message), *written))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def _callID(data: bytes) -> str:
    """Of a message, or of what is like one; "" if it has none. No longer than a log line's text."""
    found = _CALL_ID.search(data, 0, _headEnd(data))
    return _text(found[1].strip())[: 4 * LONGEST] if found is not None else ""


def _headEnd(data: bytes) -> int:
    """Where the headers end: at the empty line, or at the end of it all."""
    ends = [at for at in (data.find(b"\r\n\r\n"), data.find(b"\n\n")) if at >= 0]
    return min(ends, default=len(data))


# --- what is masked -----------------------------------------------------------------------------

_STARS = b"***"
_CREDENTIALS = re.compile(
    rb"^((?:proxy-)?authorization[ \t]*:\s*)([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_DIGEST_SECRETS = re.compile(
    rb"""(\b(?:response|rspauth)\s*=\s*)(?:"[^"\r\n]*"?|[^\s,"]+)""", re.IGNORECASE
)
# It takes what is no password, too, so that nothing is looked at twice.
_PASSWORD = re.compile(rb"(sips?:[^\s:@<>\"]*:)([^\s@<>\"]*)(@?)", re.IGNORECASE)
_MEDIA_KEYS = re.compile(rb"(inline:|a=ice-pwd:)([^\s|]+)", re.IGNORECASE)
_KEY_BODY = re.compile(
    rb"^(?:content-type|c)[ \t]*:[ \t]*application/(?:dtmf|vnd\.nortelnetworks\.digits)",
    re.IGNORECASE | re.MULTILINE,
)
_KEY_LINE = re.compile(
    rb"^([ \t]*(?:signal|d)[ \t]*=[ \t]*)?([0-9A-D*#]+)(?=[ \t]*\r?$)", re.I | re.M
)


def masked(data: bytes, maskKeys: bool = False) -> bytes:
    """Without the secrets: who reads a log or a capture can neither log in with it nor listen.

    Masked are digest responses, other credentials as a whole, passwords in URIs, keys of media; and
    keys that were pressed (INFO), if maskKeys. What stands in the body keeps its length.
    """
    end = _headEnd(data)
    head, body = data[:end], data[end:]
    head = _CREDENTIALS.sub(_credentials, head)
    head = _DIGEST_SECRETS.sub(rb'\1"***"', head)
    head = _PASSWORD.sub(lambda m: m[1] + b"***@" if m[3] else m[0], head)
    body = _MEDIA_KEYS.sub(lambda m: m[1] + b"*" * len(m[2]), body)
    if maskKeys and _KEY_BODY.search(head):
        body = _KEY_LINE.sub(lambda m: (m[1] or b"") + b"*" * len(m[2]), body)
    return head + body


def _credentials(found: re.Match[bytes]) -> bytes:
    """Digest credentials keep all but their response; of others nothing but the scheme is left."""
    scheme = found[2].split(None, 1)[:1]
    if scheme and scheme[0].lower() == b"digest":
        return found[0]
    return found[1] + b" ".join((*scheme, _STARS))
