"""What a server is told at start: addresses, ports, limits, which application for whom.

Lives here: the values and how they are written on a command line. Not here: the options
themselves (doug.options), what is done with them (doug.application).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from doug.dialplan import parseGateway, parsePattern
from shtoom import codecs
from shtoom.agent.gatekeeper import ALGORITHMS, OFFERED_QOPS, parseAlgorithms, parseQops
from shtoom.agent.sessiontimer import LEAST
from shtoom.exceptions import checkText
from shtoom.sip.hep import parseHEP
from shtoom.sip.scanners import MOST_USERS, SCANNERS
from shtoom.sip.trace import parseSubject

if TYPE_CHECKING:
    from doug.trunks import Network, Trunk
    from doug.voiceapp import VoiceApp
    from shtoom.agent.registrar import Phone

TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")
IDLE = ("sparse", "silence", "none")
ANONYMOUS = ("auto", "app", "reject")
AUTO = "auto"
STUN_PORT = 3478
SIP_PORT = 5060


class Endpoint(NamedTuple):
    """Where SIP is heard. host: an IP address without brackets, "" for all IPv4 addresses."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host or "*"
        return f"{self.transport}:{host}:{self.port}"


class Routed(NamedTuple):
    """The application for calls of a trunk, or to a user, or both; None for any of them."""

    app: type[VoiceApp]
    user: str | None = None
    trunk: str | None = None
    args: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Settings:
    """All of them have a default. ValueError for an address, codec or pattern that is none.

    listen: where SIP is heard. rtpPorts: first and last UDP port for media, the even ones are used.
    advertise: the IP address that phones reach us by, "stun:HOST[:PORT]", "auto" (what a registrar
    sees), None for what the route to each phone says.
    codecs: names as in SDP, in our order of liking; all that are here, the cheapest first.
    idle: what a leg sends that plays nothing: "sparse" (a frame a second), "silence", "none".
    holdMusic: a sound file for a far end that an application puts on hold; "" for Doug's own tune,
    None for nothing.
    infoKeys: are keys sent as SIP INFO, not as tones, to who takes no telephone-events?
    apps: called user -> application, beside the default one. args: attributes of all applications.
    dialOut: patterns of what may be dialled, () for everything; gateway: HOST[:PORT] that tel:
    addresses are dialled at, None for nowhere (see doug.dialplan).

    Limits. maxCalls: None for as many as there are media ports. userCalls: called user -> calls
    to that one at a time. maxEarlyCalls: that are not answered yet, or whose 200 has no ACK.
    maxCallDuration: seconds, 0 for none. maxRecording: seconds of one file, 0 for none.
    rtpTimeout: seconds without a packet that end a call, 0 for none; not on hold. maxLegs: of
    one application that dials. maxQueuedEvents, pendingLimit (seconds): see VoiceApp.
    sessionExpires: seconds after which a call whose far end is gone ends, as it is asked to refresh
    it (RFC 4028), 0 for not asking; minSE: below which nobody may ask.
    drainTimeout: seconds that calls may go on at shutdown. maxTransactions: requests without an
    answer. maxMessage: bytes of a SIP message. maxConnections, maxSourceConnections: that others
    have opened at a time, at each port, and of one source. sourceRate: requests a second of one
    source outside of calls, 0 for no limit. limitLoopback: do limits of a source hold for this
    machine, too?

    TLS. certificate, privateKey: files (PEM); the key is in the certificate's if None. tlsCA: a
    file of those who may sign certificates of others, the system's if None. tlsVerify: are those
    looked at? wsOrigins: the web sites whose pages may connect by WebSocket, () for all.

    Whom we know. trunks, phones: by name; phones are users that may register here. routes: which
    application a call is for, the first that fits, before apps. anonymous, allow, deny: see
    doug.admission. scanners: words in User-Agent of who is not heard; maxGuesses: different users
    as which one source may be refused in a minute, 0 for any number. realm: in which phones have
    their passwords. registrations: the file that phones' bindings are kept in over a restart, None
    for nowhere. digest: the algorithms that phones may answer by, of shtoom.agent.gatekeeper.KNOWN.
    qop: the qualities of protection that they are offered, of shtoom.sip.digest.QOPS.

    Trace. traceSIP: whose SIP messages are written into the log: "all", IP addresses or networks,
    beginnings of Call-IDs. traceFull: whole messages, not a line each? traceNoDigits: are keys in
    INFO masked? hep: HOST[:PORT][,ID[,PASSWORD]] that is shown all messages as HEPv3, or None.

    places: file and line of what a file has said, by option and which of several, for findings.
    """

    listen: tuple[Endpoint, ...] = (Endpoint("udp", "", SIP_PORT),)
    rtpPorts: tuple[int, int] = (10000, 20000)
    advertise: str | None = None
    codecs: tuple[str, ...] = codecs.names()
    idle: str = "sparse"
    holdMusic: str | None = ""
    infoKeys: bool = False
    apps: Mapping[str, type[VoiceApp]] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    dialOut: tuple[str, ...] = ()
    gateway: str | None = None
    maxCalls: int | None = None
    userCalls: Mapping[str, int] = field(default_factory=dict)
    maxEarlyCalls: int = 200
    maxCallDuration: float = 14400.0
    maxRecording: float = 0.0
    rtpTimeout: float = 60.0
    maxLegs: int = 50
    maxQueuedEvents: int = 1000
    pendingLimit: float = 60.0
    drainTimeout: float = 30.0
    sessionExpires: int = 1800
    minSE: int = LEAST
    maxTransactions: int = 10_000
    maxMessage: int = 65536
    maxConnections: int = 2000
    maxSourceConnections: int = 100
    sourceRate: float = 50.0
    limitLoopback: bool = False
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    phones: Mapping[str, Phone] = field(default_factory=dict)
    routes: tuple[Routed, ...] = ()
    certificate: str | None = None
    privateKey: str | None = None
    tlsCA: str | None = None
    tlsVerify: bool = True
    wsOrigins: tuple[str, ...] = ()
    anonymous: str = "auto"
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    realm: str = "doug"
    scanners: tuple[str, ...] = SCANNERS
    maxGuesses: int = MOST_USERS
    digest: tuple[str, ...] = ALGORITHMS
    qop: tuple[str, ...] = OFFERED_QOPS
    registrations: str | None = None
    traceSIP: tuple[str, ...] = ()
    traceFull: bool = False
    traceNoDigits: bool = False
    hep: str | None = field(default=None, repr=False)
    places: Mapping[tuple[str, object], str] = field(
        default_factory=dict, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        """ValueError names the value that could not be sent as it is: to phones, or to DNS."""
        for endpoint in self.listen:
            _check("listen", parseEndpoint, str(endpoint), endpoint)
        if self.advertise is not None:
            isAddress = self.fixedAddress is not None
            _check("advertise", ip_address if isAddress else parseAdvertise, self.advertise)
        for name in self.codecs:
            _check("codecs", parseCodecs, name, (name,))
        if self.idle not in IDLE:
            raise ValueError(f"idle: wanted one of {', '.join(IDLE)}, got {self.idle!r}")
        if self.anonymous not in ANONYMOUS:
            wanted = ", ".join(ANONYMOUS)
            raise ValueError(f"anonymous: wanted one of {wanted}, got {self.anonymous!r}")
        _check("minSE", parseFloor, str(self.minSE), self.minSE)
        if self.gateway is not None:
            _check("gateway", parseGateway, self.gateway)
        for pattern in self.dialOut:
            _check("dialOut", parsePattern, pattern)
        checkText("realm", self.realm)
        for word in self.scanners:
            _check("scanners", parseScanners, word, (word,))
        _check("digest", parseAlgorithms, ",".join(self.digest))
        _check("qop", parseQops, ",".join(self.qop))
        for subject in self.traceSIP:
            _check("traceSIP", parseSubject, subject)
        if self.hep is not None:
            parseHEP(self.hep)  # whose error does not show the password

    @property
    def fixedAddress(self) -> str | None:
        """The address that everybody is told, if it is one."""
        named = self.advertise
        return None if named is None or named == AUTO or stunServer(named) else named

    def said(self, option: str, value: object, which: object = None) -> str:
        """How an option with that value was told: as on a command line, or where in a file."""
        place = self.place(option, which)
        return f"{place}{option}={value}" if place else f"--{option}={value}"

    def place(self, option: str, which: object = None) -> str:
        """ "FILE, line N: " for what a file has said, "" for all else."""
        where = self.places.get((option, which))
        return "" if where is None else f"{where}: "


def _check(name: str, parse: Callable[[str], object], value: str, wanted: object = None) -> None:
    """wanted: what it has to be when it is read, None for anything."""
    try:
        found = parse(value)
    except ValueError as e:
        raise ValueError(f"{name}: {value!r}: {e}") from None
    if wanted is not None and found != wanted:
        raise ValueError(f"{name}: wanted {found!r}, got {wanted!r}")


def parseEndpoint(text: str) -> Endpoint:
    """'udp[:host]:port', an IPv6 host in brackets, '*' for all; ValueError says what is wrong."""
    wanted = "wanted TRANSPORT[:HOST]:PORT, such as udp:127.0.0.1:5060 or tcp:[::1]:5060"
    transport, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if transport.lower() not in TRANSPORTS:
        known = ", ".join(TRANSPORTS)
        raise ValueError(f"{wanted}; transport {transport!r} is none of {known}")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{wanted}; {port!r} is no port")
    if host in ("", "*"):
        return Endpoint(transport.lower(), "", int(port))
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        raise ValueError(f"{wanted}; {host!r} is no IP address") from None
    if bracketed != (address.version == 6):
        raise ValueError(f"{wanted}; brackets belong around an IPv6 address and no other")
    return Endpoint(transport.lower(), str(address), int(port))


def parsePortRange(text: str) -> tuple[int, int]:
    """'FIRST-LAST' with an even port in it; ValueError says what is wrong."""
    first, dash, last = text.partition("-")
    numbers = [int(n) for n in (first, last) if n.isascii() and n.isdigit()]
    if not dash or len(numbers) != 2:
        raise ValueError("wanted FIRST-LAST, such as 10000-20000")
    low, high = numbers
    if not 1024 <= low <= high <= 65535:
        raise ValueError("wanted two ports from 1024 to 65535, the smaller first")
    if low == high and low % 2:
        raise ValueError("there is no even port in it, and media uses even ones")
    return low, high


def parseCodecs(text: str) -> tuple[str, ...]:
    """'NAME,NAME...' in any case; ValueError says what is wrong, and what a codec needs."""
    found: list[str] = []
    for word in text.split(","):
        try:
            name = codecs.find(word.strip()).name
        except LookupError as e:
            raise ValueError(str(e)) from None
        if name in found:
            raise ValueError(f"{name} is there twice")
        found.append(name)
    return tuple(found)


def parseScanners(text: str) -> tuple[str, ...]:
    """'WORD,WORD...', or 'none'; ValueError says what is wrong."""
    words = tuple(word.strip() for word in text.split(","))
    if not all(word and word.isascii() and word.isprintable() for word in words):
        raise ValueError("wanted WORD,WORD..., each of printable ASCII characters, or none")
    return () if words == ("none",) else words


def parseAddress(text: str) -> str:
    """An IP address, brackets allowed; ValueError for anything else, such as a host name."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(
            "wanted an IP address: session descriptions carry no names that every phone looks up"
        ) from None


def parseAdvertise(text: str) -> str:
    """An IP address, 'stun:HOST[:PORT]' or 'auto'; ValueError says what is wrong."""
    if text == AUTO or stunServer(text):
        return text
    if text.startswith("stun:"):
        raise ValueError("wanted stun:HOST[:PORT], such as stun:stun.example.net:3478")
    return parseAddress(text)


def stunServer(advertise: str | None) -> tuple[str, int] | None:
    """Host and port of 'stun:HOST[:PORT]', an IPv6 host in brackets; None for anything else."""
    kind, _, where = (advertise or "").partition(":")
    if kind != "stun":
        return None
    host, port = where, str(STUN_PORT)
    if not where.endswith("]") and ":" in where:
        host, _, port = where.rpartition(":")
    try:
        parseGateway(host)
    except ValueError:
        return None
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        return None
    return host.strip("[]"), int(port)


def parseOrigin(text: str) -> str:
    """'SCHEME://HOST[:PORT]', as browsers name a site; ValueError says what is wrong."""
    scheme, _, host = text.partition("://")
    if not scheme or not host or any(c in host for c in "/?# \r\n\0"):
        raise ValueError("wanted SCHEME://HOST[:PORT], such as https://phone.example.com")
    return text


def parseWord(text: str) -> str:
    """A name of one line; ValueError says what is wrong."""
    if not text or any(c in text for c in "\r\n\0"):
        raise ValueError("wanted a name, without CR, LF or NUL")
    return text


def parseNetwork(text: str) -> Network:
    """An IP network or address; ValueError says what is wrong."""
    try:
        return ip_network(text)
    except ValueError as e:
        raise ValueError(f"wanted a network, such as 203.0.113.0/24; {e}") from None


def parseCount(text: str) -> int:
    """A number of things, 1 or more; ValueError says what is wrong."""
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise ValueError("wanted a number, 1 or more")
    return int(text)


def parseSeconds(text: str) -> float:
    """A time in seconds, 0 or more; ValueError says what is wrong."""
    return _amount(text, "seconds, 0 or more, such as 30")


def parseFloor(text: str) -> int:
    """Whole seconds of a session, as many as RFC 4028 wants at least; ValueError."""
    seconds = parseCount(text)
    if seconds < LEAST:
        raise ValueError(f"wanted {LEAST} seconds or more (RFC 4028 4)")
    return seconds


def parseRate(text: str) -> float:
    """So many a second, 0 or more; ValueError says what is wrong."""
    return _amount(text, "a number a second, 0 or more, such as 50")


def _amount(text: str, wanted: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < inf:
        raise ValueError(f"wanted {wanted}")
    return amount
