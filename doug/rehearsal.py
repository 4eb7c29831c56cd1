"""`--check`: what a server with these settings would do, and what would go wrong, before it does.

Lives here: trying ports, certificates, prompts, routes and trunks one by one, and a line about
each. Not here: reading options and file (doug.options), warnings of every start (doug.checks).
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.error import CannotListenError

from doug.bindings import trouble
from doug.checks import (
    descriptorWarnings,
    neededDescriptors,
    raiseDescriptorLimit,
    startUpNotes,
    startUpWarnings,
)
from doug.legmedia import findFile
from doug.ports import portTrouble
from doug.tls import Certificates, TLSFailed
from shtoom.media.convert import COMPRESSED
from shtoom.media.files import AudioFileError, openReader
from shtoom.sip import websocket

if TYPE_CHECKING:
    from doug.settings import Endpoint, Routed, Settings
    from doug.voiceapp import VoiceApp

__all__ = ["Level", "Line", "lookUp", "rehearse", "report"]

SOUNDS = (".wav", ".au", ".raw", ".sln", ".ul", ".al", *COMPRESSED)
"""Suffixes of arguments that are taken for prompts."""

PATIENCE = 3.0
"""Seconds that all names together may take to be looked up."""

SOON = 14 * 86400
"""Seconds before its end that a certificate is worth a remark."""


class Level(Enum):
    """OK and NOTE do not keep a server from what it is meant to do; WRONG does."""

    OK = "ok"
    NOTE = "note"
    WRONG = "WRONG"


class Line(NamedTuple):
    """One thing that was tried."""

    level: Level
    text: str

    def __str__(self) -> str:
        return f"{self.level.value:6}{self.text}"


LookUp = Callable[[Iterable[str]], Mapping[str, list[str]]]


def report(settings: Settings, write: Callable[[str], Any]) -> int:
    """A line for each thing; returns the exit code: 1 if one of them is wrong."""
    code = 0
    for line in rehearse(settings):
        write(f"{line}\n")
        if line.level is Level.WRONG:
            code = 1
    return code


def lookUp(hosts: Iterable[str]) -> dict[str, list[str]]:
    """The addresses of each name; [] for one that has none, no entry for one without an answer."""
    found: dict[str, list[str]] = {}

    def ask(host: str) -> None:
        try:
            entries = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            found[host] = []
        else:
            found[host] = sorted({str(entry[4][0]) for entry in entries})

    until = time.monotonic() + PATIENCE
    askers = [Thread(target=ask, args=(host,), daemon=True) for host in hosts]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(max(0.0, until - time.monotonic()))
    return dict(found)


def rehearse(
    settings: Settings, lookUp: LookUp = lookUp, now: Callable[[], float] = time.time
) -> Iterator[Line]:
    """All of it. Ports are bound and closed again, nothing is sent but what lookUp asks.

    now: seconds since 1970.
    """
    yield from _ports(settings)
    yield from _certificates(settings, now())
    yield from _applications(settings)
    yield from _prompts(settings)
    yield from _holdMusic(settings)
    yield from _hidden(settings)
    yield from _trunks(settings, lookUp)
    yield from _callers(settings)
    yield from _limits(settings)


def _ports(settings: Settings) -> Iterator[Line]:
    """Each port of SIP, and how many of the media ports are free."""
    with ExitStack() as bound:
        for number, endpoint in enumerate(settings.listen):
            said = settings.said("listen", endpoint, number)
            if endpoint.transport in ("ws", "wss") and (why := websocket.missing()) is not None:
                yield Line(Level.WRONG, f"{said}: {why}")
            kind = socket.SOCK_DGRAM if endpoint.transport == "udp" else socket.SOCK_STREAM
            try:
                bound.enter_context(_bind(kind, endpoint.host, endpoint.port))
            except OSError as e:
                why = portTrouble(CannotListenError(endpoint.host, endpoint.port, e))
                yield Line(Level.WRONG, f"{said}: {why}")
            else:
                yield Line(Level.OK, f"{said}: SIP is heard there")
    first, last = settings.rtpPorts
    ports = range(first + first % 2, last + 1, 2)
    taken = [port for port in ports if not _isFree(settings.listen[0], port)]
    said = settings.said("rtp-ports", f"{first}-{last}")
    text = f"{said}: {len(ports) - len(taken)} calls can have media at a time"
    if len(taken) == len(ports):
        yield Line(Level.WRONG, f"{text}: other programs have all of these ports")
    elif taken:
        yield Line(
            Level.NOTE, f"{text}; other programs have {len(taken)} ports, such as {taken[0]}"
        )
    else:
        yield Line(Level.OK, text)


def _isFree(endpoint: Endpoint, port: int) -> bool:
    try:
        _bind(socket.SOCK_DGRAM, endpoint.host, port).close()
    except OSError:
        return False
    return True


def _bind(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    """As the server will. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        if kind == socket.SOCK_STREAM:
            made.listen(1)  # with SO_REUSEADDR a second one is told only now
    except OSError:
        made.close()
        raise
    return made


