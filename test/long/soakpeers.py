"""Who calls in the soak: phones whose users do what people do, and peers that break the rules.

Lives here: callers, one call after the other. Not here: the applications (soakapps.py), the run
(soak.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from doug.testing import Lab, Phone, PhoneCall
from test.cases.actor import Actor, Dialogue
from test.long.soakapps import APPS

PAUSE = 1.0  # seconds between two calls of one caller, at most
LOOK = 0.5  # seconds between two looks at a call
STUCK = 200.0  # seconds from which on a call that its caller has left should be over
KEYS = "0123456789*#"

PHONES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"codecs": ("PCMA",)},
    {"codecs": ("PCMU",), "ptime": 30},
    {"ptime": 10},
    {"events": False},
    {"answerAfter": 2.0},
    {"answerAfter": 8.0, "codecs": ("PCMA", "PCMU"), "ptime": 40},
    {"onCall": "busy"},
    {"onCall": "decline"},
    {"onCall": "ring"},
)
"""Kinds of phones, by the options of Phone."""


class Caller:
    """Makes one call after the other; `ends` counts how they ended."""

    def __init__(
        self, lab: Lab, phones: list[Phone], rng: Random, ends: Counter[str], number: int
    ) -> None:
        self.lab, self.phones, self.rng, self.ends = lab, phones, rng, ends
        self.number = number
        self.running = True
        self.stuck = self.calls = 0
        self.busy = False

    def next(self) -> None:
        """The next call, unless it is told to stop."""
        self.busy = self.running
        if not self.running:
            return
        self.calls += 1
        chance = self.rng.random()
        if chance < 0.80:
            self.phoneCall()
        elif chance < 0.88:
            self.dialOut()
        else:
            Odd(self, self.rng.choice(list(Odd.KINDS)))

    def over(self, how: str) -> None:
        """One more is over; a pause."""
        self.ends[how] += 1
        self.later(self.rng.random() * PAUSE, self.next)

    def later(self, seconds: float, what: Callable[..., object], *args: Any) -> None:
        """In so many seconds."""
        self.lab.reactor.callLater(seconds, what, *args)

    def dialOut(self) -> None:
        """The server is told to call."""
        self.lab.application.startVoiceApp()
        self.over("call out begun")

    def phoneCall(self) -> None:
        """A phone calls, talks, presses keys and hangs up, if nobody else does before."""
        phone = self.rng.choice(self.phones)
        call = phone.dial(f"sip:{self.rng.choice(list(APPS)) or 'anybody'}@doug")
        phone.calls.remove(call)  # those that it is called by remain
        length = min(self.rng.expovariate(1 / 12), 60.0)
        self.follow(call, self.lab.reactor.seconds() + length)

    def follow(self, call: PhoneCall, end: float) -> None:
        """A look at the call, and something to do."""
        now = self.lab.reactor.seconds()
        if call.closed:
            self.over(howEnded(call))
            return
        if now >= end:
            call.hangUp()
            if now > end + STUCK:
                self.stuck += 1
                call.close()
        elif call.state == "answered" and call.stream is not None:
            self.act(call)
        self.later(LOOK, self.follow, call, end)

    def act(self, call: PhoneCall) -> None:
        """What its user does now, mostly nothing."""
        chance, stream = self.rng.random(), call.stream
        if chance < 0.15 and stream is not None and stream.eventType is not None:
            call.press("".join(self.rng.choices(KEYS, k=self.rng.randint(1, 3))))
        elif chance < 0.20:
            call.sayKeys(self.rng.choice(KEYS))
        elif chance < 0.40:
            call.sayTone(self.rng.choice((300, 440, 1000)), self.rng.uniform(0.1, 2.0))
        elif chance < 0.50:
            call.saySilence(1.0)


class Odd:
    """One call of a peer that says what it wants, whatever the answers are."""

    KINDS = (
        "vanishes",
        "never acknowledges",
        "cancels at once",
        "hangs up before the ACK",
        "offers nothing",
        "repeats itself",
        "sends rubbish",
        "offers again and again",
        "wrong order",
    )

    def __init__(self, caller: Caller, kind: str) -> None:
        self.caller, self.kind = caller, kind
        host = f"203.0.{caller.number // 200}.{caller.number % 200 + 10}"
        self.actor = Actor(caller.lab, "odd", host, 40000)
        user = caller.rng.choice(list(APPS)) or "anybody"
        body = b"" if kind == "offers nothing" else None
        self.call: Dialogue = self.actor.invite(body, uri=f"sip:{user}@192.0.2.10")
        {
            "vanishes": self.ack,
            "never acknowledges": lambda: None,
            "cancels at once": lambda: self.at(0.0, self.call.cancel),
            "hangs up before the ACK": lambda: self.at(0.3, self.call.bye),
            "offers nothing": lambda: self.ack(self.actor.answer, 5.0),
            "repeats itself": self.repeat,
            "sends rubbish": self.rubbish,
            "offers again and again": self.reoffer,
            "wrong order": self.wrongOrder,
        }[kind]()
        if kind not in ("vanishes", "never acknowledges"):
            self.at(30.0, self.call.bye)
        self.at(40.0, self.done)

    def at(self, seconds: float, what: Callable[..., object], *args: Any) -> None:
        """In so many seconds."""
        self.caller.later(seconds, what, *args)

    def ack(self, body: bytes = b"", bye: float | None = None) -> None:
        """Acknowledges whatever came, and hangs up later."""
        self.at(0.3, self.call.ack, body)
        if bye is not None:
            self.at(bye, self.call.bye)

    def repeat(self) -> None:
        """The ACK and the BYE five times."""
        for number in range(5):
            self.at(0.3 + number / 10, self.call.ack)
            self.at(3.0 + number / 10, self.call.ask, "BYE")

    def rubbish(self) -> None:
        """To the SIP port and to the one for sound."""
        self.ack(bye=8.0)
        octets = self.caller.rng.randbytes
        for number in range(20):
            self.at(0.5 + number / 5, self.actor.raw, octets(self.caller.rng.randrange(1, 600)))
            self.at(
                0.6 + number / 5, self.toMedia, b"\x80" + octets(self.caller.rng.randrange(1, 300))
            )

    def toMedia(self, data: bytes) -> None:
        """To where it wants sound, if it has said so."""
        if b"m=audio" in self.call.sdp:
            self.actor.media.send(data, self.call.media)

    def reoffer(self) -> None:
        """re-INVITEs, faster than they can be answered, some of them without an ACK."""
        self.ack(bye=12.0)
        for number in range(10):
            self.at(1.0 + number / 20, self.call.reinvite)
            if number % 2:
                self.at(1.04 + number / 20, self.call.ack)
        self.at(2.0, self.call.ack)

    def wrongOrder(self) -> None:
        """A BYE, the ACK, an INFO, and the CANCEL."""
        self.at(0.1, self.call.ask, "BYE")
        self.at(0.2, self.call.ack)
        self.at(0.3, self.call.ask, "INFO")
        self.at(0.4, self.call.cancel)

    def done(self) -> None:
        """Off the network."""
        self.actor.close()
        self.actor.forget()
        self.caller.over(f"odd: {self.kind}")


def howEnded(call: PhoneCall) -> str:
    """In a few words."""
    if call.failure is not None:
        return f"refused: {call.failure.sipCode}"
    if call.ending is None:
        return call.state
    if call.ending.sipCode is not None:
        return f"ended: {call.ending.sipCode}"
    return "the server hung up" if call.ending.byRemote else "the caller hung up"
