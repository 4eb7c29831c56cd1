"""Phones whose messages are written in another way (catalogue 1 to 5, 9, 28, 32 to 34, 47, 54 to
56, 58).

Lives here: single messages. Not here: what happens in the course of a call (courses.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from doug.testing.hostile.base import HostilePhone
from doug.testing.hostile.raw import RawMessage
from doug.testing.phonecall import PhoneCall
from shtoom.exceptions import NotAcceptable
from shtoom.sdp.description import parseSDP
from shtoom.sdp.offeranswer import negotiate

COMPACT = {
    "Call-ID": "i",
    "Contact": "m",
    "Content-Length": "l",
    "Content-Type": "c",
    "From": "f",
    "Supported": "k",
    "To": "t",
    "Via": "v",
}  # RFC 3261 7.3.3
NAME_ADDRESS = re.compile(r"^<([^>]*)>")
ODD_URIS = ("http://192.0.2.10/", "foo:bar", "sip:", "sip:192.0.2.10:99999", "*", "sips:a@b")


class Compact(HostilePhone):
    """Writes compact header names only. Right: they mean what the long ones do."""

    number = 1

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        yield message.toBytes(f"{COMPACT.get(name, name)}: {v}" for name, v in message.headers)


class Folded(HostilePhone):
    """Begins each header on one line and goes on in the next. Right: unfolds them."""

    number = 2

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        folded = ((name, value.replace(" ", "\r\n\t ", 1)) for name, value in message.headers)
        yield message.toBytes(f"{name}:\r\n {value}" for name, value in folded)


class NoSpace(HostilePhone):
    """Writes a name and its `<` without a space: Bob<sip:bob@...>. Right: accepts it."""

    number = 3

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        for name in ("From", "Contact"):
            value = message.value(name)
            if value.startswith("<") and message.start.endswith("SIP/2.0"):
                message.put((name, f"Bob{value}"))
        yield message


class NoBrackets(HostilePhone):
    """Writes From and To without brackets and port. Right: what follows ; belongs to the header."""

    number = 4

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        for name in ("From", "To"):
            if message.start.endswith("SIP/2.0"):
                message.put((name, NAME_ADDRESS.sub(r"\1", message.value(name))))
        yield message


class NoRport(HostilePhone):
    """Its Via has no rport. Right: responses go to the port that the Via names."""

    number = 5
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.start.endswith("SIP/2.0"):
            message.put(("Via", message.value("Via").replace(";rport", "")))
        yield message


class Offerless(HostilePhone):
    """Calls without an offer. Right: the 200 has one, and the ACK the answer to it."""

    number = 9
    answers = False

    def __init__(self, *args: Any, **options: Any) -> None:
        self._answers: dict[str, bytes] = {}  # by Call-ID, until the ACK
        super().__init__(*args, **options)

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if self.asks(message):
            message.giveBody(b"")
        elif message.label == "ACK":
            message.giveBody(self._answers.pop(message.value("Call-ID"), b""))
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        call = self.callOf(message)
        if call is not None and message.label == "200 INVITE" and self.wasAsked(message):
            self.offered(message.body.decode())
            try:
                agreed = negotiate(parseSDP(message.body), call.capabilities())
            except NotAcceptable as refusal:
                self.complain(f"the 200's offer: {refusal.reason}")
            else:
                self._answers[message.value("Call-ID")] = agreed.answer.toBytes()
        yield message

    def asks(self, message: RawMessage) -> bool:
        """Is it an INVITE that has no offer?"""
        return message.isFirstINVITE

    def wasAsked(self, response: RawMessage) -> bool:
        """Is it the 200 to such an INVITE?"""
        return True

    def offered(self, sdp: str) -> None:
        """The offer in the 200."""


class Requires100rel(HostilePhone):
    """Requires reliable provisional responses. Right: 420, which names them as unsupported."""

    number = 28
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.isFirstINVITE:
            message.insert(("Require", "100rel"))
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "420 INVITE" and message.value("Unsupported") != "100rel":
            self.complain("420 does not say what is unsupported")
        yield message


class WidebandKeysFirst(HostilePhone):
    """Offers telephone-event/16000 before telephone-event/8000. Right: the one by the codec."""

    number = 32
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.label == "INVITE" and message.hasSDP:
            body = message.body.replace(b" 101\r\n", b" 100 101\r\n", 1)
            message.body = body + b"a=rtpmap:100 telephone-event/16000\r\n"
        yield message

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label == "200 INVITE" and b"telephone-event/16000" in message.body:
            self.complain("keys of another clock than the sound's")
        yield message


class Multipart(HostilePhone):
    """Wraps its descriptions in multipart/mixed, behind a text. Right: finds them."""

    number = 33

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.hasSDP:
            parts = (b"text/plain", b"hello"), (b"application/sdp", message.body)
            body = b"".join(b"--x\r\nContent-Type: %b\r\n\r\n%b\r\n" % part for part in parts)
            message.giveBody(body + b"--x--\r\n", "multipart/mixed;boundary=x")
        yield message


class PrivateAddress(HostilePhone):
    """Names a private address in c=. Right: sound goes to where its packets come from."""

    number = 34

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if message.hasSDP:
            own = self.host.address.encode()
            message.body = message.body.replace(b"c=IN IP4 " + own, b"c=IN IP4 10.1.33.103")
        yield message


class InfoKeys(HostilePhone):
    """Presses keys as INFO, * and # as 10 and 11. Right: they are keys as all others."""

    number = 47

    def press(self, call: PhoneCall) -> None:
        if call.state == "answered":
            for key in self.keys:
                number = {"*": "10", "#": "11"}.get(key, key)
                answer = call.sendInfo(f"Signal={number}\r\nDuration=160\r\n".encode())
                answer.addErrback(lambda failure: None)  # the call may be over


