"""Calls that do no wrong, beside others that do: none of it may be heard in them.

Lives here: their application, their phone, what is asked of them. Not here: the wrong (faulty.py).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import doug.demo
from doug import VoiceApp
from doug.events import CallAnsweredEvent, CallEndedEvent, CallStartedEvent, DTMFReceivedEvent
from doug.testing import Lab, PhoneCall
from shtoom.exceptions import MalformedMessage
from shtoom.rtp.packet import parseRTP

SOUND = str(Path(doug.demo.__file__).parent / "prompts" / "about.wav")
BEAT = 0.02  # seconds from packet to packet
ROUNDING = 0.001


class Good(VoiceApp):
    """Says the same over and over; returns the keys that it heard."""

    def __start__(self) -> Any:
        self.keys = ""
        return [(CallStartedEvent, self.answer)]

    def answer(self, event: CallStartedEvent) -> Any:
        """Somebody calls."""
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.speak), (CallEndedEvent, self.gone)]

    def speak(self, event: CallAnsweredEvent) -> Any:
        """Without end."""
        self.mediaPlay(SOUND, loop=True)
        return [(DTMFReceivedEvent, self.pressed), (CallEndedEvent, self.gone)]

    def pressed(self, event: DTMFReceivedEvent) -> None:
        """A key."""
        self.keys += event.digits

    def gone(self, event: CallEndedEvent) -> None:
        """The caller has heard enough."""
        self.returnResult(self.keys)


class Heard(NamedTuple):
    """A packet of the server's to one of the calls."""

    at: float
    sequence: int
    timestamp: int


class Witnesses:
    """So many calls to `user` of a lab, all from one phone, all up when this is made.

    Their applications are Good. Each caller presses keys of its own now and then.
    """

    def __init__(self, lab: Lab, count: int, user: str = "good") -> None:
        self.lab = lab
        self.phone = lab.phone("witness")
        self.calls: list[PhoneCall] = []
        self.pressed = [""] * count
        self._heard: dict[tuple[str, int], list[Heard]] = {}
        for _ in range(count):
            self.calls.append(self.phone.dial(f"sip:{user}@doug"))
            lab.advance(0.003)
        lab.advance(0.5)
        self._heard = {(call.session.host, call.session.port): [] for call in self.calls}
        lab.network.observers.append(self._sent)

    def press(self, round_: int) -> None:
        """Each of them presses two keys, others than its neighbours."""
        for number, call in enumerate(self.calls):
            keys = f"{(number + round_) % 10}{(3 * number + round_) % 10}"
            call.press(keys, duration=0.06, gap=0.06)
            self.pressed[number] += keys

    def _sent(self, data: bytes, source: tuple[str, int], to: tuple[str, int]) -> None:
        heard = self._heard.get(to)
        if heard is None:
            return
        try:
            packet = parseRTP(data)
        except MalformedMessage:
            return
        heard.append(Heard(self.lab.reactor.seconds(), packet.sequence, packet.timestamp))

    def gaps(self) -> list[tuple[float, int, int]]:
        """What is no regular step from packet to packet: seconds, sequence, timestamp."""
        found = []
        for heard in self._heard.values():
            for before, after in pairwise(heard):
                step = (
                    after.at - before.at,
                    after.sequence - before.sequence & 0xFFFF,
                    after.timestamp - before.timestamp & 0xFFFFFFFF,
                )
                if step[1:] != (1, 160) or abs(step[0] - BEAT) > ROUNDING:
                    found.append(step)
        return found

    def faults(self, gaps: int = 0) -> list[str]:
        """What is wrong with them, after hanging up; gaps: so many each may have."""
        found = [f"a call is {call.state}" for call in self.calls if call.state != "answered"]
        few = [len(heard) for heard in self._heard.values() if len(heard) < 25]
        if few:
            found.append(f"{len(few)} calls had {few} packets")
        irregular = self.gaps()
        if len(irregular) > gaps * len(self.calls):
            found.append(f"{len(irregular)} gaps: {irregular[:3]}")
        before = len(self.lab.results)
        for call in self.calls:
            call.hangUp()
        self.lab.advance(0.5)
        keys = sorted(str(result) for result in self.lab.results[before:])
        if keys != sorted(self.pressed):
            found.append(f"keys were {keys}, wanted {sorted(self.pressed)}")
        return found
