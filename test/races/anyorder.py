"""Whatever both sides say and do, in whatever order, on a network that loses, doubles and delays.

The rules that hold for each such call, on the whole server: one end for each leg, the last that the
application hears; no error of ours; no request that is made twice; one final response to an INVITE,
and nothing else after it; nothing on the wire, and nothing left, when all timers are through.

Lives here: AnyCase and its rules. Not here: what chooses the moves (test_anyorder.py, and
test.long.races for many of them).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from doug.events import CallEndedEvent, CallRejectedEvent
from doug.testing import Conditions
from shtoom.exceptions import CallFailed, UserBusy
from shtoom.sip.message import Request, Response
from shtoom.sip.parser import parse
from test.cases.actor import DOUG, Actor, Dialogue, With
from test.cases.media import Address
from test.races.case import RaceCase, label

REST = 140.0
"""Seconds in which all is over, once the application wants no more: twice 64*T1, and again."""

QUIET = 70.0
"""The last seconds of these: by then nothing is said any more."""

ANSWERED_FOR, REFUSED_FOR = 32.0, 5.0
"""Seconds for which a final response stands, as long as its transaction lives: timers L and I."""

TIMER = {"Supported": "timer"}
EXPIRES = "Session-Expires"

Moves = dict[str, Callable[[], object]]

CONDITIONS = (
    Conditions(),
    Conditions(loss=0.3),
    Conditions(duplicate=0.5),
    Conditions(jitter=0.2, reorder=0.3, reorderBy=1.0),
    Conditions(loss=0.2, duplicate=0.2, jitter=0.1, reorder=0.2),
)


class Said(NamedTuple):
    """A message that the server has sent."""

    at: float
    data: bytes
    message: Request | Response


@implementer(ILogObserver)
class Errors:
    """found: the tracebacks in the log."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if "log_failure" in event:
            self.found.append(event["log_failure"].getTraceback())


