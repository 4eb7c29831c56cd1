"""A user agent on a Clock and a transport in memory, and far ends that speak raw SIP.

Lives here: what the tests of test.agent share. Bytes go in as the network would bring them, and
what comes out is read with the same parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import count
from random import Random

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from shtoom.agent.agent import IUserAgentUser, UserAgent
from shtoom.agent.call import Call, CallEnding, ICallUser
from shtoom.agent.inbound import InboundCall
from shtoom.agent.outbound import OutboundCall
from shtoom.agent.transfer import Transfer
from shtoom.exceptions import CallFailed, HostNotKnown, TransportFailed
from shtoom.sip.keyinfo import KeyInfo
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import isKeepAlive, parse
from shtoom.sip.resolver import Place
from shtoom.sip.transport import ISIPTransport, Peer, markReceived
from shtoom.sip.uri import URI
from test.support import runFor
from test.support.logs import logLines

DOUG = ("192.0.2.10", 5060)
ALICE = ("198.51.100.20", 5060)
TRUNK = ("203.0.113.30", 5060)
OFFER = b"v=0\r\no=- 1001 1 IN IP4 198.51.100.20\r\ns=-\r\nm=audio 40000 RTP/AVP 0\r\n"
ANSWER = b"v=0\r\no=- 2001 1 IN IP4 192.0.2.10\r\ns=-\r\nm=audio 10000 RTP/AVP 0\r\n"
Address = tuple[str, int]
HeaderLines = Iterable[tuple[str, str]]


@implementer(ISIPTransport)
class Wire:
    """A datagram transport: what is sent reaches the far end of that address at once."""

    name = "UDP"
    reliable = False

    def __init__(self, clock: Clock, address: Address) -> None:
        self.clock, self.address = clock, address
        self.ends: dict[Address, Callable[[bytes], None]] = {}
        self.sent: list[tuple[float, bytes, Address]] = []
        self.receiver: UserAgent | None = None
        self.broken: set[Address] = set()

    def sentBy(self, remoteHost: str) -> Address:
        return self.address

    def send(self, data: bytes, address: Address) -> None:
        if address in self.broken:
            raise TransportFailed("Network is unreachable")
        self.sent.append((self.clock.seconds(), data, address))
        end = self.ends.get(address)
        if end is not None:
            end(data)

    def isOpen(self, address: Address) -> bool:
        """There are no connections."""
        return False

    def flow(self, address: Address) -> int:
        """There are no connections."""
        return 0

    def named(self, address: Address, host: str) -> None:
        """Nobody asks."""

    def probe(self, address: Address) -> None:
        """The network says nothing."""

    def arrive(self, data: bytes, source: Address) -> None:
        """As the UDP transport does it for one datagram."""
        assert self.receiver is not None
        message = parse(data)
        if isinstance(message, Request):
            message = markReceived(message, source)
        self.receiver.layer.messageReceived(message, Peer(self, source))


class Names:
    """A resolver that knows IP literals and a table; the Deferreds of a `slow` name wait."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.slow: dict[str, list[Deferred[list[Place]]]] = {}

    def resolve(self, uri: URI, offered: Iterable[str] = ()) -> Deferred[list[Place]]:
        if uri.host in self.slow:
            waiting: Deferred[list[Place]] = Deferred()
            self.slow[uri.host].append(waiting)
            return waiting
        if re.fullmatch(r"[\d.]+|[\da-fA-F:]*:[\da-fA-F:.]*", uri.host):
            hosts = [uri.host]
        elif uri.host in self.known:
            hosts = self.known[uri.host]
        else:
            return fail(HostNotKnown(f"{uri.host} is not known"))
        name = (uri.transport or "udp").upper()
        return succeed([(host, uri.port or 5060, name) for host in hosts])


@implementer(ICallUser)
class Listener:
    """Writes down what a call says; `on` maps the name of an event to what to do then."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.events: list[tuple[float, str, object]] = []
        self.on: dict[str, Callable[..., object]] = {}

    def _note(self, name: str, call: Call, what: object) -> object:
        self.events.append((self.clock.seconds(), name, what))
        action = self.on.get(name)
        return action(call, what) if action is not None else None

    def named(self, *names: str) -> list[object]:
        """What came with the events of these names."""
        return [what for _, name, what in self.events if name in names]

    @property
    def ends(self) -> list[object]:
        return self.named("ended", "rejected")

    def callProgress(self, call: Call, response: Response) -> None:
        self._note("progress", call, response.code)

    def callAnswered(self, call: Call) -> None:
        self._note("answered", call, call.remoteSDP)

    def callRejected(self, call: Call, failure: CallFailed) -> None:
        self._note("rejected", call, failure)

    def callEnded(self, call: Call, ending: CallEnding) -> None:
        self._note("ended", call, ending)

    def offerReceived(self, call: Call, sdp: bytes | None) -> bytes | Deferred[bytes]:
        result = self._note("offer", call, sdp)
        return ANSWER if result is None else result  # type: ignore[return-value]

    def answerReceived(self, call: Call, sdp: bytes) -> None:
        self._note("answer", call, sdp)

    def moved(self, call: Call, address: str) -> bytes:
        self._note("moved", call, address)
        return ANSWER.replace(DOUG[0].encode(), address.encode())

    def infoReceived(self, call: Call, key: KeyInfo) -> None:
        self._note("key", call, key)

    def transferAsked(self, call: Call, transfer: Transfer) -> None:
        self._note("refer", call, transfer)


@implementer(IUserAgentUser)
class Switchboard:
    """Takes each call and lets it ring, unless `take` says otherwise."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[InboundCall] = []
        self.listeners: list[Listener] = []
        self.take: Callable[[InboundCall], None] = lambda call: call.ring()

    def callReceived(self, call: InboundCall) -> None:
        listener = Listener(self.clock)
        self.calls.append(call)
        self.listeners.append(listener)
        call.user = listener
        self.take(call)


