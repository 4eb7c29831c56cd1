"""What a call tells the one who uses it: the interface, and the value that says how it ended.

Lives here: ICallUser, CallEnding. Not here: the call itself (call.py and its two directions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zope.interface import Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from shtoom.agent.call import Call
    from shtoom.agent.transfer import Transfer
    from shtoom.exceptions import CallFailed
    from shtoom.sip.keyinfo import KeyInfo
    from shtoom.sip.message import Response


class CallEnding(NamedTuple):
    """How a call ended.

    reason: in words, for people. sipCode: the SIP status that ended it, None where none did
    (a BYE). byRemote: the far end, not this side, ended it. headers: (name, value) of each line of
    the far end's BYE.
    """

    reason: str
    sipCode: int | None
    byRemote: bool
    headers: tuple[tuple[str, str], ...] = ()


class ICallUser(Interface):
    """Who owns the call's media and decides about it; set as `call.user`.

    All methods are called in the reactor thread, synchronously from what happened: hangup() and
    reject() call callEnded before they return. An exception out of any of them (CallFailed out of
    offerReceived excepted) ends that call alone. After callEnded or callRejected the user is never
    called again, and the call no longer knows it.
    """

    def callProgress(call: Call, response: Response) -> None:  # noqa: N805
        """Outbound: a provisional response, 100 to 199. Its body may hold early media's SDP."""

    def callAnswered(call: Call) -> None:  # noqa: N805
        """The call is up, once.

        Inbound: the ACK came; outbound: a 2xx came and was acknowledged. call.remoteSDP holds the
        peer's description (for an INVITE without offer: the answer that came in the ACK).
        """

    def callRejected(call: Call, failure: CallFailed) -> None:  # noqa: N805
        """Outbound: it was never answered; the last that is heard of the call.

        failure: with the peer's code, phrase, Warning and Retry-After, or the local cause.
        """

    def callEnded(call: Call, ending: CallEnding) -> None:  # noqa: N805
        """The end, exactly once, unless callRejected was called."""

    def offerReceived(call: Call, sdp: bytes | None) -> bytes | Deferred[bytes]:  # noqa: N805
        """A re-INVITE or UPDATE came; returns the answer to sdp.

        sdp None: the peer asks for an offer; returns that, and answerReceived follows. The result
        may be a Deferred; it is cancelled if the call ends or the peer cancels before it fires.
        Raises CallFailed (or fails with it) to refuse: the session stays as it was.
        """

    def answerReceived(call: Call, sdp: bytes) -> None:  # noqa: N805
        """The peer's answer to the offer that offerReceived(call, None) gave."""

    def moved(call: Call, address: str) -> bytes:  # noqa: N805
        """Our own address is another one now: returns an offer with it; answerReceived follows."""

    def infoReceived(call: Call, key: KeyInfo) -> None:  # noqa: N805
        """A key came in an INFO request (RFC 6086 A)."""

    def transferAsked(call: Call, transfer: Transfer) -> None:  # noqa: N805
        """A REFER came: the far end wants transfer.target to be called in its place.

        transfer.accept() or refuse() answers it, now or later; else it is refused after some time.
        """
