"""What tests of machines and transactions share: messages, and far ends that note what they get.

Lives here: requests and responses from a few words, a bench for one machine, a fake transport.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from shtoom.exceptions import CallFailed, MalformedMessage, TransportFailed
from shtoom.sip.effects import Deliver, Effect, Ended, Send
from shtoom.sip.handles import IClientTransactionUser, ITransactionUser, ServerTransaction
from shtoom.sip.headers import Headers
from shtoom.sip.message import Message, Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.runner import Runner
from shtoom.sip.timers import Timers
from shtoom.sip.transactions import TransactionLayer
from shtoom.sip.transport import Address, ISIPTransport, Peer, markReceived
from test.support import runFor

DOUG = ("192.0.2.10", 5060)
ALICE = ("198.51.100.20", 5060)
TRUNK = ("203.0.113.30", 5060)
SDP = b"v=0\r\no=alice 1 1 IN IP4 198.51.100.20\r\ns=-\r\nm=audio 40000 RTP/AVP 0 101\r\n"


def request(
    method: str = "INVITE",
    *,
    uri: str = "sip:app@192.0.2.10",
    via: str | None = "SIP/2.0/UDP 198.51.100.20:5060;branch=z9hG4bK1;rport",
    callID: str = "call-1",
    number: int = 1,
    fromTag: str | None = "f1",
    toTag: str | None = None,
    more: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Request:
    """A request of alice's; via=None: one of ours, to which the layer adds it."""
    lines = [
        *([("Via", via)] if via is not None else []),
        ("Max-Forwards", "70"),
        ("From", "Alice <sip:alice@example.net>" + (f";tag={fromTag}" if fromTag else "")),
        ("To", "<sip:app@example.com>" + (f";tag={toTag}" if toTag else "")),
        ("Call-ID", callID),
        ("CSeq", f"{number} {method}"),
        *more,
    ]
    return Request(method, uri, Headers(lines), body)


class Bench:
    """One machine on a Clock.

    sent: (time, first line) of each Send. delivered: what went to the user. endings: the failures,
    or None, of each Ended. sendFails: what the transport raises, passed to transportFailed.
    """

    def __init__(self, machine: Any) -> None:
        self.clock = Clock()
        self.machine = machine
        self.runner: Runner[Any] = Runner(self.clock, self._perform)
        self.sent: list[tuple[float, str]] = []
        self.delivered: list[Request | Response] = []
        self.endings: list[CallFailed | None] = []
        self.sendFails: TransportFailed | None = None

    def do(self, method: str, *args: Any) -> Sequence[Effect]:
        """Calls an input of the machine, now, and has its effects performed."""
        effects: Sequence[Effect] = getattr(self.machine, method)(*args, self.clock.seconds())
        self.runner.run(self.machine, effects)
        return effects

    def runFor(self, seconds: float) -> None:
        """Lets time pass."""
        runFor(self.clock, seconds)

    @property
    def times(self) -> list[float]:
        """When something was sent."""
        return [at for at, _ in self.sent]

    @property
    def lines(self) -> list[str]:
        """What was sent."""
        return [line for _, line in self.sent]

    def _perform(self, machine: Any, effect: Effect) -> None:
        match effect:
            case Send(message):
                data = message if isinstance(message, bytes) else message.toBytes()
                self.sent.append((self.clock.seconds(), str(parse(data))))
                if self.sendFails is not None:
                    self.do("transportFailed", self.sendFails)
            case Deliver(message):
                self.delivered.append(message)
            case Ended(failure):
                self.endings.append(failure)


@implementer(ISIPTransport)
class Wire:
    """A transport that notes what is sent. fails: what it raises instead. gone: is there no
    connection any more, if it has such?"""

    def __init__(self, clock: Clock, reliable: bool = False) -> None:
        self.clock, self.reliable = clock, reliable
        self.name = "TCP" if reliable else "UDP"
        self.sent: list[tuple[float, bytes, Address]] = []
        self.probed: list[tuple[float, Address]] = []
        self.fails: TransportFailed | None = None
        self.gone = False

    def sentBy(self, remoteHost: str) -> Address:
        """Doug's address; none for a host that has no way."""
        if remoteHost == "192.0.2.254":
            raise TransportFailed("no way to 192.0.2.254")
        return DOUG

    def send(self, data: bytes, address: Address) -> None:
        """As ISIPTransport has it."""
        if self.fails is not None:
            raise self.fails
        self.sent.append((self.clock.seconds(), data, address))

    def isOpen(self, address: Address) -> bool:
        """As ISIPTransport has it."""
        return self.reliable and not self.gone

    def flow(self, address: Address) -> int:
        """There are no connections."""
        return 0

    def named(self, address: Address, host: str) -> None:
        """Nobody asks."""

    def probe(self, address: Address) -> None:
        """As ISIPTransport has it."""
        self.probed.append((self.clock.seconds(), address))


