"""What is refused leaves no garbage that only the collector finds: its pauses are heard in calls.

A cycle is a frame that has an exception of its own in a variable, or what holds one another.
Lives here: a hundred refusals of each kind through a whole server. Not here: what a call leaves
(test_leaks.py), what the answers are (test/agent/test_answers.py).
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import inlineCallbacks, succeed
from twisted.trial.unittest import SynchronousTestCase

from doug.events import CallAnsweredEvent, CallEndedEvent, CallRejectedEvent, CallStartedEvent
from doug.settings import Settings
from doug.testing import Lab
from doug.trunks import Trunk
from doug.voiceapp import VoiceApp
from shtoom.agent.registrar import Phone as Account
from shtoom.exceptions import UserBusy
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import MAX_BYTES, MAX_LINE, parse
from test.long.withstandapps import Steady
from test.support.collector import collectorOff

TIMES = 100  # of each refusal
FAR, SERVER, REGISTRAR = ("203.0.113.9", 5060), ("192.0.2.10", 5060), ("203.0.113.30", 5060)
GONE = 80.0  # seconds after which nothing of a transaction is left
SESSION = "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n"
AUDIO = SESSION + "m=audio 4000 RTP/AVP 0\r\n"
G729 = SESSION + "m=audio 4000 RTP/AVP 18\r\n"


def message(
    number: int,
    method: str = "OPTIONS",
    *more: str,
    body: str = "",
    uri: str = "sip:app@192.0.2.10",
    version: str = "SIP/2.0",
    **changed: str,
) -> bytes:
    """A request. more: header lines. changed: headers in the place of its own, "" for none."""
    headers = {
        "Via": f"SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKc{number}",
        "Max-Forwards": "70",
        "From": f"<sip:far@203.0.113.9>;tag=f{number}",
        "To": "<sip:app@192.0.2.10>",
        "Call-ID": f"c{number}",
        "CSeq": f"1 {method}",
        "Contact": "<sip:far@203.0.113.9>",
        "Content-Type": "application/sdp" if body else "",
        "Content-Length": str(len(body)),
    }
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join((f"{method} {uri} {version}", *lines, *more, "", body)).encode()


MESSAGES: dict[str, Callable[[int], bytes]] = {
    "served": message,
    "400, a header line": lambda n: message(n, "OPTIONS", "bad header"),
    "400, a header that is read late": lambda n: message(n, "INVITE", body=AUDIO, Contact="<<"),
    "400, a header twice": lambda n: message(n, "OPTIONS", "Call-ID: other"),
    "400, the address": lambda n: message(n, uri="sip:@@@"),
    "400, another method in CSeq": lambda n: message(n, CSeq="1 BYE"),
    "400, the length": lambda n: message(n, Content_Length="4000"),
    "400, a description": lambda n: message(n, "INVITE", body="v=0\r\nm=audio x\r\n"),
    "400, no end": lambda n: message(n)[:-2],
    "400, a stray line end": lambda n: message(n, "OPTIONS", "X-A: b\rc"),
    "dropped, no Via": lambda n: message(n, Via=""),
    "dropped, no SIP": lambda n: b"GET / HTTP/1.1\r\n\r\n",
    "405": lambda n: message(n, "SUBSCRIBE"),
    "414": lambda n: message(n, uri="sip:" + "a" * MAX_LINE + "@192.0.2.10"),
    "415": lambda n: message(n, "INVITE", body="x", Content_Type="text/plain"),
    "416": lambda n: message(n, "INVITE", body=AUDIO, uri="mailto:a@b"),
    "420": lambda n: message(n, "INVITE", "Require: foo", body=AUDIO),
    "481, BYE": lambda n: message(n, "BYE"),
    "481, a dialog": lambda n: message(n, "INVITE", body=AUDIO, To="<sip:a@b>;tag=gone"),
    "481, CANCEL": lambda n: message(n, "CANCEL"),
    "482": lambda n: message(
        n, Via=f"SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKx{n}", Call_ID="same", From="<sip:a@b>;tag=1"
    ),
    "488": lambda n: message(n, "INVITE", body=G729),
    "501": lambda n: message(n, "FOOBAR"),
    "505": lambda n: message(n, version="SIP/9.0"),
    "513, a header": lambda n: message(n, "OPTIONS", "X-A: " + "a" * MAX_LINE),
    "513, headers": lambda n: message(n, "OPTIONS", *["X-A: a"] * 300),
    "513, the message": lambda n: message(n, body="x" * MAX_BYTES),
    "a response": lambda n: message(n, version="").replace(b"OPTIONS sip:app@192", b"SIP/2.0 x 1"),
    "a response to nobody": lambda n: b"SIP/2.0 200 OK\r\n" + message(n).partition(b"\r\n")[2],
    "an ACK to nobody": lambda n: message(n, "ACK"),
    "an ACK that cannot be read": lambda n: message(n, "ACK", "bad header"),
}


class Refusing(VoiceApp):
    """Takes no call: rejects it, or is not there."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> None:
        """Somebody calls."""
        event.leg.rejectCall(UserBusy())
        self.returnResult(None)