def _certificates(settings: Settings, now: float) -> Iterator[Line]:
    """Ours, if there is to be one, and whom we believe."""
    certificates = Certificates(settings)
    secure = any(endpoint.transport in ("tls", "wss") for endpoint in settings.listen)
    if secure or settings.certificate is not None:
        try:
            facts = certificates.facts()
        except TLSFailed as e:
            yield Line(Level.WRONG, str(e))
        else:
            names = ", ".join(facts.names)
            until = datetime.fromtimestamp(facts.until, UTC).date().isoformat()
            text = f"{settings.said('certificate', settings.certificate)}: "
            if facts.until <= now:
                yield Line(Level.WRONG, f"{text}it ended on {until}")
            elif facts.until <= now + SOON:
                yield Line(Level.NOTE, f"{text}it ends soon, on {until}; it is for {names}")
            else:
                yield Line(Level.OK, f"{text}for {names}, until {until}; its key fits")
            if not names:
                yield Line(Level.WRONG, f"{text}there is no name in it (subjectAltName)")
    if settings.tlsCA is not None:
        try:
            certificates.checkTrust()
        except TLSFailed as e:
            yield Line(Level.WRONG, str(e))
        else:
            said = settings.said("tls-ca", settings.tlsCA)
            yield Line(Level.OK, f"{said}: these are believed, and no others")


def _applications(settings: Settings) -> Iterator[Line]:
    """Who has which calls, in the order in which that is decided; they are imported already."""
    for route in settings.routes:
        yield Line(Level.OK, f"{_nameOf(route.app)} has {_callsOf(route)}")
    for user, app in sorted(settings.apps.items(), key=lambda item: item[0] == ""):
        whose = f"calls to {user}" if user else "all other calls"
        yield Line(Level.OK, f"{_nameOf(app)} has {whose}")
    if "" not in settings.apps and not any(_isForAll(route) for route in settings.routes):
        yield Line(Level.NOTE, "all other calls are refused (404): no --app is for them")


def _nameOf(app: type[VoiceApp]) -> str:
    return f"{app.__module__}.{app.__qualname__}"


def _callsOf(route: Routed) -> str:
    to = f" to {route.user}" if route.user is not None else ""
    of = f" of trunk {route.trunk}" if route.trunk is not None else ""
    return f"calls{to}{of}" if to or of else "all calls"


def _isForAll(route: Routed) -> bool:
    return route.user is None and route.trunk is None


def _prompts(settings: Settings) -> Iterator[Line]:
    """Each argument that is the name of a sound file, as each application finds it."""
    for app, name, value, place in _arguments(settings):
        for text in _texts(value):
            if not text.lower().endswith(SOUNDS):
                continue
            said = f"{place}{_nameOf(app)}: {name} = {text}"
            try:
                openReader(findFile(text, app)).close()
            except AudioFileError as error:
                yield Line(Level.WRONG, f"{said}: {error}")
            else:
                yield Line(Level.OK, f"{said}: can be played")


def _arguments(settings: Settings) -> Iterator[tuple[type[VoiceApp], str, Any, str]]:
    """Each application, once, with each argument that it is given, and where that stands; --args
    are for all of them.
    """
    for app in dict.fromkeys([*settings.apps.values(), *(r.app for r in settings.routes)]):
        for name, value in settings.args.items():
            yield app, name, value, settings.place("args", name)
    for number, route in enumerate(settings.routes):
        for name, value in route.args.items():
            yield route.app, name, value, settings.place("route's args", number)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value as TOML has them: playlists may be nested."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _holdMusic(settings: Settings) -> Iterator[Line]:
    """The file for those on hold, as a leg opens it."""
    if settings.holdMusic:
        said = settings.said("hold-music", settings.holdMusic)
        try:
            openReader(settings.holdMusic).close()
        except AudioFileError as error:
            yield Line(Level.WRONG, f"{said}: {error}")
        else:
            yield Line(Level.OK, f"{said}: can be played")


