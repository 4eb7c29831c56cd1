"""The memory of a registration, and the time that many of them take.

    python -m test.long.registrations [--phones 1000 10000] [--trunks 100 1000]

A whole server in virtual time. So many phones register with digest, each from an address of its
own, and an hour later have run out; so many trunks register, and are taken away; both twice. Prints
for each number the bytes of one (all that Python has allocated, by tracemalloc), what is left of it
afterwards (tables keep their size), and the processor time of the longest second while they are
there (tracemalloc makes it longer). Ends with 0 if all were registered and the second time adds
less than a tenth of what they take.

Lives here: that run. Not here: calls (test.long.transports).
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.logger import ILogObserver, globalLogBeginner
from zope.interface import implementer

from doug.settings import Settings
from doug.testing import Lab
from doug.trunks import Trunk
from doug.voiceapp import VoiceApp
from shtoom.agent.registrar import LONGEST, Phone
from shtoom.agent.registration import RegistrationState
from shtoom.sip.digest import Answering, parseChallenges, strongest
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse

Address = tuple[str, int]

DOUG: Address = ("192.0.2.10", 5060)
OFFICE: Address = ("203.0.113.30", 5060)
PASSWORD = "wonderland"
REST = 40.0  # seconds until a transaction is forgotten
APART = 0.003  # seconds between two REGISTERs
LEFT = 0.1  # share of what one takes that may be left


@implementer(ILogObserver)
class Nobody:
    """Reads the log."""

    def __call__(self, event: dict[str, Any]) -> None:
        """A line."""


class Served(VoiceApp):
    """Nobody calls it."""


class World:
    """All phones, or the registrar of all trunks; keeps nothing of them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        lab.network.observers.append(self._sent)

    def register(self, number: int, authorization: str = "") -> None:
        """One phone asks for an hour."""
        host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        text = (
            f"REGISTER sip:{DOUG[0]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host};branch=z9hG4bK{number}{len(authorization)};rport\r\n"
            f"From: <sip:u{number}@{DOUG[0]}>;tag={number}\r\nTo: <sip:u{number}@{DOUG[0]}>\r\n"
            f"Call-ID: {number}@{host}\r\nCSeq: {2 if authorization else 1} REGISTER\r\n"
            f"Contact: <sip:u{number}@{host}:5060>\r\nExpires: {LONGEST}\r\n{authorization}"
            "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        self._lab.network.send(text.encode(), (host, 5060), DOUG)

    def _sent(self, data: bytes, source: Address, destination: Address) -> None:
        if source != DOUG or data.startswith(b"SIP/2.0 200") or not data.strip():
            return  # nothing that wants an answer
        message = parse(data)
        if isinstance(message, Request):
            self._lab.network.send(self._answer(message), destination, source)
        elif message.code == 401:
            self._try(message)

    def _answer(self, request: Request) -> bytes:
        """Of a trunk's registrar."""
        if request.header("Authorization") is None and request.header("Expires") != "0":
            line = 'Digest realm="office", nonce="n", algorithm=SHA-256, qop="auth"'
            return request.respond(401, headers=[("WWW-Authenticate", line)]).toBytes()
        own = f"{request.header('Contact')};expires={request.header('Expires')}"
        return request.respond(200, headers=[("Contact", own)]).toBytes()

    def _try(self, response: Response) -> None:
        """A phone knows the password."""
        number = int(response.callID.partition("@")[0])
        challenge = strongest(parseChallenges(response.headerValues("WWW-Authenticate")))
        assert challenge is not None
        answering = Answering(challenge, f"u{number}", PASSWORD, "c")
        line = answering.answer("REGISTER", f"sip:{DOUG[0]}")
        self.register(number, f"Authorization: {line}\r\n")


def allocated() -> int:
    """Bytes that are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def longest(lab: Lab, seconds: int) -> float:
    """Lets them pass; milliseconds of processor time of the longest one."""
    found = 0.0
    for _ in range(seconds):
        began = time.process_time()
        lab.reactor.advance(1.0)
        found = max(found, time.process_time() - began)
    return found * 1000


class Load(ABC):
    """So many registrations of a kind. come(): they are made; go(): they are over. what: in words.

    there: how many there are.
    """

    what = ""

    def __init__(self, count: int, settings: Settings | None = None) -> None:
        self.count = count
        self.lab = Lab(Served, settings=settings)
        self.world = World(self.lab)

    @abstractmethod
    def come(self) -> None:
        """All of them."""

    @abstractmethod
    def go(self) -> None:
        """None is left."""

    @property
    @abstractmethod
    def there(self) -> int:
        """As the class says."""


class Phones(Load):
    """They register here, one after the other, and are not heard of again."""

    what = "phones registered here"

    def __init__(self, count: int) -> None:
        super().__init__(count, Settings(phones={f"u{n}": Phone(PASSWORD) for n in range(count)}))

    def come(self) -> None:
        for number in range(self.count):
            self.world.register(number)
            self.lab.reactor.advance(APART)

    def go(self) -> None:
        self.lab.reactor.advance(LONGEST)

    @property
    def there(self) -> int:
        registrar = self.lab.application.exchange.relations.registrar
        return sum(registrar.registered().values()) if registrar is not None else 0


class Trunks(Load):
    """We register at them, until they are taken away."""

    what = "trunks that we are registered at"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._without = self.lab.application.settings
        names = [f"t{number}" for number in range(count)]
        self._with = replace(
            self._without,
            trunks={
                name: Trunk(name, OFFICE[0], user=name, password=PASSWORD, register=True)
                for name in names
            },
        )

    def come(self) -> None:
        self.lab.application.reload(self._with)

    def go(self) -> None:
        self.lab.application.reload(self._without)

    @property
    def there(self) -> int:
        trunks = self.lab.application.exchange.relations.trunking.trunks.values()
        states = [t.registration.state for t in trunks if t.registration is not None]
        return states.count(RegistrationState.REGISTERED)


def measure(load: Load, say: Callable[[str], object]) -> bool:
    """Tells what is found as soon as it is; returns whether all is well."""
    reactor, there = load.lab.reactor, []
    reactor.advance(REST)
    before = allocated()
    gone: list[int] = []
    for _ in range(2):
        load.come()
        reactor.advance(REST)
        there.append(load.there)
        up = allocated()
        if not gone:
            each = (up - before) / load.count
            say(f"{load.there} {load.what}: {each:.0f} bytes each; ")
            say(f"longest second {longest(load.lab, 60):.1f} ms; ")
        load.go()
        reactor.advance(REST)
        gone.append(allocated())
        if len(gone) == 1:
            say(f"{(gone[0] - before) / load.count:.0f} are left of each afterwards, ")
    load.lab.close()
    second = (gone[1] - gone[0]) / load.count
    say(f"{second:.0f} more after as many again\n")
    return there == [load.count, load.count] and second < LEFT * each


def say(text: str) -> None:
    """Part of a line, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """The run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--phones", type=int, nargs="*", default=(1000, 10_000))
    parser.add_argument("--trunks", type=int, nargs="*", default=(100, 1000))
    options = parser.parse_args()
    globalLogBeginner.beginLoggingTo([Nobody()], discardBuffer=True, redirectStandardIO=False)
    tracemalloc.start()
    well = True
    for kind, counts in ((Phones, options.phones), (Trunks, options.trunks)):
        measure(kind(1), str)  # what comes with the first one is not theirs
        for count in counts:
            well = measure(kind(count), say) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
