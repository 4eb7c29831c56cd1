"""A call that comes in (RFC 3261 13.3): ringing, the 200 until its ACK, refusals.

Lives here: what only the called side does. Not here: what both do (call.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shtoom.agent.accepted import AcceptedResponse
from shtoom.agent.call import Call, HeaderLines, Parting
from shtoom.agent.calluser import CallEnding
from shtoom.agent.extraheaders import OF_A_DIALOG, extraHeaders
from shtoom.agent.hangup import Action, CallState, Happening
from shtoom.agent.options import ALLOW, SUPPORTED, refused
from shtoom.agent.waiting import Waiting
from shtoom.exceptions import CallFailed, MalformedMessage
from shtoom.sip.body import sdpBody
from shtoom.sip.dialog import Dialog
from shtoom.sip.uri import URI

if TYPE_CHECKING:
    from shtoom.agent.agent import UserAgent
    from shtoom.sip.message import Request
    from shtoom.sip.transactions import ServerTransaction
    from shtoom.sip.transport import Peer

OPEN = (CallState.TRYING, CallState.RINGING)


class InboundCall(Call):
    """A call from somebody. remoteSDP: the offer, None if the INVITE had none.

    Made by UserAgent, which has its user take it (IUserAgentUser.callReceived); 100 goes out at
    once. ring(), answer() and reject() do nothing but a log line once a final response was sent: an
    application cannot know that the caller has just given up.
    """

    __slots__ = ("_accepted", "_localTag", "_transaction", "_waiting")

    direction = "inbound"

    def __init__(self, agent: UserAgent, transaction: ServerTransaction, request: Request) -> None:
        # What may be malformed comes first: half a call is garbage that only the collector finds.
        remoteSDP = sdpBody(request)
        contact = agent.contactFor(transaction.peer, request.uri.user or "")
        self._localTag = agent.newTag()
        dialog = Dialog.forUAS(request, self._localTag)
        if request.contact is None and "*" in request.headerValues("Contact"):
            raise MalformedMessage("Contact header", "an address", "*")  # (8.1.1.8, 10.2.2)
        super().__init__(agent, request.callID, CallState.TRYING)
        self.request, self.remoteSDP, self.contact = request, remoteSDP, contact
        self.peer: Peer = transaction.peer
        self.dialog = dialog
        self._transaction: ServerTransaction | None = transaction
        self._accepted: AcceptedResponse | None = None
        if request.contact is None:
            dialog.remoteTarget = self._seenAs(request.fromAddress.uri)
        agent.bind(dialog.key, self)
        self._waiting = Waiting(agent.reactor, request, transaction.respond, self)
        transaction.respond(request.respond(100))
        agent.awaitCancel(transaction, self)

    @property
    def ringing(self) -> bool:
        """Is the caller still waiting for a final response?"""
        return self.state in OPEN

    def ring(self, code: int = 180, headers: HeaderLines = (), sdp: bytes | None = None) -> None:
        """A provisional response, 101 to 199; sdp: for early media, to be repeated in answer()."""
        if not 101 <= code <= 199:
            raise ValueError(f"code: wanted 101 to 199, got {code}")
        lines = extraHeaders(headers, OF_A_DIALOG)
        if self._tooLate(f"{code}"):
            return
        self._respond(code, lines, sdp)
        self.state = CallState.RINGING

    def answer(self, sdp: bytes, headers: HeaderLines = ()) -> None:
        """200, repeated until the ACK. sdp: the answer, or the offer if the INVITE had none."""
        lines = extraHeaders(headers, OF_A_DIALOG)
        if self._tooLate("200") or self._transaction is None or self.request is None:
            return
        self.localSDP = sdp
        session = () if self.session is None else self.session.accept(self.request)
        response = self.request.respond(
            200,
            toTag=self._localTag,
            headers=(("Contact", self.contact), ALLOW, SUPPORTED, *session, *lines),
            body=sdp,
            contentType="application/sdp",
        )
        self.state = CallState.ANSWERED
        if self.dialog is not None:
            self.dialog.confirm()
        self._waiting.stop()
        transaction, self._transaction = self._transaction, None
        self._accepted = AcceptedResponse(response, self.agent.timers)  # the ACK may come at once
        self.agent.accept(self._accepted, transaction, self.noACK)

    def reject(self, failure: CallFailed, headers: HeaderLines = ()) -> None:
        """A final response: failure.sipCode, its reason, Warning and Retry-After.

        The user's callEnded is called before this returns. Raises ValueError for what may not be
        sent, whether headers or attributes of the failure have it.
        """
        failure.check()
        if self._tooLate(str(failure)):
            return
        ending = CallEnding(failure.reason, failure.sipCode, False)
        self.leave(Happening.HANGUP, ending, headers=headers, refusal=failure)

    def cancelReceived(self, transaction: ServerTransaction) -> None:
        """The caller gives up (RFC 3261 9.2), or takes back a re-INVITE."""
        if transaction is self._transaction:
            ending = CallEnding("the caller cancelled", 487, True)
            refusal = CallFailed("Request Terminated", 487)
            self.leave(Happening.CANCEL, ending, refusal=refusal)
        else:
            super().cancelReceived(transaction)

    def ackReceived(self, request: Request) -> None:
        """The ACK of our 200, or of one to a re-INVITE."""
        invite, accepted = self.request, self._accepted
        if accepted is None or invite is None or request.cseq.number != invite.cseq.number:
            super().ackReceived(request)
            return
        self._stopRepeating()
        if self.state is not CallState.ANSWERED:
            self.leave(Happening.ACK, CallEnding("left", None, False))
            return
        self.state = CallState.CONFIRMED
        if self.remoteSDP is None:
            self.remoteSDP = sdpBody(request)
        if self.remoteSDP is None:
            reason = "the ACK brought no answer to the offer in our 200"
            self.leave(Happening.HANGUP, CallEnding(reason, None, False))
        elif self.user is not None:
            self.tell(self.user.callAnswered)

    def act(self, action: Action, parting: Parting) -> None:
        """REFUSE is what only the called side does."""
        self._waiting.stop()
        transaction, self._transaction = self._transaction, None
        if action is not Action.REFUSE:
            super().act(action, parting)
        elif transaction is not None and self.request is not None:
            response = refused(self.request, parting.refusal, self._localTag, parting.headers)
            self.agent.settle(transaction, response)

    def cleanUp(self) -> None:
        """Lets go of transaction and 200."""
        self._stopRepeating()
        self._transaction = None
        super().cleanUp()

    def _respond(self, code: int, headers: HeaderLines, sdp: bytes | None) -> None:
        if self._transaction is None or self.request is None:
            return
        response = self.request.respond(
            code,
            toTag=self._localTag,
            headers=(("Contact", self.contact), *headers),
            body=sdp or b"",
            contentType="application/sdp" if sdp else None,
        )
        self._waiting.rings(response)

    def waitedTooLong(self, minutes: int) -> None:
        """From Waiting: the user does not answer, and the caller may be long gone."""
        ending = CallEnding(f"not answered within {minutes} minutes", 480, False)
        self.leave(Happening.HANGUP, ending)

    def expired(self) -> None:
        """From Waiting: the time is over that the INVITE gave (13.3.1)."""
        ending = CallEnding("the caller's INVITE has expired", 487, True)
        self.leave(Happening.CANCEL, ending, refusal=CallFailed("Request Terminated", 487))

    def _seenAs(self, caller: URI) -> URI:
        """A remote target for a caller whose INVITE names none (RFC 2543 did not ask for it)."""
        self.findings.append(
            "the INVITE had no Contact: requests in the call go to where it came from; the caller "
            "should send one (RFC 3261 8.1.1.8)"
        )
        host, port = self.peer.address
        return URI("sip", caller.user, None, host, port)

    def _stopRepeating(self) -> None:
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            self.agent.acknowledged(accepted)

    def _tooLate(self, response: str) -> bool:
        if self.ringing:
            return False
        self.log.info(
            "call {callID}: {response} comes too late, its state is {state}",
            callID=self.callID,
            response=response,
            state=self.state.name,
        )
        return True