class PingsAndEmptyLines(HostilePhone):
    """Sends empty lines, alone and before and after each message. Right: passes over them."""

    number = 54

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        yield from (b"\r\n\r\n", b"\0", b"\r\n\r\n" + message.toBytes() + b"\r\n\r\n", b"")


class WrongLength(HostilePhone):
    """Its INVITE is shorter than its Content-Length says. Right: 400 that has both numbers."""

    number = 55
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        if not message.isFirstINVITE:
            yield message
            return
        size = len(message.body)
        self.sizes = "9999", str(size)
        true, false = f"Content-Length: {size}\r\n", "Content-Length: 9999\r\n"
        yield message.toBytes().replace(true.encode(), false.encode())

    def sipIn(self, message: RawMessage) -> Iterable[RawMessage]:
        if message.label.endswith("INVITE") and not message.label.startswith("1"):
            both = all(size in message.start for size in self.sizes)
            if not (message.label == "400 INVITE" and both):
                self.complain(f"answered {message.start}")
        yield message


class FourKilobytes(HostilePhone):
    """Its messages have more than 4 kB, in one datagram. Right: reads them."""

    number = 56

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        message.insert(("X-Pad", "A" * 4096))
        yield message


class Scanner(HostilePhone):
    """Sends INVITEs with schemes that nobody has, and acknowledges nothing.

    Right: a refusal or a call that ends by itself, never an error.
    """

    number = 58
    answers = False

    def sipOut(self, message: RawMessage) -> Iterable[RawMessage | bytes]:
        yield message
        if not message.isFirstINVITE:
            return
        for number, uri in enumerate(ODD_URIS):
            for name in ("From", "To", "Contact", ""):
                odd = message.copy()
                odd.put(("Call-ID", f"{number}{name}{message.value('Call-ID')}"))
                odd.newBranch(f"{number}{name}")
                if name:
                    odd.put((name, f"<{uri}>;tag=1" if name == "From" else uri))
                else:
                    odd.start = f"INVITE {uri} SIP/2.0"
                yield odd
