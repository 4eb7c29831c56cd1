"""What a leg needs of the server that it belongs to.

Lives here: the two interfaces. Not here: who has them (doug.application, doug.exchange).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IReactorTime

if TYPE_CHECKING:
    from doug.leaks import Leaks
    from doug.settings import Settings
    from shtoom.media.clock import MediaClock
    from shtoom.media.disk import Disk
    from shtoom.media.inband import Inband
    from shtoom.media.prompts import PromptCache
    from shtoom.sdp.offeranswer import Capabilities
    from shtoom.sip.transport import Peer

__all__ = ["ILegApplication", "ILegExchange"]


class ILegExchange(Protocol):
    """What all calls of a server share, as far as a leg needs it."""

    @property
    def prompts(self) -> PromptCache: ...
    @property
    def media(self) -> MediaClock: ...
    @property
    def disk(self) -> Disk: ...
    @property
    def inband(self) -> Inband: ...
    @property
    def settings(self) -> Settings: ...

    def capabilities(self, peer: Peer, port: int) -> Capabilities:
        """What a new call with that peer may agree on. port: of its media session."""


class ILegApplication(Protocol):
    """What a leg needs of the server."""

    @property
    def reactor(self) -> IReactorTime: ...
    @property
    def rng(self) -> Random: ...
    @property
    def leaks(self) -> Leaks: ...
    @property
    def exchange(self) -> ILegExchange: ...
