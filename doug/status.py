"""How a server stands: one picture of all that it counts.

Lives here: Status and its parts, and taking it from a server that runs. Not here: who counts
(shtoom.sip, shtoom.agent, doug.trunking), what was wrong with one call (doug.verdict).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from shtoom.agent.registration import RegistrationState
from shtoom.sip.stream import StreamTransport

if TYPE_CHECKING:
    from doug.exchange import Exchange
    from doug.livetrunk import LiveTrunk
    from shtoom.agent.registration import Registration

__all__ = ["PortStatus", "RegistrationStatus", "Status", "TrunkStatus", "statusOf"]


class RegistrationStatus(NamedTuple):
    """One registration of ours. Times are seconds since 1970.

    state: "registered", "failed", "trying" and others of RegistrationState. since: when it came to
    that. until: when it runs out, None if it is not in force. sent: REGISTERs so far. failures: in
    a row. reason: why the last try failed, "" if it did not.
    """

    state: str
    since: float
    until: float | None
    sent: int
    failures: int
    reason: str


class TrunkStatus(NamedTuple):
    """calls: that are up or on their way. isUp: does it answer pings? None: it is not asked, or has
    not answered yet. registration: None if it does not register.
    """

    calls: int
    isUp: bool | None
    registration: RegistrationStatus | None


class PortStatus(NamedTuple):
    """One port of SIP. connections: that are open, or being made. counts: what came and went, see
    UDPTransport and StreamTransport of shtoom.sip; limited is what the gate held up, scanner what
    scanners sent.
    """

    endpoint: str
    connections: int
    counts: Mapping[str, int]


class Status(NamedTuple):
    """All of it, at one moment. Counts are from the start on.

    time: seconds since 1970. applications: that run. calls: that are not over; early: those of them
    that have no answer, or whose answer has no ACK. sessions: media. draining: is it to stop?
    overloaded: is the reactor too late for new calls? skippedFrames: of sound, left out for that.
    leaks: things that outlived their call. trunks: by name. phones: user -> devices that are
    registered here. ports: in the order of --listen. scanners: messages of known scanners (named)
    and of who tried many users (barred). refusals: calls, and REGISTERs of networks that are not
    allowed, by the rule as the log has it, or by SIP code where none is named. messages: what was
    odd about them, see TransactionLayer.
    """

    time: float
    applications: int
    calls: int
    early: int
    sessions: int
    draining: bool
    overloaded: bool
    skippedFrames: int
    leaks: int
    trunks: Mapping[str, TrunkStatus]
    phones: Mapping[str, int]
    ports: tuple[PortStatus, ...]
    scanners: Mapping[str, int]
    refusals: Mapping[str, int]
    messages: Mapping[str, int]

    def asDict(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers throughout, as JSON has them."""
        found: dict[str, Any] = _plain(self)
        return found


def statusOf(exchange: Exchange, applications: int, leaks: int, now: float) -> Status:
    """now: seconds since 1970."""
    agent, relations = exchange.agent, exchange.relations
    registrar = relations.registrar

    def wall(seconds: float) -> float:
        offset: float = now - exchange.reactor.seconds()
        return seconds + offset

    return Status(
        time=now,
        applications=applications,
        calls=len(agent.calls),
        early=len(agent.early),
        sessions=len(exchange.media.sessions),
        draining=agent.policy.draining,
        overloaded=exchange.isOverloaded,
        skippedFrames=exchange.media.skippedFrames,
        leaks=leaks,
        trunks={name: _trunk(live, wall, now) for name, live in relations.trunking.trunks.items()},
        phones={} if registrar is None else registrar.registered(),
        ports=tuple(
            PortStatus(
                str(endpoint),
                len(transport) if isinstance(transport, StreamTransport) else 0,
                dict(transport.counts),
            )
            for endpoint, transport in exchange.heard
        ),
        scanners=dict(exchange.scanners.counts),
        refusals=dict(agent.refusals + relations.refusals),
        messages=dict(agent.layer.counts),
    )


def _trunk(live: LiveTrunk, wall: Callable[[float], float], now: float) -> TrunkStatus:
    of = live.registration
    return TrunkStatus(live.calls, live.isUp, None if of is None else _registration(of, wall, now))


def _registration(
    of: Registration, wall: Callable[[float], float], now: float
) -> RegistrationStatus:
    until = wall(of.until)
    return RegistrationStatus(
        state=of.state.value,
        since=wall(of.since),
        until=until if until > now and of.state is not RegistrationState.ENDED else None,
        sent=of.sent,
        failures=of.failures,
        reason=of.reason,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
