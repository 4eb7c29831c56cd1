"""Calls that are put through, whatever else both sides and a third one say and do meanwhile.

The rules of anyorder.py hold, for each leg; and a REFER has one final response.

Lives here: AnyTransfer. Not here: what chooses the moves (test_transfers.py, test.long.races).
"""

from __future__ import annotations

from functools import partial

from doug.events import (
    BaseEvent,
    CallEndedEvent,
    CallRejectedEvent,
    CallTransferRequestedEvent,
)
from doug.testing import Conditions
from shtoom.sip.message import Request, Response
from test.cases.actor import Dialogue
from test.cases.case import Scripted
from test.races.anyorder import ANSWERED_FOR, AnyCase, Moves, Said

ENDS = CallEndedEvent | CallRejectedEvent
RINGS_FOR = 20.0  # seconds


class PutsThrough(Scripted):
    """Accepts each transfer; is over when it has heard of the end of each of its legs (isTold)."""

    isTold = False

    def came(self, event: BaseEvent) -> None:
        """Writes it down."""
        self.events.append(event)
        leg = getattr(event, "leg", None)
        if leg is not None and leg not in self.legs:
            self.legs.append(leg)
        if isinstance(event, CallTransferRequestedEvent):
            newLeg = event.accept(anyHost=True, timeout=RINGS_FOR)
            if newLeg is not None:
                self.legs.append(newLeg)
        if sum(isinstance(each, ENDS) for each in self.events) == len(self.legs):
            self.isTold = True
            self.returnResult("over")


class AnyTransfer(AnyCase):
    """A call of alice's, which she may have put through to bob."""

    serves = PutsThrough

    def inbound(self) -> Moves:
        """As it is, and with REFER, and what bob says; the call is up, and has its first REFER."""
        conditions, self.lab.network.conditions = self.lab.network.conditions, Conditions()
        moves = super().inbound()
        self.bobs: dict[str, Dialogue] = {}
        self.up()
        self.refer()
        self.settle(self.chance.choice([0.0, 0.05]))
        self.lab.network.conditions = conditions
        answer = self.bob.answer
        said = ((100, b""), (180, b""), (183, answer), (200, answer), (302, b""), (486, b""))
        for code, body in said:
            for time in range(3):  # so that it is likely enough
                moves[f"bob{code}, {time}"] = partial(self.bobSays, code, body)
        return moves | {
            "accept": self.up,
            "refer": self.refer,
            "referAndBye": self.referAndLeave,
            "referAgain": lambda: self.again("REFER"),
            "bobBye": self.bobLeaves,
            "newHangup": self.hangUpNew,
            "connect": self.connect,
            "end": lambda: self.app.returnResult("enough"),
        }

    def up(self) -> None:
        """The application answers, and has its ACK."""
        self.app.leg.answerCall(self.app)
        self.settle()
        self.talk.ack()
        self.settle()

    def refer(self) -> None:
        """Alice wants bob to be called."""
        self.talk.ask("REFER", with_={"Refer-To": f"<sip:bob@{self.bob.host}>"})

    def referAndLeave(self) -> None:
        """As many phones do."""
        self.refer()
        self.talk.bye()

    def bobSays(self, code: int, body: bytes) -> None:
        """To the last call that has come to him; most often there is time to hear it."""
        for heard in self.bob.heard:
            invite = heard.message
            if isinstance(invite, Request) and invite.method == "INVITE":
                if invite.callID not in self.bobs:
                    self.bobs[invite.callID] = self.bob.takes(invite)
        if self.bobs:
            list(self.bobs.values())[-1].says(code, "b", body)
            self.settle(self.chance.choice([0.0, 0.002, 0.3]))

    def bobLeaves(self) -> None:
        """He hangs up whatever he has."""
        for dialogue in self.bobs.values():
            dialogue.bye()

    def hangUpNew(self) -> None:
        """The application hangs up the last leg that it has."""
        self.app.legs[-1].hangupCall()

    def connect(self) -> None:
        """The first two legs, if there are two."""
        if len(self.app.legs) > 1:
            self.app.connectLegs(self.app.legs[0], self.app.legs[1])

    def check(self) -> None:
        """As it is; each REFER has one answer, as long as its transaction lives (timer J)."""
        super().check()
        first: dict[str, Said] = {}
        for said in self.said:
            message = said.message
            if isinstance(message, Response) and message.cseq.method == "REFER":
                before = first.setdefault(message.via.branch or "", said)
                if said.at < before.at + ANSWERED_FOR:
                    self.assertEqual(said.data, before.data)
                else:
                    first[message.via.branch or ""] = said

    def checkEnds(self) -> None:
        """Each application heard of one end of each leg, and of nothing after the last."""
        for app in self.desk:
            ends = [event for event in app.events if isinstance(event, ENDS)]
            self.assertEqual(len({event.leg for event in ends}), len(ends))
            assert isinstance(app, PutsThrough)
            if app.isTold:
                self.assertEqual({event.leg for event in ends}, set(app.legs), app.names)
                self.assertIs(app.events[-1], ends[-1])
