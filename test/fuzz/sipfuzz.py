"""SIP fuzz of a whole server: parse, handle, respond, media and applications, in virtual time.

Lives here: the server with applications that do all there is to do, the way of messages to it, what
must hold afterwards. Not here: the messages (generators.py).
"""

from __future__ import annotations

import io
import re
from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any, cast

from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from doug.events import (
    IGNORE_EVENT,
    CallAnsweredEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallStartedEvent,
    DTMFReceivedEvent,
    Event,
    MediaPlayDoneEvent,
    TimeoutEvent,
)
from doug.settings import Settings
from doug.source import EchoSource
from doug.testing import Lab
from doug.voiceapp import VoiceApp
from shtoom.audio.tones import sine
from shtoom.exceptions import CallRejected, UserBusy
from test.fuzz.generators import Generator
from test.fuzz.mutation import BYTES, mutated
from test.fuzz.peers import SERVER, Address

SOUND = sine(700, 0.3, 0.3).tobytes()
CALLS = 0.01  # messages that are followed by a call of the server's own
PACKETS = 0.1  # messages that are followed by a packet to a media port
_STATUS = re.compile(rb"SIP/2\.0 (\d{3}) ")


class Busy(VoiceApp):
    """Does now this, now that with its call, for three seconds at most.

    chance: a seeded Random. ends: how many calls of each class of end event there were. called:
    whom it calls.
    """

    unhandledEvents = "log"
    chance: Random
    ends: Counter[str]
    called: tuple[str, ...] = ("sip:far@198.18.0.7:5070",)

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.began)]

    def began(self, event: CallStartedEvent) -> Any:
        """Answers, at once or later, or refuses."""
        self.life = self.setTimer(self.chance.uniform(0.1, 3.0))
        choice = self.chance.random()
        if event.leg is None or self.chance.random() < 0.05:
            self.placeCall(self.chance.choice(self.called), timeout=5)
        elif choice < 0.6:
            event.leg.answerCall(self)
        elif choice < 0.8:
            self.answering = self.setTimer(self.chance.uniform(0.0, 1.0), event.leg)
        elif choice < 0.9:
            event.leg.rejectCall(self.chance.choice((CallRejected, UserBusy))())
        return self.list()

    def list(self) -> Any:
        """The same in all states."""
        return [
            (CallAnsweredEvent, self.up),
            (TimeoutEvent, self.timeout),
            (CallEndedEvent, self.ended),
            (CallRejectedEvent, self.ended),
            (MediaPlayDoneEvent, self.more),
            (DTMFReceivedEvent, self.more),
            (Event, IGNORE_EVENT),
        ]

    def up(self, event: CallAnsweredEvent) -> Any:
        """Something with media."""
        leg, chance = event.leg, self.chance
        if chance.random() < 0.5:
            leg.mediaPlay(io.BytesIO(SOUND), bargeIn=chance.random() < 0.5)
        if chance.random() < 0.2:
            echo = EchoSource()
            leg.mediaPlay(echo)
            leg.mediaRecord(echo)
        elif chance.random() < 0.3:
            leg.mediaRecord(io.BytesIO(), maxDuration=1.0, terminators="#")
        if chance.random() < 0.3:
            leg.dtmfMode(single=False, inband=chance.random() < 0.2, timeout=1)
        if chance.random() < 0.2:
            leg.sendDTMF("1,2")
        if chance.random() < 0.1:
            self.connectLegs(leg, self.placeCall(self.chance.choice(self.called), timeout=5))
        return self.list()

    def more(self, event: Event) -> Any:
        """A sound or a key is over."""
        if self.chance.random() < 0.3:
            leg = self.getDefaultLeg()
            if leg is not None:
                leg.mediaPlay(io.BytesIO(SOUND))
        return self.list()

    def timeout(self, event: TimeoutEvent) -> Any:
        """Time to answer, or to end."""
        leg = event.getTimer().data
        if leg is not None:
            leg.answerCall(self)
            return self.list()
        if self.chance.random() < 0.5:
            self.returnResult(None)
            return None
        for leg in filter(None, [self.getDefaultLeg()]):
            leg.hangupCall()
        self.setTimer(0.5)
        return self.list()

    def ended(self, event: Event) -> Any:
        """A call is over."""
        self.ends[event.getEventName()] += 1
        if self.getDefaultLeg() is None:
            self.returnResult(None)
            return None
        return self.list()


