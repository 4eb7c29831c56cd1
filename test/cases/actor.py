"""Scripted SIP actors on the lab's network: they say what a test says, and note what they hear.

Lives here: Actor (one address with a SIP port) and Dialogue (one call of it, either side) with
branches, tags, CSeq, route sets; raw text; a description and what it says. Not here: RTP
(media.py), the server and its application (case.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from typing import NamedTuple

from doug.testing import Lab
from shtoom.exceptions import MalformedMessage
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from shtoom.sip.uri import hostPort
from test.cases.media import Address, MediaEnd

DOUG: Address = ("192.0.2.10", 5060)
STEP = 0.005  # seconds: how exactly it is found out when something came
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY"

With = Mapping[str, str]


def sdp(
    host: str,
    port: int,
    formats: str = "0 8 101",
    *,
    number: int = 1001,
    version: int = 1,
    more: str = "a=ptime:20\na=sendrecv",
    rtpmap: str = "0 PCMU/8000\n8 PCMA/8000\n101 telephone-event/8000",
) -> bytes:
    """An offer or answer. rtpmap: a line each. more: further lines of the audio stream."""
    maps = [line for line in rtpmap.splitlines() if line.split()[0] in formats.split()]
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {number} {version} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        *(f"a=rtpmap:{line}" for line in maps),
        *more.splitlines(),
        "",
    ]
    return "\r\n".join(lines).encode()


def write(
    start: str,
    lines: Iterable[tuple[str, str]],
    body: bytes,
    with_: With | None = None,
    drop: Collection[str] = (),
) -> bytes:
    """A message. with_: headers in the place of those of that name, or added. drop: left out."""
    with_ = dict(with_ or {})
    given = [*lines, ("Content-Length", str(len(body)))]
    names = [name for name, _ in given]
    written = [(name, with_.get(name, value)) for name, value in given if name not in drop]
    written[-1:-1] = [(name, value) for name, value in with_.items() if name not in names]
    text = "\r\n".join([start, *(f"{name}: {value}" for name, value in written), "", ""])
    return text.encode("utf-8", "surrogateescape") + body


class Heard(NamedTuple):
    """A message, when it came, the datagram that it came in, and by which transport."""

    at: float
    message: Request | Response
    data: bytes
    via: str = "UDP"

    @property
    def label(self) -> str:
        """ "200 INVITE" for a response, "BYE" for a request."""
        message = self.message
        if isinstance(message, Response):
            return f"{message.code} {message.cseq.method}"
        return message.method


class Actor:
    """One address of the network. media: its RTP port.

    heard: all that came to its SIP port; unreadable: what of it was no SIP that can be read.
    """

    def __init__(self, lab: Lab, name: str, host: str, rtp: int, *, server: Address = DOUG) -> None:
        self.lab, self.name, self.host, self.server = lab, name, host, server
        self.address: Address = (host, 5060)
        self.media = MediaEnd(lab, host, rtp)
        self.heard: list[Heard] = []
        self.unreadable: list[bytes] = []
        self.numbers = count(1)
        self._new: list[Heard] = []  # not asked for yet
        self._dialogues: list[Dialogue] = []
        lab.network.bind(self.address, self._received)

    @property
    def transport(self) -> str:
        """What it says in Via."""
        return "UDP"

    @property
    def sentBy(self) -> str:
        """Its address in Via."""
        return hostPort(self.host, 5060)

    @property
    def contact(self) -> str:
        """The URI in its Contact."""
        return f"sip:{self.name}@{hostPort(self.host, 5060)}"

    @property
    def offer(self) -> bytes:
        """All that it can."""
        return sdp(self.host, self.media.port)

    @property
    def answer(self) -> bytes:
        """PCMU and keys."""
        return sdp(self.host, self.media.port, "0 101", number=2001)

    # --- what it says -------------------------------------------------------------------------

    def raw(self, data: bytes | str, sourcePort: int = 5060) -> None:
        """Exactly these bytes, in one datagram."""
        octets = data.encode() if isinstance(data, str) else data
        self.lab.network.send(octets, (self.host, sourcePort), self.server)

    def newBranch(self) -> str:
        """One that was not used before."""
        return f"z9hG4bK{self.name}{next(self.numbers)}"

    def ask(
        self,
        method: str,
        *,
        body: bytes = b"",
        uri: str = "",
        with_: With | None = None,
        drop: Collection[str] = (),
    ) -> Dialogue:
        """A request outside dialogs."""
        dialogue = Dialogue(self)
        self._dialogues.append(dialogue)
        dialogue.ask(method, body=body, uri=uri, with_=with_, drop=drop)
        return dialogue

    def invite(
        self,
        body: bytes | None = None,
        *,
        uri: str = "",
        with_: With | None = None,
        drop: Collection[str] = (),
    ) -> Dialogue:
        """Calls. body: None for its offer, b"" for none."""
        offer = self.offer if body is None else body
        return self.ask("INVITE", body=offer, uri=uri, with_=with_, drop=drop)

    def takes(self, invite: Request) -> Dialogue:
        """The called side of an INVITE that it has heard."""
        dialogue = Dialogue(self, invite)
        self._dialogues.append(dialogue)
        return dialogue

    def reply(
        self,
        request: Request,
        code: int,
        *,
        tag: str | None = None,
        body: bytes = b"",
        with_: With | None = None,
        drop: Collection[str] = (),
    ) -> None:
        """A response to a request that it has heard."""
        to = str(request.header("To"))
        tagged = f"{to};tag={tag}" if tag and request.toAddress.tag is None else to
        lines = [("Via", via) for via in request.headerValues("Via")]
        lines += [("Record-Route", route) for route in request.headerValues("Record-Route")]
        lines += [("From", str(request.header("From"))), ("To", tagged)]
        lines += [("Call-ID", request.callID), ("CSeq", str(request.header("CSeq")))]
        if 100 < code < 300:
            lines.append(("Contact", f"<{self.contact}>"))
        if body:
            lines.append(("Content-Type", "application/sdp"))
        self.raw(write(f"SIP/2.0 {code} Whatever", lines, body, with_, drop))

    # --- what it hears ------------------------------------------------------------------------

    def response(self, pattern: str, within: float = 0.5) -> Response:
        """The first response not asked for yet that is like "200 INVITE", a regular expression."""
        message = self._next(pattern, within).message
        assert isinstance(message, Response), message
        return message

    def request(self, pattern: str, within: float = 0.5) -> Request:
        """The first request not asked for yet whose method matches."""
        message = self._next(pattern, within).message
        assert isinstance(message, Request), message
        return message

    def nothing(self, pattern: str, during: float) -> None:
        """Nothing like it comes from now on for so many seconds."""
        before = len(self.heard)
        self.lab.advance(during)
        found = [heard.label for heard in self.heard[before:] if re.fullmatch(pattern, heard.label)]
        if found:
            raise AssertionError(f"{self.name}: wanted no {pattern}, heard {', '.join(found)}")

    def labels(self, pattern: str = ".*") -> list[str]:
        """What it has heard, in order."""
        return [heard.label for heard in self.heard if re.fullmatch(pattern, heard.label)]

    def _next(self, pattern: str, within: float) -> Heard:
        end = self.lab.reactor.seconds() + within
        while True:
            for heard in self._new:
                if re.fullmatch(pattern, heard.label):
                    self._new.remove(heard)
                    return heard
            left = end - self.lab.reactor.seconds()
            if left <= 0:
                labels = ", ".join(self.labels()) or "nothing"
                raise AssertionError(f"{self.name}: no {pattern} in {within:g} s; heard {labels}")
            self.lab.advance(min(STEP, left))

    def _received(self, data: bytes, source: Address) -> None:
        self.took(data, "UDP")

    def took(self, data: bytes, via: str) -> None:
        """A message has come by that transport."""
        try:
            heard = Heard(self.lab.reactor.seconds(), parse(data), data, via)
        except MalformedMessage:  # a refusal repeats what is broken in the request
            self.unreadable.append(data)
            return
        self.heard.append(heard)
        self._new.append(heard)
        for dialogue in self._dialogues:
            if dialogue.callID == heard.message.callID:
                dialogue.learn(heard.message)

    def forget(self) -> None:
        """All that was heard, and all calls."""
        self.heard.clear()
        self._new.clear()
        self._dialogues.clear()
        self.media.packets.clear()

    def close(self) -> None:
        """Off the network."""
        self.lab.network.unbind(self.address)
        self.media.close()


class Dialogue:
    """One call of an actor, or one request. invite: what it answers, None if it asks.

    tag: ours. remoteTag, target, routes: what the far end has told. cseq: of the last request.
    sdp: the last description from the far end; media: where it wants sound.
    """

    def __init__(self, actor: Actor, invite: Request | None = None) -> None:
        self.actor, self.invite = actor, invite
        number = next(actor.numbers)
        self.tag = f"{actor.name}{number}"
        self.cseq = 0
        self.routes: list[str] = []
        self.target = "sip:app@" + hostPort(actor.server[0], None)
        self.remoteTag: str | None = None
        self.sdp = b""
        self.branch = self.uri = ""  # of the last INVITE
        self.inviteCSeq = 0
        if invite is None:
            self.callID = f"{number}@{actor.host}"
            self.local = f'"{actor.name.title()}" <sip:{actor.name}@example.net>'
            self.remote = "<sip:app@example.com>"
        else:
            self.callID = invite.callID
            self.local = str(invite.header("To"))
            self.remote = f"<{invite.fromAddress.uri}>"
            self.learn(invite)

    @property
    def media(self) -> Address:
        """(host, port) of the far end's last description."""
        text = self.sdp.decode()
        host, port = re.search(r"c=IN IP\d (\S+)", text), re.search(r"m=audio ([1-9]\d*)", text)
        assert host is not None, text
        assert port is not None, text
        return host[1], int(port[1])

    def learn(self, message: Request | Response) -> None:
        """A message of this call from the far end."""
        if message.contentType == "application/sdp":
            self.sdp = message.body
        if isinstance(message, Request):
            tag, routes = message.fromAddress.tag, message.headerValues("Record-Route")
        elif message.cseq.method == "INVITE" and 100 < message.code < 300:
            tag, routes = message.toAddress.tag, message.headerValues("Record-Route")[::-1]
        else:
            if self.remoteTag is None and message.cseq.method == "INVITE":
                self.remoteTag = message.toAddress.tag
            return
        self.remoteTag = tag
        self.routes = routes
        if message.contact is not None:
            self.target = str(message.contact.uri)

    # --- requests -----------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        *,
        body: bytes = b"",
        uri: str = "",
        cseq: int | None = None,
        branch: str = "",
        with_: With | None = None,
        drop: Collection[str] = (),
    ) -> None:
        """A request of this call; cseq: None for the next."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        uri = uri or self.target
        branch = branch or self.actor.newBranch()
        if method == "INVITE":
            self.branch, self.uri, self.inviteCSeq = branch, uri, cseq
        tag = f";tag={self.remoteTag}" if self.remoteTag else ""
        lines = [
            ("Via", f"SIP/2.0/{self.actor.transport} {self.actor.sentBy};branch={branch};rport"),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in self.routes),
            ("From", f"{self.local};tag={self.tag}" if self.tag else self.local),
            ("To", f"{self.remote}{tag}"),
            ("Call-ID", self.callID),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "UPDATE", "SUBSCRIBE", "OPTIONS"):
            lines += [("Contact", f"<{self.actor.contact}>"), ("Allow", ALLOW)]
        if body:
            lines.append(("Content-Type", "application/sdp"))
        self.actor.raw(write(f"{method} {uri} SIP/2.0", lines, body, with_, drop))

    def ack(self, body: bytes = b"") -> None:
        """The ACK of a 2xx to the last INVITE."""
        self.ask("ACK", cseq=self.inviteCSeq, body=body)

    def ackRefusal(self) -> None:
        """The ACK of another final response: of the INVITE's own transaction."""
        self.ask("ACK", cseq=self.inviteCSeq, branch=self.branch, uri=self.uri)

    def cancel(self) -> None:
        """The CANCEL of the first INVITE: its branch, its URI, no To tag."""
        known, self.remoteTag = self.remoteTag, None
        self.ask("CANCEL", cseq=self.inviteCSeq, branch=self.branch, uri=self.uri)
        self.remoteTag = known

    def bye(self) -> None:
        """Hangs up."""
        self.ask("BYE")

    def reinvite(self, body: bytes | None = None, with_: With | None = None) -> None:
        """Another INVITE in the call. body: None for the actor's offer, b"" for none."""
        self.ask("INVITE", body=self.actor.offer if body is None else body, with_=with_)

    def reoffer(self, body: bytes | None = None) -> Response:
        """A re-INVITE, its 200 and the ACK."""
        self.reinvite(body)
        response = self.actor.response("200 INVITE")
        self.ack()
        return response

    # --- responses ----------------------------------------------------------------------------

    def says(
        self,
        code: int,
        tag: str = "t1",
        body: bytes = b"",
        with_: With | None = None,
        drop: Collection[str] = (),
    ) -> None:
        """A response to the INVITE. tag: in To."""
        assert self.invite is not None
        self.tag = tag
        self.actor.reply(self.invite, code, tag=tag, body=body, with_=with_, drop=drop)


def direction(body: bytes) -> str:
    """That of a description's audio stream."""
    found = re.search(r"a=(sendrecv|sendonly|recvonly|inactive)\r\n", body.decode())
    return found[1] if found else "sendrecv"


def version(body: bytes) -> int:
    """Of the o= line."""
    found = re.search(r"o=\S+ \d+ (\d+) ", body.decode())
    assert found is not None
    return int(found[1])
