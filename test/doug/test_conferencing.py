"""What members of a room hear, frame by frame, and its tones.

Lives here: phases, packet times, members who only listen. Not here: the rules of the contract
(test.contract.test_section_8_conferencing), the sums (test.audio.test_mixer).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doug.conferencing import ConfSource, Room, newConferenceMember
from doug.events import IGNORE_EVENT, CallEndedEvent, Event
from doug.leg import Leg
from doug.scope import CallScope
from doug.source import Source
from doug.testing import Lab, PhoneCall
from doug.testing.hearing import toneShare
from shtoom import codecs
from shtoom.audio.tones import sine
from test.contract.conference import ConferenceTestCase, Member

LOW, HIGH = 523.25, 784.0  # Hz of the notes


def noise(seed: int, seconds: float = 1.0) -> NDArray[np.int16]:
    """Sound that mu-law carries as it is, no two frames alike."""
    codes = np.random.default_rng(seed).integers(0, 255, round(8000 * seconds), np.uint8)
    codes[codes == 0x7F] = 0xFF  # the other zero
    return codecs.find("PCMU").decode(codes.tobytes())


class Prompt(Source):
    """So many frames of a tone."""

    def __init__(self, frames: int) -> None:
        self.left = frames

    def read(self) -> bytes:
        """The next one."""
        self.left -= 1
        if not self.left and self.leg is not None:
            self.leg._sourceDone(self)
        return sine(450, 0.02, 0.3).tobytes()


class Listener(Member):
    """Hears a room, is not heard; others who use their seats in another way are made of it."""

    def enter(self, event: Any) -> Any:
        """The caller is there."""
        self.seat = self.sit(event.leg)
        Member.seats.append(self.seat)
        return [(CallEndedEvent, self.over), (Event, IGNORE_EVENT)]

    def sit(self, leg: Leg) -> ConfSource:
        """Only played."""
        seat = newConferenceMember("blue", leg)
        leg.mediaPlay([seat])
        return seat


class Speaker(Listener):
    """Is heard, hears nothing."""

    def sit(self, leg: Leg) -> ConfSource:
        """Only recorded to."""
        seat = newConferenceMember("blue", leg)
        leg.mediaRecord(seat)
        return seat


class Announced(Listener):
    """Comes and goes with a tone."""

    def sit(self, leg: Leg) -> ConfSource:
        """As most."""
        seat = newConferenceMember("blue", leg, tones=True)
        leg.mediaPlay([seat])
        leg.mediaRecord(seat)
        return seat


class Party(Leg):
    """As much of a leg as a seat needs."""

    def __init__(self) -> None:
        self.scope = CallScope("call")


class Whisper(ConfSource):
    """Plays everything at a quarter of its level."""

    def read(self) -> bytes:
        """The next frame."""
        return (np.frombuffer(super().read(), np.int16) // 4).tobytes()


class Whispered(Listener):
    """Hears a room from afar."""

    def sit(self, leg: Leg) -> ConfSource:
        """In the room of those who are there."""
        seat = Whisper(Member.seats[0].room, leg)
        leg.mediaPlay([seat])
        leg.mediaRecord(seat)
        return seat


class ExactTestCase(ConferenceTestCase):
    """Rooms in which one speaks and is heard to the last sample."""

    def assertHearsAll(self, call: PhoneCall, sound: NDArray[np.int16], who: str = "") -> None:
        """That the sound came through in one piece, to the last sample."""
        heard, wanted = call.heard.tobytes(), sound.tobytes()
        if wanted not in heard:
            frames = range(0, len(wanted), 320)
            there = sum(wanted[start : start + 320] in heard for start in frames)
            self.fail(f"{who} heard {there} frames of {len(frames)}, or not one after the other")


class FrameTests(ExactTestCase):
    """Each frame of a speaker is heard once by each of the others: none lost, none twice."""

    def speak(self, speaker: PhoneCall, others: list[PhoneCall], seed: int) -> None:
        """One speaks, all others hear it, but for the beginning: the play-out buffer's own."""
        sound = noise(seed)
        speaker.say(np.concatenate([noise(100, 0.3), sound]))
        self.lab.advance(1.9)
        for number, call in enumerate(others):
            self.assertHearsAll(call, sound, f"speaker {seed}, member {number}")

    def test_inFourPhasesOfABeat(self) -> None:
        """A room by hand: seven members write and read, two in each phase but the last."""
        room = Room("blue", 10)
        seats = [ConfSource(room, Party()) for _ in range(7)]
        heard: dict[ConfSource, list[int]] = {seat: [] for seat in seats}
        for beat in range(8):
            for phase in range(4):
                here = seats[phase::4]
                for seat in here:
                    said = 4 ** seats.index(seat) if beat in (2, 3) else 0
                    seat.write(np.full(160, said, np.int16).tobytes())
                for seat in here:
                    heard[seat].append(int(np.frombuffer(seat.read(), np.int16)[0]))
        for number, levels in enumerate(heard.values()):
            times = [[level // 4**n % 4 for level in levels] for n in range(7)]
            self.assertEqual([sum(each) for each in times], [2 * (n != number) for n in range(7)])
            self.assertEqual({max(each) for each in times}, {0, 1})

    def test_inACallOfManyMembers(self) -> None:
        """Twelve of them."""
        calls = self.dial(12)
        for number in (0, 5, 10, 11):
            self.speak(calls[number], [call for call in calls if call is not calls[number]], number)
        self.finish(*calls)

    def test_whateverTheirPacketsHold(self) -> None:
        """10 to 60 ms, in both directions."""
        times = (10, 20, 30, 40, 50, 60, 20)
        calls = [call for time in times for call in self.dial(1, ptime=time)]
        for number, speaker in enumerate(calls):
            self.speak(speaker, [call for call in calls if call is not speaker], number)
        self.finish(*calls)

    def test_whileMembersComeAndGo(self) -> None:
        """Those who stay lose nothing by it."""
        calls = self.dial(10)
        sound = noise(1, 3.0)
        calls[4].say(sound)
        self.lab.advance(0.5)
        calls[0].hangUp()
        late = self.dial(2)
        calls[7].hangUp()
        self.lab.advance(3.0)
        stayed = [call for number, call in enumerate(calls) if number not in (0, 4, 7)]
        for call in stayed:
            self.assertHearsAll(call, sound)
        self.finish(calls[4], *stayed, *late)

    def test_afterASoundOfItsOwnAMemberHearsThePresent(self) -> None:
        """What was said during a prompt to one member is not made up for: no delay grows."""
        one, two = self.dial(2)
        leg = Member.seats[0].leg
        assert leg is not None
        said = [self.lab.reactor.seconds()]
        two.say(noise(1))
        self.lab.advance(1.6)
        leg.mediaPlay([Prompt(25)])
        two.say(noise(2))
        self.lab.advance(1.6)
        said.append(self.lab.reactor.seconds())
        two.say(noise(3))
        self.lab.advance(1.6)
        heard = one.heard.tobytes()
        self.assertNotIn(noise(2).tobytes(), heard)
        places = [heard.index(noise(seed).tobytes()) / 16000 for seed in (1, 3)]
        self.assertAlmostEqual(places[1] - places[0], said[1] - said[0], 3)
        self.finish(one, two)

    def test_aMuteMemberIsSilent(self) -> None:
        """mediaStopRecording() mutes, and leaves no frame behind; mediaRecord() ends it."""
        one, two, three = self.dial(3)
        [seat, *_] = Member.seats
        assert seat.leg is not None
        one.say(noise(1, 2.0))
        self.lab.advance(0.5)
        seat.leg.mediaStopRecording()
        self.lab.advance(1.0)
        two.assertSilent()
        three.assertSilent()
        self.speak(two, [one, three], 2)
        seat.leg.mediaRecord(seat)
        self.speak(one, [two, three], 3)
        self.finish(one, two, three)

    def test_aReadOfASubclassIsHeard(self) -> None:
        """An application may change what its member hears."""
        self.lab = Lab({"": Member, "afar": Whispered})
        [one], [two] = self.dial(1), self.dial(1, "afar")
        one.sayTone(440, 2.0, 0.4)
        two.sayTone(600, 2.0, 0.4)
        self.lab.advance(1.5)
        one.assertHearsTone(600)
        two.assertHearsTone(440)
        levels = [int(np.abs(call.heard[-4000:]).max()) for call in (one, two)]
        self.assertAlmostEqual(levels[0] / levels[1], 4.0, 0)
        self.finish(one, two)


class ListenerTests(ExactTestCase):
    """A seat that is only played, or only recorded to."""

    def setUp(self) -> None:
        super().setUp()
        self.lab = Lab({"": Member, "ears": Listener, "mouth": Speaker})

    def test_whoIsNotRecordedListens(self) -> None:
        """It hears all, whatever its packets hold, and is not heard."""
        speakers = self.dial(2)
        listeners = [call for time in (20, 30, 40, 60) for call in self.dial(1, "ears", ptime=time)]
        for call in listeners:
            call.sayTone(440, 5.0)
        for seed, speaker in enumerate(speakers):
            sound = noise(seed)
            speaker.say(sound)
            self.lab.advance(1.6)
            for call in (*listeners, speakers[1 - seed]):
                self.assertHearsAll(call, sound)
        self.finish(*speakers, *listeners)

    def test_listenersGoOnWhenTheOneTheyFollowLeaves(self) -> None:
        """Those who speak then are heard."""
        one, two = self.dial(2)
        listeners = self.dial(2, "ears")
        one.hangUp()
        self.lab.advance(0.5)
        two.say(noise(1))
        self.lab.advance(1.6)
        for call in listeners:
            self.assertHearsAll(call, noise(1))
        two.hangUp()
        self.lab.advance(1.0)
        listeners[0].assertSilent()
        self.finish(*listeners)

    def test_whoIsNotPlayedSpeaks(self) -> None:
        """Even if nobody does both, and all the others only listen."""
        [mouth] = self.dial(1, "mouth")
        for packet in (20, 40):
            [call] = self.dial(1, "ears", ptime=packet)
            mouth.say(noise(packet))
            self.lab.advance(1.6)
            self.assertHearsAll(call, noise(packet))
            call.hangUp()
            self.lab.advance(0.5)
        mouth.assertSilent()
        self.finish(mouth)

    def test_ifTheOneWhoHearsHasLongPackets(self) -> None:
        """Nobody wants to hear anything in every other beat."""
        [mouth], [call] = self.dial(1, "mouth"), self.dial(1, ptime=40)
        mouth.say(noise(1))
        self.lab.advance(1.6)
        self.assertHearsAll(call, noise(1))
        self.finish(mouth, call)


class ToneTests(ConferenceTestCase):
    """`newConferenceMember(room, leg, tones=True)`: all hear who comes and goes."""

    def setUp(self) -> None:
        super().setUp()
        self.lab = Lab({"": Member, "announced": Announced, "ears": Listener})

    def notes(self, call: PhoneCall) -> str:
        """Which notes were heard, in tenths of a second, since the last forget()."""
        heard = call.heard[self.start.get(call, 0) :]
        found = ""
        for start in range(0, len(heard) - 319, 320):
            piece = heard[start : start + 320]
            if toneShare(piece, LOW) > 0.6 and not found.endswith("l"):
                found += "l"
            elif toneShare(piece, HIGH) > 0.6 and not found.endswith("h"):
                found += "h"
        return found

    def test_whoComesAndWhoGoesIsHeardByAll(self) -> None:
        """A rising tone, and a falling one."""
        calls = [*self.dial(3), *self.dial(1, "ears")]
        self.start = {call: len(call.heard) for call in calls}
        [late] = self.dial(1, "announced")
        self.lab.advance(0.5)
        self.assertEqual([self.notes(call) for call in (*calls, late)], ["lh"] * 5)
        self.start = {call: len(call.heard) for call in calls}
        late.hangUp()
        self.lab.advance(1.0)
        self.assertEqual([self.notes(call) for call in calls], ["hl"] * 4)
        self.finish(*calls)

    def test_itIsShortAndQuiet(self) -> None:
        """A sixth of a second, far below a voice."""
        calls = self.dial(3)
        self.start = {call: len(call.heard) for call in calls}
        [late] = self.dial(1, "announced")
        self.lab.advance(0.5)
        for call in calls:
            sound = call.heard[self.start[call] :]
            loud = np.flatnonzero(np.abs(sound) > 64)
            self.assertLess(np.ptp(loud), 8000 * 0.17)
            self.assertGreater(np.ptp(loud), 8000 * 0.12)
            self.assertLess(int(np.abs(sound).max()), 3000)
        self.finish(*calls, late)

    def test_eachFrameOfItIsHeardOnce(self) -> None:
        """By members of all phases, whenever in the beat it begins."""
        tone = [np.full(160, level, np.float32) for level in (1, 2, 3)]
        for begin in range(3):
            room = Room("blue")
            seats = [ConfSource(room, Party()) for _ in range(3)]
            heard: dict[ConfSource, list[int]] = {seat: [] for seat in seats}
            for turn in range(18):
                if turn == 6 + begin:
                    room.sound(tone)
                seat = seats[turn % 3]
                seat.write(bytes(320))
                heard[seat].append(np.frombuffer(seat.read(), np.int16)[0])
            for levels in heard.values():
                self.assertEqual([level for level in levels if level], [1, 2, 3], begin)

    def test_noneIsKeptForLater(self) -> None:
        """A tone that had no time to be heard, as nobody spoke any more, is not made up for."""
        room = Room("blue")
        listener = ConfSource(room, Party())
        for end in ("close", "hush"):
            speaker = ConfSource(room, Party(), tones=True)
            speaker.write(bytes(320))
            speaker.read()
            if end == "close":
                speaker.close()
                speaker = ConfSource(room, Party())
            else:
                room.hush(speaker)
            for _ in range(10):
                speaker.write(bytes(320))
                self.assertEqual(speaker.read(), bytes(320), end)
            speaker.close()
        self.assertEqual(room.memberCount(), 1)
        listener.close()

    def test_withoutTheOptionNothingIsHeard(self) -> None:
        """It is off by default."""
        calls = self.dial(3)
        late = self.dial(1)
        late[0].hangUp()
        self.lab.advance(1.0)
        for call in calls:
            self.assertFalse(call.heard.any())
        self.finish(*calls)

    def test_theTonesOfManyAreOneAfterAll(self) -> None:
        """Who comes while a tone is heard begins it anew; none is queued up."""
        calls = self.dial(2)
        self.start = {call: len(call.heard) for call in calls}
        late = self.dial(8, "announced")  # within 60 ms
        self.lab.advance(0.5)
        for call in calls:
            sound = call.heard[self.start[call] :]
            self.assertLess(np.ptp(np.flatnonzero(np.abs(sound) > 64)), 8000 * 0.3)
        self.finish(*calls, *late)