class FarEnd:
    """A SIP phone without a mind: says what the test says, writes down what it hears."""

    def __init__(self, wire: Wire, address: Address, name: str) -> None:
        self.wire, self.address, self.name = wire, address, name
        self.contact: str | None = f"<sip:{name}@{address[0]}:{address[1]}>"
        self.heard: list[tuple[float, Request | Response]] = []
        self.tags: dict[str, str] = {}  # Call-ID: the To header with the other side's tag
        self.targets: dict[str, str] = {}  # Call-ID: its Contact
        self.numbers = count(1)
        wire.ends[address] = self.hear

    def hear(self, data: bytes) -> None:
        if isKeepAlive(data):
            return
        message = parse(data)
        self.heard.append((self.wire.clock.seconds(), message))
        if isinstance(message, Response):
            if message.toAddress.tag:
                self.tags[message.callID] = str(message.header("To"))
            if message.contact is not None:
                self.targets[message.callID] = str(message.contact.uri)

    def got(self, pattern: str) -> list[Request | Response]:
        """The messages heard: "200 INVITE" is a response, "BYE" a request; a regular expression."""
        return [message for _, message in self.heard if re.fullmatch(pattern, _label(message))]

    def times(self, pattern: str) -> list[float]:
        """When they were heard, in the clock's seconds."""
        return [round(at, 3) for at, m in self.heard if re.fullmatch(pattern, _label(m))]

    def labels(self) -> list[str]:
        """All that was heard, in order."""
        return [_label(message) for _, message in self.heard]

    def request(self, pattern: str) -> Request:
        """The last request heard of that method."""
        message = self.got(pattern)[-1]
        assert isinstance(message, Request)
        return message

    def requests(self, method: str) -> list[Request]:
        """All requests heard of that method."""
        return [m for m in self.got(method) if isinstance(m, Request)]

    def confirm(self, method: str) -> None:
        """200 to all requests of that method heard so far."""
        for request in self.requests(method):
            self.reply(request, 200)

    def response(self, pattern: str) -> Response:
        """The last response heard like that."""
        message = self.got(pattern)[-1]
        assert isinstance(message, Response)
        return message

    def say(self, data: bytes) -> None:
        """Sends these bytes."""
        self.wire.arrive(data, self.address)

    def ask(
        self,
        method: str,
        *,
        uri: str = "sip:app@192.0.2.10",
        callID: str = "",
        cseq: int = 1,
        fromTag: str = "f",
        to: str = "<sip:app@example.com>",
        branch: str = "",
        headers: HeaderLines = (),
        body: bytes = b"",
        contentType: str = "application/sdp",
        contact: bool = False,
    ) -> Request:
        """Sends a request and returns it."""
        number = next(self.numbers)
        host, port = self.address
        branch = branch or f"z9hG4bK{self.name}{number}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.name}@example.net>;tag={fromTag}",
            f"To: {to}",
            f"Call-ID: {callID or f'{self.name}-{number}'}",
            f"CSeq: {cseq} {method}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if contact and self.contact is not None:
            lines.append(f"Contact: {self.contact}")
        if body:
            lines.append(f"Content-Type: {contentType}")
        lines += [f"Content-Length: {len(body)}", "", ""]
        data = "\r\n".join(lines).encode() + body
        self.say(data)
        message = parse(data)
        assert isinstance(message, Request)
        return message

    def invites(self, **how: object) -> Caller:
        """Begins a call; see Caller."""
        return Caller(self, **how)  # type: ignore[arg-type]

    def answers(self, invite: Request | None = None) -> Callee:
        """The called side of the INVITE heard last; see Callee."""
        return Callee(self, invite if invite is not None else self.request("INVITE"))

    def reply(
        self,
        request: Request,
        code: int,
        *,
        tag: str | None = None,
        headers: HeaderLines = (),
        body: bytes = b"",
        contact: bool = False,
        reason: str | None = None,
    ) -> None:
        """Sends a response to a request that was heard."""
        lines = list(headers)
        if contact and self.contact is not None:
            lines.append(("Contact", self.contact))
        kind = "application/sdp" if body else None
        response = request.respond(
            code, reason, toTag=tag, headers=lines, body=body, contentType=kind
        )
        self.say(response.toBytes())