class AnyCase(RaceCase):
    """One call, played by a list of moves. sound: a file that the application may play.

    talk: what the far end says of it.
    """

    sound = ""
    talk: Dialogue

    def setUp(self) -> None:
        super().setUp()
        self.said: list[Said] = []
        self.lab.network.observers.append(self._hearServer)
        self.chance = Random(1)
        self.errors = Errors()
        globalLogPublisher.addObserver(self.errors)
        self.addCleanup(globalLogPublisher.removeObserver, self.errors)

    def _hearServer(self, data: bytes, source: Address, destination: Address) -> None:
        if source == DOUG and label(data):
            self.said.append(Said(self.lab.reactor.seconds(), data, parse(data)))

    def play(self, begin: str, moves: list[int], conditions: Conditions, seed: int) -> list[str]:
        """One call, "inbound" or "outbound", and its rules; returns the names of the moves."""
        self.chance = Random(seed)
        self.lab.network.rng.seed(seed)
        self.lab.network.conditions = conditions
        possible = self.inbound() if begin == "inbound" else self.outbound()
        names = sorted(possible)
        made = [names[move % len(names)] for move in moves]
        try:
            for name in made:
                possible[name]()
            self.lab.network.drop = None
            self.finish()
            self.check()
            self.lab.network.conditions = Conditions()
            self.assertStillWell()
        except Exception as error:
            error.add_note(f"{begin}, {', '.join(made)}; {conditions}, seed {seed}")
            raise
        return made

    def shared(self, far: Actor, talk: Dialogue) -> Moves:
        """What may happen in calls of both directions."""
        self.talk = talk
        return {
            "hangup": self.hangUpOurs,
            "play": lambda: self.app.leg.mediaPlay(self.sound),
            "key": lambda: self.app.leg.sendDTMF("1"),
            "ack": talk.ack,
            "ackOther": lambda: talk.ask("ACK", cseq=self.chance.randint(1, 9)),
            "bye": talk.bye,
            "reinvite": talk.reinvite,
            "reinviteNoOffer": lambda: talk.reinvite(b""),
            "ackAnswer": lambda: talk.ack(far.answer),
            "ackRefusal": talk.ackRefusal,
            "cancel": talk.cancel,
            "update": lambda: talk.ask("UPDATE", body=far.offer),
            "updateNoOffer": lambda: talk.ask("UPDATE"),
            "options": lambda: talk.ask("OPTIONS"),
            "info": lambda: talk.ask("INFO"),
            "prack": lambda: talk.ask("PRACK"),
            "overtaken": lambda: talk.ask(self.chance.choice(["BYE", "INVITE", "INFO"]), cseq=1),
            "offer": self.offer,
            "hold": lambda: self.tolerated(self.app.leg.hold()),
            "resume": lambda: self.tolerated(self.app.leg.resume()),
            "timerTheirs": lambda: talk.ask("UPDATE", with_=TIMER | {EXPIRES: "90;refresher=uac"}),
            "timerOurs": lambda: talk.reinvite(with_=TIMER | {EXPIRES: "90;refresher=uas"}),
            "brief": lambda: self.reply(far, 422, {"Min-SE": "200"}),
            "minute": lambda: self.settle(61.0),
            "glare": lambda: self.reply(far, 491),
            "ok": lambda: self.reply(far, 200),
            "gone": lambda: self.reply(far, 481),
            "trying": lambda: self.reply(far, 100),
            "again": self.repeatAny,
            "fail": self.failNext,
            "moment": lambda: self.settle(0.001),
            "while": lambda: self.settle(0.7),
            "wait": lambda: self.settle(5.0),
            "long": lambda: self.settle(33.0),
        }

    def inbound(self) -> Moves:
        """Alice calls."""
        call = self.alice.invite()
        self.settle(0.3)
        while not self.desk:  # the INVITE was lost
            self.again("INVITE")
            self.settle(1.5)
        moves = self.shared(self.alice, call)
        moves["answer"] = lambda: self.app.leg.answerCall(self.app)
        moves["reject"] = lambda: self.app.leg.rejectCall(UserBusy())
        return moves

    def outbound(self) -> Moves:
        """The application calls the trunk."""
        self.dial(timeout=20.0)
        self.settle(0.3)
        invites = [h.message for h in self.trunk.heard if isinstance(h.message, Request)]
        if not invites:
            self.settle(8.0)
            invites = [h.message for h in self.trunk.heard if isinstance(h.message, Request)]
        if not invites:
            return {"wait": lambda: self.settle(5.0)}
        call = self.trunk.takes(invites[0])
        moves = self.shared(self.trunk, call)
        answer = self.trunk.answer
        for code, tag, body in (
            (100, "a", b""),
            (180, "a", b""),
            (183, "b", answer),
            (200, "a", answer),
            (200, "b", answer),
            (200, "c", b""),
            (302, "a", b""),
            (486, "a", b""),
            (487, "a", b""),
            (503, "b", b""),
        ):
            name = f"{code}{tag}{'+' * bool(body)}"
            moves[name] = partial(call.says, code, tag, body)
        return moves

    def hangUpOurs(self) -> None:
        """The application hangs up."""
        self.app.leg.hangupCall()

    def offer(self) -> None:
        """A re-INVITE of ours, if a call is up."""
        for call in self.lab.application.exchange.agent.calls:
            self.tolerated(call.reoffer(call.localSDP or b""))

    def tolerated(self, asked: Deferred[Any]) -> None:
        """The far end may refuse, as it likes."""
        asked.addErrback(lambda failure: failure.trap(CallFailed) and None)

    def reply(self, far: Actor, code: int, lines: With | None = None) -> None:
        """To all requests of the server in the call that the far end has heard."""
        for heard in far.heard:
            message = heard.message
            if isinstance(message, Request) and message.method not in ("ACK",):
                sdp = far.answer if code == 200 and message.method == "INVITE" else b""
                far.reply(message, code, tag="a", body=sdp, with_=lines)

    def repeatAny(self) -> None:
        """Any datagram that a far end has sent, once more."""
        if self.spoken:
            data, source = self.chance.choice(self.spoken)
            self.lab.network.send(data, source, DOUG)

    def failNext(self) -> None:
        """The next thing that the server says finds no way."""
        done: list[bytes] = []

        def fail(data: bytes, source: Address, destination: Address) -> bool:
            if source == DOUG and not done:
                done.append(data)
                raise OSError("Network is unreachable")
            return False

        self.lab.network.drop = fail

    def finish(self) -> None:
        """The application wants no more; all timers run out."""
        for _ in range(3):  # an INVITE may still be on its way
            for app in self.desk:
                for leg in app.legs:
                    leg.hangupCall()
            self.settle(1.0)
        self.lab.advance(REST)

    # The rules

    def check(self) -> None:
        """After finish()."""
        self.assertEqual(self.errors.found, [])
        self.checkEnds()
        self.checkRequests()
        self.checkFinals()
        late = [str(s.message) for s in self.said if s.at > self.lab.reactor.seconds() - QUIET]
        self.assertEqual(late, [])
        agent = self.lab.application.exchange.agent
        self.assertEqual((agent.calls, len(agent.layer), agent.cancellable), (set(), 0, {}))
        self.assertEqual(self.lab.io.sockets, set())
        self.assertEqual(self.lab.reactor.getDelayedCalls(), [])
        self.assertEqual(self.lab.application.listVoiceapps(), {})

    def checkEnds(self) -> None:
        """Each application heard of one end, and of nothing after it."""
        for app in self.desk:
            ends = [e for e in app.events if isinstance(e, CallEndedEvent | CallRejectedEvent)]
            self.assertEqual(len(ends), len(app.legs), app.names)
            if ends:
                self.assertIs(app.events[-1], ends[-1])
            self.assertLessEqual(app.names.count("CallAnsweredEvent"), 1)

    def checkRequests(self) -> None:
        """Repeats are the same, byte by byte; there is one BYE a dialog, one CANCEL an INVITE."""
        bytesOf: dict[tuple[str, str], bytes] = {}
        made: Counter[str] = Counter()
        for said in self.said:
            message = said.message
            if isinstance(message, Request) and message.method != "ACK":
                key = message.method, message.via.branch or ""
                if key not in bytesOf:
                    tags = f"{message.fromAddress.tag} {message.toAddress.tag}"
                    which = message.cseq.number if message.method == "CANCEL" else ""
                    made[f"{message.method} {which} {message.callID} {tags}"] += 1
                self.assertEqual(bytesOf.setdefault(key, said.data), said.data)
        twice = {key: n for key, n in made.items() if n > 1}
        self.assertEqual({k: n for k, n in twice.items() if k.startswith(("BYE", "CANCEL"))}, {})

    def checkFinals(self) -> None:
        """After the final response to an INVITE nothing else is said to it."""
        finals: dict[str, Said] = {}
        for said in self.said:
            message = said.message
            if not isinstance(message, Response) or message.cseq.method != "INVITE":
                continue
            branch = message.via.branch or ""
            final = finals.get(branch)
            if final is not None and said.at < final.at + standsFor(final.message):
                self.assertEqual(said.data, final.data)
            elif message.code >= 200 and (final is None or said.data != final.data):
                finals[branch] = said


def standsFor(final: Request | Response) -> float:
    """Seconds in which nothing else is said to the same INVITE."""
    answered = isinstance(final, Response) and final.code < 300
    return ANSWERED_FOR if answered else REFUSED_FOR
