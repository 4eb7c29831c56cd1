"""What a start-up check finds: limits and addresses that will hurt later, in words with a remedy.

Lives here: findings about the machine the server runs on. Not here: mistakes in options
(doug.options), what is wrong with one call (doug.verdict).
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path

from doug.settings import AUTO, Settings, stunServer
from shtoom.agent.routing import isInside
from shtoom.media.convert import missing
from shtoom.sip.transport import localAddressFor

BESIDE_CALLS = 100  # descriptors: sockets of SIP, log, prompts, libraries
ANYWHERE = "192.0.2.1"  # RFC 5737: nobody's, so the default route is what leads there
_PROC = Path("/proc/sys/net/ipv4")


def besideCalls(settings: Settings) -> int:
    """Descriptors for all that is no call: connections, and some."""
    ports = sum(endpoint.transport != "udp" for endpoint in settings.listen)
    return BESIDE_CALLS + ports * settings.maxConnections


def neededDescriptors(settings: Settings) -> int:
    """How many files and sockets the server may have open: one a call, and others."""
    first, last = settings.rtpPorts
    ports = last // 2 - (first + 1) // 2 + 1
    calls = ports if settings.maxCalls is None else min(ports, settings.maxCalls)
    return calls + besideCalls(settings)


def raiseDescriptorLimit(needed: int) -> None:
    """Lifts the soft limit of this process as far as it needs and the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def startUpWarnings(settings: Settings) -> list[str]:
    """All that is found on this machine."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = None if soft == resource.RLIM_INFINITY else soft
    return [
        *descriptorWarnings(settings, limit),
        *portWarnings(settings, ephemeralPorts(_PROC), reservedPorts(_PROC)),
        *addressWarnings(settings, localAddressFor),
        *argumentWarnings(settings),
    ]


def startUpNotes() -> list[str]:
    """What is missing on this machine, but only to some."""
    return list(converterNotes(missing("mp3")))


def descriptorWarnings(settings: Settings, limit: int | None) -> Iterator[str]:
    """limit: of open files, None for none."""
    needed, others = neededDescriptors(settings), besideCalls(settings)
    if limit is not None and limit < needed:
        yield (
            f"this process may have {limit} files and sockets open, which is enough for about "
            f"{max(0, limit - others)} calls beside all that else may be open; the media ports "
            f"would carry {needed - others}: raise the limit to {needed} (ulimit -n {needed}, in a "
            f"systemd unit LimitNOFILE={needed}) or set --max-calls"
            + (" and --max-connections" if others > BESIDE_CALLS else "")
        )


def portWarnings(
    settings: Settings, ephemeral: tuple[int, int] | None, reserved: list[tuple[int, int]]
) -> Iterator[str]:
    """ephemeral: the ports that the kernel hands out by itself. reserved: but for these."""
    first, last = settings.rtpPorts
    range_ = settings.said("rtp-ports", f"{first}-{last}")
    for number, endpoint in enumerate(settings.listen):
        if first <= endpoint.port <= last:
            yield (
                f"{settings.said('listen', endpoint, number)} lies within {range_}; media passes "
                "over that port, but keep the two apart"
            )
    if ephemeral is None:
        return
    low, high = max(first, ephemeral[0]), min(last, ephemeral[1])
    if low <= high and not any(start <= low and high <= end for start, end in reserved):
        yield (
            f"{range_} shares {low}-{high} with the ports that the kernel gives "
            "to other programs: choose a range outside of it, or reserve it (sysctl "
            f"net.ipv4.ip_local_reserved_ports={low}-{high})"
        )


def addressWarnings(settings: Settings, localAddress: Callable[[str], str]) -> Iterator[str]:
    """localAddress: tells the address of this machine towards a host, or raises OSError."""
    fixed = settings.fixedAddress
    if fixed is not None and isInside(fixed) and not ip_address(fixed).is_loopback:
        yield (
            f"phones are told that this server is at {fixed} (--advertise), which they cannot "
            "reach from outside its network: if they are to, name its public address"
        )
    if stunServer(settings.advertise) and all(e.transport != "udp" for e in settings.listen):
        yield (
            f"--advertise={settings.advertise} asks from UDP ports, and this server has no UDP "
            "port: phones are told the address on the way to each; name the public one"
        )
    if settings.advertise == AUTO and not any(t.register for t in settings.trunks.values()):
        yield (
            "--advertise=auto takes the address that registrars see, and no trunk registers: "
            "phones are told the address on the way to each; name the public one with "
            "--advertise=ADDRESS, or a STUN server with --advertise=stun:HOST"
        )
    if settings.advertise is not None:
        return
    named: set[str] = set()
    for endpoint in settings.listen:
        if endpoint.host == "::":
            continue  # an IPv6 address is private only if somebody chose so
        host = endpoint.host
        if host in ("", "0.0.0.0"):
            try:
                host = localAddress(ANYWHERE)
            except OSError:
                host = "127.0.0.1"
        elif ip_address(host).is_loopback:
            continue  # asked for in so many words
        if host not in named and not ip_address(host).is_global:
            named.add(host)
            yield (
                f"phones are told that this server is at {host}, which they cannot reach from "
                "outside its network: if they are to, name its public address with --advertise"
            )


def argumentWarnings(settings: Settings) -> Iterator[str]:
    """Arguments become attributes; most applications have a default for each that they know."""
    apps = list(dict.fromkeys(settings.apps.values()))
    for name in settings.args if apps else ():
        yield from _unknown(f"--args={name}=...", name, apps)
    for number, route in enumerate(settings.routes):
        for name in route.args:
            where = settings.place("route's args", number)
            yield from _unknown(f"{where}args", name, [route.app])


def _unknown(where: str, name: str, apps: Sequence[type]) -> Iterator[str]:
    """An argument that none of these applications has an attribute for."""
    if any(_hasAttribute(app, name) for app in apps):
        return
    classes = " and ".join(app.__qualname__ for app in apps)
    close = get_close_matches(name, [word for app in apps for word in dir(app)], 1)
    yield (
        f"{where}: {classes} has no attribute {name!r}"
        + (f", did you mean {close[0]!r}?" if close else "; it is set all the same")
    )


def _hasAttribute(app: type, name: str) -> bool:
    return hasattr(app, name) or any(
        name in vars(kind).get("__annotations__", ()) for kind in app.__mro__
    )


def converterNotes(install: str | None) -> Iterator[str]:
    """install: what is missing for the commonest compressed kinds, None for nothing."""
    if install is not None:
        yield (
            "mp3, ogg, flac and other compressed files cannot be converted here (WAV, AU, raw and "
            f"G.711 need not be): {install}"
        )


def ephemeralPorts(proc: Path) -> tuple[int, int] | None:
    """The kernel's own port range; None where it does not say. proc: /proc/sys/net/ipv4."""
    try:
        low, high = (proc / "ip_local_port_range").read_text().split()
    except (OSError, ValueError):
        return None
    return int(low), int(high)


def reservedPorts(proc: Path) -> list[tuple[int, int]]:
    """Ports that the kernel leaves alone, as ranges. proc: /proc/sys/net/ipv4."""
    try:
        text = (proc / "ip_local_reserved_ports").read_text().strip()
    except OSError:
        return []
    ranges = [part.partition("-") for part in text.split(",") if part]
    return [(int(first), int(last or first)) for first, _, last in ranges]