class Caller:
    """A far end's outbound call: INVITE is sent when made. body: the offer."""

    def __init__(
        self,
        end: FarEnd,
        body: bytes = OFFER,
        callID: str = "",
        headers: HeaderLines = (),
        uri: str = "sip:app@192.0.2.10",
    ) -> None:
        self.end = end
        self.callID = callID or f"call-{next(end.numbers)}@{end.address[0]}"
        self.cseq = 1
        self.uri = uri
        self.invite = self.ask("INVITE", body=body, headers=headers, contact=True, cseq=1)

    def ask(self, method: str, **how: object) -> Request:
        """A request in the dialog, with the next CSeq unless `cseq` is given."""
        if "cseq" not in how:
            self.cseq += 1
            how["cseq"] = self.cseq
        how.setdefault("uri", self.end.targets.get(self.callID, self.uri))
        how.setdefault("to", self.end.tags.get(self.callID, "<sip:app@example.com>"))
        return self.end.ask(method, callID=self.callID, **how)  # type: ignore[arg-type]

    def ack(self, cseq: int | None = None, body: bytes = b"") -> None:
        """The ACK to a 2xx of the last INVITE."""
        self.ask("ACK", cseq=cseq if cseq is not None else self.cseq, body=body)

    def cancel(self) -> None:
        """CANCEL of the INVITE that began the call."""
        branch = self.invite.via.branch or ""
        self.ask("CANCEL", cseq=1, branch=branch, uri=self.uri, to=str(self.invite.header("To")))

    def bye(self) -> None:
        self.ask("BYE")

    def reinvite(self, body: bytes = OFFER, **how: object) -> Request:
        return self.ask("INVITE", body=body, contact=True, **how)

    def update(self, body: bytes = OFFER, **how: object) -> Request:
        return self.ask("UPDATE", body=body, contact=True, **how)


class Callee:
    """A far end's inbound call, from the INVITE that it heard."""

    def __init__(self, end: FarEnd, invite: Request) -> None:
        self.end, self.invite, self.cseq, self.tag = end, invite, 0, "t1"

    def says(self, code: int, tag: str | None = None, body: bytes = b"", **how: object) -> None:
        """A response to the INVITE. tag: the last one if None; 100 has none."""
        if tag is not None:
            self.tag = tag
        how.setdefault("contact", 100 < code < 300)
        self.end.reply(
            self.invite,
            code,
            tag=None if code == 100 else self.tag,
            body=body,
            **how,  # type: ignore[arg-type]
        )

    def ask(self, method: str, **how: object) -> Request:
        """A request in the dialog."""
        self.cseq += 1
        contact = self.invite.contact
        assert contact is not None
        return self.end.ask(
            method,
            uri=str(contact.uri),
            callID=self.invite.callID,
            cseq=self.cseq,
            fromTag=self.tag,
            to=str(self.invite.header("From")),
            **how,  # type: ignore[arg-type]
        )


class Station:
    """A user agent at an address, with its transport, its resolver and its user."""

    def __init__(self, clock: Clock, address: Address) -> None:
        self.wire = Wire(clock, address)
        self.names = Names()
        self.board = Switchboard(clock)
        self.agent = UserAgent(
            clock,
            self.board,
            rng=Random(1),
            resolver=self.names,  # type: ignore[arg-type]
        )
        self.agent.addTransport(self.wire)
        self.wire.receiver = self.agent


class AgentTestCase(SynchronousTestCase):
    """setUp: a UserAgent at 192.0.2.10, alice who calls, a trunk that is called.

    Each test ends with everything gone: no call, dialog, transaction or delayed call.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        station = Station(self.clock, DOUG)
        self.wire, self.names = station.wire, station.names
        self.board, self.agent = station.board, station.agent
        self.alice = FarEnd(self.wire, ALICE, "alice")
        self.trunk = FarEnd(self.wire, TRUNK, "trunk")

        self.texts = logLines(self)  # since the test began

    def run_(self, seconds: float) -> None:
        runFor(self.clock, seconds)

    def assertNothingLeft(self) -> None:
        """After the patience of all transactions nothing is left."""
        runFor(self.clock, 140.0)
        self.assertEqual(self.agent.calls, set())
        self.assertEqual(len(self.agent.layer), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def inbound(self) -> InboundCall:
        """The last call that came in."""
        return self.board.calls[-1]

    def heardBy(self) -> Listener:
        """What the user of the last call that came in has heard."""
        return self.board.listeners[-1]

    def dial(
        self, to: str = "sip:200@203.0.113.30", **how: object
    ) -> tuple[OutboundCall, Listener]:
        """placeCall, and the turn in which it begins."""
        listener = Listener(self.clock)
        call = self.agent.placeCall(to, OFFER, listener, **how)  # type: ignore[arg-type]
        self.clock.advance(0)
        return call, listener

    def establish(self) -> tuple[Caller, InboundCall, Listener]:
        """A call from alice that is up."""
        caller = self.alice.invites()
        self.inbound().answer(ANSWER)
        caller.ack()
        return caller, self.inbound(), self.heardBy()


def _label(message: Request | Response) -> str:
    if isinstance(message, Request):
        return message.method
    return f"{message.code} {message.cseq.method}"
