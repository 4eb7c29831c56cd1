"""A trunk whose registrar is started anew, and has forgotten everybody."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred

from doug.trunking import Trunking
from doug.trunks import Trunk
from shtoom.agent.gatekeeper import Gatekeeper
from shtoom.agent.registrar import Phone, Registrar
from shtoom.sip.message import Request
from shtoom.sip.parser import isKeepAlive, parse
from shtoom.sip.transport import Peer
from test.agent.support import DOUG, OFFER, TRUNK, AgentTestCase, Listener

SOON = 35.0
"""Seconds within which it is to be registered again, once there is a registrar again."""

MOST = 8
"""REGISTER in any minute; repeats of one are one."""

PASSWORD = "secret"


class Restarts(AgentTestCase):
    """The trunk is a registrar that keeps nothing on disk. `down`: its host refuses, or is silent.

    refusal: what it answers to calls while nobody is registered.
    """

    refusal = 403

    def setUp(self) -> None:
        super().setUp()
        self.rng = Random(7)
        self.down = False
        self.asked: dict[tuple[str, int], float] = {}
        self.begin()
        self.wire.ends[TRUNK] = self.hear

    def begin(self) -> None:
        """A registrar that knows the account, and no binding."""
        gate = Gatekeeper("example.com", {"u1": PASSWORD}.get, self.rng.randbytes(16))
        phones = {"u1": Phone(PASSWORD)}
        now = self.clock.seconds
        self.registrar = Registrar(gate, phones.get, None, now, now)

    def hear(self, data: bytes) -> None:
        if isKeepAlive(data) or self.down:
            return
        request = parse(data)
        assert isinstance(request, Request)
        key = request.callID, request.cseq.number
        if request.method == "REGISTER":
            self.asked.setdefault(key, self.clock.seconds())
            response = self.registrar.answer(request, Peer(self.wire, DOUG))
        elif request.method == "INVITE" and not self.registrar.bindings("u1"):
            response = request.respond(self.refusal, toTag="t")
        elif request.method == "ACK":
            return
        else:
            response = request.respond(486 if request.method == "INVITE" else 200, toTag="t")
        self.trunk.say(response.toBytes())

    def start(self, expires: int, qualify: int | None = None) -> None:
        trunk = Trunk(
            "office",
            TRUNK[0],
            user="u1",
            password=PASSWORD,
            register=True,
            expires=expires,
            qualify=qualify,
        )
        self.trunking = Trunking(self.agent, [trunk])
        self.trunking.start()
        self.run_(1)
        self.assertEqual(self.devices(), 1)

    def devices(self) -> int:
        return len(self.registrar.bindings("u1"))

    def restart(self, seconds: float, *, silent: bool) -> None:
        """It is away for so long."""
        if silent:
            self.down = True
        else:
            self.wire.broken.add(TRUNK)
        self.run_(seconds)
        self.down = False
        self.wire.broken.clear()
        self.begin()

    def registeredAfter(self, limit: float = SOON) -> float:
        """Seconds until it is; each binding is the only one at all times."""
        begun = self.clock.seconds()
        while self.devices() != 1:
            self.run_(0.5)
            self.assertLess(self.clock.seconds() - begun, limit)
        return self.clock.seconds() - begun

    def finish(self) -> None:
        """No minute had too many; it leaves when it is told to."""
        times = sorted(self.asked.values())
        for first in times:
            inAMinute = [when for when in times if first <= when < first + 60]
            self.assertLessEqual(len(inAMinute), MOST)
        self.successResultOf(Deferred.fromCoroutine(self.trunking.stop(2.0)))
        self.assertEqual(self.devices(), 0)
        self.assertNothingLeft()


class TrunkRestartTests(Restarts):
    """How soon a server is registered again."""

    def test_tenRestarts(self) -> None:
        """Short ones and long ones, refused and silent: within 35 s, one binding, no flood."""
        self.start(expires=60, qualify=30)
        for number in range(10):
            self.run_(self.rng.uniform(1, 90))
            self.restart(self.rng.choice((0.2, 3, 20, 45, 300)), silent=bool(number % 2))
            self.registeredAfter()
            self.run_(self.rng.uniform(1, 10))
            self.assertEqual(self.devices(), 1)
        self.finish()

    def test_aPingThatIsAnsweredAgain(self) -> None:
        """A registration that lasts long is made anew at once."""
        self.start(expires=3600, qualify=30)
        self.run_(100)
        self.restart(70, silent=True)
        self.registeredAfter()
        self.finish()

    def test_aCallThatIsRefused(self) -> None:
        """403, 404 and 481 may mean that it does not know us any more."""
        for self.refusal in (403, 404, 481):
            self.asked.clear()
            self.start(expires=3600)
            self.run_(100)
            self.begin()
            self.call()
            self.registeredAfter(1.0)
            self.finish()

    def test_callsThatAreRefusedForOtherReasons(self) -> None:
        """One REGISTER in half a minute, however many numbers are wrong; none for who is busy."""
        self.start(expires=3600)
        self.run_(100)
        for _ in range(5):
            self.call()
        self.assertEqual(len(self.asked), 2)  # the challenge, and the answer to it
        self.registrar.bindings = lambda user: []  # type: ignore[method-assign]
        for _ in range(100):
            self.call()
            self.run_(1)
        self.assertLessEqual(len(self.asked), 2 + 2 * 4)
        del self.registrar.bindings
        self.finish()

    def call(self) -> None:
        """The trunk is dialled, and refuses."""
        [trunk] = self.trunking.trunks.values()
        call = self.agent.placeCall(f"sip:030@{TRUNK[0]}", OFFER, Listener(self.clock))
        trunk.take(call)
        self.run_(0.1)
