"""How long one message takes, whatever fills which of its headers: it has to grow with its size.

    python -m test.long.headers [WAY ...]

Each header that is read, in requests and responses, outside and inside of calls and in REGISTERs
with the right password, filled to 15 and 60 KB with many values, parameters, escapes or quotes,
and sent to a whole server. Prints milliseconds of processor time for the slowest, and for those
whose time grows faster than their size. Ends with 0 if there are none, and none above LIMIT.

Lives here: that run. Not here: bodies (test.long.bodies), messages with faults (test.long.fuzz).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

from doug.settings import Settings
from doug.testing import Lab
from doug.trunks import Trunk
from shtoom.agent.registrar import Phone
from shtoom.sip.digest import Answering, parseChallenges
from test.cases.actor import Actor
from test.cases.case import Scripted

SIZES = (15_000, 60_000)
LINE = 8_000  # characters of one header
STEEP = 7.0  # times as long for four times the size; less is noise
WORTH, LIMIT = 5.0, 100.0  # milliseconds: of what is looked at, and of any message
AGAIN = 3  # times that what looks bad is measured again
SHOWN = 12

FILLS: dict[str, Callable[[int], str]] = {
    "values": lambda n: f"<sip:a{n}@h>",
    "bare values": lambda n: f"v{n}",
    "parameters": lambda n: f"p{n}=1",
    "no values": lambda n: "",
    "quotes": lambda n: '"\\""',
    "credentials": lambda n: f'Digest a{n}="b"',
    "vias": lambda n: f"SIP/2.0/UDP h;branch=z9hG4bK{n}",
    "URI headers": lambda n: f"h{n}=1",
    "escapes": lambda n: "%41",
    "spaces": lambda n: " ",
}
JOINTS = {"parameters": ";", "URI headers": "&", "escapes": "", "spaces": ""}
HEADS = {
    "parameters": "<sip:a@b>;",
    "URI headers": "<sip:a@b?",
    "escapes": "<sip:",
    "quotes": "",
    "spaces": "<sip:a@b>",
}
TAILS = {"URI headers": ">", "escapes": "@b>", "spaces": ";x=1"}
HEADERS = (
    *("Via", "Route", "Record-Route", "Path", "Contact", "Authorization", "Proxy-Authorization"),
    *("WWW-Authenticate", "Proxy-Authenticate", "Require", "Proxy-Require", "Supported", "Allow"),
    *("Accept", "Accept-Encoding", "Content-Encoding", "Content-Disposition", "Warning", "Reason"),
    *("P-Asserted-Identity", "Remote-Party-ID", "Diversion", "Privacy", "Session-Expires"),
    *("User-Agent", "Subject", "X-Other", "Refer-To", "Referred-By", "Replaces", "Error-Info"),
)


class Slow(NamedTuple):
    """Milliseconds for each of SIZES."""

    where: str
    header: str
    fill: str
    times: tuple[float, ...]

    @property
    def steep(self) -> bool:
        """Does it grow faster than the message?"""
        first, *_, last = self.times
        return last > WORTH and last > STEEP * first


def lines(header: str, fill: str, size: int) -> str:
    """Header lines of so many characters in all."""
    made: list[str] = []
    left, number = size, 0
    joint = JOINTS.get(fill, ",")
    while left > 0 and len(made) < 240:
        head, tail = HEADS.get(fill, ""), TAILS.get(fill, "")
        parts, length = [], len(header) + len(head) + len(tail)
        while length < min(LINE, left):
            part = FILLS[fill](number)
            number += 1
            length += len(part) + max(len(joint), 1)
            parts.append(part)
        made.append(f"{header}: {head}{joint.join(parts)}{tail}\r\n")
        left -= length + 4
    return "".join(made)


class World:
    """A server with a trunk and a phone, and actors. more: the lines that are measured."""

    settings = Settings(
        phones={"alice": Phone("a")},
        trunks={"office": Trunk("office", "203.0.113.30", user="u", password="p")},
        anonymous="app",
        sourceRate=0.0,
        rtpTimeout=0.0,
    )

    def __init__(self) -> None:
        self.desk: list[Scripted] = []
        self.lab = Lab(Scripted, settings=self.settings, desk=self.desk)
        self.alice = Actor(self.lab, "alice", "198.51.100.20", 40000)
        self.trunk = Actor(self.lab, "trunk", "203.0.113.30", 30000)

    def close(self) -> None:
        """No more of it."""
        for app in self.desk:
            for leg in app.va_liveLegs():
                leg.hangupCall()
        self.lab.advance(0.1)
        for actor in (self.alice, self.trunk):
            actor.close()
        self.lab.close()

    def spent(self, data: bytes | str, actor: Actor) -> float:
        """Milliseconds for a datagram, and what it leads to at once."""
        actor.raw(data)
        began = time.thread_time()
        self.lab.advance(0.02)
        return 1000 * (time.thread_time() - began)

    def text(self, method: str, more: str, tag: str = "") -> str:
        """A request of alice's."""
        uri = "sip:doug" if method == "REGISTER" else "sip:app@192.0.2.10"
        body = self.alice.offer.decode() if method in ("INVITE", "UPDATE") else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 198.51.100.20:5060;branch={self.alice.newBranch()};rport\r\n"
            "From: <sip:alice@doug>;tag=1\r\n"
            f"To: <sip:alice@doug>{tag}\r\nCall-ID: c\r\nCSeq: 100 {method}\r\n"
            f"{more}Contact: <sip:alice@198.51.100.20>\r\n{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    # --- what is sent ---------------------------------------------------------------------------

    def outside(self, method: str, more: str) -> float:
        """A request outside of calls, of a stranger."""
        return self.spent(
            self.text(method, more).replace("alice@doug", "x@example.net"), self.alice
        )

    def registering(self, more: str) -> float:
        """A REGISTER with the right password."""
        self.alice.raw(self.text("REGISTER", ""))
        asked = self.alice.response("401 REGISTER")
        challenge = parseChallenges(asked.headers.getLines("WWW-Authenticate"))[0]
        answer = Answering(challenge, "alice", "a", "1").answer("REGISTER", "sip:doug")
        text = self.text("REGISTER", f"Authorization: {answer}\r\n{more}")
        return self.spent(text.replace("CSeq: 100", "CSeq: 101"), self.alice)

    def inside(self, method: str, more: str) -> float:
        """A request in a call that is up."""
        call = self.alice.invite()
        self.alice.response("180 INVITE")
        app = self.desk[-1]
        app.leg.answerCall(app)
        self.alice.response("200 INVITE")
        call.ack()
        self.lab.advance(0.05)
        text = self.text(method, more, f";tag={call.remoteTag}")
        text = text.replace("Call-ID: c\r\n", f"Call-ID: {call.callID}\r\n")
        text = text.replace("From: <sip:alice@doug>;tag=1", f"From: {call.local};tag={call.tag}")
        return self.spent(text, self.alice)

    def answering(self, code: int, more: str) -> float:
        """A response to a call of ours."""
        self.lab.application.placeCall("sip:200@203.0.113.30")
        invite = self.trunk.request("INVITE")
        body = self.trunk.answer.decode() if code == 200 else ""
        kind = "Content-Type: application/sdp\r\n" if body else ""
        text = (
            f"SIP/2.0 {code} Whatever\r\nVia: {invite.header('Via')}\r\n"
            f"From: {invite.header('From')}\r\nTo: {invite.header('To')};tag=9\r\n"
            f"Call-ID: {invite.callID}\r\nCSeq: {invite.header('CSeq')}\r\n{more}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        return self.spent(text, self.trunk)


Way = Callable[[World, str], float]


def outside(method: str) -> Way:
    """See World.outside."""
    return lambda world, more: world.outside(method, more)


def inside(method: str) -> Way:
    """See World.inside."""
    return lambda world, more: world.inside(method, more)


def answering(code: int) -> Way:
    """See World.answering."""
    return lambda world, more: world.answering(code, more)


WAYS: dict[str, Way] = {
    **{f"{method} outside": outside(method) for method in ("INVITE", "OPTIONS")},
    "REGISTER": World.registering,
    **{f"{method} inside": inside(method) for method in ("INVITE", "UPDATE", "REFER", "BYE")},
    **{f"{code} to INVITE": answering(code) for code in (180, 200, 302, 401)},
}


def once(way: Way, header: str, fill: str, size: int) -> float:
    """Milliseconds for that size, in a new world."""
    world = World()
    try:
        return way(world, lines(header, fill, size))
    finally:
        world.close()


def measured(where: str, header: str, fill: str) -> Slow:
    """Milliseconds for each size; what looks bad is measured again, and the best counts."""
    way = WAYS[where]
    times = [once(way, header, fill, size) for size in SIZES]
    for _ in range(AGAIN):
        found = Slow(where, header, fill, tuple(times))
        if max(times) < WORTH or not (found.steep or max(times) > LIMIT):
            break
        times = [min(t, once(way, header, fill, n)) for t, n in zip(times, SIZES, strict=True)]
    return Slow(where, header, fill, tuple(times))


def main(args: Sequence[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ways", nargs="*", default=list(WAYS), help="some alone, as 'BYE inside'")
    options = parser.parse_args(args)
    found = [measured(*each) for each in product(options.ways, HEADERS, FILLS)]
    found.sort(key=lambda slow: -max(slow.times))
    say = sys.stdout.write
    say(f"{len(found)} kinds; milliseconds at {', '.join(map(str, SIZES))} bytes\n")
    for number, slow in enumerate(found):
        if number < SHOWN or slow.steep:
            times = " ".join(f"{each:7.1f}" for each in slow.times)
            steep = "  STEEP" if slow.steep else ""
            say(f"{times}  {slow.where}, {slow.header}: {slow.fill}{steep}\n")
    return int(any(slow.steep or max(slow.times) > LIMIT for slow in found))


if __name__ == "__main__":
    sys.exit(main())