class Plain(VoiceApp):
    """Answers, plays, and hears one key."""

    unhandledEvents = "log"

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.began)]

    def began(self, event: CallStartedEvent) -> Any:
        """Answers."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.up), (CallEndedEvent, self.ended)]

    def up(self, event: CallAnsweredEvent) -> Any:
        """Plays."""
        event.leg.mediaPlay(io.BytesIO(SOUND))
        self.keys = ""
        self.setTimer(20.0)
        return [
            (DTMFReceivedEvent, self.key),
            (TimeoutEvent, self.ended),
            (CallEndedEvent, self.ended),
            (Event, IGNORE_EVENT),
        ]

    def key(self, event: DTMFReceivedEvent) -> None:
        """Notes it."""
        self.keys += event.digits

    def ended(self, event: Event) -> None:
        """Says which keys there were."""
        self.returnResult(getattr(self, "keys", None))


class SIPFuzz:
    """One server and all who send to it, by one seed. settings, called: for subclasses to change.

    messages: how many were sent. answers: responses of the server by status code. requests: its
    own, by method. faults: what was logged as an error, in words, with the message before it.
    """

    settings: Settings | None = None
    called = Busy.called

    def __init__(self, seed: int, generator: Generator | None = None) -> None:
        self.rng = Random(f"fuzz {seed}")
        self.seed = seed
        self.ends: Counter[str] = Counter()
        self.lab = Lab(
            {"": Busy, "plain": Plain},
            settings=self.settings,
            seed=seed,
            chance=Random(f"apps {seed}"),
            ends=self.ends,
            called=self.called,
        )
        self._generator = generator if generator is not None else Generator(seed)
        self.messages = 0
        self.answers: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.faults: list[str] = []
        self._last: deque[bytes] = deque(maxlen=1)
        self._visitor = self.lab.phone("visitor")
        self.lab.network.observers.append(self._seen)
        self._note = _observer(self._logged)
        globalLogPublisher.addObserver(self._note)

    # --- what is done -------------------------------------------------------------------------

    def send(self, count: int) -> None:
        """So many messages, each some time after the one before."""
        rng, generator = self.rng, self._generator
        for _ in range(count):
            data, source = generator.next()
            self._last.append(data)
            self.deliver(data, source)
            self.messages += 1
            if generator.peers.media and rng.random() < PACKETS:
                self._sendPacket(source)
            if rng.random() < CALLS:
                self.lab.application.placeCall(rng.choice(self.called))
            pause = rng.random()
            if pause > 0.97:
                self.lab.reactor.advance(rng.uniform(0.1, 1.0))
            elif pause > 0.3:
                self.lab.reactor.advance(rng.uniform(0.0, 0.02))

    def deliver(self, data: bytes, source: Address) -> None:
        """One message goes to the server."""
        self.lab.network.send(data, source, (SERVER, 5060))

    def _sendPacket(self, source: Address) -> None:
        rng = self.rng
        packet = bytes([0x80, rng.choice((0, 8, 101, 13, 200))]) + rng.randbytes(10)
        packet += rng.randbytes(rng.choice((0, 4, 160)))
        if rng.random() < 0.5:
            packet = mutated(rng, packet, BYTES)
        host = f"198.18.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        self.lab.network.send(
            packet, (host, source[1]), (SERVER, rng.choice(self._generator.peers.media))
        )

    # --- what is seen -------------------------------------------------------------------------

    def _seen(self, data: bytes, source: Address, destination: Address) -> None:
        if source == (SERVER, 5060):
            self.heard(data, destination)

    def heard(self, data: bytes, destination: Address) -> None:
        """A message of the server's."""
        status = _STATUS.match(data)
        if status is not None:
            self.answers[status[1].decode()] += 1
        else:
            self.requests[data[:12].partition(b" ")[0].decode("latin-1")] += 1
        if destination[0] != self._visitor.host.address:
            self._generator.heard(data, destination)

    def _logged(self, event: dict[str, Any]) -> None:
        if event.get("log_level", LogLevel.debug) < LogLevel.error:
            return
        failure = event.get("log_failure")
        trace = failure.getTraceback() if failure is not None else ""
        last = self._last[0] if self._last else b""
        self.faults.append(
            f"seed {self.seed}, message {self.messages}: {formatEvent(event)}\n{trace}"
            f"message before it: {last[:3000]!r}"
        )

    # --- what must hold -----------------------------------------------------------------------

    def assertWell(self) -> None:
        """Nothing was logged as an error, and a plain call works: sound, a key, the end."""
        self.assertNoFault()
        results = self.lab.results
        results.clear()
        call = self._visitor.dial("sip:plain@doug")
        self.lab.reactor.advance(0.34)
        call.assertHearsTone(700, 0.25)
        call.press("7")
        self.lab.reactor.advance(0.3)
        call.hangUp()
        self.lab.reactor.advance(0.1)
        if "7" not in results:
            raise AssertionError(
                f"seed {self.seed}: the key of a plain call was not heard: {results}"
            )
        results.clear()
        self._visitor.calls.clear()

    def assertNoFault(self) -> None:
        """Nothing was logged as an error."""
        if self.faults:
            raise AssertionError(f"{len(self.faults)} faults, the first: {self.faults[0]}")

    def settle(self) -> None:
        """Time for all calls to end, and for all timers of RFC 3261; nothing is left then."""
        self.lab.reactor.advance(100.0)
        self.lab.results.clear()
        agent = self.lab.application.exchange.agent
        if len(agent.layer) or agent.calls or self.lab.application.listVoiceapps():
            raise AssertionError(
                f"seed {self.seed}: left are {len(agent.layer)} transactions, {agent.calls}, "
                f"{self.lab.application.listVoiceapps()}"
            )

    def close(self) -> None:
        """The end: nothing is left of server, calls and phones."""
        try:
            self.lab.assertNothingLeft()
            self.assertNoFault()
        finally:
            globalLogPublisher.removeObserver(self._note)


def _observer(note: Callable[[dict[str, Any]], None]) -> ILogObserver:
    @implementer(ILogObserver)
    def observer(event: dict[str, Any]) -> None:
        note(event)

    return cast(ILogObserver, observer)