@implementer(IClientTransactionUser)
class Asker:
    """Notes what comes of a request."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.failures: list[CallFailed] = []

    def responseReceived(self, response: Response) -> None:
        """From the transaction."""
        self.responses.append(response)

    def transactionFailed(self, failure: CallFailed) -> None:
        """From the transaction."""
        self.failures.append(failure)

    @property
    def codes(self) -> list[int]:
        """Of the responses."""
        return [response.code for response in self.responses]


@implementer(ITransactionUser)
class Agent:
    """Notes what the layer hands up. answers: response codes sent at once to each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[ServerTransaction, Request]] = []
        self.acks: list[tuple[Request, Peer]] = []
        self.cancelled: list[ServerTransaction] = []
        self.strays: list[Response] = []
        self.answers: Sequence[int] = ()
        self.raises: Exception | None = None

    def requestReceived(self, transaction: ServerTransaction, request: Request) -> None:
        """From the layer."""
        self.requests.append((transaction, request))
        if self.raises is not None:
            raise self.raises
        for code in self.answers:
            transaction.respond(request.respond(code, toTag="d1"))

    def ackReceived(self, request: Request, peer: Peer) -> None:
        """From the layer."""
        self.acks.append((request, peer))

    def cancelReceived(self, transaction: ServerTransaction) -> None:
        """From the layer."""
        self.cancelled.append(transaction)

    def responseStray(self, response: Response, peer: Peer) -> None:
        """From the layer."""
        self.strays.append(response)


@implementer(ILogObserver)
class Keeper:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)


class LayerTestCase(SynchronousTestCase):
    """A layer on a Clock, with an agent above and a wire below."""

    reliable = False

    def setUp(self) -> None:
        """Builds them."""
        self.clock = Clock()
        self.agent = Agent()
        self.wire = Wire(self.clock, self.reliable)
        self.layer = TransactionLayer(self.clock, self.agent, Timers(), Random(7))

    def arrive(self, message: Request | Response, source: Address = ALICE) -> None:
        """A message from the network, as a transport brings it."""
        received = parse(message.toBytes())
        if isinstance(received, Request):
            received = markReceived(received, source)
        self.layer.messageReceived(received, Peer(self.wire, source))

    def ask(self, outgoing: Request, peer: Address = TRUNK) -> Asker:
        """Sends a request of ours; returns who hears of it."""
        asker = Asker()
        self.transaction = self.layer.sendRequest(outgoing, Peer(self.wire, peer), asker)
        return asker

    def answerFrom(self, code: int, toTag: str | None = "t1", **kwargs: Any) -> Response:
        """The far end's response to the last request of ours but ACK and CANCEL."""
        asked = [m for m in self.messages() if isinstance(m, Request)]
        last = [m for m in asked if m.method not in ("ACK", "CANCEL")][-1]
        return last.respond(code, toTag=toTag, **kwargs)

    def messages(self) -> list[Request | Response]:
        """All that was sent."""
        return [parse(data) for _, data, _ in self.wire.sent]

    @property
    def lines(self) -> list[str]:
        """First lines of all that was sent."""
        return [str(message) for message in self.messages()]

    @property
    def codes(self) -> list[int]:
        """Codes of all responses that were sent."""
        return [m.code for m in self.messages() if isinstance(m, Response)]

    def runFor(self, seconds: float) -> None:
        """Lets time pass."""
        runFor(self.clock, seconds)

    def assertNothingLeft(self) -> None:
        """After the longest timers: no transaction, no delayed call."""
        self.runFor(40.0)
        self.assertEqual((len(self.layer), self.clock.getDelayedCalls()), (0, []))


def touchAll(message: Message) -> None:
    """Looks at everything that is parsed on use."""
    for name in (
        *("callID", "cseq", "via", "vias", "fromAddress", "toAddress", "contact", "contacts"),
        *("routes", "recordRoutes", "maxForwards", "contentLength", "contentType"),
    ):
        try:
            getattr(message, name)
        except MalformedMessage:
            continue
    message.toBytes()
