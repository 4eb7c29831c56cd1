"""One call that rings at several devices at once (RFC 3261 16.7, as a user agent does it).

Lives here: who of them answers first, and what the others hear. Not here: the calls themselves
(outbound.py), which devices there are (registrar.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from zope.interface import implementer

from shtoom.agent.calluser import CallEnding, ICallUser
from shtoom.exceptions import CallFailed

if TYPE_CHECKING:
    from shtoom.agent.call import Call
    from shtoom.agent.outbound import OutboundCall
    from shtoom.agent.transfer import Transfer
    from shtoom.sip.keyinfo import KeyInfo
    from shtoom.sip.message import Response
    from shtoom.sip.transport import Peer

ELSEWHERE = ("Reason", 'SIP;cause=200;text="Call completed elsewhere"')
"""What the others are told (RFC 3326): they do not count a call that was missed."""


class Flow(NamedTuple):
    """A device that registered here: the URI to call it by, and where its requests go.

    elsewhere: where to try if nobody is there. route: the proxies on the way (RFC 3327), for Route.
    """

    uri: str
    peer: Peer
    elsewhere: tuple[Peer, ...] = ()
    route: tuple[str, ...] = ()


@implementer(ICallUser)
class Fork:
    """Rings at all devices, until one answers or the user gives up.

    user: hears of one call, as if there were no others. place: dials one device for the user that
    it is given. main: tells the user which of the calls is now the one to hang up or to ask;
    called with the first one at once.
    """

    def __init__(
        self,
        flows: Sequence[Flow],
        user: ICallUser,
        place: Callable[[Flow, ICallUser], OutboundCall],
        main: Callable[[OutboundCall], None],
    ) -> None:
        self._user, self._main = user, main
        self._failure: CallFailed | None = None  # the best of those so far
        self._calls = [place(flow, self) for flow in flows]
        main(self._calls[0])

    def callProgress(self, call: Call, response: Response) -> None:
        """It rings at one of them."""
        self._user.callProgress(call, response)

    def callAnswered(self, call: Call) -> None:
        """The first one: the others stop to ring."""
        others = [other for other in self._calls if other is not call]
        if call is not self._calls[0]:
            self._main(next(other for other in self._calls if other is call))
        self._calls = []
        call.user = self._user
        for other in others:
            other.hangup((ELSEWHERE,))
        self._user.callAnswered(call)

    def callRejected(self, call: Call, failure: CallFailed) -> None:
        """One of them will not answer; nobody will if it says so for all (6xx), or was the last."""
        if not self._calls:
            return
        self._failure = _better(self._failure, failure)
        if failure.sipCode >= 600 or len(self._calls) == 1:
            self.leaveOthers(call)
            self._user.callRejected(call, self._failure)
            return
        wasMain = call is self._calls[0]
        self._calls = [other for other in self._calls if other is not call]
        if wasMain:
            self._main(self._calls[0])

    def callEnded(self, call: Call, ending: CallEnding) -> None:
        """The user has given up the one that it knows: the others too."""
        if self._calls:
            self.leaveOthers(call)
            self._user.callEnded(call, ending)

    def offerReceived(self, call: Call, sdp: bytes | None) -> bytes:
        """Before an answer nothing is changed (an UPDATE in an early dialog)."""
        raise CallFailed("Call is not answered", 491)

    def answerReceived(self, call: Call, sdp: bytes) -> None:
        """Nothing was offered but in the INVITE."""

    def moved(self, call: Call, address: str) -> bytes:
        """As the user has it: the same for all."""
        return self._user.moved(call, address)

    def infoReceived(self, call: Call, key: KeyInfo) -> None:
        """A key of one that has not answered is nobody's."""

    def transferAsked(self, call: Call, transfer: Transfer) -> None:
        """A device that has not answered puts nobody through."""
        transfer.refuse()

    def leaveOthers(self, call: Call) -> None:
        """All but that call end, and the user hears no more of them."""
        others, self._calls = [other for other in self._calls if other is not call], []
        for other in others:
            other.hangup()


def _better(one: CallFailed | None, other: CallFailed) -> CallFailed:
    """Which of two failures the caller is told (16.7 step 6): 6xx, else the lowest class."""
    if one is None or other.sipCode >= 600:
        return other
    if one.sipCode >= 600:
        return one
    return other if other.sipCode // 100 < one.sipCode // 100 else one