def _hidden(settings: Settings) -> Iterator[Line]:
    """What no call ever comes to, because something before it takes them all."""
    for number, route in enumerate(settings.routes):
        before = next((r for r in settings.routes[:number] if _covers(r, route)), None)
        if before is not None:
            yield Line(
                Level.WRONG,
                f"{settings.place('route', number)}the route of {_callsOf(route)} to "
                f"{_nameOf(route.app)} is never reached: that of "
                f"{_callsOf(before)} stands before it",
            )
    for user, app in settings.apps.items():
        before = next(
            (r for r in settings.routes if r.trunk is None and r.user in (None, user)), None
        )
        if before is not None and (user or before.user is None):
            whose = f"calls to {user}" if user else "all other calls"
            yield Line(
                Level.WRONG,
                f"{settings.place('app', user)}{_nameOf(app)} for {whose} is never reached: the "
                f"route of {_callsOf(before)} "
                "stands before it",
            )


def _covers(before: Routed, route: Routed) -> bool:
    return before.user in (None, route.user) and before.trunk in (None, route.trunk)


def _trunks(settings: Settings, lookUp: LookUp) -> Iterator[Line]:
    """Where each is, and whether a port of ours leads there."""
    trunks = settings.trunks.values()
    heard = {endpoint.transport for endpoint in settings.listen}
    found = lookUp({trunk.host for trunk in trunks if not _isAddress(trunk.host)})
    for trunk in trunks:
        does = f"registers as {trunk.address}" if trunk.register else "does not register"
        place = settings.place("trunk", trunk.name)
        if trunk.transport not in heard:
            byDNS = trunk.transport == "udp" and trunk.port is None and not _isAddress(trunk.host)
            yield Line(
                Level.NOTE if byDNS else Level.WRONG,
                f"{place}{trunk}: no {trunk.transport} port leads there (--listen)"
                + ("; DNS may name another transport" if byDNS else ""),
            )
        addresses = [trunk.host] if _isAddress(trunk.host) else found.get(trunk.host)
        if addresses:
            yield Line(Level.OK, f"{place}{trunk} {does}; it is at {', '.join(addresses)}")
        else:
            why = "has no address" if addresses is not None else "was not answered in time"
            yield Line(
                Level.NOTE,
                f"{place}{trunk} {does}; a look-up of {trunk.host} {why} (a running server asks "
                "for NAPTR and SRV, too)",
            )


def _isAddress(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _callers(settings: Settings) -> Iterator[Line]:
    """Who may call, and what may be dialled."""
    known = [f"{len(settings.trunks)} trunks"] if settings.trunks else []
    known += [f"{len(settings.phones)} phones"] if settings.phones else []
    open_ = settings.anonymous == "app" or (settings.anonymous == "auto" and not known)
    if open_:
        yield Line(Level.OK, "anybody may call")
    elif known:
        yield Line(Level.OK, f"calls are taken of {' and '.join(known)}, and of nobody else")
    else:
        yield Line(
            Level.WRONG,
            f"{settings.said('anonymous', 'reject')}: there is no trunk and no phone to call, "
            "either",
        )
    if not settings.dialOut:
        yield Line(Level.OK, "applications may dial anything (--dial-out says otherwise)")
    else:
        yield Line(Level.OK, f"applications may dial {', '.join(settings.dialOut)}")
    if settings.registrations is not None:
        path = Path(settings.registrations).absolute()
        said, why = settings.said("registrations", path), trouble(path)
        if why is None:
            yield Line(Level.OK, f"{said}: registrations are kept there")
        else:
            yield Line(Level.WRONG, f"{said}: registrations cannot be kept there: {why}")


def _limits(settings: Settings) -> Iterator[Line]:
    """Descriptors, and all that a start warns of."""
    needed = neededDescriptors(settings)
    raiseDescriptorLimit(needed)  # as the server does, before it looks
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = None if soft == resource.RLIM_INFINITY else soft
    if not list(descriptorWarnings(settings, limit)):
        yield Line(Level.OK, f"{needed} files and sockets may be open, which is enough")
    for text in (*startUpWarnings(settings), *startUpNotes()):
        yield Line(Level.NOTE, text)
