"""A server in virtual time that messages of the corpus are given to, and what it says to them."""

from __future__ import annotations

from typing import Any

from doug.events import CallAnsweredEvent, CallEndedEvent, CallStartedEvent
from doug.testing import Lab
from doug.voiceapp import VoiceApp
from shtoom.exceptions import MalformedMessage
from shtoom.sip.headers import Headers
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.uri import hostPort

Address = tuple[str, int]

DOUG: Address = ("192.0.2.10", 5060)
SOURCE: Address = ("203.0.113.30", 5060)
AFTERWARDS = 40.0  # seconds: many have the branch or the Call-ID of another one


class Taker(VoiceApp):
    """Answers, and hangs up once the caller has acknowledged. calls: how often it was called."""

    calls: list[object]

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """A call."""
        self.calls.append(event)
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.over), (CallEndedEvent, self.over)]

    def over(self, event: object) -> None:
        """It is up, or never was."""
        self.returnResult(None)


class World:
    """All that is not the server: sends messages, hears all that comes, and ends calls in order.

    heard: what the server has sent since forget(), and where to; it is acknowledged, its BYE
    confirmed.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.heard: list[tuple[Request | Response, Address]] = []
        lab.network.observers.append(self._sent)

    def send(self, data: bytes) -> None:
        """A datagram for the server."""
        self.lab.network.send(data, SOURCE, DOUG)

    def _sent(self, data: bytes, source: Address, destination: Address) -> None:
        if source != DOUG:
            return
        try:
            message = parse(data)
        except MalformedMessage:  # a refusal repeats what is broken in the request
            self.heard.append((roughly(data), destination))
            return
        self.heard.append((message, destination))
        if isinstance(message, Request):
            if message.method == "BYE":
                self.send(message.respond(200).toBytes())
        elif message.cseq.method == "INVITE" and message.code >= 200:
            self.send(self._ack(message))

    def _ack(self, response: Response) -> bytes:
        """A 2xx is acknowledged in its dialog, another answer in its transaction."""
        via = str(response.via) if response.code >= 300 else "SIP/2.0/UDP h;branch=z9hG4bKack"
        copied = [(n, response.headers.getLines(n)[0]) for n in ("From", "To", "Call-ID")]
        lines = [("Via", via), *copied, ("CSeq", f"{response.cseq.number} ACK")]
        text = "".join(f"{name}: {value}\r\n" for name, value in lines)
        start = f"ACK sip:{hostPort(*DOUG)} SIP/2.0\r\n"
        return f"{start}{text}Content-Length: 0\r\n\r\n".encode("utf-8", "surrogateescape")

    def forget(self) -> list[tuple[Response, Address]]:
        """Nothing was heard; returns the responses that were, but for provisional ones."""
        heard, self.heard = self.heard, []
        return [(m, to) for m, to in heard if isinstance(m, Response) and m.code >= 200]


def asRead(data: bytes) -> Request:
    """The message, or as much of it as a refusal repeats."""
    try:
        message = parse(data)
    except MalformedMessage as error:
        message = error.request  # type: ignore[assignment]
    assert isinstance(message, Request)
    return message


def roughly(data: bytes) -> Response:
    """A response, whatever its values are."""
    start, *lines = data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape").split("\r\n")
    version, code, reason = start.split(" ", 2)
    assert version == "SIP/2.0"
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Response(int(code), reason, Headers.trusted(pairs))