class Failing(VoiceApp):
    """Raises where it is told to. where: the name of a method."""

    where = "started"

    def __start__(self) -> Any:
        self.fails("__start__")
        return [(CallStartedEvent, self.started)]

    def fails(self, where: str) -> None:
        """Here?"""
        if where == self.where:
            raise ValueError("as it is told to")

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        self.fails("started")
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.answered), (CallEndedEvent, self.ended)]

    async def answered(self, event: CallAnsweredEvent) -> None:
        """It is up."""
        self.fails("answered")

    @inlineCallbacks
    def ended(self, event: CallEndedEvent) -> Any:
        """It is over."""
        yield succeed(None)
        self.fails("ended")
        self.returnResult(None)


class Dialling(VoiceApp):
    """Calls one who does not want it."""

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.started)]

    def started(self, event: CallStartedEvent) -> Any:
        """Somebody has started it."""
        self.placeCall("sip:far@203.0.113.9")
        return [(CallRejectedEvent, self.rejected)]

    def rejected(self, event: CallRejectedEvent) -> None:
        """As expected."""
        self.returnResult(event.sipCode)


def answer(code: int, asked: Request) -> bytes:
    """A response."""
    kept = ("Via", "From", "To", "Call-ID", "CSeq")
    lines = [f"{name}: {asked.header(name)}" for name in kept]
    if ";tag=" not in lines[2]:
        lines[2] += ";tag=there"
    lines.append('WWW-Authenticate: Digest realm="there", nonce="n"')
    return "\r\n".join((f"SIP/2.0 {code} So", *lines, "Content-Length: 0", "", "")).encode()


def refuses(lab: Lab, code: int) -> None:
    """Who is asked at FAR answers with that code."""

    def received(data: bytes, source: tuple[str, int]) -> None:
        asked = parse(data)
        if isinstance(asked, Request) and asked.method != "ACK":
            lab.network.send(answer(code, asked), FAR, source)

    lab.network.bind(FAR, received)


