"""What may be dialled, and where telephone numbers go.

Lives here: patterns of --dial-out, the gateway for tel: addresses, what an application may wish
of one call. Not here: how a call is placed (doug.legcall, shtoom.agent), options (doug.options).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shtoom.agent.fork import Flow
from shtoom.exceptions import CallFailed, InvalidSIPURL, MalformedMessage
from shtoom.sip.shown import shown
from shtoom.sip.uri import URI, parseURI

__all__ = ["DialPlan", "DialWishes", "parseGateway", "parsePattern"]

_PATTERN = re.compile(r"(?:[^@:\s<>]*@)?(?:\[[0-9A-Fa-f:.*]+\]|[A-Za-z0-9.*_-]+)\Z")


@dataclass(frozen=True)
class DialWishes:
    """How an application wants a call to be placed; see VoiceApp.placeCall.

    trunk: the name of the one that it goes by; None: that of the address, if there is one.
    realm: the only one in which auth is told, None for that of the first challenge.
    flows: the devices of a phone that is registered here; () for any other address.
    """

    fromURI: str | None = None
    timeout: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    earlyMedia: bool = False
    trunk: str | None = None
    realm: str | None = None
    flows: tuple[Flow, ...] = ()


class DialPlan:
    """The rules of one server for calls that go out.

    allowed: patterns, see parsePattern; () allows all. gateway: HOST[:PORT] for tel: addresses,
    None for none.
    """

    def __init__(self, allowed: Sequence[str] = (), gateway: str | None = None) -> None:
        self._allowed = tuple(allowed)
        self._rules = [_compiled(pattern) for pattern in allowed]
        self._gateway = gateway

    def address(self, toURI: str) -> str:
        """What to dial: toURI itself, or for a tel: address its number at the gateway.

        Raises InvalidSIPURL for a tel: address without a gateway, or one that cannot be read.
        """
        if toURI.strip()[:4].lower() != "tel:":
            return toURI
        try:
            tel = parseURI(toURI.strip())
        except MalformedMessage as error:
            raise InvalidSIPURL(f"{toURI!r} is no address to dial: {error}") from None
        if self._gateway is None:
            raise InvalidSIPURL(
                f"{shown(tel)}: telephone numbers need a gateway to dial them: "
                "--gateway=HOST[:PORT], or dial sip:NUMBER@HOST"
            )
        at = parseURI(f"sip:{self._gateway}")
        number = str(tel).partition(":")[2]  # with its parameters (RFC 3261 19.1.6)
        return str(URI("sip", number, None, at.host, at.port, (("user", "phone"),)))

    def mayDial(self, uri: URI) -> CallFailed | None:
        """Why that URI may not be dialled; None: it may."""
        hosts = [uri.host] if uri.param("maddr") is None else [uri.host, uri.param("maddr") or ""]
        user = uri.user or ""
        if not self._rules or all(
            any(users.match(user) and there.match(host.lower()) for users, there in self._rules)
            for host in hosts
        ):
            return None
        allowed = ", ".join(self._allowed)
        return CallFailed(
            f"{shown(uri)} may not be dialled: none of --dial-out={allowed} matches it", 403
        )


def parsePattern(text: str) -> str:
    """[USER@]HOST with * for any characters; HOST alone stands for all its users.

    ValueError says what is wrong.
    """
    if not _PATTERN.match(text):
        raise ValueError(
            "wanted [USER@]HOST, * for any characters, such as *.example.com or +49*@192.0.2.7"
        )
    return text


def parseGateway(text: str) -> str:
    """HOST[:PORT], an IPv6 address in brackets; ValueError says what is wrong."""
    try:
        uri = parseURI(f"sip:{text}")
    except MalformedMessage:
        uri = None
    if uri is None or uri.user is not None or uri.params or uri.headers:
        raise ValueError("wanted HOST[:PORT], such as 192.0.2.7 or gw.example.com:5070")
    return text


def _compiled(pattern: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What users and what hosts: a user may have an @ in it, which is the end of none."""
    user, _, host = pattern.rpartition("@")
    return _wild(user or "*"), _wild(host.strip("[]").lower())


def _wild(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")) + r"\Z", re.DOTALL)
