"""What calls need to reach the network, and to be reached.

Lives here: transports and which one to take, where a request of a dialog goes, requests with one
final response, repeated 200s, and the tables by which ACK, CANCEL and requests find their call.
Not here: what is done with what comes in (agent.py), what a call does (call.py).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from shtoom.agent.bigrequests import BigRequests
from shtoom.agent.credentials import Asked, NoAnswer
from shtoom.agent.dialling import readable
from shtoom.agent.routing import observedInstead
from shtoom.exceptions import CallFailed, TransportFailed, bare
from shtoom.sip.dialog import Dialog, Key
from shtoom.sip.effects import Effect, Ended, Send
from shtoom.sip.message import Response
from shtoom.sip.runner import Runner
from shtoom.sip.shown import shown
from shtoom.sip.transactions import IClientTransactionUser, ITransactionUser, TransactionLayer
from shtoom.sip.transport import WEB, ISIPTransport, Peer
from shtoom.sip.uri import URI

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from shtoom.agent.accepted import AcceptedResponse
    from shtoom.agent.call import Call, HeaderLines
    from shtoom.agent.credentials import Account
    from shtoom.sip.message import Request
    from shtoom.sip.resolver import Place, Resolver
    from shtoom.sip.timers import Timers
    from shtoom.sip.transactions import ClientTransaction, ServerTransaction


@implementer(IClientTransactionUser)
class Outcome:
    """Hears about a request other than INVITE.

    final: fires with the final response, fails with TransactionTimeout or TransportFailed.
    """

    __slots__ = ("final",)

    def __init__(self) -> None:
        self.final: Deferred[Response] = Deferred()

    def responseReceived(self, response: Response) -> None:
        """From the transaction."""
        if response.code >= 200:
            self.final.callback(response)

    def transactionFailed(self, failure: CallFailed) -> None:
        """From the transaction."""
        self.final.errback(failure)


class Lines:
    """The network side of a user agent, as its calls see it.

    transactionUser: who hears of new requests. calls: those that are not over. cancellable: the
    INVITEs without a final response, and their calls. strayACKs: how many ACKs had no call.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        transactionUser: ITransactionUser,
        resolver: Resolver,
        rng: Random,
        timers: Timers,
    ) -> None:
        self.reactor, self.resolver, self.rng, self.timers = reactor, resolver, rng, timers
        self.layer = TransactionLayer(reactor, transactionUser, timers, rng)
        self.calls: set[Call] = set()
        self.cancellable: dict[ServerTransaction, Call] = {}
        self.strayACKs = 0
        self.bigRequests = BigRequests(self.transportFor, reactor.seconds)
        self._transports: list[ISIPTransport] = []
        self._dialogs: dict[Key, Call] = {}
        self._keys: dict[Call, list[Key]] = {}
        self._callIDs: dict[bytes, int] = {}
        self._repeated: dict[
            AcceptedResponse, tuple[ServerTransaction, Callable[[CallFailed], None]]
        ] = {}
        self._runner: Runner[AcceptedResponse] = Runner(reactor, self._perform)

    # Who and where we are

    def newTag(self) -> str:
        """A tag for From or To: 64 bits of chance (RFC 3261 19.3 asks for 32)."""
        return f"{self.rng.getrandbits(64):016x}"

    def newCallID(self) -> str:
        """A Call-ID that names no host (8.1.1.4)."""
        return f"{self.rng.getrandbits(128):032x}"

    def addTransport(self, transport: ISIPTransport) -> None:
        """From now on calls may leave by it; what it receives is to be handed to `layer`."""
        self._transports.append(transport)

    @property
    def transportNames(self) -> list[str]:
        """The transports that are open, those that were added first before."""
        return list(dict.fromkeys(transport.name for transport in self._transports))

    def transportFor(
        self, name: str, host: str, port: int = 0, flow: int = 0
    ) -> ISIPTransport | None:
        """The transport of that name that reaches `host`: the one that has a connection with it at
        that port, if any, of that number if not 0; one of its address family first."""
        named = [t for t in self._transports if t.name == name]
        for transport in named if port else ():
            at = host, port
            if transport.isOpen(at) and (not flow or transport.flow(at) == flow):
                return transport
        sameFamily = (t for t in named if _leads(t, host))
        return next(sameFamily, named[0] if named else None)

    def peersAt(self, uri: URI, places: list[Place]) -> list[Peer]:
        """The places that `uri` leads to, as far as a transport of ours goes there."""
        found = []
        for host, port, name in places:
            transport = self.transportFor(name, host, port)
            if transport is not None:
                transport.named((host, port), uri.param("maddr") or uri.host)
                found.append(Peer(transport, (host, port)))
        return found

    def contactFor(self, peer: Peer, user: str | None = None) -> str:
        """The value of our Contact header towards that peer: an address by which it reaches us."""
        host, port = peer.transport.sentBy(peer.address[0])
        name = peer.transport.name
        params = () if name == "UDP" else (("transport", "ws" if name in WEB else name),)
        return f"<{URI('sip', user, None, host, port, params, ())}>"

    def stop(self) -> None:
        """Nothing is sent or refreshed any more; calls are left as they are."""
        self.layer.stop()
        for call in self.calls:
            if call.session is not None:
                call.session.stop()

    # Who a message is for

    def remember(self, call: Call) -> None:
        """A new call."""
        self.calls.add(call)
        name = call.callID.encode("utf-8", "surrogateescape")
        self._callIDs[name] = self._callIDs.get(name, 0) + 1

    def isLive(self, callID: bytes) -> bool:
        """Is that the Call-ID of a call that is not over?"""
        return callID in self._callIDs

    def isWanted(self, peer: Peer) -> bool:
        """Is a connection with that peer to stay: has a call gone over it?"""
        return any(call.peer == peer for call in self.calls)

    @property
    def early(self) -> list[str]:
        """The hosts of INVITEs that wait for their final response, or for the ACK of their 200."""
        answered = (transaction for transaction, _ in self._repeated.values())
        return [t.peer.address[0] for t in (*self.cancellable, *answered)]

    def bind(self, key: Key, call: Call) -> None:
        """Requests with that Call-ID, To tag and From tag are for this call."""
        if key not in self._dialogs:
            self._dialogs[key] = call
            self._keys.setdefault(call, []).append(key)

    def forget(self, call: Call) -> None:
        """The call is over."""
        if call not in self.calls:
            return
        self.calls.remove(call)
        name = call.callID.encode("utf-8", "surrogateescape")
        count = self._callIDs.pop(name, 0)
        if count > 1:  # a call to ourselves is two
            self._callIDs[name] = count - 1
        for key in self._keys.pop(call, ()):
            del self._dialogs[key]

    def callOf(self, request: Request) -> Call | None:
        """The call whose dialog a request is in, by Call-ID and tags (12.2.2)."""
        local, remote = request.toAddress.tag, request.fromAddress.tag
        return self._dialogs.get((request.callID, local or "", remote or "")) if local else None

    # Responses

    def awaitCancel(self, transaction: ServerTransaction, call: Call) -> None:
        """A CANCEL of this INVITE goes to that call, until its final response."""
        self.cancellable[transaction] = call

    def settle(self, transaction: ServerTransaction, response: Response) -> None:
        """Sends the final response to an INVITE or UPDATE."""
        self.cancellable.pop(transaction, None)
        transaction.respond(response)

    def accept(
        self,
        accepted: AcceptedResponse,
        transaction: ServerTransaction,
        noACK: Callable[[CallFailed], None],
    ) -> None:
        """Sends a 2xx to an INVITE and repeats it until acknowledged(), or calls noACK."""
        self.cancellable.pop(transaction, None)
        self._repeated[accepted] = transaction, noACK
        self._runner.run(accepted, accepted.start(self.reactor.seconds()))

    def acknowledged(self, accepted: AcceptedResponse) -> None:
        """The 2xx is not repeated any more."""
        accepted.stop()
        self._repeated.pop(accepted, None)
        self._runner.forget(accepted)

    def _perform(self, accepted: AcceptedResponse, effect: Effect) -> None:
        if accepted not in self._repeated:
            return  # stopped by an earlier effect
        transaction, noACK = self._repeated[accepted]
        if isinstance(effect, Send) and isinstance(effect.message, Response):
            transaction.respond(effect.message)
        elif isinstance(effect, Ended) and effect.failure is not None:
            del self._repeated[accepted]
            noACK(effect.failure)

    # Requests

    def ask(
        self,
        dialog: Dialog,
        request: Request,
        seen: Peer,
        findings: list[str],
        account: Account | None = None,
    ) -> Deferred[Response]:
        """Sends a request of that dialog; fires with the final response.

        seen, findings: as for nextPeer. account: answers challenges, and goes along where it is
        known to be wanted. Fails with TransactionTimeout or TransportFailed.
        """
        asked = Deferred.fromCoroutine(self._ask(dialog, request, seen, findings, account))
        return asked.addErrback(bareFailure)

    async def _ask(
        self,
        dialog: Dialog,
        request: Request,
        seen: Peer,
        findings: list[str],
        account: Account | None,
    ) -> Response:
        peer = await self.nextPeer(dialog, seen, findings)
        asked = Asked()
        while True:
            outcome = Outcome()
            if account is not None:
                request = account.sign(request, peer)
            byTCP = self.bigRequests.instead(request, peer, dialog.nextHop)
            self.layer.sendRequest(request, byTCP or peer, outcome)
            try:
                response = await outcome.final
            except TransportFailed as failure:
                if byTCP is None:
                    raise
                self.bigRequests.failed(request, byTCP, failure)
                request = dialog.renumbered(request)
                continue
            if account is None or response.code not in (401, 407):
                return response
            try:
                account.challenged(response, peer, asked)
            except NoAnswer as why:
                findings.append(f"{request.method} was refused with {response.code}: {why}")
                return response
            request = dialog.renumbered(request)

    def cancel(self, invite: ClientTransaction, callID: str, headers: HeaderLines = ()) -> None:
        """CANCEL of an INVITE that had a provisional response; the INVITE tells the rest."""
        outcome = Outcome()
        outcome.final.addErrback(self._notConfirmed, callID, "CANCEL")
        self.layer.sendCancel(invite, outcome, headers)

    def acknowledge(
        self,
        dialog: Dialog,
        invite: Request | int,
        seen: Peer,
        findings: list[str],
        account: Account | None = None,
    ) -> None:
        """The ACK of a 2xx to that INVITE; the layer sends it again for repeats.

        invite: it, or its number. With an account the ACK, which cannot be challenged, has the
        INVITE's credentials (22.1).
        """
        ack = dialog.ack(invite if isinstance(invite, int) else invite.cseq.number)
        found = self.nextPeer(dialog, seen, findings)
        if account is not None and not isinstance(invite, int):
            found.addCallback(self._sendSignedAck, ack, invite, account)
        else:
            found.addCallback(self._sendAck, ack)

    def leaveFork(
        self,
        response: Response,
        invite: Request | None,
        seen: Peer,
        account: Account | None = None,
    ) -> None:
        """A 2xx that no call waits for, of another phone or too late: ACK and BYE (13.2.2.4).

        invite: what it answers, if that is still known. seen: where it came from.
        """
        dialog = Dialog.forUAC(invite, readable(response, []))
        self.log.info(
            "call {callID}: an answer that nobody waits for, tag {tag}, is acknowledged and left",
            callID=dialog.callID,
            tag=shown(dialog.remoteTag),
        )
        self.acknowledge(dialog, invite or response.cseq.number, seen, [], account)
        left = self.ask(dialog, dialog.request("BYE"), seen, [], account)
        left.addErrback(self._notConfirmed, dialog.callID, "BYE")

    def _notConfirmed(self, failure: Failure, callID: str, method: str) -> None:
        """Nobody waits for the outcome of a CANCEL, nor of a BYE to a second phone."""
        self.log.info(
            "call {callID}: {method} was not confirmed: {cause}",
            callID=callID,
            method=method,
            cause=shown(failure.getErrorMessage()),
        )

    def nextPeer(self, dialog: Dialog, seen: Peer, findings: list[str]) -> Deferred[Peer]:
        """Where the next request of that dialog goes; never fails.

        seen: where the peer's packets come from. If the dialog's next hop is out of reach the
        request goes there, and why is added to `findings`, once.
        """
        hop = dialog.nextHop
        if seen.transport.isOpen(seen.address) and hop.host in (seen.address[0], _target(dialog)):
            return succeed(seen)  # over the connection that there is (RFC 5923 5, RFC 5626 5.3)
        finding = observedInstead(hop.param("maddr") or hop.host, seen.address[0])
        if finding is not None:
            return succeed(self._observed(seen, finding, findings))
        how = (hop, seen, findings)
        resolving = self.resolver.resolve(hop, self.transportNames)
        return resolving.addCallbacks(
            self._reachable, self._unreachable, callbackArgs=how, errbackArgs=how
        )

    def _sendAck(self, peer: Peer, ack: Request) -> None:
        self.layer.sendStateless(ack, peer)

    def _sendSignedAck(self, peer: Peer, ack: Request, invite: Request, account: Account) -> None:
        self._sendAck(peer, account.copied(invite, ack, peer))

    def _reachable(self, places: list[Place], hop: URI, seen: Peer, findings: list[str]) -> Peer:
        for peer in self.peersAt(hop, places):
            same = seen.transport.name == peer.transport.name
            return Peer(seen.transport, peer.address) if same else peer
        finding = (
            f"the peer wants requests at {shown(hop)}, a transport that is not offered here; they "
            f"go to {seen.address[0]}, where its packets came from"
        )
        return self._observed(seen, finding, findings)

    def _unreachable(self, failure: Failure, hop: URI, seen: Peer, findings: list[str]) -> Peer:
        failure.trap(CallFailed)
        finding = (
            f"the peer wants requests at {shown(hop)}, which is not known here "
            f"({failure.getErrorMessage()}); they go to {seen.address[0]}, where its packets came "
            "from"
        )
        return self._observed(seen, finding, findings)

    def _observed(self, seen: Peer, finding: str, findings: list[str]) -> Peer:
        if finding not in findings:
            findings.append(finding)
        return seen


def bareFailure(failure: Failure) -> Failure:
    """A failure without the frames of the coroutine that it has ended, which hold it."""
    if failure.value is not None:
        bare(failure.value)
    failure.cleanFailure()
    return failure


def _target(dialog: Dialog) -> str | None:
    """The host of the peer itself, if requests go there without a proxy between."""
    return dialog.remoteTarget.host if not dialog.routeSet else None


def _leads(transport: ISIPTransport, host: str) -> bool:
    """Is there an address of ours, of that host's family, from which it goes there?"""
    try:
        own, _ = transport.sentBy(host)
    except TransportFailed:
        return False
    return (":" in own) == (":" in host)