class Far:
    """Somebody at FAR who calls, acknowledges, and takes each BYE."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.to = ""
        lab.network.bind(FAR, self.received)

    def call(self, number: int, leaves: bool) -> None:
        """Calls; leaves: and hangs up again."""
        self.number = number
        self.say("INVITE", "<sip:app@192.0.2.10>", AUDIO)
        self.lab.reactor.advance(0.03)
        if leaves:
            self.say("BYE", self.to)
            self.lab.reactor.advance(0.03)

    def say(self, method: str, to: str, body: str = "") -> None:
        """A request of the call."""
        via = f"SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKc{self.number}{method}"
        cseq = f"{1 + (method == 'BYE')} {method}"
        request = message(self.number, method, body=body, To=to, Via=via, CSeq=cseq)
        self.lab.network.send(request, FAR, SERVER)

    def received(self, data: bytes, source: tuple[str, int]) -> None:
        """What the server says."""
        heard = parse(data)
        if isinstance(heard, Request):
            self.lab.network.send(answer(200, heard), FAR, source)
        elif isinstance(heard, Response) and heard.header("CSeq") == "1 INVITE":
            self.to = heard.header("To") or ""
            if heard.code >= 200:
                self.say("ACK", self.to)


def ignoring(once: Callable[[], object]) -> Callable[[int], object]:
    """To call with numbers."""
    return lambda number: once()


def holders() -> str:
    """What the collector has found, and the frames among it with the exceptions they hold."""
    kinds = Counter(type(found).__name__ for found in gc.garbage)
    frames = Counter(
        f"{found.f_code.co_qualname}: {name}"
        for found in gc.garbage
        if type(found).__name__ == "frame"
        for name, value in found.f_locals.items()
        if isinstance(value, BaseException)
    )
    return f"{dict(kinds.most_common(8))}; {dict(frames.most_common(8))}"


class CycleTests(SynchronousTestCase):
    """The collector has nothing to do."""

    def setUp(self) -> None:
        gc.collect()
        gc.freeze()  # what is there already is not looked at again and again
        self.addCleanup(gc.unfreeze)

    def check(self, name: str, lab: Lab, once: Callable[[int], object], rest: float = GONE) -> None:
        """once(n) is called TIMES times, after a few for tables and caches."""
        advance = lab.reactor.advance
        for number in range(5):
            once(number)
            advance(0.03)
        advance(rest)
        with collectorOff():
            before = len(gc.get_objects())
            for number in range(5, 5 + TIMES):
                once(number)
                advance(0.03)
            advance(rest)
            lab.results.clear()
            lab.failures.clear()
            after = len(gc.get_objects())
            found = gc.collect()
            held = holders()
        self.assertLess(found, TIMES, f"{name}: {found} objects: {held}")  # none for each refusal
        self.assertLess(after - before, TIMES // 2, name)

    def send(self, lab: Lab, make: Callable[[int], bytes]) -> Callable[[int], None]:
        """To call with numbers: such a message comes."""
        return lambda number: lab.network.send(make(number), FAR, SERVER)

    def test_messages(self) -> None:
        """Whatever is wrong with a message."""
        lab = Lab(Steady)
        for name, make in MESSAGES.items():
            self.check(name, lab, self.send(lab, make))

    def test_callsThatAreNotTaken(self) -> None:
        """By applications, by limits, by who is known."""
        invite = lambda n: message(n, "INVITE", body=AUDIO)  # noqa: E731
        office = {"office": Trunk("office", "203.0.113.30")}
        kinds: dict[str, tuple[Settings, Callable[[int], bytes]]] = {
            "401": (Settings(phones={"far": Account("secret")}), lambda n: message(n, "REGISTER")),
            "403": (Settings(trunks=office, anonymous="reject"), invite),
            "503, no calls": (Settings(maxCalls=0), invite),
            "404": (Settings(), lambda n: message(n, "INVITE", body=AUDIO, uri="sip:x@192.0.2.10")),
            "486": (Settings(), lambda n: message(n, "INVITE", body=AUDIO, uri="sip:b@192.0.2.10")),
        }
        for name, (settings, make) in kinds.items():
            lab = Lab({"app": Steady, "b": Refusing}, settings=settings)
            self.check(name, lab, self.send(lab, make))

    def test_applicationsThatFail(self) -> None:
        """In each step of a call's life."""
        for where in ("__start__", "started", "answered", "ended"):
            far = Far(Lab(type("Failing", (Failing,), {"where": where})))

            def call(number: int, far: Far = far, leaves: bool = where == "ended") -> None:
                far.call(number, leaves)
                self.flushLoggedErrors(ValueError)

            self.check(where, far.lab, call)

    def test_callsOfOursThatFail(self) -> None:
        """Refused, for want of a password too, to nobody, to who is silent."""
        unlimited = Settings(sourceRate=0)  # else the gate knows each call for half a minute
        for name in ("486", "401", "ICMP", "silence"):
            lab = Lab(Dialling, settings=unlimited)
            if name.isdigit():
                refuses(lab, int(name))
            elif name == "ICMP":
                lab.network.host(FAR[0])
            self.check(name, lab, ignoring(lab.application.startVoiceApp))

    def test_registrationsThatFail(self) -> None:
        """Tried again and again."""
        for name in ("403", "401", "ICMP", "silence"):
            trunk = Trunk("office", FAR[0], user="far", password="secret", register=True)
            lab = Lab(Steady, settings=Settings(trunks={"office": trunk}))
            if name.isdigit():
                refuses(lab, int(name))
            elif name == "ICMP":
                lab.network.host(FAR[0])
            self.check(name, lab, ignoring(partial(lab.reactor.advance, 60.0)))
