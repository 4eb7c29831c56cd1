"""Conferences (contract, section 8): whole calls, and rooms alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from doug import VoiceApp
from doug.conferencing import (
    ConferenceClosedError,
    ConferenceError,
    ConferenceMemberNotFoundError,
    Room,
    newConferenceMember,
)
from doug.events import IGNORE_EVENT, CallAnsweredEvent, CallEndedEvent, CallStartedEvent, Event
from doug.testing import Lab
from doug.testing.hearing import toneShare


class Member(VoiceApp):
    """Puts its caller into the room that was dialled."""

    rooms: list[Room] = []

    def __start__(self) -> Any:
        return [(CallStartedEvent, self.ring)]

    def ring(self, event: Any) -> Any:
        event.leg.answerCall(self)
        return [(CallAnsweredEvent, self.enter), (CallEndedEvent, self.over)]

    def enter(self, event: Any) -> Any:
        member = newConferenceMember(event.leg.getDialog().getCallee().username, event.leg)
        self.rooms.append(member.room)
        event.leg.mediaPlay([member])
        event.leg.mediaRecord(member)
        return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

    def over(self, event: Any) -> Any:
        self.returnResult("left")


class ConferenceTests(SynchronousTestCase):
    """Phones in rooms; each speaks a tone of its own."""

    TONES = (400.0, 600.0, 900.0, 1300.0)

    def setUp(self) -> None:
        Member.rooms = []
        self.lab = Lab(Member)

    def test_everybodyHearsTheOthersAndNeverThemselves(self) -> None:
        """Of three members each hears two tones, not the own one."""
        calls = [self.lab.phone().dial("sip:blue@doug") for _ in range(3)]
        self.lab.advance(1.0)
        for call, tone in zip(calls, self.TONES, strict=False):
            call.sayTone(tone, 3.0, 0.2)
        self.lab.advance(2.0)
        for mine, call in enumerate(calls):
            sound = call.heard[-4000:]
            for other, tone in enumerate(self.TONES[:3]):
                share = toneShare(sound, tone)
                if other == mine:
                    self.assertLess(share, 0.01)
                else:
                    self.assertGreater(share, 0.4)
        for call in calls:
            call.hangUp()
        self.lab.assertNothingLeft()
        self.assertEqual(self.lab.results, ["left"] * 3)

    def test_roomsAreApart(self) -> None:
        """Who is in another room is not heard."""
        one, two = (self.lab.phone().dial(f"sip:{room}@doug") for room in ("blue", "red"))
        self.lab.advance(1.0)
        one.sayTone(440, 2.0)
        self.lab.advance(1.5)
        two.assertSilent()
        one.hangUp()
        two.hangUp()
        self.lab.assertNothingLeft()

    def test_aLegThatEndsLeavesAndTheLastClosesTheRoom(self) -> None:
        """Members are counted down; the closed room is a new one for who comes next."""
        one, two = (self.lab.phone().dial("sip:blue@doug") for _ in range(2))
        self.lab.advance(1.0)
        room = Member.rooms[0]
        self.assertEqual(room.memberCount(), 2)
        one.hangUp()
        self.lab.advance(1.0)
        self.assertEqual((room.memberCount(), room.isOpen()), (1, True))
        two.hangUp()
        self.lab.advance(1.0)
        self.assertEqual((room.memberCount(), room.isOpen()), (0, False))
        three = self.lab.phone().dial("sip:blue@doug")
        self.lab.advance(1.0)
        self.assertIsNot(Member.rooms[-1], room)
        three.hangUp()
        self.lab.assertNothingLeft()


class Seat:
    """As much of a ConfSource as a room needs."""

    row = 0


class RoomTests(SynchronousTestCase):
    """A room without calls."""

    def fill(self, count: int, maxSpeakers: int = 4) -> tuple[Room, list[Any]]:
        """A room with so many members, each saying its number times 100 plus 100."""
        room = Room("blue", maxSpeakers)
        seats: list[Any] = [Seat() for _ in range(count)]
        for number, seat in enumerate(seats):
            room.addMember(seat)
            room.write(seat, np.full(160, 100 * number + 100, np.int16).tobytes())
        return room, seats

    def heard(self, room: Room, seat: Any) -> int:
        """The level that a member hears; all samples are equal."""
        samples = np.frombuffer(room.read(seat), np.int16)
        self.assertEqual(len(set(samples.tolist())), 1)
        return int(samples[0])

    def test_theLoudestOthersAreHeard(self) -> None:
        """With two speakers allowed: who listens hears the two loudest, a speaker the next one."""
        room, seats = self.fill(5, 2)  # 100 200 300 400 500
        self.assertEqual([self.heard(room, s) for s in seats], [900, 900, 900, 800, 700])

    def test_upToMaxSpeakersAllAreHeard(self) -> None:
        """A small room is the sum of all others."""
        room, seats = self.fill(3)
        self.assertEqual([self.heard(room, s) for s in seats], [500, 400, 300])

    def test_theSumIsLimitedAndDoesNotWrap(self) -> None:
        """Loud voices together clip."""
        room, seats = self.fill(3)
        for seat in seats:
            room.write(seat, np.full(160, 30000, np.int16).tobytes())
        self.assertEqual(self.heard(room, seats[0]), 32767)

    def test_leavingKeepsTheOthersApart(self) -> None:
        """After somebody in the middle has left all others hear as before, without them."""
        room, seats = self.fill(4)
        room.removeMember(seats[1])
        self.assertEqual(
            [self.heard(room, s) for s in (seats[0], seats[2], seats[3])], [700, 500, 400]
        )
        self.assertEqual((room.memberCount(), room.isMember(seats[1])), (3, False))

    def test_errors(self) -> None:
        """Strangers, a second entry, a closed room, a room for nobody."""
        room, seats = self.fill(2)
        stranger: Any = Seat()
        stranger.row = 7
        for act in (room.read, room.removeMember):
            self.assertRaises(ConferenceMemberNotFoundError, act, stranger)
        self.assertRaises(ConferenceError, room.addMember, seats[0])
        room.shutdown()
        room.shutdown()
        self.assertFalse(room.isOpen())
        for act in (room.read, room.removeMember, room.addMember):
            self.assertRaises(ConferenceClosedError, act, seats[0])
        self.assertRaises(ValueError, Room, "x", 0)
        self.assertEqual(room.getName(), "blue")
