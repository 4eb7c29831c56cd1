"""Contract section 8: conferences on whole calls in virtual time."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

from doug.conferencing import (
    ConferenceClosedError,
    ConferenceError,
    ConferenceMemberNotFoundError,
    ConfSource,
    Room,
    newConferenceMember,
)
from doug.events import IGNORE_EVENT, CallEndedEvent, Event
from doug.testing import Lab
from shtoom import codecs
from shtoom.audio.tones import sine
from test.contract.conference import Chair, ConferenceTestCase, Member, tonesIn


class HearingTests(ConferenceTestCase):
    """`Room(name, maxSpeakers=4)`: everyone hears the loudest others, never themselves."""

    def test_fiftyMembersEachHearTheLoudestOthersAndNeverThemselves(self) -> None:
        """Each speaks a tone of its own, each louder than the next."""
        calls = self.dial(50)
        tones = [300.0 + 60 * n for n in range(50)]
        for number, (call, hz) in enumerate(zip(calls, tones, strict=True)):
            call.say(sine(hz, 2.0, 0.2 * 0.97**number))
        self.lab.advance(1.5)
        for number, (call, mine) in enumerate(zip(calls, tones, strict=True)):
            loudest = [hz for hz in tones[:5] if hz != mine][:4]
            self.assertEqual(tonesIn(call, tones), set(loudest), f"member {number}")
        self.finish(*calls)

    def test_threeMembersHearEachOther(self) -> None:
        """Each hears two tones, not the own one."""
        calls = self.dial(3)
        tones = [400.0, 600.0, 900.0]
        for call, hz in zip(calls, tones, strict=True):
            call.sayTone(hz, 2.0, 0.2)
        self.lab.advance(1.5)
        for call, mine in zip(calls, tones, strict=True):
            self.assertEqual(tonesIn(call, tones), set(tones) - {mine})
        self.finish(*calls)
        self.assertEqual(self.lab.results, ["left"] * 3)

    def test_whoGrowsLouderIsHeardInsteadOfWhoFallsSilent(self) -> None:
        """The loudest are those of now."""
        calls = self.dial(8)
        tones = [300.0 + 200 * n for n in range(8)]
        for call, hz in zip(calls[:5], tones, strict=False):
            call.sayTone(hz, 1.0, 0.2)
        for call, hz in zip(calls[5:], tones[5:], strict=True):
            call.sayTone(hz, 3.0, 0.1)
        self.lab.advance(0.9)
        self.assertLessEqual(tonesIn(calls[7], tones), set(tones[:5]))
        self.lab.advance(1.5)
        self.assertEqual(tonesIn(calls[0], tones), set(tones[5:]))
        self.assertEqual(tonesIn(calls[7], tones), set(tones[5:7]))
        self.finish(*calls)

    def test_aRoomOfOnesOwnHasAnotherNumberOfSpeakers(self) -> None:
        """ConfSource(Room(name, maxSpeakers), leg), without the rooms of the server."""
        room = Room("two at most", 2)

        class Debate(Member):
            """Seats its caller there."""

            def enter(self, event: Any) -> Any:
                """The caller is there."""
                seat = ConfSource(room, event.leg)
                event.leg.mediaPlay([seat])
                event.leg.mediaRecord(seat)
                return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

        self.lab = Lab(Debate)
        calls = self.dial(4)
        tones = [400.0, 600.0, 900.0, 1300.0]
        for number, (call, hz) in enumerate(zip(calls, tones, strict=True)):
            call.sayTone(hz, 2.0, 0.3 * 0.8**number)
        self.lab.advance(1.5)
        heard = [tonesIn(call, tones) for call in calls]
        first, second, third, _ = tones
        self.assertEqual(heard[:2], [{second, third}, {first, third}])
        self.assertEqual(heard[2:], [{first, second}] * 2)
        self.finish(*calls)
        self.assertFalse(room.isOpen())

    def test_roomsAreApart(self) -> None:
        """Who is in another room is not heard."""
        [one], [two], [three] = self.dial(1, "blue"), self.dial(1, "red"), self.dial(1, "red")
        one.sayTone(440, 2.0)
        two.sayTone(600, 2.0)
        self.lab.advance(1.5)
        one.assertSilent()
        two.assertSilent()
        three.assertHearsTone(600)
        self.finish(one, two, three)

    def test_membersOfDifferentCodecsHearEachOther(self) -> None:
        """A-law and mu-law in one room, more of each than are mixed."""
        laws = [self.dial(3, codecs=[name]) for name in ("PCMA", "PCMU")]
        calls = [call for law in zip(*laws, strict=True) for call in law]
        tones = [400.0, 600.0, 900.0, 1300.0, 1700.0, 2100.0]
        for call, hz in zip(calls, tones, strict=True):
            call.sayTone(hz, 2.0, 0.2 if hz < 1500 else 0.1)
        self.lab.advance(1.5)
        for call, mine in zip(calls[4:], tones[4:], strict=True):
            self.assertEqual(tonesIn(call, tones), set(tones[:4]), mine)
        for call, mine in zip(calls[:4], tones[:4], strict=True):
            heard = tonesIn(call, tones)
            self.assertEqual((len(heard), mine in heard), (4, False))
        self.finish(*calls)

    def test_membersOfDifferentRatesHearEachOther(self) -> None:
        """G.722 at 16 kHz among G.711, in packets of 20 and of 40 ms."""
        if "G722" not in codecs.names():
            raise SkipTest(f"G722 {codecs.missing()['G722']}")
        wide = [*self.dial(2, codecs=["G722"]), *self.dial(1, codecs=["G722"], ptime=40)]
        calls = [*wide, *self.dial(1), *self.dial(1, codecs=["PCMA"])]
        tones = [400.0, 600.0, 900.0, 1300.0, 3000.0]
        for call, hz in zip(calls, tones, strict=True):
            call.sayTone(hz, 2.0, 0.15)
        self.lab.advance(1.5)
        for call, mine in zip(calls, tones, strict=True):
            self.assertEqual(tonesIn(call, tones), set(tones) - {mine}, mine)
        self.finish(*calls)

    def test_roomsAreSharedByAllApplicationsOfTheServer(self) -> None:
        """Two classes, one room."""

        def enter(app: Chair, event: Any) -> Any:
            app.seat = newConferenceMember("blue", event.leg)
            event.leg.mediaPlay([app.seat])
            event.leg.mediaRecord(app.seat)
            return [(CallEndedEvent, app.over), (Event, IGNORE_EVENT)]

        self.patch(Chair, "enter", enter)
        [member], [chair] = self.dial(1), self.dial(1, "chair")
        member.sayTone(440, 2.0)
        chair.sayTone(600, 2.0)
        self.lab.advance(1.5)
        member.assertHearsTone(600)
        chair.assertHearsTone(440)
        self.finish(member, chair)


class RoomTests(ConferenceTestCase):
    """Coming, going, and what a room tells of it."""

    def room(self) -> Room:
        """Of the last member."""
        return Member.seats[-1].room

    def test_aRoomTellsItsNameAndMembers(self) -> None:
        """memberCount(), isMember(), isOpen(), getName()."""
        calls = self.dial(2)
        room = self.room()
        self.assertEqual((room.getName(), room.memberCount(), room.isOpen()), ("blue", 2, True))
        self.assertTrue(all(room.isMember(seat) for seat in Member.seats))
        [other] = self.dial(1, "red")
        self.assertFalse(room.isMember(Member.seats[-1]))
        self.finish(*calls, other)

    def test_aLegThatEndsLeavesByItself(self) -> None:
        """The others stay, and hear each other as before."""
        one, two, three = self.dial(3)
        one.hangUp()
        self.lab.advance(0.5)
        self.assertEqual((self.room().memberCount(), self.room().isOpen()), (2, True))
        two.sayTone(440, 2.0)
        self.lab.advance(1.5)
        three.assertHearsTone(440)
        self.finish(two, three)

    def test_mediaStopLeaves(self) -> None:
        """As does the leg's going to another application."""
        one, two, three = self.dial(3)
        first, second = (seat.leg for seat in Member.seats[:2])
        room = self.room()
        assert first is not None
        assert second is not None
        first.mediaStop()
        self.assertEqual(room.memberCount(), 2)
        app = first.getVoiceApp()
        assert app is not None
        second.hijackLeg(app)
        self.assertEqual(room.memberCount(), 1)
        self.finish(one, two, three)

    def test_theLastMemberLeavingClosesTheRoom(self) -> None:
        """Who comes next is in a new one of that name."""
        calls = self.dial(2)
        room = self.room()
        for call in calls:
            call.hangUp()
        self.lab.advance(0.5)
        self.assertEqual((room.memberCount(), room.isOpen()), (0, False))
        [call] = self.dial(1)
        self.assertIsNot(self.room(), room)
        self.assertTrue(self.room().isOpen())
        self.finish(call)

    def test_shutdownClosesTheRoomAndItsMembersHearSilence(self) -> None:
        """The calls stay up. A second time it does nothing."""
        one, two = self.dial(2)
        one.sayTone(440, 3.0)
        self.lab.advance(1.0)
        two.assertHearsTone(440)
        room = self.room()
        room.shutdown()
        room.shutdown()
        self.lab.advance(1.0)
        two.assertSilent()
        self.assertEqual((room.memberCount(), room.isOpen()), (0, False))
        self.assertEqual((one.state, two.state), ("answered", "answered"))
        self.finish(one, two)

    def test_aClosedRoomRaisesConferenceClosedError(self) -> None:
        """Whoever wants to enter, leave or speak; the text names the room."""
        [call] = self.dial(1)
        [seat] = Member.seats
        room, leg = seat.room, seat.leg
        room.shutdown()
        assert leg is not None
        for act in (
            lambda: ConfSource(room, leg),
            lambda: room.removeMember(seat),
            lambda: room.write(seat, bytes(320)),
        ):
            error = self.assertRaises(ConferenceClosedError, act)
            self.assertIn("'blue'", str(error))
            self.assertIsInstance(error, ConferenceError)
        self.finish(call)

    def test_aStrangerRaisesConferenceMemberNotFoundError(self) -> None:
        """A member of another room is one."""
        calls = [*self.dial(1, "blue"), *self.dial(1, "red")]
        blue, red = Member.seats
        for act in (
            lambda: blue.room.removeMember(red),
            lambda: blue.room.write(red, bytes(320)),
            lambda: blue.room.hush(red),
        ):
            error = self.assertRaises(ConferenceMemberNotFoundError, act)
            self.assertIn("'blue'", str(error))
            self.assertIsInstance(error, ConferenceError)
        self.finish(*calls)

    def test_nobodyHasTwoSeats(self) -> None:
        """A seat belongs to its room, and enters it once."""
        calls = [*self.dial(1, "blue"), *self.dial(1, "red")]
        blue, red = Member.seats
        for seat in (blue, red):
            self.assertRaises(ConferenceError, blue.room.addMember, seat)
        self.assertEqual((blue.room.memberCount(), red.room.memberCount()), (1, 1))
        self.finish(*calls)

    def test_aLegThatHasEndedGetsNoSeat(self) -> None:
        """The caller has just hung up: no error, no room, and nothing is heard or said there."""
        [call, other] = self.dial(2)
        leg = Member.seats[0].leg
        assert leg is not None
        call.hangUp()
        self.lab.advance(0.5)
        seat = newConferenceMember("blue", leg)
        leg.mediaPlay([seat])
        leg.mediaRecord(seat)
        self.lab.advance(0.1)
        self.assertFalse(seat.room.isOpen())
        self.assertEqual(Member.seats[1].room.memberCount(), 1)
        self.finish(other)

    def test_aRoomForNobodyIsRefused(self) -> None:
        """maxSpeakers below 1."""
        self.assertRaises(ValueError, Room, "blue", 0)
