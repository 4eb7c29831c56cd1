"""The trunks of a server while it runs: begun, ended, changed, told apart.

Lives here: which trunk a call is from, or goes to, and what a new configuration means for them.
Not here: one of them (doug.livetrunk), trunks as values (doug.trunks), who else may call
(doug.admission).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredList

from doug.livetrunk import LiveTrunk
from shtoom.exceptions import CallFailed, MalformedMessage
from shtoom.sip.fields import parseNameAddress
from shtoom.sip.shown import shown
from shtoom.sip.uri import URI, parseURI

if TYPE_CHECKING:
    from doug.trunks import Trunk
    from shtoom.agent.agent import UserAgent
    from shtoom.sip.message import Request
    from shtoom.sip.transport import Peer

__all__ = ["Trunking"]

LEAVING = 5.0
"""Seconds that a trunk which is configured no more has to unregister."""


class Trunking:
    """All trunks of a server. onChange: told of the one whose state has changed."""

    def __init__(
        self,
        agent: UserAgent,
        trunks: Iterable[Trunk],
        onChange: Callable[[LiveTrunk], None] = lambda trunk: None,
    ) -> None:
        self._agent, self._onChange = agent, onChange
        self.trunks = {trunk.name: LiveTrunk(agent, trunk, onChange) for trunk in trunks}
        self._leaving: dict[LiveTrunk, Deferred[None]] = {}

    def start(self) -> None:
        """All begin."""
        for trunk in self.trunks.values():
            trunk.start()

    def reload(self, trunks: Iterable[Trunk]) -> None:
        """These and no others from now on: new ones begin, those that are gone unregister.

        One that registers otherwise than before does so once it has unregistered.
        """
        before, self.trunks = self.trunks, {}
        for trunk in trunks:
            old = before.pop(trunk.name, None)
            if old is not None and old.change(trunk):
                self.trunks[trunk.name] = old
                continue
            new = self.trunks[trunk.name] = LiveTrunk(self._agent, trunk, self._onChange)
            if old is None:
                new.start()
            else:
                new.succeed(old)
                self._leave(old, new.start)
        for old in before.values():
            self._leave(old, lambda: None)

    def _leave(self, trunk: LiveTrunk, then: Callable[[], None]) -> None:
        late = self._agent.reactor.callLater(LEAVING, trunk.abandon)

        def gone(_: object) -> None:
            self._leaving.pop(trunk, None)
            if late.active():
                late.cancel()
            then()

        left: Deferred[None] = Deferred()
        self._leaving[trunk] = left
        trunk.stop().addCallback(gone).chainDeferred(left)

    async def stop(self, limit: float) -> None:
        """All unregister, within `limit` seconds or not at all."""
        ending = [trunk.stop() for trunk in self.trunks.values()]
        left = DeferredList([*ending, *self._leaving.values()])
        late = self._agent.reactor.callLater(limit, self._abandon)
        await left
        if late.active():
            late.cancel()

    def _abandon(self) -> None:
        for trunk in (*self.trunks.values(), *self._leaving):
            trunk.abandon()

    def to(self, uri: URI, caller: str | None = None) -> LiveTrunk | None:
        """The trunk that a call to `uri` goes by: one of its host and port.

        caller: who calls, as an application says it. Of several accounts there it is that of the
        caller, else the first of the port that the address names or means.
        """
        leading = [trunk for trunk in self.trunks.values() if trunk.trunk.leads(uri)]
        user = None if caller is None else _userOf(caller)
        leading.sort(
            key=lambda live: (
                user is None or live.trunk.user != user,
                uri.port is None and live.trunk.usualPort not in (5060, 5061),
            )
        )
        return leading[0] if leading else None

    def toAddress(self, address: str, caller: str | None = None) -> LiveTrunk | None:
        """As to(); an address that cannot be read goes by none."""
        try:
            return self.to(parseURI(address.strip()), caller)
        except MalformedMessage:
            return None

    def named(self, name: str) -> LiveTrunk:
        """The trunk of that name. Raises CallFailed."""
        trunk = self.trunks.get(name)
        if trunk is None:
            known = ", ".join(self.trunks) or "there is none"
            raise CallFailed(f"no trunk is named {shown(name)}: {known}", 404)
        return trunk

    def sends(self, host: str) -> bool:
        """Do requests of any trunk come from that IP address?"""
        return any(trunk.sends(host) for trunk in self.trunks.values())

    def of(self, request: Request, peer: Peer) -> LiveTrunk | None:
        """The trunk that a request from there is of; of several, the one whose user it is for.

        None for one whose calls need a password (see ofUser).
        """
        host = peer.address[0]
        sending = [
            trunk
            for trunk in self.trunks.values()
            if trunk.trunk.inbound == "address" and trunk.sends(host)
        ]
        users = (request.uri.user, request.toAddress.uri.user)
        for trunk in sending:
            if trunk.trunk.user is not None and trunk.trunk.user in users:
                return trunk
        return sending[0] if sending else None

    def ofUser(self, user: str) -> LiveTrunk | None:
        """The trunk whose calls are told by a password, and by that user name."""
        for trunk in self.trunks.values():
            credentials = trunk.trunk.credentials
            if trunk.trunk.inbound == "password" and credentials is not None:
                if credentials[0] == user:
                    return trunk
        return None

    @property
    def hasPasswords(self) -> bool:
        """Are there trunks whose calls are told by a password?"""
        return any(trunk.trunk.inbound == "password" for trunk in self.trunks.values())


def _userOf(caller: str) -> str | None:
    """The user of 'URI' or '"Name" <URI>'; None for what is neither."""
    try:
        return (parseNameAddress(caller).uri if "<" in caller else parseURI(caller.strip())).user
    except MalformedMessage:
        return None
