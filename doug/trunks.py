"""Trunks: providers and PBXs that a server has an agreement with.

Lives here: the values, what they may hold, and how --register writes one. Not here: the file that
they are read from (doug.config), registering at a trunk (shtoom.agent.registration), which trunk a
call is from (doug.trunking), phones that register here (shtoom.agent.registrar).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network

from shtoom.exceptions import MalformedMessage, checkText
from shtoom.sip.uri import URI, hostPort, isHostName, isIPv6, parseURI

__all__ = ["Network", "Trunk", "parseRegister"]

Network = IPv4Network | IPv6Network

TRANSPORTS = ("udp", "tcp", "tls")
IDENTITIES = ("from", "p-asserted-identity", "remote-party-id")
INBOUND = ("address", "password")
TRANSFERS = ("app", "refuse", "follow")


@dataclass(frozen=True)
class Trunk:
    """One provider, or one account at a PBX. name: in routes, log lines and placeCall's trunk=.

    host, port, transport: where requests go; port None: what DNS says, or the transport's own.
    user, password: for digest; authUser: where that name is another one than the user. realm: the
    only one that is answered, None for that of the first challenge. register: do we register there?
    expires: seconds that a registration is asked for. networks: addresses that calls of this trunk
    come from, beside those of host; trusted without a password. codecs: names, None for the
    server's. identity: the header that names the caller to the trunk, and by which it does to us.
    qualify: seconds between two OPTIONS pings, None for none. maxCalls: at a time, maxRate: new
    ones a second, both ways together; None: no limit. inbound: how its calls are told: "address",
    or "password": user and password, asked of whoever calls as that user, wherever from.
    transfers: who decides on a REFER in its calls: "app", "refuse": nobody may, "follow": its own
    addresses are called.
    """

    name: str
    host: str
    port: int | None = None
    transport: str = "udp"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authUser: str | None = None
    realm: str | None = None
    register: bool = False
    expires: int = 600
    networks: tuple[Network, ...] = ()
    codecs: tuple[str, ...] | None = None
    identity: str = "from"
    qualify: float | None = None
    maxCalls: int | None = None
    maxRate: float | None = None
    inbound: str = "address"
    transfers: str = "app"

    def __post_init__(self) -> None:
        """ValueError names the value that could not be sent as it is; passwords are not shown."""
        if not self.name or not self.name.isprintable():
            raise ValueError(f"name: wanted printable characters, got {self.name!r}")
        if not isHostName(self.host) and not isIPv6(self.host):
            raise ValueError(f"host: wanted a host name or an IP address, got {self.host!r}")
        if self.transport not in TRANSPORTS:
            wanted = ", ".join(TRANSPORTS)
            raise ValueError(f"transport: wanted one of {wanted}, got {self.transport!r}")
        if self.inbound not in INBOUND:
            raise ValueError(f"inbound: wanted one of {', '.join(INBOUND)}, got {self.inbound!r}")
        if self.transfers not in TRANSFERS:
            wanted = ", ".join(TRANSFERS)
            raise ValueError(f"transfers: wanted one of {wanted}, got {self.transfers!r}")
        if self.inbound == "password" and self.credentials is None:
            raise ValueError("inbound: wanted user and password, too: what is asked for?")
        for what in ("user", "authUser", "realm"):
            value = getattr(self, what)
            if value is not None:
                checkText(what, value)
        if self.password is not None and any(c in self.password for c in "\r\n\0"):
            raise ValueError("password: no CR, LF or NUL allowed")

    @property
    def uri(self) -> URI:
        """The trunk itself: the registrar, or where OPTIONS go."""
        params = () if self.transport == "udp" else (("transport", self.transport),)
        return URI("sip", None, None, self.host, self.port, params)

    @property
    def usualPort(self) -> int:
        """Where its requests go unless something else is said."""
        return self.port or (5061 if self.transport == "tls" else 5060)

    def leads(self, uri: URI) -> bool:
        """Does a call to `uri` go by it? To its host and port; of a TLS trunk, over TLS alone."""
        return (
            uri.host.lower() == self.host.lower()
            and uri.port in (None, self.usualPort)
            and uri.param("maddr") is None  # that is where it would go
            and not (self.transport == "tls" and uri.transport not in (None, "tls"))
        )

    def dialled(self, uri: URI) -> URI:
        """That address as it is called: by the transport and to the port of the trunk."""
        params = uri.params
        if uri.transport is None and self.transport != "udp":
            params = (*params, ("transport", self.transport))
        return replace(uri, port=uri.port or self.port, params=params)

    @property
    def address(self) -> URI:
        """Our address of record there: USER@HOST."""
        return URI("sip", self.user, None, self.host, self.port)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password as digest wants them, None if there is no password."""
        user = self.authUser or self.user
        return None if user is None or self.password is None else (user, self.password)

    def __str__(self) -> str:
        return f"trunk {self.name} ({hostPort(self.host, self.port)})"


def parseRegister(text: str) -> Trunk:
    """'sip:USER:PASSWORD@HOST[:PORT][;transport=T]' as a trunk that has its host's name.

    USER and PASSWORD as in a URI: %40 for @, %3A for :. ValueError says what is wrong, and does not
    name the password.
    """
    wanted = "wanted sip:USER:PASSWORD@HOST[:PORT][;transport=udp]"
    try:
        uri = parseURI(text.strip())
    except MalformedMessage:
        raise ValueError(f"{wanted}; write @ as %40 and : as %3A in a password") from None
    if uri.scheme != "sip" or not uri.user or uri.password is None or uri.headers:
        raise ValueError(wanted)
    if any(c in uri.user + uri.password for c in "\r\n\0"):
        raise ValueError(f"{wanted}, without CR, LF or NUL")
    unknown = [name for name, _ in uri.params if name.lower() != "transport"]
    if unknown:
        raise ValueError(f"{wanted}; the parameter {unknown[0]!r} says nothing here")
    transport = (uri.transport or "udp").lower()
    if transport not in TRANSPORTS:
        raise ValueError(f"{wanted}; the transport is one of {', '.join(TRANSPORTS)}")
    return Trunk(
        name=uri.host,
        host=uri.host,
        port=uri.port,
        transport=transport,
        user=uri.user,
        password=uri.password,
        register=True,
    )
